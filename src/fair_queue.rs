//! A queue that serves its owners in turn, so that the items of one owner delay those of another by at most one item.

use std::collections::{HashMap, VecDeque};

/// A queue of items that belong to owners. Each owner has at most its share of items in progress.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// The maximum number of items of one owner that are in progress.
    share: usize,
    /// The waiting items of each owner, in the order of the turns.
    waiting: VecDeque<(String, VecDeque<T>)>,
    /// The number of items of each owner that are in progress.
    in_progress: HashMap<String, usize>,
}

impl<T> FairQueue<T> {
    /// Creates an empty queue.
    pub fn new(share: usize) -> Self {
        Self { share, waiting: VecDeque::new(), in_progress: HashMap::new() }
    }

    /// Adds an item behind the other items of its owner. A new owner gets the last turn.
    pub fn push(&mut self, owner: &str, item: T) {
        match self.waiting.iter_mut().find(|(other, _)| other == owner) {
            Some((_, items)) => items.push_back(item),
            None => self.waiting.push_back((owner.to_owned(), VecDeque::from([item]))),
        }
    }

    /// Removes the oldest item of the first owner whose share is not used up, and counts it as in progress until
    /// [`FairQueue::end`]. The owner gets the last turn then.
    pub fn take(&mut self) -> Option<(String, T)> {
        let share = self.share;
        let in_progress = |owner: &String| self.in_progress.get(owner).copied().unwrap_or_default();
        let turn = self.waiting.iter().position(|(owner, _)| in_progress(owner) < share)?;
        let (owner, mut items) = self.waiting.remove(turn)?;
        let item = items.pop_front()?;
        if !items.is_empty() {
            self.waiting.push_back((owner.clone(), items));
        }
        *self.in_progress.entry(owner.clone()).or_default() += 1;
        Some((owner, item))
    }

    /// Records the end of an item that [`FairQueue::take`] returned.
    pub fn end(&mut self, owner: &str) {
        if let Some(count) = self.in_progress.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.in_progress.remove(owner);
            }
        }
    }

    /// Removes all items that wait.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Returns the number of items in progress.
    pub fn running(&self) -> usize {
        self.in_progress.values().sum()
    }

    /// Returns the number of items that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|(_, items)| items.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(share: usize, items: &[(&str, u32)]) -> FairQueue<u32> {
        let mut queue = FairQueue::new(share);
        items.iter().for_each(|(owner, item)| queue.push(owner, *item));
        queue
    }

    #[test]
    fn owners_take_turns_and_the_items_of_an_owner_keep_their_order() {
        let mut queue = queue(9, &[("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]);
        let order: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(_, item)| item).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn owner_that_returns_gets_the_last_turn() {
        let mut queue = queue(9, &[("a", 1), ("b", 2), ("b", 3)]);
        assert_eq!(queue.take().unwrap().1, 1);
        queue.push("a", 4);
        let order: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(_, item)| item).collect();
        assert_eq!(order, [2, 4, 3]);
    }

    #[test]
    fn owner_has_at_most_its_share_in_progress() {
        let mut queue = queue(2, &[("a", 1), ("a", 2), ("a", 3), ("b", 4)]);
        let mut take = || queue.take().map(|(_, item)| item);
        assert_eq!([take(), take(), take(), take()], [Some(1), Some(4), Some(2), None]);
        queue.end("a");
        assert_eq!(queue.take(), Some(("a".to_owned(), 3)));
        ["a", "a", "b"].iter().for_each(|owner| queue.end(owner));
        assert!(queue.in_progress.is_empty(), "an owner without items uses no memory");
    }
}

//! Decides whether a history is linearizable: whether each operation can have happened at one moment between its call and its
//! answer. Depth-first search of Wing and Gong (1993), with the memory of visited states of Lowe (2017).

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object.
pub(crate) trait Model {
    type State: Clone + Debug + Eq + Hash;
    type Call: Clone + Debug + PartialEq;
    type Answer: Clone + Debug + PartialEq;

    /// Returns the state after a call, and its answer.
    fn apply(state: &Self::State, call: &Self::Call) -> (Self::State, Self::Answer);
}

/// An operation in a history.
#[derive(Clone, Debug)]
pub(crate) struct Event<C, A> {
    pub(crate) client: usize,
    pub(crate) call: C,
    /// The time of the call.
    pub(crate) called: u64,
    /// The answer and its time. `None` if the operation may have happened at any time after the call, or not at all.
    pub(crate) answer: Option<(A, u64)>,
}

impl<C, A> Event<C, A> {
    fn end(&self) -> u64 {
        self.answer.as_ref().map_or(u64::MAX, |(_, time)| *time)
    }
}

/// The events of a model.
pub(crate) type History<M> = [Event<<M as Model>::Call, <M as Model>::Answer>];

/// The maximum number of visited states. A history that needs more is not decided, which counts as a failure.
const MAX_STATES: usize = 500_000;

struct Search<'h, M: Model> {
    history: &'h History<M>,
    seen: HashSet<(Vec<u64>, M::State)>,
    done: Vec<u64>,
    order: Vec<usize>,
    /// The longest order so far.
    best: Vec<usize>,
}

/// Returns an error with the history and the longest possible beginning if the history is not linearizable.
pub(crate) fn check<M: Model>(initial: &M::State, history: &History<M>) -> Result<(), String> {
    let mut search = Search::<M> {
        history,
        seen: HashSet::new(),
        done: vec![0; history.len().div_ceil(64)],
        order: Vec::new(),
        best: Vec::new(),
    };
    assert!(history.is_sorted_by_key(|event| event.called), "the events are in the order of their calls");
    let answered = history.iter().filter(|event| event.answer.is_some()).count();
    if search.find(initial, answered) {
        return Ok(());
    }
    let mut lines = vec![match search.seen.len() {
        MAX_STATES.. => "The history is not decided after the maximum number of states.".to_owned(),
        states => format!("The history is not linearizable ({states} states)."),
    }];
    lines.extend(history.iter().map(|event| format!("{event:?}")));
    lines.push("The longest order that is possible:".to_owned());
    let mut state = initial.clone();
    for index in &search.best {
        let event = &history[*index];
        state = M::apply(&state, &event.call).0;
        lines.push(format!("client {} {:?} at {}: {state:?}", event.client, event.call, event.called));
    }
    Err(lines.join("\n"))
}

impl<M: Model> Search<'_, M> {
    /// Whether the events that are not done can follow, of which `answered` have an answer.
    fn find(&mut self, state: &M::State, answered: usize) -> bool {
        if answered == 0 {
            return true;
        }
        if self.seen.len() >= MAX_STATES || !self.seen.insert((self.done.clone(), state.clone())) {
            return false;
        }
        if self.order.len() > self.best.len() {
            self.best.clone_from(&self.order);
        }
        let open = |index: &usize| self.done[index / 64] & (1 << (index % 64)) == 0;
        let open: Vec<_> = (0..self.history.len()).filter(open).collect();
        // An event that is called after the end of another one cannot come before it.
        let first_end = open.iter().map(|index| self.history[*index].end()).min().unwrap_or(u64::MAX);
        for (position, index) in open.iter().enumerate() {
            let (index, event) = (*index, &self.history[*index]);
            // Of equal operations without answers, the earliest comes first: the others make no difference.
            let is_repeated = |other: &usize| {
                let other = &self.history[*other];
                event.answer.is_none() && other.answer.is_none() && other.call == event.call
            };
            if event.called > first_end || open[..position].iter().any(is_repeated) {
                continue;
            }
            let (next, answer) = M::apply(state, &event.call);
            let is_possible = match &event.answer {
                Some((expected, _)) => *expected == answer,
                // Without effect, it makes no difference whether it happens.
                None => next != *state,
            };
            if !is_possible {
                continue;
            }
            self.done[index / 64] |= 1 << (index % 64);
            self.order.push(index);
            if self.find(&next, answered - usize::from(event.answer.is_some())) {
                return true;
            }
            self.order.pop();
            self.done[index / 64] &= !(1 << (index % 64));
        }
        false
    }
}

/// A number that clients add to and read.
#[derive(Debug)]
struct Counter;

#[derive(Clone, Debug, PartialEq)]
enum Count {
    Add(u32),
    Read,
}

impl Model for Counter {
    type State = u32;
    type Call = Count;
    type Answer = u32;

    fn apply(state: &u32, call: &Count) -> (u32, u32) {
        let next = match call {
            Count::Add(more) => state + more,
            Count::Read => *state,
        };
        (next, next)
    }
}

/// An event with its times of call and answer.
fn event(call: Count, called: u64, answered: u64, answer: u32) -> Event<Count, u32> {
    Event { client: 0, call, called, answer: Some((answer, answered)) }
}

fn lost(call: Count, called: u64) -> Event<Count, u32> {
    Event { client: 1, call, called, answer: None }
}

fn is_linearizable(history: &[Event<Count, u32>]) -> bool {
    check::<Counter>(&0, history).is_ok()
}

#[test]
fn accepts_histories_with_a_possible_order() {
    use Count::{Add, Read};
    assert!(is_linearizable(&[]));
    assert!(is_linearizable(&[event(Add(1), 0, 1, 1), event(Read, 2, 3, 1)]));
    // At the same time: either order.
    for seen in [0, 1] {
        assert!(is_linearizable(&[event(Add(1), 0, 10, 1), event(Read, 2, 3, seen)]));
    }
    assert!(is_linearizable(&[event(Add(1), 0, 10, 3), event(Add(2), 0, 10, 2), event(Read, 5, 6, 2)]));
}

#[test]
fn rejects_histories_without_a_possible_order() {
    use Count::{Add, Read};
    let stale = [event(Add(1), 0, 1, 1), event(Read, 2, 3, 0)];
    let lost_update = [event(Add(1), 0, 10, 1), event(Add(1), 0, 10, 1)];
    let from_the_future = [event(Read, 0, 1, 1), event(Add(1), 2, 3, 1)];
    let back_again = [event(Add(1), 0, 20, 1), event(Read, 1, 2, 1), event(Read, 3, 4, 0)];
    let twice = [event(Add(1), 0, 1, 1), event(Read, 2, 3, 2)];
    for history in [&stale[..], &lost_update, &from_the_future, &back_again, &twice] {
        let error = check::<Counter>(&0, history).unwrap_err();
        assert!(error.starts_with("The history is not linearizable"), "{error}");
        assert_eq!(error.matches("client: 0").count(), history.len(), "{error}");
    }
}

#[test]
fn operation_without_an_answer_happens_once_or_not_at_all_after_its_call() {
    use Count::{Add, Read};
    for seen in [0, 1] {
        assert!(is_linearizable(&[lost(Add(1), 0), event(Read, 2, 3, seen)]));
    }
    // Also later than the next operations.
    assert!(is_linearizable(&[lost(Add(1), 0), event(Read, 2, 3, 0), event(Read, 4, 5, 1)]));
    assert!(!is_linearizable(&[lost(Add(1), 0), event(Read, 2, 3, 1), event(Read, 4, 5, 0)]));
    assert!(!is_linearizable(&[lost(Add(1), 0), event(Read, 2, 3, 1), event(Read, 4, 5, 2)]));
    assert!(!is_linearizable(&[event(Read, 0, 1, 1), lost(Add(1), 2)]));
    assert!(!is_linearizable(&[lost(Add(1), 0), event(Read, 2, 3, 2)]));
}

#[test]
fn many_operations_at_the_same_time_are_decided() {
    let mut history: Vec<_> = (0..12).map(|number| event(Count::Add(1), 0, 100, number + 1)).collect();
    assert!(is_linearizable(&history));
    history.extend((0..8).map(|_| lost(Count::Add(1), 0)));
    history.push(event(Count::Read, 200, 300, 21));
    assert!(!is_linearizable(&history), "20 additions cannot make 21");
    history.pop();
    history.push(event(Count::Read, 200, 300, 20));
    assert!(is_linearizable(&history));
}

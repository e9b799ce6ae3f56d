//! How much memory the messages of all connections take together. A common message needs no leave; what a large one
//! has beyond that is counted, and where nothing is left, its connection ends.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each connection may hold uncounted, in bytes: common messages fit, so that large ones are in nobody's way.
const FREE: usize = 64 * 1024;

/// What is left for the large messages of all connections, in bytes.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// The share of one connection, with nothing in it yet.
    pub(super) fn share(&self) -> Share<'_> {
        Share { budget: self, bytes: 0, taken: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What one connection holds of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct Share<'b> {
    budget: &'b Budget,
    bytes: usize,
    taken: usize,
}

impl Share<'_> {
    /// Counts `bytes` more; false where so many are not left.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let more = self.bytes.saturating_sub(FREE) - self.taken;
        let there = more == 0 || self.budget.take(more);
        if there {
            self.taken += more;
        }
        there
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

/// A stream whose bytes are counted as they come.
pub(super) struct Counted<'s, 'b, S> {
    stream: &'s mut S,
    share: &'s mut Share<'b>,
}

impl<'s, 'b, S: Read> Counted<'s, 'b, S> {
    pub(super) fn new(stream: &'s mut S, share: &'s mut Share<'b>) -> Self {
        Self { stream, share }
    }
}

impl<S: Read> Read for Counted<'_, '_, S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(room)?;
        if self.share.add(count) { Ok(count) } else { Err(no_room()) }
    }
}

/// What a connection ends with where nothing is left.
pub(super) fn no_room() -> io::Error {
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        "the large messages of all connections take all the memory they may",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_messages_need_no_leave_and_large_ones_share_what_there_is() {
        let budget = Budget::new(1000);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.add(FREE) && first.add(600), "a large one");
        assert!(second.add(FREE), "a common one");
        assert!(second.add(400) && !second.add(1), "all that is left");
        assert!(budget.share().add(FREE), "a common one, with nothing left");
        drop(first);
        assert!(second.add(0) && budget.share().add(FREE + 599) && !budget.share().add(FREE + 600));
        drop(second);
        assert!(budget.share().add(FREE + 1000) && !budget.share().add(FREE + 1001));
    }

    #[test]
    fn a_stream_that_brings_too_much_fails() {
        let budget = Budget::new(10);
        let mut share = budget.share();
        let bytes = vec![7; FREE + 11];
        let mut stream = &bytes[..];
        let error = Counted::new(&mut stream, &mut share).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }
}

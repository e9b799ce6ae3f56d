//! The memory quota that the messages of all connections share (`max_request_memory`). Each connection may hold a common
//! message without charge; the bytes beyond that count against the quota, and a connection that exceeds it ends.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that each connection may hold without charge: common messages fit, so that large messages of other
/// connections cannot block them.
const FREE: usize = 64 * 1024;

/// The bytes that are left for the large messages of all connections.
#[derive(Debug)]
pub(super) struct MemoryQuota(AtomicUsize);

impl MemoryQuota {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Returns an empty reservation for one connection.
    pub(super) fn reservation(&self) -> Reservation<'_> {
        Reservation { quota: self, bytes: 0, charged: 0 }
    }

    fn acquire(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The bytes that one connection holds. Dropping the reservation returns its share to the quota.
#[derive(Debug)]
pub(super) struct Reservation<'q> {
    quota: &'q MemoryQuota,
    bytes: usize,
    charged: usize,
}

impl Reservation<'_> {
    /// Reserves `bytes` more. Returns false if the quota has fewer left.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let more = self.bytes.saturating_sub(FREE) - self.charged;
        let granted = more == 0 || self.quota.acquire(more);
        if granted {
            self.charged += more;
        }
        granted
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.quota.release(self.charged);
    }
}

/// A reader that reserves each byte that it reads.
pub(super) struct MeteredReader<'s, 'q, S> {
    stream: &'s mut S,
    reservation: &'s mut Reservation<'q>,
}

impl<'s, 'q, S: Read> MeteredReader<'s, 'q, S> {
    pub(super) fn new(stream: &'s mut S, reservation: &'s mut Reservation<'q>) -> Self {
        Self { stream, reservation }
    }
}

impl<S: Read> Read for MeteredReader<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        if self.reservation.add(count) { Ok(count) } else { Err(quota_exceeded()) }
    }
}

/// The error with which a connection ends when the quota is used up.
pub(super) fn quota_exceeded() -> io::Error {
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        "the large messages of all connections use all of max_request_memory; send again later, or raise max_request_memory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_messages_are_free_and_large_messages_share_the_quota() {
        let quota = MemoryQuota::new(1000);
        let (mut first, mut second) = (quota.reservation(), quota.reservation());
        assert!(first.add(FREE) && first.add(600), "a large message");
        assert!(second.add(FREE), "a common message");
        assert!(second.add(400) && !second.add(1), "the rest of the quota");
        assert!(quota.reservation().add(FREE), "a common message when the quota is used up");
        drop(first);
        assert!(second.add(0) && quota.reservation().add(FREE + 599) && !quota.reservation().add(FREE + 600));
        drop(second);
        assert!(quota.reservation().add(FREE + 1000) && !quota.reservation().add(FREE + 1001));
    }

    #[test]
    fn read_beyond_the_quota_fails() {
        let quota = MemoryQuota::new(10);
        let mut reservation = quota.reservation();
        let bytes = vec![7; FREE + 11];
        let mut stream = &bytes[..];
        let error =
            MeteredReader::new(&mut stream, &mut reservation).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }
}

//! A reader that reserves the memory of each byte that it reads ([`crate::memory_quota`]). A connection whose bytes exceed
//! the quota ends.

use std::io::{self, Read};

use crate::memory_quota::Reservation;

/// A reader that reserves each byte that it reads.
pub(super) struct MeteredReader<'s, S> {
    stream: &'s mut S,
    reservation: &'s mut Reservation,
}

impl<'s, S: Read> MeteredReader<'s, S> {
    pub(super) fn new(stream: &'s mut S, reservation: &'s mut Reservation) -> Self {
        Self { stream, reservation }
    }
}

impl<S: Read> Read for MeteredReader<'_, S> {
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
    use crate::memory_quota::{FREE, MemoryQuota};

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

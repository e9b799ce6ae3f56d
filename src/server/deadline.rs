//! A TCP socket whose reads and writes fail when a deadline has passed.

use std::borrow::Borrow;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A TCP socket with one deadline for reads and one for writes.
///
/// Without a read deadline, reads wait without limit; without a write deadline, the write timeout of the socket
/// applies to each write. An operation that is out of time fails with [`io::ErrorKind::TimedOut`].
pub(super) struct DeadlineSocket<S> {
    tcp: S,
    read_deadline: Option<Instant>,
    write_deadline: Option<Instant>,
    /// Whether the socket has a read timeout, which a read without a deadline must remove.
    has_read_timeout: bool,
}

impl<S: Borrow<TcpStream>> DeadlineSocket<S> {
    /// Wraps a socket that has no read timeout.
    pub(super) fn new(tcp: S) -> Self {
        Self { tcp, read_deadline: None, write_deadline: None, has_read_timeout: false }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        self.tcp.borrow()
    }

    pub(super) fn read_deadline(&self) -> Option<Instant> {
        self.read_deadline
    }

    pub(super) fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.read_deadline = deadline;
    }

    /// Sets both deadlines to the moment after `timeout`.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        let deadline = Some(Instant::now() + timeout);
        (self.read_deadline, self.write_deadline) = (deadline, deadline);
    }

    /// Limits the next write to the time until the write deadline.
    fn limit_write(&self) -> io::Result<()> {
        match self.write_deadline {
            Some(deadline) => self.tcp().set_write_timeout(Some(until(deadline)?)),
            None => Ok(()),
        }
    }
}

/// Returns the time until `deadline`, or an error if there is none left.
fn until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Replaces the error kind with which the operating system reports an expired socket timeout.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl<S: Borrow<TcpStream>> Read for DeadlineSocket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let timeout = self.read_deadline.map(until).transpose()?;
            if timeout.is_some() || self.has_read_timeout {
                self.tcp().set_read_timeout(timeout)?;
                self.has_read_timeout = timeout.is_some();
            }
            match self.tcp().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map_err(timed_out),
            }
        }
    }
}

impl<S: Borrow<TcpStream>> Write for DeadlineSocket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit_write()?;
        self.tcp().write(bytes).map_err(timed_out)
    }

    /// Writes all TLS records of a response by one system call.
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.limit_write()?;
        self.tcp().write_vectored(parts).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn read_fails_when_deadline_passes_and_waits_without_one() {
        let (tcp, mut peer) = pair();
        let mut socket = DeadlineSocket::new(tcp);
        socket.set_read_deadline(Some(Instant::now() + Duration::from_millis(10)));
        assert_eq!(socket.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(socket.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        socket.set_read_deadline(None);
        peer.write_all(b"abc").unwrap();
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 3);
        assert_eq!(socket.tcp().read_timeout().unwrap(), None);
    }

    #[test]
    fn write_fails_when_peer_does_not_read_until_deadline() {
        let (tcp, _peer) = pair();
        let mut socket = DeadlineSocket::new(&tcp);
        socket.set_timeout(Duration::from_millis(50));
        let error = socket.write_all(&vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

//! The socket of a connection, and the loop that drives its futures. Reads and writes never wait: when the futures cannot
//! proceed, the calling thread waits for the socket with poll(2), until a deadline. An answer takes three system calls: to
//! send, to wait and to receive.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The time after which the system probes a silent connection, and between two probes.
const PROBE: Duration = Duration::from_secs(1);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// What the futures and the loop share.
struct Shared {
    stream: Stream,
    /// Whether bytes may have arrived since a read found no more of them.
    may_read: AtomicBool,
    /// Whether a write waits for room.
    is_full: AtomicBool,
}

/// Whether a future has woken another one.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// The loop's side of a socket.
pub(super) struct Link {
    shared: Arc<Shared>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// The futures' side of a socket.
pub(super) struct Socket(Arc<Shared>);

/// Connects to an address within `limit`. The system ends a connection whose peer has been silent for `silence`.
pub(super) fn tcp(address: SocketAddr, limit: Duration, silence: Duration) -> io::Result<(Link, Socket)> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, PROBE)?;
    sockopt::set_tcp_keepintvl(&stream, PROBE)?;
    sockopt::set_tcp_keepcnt(&stream, 1)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&stream, u32::try_from(silence.as_millis()).unwrap_or(u32::MAX))?;
    #[cfg(not(target_os = "linux"))]
    let _ = silence;
    Ok(pair(Stream::Tcp(stream)))
}

/// Connects to a socket of this machine. Fails at once if its queue is full.
pub(super) fn unix(path: &Path) -> io::Result<(Link, Socket)> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    rustix::net::connect(&stream, &SocketAddrUnix::new(path)?)?;
    Ok(pair(Stream::Unix(stream)))
}

fn pair(stream: Stream) -> (Link, Socket) {
    let shared = Shared { stream, may_read: AtomicBool::new(false), is_full: AtomicBool::new(false) };
    let (shared, woken) = (Arc::new(shared), Arc::<Woken>::default());
    let waker = Waker::from(Arc::clone(&woken));
    (Link { shared: Arc::clone(&shared), woken, waker }, Socket(shared))
}

impl Link {
    /// Polls until there is a result, or returns `None` after `limit`.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Poll::Ready(result) = poll(&mut Context::from_waker(&self.waker)) {
                return Some(result);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() || (!self.woken.0.swap(false, Relaxed) && !self.wait(rest)) {
                return None;
            }
        }
    }

    /// Polls once, and lets reads ask the system for bytes that have arrived meanwhile.
    pub(super) fn look<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.shared.may_read.store(true, Relaxed);
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Forgets that futures have been woken, because the caller polls all of them next.
    pub(super) fn forget_wakes(&self) {
        self.woken.0.store(false, Relaxed);
    }

    /// Waits until the socket is ready, for at most `rest`. Returns whether the futures can be polled again.
    fn wait(&self, rest: Duration) -> bool {
        let Shared { stream, may_read, is_full } = &*self.shared;
        let room = if is_full.load(Relaxed) { PollFlags::OUT } else { PollFlags::empty() };
        let mut polled = [PollFd::new(stream, PollFlags::IN | room)];
        let Ok(rest) = Timespec::try_from(rest) else { return false };
        match poll(&mut polled, Some(&rest)) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(Errno::INTR) => return true,
            Err(_) => return false,
        }
        let [polled] = &polled;
        let found = polled.revents();
        // A read or write reports why a connection has ended.
        let has_ended = found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        if has_ended || found.contains(PollFlags::IN) {
            may_read.store(true, Relaxed);
        }
        if has_ended || found.contains(PollFlags::OUT) {
            is_full.store(false, Relaxed);
        }
        true
    }
}

/// Repeats a call that a signal has interrupted. Returns `None` if it would have to wait.
fn unless_waiting(mut call: impl FnMut() -> io::Result<usize>) -> Option<io::Result<usize>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            outcome => return Some(outcome),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Shared { stream, may_read, .. } = &*self.0;
        if !may_read.load(Relaxed) {
            return Poll::Pending;
        }
        let free = buffer.initialize_unfilled();
        let read = unless_waiting(|| match stream {
            Stream::Tcp(stream) => (&mut &*stream).read(free),
            Stream::Unix(stream) => (&mut &*stream).read(free),
        });
        let Some(read) = read else {
            may_read.store(false, Relaxed);
            return Poll::Pending;
        };
        let count = read?;
        // The end of the stream stays readable; fewer bytes than the buffer has room for are all that have arrived.
        if count > 0 && count < free.len() {
            may_read.store(false, Relaxed);
        }
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = unless_waiting(|| match &self.0.stream {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        });
        if let Some(written) = written {
            return Poll::Ready(written);
        }
        self.0.is_full.store(true, Relaxed);
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match &self.0.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::TcpListener;
    use std::pin::pin;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(50);

    /// Returns both sides of a connection.
    fn connected() -> (Link, Socket, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (link, socket) = tcp(listener.local_addr().unwrap(), LIMIT, LIMIT).unwrap();
        (link, socket, listener.accept().unwrap().0)
    }

    fn read(socket: &mut Socket, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(socket).poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
    }

    #[test]
    fn waits_for_a_silent_peer_until_the_limit_and_then_reads_what_it_sends() {
        let (link, mut socket, mut peer) = connected();
        let (mut buffer, mut polls) = ([0; 8], 0);
        let begun = Instant::now();
        let outcome = link.run(SHORT, |context| {
            polls += 1;
            read(&mut socket, context, &mut buffer)
        });
        assert!(outcome.is_none() && begun.elapsed() >= SHORT);
        assert_eq!(polls, 1, "the thread waits in poll(2)");
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(SHORT);
                peer.write_all(b"answer").unwrap();
            });
            let count = link.run(LIMIT, |context| read(&mut socket, context, &mut buffer));
            assert_eq!(&buffer[..count.unwrap().unwrap()], b"answer");
        });
        drop(peer);
        assert_eq!(link.run(LIMIT, |context| read(&mut socket, context, &mut buffer)).unwrap().unwrap(), 0);
    }

    #[test]
    fn writes_more_than_the_socket_holds_as_soon_as_the_peer_reads() {
        const SIZE: usize = 16 << 20;
        let (link, mut socket, mut peer) = connected();
        let bytes = vec![7; SIZE];
        let mut rest = bytes.as_slice();
        let mut write_all = |limit| {
            link.run(limit, |context| {
                while !rest.is_empty() {
                    match Pin::new(&mut socket).poll_write(context, rest) {
                        Poll::Ready(count) => rest = &rest[count.unwrap()..],
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Ready(())
            })
        };
        assert!(write_all(SHORT).is_none(), "the peer does not read");
        thread::scope(|scope| {
            let read = scope.spawn(|| {
                let mut found = vec![0; SIZE];
                peer.read_exact(&mut found).unwrap();
                found
            });
            write_all(LIMIT).unwrap();
            assert!(read.join().unwrap() == bytes);
        });
    }

    #[test]
    fn polls_again_after_a_wake_and_ends_at_the_limit_if_wakes_do_not_end() {
        let (link, _socket, _peer) = connected();
        let mut is_second = false;
        let mut twice = pin!(poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut is_second, true) { Poll::Ready(()) } else { Poll::Pending }
        }));
        let begun = Instant::now();
        link.run(LIMIT, |context| twice.as_mut().poll(context)).unwrap();
        let endless = link.run(SHORT, |context| -> Poll<()> {
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(endless.is_none() && begun.elapsed() < LIMIT);
    }
}

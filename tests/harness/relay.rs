//! A relay between a server and its database, which delays, throttles, drops or cuts what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The size of the pieces in bytes; a throttled connection passes one after the other.
const PIECE: usize = 4 << 10;

/// What the relay does to the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Closes all connections, and accepts no other.
    Refuse,
    /// Half-open connections: bytes vanish in both directions, also those of new connections.
    Silent,
    /// Each byte arrives later, in both directions.
    Delay(Duration),
    /// So many bytes pass in a second, in each direction.
    Throttle(u32),
    /// The connection on which this many bytes of the database have passed ends there, in the middle of a message.
    CutAfter(usize),
    /// The next COMMIT does not arrive: the connection ends before the end of its message. Then the fault is over.
    LoseCommit,
    /// The next COMMIT arrives, but the answer does not. Then the fault is over.
    LoseAnswerOfCommit,
}

struct Control {
    target: u16,
    fault: Mutex<Fault>,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Control {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    /// Returns whether these bytes contain the COMMIT that the fault is about, and which fault.
    fn take_commit(&self, bytes: &[u8]) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        let waits = matches!(*fault, Fault::LoseCommit | Fault::LoseAnswerOfCommit);
        let is_commit = waits && bytes.windows(6).any(|word| word == b"COMMIT");
        is_commit.then(|| std::mem::replace(&mut *fault, Fault::None))
    }
}

/// The relay. Its connections end when it is dropped.
pub(crate) struct Relay {
    pub(crate) port: u16,
    control: Arc<Control>,
}

impl Relay {
    /// Starts a relay to this port of the local machine.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let control = Arc::new(Control {
            target,
            fault: Mutex::new(Fault::None),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let accepting = Arc::clone(&control);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                if accepting.fault() != Fault::Refuse {
                    connect(&client, &accepting);
                }
            }
        });
        Self { port, control }
    }

    /// Starts a relay to the database at `url`.
    pub(crate) fn before(url: &Path) -> Self {
        let url = url.display().to_string();
        let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
        Self::start(port.parse().unwrap())
    }

    /// Applies a fault to all connections, or ends it.
    pub(crate) fn set(&self, fault: Fault) {
        *self.control.fault.lock().unwrap() = fault;
        if fault == Fault::Refuse {
            self.close();
        }
    }

    /// Closes all connections.
    pub(crate) fn close(&self) {
        for stream in self.control.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Returns the fault that applies now.
    pub(crate) fn fault(&self) -> Fault {
        self.control.fault()
    }

    /// Returns the URL `url` with the port of the relay instead of the port of the database.
    pub(crate) fn url(&self, url: &Path) -> PathBuf {
        let target = format!(":{}/", self.control.target);
        let url = url.display().to_string();
        assert!(url.contains(&target), "{url}");
        url.replace(&target, &format!(":{}/", self.port)).into()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.control.is_over.store(true, Ordering::SeqCst);
        self.close();
        // The thread that accepts connections looks once more.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Connects a client to the database.
fn connect(client: &TcpStream, control: &Arc<Control>) {
    let Ok(database) = TcpStream::connect(("127.0.0.1", control.target)) else {
        drop(client.shutdown(Shutdown::Both));
        return;
    };
    let copy = |stream: &TcpStream| {
        stream.set_nodelay(true).unwrap();
        stream.try_clone().unwrap()
    };
    let is_deaf = Arc::new(AtomicBool::new(false));
    for (from, to, is_request) in
        [(copy(client), copy(&database), true), (copy(&database), copy(client), false)]
    {
        // The queue is bounded, so that a throttled connection also slows its sender.
        let (sender, receiver) = sync_channel(256);
        let (reading, writing) = (Arc::clone(control), Arc::clone(control));
        let (hears, is_deaf) = (Arc::clone(&is_deaf), Arc::clone(&is_deaf));
        thread::spawn(move || read(from, &sender, &reading, is_request.then_some(&*hears)));
        thread::spawn(move || write(to, &receiver, &writing, is_request, &is_deaf));
    }
    control.streams.lock().unwrap().extend([copy(client), copy(&database)]);
}

/// A piece with the time at which it is sent on, or `None` in place of the rest of the connection.
type Piece = (Instant, Option<Vec<u8>>);

/// Reads pieces until the connection ends. Of requests, looks for the COMMIT whose answer vanishes.
fn read(mut from: TcpStream, to: &SyncSender<Piece>, control: &Control, is_deaf: Option<&AtomicBool>) {
    let mut buffer = [0; PIECE];
    // The last bytes before the piece, because the word can begin in one piece and end in the next.
    let mut before = Vec::new();
    while let Ok(count) = from.read(&mut buffer) {
        let mut piece = buffer[..count].to_vec();
        before.extend_from_slice(&piece);
        let delay = match control.fault() {
            Fault::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        let commit = if is_deaf.is_some() { control.take_commit(&before) } else { None };
        before.drain(..before.len().saturating_sub(5));
        if let (Some(Fault::LoseAnswerOfCommit), Some(is_deaf)) = (commit, is_deaf) {
            is_deaf.store(true, Ordering::SeqCst);
        }
        let is_end = count == 0 || commit == Some(Fault::LoseCommit);
        if is_end {
            piece.truncate(count.saturating_sub(3));
        }
        if to.send((Instant::now() + delay, Some(piece))).is_err() || is_end {
            break;
        }
    }
    let _ = to.send((Instant::now(), None));
}

fn write(
    mut to: TcpStream,
    pieces: &Receiver<Piece>,
    control: &Control,
    is_request: bool,
    is_deaf: &AtomicBool,
) {
    let mut passed = 0;
    while let Ok((time, Some(mut piece))) = pieces.recv() {
        thread::sleep(time.saturating_duration_since(Instant::now()));
        if !is_request && is_deaf.load(Ordering::SeqCst) {
            // Long enough for the database to commit.
            thread::sleep(Duration::from_millis(100));
            break;
        }
        let mut is_cut = false;
        match control.fault() {
            Fault::Silent => continue,
            Fault::Throttle(rate) => thread::sleep(Duration::from_secs(1) * length(&piece) / rate),
            Fault::CutAfter(limit) if !is_request => {
                is_cut = passed + piece.len() >= limit;
                piece.truncate(limit.saturating_sub(passed));
            }
            _ => {}
        }
        passed += piece.len();
        if to.write_all(&piece).is_err() || is_cut {
            break;
        }
    }
    // Both directions end, because the reader of the other one sees it.
    drop(to.shutdown(Shutdown::Both));
}

fn length(piece: &[u8]) -> u32 {
    u32::try_from(piece.len()).unwrap()
}

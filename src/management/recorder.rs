//! The recorder: an observer that keeps the last messages, sessions and failed handshakes in memory.
//!
//! It keeps messages with their secrets masked. It records under test control, while a page is open, and for ten minutes
//! after that; otherwise an event costs one branch. [`super::inspector`] puts the records into words.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::auth::Peer;
use crate::encoding;
use crate::excerpt::Excerpt;
use crate::lock::IgnorePoison;
use crate::observe::{FailedHandshake, Messages, Observer, Opened};

/// The maximum number of recorded exchanges, and of recorded events of connections.
pub const MAX_RECORDS: usize = 1_000;
/// The maximum size of all records in bytes.
pub const MAX_RECORDED_BYTES: usize = 16 << 20;
/// The length in bytes from which a message is recorded without its content.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The maximum number of watchers. Each occupies a thread.
pub const MAX_WATCHERS: usize = 8;
/// The time for which the recorder goes on after the last watcher left.
const AFTERMATH: Duration = Duration::from_secs(600);
/// The memory of a record besides its messages, in bytes.
const OVERHEAD: usize = 512;

/// What happened on a connection, once.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number: 1, 2, 3 … since the start of the server.
    pub number: u64,
    /// The time at which it was recorded.
    pub time: SystemTime,
    /// The number of the session in the log.
    pub session: String,
    /// The address of the client.
    pub address: SocketAddr,
    /// The common name of the client's certificate, or an empty text.
    pub user: String,
    /// What happened.
    pub event: Event,
}

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum Event {
    /// The client passed the handshake.
    Opened {
        /// The TLS version and the cipher suite.
        chosen: String,
        /// What the client offered.
        offered: String,
        /// The certificate of the client.
        certificate: String,
    },
    /// The session ended.
    Closed(
        /// The reason.
        String,
    ),
    /// The client did not pass the handshake.
    Failed {
        /// The code, which `--explain` knows.
        code: &'static str,
        /// What happened and what to do.
        sentence: String,
        /// What the client offered, or an empty text.
        offered: String,
    },
    /// The server answered a request.
    Exchange(Exchange),
}

/// A request with its response. Both are masked.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request, or `None` if it is longer than [`MAX_MESSAGE`].
    pub request: Option<Vec<u8>>,
    /// The response, or `None` if it is longer than [`MAX_MESSAGE`].
    pub response: Option<Vec<u8>>,
    /// The lengths of both messages in bytes.
    pub lengths: (usize, usize),
    /// The time from the end of the request until the response was ready.
    pub duration: Duration,
}

impl Record {
    fn size(&self) -> usize {
        OVERHEAD
            + match &self.event {
                Event::Opened { chosen, offered, certificate } => {
                    chosen.len() + offered.len() + certificate.len()
                }
                Event::Closed(reason) => reason.len(),
                Event::Failed { sentence, offered, .. } => sentence.len() + offered.len(),
                Event::Exchange(Exchange { request, response, .. }) => {
                    request.as_ref().map_or(0, Vec::len) + response.as_ref().map_or(0, Vec::len)
                }
            }
    }
}

/// The last records of a server.
#[derive(Default)]
pub struct Recorder {
    is_recording: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    exchanges: VecDeque<Arc<Record>>,
    connections: VecDeque<Arc<Record>>,
    /// The size of both.
    bytes: usize,
    last: u64,
    watchers: usize,
    /// Whether the recorder goes on without watchers.
    is_kept: bool,
    /// The time at which the recorder stops without watchers.
    end: Option<Instant>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("is_recording", &self.is_recording).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Records from now on, with and without watchers.
    pub fn keep(&self) {
        self.state.lock().ignore_poison().is_kept = true;
        self.is_recording.store(true, Ordering::Relaxed);
    }

    /// Records from now on, for as long as the watcher exists and ten minutes more. Returns `None` if there are
    /// [`MAX_WATCHERS`] already.
    pub fn watch(self: &Arc<Self>) -> Option<Watcher> {
        let mut state = self.state.lock().ignore_poison();
        if state.watchers >= MAX_WATCHERS {
            return None;
        }
        state.watchers += 1;
        self.is_recording.store(true, Ordering::Relaxed);
        Some(Watcher(Arc::clone(self)))
    }

    /// Returns the records after `number`, in their order.
    pub fn after(&self, number: u64) -> Vec<Arc<Record>> {
        self.state.lock().ignore_poison().after(number)
    }

    /// Returns the records after `number`. If there is none, it waits for one, for at most `patience`.
    pub fn wait(&self, number: u64, patience: Duration) -> Vec<Arc<Record>> {
        let state = self.state.lock().ignore_poison();
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.last <= number);
        waited.ignore_poison().0.after(number)
    }

    /// Returns the record with this number, unless newer ones have replaced it.
    pub fn record(&self, number: u64) -> Option<Arc<Record>> {
        self.state.lock().ignore_poison().find(number)
    }

    /// Removes all records. Their numbers are not used again.
    pub fn clear(&self) {
        let mut state = self.state.lock().ignore_poison();
        let State { exchanges, connections, bytes, .. } = &mut *state;
        exchanges.clear();
        connections.clear();
        *bytes = 0;
    }

    fn record_event(&self, address: SocketAddr, session: &str, user: String, event: Event) {
        let (session, time) = (session.to_owned(), SystemTime::now());
        let mut state = self.state.lock().ignore_poison();
        if state.watchers == 0 && !state.is_kept && state.end.is_none_or(|end| end <= Instant::now()) {
            self.is_recording.store(false, Ordering::Relaxed);
            return;
        }
        state.last += 1;
        let number = state.last;
        state.push(Record { number, time, session, address, user, event });
        drop(state);
        self.changed.notify_all();
    }

    fn is_off(&self) -> bool {
        !self.is_recording.load(Ordering::Relaxed)
    }
}

impl State {
    fn push(&mut self, record: Record) {
        self.bytes += record.size();
        let is_exchange = matches!(record.event, Event::Exchange(_));
        let queue = if is_exchange { &mut self.exchanges } else { &mut self.connections };
        queue.push_back(Arc::new(record));
        if queue.len() > MAX_RECORDS {
            self.bytes -= queue.pop_front().map_or(0, |record| record.size());
        }
        while self.bytes > MAX_RECORDED_BYTES {
            // Most of the bytes are those of the exchanges.
            let oldest = self.exchanges.pop_front().or_else(|| self.connections.pop_front());
            let Some(oldest) = oldest else { return };
            self.bytes -= oldest.size();
        }
    }

    fn after(&self, number: u64) -> Vec<Arc<Record>> {
        let newer = |queue: &VecDeque<Arc<Record>>| {
            let begin = queue.partition_point(|record| record.number <= number);
            queue.range(begin..).cloned().collect::<Vec<_>>()
        };
        let mut records = newer(&self.exchanges);
        records.extend(newer(&self.connections));
        records.sort_by_key(|record| record.number);
        records
    }

    fn find(&self, number: u64) -> Option<Arc<Record>> {
        [&self.exchanges, &self.connections].into_iter().find_map(|queue| {
            let place = queue.binary_search_by_key(&number, |record| record.number).ok()?;
            queue.get(place).cloned()
        })
    }
}

/// An open page, which waits for records.
#[derive(Debug)]
pub struct Watcher(Arc<Recorder>);

impl Watcher {
    /// Returns the records after `number`, as [`Recorder::wait`] does.
    pub fn wait(&self, number: u64, patience: Duration) -> Vec<Arc<Record>> {
        self.0.wait(number, patience)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().ignore_poison();
        state.watchers -= 1;
        state.end = Some(Instant::now() + AFTERMATH);
    }
}

impl Observer for Recorder {
    fn opened(&self, opened: &Opened<'_>) {
        if self.is_off() {
            return;
        }
        let Opened { peer, chosen, offered } = opened;
        let certificate =
            peer.certificate.as_ref().map(|certificate| certificate.summary()).unwrap_or_default();
        let event = Event::Opened { chosen: chosen.to_string(), offered: offered.to_string(), certificate };
        self.record_event(peer.address, &peer.session, user(peer), event);
    }

    fn closed(&self, peer: &Peer, reason: &dyn fmt::Display) {
        if self.is_off() {
            return;
        }
        self.record_event(peer.address, &peer.session, user(peer), Event::Closed(reason.to_string()));
    }

    fn handshake_failed(&self, failed: &FailedHandshake<'_>) {
        if self.is_off() {
            return;
        }
        let FailedHandshake { code, address, session, sentence, offered } = failed;
        let event = Event::Failed { code, sentence: sentence.to_string(), offered: offered.to_string() };
        self.record_event(*address, session, String::new(), event);
    }

    fn exchanged(&self, messages: &Messages<'_>) {
        if self.is_off() {
            return;
        }
        let Messages { peer, request, response, begun } = messages;
        let exchange = Exchange {
            request: masked(request),
            response: masked(response),
            lengths: (request.len(), response.len()),
            duration: begun.elapsed(),
        };
        self.record_event(peer.address, &peer.session, user(peer), Event::Exchange(exchange));
    }
}

/// Returns a message without its secrets, or `None` if it is too long.
fn masked(message: &[u8]) -> Option<Vec<u8>> {
    (message.len() <= MAX_MESSAGE).then(|| {
        let mut copy = message.to_vec();
        encoding::mask(&mut copy);
        copy
    })
}

/// Returns the common name of the client's certificate, bounded.
fn user(peer: &Peer) -> String {
    let name = peer.certificate.as_ref().and_then(|certificate| certificate.common_names().first());
    name.map(|name| Excerpt(name).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{Tag, V1_2, Value, Writer};

    fn peer() -> Peer {
        Peer::new(([127, 0, 0, 1], 40_000).into(), 7, None)
    }

    fn exchange(recorder: &Recorder, request: &[u8]) {
        recorder.exchanged(&Messages { peer: &peer(), request, response: &[], begun: Instant::now() });
    }

    #[test]
    fn records_while_somebody_watches_or_it_is_kept() {
        let recorder = Arc::new(Recorder::default());
        exchange(&recorder, &[]);
        assert!(recorder.after(0).is_empty());
        let watcher = recorder.watch().unwrap();
        exchange(&recorder, &[]);
        recorder.closed(&peer(), &"the client closed the connection");
        let numbers: Vec<_> = watcher.wait(0, Duration::ZERO).iter().map(|record| record.number).collect();
        assert_eq!(numbers, [1, 2]);
        drop(watcher);
        exchange(&recorder, &[]);
        assert_eq!(recorder.after(2).len(), 1, "the time after the last watcher");
        recorder.state.lock().unwrap().end = Some(Instant::now());
        exchange(&recorder, &[]);
        assert_eq!(recorder.after(2).len(), 1);
        recorder.keep();
        exchange(&recorder, &[]);
        assert_eq!(recorder.after(2).len(), 2);
    }

    #[test]
    fn the_number_of_watchers_is_bounded() {
        let recorder = Arc::new(Recorder::default());
        let watchers: Vec<_> = (0..MAX_WATCHERS).map(|_| recorder.watch().unwrap()).collect();
        assert!(recorder.watch().is_none());
        drop(watchers);
        assert!(recorder.watch().is_some());
    }

    #[test]
    fn the_number_and_the_size_of_records_are_bounded() {
        let recorder = Recorder::default();
        recorder.keep();
        (0..MAX_RECORDS + 5).for_each(|_| exchange(&recorder, &[]));
        recorder.closed(&peer(), &"");
        let records = recorder.after(0);
        assert_eq!((records.len(), records[0].number), (MAX_RECORDS + 1, 6));
        assert!(recorder.record(5).is_none() && recorder.record(6).is_some());

        let long = vec![0; MAX_MESSAGE];
        (0..40).for_each(|_| exchange(&recorder, &long));
        exchange(&recorder, &vec![0; MAX_MESSAGE + 1]);
        let kept: usize = recorder.after(0).iter().map(|record| record.size()).sum();
        assert!(kept <= MAX_RECORDED_BYTES, "{kept}");
        assert_eq!(recorder.state.lock().unwrap().bytes, kept);
        let last = recorder.after(0).pop().unwrap();
        let Event::Exchange(exchange) = &last.event else { panic!("{last:?}") };
        assert_eq!((exchange.request.as_ref(), exchange.lengths.0), (None, MAX_MESSAGE + 1));
        recorder.clear();
        assert_eq!((recorder.after(0).len(), recorder.state.lock().unwrap().bytes), (0, 0));
    }

    #[test]
    fn records_contain_no_key_material() {
        let recorder = Recorder::default();
        recorder.keep();
        let mut writer = Writer::new(V1_2);
        vec![0xAB_u8; 16].encode(Tag::KeyMaterial, &mut writer);
        exchange(&recorder, &writer.into_bytes());
        assert!(!format!("{:?}", recorder.after(0)).contains("171, 171"));
    }
}

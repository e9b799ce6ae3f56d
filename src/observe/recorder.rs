//! The recorder: an observer that keeps the last messages, sessions and failed handshakes in memory, for tests that assert
//! what a client sent, and for people who watch.
//!
//! It decodes nothing. Its memory is bounded by [`MAX_RECORDS`] and [`MAX_RECORDED_BYTES`]. Under test control it always
//! records, and keeps key material. Otherwise it records while a page is open and for ten minutes after that, and masks
//! messages before it keeps them; while it does not record, an event costs one branch. Under load it then leaves messages out,
//! because their copies and masks would slow the requests down ([`PACE`]).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::{FailedHandshake, Messages, Observer, Opened};
use crate::auth::Peer;
use crate::encoding;
use crate::excerpt::Excerpt;
use crate::faults::AnswerFault;
use crate::lock::IgnorePoison;

/// The maximum number of recorded exchanges, and of recorded events of connections.
pub const MAX_RECORDS: usize = 1_000;
/// The maximum size of all records in bytes.
pub const MAX_RECORDED_BYTES: usize = 16 << 20;
/// The length in bytes above which a message is not kept for a page, and not shown by one.
pub const MAX_SHOWN: usize = 1 << 20;
/// The longest time for which a reader waits for a message.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// The maximum number of watchers. Each occupies a thread.
#[cfg(feature = "management")]
pub const MAX_WATCHERS: usize = 8;
/// The time for which the recorder goes on after the last watcher left.
#[cfg(feature = "management")]
const AFTERMATH: Duration = Duration::from_secs(600);
/// The cost of the messages that a page needs in each [`PERIOD`]; of further ones, only the number is kept. A message costs its
/// length in bytes, and [`COST`].
pub const PACE: u32 = 1 << 20;
/// The cost of a message besides its length: 256 short messages in each period are recorded.
const COST: usize = 4 << 10;
/// The time for which [`PACE`] is.
const PERIOD: Duration = Duration::from_millis(100);
/// The memory of a record besides its texts and messages, in bytes.
const OVERHEAD: usize = 512;

/// What happened on a connection, once.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "management"),
    allow(dead_code, reason = "the inspector reads all fields, test control some")
)]
pub struct Record {
    /// Its number: 1, 2, 3 … since the start of the server.
    pub number: u64,
    /// The time at which it began.
    pub time: SystemTime,
    /// The number of the session in the log.
    pub session: String,
    /// The address of the client.
    pub address: SocketAddr,
    /// The common name of the client's certificate, or an empty text.
    pub client: String,
    /// What happened.
    pub event: Event,
}

/// What happened on a connection.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "management"),
    allow(dead_code, reason = "the inspector reads all fields, test control some")
)]
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

/// A request with its response.
#[derive(Debug)]
pub struct Exchange {
    /// Its number among the exchanges: 1, 2, 3 … in the order of the answers.
    pub number: u64,
    /// The user with whose rights the request executed, or `None` if it was refused before.
    pub user: Option<String>,
    /// The request.
    pub request: Message,
    /// The response; empty if a fault rule let none be made.
    pub response: Message,
    /// The time from the end of the request until the response was ready.
    pub duration: Duration,
    /// The fault with which the response was sent.
    pub fault: Option<AnswerFault>,
}

/// A recorded message.
pub struct Message {
    /// The length in bytes.
    pub length: usize,
    /// `None` if the message is too long.
    bytes: Option<Zeroizing<Vec<u8>>>,
    is_masked: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message of {} bytes", self.length)
    }
}

impl Message {
    fn masked_copy(message: &[u8]) -> Self {
        let bytes = (message.len() <= MAX_SHOWN).then(|| Zeroizing::new(masked(message)));
        Self { length: message.len(), bytes, is_masked: true }
    }

    fn copy(message: &[u8]) -> Self {
        let bytes = (message.len() <= MAX_RECORDED_BYTES / 2).then(|| Zeroizing::new(message.to_vec()));
        Self { length: message.len(), bytes, is_masked: false }
    }

    /// Returns the message as it is kept: with key material only under test control. `None` if it is too long.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_ref().map(|bytes| bytes.as_slice())
    }

    /// Returns the message without key material, passwords and data, or `None` if it is too long.
    pub fn masked(&self) -> Option<Cow<'_, [u8]>> {
        let bytes = self.bytes()?;
        Some(if self.is_masked { Cow::Borrowed(bytes) } else { Cow::Owned(masked(bytes)) })
    }

    /// Returns [`Message::masked`] for a page, or `None` if the message is longer than [`MAX_SHOWN`].
    #[cfg(feature = "management")]
    pub fn shown(&self) -> Option<Cow<'_, [u8]>> {
        if self.length <= MAX_SHOWN { self.masked() } else { None }
    }

    fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }
}

fn masked(message: &[u8]) -> Vec<u8> {
    let mut copy = message.to_vec();
    encoding::mask(&mut copy);
    copy
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
                Event::Exchange(Exchange { request, response, user, .. }) => {
                    request.size() + response.size() + user.as_ref().map_or(0, String::len)
                }
            }
    }

    /// Returns the request with its response, or `None` if the record is another event.
    pub fn exchange(&self) -> Option<&Exchange> {
        match &self.event {
            Event::Exchange(exchange) => Some(exchange),
            _ => None,
        }
    }
}

/// The cost of the messages in the current period.
#[derive(Default)]
struct Pace {
    begin: OnceLock<Instant>,
    /// The number of the period in the upper half, the cost in the lower one.
    used: AtomicU64,
}

impl Pace {
    /// Returns whether a message of this length at `now` is recorded.
    fn admits(&self, now: Instant, length: usize) -> bool {
        let begin = *self.begin.get_or_init(|| now);
        let period = now.saturating_duration_since(begin).as_millis() / PERIOD.as_millis();
        let period = u64::from(u32::try_from(period).unwrap_or(u32::MAX)) << 32;
        let used = self.used.load(Ordering::Relaxed);
        let (before, is_new) = (used & u64::from(u32::MAX), used < period);
        if !is_new && before >= u64::from(PACE) {
            return false;
        }
        let cost = (COST + length).min(PACE as usize) as u64;
        if is_new {
            // Threads that begin the period at the same moment can lose a part of each other's cost.
            self.used.store(period | cost, Ordering::Relaxed);
        } else {
            self.used.fetch_add(cost, Ordering::Relaxed);
        }
        true
    }
}

/// The last records of a server.
#[derive(Default)]
pub struct Recorder {
    is_of_test_control: bool,
    is_recording: AtomicBool,
    pace: Pace,
    /// The number of messages that were left out since the last record.
    left_out: AtomicU64,
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
    last_exchange: u64,
    watchers: usize,
    /// The time at which the recorder stops without watchers.
    end: Option<Instant>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("is_recording", &self.is_recording).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Returns the recorder of a server under test control: it always records, and keeps key material.
    pub fn of_test_control() -> Self {
        Self { is_of_test_control: true, is_recording: AtomicBool::new(true), ..Self::default() }
    }

    /// Returns the kept exchanges with numbers above `number` (see [`Exchange::number`]), in order.
    pub fn exchanges_after(&self, number: u64) -> Vec<Arc<Record>> {
        let is_newer = |record: &&Arc<Record>| record.exchange().is_some_and(|it| it.number > number);
        self.state().exchanges.iter().filter(is_newer).cloned().collect()
    }

    /// Returns the number of the last exchange, or 0.
    pub fn last_exchange(&self) -> u64 {
        self.state().last_exchange
    }

    /// Waits for an exchange with a number above `number`, at most for `patience` and [`MAX_WAIT`].
    pub fn wait_for_exchange(&self, number: u64, patience: Duration) {
        let is_missing = |state: &mut State| state.last_exchange <= number;
        drop(self.changed.wait_timeout_while(self.state(), patience.min(MAX_WAIT), is_missing));
    }

    /// Removes all records. Their numbers are not used again.
    pub fn clear(&self) {
        let mut state = self.state();
        state.exchanges.clear();
        state.connections.clear();
        state.bytes = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    /// Keeps the record that `event` makes of the number of the next exchange, unless recording has ended.
    fn record(&self, peer: (SocketAddr, &str, String), time: SystemTime, event: impl FnOnce(u64) -> Event) {
        let (address, session, client) = peer;
        let mut state = self.state();
        if !self.is_of_test_control
            && state.watchers == 0
            && state.end.is_none_or(|end| end <= Instant::now())
        {
            self.is_recording.store(false, Ordering::Relaxed);
            return;
        }
        state.last += 1 + self.left_out.swap(0, Ordering::Relaxed);
        let (number, event) = (state.last, event(state.last_exchange + 1));
        state.push(Record { number, time, session: session.to_owned(), address, client, event });
        drop(state);
        self.changed.notify_all();
    }

    fn is_off(&self) -> bool {
        !self.is_recording.load(Ordering::Relaxed)
    }
}

#[cfg(feature = "management")]
impl Recorder {
    /// Records from now on, at least until the returned watcher is dropped. Returns `None` if there are [`MAX_WATCHERS`].
    pub fn watch(self: &Arc<Self>) -> Option<Watcher> {
        let mut state = self.state();
        if state.watchers >= MAX_WATCHERS {
            return None;
        }
        state.watchers += 1;
        self.is_recording.store(true, Ordering::Relaxed);
        Some(Watcher(Arc::clone(self)))
    }

    /// Returns the records after `number`, in their order.
    pub fn after(&self, number: u64) -> Vec<Arc<Record>> {
        self.state().after(number)
    }

    /// Returns the record with this number, unless newer ones have replaced it.
    pub fn find(&self, number: u64) -> Option<Arc<Record>> {
        self.state().find(number)
    }
}

impl State {
    fn push(&mut self, record: Record) {
        self.bytes += record.size();
        let is_exchange = record.exchange().is_some();
        self.last_exchange += u64::from(is_exchange);
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
}

#[cfg(feature = "management")]
impl State {
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
#[cfg(feature = "management")]
#[derive(Debug)]
pub struct Watcher(Arc<Recorder>);

#[cfg(feature = "management")]
impl Watcher {
    /// Returns the records after `number`. If there is none, it waits for one, for at most `patience`.
    pub fn wait(&self, number: u64, patience: Duration) -> Vec<Arc<Record>> {
        let waited =
            self.0.changed.wait_timeout_while(self.0.state(), patience, |state| state.last <= number);
        waited.ignore_poison().0.after(number)
    }
}

#[cfg(feature = "management")]
impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.0.state();
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
        let certificate = peer.certificate.as_ref().map(|it| it.summary()).unwrap_or_default();
        let event = Event::Opened { chosen: chosen.to_string(), offered: offered.to_string(), certificate };
        self.record(origin(peer), SystemTime::now(), |_| event);
    }

    fn closed(&self, peer: &Peer, reason: &dyn fmt::Display) {
        if self.is_off() {
            return;
        }
        let event = Event::Closed(reason.to_string());
        self.record(origin(peer), SystemTime::now(), |_| event);
    }

    fn handshake_failed(&self, failed: &FailedHandshake<'_>) {
        if self.is_off() {
            return;
        }
        let FailedHandshake { code, address, session, sentence, offered } = failed;
        let event = Event::Failed { code, sentence: sentence.to_string(), offered: offered.to_string() };
        self.record((*address, session, String::new()), SystemTime::now(), |_| event);
    }

    fn wants_messages(&self) -> bool {
        !self.is_off()
    }

    fn exchanged(&self, messages: &Messages<'_>) {
        if self.is_off() {
            return;
        }
        let Messages { peer, user, request, response, begun, fault } = *messages;
        if !self.is_of_test_control && !self.pace.admits(begun, request.len() + response.len()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let copy = if self.is_of_test_control { Message::copy } else { Message::masked_copy };
        let (request, response, duration) = (copy(request), copy(response), begun.elapsed());
        let time = SystemTime::now().checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH);
        let user = user.map(str::to_owned);
        self.record(origin(peer), time, |number| {
            Event::Exchange(Exchange { number, user, request, response, duration, fault })
        });
    }
}

/// Returns the address, the session and the bounded common name of a client.
fn origin(peer: &Peer) -> (SocketAddr, &str, String) {
    let name = peer.certificate.as_ref().and_then(|certificate| certificate.common_names().first());
    let name = name.map(|name| Excerpt(name).to_string()).unwrap_or_default();
    (peer.address, &peer.session, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{Tag, V1_2, Value, Writer};

    fn peer() -> Peer {
        Peer::new(([127, 0, 0, 1], 40_000).into(), 7, None)
    }

    fn exchange(recorder: &Recorder, request: &[u8]) {
        recorder.exchanged(&Messages { request, ..Messages::of(&peer()) });
    }

    fn message_with_key() -> Vec<u8> {
        let mut writer = Writer::new(V1_2);
        vec![0xAB_u8; 16].encode(Tag::KeyMaterial, &mut writer);
        writer.into_bytes()
    }

    #[cfg(feature = "management")]
    #[test]
    fn records_while_somebody_watches_or_under_test_control() {
        let recorder = Arc::new(Recorder::default());
        exchange(&recorder, &[]);
        assert!(recorder.after(0).is_empty() && !recorder.wants_messages());
        let watcher = recorder.watch().unwrap();
        exchange(&recorder, &[]);
        recorder.closed(&peer(), &"the client closed the connection");
        let numbers: Vec<_> = watcher.wait(0, Duration::ZERO).iter().map(|record| record.number).collect();
        assert_eq!(numbers, [1, 2]);
        drop(watcher);
        exchange(&recorder, &[]);
        assert_eq!(recorder.after(2).len(), 1, "the time after the last watcher");
        recorder.state().end = Some(Instant::now());
        exchange(&recorder, &[]);
        assert_eq!((recorder.after(2).len(), recorder.wants_messages()), (1, false));
        let controlled = Recorder::of_test_control();
        exchange(&controlled, &[]);
        assert_eq!(controlled.after(0).len(), 1);
    }

    #[cfg(feature = "management")]
    #[test]
    fn under_load_a_page_gets_a_part_of_the_messages_and_the_number_of_the_others() {
        let recorder = Arc::new(Recorder::default());
        let _watcher = recorder.watch().unwrap();
        let (peer, begun) = (peer(), Instant::now());
        let send = |request: &[u8], begun| {
            recorder.exchanged(&Messages { request, begun, ..Messages::of(&peer) });
        };
        (0..600).for_each(|_| send(&[], begun));
        assert_eq!(recorder.after(0).len(), PACE as usize / COST);
        send(&[], begun + PERIOD);
        let last = recorder.after(0).pop().unwrap();
        assert_eq!(last.number, 601);
        (0..10).for_each(|_| send(&[0; PACE as usize / 2], begun + 2 * PERIOD));
        assert_eq!(recorder.after(601).len(), 2, "long messages cost more");
    }

    #[cfg(feature = "management")]
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
        let recorder = Recorder::of_test_control();
        recorder.closed(&peer(), &"");
        (0..MAX_RECORDS + 5).for_each(|_| exchange(&recorder, &[]));
        let numbers: Vec<_> = recorder.exchanges_after(0).iter().map(|record| record.number).collect();
        assert_eq!((numbers.len(), numbers[0]), (MAX_RECORDS, 7));

        let long = vec![0; MAX_SHOWN + 1];
        (0..40).for_each(|_| exchange(&recorder, &long));
        exchange(&recorder, &vec![0; MAX_RECORDED_BYTES / 2 + 1]);
        let records = recorder.exchanges_after(0);
        let kept: usize = records.iter().map(|record| record.size()).sum();
        assert!(kept <= MAX_RECORDED_BYTES, "{kept}");
        assert!(recorder.state().bytes <= MAX_RECORDED_BYTES);
        let of = |record: &Arc<Record>| {
            let Message { length, bytes, .. } = &record.exchange().unwrap().request;
            (*length, bytes.is_some())
        };
        assert_eq!(of(&records[records.len() - 1]), (MAX_RECORDED_BYTES / 2 + 1, false));
        assert_eq!(of(&records[records.len() - 2]), (MAX_SHOWN + 1, true));
        recorder.clear();
        assert_eq!((recorder.exchanges_after(0).len(), recorder.state().bytes), (0, 0));
        assert_eq!(recorder.last_exchange(), (MAX_RECORDS + 46) as u64);
    }

    #[cfg(feature = "management")]
    #[test]
    fn records_for_a_page_contain_no_key_material() {
        let recorder = Arc::new(Recorder::default());
        let _watcher = recorder.watch();
        exchange(&recorder, &message_with_key());
        let record = recorder.find(1).unwrap();
        let request = &record.exchange().unwrap().request;
        assert!(!request.bytes().unwrap().contains(&0xAB));
        assert_eq!(request.masked().unwrap(), request.bytes().unwrap());
    }

    #[test]
    fn records_of_test_control_contain_key_material_that_can_be_masked() {
        let recorder = Recorder::of_test_control();
        exchange(&recorder, &message_with_key());
        let records = recorder.exchanges_after(0);
        let request = &records[0].exchange().unwrap().request;
        assert_eq!(request.bytes().unwrap(), message_with_key());
        assert!(!request.masked().unwrap().contains(&0xAB));
        assert!(!format!("{records:?}").contains("171, 171"));
    }

    #[test]
    fn a_reader_waits_for_the_next_exchange() {
        let recorder = Arc::new(Recorder::of_test_control());
        let begun = Instant::now();
        recorder.wait_for_exchange(0, Duration::from_millis(1));
        let other = Arc::clone(&recorder);
        let thread = std::thread::spawn(move || other.wait_for_exchange(0, MAX_WAIT));
        recorder.closed(&peer(), &"");
        exchange(&recorder, b"request");
        thread.join().unwrap();
        assert_eq!((recorder.last_exchange(), begun.elapsed() < MAX_WAIT), (1, true));
    }
}

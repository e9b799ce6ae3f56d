//! The recorder: the last messages of a server, for tests that assert what a client sent, and for people who watch.
//!
//! It keeps the bytes and decodes nothing. Its memory is bounded by [`MAX_MESSAGES`] and [`MAX_BYTES`].

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::{Message, Observer};
use crate::faults::AnswerFault;
use crate::lock::IgnorePoison;

/// The maximum number of messages that are kept.
pub const MAX_MESSAGES: usize = 1_000;

/// The maximum number of bytes of all messages that are kept.
pub const MAX_BYTES: usize = 16 << 20;

/// The longest time for which a reader waits for a message.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// A recorded message with its answer. It contains key material.
pub struct Recorded {
    /// Its number, from 1 in the order of the answers.
    pub number: u64,
    /// The time of the request.
    pub begun: SystemTime,
    /// The time until the answer was complete.
    pub duration: Duration,
    /// The session number in the log.
    pub session: String,
    /// The client's address.
    pub address: SocketAddr,
    /// The user with whose rights the request executed, or `None` if it was refused before.
    pub user: Option<String>,
    /// The TTLV request; empty if it is longer than [`MAX_BYTES`] with its response.
    pub request: Zeroizing<Vec<u8>>,
    /// The TTLV response, or nothing, as for the request.
    pub response: Zeroizing<Vec<u8>>,
    /// The fault with which the response was sent.
    pub fault: Option<AnswerFault>,
}

impl Recorded {
    fn of(number: u64, message: &Message<'_>) -> Self {
        let fits = message.request.len() + message.response.len() <= MAX_BYTES;
        let keep = |bytes: &[u8]| Zeroizing::new(if fits { bytes.to_vec() } else { Vec::new() });
        Self {
            number,
            begun: message.begun,
            duration: message.duration,
            session: message.session.to_owned(),
            address: message.address,
            user: message.user.map(str::to_owned),
            request: keep(message.request),
            response: keep(message.response),
            fault: message.fault,
        }
    }

    fn bytes(&self) -> usize {
        self.request.len() + self.response.len()
    }
}

/// The last messages of a server.
#[derive(Default)]
pub struct Recorder {
    state: Mutex<State>,
    added: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Arc<Recorded>>,
    bytes: usize,
    last: u64,
}

impl Recorder {
    /// Returns the kept messages with higher numbers than `after`, in order.
    pub fn after(&self, after: u64) -> Vec<Arc<Recorded>> {
        self.state().messages.iter().filter(|message| message.number > after).cloned().collect()
    }

    /// Returns the number of the last message, or 0.
    pub fn last(&self) -> u64 {
        self.state().last
    }

    /// Waits for a message with a higher number than `after`, at most for `patience`. Returns whether there is one.
    pub fn wait(&self, after: u64, patience: Duration) -> bool {
        let is_missing = |state: &mut State| state.last <= after;
        let waited = self.added.wait_timeout_while(self.state(), patience.min(MAX_WAIT), is_missing);
        waited.ignore_poison().0.last > after
    }

    /// Removes all messages. The numbers continue.
    pub fn clear(&self) {
        let mut state = self.state();
        state.messages.clear();
        state.bytes = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

impl Observer for Recorder {
    fn watches_messages(&self) -> bool {
        true
    }

    fn message(&self, message: &Message<'_>) {
        let mut recorded = Recorded::of(0, message);
        let mut state = self.state();
        state.last += 1;
        recorded.number = state.last;
        state.bytes += recorded.bytes();
        state.messages.push_back(Arc::new(recorded));
        while state.messages.len() > MAX_MESSAGES || state.bytes > MAX_BYTES {
            let Some(oldest) = state.messages.pop_front() else { break };
            state.bytes -= oldest.bytes();
        }
        drop(state);
        self.added.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(recorder: &Recorder, request: &[u8]) {
        recorder.message(&Message {
            begun: SystemTime::now(),
            duration: Duration::ZERO,
            session: "00000001",
            address: ([127, 0, 0, 1], 1).into(),
            user: Some("ann"),
            request,
            response: b"",
            fault: None,
        });
    }

    #[test]
    fn keeps_the_last_messages_within_both_bounds() {
        let recorder = Recorder::default();
        (0..MAX_MESSAGES + 10).for_each(|_| record(&recorder, b"request"));
        assert_eq!((recorder.after(0).len(), recorder.after(0)[0].number), (MAX_MESSAGES, 11));
        assert_eq!(recorder.after(1_005).len(), 5);
        record(&recorder, &vec![1; MAX_BYTES - 10]);
        let kept: Vec<_> = recorder.after(0).iter().map(|message| message.request.len()).collect();
        assert_eq!(kept, [7, MAX_BYTES - 10]);
        record(&recorder, &vec![1; MAX_BYTES + 1]);
        assert_eq!(recorder.after(1_011)[0].request.len(), 0);
        assert_eq!(recorder.last(), 1_012);
        recorder.clear();
        assert_eq!((recorder.after(0).len(), recorder.last()), (0, 1_012));
    }

    #[test]
    fn a_reader_waits_for_the_next_message() {
        let recorder = Arc::new(Recorder::default());
        assert!(!recorder.wait(0, Duration::from_millis(1)));
        let other = Arc::clone(&recorder);
        let thread = std::thread::spawn(move || other.wait(0, Duration::from_secs(60)));
        record(&recorder, b"request");
        assert!(thread.join().unwrap());
    }
}

//! Log lines about connections, some per second: further ones are counted, so that clients without a certificate cannot
//! fill the log.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::LOG;
use crate::lock::IgnorePoison;

/// The number of lines of each kind in a period.
const LINES: u32 = 5;
/// The period, after which one line states the number of further events.
const PERIOD: Duration = Duration::from_secs(1);

/// A kind of event, by its position in [`Noise`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A connection ends before its session begins.
    NoSession,
    /// A connection is closed because all sessions are taken.
    TurnedAway,
    /// A session ends in favour of another user.
    Displaced,
    /// A connection cannot be accepted.
    NotAccepted,
}

impl Kind {
    const ALL: [Self; 4] = [Self::NoSession, Self::TurnedAway, Self::Displaced, Self::NotAccepted];

    /// Returns the end of the line "… more connections".
    fn event(self) -> &'static str {
        match self {
            Self::NoSession => "ended without a session",
            Self::TurnedAway => "were turned away",
            Self::Displaced => "ended in favour of other users",
            Self::NotAccepted => "could not be accepted",
        }
    }
}

/// The events of the current period.
#[derive(Debug, Default)]
pub(super) struct Noise(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: [Count; Kind::ALL.len()],
    /// Whether a thread will log the summary.
    pending: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Option<Instant>,
    lines: u32,
    more: u64,
}

impl Noise {
    /// Returns whether an event is to be logged; counts it otherwise.
    pub(super) fn allows(self: &Arc<Self>, kind: Kind) -> bool {
        let mut state = self.0.lock().ignore_poison();
        let Some(count) = state.counts.get_mut(kind as usize) else { return true };
        if count.since.is_none_or(|since| since.elapsed() >= PERIOD) {
            (count.since, count.lines) = (Some(Instant::now()), 0);
        }
        if count.lines < LINES {
            count.lines += 1;
            return true;
        }
        count.more += 1;
        if !state.pending {
            let noise = Arc::clone(self);
            let summarize = move || {
                thread::sleep(PERIOD);
                noise.summarize();
            };
            // Without a thread, a later event or the stop of the server leads to the summary.
            state.pending = thread::Builder::new().name("kmip-noise".to_owned()).spawn(summarize).is_ok();
        }
        false
    }

    /// Logs the numbers of the events that were counted only.
    pub(super) fn summarize(&self) {
        let mut state = self.0.lock().ignore_poison();
        state.pending = false;
        let counted =
            state.counts.iter_mut().map(|count| std::mem::take(&mut count.more)).collect::<Vec<_>>();
        drop(state);
        for (kind, more) in Kind::ALL.into_iter().zip(counted).filter(|(_, more)| *more > 0) {
            log::info!(target: LOG, "{more} more connections {} in the last second.", kind.event());
        }
    }
}

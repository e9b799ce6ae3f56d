//! Log lines about connections, some per second: further ones are counted, so that clients without a certificate cannot
//! fill the log.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::LOG;
use crate::lock::IgnorePoison;

/// A kind of event, by its position in [`Noise`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A client only connects.
    NoSession,
    /// A handshake fails.
    NoHandshake,
    /// A connection is closed because all sessions are taken.
    TurnedAway,
    /// A session ends in favour of another user.
    Displaced,
    /// A connection cannot be accepted.
    NotAccepted,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::NoSession, Self::NoHandshake, Self::TurnedAway, Self::Displaced, Self::NotAccepted];

    /// Returns the number of lines in a period, and the period, after which one line states the number of further events.
    fn limit(self) -> (u32, Duration) {
        match self {
            // The cause lasts, and each attempt fails.
            Self::NotAccepted => (1, Duration::from_secs(60)),
            _ => (5, Duration::from_secs(1)),
        }
    }

    /// Returns the level of the line that sums up further events: that of the lines about single ones.
    fn level(self) -> log::Level {
        if matches!(self, Self::NoSession) { log::Level::Info } else { log::Level::Warn }
    }

    /// Returns the end of the line "… more connections".
    fn event(self) -> &'static str {
        match self {
            Self::NoSession => "ended without a session",
            Self::NoHandshake => "failed in the TLS handshake",
            Self::TurnedAway => "were turned away",
            Self::Displaced => "ended in favour of other users",
            Self::NotAccepted => "could not be accepted",
        }
    }
}

/// The events of the current period.
#[derive(Debug, Default)]
pub(super) struct Noise(Mutex<[Count; Kind::ALL.len()]>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Option<Instant>,
    lines: u32,
    more: u64,
    /// Whether a thread will log the summary.
    pending: bool,
}

impl Noise {
    /// Returns whether an event is to be logged; counts it otherwise.
    pub(super) fn allows(self: &Arc<Self>, kind: Kind) -> bool {
        let mut counts = self.0.lock().ignore_poison();
        let Some(count) = counts.get_mut(kind as usize) else { return true };
        let (lines, period) = kind.limit();
        if count.since.is_none_or(|since| since.elapsed() >= period) {
            (count.since, count.lines) = (Some(Instant::now()), 0);
        }
        if count.lines < lines {
            count.lines += 1;
            return true;
        }
        count.more += 1;
        if !count.pending {
            let noise = Arc::clone(self);
            let summarize = move || {
                thread::sleep(period);
                noise.summarize(kind);
            };
            // Without a thread, a later event or the stop of the server leads to the summary.
            count.pending = thread::Builder::new().name("kmip-noise".to_owned()).spawn(summarize).is_ok();
        }
        false
    }

    /// Logs the numbers of the events that were counted only.
    pub(super) fn finish(&self) {
        Kind::ALL.into_iter().for_each(|kind| self.summarize(kind));
    }

    fn summarize(&self, kind: Kind) {
        let mut counts = self.0.lock().ignore_poison();
        let Some(count) = counts.get_mut(kind as usize) else { return };
        count.pending = false;
        let more = std::mem::take(&mut count.more);
        drop(counts);
        let (event, seconds) = (kind.event(), kind.limit().1.as_secs());
        let level = kind.level();
        match (more, seconds) {
            (0, _) => {}
            (_, 1) => log::log!(target: LOG, level, "{more} more connections {event} in the last second."),
            _ => {
                log::log!(target: LOG, level, "{more} more connections {event} in the last {seconds} seconds.")
            }
        }
    }
}

//! The stream of events of the inspector (HTML Living Standard, Server-sent events).

use std::time::Duration;

use super::inspector;
use crate::observe::recorder::Watcher;

/// The events for one watcher.
#[derive(Debug)]
pub struct Events {
    watcher: Watcher,
    /// The number of the last record that was sent.
    last: u64,
    is_first: bool,
}

impl Events {
    /// The response before the events, which has no end.
    pub const HEAD: &'static [u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
        Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
    /// A comment, which keeps the connection alive.
    pub const HEARTBEAT: &'static [u8] = b":\n\n";

    /// Returns the events with the records after `after`.
    pub(super) fn new(watcher: Watcher, after: u64) -> Self {
        Self { watcher, last: after, is_first: true }
    }

    /// Returns an event with the records since the last one, or nothing if `patience` passes without one. The first event
    /// contains the records that exist.
    pub fn next(&mut self, patience: Duration) -> Vec<u8> {
        let is_first = std::mem::take(&mut self.is_first);
        let (patience, limit) =
            if is_first { (Duration::ZERO, usize::MAX) } else { (patience, inspector::MAX_SENT) };
        let records = self.watcher.wait(self.last, patience);
        let Some(last) = records.last() else { return Vec::new() };
        // Older records, and messages that the recorder left out, have numbers, too.
        let others = last.number.saturating_sub(self.last).saturating_sub(records.len() as u64);
        self.last = last.number;
        let others = if is_first { 0 } else { others };
        format!("data: {}\n\n", inspector::rows(&records, limit, others)).into_bytes()
    }
}

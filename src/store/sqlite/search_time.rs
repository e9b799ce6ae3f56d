//! The processor time of a search. SQLite asks during a search whether to go on; a search that has used up its time is
//! interrupted.
//!
//! SQLite asks after each [`STEPS`] of its instructions, and the function that compares stored attributes after each
//! [`BYTES`] of them, because one instruction of SQLite calls it. A search of fewer steps and bytes costs no look at the
//! clock.

use std::cell::Cell;
use std::ffi::c_int;
use std::time::Duration;

use rusqlite::Connection;

use crate::cpu_permits::processor_time;

/// The number of SQLite's instructions between two looks at the clock: about 50 rows.
const STEPS: c_int = 1_000;

/// The number of compared bytes between two looks at the clock.
const BYTES: usize = 64 << 10;

thread_local! {
    static CURRENT: Cell<Option<SearchTime>> = const { Cell::new(None) };
}

/// The time of the search that the current thread runs.
#[derive(Clone, Copy)]
struct SearchTime {
    limit: Duration,
    /// The processor time of the thread at which the search has used up its time; `None` before the first look at the
    /// clock.
    end: Option<Duration>,
    /// The bytes that were compared since the last look at the clock.
    bytes: usize,
    is_over: bool,
}

/// Makes SQLite ask during each statement on `database` whether to go on.
pub(super) fn watch(database: &Connection) -> rusqlite::Result<()> {
    database.progress_handler(STEPS, Some(is_over))
}

/// Runs `search`, which is interrupted when it has used the processor for longer than `limit`. Returns `None` then.
pub(super) fn within<T>(limit: Duration, search: impl FnOnce() -> T) -> Option<T> {
    CURRENT.set(Some(SearchTime { limit, end: None, bytes: 0, is_over: false }));
    let result = search();
    let is_over = CURRENT.take().is_some_and(|current| current.is_over);
    (!is_over).then_some(result)
}

/// Counts compared bytes. Returns whether the search has used up its time.
pub(super) fn is_over_after(bytes: usize) -> bool {
    let Some(current) = CURRENT.get() else { return false };
    let bytes = current.bytes.saturating_add(bytes);
    CURRENT.set(Some(SearchTime { bytes: bytes % BYTES, ..current }));
    bytes >= BYTES && is_over()
}

/// Returns whether the search has used up its time.
fn is_over() -> bool {
    let Some(mut current) = CURRENT.get() else { return false };
    let now = processor_time();
    let end = *current.end.get_or_insert(now.saturating_add(current.limit));
    current.is_over |= now > end;
    CURRENT.set(Some(current));
    current.is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts to `count` in SQLite.
    fn count(database: &Connection, count: u32) -> rusqlite::Result<u32> {
        let statement = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT max(i) FROM n";
        database.query_row(statement, [count], |row| row.get(0))
    }

    #[test]
    fn interrupts_a_search_that_has_used_up_its_time() {
        let database = Connection::open_in_memory().unwrap();
        watch(&database).unwrap();
        let limit = Duration::from_millis(10);
        let begun = processor_time();
        assert!(within(limit, || count(&database, u32::MAX).unwrap_err()).is_none());
        assert!(processor_time() - begun < 10 * limit);
        assert_eq!(within(limit, || count(&database, 10)), Some(Ok(10)), "the connection remains usable");
        assert_eq!(count(&database, 100_000), Ok(100_000), "without a limit");
    }

    #[test]
    fn compared_bytes_count_too() {
        let compared = |bytes: usize| {
            let begun = processor_time();
            while !is_over_after(bytes) && processor_time() - begun < Duration::from_millis(20) {}
        };
        assert!(within(Duration::from_millis(2), || compared(BYTES / 4)).is_none());
        assert!(within(Duration::from_secs(60), || compared(BYTES)).is_some());
        assert!(within(Duration::from_millis(2), || compared(0)).is_some());
        assert!(!is_over_after(2 * BYTES), "outside of a search");
    }
}

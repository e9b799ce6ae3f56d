//! The time that a request waits for a database. A request can need several calls, and a slow network delays each of them: the
//! limit of one call is also the limit of all calls of a request together, so that the answer does not depend on their number.

use std::cell::Cell;
use std::time::Duration;
#[cfg(feature = "postgres")]
use std::time::Instant;

thread_local! {
    /// The time that the request of this thread has waited; `None` between requests.
    static WAITED: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Sets the time of the enclosing request again, also after a panic.
struct Enclosing(Option<Duration>);

impl Drop for Enclosing {
    fn drop(&mut self) {
        WAITED.set(self.0);
    }
}

/// Runs a request, or an item of a batch, which has a time of its own. The computations of a request do not count.
pub fn as_one_request<T>(request: impl FnOnce() -> T) -> T {
    let _enclosing = Enclosing(WAITED.replace(Some(Duration::ZERO)));
    request()
}

/// Runs `work` as a request if the thread has none.
#[cfg(feature = "postgres")]
pub(super) fn within_a_request<T>(work: impl FnOnce() -> T) -> T {
    if WAITED.get().is_some() { work() } else { as_one_request(work) }
}

/// Returns the rest of `limit`. Outside of requests, it is all of it.
#[cfg(feature = "postgres")]
pub(super) fn left(limit: Duration) -> Duration {
    limit.saturating_sub(WAITED.get().unwrap_or_default())
}

/// Runs a call, whose time counts.
#[cfg(feature = "postgres")]
pub(super) fn waiting<T>(call: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = call();
    if let Some(waited) = WAITED.get() {
        WAITED.set(Some(waited + begin.elapsed()));
    }
    outcome
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);
    const SHORT: Duration = Duration::from_millis(10);

    fn wait() {
        waiting(|| std::thread::sleep(SHORT));
    }

    #[test]
    fn calls_of_a_request_share_its_time() {
        wait();
        assert_eq!(left(LIMIT), LIMIT, "no request");
        within_a_request(|| {
            wait();
            within_a_request(wait);
            assert!(left(LIMIT) <= LIMIT - 2 * SHORT);
            assert_eq!(left(SHORT), Duration::ZERO);
            as_one_request(|| assert_eq!(left(LIMIT), LIMIT, "an item of a batch"));
            assert!(left(LIMIT) < LIMIT);
        });
        let panics = std::panic::catch_unwind(|| as_one_request(|| panic!("in a request")));
        assert!(panics.is_err());
        wait();
        assert_eq!(left(LIMIT), LIMIT, "no request");
    }
}

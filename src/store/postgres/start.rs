//! The first connection: a start waits for the database.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::CALL;
use super::pool::Pool;
use super::url::Url;
use crate::store::{Cause, Error, LOG, UrlProblem};

/// The pause between two attempts of a start to connect.
const START_PAUSE: Duration = Duration::from_millis(200);

/// Returns the pool for the database at `url`, as soon as the database accepts connections.
pub(super) fn connect(url: &Path, patience: Duration) -> Result<Pool, Error> {
    let text = url.to_str().ok_or(Error::Url { why: UrlProblem::Scheme })?;
    let pool = Pool::new(Url::parse(text)?)?;
    let deadline = Instant::now() + patience;
    let mut is_first = true;
    loop {
        let why = match pool.try_connect(CALL) {
            Ok(connection) => {
                pool.add(connection);
                return Ok(pool);
            }
            Err(why) => why,
        };
        if why.is_final || Instant::now() >= deadline {
            return Err(pool.unreachable(Cause::new(why)));
        }
        if is_first {
            log::warn!(target: LOG, "Waiting for {}: {why}.", pool.name());
            is_first = false;
        }
        thread::sleep(START_PAUSE.min(deadline.saturating_duration_since(Instant::now())));
    }
}

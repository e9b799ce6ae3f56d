//! The store on PostgreSQL's protocol, which several servers share.
//!
//! A read is one statement by primary key, so that it sees what any server has acknowledged.
//! `transaction.rs` describes changes. The schema has the tables of SQLite's (`schema.sql`), with a version in each row. The SQL
//! is what PostgreSQL, CockroachDB and YugabyteDB share; only PostgreSQL is tested.

mod check;
mod connect;
mod connection;
mod decoded;
mod dump;
mod entries;
mod failure;
#[cfg(test)]
mod failures;
mod link;
mod numbers;
mod password;
mod pool;
mod reads;
mod rows;
mod schema;
mod search;
mod shared;
mod start;
mod states;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;
mod url;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub(super) use self::check::check;
pub(super) use self::dump::{Dump, Restore};

use self::connection::CALL;
use self::decoded::Decoded;
use self::entries::SharedEntries;
use self::numbers::{Numbers, Reservation};
use self::pool::Use;
use self::reads::Reads;
use self::shared::Shared;
use self::start::connect;
use self::states::States;
use self::transaction::{Attempt, End};
use super::commits::Commits;
use super::encoded::number;
use super::overlay;
use super::request_time::within_a_request;
use super::sealing::KeyEncryptionKey;
use super::{
    Entries, Error, Id, Inspection, Located, Outcome, Query, Record, Store, StoreStatus, Transaction,
};
use crate::crypto::random;
use crate::secret::Secret;

/// The number of executions of a change that conflicts with others.
const ATTEMPTS: u32 = 10;

/// The number of executions of an optimistic change before it runs with locks.
const OPTIMISTIC_ATTEMPTS: u32 = 3;

/// The number of executions of a batch before its items are transactions of their own, because each computes everything again.
const BATCH_ATTEMPTS: u32 = 2;

/// The longest pause before the second execution. It doubles with each further one.
const PAUSE: Duration = Duration::from_millis(2);

/// A store in a PostgreSQL database.
pub struct Postgres(Arc<Shared>);

impl Postgres {
    /// Opens the store in the database at `url`. Waits for the database for at most `patience`. An empty database becomes a new
    /// store, whose objects are sealed if there is a `key`.
    ///
    /// # Errors
    /// Returns an error if the URL is not valid, if the database cannot be reached or is not a store of this server or of
    /// a newer version, and if `key` is not its key.
    pub fn open(url: &Path, key: Option<&KeyEncryptionKey>, patience: Duration) -> Result<Self, Error> {
        Self::open_as(url, key, patience, schema::STEPS)
    }

    fn open_as(
        url: &Path,
        key: Option<&KeyEncryptionKey>,
        patience: Duration,
        steps: &[&str],
    ) -> Result<Self, Error> {
        let pool = connect(url, patience)?;
        let key = schema::prepare(&mut *pool.get(Use::Read)?, &pool.name(), steps, key)?;
        let (numbers, states, commits) = (Numbers::default(), States::default(), Commits::default());
        let (reads, decoded) = (Reads::default(), Decoded::default());
        Ok(Self(Arc::new(Shared { pool, numbers, states, commits, reads, decoded, key })))
    }

    /// Inspects the database at `url`, which a server opens with `key`, without changing it.
    ///
    /// # Errors
    /// Returns the error that a server would report that starts on the database.
    pub fn inspect(
        url: &Path,
        key: Option<&KeyEncryptionKey>,
        patience: Duration,
    ) -> Result<Inspection, Error> {
        let pool = connect(url, patience)?;
        schema::inspect(&mut *pool.get(Use::Read)?, &pool.name(), schema::STEPS, key)
    }

    /// Replaces the key encryption key `old` of the sealed database at `url` by `new`. Servers may use the database meanwhile;
    /// each needs the new key when it starts again.
    ///
    /// # Errors
    /// Returns [`Error::NotSealed`] or [`Error::Key`] if the database is not sealed with `old`, and the errors of
    /// [`Postgres::open`].
    pub fn change_key(
        url: &Path,
        old: &KeyEncryptionKey,
        new: &KeyEncryptionKey,
        patience: Duration,
    ) -> Result<(), Error> {
        let pool = connect(url, patience)?;
        let mut connection = pool.get(Use::Read)?;
        schema::prepare(&mut connection, &pool.name(), schema::STEPS, Some(old))?;
        schema::rewrap(&mut connection, &pool.name(), old, new)
    }
}

impl Postgres {
    /// Runs `job` with locks until it succeeds.
    fn run(
        &self,
        numbers: &Reservation<'_>,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        for attempt in 0..ATTEMPTS {
            pause(attempt);
            let running = Attempt::locking(&self.0, numbers);
            let writes = overlay::run_beside_others(&running, 0, job);
            if running.end(writes)? == End::Done {
                return Ok(());
            }
        }
        Err(Error::Contended)
    }
}

/// Waits before the execution with this number, for a random part of a time that doubles.
fn pause(attempt: u32) {
    if attempt > 0 {
        let mut random = [0];
        // Without random bytes, the pause is the shortest.
        let _ = random::fill(&mut random);
        let longest = PAUSE.saturating_mul(1 << attempt.min(6));
        thread::sleep(longest.mul_f32(f32::from(random[0]) / 256.0));
    }
}

impl Store for Postgres {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        let Ok(number) = number(id) else { return Ok(None) };
        let reading = self.0.decoded.begin(id);
        let Some(row) = self.0.read(number)? else { return Ok(None) };
        reading.record(&rows::stored(id, &row)?, self.0.key.as_ref()).map(Some)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.0.using(search::purpose(query), "locate objects", |connection| {
            search::locate(connection, query, None, false)
        })
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(self.0.read_state(name)?.map(|(value, _)| value))
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        let numbers = Reservation::new(&self.0.numbers, &self.0.pool);
        within_a_request(|| self.run(&numbers, job))
    }

    fn change_optimistically(
        &self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        within_a_request(|| self.run_optimistically(job))
    }

    fn change_together(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<bool, Error> {
        let numbers = Reservation::new(&self.0.numbers, &self.0.pool);
        for _ in 0..BATCH_ATTEMPTS {
            let running = Attempt::batch(&self.0, &numbers);
            let Some(writes) = overlay::run_beside_others(&running, 0, job) else { return Ok(false) };
            if running.end(Some(writes))? == End::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entries(&self) -> Option<Arc<dyn Entries>> {
        Some(Arc::new(SharedEntries(Arc::clone(&self.0))))
    }

    fn ping(&self) -> Result<(), Error> {
        self.0.reading("answer", |connection| connection.query(CALL, &rows::read_server_state(""))).map(drop)
    }

    fn status(&self) -> StoreStatus {
        let (readers_open, readers_idle) = self.0.pool.connections();
        let status = StoreStatus { readers_open, readers_idle, ..StoreStatus::default() };
        self.0.commits.complete(status)
    }
}

impl Postgres {
    /// Runs `job` without locks, and with locks if it has to be repeated too often.
    fn run_optimistically(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        let numbers = Reservation::new(&self.0.numbers, &self.0.pool);
        for _ in 0..OPTIMISTIC_ATTEMPTS {
            let running = Attempt::optimistic(&self.0, &numbers);
            let writes = overlay::run_beside_others(&running, 0, job);
            let needs_locks = running.needs_locks();
            if running.end(writes)? == End::Done {
                return Ok(());
            }
            if needs_locks {
                break;
            }
        }
        self.run(&numbers, job)
    }
}

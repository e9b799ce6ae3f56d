//! The connections of a store: a bounded number, opened on demand. After a failed attempt to connect, requests fail at once for
//! a short time, so that no request waits for a database that is away.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{CALL, Connection, Failure, LONG_CALL, Step};
use super::tls;
use super::url::Url;
use crate::lock::IgnorePoison;
use crate::store::request_time::{left, waiting, within_a_request};
use crate::store::{Cause, Error};

/// The maximum number of connections. A call takes about a millisecond, so this many serve any number of threads, and ten
/// servers stay below the 100 connections that PostgreSQL accepts by default.
const MAX_OPEN: u32 = 8;

/// The maximum number of connections of transactions, which can wait for each other. The others remain for reads.
const MAX_IN_TRANSACTIONS: u32 = 6;

/// The maximum number of connections of searches that no index can answer.
const MAX_IN_SEARCHES: u32 = 2;

/// The maximum number of connections of both, so that at least one remains for reads.
const MAX_LONG: u32 = MAX_OPEN - 1;

/// The pause after the first failed attempt to connect. It doubles with each further one, up to the maximum.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The maximum number of commits that wait for a standby, of all servers together. The database keeps the connection of each
/// until the standby returns, also if the server has closed it.
const MAX_WAITING_COMMITS: i64 = 8;

/// Counts them. Databases without this event have none.
const WAITING_COMMITS: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND usename = current_user AND wait_event = 'SyncRep'";

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A single statement.
    Read,
    /// A search that no index can answer.
    Search,
    /// A transaction.
    Transaction,
}

impl Use {
    /// The maximum time to wait for a connection.
    fn patience(self) -> Duration {
        if self == Self::Search { LONG_CALL } else { CALL }
    }
}

/// A pool of connections.
pub(super) struct Pool {
    url: Url,
    /// The configuration of each host.
    hosts: Vec<tokio_postgres::Config>,
    /// The host that accepted the last connection, which is tried first.
    preferred: AtomicUsize,
    tls: MakeRustlsConnect,
    /// Whether a commit was not answered in time, and none was answered since.
    has_silent_commit: AtomicBool,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: u32,
    in_searches: u32,
    in_transactions: u32,
    /// The number of threads that wait for a connection. Without any, there is no system call to wake them.
    waiting: u32,
    /// The last failed attempt to connect, if none succeeded after it.
    failure: Option<Failed>,
    /// The time of the last successful attempt.
    last_success: Option<Instant>,
}

impl State {
    /// Whether a connection may be used for this purpose now.
    fn may_use(&self, purpose: Use) -> bool {
        let has_room = self.in_searches + self.in_transactions < MAX_LONG;
        match purpose {
            Use::Read => true,
            Use::Search => has_room && self.in_searches < MAX_IN_SEARCHES,
            Use::Transaction => has_room && self.in_transactions < MAX_IN_TRANSACTIONS,
        }
    }

    /// Returns the number of connections that are in use for this purpose, or `None` for reads, which are not counted.
    fn counter(&mut self, purpose: Use) -> Option<&mut u32> {
        match purpose {
            Use::Read => None,
            Use::Search => Some(&mut self.in_searches),
            Use::Transaction => Some(&mut self.in_transactions),
        }
    }
}

struct Failed {
    why: Failure,
    pause: Duration,
    until: Instant,
}

impl Pool {
    /// Returns a pool for the database at `url`, without connections.
    ///
    /// # Errors
    /// Returns [`Error::Url`] if the files that the URL names cannot be used.
    pub(super) fn new(url: Url) -> Result<Self, Error> {
        let (hosts, tls) = (url.configs()?, tls::connector(&url)?);
        Ok(Self {
            url,
            hosts,
            preferred: AtomicUsize::new(0),
            tls,
            has_silent_commit: AtomicBool::new(false),
            state: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Returns the name of the database, for errors.
    pub(super) fn name(&self) -> String {
        self.url.to_string()
    }

    /// Returns a connection that is open.
    ///
    /// # Errors
    /// Returns [`Error::Unreachable`] if the database cannot be reached, and [`Error::NoReader`] if no connection becomes free in
    /// time.
    pub(super) fn get(&self, purpose: Use) -> Result<Pooled<'_>, Error> {
        let deadline = Instant::now() + left(purpose.patience());
        let mut state = self.state();
        loop {
            let may_use = state.may_use(purpose);
            let idle = if may_use { state.idle.pop() } else { None };
            if let Some(mut connection) = idle {
                state.counter(purpose).into_iter().for_each(|count| *count += 1);
                drop(state);
                if connection.check() {
                    return Ok(Pooled { pool: self, connection: Some(connection), purpose });
                }
                drop(Pooled { pool: self, connection: Some(connection), purpose });
                state = self.state();
                continue;
            }
            if may_use && state.open < MAX_OPEN {
                if let Some(failure) = state.failure.as_ref().filter(|it| it.until > Instant::now()) {
                    return Err(self.unreachable(Cause::new(failure.why.clone())));
                }
                state.open += 1;
                state.counter(purpose).into_iter().for_each(|count| *count += 1);
                drop(state);
                let mut pooled = Pooled { pool: self, connection: None, purpose };
                pooled.connection = Some(self.connect_within(purpose.patience())?);
                return Ok(pooled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::NoReader { why: Cause::new(Busy) });
            }
            state.waiting += 1;
            state = waiting(|| self.freed.wait_timeout(state, left)).ignore_poison().0;
            state.waiting -= 1;
        }
    }

    /// Returns a connection for a transaction.
    ///
    /// # Errors
    /// Returns the errors of [`Pool::get`], and an error if too many commits wait for a standby.
    pub(super) fn get_for_transaction(&self) -> Result<Pooled<'_>, Error> {
        let mut connection = self.get(Use::Transaction)?;
        if self.has_silent_commit.load(Ordering::Relaxed) {
            let failed = |why| self.failed("begin a change", why);
            let waiting = match connection.query(CALL, &Step::new(WAITING_COMMITS, Vec::new())) {
                Ok(rows) => rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0),
                Err(why) if why.code.is_some() => 0,
                Err(why) => return Err(failed(why)),
            };
            if waiting >= MAX_WAITING_COMMITS {
                let why =
                    format!("{waiting} commits wait for a standby of the database; check its replication");
                return Err(failed(Failure::local(why, false)));
            }
        }
        Ok(connection)
    }

    /// Records whether a commit was answered in time.
    pub(super) fn record_commit(&self, is_answered: bool) {
        if self.has_silent_commit.load(Ordering::Relaxed) == is_answered {
            self.has_silent_commit.store(!is_answered, Ordering::Relaxed);
        }
    }

    /// Opens a connection that the pool does not count.
    pub(super) fn connect(&self) -> Result<Connection, Error> {
        self.connect_within(CALL)
    }

    fn connect_within(&self, patience: Duration) -> Result<Connection, Error> {
        self.try_connect(patience).map_err(|why| self.unreachable(Cause::new(why)))
    }

    /// Opens a connection for a request that waits for `patience` at most. Records a failure, unless the request had little time
    /// left, or another thread has opened a connection meanwhile: other requests may then succeed.
    pub(super) fn try_connect(&self, patience: Duration) -> Result<Connection, Failure> {
        let (begin, rest) = (Instant::now(), left(patience));
        if rest.is_zero() {
            return Err(Failure { is_lost: false, ..Failure::timed_out(patience) });
        }
        let opened = within_a_request(|| self.try_hosts(patience));
        let mut state = self.state();
        if let Err(why) = &opened {
            let has_succeeded = state.last_success.is_some_and(|time| time > begin);
            if has_succeeded || (why.has_timed_out && rest < patience / 2) {
                return opened;
            }
        }
        let earlier = state.failure.take();
        if let Err(why) = &opened {
            let pause = earlier.map_or(FIRST_PAUSE, |it| (it.pause * 2).min(MAX_PAUSE));
            state.failure = Some(Failed { why: why.clone(), pause, until: Instant::now() + pause });
        } else {
            state.last_success = Some(Instant::now());
        }
        opened
    }

    /// Connects to the first host that accepts the connection. Each has a part of the time, because one that is silent must not
    /// keep the others from being tried.
    fn try_hosts(&self, patience: Duration) -> Result<Connection, Failure> {
        let part = CALL / u32::try_from(self.hosts.len()).unwrap_or(1).max(1);
        let preferred = self.preferred.load(Ordering::Relaxed);
        let (first, others): (Vec<_>, Vec<_>) =
            self.hosts.iter().enumerate().partition(|(position, _)| *position == preferred);
        let mut failure = Failure::local("no host is known", true);
        for (position, config) in first.into_iter().chain(others) {
            match Connection::open(config, &self.tls, patience, part) {
                Ok(opened) => {
                    self.preferred.store(position, Ordering::Relaxed);
                    return Ok(opened);
                }
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    /// Adds an idle connection.
    pub(super) fn add(&self, connection: Connection) {
        let mut state = self.state();
        state.open += 1;
        state.idle.push(connection);
    }

    /// Closes all idle connections, because the database has failed over.
    pub(super) fn close_idle(&self) {
        let mut state = self.state();
        let idle = std::mem::take(&mut state.idle);
        state.open -= u32::try_from(idle.len()).unwrap_or(state.open);
        drop(state);
    }

    /// Returns the error for a failed call, and prepares for a failover.
    pub(super) fn failed(&self, doing: &'static str, failure: Failure) -> Error {
        if failure.is_failover() {
            self.close_idle();
        }
        Error::Sql { doing, why: Cause::new(failure) }
    }

    /// Returns the error for a failed attempt to connect.
    pub(super) fn unreachable(&self, why: Cause) -> Error {
        Error::Unreachable { database: self.name(), why }
    }

    /// Returns the number of open and of idle connections.
    pub(super) fn connections(&self) -> (u32, u32) {
        let state = self.state();
        (state.open, u32::try_from(state.idle.len()).unwrap_or(u32::MAX))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

/// A connection of the pool, which gets it back.
pub(super) struct Pooled<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
    purpose: Use,
}

impl Pooled<'_> {
    /// Closes the connection, which may have an open transaction.
    pub(super) fn close(mut self) {
        self.connection = None;
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(Connection::is_reusable);
        let mut state = self.pool.state();
        state.counter(self.purpose).into_iter().for_each(|count| *count -= 1);
        match connection {
            Some(connection) => state.idle.push(connection),
            None => state.open -= 1,
        }
        let has_waiting = state.waiting > 0;
        drop(state);
        if has_waiting {
            // A waiting transaction may not be allowed to use a connection that a read can use.
            self.pool.freed.notify_all();
        }
    }
}

impl Deref for Pooled<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("only the end of its life takes the connection")
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("only the end of its life takes the connection")
    }
}

/// All connections are in use.
#[derive(Debug)]
struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "all {MAX_OPEN} are in use")
    }
}

impl std::error::Error for Busy {}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::store::as_one_request;

    const PATIENCE: Duration = Duration::from_millis(200);

    #[test]
    fn an_attempt_with_little_time_does_not_keep_other_requests_from_connecting() {
        let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("postgresql://kmip@{}/keys", silent.local_addr().unwrap());
        let pool = Pool::new(Url::parse(&url).unwrap()).unwrap();
        let after = |waited| {
            as_one_request(|| {
                waiting(|| thread::sleep(waited));
                assert!(pool.try_connect(PATIENCE).is_err_and(|why| why.has_timed_out));
            });
            pool.state().failure.is_some()
        };
        assert!(!after(PATIENCE), "no time left");
        assert!(!after(PATIENCE * 3 / 4), "little time left");
        assert!(after(Duration::ZERO), "all the time");
    }
}

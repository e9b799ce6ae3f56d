//! The connections of a store: a bounded number, opened on demand. After a failed attempt to connect, requests fail at once for
//! a short time, so that no request waits for a database that is away.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{CALL, Connection, Failure};
use super::tls;
use super::url::Url;
use crate::lock::IgnorePoison;
use crate::store::{Cause, Error};

/// The maximum number of connections. A call takes about a millisecond, so this many serve any number of threads, and ten
/// servers stay below the 100 connections that PostgreSQL accepts by default.
const MAX_OPEN: u32 = 8;

/// The maximum number of connections of transactions, which can wait for each other. The others remain for reads.
const MAX_IN_TRANSACTIONS: u32 = 6;

/// The pause after the first failed attempt to connect. It doubles with each further one, up to the maximum.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A single statement.
    Read,
    /// A transaction.
    Transaction,
}

/// A pool of connections.
pub(super) struct Pool {
    url: Url,
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: u32,
    in_transactions: u32,
    /// The last failed attempt to connect, if none succeeded after it.
    failure: Option<Failed>,
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
        let (config, tls) = (url.config()?, tls::connector(&url)?);
        Ok(Self { url, config, tls, state: Mutex::default(), freed: Condvar::new() })
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
        self.get_since(purpose, Instant::now())
    }

    /// Returns a connection for a request that waits for the database from `begun` on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) fn get_since(&self, purpose: Use, begun: Instant) -> Result<Pooled<'_>, Error> {
        let deadline = begun + CALL;
        let is_transaction = purpose == Use::Transaction;
        let mut state = self.state();
        loop {
            let may_use = !is_transaction || state.in_transactions < MAX_IN_TRANSACTIONS;
            let idle = if may_use { state.idle.pop() } else { None };
            if let Some(mut connection) = idle {
                state.in_transactions += u32::from(is_transaction);
                drop(state);
                if connection.check() {
                    connection.waiting_since(begun);
                    return Ok(Pooled { pool: self, connection: Some(connection), is_transaction });
                }
                drop(Pooled { pool: self, connection: Some(connection), is_transaction });
                state = self.state();
                continue;
            }
            if may_use && state.open < MAX_OPEN {
                if let Some(failure) = state.failure.as_ref().filter(|it| it.until > Instant::now()) {
                    return Err(self.unreachable(Cause::new(failure.why.clone())));
                }
                state.open += 1;
                state.in_transactions += u32::from(is_transaction);
                drop(state);
                let mut pooled = Pooled { pool: self, connection: None, is_transaction };
                let mut connection = self.connect_since(begun)?;
                connection.waiting_since(begun);
                pooled.connection = Some(connection);
                return Ok(pooled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::NoReader { why: Cause::new(Busy) });
            }
            state = self.freed.wait_timeout(state, left).ignore_poison().0;
        }
    }

    /// Opens a connection that the pool does not count.
    pub(super) fn connect(&self) -> Result<Connection, Error> {
        self.connect_since(Instant::now())
    }

    /// Opens a connection that the pool does not count, for a request that waits for the database from `begun` on.
    pub(super) fn connect_since(&self, begun: Instant) -> Result<Connection, Error> {
        self.try_connect(begun).map_err(|why| self.unreachable(Cause::new(why)))
    }

    /// Opens a connection, and records a failure.
    pub(super) fn try_connect(&self, begun: Instant) -> Result<Connection, Failure> {
        let opened = Connection::open(&self.config, &self.tls, begun);
        let mut state = self.state();
        let earlier = state.failure.take();
        if let Err(why) = &opened {
            let pause = earlier.map_or(FIRST_PAUSE, |it| (it.pause * 2).min(MAX_PAUSE));
            state.failure = Some(Failed { why: why.clone(), pause, until: Instant::now() + pause });
        }
        opened
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
    is_transaction: bool,
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
        state.in_transactions -= u32::from(self.is_transaction);
        match connection {
            Some(connection) => state.idle.push(connection),
            None => state.open -= 1,
        }
        drop(state);
        // A waiting transaction may not be allowed to use a connection that a read can use.
        self.pool.freed.notify_all();
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

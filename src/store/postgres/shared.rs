//! What the threads of a store share, and single statements.

use std::sync::Arc;

use tokio_postgres::Row;

use super::connection::{CALL, Connection, Failure};
use super::decoded::Decoded;
use super::numbers::Numbers;
use super::pool::{Pool, Use};
use super::reads::Reads;
use super::rows;
use super::states::{States, Versioned};
use crate::store::Error;
use crate::store::commits::Commits;
use crate::store::request_time::within_a_request;
use crate::store::sealing::DataKey;

/// What all threads share.
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) numbers: Numbers,
    pub(super) states: States,
    pub(super) commits: Commits,
    pub(super) reads: Reads<Arc<Row>>,
    pub(super) decoded: Decoded,
    /// The key of a sealed database.
    pub(super) key: Option<DataKey>,
}

impl Shared {
    /// Runs a single statement; repeats it on a new connection if the first one was closed.
    pub(super) fn reading<T>(
        &self,
        doing: &'static str,
        read: impl Fn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.using(Use::Read, doing, read)
    }

    /// Runs a single statement as [`Self::reading`] does, on a connection for this purpose.
    pub(super) fn using<T>(
        &self,
        purpose: Use,
        doing: &'static str,
        read: impl Fn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        within_a_request(|| {
            let outcome = match read(&mut *self.pool.get(purpose)?) {
                Err(failure) if failure.is_failover() && !failure.has_timed_out => {
                    self.pool.close_idle();
                    read(&mut *self.pool.get(purpose)?)
                }
                other => other,
            };
            outcome.map_err(|failure| self.pool.failed(doing, failure))
        })
    }

    /// Reads an object, possibly with the objects of other threads.
    pub(super) fn read(&self, number: i64) -> Result<Option<Arc<Row>>, Error> {
        within_a_request(|| {
            self.reads.read(number, |numbers| {
                let step = rows::read_all(numbers);
                let rows = self.reading("read objects", |connection| connection.query(CALL, &step))?;
                rows.into_iter().map(|row| Ok((rows::get(&row, rows::NUMBER)?, Arc::new(row)))).collect()
            })
        })
    }

    /// Reads a server state from the database.
    pub(super) fn read_state(&self, name: &str) -> Result<Versioned, Error> {
        let step = rows::read_server_state(name);
        let rows = self.reading("read the server state", |connection| connection.query(CALL, &step))?;
        self.remember_state(name, &rows)
    }

    /// Decodes the rows of a server state and records it.
    pub(super) fn remember_state(&self, name: &str, rows: &[Row]) -> Result<Versioned, Error> {
        let row = rows.first().map(|row| rows::decode_server_state(name, row, self.key.as_ref()));
        let found = row.transpose()?;
        self.states.insert(name, &found);
        Ok(found)
    }
}

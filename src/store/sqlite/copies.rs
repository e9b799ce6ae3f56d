//! Copies of the whole database, and their restoration into the open file. SQLite copies the pages.
//!
//! A restoration takes the place of a transaction and of a commit: no transaction runs, none is queued, and no reader caches
//! what it read before.

use std::sync::MutexGuard;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::rows;
use super::writer::Writer;
use crate::store::Error;
use crate::store::optimistic::{Host, Turn};

impl Writer {
    /// Returns a copy of the database in memory.
    pub(super) fn copy(&self) -> Result<Connection, Error> {
        let mut copy = Connection::open_in_memory().map_err(failed)?;
        let turn = self.idle_turn()?;
        self.with_database(|database| copy_pages(database, &mut copy))?;
        drop(turn);
        Ok(copy)
    }

    /// Replaces the database by a copy.
    pub(super) fn restore(&self, copy: &Connection) -> Result<(), Error> {
        self.replace(|database| copy_pages(copy, database))
    }

    /// Removes all objects and all server state except `kept`.
    pub(super) fn clear(&self, kept: &[&str]) -> Result<(), Error> {
        self.replace(|database| {
            let transaction = database.transaction().map_err(failed)?;
            for name in rows::server_state_names(&transaction)? {
                if !kept.contains(&name.as_str()) {
                    transaction.execute("DELETE FROM own WHERE name = ?1", [name]).map_err(failed)?;
                }
            }
            transaction
                .execute_batch(
                    "DELETE FROM attribute_value; DELETE FROM object; UPDATE counter SET last_id = 0;",
                )
                .map_err(failed)?;
            transaction.commit().map_err(failed)
        })
    }

    /// Replaces the content of the database between two transactions.
    fn replace(&self, replace: impl FnOnce(&mut Connection) -> Result<(), Error>) -> Result<(), Error> {
        let mut turn = self.idle_turn()?;
        let outcome = self.with_database(|database| {
            self.committed().cache.begin_replacement();
            let outcome = replace(database);
            self.committed().cache.end_replacement();
            turn.replace(rows::last_id(database)?);
            outcome
        });
        // The log contains pages with keys that were removed.
        self.request_erasure();
        outcome
    }

    /// Takes the transaction lock as soon as no transaction is queued.
    fn idle_turn(&self) -> Result<MutexGuard<'_, Turn>, Error> {
        loop {
            let turn = self.turn();
            if self.is_idle() {
                return Ok(turn);
            }
            drop(turn);
            // The queued transactions become durable with this one.
            self.change(&mut |_| crate::store::Outcome::Rollback)?;
        }
    }
}

fn copy_pages(from: &Connection, to: &mut Connection) -> Result<(), Error> {
    let backup = Backup::new(from, to).map_err(failed)?;
    match backup.step(-1).map_err(failed)? {
        StepResult::Done => Ok(()),
        _ => Err(Error::GroupLost),
    }
}

fn failed(why: rusqlite::Error) -> Error {
    Error::sqlite("copy the database", why)
}

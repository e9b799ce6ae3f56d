//! Writes: one connection, one change at a time, and one flush to the disk for all changes that came while
//! the last one was under way.
//!
//! Each change is a savepoint within the transaction of its group. Whoever finds, at the end of his change,
//! nobody waiting to begin one commits for the group; the others of it wait for that commit. A change that
//! was taken back waits too: it may have seen, and its answer may tell, what others of the group wrote.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::{locate, rows};
use crate::store::{Error, Id, Keep, Located, Query, Record, Transaction};

/// How many changes share one commit at the most: a bound on how long the first of them waits when there is
/// always somebody waiting to begin.
const MAX_GROUP: usize = 256;

type Job<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Keep;

/// The one who writes.
pub(super) struct Writer {
    /// How many threads are about to begin a change.
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

/// What the thread that writes holds.
struct Line {
    database: Connection,
    /// The group of the open transaction, and how many changes are in it; none where none is open.
    group: Option<(Arc<Group>, usize)>,
}

/// Changes that become durable together.
#[derive(Default)]
struct Group {
    outcome: Mutex<Option<Result<(), Error>>>,
    known: Condvar,
}

impl Writer {
    /// Writes through `database`, which nobody else uses.
    pub(super) fn new(database: Connection) -> Self {
        Self { waiting: AtomicUsize::new(0), line: Mutex::new(Line { database, group: None }) }
    }

    /// Shows a test the connection, between two changes.
    #[cfg(test)]
    pub(super) fn with_database(&self, look: impl FnOnce(&Connection)) {
        look(&self.line.lock().unwrap().database);
    }

    /// How many threads are about to begin a change.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// See [`crate::store::Store::change`].
    pub(super) fn change(&self, job: Job<'_>) -> Result<(), Error> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Nothing panics while the lock is held but jobs, and these are caught below.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);

        let (group, size) = line.join()?;
        let done = catch_unwind(AssertUnwindSafe(|| part(&line.database, job)));
        if line.database.is_autocommit() {
            // SQLite itself took the whole transaction back, as it does when the disk is full.
            line.settle(Err(Error::GroupLost));
        } else if size >= MAX_GROUP || self.waiting.load(Ordering::SeqCst) == 0 {
            line.commit();
        }
        drop(line);
        match done {
            Ok(done) => done.and_then(|()| group.outcome()),
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl Line {
    /// Enters the open group, or opens one; tells how many are in it.
    fn join(&mut self) -> Result<(Arc<Group>, usize), Error> {
        if self.group.is_none() {
            // Immediate: a transaction that begins with a read could lose its right to write to somebody
            // else's process.
            execute(&self.database, "BEGIN IMMEDIATE")?;
        }
        let (group, size) = self.group.get_or_insert_default();
        *size += 1;
        Ok((Arc::clone(group), *size))
    }

    /// Makes the group's changes durable, and tells everybody in it.
    fn commit(&mut self) {
        let outcome = execute(&self.database, "COMMIT");
        if outcome.is_err() {
            // A failed commit may leave the transaction open; where it does not, there is nothing to undo.
            let _ = execute(&self.database, "ROLLBACK");
        }
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<(), Error>) {
        if let Some((group, _)) = self.group.take() {
            *group.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            group.known.notify_all();
        }
    }
}

impl Group {
    /// What became of the group, once it is known.
    fn outcome(&self) -> Result<(), Error> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => outcome = self.known.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Runs `job` in a savepoint of its own, and takes it back where it says so or panics.
fn part(database: &Connection, job: Job<'_>) -> Result<(), Error> {
    execute(database, "SAVEPOINT part")?;
    let done = catch_unwind(AssertUnwindSafe(|| job(&mut Change { database })));
    let ended = match done {
        Ok(Keep::Commit) => execute(database, "RELEASE part"),
        Ok(Keep::Rollback) | Err(_) => {
            execute(database, "ROLLBACK TO part").and_then(|()| execute(database, "RELEASE part"))
        }
    };
    if ended.is_err() {
        // What can neither be kept nor taken back must not be committed with the rest of its group.
        let _ = execute(database, "ROLLBACK");
    }
    match done {
        Ok(_) => ended,
        Err(panic) => resume_unwind(panic),
    }
}

fn execute(database: &Connection, statement: &'static str) -> Result<(), Error> {
    let done = database.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    done.map(drop).map_err(|why| Error::sqlite(statement, why))
}

/// A change under way.
struct Change<'a> {
    database: &'a Connection,
}

impl Change<'_> {
    /// The connection, as long as its transaction is open: without one, each statement would be kept.
    fn database(&self) -> Result<&Connection, Error> {
        if self.database.is_autocommit() { Err(Error::GroupLost) } else { Ok(self.database) }
    }
}

impl Transaction for Change<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error> {
        rows::read(self.database()?, id)
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        locate::locate(self.database()?, query)
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        rows::next_id(self.database()?)
    }

    fn insert(&mut self, record: &Record) -> Result<(), Error> {
        rows::insert(self.database()?, record)
    }

    fn update(&mut self, record: &Record) -> Result<(), Error> {
        rows::update(self.database()?, record)
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error> {
        part(self.database()?, job)
    }
}

//! Writes: one connection, one change at a time, and one flush to the disk for all changes that came while
//! the last one was under way.
//!
//! Each change is a savepoint within the transaction of its group. Whoever finds, at the end of his change,
//! nobody waiting to begin one commits for the group; the others of it wait for that commit. A change that
//! was taken back waits too: it may have seen, and its answer may tell, what others of the group wrote.
//!
//! A change that is only begun, because more of the same request follows, is part of a group as well and waits for
//! nothing: the group stays open until somebody does.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;

use super::cache::Cache;
use super::{locate, rows};
use crate::store::{Error, Id, Keep, Located, Query, Record, Transaction, Unsettled};
use crate::ttlv::Secret;

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
    /// Forgets the objects that a commit changes.
    cache: Arc<Cache>,
    /// Those that the open transaction changes.
    changed: RefCell<Vec<Id>>,
    /// The group of the open transaction; none where none is open.
    open: Option<Open>,
}

/// A group that is not committed yet.
#[derive(Default)]
struct Open {
    group: Arc<Group>,
    /// How many changes are in it.
    size: usize,
    /// Whether somebody waits for its end: then whoever finds nobody waiting to begin has to commit.
    awaited: bool,
}

/// Changes that become durable together: what became of them, once it is known.
type Group = OnceLock<Result<(), Error>>;

impl Writer {
    /// Writes through `database`, which nobody else uses.
    pub(super) fn new(database: Connection, cache: Arc<Cache>) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            line: Mutex::new(Line { database, cache, changed: RefCell::default(), open: None }),
        }
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
        self.enter(job, true)?.wait().clone()
    }

    /// See [`crate::store::Store::begin`].
    pub(super) fn begin(&self, job: Job<'_>) -> Result<Box<dyn Unsettled + '_>, Error> {
        let group = self.enter(job, false)?;
        Ok(Box::new(Begun { writer: self, group }))
    }

    /// Runs `job` as a part of a group; with `awaited`, the caller is going to wait for the group.
    fn enter(&self, job: Job<'_>, awaited: bool) -> Result<Arc<Group>, Error> {
        let mut line = self.turn();
        let group = line.join(awaited)?;
        let done = catch_unwind(AssertUnwindSafe(|| part(&line.database, &line.changed, job)));
        if line.database.is_autocommit() {
            // SQLite itself took the whole transaction back, as it does when the disk is full.
            line.settle(Err(Error::GroupLost));
        } else {
            self.commit_unless_others_follow(&mut line);
        }
        drop(line);
        match done {
            Ok(done) => done.map(|()| group),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Waits for the turn to write.
    fn turn(&self) -> MutexGuard<'_, Line> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Nothing panics while the lock is held but jobs, and these are caught.
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        line
    }

    fn commit_unless_others_follow(&self, line: &mut Line) {
        let is_last = self.waiting.load(Ordering::SeqCst) == 0;
        if line.open.as_ref().is_some_and(|open| open.size >= MAX_GROUP || (open.awaited && is_last)) {
            line.commit();
        }
    }
}

/// A change that was begun.
struct Begun<'w> {
    writer: &'w Writer,
    group: Arc<Group>,
}

impl Unsettled for Begun<'_> {
    fn settle(self: Box<Self>) -> Result<(), Error> {
        if self.group.get().is_none() {
            let mut line = self.writer.turn();
            if let Some(open) = line.open.as_mut().filter(|open| Arc::ptr_eq(&open.group, &self.group)) {
                open.awaited = true;
                self.writer.commit_unless_others_follow(&mut line);
            }
        }
        self.group.wait().clone()
    }
}

impl Line {
    /// Enters the open group, or opens one.
    fn join(&mut self, awaited: bool) -> Result<Arc<Group>, Error> {
        if self.open.is_none() {
            // Immediate: a transaction that begins with a read could lose its right to write to somebody
            // else's process.
            execute(&self.database, "BEGIN IMMEDIATE")?;
        }
        let open = self.open.get_or_insert_default();
        open.size += 1;
        open.awaited |= awaited;
        Ok(Arc::clone(&open.group))
    }

    /// Makes the group's changes durable, and tells everybody in it.
    fn commit(&mut self) {
        let changed = self.changed.take();
        self.cache.open_change(&changed);
        let outcome = execute(&self.database, "COMMIT");
        self.cache.close_change(&changed);
        if outcome.is_err() {
            // A failed commit may leave the transaction open; where it does not, there is nothing to undo.
            let _ = execute(&self.database, "ROLLBACK");
        }
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<(), Error>) {
        self.changed.take();
        if let Some(Open { group, .. }) = self.open.take() {
            // It was taken from its line, so nobody else settles it.
            let _ = group.set(outcome);
        }
    }
}

/// Runs `job` in a savepoint of its own, and takes it back where it says so or panics.
fn part(database: &Connection, changed: &RefCell<Vec<Id>>, job: Job<'_>) -> Result<(), Error> {
    execute(database, "SAVEPOINT part")?;
    let done = catch_unwind(AssertUnwindSafe(|| job(&mut Change { database, changed })));
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
    changed: &'a RefCell<Vec<Id>>,
}

impl Change<'_> {
    /// The connection, as long as its transaction is open: without one, each statement would be kept.
    fn database(&self) -> Result<&Connection, Error> {
        if self.database.is_autocommit() { Err(Error::GroupLost) } else { Ok(self.database) }
    }
}

impl Transaction for Change<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error> {
        Ok(rows::read(self.database()?, id)?.map(|(record, _)| record))
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
        self.changed.borrow_mut().push(record.id);
        rows::update(self.database()?, record)
    }

    fn own(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        rows::own(self.database()?, name)
    }

    fn set_own(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        rows::set_own(self.database()?, name, value)
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error> {
        part(self.database()?, self.changed, job)
    }
}

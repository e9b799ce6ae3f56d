//! Transactions. A job runs on an overlay, and its writes and the COMMIT are sent together.
//!
//! A *locking* attempt opens a transaction of the database with its first read of an object and locks what it reads, so that
//! only a deadlock makes it invalid. An *optimistic* one, for a job that may take long, reads without a transaction and
//! records what it has read; its commit locks these rows and verifies that nothing of it has changed, the results of its queries
//! included. Two transactions with queries lock the row of `gate`, so that neither misses an object that the other inserts; a
//! locking one locks it before its first query, and executes its queries again before it commits.
//!
//! A *batch* is an optimistic attempt whose items do not depend on each other: its queries are not executed again, and without
//! writes, the objects that it has read are not compared.
//!
//! Server state is read from a cache in both; a *guard* before the writes compares the versions. It divides by zero if one
//! differs, which ends the transaction, so that guard, writes and COMMIT need one round trip.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{CALL, COMMIT, Connection, Failure, Plans, Step};
use super::numbers::Reservation;
use super::pool::Pooled;
use super::rows::{self, Previous};
use super::search;
use super::shared::Shared;
use crate::secret::Secret;
use crate::store::encoded::number;
use crate::store::overlay::{Snapshot, WriteSet};
use crate::store::{Cause, Error, Id, LOG, Located, Query, Record};

/// The number of queries that an attempt executes again. An optimistic job with more runs with locks.
const MAX_QUERIES: usize = 8;

const GATE: &str = "SELECT only_row FROM gate FOR UPDATE";

const STATES: &str = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM unnest($1::bytea[], $2::bigint[]) AS seen(name, version) \
    LEFT JOIN own ON own.name = seen.name WHERE own.version IS DISTINCT FROM seen.version) = 0 THEN 1 ELSE 0 END)";

const LOCKED_STATES: &str = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM (SELECT own.name \
    FROM own JOIN unnest($1::bytea[], $2::bigint[]) AS seen(name, version) \
    ON own.name = seen.name AND own.version = seen.version ORDER BY own.name FOR UPDATE OF own) AS locked) \
    = cardinality($1::bytea[]) THEN 1 ELSE 0 END)";

const LOCKED_OBJECTS: &str = "SELECT 1 / (CASE WHEN (SELECT count(*) FROM (SELECT object.id \
    FROM object JOIN unnest($1::bigint[], $2::bigint[]) AS seen(id, version) \
    ON object.id = seen.id AND object.version = seen.version ORDER BY object.id FOR UPDATE OF object) AS locked) \
    = cardinality($1::bigint[]) THEN 1 ELSE 0 END)";

const ABSENT_OBJECTS: &str = "SELECT 1 / (CASE WHEN EXISTS (SELECT 1 FROM object WHERE id = ANY($1::bigint[])) \
    THEN 0 ELSE 1 END)";

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The writes are committed, or there are none.
    Done,
    /// The job has to be repeated.
    Repeat,
}

/// One execution of a job.
pub(super) struct Attempt<'s> {
    shared: &'s Shared,
    numbers: &'s Reservation<'s>,
    progress: RefCell<Progress<'s>>,
}

/// What an attempt has read.
#[derive(Default)]
struct Progress<'s> {
    /// The connection with an open transaction of the database.
    session: Option<Pooled<'s>>,
    is_optimistic: bool,
    /// Whether the job consists of items that do not depend on each other.
    is_batch: bool,
    /// Whether the transaction has locked the row of `gate`.
    has_gate: bool,
    /// Whether the job must not be repeated, because it had an effect.
    is_pinned: bool,
    /// Whether a read failed because of a conflict.
    has_conflict: bool,
    /// The versions of the objects that an optimistic attempt has read.
    objects: BTreeMap<Id, Option<i64>>,
    /// The queries, with the writes before each.
    queries: Vec<(Query, WriteSet, Located)>,
    /// The versions of the server states that the attempt has read.
    states: BTreeMap<String, Option<i64>>,
}

impl<'s> Attempt<'s> {
    /// Begins an attempt whose reads lock.
    pub(super) fn locking(shared: &'s Shared, numbers: &'s Reservation<'s>) -> Self {
        Self { shared, numbers, progress: RefCell::default() }
    }

    /// Begins an attempt whose reads do not lock.
    pub(super) fn optimistic(shared: &'s Shared, numbers: &'s Reservation<'s>) -> Self {
        let mut progress = Progress::default();
        progress.is_optimistic = true;
        Self { shared, numbers, progress: RefCell::new(progress) }
    }

    /// Begins an optimistic attempt of a batch.
    pub(super) fn batch(shared: &'s Shared, numbers: &'s Reservation<'s>) -> Self {
        let attempt = Self::optimistic(shared, numbers);
        attempt.progress.borrow_mut().is_batch = true;
        attempt
    }

    /// Whether the job has too many queries for an optimistic attempt.
    pub(super) fn needs_locks(&self) -> bool {
        self.progress.borrow().queries.len() > MAX_QUERIES
    }

    /// Commits the writes of the job, or ends it without writes.
    pub(super) fn end(self, writes: Option<WriteSet>) -> Result<End, Error> {
        let Self { shared, numbers, progress } = self;
        let mut progress = progress.into_inner();
        let is_pinned = progress.is_pinned;
        // Numbers of a transaction that commits are used, also if no object has them.
        let last_id = writes.as_ref().map_or(0, |writes| writes.last_id);
        let writes = writes.filter(|it| !it.records.is_empty() || !it.server_state.is_empty());
        let ended = if progress.has_conflict || progress.queries.len() > MAX_QUERIES {
            progress.roll_back();
            Ok(End::Repeat)
        } else {
            match writes {
                Some(writes) => {
                    let ended = progress.commit(shared, numbers, &writes);
                    // A repetition is no failure.
                    if !matches!(ended, Ok(End::Repeat)) {
                        shared.commits.count(1, ended.is_ok());
                    }
                    ended
                }
                None => progress.finish(shared),
            }
        };
        match ended {
            Ok(End::Done) => numbers.keep(last_id),
            Ok(End::Repeat) if is_pinned => return Err(Error::Contended),
            _ => {}
        }
        ended
    }
}

impl Drop for Progress<'_> {
    /// Closes the connection if its transaction is open, as after a panic of the job.
    fn drop(&mut self) {
        self.session.take().into_iter().for_each(Pooled::close);
    }
}

impl<'s> Progress<'s> {
    /// Ends the transaction of the database, if it is open.
    fn roll_back(&mut self) {
        if let Some(mut session) = self.session.take()
            && session.roll_back().is_err()
        {
            session.close();
        }
    }

    /// Returns the guards for what the attempt has read. The rows of the server states in `written` are locked, too.
    fn guards(&self, written: &dyn Fn(&str) -> bool) -> Vec<Step> {
        let mut guards = Vec::new();
        let mut known: (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut absent = Vec::new();
        for (id, version) in &self.objects {
            match (number(*id), version) {
                (Ok(number), Some(version)) => {
                    known.0.push(number);
                    known.1.push(*version);
                }
                (Ok(number), None) => absent.push(number),
                (Err(_), _) => {}
            }
        }
        if !known.0.is_empty() {
            guards.push(Step::new(LOCKED_OBJECTS, vec![Box::new(known.0), Box::new(known.1)]));
        }
        if !absent.is_empty() {
            guards.push(Step::new(ABSENT_OBJECTS, vec![Box::new(absent)]));
        }
        let (mut locked, mut seen) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (name, version) in &self.states {
            let name_bytes = name.as_bytes().to_vec();
            match version {
                Some(version) if written(name) => {
                    locked.0.push(name_bytes);
                    locked.1.push(*version);
                }
                version => {
                    seen.0.push(name_bytes);
                    seen.1.push(*version);
                }
            }
        }
        if !locked.0.is_empty() {
            guards.push(
                Step::new(LOCKED_STATES, vec![Box::new(locked.0), Box::new(locked.1)]).planned(Plans::Any),
            );
        }
        if !seen.0.is_empty() {
            guards.push(Step::new(STATES, vec![Box::new(seen.0), Box::new(seen.1)]).planned(Plans::Any));
        }
        guards
    }

    /// Ends an attempt without writes: what the job has read must have been valid at one time.
    fn finish(mut self, shared: &'s Shared) -> Result<End, Error> {
        if self.is_batch {
            self.objects.clear();
        }
        let guards = self.guards(&|_| false);
        if !self.queries.is_empty() {
            return match self.verify_queries(shared, guards)? {
                End::Done => {
                    self.roll_back();
                    Ok(End::Done)
                }
                End::Repeat => Ok(End::Repeat),
            };
        }
        if guards.is_empty() {
            self.roll_back();
            return Ok(End::Done);
        }
        let begin = self.session.is_none().then_some("BEGIN");
        let mut session = self.session(shared)?;
        match session.pipeline(CALL, begin, &guards, Some("ROLLBACK")) {
            Ok(_) => Ok(End::Done),
            Err(failure) => self.repeat_or_fail(shared, "verify what a change has read", failure),
        }
    }

    /// Commits the writes.
    fn commit(
        mut self,
        shared: &'s Shared,
        numbers: &Reservation<'_>,
        writes: &WriteSet,
    ) -> Result<End, Error> {
        let key = shared.key.as_ref();
        let changed = writes.records.values().filter(|write| write.before.is_some());
        let _changing = shared.decoded.begin_commit(changed.map(|write| write.after.id));
        let mut steps = self.guards(&|name| writes.server_state.contains_key(name));
        if !self.queries.is_empty() {
            // The rows are locked before the queries are repeated, and stay locked.
            if self.verify_queries(shared, std::mem::take(&mut steps))? == End::Repeat {
                return Ok(End::Repeat);
            }
        }
        let inserted =
            || writes.records.values().filter(|write| write.before.is_none()).map(|write| write.after.id);
        let chosen = inserted().filter(|id| !numbers.contains(id.0)).max();
        if let Some(chosen) = chosen {
            steps.push(rows::count(number(chosen)?));
        }
        for write in writes.records.values() {
            rows::write(write, key, &mut steps)?;
        }
        for (name, value) in &writes.server_state {
            let previous = match self.states.get(name) {
                None => Previous::Unknown,
                Some(None) => Previous::None,
                Some(Some(_)) => Previous::Some,
            };
            rows::write_server_state(name, value, previous, key, &mut steps)?;
        }
        let begin = self.session.is_none().then_some("BEGIN");
        let mut session = self.session(shared)?;
        match session.pipeline(limit(&steps), begin, &steps, Some(COMMIT)) {
            Ok(_) => {
                shared.pool.record_commit(true);
                chosen.iter().for_each(|chosen| shared.numbers.raise(chosen.0));
                self.remember(shared, writes);
                Ok(End::Done)
            }
            Err(failure) if failure.is_lost => {
                if failure.has_timed_out {
                    shared.pool.record_commit(false);
                }
                shared.pool.close_idle();
                Err(Error::Uncertain { why: Cause::new(failure) })
            }
            Err(failure) => {
                if failure.is_duplicate() {
                    drop(session);
                    remove_taken(shared, numbers, inserted())?;
                }
                self.repeat_or_fail(shared, "commit a change", failure)
            }
        }
    }

    /// Records the server states that a commit has written.
    fn remember(&self, shared: &Shared, writes: &WriteSet) {
        for (name, value) in &writes.server_state {
            match self.states.get(name) {
                Some(version) => shared.states.insert(name, &Some((value.clone(), version.unwrap_or(0) + 1))),
                None => shared.states.remove(name),
            }
        }
    }

    /// Locks what the attempt has read and executes its queries again. If the results are the same, the transaction stays open.
    fn verify_queries(&mut self, shared: &'s Shared, guards: Vec<Step>) -> Result<End, Error> {
        let begin = self.session.is_none().then_some("BEGIN");
        let mut session = self.session(shared)?;
        let mut steps = Vec::new();
        if !self.queries.is_empty() {
            steps.push(Step::new(GATE, Vec::new()).planned(Plans::Any));
            self.has_gate = true;
        }
        steps.extend(guards);
        let doing = "verify what a change has read";
        let mut verified = session.pipeline(CALL, begin, &steps, None).map(|_| true);
        for (query, writes, found) in &self.queries {
            if verified.as_ref().is_ok_and(|is_same| *is_same) {
                let again = search::locate(&mut session, query, Some(writes), true);
                verified = again.map(|again| again == *found);
            }
        }
        self.session = Some(session);
        match verified {
            Ok(true) => Ok(End::Done),
            Ok(false) => {
                self.roll_back();
                Ok(End::Repeat)
            }
            Err(failure) => {
                self.roll_back();
                self.repeat_or_fail(shared, doing, failure)
            }
        }
    }

    /// Returns the connection of the transaction; the caller begins one if there was none.
    fn session(&mut self, shared: &'s Shared) -> Result<Pooled<'s>, Error> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => shared.pool.get_for_transaction(),
        }
    }

    fn repeat_or_fail(&self, shared: &Shared, doing: &'static str, failure: Failure) -> Result<End, Error> {
        if failure.is_stale() || failure.is_duplicate() {
            self.states.keys().for_each(|name| shared.states.remove(name));
            return Ok(End::Repeat);
        }
        if failure.is_conflict() { Ok(End::Repeat) } else { Err(shared.pool.failed(doing, failure)) }
    }
}

/// Returns the time for a commit: a batch can have thousands of statements.
fn limit(steps: &[Step]) -> Duration {
    CALL.max(Duration::from_millis(steps.len() as u64))
}

/// Removes the numbers that objects have already from those of the transaction.
fn remove_taken(
    shared: &Shared,
    numbers: &Reservation<'_>,
    inserted: impl Iterator<Item = Id>,
) -> Result<(), Error> {
    let ids: Vec<i64> = inserted.filter_map(|id| number(id).ok()).collect();
    let step = Step::new("SELECT id FROM object WHERE id = ANY($1::bigint[])", vec![Box::new(ids)]);
    let taken = shared.reading("look for used identifiers", |connection| connection.query(CALL, &step))?;
    for row in &taken {
        numbers.remove(rows::get::<i64>(row, 0)?.unsigned_abs());
    }
    Ok(())
}

impl Attempt<'_> {
    /// Reads the row of an object, in the transaction of the database unless the attempt is optimistic.
    fn row(&self, number: i64) -> Result<Option<tokio_postgres::Row>, Error> {
        let doing = "read an object";
        let mut progress = self.progress.borrow_mut();
        if progress.is_optimistic {
            let step = rows::read(number, false);
            let rows = self.shared.reading(doing, |connection| connection.query(CALL, &step))?;
            return Ok(rows.into_iter().next());
        }
        let begin = progress.session.is_none().then_some("BEGIN");
        let mut session = progress.session(self.shared)?;
        let rows = session.pipeline(CALL, begin, &[rows::read(number, true)], None);
        progress.session = Some(session);
        match rows {
            Ok(rows) => Ok(rows.into_iter().flatten().next()),
            Err(failure) => {
                progress.has_conflict |= failure.is_conflict();
                Err(self.shared.pool.failed(doing, failure))
            }
        }
    }

    /// Verifies what an optimistic attempt has read, and lets it read with locks from now on.
    fn take_locks(&self) -> Result<End, Error> {
        let mut progress = self.progress.borrow_mut();
        // All states are locked that exist.
        let guards = progress.guards(&|_| true);
        if progress.verify_queries(self.shared, guards)? == End::Repeat {
            return Ok(End::Repeat);
        }
        // The rows of the objects stay locked; the queries are executed again at the commit.
        progress.objects.clear();
        progress.is_optimistic = false;
        progress.is_pinned = true;
        Ok(End::Done)
    }
}

impl Snapshot for Attempt<'_> {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        let Ok(number) = number(id) else { return Ok(None) };
        let reading = self.shared.decoded.begin(id);
        let row = self.row(number)?;
        let mut progress = self.progress.borrow_mut();
        if progress.is_optimistic {
            let version = row.as_ref().map(rows::version).transpose()?;
            let earlier = *progress.objects.entry(id).or_insert(version);
            progress.has_conflict |= earlier != version;
        }
        row.map(|row| reading.record(&rows::stored(id, &row)?, self.shared.key.as_ref())).transpose()
    }

    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        let doing = "locate objects";
        let mut progress = self.progress.borrow_mut();
        if progress.is_optimistic {
            let search = |connection: &mut Connection| search::locate(connection, query, Some(writes), false);
            let found = self.shared.using(search::purpose(query), doing, search)?;
            if !progress.is_batch && progress.queries.len() <= MAX_QUERIES {
                progress.queries.push((query.clone(), writes.clone(), found.clone()));
            }
            return Ok(found);
        }
        let begin = progress.session.is_none().then_some("BEGIN");
        let mut session = progress.session(self.shared)?;
        let gate = (!progress.has_gate).then(|| Step::new(GATE, Vec::new()).planned(Plans::Any));
        let locked = match gate {
            Some(gate) => session.pipeline(CALL, begin, &[gate], None).map(drop),
            None => Ok(()),
        };
        let found = locked.and_then(|()| search::locate(&mut session, query, Some(writes), true));
        progress.session = Some(session);
        match found {
            Ok(found) => {
                progress.has_gate = true;
                if progress.queries.len() < MAX_QUERIES {
                    progress.queries.push((query.clone(), writes.clone(), found.clone()));
                }
                Ok(found)
            }
            Err(failure) => {
                progress.has_conflict |= failure.is_conflict();
                Err(self.shared.pool.failed(doing, failure))
            }
        }
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        let mut progress = self.progress.borrow_mut();
        // A transaction that must not be repeated reads what it locks.
        let cached = if progress.is_pinned { None } else { self.shared.states.get(name) };
        let found = match (cached, &mut progress.session) {
            (Some(cached), _) => cached,
            (None, Some(session)) => {
                let rows = session.query(CALL, &rows::read_server_state(name));
                let rows =
                    rows.map_err(|failure| self.shared.pool.failed("read the server state", failure))?;
                self.shared.remember_state(name, &rows)?
            }
            (None, None) => self.shared.read_state(name)?,
        };
        let version = found.as_ref().map(|(_, version)| *version);
        let earlier = *progress.states.entry(name.to_owned()).or_insert(version);
        if earlier != version {
            self.shared.states.remove(name);
            progress.has_conflict = true;
        }
        Ok(found.map(|(value, _)| value))
    }

    fn number_after(&self, last: u64) -> Result<u64, Error> {
        self.numbers.after(last)
    }

    fn is_reserved(&self, id: Id) -> bool {
        self.numbers.contains(id.0)
    }

    fn lock(&self) -> bool {
        if self.is_locked() {
            return true;
        }
        match self.take_locks() {
            Ok(End::Done) => true,
            Ok(End::Repeat) => {
                self.progress.borrow_mut().has_conflict = true;
                false
            }
            Err(error) => {
                log::error!(target: LOG, "A batch could not be locked: {error}.");
                false
            }
        }
    }

    fn is_locked(&self) -> bool {
        !self.progress.borrow().is_optimistic
    }
}

//! Writes: changes run one after another and in memory, and one connection brings them to the disk, all that came
//! while the last ones were on their way with one commit.
//!
//! A change runs when it is its turn. It sees the last commit, what is on its way to the disk and what waits to be,
//! and what it writes joins the group of those that wait ([`Pile`]). The first of a group who wants to know what
//! became of it leads it: he waits until the connection is free and commits for all, and the others wait for that.
//! A change that was taken back waits as well: it may have seen, and its answer may tell, what others of its group
//! wrote. Where a commit fails, all that was built on it is lost with it.
//!
//! Those who have just learned that their changes are durable are likely to bring the next ones soon. Whoever commits
//! waits for them, no longer than the last commit took: two commits in a row would take as long.
//!
//! A change that is only begun, because more of the same request follows, is part of a group as well and waits for
//! nothing: the group collects until somebody leads it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::cache::Cache;
use super::committed::Committed;
use super::disk::{Disk, execute, in_transaction};
use super::locate;
use super::rows::{self, LazyRow, Row};
use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store::overlay::{self, Before, Changes, Written};
use crate::store::{Error, Id, Located, Outcome, PendingCommit, Query, Record, Transaction};

/// How many changes a group has at the most that were only begun; whoever begins one more waits for it.
const MAX_GROUP: usize = 256;

/// For how long whoever commits waits at the most for others who are likely to come.
const MAX_PATIENCE: Duration = Duration::from_millis(20);

type Job<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Outcome;

/// The one who writes.
pub(super) struct Writer {
    // Dropped first: the last connection to a file that is closed puts its log away, and readers cannot.
    committed: Arc<Committed>,
    /// The turn to run a change. Whoever holds it may take the lock of the pile, and never the other way around.
    turn: Mutex<Turn>,
    pile: Mutex<Pile>,
    /// Tells that the connection is free.
    free: Condvar,
    /// Tells whoever leads the open group that all have joined it who were expected.
    gathered: Condvar,
}

/// What the change goes on from whose turn it is.
struct Turn {
    /// The last number that an object got.
    last: u64,
    /// How many groups had been lost when that was read from the database.
    lost: u64,
}

/// What is not on the disk yet, and the connection that brings it there.
struct Pile {
    /// None while somebody commits by it.
    database: Option<Disk>,
    /// What he commits.
    underway: Option<Arc<Staged>>,
    /// The group that collects.
    open: Option<Open>,
    /// How many groups were lost: a change that began before such a loss may have seen what is no more.
    lost: u64,
    /// How many are likely to wait for the open group: those who waited for the last one and have their answers
    /// now, and those who came meanwhile.
    expected: usize,
    /// Until when it is worth waiting for them.
    patience: Instant,
}

/// A group that collects.
#[derive(Default)]
struct Open {
    staged: Staged,
    /// How many changes are in it.
    size: usize,
    /// How many wait for it; the first of them leads it.
    waiting: usize,
    group: Arc<Group>,
}

/// Changes that become durable together: what became of them, once it is known.
type Group = OnceLock<Result<(), Error>>;

/// Where a change belongs to, and whether it falls to its thread to lead the group.
struct Joined {
    group: Arc<Group>,
    leads: bool,
    full: bool,
}

impl Writer {
    /// Writes through `database`, which nobody else uses.
    ///
    /// # Errors
    /// Where SQLite fails.
    pub(super) fn new(database: Connection, committed: Arc<Committed>) -> Result<Self, Error> {
        let turn = Mutex::new(Turn { last: rows::last_id(&database)?, lost: 0 });
        let pile = Mutex::new(Pile {
            database: Some(Disk::new(database)),
            underway: None,
            open: None,
            lost: 0,
            expected: 0,
            patience: Instant::now(),
        });
        Ok(Self { committed, turn, pile, free: Condvar::new(), gathered: Condvar::new() })
    }

    /// See [`crate::store::Store::change`].
    pub(super) fn change(&self, job: Job<'_>) -> Result<(), Error> {
        let Joined { group, leads, .. } = self.join(job, true)?;
        self.outcome(&group, leads)
    }

    /// See [`crate::store::Store::begin`].
    pub(super) fn begin(&self, job: Job<'_>) -> Result<Box<dyn PendingCommit + '_>, Error> {
        let Joined { group, leads, full } = self.join(job, false)?;
        if full {
            self.outcome(&group, leads)?;
        }
        Ok(Box::new(Begun { writer: self, group }))
    }

    /// Runs `job` and has what it wrote join the open group; with `awaited`, the caller is going to wait for that.
    fn join(&self, job: Job<'_>, awaited: bool) -> Result<Joined, Error> {
        let mut turn = self.turn();
        let lost = turn.follow(&self.pile())?;
        let staged = overlay::run(self, turn.last, job).map(Staged::of);
        let rows: Vec<_> = staged.iter().flat_map(|staged| staged.rows.values().cloned()).collect();
        let mut pile = self.pile();
        if pile.lost != lost {
            return Err(Error::GroupLost);
        }
        let open = pile.open.get_or_insert_default();
        if let Some(staged) = staged {
            turn.last = staged.changes.last;
            open.staged.add(staged);
        }
        open.size += 1;
        let full = open.size >= MAX_GROUP;
        let group = Arc::clone(&open.group);
        let leads = (awaited || full) && self.wait_for_open(&mut pile);
        drop(pile);
        drop(turn);
        // Nobody waits for them here. Where one cannot be made, it is for the commit to say so: this thread may have
        // become the one who leads, and others wait for that.
        let make = || rows.iter().for_each(|row| drop(row.row()));
        drop(catch_unwind(AssertUnwindSafe(make)));
        Ok(Joined { leads, full, group })
    }

    /// Counts the caller as one who waits for the open group, and tells whether it leads it.
    fn wait_for_open(&self, pile: &mut Pile) -> bool {
        let expected = pile.expected;
        let Some(open) = &mut pile.open else { return false };
        open.waiting += 1;
        if open.waiting == expected {
            self.gathered.notify_one();
        }
        open.waiting == 1
    }

    /// Waits for what becomes of the group; commits it where that falls to this thread.
    fn outcome(&self, group: &Group, leads: bool) -> Result<(), Error> {
        if leads { self.lead(group) } else { group.wait().clone() }
    }

    /// Commits the open group, which is `group`, as soon as the connection is free.
    fn lead(&self, group: &Group) -> Result<(), Error> {
        let mut pile = self.pile();
        let (mut disk, open) = loop {
            // It was lost with the one before it.
            if let Some(outcome) = group.get() {
                return outcome.clone();
            }
            if pile.database.is_none() {
                pile = self.free.wait(pile).ignore_poison();
            } else if let Some(time) = pile.worth_waiting() {
                pile = self.gathered.wait_timeout(pile, time).ignore_poison().0;
            } else if let Some(disk) = pile.database.take() {
                break (disk, pile.open.take().unwrap_or_default());
            }
        };
        let staged = Arc::new(open.staged);
        pile.underway = Some(Arc::clone(&staged));
        drop(pile);

        let begun = Instant::now();
        let commit = || staged.commit(&mut disk, &self.committed.cache);
        let outcome = catch_unwind(AssertUnwindSafe(commit)).unwrap_or(Err(Error::GroupLost));

        let mut pile = self.pile();
        pile.database = Some(disk);
        pile.underway = None;
        pile.expected = open.waiting + pile.open.as_ref().map_or(0, |open| open.waiting);
        pile.patience = Instant::now() + begun.elapsed().min(MAX_PATIENCE);
        if outcome.is_err() {
            pile.lost += 1;
            if let Some(follower) = pile.open.take() {
                // AlreadyDurable before its leader can take the free connection: the group that is open then is another.
                let _ = follower.group.set(Err(Error::GroupLost));
            }
        }
        drop(pile);
        self.free.notify_all();
        // Each group is settled once: by whoever took it from the pile.
        let _ = open.group.set(outcome.clone());
        outcome
    }

    // Nothing panics while one of the locks is held but jobs, and these leave what it protects as it is.

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().ignore_poison()
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().ignore_poison()
    }

    /// The pile, as soon as the connection is free.
    fn free_pile(&self) -> MutexGuard<'_, Pile> {
        let taken = |pile: &mut Pile| pile.database.is_none();
        self.free.wait_while(self.pile(), taken).ignore_poison()
    }

    /// Runs `act` on the connection as if it committed: what joins meanwhile becomes one group.
    #[cfg(test)]
    pub(super) fn busy<T>(&self, act: impl FnOnce(&Connection) -> T) -> T {
        let disk = self.free_pile().database.take().unwrap();
        let done = act(&disk.database);
        self.pile().database = Some(disk);
        self.free.notify_all();
        done
    }

    /// Has whoever commits next wait until so many wait for the group, and no longer than `time`.
    #[cfg(test)]
    pub(super) fn expect(&self, expected: usize, time: Duration) {
        let mut pile = self.pile();
        (pile.expected, pile.patience) = (expected, Instant::now() + time);
    }

    /// Whether a group is on its way to the disk.
    #[cfg(test)]
    pub(super) fn is_committing(&self) -> bool {
        self.pile().underway.is_some()
    }

    /// How many changes the open group has.
    #[cfg(test)]
    pub(super) fn open_changes(&self) -> usize {
        self.pile().open.as_ref().map_or(0, |open| open.size)
    }
}

/// What the change sees whose turn it is.
impl Before for Writer {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        // What leaves the pile meanwhile is committed by then.
        let staged =
            self.pile().find(|changes| changes.records.get(&id).map(|written| Arc::clone(&written.record)));
        match staged {
            Some(record) => Ok(Some((*record).clone())),
            None => self.committed.read(id),
        }
    }

    fn locate(&self, query: &Query, changes: &Changes) -> Result<Located, Error> {
        let staged = Staged::of(changes.clone());
        let pile = self.free_pile();
        // It is there: nobody takes it without the lock.
        let Some(Disk { database, .. }) = &pile.database else { return Err(Error::GroupLost) };
        // Written for the time of the search alone.
        in_transaction(database, || {
            pile.open.as_ref().map_or(Ok(()), |open| open.staged.write(database))?;
            staged.write(database)?;
            locate::locate(database, query)
        })
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.pile().find(|changes| changes.server_state.get(name).cloned()) {
            Some(value) => Ok(Some(value)),
            None => self.committed.server_state(name),
        }
    }
}

impl Turn {
    /// Has the numbers of what was lost be given again, once nothing waits that has later ones. Gives how many groups
    /// have been lost.
    fn follow(&mut self, pile: &Pile) -> Result<u64, Error> {
        if self.lost != pile.lost
            && pile.open.is_none()
            && let Some(Disk { database, .. }) = &pile.database
        {
            *self = Self { last: rows::last_id(database)?, lost: pile.lost };
        }
        Ok(pile.lost)
    }
}

impl Pile {
    /// For how long whoever leads the open group does better to wait: those whose last changes have just become
    /// durable are likely to bring their next ones soon, and a commit costs less for all of them together.
    fn worth_waiting(&self) -> Option<Duration> {
        let waiting = self.open.as_ref().map_or(0, |open| open.waiting);
        let left = self.patience.saturating_duration_since(Instant::now());
        (waiting < self.expected && !left.is_zero()).then_some(left)
    }

    /// What `look` finds in what waits to be committed, or in what is on its way to the disk.
    fn find<T>(&self, look: impl Fn(&Changes) -> Option<T>) -> Option<T> {
        let open = self.open.as_ref().and_then(|open| look(&open.staged.changes));
        open.or_else(|| self.underway.as_ref().and_then(|staged| look(&staged.changes)))
    }
}

/// A change that was begun.
struct Begun<'w> {
    writer: &'w Writer,
    group: Arc<Group>,
}

impl PendingCommit for Begun<'_> {
    fn wait(self: Box<Self>) -> Result<(), Error> {
        let leads = {
            let mut pile = self.writer.pile();
            let is_open = pile.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.group, &self.group));
            is_open && self.writer.wait_for_open(&mut pile)
        };
        self.writer.outcome(&self.group, leads)
    }
}

/// What changes wrote, and how it comes into the database.
#[derive(Default)]
struct Staged {
    changes: Changes,
    /// The rows of the records, one for each.
    rows: BTreeMap<Id, Arc<LazyRow>>,
}

impl Staged {
    fn of(changes: Changes) -> Self {
        let row = |written: &Written| Arc::new(LazyRow::of(Arc::clone(&written.record)));
        let rows = changes.records.iter().map(|(id, written)| (*id, row(written))).collect();
        Self { changes, rows }
    }

    /// Adds what was written later.
    fn add(&mut self, later: Self) {
        self.changes.add(later.changes);
        self.rows.extend(later.rows);
    }

    /// The records and their rows.
    fn records(&self) -> impl Iterator<Item = Result<(&Written, &Row), Error>> {
        let records = self.changes.records.values().zip(self.rows.values());
        records.map(|(written, row)| Ok((written, row.row()?)))
    }

    /// Commits it, all or nothing, and tells the readers' cache.
    fn commit(&self, disk: &mut Disk, cache: &Cache) -> Result<(), Error> {
        if self.rows.is_empty() && self.changes.server_state.is_empty() {
            return Ok(());
        }
        let durable = self.changes.durable;
        disk.prepare(durable)?;
        let outcome = in_transaction(&disk.database, || self.write_and_commit(disk, cache));
        disk.conclude(durable, outcome.is_ok());
        outcome
    }

    fn write_and_commit(&self, disk: &Disk, cache: &Cache) -> Result<(), Error> {
        let database = &disk.database;
        self.write(database)?;
        if self.changes.durable && disk.has_noted() {
            // SQLite flushes nothing for a change that leaves every byte as it was noted.
            rows::rewrite_counter(database)?;
        }
        self.rows.keys().for_each(|id| cache.objects.open_change(id));
        self.changes.server_state.keys().for_each(|name| cache.server_state.open_change(name));
        let outcome = execute(database, "COMMIT");
        let kept = outcome.is_ok();
        for (written, row) in self.records().flatten() {
            let record = kept.then(|| Arc::clone(&written.record));
            cache.objects.close_change(&written.record.id, record, row.size());
        }
        for (name, value) in &self.changes.server_state {
            cache.server_state.close_change(
                name,
                kept.then(|| Some(value.clone())),
                name.len() + value.len(),
            );
        }
        outcome
    }

    /// Writes it within the transaction that is open.
    fn write(&self, database: &Connection) -> Result<(), Error> {
        for record in self.records() {
            let (written, row) = record?;
            if written.is_new { row.insert(database)? } else { row.update(database)? }
        }
        self.changes
            .server_state
            .iter()
            .try_for_each(|(name, value)| rows::set_server_state(database, name, value))?;
        rows::count(database, self.changes.last)
    }
}

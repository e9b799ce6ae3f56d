//! Group commit: transactions run one at a time over an in-memory overlay; one commit makes all transactions durable
//! that queued up during the previous commit. The states of a transaction:
//!
//! - *running*: it holds the transaction lock and reads the open batch, the batch that is committed, the database.
//! - *queued*: its writes are in the open batch. The first thread that waits for a batch becomes its commit leader.
//! - *committing*: the leader has taken the write connection and the batch; later transactions open the next batch.
//! - *durable*: SQLite has committed the batch, and flushed it unless all its writes are lazy.
//! - *lost*: the commit failed. The open batch is lost with it, because its transactions may have read lost writes.
//!
//! running → queued → committing → durable | lost; running → lost and queued → lost if an earlier commit fails. A
//! rollback queues too, without writes: its response may contain what it read from the batch.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::committed::Committed;
use super::erase_requests::EraseRequests;
use super::file;
use super::lazy_flush::{CommitState, LazyFlush};
use super::open_files::OpenFiles;
use super::pykmip_tables;
use super::rows::{self, LazyRow, Row};
use super::transaction::{execute, in_transaction};
use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store::commits::Commits;
use crate::store::optimistic::{Host, Turn};
use crate::store::overlay::{self, Snapshot, WriteSet};
use crate::store::sealing::DataKey;
use crate::store::{Error, Id, Located, Outcome, PendingCommit, Query, Record, Transaction, Write};

/// The maximum number of transactions in a batch that no thread waits for. The next transaction waits for the commit.
const MAX_BATCH: usize = 256;

/// The maximum time that a commit leader waits for further transactions.
const MAX_GATHERING: Duration = Duration::from_millis(20);

type Job<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Outcome;

/// The write side of the store.
pub(super) struct Writer {
    // Dropped before the write connection: the last connection that closes checkpoints the write-ahead log, and a
    // read connection cannot.
    committed: Arc<Committed>,
    erase_requests: Arc<EraseRequests>,
    /// Serializes transactions. A thread that holds it may lock the queue, and not the other way around.
    transaction: Mutex<Turn>,
    long_turn: Mutex<()>,
    queue: Mutex<CommitQueue>,
    /// Signals that the write connection is free.
    free: Condvar,
    /// Signals to the commit leader that the expected number of threads waits for the open batch.
    gathered: Condvar,
    pub(super) commits: Commits,
}

/// The transactions that are not durable yet, and the connection that commits them.
struct CommitQueue {
    /// The write connection, or `None` while a commit leader uses it.
    connection: Option<WriteConnection>,
    /// The writes that a commit leader commits.
    committing: Option<Arc<Staged>>,
    /// The batch that the next transaction joins.
    open: Option<Batch>,
    /// The number of lost batches. A transaction that began before a loss may have read lost writes.
    lost: u64,
    /// The number of threads that are likely to wait for the open batch: those that waited for the last batch and
    /// those that arrived during its commit.
    expected: usize,
    /// The time until which the commit leader waits for them.
    gather_until: Instant,
}

/// The only connection that writes.
struct WriteConnection {
    database: Connection,
    flush: LazyFlush,
    /// Whether the database contains the tables of PyKMIP's server, from which it was imported.
    has_pykmip_tables: bool,
    files: Arc<OpenFiles>,
}

/// Transactions that one commit makes durable.
#[derive(Default)]
struct Batch {
    staged: Staged,
    /// The number of transactions.
    size: usize,
    /// The number of threads that wait for the commit.
    waiting: usize,
    result: Arc<CommitResult>,
}

/// The result of the commit of a batch, as soon as there is one.
type CommitResult = OnceLock<Result<(), Error>>;

/// A queued transaction.
struct Ticket<'w> {
    writer: &'w Writer,
    result: Arc<CommitResult>,
}

impl Writer {
    /// Returns a writer on `database`, a connection that no other code uses and whose files are `files`.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub(super) fn new(
        database: Connection,
        files: Arc<OpenFiles>,
        committed: Arc<Committed>,
        erase_requests: Arc<EraseRequests>,
    ) -> Result<Self, Error> {
        let has_pykmip_tables = pykmip_tables::exist(&database)?;
        if has_pykmip_tables {
            pykmip_tables::erase_destroyed(&database)?;
        }
        let transaction = Mutex::new(Turn::new(rows::last_id(&database)?));
        let queue = Mutex::new(CommitQueue {
            connection: Some(WriteConnection { database, flush: LazyFlush::new(), has_pykmip_tables, files }),
            committing: None,
            open: None,
            lost: 0,
            expected: 0,
            gather_until: Instant::now(),
        });
        Ok(Self {
            committed,
            erase_requests,
            transaction,
            long_turn: Mutex::default(),
            queue,
            free: Condvar::new(),
            gathered: Condvar::new(),
            commits: Commits::default(),
        })
    }

    /// See [`crate::store::Store::change`].
    pub(super) fn change(&self, job: Job<'_>) -> Result<(), Error> {
        let (ticket, _) = self.run(job)?;
        ticket.wait()
    }

    /// See [`crate::store::Store::begin`].
    pub(super) fn begin(&self, job: Job<'_>) -> Result<Box<dyn PendingCommit + '_>, Error> {
        let (ticket, is_full) = self.run(job)?;
        if is_full {
            ticket.wait()?;
        }
        Ok(Box::new(ticket))
    }

    /// Runs a transaction and queues it. Also returns whether the batch is full.
    fn run(&self, job: Job<'_>) -> Result<(Ticket<'_>, bool), Error> {
        let mut turn = self.turn();
        let lost = Host::begin(self, &mut turn)?;
        let writes = overlay::run(self, turn.last_id, job);
        self.queue_up(turn, lost, writes)
    }

    /// Queues a transaction. Returns also whether the batch is full.
    fn queue_up(
        &self,
        mut turn: MutexGuard<'_, Turn>,
        lost: u64,
        writes: Option<WriteSet>,
    ) -> Result<(Ticket<'_>, bool), Error> {
        let staged = writes.map(Staged::of);
        let new = |staged: &Staged| -> Vec<_> {
            let is_insert = staged.writes.records.values().map(|write| write.before.is_none());
            staged.rows.values().cloned().zip(is_insert).collect()
        };
        let rows = staged.as_ref().map(new).unwrap_or_default();
        let mut queue = self.queue();
        if queue.lost != lost {
            return Err(Error::GroupLost);
        }
        let batch = queue.open.get_or_insert_default();
        if let Some(staged) = staged {
            turn.record(&staged.writes);
            batch.staged.merge(staged);
        }
        batch.size += 1;
        let ticket = Ticket { writer: self, result: Arc::clone(&batch.result) };
        let is_full = batch.size >= MAX_BATCH;
        drop(queue);
        drop(turn);
        // No other thread waits for this encoding. The commit leader reports a row that cannot be encoded.
        for (row, is_insert) in &rows {
            let encoded = row.row(self.key());
            if *is_insert {
                encoded.map(Row::indexed_values).ok();
            }
        }
        Ok((ticket, is_full))
    }

    /// Moves the write-ahead log to the database and truncates it; waits for at most `patience` for readers and other
    /// processes. Returns false if they prevent it. Transactions queue up meanwhile.
    pub(super) fn checkpoint(&self, patience: Duration) -> Result<bool, Error> {
        self.with_connection(|WriteConnection { database, flush, .. }| {
            let set = |time| {
                database
                    .busy_timeout(time)
                    .map_err(|why| Error::sqlite("set the time to wait for locks", why))
            };
            set(patience)?;
            let outcome = flush.checkpoint(database);
            set(file::BUSY)?;
            outcome
        })
    }

    /// Returns the queued writes, followed by `writes`.
    fn queued_with(&self, writes: &WriteSet) -> WriteSet {
        let mut all = self.queue().writes();
        all.merge(writes.clone());
        all
    }

    /// Runs `act` on the database in the place of a commit: transactions queue up meanwhile.
    pub(super) fn with_database<T>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with_connection(|WriteConnection { database, .. }| act(database))
    }

    pub(super) fn committed(&self) -> &Committed {
        &self.committed
    }

    /// Returns whether no transaction is queued.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.queue();
        queue.open.is_none() && queue.committing.is_none()
    }

    /// Lets the write-ahead log be truncated.
    pub(super) fn request_erasure(&self) {
        self.erase_requests.add();
    }

    fn key(&self) -> Option<&DataKey> {
        self.committed.key.as_ref()
    }

    /// Commits the open batch, whose result is `result`, as soon as the write connection is free.
    fn lead(&self, result: &CommitResult) -> Result<(), Error> {
        let mut queue = self.queue();
        let (mut connection, batch) = loop {
            // The commit before it failed, so this batch is lost too.
            if let Some(result) = result.get() {
                return result.clone();
            }
            if queue.connection.is_none() {
                queue = self.free.wait(queue).ignore_poison();
            } else if let Some(time) = queue.gathering_time() {
                queue = self.gathered.wait_timeout(queue, time).ignore_poison().0;
            } else if let Some(connection) = queue.connection.take() {
                break (connection, queue.open.take().unwrap_or_default());
            }
        };
        let staged = Arc::new(batch.staged);
        queue.committing = Some(Arc::clone(&staged));
        drop(queue);

        let begun = Instant::now();
        let outcome = staged.commit(&mut connection, &self.committed);
        // A batch of rollbacks is not written.
        if !staged.is_empty() {
            self.commits.count(batch.size, outcome.is_ok());
        }
        if staged.erased().next().is_some() {
            self.erase_requests.add();
        }

        let mut queue = self.queue();
        queue.connection = Some(connection);
        queue.committing = None;
        queue.expected = batch.waiting + queue.open.as_ref().map_or(0, |open| open.waiting);
        queue.gather_until = Instant::now() + begun.elapsed().min(MAX_GATHERING);
        if outcome.is_err() {
            queue.lost += 1;
            if let Some(next) = queue.open.take() {
                // Set before the leader of the next batch can take the connection for a batch that is not its own.
                let _ = next.result.set(Err(Error::GroupLost));
            }
        }
        drop(queue);
        self.free.notify_all();
        // Only the thread that takes a batch from the queue sets its result.
        let _ = batch.result.set(outcome.clone());
        outcome
    }

    // Under these locks, only jobs can panic, and a job does not change the locked data.

    fn queue(&self) -> MutexGuard<'_, CommitQueue> {
        self.queue.lock().ignore_poison()
    }

    /// Returns the queue as soon as the write connection is free.
    fn queue_with_connection(&self) -> MutexGuard<'_, CommitQueue> {
        let in_use = |queue: &mut CommitQueue| queue.connection.is_none();
        self.free.wait_while(self.queue(), in_use).ignore_poison()
    }

    /// Runs `act` on the write connection in the place of a commit: transactions queue up meanwhile.
    fn with_connection<T>(
        &self,
        act: impl FnOnce(&mut WriteConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // The connection is free, because the queue is locked.
        let Some(mut connection) = self.queue_with_connection().connection.take() else {
            return Err(Error::GroupLost);
        };
        // The connection must return to the queue in any case.
        let outcome = catch_unwind(AssertUnwindSafe(|| act(&mut connection)));
        self.queue().connection = Some(connection);
        self.free.notify_all();
        outcome.unwrap_or(Err(Error::GroupLost))
    }

    /// Runs `act` on the write connection in the place of a commit: transactions queue up meanwhile.
    #[cfg(test)]
    pub(super) fn busy<T>(&self, act: impl FnOnce(&Connection) -> T) -> T {
        self.with_connection(|connection| Ok(act(&connection.database))).unwrap()
    }

    /// Makes the next commit leader wait until `expected` threads wait for the batch, or until `time` has passed.
    #[cfg(test)]
    pub(super) fn expect(&self, expected: usize, time: Duration) {
        let mut queue = self.queue();
        (queue.expected, queue.gather_until) = (expected, Instant::now() + time);
    }

    /// Whether a commit is running.
    #[cfg(test)]
    pub(super) fn is_committing(&self) -> bool {
        self.queue().committing.is_some()
    }

    /// The number of transactions in the open batch.
    #[cfg(test)]
    pub(super) fn open_transactions(&self) -> usize {
        self.queue().open.as_ref().map_or(0, |open| open.size)
    }
}

impl Ticket<'_> {
    /// Waits for the commit of the batch. The first thread that waits leads the commit.
    fn wait(&self) -> Result<(), Error> {
        if self.becomes_leader() { self.writer.lead(&self.result) } else { self.result.wait().clone() }
    }

    /// Counts this thread as waiting for the batch.
    fn becomes_leader(&self) -> bool {
        let mut queue = self.writer.queue();
        let expected = queue.expected;
        let Some(open) = queue.open.as_mut().filter(|open| Arc::ptr_eq(&open.result, &self.result)) else {
            return false;
        };
        open.waiting += 1;
        if open.waiting == expected {
            self.writer.gathered.notify_one();
        }
        open.waiting == 1
    }
}

impl PendingCommit for Ticket<'_> {
    fn wait(self: Box<Self>) -> Result<(), Error> {
        Ticket::wait(&self)
    }
}

/// The state that the running transaction starts from.
impl Snapshot for Writer {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        // A batch that leaves the queue meanwhile is committed, or this transaction is lost with it.
        let queued =
            self.queue().find(|writes| writes.records.get(&id).map(|write| Arc::clone(&write.after)));
        match queued {
            None => self.committed.read(id),
            queued => Ok(queued),
        }
    }

    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        self.committed.locate_with_lock(query, &self.queued_with(writes))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.queue().find(|writes| writes.server_state.get(name).cloned()) {
            None => self.committed.server_state(name),
            queued => Ok(queued),
        }
    }
}

impl Host for Writer {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.transaction.lock().ignore_poison()
    }

    fn long_turn(&self) -> &Mutex<()> {
        &self.long_turn
    }

    /// Takes the numbers of lost objects back, as soon as no queued transaction and no job under way has higher ones.
    fn begin(&self, turn: &mut Turn) -> Result<u64, Error> {
        let queue = self.queue();
        if turn.lost != queue.lost
            && queue.open.is_none()
            && !turn.has_jobs()
            && let Some(WriteConnection { database, .. }) = &queue.connection
        {
            (turn.last_id, turn.lost) = (rows::last_id(database)?, queue.lost);
        }
        Ok(queue.lost)
    }

    fn lost(&self) -> u64 {
        self.queue().lost
    }

    fn locate_beside_others(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        self.committed.locate_with(query, &self.queued_with(writes))
    }

    fn join(&self, turn: MutexGuard<'_, Turn>, lost: u64, writes: Option<WriteSet>) -> Result<(), Error> {
        let (ticket, _) = self.queue_up(turn, lost, writes)?;
        ticket.wait()
    }
}

impl CommitQueue {
    /// Returns how long the commit leader should wait for further transactions, or `None` if it should commit now.
    ///
    /// A thread whose transaction has just become durable is likely to start the next one soon, and one commit for
    /// all of them costs less. The leader waits no longer than the last commit took: two commits in a row would take
    /// as long.
    fn gathering_time(&self) -> Option<Duration> {
        let waiting = self.open.as_ref().map_or(0, |open| open.waiting);
        let left = self.gather_until.saturating_duration_since(Instant::now());
        (waiting < self.expected && !left.is_zero()).then_some(left)
    }

    /// Returns the queued writes.
    fn writes(&self) -> WriteSet {
        let queued =
            self.committing.as_deref().into_iter().chain(self.open.as_ref().map(|open| &open.staged));
        queued.fold(WriteSet::default(), |mut all, staged| {
            all.merge(staged.writes.clone());
            all
        })
    }

    /// Applies `search` to the queued writes, the latest first.
    fn find<T>(&self, search: impl Fn(&WriteSet) -> Option<T>) -> Option<T> {
        let open = self.open.as_ref().and_then(|open| search(&open.staged.writes));
        open.or_else(|| self.committing.as_ref().and_then(|staged| search(&staged.writes)))
    }
}

/// The update of the readers' cache by a commit. It ends when it is dropped, also during a panic.
struct CacheUpdate<'a> {
    staged: &'a Staged,
    committed: &'a Committed,
    /// Whether SQLite has committed the writes.
    is_committed: bool,
}

impl<'a> CacheUpdate<'a> {
    /// Removes the values that the commit changes from the cache.
    fn begin(staged: &'a Staged, committed: &'a Committed) -> Self {
        let cache = &committed.cache;
        staged.rows.keys().for_each(|id| cache.objects.begin_commit(id));
        staged.writes.server_state.keys().for_each(|name| cache.server_state.begin_commit(name));
        Self { staged, committed, is_committed: false }
    }
}

impl Drop for CacheUpdate<'_> {
    /// Inserts the values that the commit left, or none if it failed.
    fn drop(&mut self) {
        let Self { staged, committed: Committed { cache, key, .. }, is_committed } = self;
        for (write, row) in staged.writes.records.values().zip(staged.rows.values()) {
            let record = is_committed.then(|| Arc::clone(&write.after));
            // A committed row was encoded before.
            let size = row.row(key.as_ref()).map_or(usize::MAX, Row::size);
            cache.objects.end_commit(&write.after.id, record, size);
        }
        for (name, value) in &staged.writes.server_state {
            let state = is_committed.then(|| Some(value.clone()));
            cache.server_state.end_commit(name, state, name.len() + value.len());
        }
    }
}

/// Writes, and their form in the database.
#[derive(Default)]
struct Staged {
    writes: WriteSet,
    /// One row for each record in `writes`.
    rows: BTreeMap<Id, Arc<LazyRow>>,
}

impl Staged {
    fn of(writes: WriteSet) -> Self {
        let row = |write: &Write| Arc::new(LazyRow::of(Arc::clone(&write.after)));
        let rows = writes.records.iter().map(|(id, write)| (*id, row(write))).collect();
        Self { writes, rows }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.writes.server_state.is_empty()
    }

    /// Adds the writes of a later transaction.
    fn merge(&mut self, later: Self) {
        self.writes.merge(later.writes);
        self.rows.extend(later.rows);
    }

    fn rows(&self, key: Option<&DataKey>) -> impl Iterator<Item = Result<(&Write, &Row), Error>> {
        let rows = self.writes.records.values().zip(self.rows.values());
        rows.map(move |(write, row)| Ok((write, row.row(key)?)))
    }

    /// Returns the objects whose stored bytes the writes remove or replace.
    fn erased(&self) -> impl Iterator<Item = Id> {
        let erases = |write: &&Write| {
            let before = write.before.as_ref().and_then(|before| before.object.as_ref());
            before.is_some() && before != write.after.object.as_ref()
        };
        self.writes.records.values().filter(erases).map(|write| write.after.id)
    }

    /// Commits the writes, all or none, and updates the cache of the readers.
    fn commit(&self, connection: &mut WriteConnection, committed: &Committed) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let WriteConnection { database, flush, has_pykmip_tables, files } = connection;
        let durable = self.writes.durable;
        let mut commit = || {
            flush.prepare(database, durable)?;
            in_transaction(database, || {
                self.write(database, committed.key.as_ref())?;
                if *has_pykmip_tables {
                    self.erased().try_for_each(|id| pykmip_tables::erase(database, id))?;
                }
                flush.force(database, durable)?;
                // The last step before the commit, so that nothing of a refused change is stored.
                files.check()?;
                self.commit_and_cache(database, committed)
            })
        };
        // The panic boundary of the commit: the connection must return to the queue in any case.
        let outcome = catch_unwind(AssertUnwindSafe(&mut commit));
        let state = match &outcome {
            Ok(Ok(())) => CommitState::Committed,
            Ok(Err(_)) => CommitState::Failed,
            Err(_) => CommitState::Unknown,
        };
        flush.conclude(durable, state);
        outcome.unwrap_or(Err(Error::GroupLost))
    }

    fn commit_and_cache(&self, database: &Connection, committed: &Committed) -> Result<(), Error> {
        let mut update = CacheUpdate::begin(self, committed);
        #[cfg(test)]
        super::groups::panic_if_requested(self.writes.records.values());
        execute(database, "COMMIT")?;
        update.is_committed = true;
        Ok(())
    }

    /// Writes the rows within the open SQLite transaction.
    fn write(&self, database: &Connection, key: Option<&DataKey>) -> Result<(), Error> {
        for row in self.rows(key) {
            let (write, row) = row?;
            if write.before.is_none() { row.insert(database)? } else { row.update(database)? }
        }
        for (name, value) in &self.writes.server_state {
            rows::set_server_state(database, name, value, key)?;
        }
        rows::count(database, self.writes.last_id)
    }
}

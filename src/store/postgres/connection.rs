//! One connection to the database. The thread that uses it drives it, on a runtime of its own, so that a call needs no other
//! thread; each call has a time limit.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::request_time;

/// The maximum time of all calls of a request: a client gets its answer within two seconds, also while the database is away.
pub(super) const CALL: Duration = Duration::from_millis(1800);

/// The maximum time of a search that no index can answer.
pub(super) const LONG_CALL: Duration = Duration::from_secs(10);

/// The time after which the system probes a silent connection, and between two probes.
const PROBE: Duration = Duration::from_secs(1);

/// The least time of a call that has waited for its connection before.
const LEAST: Duration = Duration::from_millis(100);

/// The maximum number of statements that a connection keeps prepared. One more discards them all.
const MAX_STATEMENTS: usize = 256;

/// The statement that ends a transaction with its writes.
pub(super) const COMMIT: &str = "COMMIT";

/// The settings of each connection. They end what a server started that the database cannot reach any more, so that its
/// locks do not block others.
const SET_UP: &str = "SET statement_timeout = '10s'; SET lock_timeout = '1800ms'; \
    SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_isolation = 'read committed'; \
    SET client_min_messages = 'warning'";

/// Ends a statement whose client has closed the connection, for example after [`CALL`]. Only PostgreSQL 14 and newer have the
/// setting; elsewhere, `statement_timeout` ends the statement.
const SET_UP_NEWER: &str = "SET client_connection_check_interval = '1s'";

/// The cause of tokio-postgres' error if a database requires a password.
const NO_PASSWORD: &str = "password missing";

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The code of an error of the database.
    pub(super) code: Option<SqlState>,
    /// Whether the connection is lost.
    pub(super) is_lost: bool,
    /// Whether the time limit of the call has passed.
    pub(super) has_timed_out: bool,
    /// Whether a later attempt to connect fails for the same reason.
    pub(super) is_final: bool,
    text: String,
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let code = error.code().cloned();
        // Without the detail of the error, which can contain values of the row.
        let (text, is_final) = match error.as_db_error() {
            Some(db) => {
                let wrong = [
                    SqlState::INVALID_PASSWORD,
                    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                    SqlState::INVALID_CATALOG_NAME,
                ];
                (format!("{} ({})", db.message(), db.code().code()), wrong.contains(db.code()))
            }
            None => described(error),
        };
        Self { is_lost: code.is_none(), code, has_timed_out: false, is_final, text }
    }

    /// A failure that the database does not report.
    pub(super) fn local(text: impl Into<String>, is_lost: bool) -> Self {
        Self { code: None, is_lost, has_timed_out: false, is_final: false, text: text.into() }
    }

    fn timed_out(limit: Duration) -> Self {
        let text = format!("the database did not answer within {} ms", limit.as_millis());
        Self { has_timed_out: true, ..Self::local(text, true) }
    }

    /// The database waits no longer for the standby that was to confirm a commit, which is durable on the primary only.
    fn unconfirmed() -> Self {
        Self::local("the database stopped waiting for its synchronous standby", true)
    }

    /// Whether the transaction conflicted with another one, or with a change of the connection, so that its repetition can
    /// succeed.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code.as_ref().is_some_and(|code| conflicts.contains(code)) || self.is_unprepared()
    }

    /// Whether the session of the database is not the one that prepared the statements, as behind a pooler of connections or
    /// after `DISCARD ALL`, or whether another server changed their tables.
    fn is_unprepared(&self) -> bool {
        let codes = [
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::DUPLICATE_PSTATEMENT,
            // "cached plan must not change result type".
            SqlState::FEATURE_NOT_SUPPORTED,
        ];
        self.code.as_ref().is_some_and(|code| codes.contains(code))
    }

    /// Whether the guard of a commit found another version.
    pub(super) fn is_stale(&self) -> bool {
        self.code == Some(SqlState::DIVISION_BY_ZERO)
    }

    /// Whether a row with the same key exists.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code == Some(SqlState::UNIQUE_VIOLATION)
    }

    /// Whether the connection cannot be used any more: the database does not accept writes, it ends, or its session has changed.
    pub(super) fn is_failover(&self) -> bool {
        let codes = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ];
        self.is_lost || self.is_unprepared() || self.code.as_ref().is_some_and(|code| codes.contains(code))
    }
}

/// Returns the text of an error that is not one of the database, with its cause, and whether it is final.
fn described(error: &tokio_postgres::Error) -> (String, bool) {
    let Some(cause) = error.source() else { return (error.to_string(), false) };
    let text = cause.to_string();
    if text == NO_PASSWORD {
        let text = "it requires a password, and neither PGPASSWORD nor a password file contains one";
        return (text.to_owned(), true);
    }
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    (format!("{error}: {text}"), matches!(tls, Some(rustls::Error::InvalidCertificate(_))))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// A parameter of a statement.
pub(super) type Parameter = Box<dyn ToSql + Sync + Send>;

/// A statement of a pipeline.
pub(super) struct Step {
    text: String,
    /// The types of the first parameters; the database infers those of the others.
    types: Vec<Type>,
    parameters: Vec<Parameter>,
}

impl Step {
    pub(super) fn new(text: impl Into<String>, parameters: Vec<Parameter>) -> Self {
        Self { text: text.into(), types: Vec::new(), parameters }
    }

    /// Returns a step whose parameters have these types, also if the statement does not use all of them.
    pub(super) fn typed(text: impl Into<String>, types: Vec<Type>, parameters: Vec<Parameter>) -> Self {
        Self { text: text.into(), types, parameters }
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
    }
}

type Driver =
    Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> + Send>;

/// A connection.
pub(super) struct Connection {
    runtime: Background,
    client: Client,
    driver: Driver,
    statements: HashMap<String, Statement>,
    /// Whether the connection has ended or its state is unknown.
    is_lost: bool,
    /// Whether a transaction of the database is open.
    is_in_transaction: bool,
    /// Whether the database has sent a warning.
    has_warned: bool,
    /// The time from which on the next call waits, if it began before the call: the request waited for the connection.
    since: Option<Instant>,
}

/// A runtime that does not wait for its threads when it ends: one that looks up the name of a host can take long.
struct Background(Option<Runtime>);

impl Deref for Background {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("only the end of its life takes the runtime")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Connection {
    /// Connects to the host of `config`, until [`CALL`] after `begun`, and within `part`.
    pub(super) fn open(
        config: &tokio_postgres::Config,
        tls: &MakeRustlsConnect,
        begun: Instant,
        part: Duration,
    ) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Background(Some(runtime.map_err(|why| Failure::local(why.to_string(), true))?));
        let mut config = config.clone();
        config.tcp_user_timeout(CALL);
        config.keepalives_idle(PROBE).keepalives_interval(PROBE).keepalives_retries(1);
        let limit = request_time::left(CALL).min(left(begun, CALL)).min(part);
        let connect = async { tokio::time::timeout(limit, config.connect(tls.clone())).await };
        let (client, mut connection) = match request_time::waiting(|| runtime.block_on(connect)) {
            Ok(opened) => opened.map_err(|error| Failure::of(&error))?,
            Err(_) => return Err(Failure::timed_out(limit)),
        };
        let driver: Driver = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
        let mut opened = Self {
            runtime,
            client,
            driver,
            statements: HashMap::new(),
            is_lost: false,
            is_in_transaction: false,
            has_warned: false,
            since: None,
        };
        let set_up = opened.call(left(begun, CALL), async |client| {
            let set = [SET_UP, SET_UP_NEWER].into_iter();
            let set = set.map(|text| -> Pending<'_, ()> { Box::pin(client.batch_execute(text)) });
            Ok(in_order(set.collect()).await)
        })?;
        match set_up.into_iter().next() {
            Some(Ok(())) => Ok(opened),
            Some(Err(error)) => Err(Failure::of(&error)),
            None => Err(Failure::local("the connection is closed", true)),
        }
    }

    /// Whether another request can use the connection.
    pub(super) fn is_reusable(&self) -> bool {
        !self.is_lost && !self.is_in_transaction
    }

    /// Lets the time that the request waits for the connection, from `begun` on, count for its first call.
    pub(super) fn waiting_since(&mut self, begun: Instant) {
        self.since = Some(begun);
    }

    /// Looks whether the connection was closed while it was idle.
    pub(super) fn check(&mut self) -> bool {
        let Self { runtime, driver, is_lost, has_warned, .. } = self;
        if *is_lost {
            return false;
        }
        runtime.block_on(async {
            // The runtime asks the system for events of the socket.
            tokio::task::yield_now().await;
            poll_fn(|context| {
                *is_lost = has_ended(driver, context, has_warned);
                Poll::Ready(())
            })
            .await;
        });
        !self.is_lost
    }

    /// Executes statements without parameters, separated by semicolons, within [`CALL`].
    pub(super) fn batch(&mut self, statements: &str) -> Result<(), Failure> {
        self.batch_within(CALL, statements)
    }

    /// Executes statements without parameters, separated by semicolons.
    pub(super) fn batch_within(&mut self, limit: Duration, statements: &str) -> Result<(), Failure> {
        self.call(limit, async |client| client.batch_execute(statements).await)
    }

    /// Ends the open transaction of the database.
    pub(super) fn roll_back(&mut self) -> Result<(), Failure> {
        self.batch("ROLLBACK")?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// Executes one statement and returns its rows.
    pub(super) fn query(&mut self, limit: Duration, step: &Step) -> Result<Vec<Row>, Failure> {
        let mut results = self.pipeline(limit, None, std::slice::from_ref(step), None)?;
        Ok(results.pop().unwrap_or_default())
    }

    /// Sends all statements at once, with `first` before and `last` behind them, and returns the rows of each. The error is
    /// that of the first statement that failed. `first` begins a transaction of the database and `last` ends it.
    pub(super) fn pipeline(
        &mut self,
        limit: Duration,
        first: Option<&'static str>,
        steps: &[Step],
        last: Option<&'static str>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let begun = self.since.take().unwrap_or_else(Instant::now);
        self.prepare(steps, left(begun, limit))?;
        let statements = &self.statements;
        let statements: Vec<_> = steps.iter().map(|step| statements.get(&step.text).cloned()).collect();
        self.is_in_transaction |= first.is_some();
        self.has_warned = false;
        let mut results = self.call(left(begun, limit), async |client| {
            let plain = |text: &'static str| -> Pending<'_, Vec<Row>> {
                Box::pin(async move { client.batch_execute(text).await.map(|()| Vec::new()) })
            };
            let prepared = steps.iter().zip(&statements).map(|(step, statement)| -> Pending<'_, Vec<Row>> {
                Box::pin(async move {
                    let parameters = step.parameters();
                    match statement {
                        Some(statement) => client.query(statement, &parameters).await,
                        None => client.query(step.text.as_str(), &parameters).await,
                    }
                })
            });
            let begin = first.into_iter().map(plain);
            Ok(in_order(begin.chain(prepared).chain(last.into_iter().map(plain)).collect()).await)
        })?;
        let all = steps.len() + usize::from(first.is_some()) + usize::from(last.is_some());
        if last.is_some() && results.len() == all && results.pop_if(|ended| ended.is_ok()).is_some() {
            self.is_in_transaction = false;
        }
        let rows = results.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(&error))?;
        if last == Some(COMMIT) && self.has_warned {
            self.is_lost = true;
            return Err(Failure::unconfirmed());
        }
        Ok(rows.into_iter().skip(usize::from(first.is_some())).collect())
    }

    /// Executes one statement and passes each row to `take`. The rows are not in memory together.
    pub(super) fn each(
        &mut self,
        limit: Duration,
        step: &Step,
        take: &mut dyn FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let begun = self.since.take().unwrap_or_else(Instant::now);
        self.prepare(std::slice::from_ref(step), left(begun, limit))?;
        let statement = self.statements.get(&step.text).cloned();
        self.call(left(begun, limit), async |client| {
            let statement = match statement {
                Some(statement) => statement,
                None => client.prepare_typed(&step.text, &step.types).await?,
            };
            let mut rows = pin!(client.query_raw(&statement, step.parameters()).await?);
            let mut taken = Ok(());
            while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
                let row = row?;
                taken = taken.and_then(|()| take(&row));
            }
            Ok(taken)
        })?
    }

    /// Prepares the statements of these steps that the connection has not prepared.
    fn prepare(&mut self, steps: &[Step], limit: Duration) -> Result<(), Failure> {
        let mut missing: Vec<_> =
            steps.iter().map(|step| (step.text.as_str(), step.types.as_slice())).collect();
        missing.retain(|(text, _)| !self.statements.contains_key(*text));
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable_by_key(|(text, _)| *text);
        missing.dedup_by_key(|(text, _)| *text);
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
            return self.prepare(steps, limit);
        }
        let prepared = self.call(limit, async |client| {
            let prepare = missing.iter().map(|(text, types)| -> Pending<'_, Statement> {
                Box::pin(client.prepare_typed(text, types))
            });
            Ok(in_order(prepare.collect()).await)
        })?;
        let prepared = prepared.into_iter().collect::<Result<Vec<_>, _>>();
        let prepared = prepared.map_err(|error| self.failed(&error))?;
        self.statements.extend(missing.into_iter().map(|(text, _)| text.to_owned()).zip(prepared));
        Ok(())
    }

    /// Returns the failure of a statement, after which the connection may be unusable.
    fn failed(&mut self, error: &tokio_postgres::Error) -> Failure {
        let failure = Failure::of(error);
        self.is_lost |= failure.is_failover();
        failure
    }

    /// Runs `work` and drives the connection meanwhile, for at most the rest of `limit` that the request has.
    fn call<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let Self { runtime, client, driver, is_lost, has_warned, .. } = self;
        if *is_lost {
            return Err(Failure::local("the connection is closed", true));
        }
        let rest = request_time::left(limit);
        if rest.is_zero() {
            // Nothing is sent, so that the connection and the outcome of the change are certain.
            return Err(Failure { is_lost: false, ..Failure::timed_out(limit) });
        }
        let driving = async {
            let mut work = pin!(work(&*client));
            let driven = poll_fn(|context| {
                // The requests are queued first, so that the driver sends them together.
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                if !*is_lost {
                    *is_lost = has_ended(driver, context, has_warned);
                }
                work.as_mut().poll(context)
            });
            tokio::time::timeout(rest, driven).await
        };
        match request_time::waiting(|| runtime.block_on(driving)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => {
                *is_lost = true;
                Err(Failure::timed_out(limit))
            }
        }
    }
}

/// A call that waits for its answer.
type Pending<'c, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + 'c>>;

/// Sends the calls in this order, before the first answer, and returns their results. If a call cannot be sent, those behind it
/// are not sent either, so that a COMMIT never follows a part of its transaction; its result is the last one then.
async fn in_order<T>(mut calls: Vec<Pending<'_, T>>) -> Vec<Result<T, tokio_postgres::Error>> {
    let mut results: Vec<Option<_>> = calls.iter().map(|_| None).collect();
    let mut is_sending = true;
    poll_fn(|context| {
        let mut outcome = Poll::Ready(());
        for (call, result) in calls.iter_mut().zip(&mut results) {
            if result.is_none() {
                match call.as_mut().poll(context) {
                    Poll::Ready(done) => {
                        let is_unsent = is_sending && done.is_err();
                        *result = Some(done);
                        if is_unsent {
                            return Poll::Ready(());
                        }
                    }
                    Poll::Pending => outcome = Poll::Pending,
                }
                // The answers come in the order of the calls, so the later calls do not have theirs either.
                if !is_sending && outcome.is_pending() {
                    break;
                }
            }
        }
        is_sending = false;
        outcome
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Returns what is left of `limit`, which began at `begun`.
fn left(begun: Instant, limit: Duration) -> Duration {
    limit.saturating_sub(begun.elapsed()).max(LEAST)
}

/// Lets the driver send and receive what it can. Returns whether the connection has ended, and notes a warning.
fn has_ended(driver: &mut Driver, context: &mut Context<'_>, has_warned: &mut bool) -> bool {
    loop {
        match driver(context) {
            Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                *has_warned |= *notice.code() == SqlState::WARNING;
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(_) => {
                // The connection ends with its driver, and with it every call that waits for an answer.
                *driver = Box::new(|_| Poll::Ready(None));
                return true;
            }
            Poll::Pending => return false,
        }
    }
}

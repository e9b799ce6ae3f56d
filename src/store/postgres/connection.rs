//! One connection to the database. The thread that uses it drives it, on a runtime of its own, so that a call needs no other
//! thread; each call has a time limit.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The maximum time of a call: a client gets its answer within two seconds, also while the database is away.
pub(super) const CALL: Duration = Duration::from_millis(1800);

/// The maximum time of a search that no index can answer.
pub(super) const LONG_CALL: Duration = Duration::from_secs(10);

/// The time after which the system probes a silent connection, and between two probes.
const PROBE: Duration = Duration::from_secs(1);

/// The maximum number of statements that a connection keeps prepared. One more discards them all.
const MAX_STATEMENTS: usize = 256;

/// The settings of each connection. They end what a server started that the database cannot reach any more, so that its
/// locks do not block others.
const SET_UP: &str = "SET statement_timeout = '10s'; SET lock_timeout = '1800ms'; \
    SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_isolation = 'read committed'; \
    SET client_min_messages = 'warning'";

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The code of an error of the database.
    pub(super) code: Option<SqlState>,
    /// Whether the connection is lost.
    pub(super) is_lost: bool,
    /// Whether the time limit of the call has passed.
    pub(super) has_timed_out: bool,
    text: String,
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let code = error.code().cloned();
        // Without the detail of the error, which can contain values of the row.
        let text = match error.as_db_error() {
            Some(db) => format!("{} ({})", db.message(), db.code().code()),
            None => error.to_string(),
        };
        Self { is_lost: code.is_none(), code, has_timed_out: false, text }
    }

    /// A failure that the database does not report.
    pub(super) fn local(text: impl Into<String>, is_lost: bool) -> Self {
        Self { code: None, is_lost, has_timed_out: false, text: text.into() }
    }

    fn timed_out(limit: Duration) -> Self {
        let text = format!("the database did not answer within {} ms", limit.as_millis());
        Self { has_timed_out: true, ..Self::local(text, true) }
    }

    /// Whether the transaction conflicted with another one, so that its repetition can succeed.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code.as_ref().is_some_and(|code| conflicts.contains(code))
    }

    /// Whether the guard of a commit found another version.
    pub(super) fn is_stale(&self) -> bool {
        self.code == Some(SqlState::DIVISION_BY_ZERO)
    }

    /// Whether a row with the same key exists.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code == Some(SqlState::UNIQUE_VIOLATION)
    }

    /// Whether the database does not accept writes any more, or ends.
    pub(super) fn is_failover(&self) -> bool {
        let codes = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ];
        self.is_lost || self.code.as_ref().is_some_and(|code| codes.contains(code))
    }
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
}

type Driver =
    Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> + Send>;

/// A connection.
pub(super) struct Connection {
    runtime: Runtime,
    client: Client,
    driver: Driver,
    statements: HashMap<String, Statement>,
    /// Whether the connection has ended or its state is unknown.
    is_lost: bool,
}

impl Connection {
    /// Connects within [`CALL`].
    pub(super) fn open(config: &tokio_postgres::Config, tls: &MakeRustlsConnect) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| Failure::local(why.to_string(), true))?;
        let mut config = config.clone();
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1).max(1);
        config.connect_timeout(CALL / hosts).tcp_user_timeout(CALL);
        config.keepalives_idle(PROBE).keepalives_interval(PROBE).keepalives_retries(1);
        let opened =
            runtime.block_on(async { tokio::time::timeout(CALL, config.connect(tls.clone())).await });
        let (client, mut connection) = match opened {
            Ok(opened) => opened.map_err(|error| Failure::of(&error))?,
            Err(_) => return Err(Failure::timed_out(CALL)),
        };
        let driver: Driver = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
        let mut opened = Self { runtime, client, driver, statements: HashMap::new(), is_lost: false };
        opened.batch(SET_UP)?;
        Ok(opened)
    }

    /// Whether the connection can be used again.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Looks whether the connection was closed while it was idle.
    pub(super) fn check(&mut self) -> bool {
        let Self { runtime, driver, is_lost, .. } = self;
        if *is_lost {
            return false;
        }
        runtime.block_on(async {
            // The runtime asks the system for events of the socket.
            tokio::task::yield_now().await;
            poll_fn(|context| {
                *is_lost = has_ended(driver, context);
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

    /// Executes one statement and returns its rows.
    pub(super) fn query(&mut self, limit: Duration, step: &Step) -> Result<Vec<Row>, Failure> {
        let mut results = self.pipeline(limit, None, std::slice::from_ref(step), None)?;
        Ok(results.pop().unwrap_or_default())
    }

    /// Sends all statements at once, with `first` before and `last` behind them, and returns the rows of each. The error is
    /// that of the first statement that failed.
    pub(super) fn pipeline(
        &mut self,
        limit: Duration,
        first: Option<&'static str>,
        steps: &[Step],
        last: Option<&'static str>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        self.prepare(steps)?;
        let statements = &self.statements;
        let statements: Vec<_> = steps.iter().map(|step| statements.get(&step.text).cloned()).collect();
        self.call(limit, async |client| {
            let plain = |text: &'static str| -> Pending<'_, Vec<Row>> {
                Box::pin(async move { client.batch_execute(text).await.map(|()| Vec::new()) })
            };
            let prepared = steps.iter().zip(&statements).map(|(step, statement)| -> Pending<'_, Vec<Row>> {
                Box::pin(async move {
                    let parameters =
                        step.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync));
                    let parameters: Vec<_> = parameters.collect();
                    match statement {
                        Some(statement) => client.query(statement, &parameters).await,
                        None => client.query(step.text.as_str(), &parameters).await,
                    }
                })
            });
            let begin = first.into_iter().map(plain);
            let mut rows =
                in_order(begin.chain(prepared).chain(last.into_iter().map(plain)).collect()).await?;
            if first.is_some() {
                rows.remove(0);
            }
            rows.truncate(steps.len());
            Ok(rows)
        })
    }

    /// Prepares the statements of these steps that the connection has not prepared.
    fn prepare(&mut self, steps: &[Step]) -> Result<(), Failure> {
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
            return self.prepare(steps);
        }
        let prepared = self.call(CALL, async |client| {
            let prepare = missing.iter().map(|(text, types)| -> Pending<'_, Statement> {
                Box::pin(client.prepare_typed(text, types))
            });
            in_order(prepare.collect()).await
        })?;
        self.statements.extend(missing.into_iter().map(|(text, _)| text.to_owned()).zip(prepared));
        Ok(())
    }

    /// Runs `work` and drives the connection meanwhile, for at most `limit`.
    fn call<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let Self { runtime, client, driver, is_lost, .. } = self;
        if *is_lost {
            return Err(Failure::local("the connection is closed", true));
        }
        let outcome = runtime.block_on(async {
            let mut work = pin!(work(&*client));
            let driven = poll_fn(|context| {
                // The requests are queued first, so that the driver sends them together.
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                if !*is_lost {
                    *is_lost = has_ended(driver, context);
                }
                work.as_mut().poll(context)
            });
            tokio::time::timeout(limit, driven).await
        });
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let failure = Failure::of(&error);
                *is_lost |= failure.is_failover();
                Err(failure)
            }
            Err(_) => {
                *is_lost = true;
                Err(Failure::timed_out(limit))
            }
        }
    }
}

/// A call that waits for its answer.
type Pending<'c, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + 'c>>;

/// Sends the calls in this order, before the first answer, and returns their results, or the error of the first that failed.
async fn in_order<T>(mut calls: Vec<Pending<'_, T>>) -> Result<Vec<T>, tokio_postgres::Error> {
    let mut results: Vec<Option<_>> = calls.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut outcome = Poll::Ready(());
        for (call, result) in calls.iter_mut().zip(&mut results) {
            if result.is_none() {
                match call.as_mut().poll(context) {
                    Poll::Ready(done) => *result = Some(done),
                    Poll::Pending => outcome = Poll::Pending,
                }
            }
        }
        outcome
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Lets the driver send and receive what it can. Returns whether the connection has ended.
fn has_ended(driver: &mut Driver, context: &mut Context<'_>) -> bool {
    loop {
        match driver(context) {
            // Notices of the database.
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

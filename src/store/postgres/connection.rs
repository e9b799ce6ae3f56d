//! One connection to the database. The thread that uses it drives it (`link.rs`), so that a call needs no other thread; each call
//! has a time limit.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Row, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::{self, Driver, Session};
pub(super) use super::failure::Failure;
use super::link::Link;
use crate::store::request_time;

/// The maximum time of all calls of a request: a client gets its answer within two seconds, also while the database is away.
pub(super) const CALL: Duration = Duration::from_millis(1800);

/// The maximum time of a search that no index can answer.
pub(super) const LONG_CALL: Duration = Duration::from_secs(10);

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

/// Shows whether the host accepts no writes.
const IS_READ_ONLY: &str = "SHOW transaction_read_only";

/// When the database plans a prepared statement. Only PostgreSQL 12 and newer can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plans {
    /// Either is good.
    Any,
    /// Once, because the plan does not depend on the values. PostgreSQL estimates that a plan for the value of one name costs
    /// less, makes one for each value, and needs longer for the plan than for the search.
    Once,
    /// For each value, if PostgreSQL estimates that this costs less.
    PerValue,
}

impl Plans {
    fn set_up(self) -> &'static str {
        match self {
            Self::Any | Self::Once => "SET plan_cache_mode = force_generic_plan",
            Self::PerValue => "SET plan_cache_mode = auto",
        }
    }
}

/// A parameter of a statement.
pub(super) type Parameter = Box<dyn ToSql + Sync + Send>;

/// A statement of a pipeline.
pub(super) struct Step {
    text: String,
    /// The types of the first parameters; the database infers those of the others.
    types: Vec<Type>,
    parameters: Vec<Parameter>,
    plans: Plans,
}

impl Step {
    pub(super) fn new(text: impl Into<String>, parameters: Vec<Parameter>) -> Self {
        Self::typed(text, Vec::new(), parameters)
    }

    /// Returns a step whose parameters have these types, also if the statement does not use all of them.
    pub(super) fn typed(text: impl Into<String>, types: Vec<Type>, parameters: Vec<Parameter>) -> Self {
        Self { text: text.into(), types, parameters, plans: Plans::PerValue }
    }

    /// Sets when the database plans the statement.
    pub(super) fn planned(self, plans: Plans) -> Self {
        Self { plans, ..self }
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
    }
}

/// A connection.
pub(super) struct Connection {
    link: Link,
    client: Client,
    driver: Driver,
    statements: HashMap<String, Statement>,
    /// When the session plans statements; `None` if the database does not let clients choose.
    plans: Option<Plans>,
    /// Whether the connection has ended or its state is unknown.
    is_lost: bool,
    /// Whether a transaction of the database is open.
    is_in_transaction: bool,
    /// Whether the database has sent a warning.
    has_warned: bool,
}

impl Connection {
    /// Connects to the host of `config`, within `part` and what is left of the request's `patience`.
    pub(super) fn open(
        config: &tokio_postgres::Config,
        tls: &MakeRustlsConnect,
        patience: Duration,
        part: Duration,
    ) -> Result<Self, Failure> {
        let limit = request_time::left(patience).min(part);
        let Session { link, client, driver } = request_time::waiting(|| connect::open(config, tls, limit))?;
        let mut opened = Self {
            link,
            client,
            driver,
            statements: HashMap::new(),
            plans: None,
            is_lost: false,
            is_in_transaction: false,
            has_warned: false,
        };
        let needs_writes = config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite;
        let results = opened.call(patience, async |client| {
            let set = |text| -> Pending<'_, bool> {
                Box::pin(async move { client.batch_execute(text).await.map(|()| false) })
            };
            let is_read_only: Pending<'_, bool> = Box::pin(async {
                let shown = client.simple_query(IS_READ_ONLY).await?;
                Ok(shown.iter().any(
                    |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("on")),
                ))
            });
            let mut calls = vec![set(SET_UP)];
            calls.extend(needs_writes.then_some(is_read_only));
            calls.extend([set(Plans::Once.set_up()), set(SET_UP_NEWER)]);
            Ok(in_order(calls).await)
        })?;
        let mut results = results.into_iter();
        for _ in 0..=usize::from(needs_writes) {
            match results.next() {
                Some(Ok(false)) => {}
                Some(Ok(true)) => return Err(Failure::local("the database does not allow writes", true)),
                Some(Err(error)) => return Err(Failure::of(&error)),
                None => return Err(Failure::local("the connection is closed", true)),
            }
        }
        opened.plans = results.next().is_some_and(|set| set.is_ok()).then_some(Plans::Once);
        Ok(opened)
    }

    /// Whether another request can use the connection.
    pub(super) fn is_reusable(&self) -> bool {
        !self.is_lost && !self.is_in_transaction
    }

    /// Looks whether the connection was closed while it was idle.
    pub(super) fn check(&mut self) -> bool {
        let Self { link, driver, is_lost, has_warned, .. } = self;
        if !*is_lost {
            *is_lost = link.look(|context| has_ended(driver, context, has_warned));
        }
        !*is_lost
    }

    /// Executes statements without parameters, separated by semicolons, within [`CALL`].
    pub(super) fn batch(&mut self, statements: &str) -> Result<(), Failure> {
        self.batch_within(CALL, statements)
    }

    /// Executes statements without parameters, separated by semicolons.
    pub(super) fn batch_within(&mut self, limit: Duration, statements: &str) -> Result<(), Failure> {
        // They can be the end of a transaction, which can undo the setting.
        self.plans = self.plans.map(|_| Plans::Any);
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
        self.prepare(steps, limit)?;
        let plans = self.choose_plans(steps);
        let statements = &self.statements;
        let statements: Vec<_> = steps.iter().map(|step| statements.get(&step.text).cloned()).collect();
        self.is_in_transaction |= first.is_some();
        self.has_warned = false;
        let mut results = self.call(limit, async |client| {
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
            let begin = plans.into_iter().chain(first).map(plain);
            Ok(in_order(begin.chain(prepared).chain(last.into_iter().map(plain)).collect()).await)
        })?;
        let before = usize::from(plans.is_some()) + usize::from(first.is_some());
        let all = before + steps.len() + usize::from(last.is_some());
        if last.is_some() && results.len() == all && results.pop_if(|ended| ended.is_ok()).is_some() {
            self.is_in_transaction = false;
        }
        let rows = results.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(&error))?;
        if last == Some(COMMIT) && self.has_warned {
            self.is_lost = true;
            return Err(Failure::unconfirmed());
        }
        Ok(rows.into_iter().skip(before).collect())
    }

    /// Executes one statement and passes each row to `take`. The rows are not in memory together.
    pub(super) fn each(
        &mut self,
        limit: Duration,
        step: &Step,
        take: &mut dyn FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.prepare(std::slice::from_ref(step), limit)?;
        let plans = self.choose_plans(std::slice::from_ref(step));
        let statement = self.statements.get(&step.text).cloned();
        self.call(limit, async |client| {
            if let Some(plans) = plans {
                client.batch_execute(plans).await?;
            }
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

    /// Returns the statement that lets the database plan these steps as they need it, or `None` if it does so already.
    fn choose_plans(&mut self, steps: &[Step]) -> Option<&'static str> {
        let current = self.plans?;
        let needs = |plans| steps.iter().any(|step| step.plans == plans);
        let wanted = if needs(Plans::PerValue) { Plans::PerValue } else { Plans::Once };
        if wanted == current || (wanted == Plans::Once && !needs(Plans::Once)) {
            return None;
        }
        // The end of a transaction can undo the setting.
        self.plans = Some(if self.is_in_transaction { Plans::Any } else { wanted });
        Some(wanted.set_up())
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
        let Self { link, client, driver, is_lost, has_warned, .. } = self;
        if *is_lost {
            return Err(Failure::local("the connection is closed", true));
        }
        let rest = request_time::left(limit);
        if rest.is_zero() {
            // Nothing is sent, so that the connection and the outcome of the change are certain.
            return Err(Failure { is_lost: false, ..Failure::timed_out(limit) });
        }
        let outcome = {
            let mut work = pin!(work(&*client));
            let drive = |context: &mut Context<'_>| {
                // The requests are queued first, so that the driver sends them together.
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                link.forget_wakes();
                if !*is_lost {
                    *is_lost = has_ended(driver, context, has_warned);
                }
                work.as_mut().poll(context)
            };
            request_time::waiting(|| link.run(rest, drive))
        };
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.failed(&error)),
            None => {
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

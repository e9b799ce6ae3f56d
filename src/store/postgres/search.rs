//! Locate on PostgreSQL: executes the statement of a query plan (`store/plan`), in one round trip.

use std::time::Duration;

use rusqlite::types::Value as Sql;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{CALL, Connection, Failure, LONG_CALL, Parameter, Plans, Step};
use super::pool::Use;
use super::rows::Scalar;
use crate::store::columns::{self, UNDATED};
use crate::store::overlay::WriteSet;
use crate::store::plan::{Dialect, QueryPlan, checked_values};
use crate::store::{Criterion, Id, Located, Query, SortKey};
use crate::ttlv::DateTime;

/// Returns the objects that match `query` after `writes` are applied to the database. `is_in_transaction` is set if the
/// connection has an open transaction.
pub(super) fn locate(
    connection: &mut Connection,
    query: &Query,
    writes: Option<&WriteSet>,
    is_in_transaction: bool,
) -> Result<Located, Failure> {
    let Some(writes) = writes.filter(|writes| !writes.records.is_empty()) else {
        let (keys, total) = search(connection, query, is_in_transaction)?;
        return Ok(Located { ids: keys.into_iter().map(|key| key.id).collect(), total });
    };
    let (found, mut total) = search(connection, &writes.widened(query), is_in_transaction)?;
    if let Some(total) = &mut total {
        let replaced = writes.records.values().filter_map(|write| write.before.as_ref());
        let replaced = replaced.filter(|record| query.matches(record)).count();
        *total = total.saturating_sub(u64::try_from(replaced).unwrap_or(0));
    }
    Ok(writes.applied(query, found, total))
}

/// Returns the page, and the number of all matching objects if the query counts them.
fn search(
    connection: &mut Connection,
    query: &Query,
    is_in_transaction: bool,
) -> Result<(Vec<SortKey>, Option<u64>), Failure> {
    let Some(plan) = QueryPlan::of(query, Dialect::Postgres) else {
        return Ok((Vec::new(), query.count.then_some(0)));
    };
    let limit = time_limit(query);
    let checked = checked_values(query, Dialect::Postgres);
    if !checked.is_empty() {
        return check(connection, limit, &step(query, plan.all(), &plan, []), query, &checked);
    }
    let bound = |number: u64| Sql::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let bounds = [query.limit.map_or(Sql::Integer(i64::MAX), bound), bound(query.offset)];
    let page = step(query, plan.page(), &plan, bounds);
    if !query.count {
        return Ok((connection.query(limit, &page)?.iter().map(sort_key).collect::<Result<_, _>>()?, None));
    }
    let count = step(query, plan.count(), &plan, []);
    // One snapshot for both statements.
    let [begin, commit] = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "COMMIT"]
        .map(|text| (!is_in_transaction).then_some(text));
    let results = connection.pipeline(limit, begin, &[count, page], commit)?;
    let [count, page] = results.as_slice() else { return Err(malformed()) };
    let total: i64 = count.first().and_then(|row| row.try_get(0).ok()).ok_or_else(malformed)?;
    Ok((page.iter().map(sort_key).collect::<Result<_, _>>()?, Some(total.unsigned_abs())))
}

/// Executes a statement, and returns the page of those rows whose attributes contain the values.
fn check(
    connection: &mut Connection,
    limit: Duration,
    all: &Step,
    query: &Query,
    values: &[&[u8]],
) -> Result<(Vec<SortKey>, Option<u64>), Failure> {
    let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let (offset, last) = (size(query.offset), query.limit.map_or(usize::MAX, size));
    let (mut page, mut found) = (Vec::new(), 0_usize);
    connection.each(limit, all, &mut |row| {
        let attributes: &[u8] = row.try_get(2).map_err(|_| malformed())?;
        let has = |value: &&[u8]| columns::has_value(attributes, value).unwrap_or(false);
        if values.iter().all(has) {
            if found >= offset && page.len() < last {
                page.push(sort_key(row)?);
            }
            found += 1;
        }
        Ok(())
    })?;
    Ok((page, query.count.then_some(found as u64)))
}

/// Returns the time that the statements may take.
fn time_limit(query: &Query) -> Duration {
    if purpose(query) == Use::Search { LONG_CALL } else { CALL }
}

/// Returns the use of the connection: a query without an identifier or an indexed value may read many rows.
pub(super) fn purpose(query: &Query) -> Use {
    let is_narrow = query.criteria.iter().any(|criterion| match criterion {
        Criterion::Identifier(_) => true,
        Criterion::Equals(value) => value.row.rules.indexed,
        _ => false,
    });
    if is_narrow { Use::Read } else { Use::Search }
}

/// Returns a statement of the plan, with its parameters and `more`.
fn step(query: &Query, text: String, plan: &QueryPlan, more: impl IntoIterator<Item = Sql>) -> Step {
    let values = plan.values.iter().cloned().chain(more);
    let typed = values.map(|value| {
        let kind = if matches!(value, Sql::Integer(_)) { Type::INT8 } else { Type::BYTEA };
        (kind, Box::new(Scalar(value)) as Parameter)
    });
    let (types, parameters) = typed.unzip();
    // The plan of other searches depends on the values: on the limit, and on the length of a range of dates.
    let plans = if purpose(query) == Use::Read { Plans::Once } else { Plans::PerValue };
    Step::typed(text, types, parameters).planned(plans)
}

fn sort_key(row: &Row) -> Result<SortKey, Failure> {
    let number = |position| row.try_get::<_, i64>(position).map_err(|_| malformed());
    let date = number(1)?;
    let initial_date = (date != UNDATED).then_some(DateTime(date));
    Ok(SortKey { initial_date, id: Id(number(0)?.unsigned_abs()) })
}

fn malformed() -> Failure {
    Failure::local("the database returned other columns than requested", false)
}

//! Locate on SQLite: executes the statement of a query plan (`store/plan`).

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};

use super::rows;
use crate::store::columns::UNDATED;
use crate::store::overlay::WriteSet;
use crate::store::plan::{Dialect, QueryPlan};
use crate::store::sealing::DataKey;
use crate::store::{Error, Id, Located, Query, SortKey};
use crate::ttlv::DateTime;

/// Returns the objects that match `query`.
pub(super) fn locate(database: &Connection, query: &Query) -> Result<Located, Error> {
    let (ids, total) = search(database, query, id)?;
    Ok(Located { ids, total })
}

/// Returns the objects that match `query` after `writes` are applied to the database, whose objects are sealed with
/// `key` if there is one.
pub(super) fn locate_with(
    database: &Connection,
    query: &Query,
    writes: &WriteSet,
    key: Option<&DataKey>,
) -> Result<Located, Error> {
    if writes.records.is_empty() {
        return locate(database, query);
    }
    // One snapshot for all statements.
    let snapshot = database.unchecked_transaction();
    let snapshot = snapshot.map_err(|why| Error::sqlite("begin a search", why))?;
    let (found, mut total) = search(database, &writes.widened(query), sort_key)?;
    if let Some(total) = &mut total {
        for id in writes.records.keys() {
            let replaced = rows::read(database, *id, key)?;
            *total -= u64::from(replaced.is_some_and(|(record, _)| query.matches(&record)));
        }
    }
    drop(snapshot);
    Ok(writes.applied(query, found, total))
}

fn id(row: &Row<'_>) -> rusqlite::Result<Id> {
    Ok(Id(row.get::<_, i64>(0)?.unsigned_abs()))
}

fn sort_key(row: &Row<'_>) -> rusqlite::Result<SortKey> {
    let date: i64 = row.get(1)?;
    Ok(SortKey { initial_date: (date != UNDATED).then_some(DateTime(date)), id: id(row)? })
}

/// Returns what `read` reads of each row of the page, and the number of all matching objects if the query counts them.
fn search<T>(
    database: &Connection,
    query: &Query,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<(Vec<T>, Option<u64>), Error> {
    let Some(plan) = QueryPlan::of(query, Dialect::Sqlite) else {
        return Ok((Vec::new(), query.count.then_some(0)));
    };
    execute(database, query, &plan, read).map_err(|why| Error::sqlite("locate objects", why))
}

fn execute<T>(
    database: &Connection,
    query: &Query,
    plan: &QueryPlan,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<(Vec<T>, Option<u64>)> {
    // One snapshot for the page and the count; within a transaction there is one already.
    let snapshot = (query.count && database.is_autocommit()).then(|| database.unchecked_transaction());
    let snapshot = snapshot.transpose()?;
    let total = if query.count {
        let mut count = database.prepare_cached(&plan.count())?;
        Some(count.query_row(params_from_iter(&plan.values), |row| row.get::<_, i64>(0))?)
    } else {
        None
    };
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let bounds = [Sql::Integer(limit), Sql::Integer(offset)];
    let mut page = database.prepare_cached(&plan.page())?;
    let rows = page.query_map(params_from_iter(plan.values.iter().chain(&bounds)), read)?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    drop(snapshot);
    Ok((rows, total.map(i64::unsigned_abs)))
}

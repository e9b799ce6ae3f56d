//! Locate as SQL: one statement returns the page; it contains grants, criteria, order and limits.
//!
//! Each statement names its access path, because the database has no statistics to choose one:
//!
//! 1. an identifier: the primary key;
//! 2. an indexed value (a name, a group, a custom attribute …): the index of values, in the order of the result;
//! 3. a date other than the Initial Date: the index of that date, followed by a sort;
//! 4. otherwise the grants: one index range for each policy, type and stored state that can match, each in the order
//!    of the result, merged.
//!
//! With the paths 1, 2 and 4, SQLite stops at the end of the page. All other criteria filter the rows of the path.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};

use super::columns::{self, Column, INITIAL_DATE, MAX_KEY, UNDATED};
use super::grants::{IndexRange, Visibility};
use super::rows;
use super::values::Values;
use crate::kmip::attributes::Attribute;
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::store::overlay::WriteSet;
use crate::store::sealing::DataKey;
use crate::store::{Criterion, Error, Id, Located, Order, Query, SortKey};
use crate::ttlv::{DateTime, Reader, STORED, Tag};

/// The maximum number of index ranges to merge. Each adds SQL to prepare, and SQLite merges at most 500. If there are
/// more, combined ranges are searched and sorted.
const MAX_RANGES: usize = 64;

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
    let written = u64::try_from(writes.records.len()).unwrap_or(u64::MAX);
    let needed = |limit: u64| limit.saturating_add(query.offset).saturating_add(written);
    let whole = Query { offset: 0, limit: query.limit.map(needed), ..query.clone() };
    let (mut found, mut total) = search(database, &whole, sort_key)?;
    found.retain(|key| !writes.records.contains_key(&key.id));
    if let Some(total) = &mut total {
        for id in writes.records.keys() {
            let replaced = rows::read(database, *id, key)?;
            *total -= u64::from(replaced.is_some_and(|(record, _)| query.matches(&record)));
        }
    }
    drop(snapshot);
    let matching = writes.records.values().filter(|write| query.matches(&write.after));
    let before = found.len();
    found.extend(matching.map(|write| write.after.sort_key()));
    let added = u64::try_from(found.len() - before).unwrap_or(u64::MAX);
    Ok(Located { total: total.map(|total| total + added), ids: query.page(found) })
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
    let Some(plan) = QueryPlan::of(query) else { return Ok((Vec::new(), query.count.then_some(0))) };
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

/// The SQL of a query.
pub(super) struct QueryPlan {
    /// Selects `id` and `initial_date` of all matching objects, without order.
    select: String,
    /// The values of its parameters `?1`, `?2` …
    values: Vec<Sql>,
    order: Order,
}

impl QueryPlan {
    /// Returns the plan of `query`, or `None` if no object can match.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let grants = Visibility::of(query, types(&query.criteria));
        let path = AccessPath::of(&query.criteria);
        if grants.is_empty() || query.criteria.iter().any(|criterion| matches!(criterion, Criterion::Nothing))
        {
            return None;
        }
        let mut sql = Values::default();
        let now = sql.add(query.now.0);
        let mut filters = String::new();
        for (position, criterion) in query.criteria.iter().enumerate() {
            if path.position != Some(position) || path.is_rough() {
                filters.push_str(" AND ");
                filters.push_str(&filter(criterion, &now, &mut sql)?);
            }
        }
        let select = match path.source {
            Source::Grants(state) => ranges(query.storage, &grants, state, &now, &filters, &mut sql)?,
            direct => {
                let (from, condition) = direct.start(&mut sql)?;
                // The index of values is in the order of the result by its own columns.
                let row = if matches!(direct, Source::Value(_)) { "v" } else { "o" };
                let storage = sql.add(i64::from(query.storage.0));
                let seen = grants.condition(&mut sql);
                format!(
                    "SELECT {row}.id AS id, {row}.initial_date AS initial_date FROM {from} \
                     WHERE {condition} AND (o.storage & {storage}) AND {seen}{filters}"
                )
            }
        };
        Some(Self { select, values: sql.0, order: query.order })
    }

    /// Returns the statement for one page. Limit and offset are its last parameters.
    pub(super) fn page(&self) -> String {
        let next = self.values.len() + 1;
        let order = match self.order {
            Order::NewestFirst => "initial_date DESC, id DESC",
            Order::LatestSecondFirst => "initial_date DESC, id",
            Order::OldestFirst => "initial_date, id",
        };
        format!("{} ORDER BY {order} LIMIT ?{next} OFFSET ?{}", self.select, next + 1)
    }

    /// The parameters that both statements share.
    #[cfg(test)]
    pub(super) fn values(&self) -> &[Sql] {
        &self.values
    }

    /// Returns the statement that counts all matching objects.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM ({})", self.select)
    }
}

/// The access path of a query.
struct AccessPath<'q> {
    /// The criterion that selects the path, or `None` if the grants do.
    position: Option<usize>,
    source: Source<'q>,
}

/// The table or index that an access path starts from.
enum Source<'q> {
    Identifier(Id),
    Value(&'q Attribute),
    Date(&'static Column, DateTime, DateTime),
    Grants(Option<State>),
}

impl<'q> AccessPath<'q> {
    /// Returns the narrowest path that a criterion offers.
    fn of(criteria: &'q [Criterion]) -> Self {
        let offered = criteria.iter().enumerate().filter_map(|(position, criterion)| {
            let (breadth, source) = Source::of(criterion)?;
            Some((breadth, Self { position: Some(position), source }))
        });
        let narrowest = offered.min_by_key(|(breadth, _)| *breadth);
        narrowest.map_or(Self { position: None, source: Source::Grants(None) }, |(_, path)| path)
    }

    /// Whether the path also returns objects that do not meet its criterion.
    fn is_rough(&self) -> bool {
        matches!(&self.source, Source::Value(value) if value.stored().len() > MAX_KEY)
    }
}

impl<'q> Source<'q> {
    /// Returns the source that a criterion offers, with a rank by the expected number of rows: names are rare, groups
    /// are large, states are larger.
    fn of(criterion: &'q Criterion) -> Option<(u8, Self)> {
        match criterion {
            Criterion::Identifier(id) => Some((0, Self::Identifier(*id))),
            Criterion::Equals(value) if value.row.rules.indexed => {
                let shared = matches!(value.row.tag, Tag::ObjectGroup | Tag::ContactInformation);
                Some((1 + u8::from(shared), Self::Value(value)))
            }
            Criterion::Equals(value) => {
                let column = Column::of(value.row.tag).filter(|column| column.date)?;
                let date = DateTime(number(value)?);
                (column.name != INITIAL_DATE).then_some((3, Self::Date(column, date, date)))
            }
            Criterion::Between(row, from, to) => {
                let column = Column::of(row.tag).filter(|column| column.date)?;
                (column.name != INITIAL_DATE).then_some((4, Self::Date(column, *from, *to)))
            }
            Criterion::State(state) => Some((5, Self::Grants(Some(*state)))),
            Criterion::After(_) | Criterion::Nothing | Criterion::OneOf(_) | Criterion::UsageMask(_) => None,
        }
    }

    /// Returns the FROM clause and the condition on its rows.
    fn start(&self, sql: &mut Values) -> Option<(String, String)> {
        match self {
            Self::Identifier(id) => {
                let id = sql.add(i64::try_from(id.0).ok()?);
                Some(("object AS o".to_owned(), format!("o.id = {id}")))
            }
            Self::Value(value) => {
                let tag = sql.add(i64::from(value.row.tag.0));
                let key = sql.add(columns::key(value.stored()).to_vec());
                // SQLite does not reorder the tables of a cross join.
                let from = "attribute_value AS v CROSS JOIN object AS o ON o.id = v.id";
                Some((from.to_owned(), format!("v.tag = {tag} AND v.value = {key}")))
            }
            Self::Date(column, from, to) => {
                let from_index = format!("object AS o INDEXED BY object_by_{}", column.name);
                Some((from_index, between(column.name, *from, *to, sql)))
            }
            Self::Grants(_) => None,
        }
    }
}

/// Returns the union of the index ranges of `grants`, each in the order of the result.
fn ranges(
    storage: StorageStatusMask,
    grants: &Visibility,
    state: Option<State>,
    now: &str,
    filters: &str,
    sql: &mut Values,
) -> Option<String> {
    let statuses: Vec<i32> =
        STORAGE.iter().map(|status| status.0).filter(|status| storage.0 & status != 0).collect();
    let states = state.map_or(vec![(String::new(), "")], |state| {
        let stored = stored_states(state, now).into_iter();
        stored
            .map(|(stored, when)| (format!(" AND o.state = {} AND {when}", stored.to_wire()), "_state"))
            .collect()
    });
    let mut ranges = grants.ranges(sql);
    if ranges.len() * statuses.len() * states.len() > MAX_RANGES {
        ranges = grants.combined_ranges(sql);
    }
    let mut selects = Vec::new();
    for IndexRange { index, condition } in &ranges {
        for status in &statuses {
            for (state, suffix) in &states {
                selects.push(format!(
                    "SELECT o.id AS id, o.initial_date AS initial_date FROM object AS o INDEXED BY {index}{suffix} \
                     WHERE o.storage = {status} AND {condition}{state}{filters}"
                ));
            }
        }
    }
    (!selects.is_empty()).then(|| selects.join(" UNION ALL "))
}

/// The storage statuses that an object can have.
const STORAGE: [StorageStatusMask; 3] = [
    StorageStatusMask::ON_LINE_STORAGE,
    StorageStatusMask::ARCHIVAL_STORAGE,
    StorageStatusMask::DESTROYED_STORAGE,
];

/// Returns a criterion as a condition on the row `o`, or `None` if no object can meet it.
fn filter(criterion: &Criterion, now: &str, sql: &mut Values) -> Option<String> {
    Some(match criterion {
        Criterion::Nothing => return None,
        Criterion::Identifier(id) => format!("o.id = {}", sql.add(i64::try_from(id.0).ok()?)),
        Criterion::After(key) => {
            let date = sql.add(key.initial_date.map_or(UNDATED, |date| date.0.max(UNDATED + 1)));
            format!("(o.initial_date, o.id) > ({date}, {})", sql.add(i64::try_from(key.id.0).ok()?))
        }
        Criterion::OneOf(types) => {
            format!("({} >> o.object_type) & 1", sql.add(i64::from(types.bits())))
        }
        Criterion::State(state) => {
            let stored = stored_states(*state, now).into_iter();
            let terms = stored.map(|(stored, when)| format!("o.state = {} AND {when}", stored.to_wire()));
            format!("({})", terms.collect::<Vec<_>>().join(" OR "))
        }
        Criterion::UsageMask(mask) => {
            let mask = sql.add(i64::from(*mask));
            format!("(o.cryptographic_usage_mask & {mask}) = {mask}")
        }
        Criterion::Between(row, from, to) => {
            let column = Column::of(row.tag).filter(|column| column.date)?;
            between(column.name, *from, *to, sql)
        }
        Criterion::Equals(value) => equals(value, sql)?,
    })
}

fn between(column: &str, from: DateTime, to: DateTime, sql: &mut Values) -> String {
    // An object without the date has the smallest number in its column.
    let (from, to) = (sql.add(from.0.max(UNDATED + 1)), sql.add(to.0));
    format!("o.{column} >= {from} AND o.{column} <= {to}")
}

fn equals(value: &Attribute, sql: &mut Values) -> Option<String> {
    let stored = value.stored();
    if value.row.tag == Tag::ObjectType {
        return Some(format!("o.object_type = {}", sql.add(number(value)?)));
    }
    if let Some(column) = Column::of(value.row.tag) {
        return Some(format!("o.{} = {}", column.name, sql.add(number(value)?)));
    }
    if value.row.rules.indexed && stored.len() <= MAX_KEY {
        let (tag, key) = (sql.add(i64::from(value.row.tag.0)), sql.add(stored.to_vec()));
        return Some(format!(
            "EXISTS (SELECT 1 FROM attribute_value AS w \
             WHERE w.tag = {tag} AND w.value = {key} AND w.initial_date = o.initial_date AND w.id = o.id)"
        ));
    }
    Some(format!("has_value(o.attributes, {})", sql.add(stored.to_vec())))
}

/// Returns the stored states that are `state` at `now`, each with its condition on the dates: the inverse of
/// [`crate::store::Record::state_at`].
fn stored_states(state: State, now: &str) -> Vec<(State, String)> {
    let begun = format!("o.activation_date <= {now}");
    let over = format!("o.deactivation_date <= {now}");
    let not_begun = format!("(o.activation_date IS NULL OR o.activation_date > {now})");
    let not_over = format!("(o.deactivation_date IS NULL OR o.deactivation_date > {now})");
    match state {
        State::PreActive => vec![(State::PreActive, not_begun)],
        State::Active => {
            vec![(State::PreActive, format!("{begun} AND {not_over}")), (State::Active, not_over)]
        }
        State::Deactivated => vec![
            (State::PreActive, format!("{begun} AND {over}")),
            (State::Active, over),
            (State::Deactivated, "TRUE".to_owned()),
        ],
        state => vec![(state, "TRUE".to_owned())],
    }
}

/// Returns the object type that the criteria require, or `None` if they allow every type.
fn types(criteria: &[Criterion]) -> Option<ObjectType> {
    criteria.iter().find_map(|criterion| match criterion {
        Criterion::Equals(value) if value.row.tag == Tag::ObjectType => value.read().ok(),
        _ => None,
    })
}

/// Returns the number in an attribute value.
fn number(value: &Attribute) -> Option<i64> {
    let item = Reader::new(value.stored(), STORED).next().ok()??;
    columns::number_of(&item).ok()
}

//! Locate as SQL: one statement returns the page; it contains grants, criteria, order and limits.
//!
//! Each statement has one access path:
//!
//! 1. an identifier: the primary key;
//! 2. an indexed value (a name, a group, a custom attribute …): the index of values, in the order of the result;
//! 3. a date other than the Initial Date: the index of that date, followed by a sort;
//! 4. otherwise the grants: one index range for each policy, type and stored state that can match, each in the order
//!    of the result, merged.
//!
//! With the paths 1, 2 and 4, the database stops at the end of the page. All other criteria filter the rows of the path.
//! SQLite has no statistics to choose a path, so its statements name it; PostgreSQL chooses the index itself.

mod dialect;
mod grants;
mod values;

use rusqlite::types::Value as Sql;

pub(super) use self::dialect::Dialect;

use self::grants::{IndexRange, Visibility};
use self::values::Values;
use super::columns::{self, Column, INITIAL_DATE, MAX_KEY, UNDATED};
use super::{Criterion, Order, Query};
use crate::kmip::attributes::Attribute;
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::store::Id;
use crate::ttlv::{DateTime, Reader, STORED, Tag};

/// The maximum number of index ranges to merge. Each adds SQL to prepare, and SQLite merges at most 500. If there are
/// more, combined ranges are searched and sorted.
const MAX_RANGES: usize = 64;

/// The SQL of a query.
pub(super) struct QueryPlan {
    /// Selects `id` and `initial_date` of all matching objects, without order.
    select: String,
    /// The values of its parameters, in order.
    pub(super) values: Vec<Sql>,
    order: Order,
    dialect: Dialect,
}

impl QueryPlan {
    /// Returns the plan of `query`, or `None` if no object can match.
    pub(super) fn of(query: &Query, dialect: Dialect) -> Option<Self> {
        let grants = Visibility::of(query, types(&query.criteria));
        let path = AccessPath::of(&query.criteria);
        if grants.is_empty() || query.criteria.iter().any(|criterion| matches!(criterion, Criterion::Nothing))
        {
            return None;
        }
        let mut sql = Values::new(dialect);
        let now = sql.add(query.now.0);
        let mut filters = String::new();
        for (position, criterion) in query.criteria.iter().enumerate() {
            if path.position != Some(position) || path.is_rough() {
                filters.push_str(" AND ");
                filters.push_str(&filter(criterion, &now, &mut sql)?);
            }
        }
        let select = match path.source {
            Source::Grants(state) => ranges(query, &grants, state, &now, &filters, &mut sql)?,
            direct => {
                let (from, condition) = direct.start(&mut sql)?;
                // The index of values is in the order of the result by its own columns.
                let row = if matches!(direct, Source::Value(_)) { "v" } else { "o" };
                let storage = sql.add(i64::from(query.storage.0));
                let seen = grants.condition(&mut sql);
                let checked = checked_column(query, sql.dialect);
                format!(
                    "SELECT {row}.id AS id, {row}.initial_date AS initial_date{checked} FROM {from} \
                     WHERE {condition} AND (o.storage & {storage}) <> 0 AND {seen}{filters}"
                )
            }
        };
        Some(Self { select, values: sql.list, order: query.order, dialect })
    }

    /// Returns the statement for one page. Limit and offset are its last parameters.
    pub(super) fn page(&self) -> String {
        let next = self.values.len() + 1;
        let [limit, offset] =
            [next, next + 1].map(|number| self.dialect.placeholder(number, &Sql::Integer(0)));
        format!("{} LIMIT {limit} OFFSET {offset}", self.all())
    }

    /// Returns the statement for all matching objects, in order.
    pub(super) fn all(&self) -> String {
        let order = match self.order {
            Order::NewestFirst => "initial_date DESC, id DESC",
            Order::LatestSecondFirst => "initial_date DESC, id",
            Order::OldestFirst => "initial_date, id",
        };
        format!("{} ORDER BY {order}", self.select)
    }

    /// Returns the statement that counts all matching objects.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM ({}) AS matching", self.select)
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
                let join = sql.dialect.ordered_join();
                let from = format!("attribute_value AS v {join} object AS o ON o.id = v.id");
                Some((from, format!("v.tag = {tag} AND v.value = {key}")))
            }
            Self::Date(column, from, to) => {
                let index = sql.dialect.index(&format!("object_by_{}", column.name));
                Some((format!("object AS o{index}"), between(column.name, *from, *to, sql)))
            }
            Self::Grants(_) => None,
        }
    }
}

/// Returns the union of the index ranges of `grants`, each in the order of the result.
fn ranges(
    query: &Query,
    grants: &Visibility,
    state: Option<State>,
    now: &str,
    filters: &str,
    sql: &mut Values,
) -> Option<String> {
    let statuses: Vec<i32> =
        STORAGE.iter().map(|status| status.0).filter(|status| query.storage.0 & status != 0).collect();
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
    let checked = checked_column(query, sql.dialect);
    let mut selects = Vec::new();
    for IndexRange { index, condition } in &ranges {
        for status in &statuses {
            for (state, suffix) in &states {
                let index = sql.dialect.index(&format!("{index}{suffix}"));
                selects.push(format!(
                    "SELECT o.id AS id, o.initial_date AS initial_date{checked} FROM object AS o{index} \
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
            format!("(({} >> o.object_type) & 1) <> 0", sql.add(i64::from(types.bits())))
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
    if !is_compared_in_full(value) {
        let (tag, key) = (sql.add(i64::from(value.row.tag.0)), sql.add(stored.to_vec()));
        return Some(format!(
            "EXISTS (SELECT 1 FROM attribute_value AS w \
             WHERE w.tag = {tag} AND w.value = {key} AND w.initial_date = o.initial_date AND w.id = o.id)"
        ));
    }
    let stored = sql.add(stored.to_vec());
    Some(sql.dialect.has_value(&stored))
}

/// Returns the column of the result that [`checked_values`] needs, after a comma, or nothing.
fn checked_column(query: &Query, dialect: Dialect) -> &'static str {
    if checked_values(query, dialect).is_empty() { "" } else { ", o.attributes AS attributes" }
}

/// Whether neither a column nor the index of values contains all of the value, so that the stored attributes are compared.
fn is_compared_in_full(value: &Attribute) -> bool {
    let has_column = value.row.tag == Tag::ObjectType || Column::of(value.row.tag).is_some();
    let is_indexed = value.row.rules.indexed && value.stored().len() <= MAX_KEY;
    !has_column && !is_indexed
}

/// Returns the values that a row of the page must have in its column `attributes`, because the statement does not compare
/// them exactly; none if the page has no such column.
pub(super) fn checked_values(query: &Query, dialect: Dialect) -> Vec<&[u8]> {
    let values = query.criteria.iter().filter_map(|criterion| match criterion {
        Criterion::Equals(value) if is_compared_in_full(value) => Some(value.stored()),
        _ => None,
    });
    if dialect.compares_exactly() { Vec::new() } else { values.collect() }
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

//! Locate as SQL: one statement that gives the page, with policy, owner, order and page said in it.
//!
//! Every question is given its way through the indexes, as the database keeps no statistics to choose one by:
//!
//! 1. an identifier: the one row;
//! 2. an indexed value (a name, a group, a custom attribute …): its rows in the index of values, which lie
//!    in the order of the answer;
//! 3. a date other than the Initial Date: the index of that date, sorted afterwards;
//! 4. else what the asker may see: one run of an index for each policy, type and stored state that can
//!    match, each in the order of the answer, merged.
//!
//! In the ways 1, 2 and 4 the database stops at the end of the page. What else is asked filters on the way.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::columns::{self, Column, INITIAL_DATE, MAX_KEY, UNDATED};
use super::grants::{Scope, Visibility};
use crate::kmip::attributes::Attribute;
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::store::{Criterion, Error, Id, Located, Order, Query};
use crate::ttlv::{DateTime, Reader, STORED, Tag};

/// How many runs are merged at the most. Each is a piece of SQL to prepare, and SQLite merges 500 at the
/// most; with more policies they are searched together and sorted.
const MAX_RUNS: usize = 64;

/// The objects that answer `query`.
pub(super) fn locate(database: &Connection, query: &Query) -> Result<Located, Error> {
    match Question::of(query) {
        Some(question) => {
            answer(database, query, &question).map_err(|why| Error::sqlite("locate objects", why))
        }
        None => Ok(Located { ids: Vec::new(), total: query.count.then_some(0) }),
    }
}

fn answer(database: &Connection, query: &Query, question: &Question) -> rusqlite::Result<Located> {
    // One snapshot for the page and the count; a change has one already.
    let snapshot = (query.count && database.is_autocommit()).then(|| database.unchecked_transaction());
    let snapshot = snapshot.transpose()?;
    let total = if query.count {
        let mut count = database.prepare_cached(&question.count())?;
        Some(count.query_row(params_from_iter(&question.values), |row| row.get::<_, i64>(0))?)
    } else {
        None
    };
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let bounds = [Sql::Integer(limit), Sql::Integer(offset)];
    let mut page = database.prepare_cached(&question.page())?;
    let rows = page.query_map(params_from_iter(question.values.iter().chain(&bounds)), |row| row.get(0))?;
    let ids = rows.map(|id: rusqlite::Result<i64>| id.map(|id| Id(id.unsigned_abs())));
    let ids = ids.collect::<rusqlite::Result<_>>()?;
    drop(snapshot);
    Ok(Located { ids, total: total.map(i64::unsigned_abs) })
}

/// A query as SQL.
pub(super) struct Question {
    /// All that match, in no order: columns `id` and `initial_date`.
    select: String,
    /// What its `?1`, `?2` … stand for.
    values: Vec<Sql>,
    order: Order,
}

impl Question {
    /// None where nothing can match.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let grants = Visibility::of(query, types(&query.criteria));
        let way = Way::of(&query.criteria);
        if grants.is_empty() || query.criteria.iter().any(|criterion| matches!(criterion, Criterion::Nothing))
        {
            return None;
        }
        let mut sql = Values::default();
        let now = sql.add(query.now.0);
        let mut filters = String::new();
        for (position, criterion) in query.criteria.iter().enumerate() {
            if way.position != Some(position) || way.is_rough() {
                filters.push_str(" AND ");
                filters.push_str(&filter(criterion, &now, &mut sql)?);
            }
        }
        let select = match way.kind {
            Kind::Runs(state) => runs(query.storage, &grants, state, &now, &filters, &mut sql)?,
            direct => {
                let (from, condition) = direct.start(&mut sql)?;
                // Rows of the index of values are in the order of the answer, told by their own columns.
                let row = if matches!(direct, Kind::Value(_)) { "v" } else { "o" };
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

    /// The statement that gives one page; limit and offset are its last values.
    pub(super) fn page(&self) -> String {
        let next = self.values.len() + 1;
        let order = match self.order {
            Order::NewestFirst => "initial_date DESC, id DESC",
            Order::OldestFirst => "initial_date, id",
        };
        format!("{} ORDER BY {order} LIMIT ?{next} OFFSET ?{}", self.select, next + 1)
    }

    /// The values that the statements have in common.
    #[cfg(test)]
    pub(super) fn values(&self) -> &[Sql] {
        &self.values
    }

    /// The statement that counts all that match.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM ({})", self.select)
    }
}

/// The values of a statement that is being written.
#[derive(Default)]
pub(super) struct Values(Vec<Sql>);

impl Values {
    /// Adds a value; gives the text that stands for it.
    pub(super) fn add(&mut self, value: impl Into<Sql>) -> String {
        self.0.push(value.into());
        format!("?{}", self.0.len())
    }
}

/// The way to the objects: which criterion leads, and how.
struct Way<'q> {
    position: Option<usize>,
    kind: Kind<'q>,
}

enum Kind<'q> {
    Identifier(Id),
    Value(&'q Attribute),
    Date(&'static Column, DateTime, DateTime),
    Runs(Option<State>),
}

impl<'q> Way<'q> {
    /// The narrowest that a criterion offers.
    fn of(criteria: &'q [Criterion]) -> Self {
        let offered = criteria.iter().enumerate().filter_map(|(position, criterion)| {
            let (breadth, kind) = Kind::of(criterion)?;
            Some((breadth, Self { position: Some(position), kind }))
        });
        let narrowest = offered.min_by_key(|(breadth, _)| *breadth);
        narrowest.map_or(Self { position: None, kind: Kind::Runs(None) }, |(_, way)| way)
    }

    /// Whether the way also leads to objects that do not meet its criterion.
    fn is_rough(&self) -> bool {
        matches!(&self.kind, Kind::Value(value) if value.stored().len() > MAX_KEY)
    }
}

impl<'q> Kind<'q> {
    /// The way that a criterion offers, and how many objects it may lead past: a guess that names are rare,
    /// groups are large, and states larger.
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
            Criterion::State(state) => Some((5, Self::Runs(Some(*state)))),
            Criterion::After(_) | Criterion::Nothing | Criterion::UsageMask(_) => None,
        }
    }

    /// What to select from, and which rows of it.
    fn start(&self, sql: &mut Values) -> Option<(String, String)> {
        match self {
            Self::Identifier(id) => {
                let id = sql.add(i64::try_from(id.0).ok()?);
                Some(("object AS o".to_owned(), format!("o.id = {id}")))
            }
            Self::Value(value) => {
                let tag = sql.add(i64::from(value.row.tag.0));
                let key = sql.add(columns::key(value.stored()).to_vec());
                // A cross join is what SQLite never turns round.
                let from = "attribute_value AS v CROSS JOIN object AS o ON o.id = v.id";
                Some((from.to_owned(), format!("v.tag = {tag} AND v.value = {key}")))
            }
            Self::Date(column, from, to) => {
                let from_index = format!("object AS o INDEXED BY object_by_{}", column.name);
                Some((from_index, between(column.name, *from, *to, sql)))
            }
            Self::Runs(_) => None,
        }
    }
}

/// The runs of indexes that hold what the asker may see, each in the order of the answer.
fn runs(
    storage: StorageStatusMask,
    grants: &Visibility,
    state: Option<State>,
    now: &str,
    filters: &str,
    sql: &mut Values,
) -> Option<String> {
    let places: Vec<i32> =
        STORAGE.iter().map(|place| place.0).filter(|place| storage.0 & place != 0).collect();
    let states = state.map_or(vec![(String::new(), "")], |state| {
        let stored = stored_states(state, now).into_iter();
        stored
            .map(|(stored, when)| (format!(" AND o.state = {} AND {when}", stored.to_wire()), "_state"))
            .collect()
    });
    let mut scopes = grants.scopes(sql);
    if scopes.len() * places.len() * states.len() > MAX_RUNS {
        scopes = grants.joint_scopes(sql);
    }
    let mut runs = Vec::new();
    for Scope { index, condition } in &scopes {
        for place in &places {
            for (state, suffix) in &states {
                runs.push(format!(
                    "SELECT o.id AS id, o.initial_date AS initial_date FROM object AS o INDEXED BY {index}{suffix} \
                     WHERE o.storage = {place} AND {condition}{state}{filters}"
                ));
            }
        }
    }
    (!runs.is_empty()).then(|| runs.join(" UNION ALL "))
}

/// The bits of a storage mask that an object can have.
const STORAGE: [StorageStatusMask; 3] = [
    StorageStatusMask::ON_LINE_STORAGE,
    StorageStatusMask::ARCHIVAL_STORAGE,
    StorageStatusMask::DESTROYED_STORAGE,
];

/// One criterion as a condition on the row `o`; none where nothing can meet it.
fn filter(criterion: &Criterion, now: &str, sql: &mut Values) -> Option<String> {
    Some(match criterion {
        Criterion::Nothing => return None,
        Criterion::Identifier(id) => format!("o.id = {}", sql.add(i64::try_from(id.0).ok()?)),
        Criterion::After(place) => {
            let date = sql.add(place.initial_date.map_or(UNDATED, |date| date.0.max(UNDATED + 1)));
            format!("(o.initial_date, o.id) > ({date}, {})", sql.add(i64::try_from(place.id.0).ok()?))
        }
        Criterion::State(state) => {
            let stored = stored_states(*state, now).into_iter();
            let ways = stored.map(|(stored, when)| format!("o.state = {} AND {when}", stored.to_wire()));
            format!("({})", ways.collect::<Vec<_>>().join(" OR "))
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
    // The undated have the smallest number, and no date.
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

/// The stored states that are `state` at the moment `now`, each under a condition on its dates: the same as
/// [`crate::store::Record::state_at`], asked the other way round.
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

/// The types that the criteria leave; none for all.
fn types(criteria: &[Criterion]) -> Option<ObjectType> {
    criteria.iter().find_map(|criterion| match criterion {
        Criterion::Equals(value) if value.row.tag == Tag::ObjectType => value.read().ok(),
        _ => None,
    })
}

/// The number that an attribute's value is.
fn number(value: &Attribute) -> Option<i64> {
    let item = Reader::new(value.stored(), STORED).next().ok()??;
    columns::number_of(&item).ok()
}

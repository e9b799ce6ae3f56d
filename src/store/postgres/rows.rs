//! Rows of the database: the statements that read and write records and the server state.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use bytes::BytesMut;
use rusqlite::types::Value as Sql;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use zeroize::Zeroizing;

use super::connection::{Failure, Parameter, Plans, Step};
use crate::secret::Secret;
use crate::store::columns::{self, IndexChange, IndexValue, UNDATED};
use crate::store::encoded::{self, Encoded, StoredRow};
use crate::store::sealing::DataKey;
use crate::store::{Cause, Error, Id, Record, Write};

/// A value of a column, or of a criterion of Locate.
#[derive(Debug)]
pub(super) struct Scalar(pub(super) Sql);

impl ToSql for Scalar {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Sql::Integer(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Sql::Integer(number) => number.to_sql(kind, out),
            Sql::Text(text) => text.as_bytes().to_sql(kind, out),
            Sql::Blob(bytes) => bytes.as_slice().to_sql(kind, out),
            Sql::Null | Sql::Real(_) => Ok(IsNull::Yes),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

/// The bytes of an object, which are wiped when they are dropped and never shown.
pub(super) struct Object(pub(super) Option<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

impl ToSql for Object {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.as_ref().map(|bytes| bytes.as_slice()).to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::BYTEA
    }

    to_sql_checked!();
}

const COLUMNS: &str = "owner, credential, object_type, attributes, object, checksum, version, id";

/// The position of the number of the object in the rows of [`read`] and [`read_all`].
pub(super) const NUMBER: usize = 7;

/// Returns the statement that reads an object; with `lock`, other transactions cannot change it until the end of this one.
pub(super) fn read(number: i64, lock: bool) -> Step {
    let lock = if lock { " FOR UPDATE" } else { "" };
    let text = format!("SELECT {COLUMNS} FROM object WHERE id = $1{lock}");
    Step::new(text, vec![Box::new(number)]).planned(Plans::Any)
}

/// The maximum length in bytes of an object in a statement that reads several, so that no client waits for the long object of
/// another one.
pub(super) const MAX_SHORT: usize = 64 << 10;

/// Returns the statement that reads the objects with these numbers; of several, only those of at most [`MAX_SHORT`] bytes.
pub(super) fn read_all(numbers: &[i64]) -> Step {
    if let [number] = numbers {
        return read(*number, false);
    }
    // For each number, PostgreSQL then searches the index, also if it believes that the table has few rows.
    let text = format!(
        "SELECT {COLUMNS} FROM unnest($1::bigint[]) AS wanted(number) \
         CROSS JOIN LATERAL (SELECT * FROM object WHERE object.id = wanted.number LIMIT 1) AS object \
         WHERE octet_length(attributes) + COALESCE(octet_length(object.object), 0) <= {MAX_SHORT}"
    );
    Step::new(text, vec![Box::new(numbers.to_vec())]).planned(Plans::Any)
}

/// Verifies and decodes the row of [`read`].
pub(super) fn decode(id: Id, row: &Row, key: Option<&DataKey>) -> Result<Record, Error> {
    stored(id, row)?.decode(id, key)
}

/// Returns the version in the row of [`read`].
pub(super) fn version(row: &Row) -> Result<i64, Error> {
    get(row, 6)
}

/// Returns the record in the row of [`read`], not decoded.
pub(super) fn stored(id: Id, row: &Row) -> Result<StoredRow<'_>, Error> {
    let text = |position| -> Result<Option<&str>, Error> {
        let bytes: Option<&[u8]> = get(row, position)?;
        bytes.map(std::str::from_utf8).transpose().map_err(|_| Error::Checksum { id })
    };
    Ok(StoredRow {
        owner: text(0)?.unwrap_or_default(),
        credential: text(1)?,
        object_type: get::<i32>(row, 2)?.into(),
        attributes: get(row, 3)?,
        object: get(row, 4)?,
        checksum: get(row, 5)?,
    })
}

/// Returns a column of a row.
pub(super) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    position: usize,
) -> Result<T, Error> {
    let wrong = |why: tokio_postgres::Error| Failure::local(why.to_string(), false);
    row.try_get(position).map_err(|why| Error::Sql { doing: "read a column", why: Cause::new(wrong(why)) })
}

/// Returns the statement that reads a server state; see [`decode_server_state`].
pub(super) fn read_server_state(name: &str) -> Step {
    let text = "SELECT value, checksum, version FROM own WHERE name = $1";
    Step::new(text, vec![Box::new(name.as_bytes().to_vec())]).planned(Plans::Any)
}

/// Verifies and decodes the row of [`read_server_state`]. Returns the value and its version.
pub(super) fn decode_server_state(
    name: &str,
    row: &Row,
    key: Option<&DataKey>,
) -> Result<(Secret, i64), Error> {
    let stored = Secret::new(get(row, 0)?);
    Ok((encoded::decode_server_state(name, stored, get(row, 1)?, key)?, get(row, 2)?))
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> =
        ["id", "attributes", "object", "checksum"].into_iter().chain(columns::names()).collect();
    let places: Vec<_> = (1..=names.len()).map(|number| format!("${number}")).collect();
    format!("INSERT INTO object (version, {}) VALUES (1, {})", names.join(", "), places.join(", "))
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let names = ["attributes", "object", "checksum"].into_iter().chain(columns::names());
    let sets = names.enumerate().map(|(position, name)| format!("{name} = ${}", position + 2));
    let sets = sets.collect::<Vec<_>>().join(", ");
    format!("UPDATE object SET version = version + 1, {sets} WHERE id = $1")
});

/// Adds the statements of a write.
///
/// # Errors
/// Returns an error if the record cannot be encoded.
pub(super) fn write(write: &Write, key: Option<&DataKey>, steps: &mut Vec<Step>) -> Result<(), Error> {
    let new = Encoded::of(&write.after, key)?;
    let damaged = |why| Error::Damaged { id: new.id, why };
    let added = match &write.before {
        Some(record) => {
            let before = encoded::encode_attributes(record);
            let date = record.attributes.initial_date.map_or(UNDATED, |date| date.0);
            // The date is a part of the index key: if it changes, every index row of the object moves.
            let change = if date == new.columns.initial_date {
                IndexChange::between(&before, &new.attributes).map_err(damaged)?
            } else {
                IndexChange {
                    removed: columns::indexed(&before).map_err(damaged)?,
                    added: columns::indexed(&new.attributes).map_err(damaged)?,
                }
            };
            index(steps, REMOVE, new.number, date, change.removed);
            change.added
        }
        None => columns::indexed(&new.attributes).map_err(damaged)?,
    };
    let Encoded { number, attributes, object, checksum, columns, .. } = new;
    let initial_date = columns.initial_date;
    let mut parameters: Vec<Parameter> = vec![
        Box::new(number),
        Box::new(attributes),
        Box::new(Object(object)),
        Box::new(checksum.bytes().to_vec()),
    ];
    parameters.extend(columns.scalars.into_iter().map(|scalar| Box::new(Scalar(scalar)) as Parameter));
    let text = if write.before.is_some() { &UPDATE } else { &INSERT };
    steps.push(Step::new(text.as_str(), parameters).planned(Plans::Any));
    index(steps, ADD, number, initial_date, added);
    Ok(())
}

const ADD: &str = "INSERT INTO attribute_value (tag, value, initial_date, id) \
    SELECT tag, value, $3::bigint, $4::bigint FROM unnest($1::bigint[], $2::bytea[]) AS new(tag, value)";

const REMOVE: &str = "DELETE FROM attribute_value WHERE initial_date = $3 AND id = $4 \
    AND (tag, value) IN (SELECT tag, value FROM unnest($1::bigint[], $2::bytea[]) AS old(tag, value))";

/// Adds a statement for these index values, if there are any.
fn index(steps: &mut Vec<Step>, text: &str, number: i64, initial_date: i64, values: BTreeSet<IndexValue>) {
    if values.is_empty() {
        return;
    }
    let (tags, values): (Vec<i64>, Vec<_>) =
        values.into_iter().map(|(tag, value)| (i64::from(tag.0), value)).unzip();
    // The number of the values can decide how rows are found.
    let plans = if text == ADD { Plans::Any } else { Plans::PerValue };
    let parameters: Vec<Parameter> =
        vec![Box::new(tags), Box::new(values), Box::new(initial_date), Box::new(number)];
    steps.push(Step::new(text, parameters).planned(plans));
}

/// How the transaction read a server state that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Previous {
    /// It did not read it.
    Unknown,
    /// There was none. The statement fails if there is one now.
    None,
    /// There was one, whose row the transaction has locked.
    Some,
}

/// Adds the statement that sets a server state.
pub(super) fn write_server_state(
    name: &str,
    value: &Secret,
    previous: Previous,
    key: Option<&DataKey>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let (stored, checksum) = encoded::encode_server_state(name, value, key)?;
    let text = match previous {
        Previous::None => "INSERT INTO own (name, version, value, checksum) VALUES ($1, 1, $2, $3)",
        Previous::Some => "UPDATE own SET version = version + 1, value = $2, checksum = $3 WHERE name = $1",
        Previous::Unknown => {
            "INSERT INTO own (name, version, value, checksum) VALUES ($1, 1, $2, $3) ON CONFLICT (name) \
             DO UPDATE SET version = own.version + 1, value = excluded.value, checksum = excluded.checksum"
        }
    };
    let stored = Object(Some(Zeroizing::new(stored.expose().to_vec())));
    let checksum = checksum.bytes().to_vec();
    steps.push(
        Step::new(text, vec![Box::new(name.as_bytes().to_vec()), Box::new(stored), Box::new(checksum)])
            .planned(Plans::Any),
    );
    Ok(())
}

/// Returns the statement that raises the counter to `last`.
pub(super) fn count(last: i64) -> Step {
    Step::new("UPDATE counter SET last_id = $1 WHERE last_id < $1", vec![Box::new(last)]).planned(Plans::Any)
}

//! Objects as rows: reading one by its number, adding and replacing one.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, OnceLock};

use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row as SqlRow, params, params_from_iter};
use zeroize::Zeroizing;

use super::columns::{self, Columns, INITIAL_DATE};
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::ObjectType;
use crate::kmip::{Object, Principal};
use crate::secret::Secret;
use crate::store::{Error, Id, Record};
use crate::ttlv::{self, Field, Reader, STORED, Tag, Value, Writer};

/// The object of that number, and how many stored bytes it takes.
pub(super) fn read(database: &Connection, id: Id) -> Result<Option<(Record, usize)>, Error> {
    let Ok(number) = number(id) else { return Ok(None) };
    let statement = "SELECT owner, credential, object_type, attributes, object FROM object WHERE id = ?1";
    let row = database
        .prepare_cached(statement)
        .and_then(|mut statement| statement.query_row([number], |row| Ok(decode(id, row))).optional());
    match row {
        Ok(None) => Ok(None),
        Ok(Some(decoded)) => decoded.map(Some),
        Err(why) => Err(Error::sqlite("read an object", why)),
    }
}

/// The last number that an object got.
pub(super) fn last_id(database: &Connection) -> Result<u64, Error> {
    let last = database
        .prepare_cached("SELECT last_id FROM counter")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .map_err(|why| Error::sqlite("count an object", why))?;
    Ok(last.unsigned_abs())
}

/// The names of all that the server keeps for itself.
pub(super) fn server_state_names(database: &Connection) -> Result<Vec<String>, Error> {
    let names = database
        .prepare("SELECT name FROM own ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<_>, _>>());
    names.map_err(|why| Error::sqlite("read what the server keeps for itself", why))
}

/// What the server keeps for itself under that name.
pub(super) fn server_state(database: &Connection, name: &str) -> Result<Option<Secret>, Error> {
    let found = database
        .prepare_cached("SELECT value FROM own WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get::<_, Vec<u8>>(0)).optional());
    Ok(found.map_err(|why| Error::sqlite("read what the server keeps for itself", why))?.map(Secret::new))
}

/// Keeps it.
pub(super) fn set_server_state(database: &Connection, name: &str, value: &Secret) -> Result<(), Error> {
    let done = database
        .prepare_cached("INSERT OR REPLACE INTO own (name, value) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute((name, value.expose())));
    done.map(drop).map_err(|why| Error::sqlite("keep something for the server itself", why))
}

/// Adds an object.
pub(super) fn insert(database: &Connection, record: &Record) -> Result<(), Error> {
    Row::of(record)?.insert(database)?;
    count(database, record.id.0)
}

/// Replaces an object.
pub(super) fn update(database: &Connection, record: &Record) -> Result<(), Error> {
    Row::of(record)?.update(database)
}

/// An object as it stands in the database.
pub(super) struct Row {
    id: Id,
    number: i64,
    bytes: Bytes,
    columns: Columns,
}

impl Row {
    /// How `record` stands there.
    pub(super) fn of(record: &Record) -> Result<Self, Error> {
        #[cfg(test)]
        assert_ne!(record.owner.user, super::groups::NO_ROW, "on purpose");
        let number = number(record.id)?;
        let bytes = Bytes::of(record);
        let columns =
            Columns::of(record, &bytes.attributes).map_err(|why| Error::Damaged { id: record.id, why })?;
        Ok(Self { id: record.id, number, bytes, columns })
    }

    /// How many bytes its blobs take.
    pub(super) fn size(&self) -> usize {
        self.bytes.attributes.len() + self.bytes.object.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// Adds it. Its number has to be counted as well.
    pub(super) fn insert(&self, database: &Connection) -> Result<(), Error> {
        let failed = |why: rusqlite::Error| match why.sqlite_error() {
            Some(error) if error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                Error::Taken { id: self.id }
            }
            _ => Error::sqlite("add an object", why),
        };
        let Self { number, bytes, columns, .. } = self;
        execute(database, &INSERT, bytes.values(*number, &columns.scalars)).map_err(failed)?;
        add_values(database, *number, columns.initial_date, columns.values.iter()).map_err(failed)
    }

    /// Writes it in the place of the one of its number. Columns and values that stay as they are are not written,
    /// nor are their indexes.
    pub(super) fn update(&self, database: &Connection) -> Result<(), Error> {
        let failed = |why| Error::sqlite("change an object", why);
        let before = columns_before(database, self)?;
        let Self { number, bytes, columns: after, .. } = self;

        let mut text = String::from("UPDATE object SET attributes = ?2, object = ?3");
        let mut changed = Vec::new();
        for ((name, new), old) in columns::names().zip(&after.scalars).zip(&before.scalars) {
            if new != old {
                changed.push(new);
                text.push_str(&format!(", {name} = ?{}", changed.len() + 3));
            }
        }
        text.push_str(" WHERE id = ?1");
        execute(database, &text, bytes.values(*number, changed)).map_err(failed)?;

        // The date is part of the index's order: with another one, every row of the object moves.
        let none = BTreeSet::new();
        let moved = before.initial_date != after.initial_date;
        let (gone, new) = if moved { (&none, &none) } else { (&after.values, &before.values) };
        remove_values(database, *number, before.initial_date, before.values.difference(gone))
            .map_err(failed)?;
        add_values(database, *number, after.initial_date, after.values.difference(new)).map_err(failed)
    }
}

/// The row of a record, made by whoever wants it first: whoever changed the record outside of the turn to change,
/// or whoever writes it.
pub(super) struct LazyRow {
    record: Arc<Record>,
    row: OnceLock<Result<Row, Error>>,
}

impl LazyRow {
    /// The one of that record.
    pub(super) fn of(record: Arc<Record>) -> Self {
        Self { record, row: OnceLock::new() }
    }

    /// The row; waits where somebody makes it.
    ///
    /// # Errors
    /// Those of [`Row::of`].
    pub(super) fn row(&self) -> Result<&Row, Error> {
        self.row.get_or_init(|| Row::of(&self.record)).as_ref().map_err(Error::clone)
    }
}

/// Writes the counter anew as it is, so that a page is changed for certain.
pub(super) fn rewrite_counter(database: &Connection) -> Result<(), Error> {
    let last = number(Id(last_id(database)?))?;
    let gone = execute(database, "DELETE FROM counter", []);
    gone.and_then(|()| execute(database, "INSERT INTO counter VALUES (1, ?1)", [last]))
        .map_err(|why| Error::sqlite("count an object", why))
}

/// Notes that `last` is a number that an object got.
pub(super) fn count(database: &Connection, last: u64) -> Result<(), Error> {
    let number = number(Id(last))?;
    execute(database, "UPDATE counter SET last_id = ?1 WHERE last_id < ?1", [number])
        .map_err(|why| Error::sqlite("count an object", why))
}

/// What the database holds beside its blobs of the object that `new` is to replace.
fn columns_before(database: &Connection, new: &Row) -> Result<Columns, Error> {
    let Row { id, number, .. } = *new;
    let row = database.prepare_cached(&COLUMNS_BEFORE).and_then(|mut statement| {
        statement
            .query_row([number], |row| {
                let values = columns::indexed(row.get_ref(0)?.as_blob()?);
                let scalars = (0..columns::names().count()).map(|position| row.get(position + 2));
                let scalars: Vec<Sql> = scalars.collect::<rusqlite::Result<_>>()?;
                let initial_date = row.get(1)?;
                Ok(values.map(|values| Columns { scalars, initial_date, values }))
            })
            .optional()
    });
    let row = row.map_err(|why| Error::sqlite("read an object", why))?;
    row.ok_or(Error::Missing { id })?.map_err(|why| Error::Damaged { id, why })
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> = ["id", "attributes", "object"].into_iter().chain(columns::names()).collect();
    format!("INSERT INTO object ({}) VALUES ({})", names.join(", "), vec!["?"; names.len()].join(", "))
});

static COLUMNS_BEFORE: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> = columns::names().collect();
    format!("SELECT attributes, {INITIAL_DATE}, {} FROM object WHERE id = ?1", names.join(", "))
});

fn add_values<'a>(
    database: &Connection,
    id: i64,
    initial_date: i64,
    values: impl Iterator<Item = &'a (Tag, Vec<u8>)>,
) -> rusqlite::Result<()> {
    let statement = "INSERT INTO attribute_value (tag, value, initial_date, id) VALUES (?1, ?2, ?3, ?4)";
    values
        .into_iter()
        .try_for_each(|(tag, value)| execute(database, statement, params![tag.0, value, initial_date, id]))
}

fn remove_values<'a>(
    database: &Connection,
    id: i64,
    initial_date: i64,
    values: impl Iterator<Item = &'a (Tag, Vec<u8>)>,
) -> rusqlite::Result<()> {
    let statement =
        "DELETE FROM attribute_value WHERE tag = ?1 AND value = ?2 AND initial_date = ?3 AND id = ?4";
    values
        .into_iter()
        .try_for_each(|(tag, value)| execute(database, statement, params![tag.0, value, initial_date, id]))
}

fn execute(database: &Connection, statement: &str, values: impl Params) -> rusqlite::Result<()> {
    database.prepare_cached(statement)?.execute(values).map(drop)
}

/// The number as SQLite has numbers. Those that it has not were never given.
pub(super) fn number(id: Id) -> Result<i64, Error> {
    i64::try_from(id.0).map_err(|_| Error::Missing { id })
}

/// What a record's blobs hold, wiped when it is dropped.
struct Bytes {
    attributes: Vec<u8>,
    object: Option<Zeroizing<Vec<u8>>>,
}

impl Bytes {
    fn of(record: &Record) -> Self {
        let object = record
            .object
            .as_ref()
            .map(|object| Writer::wiped(STORED, |writer| object.write(Tag::default(), writer)));
        Self { attributes: Self::attributes(record), object }
    }

    fn attributes(record: &Record) -> Vec<u8> {
        let mut writer = Writer::new(STORED);
        record.attributes.encode(Tag::Attributes, &mut writer);
        writer.into_bytes()
    }

    /// What a statement is given: the number, the two blobs, and then the columns.
    fn values<'a>(&'a self, id: i64, scalars: impl IntoIterator<Item = &'a Sql>) -> impl Params {
        let object = self.object.as_ref().map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes));
        let blobs = [ValueRef::Blob(&self.attributes), object].map(ToSqlOutput::Borrowed);
        let scalars = scalars.into_iter().map(ToSqlOutput::from);
        params_from_iter([ToSqlOutput::from(id)].into_iter().chain(blobs).chain(scalars))
    }
}

/// A row of owner, credential, type, attributes and object.
fn decode(id: Id, row: &SqlRow<'_>) -> Result<(Record, usize), Error> {
    let failed = |why| Error::sqlite("read an object", why);
    let damaged = |why| Error::Damaged { id, why };
    let blob = |position| row.get_ref(position).and_then(|value| Ok(value.as_blob_or_null()?));
    let kind: u32 = row.get(2).map_err(failed)?;
    let unknown = ttlv::Error::UnknownValue { tag: Tag::ObjectType, value: kind };
    let attributes = blob(3).map_err(failed)?.unwrap_or_default();
    let object = blob(4).map_err(failed)?;
    let bytes = attributes.len() + object.map_or(0, <[u8]>::len);
    let record = Record {
        id,
        owner: Principal { user: row.get(0).map_err(failed)?, credential: row.get(1).map_err(failed)? },
        object_type: ObjectType::from_wire(kind).ok_or(damaged(unknown))?,
        attributes: whole::<Attributes>(Tag::Attributes, attributes).map_err(damaged)?,
        object: object.map(|bytes| whole::<Object>(Tag::default(), bytes)).transpose().map_err(damaged)?,
    };
    Ok((record, bytes))
}

/// Reads all of `bytes` as one `T`.
fn whole<T: Field>(tag: Tag, bytes: &[u8]) -> Result<T, ttlv::Error> {
    let mut reader = Reader::new(bytes, STORED);
    let value = T::read(tag, &mut reader)?;
    reader.finish()?;
    Ok(value)
}

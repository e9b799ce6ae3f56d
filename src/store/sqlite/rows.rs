//! Rows of the database: how a record and the server state are read and written.
//!
//! In a sealed database, the functions take the data key and seal or open the bytes of a row.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, OnceLock};

use crate::secret::Secret;
use crate::store::columns::{self, Columns, INITIAL_DATE, IndexChange, IndexValue};
use crate::store::encoded::{self, Encoded, StoredRow, number};
use crate::store::sealing::DataKey;
use crate::store::{Error, Id, Record};
use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Params, Row as SqlRow, params, params_from_iter};

/// The length in bytes from which an object is written into its row in place. SQLite copies a parameter twice before it
/// writes it to pages.
const IN_PLACE: usize = 64 * 1024;

/// Returns the object with this number and the number of its stored bytes, or `None`.
pub(super) fn read(
    database: &Connection,
    id: Id,
    key: Option<&DataKey>,
) -> Result<Option<(Record, usize)>, Error> {
    let Ok(number) = number(id) else { return Ok(None) };
    let statement =
        "SELECT owner, credential, object_type, attributes, object, checksum FROM object WHERE id = ?1";
    let row = database
        .prepare_cached(statement)
        .and_then(|mut statement| statement.query_row([number], |row| Ok(decode(id, row, key))).optional());
    match row {
        Ok(None) => Ok(None),
        Ok(Some(decoded)) => decoded.map(Some),
        Err(why) => Err(Error::sqlite("read an object", why)),
    }
}

/// Returns the highest number that an object got.
pub(super) fn last_id(database: &Connection) -> Result<u64, Error> {
    let last = database
        .prepare_cached("SELECT last_id FROM counter")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .map_err(|why| Error::sqlite("read the counter", why))?;
    Ok(last.unsigned_abs())
}

/// Returns the names of the server state.
pub(super) fn server_state_names(database: &Connection) -> Result<Vec<String>, Error> {
    let names = database
        .prepare("SELECT name FROM own ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<_>, _>>());
    names.map_err(|why| Error::sqlite("read the names of the server state", why))
}

/// Returns the server state with this name, or `None`.
pub(super) fn server_state(
    database: &Connection,
    name: &str,
    key: Option<&DataKey>,
) -> Result<Option<Secret>, Error> {
    let found = database.prepare_cached("SELECT value, checksum FROM own WHERE name = ?1").and_then(
        |mut statement| {
            let read = |row: &SqlRow<'_>| {
                let value = Secret::new(row.get(0)?);
                Ok(encoded::decode_server_state(name, value, row.get_ref(1)?.as_blob_or_null()?, key))
            };
            statement.query_row([name], read).optional()
        },
    );
    found.map_err(|why| Error::sqlite("read the server state", why))?.transpose()
}

/// Returns the server state with this name in a database that was not migrated yet, as it is stored, or `None`.
pub(super) fn server_state_before_migration(
    database: &Connection,
    name: &str,
) -> rusqlite::Result<Option<Secret>> {
    let exists = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'own'";
    if !database.query_row(exists, [], |row| row.get(0))? {
        return Ok(None);
    }
    let value = database.query_row("SELECT value FROM own WHERE name = ?1", [name], |row| row.get(0));
    Ok(value.optional()?.map(Secret::new))
}

/// Sets the server state with this name.
pub(super) fn set_server_state(
    database: &Connection,
    name: &str,
    value: &Secret,
    key: Option<&DataKey>,
) -> Result<(), Error> {
    let (stored, checksum) = encoded::encode_server_state(name, value, key)?;
    let done = database
        .prepare_cached("INSERT OR REPLACE INTO own (name, value, checksum) VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute((name, stored.expose(), checksum.bytes())));
    done.map(drop).map_err(|why| Error::sqlite("write the server state", why))
}

/// Inserts an object.
pub(super) fn insert(database: &Connection, record: &Record, key: Option<&DataKey>) -> Result<(), Error> {
    Row::of(record, key)?.insert(database)?;
    count(database, record.id.0)
}

/// Replaces an object.
pub(super) fn update(database: &Connection, record: &Record, key: Option<&DataKey>) -> Result<(), Error> {
    Row::of(record, key)?.update(database)
}

/// The database form of a record.
pub(super) struct Row {
    encoded: Encoded,
    /// The indexed values, as soon as they are needed.
    values: OnceLock<BTreeSet<IndexValue>>,
}

impl Row {
    /// Encodes `record`.
    pub(super) fn of(record: &Record, key: Option<&DataKey>) -> Result<Self, Error> {
        #[cfg(test)]
        assert_ne!(record.owner.user, super::groups::NO_ROW, "on purpose");
        Ok(Self { encoded: Encoded::of(record, key)?, values: OnceLock::new() })
    }

    /// Returns the number of bytes in its blobs.
    pub(super) fn size(&self) -> usize {
        self.encoded.size()
    }

    /// Returns the indexed values, which an insert needs. Another thread than the commit leader should be the first to
    /// call it.
    pub(super) fn indexed_values(&self) -> &BTreeSet<IndexValue> {
        // The bytes can be read, because the columns were read from them.
        self.values.get_or_init(|| columns::indexed(&self.encoded.attributes).unwrap_or_default())
    }

    /// Inserts the row. The caller also updates the counter.
    pub(super) fn insert(&self, database: &Connection) -> Result<(), Error> {
        let failed = |why: rusqlite::Error| match why.sqlite_error() {
            Some(error) if error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                Error::Taken { id: self.encoded.id }
            }
            _ => Error::sqlite("insert an object", why),
        };
        let Encoded { number, columns, .. } = &self.encoded;
        execute(database, &INSERT, self.parameters(&columns.scalars)).map_err(failed)?;
        self.write_in_place(database).map_err(failed)?;
        add_values(database, *number, columns.initial_date, self.indexed_values().iter()).map_err(failed)
    }

    /// Replaces the row with the same number. Unchanged columns, index values and their indexes are not written.
    pub(super) fn update(&self, database: &Connection) -> Result<(), Error> {
        let failed = |why| Error::sqlite("update an object", why);
        let (before, change) = change_of(database, self)?;
        let Encoded { number, columns: after, .. } = &self.encoded;

        let mut text = String::from("UPDATE object SET attributes = ?2, object = ?3, checksum = ?4");
        let mut changed = Vec::new();
        for ((name, new), old) in columns::names().zip(&after.scalars).zip(&before.scalars) {
            if new != old {
                changed.push(new);
                text.push_str(&format!(", {name} = ?{}", changed.len() + 4));
            }
        }
        text.push_str(" WHERE id = ?1");
        execute(database, &text, self.parameters(changed)).map_err(failed)?;
        self.write_in_place(database).map_err(failed)?;

        // The date is a part of the index key: if it changes, every index row of the object moves.
        remove_values(database, *number, before.initial_date, change.removed.iter()).map_err(failed)?;
        add_values(database, *number, after.initial_date, change.added.iter()).map_err(failed)
    }

    /// Returns the parameters of a statement: the number, the two blobs, the checksum, the columns. Blobs that
    /// [`Self::write_in_place`] writes are zeros.
    fn parameters<'a>(&'a self, scalars: impl IntoIterator<Item = &'a Sql>) -> impl Params {
        let Encoded { number, attributes, object, checksum, .. } = &self.encoded;
        let large = self.in_place();
        let blob = |bytes| match large {
            Some(_) => zeros(bytes),
            None => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        };
        let attributes = ToSqlOutput::Borrowed(ValueRef::Blob(attributes));
        let object = object.as_ref().map_or(ToSqlOutput::Borrowed(ValueRef::Null), |bytes| blob(bytes));
        let blobs = [ToSqlOutput::from(*number), attributes, object, blob(checksum.bytes())];
        params_from_iter(blobs.into_iter().chain(scalars.into_iter().map(ToSqlOutput::from)))
    }

    /// Returns the object if it is written in place.
    fn in_place(&self) -> Option<&[u8]> {
        self.encoded.object.as_ref().map(|bytes| bytes.as_slice()).filter(|bytes| bytes.len() >= IN_PLACE)
    }

    /// Writes a large object, and the checksum behind it, into the zeros of the row. SQLite does not allocate memory for
    /// zeros at the end of a row; `credential` is NULL there, or costs two copies of the object.
    fn write_in_place(&self, database: &Connection) -> rusqlite::Result<()> {
        use rusqlite::Error::ToSqlConversionFailure as Failure;
        let Some(object) = self.in_place() else { return Ok(()) };
        for (column, bytes) in [("object", object), ("checksum", self.encoded.checksum.bytes())] {
            let mut blob = database.blob_open(MAIN_DB, "object", column, self.encoded.number, false)?;
            // The error of SQLite, whose code decides on the message, is inside of that of `Write`.
            let failed = |why: io::Error| why.downcast().unwrap_or_else(|why| Failure(why.into()));
            blob.write_all(bytes).map_err(failed)?;
            blob.close()?;
        }
        Ok(())
    }
}

/// Returns as many zeros as there are bytes.
fn zeros(bytes: &[u8]) -> ToSqlOutput<'static> {
    // SQLite refuses a blob of 1 GB, so a longer one fails as one of the maximum length does.
    ToSqlOutput::ZeroBlob(i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

/// The row of a record, encoded on first use: by the thread that changed the record, after it has released the
/// transaction lock, or by the commit leader.
pub(super) struct LazyRow {
    record: Arc<Record>,
    row: OnceLock<Result<Row, Error>>,
}

impl LazyRow {
    /// Returns the row of `record`.
    pub(super) fn of(record: Arc<Record>) -> Self {
        Self { record, row: OnceLock::new() }
    }

    /// Returns the row; waits if another thread encodes it.
    ///
    /// This is the panic boundary of the encoding: every thread that needs the row gets an error.
    ///
    /// # Errors
    /// Returns the error of [`Row::of`], and [`Error::GroupLost`] if it panics.
    pub(super) fn row(&self, key: Option<&DataKey>) -> Result<&Row, Error> {
        let encode = || catch_unwind(AssertUnwindSafe(|| Row::of(&self.record, key)));
        let row = self.row.get_or_init(|| encode().unwrap_or(Err(Error::GroupLost)));
        row.as_ref().map_err(Error::clone)
    }
}

/// Writes the counter again with the same value, which changes a page.
pub(super) fn rewrite_counter(database: &Connection) -> Result<(), Error> {
    let last = number(Id(last_id(database)?))?;
    let gone = execute(database, "DELETE FROM counter", []);
    gone.and_then(|()| execute(database, "INSERT INTO counter VALUES (1, ?1)", [last]))
        .map_err(|why| Error::sqlite("write the counter", why))
}

/// Raises the counter to `last`.
pub(super) fn count(database: &Connection, last: u64) -> Result<(), Error> {
    let number = number(Id(last))?;
    execute(database, "UPDATE counter SET last_id = ?1 WHERE last_id < ?1", [number])
        .map_err(|why| Error::sqlite("write the counter", why))
}

/// Reads the columns of the object that `new` replaces, and returns the change of its indexed values.
fn change_of(database: &Connection, new: &Row) -> Result<(Columns, IndexChange), Error> {
    let (id, number) = (new.encoded.id, new.encoded.number);
    let row = database.prepare_cached(&COLUMNS_BEFORE).and_then(|mut statement| {
        statement
            .query_row([number], |row| {
                let attributes = row.get_ref(0)?.as_blob()?;
                let scalars = (0..columns::names().count()).map(|position| row.get(position + 2));
                let scalars: Vec<Sql> = scalars.collect::<rusqlite::Result<_>>()?;
                let initial_date = row.get(1)?;
                let change = if initial_date == new.encoded.columns.initial_date {
                    IndexChange::between(attributes, &new.encoded.attributes)
                } else {
                    let added = new.indexed_values().clone();
                    columns::indexed(attributes).map(|removed| IndexChange { removed, added })
                };
                Ok(change.map(|change| (Columns { scalars, initial_date }, change)))
            })
            .optional()
    });
    let row = row.map_err(|why| Error::sqlite("read an object", why))?;
    row.ok_or(Error::Missing { id })?.map_err(|why| Error::Damaged { id, why })
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> =
        ["id", "attributes", "object", "checksum"].into_iter().chain(columns::names()).collect();
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
    values: impl Iterator<Item = &'a IndexValue>,
) -> rusqlite::Result<()> {
    let statement = "INSERT INTO attribute_value (tag, value, initial_date, id) VALUES (?1, ?2, ?3, ?4)";
    execute_each(database, statement, id, initial_date, values)
}

fn remove_values<'a>(
    database: &Connection,
    id: i64,
    initial_date: i64,
    values: impl Iterator<Item = &'a IndexValue>,
) -> rusqlite::Result<()> {
    let statement =
        "DELETE FROM attribute_value WHERE tag = ?1 AND value = ?2 AND initial_date = ?3 AND id = ?4";
    execute_each(database, statement, id, initial_date, values)
}

/// Executes a statement for each index value of an object.
fn execute_each<'a>(
    database: &Connection,
    statement: &str,
    id: i64,
    initial_date: i64,
    values: impl Iterator<Item = &'a IndexValue>,
) -> rusqlite::Result<()> {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut statement = database.prepare_cached(statement)?;
    values.try_for_each(|(tag, value)| statement.execute(params![tag.0, value, initial_date, id]).map(drop))
}

fn execute(database: &Connection, statement: &str, values: impl Params) -> rusqlite::Result<()> {
    database.prepare_cached(statement)?.execute(values).map(drop)
}

/// Whether the index contains this tag, value, date and number.
pub(super) fn has_indexed_value(database: &Connection, key: impl Params) -> rusqlite::Result<bool> {
    let statement =
        "SELECT 1 FROM attribute_value WHERE tag = ?1 AND value = ?2 AND initial_date = ?3 AND id = ?4";
    database.prepare_cached(statement)?.exists(key)
}

/// Verifies and decodes a row with the columns owner, credential, type, attributes, object and checksum. Also returns the
/// number of its stored bytes.
fn decode(id: Id, row: &SqlRow<'_>, key: Option<&DataKey>) -> Result<(Record, usize), Error> {
    let failed = |why| Error::sqlite("read an object", why);
    let blob =
        |position| row.get_ref(position).and_then(|value| Ok(value.as_blob_or_null()?)).map_err(failed);
    let stored = StoredRow {
        owner: row.get_ref(0).and_then(|value| Ok(value.as_str()?)).map_err(failed)?,
        credential: row.get_ref(1).and_then(|value| Ok(value.as_str_or_null()?)).map_err(failed)?,
        object_type: row.get(2).map_err(failed)?,
        attributes: blob(3)?.unwrap_or_default(),
        object: blob(4)?,
        checksum: blob(5)?,
    };
    Ok((stored.decode(id, key)?, stored.size()))
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::IN_PLACE;
    use crate::kmip::enums::OpaqueDataType;
    use crate::kmip::{Object, OpaqueObject, Principal};
    use crate::secret::Secret;
    use crate::store::testing::{self, Folder, add, change, key};
    use crate::store::{Record, Store};

    /// An object of so many bytes, of an owner with or without a credential.
    fn long(length: usize, credential: Option<&str>) -> Record {
        let value = (0..length).map(|position| u8::try_from(position % 251).unwrap()).collect();
        let object = Object::OpaqueObject(OpaqueObject {
            opaque_data_type: OpaqueDataType(0),
            opaque_data_value: Secret::new(value),
        });
        let owner = Principal { user: "john".to_owned(), credential: credential.map(str::to_owned) };
        Record { object_type: object.object_type(), object: Some(object), owner, ..key("long") }
    }

    #[test]
    fn objects_around_the_length_from_which_they_are_written_in_place_are_inserted_and_replaced() {
        let folder = Folder::new();
        for store in [Sqlite::open(&folder.path("plain")).unwrap(), testing::sealed(&folder)] {
            for length in [IN_PLACE - 100, IN_PLACE - 8, IN_PLACE, IN_PLACE + 1, 20 * IN_PLACE] {
                for credential in [None, Some("password")] {
                    let mut record = add(&store, long(length, credential));
                    assert_eq!(*store.read(record.id).unwrap().unwrap(), record);
                    // The attributes and the columns, then the object: longer, short, and none.
                    record.attributes.object_group = vec!["group".to_owned()];
                    let objects =
                        [length, 3 * length, 10].map(|length| long(length, None).object).into_iter();
                    for object in objects.chain([None, long(length, None).object]) {
                        record.object = object;
                        change(&store, |change| change.update(record.clone()).unwrap());
                        assert_eq!(*store.read(record.id).unwrap().unwrap(), record);
                    }
                }
            }
        }
    }
}

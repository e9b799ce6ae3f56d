//! `--check-database` with a URL: verifies every record in one snapshot, while servers may use the database, and changes nothing.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value as Sql;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::Step;
use super::dump::Dump;
use super::entries;
use super::{rows, schema};
use crate::store::columns::{self, Columns};
use crate::store::fault::{Fault, text};
use crate::store::sealing::KeyEncryptionKey;
use crate::store::transfer::Source;
use crate::store::{Error, Id, encoded};

/// The number of the columns that [`rows::decode`] reads. The number of the object and the columns for Locate follow.
const DECODED: usize = 7;

/// The values of an object that the index contains.
const INDEXED: &str = "SELECT count(*) FROM unnest($1::bigint[], $2::bytea[]) AS wanted(tag, value) \
    JOIN attribute_value AS v ON v.tag = wanted.tag AND v.value = wanted.value AND v.initial_date = $3 AND v.id = $4";

/// Verifies every record of the database at `url`: its checksum, its encoding, the columns and the index for Locate; and
/// the checksums of the server state and of all entries. `key` is not used if the objects are not sealed. Passes each fault to
/// `report`, and returns the number of objects.
///
/// # Errors
/// Returns an error if the database is not one of this server, is sealed with another key, or cannot be read at all.
pub(in crate::store) fn check(
    url: &Path,
    key: Option<&KeyEncryptionKey>,
    patience: Duration,
    report: &mut dyn FnMut(&Fault),
) -> Result<u64, Error> {
    let dump = Dump::open(url, key, patience)?;
    let names = columns::names().collect::<Vec<_>>().join(", ");
    let next = format!(
        "SELECT owner, credential, object_type, attributes, object, checksum, version, id, {names} FROM object \
         WHERE id > $1 ORDER BY id LIMIT 1"
    );
    let (mut last, mut objects, mut values, mut is_intact) = (Id(0), 0, 0, true);
    let mut fault = |fault: &Fault| {
        is_intact = false;
        report(fault);
    };
    loop {
        let after = encoded::number(last)?;
        let found = dump.rows("read an object", &Step::new(next.as_str(), vec![Box::new(after)]))?;
        let Some(row) = found.first() else { break };
        last = Id(rows::get::<i64>(row, DECODED)?.unsigned_abs());
        objects += 1;
        match object(&dump, last, row) {
            Ok(count) => values += count,
            Err(why) => fault(&Fault::Object(last, why)),
        }
    }
    let counter = dump.last_id()?;
    if counter < last.0 {
        fault(&Fault::Database(format!("its counter is {counter}, below the object {last}")));
    }
    for name in dump.server_state_names()? {
        if let Err(why) = dump.server_state(&name) {
            fault(&Fault::ServerState(name, text(&why)));
        }
    }
    entries(&dump, &mut fault)?;
    let indexed = dump.count("attribute_value")?;
    // The values of a damaged object are unknown.
    if is_intact && indexed != values {
        let why = format!("the index has {indexed} values instead of the {values} of all objects");
        report(&Fault::Database(why));
    }
    Ok(objects)
}

/// Verifies the tickets, positions in groups and asynchronous operations.
fn entries(dump: &Dump, fault: &mut dyn FnMut(&Fault)) -> Result<(), Error> {
    let (mut kind, mut key) = (i64::MIN, Vec::new());
    if dump.version()? < schema::WITH_ENTRIES {
        return Ok(());
    }
    loop {
        let next = Step::new(entries::NEXT, vec![Box::new(kind), Box::new(key)]);
        let found = dump.rows("read an entry", &next)?;
        let Some(row) = found.first() else { return Ok(()) };
        (kind, key) = (rows::get(row, 0)?, rows::get(row, 1)?);
        if let (name, Err(why)) = entries::verify(kind, &key, row, dump.key()) {
            fault(&Fault::Entry(name, text(&why)));
        }
    }
}

/// Verifies one object. Returns the number of its indexed values.
fn object(dump: &Dump, id: Id, row: &Row) -> Result<u64, String> {
    let text = |error: Error| text(&error);
    let damaged = |why| text(Error::Damaged { id, why });
    let record = rows::decode(id, row, dump.key()).map_err(text)?;
    let attributes: &[u8] = rows::get(row, 3).map_err(text)?;
    let expected = Columns::of(&record, attributes).map_err(damaged)?;
    for (position, (name, value)) in columns::names().zip(&expected.scalars).enumerate() {
        if !equals(row, DECODED + 1 + position, value).map_err(text)? {
            return Err(format!("its column {name} differs from the record"));
        }
    }
    let values = columns::indexed(attributes).map_err(damaged)?;
    let count = values.len() as u64;
    if count > 0 {
        let (tags, values): (Vec<i64>, Vec<_>) =
            values.into_iter().map(|(tag, value)| (i64::from(tag.0), value)).unzip();
        let number = encoded::number(id).map_err(text)?;
        let step = Step::new(
            INDEXED,
            vec![Box::new(tags), Box::new(values), Box::new(expected.initial_date), Box::new(number)],
        );
        let found = dump.rows("read the index", &step).map_err(text)?;
        let found: Option<i64> = found.first().map(|row| rows::get(row, 0)).transpose().map_err(text)?;
        if found.map(i64::unsigned_abs) != Some(count) {
            return Err("the index lacks one of its values".to_owned());
        }
    }
    Ok(count)
}

/// Whether a column has the expected value.
fn equals(row: &Row, position: usize, expected: &Sql) -> Result<bool, Error> {
    let kind = row.columns().get(position).map(|column| column.type_().clone());
    Ok(match (kind, expected) {
        (Some(Type::INT4), Sql::Integer(number)) => {
            rows::get::<Option<i32>>(row, position)?.map(i64::from) == Some(*number)
        }
        (Some(Type::INT8), Sql::Integer(number)) => rows::get::<Option<i64>>(row, position)? == Some(*number),
        (Some(Type::INT8), Sql::Null) => rows::get::<Option<i64>>(row, position)?.is_none(),
        (Some(Type::BYTEA), Sql::Text(text)) => {
            rows::get::<Option<&[u8]>>(row, position)? == Some(text.as_bytes())
        }
        (Some(Type::BYTEA), Sql::Null) => rows::get::<Option<&[u8]>>(row, position)?.is_none(),
        _ => false,
    })
}

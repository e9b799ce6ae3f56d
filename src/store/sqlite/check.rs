//! `--check-database`: verifies every record of a database, while a server may use it, and changes nothing.

use std::path::Path;

use rusqlite::{Connection, params};

use super::dump::Dump;
use super::rows;
use crate::store::columns::{self, Columns};
use crate::store::fault::{Fault, text};
use crate::store::sealing::KeyEncryptionKey;
use crate::store::{Error, Id, encoded};

/// Verifies every record of the database at `path`: its checksum, its encoding, the columns and the index for Locate; and
/// SQLite's structures. `key` is not used if the objects are not sealed. Passes each fault to `report`, and returns the
/// number of objects.
///
/// # Errors
/// Returns an error if the file is not a database of this server, is sealed with another key, or cannot be read at all.
pub fn check(
    path: &Path,
    key: Option<&KeyEncryptionKey>,
    report: &mut dyn FnMut(&Fault),
) -> Result<u64, Error> {
    let dump = Dump::open(path, key)?;
    let database = dump.database();
    let mut check = Check { database, dump: &dump, report, is_intact: true };
    check.structures()?;
    let (mut last, mut objects, mut values) = (Id(0), 0, 0);
    while let Some(id) = dump.next_id(last)? {
        (last, objects) = (id, objects + 1);
        match check.object(id) {
            Ok(count) => values += count,
            Err(why) => check.fault(&Fault::Object(id, why)),
        }
    }
    check.rest(last, values)?;
    Ok(objects)
}

struct Check<'a> {
    database: &'a Connection,
    dump: &'a Dump,
    report: &'a mut dyn FnMut(&Fault),
    /// Whether no fault was found.
    is_intact: bool,
}

impl Check<'_> {
    fn fault(&mut self, fault: &Fault) {
        self.is_intact = false;
        (self.report)(fault);
    }

    /// Verifies the pages and indexes of the file.
    fn structures(&mut self) -> Result<(), Error> {
        let failed = |why| Error::sqlite("check the structures of the database", why);
        let mut statement = self.database.prepare("PRAGMA integrity_check").map_err(failed)?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        for line in lines {
            let line = line.map_err(failed)?;
            if line != "ok" {
                self.fault(&Fault::Database(line));
            }
        }
        Ok(())
    }

    /// Verifies one object. Returns the number of its indexed values.
    fn object(&self, id: Id) -> Result<u64, String> {
        let text = |error: Error| text(&error);
        let missing = || Error::Missing { id }.to_string();
        let (record, _) =
            rows::read(self.database, id, self.dump.key()).map_err(text)?.ok_or_else(missing)?;
        let failed = |why| text(Error::sqlite("read an object", why));
        let names = columns::names().collect::<Vec<_>>().join(", ");
        let number = encoded::number(id).map_err(text)?;
        let mut statement = self
            .database
            .prepare_cached(&format!("SELECT attributes, {names} FROM object WHERE id = ?1"))
            .map_err(failed)?;
        let mut found = statement.query([number]).map_err(failed)?;
        let row = found.next().map_err(failed)?.ok_or_else(missing)?;
        let attributes: Vec<u8> = row.get(0).map_err(failed)?;
        let expected = Columns::of(&record, &attributes).map_err(|why| text(Error::Damaged { id, why }))?;
        for (position, (name, value)) in columns::names().zip(&expected.scalars).enumerate() {
            let stored: rusqlite::types::Value = row.get(position + 1).map_err(failed)?;
            if stored != *value {
                return Err(format!("its column {name} differs from the record"));
            }
        }
        let values = columns::indexed(&attributes).map_err(|why| text(Error::Damaged { id, why }))?;
        for (tag, value) in &values {
            let key = params![tag.0, value, expected.initial_date, number];
            if !rows::has_indexed_value(self.database, key).map_err(failed)? {
                return Err("the index lacks one of its values".to_owned());
            }
        }
        Ok(values.len() as u64)
    }

    /// Verifies what is not part of an object. `last` is the highest number of an object, and `values` the number of
    /// indexed values of all objects.
    fn rest(&mut self, last: Id, values: u64) -> Result<(), Error> {
        let failed = |why| Error::sqlite("count the indexed values", why);
        let count = "SELECT count(*) FROM attribute_value";
        let indexed: i64 = self.database.query_row(count, [], |row| row.get(0)).map_err(failed)?;
        // The values of a damaged object are unknown.
        if self.is_intact && indexed.unsigned_abs() != values {
            self.fault(&Fault::Database(format!(
                "the index has {indexed} values instead of the {values} of all objects"
            )));
        }
        let counter = self.dump.last_id()?;
        if counter < last.0 {
            self.fault(&Fault::Database(format!("its counter is {counter}, below the object {last}")));
        }
        for name in self.dump.server_state_names()? {
            if let Err(why) = self.dump.server_state(&name) {
                self.fault(&Fault::ServerState(name, text(&why)));
            }
        }
        Ok(())
    }
}

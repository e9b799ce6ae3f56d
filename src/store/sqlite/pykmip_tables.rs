//! The tables of PyKMIP's server in an imported database: the bytes of destroyed objects are erased there too.

use rusqlite::Connection;

use crate::store::{Error, Id, encoded};

/// The operation that an error of [`erase`] and [`erase_destroyed`] names.
const ERASE: &str = "erase an object in PyKMIP's tables";

/// Whether the database was imported and still contains the tables of PyKMIP's server.
pub(super) fn exist(database: &Connection) -> Result<bool, Error> {
    database
        .table_exists(None, "managed_objects")
        .map_err(|why| Error::sqlite("look for PyKMIP's tables", why))
}

/// Erases the bytes of an object in PyKMIP's tables.
pub(super) fn erase(database: &Connection, id: Id) -> Result<(), Error> {
    let number = encoded::number(id)?;
    database
        .prepare_cached("UPDATE managed_objects SET value = x'' WHERE uid = ?1")
        .and_then(|mut statement| statement.execute([number]))
        .map(drop)
        .map_err(|why| Error::sqlite(ERASE, why))
}

/// Erases the bytes of all destroyed objects in PyKMIP's tables, which older versions did not change.
pub(super) fn erase_destroyed(database: &Connection) -> Result<(), Error> {
    let erase = "UPDATE managed_objects SET value = x'' WHERE length(value) > 0 \
                 AND EXISTS (SELECT 1 FROM object WHERE id = managed_objects.uid AND object IS NULL)";
    database.execute(erase, []).map(drop).map_err(|why| Error::sqlite(ERASE, why))
}

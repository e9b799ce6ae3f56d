//! A database file of PyKMIP's server as the source of an import into another database. The file does not change.

use std::path::Path;

use rusqlite::OpenFlags;

use super::pykmip_import::{Complete, examine, unreadable};
use super::{file, schema};
use crate::store::{Error, Id, Obstacle, Record};

/// Whether the SQLite database at `path` is one of PyKMIP's server, and not one of this server.
///
/// # Errors
/// Returns an error if the file is a database of another program, or cannot be read.
pub fn is_pykmip(path: &Path) -> Result<bool, Error> {
    match file::refuse_if_foreign(path, schema::STEPS) {
        Err(Error::PykmipDatabase { .. }) => Ok(true),
        other => other.map(|()| false),
    }
}

/// The result of [`take_over`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The number of objects.
    pub objects: u64,
    /// The highest number that PyKMIP assigned.
    pub last_id: Id,
}

/// Passes every object of the database at `path`, which was recognized as PyKMIP's, to `take`, in the order of numbers. All
/// objects are read and completed once before the first call. The file does not change.
///
/// # Errors
/// Returns [`Error::TakeOver`] if the database or an object is not valid, and the errors of `take`.
pub fn take_over<E: From<Error>>(
    path: &Path,
    complete: Complete<'_>,
    mut take: impl FnMut(Record) -> Result<(), E>,
) -> Result<TakenOver, E> {
    let stopped = |(object, why)| Error::TakeOver { path: path.to_owned(), object, why };
    let failed = |why| stopped((None, unreadable(why)));
    let database = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "").map_err(failed)?;
    database.pragma_update(None, "temp_store", "FILE").map_err(failed)?;
    let snapshot = database.unchecked_transaction().map_err(failed)?;
    let (source, objects) = examine(&snapshot, complete).map_err(stopped)?;
    let (mut refused, mut last_id) = (None, Id(0));
    let read = source.for_each(&snapshot, |found| {
        let record = complete(found).map_err(Obstacle::Refused)?;
        last_id = record.id;
        take(record).map_err(|error| {
            refused = Some(error);
            Obstacle::Stopped
        })
    });
    match (refused, read) {
        (Some(error), _) => return Err(error),
        (None, read) => read.map_err(stopped)?,
    };
    let counted = source.last_number(&snapshot).map_err(failed)?;
    Ok(TakenOver { objects, last_id: last_id.max(Id(counted.unsigned_abs())) })
}

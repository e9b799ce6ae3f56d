//! Export and import of a store as lines of JSON, for backups and for moves to another machine. docs/backup.md
//! specifies the format.
//!
//! `line` defines the content of a line; `file` defines the file: checks that detect damage, and the sealing of lines.

mod error;
mod file;
mod line;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use error::{Error, LineError};

use crate::secret::Secret;
use crate::store::{self, Complete, Id, KeyEncryptionKey, Record, TakenOver};
use file::{ExportReader, ExportWriter};
use line::{Entry, Totals};

/// The format version. The server reads no other version; a change of the lines is a new version.
pub const VERSION: u64 = 1;

/// The maximum length of a line in bytes. An object of 16 MiB, the default maximum of a request, makes a line of 32 MiB,
/// or 43 MiB sealed. A limit of ten times as much suits servers with a higher maximum, and bounds the memory that a
/// damaged file costs.
pub const MAX_LINE: u64 = 512 << 20;

/// The store to export or to import to, as the settings name it.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// `database_path`.
    pub path: &'a Path,
    /// `key_encryption_key_path`.
    pub key: Option<&'a Path>,
    /// Whether the export or import shall end; it then undoes what it did.
    pub interrupted: Option<&'a AtomicBool>,
}

impl Database<'_> {
    fn key(&self) -> Result<Option<KeyEncryptionKey>, store::Error> {
        self.key.map(KeyEncryptionKey::read).transpose()
    }

    fn check_interrupted(&self) -> Result<(), Error> {
        let is_interrupted = self.interrupted.is_some_and(|interrupted| interrupted.load(Ordering::Relaxed));
        if is_interrupted { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// The result of an export or import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of objects.
    pub objects: u64,
    /// The highest number that an object of the exported store got.
    pub last_id: u64,
    /// The names of server state that the store already had with another value. The import did not change it.
    pub left: Vec<String>,
}

/// Exports a snapshot of `database` to a new file at `path`, which only its owner may read. The export is sealed if
/// `seal` names a key file. The file gets its name when it is complete and flushed.
///
/// # Errors
/// Returns an error if the export fails. It leaves no file then.
pub fn export(database: Database<'_>, path: &Path, seal: Option<&Path>) -> Result<Summary, Error> {
    let seal = file::key(seal)?;
    let key = database.key()?;
    let mut writer = ExportWriter::create(path, seal.as_ref())?;
    let dump = store::source(database.path, key.as_ref())?;
    let mut totals = Totals { last_id: dump.last_id()?, ..Totals::default() };
    let mut last = Id(0);
    while let Some(record) = dump.next(last)? {
        database.check_interrupted()?;
        last = record.id;
        writer.write(Entry::Object(Box::new(record)))?;
        totals.objects += 1;
    }
    for name in dump.server_state_names()? {
        let Some(value) = dump.server_state(&name)? else { continue };
        writer.write(Entry::Own { name, value })?;
        totals.server_state += 1;
    }
    writer.write(Entry::End(totals))?;
    database.check_interrupted()?;
    writer.finish()?;
    Ok(Summary { objects: totals.objects, last_id: totals.last_id, left: Vec::new() })
}

/// Imports the export at `path`, or the database file of PyKMIP's server, to `database`, all or nothing. A missing database is
/// created. The file is read twice, so that an invalid one does not touch the database. `complete` turns an object of PyKMIP into
/// a record.
///
/// # Errors
/// Returns an error if the import fails. The database is unchanged then.
pub fn import(
    database: Database<'_>,
    path: &Path,
    seal: Option<&Path>,
    complete: Complete<'_>,
) -> Result<Summary, Error> {
    let seal = file::key(seal)?;
    if file::is_sqlite(path)? {
        return take_over(database, path, seal.is_some(), complete);
    }
    let key = database.key()?;
    ExportReader::open(path, seal.as_ref())?.for_each(|_, _| database.check_interrupted())?;
    let restore = store::target(database.path, key.as_ref())?;
    let mut left = Vec::new();
    let totals = ExportReader::open(path, seal.as_ref())?.for_each(|line, entry| match entry {
        Entry::Object(record) => {
            database.check_interrupted()?;
            restore.insert(&record).map_err(|error| match error {
                store::Error::Taken { id } => Error::Taken { path: path.to_owned(), line: Some(line), id },
                other => other.into(),
            })
        }
        Entry::Own { name, value } => {
            match restore.server_state(&name)? {
                None => restore.set_server_state(&name, &value)?,
                Some(existing) if existing == value => {}
                Some(existing) => match merged_pad(&name, &existing, &value) {
                    Some(merged) => restore.set_server_state(&name, &merged)?,
                    None => left.push(name),
                },
            }
            Ok(())
        }
        Entry::End(_) => Ok(()),
    })?;
    restore.count_from(Id(totals.last_id))?;
    database.check_interrupted()?;
    restore.commit()?;
    Ok(Summary { objects: totals.objects, last_id: totals.last_id, left })
}

/// Imports the database file of PyKMIP's server at `path`.
fn take_over(
    database: Database<'_>,
    path: &Path,
    has_seal_key: bool,
    complete: Complete<'_>,
) -> Result<Summary, Error> {
    if !store::is_pykmip(path)? {
        return Err(Error::IsDatabase(path.to_owned()));
    }
    if has_seal_key {
        return Err(Error::NotSealed(path.to_owned()));
    }
    let restore = store::target(database.path, database.key()?.as_ref())?;
    let TakenOver { objects, last_id } = store::take_over(path, complete, |record| {
        database.check_interrupted()?;
        restore.insert(&record).map_err(|error| match error {
            store::Error::Taken { id } => Error::Taken { path: path.to_owned(), line: None, id },
            other => other.into(),
        })
    })?;
    restore.count_from(last_id)?;
    database.check_interrupted()?;
    restore.commit()?;
    Ok(Summary { objects, last_id: last_id.0, left: Vec::new() })
}

/// Merges the state of a one-time pad that both stores have used: for each direction, the higher offset, because no byte
/// of a pad may be used twice (`engine/one_time_pad.rs` stores an offset of eight bytes per direction). Returns `None`
/// for any other server state.
fn merged_pad(name: &str, existing: &Secret, imported: &Secret) -> Option<Secret> {
    let offsets = |value: &Secret| {
        let (offsets, rest) = value.expose().as_chunks::<8>();
        (name.starts_with("pad ") && rest.is_empty()).then(|| offsets.to_vec())
    };
    let (existing, imported) = (offsets(existing)?, offsets(imported)?);
    let merged = existing.iter().zip(&imported).map(|(one, other)| *one.max(other));
    (existing.len() == imported.len()).then(|| Secret::new(merged.collect::<Vec<_>>().concat()))
}

/// Reads the object in one line of an export that is not sealed. Returns `None` for the other lines. The check of the line is
/// ignored, so that a person can write such lines.
///
/// # Errors
/// Returns the fault of the line.
pub fn object(line: &serde_json::Value) -> Result<Option<Record>, LineError> {
    let mut line = line.clone();
    if let Some(members) = line.as_object_mut() {
        members.remove("check");
        if members.contains_key("format") {
            return line::read_first(&line).map(|_| None);
        }
    }
    match Entry::read(&line)? {
        Entry::Object(record) => Ok(Some(*record)),
        Entry::Own { .. } | Entry::End(_) => Ok(None),
    }
}

/// Decodes one line after the first, without its check, and encodes it again. A fuzz program uses it.
///
/// # Errors
/// Returns the fault of the line.
pub fn round_trip(line: &[u8]) -> Result<Vec<u8>, LineError> {
    let line =
        serde_json::from_slice(line).map_err(|_| LineError::Malformed("the line is not JSON".to_owned()))?;
    Ok(Entry::read(&line)?.write()?.to_string().into_bytes())
}

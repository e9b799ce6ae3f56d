//! Exports: all that a store keeps as lines of JSON in a file, and the way back. A backup, or the way to another
//! machine; docs/backup.md tells the form of the file to others.
//!
//! `line` knows what a line says, `file` how lines stand in a file: each with a check that it and those before it are
//! whole, and sealed where a key is named. What the store reads and keeps is left to [`crate::store`].

mod error;
mod file;
mod line;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{Error, Wrong};
pub use file::MAX_LINE;
pub use line::VERSION;

use crate::secret::Secret;
use crate::store::{self, Dump, Id, KeyEncryptionKey, Restore};
use file::{Lines, Sink};
use line::{Entry, Totals};

/// A store in a file, as the settings name it.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// `database_path`.
    pub path: &'a Path,
    /// `key_encryption_key_path`.
    pub key: Option<&'a Path>,
}

impl Database<'_> {
    fn key(&self) -> Result<Option<KeyEncryptionKey>, store::Error> {
        self.key.map(KeyEncryptionKey::read).transpose()
    }
}

/// What was exported or imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many objects.
    pub objects: u64,
    /// The last number that an object of the exported store got.
    pub last_id: u64,
    /// What the server keeps for itself and the store had already, and differently: that was left as it was.
    pub left: Vec<String>,
}

/// Writes all of `database`, as it is at this moment, into a new file at `path`, for its owner only; sealed where
/// `seal` names the file of a key. The file has its name once it is whole and on the disk.
///
/// # Errors
/// [`Error`]; there is no file then.
pub fn export(database: Database<'_>, path: &Path, seal: Option<&Path>) -> Result<Summary, Error> {
    let seal = file::key(seal)?;
    let key = database.key()?;
    let mut sink = Sink::create(path, seal.as_ref())?;
    let dump = Dump::open(database.path, key.as_ref())?;
    let mut totals = Totals { last_id: dump.last_id()?, ..Totals::default() };
    let mut last = Id(0);
    while let Some(record) = dump.next(last)? {
        last = record.id;
        sink.write(Entry::Object(Box::new(record)))?;
        totals.objects += 1;
    }
    for name in dump.server_state_names()? {
        let Some(value) = dump.server_state(&name)? else { continue };
        sink.write(Entry::Own { name, value })?;
        totals.server_state += 1;
    }
    sink.write(Entry::End(totals))?;
    sink.finish()?;
    Ok(Summary { objects: totals.objects, last_id: totals.last_id, left: Vec::new() })
}

/// Adds all of the file at `path` to `database`, which is made where it is missing; all or nothing. The file is read
/// twice: what cannot be read does not touch the database.
///
/// # Errors
/// [`Error`]; the database is as it was then.
pub fn import(database: Database<'_>, path: &Path, seal: Option<&Path>) -> Result<Summary, Error> {
    let seal = file::key(seal)?;
    let key = database.key()?;
    Lines::open(path, seal.as_ref())?.for_each(|_, _| Ok(()))?;
    let restore = Restore::open(database.path, key.as_ref())?;
    let mut left = Vec::new();
    let totals = Lines::open(path, seal.as_ref())?.for_each(|line, entry| match entry {
        Entry::Object(record) => restore.insert(&record).map_err(|error| match error {
            store::Error::Taken { id } => Error::Taken { path: path.to_owned(), line, id },
            other => other.into(),
        }),
        Entry::Own { name, value } => {
            match restore.server_state(&name)? {
                None => restore.set_server_state(&name, &value)?,
                Some(there) if there == value => {}
                Some(there) => match farther(&name, &there, &value) {
                    Some(farther) => restore.set_server_state(&name, &farther)?,
                    None => left.push(name),
                },
            }
            Ok(())
        }
        Entry::End(_) => Ok(()),
    })?;
    restore.count_from(Id(totals.last_id))?;
    restore.commit()?;
    Ok(Summary { objects: totals.objects, last_id: totals.last_id, left })
}

/// Where a one-time pad stands that stands at two places: at the farther one, each way. The two stores have used the
/// same pad, and no byte of it may be used again (`engine/pad.rs` keeps a number of eight bytes for each way). None for
/// anything else.
fn farther(name: &str, there: &Secret, given: &Secret) -> Option<Secret> {
    let places = |value: &Secret| {
        let (places, rest) = value.expose().as_chunks::<8>();
        (name.starts_with("pad ") && rest.is_empty()).then(|| places.to_vec())
    };
    let (there, given) = (places(there)?, places(given)?);
    let farther = there.iter().zip(&given).map(|(one, other)| *one.max(other));
    (there.len() == given.len()).then(|| Secret::new(farther.collect::<Vec<_>>().concat()))
}

/// Reads one line behind the first as an import does, but for its check, and writes it again: for whoever tries lines
/// out.
///
/// # Errors
/// What is wrong with it.
pub fn respell(line: &[u8]) -> Result<Vec<u8>, Wrong> {
    let line =
        serde_json::from_slice(line).map_err(|_| Wrong::Malformed("the line is no JSON".to_owned()))?;
    Ok(Entry::read(&line)?.write()?.to_string().into_bytes())
}

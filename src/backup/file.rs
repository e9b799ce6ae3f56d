//! The file of an export: a sequence of lines, plain or sealed. Each line contains a check over itself and the lines
//! before it. The file has a temporary name until it is complete; memory use while reading is limited.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base16ct::lower;
use base64ct::{Base64, Encoding};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::error::{Error, LineError};
use super::line::{self, Entry, Totals};
use super::{MAX_LINE, VERSION};
use crate::crypto::hash::Hash;
use crate::store::{self, DataKey, Id, KeyEncryptionKey, Sealing};

/// The mode of an export: only its owner may read it, because it contains keys.
const MODE: u32 = 0o600;

/// The text before and after the check of a line.
const CHECK: &str = ",\"check\":\"";
const CLOSE: &str = "\"}";

/// The length of a check in hexadecimal digits of SHA-256. The check detects damage, not manipulation.
const DIGITS: usize = 16;

/// The first bytes of an SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Whether the file at `path` is an SQLite database instead of an export.
pub(super) fn is_sqlite(path: &Path) -> Result<bool, Error> {
    let failed = |cause| Error::Io { path: path.to_owned(), cause };
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SQLITE.len() as u64).read_to_end(&mut head).map_err(failed)?;
    Ok(head == SQLITE)
}

/// A seal key and its file.
pub(super) struct Key {
    path: PathBuf,
    key: KeyEncryptionKey,
}

/// Reads the seal key at `path`, if there is one.
pub(super) fn key(path: Option<&Path>) -> Result<Option<Key>, Error> {
    let read = |path: &Path| {
        let key = KeyEncryptionKey::read(path).map_err(|error| of_key(path, error))?;
        Ok(Key { path: path.to_owned(), key })
    };
    path.map(read).transpose()
}

fn of_key(path: &Path, error: store::Error) -> Error {
    match error {
        store::Error::Key { why, .. } => Error::Key { path: path.to_owned(), why },
        other => other.into(),
    }
}

/// The chain of checks. Each check covers its line and the check before it.
#[derive(Default)]
struct Chain(String);

impl Chain {
    /// Returns the check of the line that begins with `line`.
    fn next(&mut self, line: &[u8]) -> &str {
        let digest = Hash::Sha256.digest(&Zeroizing::new([self.0.as_bytes(), line].concat()));
        self.0 = lower::encode_string(&digest);
        self.0.truncate(DIGITS);
        &self.0
    }

    /// Returns the line with its check.
    fn close(&mut self, entry: &Json) -> Zeroizing<Vec<u8>> {
        let text = Zeroizing::new(entry.to_string());
        let body = text.strip_suffix('}').unwrap_or(&text).as_bytes();
        let check = self.next(body);
        Zeroizing::new([body, CHECK.as_bytes(), check.as_bytes(), CLOSE.as_bytes()].concat())
    }

    /// Verifies the check of a line and returns its JSON.
    fn open(&mut self, line: &[u8]) -> Result<Json, LineError> {
        let at = line.len().checked_sub(CHECK.len() + DIGITS + CLOSE.len()).ok_or(LineError::Changed)?;
        let (body, rest) = line.split_at_checked(at).ok_or(LineError::Changed)?;
        let expected = [CHECK, self.next(body), CLOSE].concat();
        if rest != expected.as_bytes() {
            return Err(LineError::Changed);
        }
        let whole = Zeroizing::new([body, b"}"].concat());
        serde_json::from_slice(&whole).map_err(|_| LineError::Malformed("the line is not JSON".to_owned()))
    }
}

/// Returns the additional authenticated data of a line. Each file has its own key.
fn aad(number: u64) -> String {
    format!("line {number}")
}

/// Writes an export. If it is dropped before [`ExportWriter::finish`], the file is removed.
pub(super) struct ExportWriter {
    path: PathBuf,
    /// The temporary name.
    partial: PathBuf,
    out: Option<BufWriter<File>>,
    chain: Chain,
    number: u64,
    key: Option<DataKey>,
}

impl ExportWriter {
    /// Begins the export to `path`.
    pub(super) fn create(path: &Path, key: Option<&Key>) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists(path.to_owned()));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let failed = |cause| Error::Io { path: partial.clone(), cause };
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&partial);
        let file = file.map_err(failed)?;
        let out = Some(BufWriter::with_capacity(1 << 20, file));
        let mut writer =
            Self { path: path.to_owned(), partial, out, chain: Chain::default(), number: 1, key: None };
        // The umask may have removed bits of the mode.
        if let Some(out) = &writer.out {
            out.get_ref()
                .set_permissions(fs::Permissions::from_mode(MODE))
                .map_err(|why| writer.failed(why))?;
        }
        let wrapped = key.map(|key| key.key.generate(Sealing::Export)).transpose()?;
        let text = wrapped.as_ref().map(|wrapped| Base64::encode_string(wrapped));
        let first = writer.chain.close(&line::first(text.as_deref()));
        writer.put(&first)?;
        if let (Some(key), Some(wrapped)) = (key, &wrapped) {
            writer.key = Some(key.key.open(Sealing::Export, wrapped)?);
        }
        Ok(writer)
    }

    /// Writes one line, after a check that it reads back as `entry`.
    pub(super) fn write(&mut self, entry: Entry) -> Result<(), Error> {
        self.number += 1;
        let line = self.number;
        let unwritable = |why| Error::Unwritable { line, why };
        let encoded = entry.write().map_err(unwritable)?;
        if Entry::read(&encoded).map_err(unwritable)? != entry {
            return Err(unwritable(LineError::Changed));
        }
        let plain = self.chain.close(&encoded);
        let sealed = match &self.key {
            None => plain,
            Some(key) => {
                let sealed = key.seal_bytes(aad(self.number).as_bytes(), &plain)?;
                Zeroizing::new(Base64::encode_string(&sealed).into_bytes())
            }
        };
        if sealed.len() as u64 > MAX_LINE {
            return Err(unwritable(LineError::TooLong));
        }
        self.put(&sealed)
    }

    fn put(&mut self, line: &[u8]) -> Result<(), Error> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
        written.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::Io { path: self.partial.clone(), cause }
    }

    /// Flushes the file to the disk and gives it its final name.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Some(out) = self.out.take() {
            let file = out.into_inner().map_err(|error| self.failed(error.into_error()))?;
            file.sync_all().map_err(|cause| self.failed(cause))?;
        }
        // A hard link never replaces a file. Not every file system supports hard links.
        match fs::hard_link(&self.partial, &self.path) {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::Exists(self.path.clone()));
            }
            Err(_) if self.path.symlink_metadata().is_err() => {
                fs::rename(&self.partial, &self.path).map_err(|cause| self.failed(cause))?;
            }
            Err(_) => return Err(Error::Exists(self.path.clone())),
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        folder.map_err(|cause| Error::Io { path: self.path.clone(), cause })
    }
}

impl Drop for ExportWriter {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.partial));
    }
}

/// Reads an export.
pub(super) struct ExportReader {
    path: PathBuf,
    input: BufReader<File>,
    chain: Chain,
    number: u64,
    key: Option<DataKey>,
}

impl ExportReader {
    /// Opens the export at `path`, which is sealed with `key` if there is one.
    pub(super) fn open(path: &Path, key: Option<&Key>) -> Result<Self, Error> {
        let failed = |cause| Error::Io { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(
                ErrorKind::InvalidInput,
                "an export is read twice, so it must be a regular file",
            )));
        }
        let input = BufReader::with_capacity(1 << 20, file);
        let mut lines = Self { path: path.to_owned(), input, chain: Chain::default(), number: 0, key: None };
        let first = lines.line()?.ok_or_else(|| lines.bad(LineError::NotAnExport))?;
        // The version is checked before the rest of the first line, which may differ in another version.
        let parsed: Option<Json> = serde_json::from_slice(&first).ok();
        let version =
            parsed.as_ref().and_then(line::version_of).ok_or_else(|| lines.bad(LineError::NotAnExport))?;
        if version != VERSION {
            return Err(lines.bad(LineError::Version(version)));
        }
        let first = lines.chain.open(&first).map_err(|why| lines.bad(why))?;
        let sealed = line::read_first(&first).map_err(|why| lines.bad(why))?;
        lines.key = match (sealed, key) {
            (None, None) => None,
            (Some(_), None) => return Err(Error::NeedsKey(path.to_owned())),
            // An attacker may have replaced a sealed export by a plain one.
            (None, Some(_)) => return Err(Error::NotSealed(path.to_owned())),
            (Some(wrapped), Some(key)) => {
                let wrapped = Base64::decode_vec(&wrapped).map_err(|_| lines.bad(LineError::DoesNotOpen))?;
                Some(key.key.open(Sealing::Export, &wrapped).map_err(|error| of_key(&key.path, error))?)
            }
        };
        Ok(lines)
    }

    /// Calls `job` with each entry and its line number, except for the last line, and returns the totals in the last
    /// line.
    ///
    /// # Errors
    /// Returns an error if the file is not a complete and valid export, and the errors of `job`.
    pub(super) fn for_each(
        mut self,
        mut job: impl FnMut(u64, Entry) -> Result<(), Error>,
    ) -> Result<Totals, Error> {
        let mut seen = Totals::default();
        let mut last = Id(0);
        loop {
            let line = self.line()?.ok_or_else(|| self.bad(LineError::CutOff))?;
            match self.entry(&line)? {
                Entry::End(totals) => {
                    let counted = Totals { last_id: totals.last_id, ..seen };
                    if totals != counted || totals.last_id < last.0 {
                        return Err(self.bad(LineError::Counts));
                    }
                    return match self.line()? {
                        None => Ok(totals),
                        Some(_) => Err(self.bad(LineError::NotTheEnd)),
                    };
                }
                Entry::Object(record) => {
                    if record.id <= last || seen.server_state > 0 {
                        return Err(self.bad(LineError::Order(record.id)));
                    }
                    last = record.id;
                    seen.objects += 1;
                    job(self.number, Entry::Object(record))?;
                }
                entry @ Entry::Own { .. } => {
                    seen.server_state += 1;
                    job(self.number, entry)?;
                }
            }
        }
    }

    fn entry(&mut self, line: &[u8]) -> Result<Entry, Error> {
        let read = match &self.key {
            None => self.chain.open(line),
            Some(key) => {
                let sealed = std::str::from_utf8(line).ok().and_then(|text| Base64::decode_vec(text).ok());
                let plain = sealed.and_then(|sealed| key.open_bytes(aad(self.number).as_bytes(), &sealed));
                plain.ok_or(LineError::DoesNotOpen).and_then(|plain| self.chain.open(&plain))
            }
        };
        read.and_then(|line| Entry::read(&line)).map_err(|why| self.bad(why))
    }

    /// Returns the next line without its line feed, or `None` at the end of the file. A last line without line feed is
    /// an error.
    fn line(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.number += 1;
        let mut line = Zeroizing::new(Vec::new());
        let read = self.input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
        read.map_err(|cause| Error::Io { path: self.path.clone(), cause })?;
        if line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(line));
        }
        match line.len() as u64 {
            0 => Ok(None),
            length if length > MAX_LINE => Err(self.bad(LineError::TooLong)),
            _ => Err(self.bad(if self.number == 1 { LineError::NotAnExport } else { LineError::CutOff })),
        }
    }

    fn bad(&self, why: LineError) -> Error {
        Error::Line { path: self.path.clone(), line: self.number, why }
    }
}

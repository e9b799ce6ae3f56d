//! The file of an export: lines, each with a check of itself and those before it, sealed or not; written under
//! another name until it is whole, read with a bound on what is held of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base16ct::lower;
use base64ct::{Base64, Encoding};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::error::{Error, Wrong};
use super::line::{self, Entry, Totals};
use crate::crypto::hash::Hash;
use crate::store::{self, DataKey, Id, KeyEncryptionKey, Sealing};

/// The longest line, in bytes. A request of the default bound of 16 MiB makes one of 32 MiB, and sealed of 43; ten
/// times as much is room for servers that take longer ones, and what a damaged file may take of the memory.
pub const MAX_LINE: u64 = 512 << 20;

/// For the owner only: it holds keys.
const MODE: u32 = 0o600;

/// What stands between a line and its check, and behind the check.
const CHECK: &str = ",\"check\":\"";
const CLOSE: &str = "\"}";

/// The length of a check in digits: half of them of SHA-256 would do against damage, which is what it is for.
const DIGITS: usize = 16;

/// A key to seal with, and its file.
pub(super) struct Key {
    path: PathBuf,
    key: KeyEncryptionKey,
}

/// Reads the key in the file that is named, if one is.
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

/// The checks of lines: each is of its line and of the check before.
#[derive(Default)]
struct Chain(String);

impl Chain {
    /// The check of the line that begins so.
    fn next(&mut self, line: &[u8]) -> &str {
        let digest = Hash::Sha256.digest(&Zeroizing::new([self.0.as_bytes(), line].concat()));
        self.0 = lower::encode_string(&digest);
        self.0.truncate(DIGITS);
        &self.0
    }

    /// The line with its check.
    fn close(&mut self, entry: &Json) -> Zeroizing<Vec<u8>> {
        let text = Zeroizing::new(entry.to_string());
        let begun = text.strip_suffix('}').unwrap_or(&text).as_bytes();
        let check = self.next(begun);
        Zeroizing::new([begun, CHECK.as_bytes(), check.as_bytes(), CLOSE.as_bytes()].concat())
    }

    /// The JSON of a line whose check is right.
    fn open(&mut self, line: &[u8]) -> Result<Json, Wrong> {
        let at = line.len().checked_sub(CHECK.len() + DIGITS + CLOSE.len()).ok_or(Wrong::Changed)?;
        let (begun, rest) = line.split_at_checked(at).ok_or(Wrong::Changed)?;
        let expected = [CHECK, self.next(begun), CLOSE].concat();
        if rest != expected.as_bytes() {
            return Err(Wrong::Changed);
        }
        let whole = Zeroizing::new([begun, b"}"].concat());
        serde_json::from_slice(&whole).map_err(|_| Wrong::Malformed("the line is no JSON".to_owned()))
    }
}

/// What the line of that number is sealed for. The key is one of this file's alone.
fn binding(number: u64) -> String {
    format!("line {number}")
}

/// A file that is being written. Where it is dropped before it is finished, nothing is left of it.
pub(super) struct Sink {
    path: PathBuf,
    /// The name that it has until it is whole.
    partial: PathBuf,
    out: Option<BufWriter<File>>,
    chain: Chain,
    number: u64,
    key: Option<DataKey>,
}

impl Sink {
    /// Begins a file that is to be at `path`.
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
        let mut sink =
            Self { path: path.to_owned(), partial, out, chain: Chain::default(), number: 1, key: None };
        // The umask may have taken bits away that the owner needs.
        if let Some(out) = &sink.out {
            out.get_ref()
                .set_permissions(fs::Permissions::from_mode(MODE))
                .map_err(|why| sink.failed(why))?;
        }
        let wrapped = key.map(|key| key.key.generate(Sealing::Export)).transpose()?;
        let text = wrapped.as_ref().map(|wrapped| Base64::encode_string(wrapped));
        let first = sink.chain.close(&line::first(text.as_deref()));
        sink.put(&first)?;
        if let (Some(key), Some(wrapped)) = (key, &wrapped) {
            sink.key = Some(key.key.open(Sealing::Export, wrapped)?);
        }
        Ok(sink)
    }

    /// Writes one line. It has to read back as what it is: an export that does not is none.
    pub(super) fn write(&mut self, entry: Entry) -> Result<(), Error> {
        self.number += 1;
        let line = self.number;
        let bad = |why| Error::Unwritable { line, why };
        let spelled = entry.write().map_err(bad)?;
        if Entry::read(&spelled).map_err(bad)? != entry {
            return Err(bad(Wrong::Changed));
        }
        let plain = self.chain.close(&spelled);
        let sealed = match &self.key {
            None => plain,
            Some(key) => {
                let sealed = key.seal_bytes(binding(self.number).as_bytes(), &plain)?;
                Zeroizing::new(Base64::encode_string(&sealed).into_bytes())
            }
        };
        if sealed.len() as u64 > MAX_LINE {
            return Err(bad(Wrong::TooLong));
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

    /// Puts the whole file on the disk, and then at its place.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Some(out) = self.out.take() {
            let file = out.into_inner().map_err(|error| self.failed(error.into_error()))?;
            file.sync_all().map_err(|cause| self.failed(cause))?;
        }
        // A link is made only where there is nothing yet; not every file system has links.
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

impl Drop for Sink {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.partial));
    }
}

/// A file that is being read.
pub(super) struct Lines {
    path: PathBuf,
    input: BufReader<File>,
    chain: Chain,
    number: u64,
    key: Option<DataKey>,
}

impl Lines {
    /// Begins to read the file at `path`, sealed with `key`.
    pub(super) fn open(path: &Path, key: Option<&Key>) -> Result<Self, Error> {
        let failed = |cause| Error::Io { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(
                ErrorKind::InvalidInput,
                "an export is read twice: name a file",
            )));
        }
        let input = BufReader::with_capacity(1 << 20, file);
        let mut lines = Self { path: path.to_owned(), input, chain: Chain::default(), number: 0, key: None };
        let first = lines.line()?.ok_or_else(|| lines.bad(Wrong::NotAnExport))?;
        // A first line of another version tells so, whatever else that version has in it.
        let told: Option<Json> = serde_json::from_slice(&first).ok();
        let version =
            told.as_ref().and_then(line::version_of).ok_or_else(|| lines.bad(Wrong::NotAnExport))?;
        if version != line::VERSION {
            return Err(lines.bad(Wrong::Version(version)));
        }
        let first = lines.chain.open(&first).map_err(|why| lines.bad(why))?;
        let sealed = line::read_first(&first).map_err(|why| lines.bad(why))?;
        lines.key = match (sealed, key) {
            (None, None) => None,
            (Some(_), None) => return Err(Error::NeedsKey(path.to_owned())),
            // Somebody may have put it in the place of one that was sealed.
            (None, Some(_)) => return Err(Error::NotSealed(path.to_owned())),
            (Some(wrapped), Some(key)) => {
                let wrapped = Base64::decode_vec(&wrapped).map_err(|_| lines.bad(Wrong::DoesNotOpen))?;
                Some(key.key.open(Sealing::Export, &wrapped).map_err(|error| of_key(&key.path, error))?)
            }
        };
        Ok(lines)
    }

    /// Shows every entry with the number of its line to `job`, the last one excepted, and tells what that says; the
    /// file has to be whole.
    pub(super) fn for_each(
        mut self,
        mut job: impl FnMut(u64, Entry) -> Result<(), Error>,
    ) -> Result<Totals, Error> {
        let mut seen = Totals::default();
        let mut last = Id(0);
        loop {
            let line = self.line()?.ok_or_else(|| self.bad(Wrong::CutOff))?;
            match self.entry(&line)? {
                Entry::End(totals) => {
                    let counted = Totals { last_id: totals.last_id, ..seen };
                    if totals != counted || totals.last_id < last.0 {
                        return Err(self.bad(Wrong::Counts));
                    }
                    return match self.line()? {
                        None => Ok(totals),
                        Some(_) => Err(self.bad(Wrong::NotTheEnd)),
                    };
                }
                Entry::Object(record) => {
                    if record.id <= last || seen.server_state > 0 {
                        return Err(self.bad(Wrong::Order(record.id)));
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
                let plain =
                    sealed.and_then(|sealed| key.open_bytes(binding(self.number).as_bytes(), &sealed));
                plain.ok_or(Wrong::DoesNotOpen).and_then(|plain| self.chain.open(&plain))
            }
        };
        read.and_then(|line| Entry::read(&line)).map_err(|why| self.bad(why))
    }

    /// The next line without its end; none where the file ends. A line that the file ends in was cut off.
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
            length if length > MAX_LINE => Err(self.bad(Wrong::TooLong)),
            _ => Err(self.bad(if self.number == 1 { Wrong::NotAnExport } else { Wrong::CutOff })),
        }
    }

    fn bad(&self, why: Wrong) -> Error {
        Error::Line { path: self.path.clone(), line: self.number, why }
    }
}

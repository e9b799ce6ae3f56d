//! The log file: rotates at 1,000,000 bytes, with five predecessors, in PyKMIP's format.
//!
//! `2026-09-01 12:00:00,123 - kmip.server.session.00000001 - INFO - Starting session`

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use log::Record;
use log4rs::append::Append;
use log4rs::append::rolling_file::RollingFileAppender;
use log4rs::append::rolling_file::policy::compound::CompoundPolicy;
use log4rs::append::rolling_file::policy::compound::roll::Roll;
use log4rs::append::rolling_file::policy::compound::roll::fixed_window::FixedWindowRoller;
use log4rs::append::rolling_file::policy::compound::trigger::size::SizeTrigger;
use log4rs::config::{Appender, Config, Root};
use log4rs::encode::pattern::PatternEncoder;
use log4rs::encode::writer::simple::SimpleWriter;
use log4rs::encode::{Encode, Write};
use log4rs::filter::{Filter, Response};

use super::background::Background;
use super::following::Following;
use super::{Error, filter, is_ours, write_message};
use crate::config::Level;
use crate::private_file::{self, MODE};

/// PyKMIP's limit of the file, in bytes.
const MAX_BYTES: u64 = 1_000_000;
/// PyKMIP's number of predecessors.
const BACKUPS: u32 = 5;
/// Python's `asctime` without the milliseconds, in local time.
const TIME_PATTERN: &str = "{d(%Y-%m-%d %H:%M:%S)}";

/// Starts to log to `path`; creates missing directories.
///
/// # Errors
/// Returns [`Error::Unwritable`] if the file cannot be written, [`Error::AlreadySet`] on a second call.
pub fn init(path: &Path, level: Level) -> Result<(), Error> {
    let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
    let file = Following::new(path, open).map_err(unwritable)?;
    let file = Background::new(Box::new(file), line).map_err(unwritable)?;
    let file = Appender::builder().filter(Box::new(OwnMessages)).build("file", Box::new(file));
    let config =
        Config::builder().appender(file).build(Root::builder().appender("file").build(filter(level)));
    let config = config.map_err(|e| unwritable(io::Error::other(e)))?;
    log4rs::init_config(config).map(drop).map_err(|_| Error::AlreadySet)
}

/// Checks whether the program could log to `path`, without creating a file.
///
/// # Errors
/// Returns [`Error::Unwritable`] if it could not.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
    if path.is_dir() {
        return Err(unwritable(io::ErrorKind::IsADirectory.into()));
    }
    private_file::inspect(path).map_err(|why| unwritable(io::Error::other(why)))?;
    let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    if existing != path && !existing.is_dir() {
        return Err(unwritable(io::ErrorKind::NotADirectory.into()));
    }
    rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).map_err(|cause| unwritable(cause.into()))
}

/// Opens the file; creates it and its directory if they are missing.
fn open(path: &Path) -> io::Result<Box<dyn Append>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    create(path)?;
    let backups = format!("{}.{{}}", path.display());
    let roller = FixedWindowRoller::builder().base(1).build(&backups, BACKUPS).map_err(io::Error::other)?;
    let policy = CompoundPolicy::new(Box::new(SizeTrigger::new(MAX_BYTES)), Box::new(PrivateRoller(roller)));
    Ok(Box::new(RollingFileAppender::builder().encoder(Box::new(Lines)).build(path, Box::new(policy))?))
}

/// Makes the file private; creates it if it does not exist, also at the end of a link.
fn create(path: &Path) -> io::Result<()> {
    private_file::claim(path).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.append(true).mode(MODE);
    match options.create_new(true).open(path) {
        // The umask may have removed bits of the mode.
        Ok(file) => file.set_permissions(Permissions::from_mode(MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Rotates, and creates the new file before log4rs would create it with a mode for all users.
#[derive(Debug)]
struct PrivateRoller(FixedWindowRoller);

impl Roll for PrivateRoller {
    fn roll(&self, file: &Path) -> anyhow::Result<()> {
        self.0.roll(file)?;
        Ok(create(file)?)
    }
}

/// Rejects the messages of other packages.
#[derive(Debug)]
struct OwnMessages;

impl Filter for OwnMessages {
    fn filter(&self, record: &Record<'_>) -> Response {
        if is_ours(record.target()) { Response::Neutral } else { Response::Reject }
    }
}

/// Writes complete lines unchanged.
#[derive(Debug)]
struct Lines;

impl Encode for Lines {
    fn encode(&self, out: &mut dyn Write, record: &Record<'_>) -> anyhow::Result<()> {
        Ok(out.write_fmt(*record.args())?)
    }
}

/// Appends PyKMIP's line: `%(asctime)s - %(name)s - %(levelname)s - %(message)s`.
fn line(record: &Record<'_>, line: &mut String) {
    write_time(line);
    line.push_str(" - ");
    write_message(record, line);
}

/// Appends the current time. Each thread caches the text of the second, because the conversion to local time costs
/// more than the rest of the line.
fn write_time(line: &mut String) {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let since_epoch = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut now = since_epoch();
    SECOND.with_borrow_mut(|(second, text)| {
        while *second != now.as_secs() || text.is_empty() {
            let mut out = SimpleWriter(Vec::new());
            // Writing to memory does not fail.
            drop(PatternEncoder::new(TIME_PATTERN).encode(&mut out, &Record::builder().build()));
            *text = String::from_utf8_lossy(&out.0).into_owned();
            // The encoder read the clock for itself: where a second began meanwhile, once more.
            *second = now.as_secs();
            now = since_epoch();
        }
        line.push_str(text);
        let _ = write!(line, ",{:03}", now.subsec_millis());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_time_as_python_writes_it() {
        let mut text = String::new();
        line(&Record::builder().target("kmip.server").args(format_args!("A message")).build(), &mut text);
        let (time, rest) = text.split_at(23);
        assert_eq!(rest, " - kmip.server - INFO - A message\n");
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000");
    }

    #[test]
    fn messages_of_other_packages_are_rejected() {
        for (target, answer) in [("rustls::conn", Response::Reject), ("kmip.server", Response::Neutral)] {
            let record = Record::builder().target(target).build();
            assert_eq!(OwnMessages.filter(&record), answer);
        }
    }

    #[test]
    fn a_rotated_file_is_private_to_its_owner() {
        let folder = std::env::temp_dir().join(format!("kmip-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("server.log");
        let backups = format!("{}.{{}}", path.display());
        let roller = PrivateRoller(FixedWindowRoller::builder().base(1).build(&backups, BACKUPS).unwrap());
        for round in 0..7 {
            fs::write(&path, round.to_string()).unwrap();
            roller.roll(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        }
        let kept = |n: u32| fs::read_to_string(format!("{}.{n}", path.display()));
        assert_eq!((kept(1).unwrap(), kept(5).unwrap()), ("6".to_owned(), "2".to_owned()));
        assert!(kept(6).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}

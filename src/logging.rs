//! The log file: one that rotates at 1,000,000 bytes, five older ones beside it, in PyKMIP's format.
//!
//! `2026-09-01 12:00:00,123 - kmip.server.session.00000001 - INFO - Starting session`
//!
//! The rest of the library writes through the `log` facade and works without any of this. Loggers are named
//! after PyKMIP's (`kmip.server…`); a module's own name `kmip_server::a::b` is written `kmip.server.a.b`, and
//! what other packages log is left out, as PyKMIP leaves it out. Who writes the lines, and when, is told in
//! `background`; `log::logger().flush()` waits for that.

mod background;
mod following;

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Record};
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

use crate::config::Level;
use background::Background;
use following::Following;

/// How long the file may grow, in bytes, and how many older ones are kept; PyKMIP's numbers.
const MAX_BYTES: u64 = 1_000_000;
const BACKUPS: u32 = 5;
/// Only the owner may read what the server does.
const FILE_MODE: u32 = 0o600;
/// Python's `asctime` up to the second, in local time; milliseconds follow behind a comma.
const TIME_PATTERN: &str = "{d(%Y-%m-%d %H:%M:%S)}";

/// Why nothing can be logged.
#[derive(Debug)]
pub enum Error {
    /// The log file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The process logs already.
    AlreadySet,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable { path, cause } => {
                write!(f, "the log file {} cannot be written: {cause} (-l names another)", path.display())
            }
            Self::AlreadySet => f.write_str("the process has a logger already"),
        }
    }
}

impl std::error::Error for Error {}

/// Sends what the process logs to `path` from now on; its directory is made where it is missing.
///
/// # Errors
/// [`Error::Unwritable`], or [`Error::AlreadySet`] on a second call.
pub fn init(path: &Path, level: Level) -> Result<(), Error> {
    let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
    let file = Following::new(path, open).map_err(unwritable)?;
    let file = Background::new(Box::new(file), line).map_err(unwritable)?;
    let file = Appender::builder().filter(Box::new(OurOwn)).build("file", Box::new(file));
    let config =
        Config::builder().appender(file).build(Root::builder().appender("file").build(filter(level)));
    let config = config.map_err(|e| unwritable(io::Error::other(e)))?;
    log4rs::init_config(config).map(drop).map_err(|_| Error::AlreadySet)
}

/// Whether `path` could be logged to, found out without making anything.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn look(path: &Path) -> Result<(), Error> {
    let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
    if path.is_dir() {
        return Err(unwritable(io::ErrorKind::IsADirectory.into()));
    }
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    if there != path && !there.is_dir() {
        return Err(unwritable(io::ErrorKind::NotADirectory.into()));
    }
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK).map_err(|cause| unwritable(cause.into()))
}

/// Opens the file, its folder and itself made where they are missing.
fn open(path: &Path) -> io::Result<Box<dyn Append>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    create(path)?;
    let backups = format!("{}.{{}}", path.display());
    let roller = FixedWindowRoller::builder().base(1).build(&backups, BACKUPS).map_err(io::Error::other)?;
    let policy = CompoundPolicy::new(Box::new(SizeTrigger::new(MAX_BYTES)), Box::new(OwnersOnly(roller)));
    Ok(Box::new(RollingFileAppender::builder().encoder(Box::new(Lines)).build(path, Box::new(policy))?))
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Debug => LevelFilter::Debug,
        Level::Info => LevelFilter::Info,
        Level::Warning => LevelFilter::Warn,
        Level::Error => LevelFilter::Error,
        Level::Critical => LevelFilter::Off,
    }
}

/// Makes the file where there is none; an older one keeps its mode.
fn create(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path);
    match made {
        // The umask may have taken bits away that we need.
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Rotates, and makes the new file before log4rs would make it for everybody.
#[derive(Debug)]
struct OwnersOnly(FixedWindowRoller);

impl Roll for OwnersOnly {
    fn roll(&self, file: &Path) -> anyhow::Result<()> {
        self.0.roll(file)?;
        Ok(create(file)?)
    }
}

/// Lets this package's messages through and no others.
#[derive(Debug)]
struct OurOwn;

impl Filter for OurOwn {
    fn filter(&self, record: &Record<'_>) -> Response {
        let target = record.target();
        let ours = target.starts_with("kmip.") || target.starts_with("kmip_server");
        if ours { Response::Neutral } else { Response::Reject }
    }
}

/// Writes lines that are ready as they are.
#[derive(Debug)]
struct Lines;

impl Encode for Lines {
    fn encode(&self, out: &mut dyn Write, record: &Record<'_>) -> anyhow::Result<()> {
        Ok(out.write_fmt(*record.args())?)
    }
}

/// PyKMIP's line: `%(asctime)s - %(name)s - %(levelname)s - %(message)s`.
fn line(record: &Record<'_>, line: &mut String) {
    write_time(line);
    line.push_str(" - ");
    match record.target().strip_prefix("kmip_server") {
        Some(module) => {
            line.push_str("kmip.server");
            line.push_str(&module.replace("::", "."));
        }
        None => line.push_str(record.target()),
    }
    line.push_str(match record.level() {
        log::Level::Error => " - ERROR - ",
        log::Level::Warn => " - WARNING - ",
        log::Level::Info => " - INFO - ",
        log::Level::Debug | log::Level::Trace => " - DEBUG - ",
    });
    let begin = line.len();
    // Writing to a string fails only where a message's own formatting does, and then what there is of it counts.
    let _ = write!(line, "{}", record.args());
    let message = line.get(begin..).unwrap_or_default();
    match inert(message) {
        Some(inert) => {
            line.truncate(begin);
            line.push_str(&inert);
        }
        None => line.truncate(begin + message.trim_end().len()),
    }
    line.push('\n');
}

/// The time of this moment. A second's text is kept for the lines that follow in the same second: making it, with
/// its look at the time zone, costs more than the rest of a line.
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

/// The message, so that nothing that a client named itself can look like a line of the log: lines after the
/// first are indented, control characters are spelled out. None where it is so already.
fn inert(message: &str) -> Option<String> {
    if message.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    let mut text = String::with_capacity(message.len());
    for c in message.trim_end().chars() {
        match c {
            '\n' => text.push_str("\n    "),
            c if c.is_control() && c != '\t' => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str, level: log::Level, message: &str) -> String {
        let mut text = String::new();
        let args = format_args!("{message}");
        super::line(&Record::builder().target(target).level(level).args(args).build(), &mut text);
        text
    }

    #[test]
    fn a_line_is_written_as_python_writes_it() {
        let text = line("kmip.server.session.00000001", log::Level::Warn, "A message");
        let (time, rest) = text.split_at(23);
        assert_eq!(rest, " - kmip.server.session.00000001 - WARNING - A message\n");
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000");
        assert!(
            line("kmip_server::policy::reload", log::Level::Info, "x")
                .contains(" - kmip.server.policy.reload - INFO")
        );
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        let text = line("kmip.server", log::Level::Info, "user \"a\n2026-01-01 - forged\r\x1b[2J\"");
        assert!(text.contains("\n    2026-01-01 - forged\\r\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn other_packages_are_not_heard() {
        for (target, answer) in [("rustls::conn", Response::Reject), ("kmip.server", Response::Neutral)] {
            let record = Record::builder().target(target).build();
            assert_eq!(OurOwn.filter(&record), answer);
        }
    }

    #[test]
    fn a_rotation_leaves_a_file_for_the_owner_only() {
        let folder = std::env::temp_dir().join(format!("kmip-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("server.log");
        let backups = format!("{}.{{}}", path.display());
        let roller = OwnersOnly(FixedWindowRoller::builder().base(1).build(&backups, BACKUPS).unwrap());
        for round in 0..7 {
            fs::write(&path, round.to_string()).unwrap();
            roller.roll(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        }
        let kept = |n: u32| fs::read_to_string(format!("{}.{n}", path.display()));
        assert_eq!((kept(1).unwrap(), kept(5).unwrap()), ("6".to_owned(), "2".to_owned()));
        assert!(kept(6).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}

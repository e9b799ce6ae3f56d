//! Prepares the process before it holds keys: no core dumps, no debuggers, files for its owner only, and enough
//! file descriptors.
//!
//! These are properties of the whole process, so the program sets them and the library does not.

use std::io;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// PyKMIP's name for the logger of the server.
const LOG: &str = "kmip.server";

/// File descriptors besides those of connections: the log, policy files, two or three per connection to the database.
const RESERVE: u64 = 256;

/// Prepares the process for this number of connections; the log must be open. A refusal of the system is a warning in
/// the log, because a server that does not start is no safer.
pub fn harden(connections: usize) {
    // New files are for their owner only.
    umask(Mode::RWXG | Mode::RWXO);
    // A core dump contains every key.
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    warn("switch core dumps off", setrlimit(Resource::Core, no_core));
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Another process of the same user must not attach and read the memory.
        warn("keep other processes out", set_dumpable_behavior(DumpableBehavior::NotDumpable));
    }
    raise_descriptors(connections);
}

/// Returns the number of open files that this number of connections needs, and the number that the system allows.
pub fn descriptors(connections: usize) -> (u64, u64) {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    (needed, getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX))
}

fn raise_descriptors(connections: usize) {
    let (wanted, maximum) = descriptors(connections);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.unwrap_or(u64::MAX) >= wanted {
        return;
    }
    let raised = Rlimit { current: Some(wanted.min(maximum)), maximum: limit.maximum };
    warn("raise the number of open files", setrlimit(Resource::Nofile, raised));
    if maximum < wanted {
        log::warn!(
            target: LOG,
            "{connections} connections need {wanted} open files, but the system allows {maximum}; raise ulimit -n, or lower \
             max_connections."
        );
    }
}

fn warn(doing: &str, outcome: rustix::io::Result<()>) {
    if let Err(error) = outcome {
        log::warn!(target: LOG, "The process cannot {doing}: {}", io::Error::from(error));
    }
}

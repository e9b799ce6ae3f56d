//! What a process does before it holds keys: no core dumps, no debuggers, files for its owner only, and as many
//! descriptors as its settings need.
//!
//! All of it is about the whole process, so it is for the program to ask for; the library does not.

use std::io;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// The logger of the server as a whole, by PyKMIP's name.
const LOG: &str = "kmip.server";

/// Descriptors beside those of connections: the log, the policies, two or three for each connection of the store.
const RESERVE: u64 = 256;

/// Prepares the process for so many connections, once the log is open. What the system refuses is a warning in
/// the log: a server that the administrator cannot start is no safer.
pub fn harden(connections: usize) {
    // The rights that a new file has are those it asks for, less these.
    umask(Mode::RWXG | Mode::RWXO);
    // A dump of the memory would be a file with every key in it.
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    warn("switch core dumps off", setrlimit(Resource::Core, no_core));
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Nor may another process of the same user attach to this one and read it.
        warn("keep other processes out", set_dumpable_behavior(DumpableBehavior::NotDumpable));
    }
    raise_descriptors(connections);
}

fn raise_descriptors(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return;
    }
    let raised = Rlimit { current: Some(wanted.min(maximum)), maximum: limit.maximum };
    warn("raise the number of open files", setrlimit(Resource::Nofile, raised));
    if maximum < wanted {
        log::warn!(
            target: LOG,
            "{connections} connections need {wanted} open files; the system allows {maximum}: see max_connections."
        );
    }
}

fn warn(doing: &str, outcome: rustix::io::Result<()>) {
    if let Err(error) = outcome {
        log::warn!(target: LOG, "The process cannot {doing}: {}", io::Error::from(error));
    }
}

//! A PostgreSQL primary with a synchronous standby, for one test. Both end when the test ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::postgres::{free_port, is_owned_by_postgres, programs, run};
use super::within;

/// Ends both servers and removes their folder at the end of its standard input, also if the test is killed.
const GUARD: &str = r#"
cat >/dev/null
for data in "$2"/primary "$2"/standby; do "$1/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1; done
rm -rf "$2"
"#;

/// The settings of both servers. A failover ends backends that wait, and each server accepts the connections of three of ours.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c shared_buffers=32MB -c max_connections=60 -c wal_level=replica \
    -c hot_standby=on -c wal_receiver_timeout=5s -c wal_sender_timeout=5s -c wal_retrieve_retry_interval=200ms";

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Primary,
    Standby,
}

impl Node {
    fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}

/// The two servers.
pub(crate) struct Pair {
    bin: PathBuf,
    folder: PathBuf,
    primary: u16,
    standby: u16,
    is_owned: bool,
    guard: Child,
}

impl Pair {
    /// Creates the database `keys` on a primary, and a synchronous standby of it.
    ///
    /// # Errors
    /// Returns the reason why the test is skipped.
    pub(crate) fn start() -> Result<Self, &'static str> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let bin = programs()?;
        let name = format!("kmip-pair-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).map_err(|_| "the folder of PostgreSQL cannot be created")?;
        let is_owned = is_owned_by_postgres(&folder);
        let mut guard = as_owner(is_owned, Path::new("sh"));
        guard.args(["-c", GUARD, "sh"]).args([&bin, &folder]).stdin(Stdio::piped());
        let guard = guard.spawn().map_err(|_| "PostgreSQL cannot be started")?;
        let pair = Self { bin, folder, primary: free_port(), standby: free_port(), is_owned, guard };
        assert!(pair.run(
            "initdb",
            Node::Primary,
            &["-A", "trust", "-U", "kmip", "-E", "UTF8", "--locale=C", "--no-sync"]
        ));
        pair.start_node(Node::Primary);
        assert!(pair.execute_in(Node::Primary, "postgres", "CREATE DATABASE keys"));
        let port = pair.primary.to_string();
        let copy =
            ["-h", "127.0.0.1", "-U", "kmip", "-p", &port, "-X", "stream", "-c", "fast", "-R", "--no-sync"];
        assert!(pair.run("pg_basebackup", Node::Standby, &copy));
        pair.start_node(Node::Standby);
        pair.require_standby();
        Ok(pair)
    }

    /// Lets each commit of the primary wait for the standby.
    fn require_standby(&self) {
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"]
        {
            assert!(self.execute_in(Node::Primary, "postgres", statement));
        }
        self.wait_for_standby();
    }

    /// Waits until the standby has received all that the primary has committed, and is synchronous.
    pub(crate) fn wait_for_standby(&self) {
        let is_synchronous =
            "SELECT 1 / (SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync')";
        within(|| self.execute_in(Node::Primary, "postgres", is_synchronous).then_some(()));
    }

    /// Returns the value of `database_path`: both servers, and only the one that accepts writes.
    pub(crate) fn url(&self) -> PathBuf {
        self.url_through(self.primary, self.standby)
    }

    /// Returns the URL with other ports, those of relays.
    pub(crate) fn url_through(&self, primary: u16, standby: u16) -> PathBuf {
        format!(
            "postgresql://kmip@127.0.0.1:{primary},127.0.0.1:{standby}/keys?target_session_attrs=read-write"
        )
        .into()
    }

    pub(crate) fn port(&self, node: Node) -> u16 {
        match node {
            Node::Primary => self.primary,
            Node::Standby => self.standby,
        }
    }

    /// Starts a server that is stopped, and waits until it accepts connections.
    pub(crate) fn start_node(&self, node: Node) {
        let folder = self.folder.display();
        let own = format!("-c port={} -c unix_socket_directories={folder}", self.port(node));
        let options = format!("{SETTINGS} {own} -c cluster_name={}", node.name());
        let log = self.folder.join(format!("{}.log", node.name())).display().to_string();
        let started =
            self.run("pg_ctl", node, &["-l", &log, "-w", "-t", "60", "-s", "-o", &options, "start"]);
        assert!(started, "{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Stops a server as a crash does: it neither completes transactions nor writes its pages.
    pub(crate) fn crash(&self, node: Node) {
        assert!(self.run("pg_ctl", node, &["-m", "immediate", "-s", "-w", "stop"]));
    }

    /// Makes the standby the primary.
    pub(crate) fn promote(&self) {
        assert!(self.run("pg_ctl", Node::Standby, &["-w", "-t", "60", "-s", "promote"]));
    }

    /// Stops all processes of a server (`STOP`), or lets them continue (`CONT`): the connections stay open, and nothing answers.
    pub(crate) fn signal(&self, node: Node, signal: &str) {
        let path = self.folder.join(node.name()).join("postmaster.pid");
        let main = std::fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &main]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        for process in std::iter::once(main.as_str()).chain(children.lines()) {
            // A backend can have ended meanwhile.
            run(Command::new("kill").args([&format!("-{signal}"), process]));
        }
    }

    /// Executes a statement in the database `keys`. Returns whether it succeeds.
    pub(crate) fn execute(&self, node: Node, statement: &str) -> bool {
        self.execute_in(node, "keys", statement)
    }

    fn execute_in(&self, node: Node, database: &str, statement: &str) -> bool {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "kmip", "-d", database]);
        run(psql.args(["-p", &self.port(node).to_string(), "-c", statement]).current_dir("/"))
    }

    fn run(&self, program: &str, node: Node, options: &[&str]) -> bool {
        let mut command = as_owner(self.is_owned, &self.bin.join(program));
        run(command.arg("-D").arg(self.folder.join(node.name())).args(options))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for node in [Node::Primary, Node::Standby] {
            self.signal_if_running(node);
        }
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

impl Pair {
    /// Lets the processes of a test that failed while they were stopped end.
    fn signal_if_running(&self, node: Node) {
        if self.folder.join(node.name()).join("postmaster.pid").exists() {
            self.signal(node, "CONT");
        }
    }
}

/// Returns a command of the user that owns the servers.
fn as_owner(is_owned: bool, program: &Path) -> Command {
    let mut command = Command::new(if is_owned { Path::new("runuser") } else { program });
    if is_owned {
        command.args(["-u", "postgres", "--"]).arg(program);
    }
    command.current_dir("/");
    command
}

//! A PostgreSQL server for the tests of one process, from Debian's programs. It ends, and its folder is removed, when the process
//! ends. The tests of the library and the integration tests share this file.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder with a folder for each version of PostgreSQL.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Starts the server, and stops it at the end of its standard input.
const SCRIPT: &str = r#"
"$1/initdb" -D "$2/data" -A trust -U kmip -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 &&
"$1/pg_ctl" -D "$2/data" -l "$2/log" -w -t 120 -o "-c listen_addresses=127.0.0.1 -c port=$3 -c unix_socket_directories=$2 \
    -c fsync=off -c shared_buffers=32MB -c max_connections=200" start >/dev/null && echo ready
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// A running server.
pub(crate) struct Cluster {
    bin: PathBuf,
    pub(crate) port: u16,
    /// Its standard input ends with this process.
    _script: Child,
}

/// Returns the server of this process, or the reason why there is none.
pub(crate) fn cluster() -> Result<&'static Cluster, &'static str> {
    static CLUSTER: OnceLock<Result<Cluster, &'static str>> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).as_ref().map_err(|why| *why)
}

impl Cluster {
    fn start() -> Result<Self, &'static str> {
        let bin = programs()?;
        let folder = std::env::temp_dir().join(format!("kmip-postgres-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|_| "the folder of PostgreSQL cannot be created")?;
        let port = free_port();
        let is_root = is_owned_by_postgres(&folder);
        let mut script = Command::new(if is_root { "runuser" } else { "sh" });
        if is_root {
            script.args(["-u", "postgres", "--", "sh"]);
        }
        script.args(["-c", SCRIPT, "sh"]).args([&bin, &folder]).arg(port.to_string()).current_dir("/");
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().map_err(|_| "PostgreSQL cannot be started")?;
        let mut line = String::new();
        if let Some(output) = script.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        if line.trim() == "ready" {
            Ok(Self { bin, port, _script: script })
        } else {
            Err("PostgreSQL does not start")
        }
    }

    /// Creates an empty database.
    pub(crate) fn database(&'static self) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("keys_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Database { cluster: self, name };
        assert!(self.execute("postgres", &format!("CREATE DATABASE {}", database.name)));
        database
    }

    /// Executes a statement in a database. Returns whether it succeeds.
    fn execute(&self, database: &str, statement: &str) -> bool {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "kmip", "-d", database]);
        run(psql.args(["-p", &self.port.to_string(), "-c", statement]).current_dir("/"))
    }
}

/// A database for one test.
pub(crate) struct Database {
    pub(crate) cluster: &'static Cluster,
    name: String,
}

impl Database {
    /// Returns the value of `database_path`.
    pub(crate) fn url(&self) -> PathBuf {
        self.url_at(self.cluster.port)
    }

    /// Returns the value of `database_path` for a program at this port that relays to the server.
    pub(crate) fn url_at(&self, port: u16) -> PathBuf {
        format!("postgresql://kmip@127.0.0.1:{port}/{}", self.name).into()
    }

    /// Executes a statement. Returns whether it succeeds.
    pub(crate) fn execute(&self, statement: &str) -> bool {
        self.cluster.execute(&self.name, statement)
    }

    /// Ends all connections to the database.
    pub(crate) fn disconnect(&self) {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        assert!(self.cluster.execute("postgres", &statement));
    }
}

/// Returns the folder of the programs of the newest version.
pub(super) fn programs() -> Result<PathBuf, &'static str> {
    let versions = std::fs::read_dir(VERSIONS).map_err(|_| "PostgreSQL is not installed")?;
    let bins = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    bins.filter(|bin| bin.join("initdb").exists()).max().ok_or("PostgreSQL is not installed")
}

/// Gives the folder to the user `postgres` if this process runs as root, because PostgreSQL refuses to run as root. Returns
/// whether the folder has this owner.
pub(crate) fn is_owned_by_postgres(folder: &Path) -> bool {
    run(Command::new("chown").arg("postgres").arg(folder))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).map_or(54_320, |it| it.port())
}

/// Runs a command without input and output. Returns whether it succeeds.
pub(super) fn run(command: &mut Command) -> bool {
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

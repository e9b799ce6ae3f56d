//! TLS and passwords between a server and its PostgreSQL database, which accepts only TLS with SCRAM-SHA-256.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::V1_4;
use rcgen::SanType;

use crate::dialogue::Live;
use crate::harness::{Authority, Pki, Running, skip};
use crate::round_trips::{Proxy, create};

const PASSWORD: &str = "geheim: \\ pass";

/// The password in a password file.
const ESCAPED: &str = "geheim\\: \\\\ pass";

/// Starts the database in the folder `$2`, and stops it at the end of its standard input.
const SCRIPT: &str = r#"
umask 077
"$1/initdb" -D "$2/data" -A scram-sha-256 --pwfile="$2/password" -U kmip -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 &&
cp "$2/database.pem" "$2/data/server.crt" && cp "$2/database.key" "$2/data/server.key" &&
echo "hostssl all all 127.0.0.1/32 scram-sha-256" >"$2/data/pg_hba.conf" &&
"$1/pg_ctl" -D "$2/data" -l "$2/log" -w -t 120 -o "-c listen_addresses=127.0.0.1 -c port=$3 -c unix_socket_directories=$2 \
    -c fsync=off -c ssl=on" start >/dev/null && echo ready
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// A running database, whose certificate is for `localhost`.
struct Database {
    port: u16,
    ca: Authority,
    /// Its standard input ends with this value.
    _script: Child,
}

impl Database {
    fn start() -> Result<Self, &'static str> {
        let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| "PostgreSQL is not installed")?;
        let bins = versions.flatten().map(|version| version.path().join("bin"));
        let bin =
            bins.filter(|bin| bin.join("initdb").exists()).max().ok_or("PostgreSQL is not installed")?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kmip-postgres-tls-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let ca = Authority::new("Database CA");
        let server = ca.issue(&["localhost"], |params| {
            params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
        });
        for (name, text) in [
            ("database.pem", server.pem()),
            ("database.key", server.key_pem()),
            ("password", PASSWORD.to_owned()),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        // PostgreSQL refuses to run as root.
        let chown =
            Command::new("chown").arg("-R").arg("postgres").arg(&folder).stderr(Stdio::null()).status();
        let is_root = chown.is_ok_and(|status| status.success());
        let mut script = Command::new(if is_root { "runuser" } else { "sh" });
        if is_root {
            script.args(["-u", "postgres", "--", "sh"]);
        }
        script.args(["-c", SCRIPT, "sh"]).args([&bin, &folder]).arg(port.to_string()).current_dir("/");
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "PostgreSQL does not start");
        Ok(Self { port, ca, _script: script })
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgresql://kmip@{host}:{}/postgres?{parameters}", self.port)
    }
}

/// Starts the database, or returns `None` if the test is skipped.
fn database() -> Option<Database> {
    Database::start().map_err(skip).ok()
}

/// Returns the program with options of a server on the database, and with no password but that of `variables`.
fn server(pki: &Pki, url: &str, variables: &[(&str, &str)]) -> Command {
    let mut options = pki.options();
    *options.last_mut().unwrap() = url.to_owned();
    let settings = pki.settings("database_connect_timeout=2").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(["-f", &settings]).args(options);
    command.env_remove("PGPASSWORD").env_remove("PGPASSFILE").env("HOME", pki.folder.path("none"));
    command.envs(variables.iter().copied());
    command
}

fn write(pki: &Pki, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = pki.folder.write(name, text);
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn server_reaches_its_database_over_tls_with_scram_or_says_in_one_line_why_not() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let ca = shown(&pki.folder.write("database-ca.pem", database.ca.pem()));
    let other_ca = shown(&pki.folder.write("other-ca.pem", Authority::new("Database CA").pem()));
    let password = [("PGPASSWORD", PASSWORD)];
    let line = |password: &str| format!("127.0.0.1:{}:postgres:kmip:{password}\n", database.port);
    let passfile = shown(&write(&pki, "passfile", &line(ESCAPED), 0o600));
    let open_passfile = shown(&write(&pki, "open-passfile", &line(ESCAPED), 0o644));

    let reached = |host: &str, parameters: &str, variables: &[(&str, &str)]| {
        let mut server = Running::of(server(&pki, &database.url(host, parameters), variables));
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0), "{host} {parameters}");
    };
    for parameters in ["sslmode=require", "sslmode=prefer", &format!("sslmode=require&sslrootcert={ca}")] {
        reached("127.0.0.1", parameters, &password);
    }
    reached("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ca}"), &password);
    reached("localhost", &format!("sslmode=verify-full&sslrootcert={ca}"), &password);
    reached("127.0.0.1", &format!("sslmode=require&passfile={passfile}"), &[]);
    reached("127.0.0.1", "sslmode=require", &[("PGPASSFILE", &passfile)]);

    let refused = |host: &str, parameters: &str, variables: &[(&str, &str)], words: &str| {
        let done = server(&pki, &database.url(host, parameters), variables).output().unwrap();
        let line = String::from_utf8(done.stderr).unwrap();
        assert_eq!((done.status.code(), line.lines().count()), (Some(1), 1), "{parameters}: {line}");
        assert!(line.contains(words) && !line.contains("geheim"), "{parameters}: {line}");
        println!("{line}");
    };
    let wrong = [("PGPASSWORD", "geheim")];
    refused(
        "127.0.0.1",
        "sslmode=require",
        &wrong,
        "password authentication failed for user \"kmip\" (28P01)",
    );
    refused("127.0.0.1", "sslmode=require", &[], "it requires a password");
    refused("127.0.0.1", "sslmode=disable", &password, "no encryption (28000)");
    let full = format!("sslmode=verify-full&sslrootcert={ca}");
    refused("127.0.0.1", &full, &password, "not valid for name");
    for mode in ["require", "verify-ca", "verify-full"] {
        let unknown = format!("sslmode={mode}&sslrootcert={other_ca}");
        refused("localhost", &unknown, &password, "invalid peer certificate");
    }
    refused("127.0.0.1", &format!("sslmode=require&passfile={open_passfile}"), &[], "its mode is 0644");
    let log = pki.log();
    assert!(!log.contains("geheim"), "{log}");
}

#[test]
fn a_connection_over_tls_with_scram_takes_six_round_trips_after_that_of_tcp_and_its_first_statement_two() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let proxy = Proxy::start(database.port);
    let passfile = shown(&write(&pki, "passfile", &format!("*:*:*:*:{ESCAPED}\n"), 0o600));
    let mut config = pki.config();
    let parameters = format!("sslmode=require&target_session_attrs=read-write&passfile={passfile}");
    config.database_path = format!("postgresql://kmip@127.0.0.1:{}/postgres?{parameters}", proxy.port).into();
    let live = Live::start(&config);
    let mut caller = live.caller(&pki, &pki.client);
    let made = caller.ask(V1_4, Operation::Create, create("made")).id();
    for is_new in [false, true] {
        caller.get(V1_4, &made);
        if is_new {
            proxy.cut();
        }
        let before = proxy.trips();
        caller.get(V1_4, &made);
        assert_eq!(proxy.trips() - before, if is_new { 6 + 2 } else { 1 }, "a new connection: {is_new}");
    }
}

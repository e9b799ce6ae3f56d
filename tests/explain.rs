//! Every failed start prints what to do, in the words of `--explain` and docs/errors.md.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use kmip_server::internals::explain::{CONNECTIONS, REASONS, STARTS, table};
use kmip_server::internals::store::Sqlite;
use kmip_server::kmip::enums::ResultReason;
use rusqlite::Connection;

use crate::corpus::dispatcher_on;
use crate::generated;
use crate::harness::{Authority, Pki, Running};

/// The codes that no test can cause, each with the reason.
const UNTESTED: [(&str, &str); 11] = [
    ("temporary-folder", "it needs another TMPDIR: tests/starts.rs"),
    ("cannot-listen", "it needs a system that refuses to listen"),
    ("port-forbidden", "root may listen on every port"),
    ("feature-missing", "the tests run with all features"),
    ("policy-broken", "a server starts with a broken policy file"),
    ("database-sealed-too-late", "it needs a PostgreSQL server: tests/shared_database.rs"),
    ("database-statement", "it needs a PostgreSQL server that fails"),
    ("database-file-system", "it needs a file system that cannot share memory"),
    ("no-thread", "it needs a system that refuses threads"),
    ("internal", "it needs a bug"),
    ("interrupted", "a test of --export and --import sends the signals"),
];

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Failed starts, and the codes that they returned.
struct Failures {
    pki: Pki,
    seen: BTreeSet<String>,
}

impl Failures {
    fn path(&self, name: &str) -> String {
        self.pki.folder.path(name).display().to_string()
    }

    /// Runs the program, which must fail with the explanation of `code`.
    fn expect(&mut self, code: &str, arguments: &[&str]) {
        let (exit, _, error) = run(arguments);
        let expected = STARTS.iter().find(|explanation| explanation.code == code).unwrap();
        assert_eq!(exit, Some(if code == "command-line" { 2 } else { 1 }), "{code}: {error}");
        let end = format!(". What to do: {} (run_server --explain {code})\n", expected.advice);
        assert!(error.ends_with(&end), "{code}: {error}");
        assert!(error.starts_with("run_server: ") && error.lines().count() == 1, "{code}: {error}");
        self.seen.insert(code.to_owned());
    }

    /// Starts a server, which must fail, with the settings of [`Pki::settings`], more lines, and these options.
    fn start(&mut self, code: &str, settings: &str, options: &[&str]) {
        let (file, log) = (self.pki.settings(settings).display().to_string(), self.path("log"));
        self.expect(code, &[&["-f", &file, "-l", &log], options].concat());
    }

    /// Starts a server, which must fail, with other contents of a file, and restores the file.
    fn with_file(&mut self, code: &str, name: &str, text: &str) {
        let before = fs::read(self.pki.folder.path(name)).unwrap();
        self.pki.folder.write(name, text);
        self.start(code, "", &[]);
        self.pki.folder.write(name, before);
    }

    /// Creates a database with objects and returns its path.
    fn database(&self, name: &str) -> String {
        drop(dispatcher_on(Box::new(Sqlite::open(&self.pki.folder.path(name)).unwrap())));
        self.path(name)
    }
}

#[test]
fn every_failed_start_says_what_to_do() {
    let mut it = Failures { pki: Pki::new(), seen: BTreeSet::new() };
    settings_and_certificates(&mut it);
    automatic_certificates(&mut it);
    databases(&mut it);
    tasks(&mut it);
    let known: BTreeSet<_> = STARTS.iter().map(|explanation| explanation.code.to_owned()).collect();
    let excused = UNTESTED.map(|(code, _)| code.to_owned()).into();
    assert_eq!(&it.seen | &excused, known, "a failed start is not tried here");
    assert!(it.seen.is_disjoint(&excused), "it can be brought about after all");
}

fn settings_and_certificates(it: &mut Failures) {
    it.expect("command-line", &["--nonsense"]);
    it.expect("not-configured", &[]);
    it.expect("command-line", &["-p", "many"]);
    it.expect("settings-unreadable", &["-f", "/nowhere/server.conf"]);
    it.expect("setting-missing", &["-n", "127.0.0.1"]);
    let malformed = it.pki.folder.write("malformed", "nonsense").display().to_string();
    it.expect("settings-malformed", &["-f", &malformed]);
    it.start("setting-unknown", "colour=red", &[]);
    it.start("setting-invalid", "max_connections=none", &[]);
    it.start("no-such-file", "key_encryption_key_path=/nowhere/key", &[]);
    it.start("file-not-private", "strict_file_modes=True\nkey_encryption_key_path=/etc/passwd", &[]);
    it.start("log-unwritable", "", &["-l", "/proc/none/server.log"]);

    let pem = |label: &str, text: &str| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    it.with_file("pem-unreadable", "server.key", &pem("PRIVATE KEY", "%%%%"));
    it.with_file("no-certificate", "server.pem", "nothing");
    it.with_file("bad-certificate", "server.pem", &pem("CERTIFICATE", "AAAA"));
    it.with_file("no-key", "server.key", "nothing");
    it.with_file("key-encrypted", "server.key", &pem("ENCRYPTED PRIVATE KEY", "AAAA"));
    it.with_file("bad-key", "server.key", &pem("PRIVATE KEY", "AAAA"));
    let other = it.pki.client.key_pem();
    it.with_file("key-mismatch", "server.key", &other);

    let ca_key = it.pki.folder.write("ca.key", it.pki.ca.credential.key_pem()).display().to_string();
    it.start("authority-unusable", &format!("certify_ca_key={ca_key}"), &[]);
    let ca = it.path("ca.pem");
    it.start("authority-trusted", &format!("certify_ca_certificate={ca}\ncertify_ca_key={ca_key}"), &[]);
    it.start("slugs-unusable", "[auth:slugs]\nenabled=True\nurl=http://local host/", &[]);
    it.start("announcement", "announced_version=new", &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    it.start("port-in-use", "", &["-p", &taken.local_addr().unwrap().port().to_string()]);
    it.start("no-such-address", "", &["-n", "192.0.2.1"]);
    let certificate = it.path("server.pem");
    it.start("policy-path", &format!("policy_path={certificate}"), &[]);
    it.expect("no-management", &["--health"]);
    it.expect("not-ready", &["--health", "127.0.0.1:1"]);
    it.start("no-management-token", "management_address=0.0.0.0:0", &[]);
}

fn automatic_certificates(it: &mut Failures) {
    let (folder, certificate, log) = (it.path("automatic"), it.path("server.pem"), it.path("log"));
    let options =
        ["-n", "127.0.0.1", "-p", "0", "-d", ":memory:", "-l", &log, "--auto-certificates", &folder];
    it.expect("auto-certificates-beside", &[&options[..], &["-c", &certificate]].concat());
    fs::create_dir(&folder).unwrap();
    it.pki.folder.write("automatic/root_key.pem", it.pki.ca.credential.key_pem());
    it.expect("auto-certificates-incomplete", &options);
    let expired = Authority::with("Old", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let (client, server) = (expired.client("John Doe"), expired.server());
    for (name, text) in [
        ("root_certificate.pem", expired.pem()),
        ("root_key.pem", expired.credential.key_pem()),
        ("server_certificate.pem", server.pem()),
        ("server_key.pem", server.key_pem()),
        ("client_certificate_john_doe.pem", client.pem()),
        ("client_key_john_doe.pem", client.key_pem()),
    ] {
        it.pki.folder.write(&format!("automatic/{name}"), text);
    }
    it.expect("auto-certificates-expired", &options);
}

fn databases(it: &mut Failures) {
    it.start("database-no-folder", "", &["-d", "/nowhere/database"]);
    it.start("database-unusable", "", &["-d", "/"]);
    it.start("database-url", "", &["-d", "postgresql://kmip:secret@127.0.0.1/keys"]);
    it.start(
        "database-unreachable",
        "database_connect_timeout=1",
        &["-d", "postgresql://kmip@127.0.0.1:1/keys"],
    );
    let text = it.pki.folder.write("text", "x".repeat(5000)).display().to_string();
    it.start("database-foreign", "", &["-d", &text]);
    let newer = it.database("newer");
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    it.start("database-newer", "", &["-d", &newer]);

    let pykmip = it.path("pykmip");
    let tables =
        "CREATE TABLE managed_objects (uid); CREATE TABLE crypto_objects (uid); CREATE TABLE keys (uid)";
    Connection::open(&pykmip).unwrap().execute_batch(tables).unwrap();
    it.start("database-not-taken-over", "", &["-d", &pykmip]);
    it.start("database-pykmip", "", &["-d", &pykmip, "--export", "/nowhere"]);

    let keys = [("one", 1), ("two", 2)].map(|(name, byte)| {
        let path = it.pki.folder.write(name, [byte; 32]);
        format!("key_encryption_key_path={}", path.display())
    });
    let (sealed, two) = (it.database("sealed"), it.path("two"));
    it.start("database-not-sealed", &keys[0], &["-d", &sealed, "--rotate-key-encryption-key", &two]);
    let settings = it.pki.settings(&keys[0]).display().to_string();
    let log = it.path("log");
    drop(Running::start(["-f", &settings, "-l", &log, "-d", &sealed]));
    it.start("database-sealed", "", &["-d", &sealed]);
    it.start("database-key", &keys[1], &["-d", &sealed]);

    let damaged = it.database("damaged");
    Connection::open(&damaged).unwrap().execute("UPDATE object SET object = x'00' WHERE id = 3", []).unwrap();
    let file = it.path("export");
    it.start("database-damaged", "", &["-d", &damaged, "--export", &file]);
    let failed = it.database("failed");
    Connection::open(&failed).unwrap().execute_batch("DROP TABLE counter").unwrap();
    it.start("database-failed", "", &["-d", &failed, "--export", &file]);
}

fn tasks(it: &mut Failures) {
    let (database, file) = (it.database("database"), it.path("export"));
    it.expect("no-database", &["-d", ":memory:", "--export", &file]);
    assert_eq!(run(&["-d", &database, "--export", &file]).0, Some(0));
    it.expect("export-exists", &["-d", &database, "--export", &file]);
    it.expect("export-file", &["-d", &database, "--export", "/nowhere/export"]);
    it.expect("identifier-taken", &["-d", &database, "--import", &file]);
    let key = it.path("one");
    it.expect("export-key", &["-d", &database, "--import", &file, "--seal-key", &key]);
    let cut = it.pki.folder.write("cut", &fs::read(&file).unwrap()[..100]).display().to_string();
    it.expect("export-damaged", &["-d", &database, "--import", &cut]);
    let mut options = it.pki.options();
    options.extend(["-d".to_owned(), database.clone()]);
    let server = Running::start(options);
    it.start("database-locked", "", &["-d", &database]);
    it.expect("database-in-use", &["-d", &database, "--import", &file]);
    drop(server);

    let folder = it.path("certificates");
    assert_eq!(run(&["--make-certs", &folder, "--ec"]).0, Some(0));
    it.expect("certificates-exist", &["--make-certs", &folder, "--ec"]);
    let foreign = it.path("foreign");
    fs::create_dir(&foreign).unwrap();
    for (name, text) in [("root_certificate.pem", it.pki.ca.pem()), ("root_key.pem", it.pki.client.key_pem())]
    {
        it.pki.folder.write(&format!("foreign/{name}"), text);
    }
    it.expect("certificates-authority", &["--make-certs", &foreign, "--client", "Ann"]);
    it.expect("certificates-file", &["--make-certs", "/proc/none", "--ec"]);
    it.expect("certificates-option", &["--make-certs", &folder, "--days", "0"]);
    it.expect("not-explained", &["--explain", "nonsense"]);
    it.pki.folder.write("ca.pem", Authority::new("Another").pem());
    it.pki.folder.write("server.pem", "nothing");
    it.start("check-failed", "", &["--check-config"]);
}

#[test]
fn every_code_and_every_result_reason_is_explained() {
    for explanation in STARTS.iter().chain(CONNECTIONS).chain(REASONS) {
        let (code, output, error) = run(&["--explain", explanation.code]);
        assert_eq!(code, Some(0), "{}: {error}", explanation.code);
        assert!(output.starts_with(explanation.code), "{output}");
        assert!(output.contains(explanation.meaning) && output.contains(explanation.advice), "{output}");
    }
    for code in ["permission denied", "PERMISSION_DENIED", "PermissionDenied", "12", "0x0c"] {
        assert!(run(&["--explain", code]).1.starts_with("Permission Denied\n"), "{code}");
    }
    for reason in ResultReason::ALL {
        let (code, output, _) = run(&["--explain", reason.name()]);
        assert!(code == Some(0) && output.starts_with(reason.name()), "{output}");
    }
    let listed = run(&["--explain", "list"]).1;
    assert_eq!(listed.lines().count(), STARTS.len() + CONNECTIONS.len() + REASONS.len());
    let distinct: BTreeSet<_> = listed.lines().collect();
    assert_eq!(distinct.len(), listed.lines().count(), "a code occurs twice");
}

/// Returns the concatenated sources of a folder and its subfolders.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = entries.map(|path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => fs::read_to_string(path).unwrap(),
    });
    text.collect()
}

#[test]
fn every_result_reason_that_the_server_gives_has_an_explanation_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text: String =
        ["engine", "operations", "dispatch"].map(|layer| sources(&root.join("src").join(layer))).concat();
    for reason in ResultReason::ALL {
        let name = format!("ResultReason::{reason:?}");
        let given =
            text.split(&name).skip(1).any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()));
        let explained = REASONS.iter().any(|explanation| explanation.code == reason.name());
        assert!(!given || explained, "{} is given and not explained", reason.name());
    }
}

#[test]
fn the_document_has_the_same_explanations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut expected = text.clone();
    for (name, heads, list) in [
        ("starts", ["The line says", "Meaning", "What to do"], STARTS),
        ("connections", ["In the server's log", "Meaning", "What to do"], CONNECTIONS),
        ("reasons", ["The message says", "Usual cause", "What to do"], REASONS),
    ] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let at = expected.find(&begin).unwrap() + begin.len();
        let to = expected.find(&end).unwrap();
        expected.replace_range(at..to, &table(heads, list));
    }
    generated::compare("docs/errors.md", &expected);
}

#[test]
fn a_misspelt_name_gets_a_similar_one() {
    let pki = Pki::new();
    let settings = pki.settings("prot=5696");
    let file = settings.to_str().unwrap();
    for (arguments, expected) in [
        (&["--demmo"][..], "the option --demmo does not exist; similar: --demo."),
        (&["--prot", "5696"], "the option --prot does not exist; similar: --port."),
        (&["--xyzzy"], "the option --xyzzy does not exist."),
        (&["-X"], "the option -X does not exist."),
        (&["demo"], "the argument 'demo' belongs to no option; similar: --demo."),
        (&["help"], "the argument 'help' belongs to no option; similar: --help."),
        (&["version"], "the argument 'version' belongs to no option; similar: --version."),
        (
            &["--make-certs", "certificates", "--hots", "localhost"],
            "the option --hots does not exist; similar: --host.",
        ),
        (&["-f", file], "the setting 'prot' does not exist; similar: port."),
    ] {
        let (exit, _, error) = run(arguments);
        assert_eq!(exit, Some(if arguments[0] == "-f" { 1 } else { 2 }), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn version_and_help_are_printed() {
    let version = concat!("run_server ", env!("CARGO_PKG_VERSION"), "\n");
    for arguments in [["--version"], ["-V"], ["--vers"]] {
        assert_eq!(run(&arguments), (Some(0), version.to_owned(), String::new()), "{arguments:?}");
    }
    let (exit, text, _) = run(&["--make-certs", "certificates", "--help"]);
    assert_eq!((exit, text.starts_with("Usage: ")), (Some(0), true), "{text}");
}

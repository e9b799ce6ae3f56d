//! `--check-config`: reports each mistake, and changes no file.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kmip_server::internals::store::Sqlite;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rusqlite::Connection;

use crate::corpus::dispatcher_on;
use crate::harness::{Authority, Credential, Pki, Running};

/// Returns certificates and settings without mistakes.
fn clean() -> Pki {
    let pki = Pki::new();
    protect(&pki, "server.key");
    pki
}

fn protect(pki: &Pki, name: &str) {
    fs::set_permissions(pki.folder.path(name), Permissions::from_mode(0o600)).unwrap();
}

/// Returns the files of the folder with their contents, except SQLite's index of its log, which lists the readers, and
/// the log of a running server.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries
        .filter(|path| path.is_file() && !path.ends_with("log") && !path.to_string_lossy().ends_with("-shm"));
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

/// Checks the settings with these lines and options. Returns whether the check passes, and its output; asserts that no
/// file changes.
fn check(pki: &Pki, lines: &str, options: &[&str]) -> (bool, String) {
    let settings = pki.settings(lines);
    let before = files(&pki.folder.path(""));
    let output = Command::new(env!("CARGO_BIN_EXE_run_server"))
        .args(["--check-config", "-f", settings.to_str().unwrap(), "-l"])
        .arg(pki.folder.path("logs/server.log"))
        .args(options)
        .output()
        .unwrap();
    let after = files(&pki.folder.path(""));
    let names = before.keys().chain(after.keys());
    let changed: Vec<_> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
    assert!(!pki.folder.path("logs").exists());
    let (text, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(i32::from(!error.is_empty())), "{text}{error}");
    assert_eq!(output.status.success(), text.ends_with("The server would start.\n"), "{text}{error}");
    (output.status.success(), text)
}

/// Asserts that the check passes with exactly one warning, which contains `words`.
fn warns(pki: &Pki, lines: &str, options: &[&str], words: &str) {
    let (passes, text) = check(pki, lines, options);
    let found: Vec<_> = text.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(passes && found.len() == 1 && found[0].contains(words), "{words}: {text}");
}

/// Asserts that the check fails with exactly one error, which contains `words`.
fn fails(pki: &Pki, lines: &str, options: &[&str], words: &str) {
    let (passes, text) = check(pki, lines, options);
    let found: Vec<_> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(!passes && found.len() == 1 && found[0].contains(words), "{words}: {text}");
    assert!(found[0].contains("What to do: "), "{text}");
}

/// Asserts that the check passes without warnings, and that its output contains `words`.
fn says(pki: &Pki, lines: &str, options: &[&str], words: &str) {
    let (passes, text) = check(pki, lines, options);
    assert!(passes && !text.contains("warning: ") && text.contains(words), "{words}: {text}");
}

#[test]
fn what_the_server_would_do_is_told() {
    let pki = clean();
    let words = [
        "Listens on 127.0.0.1, a free port, for 1024 connections\n",
        "Gives each user as many as other users leave of them; an idle one stays open\n",
        "Takes requests of at most 16777216 bytes; large messages use at most 1073741824 bytes\n",
        "Speaks TLS 1.2 and 1.3 with an EC certificate: TLS_AES_256_GCM_SHA384, ",
        "Speaks TLS 1.2 by OpenSSL, for older clients, with an EC certificate: TLS_ECDHE_ECDSA_WITH_AES_256_GCM",
        "Shows CN=localhost in ",
        "Trusts clients by the certificates in ",
        "Keeps objects in memory only",
        "Has the built-in policies default and public\n",
        "logs/server.log from the level INFO on\n",
        "logs/audit.log\n",
    ];
    for words in words {
        says(&pki, "", &[], words);
    }
    says(&pki, "", &["-s", "TLS1.3"], "Speaks TLS 1.3 with an EC certificate: ");
    let limits = "max_connections_per_user=7\nidle_timeout=60\nmax_request_memory=4096";
    says(&pki, limits, &[], "Gives each user 7 of them; an idle one ends after 60 s\n");
    says(&pki, limits, &[], "large messages use at most 83886080 bytes\n");
    says(
        &pki,
        "[auth:slugs]\nenabled=True\nurl=http://127.0.0.1:1/slugs",
        &[],
        "Asks the SLUGS service http://127",
    );
    says(&pki, &format!("status_path={}", pki.folder.path("status").display()), &[], "Writes its state to ");
}

/// Replaces the certificate of the server.
type Change<'a> = &'a dyn Fn(&mut CertificateParams);

fn replace(pki: &Pki, credential: &Credential) {
    pki.folder.write("server.pem", credential.pem());
    pki.folder.write("server.key", credential.key_pem());
}

#[test]
fn the_servers_certificate_is_judged() {
    let pki = clean();
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    let of_server = |params: &mut CertificateParams| {
        params.subject_alt_names =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().subject_alt_names;
    };
    let changes: [(&str, Change<'_>); 6] = [
        ("expires in 19 days", &|params| params.not_after = (now + DAY * 20 - DAY / 2).into()),
        ("has expired", &|params| params.not_after = (now - DAY).into()),
        ("is not valid yet", &|params| params.not_before = (now + DAY).into()),
        ("extended key usage is not for servers", &|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
        ("key usage lacks digital signatures", &|params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }),
        ("no subject alternative name", &|params| params.subject_alt_names.clear()),
    ];
    for (words, change) in changes {
        let credential = pki.ca.issue(&["localhost"], |params| {
            of_server(params);
            change(params);
        });
        replace(&pki, &credential);
        warns(&pki, "", &[], words);
    }
    let other = Authority::new("Another");
    replace(&pki, &other.server());
    warns(&pki, "", &[], "no certificate of ca_path vouches for it");

    let below = pki.ca.intermediate("Below");
    let leaf = below.server();
    replace(&pki, &leaf);
    pki.folder.write("server.pem", leaf.pem() + &below.pem());
    says(&pki, "", &[], "Shows CN=localhost");
    pki.folder.write("server.pem", leaf.pem() + &other.pem() + &below.pem());
    let (_, text) = check(&pki, "", &[]);
    assert!(text.contains("CN=localhost is not signed by the certificate behind it"), "{text}");

    fails(&pki, "", &["-k", pki.folder.path("ca.pem").to_str().unwrap()], "holds no private key");
    pki.folder.write("other.key", pki.client.key_pem());
    protect(&pki, "other.key");
    fails(
        &pki,
        "",
        &["-k", pki.folder.path("other.key").to_str().unwrap()],
        "is not the one of the certificate",
    );
}

#[test]
fn the_certificates_that_clients_are_trusted_by_are_judged() {
    let pki = clean();
    let old = Authority::with("Old", |params| {
        params.not_after = (SystemTime::now() - Duration::from_secs(9)).into()
    });
    pki.folder.write("ca.pem", pki.ca.pem() + &old.pem());
    warns(&pki, "", &[], "the certificate CN=Old in");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    pki.folder.write("ca.pem", pki.ca.pem() + broken);
    let (passes, text) = check(&pki, "", &[]);
    assert!(passes && text.contains(", and is left out; replace it"), "{text}");
    pki.folder.write("ca.pem", broken);
    let (passes, text) = check(&pki, "", &[]);
    assert!(!passes && text.contains("holds a broken certificate"), "{text}");
    // A self-signed certificate whose Basic Constraints state that it is no CA.
    let alone = Authority::with("localhost", |params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages.clear();
        params.subject_alt_names =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().subject_alt_names;
    });
    replace(&pki, &alone.credential);
    pki.folder.write("ca.pem", alone.pem());
    warns(&pki, "", &[], "may issue others");
}

#[test]
fn key_files_that_other_users_can_read_are_reported() {
    let pki = clean();
    let open =
        |name: &str| fs::set_permissions(pki.folder.path(name), Permissions::from_mode(0o644)).unwrap();
    open("server.key");
    warns(&pki, "", &[], "has the mode 0644, so other users can use the key");
    protect(&pki, "server.key");
    pki.folder.write("kek", [1; 32]);
    open("kek");
    let database = pki.folder.path("database").display().to_string();
    let line = format!("key_encryption_key_path={}", pki.folder.path("kek").display());
    warns(&pki, &line, &["-d", &database], "kek has the mode 0644");
    let strict = [line.as_str(), "strict_file_modes=True"].join("\n");
    let settings = pki.settings(&strict).display().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_run_server")).args(["-f", &settings, "--check-config"]).output();
    let output = output.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("kek has the mode 0644"), "{text}");
}

#[test]
fn databases_are_told_apart_and_left_as_they_are() {
    let pki = clean();
    let path = |name: &str| pki.folder.path(name).display().to_string();
    let key = |name: &str, byte: u8| {
        pki.folder.write(name, [byte; 32]);
        protect(&pki, name);
        format!("key_encryption_key_path={}", path(name))
    };
    let (one, two, database) = (key("one", 1), key("two", 2), path("database"));
    says(&pki, "", &["-d", &database], "Makes a new database, ");
    says(&pki, &one, &["-d", &database], "with its objects sealed");
    drop(dispatcher_on(Box::new(Sqlite::open(Path::new(&database)).unwrap())));
    says(&pki, "", &["-d", &database], "Serves 10 objects in ");
    says(&pki, &one, &["-d", &database], ", and seals them\n");
    {
        let settings = pki.settings(&one).display().to_string();
        let server = Running::start(["-f", &settings, "-l", &path("log"), "-d", &database]);
        says(&pki, &one, &["-d", &database], "Serves 10 objects in ");
        // SIGKILL leaves the files as they are.
        drop(server);
    }
    says(&pki, &one, &["-d", &database], ", which are sealed\n");
    fails(&pki, "", &["-d", &database], "are sealed");
    fails(&pki, &two, &["-d", &database], "is not the key");
    Connection::open(&database).unwrap().pragma_update(None, "user_version", 3).unwrap();
    says(&pki, &one, &["-d", &database], "brings it up to date first");
    Connection::open(&database).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    fails(&pki, &one, &["-d", &database], "newer server");

    let pykmip = path("pykmip");
    let tables = "CREATE TABLE managed_objects (uid, object_type, value);
        CREATE TABLE crypto_objects (uid, cryptographic_usage_mask, state);
        CREATE TABLE keys (uid, cryptographic_algorithm, cryptographic_length, key_format_type);
        CREATE TABLE certificates (uid, certificate_type);
        CREATE TABLE secret_data_objects (uid, data_type);
        CREATE TABLE opaque_objects (uid, opaque_type)";
    Connection::open(&pykmip).unwrap().execute_batch(tables).unwrap();
    protect(&pki, "pykmip");
    says(&pki, "", &["-d", &pykmip], "Takes over 0 objects of PyKMIP's server");
    Connection::open(&pykmip)
        .unwrap()
        .execute("INSERT INTO managed_objects VALUES (7, 'Thing', x'00')", [])
        .unwrap();
    fails(&pki, "", &["-d", &pykmip], "object 7: ");

    pki.folder.write("text", "x".repeat(5000));
    protect(&pki, "text");
    fails(&pki, "", &["-d", &path("text")], "is not a database");
    fails(&pki, "", &["-d", &path("none/database")], "does not exist");
    let (_, text) = check(&pki, "", &["-d", "/tmp/pykmip.database"]);
    assert!(text.contains("in a folder whose files do not last"), "{text}");
}

#[test]
fn policies_addresses_suites_and_services_are_judged() {
    let pki = clean();
    let folder = pki.folder.path("policies");
    let line = format!("policy_path={}", folder.display());
    warns(&pki, &line, &[], "cannot be read");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let policy =
        |name: &str| format!(r#"{{"{name}": {{"preset": {{"SYMMETRIC_KEY": {{"GET": "ALLOW_ALL"}}}}}}}}"#);
    write("one.json", &policy("mine"));
    says(&pki, &line, &[], "Has the policies default, public, mine; follows ");
    says(&pki, &format!("{line}\nlive_policies=False"), &[], "reads once");
    write("two.json", "{\n  nonsense");
    warns(&pki, &line, &[], "two.json, line 2, column ");
    write("two.json", &policy("public"));
    warns(&pki, &line, &[], "the name is reserved");
    write("two.json", &policy("mine"));
    warns(&pki, &line, &[], "overrides");
    fs::rename(folder.join("two.json"), folder.join("two.yaml")).unwrap();
    warns(&pki, &line, &[], "two.yaml is not looked at");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    warns(&pki, "", &["-p", &taken.local_addr().unwrap().port().to_string()], "is in use now");
    // An address for documentation (RFC 5737), which no machine has.
    fails(&pki, "", &["-n", "192.0.2.1"], "cannot listen on 192.0.2.1");
    warns(&pki, "tls_cipher_suites=DES-CBC3-SHA", &[], "not offered: DES-CBC3-SHA. None is left");
    warns(
        &pki,
        "tls_cipher_suites=AES128-SHA256",
        &[],
        "a server with an EC certificate cannot use AES128-SHA256",
    );
    warns(
        &pki,
        "tls_cipher_suites=AES128-SHA256\nlegacy_tls=False",
        &[],
        "not offered: TLS_RSA_WITH_AES_128_CBC",
    );
    warns(&pki, "tls_minimum_version=1.0", &[], "TLS 1.0 and 1.1 are insecure");
    warns(
        &pki,
        "tls_minimum_version=1.1\nlegacy_tls=False",
        &[],
        "it has no effect, because legacy_tls is False",
    );
    warns(&pki, "[auth:other]\nenabled=True", &[], "[auth:other]: there is no such authentication service");
    let slugs = |url: &str| format!("[auth:slugs]\nenabled=True\nurl={url}");
    fails(&pki, &slugs("http://local host/"), &[], "section [auth:slugs]: the url cannot be used");
    warns(&pki, "status_path=/nowhere/status", &[], "status_path: the folder of");
    fails(&pki, "announced_version=new", &[], "'announced_version' cannot have 'new'");
    fails(&pki, "certify_ca_key=/dev/null", &[], "'certify_ca_certificate' is missing");
    let file = pki.folder.path("ca.pem/server.log").display().to_string();
    fails(&pki, "", &["-l", &file], "the log file");
}

#[test]
fn settings_that_cannot_be_read_are_refused_as_by_a_start() {
    let pki = clean();
    let settings = pki.settings("colour=red").display().to_string();
    for option in ["--check-config", "--check-settings"] {
        let run = |more: &[&str]| {
            let output =
                Command::new(env!("CARGO_BIN_EXE_run_server")).arg(option).args(more).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, error) = run(&["-f", &settings]);
        assert!(code == Some(1) && error.contains("'colour' does not exist"), "{error}");
        let (code, error) = run(&["-p", "many"]);
        assert!(code == Some(2) && error.contains("'port'"), "{error}");
    }
    // The check of the settings does not read the files.
    let settings = pki.settings("").display().to_string();
    pki.folder.write("server.pem", "nothing");
    let output =
        Command::new(env!("CARGO_BIN_EXE_run_server")).args(["--check-settings", "-f", &settings]).output();
    assert!(output.unwrap().status.success());
    fails(&pki, "", &[], "holds no certificate");
}

#[test]
fn listeners_of_clients_are_named_and_a_certificate_that_they_may_refuse_is_found() {
    let pki = clean();
    let setting = "client_endpoints=John Doe=127.0.0.1:5697";
    warns(&pki, setting, &[], "client_endpoints: the extended key usage");
    let both = pki.ca.issue(&["localhost"], |params| {
        let names = vec!["localhost".to_owned()];
        params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    });
    pki.folder.write("server.pem", both.pem());
    pki.folder.write("server.key", both.key_pem());
    protect(&pki, "server.key");
    says(&pki, setting, &[], "Sends Put and Notify for John Doe to 127.0.0.1, port 5697");
    says(&pki, "", &[], "Listens on");
}

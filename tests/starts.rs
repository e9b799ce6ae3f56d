//! What a start says: all errors of the settings at once, remedies that fit the cause, and warnings on the terminal.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use kmip_server::internals::store::Sqlite;
use rcgen::ExtendedKeyUsagePurpose;

use crate::corpus::dispatcher_on;
use crate::harness::{self, Folder, Pki};

/// A user of the machine who is not the one that runs the tests.
const ANOTHER: u32 = 65_534;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn all_errors_of_the_settings_are_reported_at_once() {
    let folder = Folder::new();
    let text = "[server]\nhostname=127.0.0.1\nport=many\ncolour=red\nca_path=/nowhere/ca.pem\n[auth:slugs]\nenabled=Maybe\n";
    let file = folder.write("server.conf", text).display().to_string();
    let output = run(&["-f", &file, "-v", "LOUD"]);
    assert_eq!(output.status.code(), Some(1));
    let error = error(&output);
    for part in [
        "'port' cannot be 'many'",
        "'colour' does not exist",
        "'ca_path' cannot be '/nowhere/ca.pem': the file does not exist",
        "section [auth:slugs]: the setting 'enabled' cannot be 'Maybe'",
        "command line: the setting 'logging_level' cannot be 'LOUD'",
        "'certificate_path' is missing",
        "'auth_suite' is missing",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert_eq!((error.matches(&file).count(), error.lines().count()), (2, 1), "{error}");
    // Other tasks need no setting, and refuse a wrong one.
    let output = run(&["-f", &file, "--export", "nothing"]);
    assert!(self::error(&output).contains("'colour' does not exist"), "{output:?}");
}

#[test]
fn an_empty_host_name_says_how_to_listen_on_every_address() {
    let output = run(&["-n", "", "-p", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let error = error(&output);
    assert!(error.contains("an empty --hostname has no effect; * listens on every IPv4 address"), "{error}");
    // As with PyKMIP's server, the file then decides.
    let pki = Pki::new();
    let settings = pki.settings("").display().to_string();
    assert!(run(&["-f", &settings, "-n", "", "--check-settings"]).status.success());
}

/// Starts a server, which ends with its input, and returns what it says on the terminal.
fn started(pki: &Pki, settings: &str) -> String {
    let (settings, log) = (pki.settings(settings).display().to_string(), pki.folder.path("server.log"));
    let output = run(&["-f", &settings, "-l", &log.display().to_string(), "--exit-on-eof"]);
    assert!(output.status.success(), "{output:?}");
    error(&output)
}

#[test]
fn a_start_reports_broken_policies_and_an_expired_certificate_on_the_terminal() {
    let pki = Pki::new();
    assert_eq!(started(&pki, ""), "");
    let policies = pki.folder.path("policies");
    fs::create_dir(&policies).unwrap();
    let setting = format!("policy_path={}", policies.display());
    assert_eq!(started(&pki, &setting), "");
    fs::write(policies.join("broken.json"), "{\n  nonsense").unwrap();
    let warning = started(&pki, &setting);
    assert!(warning.starts_with("run_server: warning: policy_path: policy file "), "{warning}");
    assert!(warning.contains("broken.json, line 2, column 3"), "{warning}");
    let warning = started(&pki, "policy_path=/nowhere/policies");
    assert!(warning.contains("/nowhere/policies"), "{warning}");

    let expired = pki.ca.issue(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    pki.folder.write("server.pem", expired.pem());
    pki.folder.write("server.key", expired.key_pem());
    let warning = started(&pki, "");
    assert!(warning.contains("the server's certificate in ") && warning.contains("has expired"), "{warning}");
}

#[test]
fn the_remedy_for_a_key_fits_a_database_that_is_not_encrypted() {
    let pki = Pki::new();
    let database = pki.folder.path("plain");
    drop(dispatcher_on(Box::new(Sqlite::open(&database).unwrap())));
    let new = pki.folder.write("new.key", [7; 32]).display().to_string();
    let settings = pki.settings("").display().to_string();
    let output =
        run(&["-f", &settings, "-d", &database.display().to_string(), "--rotate-key-encryption-key", &new]);
    let error = error(&output);
    assert!(error.contains("are not sealed") && error.contains("database-not-sealed"), "{error}");
}

#[test]
fn a_demo_without_a_temporary_folder_says_so() {
    let output = command(&["--demo"]).env("TMPDIR", "/nowhere").output().unwrap();
    let error = error(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("/nowhere/kmip-demo-") && error.contains("temporary-folder"), "{error}");
}

#[test]
fn a_check_judges_files_as_a_start_does() {
    let pki = Pki::new();
    let settings = pki.settings("").display().to_string();
    // The folder of the kernel's files takes no file, whatever its mode says.
    let check = ["-f", &settings, "-l", "/proc/log", "--check-config"];
    let output = run(&check);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("the log file /proc/log cannot be written"));
    assert!(error(&run(&check[..4])).contains("the log file /proc/log cannot be written"));

    // A start corrects the mode of its own database and log.
    let folder = pki.folder.path("own");
    fs::create_dir(&folder).unwrap();
    let (database, log) = (folder.join("kmip.database"), folder.join("server.log"));
    drop(dispatcher_on(Box::new(Sqlite::open(&database).unwrap())));
    fs::write(&log, "").unwrap();
    let set_modes = || {
        for file in [&database, &log] {
            fs::set_permissions(file, Permissions::from_mode(0o444)).unwrap();
        }
    };
    set_modes();
    let is_root = chown(&folder, Some(ANOTHER), None).is_ok();
    for entry in fs::read_dir(&folder).unwrap().chain(fs::read_dir(pki.folder.path("")).unwrap()) {
        if is_root {
            chown(entry.unwrap().path(), Some(ANOTHER), None).unwrap();
        }
    }
    let (database, log) = (database.display().to_string(), log.display().to_string());
    let options = ["-f", &settings, "-d", &database, "-l", &log];
    for last in ["--check-config", "--exit-on-eof"] {
        let mut command = command(&[&options[..], &[last]].concat());
        if is_root {
            command.uid(ANOTHER);
        }
        match command.output() {
            Err(error) => harness::skip(&format!("another user cannot execute the server: {error}")),
            Ok(output) => assert!(output.status.success(), "{last}: {output:?}"),
        }
    }
}

#[test]
fn a_script_of_the_name_pykmip_server_beside_the_program_is_reported() {
    let pki = Pki::new();
    let program = pki.folder.path("run_server");
    fs::copy(env!("CARGO_BIN_EXE_run_server"), &program).unwrap();
    let start = || {
        let mut command = Command::new(&program);
        // The server stops at the end of its input, which is at once.
        command.args(pki.options()).arg("--exit-on-eof").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        error(&output)
    };
    let name = pki.folder.path("pykmip-server");
    assert_eq!(start(), "");
    fs::copy(env!("CARGO_BIN_EXE_pykmip-server"), &name).unwrap();
    assert_eq!(start(), "");
    fs::write(&name, "#!/usr/bin/python3\nfrom kmip.services.server.server import main\n").unwrap();
    let said = start();
    assert!(
        said.contains(&format!("{} is a script", name.display())) && said.contains("pip install"),
        "{said}"
    );
}

//! Interoperability with PyKMIP: its client, its own tests and its server's results, against the executable.
//!
//! The tests are Python files in `tests/interop/`, which create certificates, settings and servers. This
//! module creates their Python environment once, under the target folder, runs one test at a time with a time
//! limit, and reports their output on failure.
//!
//! `KMIP_SERVER_BINARY` names another executable, so that `make test` can test the release build.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use crate::harness::postgres::cluster;
#[cfg(any(feature = "management", feature = "postgres"))]
use crate::harness::skip;

/// Making the environment downloads some forty packages: half a minute on a fast line.
const PREPARE_LIMIT: Duration = Duration::from_secs(1200);

/// The Python side bounds each of its tests (`LIMIT_SECONDS` in conftest.py) and cleans up when it
/// does; this bound is for a Python process that hangs.
const RUN_LIMIT: Duration = Duration::from_secs(1000);

/// PyKMIP's functional tests need fixed paths and a fixed port, and two servers beside each other
/// would spoil each other's time limits: one Python run at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn pykmips_client_walks_through_every_version() {
    assert!(passes("test_smoke.py"), "what failed stands above");
}

#[test]
fn serves_the_certificates_and_tls_settings_that_users_have() {
    assert!(passes("test_tls.py"), "what failed stands above");
}

#[test]
fn pykmips_own_integration_tests_pass() {
    let test = "test_pykmip_suites.py::test_pykmips_integration_tests_pass";
    assert!(passes(test), "what failed stands above");
}

#[test]
fn pykmips_own_integration_tests_pass_over_rsa_key_exchange_with_cbc() {
    let test = "test_pykmip_suites.py::test_pykmips_integration_tests_pass_over_a_suite_of_its_example";
    assert!(passes(test), "what failed stands above");
}

#[test]
fn serves_each_documented_cipher_suite_and_whatever_connects_to_pykmip() {
    assert!(passes("test_tls_suites.py"), "what failed stands above");
}

#[test]
fn decides_on_client_certificates_as_pykmip_does_or_for_a_listed_reason() {
    assert!(passes("test_certificates.py"), "what differs stands above");
}

#[test]
fn pykmips_own_functional_tests_pass_with_a_slugs_service() {
    let test = "test_pykmip_suites.py::test_pykmips_functional_tests_pass";
    assert!(passes(test), "what failed stands above");
}

#[test]
fn wraps_and_derives_keys_as_pykmip_does() {
    assert!(passes("test_derivation.py"), "what differs stands above");
}

#[test]
fn takes_over_the_databases_of_pykmips_server() {
    assert!(passes("test_takeover.py"), "what failed stands above");
}

#[test]
fn computes_what_pykmip_computes_in_both_directions() {
    assert!(passes("test_crypto.py"), "what failed stands above");
}

/// If there is a PostgreSQL server, a second server of ours on it has to answer as the first one does.
#[test]
fn answers_as_pykmips_server_does_but_for_the_listed_deviations() {
    let database = postgresql();
    assert!(passes_in(&scripts(), "test_compare.py", None, database.as_deref()), "what differs stands above");
}

#[test]
fn pykmips_own_tests_and_its_database_work_on_postgresql() {
    let Some(database) = postgresql() else { return };
    let passed = passes_in(&scripts(), "test_postgresql.py", None, Some(&database));
    assert!(passed, "what failed stands above");
}

#[test]
fn calls_of_pykmips_client_have_the_results_that_they_have_with_its_server() {
    assert!(passes("test_client_calls.py"), "what differs stands above");
}

#[test]
fn scripts_of_the_field_get_the_answers_that_they_read() {
    assert!(passes("test_field_scripts.py"), "what failed stands above");
}

#[test]
fn the_commands_of_the_documentation_work_as_they_stand() {
    assert!(passes("test_docs.py"), "what failed stands above");
}

#[test]
fn a_container_and_the_executable_lead_to_a_first_key_in_ten_seconds() {
    assert!(passes("test_image.py"), "what failed stands above");
}

#[test]
fn the_clients_that_have_a_page_work_with_its_lines() {
    assert!(passes("test_clients.py"), "what failed stands above");
}

#[test]
fn the_files_for_ci_systems_pass_their_linters_and_start_servers() {
    assert!(passes("test_ci_files.py"), "what failed stands above");
}

#[test]
fn testcontainers_for_python_starts_the_server_of_an_image() {
    assert!(passes("test_testcontainers.py"), "what failed stands above");
}

#[test]
fn the_tests_of_a_sample_client_use_test_control() {
    assert!(passes("test_test_control.py"), "what failed stands above");
}

#[test]
fn the_python_package_starts_servers_and_leaves_none_behind() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    assert!(passes_in(&package.join("tests"), "", Some(&package), None), "what failed stands above");
}

#[cfg(feature = "management")]
#[test]
fn the_inspector_works_in_a_browser() {
    let found = env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join("chromium").is_file()));
    if !found {
        return skip("there is no chromium (Debian: apt-get install chromium)");
    }
    let passed = passes_with(environment_of("browser"), &scripts(), "test_inspector.py", None, None);
    assert!(passed, "what failed stands above");
}

/// Runs one Python test file, or one test of it, and prints its output.
fn passes(test: &str) -> bool {
    passes_in(&scripts(), test, None, None)
}

/// The URL of a database on a PostgreSQL server on which the Python tests create others, or `None` if there is none.
fn postgresql() -> Option<PathBuf> {
    #[cfg(feature = "postgres")]
    return cluster().map(|cluster| cluster.database().url()).map_err(skip).ok();
    #[cfg(not(feature = "postgres"))]
    None
}

/// The same for a test file in `folder`; with the plug-in of a package that is not installed, and with the URL of a database.
fn passes_in(folder: &Path, test: &str, package: Option<&Path>, database: Option<&Path>) -> bool {
    passes_with(environment().clone(), folder, test, package, database)
}

/// The same with this Python.
fn passes_with(
    python: Result<PathBuf, String>,
    folder: &Path,
    test: &str,
    package: Option<&Path>,
    database: Option<&Path>,
) -> bool {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let python = match python {
        Ok(python) => python,
        Err(reason) => {
            println!("{reason}");
            return false;
        }
    };
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-s", "--tb=short", "-p", "no:cacheprovider"])
        .arg(folder.join(test))
        .env("KMIP_SERVER_BINARY", server())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    match database {
        Some(database) => command.env("KMIP_POSTGRES", database),
        None => command.env_remove("KMIP_POSTGRES"),
    };
    if let Some(package) = package {
        command.args(["-p", "kmip_server.plugin"]).env("PYTHONPATH", package);
    }
    let test = if test.is_empty() { "python package" } else { test };
    match finish(command, RUN_LIMIT, test) {
        Ok((passed, output)) => {
            println!("{output}");
            passed
        }
        Err(error) => {
            println!("interop: {test} could not be run: {error}");
            false
        }
    }
}

/// The Python of the tests' environment; made at the first call, in this process or an earlier one.
fn environment() -> &'static Result<PathBuf, String> {
    static ENVIRONMENT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| prepare(&[], "venv"))
}

/// The Python of an environment that only some tests need.
#[cfg(feature = "management")]
fn environment_of(client: &str) -> Result<PathBuf, String> {
    prepare(&["--client", client], &format!("venv-{client}"))
}

fn prepare(options: &[&str], folder: &str) -> Result<PathBuf, String> {
    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(&python);
    command.arg(scripts().join("prepare.py")).arg("--root").arg(root()).args(options);
    match finish(command, PREPARE_LIMIT, "prepare.py") {
        Ok((true, _)) => Ok(root().join(folder).join("bin/python")),
        Ok((false, output)) => Err(output),
        Err(error) => Err(format!(
            "interop: {} could not be started ({error}): install Python 3.8 or newer with its venv \
             module (Debian: apt-get install python3 python3-venv)",
            Path::new(&python).display()
        )),
    }
}

/// Runs a command to its end within a limit; returns whether it succeeded and its whole output,
/// which goes through a file, so that nothing blocks on a full pipe.
fn finish(mut command: Command, limit: Duration, name: &str) -> io::Result<(bool, String)> {
    fs::create_dir_all(root())?;
    let path = root().join(format!("{}.log", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")));
    let log = File::create(&path)?;
    let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let mut output = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    if status.is_none() {
        output.push_str(&format!("\ninterop: {name} was ended after {} s\n", limit.as_secs()));
    }
    Ok((status.is_some_and(|status| status.success()), output))
}

/// The executable under test.
fn server() -> PathBuf {
    env::var_os("KMIP_SERVER_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_run_server")), PathBuf::from)
}

/// `tests/interop` of this project.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// `interop` in the target folder: environment, PyKMIP's sources, logs. Never committed.
fn root() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).join("interop")
}

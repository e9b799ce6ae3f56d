//! The trial server of `--demo`: it needs nothing, honours or refuses each option, and leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use crate::harness::{Folder, Pki, within};

/// A trial server that has printed its lines.
struct Demo {
    child: Child,
    /// The lines.
    output: String,
    /// The folder of its certificates.
    folder: PathBuf,
    _stdout: BufReader<ChildStdout>,
}

impl Demo {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_run_server"))
            .args(["--demo", "--exit-on-eof"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !output.contains("client.get(uid)") {
            assert!(stdout.read_line(&mut output).unwrap() > 0, "{output}");
        }
        let ca = output.split('"').find(|part| part.ends_with("root_certificate.pem")).unwrap();
        let folder = Path::new(ca).parent().unwrap().to_owned();
        assert!(folder.is_dir());
        Self { child, output, folder, _stdout: stdout }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn wait(&mut self) {
        assert_eq!(within(|| self.child.try_wait().unwrap()).code(), Some(0));
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_demo_ends_with_its_input_and_with_each_signal_and_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    drop(demo.child.stdin.take());
    demo.wait();
    assert!(!demo.folder.exists(), "{}", demo.folder.display());
    for signal in ["HUP", "INT", "TERM", "QUIT", "USR2", "ALRM"] {
        let mut demo = Demo::start(&[]);
        demo.signal(signal);
        demo.wait();
        assert!(!demo.folder.exists(), "{signal}: {}", demo.folder.display());
    }
}

#[test]
fn a_demo_honours_the_options_of_settings() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let (database, log) = (path("kmip.database"), path("demo.log"));
    let demo = Demo::start(&["-d", &database, "-l", &log, "-v", "DEBUG", "-n", "localhost", "-i"]);
    assert!(Path::new(&database).exists());
    within(|| fs::read_to_string(&log).ok().filter(|log| log.contains(" - DEBUG - ")));
    let address = demo.output.lines().find_map(|line| line.strip_prefix("Management on http://")).unwrap();
    let health = run(&["--health", address]);
    assert!(health.status.success(), "{health:?}");
    let fixed = Demo::start(&["--management_address", "localhost:0", "--compatibility", "Standard"]);
    assert!(fixed.output.contains("Management on http://127.0.0.1:"), "{}", fixed.output);
}

#[test]
fn a_demo_refuses_the_options_that_it_does_not_have() {
    let pki = Pki::new();
    let path = |name: &str| pki.folder.path(name).display().to_string();
    let settings = pki.settings("").display().to_string();
    for (options, name) in [
        (&["-f", &settings][..], "config_path"),
        (&["-c", &path("server.pem")], "certificate_path"),
        (&["-k", &path("server.key")], "key_path"),
        (&["-a", &path("ca.pem")], "ca_path"),
        (&["--check-config"], "check-config"),
        (&["--export", "file"], "export"),
    ] {
        let output = run(&[&["--demo"], options].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("--demo and --{name} exclude each other")), "{error}");
    }
    let output = run(&["--keep", &path("kept")]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_demo_keeps_its_certificates_on_request_and_uses_them_again() {
    let folder = Folder::new();
    let kept = folder.path("kept");
    let (name, ca) = (kept.display().to_string(), kept.join("root_certificate.pem"));
    let mut demo = Demo::start(&["--keep", &name]);
    assert_eq!(demo.folder, kept);
    let before = fs::read(&ca).unwrap();
    demo.signal("TERM");
    demo.wait();
    let demo = Demo::start(&["--keep", &name]);
    assert_eq!(fs::read(&ca).unwrap(), before);
    assert!(demo.output.contains(&name));
}

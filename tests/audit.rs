//! The audit log: its lines, its files, and what happens if it cannot be written.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kmip_server::internals::dispatch::Respond;
use kmip_server::internals::dispatch::audit::Sink;
use kmip_server::kmip::enums::{BatchErrorContinuationOption, Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{Tag, V1_2, V1_4, V2_1, Writer};
use serde_json::{Value, json};

use crate::corpus::{aes_key, dispatcher, first, id, message_of, peer, register, statuses, text};
use crate::harness::{Client, Pki, Running, within};

/// The time in which a client gets an answer, whatever happens to the logs.
const SOON: Duration = Duration::from_millis(500);

fn send(client: &mut Client, operation: Operation, payload: &dyn Fn(&mut Writer)) -> Vec<u8> {
    client.exchange(&message_of(V1_2, None, &[(operation, payload)])).unwrap()
}

fn status(client: &mut Client, operation: Operation, payload: &dyn Fn(&mut Writer)) -> ResultStatus {
    statuses(&send(client, operation, payload))[0]
}

fn registers(client: &mut Client) -> ResultStatus {
    status(client, Operation::Register, &|w| register(&aes_key("audited", vec![1; 16]), w))
}

/// Returns the lines of an audit log.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Returns operation, objects and result of each line.
fn summary(path: &Path) -> Vec<(String, Value, String)> {
    let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines(path).iter().map(|it| (word(it, "operation"), it["object"].clone(), word(it, "result"))).collect()
}

fn row(operation: &str, objects: &[&str], result: &str) -> (String, Value, String) {
    (operation.to_owned(), json!(objects), result.to_owned())
}

/// Starts a server with further settings. Its standard error goes to the file `stderr`.
fn start(pki: &Pki, settings: &str, options: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    let log = pki.folder.path("server.log");
    command.arg("-f").arg(pki.settings(settings)).arg("-l").arg(log).args(options);
    command.stderr(File::create(pki.folder.path("stderr")).unwrap());
    Running::of(command)
}

fn stop(mut server: Running) {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

fn stderr(pki: &Pki) -> String {
    fs::read_to_string(pki.folder.path("stderr")).unwrap()
}

#[test]
fn audit_log_has_one_json_line_per_operation() {
    let pki = Pki::new();
    let server = Running::start(pki.options());
    let mut client = pki.connect(server.port, &pki.client);
    let address = client.stream.sock.local_addr().unwrap();
    assert_eq!(registers(&mut client), ResultStatus::Success);
    send(&mut client, Operation::Get, &|w| id("1", w));
    send(&mut client, Operation::Get, &|w| id("a \"quoted\"\nname\u{202e}", w));
    send(&mut client, Operation::Locate, &|_| ());
    let undone = [(Operation::Destroy, |w: &mut Writer| id("1", w)); 2];
    client.exchange(&message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &undone)).unwrap();
    client.exchange(&message_of(V2_1, None, &[(Operation::Query, |_: &mut Writer| ())])).unwrap();
    stop(server);

    let path = pki.folder.path("audit.log");
    let expected = [
        row("Register", &["1"], "Success"),
        row("Get", &["1"], "Success"),
        row("Get", &["a \"quoted\"\nname\u{202e}"], "Operation Failed"),
        row("Locate", &[], "Success"),
        row("Destroy", &["1"], "Operation Undone"),
        row("Destroy", &["1"], "Operation Failed"),
        row("Query", &[], "Operation Failed"),
    ];
    assert_eq!(summary(&path), expected);
    for line in lines(&path) {
        assert_eq!((&line["user"], &line["address"]), (&json!("John Doe"), &json!(address.to_string())));
        let time = line["time"].as_str().unwrap();
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
        let failed = line["result"] == "Operation Failed";
        assert_eq!((line["reason"].is_string(), line["message"].is_string()), (failed, failed), "{line}");
        assert_eq!(line["correlation"].is_string(), line["operation"] == "Query", "{line}");
        if failed && line["operation"] == "Get" {
            // The word of the response: 1.4 does not define Object Not Found.
            assert_eq!(line["reason"], "Item Not Found");
        }
    }
    assert!(!pki.log().contains("Register"), "the log of diagnostics contains no audit lines");
}

#[test]
fn audit_log_has_its_own_rotation_and_destination() {
    let pki = Pki::new();
    let path = pki.folder.path("elsewhere/operations.json");
    let settings = format!(
        "audit_log_path={}\naudit_max_size=1000\naudit_backups=2\nlog_max_size=0\nlogging_level=DEBUG",
        path.display()
    );
    let server = start(&pki, &settings, &[]);
    let mut client = pki.connect(server.port, &pki.client);
    (0..40).for_each(|_| assert_eq!(registers(&mut client), ResultStatus::Success));
    stop(server);
    let file = |suffix: &str| format!("{}{suffix}", path.display());
    for suffix in ["", ".1", ".2"] {
        let size = fs::metadata(file(suffix)).unwrap().len();
        assert!(size <= 1000 && !lines(Path::new(&file(suffix))).is_empty(), "{suffix} has {size} bytes");
    }
    assert!(!Path::new(&file(".3")).exists() && !pki.folder.path("server.log.1").exists());
    let last = lines(&path).pop().unwrap();
    assert_eq!(last["object"], json!(["40"]), "no line is lost at a rotation");
}

#[test]
fn a_log_of_a_hyphen_is_standard_output_with_the_audit() {
    let pki = Pki::new();
    let mut server = start(&pki, "", &["-l", "-"]);
    let mut client = pki.connect(server.port, &pki.client);
    assert_eq!(registers(&mut client), ResultStatus::Success);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut text = String::new();
    server.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let audit: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(audit.len(), 1, "{text}");
    assert_eq!((&audit[0]["operation"], &audit[0]["result"]), (&json!("Register"), &json!("Success")));
    assert!(text.contains(" - kmip.server - INFO - Stopping connection service."), "{text}");
    assert!(!pki.folder.path("server.log").exists() && !pki.folder.path("audit.log").exists());
}

/// Makes `path` a file whose disk is full.
fn fill(path: &Path) {
    drop(fs::remove_file(path));
    symlink("/dev/full", path).unwrap();
}

/// Makes `path` a new file again.
fn free(path: &Path) {
    fs::remove_file(path).unwrap();
}

#[test]
fn a_full_disk_of_both_logs_stops_no_answer_and_is_reported_once() {
    let pki = Pki::new();
    let (log, audit) = (pki.folder.path("server.log"), pki.folder.path("audit.log"));
    [&log, &audit].into_iter().for_each(|path| fill(path));
    // Beside a device is no place for the audit log.
    let server = start(&pki, &format!("audit_log_path={}", audit.display()), &[]);
    let mut client = pki.connect(server.port, &pki.client);
    for number in 1..=60 {
        let begun = Instant::now();
        assert_eq!(registers(&mut client), ResultStatus::Success);
        // Each of these causes a warning, which waits for its line only while the log works.
        client.exchange(&crate::harness::request(8)).unwrap();
        assert!(begun.elapsed() < SOON, "request {number} took {:?}", begun.elapsed());
    }
    for path in [&log, &audit] {
        let path = path.display().to_string();
        let reports = within(|| {
            let stderr = stderr(&pki);
            let reports = stderr.lines().filter(|line| line.contains(&path)).count();
            (reports > 0).then_some(reports)
        });
        assert_eq!(reports, 1, "{}", stderr(&pki));
    }
    // When the disk has room, the lines that waited appear.
    [&log, &audit].into_iter().for_each(|path| free(path));
    within(|| (audit.exists() && lines(&audit).len() == 60).then_some(()));
    within(|| (pki.log().matches("cannot be parsed").count() == 60).then_some(()));
    stop(server);
    assert_eq!(stderr(&pki).lines().count(), 2, "{}", stderr(&pki));
}

#[test]
fn a_blocked_pipe_stops_no_answer_and_no_stop() {
    let pki = Pki::new();
    // Nobody reads the standard output after its first line.
    let mut server = start(&pki, "logging_level=DEBUG", &["-l", "-"]);
    let mut client = pki.connect(server.port, &pki.client);
    let large = aes_key("large", vec![1; 32]);
    let items = vec![(Operation::Register, |w: &mut Writer| register(&large, w)); 60];
    let request = message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    while stderr(&pki).is_empty() {
        let begun_one = Instant::now();
        assert_eq!(statuses(&client.exchange(&request).unwrap()).len(), 60);
        longest = longest.max(begun_one.elapsed());
        assert!(begun.elapsed() < crate::harness::PATIENCE, "the blocked pipe is not reported");
    }
    assert!(longest < 2 * SOON, "{longest:?}");
    assert_eq!(registers(&mut client), ResultStatus::Success);
    assert_eq!(stderr(&pki).lines().count(), 1, "{}", stderr(&pki));
    assert!(stderr(&pki).contains("the log standard output"), "{}", stderr(&pki));
    let begun = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_required_audit_has_a_line_of_intent_and_refuses_operations_that_it_cannot_record() {
    let pki = Pki::new();
    let audit = pki.folder.path("audit.log");
    let server = start(&pki, "audit_required=True", &[]);
    let mut client = pki.connect(server.port, &pki.client);
    assert_eq!(registers(&mut client), ResultStatus::Success);
    let intended = [row("Register", &[], "Intended"), row("Register", &["1"], "Success")];
    assert_eq!(summary(&audit), intended);
    let correlations: Vec<_> = lines(&audit).iter().map(|line| line["correlation"].clone()).collect();
    assert!(correlations[0].is_string() && correlations[0] == correlations[1], "{correlations:?}");
    // The items after a failed one do not execute, and their lines say so.
    let failed = [(Operation::Get, |w: &mut Writer| id("7", w)); 2];
    client.exchange(&message_of(V1_2, None, &failed)).unwrap();
    let batch = [
        row("Get", &["7"], "Intended"),
        row("Get", &["7"], "Intended"),
        row("Get", &["7"], "Operation Failed"),
        row("Get", &[], "Not Executed"),
    ];
    assert_eq!(summary(&audit)[2..], batch);

    fs::rename(&audit, pki.folder.path("audit.old")).unwrap();
    fill(&audit);
    for _ in 0..3 {
        let answer = send(&mut client, Operation::Destroy, &|w| id("1", w));
        assert_eq!(statuses(&answer), [ResultStatus::OperationFailed]);
        assert_eq!(
            first(&answer, Tag::ResultReason).unwrap(),
            ResultReason::GeneralFailure.to_wire().to_be_bytes()
        );
        assert!(text(&answer).contains("cannot write its audit log"), "{}", text(&answer));
    }
    assert!(pki.log().contains(" - ERROR - The audit log cannot be written"), "{}", pki.log());
    free(&audit);
    assert_eq!(status(&mut client, Operation::Get, &|w| id("1", w)), ResultStatus::Success);
    assert_eq!(status(&mut client, Operation::Destroy, &|w| id("1", w)), ResultStatus::Success);
    let expected = [
        row("Get", &["1"], "Intended"),
        row("Get", &["1"], "Success"),
        row("Destroy", &["1"], "Intended"),
        row("Destroy", &["1"], "Success"),
    ];
    assert_eq!(summary(&audit), expected);
    stop(server);
    assert_eq!(stderr(&pki).lines().count(), 1, "{}", stderr(&pki));
}

#[test]
fn a_required_audit_that_is_a_blocked_pipe_refuses_operations_and_does_not_delay_the_stop() {
    let pki = Pki::new();
    let mut server = start(&pki, "audit_required=True\naudit_log_path=-", &[]);
    let mut client = pki.connect(server.port, &pki.client);
    let refused = within(|| (registers(&mut client) != ResultStatus::Success).then(Instant::now));
    assert_eq!(registers(&mut client), ResultStatus::OperationFailed);
    assert!(refused.elapsed() < SOON, "only the first operation waits for the pipe: {:?}", refused.elapsed());
    server.signal("TERM");
    let begun = Instant::now();
    assert_eq!(server.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A required audit whose write with a number in a range fails.
#[derive(Default)]
struct FailingSink {
    fails: std::ops::Range<usize>,
    writes: AtomicUsize,
    lines: std::sync::Mutex<String>,
}

impl Sink for FailingSink {
    fn write(&self, lines: &mut String) -> io::Result<()> {
        if self.fails.contains(&self.writes.fetch_add(1, Ordering::SeqCst)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.lines.lock().unwrap().push_str(&std::mem::take(lines));
        Ok(())
    }

    fn is_required(&self) -> bool {
        true
    }
}

#[test]
fn a_lost_result_stops_all_operations_until_it_is_written() {
    // The first write is an intent; the second, which fails, is its result; so do the next two attempts.
    let sink = Arc::new(FailingSink { fails: 1..4, ..FailingSink::default() });
    let dispatcher = dispatcher().with_audit(Arc::clone(&sink) as _);
    let get = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(crate::corpus::AES, w))]);
    let ask = || statuses(&dispatcher.respond(&get, peer()).message)[0];
    assert_eq!(ask(), ResultStatus::Success, "the operation had been executed");
    assert_eq!([ask(), ask()], [ResultStatus::OperationFailed; 2]);
    assert_eq!(ask(), ResultStatus::Success);
    let text = sink.lines.lock().unwrap().clone();
    let results: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["result"].clone()).collect();
    assert_eq!(results, ["Intended", "Success", "Intended", "Success"]);
}

//! Sealed objects: the database files contain no key material in the clear, and only the right seal key opens
//! them.

use std::fs;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use kmip_server::kmip::enums::{Operation, ResultStatus};
use kmip_server::ttlv::{Tag, V1_2, Writer};

use crate::corpus::{aes_key, first, id, message_of, register, statuses};
use crate::harness::{Client, Pki, Running};

const FIRST: [u8; 32] = *b"thirty-two bytes of a first key.";
const SECOND: [u8; 32] = *b"thirty-two bytes of another key!";

/// Returns the arguments of a server with this seal key file.
fn arguments(pki: &Pki, key: Option<&str>) -> Vec<String> {
    let extra = key.map(|key| format!("key_encryption_key_path={}", pki.folder.path(key).display()));
    let settings = pki.settings(&extra.unwrap_or_default());
    let path = |name: &str| pki.folder.path(name).display().to_string();
    let all =
        ["-f", &settings.display().to_string(), "-l", &path("server.log"), "-d", &path("kmip.database")];
    all.map(str::to_owned).to_vec()
}

fn run(arguments: Vec<String>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).output().unwrap()
}

fn keep(client: &mut Client, key: &[u8; 32]) {
    let given = aes_key("sealed", key.to_vec());
    let request = message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(&given, w))]);
    assert_eq!(statuses(&client.exchange(&request).unwrap()), [ResultStatus::Success]);
}

fn get(client: &mut Client, object: &str) -> Option<Vec<u8>> {
    let request = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(object, w))]);
    first(&client.exchange(&request).unwrap(), Tag::KeyMaterial)
}

/// Returns whether the database files contain `bytes`.
fn is_in_files(pki: &Pki, bytes: &[u8]) -> bool {
    ["", "-wal", "-shm"].into_iter().any(|ending| {
        let file = fs::read(pki.folder.path(&format!("kmip.database{ending}"))).unwrap_or_default();
        file.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// Shuts the server down.
fn stop(mut server: Running) {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn seals_keys_once_a_seal_key_is_configured_and_opens_them_only_with_it() {
    let pki = Pki::new();
    pki.folder.write("first.key", FIRST);
    pki.folder.write("second.key", SECOND.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let (old, new) = (*b"a key that was kept as it is ...", *b"and one that never was so......!");

    let server = Running::start(arguments(&pki, None));
    keep(&mut pki.connect(server.port, &pki.client), &old);
    assert!(is_in_files(&pki, &old), "without a key they are kept as they are");
    stop(server);

    let server = Running::start(arguments(&pki, Some("first.key")));
    let mut client = pki.connect(server.port, &pki.client);
    keep(&mut client, &new);
    assert_eq!(get(&mut client, "1"), Some(old.to_vec()));
    assert_eq!(get(&mut client, "2"), Some(new.to_vec()));
    assert!(!is_in_files(&pki, &old) && !is_in_files(&pki, &new));
    stop(server);

    for (key, says) in [(None, "are sealed"), (Some("second.key"), "is not the key")] {
        let output = run(arguments(&pki, key));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
    }
    let server = Running::start(arguments(&pki, Some("first.key")));
    assert_eq!(get(&mut pki.connect(server.port, &pki.client), "2"), Some(new.to_vec()));
}

#[test]
fn changes_the_seal_key_atomically() {
    let pki = Pki::new();
    let keys = [pki.folder.write("0.key", FIRST), pki.folder.write("1.key", SECOND)];
    let material = *b"what both keys open, either way.";
    let server = Running::start(arguments(&pki, Some("0.key")));
    keep(&mut pki.connect(server.port, &pki.client), &material);
    stop(server);

    let mut current = 0;
    for round in 0..6 {
        let change = |from: usize| {
            let to = keys[1 - from].display().to_string();
            let mut all = arguments(&pki, Some(&format!("{from}.key")));
            all.extend(["--rotate-key-encryption-key".to_owned(), to]);
            all
        };
        // Killed at some moment of the change, or not at all.
        let mut child = Command::new(env!("CARGO_BIN_EXE_run_server"))
            .args(change(current))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        if round < 5 {
            thread::sleep(Duration::from_millis(4 * round));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let opens = |key: usize| {
            // A change from a key to itself requires the key and changes nothing.
            let mut all = arguments(&pki, Some(&format!("{key}.key")));
            all.extend(["--rotate-key-encryption-key".to_owned(), keys[key].display().to_string()]);
            run(all).status.success()
        };
        let open = [opens(0), opens(1)];
        assert_ne!(open[0], open[1], "round {round}: one key opens it, and one alone");
        current = usize::from(open[1]);
        if round == 5 {
            let server = Running::start(arguments(&pki, Some(&format!("{current}.key"))));
            assert_eq!(get(&mut pki.connect(server.port, &pki.client), "1"), Some(material.to_vec()));
        }
    }
}

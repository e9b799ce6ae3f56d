//! Protection of keys: logs do not contain them, and only the owner can read files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use kmip_server::internals::config::ClientEndpoint;
use kmip_server::kmip::enums::{Operation, ResultStatus};
use kmip_server::ttlv::{Tag, V1_2, V1_4, V2_1, Writer};
use x509_cert::der::pem::{LineEnding, encode_string};

use crate::corpus::{aes_key, first, id, message_of, objects, register, requests, statuses};
use crate::harness::{Client, Pki, Running};
use crate::listener::{Listener, ServerRequest};

/// Registers the objects of the corpus and returns their key material.
fn register_all(client: &mut Client) -> Vec<Vec<u8>> {
    let registered = objects().iter().map(|object| {
        let request = message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(object, w))]);
        assert_eq!(statuses(&client.exchange(&request).unwrap()), [ResultStatus::Success]);
        first(&request, Tag::KeyMaterial).or_else(|| first(&request, Tag::OpaqueDataValue))
    });
    registered.flatten().collect()
}

/// Returns the textual encodings of bytes.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = |secret: &[u8]| secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pem = encode_string("SECRET", LineEnding::LF, secret).unwrap();
    let list = format!("{secret:?}");
    let shown = String::from_utf8_lossy(secret).into_owned();
    vec![
        hex(secret),
        hex(secret).to_uppercase(),
        pem.lines().filter(|line| !line.starts_with('-')).collect(),
        list.trim_matches(['[', ']']).to_owned(),
        shown,
    ]
}

#[test]
fn the_log_contains_no_key() {
    let pki = Pki::new();
    let listener = Listener::start(&pki, &pki.client, |request| Some(ServerRequest::read(request).done()));
    let ClientEndpoint { user, host, port } = listener.endpoint("John Doe");
    let settings = pki.settings(&format!("logging_level=DEBUG\nclient_endpoints={user}={host}:{port}"));
    let log = pki.folder.path("server.log");
    let mut server = Running::start(["-f".as_ref(), settings.as_os_str(), "-l".as_ref(), log.as_os_str()]);
    let mut client = pki.connect(server.port, &pki.client);
    let mut secrets = register_all(&mut client);
    for number in 0..8u8 {
        let key =
            aes_key("plain", (0..32u8).map(|at| at.wrapping_mul(7) ^ number.wrapping_mul(41)).collect());
        let request = message_of(V2_1, None, &[(Operation::Register, |w: &mut Writer| register(&key, w))]);
        assert_eq!(statuses(&client.exchange(&request).unwrap()), [ResultStatus::Success]);
        secrets.push(first(&request, Tag::KeyMaterial).unwrap());
        // A truncated request logs no more.
        let mut cut = request.clone();
        cut.truncate(request.len() - 8);
        let length = u32::try_from(cut.len() - 8).unwrap();
        cut[4..8].copy_from_slice(&length.to_be_bytes());
        client.exchange(&cut).unwrap();
    }
    let mut lines = 0;
    for (_, version, request) in requests() {
        let answer = client.exchange(&request).unwrap();
        lines += 1;
        let Some(made) = first(&answer, Tag::UniqueIdentifier) else { continue };
        let made = String::from_utf8(made).unwrap();
        let get = message_of(version, None, &[(Operation::Get, |w: &mut Writer| id(&made, w))]);
        secrets.extend(first(&client.exchange(&get).unwrap(), Tag::KeyMaterial));
    }
    let get = |number: u64| {
        message_of(V1_4, None, &[(Operation::Get, |w: &mut Writer| id(&number.to_string(), w))])
    };
    let mut public = Vec::new();
    for number in 1..400 {
        let answer = client.exchange(&get(number)).unwrap();
        // A public key is not secret: its certificates contain it.
        let list = if first(&answer, Tag::PublicKey).is_some() { &mut public } else { &mut secrets };
        list.extend(first(&answer, Tag::KeyMaterial));
    }
    secrets.retain(|secret| !public.contains(secret));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() > 40 && lines > 100, "{} keys, {lines} requests", secrets.len());
    let logs = fs::read_dir(log.parent().unwrap()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?;
        let is_log = name.starts_with("server.log") || name.starts_with("audit.log");
        is_log.then(|| fs::read_to_string(&path).unwrap())
    });
    let log = logs.collect::<String>();
    assert!(log.contains("Key Material (Byte String): <"), "the log is one of DEBUG");
    assert!(log.contains("Request of the server:") && log.contains("\"operation\":\"Put\""), "keys were put");
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        // Parts of a key are secret too: the first bytes, and some from its middle.
        let from = secret.len() / 2;
        for part in [&secret[..], &secret[..8], &secret[from.min(secret.len() - 8)..][..8]] {
            for spelling in spellings(part).iter().filter(|it| it.len() >= 8) {
                assert!(!log.contains(spelling.as_str()), "{spelling} of a key of {} bytes", secret.len());
            }
        }
    }
}

#[test]
fn files_are_readable_only_by_the_owner_regardless_of_the_umask() {
    for umask in ["000", "777"] {
        let pki = Pki::new();
        let (database, log) = (pki.folder.path("kmip.database"), pki.folder.path("server.log"));
        let audit = pki.folder.path("audit.log");
        let settings = pki.settings("max_connections=4").display().to_string();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_run_server")])
            .args(["-f", &settings, "-l", log.to_str().unwrap(), "-d", database.to_str().unwrap()]);
        let server = Running::of(command);
        register_all(&mut pki.connect(server.port, &pki.client));
        let wal = pki.folder.path("kmip.database-wal");
        for file in [&database, &wal, &pki.folder.path("kmip.database-shm"), &log, &audit] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{} with the umask {umask}", file.display());
        }
        if let Ok(limits) = fs::read_to_string(format!("/proc/{}/limits", server.child.id())) {
            let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
            let numbers: Vec<_> = core.split_whitespace().rev().skip(1).take(2).collect();
            assert_eq!(numbers, ["0", "0"], "{core}");
        }
    }
}

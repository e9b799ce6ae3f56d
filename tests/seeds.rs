//! Seeds for fuzzing: writes the requests of the corpus and files of the project to the folder that
//! `KMIP_SEEDS` names, with one folder per fuzz target. `make fuzz` uses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kmip_server::encoding::{json, xml};
use kmip_server::internals::backup;
use kmip_server::internals::crypto::pkcs12::{self, Contents};
use kmip_server::internals::crypto::rsa::{self, PrivateKey};
use kmip_server::internals::crypto::{Purpose, ec};
use kmip_server::internals::store::Sqlite;
use kmip_server::kmip::enums::{CryptographicAlgorithm, Operation, RecommendedCurve};
use kmip_server::kmip::{KeyMaterial, KeyValue, Object};
use kmip_server::ttlv::{Field, STORED, Tag, V1_2, Writer};

use crate::corpus::{batches, dispatcher_on, message_of, objects, register, requests};
use crate::handshakes::group_hellos;
use crate::harness::{Authority, Folder, self_signed_version_1};
use crate::legacy_tls::hellos;

/// Returns the seeds of each fuzz target, and the inputs for the dispatcher of the target `request`. `ca`
/// issues the certificates.
fn seeds(ca: &Authority) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let valid: Vec<_> =
        requests().map(|(.., request)| request).chain(batches().map(|(_, request)| request)).collect();
    // Other tests cover the generation of key pairs, which would take most of the time of a fuzz target.
    let light = requests().filter(|(row, ..)| !row.heavy).map(|(.., request)| request);
    let light: Vec<_> = light.chain(batches().map(|(_, request)| request)).collect();
    let fixture = objects()
        .iter()
        .map(|object| message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(object, w))]));
    let spelled = valid.iter().flat_map(|request| [xml::encode(request), json::encode(request)]);
    let file = |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let certificates =
        [ca.client("John Doe"), ca.issue_version_1("Old"), self_signed_version_1("Self"), ca.server()];
    let certificates: Vec<_> = certificates.iter().map(|it| it.certificate.to_vec()).collect();
    let spelled: Vec<_> = spelled.filter_map(|text| text.ok().map(String::into_bytes)).collect();
    BTreeMap::from([
        ("fixture", fixture.collect()),
        ("corpus/request", light),
        ("corpus/ttlv", valid.clone()),
        ("corpus/hello", hellos().into_iter().chain(group_hellos()).collect()),
        ("corpus/http", posts(&spelled)),
        ("corpus/object", objects().iter().map(|object| stored(&object.object)).collect()),
        ("corpus/key", keys().into_iter().chain(certificates.iter().cloned()).collect()),
        ("corpus/encoding", spelled),
        ("corpus/settings", vec![settings(&file("server.conf.example")), b"[server]\nport=1\n".to_vec()]),
        ("corpus/policy", vec![file("policy.json"), b"{}".to_vec()]),
        ("corpus/certificate", certificates),
        ("corpus/control", control()),
        ("corpus/export", lines()),
        (
            "corpus/slugs",
            vec![br#"{"groups": ["A", "B"]}"#.to_vec(), b"null".to_vec(), b"/slugs/a b".to_vec()],
        ),
    ])
}

/// Returns fault rules and seeds.
fn control() -> Vec<Vec<u8>> {
    [
        r#"{"user": "ann", "operation": "Get", "object": "1", "nth": 2, "count": 3, "action": "fail", "reason": "Item Not Found"}"#,
        r#"{"action": "slow", "bytes_per_second": 100, "probability": 0.5}"#,
        r#"{"action": "version", "version": "9.9"}"#,
        r#"{"action": "pending", "seconds": 1.5}"#,
        r#"[{"id": "7", "type": "Symmetric Key", "algorithm": "AES", "key": "000102030405060708090a0b0c0d0e0f", "names": ["a"],
            "usage": ["Encrypt"], "state": "Active", "owner": "ann", "groups": ["g"]}, {"type": "Secret Data", "key": "00"}]"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Returns the lines of an export of all objects, without their checksums.
fn lines() -> Vec<Vec<u8>> {
    let folder = Folder::new();
    let (database, file) = (folder.path("database"), folder.path("export"));
    drop(dispatcher_on(Box::new(Sqlite::open(&database).unwrap())));
    backup::export(backup::Database { path: &database, key: None, interrupted: None }, &file, None).unwrap();
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(",\"check\""));
    lines.map(|(line, _)| format!("{line}}}").into_bytes()).collect()
}

/// Returns an object in the encoding of the database.
fn stored(object: &Object) -> Vec<u8> {
    let mut writer = Writer::new(STORED);
    object.write(Tag::default(), &mut writer);
    writer.into_bytes()
}

/// Returns a settings file with its commented settings enabled and without the explanations.
fn settings(example: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(example).unwrap().lines().map(|line| line.trim_start_matches(['#', ' ']));
    let lines = lines.filter(|line| line.starts_with('[') || line.split(' ').next().unwrap().contains('='));
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Returns HTTP requests with these messages, two per stream, each after the position at which the fuzz
/// target splits the stream.
fn posts(spelled: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let post = |body: &Vec<u8>| {
        let kind = if body.starts_with(b"<") { "text/xml" } else { "application/json" };
        let head = format!("POST /kmip HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {}", body.len());
        [head.as_bytes(), b"\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n", body].concat()
    };
    let short: Vec<_> = spelled.iter().filter(|body| body.len() < 1_500).step_by(8).collect();
    let pairs = short.windows(2).map(|pair| [vec![9], post(pair[0]), post(pair[1])].concat());
    let head =
        b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = b"2;x=\"y\"\r\n<A\r\n2\r\n/>\r\n0\r\nX: 1\r\n\r\n";
    let chunked = [&[99][..], head, chunks, head, chunks].concat();
    pairs.chain([chunked]).collect()
}

/// Returns keys in all supported formats.
fn keys() -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for object in objects() {
        let (Object::PrivateKey(key) | Object::PublicKey(key)) = &object.object else { continue };
        let Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) = &key.key_block.key_value
        else {
            continue;
        };
        keys.push(bytes.expose().to_vec());
        if let Ok(key) = PrivateKey::read(bytes.expose(), Purpose::Convert) {
            keys.push(key.public().unwrap().spki().unwrap());
        }
    }
    for curve in [RecommendedCurve::P256, RecommendedCurve::Secp256K1, RecommendedCurve::Curve25519] {
        let curve = ec::Curve::named(curve, CryptographicAlgorithm::Ec);
        let Some(Ok(key)) = curve.map(ec::generate) else { continue };
        keys.push(key.pkcs8().unwrap().expose().to_vec());
        keys.extend(key.sec1().ok().map(|key| key.expose().to_vec()));
        keys.push(key.public().unwrap().spki(false).unwrap());
    }
    let pair = rsa::generate(512).unwrap();
    let contents = Contents { key: &pair.private_pkcs8, certificates: &[], friendly_name: Some("a key") };
    keys.push(pkcs12::write(&contents, b"password").unwrap());
    keys
}

#[test]
fn every_fuzz_target_has_seeds() {
    let ca = Authority::new("Root CA");
    let seeds = seeds(&ca);
    for program in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap() {
        let name = program.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(seeds.get(&*format!("corpus/{name}")).is_some_and(|of| of.len() > 1), "{name} has no seeds");
    }
    let Some(folder) = std::env::var_os("KMIP_SEEDS") else { return };
    for (name, seeds) in seeds {
        let folder = Path::new(&folder).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in (1..).zip(seeds) {
            fs::write(folder.join(format!("{number}.bin")), seed).unwrap();
        }
    }
    let fixture = Path::new(&folder).join("fixture");
    fs::write(fixture.join("peer.der"), ca.client("John Doe").certificate).unwrap();
    fs::write(fixture.join("ca.der"), &ca.credential.certificate).unwrap();
}

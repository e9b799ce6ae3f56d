//! What fuzzing begins with: the requests of the corpus and the files of the project, written where `KMIP_SEEDS`
//! says, a folder for each program in `fuzz/`. `make fuzz` asks for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kmip_server::encoding::{json, xml};
use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::{V1_2, Writer};

use crate::corpus::{batches, message_of, objects, register, requests};
use crate::harness::{Authority, self_signed_version_1};

/// The seeds of each program, and what the engine of `request` is made of.
fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let valid: Vec<_> =
        requests().map(|(.., request)| request).chain(batches().map(|(_, request)| request)).collect();
    // What makes pairs of keys is tried in the other tests: here it would be all that there is time for.
    let light = requests().filter(|(row, ..)| !row.heavy).map(|(.., request)| request);
    let light: Vec<_> = light.chain(batches().map(|(_, request)| request)).collect();
    let fixture = objects()
        .iter()
        .map(|object| message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(object, w))]));
    let spelled = valid.iter().flat_map(|request| [xml::encode(request), json::encode(request)]);
    let file = |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let ca = Authority::new("Root CA");
    let certificates =
        [ca.client("John Doe"), ca.issue_version_1("Old"), self_signed_version_1("Self"), ca.server()];
    BTreeMap::from([
        ("fixture", fixture.collect()),
        ("corpus/request", light),
        ("corpus/ttlv", valid.clone()),
        ("corpus/encoding", spelled.filter_map(|text| text.ok().map(String::into_bytes)).collect()),
        ("corpus/settings", vec![file("server.conf.example"), b"[server]\nport=1\n".to_vec()]),
        ("corpus/policy", vec![file("policy.json"), b"{}".to_vec()]),
        ("corpus/certificate", certificates.iter().map(|it| it.certificate.to_vec()).collect()),
        (
            "corpus/slugs",
            vec![br#"{"groups": ["A", "B"]}"#.to_vec(), b"null".to_vec(), b"/slugs/a b".to_vec()],
        ),
    ])
}

#[test]
fn every_fuzzed_program_has_seeds() {
    let seeds = seeds();
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
    let client = Authority::new("Root CA").client("John Doe");
    fs::write(Path::new(&folder).join("fixture/peer.der"), client.certificate).unwrap();
}

//! A short form of `make attack`: the requests of one user are answered while another attacks.

#[expect(dead_code, reason = "the test runs the attacks only")]
#[path = "../examples/load.rs"]
mod load;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use load::attack::{Plan, attacks, run};
use load::client::Pki;

use crate::harness::Folder;

/// The time of each attack.
const TIME: Duration = Duration::from_millis(1_500);

/// The maximum time of an answer in a debug build on a machine that other processes use too. Without defences, some
/// attacks delay answers by half a minute.
const WORST: Duration = Duration::from_secs(5);

#[test]
fn every_request_of_a_user_is_answered_while_another_attacks() {
    let folder = Folder::new();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_run_server"));
    let certificates = folder.path("pki");
    let made = Command::new(&binary).arg("--make-certs").arg(&certificates).arg("--ec").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let plan =
        Plan { binary, folder: folder.path("data"), pki: Pki::new(&certificates), time: TIME, quick: true };
    let mut failures = Vec::new();
    for attack in attacks() {
        let row = run(&plan, attack).unwrap_or_else(|error| panic!("{}: {error}", attack.name));
        println!("{row}");
        assert!(row.rate > 0.0 || attack.name.ends_with("none"), "{} attacked nothing", attack.name);
        if !row.errors.is_empty() || row.worst() > WORST {
            failures.push(format!("{}: {row} {:?}", attack.name, row.errors));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

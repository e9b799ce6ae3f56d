//! The standard's own test cases, replayed over TLS against real servers (KMIP Profiles 2.1 §4).
//!
//! `case` reads the cases, `replay` exchanges the messages, `compare` compares the responses (`issued`: the
//! certificates), `provided` registers objects that a case expects, `report` prints the outcome and reads the lists:
//! `unsupported.txt` names the cases that no server can pass, `waiting.txt` the cases that this server does not pass yet.
//! A run fails if a case outside the lists fails, or a case inside them passes. `make conformance` also replays the cases
//! with `compatibility = PyKMIP` and counts the cases that pass, without a list.
//!
//! A second run replays cases of neighbouring versions with another version in their headers, because 1.3 and 2.0 have
//! few cases: 1.3 with the cases of 1.2 and 1.4, 2.0 with those of 2.1. `versions.txt` names the cases that cannot pass
//! with these headers.
//!
//! The cases are not part of this project: `KMIP_CORPUS` names their folder, with a folder for each version in it.
//! `CASE` selects the cases whose name contains it, `VERSION` the cases of one version.

mod announced;
mod case;
mod compare;
mod issued;
mod provided;
mod replay;
mod report;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kmip_server::Compatibility;
use kmip_server::encoding::{json, xml};

use super::harness::{Pki, skip};
use case::Case;
use report::{Lists, Outcome};

/// The number of cases that run at the same time. Some of them wait for dates to pass.
const AT_ONCE: usize = 8;

/// The folder of the cases, if the environment names one.
fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("KMIP_CORPUS").filter(|folder| !folder.is_empty());
    if corpus.is_none() {
        skip("KMIP_CORPUS names no folder with the standard's test cases");
    }
    corpus.map(PathBuf::from)
}

#[test]
fn conformance_every_case_outside_the_lists_passes() {
    let Some(corpus) = corpus() else { return };
    let all = case::all(&corpus);
    let (cases, everything) = wanted(&all);
    assert!(
        everything || !cases.is_empty() || !wanted(&case::in_other_versions(&all)).0.is_empty(),
        "no case is meant by CASE and VERSION"
    );
    let outcomes = run(&cases, &all, Compatibility::Standard);
    let lists = Lists::read();
    report::print(&outcomes, &lists, !everything);
    if everything {
        report::keep(&outcomes, &lists);
    }
    let wrong = report::surprises(&outcomes, &lists, everything);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The store on PostgreSQL answers as the one in memory. The databases of the threads are emptied before each case.
#[cfg(feature = "postgres")]
#[test]
fn conformance_every_case_outside_the_lists_passes_on_postgresql() {
    let Some(corpus) = corpus() else { return };
    let cluster = match crate::harness::postgres::cluster() {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    let all = case::all(&corpus);
    let (cases, everything) = wanted(&all);
    let outcomes = run_on(&cases, &all, Compatibility::Standard, &|| {
        let database = cluster.database();
        let url = database.url();
        let empty = move || assert!(database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
        Some((url, Box::new(empty)))
    });
    let wrong = report::surprises(&outcomes, &Lists::read(), everything);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Counts the cases that pass with PyKMIP's behavior. Failures are expected: they are differences between PyKMIP and the
/// standard.
#[test]
fn conformance_counts_the_cases_that_pass_with_pykmips_behavior() {
    let Some(corpus) = corpus() else { return };
    if !report::keeps_counts() {
        println!("only `make conformance` counts these cases");
        return;
    }
    let all = case::all(&corpus);
    let (cases, everything) = wanted(&all);
    let outcomes = run(&cases, &all, Compatibility::PyKmip);
    report::print_pykmip(&outcomes);
    if everything {
        report::keep_pykmip(&outcomes);
    }
}

#[test]
fn conformance_every_case_outside_the_list_passes_in_the_version_beside_its_own() {
    let Some(corpus) = corpus() else { return };
    let all = case::in_other_versions(&case::all(&corpus));
    let (mut cases, everything) = wanted(&all);
    let own = Lists::read();
    cases.retain(|case| case.origin.as_ref().is_none_or(|origin| !own.have(origin)));
    let outcomes = run(&cases, &all, Compatibility::Standard);
    let lists = Lists::of_other_versions();
    report::print(&outcomes, &lists, !everything);
    let wrong = report::surprises(&outcomes, &lists, everything);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the cases that CASE and VERSION select, and whether they are all cases.
fn wanted(all: &[Case]) -> (Vec<&Case>, bool) {
    let filter = |name| std::env::var(name).ok().filter(|wanted: &String| !wanted.is_empty());
    let (pattern, version) = (filter("CASE"), filter("VERSION"));
    let wanted = |case: &&Case| {
        pattern.as_ref().is_none_or(|pattern| case.id().contains(pattern.as_str()))
            && version.as_ref().is_none_or(|version| case.folder == format!("v{version}"))
    };
    (all.iter().filter(wanted).collect(), pattern.is_none() && version.is_none())
}

/// Replays the cases, several at the same time. Returns the outcomes in the order of the cases.
fn run<'a>(cases: &[&'a Case], all: &[Case], compatibility: Compatibility) -> Vec<Outcome<'a>> {
    run_on(cases, all, compatibility, &|| None)
}

/// A database that a thread of [`run_on`] uses for one case after another: its URL, and the function that empties it.
type Shared = (PathBuf, Box<dyn Fn()>);

/// Replays the cases as [`run`] does, each thread with the database that `database` returns, or else in memory.
fn run_on<'a>(
    cases: &[&'a Case],
    all: &[Case],
    compatibility: Compatibility,
    database: &(dyn Fn() -> Option<Shared> + Sync),
) -> Vec<Outcome<'a>> {
    // Two runs at once would exceed the time limits of the steps that generate RSA keys.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let pki = Pki::new();
    let clients = replay::Identities::new(&pki);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let database = database();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut config = replay::config(case, &pki);
                    config.compatibility = compatibility;
                    if let Some((url, empty)) = &database {
                        empty();
                        config.database_path = url.clone();
                    }
                    let failure = replay::replay(case, all, &pki, &clients, config).err();
                    outcomes.lock().unwrap().push(Outcome { case, failure });
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|outcome| outcome.case.id());
    outcomes
}

#[test]
fn conformance_every_message_is_the_same_in_ttlv_xml_and_json() {
    let Some(corpus) = corpus() else { return };
    let mut messages = 0;
    for case in case::all(&corpus) {
        for (at, step) in case.steps.iter().enumerate() {
            for message in [&step.request, &step.response] {
                let place = format!("{}, step {at}", case.id());
                let text = message.xml(&|node| Ok::<_, ()>(replay::placeholder(node))).unwrap();
                let ttlv = xml::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{place}: {error}"));
                let again = xml::encode(&ttlv).unwrap();
                assert_eq!(xml::decode(again.as_bytes()).as_ref(), Ok(&ttlv), "{place}: {again}");
                let json = json::encode(&ttlv).unwrap();
                assert_eq!(json::decode(json.as_bytes()).as_ref(), Ok(&ttlv), "{place}: {json}");
                messages += 1;
            }
        }
    }
    println!("{messages} messages");
}

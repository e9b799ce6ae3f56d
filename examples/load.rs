//! A load generator: `cargo run --release --example load -- get -p 5696 -k target/run/pki -c 4`.
//!
//! Each connection is a closed loop. The result is one line: operations per second, and the median, the 99th percentile
//! and the maximum of the latencies. `ceiling` measures a server that only sends a fixed response; `bench` measures the
//! whole table (`make bench`), with `-y` including PyKMIP's server; `attack` measures the answers to one user beside
//! attacks of another (`make attack`).

#[path = "load/attack/mod.rs"]
pub(crate) mod attack;
#[path = "load/bench.rs"]
mod bench;
#[path = "load/ceiling.rs"]
mod ceiling;
#[path = "load/client.rs"]
pub(crate) mod client;
#[path = "load/requests.rs"]
mod requests;
#[path = "load/run.rs"]
mod run;
#[path = "load/server.rs"]
mod server;
#[path = "load/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use client::{Pki, Tls};
use getopts::{Matches, Options};
use run::{Target, Work};
use server::Running;

/// Any error of the load generator.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = options();
    let matches = match options.parse(std::env::args_os().skip(1)) {
        Ok(matches) => matches,
        Err(error) => return wrong(&error),
    };
    let words: Vec<_> =
        Work::ALL.iter().map(|(word, _)| *word).chain(["ceiling", "bench", "attack"]).collect();
    let [word] = matches.free.as_slice() else {
        let brief = format!("Usage: load [options] {}", words.join("|"));
        return wrong(&options.usage(&brief));
    };
    match measure(word, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("load: {why}");
    ExitCode::from(2)
}

fn options() -> Options {
    let mut options = Options::new();
    options.optopt("p", "port", "The server's port on this machine (5696).", "PORT");
    options.optopt("k", "pki", "A folder that --make-certs made (target/run/pki).", "FOLDER");
    options.optopt("c", "connections", "How many connections (4).", "COUNT");
    options.optopt("s", "seconds", "For how long (3); attack: each (10).", "SECONDS");
    options.optopt(
        "r",
        "requests",
        "Perform so many operations on one connection; measure no rate.",
        "COUNT",
    );
    options.optopt("n", "objects", "How many keys to make and to work on (100).", "COUNT");
    options.optopt(
        "x",
        "existing",
        "get, locate: the server has so many objects with these names, the first 1000 with the first identifiers.",
        "COUNT",
    );
    options.optopt("d", "data", "How many bytes to encrypt or to sign (1024).", "BYTES");
    options.optopt("t", "tls", "The version of TLS, 1.2 or 1.3 (1.2).", "VERSION");
    options.optopt("b", "binary", "bench, attack: the server (target/release/run_server).", "FILE");
    options.optopt(
        "o",
        "output",
        "bench, attack: the folder for databases and logs (target/bench, target/attack).",
        "FOLDER",
    );
    options.optopt("y", "pykmip", "bench: PyKMIP's server, to measure it too.", "FILE");
    options.optopt("a", "attack", "attack: only those whose name contains this text.", "NAME");
    options.optflag(
        "q",
        "quick",
        "attack: fewer connections and objects; bench: shorter, with 100,000 objects instead of 1,000,000.",
    );
    options
}

fn number<T: FromStr>(matches: &Matches, option: &str, default: T) -> Result<T, Failure> {
    let Some(text) = matches.opt_str(option) else { return Ok(default) };
    text.parse().map_err(|_| format!("-{option} {text}: that is no number").into())
}

fn path(matches: &Matches, option: &str, default: &str) -> PathBuf {
    matches.opt_str(option).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

fn measure(word: &str, matches: &Matches) -> Result<(), Failure> {
    let pki = Pki::new(&path(matches, "k", "target/run/pki"));
    let tls = match matches.opt_str("t").as_deref() {
        None | Some("1.2") => Tls::V1_2,
        Some("1.3") => Tls::V1_3,
        Some(other) => return Err(format!("-t {other}: the versions are 1.2 and 1.3").into()),
    };
    match word {
        "canned" => return ceiling::serve(&pki),
        "bench" => {
            let plan = bench::Plan {
                binary: path(matches, "b", "target/release/run_server"),
                folder: path(matches, "o", "target/bench"),
                pykmip: matches.opt_str("y").map(PathBuf::from),
                quick: matches.opt_present("q"),
                tls,
                pki,
            };
            return bench::bench(&plan);
        }
        "attack" => {
            let plan = attack::Plan {
                binary: path(matches, "b", "target/release/run_server"),
                folder: path(matches, "o", "target/attack"),
                time: Duration::from_secs_f64(number(matches, "s", 10.0)?),
                quick: matches.opt_present("q"),
                pki,
            };
            return attack::attack(&plan, matches.opt_str("a").as_deref().unwrap_or_default());
        }
        _ => {}
    }
    let connections = number(matches, "c", 4)?;
    let time = Duration::from_secs_f64(number(matches, "s", 3.0)?);
    if word == "ceiling" {
        let ceiling = Running::ceiling(&pki)?;
        return print(
            word,
            connections,
            run::run(&Target::new(ceiling.port, &pki, tls), Work::Query, connections, time)?,
        );
    }
    let work = Work::ALL.iter().find(|(name, _)| *name == word).map(|(_, work)| *work);
    let work = work.ok_or_else(|| format!("there is no operation {word}"))?;
    let mut target = Target::new(number(matches, "p", 5696)?, &pki, tls);
    target.size = number(matches, "d", 1024)?;
    let existing: usize = number(matches, "x", 0)?;
    match work {
        Work::Get | Work::Locate if existing > 0 => target.use_keys(existing),
        Work::Get | Work::GetAttributes | Work::Locate | Work::Encrypt | Work::EncryptGcm => {
            target.make_keys(number(matches, "n", 100)?)?;
        }
        Work::Sign => target.make_signer()?,
        _ => {}
    }
    if matches.opt_present("r") {
        return run::repeat(&target, work, number(matches, "r", 1)?);
    }
    print(word, connections, run::run(&target, work, connections, time)?)
}

fn print(word: &str, connections: usize, figure: run::Figure) -> Result<(), Failure> {
    let run::Figure { rate, median, p99, max, .. } = figure;
    println!("{word} x{connections}: {rate:.0}/s, median {median:.1?}, p99 {p99:.1?}, max {max:.1?}");
    Ok(())
}

/// Creates a folder, and removes an earlier one of this name.
fn fresh(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}

//! Attacks of one user, each beside a well-behaved user of the same server, whose answers are timed.
//!
//! The attacker has a certificate and the address 127.0.0.1; the well-behaved user has another certificate and another
//! address. Each attack runs against a new server on this machine, for a bounded time, and ends with the server.

mod management;
mod means;
mod messages;

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::client::{Client, Pki, Tls};
use super::run::{Figure, Target, Work, paced, repeated};
use super::server::Running;
use super::{Failure, bench, fresh};

/// The address of the well-behaved user.
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// What the well-behaved user does, each ten times a second.
const WORK: [(&str, Work); 4] = [
    ("Get", Work::Get),
    ("Create", Work::Create),
    ("Sign, RSA-2048", Work::Sign),
    ("New connection", Work::Connect),
];
/// The further column of the attacks on the management interface.
const HEALTH: &str = "Health";
const PERIOD: Duration = Duration::from_millis(100);
/// The time for which an attack runs before the answers are timed.
const LEAD: Duration = Duration::from_millis(500);
/// The time within which the well-behaved user connects, before the attack begins.
const CONNECTING: Duration = Duration::from_millis(500);
/// The pause of a connection of the attacker after an error.
const PAUSE: Duration = Duration::from_millis(5);

/// The limits that `make attack` checks.
pub(crate) const MAX_P99: Duration = Duration::from_millis(100);
pub(crate) const MAX_WORST: Duration = Duration::from_millis(500);

/// The options of a run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    /// The folder for databases and logs.
    pub(crate) folder: PathBuf,
    pub(crate) pki: Pki,
    /// The time of each attack in which the answers are timed.
    pub(crate) time: Duration,
    /// Whether the numbers of connections and objects are small, for a debug build and few file descriptors.
    pub(crate) quick: bool,
}

/// Returns all attacks: those on KMIP, then those on the management interface. The first of each is none.
pub(crate) fn attacks() -> impl Iterator<Item = &'static Attack> {
    means::ATTACKS.iter().chain(management::ATTACKS)
}

/// What a connection of the attacker repeats until the attack ends or it returns an error.
type Step = Box<dyn Fn(&Attacker) -> Result<(), Failure> + Send + Sync>;

/// An attack.
pub(crate) struct Attack {
    /// The word that selects it.
    pub(crate) name: &'static str,
    what: &'static str,
    /// The number of threads that attack at the same time.
    threads: usize,
    /// The number of objects in the database before the attack.
    objects: usize,
    /// Further settings of the server.
    settings: &'static str,
    /// Prepares the attack and returns what each thread repeats.
    prepare: fn(&Attacker) -> Result<Step, Failure>,
}

/// The attacking user.
pub(crate) struct Attacker {
    port: u16,
    /// The port of the management interface, or 0.
    management: u16,
    config: Arc<ClientConfig>,
    quick: bool,
    over: AtomicBool,
    attempts: AtomicU64,
}

impl Attacker {
    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::connect(self.port, &self.config)?)
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns `full`, or `quick` in a quick run.
    fn number<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Repeats the step with a low priority, because an attacker computes on another machine.
    fn repeat(&self, step: &Step) {
        // On Linux, the priority of this thread only.
        let _ = rustix::process::setpriority_process(None, 10);
        while self.goes_on() {
            if step(self).is_err() {
                thread::sleep(PAUSE);
            }
        }
    }
}

/// The answers of the well-behaved user beside one attack.
pub(crate) struct Row {
    what: &'static str,
    /// The attempts of the attacker per second.
    pub(crate) rate: f64,
    pub(crate) figures: Vec<Figure>,
    /// The time in which the disk of the database flushes 4 KiB of another file. Get and Create wait for such flushes.
    disk: Figure,
    /// The errors of the well-behaved user.
    pub(crate) errors: Vec<String>,
}

impl Row {
    /// Returns the longest time of an answer.
    pub(crate) fn worst(&self) -> Duration {
        self.figures.iter().map(|figure| figure.max).max().unwrap_or_default()
    }

    /// Whether no answer failed or exceeded the limits.
    fn holds(&self) -> bool {
        let p99 = self.figures.iter().map(|figure| figure.p99).max().unwrap_or_default();
        self.errors.is_empty() && p99 < MAX_P99 && self.worst() < MAX_WORST
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {:.0}/s |", self.what, self.rate)?;
        for Figure { p99, max, .. } in self.figures.iter().chain([&self.disk]) {
            write!(f, " {:.0} · {:.0} ms |", 1e3 * p99.as_secs_f64(), 1e3 * max.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Runs the attacks whose name contains `only`, and prints the table.
///
/// # Errors
/// Returns an error if an answer failed or exceeded the limits.
pub(crate) fn attack(plan: &Plan, only: &str) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for attack in attacks().filter(|attack| attack.name.contains(only)) {
        let row = run(plan, attack).map_err(|error| format!("{}: {error}", attack.name))?;
        eprintln!("{}: {row}{}", attack.name, if row.holds() { "" } else { " exceeds the limits" });
        row.errors.iter().take(3).for_each(|error| eprintln!("  {error}"));
        rows.push(row);
    }
    for columns in [WORK.len(), WORK.len() + 1] {
        let mut words: Vec<_> = WORK.iter().map(|(word, _)| *word).chain([HEALTH]).collect();
        words.truncate(columns);
        println!(
            "| Attack | Attempts | {} | Disk |\n|---|---|{}",
            words.join(" | "),
            "---|".repeat(columns + 1)
        );
        rows.iter().filter(|row| row.figures.len() == columns).for_each(|row| println!("{row}"));
    }
    let failed = rows.iter().filter(|row| !row.holds()).count();
    if rows.is_empty() || failed > 0 {
        let of = rows.len();
        return Err(format!(
            "{failed} of {of} attacks exceed {MAX_P99:?} in the 99th percentile or {MAX_WORST:?}, or cause errors; if \
             the column Disk shows similar times, another program uses the disk, or it is slow: run the command again"
        )
        .into());
    }
    Ok(())
}

/// Runs one attack against a new server.
pub(crate) fn run(plan: &Plan, attack: &Attack) -> Result<Row, Failure> {
    let folder = plan.folder.join(attack.name);
    fresh(&folder)?;
    let config = plan.pki.other_client(Tls::V1_3)?;
    let (over, attempts) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut attacker = Attacker { port: 0, management: 0, config, quick: plan.quick, over, attempts };
    // A server in a test gets few file descriptors.
    let few =
        if plan.quick { format!("max_connections={}\n", means::FEW_CONNECTIONS) } else { String::new() };
    let settings = few + attack.settings;
    let start = || Running::ours_with(&plan.binary, &plan.pki, &folder, &settings);
    let mut server = start()?;
    if attack.objects > 0 {
        attacker.port = server.port;
        attacker.client()?.ask(&super::requests::create("template"))?;
        server.stop()?;
        let (database, template) = (folder.join("kmip.database"), folder.join("template.database"));
        std::fs::rename(&database, &template)?;
        let objects = if plan.quick { attack.objects / 10 } else { attack.objects };
        bench::fill(&template, &database, objects)?;
        server = start()?;
    }
    (attacker.port, attacker.management) = (server.port, server.management.unwrap_or_default());
    let mut good = Target::new(server.port, &plan.pki, Tls::V1_3).at(&server);
    good.from = GOOD;
    good.make_keys(100)?;
    good.make_signer()?;
    let step = (attack.prepare)(&attacker)?;
    let mut probe = File::create(folder.join("probe"))?;
    if !plan.quick {
        // Flushes would otherwise wait for what other programs, and earlier attacks, have written.
        rustix::fs::sync();
    }

    let time = plan.time;
    let begin = Instant::now() + CONNECTING + LEAD;
    let (attacker, step) = (Arc::new(attacker), Arc::new(step));
    let mut answers: Vec<_> = WORK
        .map(|(_, work)| {
            let good = good.clone();
            thread::spawn(move || paced(&good, work, PERIOD, begin, time))
        })
        .into();
    if let Some(port) = server.management {
        let health = move || repeated(PERIOD, begin, time, || management::health(GOOD, port));
        answers.push(thread::spawn(move || Ok(health())));
    }
    let disk = thread::spawn(move || repeated(PERIOD, begin, time, || flush(&mut probe)));
    thread::sleep(CONNECTING);
    let hands: Vec<_> = (0..attack.threads)
        .map(|_| {
            let (attacker, step) = (Arc::clone(&attacker), Arc::clone(&step));
            thread::spawn(move || attacker.repeat(&step))
        })
        .collect();
    let results: Vec<_> = answers.into_iter().map(thread::JoinHandle::join).collect();
    let rate = attacker.attempts.load(Ordering::Relaxed) as f64 / (begin.elapsed() + LEAD).as_secs_f64();
    attacker.over.store(true, Ordering::Relaxed);
    // Its end ends the connections on which the attacker waits.
    server.kill()?;
    for hand in hands {
        hand.join().map_err(|_| "a thread of the attacker panicked")?;
    }
    let (disk, failed) = disk.join().map_err(|_| "the thread that flushes panicked")?;
    let errors = failed.into_iter().map(|error| format!("Disk: {error}")).collect();
    let mut row = Row { what: attack.what, rate, figures: Vec::new(), disk, errors };
    let words = WORK.iter().map(|(word, _)| *word).chain([HEALTH]);
    for (result, word) in results.into_iter().zip(words) {
        let (figure, errors) = result.map_err(|_| "a thread of the well-behaved user panicked")??;
        row.figures.push(figure);
        row.errors.extend(errors.into_iter().map(|error| format!("{word}: {error}")));
    }
    Ok(row)
}

fn flush(file: &mut File) -> Result<(), Failure> {
    file.write_all(&[0; 4096])?;
    Ok(file.sync_data()?)
}

//! The whole table: each figure with its upper bound. Both are measured alternately within one run, because figures of
//! two runs on a shared machine are not comparable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use kmip_server::internals::store::{Id, Outcome, Sqlite, Store};
use kmip_server::kmip::enums::Operation;
use kmip_server::kmip::structures::{Name, UniqueIdentifier};
use kmip_server::ttlv::Tag;

use super::client::{Client, Pki, Tls};
use super::run::{Figure, Target, Work, name, run};
use super::server::Running;
use super::table::{Row, Table, ratio};
use super::{Failure, fresh, requests};

/// The number of rounds in which two things are measured alternately; the median of the ratios is the result.
const ROUNDS: usize = 3;
/// The number of rounds for searches in stores of two sizes, which differ by less than two rounds of the same search.
const SEARCHES: usize = 9;
/// The number of keys in the small store.
const FEW: usize = 1000;
/// The number of idle connections.
const IDLE: u32 = 1000;
/// The number of objects that one commit adds to the large store.
const CHUNK: usize = 10_000;

/// The options of a benchmark run.
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    /// The folder for databases and logs, on the disk whose flushes are measured.
    pub(crate) folder: PathBuf,
    pub(crate) pki: Pki,
    pub(crate) pykmip: Option<PathBuf>,
    pub(crate) quick: bool,
    pub(crate) tls: Tls,
}

impl Plan {
    fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1000 })
    }

    fn many(&self) -> usize {
        if self.quick { 100_000 } else { 1_000_000 }
    }
}

/// Measures everything and prints the table.
pub(crate) fn bench(plan: &Plan) -> Result<(), Failure> {
    fresh(&plan.folder)?;
    let server = Running::ours(&plan.binary, &plan.pki, &plan.folder.join("small"))?;
    let idle = server.memory()?;
    let mut ours = Target::new(server.port, &plan.pki, plan.tls).at(&server);
    ours.make_keys(FEW)?;
    let signer = ours.make_signer();
    let ceiling = Running::ceiling(&plan.pki)?;
    let bound = Target::new(ceiling.port, &plan.pki, plan.tls).at(&ceiling);
    let mut bench = Bench { plan, ours, bound, table: Table::default() };

    bench.under_the_ceiling("Query", Work::Query, 4, 0.5)?;
    bench.under_the_ceiling("Get", Work::Get, 4, 0.55)?;
    bench.under_the_ceiling("Get", Work::Get, 64, 0.5)?;
    bench.under_the_ceiling("Get Attributes (all)", Work::GetAttributes, 4, 0.4)?;
    bench.under_the_ceiling("Encrypt, AES-CBC, 1 KiB", Work::Encrypt, 4, 0.4)?;
    bench.under_the_ceiling("New connection, full handshake", Work::Connect, 4, 0.7)?;
    bench.resumption()?;
    match signer {
        Ok(()) => bench.signatures(),
        Err(error) => bench.table.note(format!("Sign was not measured: {error}.")),
    }
    bench.sealing("Encrypt, AES-GCM, 1 KiB", 1 << 10);
    bench.sealing("Encrypt, AES-GCM, 64 KiB", 64 << 10);
    bench.key_pairs();
    bench.commits("Create", Work::Create, 1, None)?;
    bench.commits("Create", Work::Create, 4, None)?;
    bench.commits("Create", Work::Create, 32, Some(8.0))?;
    bench.commits("Create", Work::Create, 64, None)?;
    bench.commits("Life cycle (5 requests)", Work::LifeCycle, 4, None)?;
    bench.commits("Life cycle (5 requests)", Work::LifeCycle, 32, None)?;
    bench.commits("Life cycle (5 requests)", Work::LifeCycle, 64, None)?;
    bench.table.value("Memory of an idle server", format!("{:.1} MiB", mib(idle)), "below 20 MiB");
    bench.idle_connections(&server)?;
    drop(ceiling);
    let server = bench.crash(server)?;
    bench.large_store(server)?;
    if let Some(binary) = &plan.pykmip {
        bench.pykmip(binary)?;
    }
    print!("{}", bench.table);
    Ok(())
}

struct Bench<'a> {
    plan: &'a Plan,
    ours: Target,
    bound: Target,
    table: Table,
}

impl Bench<'_> {
    /// Measures `work` and `other` alternately. Returns both figures of the round with the median ratio, and the ratio.
    fn in_turns(
        &self,
        work: Work,
        connections: usize,
        mut other: impl FnMut() -> Result<Figure, Failure>,
    ) -> Result<(Figure, Figure, f64), Failure> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let bound = other()?;
            let figure = run(&self.ours, work, connections, self.plan.turn())?;
            rounds.push((figure, bound, figure.rate / bound.rate));
        }
        rounds.sort_by(|(_, _, one), (_, _, other)| one.total_cmp(other));
        rounds.get(ROUNDS / 2).copied().ok_or_else(|| "nothing was measured".into())
    }

    fn under_the_ceiling(
        &mut self,
        what: &str,
        work: Work,
        connections: usize,
        goal: f64,
    ) -> Result<(), Failure> {
        // A connection to the ceiling also answers one request.
        let kind = if work == Work::Connect { Work::Connect } else { Work::Query };
        let bound = || run(&self.bound, kind, connections, self.plan.turn());
        match self.in_turns(work, connections, bound) {
            Ok((figure, bound, share)) => {
                let against = format!("ceiling, {:.0}/s", bound.rate);
                let row = Row::share(what, work, connections, figure, against, share, goal);
                self.table.row(row.processor(figure, bound));
            }
            Err(error) => self.table.note(format!("{what} was not measured: {error}.")),
        }
        Ok(())
    }

    fn resumption(&mut self) -> Result<(), Failure> {
        let full = || run(&self.ours, Work::Connect, 4, self.plan.turn());
        let (figure, full, share) = self.in_turns(Work::Resume, 4, full)?;
        let against = format!("full handshakes, {:.0}/s", full.rate);
        let what = "New connection, resumed session";
        let row = Row::times(what, Work::Resume, 4, figure, against, share, None);
        self.table.row(row.processor(figure, full));
        Ok(())
    }

    fn signatures(&mut self) {
        let measured = KeyPair::generate(KeySize::Rsa2048)
            .map_err(Failure::from)
            .and_then(|key| self.in_turns(Work::Sign, 4, || signatures(&key, self.plan.turn())));
        match measured {
            Ok((figure, raw, share)) => {
                let against = format!("aws-lc-rs alone, {:.0}/s", raw.rate);
                self.table.row(Row::share("Sign, RSA-2048", Work::Sign, 4, figure, against, share, 0.75));
            }
            Err(error) => self.table.note(format!("Sign was not measured: {error}.")),
        }
    }

    /// Measures Encrypt, with the rate of the cryptographic library as bound.
    fn sealing(&mut self, what: &str, size: usize) {
        let before = std::mem::replace(&mut self.ours.size, size);
        let turn = self.plan.turn();
        match self.in_turns(Work::EncryptGcm, 4, || sealed(size, turn)) {
            Ok((figure, raw, share)) => {
                let against = format!("aws-lc-rs alone, {:.0}/s", raw.rate);
                self.table.row(Row::times(what, Work::EncryptGcm, 4, figure, against, share, None));
            }
            Err(error) => self.table.note(format!("{what} was not measured: {error}.")),
        }
        self.ours.size = before;
    }

    fn key_pairs(&mut self) {
        let turn = self.plan.turn();
        match self
            .in_turns(Work::CreateKeyPair, 4, || on_every_core(turn, || KeyPair::generate(KeySize::Rsa2048)))
        {
            Ok((figure, raw, share)) => {
                let against = format!("aws-lc-rs alone, {:.1}/s", raw.rate);
                let what = "Create Key Pair, RSA-2048";
                self.table.row(Row::times(what, Work::CreateKeyPair, 4, figure, against, share, None));
            }
            Err(error) => self.table.note(format!("Create Key Pair was not measured: {error}.")),
        }
    }

    fn commits(
        &mut self,
        what: &str,
        work: Work,
        connections: usize,
        goal: Option<f64>,
    ) -> Result<(), Failure> {
        let file = self.plan.folder.join("commits.database");
        let (figure, raw, share) = self.in_turns(work, connections, || commits(&file, self.plan.turn()))?;
        let against = format!("lone commits, {:.0}/s", raw.rate);
        self.table.row(Row::times(what, work, connections, figure, against, share, goal));
        Ok(())
    }

    fn idle_connections(&mut self, server: &Running) -> Result<(), Failure> {
        let config = self.plan.pki.client(self.plan.tls, false)?;
        let before = server.memory()?;
        let mut clients = Vec::new();
        for _ in 0..IDLE {
            let mut client = Client::connect(server.port, &config)?;
            requests::payload(client.ask(&requests::query())?)?;
            clients.push(client);
        }
        thread::sleep(Duration::from_millis(500));
        let each = server.memory()?.saturating_sub(before) as f64 / f64::from(IDLE) / 1024.0;
        self.table.value(
            &format!("Memory of an idle connection, of {IDLE}"),
            format!("{each:.1} KiB"),
            "below 64 KiB",
        );
        clients.into_iter().for_each(Client::close);
        Ok(())
    }

    /// Kills the server while 32 connections create keys, and checks that every acknowledged key exists afterwards.
    fn crash(&mut self, server: Running) -> Result<Running, Failure> {
        let config = self.plan.pki.client(self.plan.tls, false)?;
        let (port, over) = (server.port, Arc::new(AtomicBool::new(false)));
        let makers: Vec<_> = (0..32)
            .map(|maker| {
                let (config, over) = (Arc::clone(&config), Arc::clone(&over));
                thread::spawn(move || {
                    let mut made = Vec::new();
                    let Ok(mut client) = Client::connect(port, &config) else { return made };
                    while !over.load(Ordering::Relaxed) {
                        let request = requests::create(&format!("crash-{maker}-{}", made.len()));
                        let Ok(answer) = client.ask(&request) else { break };
                        made.extend(requests::identifier(answer, Tag::UniqueIdentifier).ok());
                    }
                    made
                })
            })
            .collect();
        thread::sleep(self.plan.turn());
        server.kill()?;
        over.store(true, Ordering::Relaxed);
        let mut made = Vec::new();
        for maker in makers {
            made.extend(maker.join().map_err(|_| "a thread that made keys panicked")?);
        }
        let server = Running::ours(&self.plan.binary, &self.plan.pki, &self.plan.folder.join("small"))?;
        self.ours = self.ours.clone().at(&server);
        let mut client = self.ours.client()?;
        let mut lost = 0;
        for id in &made {
            lost += usize::from(requests::payload(client.ask(&requests::on(Operation::Get, id))?).is_err());
        }
        client.close();
        let value = format!("{lost} of {}", made.len());
        self.table.value("Acknowledged keys lost by SIGKILL", value, "none");
        Ok(server)
    }

    /// Measures what depends on the size of the store.
    fn large_store(&mut self, small: Running) -> Result<(), Failure> {
        let (plan, many) = (self.plan, self.plan.many());
        let folder = plan.folder.join("large");
        std::fs::create_dir_all(&folder)?;
        small.stop()?;
        let template = plan.folder.join("small/kmip.database");
        let begin = Instant::now();
        fill(&template, &folder.join("kmip.database"), many)?;
        eprintln!("{many} objects were stored in {:.0} s", begin.elapsed().as_secs_f64());

        let empty = plan.folder.join("empty");
        for (what, folder, goal) in
            [("an empty store", &empty, "50 ms"), (&*format!("{many} objects"), &folder, "100 ms")]
        {
            // The first start creates the database, which happens only once.
            Running::ours(&plan.binary, &plan.pki, folder)?.stop()?;
            let mut starts = Vec::new();
            for _ in 0..5 {
                let server = Running::ours(&plan.binary, &plan.pki, folder)?;
                starts.push(server.ready);
                server.stop()?;
            }
            starts.sort_unstable();
            let median = starts.get(2).copied().unwrap_or_default();
            let value = format!("{:.0} ms", median.as_secs_f64() * 1000.0);
            self.table.value(&format!("Ready with {what}"), value, goal);
        }

        let small = Running::ours(&plan.binary, &plan.pki, &plan.folder.join("small"))?;
        let large = Running::ours(&plan.binary, &plan.pki, &folder)?;
        self.ours = self.ours.clone().at(&large);
        self.ours.stride = many / FEW;
        let mut other = self.ours.clone().at(&small);
        other.stride = 1;
        let mut rounds = Vec::new();
        for _ in 0..SEARCHES {
            let few = run(&other, Work::Locate, 4, plan.turn() / 2)?;
            let many = run(&self.ours, Work::Locate, 4, plan.turn() / 2)?;
            rounds.push((few, many, many.median.as_secs_f64() / few.median.as_secs_f64()));
        }
        rounds.sort_by(|(_, _, one), (_, _, other)| one.total_cmp(other));
        let (few, found, share) = rounds.get(SEARCHES / 2).copied().ok_or("nothing was measured")?;
        let what = format!("Locate by name, {FEW} objects");
        self.table.row(Row::plain(&what, Work::Locate, 4, few));
        let what = format!("Locate by name, {many} objects");
        let against = format!("median with {FEW}, {:.0?}", few.median);
        let row = Row::plain(&what, Work::Locate, 4, found);
        self.table.row(row.against(against, ratio(share), "at most 1.3".to_owned()));
        Ok(())
    }

    /// Measures PyKMIP's server with the same connections and requests, right after this one.
    fn pykmip(&mut self, binary: &Path) -> Result<(), Failure> {
        let plan = self.plan;
        let server = Running::ours(&plan.binary, &plan.pki, &plan.folder.join("beside"))?;
        let pykmip = Running::pykmip(binary, &plan.pki, &plan.folder.join("pykmip"))?;
        let mut ours = Target::new(server.port, &plan.pki, Tls::V1_2).at(&server);
        let mut theirs = Target::new(pykmip.port, &plan.pki, Tls::V1_2);
        for target in [&mut ours, &mut theirs] {
            target.make_keys(FEW)?;
            target.make_signer()?;
        }
        for row in self.table.measured() {
            let Some((work, connections)) = row.measured else { continue };
            if matches!(work, Work::Resume) || row.pykmip.is_some() {
                continue;
            }
            match beside(&ours, &theirs, work, connections, plan.turn()) {
                Ok(rates) => row.pykmip = Some(rates),
                Err(error) => eprintln!("{}, beside PyKMIP: {error}", row.what),
            }
        }
        Ok(())
    }
}

/// Returns the rate of `theirs`, and the ratio of the rate of `ours` to it: the median of several rounds.
fn beside(
    ours: &Target,
    theirs: &Target,
    work: Work,
    connections: usize,
    turn: Duration,
) -> Result<(f64, f64), Failure> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let their = run(theirs, work, connections, turn)?.rate;
        rounds.push((their, run(ours, work, connections, turn)?.rate / their));
    }
    rounds.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    rounds.get(ROUNDS / 2).copied().ok_or_else(|| "nothing was measured".into())
}

/// Returns the commits per second of one thread that writes one row per commit, with the same library and settings.
fn commits(file: &Path, time: Duration) -> Result<Figure, Failure> {
    let database = rusqlite::Connection::open(file)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, value BLOB)")?;
    let mut insert = database.prepare("INSERT INTO row (value) VALUES (?1)")?;
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < time {
        insert.execute([&[0x5A_u8; 300]])?;
        count += 1;
    }
    Ok(Figure::rate(f64::from(count) / begin.elapsed().as_secs_f64()))
}

/// Returns the signatures per second of the library alone, on all cores.
fn signatures(key: &KeyPair, time: Duration) -> Result<Figure, Failure> {
    on_every_core(time, || {
        let (random, mut room) = (SystemRandom::new(), vec![0; key.public_modulus_len()]);
        key.sign(&RSA_PKCS1_SHA256, &random, &[0x5A; 1024], &mut room)
    })
}

/// Returns the messages of `size` bytes that the library alone seals per second, on all cores.
fn sealed(size: usize, time: Duration) -> Result<Figure, Failure> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0x5A; 32])?);
    let data = vec![0x5A; size];
    on_every_core(time, || {
        let nonce = Nonce::assume_unique_for_key([0x17; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut data.clone())
    })
}

/// Returns the successful runs of `job` per second, on all cores.
fn on_every_core<T, E>(time: Duration, job: impl Fn() -> Result<T, E> + Sync) -> Result<Figure, Failure> {
    let cores = thread::available_parallelism()?.get();
    let begin = Instant::now();
    let count = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0_u32;
                    while begin.elapsed() < time {
                        count += u32::from(job().is_ok());
                    }
                    count
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).sum::<u32>()
    });
    Ok(Figure::rate(f64::from(count) / begin.elapsed().as_secs_f64()))
}

/// Stores `count` copies of the first object of `template` in `file`, each with a unique identifier and name.
pub(crate) fn fill(template: &Path, file: &Path, count: usize) -> Result<(), Failure> {
    let original = Sqlite::open(template)?.read(Id(1))?.ok_or("the small store has no first object")?;
    let store = Sqlite::open(file)?;
    for first in (0..count).step_by(CHUNK) {
        let mut outcome = Ok(());
        store.change(&mut |transaction| {
            outcome = (first..count.min(first + CHUNK)).try_for_each(|number| {
                let id = transaction.next_id()?;
                let mut record = (*original).clone();
                record.id = id;
                record.attributes.unique_identifier = Some(UniqueIdentifier::from(id));
                for value in &mut record.attributes.name {
                    *value = Name { name_value: name(number), ..value.clone() };
                }
                transaction.insert(Arc::new(record))
            });
            if outcome.is_ok() { Outcome::Commit } else { Outcome::Rollback }
        })?;
        outcome?;
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

//! Closed loops: each connection sends its next request when it has received the last response.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::Tag;
use rustls::ClientConfig;

use super::Failure;
use super::client::{Client, Pki, Tls};
use super::requests;
use super::server::{Running, processor_time};

/// The work that a connection repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Query,
    Get,
    GetAttributes,
    Locate,
    Create,
    Encrypt,
    EncryptGcm,
    Sign,
    /// RSA with 2048 bits.
    CreateKeyPair,
    /// Create, Activate, Get, Revoke, Destroy.
    LifeCycle,
    /// A new connection, with a full handshake, and one Query.
    Connect,
    /// A new connection with the ticket of the one before it, and one Query.
    Resume,
}

impl Work {
    pub(crate) const ALL: [(&str, Self); 12] = [
        ("query", Self::Query),
        ("get", Self::Get),
        ("get-attributes", Self::GetAttributes),
        ("locate", Self::Locate),
        ("create", Self::Create),
        ("encrypt", Self::Encrypt),
        ("encrypt-gcm", Self::EncryptGcm),
        ("sign", Self::Sign),
        ("create-key-pair", Self::CreateKeyPair),
        ("life-cycle", Self::LifeCycle),
        ("connect", Self::Connect),
        ("resume", Self::Resume),
    ];
}

/// A server with the objects for the measurements.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    /// The address of the clients.
    pub(crate) from: Ipv4Addr,
    /// The process of the server, if it is known.
    pub(crate) process: Option<u32>,
    pub(crate) pki: Pki,
    pub(crate) tls: Tls,
    /// Active AES keys, with the [`name`] of their index.
    pub(crate) keys: Arc<[String]>,
    /// An active private RSA key.
    pub(crate) signer: Option<Arc<str>>,
    /// Bytes to encrypt or to sign.
    pub(crate) size: usize,
    /// The distance between the numbers of the names in Locate requests.
    pub(crate) stride: usize,
}

/// Returns the name of the key with this number.
pub(crate) fn name(number: usize) -> String {
    format!("load-{number}")
}

impl Target {
    pub(crate) fn new(port: u16, pki: &Pki, tls: Tls) -> Self {
        Self {
            port,
            from: Ipv4Addr::LOCALHOST,
            process: None,
            pki: pki.clone(),
            tls,
            keys: Arc::new([]),
            signer: None,
            size: 1024,
            stride: 1,
        }
    }

    /// Returns the same objects on the port of another process.
    pub(crate) fn at(mut self, server: &Running) -> Self {
        (self.port, self.process) = (server.port, Some(server.process()));
        self
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::connect_from(self.from, self.port, &self.pki.client(self.tls, false)?)?)
    }

    /// Creates `count` active keys by several connections, so that they share flushes to the disk.
    pub(crate) fn make_keys(&mut self, count: usize) -> Result<(), Failure> {
        let config = self.pki.client(self.tls, false)?;
        let port = self.port;
        let makers: Vec<_> = (0..16)
            .map(|first| {
                let config = Arc::clone(&config);
                thread::spawn(move || -> Result<Vec<(usize, String)>, Failure> {
                    let mut client = Client::connect(port, &config)?;
                    let mut made = Vec::new();
                    for number in (first..count).step_by(16) {
                        let answer = client.ask(&requests::create(&name(number)))?;
                        let id = requests::identifier(answer, Tag::UniqueIdentifier)?;
                        requests::payload(client.ask(&requests::on(Operation::Activate, &id))?)?;
                        made.push((number, id));
                    }
                    client.close();
                    Ok(made)
                })
            })
            .collect();
        let mut keys = Vec::new();
        for maker in makers {
            keys.extend(maker.join().map_err(|_| "a thread that made keys panicked")??);
        }
        keys.sort();
        self.keys = keys.into_iter().map(|(_, id)| id).collect();
        Ok(())
    }

    /// Uses up to 1000 of the `count` keys that the server has: those with the first identifiers, or, for Locate, with names
    /// from all of them.
    pub(crate) fn use_keys(&mut self, count: usize) {
        let used = count.min(1000);
        self.keys = (1..=used).map(|id| id.to_string()).collect();
        self.stride = count / used.max(1);
    }

    /// Creates the signing key.
    pub(crate) fn make_signer(&mut self) -> Result<(), Failure> {
        let mut client = self.client()?;
        let answer = client.ask(&requests::create_key_pair("load signer"))?;
        let id = requests::identifier(answer, Tag::PrivateKeyUniqueIdentifier)?;
        requests::payload(client.ask(&requests::on(Operation::Activate, &id))?)?;
        client.close();
        self.signer = Some(id.into());
        Ok(())
    }
}

/// The result of a measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figure {
    /// Operations per second of all connections together.
    pub(crate) rate: f64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    /// The processor time per operation: of the server, and of client and server together; zero if unknown.
    pub(crate) server: Duration,
    pub(crate) both: Duration,
}

impl Figure {
    fn of(mut times: Vec<Duration>, elapsed: Duration) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
            let place = (share * (times.len().saturating_sub(1)) as f64).round() as usize;
            times.get(place).copied().unwrap_or_default()
        };
        Self {
            rate: times.len() as f64 / elapsed.as_secs_f64(),
            median: at(0.5),
            p99: at(0.99),
            max: at(1.0),
            ..Self::default()
        }
    }

    /// Returns a result that consists of a rate only.
    pub(crate) fn rate(rate: f64) -> Self {
        Self { rate, ..Self::default() }
    }
}

/// The counter for unique names.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// Repeats the work on `target` by this number of connections for this time.
pub(crate) fn run(
    target: &Target,
    work: Work,
    connections: usize,
    time: Duration,
) -> Result<Figure, Failure> {
    let config = target.pki.client(target.tls, work == Work::Resume)?;
    // One after another: PyKMIP's accept queue is short, and clients beyond it are lost.
    let hands = (0..connections)
        .map(|number| Hand::open(target.clone(), Arc::clone(&config), work, number, connections))
        .collect::<Result<Vec<_>, _>>()?;
    let start = Arc::new(Barrier::new(connections + 1));
    let loops: Vec<_> = hands
        .into_iter()
        .map(|hand| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                hand.work(time)
            })
        })
        .collect();
    let before = target.process.map(used);
    start.wait();
    let begin = Instant::now();
    let mut times = Vec::new();
    for one in loops {
        times.extend(one.join().map_err(|_| "a connection's thread panicked")??);
    }
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    let mut figure = Figure::of(times, begin.elapsed());
    if let (Some(process), Some((server, own))) = (target.process, before) {
        let (server_after, own_after) = used(process);
        figure.server = server_after.saturating_sub(server) / count;
        figure.both = figure.server + own_after.saturating_sub(own) / count;
    }
    Ok(figure)
}

/// Opens a connection and performs `work` once per `period` from `begin` on, or later while an answer is late. Returns
/// the times of the answers, and the errors, after each of which it opens a new connection.
pub(crate) fn paced(
    target: &Target,
    work: Work,
    period: Duration,
    begin: Instant,
    time: Duration,
) -> Result<(Figure, Vec<Failure>), Failure> {
    let config = target.pki.client(target.tls, work == Work::Resume)?;
    let open = || Hand::open(target.clone(), Arc::clone(&config), work, 0, 1);
    let mut hand = Some(open()?);
    Ok(repeated(period, begin, time, || {
        let mut ready = hand.take().map_or_else(open, Ok)?;
        ready.once()?;
        hand = Some(ready);
        Ok(())
    }))
}

/// Calls `once` as [`paced`] performs its work. Returns the times and the errors.
pub(crate) fn repeated(
    period: Duration,
    begin: Instant,
    time: Duration,
    mut once: impl FnMut() -> Result<(), Failure>,
) -> (Figure, Vec<Failure>) {
    let (mut times, mut errors, mut next) = (Vec::new(), Vec::new(), begin);
    while next < begin + time {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        next = start + period;
        errors.extend(once().err());
        times.push(start.elapsed());
    }
    (Figure::of(times, begin.elapsed()), errors)
}

/// Performs `work` exactly `count` times on one connection, which a profiler of the server needs.
pub(crate) fn repeat(target: &Target, work: Work, count: usize) -> Result<(), Failure> {
    let config = target.pki.client(target.tls, work == Work::Resume)?;
    let mut hand = Hand::open(target.clone(), config, work, 0, 1)?;
    for _ in 0..count {
        hand.once()?;
    }
    if let Some(client) = hand.client {
        client.close();
    }
    Ok(())
}

/// Returns the processor time that a process and this one have used.
fn used(process: u32) -> (Duration, Duration) {
    (processor_time(&process.to_string()), processor_time("self"))
}

/// One connection with its work.
struct Hand {
    target: Target,
    config: Arc<ClientConfig>,
    work: Work,
    client: Option<Client>,
    /// The index of the next key.
    next: usize,
    step: usize,
    ready: Vec<Vec<u8>>,
}

impl Hand {
    fn open(
        target: Target,
        config: Arc<ClientConfig>,
        work: Work,
        number: usize,
        step: usize,
    ) -> Result<Self, Failure> {
        let keys = target.keys.iter();
        let ready = match work {
            Work::Query | Work::Connect | Work::Resume => vec![requests::query()],
            Work::Get => keys.map(|id| requests::on(Operation::Get, id)).collect(),
            Work::GetAttributes => keys.map(|id| requests::on(Operation::GetAttributes, id)).collect(),
            Work::Locate => (0..keys.len()).map(|at| requests::locate(&name(at * target.stride))).collect(),
            Work::Encrypt => keys.map(|id| requests::encrypt(id, target.size)).collect(),
            Work::EncryptGcm => keys.map(|id| requests::encrypt_gcm(id, target.size)).collect(),
            Work::Sign => target.signer.iter().map(|id| requests::sign(id, target.size)).collect(),
            Work::Create | Work::CreateKeyPair | Work::LifeCycle => Vec::new(),
        };
        let mut client = Some(Client::connect_from(target.from, target.port, &config)?);
        if matches!(work, Work::Connect | Work::Resume)
            && let Some(mut client) = client.take()
        {
            // Tickets, if any, arrive with the first response.
            client.ask(&requests::query())?;
            client.close();
        }
        Ok(Self { target, config, work, client, next: number, step, ready })
    }

    fn work(mut self, time: Duration) -> Result<Vec<Duration>, Failure> {
        let end = Instant::now() + time;
        let mut times = Vec::new();
        loop {
            let begin = Instant::now();
            if begin >= end {
                break;
            }
            self.once()?;
            times.push(begin.elapsed());
        }
        if let Some(client) = self.client {
            client.close();
        }
        Ok(times)
    }

    fn once(&mut self) -> Result<(), Failure> {
        if matches!(self.work, Work::Connect | Work::Resume) {
            let mut client = Client::connect_from(self.target.from, self.target.port, &self.config)?;
            let request = self.ready.first().map(Vec::as_slice).unwrap_or_default();
            requests::payload(client.ask(request)?)?;
            client.close();
            return Ok(());
        }
        let client = self.client.as_mut().ok_or("the connection is closed")?;
        if !self.ready.is_empty() {
            let request = self.ready.get(self.next % self.ready.len()).map(Vec::as_slice).unwrap_or_default();
            self.next += self.step;
            requests::payload(client.ask(request)?)?;
            return Ok(());
        }
        let name = format!("made-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        if self.work == Work::CreateKeyPair {
            requests::payload(client.ask(&requests::create_key_pair(&name))?)?;
            return Ok(());
        }
        let id = requests::identifier(client.ask(&requests::create(&name))?, Tag::UniqueIdentifier)?;
        if self.work == Work::LifeCycle {
            requests::payload(client.ask(&requests::on(Operation::Activate, &id))?)?;
            requests::payload(client.ask(&requests::on(Operation::Get, &id))?)?;
            requests::payload(client.ask(&requests::revoke(&id))?)?;
            requests::payload(client.ask(&requests::on(Operation::Destroy, &id))?)?;
        }
        Ok(())
    }
}

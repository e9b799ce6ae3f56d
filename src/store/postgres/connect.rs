//! Opens the session of a connection: addresses of the host, socket, TLS and authentication.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::link::{self, Link, Socket};

/// The maximum number of names that are looked up at a time. The system may need longer for an answer than a request waits.
const MAX_LOOKUPS: usize = 8;

/// The time after which the system ends a connection whose peer is silent: no request waits longer for one call.
const SILENCE: Duration = Duration::from_millis(1800);

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Sends and receives for the client of its connection, until the connection has ended.
pub(super) type Driver =
    Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> + Send>;

/// A new session.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) client: Client,
    pub(super) driver: Driver,
}

/// A time limit of several steps.
struct Limit {
    all: Duration,
    end: Instant,
}

impl Limit {
    /// Returns the rest, which is not zero.
    fn rest(&self) -> Result<Duration, Failure> {
        let rest = self.end.saturating_duration_since(Instant::now());
        if rest.is_zero() { Err(self.passed()) } else { Ok(rest) }
    }

    fn passed(&self) -> Failure {
        Failure::timed_out(self.all)
    }
}

/// Opens a session at the only host of `config`, at the first of its addresses that accepts it.
pub(super) fn open(config: &Config, tls: &MakeRustlsConnect, limit: Duration) -> Result<Session, Failure> {
    let limit = Limit { all: limit, end: Instant::now() + limit };
    let port = config.get_ports().first().copied().unwrap_or_default();
    match config.get_hosts() {
        [Host::Unix(folder)] => at_socket(&folder.join(format!(".s.PGSQL.{port}")), config, tls, &limit),
        [Host::Tcp(name)] => {
            let addresses = addresses(name, port, &limit)?;
            let mut failure = unconnected(&"the host has no address");
            for (position, address) in addresses.iter().enumerate() {
                // A silent address must not keep the others from being tried.
                let others = u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
                match at_address(*address, limit.rest()? / others, name, config, tls, &limit) {
                    Ok(session) => return Ok(session),
                    Err(why) => failure = why,
                }
            }
            Err(failure)
        }
        _ => Err(unconnected(&"a configuration names one host")),
    }
}

fn unconnected(why: &dyn std::fmt::Display) -> Failure {
    Failure::local(format!("error connecting to server: {why}"), true)
}

/// Returns the addresses of a host.
fn addresses(name: &str, port: u16, limit: &Limit) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if LOOKUPS.fetch_add(1, Ordering::Relaxed) >= MAX_LOOKUPS {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        return Err(unconnected(&format!(
            "the system still looks up {MAX_LOOKUPS} names; check its resolver"
        )));
    }
    let (sender, receiver) = mpsc::channel();
    let host = name.to_owned();
    let looking = thread::Builder::new().name("kmip-lookup".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        // The request may have given up.
        let _ = sender.send(found);
    });
    if let Err(error) = looking {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        return Err(unconnected(&error));
    }
    let found = receiver.recv_timeout(limit.rest()?).map_err(|_| limit.passed())?;
    found.map_err(|error| unconnected(&error))
}

fn at_socket(
    path: &Path,
    config: &Config,
    tls: &MakeRustlsConnect,
    limit: &Limit,
) -> Result<Session, Failure> {
    begin(link::unix(path).map_err(|error| unconnected(&error))?, "", config, tls, limit)
}

/// Opens a session at an address, to which the system connects within `part`.
fn at_address(
    address: SocketAddr,
    part: Duration,
    name: &str,
    config: &Config,
    tls: &MakeRustlsConnect,
    limit: &Limit,
) -> Result<Session, Failure> {
    let connected = link::tcp(address, part, SILENCE).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => limit.passed(),
        _ => unconnected(&error),
    })?;
    begin(connected, name, config, tls, limit)
}

/// Begins the session on a socket to the host `name`.
fn begin(
    (link, socket): (Link, Socket),
    name: &str,
    config: &Config,
    tls: &MakeRustlsConnect,
    limit: &Limit,
) -> Result<Session, Failure> {
    let Ok(tls) = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls.clone(), name);
    let mut opening = pin!(config.connect_raw(socket, tls));
    let opened = link.run(limit.rest()?, |context| opening.as_mut().poll(context));
    let (client, mut connection) =
        opened.ok_or_else(|| limit.passed())?.map_err(|error| Failure::of(&error))?;
    let driver: Driver = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
    Ok(Session { link, client, driver })
}

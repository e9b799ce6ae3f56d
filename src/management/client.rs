//! A client of the management interface, for `--health` and `--wait-ready`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use crate::secret::Secret;
use crate::url::{self, HostError};

/// The time limit of one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two questions while the server is not ready.
const PAUSE: Duration = Duration::from_millis(50);
/// The maximum length of an answer in bytes. The server sends some hundred.
const MAX_ANSWER: u64 = 64 * 1024;

/// The answer of a server that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The address on which KMIP clients connect.
    pub address: SocketAddr,
}

/// The reason why a server is not ready.
#[derive(Debug)]
pub enum Failure {
    /// The address of the management interface is not `HOST:PORT`.
    Address(String, HostError),
    /// The management interface cannot be reached.
    Unreachable(String, io::Error),
    /// The answer is not the one of a management interface.
    Foreign(String),
    /// The server refuses the question, or is not ready.
    NotReady(String, String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, error) => write!(f, "the address '{address}' cannot be used: {error}"),
            Self::Unreachable(address, error) => {
                write!(f, "the management interface {address} cannot be reached: {error}")
            }
            Self::Foreign(address) => write!(f, "{address} is no management interface of this server"),
            Self::NotReady(address, answer) => {
                write!(f, "the server with the management interface {address} is not ready: {answer}")
            }
        }
    }
}

impl std::error::Error for Failure {}

/// Asks the server with the management interface at `address` (`HOST:PORT`) whether it is ready.
///
/// # Errors
/// Returns [`Failure`] if it is not.
pub fn ask(address: &str, token: Option<&Secret>) -> Result<Ready, Failure> {
    let (host, port) = url::endpoint(address).map_err(|error| Failure::Address(address.to_owned(), error))?;
    let unreachable = |error| Failure::Unreachable(address.to_owned(), error);
    let answer = exchange(host, port, token).map_err(unreachable)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let foreign = || Failure::Foreign(address.to_owned());
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|head| head.get(..3)).ok_or_else(foreign)?;
    let line = body.trim();
    match status {
        "200" => {
            let value: serde_json::Value = serde_json::from_str(line).map_err(|_| foreign())?;
            let address = value.get("address").and_then(|address| address.as_str()?.parse().ok());
            Ok(Ready { address: address.ok_or_else(foreign)? })
        }
        "503" | "401" | "403" => Err(Failure::NotReady(address.to_owned(), line.to_owned())),
        _ => Err(foreign()),
    }
}

/// Asks until the server is ready, for at most `limit`.
///
/// # Errors
/// Returns the last [`Failure`] if it does not become ready, or one that does not change.
pub fn wait(address: &str, token: Option<&Secret>, limit: Duration) -> Result<Ready, Failure> {
    let end = Instant::now() + limit;
    loop {
        match ask(address, token) {
            Ok(ready) => return Ok(ready),
            Err(failure @ Failure::Address(..)) => return Err(failure),
            Err(failure) if Instant::now() >= end => return Err(failure),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn exchange(host: &str, port: u16, token: Option<&Secret>) -> io::Result<String> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in (if host.is_empty() { "localhost" } else { host }, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&reachable(address), PATIENCE) {
            Ok(stream) => return converse(stream, token),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Returns the address by which this machine reaches a listener on this one: a listener on all addresses is on the
/// loopback interface, too.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn converse(mut stream: TcpStream, token: Option<&Secret>) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".to_vec();
    if let Some(token) = token {
        request.extend_from_slice(b"Authorization: Bearer ");
        request.extend_from_slice(token.expose());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

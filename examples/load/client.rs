//! A connection of the load generator, which sends a request and receives its response by one system call each.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kmip_server::ttlv::read_frame;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, version};

use super::Failure;

/// The maximum length of a response, in bytes.
const MAX_ANSWER: usize = 64 << 20;
/// The time limit for a response: PyKMIP's Locate among a thousand objects runs for seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The certificates and keys that `run_server --make-certs` creates.
#[derive(Clone, Debug)]
pub(crate) struct Pki(PathBuf);

impl Pki {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Reads the certificates of a file.
    pub(crate) fn certificates(&self, file: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let read = CertificateDer::pem_file_iter(self.path(file)).and_then(Iterator::collect);
        Ok(read.map_err(|error| format!("{file}: {error}"))?)
    }

    /// Reads the private key of a file.
    pub(crate) fn key(&self, file: &str) -> Result<PrivateKeyDer<'static>, Failure> {
        let read = PrivateKeyDer::from_pem_file(self.path(file));
        Ok(read.map_err(|error| format!("{file}: {error}"))?)
    }

    /// Returns the authority as trust anchor.
    pub(crate) fn roots(&self) -> Result<RootCertStore, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates("root_certificate.pem")? {
            roots.add(certificate)?;
        }
        Ok(roots)
    }

    /// Returns the configuration of the first client for TLS 1.2 or 1.3; with `resume`, it resumes sessions by tickets.
    pub(crate) fn client(&self, tls: Tls, resume: bool) -> Result<Arc<ClientConfig>, Failure> {
        self.client_of("john_doe", tls, resume)
    }

    /// Returns the configuration of the second client, which does not resume sessions.
    pub(crate) fn other_client(&self, tls: Tls) -> Result<Arc<ClientConfig>, Failure> {
        self.client_of("jane_doe", tls, false)
    }

    fn client_of(&self, user: &str, tls: Tls, resume: bool) -> Result<Arc<ClientConfig>, Failure> {
        let versions = match tls {
            Tls::V1_2 => [&version::TLS12],
            Tls::V1_3 => [&version::TLS13],
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&versions)?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(
                self.certificates(&format!("client_certificate_{user}.pem"))?,
                self.key(&format!("client_key_{user}.pem"))?,
            )?;
        if !resume {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

/// The TLS version that a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    V1_2,
    V1_3,
}

/// An open connection.
pub(crate) struct Client {
    tls: ClientConnection,
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    /// Connects to `port` of this machine and completes the TLS handshake.
    pub(crate) fn connect(port: u16, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, port, config)
    }

    /// Connects from an address of the loopback network.
    pub(crate) fn connect_from(from: Ipv4Addr, port: u16, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let socket = tcp(from, port)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        // A request of any length is buffered whole.
        tls.set_buffer_limit(None);
        let mut client = Self { tls, socket, answer: Vec::new() };
        while client.tls.is_handshaking() {
            client.tls.complete_io(&mut client.socket)?;
        }
        Ok(client)
    }

    /// Sends bytes without waiting for a response.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Sends a request and returns the response.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.send(request)?;
        let mut stream = Incoming { tls: &mut self.tls, socket: &mut self.socket };
        read_frame(&mut stream, &mut self.answer, MAX_ANSWER).map_err(io::Error::other)?;
        Ok(&self.answer)
    }

    /// Sends the close_notify alert and closes the connection.
    pub(crate) fn close(mut self) {
        self.tls.send_close_notify();
        drop(self.tls.write_tls(&mut self.socket));
    }
}

/// Connects from an address of the loopback network to `port` of this machine.
pub(crate) fn tcp(from: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket.into())
}

/// The decrypted stream of a connection.
struct Incoming<'a> {
    tls: &'a mut ClientConnection,
    socket: &'a mut TcpStream,
}

impl Read for Incoming<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.tls.read_tls(self.socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

//! The ceiling: a server that sends the same 300 bytes in response to every request, over rustls, with one thread per
//! connection. It is the upper bound for every server with this structure.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use kmip_server::ttlv::read_frame;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};

use super::Failure;
use super::client::Pki;
use super::requests;

/// The length of every response, in bytes.
const ANSWER: usize = 300;
/// The maximum length of a request, which exceeds that of every request of the load generator.
const MAX_REQUEST: usize = 1 << 20;

/// Listens on a free port, prints the same line as the server, and serves until the process is killed.
pub(crate) fn serve(pki: &Pki) -> Result<(), Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(pki.roots()?), Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)?
        .with_client_cert_verifier(clients)
        .with_single_cert(pki.certificates("server_certificate.pem")?, pki.key("server_key.pem")?)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("Listening on {}", listener.local_addr()?.port());
    let answer: Arc<[u8]> = requests::canned(ANSWER).into();
    for socket in listener.incoming() {
        let (socket, config, answer) = (socket?, Arc::clone(&config), Arc::clone(&answer));
        thread::spawn(move || {
            // An error only ends the connection.
            drop(serve_one(socket, config, &answer));
        });
    }
    Ok(())
}

fn serve_one(mut socket: TcpStream, config: Arc<ServerConfig>, answer: &[u8]) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    let mut request = Vec::new();
    loop {
        let mut stream = Incoming { tls: &mut tls, socket: &mut socket };
        if read_frame(&mut stream, &mut request, MAX_REQUEST).is_err() {
            return Ok(());
        }
        tls.writer().write_all(answer)?;
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
    }
}

/// The decrypted stream of a connection.
struct Incoming<'a> {
    tls: &'a mut ServerConnection,
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
                return Ok(0);
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

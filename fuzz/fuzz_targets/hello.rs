//! First bytes of a connection: the parser of the ClientHello beside that of rustls, and the handshake of a server that
//! has both TLS stacks.

#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use kmip_server::internals::auth::Peer;
use kmip_server::internals::dispatch::{Reply, Respond};
use kmip_server::internals::pki::Pki;
use kmip_server::internals::server::{ClientHello, Server};
use kmip_server::{Config, TlsVersion};
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

/// A responder that no client reaches, because none has a certificate.
struct Nobody;

impl Respond for Nobody {
    fn respond(&self, _: &[u8], peer: &Peer) -> Reply {
        panic!("a client without certificate got in: {peer:?}")
    }
}

fuzz_target!(|bytes: &[u8]| {
    compare(bytes);
    let mut client = TcpStream::connect(("127.0.0.1", port())).expect("the server listens");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("the socket has timeouts");
    // The server may have closed the connection.
    drop(client.write_all(bytes));
    drop(client.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = client.read_to_end(&mut answer) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server does not end the connection");
    }
});

/// Whatever rustls reads as a ClientHello, the server's own parser reads alike.
fn compare(bytes: &[u8]) {
    let ours = ClientHello::read(bytes);
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() && acceptor.read_tls(&mut rest).is_ok_and(|count| count > 0) {
        let Ok(accepted) = acceptor.accept() else { return };
        let Some(accepted) = accepted else { continue };
        let ours = ours.expect("rustls reads a hello");
        let hello = accepted.client_hello();
        let suites: Vec<u16> = hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect();
        assert_eq!(ours.cipher_suites, suites);
        return;
    }
}

/// Returns the port of a server that runs as long as the process.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("kmip-fuzz-hello-{}", std::process::id()));
        let files = Pki::default().make(&folder).expect("the folder is new");
        let config = Config::builder(&files.server_certificate, &files.ca)
            .key_path(&files.server_key)
            .tls_minimum_version(TlsVersion::V1_0)
            .handshake_timeout(Duration::from_secs(5))
            .live_certificates(false)
            .port(0)
            .build();
        let server = Server::bind_with(&config, Arc::new(Nobody)).expect("the server starts");
        drop(std::fs::remove_dir_all(folder));
        let port = server.port();
        thread::spawn(move || server.run());
        port
    })
}

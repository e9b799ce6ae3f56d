//! A server inside another program: `cargo run --example embed -- CERTIFICATE_AND_KEY.pem CA.pem`.
//!
//! It listens on a free port of 127.0.0.1, stores its objects in memory and stops when standard input ends.

use std::io::Read;
use std::process::ExitCode;

use kmip_server::{AuthSuite, Config, Server};

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [certificate, ca] = &paths[..] else {
        eprintln!("usage: embed CERTIFICATE_AND_KEY.pem CA.pem");
        return ExitCode::from(2);
    };
    let config = Config::builder(certificate, ca)
        .port(0)
        .auth_suite(AuthSuite::Tls13)
        .database_path(":memory:")
        .build();
    let server = match Server::bind(&config) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("embed: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", server.address());
    let shutdown = server.shutdown();
    std::thread::spawn(move || {
        // An error counts as the end of the input.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        shutdown.stop();
    });
    server.run();
    ExitCode::SUCCESS
}

//! The attacks: what each connection of the attacker does.

use std::io::Write;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::Tag;

use super::super::Failure;
use super::super::client::{Client, tcp};
use super::super::requests::{create, encrypt, identifier, on, payload, query, sign};
use super::messages::*;
use super::{Attack, Attacker, Step};

/// The connections that a server of a quick run has.
pub(super) const FEW_CONNECTIONS: usize = 64;
/// The bare connections or handshakes per second and thread of a flood.
pub(super) const FLOOD: u32 = 1_500;
/// The interval in which slow clients send a byte, and clients that do not read send again.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The attacks on KMIP; the first is none.
pub(super) const ATTACKS: &[Attack] = &[
    of("none", "None", 0, |_| Ok(Box::new(|_| Ok(())))),
    of("long-identifiers", "Identifiers of 15 MB, 12 connections", 12, |_| {
        Ok(asking(on(Operation::Get, &"x".repeat(15 << 20))))
    }),
    of("long-data", "Encrypt of 15 MB, 8 connections", 8, |attacker| {
        let key = active(attacker, &create("attack"))?;
        checked(attacker, encrypt(&key, 15 << 20))
    }),
    of("undo-rsa-8192", "Undo batches with two RSA-8192 pairs, 3 connections", 3, |_| {
        Ok(asking(pairs_with_undo(2, 8192)))
    }),
    of("undo-rsa-4096", "Undo batches with eight RSA-4096 pairs, 3 connections", 3, |_| {
        Ok(asking(pairs_with_undo(8, 4096)))
    }),
    of("undo-signatures", "Undo batches with 3,000 RSA-2048 signatures, 3 connections", 3, |attacker| {
        let key = signer(attacker, KeySize::Rsa2048, 2048)?;
        checked(attacker, signatures_with_undo(3_000, &key))
    }),
    of("rsa-8192", "RSA-8192 pairs, 12 connections", 12, |_| Ok(asking(pair(8192)))),
    of("asynchronous", "64 asynchronous RSA-8192 pairs, again and again", 2, |_| {
        Ok(asking(asynchronous_pair(8192)))
    }),
    of("rsa-4096-signatures", "Sign with RSA-4096, 8 connections", 8, |attacker| {
        checked(attacker, sign(&signer(attacker, KeySize::Rsa4096, 4096)?, 20))
    }),
    of("pbkdf2", "PBKDF2 with 2,000,000 iterations, 8 connections", 8, |attacker| {
        checked(attacker, derive(&active(attacker, &register_base())?, 2_000_000))
    }),
    of("connections", "1,200 connections, all in use", 4, |attacker| {
        Ok(occupying(attacker.number(300, FEW_CONNECTIONS / 2)))
    }),
    of("handshakes", "Connections without a handshake, 400 at a time", 4, |_| Ok(waiting(100))),
    of("handshake-flood", "TLS handshakes without a request, 4 connections at a time", 4, |_| {
        Ok(Box::new(|attacker| {
            attacker.client()?;
            attacker.count();
            Ok(())
        }))
    }),
    of("tcp-flood", "Bare TCP connections, up to 6,000 a second", 4, |_| Ok(bare())),
    of(
        "refused-batches",
        "Batches of 10,000 refused operations, each an audit line, 4 connections",
        4,
        |_| Ok(asking(refused(10_000))),
    ),
    of("log-batches", "Batches of 1,000 Log of 4,096 characters, 4 connections", 4, |_| {
        Ok(asking(log(1_000)))
    }),
    of("unread-responses", "Responses of 15 MiB that nobody reads, 64 connections", 64, |attacker| {
        drop(checked(attacker, random(1))?);
        Ok(unread())
    }),
    Attack {
        objects: 100_000,
        ..of("searches", "Locate that compares all of 100,000 objects, 24 connections", 24, |attacker| {
            checked(attacker, locate_everything())
        })
    },
    of("many-attributes", "Changes of an object with 9,000 attributes, 4 connections", 4, |attacker| {
        let key = active(attacker, &create("attack"))?;
        let mut client = attacker.client()?;
        for series in 0..attacker.number(9, 2) {
            client.ask(&add_attributes(&key, 1_000, &series.to_string()))?;
        }
        checked(attacker, modify_attribute(&key, "x-0-0"))
    }),
    of("slow-clients", "400 clients that send a byte in 100 ms", 4, |attacker| {
        Ok(slow(attacker.number(100, 8)))
    }),
];

const fn of(
    name: &'static str,
    what: &'static str,
    threads: usize,
    prepare: fn(&Attacker) -> Result<Step, Failure>,
) -> Attack {
    Attack { name, what, threads, objects: 0, settings: "", prepare }
}

/// Creates an active object of the attacker.
fn active(attacker: &Attacker, request: &[u8]) -> Result<String, Failure> {
    let mut client = attacker.client()?;
    let object = identifier(client.ask(request)?, Tag::UniqueIdentifier)?;
    payload(client.ask(&on(Operation::Activate, &object))?)?;
    Ok(object)
}

/// Creates an active key for signatures.
fn signer(attacker: &Attacker, size: KeySize, bits: i32) -> Result<String, Failure> {
    let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&KeyPair::generate(size)?)?;
    active(attacker, &register_private(bits, pkcs8.as_ref().to_vec()))
}

/// Returns [`asking`], after a request of this kind has succeeded.
fn checked(attacker: &Attacker, request: Vec<u8>) -> Result<Step, Failure> {
    payload(attacker.client()?.ask(&request)?)?;
    Ok(asking(request))
}

/// Sends the request again as soon as it is answered, on a new connection after an error.
pub(super) fn asking(request: Vec<u8>) -> Step {
    Box::new(move |attacker| {
        let mut client = attacker.client()?;
        while attacker.goes_on() {
            // Before the answer, which may need longer than the attack.
            attacker.count();
            client.ask(&request)?;
        }
        Ok(())
    })
}

/// Keeps connections in use, and replaces those that end.
fn occupying(count: usize) -> Step {
    Box::new(move |attacker| {
        let mut held: Vec<Client> = Vec::new();
        while attacker.goes_on() {
            held.retain_mut(|client| client.ask(&query()).is_ok());
            while held.len() < count && attacker.goes_on() {
                attacker.count();
                match attacker.client() {
                    Ok(client) => held.push(client),
                    Err(_) => break,
                }
            }
            thread::sleep(TICK / 10);
        }
        Ok(())
    })
}

/// Keeps connections that send the begin of a handshake only, and replaces the oldest.
fn waiting(count: usize) -> Step {
    Box::new(move |attacker| {
        let mut held = std::collections::VecDeque::new();
        while attacker.goes_on() {
            let mut socket = tcp(Ipv4Addr::LOCALHOST, attacker.port)?;
            socket.write_all(&[0x16, 3, 1, 2, 0, 1, 0])?;
            attacker.count();
            held.push_back(socket);
            if held.len() > count {
                held.pop_front();
            }
            thread::sleep(Duration::from_secs(1) / FLOOD);
        }
        Ok(())
    })
}

/// Opens and closes TCP connections.
fn bare() -> Step {
    Box::new(|attacker| {
        let mut next = Instant::now();
        while attacker.goes_on() {
            drop(tcp(Ipv4Addr::LOCALHOST, attacker.port)?);
            attacker.count();
            next = next.max(Instant::now() - TICK) + Duration::from_secs(1) / FLOOD;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })
}

/// Requests long responses and does not read them, until the server ends the connection.
fn unread() -> Step {
    let request = random(15);
    Box::new(move |attacker| {
        let mut client = attacker.client()?;
        while attacker.goes_on() {
            client.send(&request)?;
            attacker.count();
            thread::sleep(TICK);
        }
        Ok(())
    })
}

/// Sends requests byte by byte on many connections.
fn slow(count: usize) -> Step {
    Box::new(move |attacker| {
        let request = query();
        let mut clients = (0..count).map(|_| attacker.client()).collect::<Result<Vec<_>, _>>()?;
        for byte in &request {
            for client in &mut clients {
                client.send(std::slice::from_ref(byte))?;
                attacker.count();
            }
            if !attacker.goes_on() {
                break;
            }
            thread::sleep(TICK);
        }
        Ok(())
    })
}

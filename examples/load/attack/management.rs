//! Attacks on the management interface, while its health is asked for too: from another address, on a new connection each time.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::Operation;
use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::super::Failure;
use super::super::client::{PATIENCE, tcp};
use super::super::requests::on;
use super::means::{FLOOD, TICK, asking};
use super::{Attack, Attacker, Step};

/// The settings of a server whose clients on this machine need no token.
const OPEN: &str = "management_address=127.0.0.1:0";
const CONTROLLED: &str = "management_address=127.0.0.1:0\ntest_control=True";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const WITH_TOKEN: &str = "management_address=127.0.0.1:0\ntest_control=True\n\
                          management_token=0123456789abcdef0123456789abcdef";

/// The attacks on the management interface.
pub(super) const ATTACKS: &[Attack] = &[
    on_server(OPEN, "management-none", "None", 0, |_| Ok(Box::new(|_| Ok(())))),
    on_server(OPEN, "management-connections", "Connections without a request, 400 at a time", 4, |_| {
        Ok(waiting(100))
    }),
    on_server(OPEN, "management-slow-clients", "400 clients that send a byte in 100 ms", 4, |attacker| {
        Ok(slow(attacker.number(100, 8)))
    }),
    on_server(OPEN, "management-heads", "Heads without an end, 8 connections at a time", 8, |_| {
        Ok(Box::new(|attacker| {
            let mut stream = connect(attacker)?;
            stream.write_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\nX: ")?;
            attacker.count();
            while attacker.goes_on() {
                stream.write_all(&[b'x'; 4096])?;
            }
            Ok(())
        }))
    }),
    on_server(
        WITH_TOKEN,
        "management-strangers",
        "Wrong tokens, and foreign hosts and origins, with bodies of 16 MB, 8 connections at a time",
        8,
        |_| Ok(strangers()),
    ),
    on_server(
        CONTROLLED,
        "management-bodies",
        "Seeds of 16 MB that are refused, 8 connections",
        8,
        |attacker| Ok(bodies(attacker.number(16 << 20, 1 << 20))),
    ),
    on_server(
        CONTROLLED,
        "management-waits",
        "Calls that wait for a message for a minute, each on a new connection, up to 1,500 a second",
        4,
        |_| Ok(waits()),
    ),
    on_server(
        OPEN,
        "management-watchers",
        "Watchers that read nothing, 64 connections, beside long messages",
        64,
        |_| Ok(watchers()),
    ),
    Attack {
        objects: 100_000,
        ..on_server(
            OPEN,
            "management-pages",
            "Every page of the inspector and the metrics, 24 connections",
            24,
            |_| Ok(pages()),
        )
    },
];

const fn on_server(
    settings: &'static str,
    name: &'static str,
    what: &'static str,
    threads: usize,
    prepare: fn(&Attacker) -> Result<Step, Failure>,
) -> Attack {
    Attack { name, what, threads, objects: 0, settings, prepare }
}

/// Asks for the health of the server.
pub(super) fn health(from: Ipv4Addr, port: u16) -> Result<(), Failure> {
    let mut stream = tcp(from, port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    stream.write_all(
        format!("GET /health/ready HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n")
            .as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(format!("the health is {answer:?}").into()) }
}

/// Opens a connection to the management interface.
fn connect(attacker: &Attacker) -> Result<TcpStream, Failure> {
    let stream = tcp(Ipv4Addr::LOCALHOST, attacker.management)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post(path: &str, fields: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\n{fields}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Keeps connections that send nothing, and replaces the oldest.
fn waiting(count: usize) -> Step {
    Box::new(move |attacker| {
        let mut held = std::collections::VecDeque::new();
        while attacker.goes_on() {
            held.push_back(connect(attacker)?);
            attacker.count();
            if held.len() > count {
                held.pop_front();
            }
            thread::sleep(Duration::from_secs(1) / FLOOD);
        }
        Ok(())
    })
}

/// Sends a request byte by byte on many connections, and replaces the connections that the server ends.
fn slow(count: usize) -> Step {
    Box::new(move |attacker| {
        let mut streams = (0..count).map(|_| connect(attacker)).collect::<Result<Vec<_>, _>>()?;
        while attacker.goes_on() {
            for stream in &mut streams {
                if stream.write_all(b"G").is_err() {
                    *stream = connect(attacker)?;
                }
                attacker.count();
            }
            thread::sleep(TICK);
        }
        Ok(())
    })
}

/// Sends requests that the server must refuse after their head, and as much of their body as it takes.
fn strangers() -> Step {
    let next = AtomicUsize::new(0);
    Box::new(move |attacker| {
        let fields = match next.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => "Host: localhost\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdeX\r\n".to_owned(),
            1 => format!(
                "Host: localhost\r\nOrigin: http://foreign.example\r\nAuthorization: Bearer {TOKEN}\r\n"
            ),
            _ => "Host: foreign.example\r\n".to_owned(),
        };
        let mut stream = connect(attacker)?;
        let length = 16 << 20;
        stream.write_all(post("/control/seed", &fields, length).as_bytes())?;
        attacker.count();
        for _ in 0..length / 65_536 {
            stream.write_all(&[b' '; 65_536])?;
        }
        Ok(())
    })
}

/// Sends seeds of so many bytes, whose values the server decodes before it refuses them.
fn bodies(length: usize) -> Step {
    let mut body = String::from("{\"objects\":[0");
    body.extend(std::iter::repeat_n(",0", (length - body.len()) / 2 - 1));
    body.push_str("]}");
    let request = post("/control/seed", "Host: localhost\r\n", body.len()) + &body;
    Box::new(move |attacker| {
        let mut stream = connect(attacker)?;
        stream.write_all(request.as_bytes())?;
        attacker.count();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(())
    })
}

/// Begins calls that wait, and does not wait for their answers.
fn waits() -> Step {
    let body = r#"{"operation":"None","seconds":60}"#;
    let request = post("/control/messages", "Host: localhost\r\n", body.len()) + body;
    Box::new(move |attacker| {
        let mut held = std::collections::VecDeque::new();
        let mut next = Instant::now();
        while attacker.goes_on() {
            let mut stream = connect(attacker)?;
            stream.write_all(request.as_bytes())?;
            attacker.count();
            held.push_back(stream);
            if held.len() > 100 {
                held.pop_front();
            }
            next = next.max(Instant::now() - TICK) + Duration::from_secs(4) / FLOOD;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })
}

/// Watches without reading; eight of the 64 threads send KMIP messages that the watchers would see.
fn watchers() -> Step {
    let next = AtomicUsize::new(0);
    let message = asking(on(Operation::Get, &"x".repeat(60_000)));
    Box::new(move |attacker| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number < 64 && number.is_multiple_of(8) {
            return message(attacker);
        }
        let mut stream = connect(attacker)?;
        // The server then fills its own buffer soon.
        set_socket_recv_buffer_size(&stream, 4096)?;
        stream.write_all(get("/inspector/events?after=0").as_bytes())?;
        attacker.count();
        let began = Instant::now();
        while attacker.goes_on() && began.elapsed() < Duration::from_secs(1) {
            thread::sleep(TICK);
        }
        Ok(())
    })
}

/// Requests one page after the other.
fn pages() -> Step {
    const PATHS: [&str; 7] = [
        "/inspector/objects?search=nothing",
        "/inspector/records",
        "/metrics",
        "/inspector/object?object=1",
        "/inspector/policies",
        "/inspector/access?user=John+Doe&operation=Get&object=1",
        "/health/ready",
    ];
    let next = AtomicUsize::new(0);
    Box::new(move |attacker| {
        let mut stream = connect(attacker)?;
        let mut answer = vec![0; 65_536];
        while attacker.goes_on() {
            let path = PATHS.get(next.fetch_add(1, Ordering::Relaxed) % PATHS.len()).copied().unwrap_or("/");
            stream.write_all(get(path).as_bytes())?;
            attacker.count();
            read_response(&mut stream, &mut answer)?;
        }
        Ok(())
    })
}

/// Reads a response with a Content-Length, and drops it.
fn read_response(stream: &mut TcpStream, room: &mut [u8]) -> Result<(), Failure> {
    let mut have = 0;
    let (head, length) = loop {
        let count = stream.read(room.get_mut(have..).unwrap_or_default())?;
        if count == 0 {
            return Err("the connection ended".into());
        }
        have += count;
        let text = String::from_utf8_lossy(room.get(..have).unwrap_or_default());
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
            break (head.len() + 4, length.ok_or("the response has no length")?);
        }
    };
    let mut missing = (head + length).saturating_sub(have);
    while missing > 0 {
        let size = missing.min(room.len());
        let count = stream.read(room.get_mut(..size).unwrap_or_default())?;
        if count == 0 {
            return Err("the connection ended".into());
        }
        missing -= count;
    }
    Ok(())
}

//! The shares of clients in the connections of a server: one client cannot keep the others out.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::internals::server::MAX_HANDSHAKES;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use rustls::ALL_VERSIONS;

use crate::harness::{Client, PATIENCE, Pki, Running, request, within};

fn start(pki: &Pki, settings: &str) -> Running {
    let log = pki.folder.path("server.log");
    Running::start(["-f".as_ref(), pki.settings(settings).as_os_str(), "-l".as_ref(), log.as_os_str()])
}

/// Connects as that user, and returns the connection if it is served.
fn connect(pki: &Pki, port: u16, user: &str) -> Option<Client> {
    let client = pki.ca.client(user);
    let mut connection =
        Client::connect(port, &pki.ca.credential.certificate, Some(&client), ALL_VERSIONS).ok()?;
    is_served(&mut connection).then_some(connection)
}

fn is_served(client: &mut Client) -> bool {
    client.exchange(&request(8)).is_ok()
}

#[test]
fn the_idlest_connection_of_the_user_with_the_most_ends_for_a_user_with_fewer() {
    let pki = Pki::new();
    let server = start(&pki, "max_connections=6");
    let connect = |user: &str| connect(&pki, server.port, user);
    let mut greedy: Vec<_> = (0..6).map(|_| connect("Greedy").unwrap()).collect();
    assert!(connect("Greedy").is_none(), "its own connections do not end");
    // The first one is now the least idle.
    thread::sleep(Duration::from_millis(20));
    assert!(is_served(&mut greedy[0]));
    let mut jane = vec![connect("Jane").unwrap()];
    assert!(greedy[1].is_closed(), "the idlest one");
    let line = " - WARNING - The connection from 127.0.0.1:";
    within(|| pki.log().contains(line).then_some(()));
    let log = pki.log();
    let line = log.lines().find(|it| it.contains(line)).unwrap();
    assert!(line.contains("all 6 connections are open, 6 of them by its user \"Greedy\""), "{line}");
    within(|| pki.log().contains("another user needed the connection").then_some(()));
    // The shares become equal, and a third user shrinks them further.
    jane.extend([connect("Jane").unwrap(), connect("Jane").unwrap()]);
    assert!(connect("Jane").is_none(), "both have three connections");
    let mut ann = connect("Ann").unwrap();
    assert!(is_served(&mut greedy[0]) && is_served(&mut ann));
    let open = greedy.iter_mut().chain(&mut jane).filter_map(|it| is_served(it).then_some(())).count();
    assert_eq!(open, 5, "one connection ended for the third user");
}

#[test]
fn a_user_has_a_maximum_number_of_connections() {
    let pki = Pki::new();
    let server = start(&pki, "max_connections_per_user=2");
    let connect = |user: &str| connect(&pki, server.port, user);
    let (john, jane) = ([connect("John"), connect("John")], connect("Jane"));
    assert!(john.iter().all(Option::is_some) && jane.is_some());
    assert!(connect("John").is_none());
    let line = "is turned away: the user \"John\" has 2 connections";
    within(|| pki.log().contains(line).then_some(()));
    drop(john);
    within(|| connect("John"));
}

#[test]
fn an_idle_connection_ends_if_the_settings_say_so() {
    let pki = Pki::new();
    let server = start(&pki, "idle_timeout=1");
    let mut idle = connect(&pki, server.port, "Idle").unwrap();
    let mut busy = connect(&pki, server.port, "Busy").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert!(is_served(&mut busy));
        thread::sleep(Duration::from_millis(100));
    }
    assert!(idle.is_closed());
    within(|| pki.log().contains("the client sent no request for 1 s").then_some(()));
}

#[test]
fn a_lack_of_open_files_is_one_line_and_keeps_nobody_out() {
    let pki = Pki::new();
    let limited = |option: &[&str]| {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 60; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_run_server")])
            .args(option);
        command.arg("-f").arg(pki.settings("")).arg("-l").arg(pki.folder.path("server.log"));
        command
    };
    let checked = String::from_utf8(limited(&["--check-config"]).output().unwrap().stdout).unwrap();
    let warning = "warning: max_connections: 1024 connections and 256 handshakes need 1536 open files, but the system \
                   allows 60; raise ulimit -n";
    assert!(checked.contains(warning), "{checked}");
    let server = Running::of(limited(&[]));
    assert_eq!(pki.log().matches("but the system allows 60; raise ulimit -n").count(), 1, "{}", pki.log());
    let strangers: Vec<_> =
        (0..100).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
    within(|| pki.log().contains("could not be accepted").then_some(()));
    // Unfinished handshakes end for others.
    assert!(connect(&pki, server.port, "John").is_some());
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(pki.log().matches("could not be accepted").count(), 1, "{}", pki.log());
    drop(strangers);
}

/// Connects to the server from an address of this machine.
fn connect_from(address: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::from((address, 0)))?;
    net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(TcpStream::from(socket))
}

/// Copies bytes, each half a round trip late.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        thread::sleep(ROUND_TRIP / 2);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Accepts connections and passes them to the server from another address, with a round trip time.
fn distance(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let Ok(server) = connect_from(Ipv4Addr::new(127, 0, 0, 2), port) else { continue };
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || copy(from, to));
            thread::spawn(move || copy(server, client));
        }
    });
    own
}

#[test]
fn a_distant_client_connects_during_a_flood_of_handshakes_from_one_address() {
    const RATE: usize = 6_000;
    let pki = Pki::new();
    let server = start(&pki, "logging_level=WARNING");
    let distant = distance(server.port);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let (ends, begun, count) = (AtomicBool::new(false), Instant::now(), AtomicUsize::new(0));
    let flood = || {
        let mut open = VecDeque::new();
        while !ends.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
            let due = RATE as f64 * begun.elapsed().as_secs_f64();
            if count.load(Ordering::SeqCst) as f64 > due {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            // It waits for no connection: an attacker would not.
            let stranger = socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
                None,
            )
            .unwrap();
            // Otherwise, the system would keep the port of each connection for a minute.
            sockopt::set_socket_linger(&stranger, Some(Duration::ZERO)).unwrap();
            let _ = net::connect(&stranger, &address);
            count.fetch_add(1, Ordering::SeqCst);
            open.push_back(stranger);
            if open.len() > 2 * MAX_HANDSHAKES {
                open.pop_front();
            }
        }
    };
    thread::scope(|scope| {
        let flood = scope.spawn(flood);
        within(|| (count.load(Ordering::SeqCst) > 2 * MAX_HANDSHAKES).then_some(()));
        let outcomes: Vec<_> = (0..6)
            .map(|_| {
                let begun = Instant::now();
                let client =
                    Client::connect(distant, &pki.ca.credential.certificate, Some(&pki.client), ALL_VERSIONS);
                let served = client.and_then(|mut it| it.exchange(&request(8)));
                (served.is_ok(), begun.elapsed())
            })
            .collect();
        ends.store(true, Ordering::SeqCst);
        flood.join().unwrap();
        let rate = count.load(Ordering::SeqCst) as f64 / begun.elapsed().as_secs_f64();
        println!("{rate:.0} connections a second; {outcomes:?}");
        assert!(outcomes.iter().all(|(served, _)| *served), "{rate:.0} connections a second; {outcomes:?}");
    });
}

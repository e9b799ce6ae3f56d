//! Certificates that are replaced while the server runs, and clients whose certificates are not accepted any more.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use kmip_server::internals::config::Config;
use kmip_server::internals::server::authenticator;
use kmip_server::kmip::enums::{Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{V1_0, V1_2, Writer};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, HandshakeKind};

use crate::auth::WhoAmI;
use crate::corpus::{id, message_of, statuses};
use crate::dialogue::answers;
use crate::harness::{Authority, Client, Credential, Echo, Embedded, Pki, Running, request, within};
use crate::settings::with;

/// The time in which a replaced certificate serves the next handshake.
const SOON: Duration = Duration::from_secs(5);
/// The time between two looks at the files, and some more.
const LOOK: Duration = Duration::from_millis(2500);

/// Writes a file as renewals do: under another name first.
fn replace(pki: &Pki, name: &str, text: &str) {
    let new = pki.folder.write(&format!("{name}.new"), text);
    fs::rename(new, pki.folder.path(name)).unwrap();
}

/// Returns the certificate that the server presents.
fn presented(pki: &Pki, port: u16) -> Vec<u8> {
    let client = pki.connect(port, &pki.client);
    client.stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// Waits until the server presents this certificate, and returns the time that it took.
fn presents(pki: &Pki, port: u16, server: &Credential) -> Duration {
    let begun = Instant::now();
    within(|| (presented(pki, port) == server.certificate.to_vec()).then_some(()));
    begun.elapsed()
}

fn may_connect(port: u16, pki: &Pki, client: &Credential) -> bool {
    let connect = |version| Client::connect(port, &pki.ca.credential.certificate, Some(client), &[version]);
    [&TLS12, &TLS13]
        .iter()
        .all(|version| connect(version).and_then(|mut it| it.exchange(&request(8))).is_ok())
}

fn query() -> Vec<u8> {
    message_of(V1_2, None, &[(Operation::DiscoverVersions, |_: &mut Writer| ())])
}

#[test]
fn replaced_certificates_serve_the_next_handshake_and_no_request_fails() {
    let pki = Pki::new();
    let settings = pki.settings("log_max_size=0").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let server = Running::start(["-f", &settings, "-l", &log]);
    let (stops, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for versions in [vec![&TLS12], vec![&TLS13], ALL_VERSIONS.to_vec()] {
            let (pki, server, stops, count) = (&pki, &server, &stops, &count);
            scope.spawn(move || {
                let root = &pki.ca.credential.certificate;
                let mut kept = Client::connect(server.port, root, Some(&pki.client), &versions).unwrap();
                let resuming = Client::config(root, Some(&pki.client), &versions);
                while !stops.load(Ordering::Relaxed) {
                    let fresh = Client::connect(server.port, root, Some(&pki.client), &versions).unwrap();
                    let resumed = Client::with(server.port, resuming.clone()).unwrap();
                    for mut client in [fresh, resumed] {
                        let answer = client.exchange(&query()).unwrap();
                        assert_eq!(statuses(&answer), [ResultStatus::Success]);
                    }
                    assert_eq!(statuses(&kept.exchange(&query()).unwrap()), [ResultStatus::Success]);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // In place and one after the other, by renaming, and by one link for both as Kubernetes does.
        let mut slowest = Duration::ZERO;
        for round in 0..6 {
            let new = if round % 2 == 0 { pki.ca.server() } else { pki.ca.rsa_server() };
            match round % 3 {
                0 => {
                    pki.folder.write("server.pem", new.pem());
                    thread::sleep(Duration::from_millis(700));
                    pki.folder.write("server.key", new.key_pem());
                }
                1 => {
                    replace(&pki, "server.key", &new.key_pem());
                    thread::sleep(Duration::from_millis(700));
                    replace(&pki, "server.pem", &new.pem());
                }
                _ => {
                    let folder = format!("data-{round}");
                    fs::create_dir(pki.folder.path(&folder)).unwrap();
                    pki.folder.write(&format!("{folder}/server.pem"), new.pem());
                    pki.folder.write(&format!("{folder}/server.key"), new.key_pem());
                    symlink(&folder, pki.folder.path("data.new")).unwrap();
                    fs::rename(pki.folder.path("data.new"), pki.folder.path("data")).unwrap();
                    for name in ["server.pem", "server.key"] {
                        symlink(format!("data/{name}"), pki.folder.path("link")).unwrap();
                        fs::rename(pki.folder.path("link"), pki.folder.path(name)).unwrap();
                    }
                }
            }
            slowest = slowest.max(presents(&pki, server.port, &new));
            if round % 3 == 2 {
                // The next round writes files, not through links.
                for name in ["server.pem", "server.key"] {
                    fs::remove_file(pki.folder.path(name)).unwrap();
                }
                pki.folder.write("server.pem", new.pem());
                pki.folder.write("server.key", new.key_pem());
            }
        }
        stops.store(true, Ordering::Relaxed);
        println!("{} rounds of clients; the slowest change took {slowest:?}", count.load(Ordering::Relaxed));
        assert!(slowest < SOON, "{slowest:?}");
    });
    assert!(count.load(Ordering::Relaxed) > 10);
    let log = pki.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains(" - ERROR - ")).collect();
    assert!(!log.contains("No session with"), "{log}");
    assert_eq!(errors, [""; 0]);
    assert_eq!(log.matches("The certificates were read again and are in use").count(), 6);
}

#[test]
fn files_that_do_not_fit_together_change_nothing_and_are_logged_once() {
    let pki = Pki::new();
    let server = Running::start(pki.options());
    let new = pki.ca.server();
    let error = "server.key is not the one of the certificate";
    replace(&pki, "server.pem", &new.pem());
    within(|| pki.log().contains(error).then_some(()));
    thread::sleep(LOOK * 2);
    assert_eq!(presented(&pki, server.port), pki.server.certificate.to_vec());
    let log = pki.log();
    assert_eq!(log.matches(" - ERROR - ").count(), 1, "{log}");
    let (before, _) = log.split_once(error).unwrap();
    assert!(
        before.ends_with(&format!("key_path: the private key in {}", pki.folder.path("").display())),
        "{log}"
    );

    replace(&pki, "server.key", "no key");
    within(|| pki.log().contains("holds no private key").then_some(()));
    replace(&pki, "server.key", &new.key_pem());
    presents(&pki, server.port, &new);
    replace(&pki, "ca.pem", "no certificate");
    within(|| pki.log().contains("holds no certificate").then_some(()));
    assert!(may_connect(server.port, &pki, &pki.client));
    replace(&pki, "ca.pem", &pki.ca.pem());
    within(|| pki.log().contains("they are those in use").then_some(()));
    assert_eq!(pki.log().matches(" - ERROR - ").count(), 3);
}

#[test]
fn a_request_reads_the_certificates_if_they_are_not_live() {
    let pki = Pki::new();
    let settings = pki.settings("live_certificates=False").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let mut server = Running::start(["-f", &settings, "-l", &log]);
    let (new, newer) = (pki.ca.server(), pki.ca.server());
    replace(&pki, "server.pem", &new.pem());
    replace(&pki, "server.key", &new.key_pem());
    thread::sleep(LOOK * 2);
    assert_eq!(presented(&pki, server.port), pki.server.certificate.to_vec());
    server.signal("HUP");
    assert!(presents(&pki, server.port, &new) < SOON);
    // A request reports a mismatch at once.
    replace(&pki, "server.pem", &newer.pem());
    server.signal("HUP");
    within(|| pki.log().contains(" - ERROR - ").then_some(()));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn signal_opens_both_log_files_again_and_ends_no_server() {
    let pki = Pki::new();
    let mut server = Running::start([pki.options(), vec!["-v".to_owned(), "ERROR".to_owned()]].concat());
    for name in ["server.log", "audit.log"] {
        fs::rename(pki.folder.path(name), pki.folder.path(&format!("{name}.1"))).unwrap();
    }
    thread::sleep(Duration::from_millis(100));
    assert!(!pki.folder.path("server.log").exists());
    server.signal("HUP");
    within(|| ["server.log", "audit.log"].iter().all(|name| pki.folder.path(name).exists()).then_some(()));
    let get = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id("1", w))]);
    pki.connect(server.port, &pki.client).exchange(&get).unwrap();
    within(|| fs::read_to_string(pki.folder.path("audit.log")).unwrap().contains("\"Get\"").then_some(()));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

/// A server whose answers contain the user, and which checks certificates as the real one.
fn serve(config: &Config) -> Embedded {
    Embedded::start(config, WhoAmI(authenticator(config).unwrap()))
}

/// Asks until the server refuses the certificate of the connection, and closes the connection.
fn is_refused(client: &mut Client) {
    within(|| {
        let answer = client.exchange(&request(0)).unwrap();
        let answer = String::from_utf8(answer[8..].to_vec()).unwrap();
        match answer.as_str() {
            "John Doe, None, 127.0.0.1" => None,
            refusal => {
                assert_eq!(refusal, "certificate: true");
                Some(())
            }
        }
    });
    assert!(client.is_closed());
}

#[test]
fn removed_ca_ends_the_sessions_of_its_clients_and_their_tickets() {
    let pki = Pki::new();
    let other = Authority::new("Other CA");
    let (leaving, staying) = (other.client("John Doe"), pki.client.certificate.clone());
    pki.folder.write("ca.pem", [pki.ca.pem(), other.pem()].concat());
    let server = serve(&pki.config());
    let root = &pki.ca.credential.certificate;
    for version in [&TLS12, &TLS13] {
        let mut kept = Client::connect(server.port, root, Some(&pki.client), &[version]).unwrap();
        kept.exchange(&request(0)).unwrap();
        let config = Client::config(root, Some(&leaving), &[version]);
        let resumes = || {
            Client::with(server.port, config.clone()).and_then(|mut it| {
                it.exchange(&request(0))?;
                Ok(it.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed))
            })
        };
        assert!(!resumes().unwrap() && resumes().unwrap());
        let mut open = Client::connect(server.port, root, Some(&leaving), &[version]).unwrap();
        open.exchange(&request(0)).unwrap();
        replace(&pki, "ca.pem", &pki.ca.pem());
        is_refused(&mut open);
        assert!(resumes().is_err());
        // The configuration of the client still contains a ticket.
        assert_eq!(kept.exchange(&request(0)).unwrap()[8..], *b"John Doe, None, 127.0.0.1");
        assert_eq!(staying, pki.client.certificate);
        replace(&pki, "ca.pem", &[pki.ca.pem(), other.pem()].concat());
        within(|| resumes().is_ok().then_some(()));
    }
}

#[test]
fn tickets_outlive_files_that_are_written_again_but_no_change() {
    let pki = Pki::new();
    let server = serve(&pki.config());
    let root = &pki.ca.credential.certificate;
    for version in [&TLS12, &TLS13] {
        let config = Client::config(root, Some(&pki.client), &[version]);
        let visit = || {
            let mut client = Client::with(server.port, config.clone()).unwrap();
            client.exchange(&request(0)).unwrap();
            client.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
        };
        assert!(!visit() && visit());
        replace(&pki, "ca.pem", &format!("a comment\n{}", pki.ca.pem()));
        thread::sleep(LOOK);
        assert!(visit());
        replace(&pki, "ca.pem", &[pki.ca.pem(), Authority::new("Another").pem()].concat());
        within(|| (!visit()).then_some(()));
        assert!(visit(), "the new ticket");
        replace(&pki, "ca.pem", &pki.ca.pem());
        within(|| (!visit()).then_some(()));
    }
}

#[test]
fn session_ends_at_the_first_request_after_its_certificate_expired() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let end = SystemTime::now() + Duration::from_secs(4);
    let brief = pki.ca.issue(&["Brief"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = end.into();
    });
    let root = &pki.ca.credential.certificate;
    let connect = |version| Client::connect(server.port, root, Some(&brief), &[version]).unwrap();
    let mut open = [&TLS12, &TLS13].map(connect);
    for client in &mut open {
        assert_eq!(statuses(&client.exchange(&query()).unwrap()), [ResultStatus::Success]);
    }
    let mut kept = pki.connect(server.port, &pki.client);
    thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1100));
    for client in &mut open {
        let answer = client.exchange(&query()).unwrap();
        assert_eq!(answers(V1_0, &answer)[0].refused(), ResultReason::AuthenticationNotSuccessful);
        assert!(client.is_closed());
    }
    assert_eq!(statuses(&kept.exchange(&query()).unwrap()), [ResultStatus::Success]);
}

#[test]
fn added_ca_lets_its_clients_in() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let other = Authority::new("Other CA");
    let client = other.client("Jane");
    let root = &pki.ca.credential.certificate;
    let is_served = |version| {
        let connected = Client::connect(server.port, root, Some(&client), &[version]);
        connected.and_then(|mut it| it.exchange(&request(8))).is_ok()
    };
    assert!(!is_served(&TLS12) && !is_served(&TLS13));
    replace(&pki, "ca.pem", &[pki.ca.pem(), other.pem()].concat());
    let begun = Instant::now();
    within(|| is_served(&TLS12).then_some(()));
    assert!(is_served(&TLS13));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn strict_file_modes_apply_to_changed_files() {
    use std::os::unix::fs::PermissionsExt;

    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.strict_file_modes = true), Echo);
    let (exposed, new) = (pki.ca.server(), pki.ca.server());
    let key = pki.folder.write("exposed.key", exposed.key_pem());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(key, pki.folder.path("server.key")).unwrap();
    replace(&pki, "server.pem", &exposed.pem());
    thread::sleep(LOOK * 2);
    assert_eq!(presented(&pki, server.port), pki.server.certificate.to_vec());
    replace(&pki, "server.key", &new.key_pem());
    replace(&pki, "server.pem", &new.pem());
    presents(&pki, server.port, &new);
}

#[test]
fn certificates_that_expire_soon_are_warnings_of_the_start() {
    let pki = Pki::new();
    let end = SystemTime::now() + Duration::from_secs(5 * 24 * 3600 + 3600);
    let server = pki.ca.issue(&["localhost"], |params| params.not_after = end.into());
    pki.folder.write("server.pem", server.pem());
    pki.folder.write("server.key", server.key_pem());
    let old = Authority::with("Old CA", |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let odd = "-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n";
    pki.folder.write("ca.pem", [&pki.ca.pem(), &old.pem(), odd].concat());
    let _server = Running::start(pki.options());
    for words in [
        format!(
            "certificate_path: the certificate CN=localhost in {} expires in 5 days; replace it",
            pki.folder.path("server.pem").display()
        ),
        format!(
            "ca_path: the certificate CN=Old CA in {} has expired; replace it",
            pki.folder.path("ca.pem").display()
        ),
    ] {
        let line = within(|| pki.log().lines().find(|line| line.contains(&words)).map(str::to_owned));
        assert!(line.contains(" - WARNING - "), "{line}");
    }
    // The next look at the files does not repeat what is wrong with them.
    thread::sleep(LOOK * 2);
    assert_eq!(pki.log().matches("NONSENSE").count(), 1, "{}", pki.log());
}

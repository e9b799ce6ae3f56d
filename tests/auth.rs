//! Authentication: certificates of several kinds, and SLUGS services with several kinds of responses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use kmip_server::internals::auth::{Authenticator, Error, Identity, Peer};
use kmip_server::internals::config::{AuthPlugin, Config};
use kmip_server::internals::dispatch::{Reply, Respond};
use kmip_server::internals::server::authenticator;
use rcgen::ExtendedKeyUsagePurpose;

use crate::harness::{Client, Credential, Embedded, Pki, Running, request};
use crate::settings::with;

/// A responder that returns the identity of the peer, or the refusal, as bytes of a message.
pub(crate) struct WhoAmI(pub(crate) Authenticator);

impl Respond for WhoAmI {
    fn respond(&self, _: &[u8], peer: &Peer) -> Reply {
        let answer = match (self.0.admit(peer), self.0.identify(peer, None)) {
            (Ok(()), Ok(Identity { principal, groups, .. })) => {
                format!("{}, {groups:?}, {}", principal.user, peer.address.ip())
            }
            (admitted, _) => format!("certificate: {}", admitted.is_err()),
        };
        let mut message = request(answer.len());
        message[8..].copy_from_slice(answer.as_bytes());
        Reply { message, close: false, fault: None }
    }
}

fn who_am_i(pki: &Pki, config: &Config, client: &Credential) -> String {
    let server = Embedded::start(config, WhoAmI(authenticator(config).unwrap()));
    let answer = pki.connect(server.port, client).exchange(&request(0)).unwrap();
    String::from_utf8(answer[8..].to_vec()).unwrap()
}

#[test]
fn user_is_the_common_name_of_the_certificate() {
    let pki = Pki::new();
    let strict = pki.config();
    let lax = with(pki.config(), |it| it.enable_tls_client_auth = false);
    assert_eq!(who_am_i(&pki, &strict, &pki.client), "John Doe, None, 127.0.0.1");
    let unmarked = pki.ca.issue(&["Jane Smith"], |_| ());
    assert_eq!(who_am_i(&pki, &strict, &unmarked), "certificate: true");
    assert_eq!(who_am_i(&pki, &lax, &unmarked), "Jane Smith, None, 127.0.0.1");
    assert_eq!(who_am_i(&pki, &lax, &pki.ca.issue_version_1("Old")), "Old, None, 127.0.0.1");
    let usage = |it: &mut rcgen::CertificateParams| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    assert_eq!(who_am_i(&pki, &strict, &pki.ca.issue(&[], usage)), "certificate: false");
}

/// A SLUGS service for some users, which reports each requested path. Like the real service, it redirects every path
/// without a last slash, and does not encode the name in the redirect.
pub(crate) struct Slugs {
    pub(crate) url: String,
    requests: Receiver<String>,
}

pub(crate) fn slugs(answers: &'static [(&'static str, &'static str)]) -> Slugs {
    serve("http", answers, Some)
}

/// The same over https, with a certificate for `localhost`.
fn https_slugs(answers: &'static [(&'static str, &'static str)], pki: &Pki) -> Slugs {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let chain = vec![pki.server.certificate.clone()];
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, pki.server.key_der()).unwrap();
    let config = Arc::new(config);
    serve("https", answers, move |tcp| {
        let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(tls, tcp);
        // A client that distrusts the certificate ends the handshake.
        stream.flush().is_ok().then_some(stream)
    })
}

fn serve<S: Read + Write>(
    scheme: &str,
    answers: &'static [(&'static str, &'static str)],
    accept: impl Fn(TcpStream) -> Option<S> + Send + 'static,
) -> Slugs {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let origin = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
    let url = format!("{origin}/slugs");
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Some(mut stream) = accept(stream.unwrap()) else { continue };
            let mut lines = BufReader::new(&mut stream).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            drop(lines.find(|line| line.as_ref().unwrap().is_empty()));
            drop(lines);
            let path = first.split(' ').nth(1).unwrap();
            if sender.send(path.to_owned()).is_err() {
                return;
            }
            let answer = match answers.iter().find(|(known, _)| *known == path) {
                Some((_, "500")) => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
                Some((_, body)) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                None if !path.ends_with('/') => {
                    let target = path.replace("%20", " ");
                    format!("HTTP/1.1 301 Moved\r\nLocation: {origin}{target}/\r\nContent-Length: 0\r\n\r\n")
                }
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            drop(stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()));
        }
    });
    Slugs { url, requests }
}

const JOHN: &[(&str, &str)] = &[
    ("/slugs/users/John%20Doe/", "null"),
    ("/slugs/users/John%20Doe/groups/", r#"{"groups": ["Group A", "Group B"]}"#),
];

fn rules(services: &[(&str, bool, &str)]) -> Authenticator {
    let mut config = Config::new("server.pem", "ca.pem");
    config.auth_plugins = services
        .iter()
        .map(|&(name, enabled, url)| AuthPlugin { name: name.to_owned(), enabled, url: Some(url.to_owned()) })
        .collect();
    authenticator(&config).unwrap()
}

fn peer(name: &str) -> Peer {
    let certificate = crate::harness::self_signed(name, |_| ()).certificate;
    let certificate = kmip_server::internals::auth::Certificate::from_der(&certificate).unwrap();
    Peer::new(([127, 0, 0, 1], 1).into(), 1, Some(certificate))
}

#[test]
fn service_is_queried_for_groups_at_each_request() {
    let service = slugs(JOHN);
    let rules = rules(&[("auth:slugs", true, &service.url)]);
    let groups = Some(vec!["Group A".to_owned(), "Group B".to_owned()]);
    for _ in 0..2 {
        let john = rules.identify(&peer("John Doe"), None).unwrap();
        assert_eq!(john, Identity { principal: "John Doe".into(), groups: groups.clone(), delegate: None });
        let requests: Vec<_> = service.requests.try_iter().collect();
        let user = "/slugs/users/John%20Doe";
        assert_eq!(
            requests,
            [user.to_owned(), format!("{user}/"), format!("{user}/groups"), format!("{user}/groups/")]
        );
    }
}

#[test]
fn refuses_unknown_user_and_unreachable_service() {
    let service = slugs(JOHN);
    let known = rules(&[("auth:slugs", true, &service.url)]);
    let refused = |rules: &Authenticator, name| match rules.identify(&peer(name), None) {
        Err(error @ Error::Refused(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(&known, "Jane Doe").contains("unknown"));
    // Names that would change the path are encoded, and therefore unknown.
    assert!(refused(&known, "John Doe/").contains("unknown"));
    assert!(refused(&known, "x/../John Doe").contains("unknown"));
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert!(
        refused(&rules(&[("auth:slugs", true, &format!("http://{gone}/"))]), "John Doe").contains("failed")
    );
}

#[test]
fn refuses_user_if_service_response_is_invalid() {
    let cases: [&'static [(&str, &str)]; 4] = [
        &[("/slugs/users/A/", "500"), ("/slugs/users/A/groups/", r#"{"groups": []}"#)],
        &[("/slugs/users/A/", "null")],
        &[("/slugs/users/A/", "null"), ("/slugs/users/A/groups/", "500")],
        &[("/slugs/users/A/", "null"), ("/slugs/users/A/groups/", "[\"B\"]")],
    ];
    for answers in cases {
        let service = slugs(answers);
        let outcome = rules(&[("auth:slugs", true, &service.url)]).identify(&peer("A"), None);
        assert!(matches!(outcome, Err(Error::Refused(_))), "{answers:?} gave {outcome:?}");
    }
}

#[test]
fn services_are_queried_in_order_until_one_knows_the_user() {
    let (first, second) =
        (slugs(JOHN), slugs(&[("/slugs/users/Jane/", "null"), ("/slugs/users/Jane/groups/", "{}")]));
    let rules = rules(&[
        ("auth:slugs:off", false, "http://127.0.0.1:1/"),
        ("auth:slugs:first", true, &first.url),
        ("auth:ldap", true, "ldap://127.0.0.1:1/"),
        ("auth:slugs:second", true, &second.url),
    ]);
    assert_eq!(
        rules.identify(&peer("Jane"), None).unwrap(),
        Identity { principal: "Jane".into(), groups: None, delegate: None }
    );
    assert!(first.requests.try_iter().count() > 0);
    assert!(second.requests.try_iter().count() > 0);
    rules.identify(&peer("John Doe"), None).unwrap();
    assert_eq!(
        second.requests.try_iter().count(),
        0,
        "the second service is not queried if the first knows the user"
    );
}

#[test]
fn disabled_and_unsupported_plugins_are_ignored() {
    let rules =
        rules(&[("auth:slugs", false, "http://127.0.0.1:1/"), ("auth:ldap", true, "ldap://127.0.0.1:1/")]);
    assert_eq!(
        rules.identify(&peer("A"), None).unwrap(),
        Identity { principal: "A".into(), groups: None, delegate: None }
    );
}

#[test]
fn removed_group_has_no_effect_from_the_next_request_on() {
    let pki = Pki::new();
    let service = slugs(JOHN);
    let plugin = AuthPlugin { name: "auth:slugs".to_owned(), enabled: true, url: Some(service.url.clone()) };
    let config = with(pki.config(), |it| it.auth_plugins = vec![plugin]);
    let server = Embedded::start(&config, WhoAmI(authenticator(&config).unwrap()));
    let mut client: Client = pki.connect(server.port, &pki.client);
    for _ in 0..2 {
        let answer = client.exchange(&request(0)).unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("Group B"));
        assert_eq!(service.requests.try_iter().count(), 4);
    }
}

#[test]
fn https_service_is_verified_by_the_certificates_of_the_environment() {
    let (pki, other) = (Pki::new(), Pki::new());
    let service = https_slugs(JOHN, &pki);
    let client = pki.folder.write("client.pem", pki.client.pem()).display().to_string();
    let settings = format!("[auth:slugs]\nenabled=True\nurl={}", service.url);
    let settings = pki.settings(&settings).display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let check = |roots: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
        command.args(["-f", &settings, "-l", &log, "--check-client", &client]).env_remove("SSL_CERT_DIR");
        let output = command.env("SSL_CERT_FILE", roots).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout) + &text(output.stderr))
    };
    let (code, text) = check(&pki.folder.path("ca.pem"));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("as the user \"John Doe\". The user is in the groups \"Group A\", \"Group B\"."),
        "{text}"
    );
    let (code, text) = check(&other.folder.path("ca.pem"));
    assert!(code == Some(1) && text.contains("auth:slugs: GET https://localhost:"), "{text}");
    assert!(text.contains("(run_server --explain slugs-refused)"), "{text}");
    let (code, text) = check(&pki.folder.path("none.pem"));
    assert!(code == Some(1) && text.contains("(run_server --explain slugs-unusable)"), "{text}");

    // The server itself asks the service, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(["-f", &settings, "-l", &log]).env("SSL_CERT_FILE", pki.folder.path("ca.pem"));
    let server = Running::of(command);
    while service.requests.try_recv().is_ok() {}
    let mut client = pki.connect(server.port, &pki.client);
    let answer = client.exchange(&crate::corpus::requests().next().unwrap().2).unwrap();
    assert!(!crate::corpus::statuses(&answer).is_empty());
    assert_eq!(service.requests.try_iter().count(), 4);
    assert!(!pki.log().contains("The client is refused"), "{}", pki.log());
}

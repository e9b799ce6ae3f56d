//! The certificates that a server makes for itself: `auto_certificates`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kmip_server::internals::pki::automatic::{self, Task};
use kmip_server::internals::x509::Certificate;
use kmip_server::{Config, Server};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::harness::{Client, Credential, Folder, PATIENCE, Running};

/// Returns the files of a folder with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    entries.map(|it| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap())).collect()
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    Certificate::read(&certificate(path)).host_names()
}

/// A server with a folder of certificates.
struct Automatic {
    folder: Folder,
}

impl Automatic {
    fn new() -> Self {
        Self { folder: Folder::new() }
    }

    fn certificates(&self) -> std::path::PathBuf {
        self.folder.path("certificates")
    }

    /// Returns the program with the options of the server, and more.
    fn program(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
        command
            .args(["-n", "127.0.0.1", "-p", "0", "-d", ":memory:", "-l"])
            .arg(self.folder.path("server.log"));
        command.arg("--auto-certificates").arg(self.certificates()).args(options);
        command
    }

    fn start(&self, options: &[&str]) -> Running {
        Running::of(self.program(options))
    }

    /// Returns the exit code of a start that fails, or of a check, and both outputs.
    fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let output = self.program(options).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    fn client(&self, stem: &str) -> Credential {
        let path = |kind: &str| self.certificates().join(format!("client_{kind}_{stem}.pem"));
        let key = KeyPair::from_pem(&fs::read_to_string(path("key")).unwrap()).unwrap();
        Credential::new(certificate(&path("certificate")), key)
    }

    fn connect(&self, server: &Running, stem: &str) {
        let root = certificate(&self.certificates().join("root_certificate.pem"));
        Client::connect(server.port, &root, Some(&self.client(stem)), rustls::ALL_VERSIONS).unwrap();
    }

    /// Replaces a certificate by one with the same key that the CA issued and that has expired.
    fn expire(&self, name: &str, key: &str) {
        let read = |name: &str| {
            KeyPair::from_pem(&fs::read_to_string(self.certificates().join(name)).unwrap()).unwrap()
        };
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = (SystemTime::now() - Duration::from_secs(864_000)).into();
        params.not_after = (SystemTime::now() - Duration::from_secs(86_400)).into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pem = if name == "root_certificate.pem" {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.self_signed(&read(key)).unwrap().pem()
        } else {
            let issuer = Issuer::new(CertificateParams::default(), read("root_key.pem"));
            params.signed_by(&read(key), &issuer).unwrap().pem()
        };
        fs::write(self.certificates().join(name), pem).unwrap();
    }
}

#[test]
fn the_first_start_makes_certificates_and_later_ones_use_them() {
    let it = Automatic::new();
    let server = it.start(&[]);
    it.connect(&server, "john_doe");
    it.connect(&server, "jane_doe");
    let names = names(&it.certificates().join("server_certificate.pem"));
    let node = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_lowercase();
    for name in ["localhost", "127.0.0.1", "::1", &node] {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
    }
    drop(server);
    let before = files(&it.certificates());
    assert_eq!(before.len(), 9, "{:?}", before.keys());
    it.connect(&it.start(&[]), "john_doe");
    assert_eq!(files(&it.certificates()), before);
}

#[test]
fn a_new_client_and_a_new_host_get_certificates_of_the_same_ca() {
    let it = Automatic::new();
    drop(it.start(&[]));
    let before = files(&it.certificates());
    let settings = |clients: &str, hosts: &str| {
        let mut command = it.program(&[]);
        command.env("KMIP_AUTO_CERTIFICATE_CLIENTS", clients).env("KMIP_AUTO_CERTIFICATE_HOSTS", hosts);
        Running::of(command)
    };
    let server = settings("John Doe, Alice Smith", "kmip, 10.1.2.3");
    it.connect(&server, "alice_smith");
    it.connect(&server, "john_doe");
    let names = names(&it.certificates().join("server_certificate.pem"));
    assert!(names.contains(&"kmip".to_owned()) && names.contains(&"10.1.2.3".to_owned()), "{names:?}");
    let after = files(&it.certificates());
    for (name, content) in &before {
        let changes = ["server_certificate.pem", "client.conf"].contains(&name.as_str());
        assert_eq!(after[name] != *content, changes, "{name}");
    }
}

#[test]
fn an_incomplete_folder_is_refused_and_does_not_change() {
    let it = Automatic::new();
    drop(it.start(&[]));
    for missing in ["root_certificate.pem", "root_key.pem", "server_key.pem", "client_key_jane_doe.pem"] {
        let path = it.certificates().join(missing);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let before = files(&it.certificates());
        for check in [&[][..], &["--check-config"]] {
            let (code, text) = it.run(check);
            let expected = format!("{missing} does not; nothing was written");
            assert!(code == Some(1) && text.contains(&expected), "{missing}: {text}");
            assert!(text.contains("auto-certificates-incomplete"), "{text}");
        }
        assert_eq!(files(&it.certificates()), before);
        fs::write(&path, content).unwrap();
    }
}

#[test]
fn an_expired_certificate_is_renewed_and_an_expired_ca_is_an_error() {
    let it = Automatic::new();
    drop(it.start(&[]));
    it.expire("server_certificate.pem", "server_key.pem");
    it.expire("client_certificate_jane_doe.pem", "client_key_jane_doe.pem");
    let before = files(&it.certificates());
    let (code, text) = it.run(&["--check-config"]);
    assert!(text.contains("Renews the certificate of the server, because it has expired"), "{code:?} {text}");
    assert_eq!(files(&it.certificates()), before);
    let server = it.start(&[]);
    it.connect(&server, "jane_doe");
    drop(server);
    let after = files(&it.certificates());
    let changed: Vec<_> = after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    assert_eq!(changed, ["client_certificate_jane_doe.pem", "server_certificate.pem"]);
    it.expire("root_certificate.pem", "root_key.pem");
    let before = files(&it.certificates());
    let (code, text) = it.run(&[]);
    assert!(code == Some(1) && text.contains("has expired on"), "{text}");
    assert_eq!(files(&it.certificates()), before);
}

#[test]
fn certificates_of_the_settings_take_precedence_and_a_part_of_them_is_refused() {
    let other = Automatic::new();
    drop(other.start(&[]));
    let path = |name: &str| other.certificates().join(name).display().to_string();
    let (certificate, key, ca) =
        (path("server_certificate.pem"), path("server_key.pem"), path("root_certificate.pem"));
    let it = Automatic::new();
    let server = it.start(&["-c", &certificate, "-k", &key, "-a", &ca]);
    other.connect(&server, "john_doe");
    assert!(!it.certificates().exists());
    let (code, text) = it.run(&["-c", &certificate, "-k", &key]);
    let expected = "auto_certificates: certificate_path and key_path is set, and ca_path is not";
    assert!(code == Some(1) && text.contains(expected), "{text}");
    let (_, text) = it.run(&["-k", &key]);
    assert!(text.contains("key_path is set, and certificate_path and ca_path is not"), "{text}");
    assert!(!it.certificates().exists());
}

#[test]
fn a_check_makes_nothing() {
    let it = Automatic::new();
    let (code, text) = it.run(&["--check-config", "--management-address", "0.0.0.0:0"]);
    assert_eq!(code, Some(0), "{text}");
    let folder = it.certificates().display().to_string();
    for line in [
        format!("Makes certificates of the server and of John Doe, Jane Doe in {folder}"),
        format!("{folder}/server_certificate.pem"),
        "on 0.0.0.0:0 to clients with the token".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(!it.certificates().exists());
}

#[test]
fn an_embedded_server_makes_certificates_but_reads_no_variables() {
    let folder = Folder::new();
    let mut config = Config::new("", "");
    config.port = 0;
    config.database_path = ":memory:".into();
    config.log_path = folder.path("server.log");
    config.auto_certificates = Some(folder.path("certificates"));
    config.test_control = true;
    let server = Server::bind(&config).unwrap();
    let bundle = server.control().unwrap().certificates(Some("Jane Doe")).unwrap();
    let text = String::from_utf8(bundle.expose().to_vec()).unwrap();
    assert_eq!(
        (text.matches("BEGIN CERTIFICATE").count(), text.matches("PRIVATE KEY").count()),
        (2, 2),
        "{text}"
    );
    fs::remove_file(folder.path("certificates").join("server_key.pem")).unwrap();
    let error = Server::bind(&config).unwrap_err();
    assert_eq!(error.code(), "auto-certificates-incomplete");
    config.auto_certificates = Some(folder.path("other"));
    config.auto_certificate_clients = vec!["--".to_owned()];
    assert!(automatic::prepare(&config, Task::Make).is_err() && !folder.path("other").exists());
}

#[cfg(feature = "management")]
#[test]
fn test_control_hands_out_the_certificates_of_clients_with_the_token_only() {
    let ask = |address: &str, path: &str, token: Option<&str>| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status: u16 = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    };
    let it = Automatic::new();
    let lines = |server: &mut Running, count| {
        let mut lines = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            server.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
            lines.push(line.trim().to_owned());
        }
        lines
    };
    let mut server = it.start(&["--management-address", "0.0.0.0:0", "--test-control", "True"]);
    let printed = lines(&mut server, 3);
    let address = printed[0].strip_prefix("Management on http://0.0.0.0:").unwrap();
    let address = format!("127.0.0.1:{address}");
    let token = printed[2].strip_prefix("Management token ").unwrap().to_owned();
    assert!(
        token.len() == 40 && fs::read_to_string(it.certificates().join("management_token")).unwrap() == token
    );
    assert!(!fs::read_to_string(it.folder.path("server.log")).unwrap().contains(&token));

    let path = "/control/certificates?client=Jane%20Doe";
    assert_eq!(ask(&address, path, None).0, 401);
    assert_eq!(ask(&address, path, Some("0123456789012345678901234567890123456789")).0, 401);
    let (status, bundle) = ask(&address, path, Some(&token));
    let own = |name: &str| fs::read_to_string(it.certificates().join(name)).unwrap();
    let expected = own("client_key_jane_doe.pem")
        + &own("client_certificate_jane_doe.pem")
        + &own("root_certificate.pem");
    assert_eq!((status, bundle), (200, expected));
    assert!(ask(&address, "/control/certificates", Some(&token)).1.contains(&own("client_key_john_doe.pem")));
    let (status, text) = ask(&address, "/control/certificates?client=..%2Froot", Some(&token));
    assert_eq!(
        (status, text.trim()),
        (404, "there is no client \"../root\"; the clients are John Doe, Jane Doe")
    );

    // The program that checks the health reads the token, too.
    let health = format!("127.0.0.1:{}", address.rsplit(':').next().unwrap());
    let (code, text) = it.run(&["--health", &health]);
    assert!(code == Some(0) && text.starts_with("Listening on "), "{text}");
    drop(server);

    // The next start has the same token; without test control, the path does not exist.
    let mut server = it.start(&["--management-address", "0.0.0.0:0"]);
    let printed = lines(&mut server, 2);
    assert_eq!(printed[1], format!("Management token {token}"));
    let address = format!("127.0.0.1:{}", printed[0].rsplit(':').next().unwrap());
    assert_eq!(ask(&address, path, Some(&token)).0, 404);
}

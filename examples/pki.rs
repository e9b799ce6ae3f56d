//! Makes a throw-away PKI for trials: `cargo run --example pki -- FOLDER [PORT [ecdsa]]`.
//!
//! A CA, a server for localhost and four clients, under the names that PyKMIP's `bin/create_certificates` gives
//! them, RSA of 2048 bits as there, or ECDSA on P-256, whose handshakes are fast; and `client.conf`, the settings of PyKMIP's client for a server on PORT
//! (5696 where not given): `[client]` and `[john_doe]`, `[jane_doe]`, `[john_smith]`, `[jane_smith]`. The
//! certificate of Jane Smith has no extended key usage: she is refused where `enable_tls_client_auth` is true.
//!
//! It writes over nothing: a file that is there already ends it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, RsaKeySize, date_time_ymd,
};

/// Common name, name in files and sections, whether the certificate says that it is for clients.
const CLIENTS: [(&str, &str, bool); 4] = [
    ("John Doe", "john_doe", true),
    ("Jane Doe", "jane_doe", true),
    ("John Smith", "john_smith", true),
    ("Jane Smith", "jane_smith", false),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: pki FOLDER [PORT [ecdsa]]");
        return ExitCode::from(2);
    };
    let port = arguments.next().map_or("5696".into(), |port| port.to_string_lossy().into_owned());
    let key = if arguments.next().is_some_and(|keys| keys == "ecdsa") { KeyPair::generate } else { rsa };
    match make(Path::new(&folder), &port, key) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pki: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes a key of the kind that was asked for.
type Generate = fn() -> Result<KeyPair, rcgen::Error>;

fn make(folder: &Path, port: &str, key: Generate) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let mut files = Vec::new();

    let (root_key, mut root) = (key()?, params("Root CA"));
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    files.push(("root_certificate.pem".to_owned(), root.self_signed(&root_key)?.pem()));
    files.push(("root_key.pem".to_owned(), root_key.serialize_pem()));
    let root = Issuer::new(root, root_key);

    let (server_key, mut server) = (key()?, params("Server Certificate"));
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    server.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    files.push(("server_certificate.pem".to_owned(), server.signed_by(&server_key, &root)?.pem()));
    files.push(("server_key.pem".to_owned(), server_key.serialize_pem()));

    let mut settings = section("client", CLIENTS[0].1, &folder, port);
    for (common_name, name, is_client) in CLIENTS {
        let (key, mut client) = (key()?, params(common_name));
        if is_client {
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        files.push((format!("client_certificate_{name}.pem"), client.signed_by(&key, &root)?.pem()));
        files.push((format!("client_key_{name}.pem"), key.serialize_pem()));
        settings.push_str(&section(name, name, &folder, port));
    }
    files.push(("client.conf".to_owned(), settings));

    let files: Vec<_> = files.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(format!("{} is there already; nothing was written", there.display()).into());
    }
    files.iter().try_for_each(|(path, text)| write(path, text))?;
    Ok(())
}

fn rsa() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A section of the settings of PyKMIP's client.
fn section(name: &str, client: &str, folder: &Path, port: &str) -> String {
    let path = |file: String| folder.join(file).display().to_string().replace('%', "%%");
    format!(
        "[{name}]\nhost=127.0.0.1\nport={port}\nkeyfile={}\ncertfile={}\nca_certs={}\ncert_reqs=CERT_REQUIRED\n\
         ssl_version=PROTOCOL_SSLv23\ndo_handshake_on_connect=True\nsuppress_ragged_eofs=True\n\n",
        path(format!("client_key_{client}.pem")),
        path(format!("client_certificate_{client}.pem")),
        path("root_certificate.pem".to_owned()),
    )
}

/// For the owner only, the certificates too: they serve nobody else here.
fn write(path: &PathBuf, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

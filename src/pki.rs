//! A public key infrastructure for trials and tests: a certification authority, certificates for the server and each
//! client, optional PKCS#12 containers, and a configuration file for PyKMIP's client.
//!
//! The file names are those of PyKMIP's `bin/create_certificates`. Not for production: the private key of the authority
//! is in the same folder, and certificates cannot be revoked.

pub mod automatic;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, RsaKeySize,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::control::ClientFiles;
use crate::crypto;
use crate::crypto::pkcs12::{self, Contents};
use crate::secret::Secret;
use crate::x509;
use crate::x509::certificate::NameAttribute;

/// The mode of every file: only the owner may read it.
const FILE_MODE: u32 = 0o600;
/// Certificates are valid from one day ago, so that a client with a slow clock accepts them.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The maximum validity of a certificate, in days. X.509 cannot express dates after the year 9999.
pub const MAX_DAYS: u32 = 365 * 100;

/// The parameters of the public key infrastructure.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The common names of the clients, which are their identities at the server.
    pub clients: Vec<String>,
    /// The host names and IP addresses of the server.
    pub hosts: Vec<String>,
    /// The validity of the certificates, in days: 1 to [`MAX_DAYS`].
    pub days: u32,
    /// Whether the keys are on P-256 instead of RSA of 2048 bits.
    pub elliptic: bool,
    /// The port of the server, for the configuration file of the clients.
    pub port: u16,
    /// The password of the PKCS#12 containers, or `None` for no containers. The container of a client contains its private
    /// key, its certificate and that of the authority.
    pub container_password: Option<Secret>,
}

impl Default for Pki {
    /// Returns the parameters for two clients of a server on this machine, for ten years.
    fn default() -> Self {
        Self {
            clients: vec!["John Doe".to_owned(), "Jane Doe".to_owned()],
            hosts: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            days: 3650,
            elliptic: false,
            port: Config::DEFAULT_PORT,
            container_password: None,
        }
    }
}

/// The paths of the generated files.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The certificate of the authority: the setting `ca_path` of the server, and the trust anchor of the clients.
    pub ca: PathBuf,
    /// The server's certificate.
    pub server_certificate: PathBuf,
    /// The server's private key.
    pub server_key: PathBuf,
    /// The certificate and the private key of each client, in the order of [`Pki::clients`].
    pub clients: Vec<(PathBuf, PathBuf)>,
    /// The configuration file of PyKMIP's client: `[client]` is the first client, and each client has a section with its
    /// name.
    pub client_settings: PathBuf,
    /// The PKCS#12 container of each client, in the same order, if there is a password.
    pub containers: Vec<PathBuf>,
}

impl Files {
    /// Returns the files of these clients, in the order of [`Pki::clients`].
    pub fn of_clients(&self, names: &[String]) -> Vec<ClientFiles> {
        let files = names.iter().zip(&self.clients);
        let files = files.map(|(name, (certificate, key))| ClientFiles {
            name: name.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
            ca: self.ca.clone(),
        });
        files.collect()
    }
}

/// The file of the private key of the authority.
const ROOT_KEY: &str = "root_key.pem";

/// The authority.
struct Root {
    issuer: Issuer<'static, KeyPair>,
    /// The certificate, DER.
    certificate: Vec<u8>,
}

/// A file to be written: its path and contents.
type File = (PathBuf, Zeroizing<Vec<u8>>);

/// The reason why a public key infrastructure was not created.
#[derive(Debug)]
pub enum Error {
    /// The list of clients is empty.
    NoClient,
    /// The name of a client contains no letter or digit, or results in the file name of another client.
    ClientName(String),
    /// The validity is not between 1 and [`MAX_DAYS`] days.
    Days(u32),
    /// A file exists already.
    Exists(PathBuf),
    /// A file or folder cannot be created.
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The folder of a trial server cannot be created.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A certificate cannot be created, for example because a host name is invalid.
    Certificate(rcgen::Error),
    /// The authority in the folder cannot issue further certificates.
    Authority {
        /// The file of its certificate.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The folder of `auto_certificates` contains only a part of the files.
    Incomplete {
        /// A file that exists.
        present: PathBuf,
        /// A file that does not exist.
        missing: PathBuf,
    },
    /// The authority of `auto_certificates` has expired.
    Expired {
        /// The file of its certificate.
        path: PathBuf,
        /// The end of its validity.
        since: String,
    },
    /// The settings name a part of the certificates, and `auto_certificates`.
    Beside {
        /// The settings that have a value.
        set: Vec<&'static str>,
        /// The settings that have no value.
        missing: Vec<&'static str>,
    },
    /// The password file is unreadable, or contains no password.
    Password {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A PKCS#12 container cannot be created.
    Container(crypto::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClient => f.write_str("no client is named; name at least one"),
            Self::ClientName(name) => {
                write!(
                    f,
                    "the client name '{name}' results in no file name, or in that of another client; choose another name"
                )
            }
            Self::Days(days) => {
                write!(f, "a validity of {days} days is not possible; choose 1 to {MAX_DAYS} days")
            }
            Self::Exists(path) => write!(
                f,
                "{} exists already, and nothing was written; choose another folder or remove the file",
                path.display()
            ),
            Self::Io { path, cause } => write!(f, "cannot create {}: {cause}", path.display()),
            Self::Folder { path, cause } => {
                write!(f, "the temporary folder {} cannot be created: {cause}", path.display())
            }
            Self::Certificate(cause) => write!(f, "cannot create a certificate: {cause}"),
            Self::Authority { path, why } => {
                write!(f, "no client can be added to the authority in {}: {why}", path.display())
            }
            Self::Incomplete { present, missing } => write!(
                f,
                "auto_certificates: {} exists, but {} does not; nothing was written",
                present.display(),
                missing.display()
            ),
            Self::Expired { path, since } => {
                write!(f, "auto_certificates: the authority in {} has expired on {since}", path.display())
            }
            Self::Beside { set, missing } => write!(
                f,
                "auto_certificates: {} is set, and {} is not",
                set.join(" and "),
                missing.join(" and ")
            ),
            Self::Password { path, cause } => {
                write!(f, "cannot read a password from {}: {cause}", path.display())
            }
            Self::Container(cause) => write!(f, "cannot create a PKCS#12 container: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Returns an error with the same text, for an authority that is used several times.
    fn again(&self) -> Self {
        match self {
            Self::Authority { path, why } => Self::Authority { path: path.clone(), why: why.clone() },
            other => Self::Authority { path: PathBuf::new(), why: other.to_string() },
        }
    }
}

impl From<rcgen::Error> for Error {
    fn from(cause: rcgen::Error) -> Self {
        Self::Certificate(cause)
    }
}

impl From<crypto::Error> for Error {
    fn from(cause: crypto::Error) -> Self {
        Self::Container(cause)
    }
}

/// Reads a password from a file: UTF-8, without the line ending. On a command line, other users could see it.
///
/// # Errors
/// Returns [`Error::Password`] if the file is unreadable or empty.
pub fn read_password(path: &Path) -> Result<Secret, Error> {
    let failed = |cause| Error::Password { path: path.to_owned(), cause };
    let bytes = Zeroizing::new(fs::read(path).map_err(failed)?);
    let text = std::str::from_utf8(&bytes).map_err(|cause| failed(io::Error::other(cause)))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(failed(io::Error::other("it is empty")));
    }
    Ok(Secret::new(text.as_bytes().to_vec()))
}

impl Pki {
    /// Writes all files to `folder`, which is created if necessary.
    ///
    /// # Errors
    /// Returns [`Error`] if a parameter is invalid, a file exists already or cannot be written, or a certificate or
    /// container cannot be created. Existing files are not changed.
    pub fn make(&self, folder: &Path) -> Result<Files, Error> {
        let stems = self.checked_stems()?;
        let failed = |cause| Error::Io { path: folder.to_owned(), cause };
        fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        let files = self.files(&folder, &stems);
        let texts = self.texts(&files, &folder.join(ROOT_KEY), &stems)?;
        write_all(&texts)?;
        Ok(files)
    }

    /// Returns the files that an earlier call of [`Pki::make`] with the same clients wrote to `folder`, or `None` if the
    /// folder has no authority.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if another file is missing.
    pub fn find(&self, folder: &Path) -> Result<Option<Files>, Error> {
        let stems = self.stems()?;
        let Ok(folder) = folder.canonicalize() else { return Ok(None) };
        let files = self.files(&folder, &stems);
        if !files.ca.exists() {
            return Ok(None);
        }
        let clients = files.clients.iter().flat_map(|(certificate, key)| [certificate, key]);
        for path in [&files.server_certificate, &files.server_key].into_iter().chain(clients) {
            fs::metadata(path).map_err(|cause| Error::Io { path: path.clone(), cause })?;
        }
        Ok(Some(files))
    }

    /// Returns the paths of the files in `folder`.
    fn files(&self, folder: &Path, stems: &[String]) -> Files {
        let client = |stem: &String| {
            let file = |kind| folder.join(format!("client_{kind}_{stem}.pem"));
            (file("certificate"), file("key"))
        };
        Files {
            ca: folder.join("root_certificate.pem"),
            server_certificate: folder.join("server_certificate.pem"),
            server_key: folder.join("server_key.pem"),
            clients: stems.iter().map(client).collect(),
            client_settings: folder.join("client.conf"),
            containers: match self.container_password {
                Some(_) => stems.iter().map(|stem| folder.join(format!("client_{stem}.p12"))).collect(),
                None => Vec::new(),
            },
        }
    }

    /// Adds the clients to the files that an earlier call of [`Pki::make`] wrote to `folder`, and their sections to the
    /// configuration file.
    ///
    /// # Errors
    /// Returns [`Error`] if the authority is not one of [`Pki::make`], or for the reasons of that function.
    pub fn add_clients(&self, folder: &Path) -> Result<Files, Error> {
        let stems = self.checked_stems()?;
        let failed = |cause| Error::Io { path: folder.to_owned(), cause };
        let folder = folder.canonicalize().map_err(failed)?;
        let files = self.files(&folder, &stems);
        let (mut texts, mut settings) = (Vec::new(), String::new());
        self.issue_clients(&self.found_root(&files.ca, &folder)?, &files, &stems, &mut texts, |sections| {
            settings.push_str(sections);
        })?;
        write_all(&texts)?;
        let failed = |cause| Error::Io { path: files.client_settings.clone(), cause };
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&files.client_settings);
        file.and_then(|mut file| file.write_all(settings.as_bytes())).map_err(failed)?;
        Ok(files)
    }

    /// Reads the authority in `folder`, whose certificate is in the file `ca`.
    fn found_root(&self, ca: &Path, folder: &Path) -> Result<Root, Error> {
        let unusable =
            |why: &dyn fmt::Display| Error::Authority { path: ca.to_owned(), why: why.to_string() };
        let read = |path: &Path| {
            let bytes = fs::read(path).map_err(|cause| Error::Io { path: path.to_owned(), cause })?;
            Ok::<_, Error>(Zeroizing::new(bytes))
        };
        let certificate = CertificateDer::from_pem_slice(&read(ca)?).map_err(|error| unusable(&error))?;
        let key = read(&folder.join(ROOT_KEY))?;
        let key = std::str::from_utf8(&key).map_err(|error| unusable(&error))?;
        let key = KeyPair::from_pem(key).map_err(|error| unusable(&error))?;
        let fields = x509::Certificate::read(&certificate);
        if fields.public_key_info.as_deref() != Some(&*key.subject_public_key_info()) {
            return Err(unusable(&format!("{ROOT_KEY} is not its private key")));
        }
        let subject = fields.subject.unwrap_or_default();
        let name = subject.texts(NameAttribute::CommonName).next().unwrap_or_default();
        let params = self.root_params(name);
        let certificate = certificate.to_vec();
        // The certificates of clients contain this name as that of their issuer.
        let again = params.self_signed(&key)?;
        if x509::Certificate::read(again.der()).subject.as_ref() != Some(&subject) {
            return Err(unusable(&"--make-certs did not create it"));
        }
        Ok(Root { issuer: Issuer::new(params, key), certificate })
    }

    fn root_params(&self, name: &str) -> CertificateParams {
        let mut params = self.params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// Returns the paths and contents of all files.
    fn texts(&self, files: &Files, root_key_path: &Path, stems: &[String]) -> Result<Vec<File>, Error> {
        // Each authority has a name of its own: a client that trusts an earlier one looks its issuer up by the name.
        let number = crypto::random::bytes(4)?;
        let number: String = number.iter().map(|byte| format!("{byte:02x}")).collect();
        let (root_key, root) = (self.key()?, self.root_params(&format!("Root CA {number}")));
        let certificate = root.self_signed(&root_key)?;
        let mut texts =
            vec![text(&files.ca, certificate.pem()), text(root_key_path, root_key.serialize_pem())];
        let root = Root { issuer: Issuer::new(root, root_key), certificate: certificate.der().to_vec() };

        let server_key = self.key()?;
        texts.push(text(&files.server_certificate, self.server_certificate(&server_key, &root)?.pem()));
        texts.push(text(&files.server_key, server_key.serialize_pem()));

        let mut settings = String::new();
        if let Some((certificate, key)) = files.clients.first() {
            settings.push_str(&self.section("client", files, certificate, key));
        }
        self.issue_clients(&root, files, stems, &mut texts, |section| settings.push_str(section))?;
        texts.push(text(&files.client_settings, settings));
        Ok(texts)
    }

    fn server_certificate(&self, key: &KeyPair, root: &Root) -> Result<rcgen::Certificate, Error> {
        let mut server = self.params("Server Certificate");
        server.subject_alt_names = CertificateParams::new(self.hosts.clone())?.subject_alt_names;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(server.signed_by(key, &root.issuer)?)
    }

    fn client_certificate(
        &self,
        name: &str,
        key: &KeyPair,
        root: &Root,
    ) -> Result<rcgen::Certificate, Error> {
        let mut client = self.params(name);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(client.signed_by(key, &root.issuer)?)
    }

    /// Appends the files of each client to `texts`, and passes the sections of the configuration file to `add_section`.
    fn issue_clients(
        &self,
        root: &Root,
        files: &Files,
        stems: &[String],
        texts: &mut Vec<File>,
        mut add_section: impl FnMut(&str),
    ) -> Result<(), Error> {
        for (position, (name, (certificate_path, key_path))) in
            self.clients.iter().zip(&files.clients).enumerate()
        {
            let key = self.key()?;
            let certificate = self.client_certificate(name, &key, root)?;
            texts.push(text(certificate_path, certificate.pem()));
            texts.push(text(key_path, key.serialize_pem()));
            if let (Some(password), Some(path)) = (&self.container_password, files.containers.get(position)) {
                let contents = Contents {
                    key: &Secret::new(key.serialize_der()),
                    certificates: &[certificate.der().to_vec(), root.certificate.clone()],
                    friendly_name: Some(name),
                };
                let container = pkcs12::write(&contents, password.expose())?;
                texts.push((path.clone(), Zeroizing::new(container)));
            }
            if let Some(stem) = stems.get(position) {
                add_section(&self.section(stem, files, certificate_path, key_path));
            }
        }
        Ok(())
    }

    /// Checks the parameters, and returns the names of the clients as parts of file names.
    fn checked_stems(&self) -> Result<Vec<String>, Error> {
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Err(Error::Days(self.days));
        }
        self.stems()
    }

    /// Returns the names of the clients as parts of file names.
    fn stems(&self) -> Result<Vec<String>, Error> {
        let mut stems: Vec<String> = Vec::new();
        for name in &self.clients {
            let letters =
                name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
            let stem: String = letters.collect();
            if stem.chars().all(|c| c == '_') || stems.contains(&stem) {
                return Err(Error::ClientName(name.clone()));
            }
            stems.push(stem);
        }
        if stems.is_empty() { Err(Error::NoClient) } else { Ok(stems) }
    }

    fn key(&self) -> Result<KeyPair, rcgen::Error> {
        if self.elliptic {
            return KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        }
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)
    }

    fn params(&self, common_name: &str) -> CertificateParams {
        let now = SystemTime::now();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = (now - DAY).into();
        params.not_after = (now + DAY * self.days).into();
        params.use_authority_key_identifier_extension = true;
        params
    }

    /// Returns a section of the configuration file of PyKMIP's client.
    fn section(&self, name: &str, files: &Files, certificate: &Path, key: &Path) -> String {
        let host = self.hosts.first().map_or("127.0.0.1", String::as_str);
        let path = |path: &Path| path.display().to_string().replace('%', "%%");
        format!(
            "[{name}]\nhost={host}\nport={}\nkeyfile={}\ncertfile={}\nca_certs={}\ncert_reqs=CERT_REQUIRED\n\
             ssl_version=PROTOCOL_SSLv23\ndo_handshake_on_connect=True\nsuppress_ragged_eofs=True\n\n",
            self.port,
            path(key),
            path(certificate),
            path(&files.ca),
        )
    }
}

fn text(path: &Path, text: String) -> File {
    (path.to_owned(), Zeroizing::new(text.into_bytes()))
}

/// Writes the files, or none if one of them exists.
fn write_all(files: &[File]) -> Result<(), Error> {
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Error::Exists(there.clone()));
    }
    for (path, text) in files {
        write(path, text).map_err(|cause| Error::Io { path: path.clone(), cause })?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("kmip-pki-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder
    }

    fn quick() -> Pki {
        Pki { elliptic: true, ..Pki::default() }
    }

    #[test]
    fn creates_usable_files_and_overwrites_nothing() {
        let folder = folder("whole");
        let files = quick().make(&folder).unwrap();
        let mut config = Config::new(&files.server_certificate, &files.ca);
        config.key_path = Some(files.server_key.clone());
        config.database_path = ":memory:".into();
        config.port = 0;
        crate::server::Server::bind(&config).unwrap();
        assert_eq!(fs::metadata(&files.server_key).unwrap().permissions().mode() & 0o777, FILE_MODE);
        let settings = fs::read_to_string(&files.client_settings).unwrap();
        for section in ["[client]", "[john_doe]", "[jane_doe]"] {
            assert!(settings.contains(section), "{settings}");
        }
        let before = fs::read(&files.ca).unwrap();
        assert!(matches!(quick().make(&folder), Err(Error::Exists(_))));
        assert_eq!(fs::read(&files.ca).unwrap(), before);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn rejects_invalid_parameters_before_it_writes_files() {
        let folder = folder("refused");
        let clients =
            |names: &[&str]| Pki { clients: names.iter().map(|&name| name.into()).collect(), ..quick() };
        for wrong in [
            clients(&[]),
            clients(&["--"]),
            clients(&["a b", "a_b"]),
            Pki { days: 0, ..quick() },
            Pki { days: MAX_DAYS + 1, ..quick() },
        ] {
            assert!(wrong.make(&folder).is_err(), "{wrong:?}");
            assert!(!folder.exists());
        }
    }
}

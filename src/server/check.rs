//! A check of the settings without a server (`--check-config`). It leaves nothing behind, and does not listen.
//!
//! The code that starts a server finds the errors that would prevent the start; this module adds warnings about
//! settings that are valid and likely a mistake.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::tls::{Identity, KeyType, TlsConfig};
use super::{
    Error, IN_MEMORY, MAX_HANDSHAKES, addresses, audit, authority, bind_error, expiry, key_files, management,
    request_memory, server_information, tls, trust,
};
use crate::config::{AuthPlugin, Config, Level};
use crate::engine::{Authority, pykmip_import};
use crate::hardening;
use crate::logging;
use crate::policy;
use crate::store::{self, Inspection, KeyEncryptionKey};
use crate::x509::parsed;
use crate::x509::path::may_issue;

/// The remaining validity of a certificate below which the report warns about it.
const EXPIRY_WARNING: Duration = expiry::DAY.saturating_mul(30);

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// What the server would do, one line per fact.
    pub facts: Vec<String>,
    /// The errors that would prevent the start.
    pub errors: Vec<StartError>,
    /// Settings that are valid and likely a mistake.
    pub warnings: Vec<String>,
}

/// An error that would prevent the start of the server.
#[derive(Debug)]
pub enum StartError {
    /// An error of the server.
    Server(Error),
    /// An error of its log.
    Log(logging::Error),
}

impl<E: Into<Error>> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

/// Checks everything that the settings name.
pub fn check(config: &Config) -> Report {
    let mut report = Report::default();
    report.address(config);
    let leaf = report.tls(config);
    let own_authority = report.database(config);
    report.policies(config);
    report.certify(config, own_authority);
    report.services(config);
    report.client_endpoints(config, leaf.as_ref());
    report.files(config);
    report
}

impl Report {
    fn fact(&mut self, text: String) {
        self.facts.push(text);
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    fn address(&mut self, config: &Config) {
        let (hostname, port) = (&config.hostname, config.port);
        let place = if hostname.is_empty() { "every IPv4 address" } else { hostname.as_str() };
        let number = if port == 0 { "a free port".to_owned() } else { format!("port {port}") };
        self.fact(format!("Listens on {place}, {number}, for {} connections", config.max_connections));
        let share = config.max_connections_per_user;
        let share =
            share.map_or_else(|| "as many as other users leave".to_owned(), |count| count.to_string());
        let idle = config.idle_timeout.map(|time| format!("ends after {} s", time.as_secs()));
        let idle = idle.unwrap_or_else(|| "stays open".to_owned());
        self.fact(format!("Gives each user {share} of them; an idle one {idle}"));
        let (size, memory) = (config.max_request_size, request_memory(config));
        self.fact(format!(
            "Takes requests of at most {size} bytes; large messages use at most {memory} bytes"
        ));
        let connections = config.max_connections.saturating_add(MAX_HANDSHAKES);
        let (needed, allowed) = hardening::descriptors(connections);
        if allowed < needed {
            self.warn(format!(
                "max_connections: {} connections and {MAX_HANDSHAKES} handshakes need {needed} open files, but the system \
                 allows {allowed}; raise ulimit -n, or lower max_connections",
                config.max_connections
            ));
        }
        let outcome = addresses(config).and_then(|addresses| {
            let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
            for address in addresses {
                outcome = try_bind(address);
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        });
        match outcome {
            Ok(()) => {}
            // Not an error: administrators also check the settings of a running server.
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                self.warn(format!(
                    "{place}, port {port}, is in use now; stop the other process unless it is this server"
                ));
            }
            Err(cause) => {
                self.errors.push(bind_error(config, cause).into());
            }
        }
        match management::addresses(config) {
            Ok(None) => {}
            Ok(Some(addresses)) => self.management(config, &addresses),
            Err(error) => self.errors.push(error.into()),
        }
    }

    fn management(&mut self, config: &Config, addresses: &[SocketAddr]) {
        let address = config.management_address.clone().unwrap_or_default();
        let who = if config.management_token.is_some() { "with the token" } else { "on this machine" };
        self.fact(format!("Answers health and metrics on {address} to clients {who}"));
        let outcome = addresses.iter().map(|address| try_bind(*address)).find(Result::is_ok);
        if outcome.is_none()
            && let Some(Err(cause)) = addresses.first().map(|address| try_bind(*address))
        {
            if cause.kind() == io::ErrorKind::AddrInUse {
                self.warn(format!(
                    "management_address: {address} is in use now; stop the other process unless it is this server"
                ));
            } else {
                self.errors.push(Error::Bind { setting: "management_address", address, cause }.into());
            }
        }
    }

    /// Checks certificates and TLS settings. Returns the server's certificate.
    fn tls(&mut self, config: &Config) -> Option<CertificateDer<'static>> {
        let path = &config.certificate_path;
        let (chain, chain_error) = split(tls::certificates("certificate_path", path));
        let (trusted, trusted_error) = split(tls::certificates_and_warnings("ca_path", &config.ca_path));
        let (trusted, left_out) = trusted;
        self.warnings.extend(left_out);
        let identity = match chain_error {
            Some(error) => Err(error),
            None => Identity::read(config, chain.clone()),
        };
        // Without a certificate, the report shows what each type of certificate would serve.
        let keys = identity.as_ref().map_or_else(|_| KeyType::ALL.to_vec(), |it| vec![it.key_type()]);
        for key in keys {
            let selection = tls::select(config, key);
            self.facts.extend(selection.describe(config, key));
            self.warnings.extend(selection.warnings);
        }
        let outcome = identity.and_then(|identity| match trusted_error {
            Some(error) => Err(error),
            None => TlsConfig::new(config, identity, trusted.clone(), Arc::default()),
        });
        if let Err(error) = outcome {
            self.errors.push(error.into());
        }
        if let Some(leaf) = chain.first() {
            self.server_certificate(path, leaf, &chain, &trusted);
        }
        self.trusted(&config.ca_path, &trusted);
        if !config.enable_tls_client_auth {
            self.fact(
                "Lets in client certificates without client authentication in their extended key usage"
                    .into(),
            );
        }
        chain.into_iter().next()
    }

    fn server_certificate(
        &mut self,
        path: &Path,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        trusted: &[CertificateDer<'_>],
    ) {
        let name = format!("certificate_path: the server's certificate in {}", path.display());
        self.fact(format!("Shows {}", expiry::described(leaf, path)));
        self.validity(&name, leaf);
        for (subject_certificate, issuer) in chain.iter().zip(chain.iter().skip(1)) {
            if !trust::is_signed_by(subject_certificate, issuer) {
                self.warn(format!(
                    "{name}: {} is not signed by the certificate behind it; correct the order of the file",
                    trust::subject(subject_certificate)
                ));
            }
        }
        let vouches = |issuer: &CertificateDer<'_>| {
            issuer == leaf || chain.iter().any(|it| trust::is_signed_by(it, issuer))
        };
        if !trusted.is_empty() && !trusted.iter().any(vouches) {
            self.warn(format!(
                "{name}: no certificate of ca_path vouches for it; clients need its CA from another source"
            ));
        }
        let Ok(parsed) = Parsed::from_der(leaf) else { return };
        let tbs = &parsed.tbs_certificate;
        if let Ok(Some((_, usage))) = tbs.get::<ExtendedKeyUsage>()
            && !usage.0.contains(&ID_KP_SERVER_AUTH)
        {
            self.warn(format!(
                "{name}: its extended key usage is not for servers; clients refuse it until it is reissued"
            ));
        }
        if let Ok(Some((_, usage))) = tbs.get::<KeyUsage>()
            && !usage.digital_signature()
        {
            self.warn(format!(
                "{name}: its key usage lacks digital signatures; clients refuse it until it is reissued"
            ));
        }
        if matches!(tbs.get::<SubjectAltName>(), Ok(None)) {
            self.warn(format!(
                "{name}: it has no subject alternative name; most clients refuse it when they verify the host name"
            ));
        }
    }

    fn trusted(&mut self, path: &Path, trusted: &[CertificateDer<'_>]) {
        if trusted.is_empty() {
            return;
        }
        self.fact(format!(
            "Trusts clients by the certificates in {}, {} in number",
            path.display(),
            trusted.len()
        ));
        let mut issuers = 0;
        for certificate in trusted {
            let read = parsed::Parsed::read(certificate);
            issuers += usize::from(read.is_some_and(|read| may_issue(&read)));
            let name =
                format!("ca_path: the certificate {} in {}", trust::subject(certificate), path.display());
            self.validity(&name, certificate);
        }
        if issuers == 0 {
            self.warn(format!(
                "ca_path: no certificate in {} may issue others; only clients whose own certificate is in it can connect",
                path.display()
            ));
        }
    }

    /// Warns if a certificate is not valid, or only for a short time.
    fn validity(&mut self, name: &str, certificate: &CertificateDer<'_>) {
        self.warnings.extend(expiry::warning(name, certificate, SystemTime::now(), EXPIRY_WARNING));
    }

    /// Checks the database. Returns the certificate of the server's own authority for Certify, if it contains one.
    fn database(&mut self, config: &Config) -> Option<Vec<u8>> {
        let path = &config.database_path;
        if path == Path::new(IN_MEMORY) {
            self.fact("Keeps objects in memory only: they are lost when the server ends".to_owned());
            return None;
        }
        if path == Path::new(Config::DEFAULT_DATABASE) {
            self.warn(format!(
                "database_path: {} is in a folder whose files do not last; choose another folder",
                path.display()
            ));
        }
        let key = match config.key_encryption_key_path.as_deref().map(KeyEncryptionKey::read).transpose() {
            Ok(key) => key,
            Err(error) => {
                self.errors.push(error.into());
                return None;
            }
        };
        let seals = key.is_some();
        let is_url = store::is_url(path);
        let inspection = inspected(config, key.as_ref());
        let authority = inspection.and_then(|inspection| {
            self.fact(described_database(path, inspection, seals));
            match inspection {
                Inspection::Ours { .. } if is_url => {
                    Authority::stored(|name| store::source(path, key.as_ref())?.server_state(name))
                }
                Inspection::Ours { .. } => {
                    Authority::stored(|name| store::inspect_server_state(path, key.as_ref(), name))
                }
                _ => Ok(None),
            }
        });
        authority.unwrap_or_else(|error| {
            self.errors.push(error.into());
            None
        })
    }

    fn policies(&mut self, config: &Config) {
        let Some(path) = &config.policy_path else {
            return self.fact("Has the built-in policies default and public".to_owned());
        };
        if let Err(error) = policy::check_directory(path) {
            return self.errors.push(error.into());
        }
        let inspection = policy::inspect(path);
        let names: Vec<_> =
            ["default", "public"].into_iter().chain(inspection.names.iter().map(String::as_str)).collect();
        let follows = if config.live_policies { "follows" } else { "reads once" };
        self.fact(format!("Has the policies {}; {follows} {}", names.join(", "), path.display()));
        self.warnings
            .extend(inspection.problems.into_iter().map(|problem| format!("policy_path: {problem}")));
        for file in inspection.ignored {
            self.warn(format!(
                "policy_path: {} is not looked at: it is not named *.json; rename it if it is a policy file",
                file.display()
            ));
        }
    }

    fn certify(&mut self, config: &Config, own_authority: Option<Vec<u8>>) {
        // The check of the TLS files reports their errors.
        let trusted = tls::certificates("ca_path", &config.ca_path).unwrap_or_default();
        let chain = tls::certificates("certificate_path", &config.certificate_path).unwrap_or_default();
        if let Err(error) = authority::load(config, &trusted, &chain, own_authority) {
            self.errors.push(error.into());
        }
        if let Err(error) = server_information::read(config) {
            self.errors.push(error.into());
        }
        let Some(path) = &config.certify_ca_certificate else { return };
        if let Some(certificate) =
            tls::certificates("certify_ca_certificate", path).unwrap_or_default().first()
        {
            self.fact(format!("Signs for Certify with {}", expiry::described(certificate, path)));
            let name = format!("certify_ca_certificate: the certificate in {}", path.display());
            self.validity(&name, certificate);
        }
    }

    fn services(&mut self, config: &Config) {
        for plugin in &config.auth_plugins {
            let url = plugin.url.as_deref().unwrap_or_default();
            if !AuthPlugin::is_slugs(&plugin.name) {
                self.warn(format!(
                    "[{}]: there is no such authentication service; it is ignored; remove the section",
                    plugin.name
                ));
            } else if plugin.enabled {
                match super::service(plugin) {
                    Ok(_) => self.fact(format!("Asks the SLUGS service {url} for groups")),
                    Err(error) => self.errors.push(error.into()),
                }
            }
        }
    }

    /// Reports the client endpoints, and checks that the server's certificate is for TLS clients, too.
    fn client_endpoints(&mut self, config: &Config, leaf: Option<&CertificateDer<'_>>) {
        for endpoint in &config.client_endpoints {
            let (user, host, port) = (&endpoint.user, &endpoint.host, endpoint.port);
            self.fact(format!("Sends Put and Notify for {user} to {host}, port {port}"));
        }
        let leaf = leaf.and_then(|leaf| Parsed::from_der(leaf).ok());
        let usage = leaf.and_then(|leaf| leaf.tbs_certificate.get::<ExtendedKeyUsage>().ok().flatten());
        if !config.client_endpoints.is_empty()
            && usage.is_some_and(|(_, usage)| !usage.0.contains(&ID_KP_CLIENT_AUTH))
        {
            self.warn(
                "client_endpoints: the extended key usage of the server's certificate is not for clients; listeners \
                 that verify it refuse the server; issue a certificate for client authentication, too"
                    .to_owned(),
            );
        }
    }

    fn files(&mut self, config: &Config) {
        let level = Level::NAMES.iter().find(|(_, level)| *level == config.logging_level);
        let level = level.map_or("", |(name, _)| name);
        // Without the feature, the program logs to standard error.
        let log = Some(config.log_path.as_path()).filter(|_| cfg!(feature = "log-file"));
        let destination = log.map_or_else(|| "standard error".to_owned(), logging::destination);
        self.fact(format!("Logs to {destination} from the level {level} on"));
        if let Some(audit) = audit::path(config) {
            let required =
                if config.audit_required { ", and refuses operations that it cannot audit" } else { "" };
            self.fact(format!("Writes the audit log to {}{required}", logging::destination(&audit)));
        }
        // Both logs usually have the same folder.
        let paths = log.map(Path::to_owned).into_iter().chain(audit::path(config));
        let error = paths.filter_map(|path| logging::check_writable(&path).err()).next();
        self.errors.extend(error.map(StartError::Log));
        if let Some(path) = &config.status_path {
            self.fact(format!("Writes its state to {}", path.display()));
            if !path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
                self.warn(format!("status_path: the folder of {} does not exist; create it", path.display()));
            }
        }
        for key in key_files::exposed(config) {
            if config.strict_file_modes {
                self.errors.push(Error::KeyFile(key).into());
            } else {
                self.warn(key.to_string());
            }
        }
    }
}

/// Binds a socket to the address as a server would, and closes it without listening.
fn try_bind(address: SocketAddr) -> io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(bind(&socket, &address)?)
}

/// Inspects the database with the key encryption key of the settings, without changing it.
///
/// # Errors
/// Returns the error that a server would report that starts on the database.
pub fn inspect(config: &Config) -> Result<Inspection, store::Error> {
    let key = config.key_encryption_key_path.as_deref().map(KeyEncryptionKey::read).transpose()?;
    inspected(config, key.as_ref())
}

fn inspected(config: &Config, key: Option<&KeyEncryptionKey>) -> Result<Inspection, store::Error> {
    if store::is_url(&config.database_path) {
        return inspect_database(config, key);
    }
    store::inspect(&config.database_path, key, &pykmip_import::complete)
}

/// Describes what the server would do with the database.
#[cfg(feature = "postgres")]
fn inspect_database(config: &Config, key: Option<&KeyEncryptionKey>) -> Result<Inspection, store::Error> {
    store::Postgres::inspect(&config.database_path, key, config.database_connect_timeout)
}

#[cfg(not(feature = "postgres"))]
fn inspect_database(_: &Config, _: Option<&KeyEncryptionKey>) -> Result<Inspection, store::Error> {
    Err(store::Error::Url { why: store::UrlProblem::Unsupported })
}

fn described_database(path: &Path, inspection: Inspection, seals: bool) -> String {
    let path = path.display();
    match inspection {
        Inspection::New if seals => format!("Makes a new database, {path}, with its objects sealed"),
        Inspection::New => format!("Makes a new database, {path}"),
        Inspection::Pykmip { objects } => {
            let then = if seals { " and seals them" } else { "" };
            format!("Takes over {objects} objects of PyKMIP's server in {path}{then}")
        }
        Inspection::Ours { objects, is_older, is_sealed } => {
            let objects = objects.map_or_else(|| "the".to_owned(), |objects| objects.to_string());
            let sealed = match (is_sealed, seals) {
                (true, _) => ", which are sealed",
                (false, true) => ", and seals them",
                (false, false) => "",
            };
            let older = if is_older { "; brings it up to date first" } else { "" };
            format!("Serves {objects} objects in {path}{sealed}{older}")
        }
    }
}

/// Splits a result, with the default value in place of one that is missing.
fn split<T: Default, E>(result: Result<T, E>) -> (T, Option<E>) {
    match result {
        Ok(value) => (value, None),
        Err(error) => (T::default(), Some(error)),
    }
}

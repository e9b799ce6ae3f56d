//! The certificates of `auto_certificates`: the first start makes them, later starts use them, add those of new clients
//! and renew what is no longer of use. A folder with only a part of the files is an error, and does not change.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::{Error, FILE_MODE, Files, Pki, ROOT_KEY, write};
use crate::config::Config;
use crate::control::ClientFiles;
use crate::crypto;
use crate::encoding::http_date;
use crate::private_file;
use crate::secret::Secret;
use crate::url;
use crate::x509::Certificate;

/// The file of the token of the management interface.
const TOKEN: &str = "management_token";

/// The length of a token in bytes, before its hexadecimal form.
const TOKEN_LENGTH: usize = 20;

/// The maximum length of the file of a token.
const MAX_TOKEN_FILE: u64 = 4096;

/// The names of this machine and their addresses.
const HOSTS: &str = "/etc/hosts";

/// What to do with files that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Make them.
    Make,
    /// Change nothing.
    Examine,
}

/// A server with its certificates.
#[derive(Debug)]
pub struct Automatic {
    /// The configuration, which names the certificates and the token.
    pub config: Config,
    /// The clients.
    pub clients: Vec<ClientFiles>,
    /// Whether the certificates exist. [`Task::Examine`] does not make them.
    pub exists: bool,
    /// What was done, or what a start will do, for standard output. Contains the token of the management interface.
    pub notes: Vec<String>,
}

/// Returns the configuration with the certificates in the folder of `auto_certificates`, or `None` if the settings do not
/// use that folder.
///
/// # Errors
/// Returns [`Error::Beside`] if only a part of the certificates has settings of its own, [`Error::Incomplete`] if the folder
/// has only a part of the files, [`Error::Expired`] if its authority has expired, and the errors of [`Pki::make`].
pub fn prepare(config: &Config, task: Task) -> Result<Option<Automatic>, Error> {
    let Some(folder) = used_folder(config)? else { return Ok(None) };
    let clients = &config.auto_certificate_clients;
    let default = Pki::default();
    let pki = Pki {
        clients: if clients.is_empty() { default.clients } else { clients.clone() },
        hosts: hosts(config, &node_name(), &fs::read_to_string(HOSTS).unwrap_or_default()),
        elliptic: true,
        port: config.port,
        ..default
    };
    let stems = pki.checked_stems()?;
    // Only a folder that exists has a canonical path.
    let folder = folder.canonicalize().unwrap_or(folder);
    let files = pki.files(&folder, &stems);
    let mut notes = Vec::new();
    let named = pki.clients.join(", ");
    let exists = match contents(&pki, &files, &folder)? {
        Contents::Nothing if task == Task::Examine => {
            notes.push(format!("Makes certificates of the server and of {named} in {}", folder.display()));
            false
        }
        Contents::Nothing => {
            pki.make(&folder)?;
            notes.push(format!("Made certificates of the server and of {named} in {}", folder.display()));
            true
        }
        Contents::Lacks(new) => {
            if task == Task::Make && !new.is_empty() {
                Pki { clients: new.clone(), ..pki.clone() }.add_clients(&folder)?;
                notes.push(format!("Made certificates of {} in {}", new.join(", "), folder.display()));
            }
            renew(&pki, &files, &folder, task, &mut notes)?;
            true
        }
    };
    let folder = folder.canonicalize().unwrap_or(folder);
    let files = pki.files(&folder, &stems);
    let mut config = config.clone();
    if let Some(token) = token_for(&config, &folder, task, &mut notes)? {
        config.management_token = Some(token);
    }
    config.certificate_path.clone_from(&files.server_certificate);
    config.key_path = Some(files.server_key.clone());
    config.ca_path.clone_from(&files.ca);
    config.auto_certificates = None;
    let clients = files.of_clients(&pki.clients);
    Ok(Some(Automatic { config, clients, exists, notes }))
}

/// Returns the folder, unless the server has certificates of its own.
fn used_folder(config: &Config) -> Result<Option<PathBuf>, Error> {
    let Some(folder) = &config.auto_certificates else { return Ok(None) };
    let settings = [
        ("certificate_path", !config.certificate_path.as_os_str().is_empty()),
        ("ca_path", !config.ca_path.as_os_str().is_empty()),
        ("key_path", config.key_path.is_some()),
    ];
    match settings {
        [(_, true), (_, true), _] => Ok(None),
        [(_, false), (_, false), (_, false)] => Ok(Some(folder.clone())),
        _ => {
            let of =
                |wanted| settings.iter().filter(move |(_, is_set)| *is_set == wanted).map(|(name, _)| *name);
            // The certificate's file may contain the key.
            let missing = of(false).filter(|name| *name != "key_path").collect();
            Err(Error::Beside { set: of(true).collect(), missing })
        }
    }
}

/// The state of a folder.
enum Contents {
    /// It does not exist, or has none of the files.
    Nothing,
    /// It has all files except those of these clients.
    Lacks(Vec<String>),
}

fn contents(pki: &Pki, files: &Files, folder: &Path) -> Result<Contents, Error> {
    let root_key = folder.join(ROOT_KEY);
    let own = [&files.ca, &root_key, &files.server_certificate, &files.server_key];
    let of_clients = files.clients.iter().flat_map(|(certificate, key)| [certificate, key]);
    let incomplete = |present: &PathBuf, missing: &PathBuf| {
        Err(Error::Incomplete { present: present.clone(), missing: missing.clone() })
    };
    let present = own.into_iter().chain(of_clients).find(|path| path.exists());
    let Some(present) = present else { return Ok(Contents::Nothing) };
    if let Some(missing) = own.into_iter().find(|path| !path.exists()) {
        return incomplete(present, missing);
    }
    let mut new = Vec::new();
    for (name, (certificate, key)) in pki.clients.iter().zip(&files.clients) {
        match (certificate.exists(), key.exists()) {
            (true, true) => {}
            (false, false) => new.push(name.clone()),
            (true, false) => return incomplete(certificate, key),
            (false, true) => return incomplete(key, certificate),
        }
    }
    Ok(Contents::Lacks(new))
}

/// Issues an expired certificate again, and that of the server if it lacks a name. The keys remain.
fn renew(pki: &Pki, files: &Files, folder: &Path, task: Task, notes: &mut Vec<String>) -> Result<(), Error> {
    let until = |certificate: &Certificate| certificate.validity.map(|(_, until)| until);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let is_over = |certificate: &Certificate| until(certificate).is_some_and(|until| until.0 <= now);
    let ca = read(&files.ca)?;
    if is_over(&ca) {
        let since = until(&ca).map(http_date).unwrap_or_default();
        return Err(Error::Expired { path: files.ca.clone(), since });
    }
    let server = read(&files.server_certificate)?;
    let names = server.host_names();
    let lacks = pki.hosts.iter().find(|host| !names.iter().any(|name| name.eq_ignore_ascii_case(host)));
    let server_reason = if is_over(&server) {
        Some("it has expired".to_owned())
    } else {
        lacks.map(|host| format!("it lacks the name {host}"))
    };
    // Another program may have made the folder. Its certificates serve until they expire.
    let root = pki.found_root(&files.ca, folder);
    if let Some(reason) = server_reason
        && (is_over(&server) || root.is_ok())
    {
        let what = format!("the certificate of the server, because {reason}");
        reissue(&files.server_certificate, &files.server_key, &what, task, notes, |key| {
            pki.server_certificate(key, root.as_ref().map_err(Error::again)?)
        })?;
    }
    for (name, (certificate, key)) in pki.clients.iter().zip(&files.clients) {
        if certificate.exists() && is_over(&read(certificate)?) {
            let what = format!("the certificate of {name}, because it has expired");
            reissue(certificate, key, &what, task, notes, |key| {
                pki.client_certificate(name, key, root.as_ref().map_err(Error::again)?)
            })?;
        }
    }
    Ok(())
}

fn reissue(
    path: &Path,
    key: &Path,
    what: &str,
    task: Task,
    notes: &mut Vec<String>,
    issue: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, Error>,
) -> Result<(), Error> {
    if task == Task::Examine {
        notes.push(format!("Renews {what}"));
        return Ok(());
    }
    let text = Zeroizing::new(fs::read_to_string(key).map_err(|cause| io_error(key, cause))?);
    let pem = issue(&KeyPair::from_pem(&text)?)?.pem();
    let temporary = path.with_extension("new");
    // An earlier start may have been interrupted.
    drop(fs::remove_file(&temporary));
    write(&temporary, pem.as_bytes()).map_err(|cause| io_error(&temporary, cause))?;
    fs::rename(&temporary, path).map_err(|cause| io_error(path, cause))?;
    notes.push(format!("Renewed {what}"));
    Ok(())
}

fn read(path: &Path) -> Result<Certificate, Error> {
    let bytes = fs::read(path).map_err(|cause| io_error(path, cause))?;
    let unusable =
        |error: &dyn std::fmt::Display| Error::Authority { path: path.to_owned(), why: error.to_string() };
    let der = CertificateDer::from_pem_slice(&bytes).map_err(|error| unusable(&error))?;
    Ok(Certificate::read(&der))
}

fn io_error(path: &Path, cause: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), cause }
}

/// Returns the names and addresses of the server, each once, in lower case.
fn hosts(config: &Config, node: &str, hosts_file: &str) -> Vec<String> {
    let is_unspecified = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let mut all = Pki::default().hosts;
    // A container's address is beside its name in that file.
    let addresses = hosts_file.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?;
        words.any(|word| word.eq_ignore_ascii_case(node)).then(|| address.to_owned())
    });
    let hostname = config.hostname.split('%').next().unwrap_or_default();
    all.push(node.to_owned());
    all.extend(addresses);
    all.push(hostname.to_owned());
    all.extend(config.auto_certificate_hosts.iter().cloned());
    let mut hosts: Vec<String> = Vec::new();
    for host in all {
        // The form in which a certificate's addresses are read.
        let host =
            host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string());
        let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name && !is_unspecified(&host) && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the token of the management interface in the folder, if there is one.
pub fn token(folder: &Path) -> Option<Secret> {
    let path = folder.join(TOKEN);
    let is_short = fs::metadata(&path).is_ok_and(|it| it.is_file() && it.len() <= MAX_TOKEN_FILE);
    let text = is_short.then(|| fs::read(&path).ok())??;
    Some(Secret::new(text.trim_ascii().to_vec())).filter(|token| !token.is_empty())
}

/// Returns the token of a management interface that other machines can reach, and makes it if it does not exist.
fn token_for(
    config: &Config,
    folder: &Path,
    task: Task,
    notes: &mut Vec<String>,
) -> Result<Option<Secret>, Error> {
    let address = config.management_address.as_deref().unwrap_or_default();
    let Ok((host, _)) = url::endpoint(address) else { return Ok(None) };
    let is_local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    if is_local || config.management_token.is_some() {
        return Ok(None);
    }
    let path = folder.join(TOKEN);
    let found = match token(folder) {
        Some(found) => found,
        None => {
            let bytes = Zeroizing::new(crypto::random::bytes(TOKEN_LENGTH)?);
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let made = Secret::new(text.into_bytes());
            if task == Task::Make {
                write(&path, made.expose()).map_err(|cause| io_error(&path, cause))?;
            }
            made
        }
    };
    if task == Task::Make {
        notes.push(format!("Management token {}", String::from_utf8_lossy(found.expose())));
    }
    Ok(Some(found))
}

const _: () = assert!(FILE_MODE == private_file::MODE, "other users must not read the keys");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_names_of_its_container() {
        let mut config = Config::new("", "");
        config.hostname = String::new();
        config.auto_certificate_hosts =
            ["kmip", "KMIP", "0.0.0.0", "2001:DB8::1"].map(str::to_owned).to_vec();
        let file =
            "127.0.0.1 localhost\n172.17.0.2\t0a1b2c # this container\n172.17.0.3 other\n# 10.0.0.1 0a1b2c\n";
        let expected = ["localhost", "127.0.0.1", "::1", "0a1b2c", "172.17.0.2", "kmip", "2001:db8::1"]
            .map(str::to_owned);
        assert_eq!(hosts(&config, "0A1b2c", file), expected);
    }
}

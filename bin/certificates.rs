//! Certificates for trials and tests: `--make-certs`, and the temporary ones of `--demo`.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use kmip_server::internals::pki::{self, Pki};
use kmip_server::internals::server::ClientFiles;
use kmip_server::internals::settings::options::{self, MAKE_CERTS};

use super::command_line::{Failure, help, parse};

/// Creates the certificates that the command line requests. Returns the options of a server and a client for them.
pub(crate) fn make(arguments: &[OsString]) -> Result<String, Failure> {
    let wrong = |error: &dyn Display| Failure::of_command_line(error);
    let matches = parse(options::CERTIFICATE_OPTIONS, arguments.iter().cloned())?;
    if matches.opt_present(options::HELP) {
        return Ok(help());
    }
    if let Some(free) = matches.free.first() {
        return Err(wrong(&format!("the argument '{free}' belongs to no option")));
    }
    let mut pki = Pki { elliptic: matches.opt_present("ec"), ..Pki::default() };
    let given = |name| Some(matches.opt_strs(name)).filter(|names| !names.is_empty());
    pki.clients = given("client").unwrap_or(pki.clients);
    pki.hosts = given("host").unwrap_or(pki.hosts);
    let not_a_number = |name: &str| {
        let value = matches.opt_str(name).unwrap_or_default();
        wrong(&format!("the option --{name} cannot be '{value}': expected a number"))
    };
    pki.days = matches.opt_get_default("days", pki.days).map_err(|_| not_a_number("days"))?;
    pki.port = matches.opt_get_default("port", pki.port).map_err(|_| not_a_number("port"))?;
    let password = matches.opt_str("pkcs12").map(|path| pki::read_password(Path::new(&path)));
    pki.container_password = password.transpose()?;
    let folder = PathBuf::from(matches.opt_str(MAKE_CERTS).unwrap_or_default());
    // Options that concern the server would have no effect on an authority that exists.
    if folder.join("root_certificate.pem").exists() && given("client").is_some() && given("host").is_none() {
        let files = pki.add_clients(&folder)?;
        return Ok(format!(
            "Added to the authority in {}: {}.\nThe settings of PyKMIP's client:\n  {}",
            folder.display(),
            pki.clients.join(", "),
            files.client_settings.display()
        ));
    }
    let files = pki.make(&folder)?;
    Ok(format!(
        "The server:\n  run_server -n 127.0.0.1 -p {} -c {} -k {} -a {} -s Basic\nThe settings of PyKMIP's client:\n  {}",
        pki.port,
        files.server_certificate.display(),
        files.server_key.display(),
        files.ca.display(),
        files.client_settings.display(),
    ))
}

/// The folder of a trial server. It is removed when dropped, unless the command line names it.
pub(crate) struct Trial {
    folder: PathBuf,
    is_kept: bool,
    files: pki::Files,
}

impl Trial {
    /// Creates the folder and the certificates of a server with this host name. Uses the certificates of an earlier trial
    /// in the folder `kept`.
    pub(crate) fn begin(kept: Option<&Path>, hostname: &str) -> Result<Self, Failure> {
        let mut pki = Pki { elliptic: true, ..Pki::default() };
        if !hostname.is_empty() && hostname != "*" && !pki.hosts.iter().any(|host| host == hostname) {
            pki.hosts.push(hostname.to_owned());
        }
        if let Some(folder) = kept {
            let files = match pki.find(folder)? {
                Some(files) => files,
                None => pki.make(folder)?,
            };
            return Ok(Self { folder: folder.to_owned(), is_kept: true, files });
        }
        let folder = env::temp_dir().join(format!("kmip-demo-{}", process::id()));
        // Fails if the folder exists: another user could have created it to read the keys.
        let created = create_private(&folder);
        created.map_err(|cause| pki::Error::Folder { path: folder.clone(), cause })?;
        // The folder is removed if its certificates cannot be created.
        let empty = pki::Files::default();
        let mut trial = Self { folder, is_kept: false, files: empty };
        trial.files = pki.make(&trial.folder)?;
        Ok(trial)
    }

    /// Returns the options of a server in memory, on a free port, with these certificates.
    pub(crate) fn options(&self) -> [(&'static str, String); 6] {
        let path = |path: &Path| path.display().to_string();
        [
            ("hostname", "127.0.0.1".to_owned()),
            ("port", "0".to_owned()),
            ("certificate_path", path(&self.files.server_certificate)),
            ("key_path", path(&self.files.server_key)),
            ("ca_path", path(&self.files.ca)),
            ("database_path", ":memory:".to_owned()),
        ]
    }

    #[cfg(feature = "log-file")]
    /// Returns the path of the server's log.
    pub(crate) fn log_path(&self) -> String {
        self.folder.join("server.log").display().to_string()
    }

    /// Returns the clients.
    pub(crate) fn clients(&self) -> Vec<ClientFiles> {
        self.files.of_clients(&Pki::default().clients)
    }

    /// Returns Python lines that create a first key with PyKMIP's client at the server on this address.
    pub(crate) fn lines(&self, address: SocketAddr) -> String {
        let (certificate, key) = match self.files.clients.first() {
            Some((certificate, key)) => (certificate.as_path(), key.as_path()),
            None => (Path::new(""), Path::new("")),
        };
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip => ip.to_string(),
        };
        format!(
            "from kmip import enums\n\
             from kmip.pie.client import ProxyKmipClient\n\n\
             client = ProxyKmipClient(hostname=\"{host}\", port={}, ssl_version=\"PROTOCOL_SSLv23\",\n    \
             cert={:?}, key={:?},\n    ca={:?})\n\
             client.open()\n\
             uid = client.create(enums.CryptographicAlgorithm.AES, 256, name=\"first key\")\n\
             print(uid, client.get(uid))\n",
            address.port(),
            certificate,
            key,
            self.files.ca,
        )
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

//! What the program does instead of serving by its settings: making certificates, and a server for a trial.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use getopts::Options;
use kmip_server::internals::pki::{self, Pki};

use super::Problem;

/// Whether the command line asks for certificates, whose options are others than the server's.
pub(crate) fn wants_certificates(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument == "--make-certs" || argument.starts_with("--make-certs="))
}

/// What `--help` says of it.
pub(crate) fn certificate_options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "Shows this and exits.");
    options.reqopt("", "make-certs", "The folder to write into; nothing in it is written over.", "DIR");
    options.optmulti(
        "",
        "client",
        "The common name of a client; John Doe and Jane Doe where none is given.",
        "NAME",
    );
    options.optmulti(
        "",
        "host",
        "A name or address that clients reach the server by; those of this machine where none is given.",
        "NAME",
    );
    options.optopt("", "days", "How long the certificates hold; 3650 where not given.", "N");
    options.optflag("", "ec", "Makes keys of the curve P-256, not RSA of 2048 bits.");
    options.optopt(
        "",
        "pkcs12",
        "Makes a PKCS#12 container for each client too, under the password in that file.",
        "PASSWORD_FILE",
    );
    options.optopt(
        "p",
        "port",
        "The server's port, for the clients' settings; 5696 where not given.",
        "PORT",
    );
    options
}

/// Makes the certificates that the command line asks for, and tells what they are for.
pub(crate) fn make_certificates(arguments: &[OsString]) -> Result<String, Problem> {
    let wrong = |error: &dyn Display| Problem::of_command_line(error);
    let matches = certificate_options().parse(arguments).map_err(|error| wrong(&error))?;
    if let Some(free) = matches.free.first() {
        return Err(wrong(&format!("'{free}' belongs to no option")));
    }
    let mut pki = Pki { elliptic: matches.opt_present("ec"), ..Pki::default() };
    let given = |name| Some(matches.opt_strs(name)).filter(|names| !names.is_empty());
    pki.clients = given("client").unwrap_or(pki.clients);
    pki.hosts = given("host").unwrap_or(pki.hosts);
    let number = |name: &str| wrong(&format!("--{name} takes a number"));
    pki.days = matches.opt_get_default("days", pki.days).map_err(|_| number("days"))?;
    pki.port = matches.opt_get_default("port", pki.port).map_err(|_| number("port"))?;
    let password = matches.opt_str("pkcs12").map(|path| pki::read_password(Path::new(&path)));
    pki.container_password = password.transpose()?;
    let folder = PathBuf::from(matches.opt_str("make-certs").unwrap_or_default());
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

/// A folder for a trial, gone when it ends.
pub(crate) struct Trial {
    folder: PathBuf,
    files: pki::Files,
}

impl Trial {
    /// Makes folder and certificates.
    pub(crate) fn begin() -> Result<Self, Problem> {
        let folder = env::temp_dir().join(format!("kmip-demo-{}", process::id()));
        // Made here, and by nobody before: whoever makes folders in the system's own could wait for keys.
        make_private(&folder)?;
        let files = Pki { elliptic: true, ..Pki::default() }.make(&folder)?;
        Ok(Self { folder, files })
    }

    /// The options of a server in memory that shows and trusts these certificates, on a free port.
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

    /// The log of the trial, gone with it.
    pub(crate) fn log_path(&self) -> String {
        self.folder.join("server.log").display().to_string()
    }

    /// The lines to paste into a Python that has PyKMIP.
    pub(crate) fn lines(&self, port: u16) -> String {
        let (certificate, key) = match self.files.clients.first() {
            Some((certificate, key)) => (certificate.as_path(), key.as_path()),
            None => (Path::new(""), Path::new("")),
        };
        format!(
            "from kmip import enums\n\
             from kmip.pie.client import ProxyKmipClient\n\n\
             client = ProxyKmipClient(hostname=\"127.0.0.1\", port={port}, ssl_version=\"PROTOCOL_SSLv23\",\n    \
             cert={:?}, key={:?},\n    ca={:?})\n\
             client.open()\n\
             uid = client.create(enums.CryptographicAlgorithm.AES, 256, name=\"first key\")\n\
             print(uid, client.get(uid))\n",
            certificate, key, self.files.ca,
        )
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

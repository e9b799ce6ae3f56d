//! Reads the certificates of a running server again: if a file changes, and on request.
//!
//! All files are read and checked by the code of the start. If they cannot be used together, what was read before stays
//! in force: a renewal replaces one file after the other.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::CertificateDer;

use super::expiry::{self, DAY, Reminder};
use super::tls::{CurrentTls, Files, TlsConfig};
use super::{Error, LOG, authority, key_files};
use crate::config::Config;
use crate::dispatch::audit::Sink;
use crate::engine::{Authority, IssuingKeys};
use crate::file_stamp::FileStamp;
use crate::store::Store;

/// The time between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(2);

/// A message to the thread that reads the certificates.
enum Message {
    /// Contains what is dropped when the files were read.
    Reload(Option<Sender<Infallible>>),
    Stop,
}

/// A handle that makes a server read its certificates and open its audit log again, from any thread. A server with the
/// setting `live_certificates` also reads its certificates if one of their files changes.
///
/// ```no_run
/// use kmip_server::{Config, Server};
///
/// let server = Server::bind(&Config::new("server.pem", "ca.pem"))?;
/// let reload = server.reload();
/// std::thread::spawn(move || server.run());
/// reload.request();
/// # Ok::<(), kmip_server::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reload(Sender<Message>);

impl Reload {
    /// Requests that the certificates are read again, and returns at once. The log contains the result.
    pub fn request(&self) {
        // The server has ended if nothing receives the message.
        drop(self.0.send(Message::Reload(None)));
    }

    /// Requests that the certificates are read again, and returns when they were read.
    pub fn wait(&self) {
        let (done, read) = mpsc::channel();
        if self.0.send(Message::Reload(Some(done))).is_ok() {
            // Nothing is sent: the end of the channel is the answer.
            let _ = read.recv();
        }
    }
}

/// What signs the certificates of Certify.
pub(super) struct Certify {
    pub(super) authority: Arc<Authority>,
    /// The store that contains the server's own authority.
    pub(super) store: Arc<dyn Store>,
}

impl Certify {
    /// Returns the certificate of the server's own authority, if it has been used.
    fn stored(&self) -> Result<Option<CertificateDer<'static>>, Error> {
        Ok(Authority::stored(|name| self.store.server_state(name))?.map(CertificateDer::from))
    }
}

/// The certificates of a running server, and the files that they come from.
pub(super) struct Certificates {
    config: Config,
    tls: Arc<CurrentTls>,
    certify: Option<Certify>,
    /// The audit log, which a request opens again.
    audit: Option<Arc<dyn Sink>>,
    /// The stamps of the files before they were read last; `None` for a file without metadata.
    stamps: Vec<Option<FileStamp>>,
    /// Whether equal stamps prove that the files are unchanged.
    settled: bool,
    problem: Option<Problem>,
    /// When to warn about certificates that expire.
    reminder: Reminder,
    messages: (Sender<Message>, Receiver<Message>),
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// The files could not be used when they were read last.
#[derive(Default)]
struct Problem {
    /// The error that the log contains, if any.
    reported: Option<String>,
}

impl Certificates {
    /// Returns the certificates of a server with this TLS configuration.
    pub(super) fn new(config: &Config, tls: Arc<CurrentTls>, certify: Option<Certify>) -> Self {
        Self {
            config: config.clone(),
            tls,
            certify,
            audit: None,
            stamps: Vec::new(),
            settled: false,
            problem: None,
            reminder: Reminder::default(),
            messages: mpsc::channel(),
        }
    }

    /// Opens this audit log again at each request.
    pub(super) fn reopen(&mut self, audit: Option<Arc<dyn Sink>>) {
        self.audit = audit;
    }

    /// Returns a handle that requests a reload.
    pub(super) fn handle(&self) -> Reload {
        Reload(self.messages.0.clone())
    }

    /// Returns a function that ends [`run`](Self::run).
    pub(super) fn stopper(&self) -> impl FnOnce() + use<> {
        let sender = self.messages.0.clone();
        move || drop(sender.send(Message::Stop))
    }

    /// Follows the files, if the settings allow it, and requests, until the server stops. Warns daily about certificates
    /// that expire.
    pub(super) fn run(mut self) {
        loop {
            let mut wait = self.reminder.wait(Instant::now());
            if wait.is_zero() {
                self.remind(SystemTime::now());
                wait = DAY;
            }
            if self.config.live_certificates {
                wait = INTERVAL;
            }
            match self.messages.1.recv_timeout(wait) {
                Ok(Message::Reload(done)) => {
                    self.audit.iter().for_each(|audit| audit.reopen());
                    self.reload(true);
                    drop(done);
                }
                Err(RecvTimeoutError::Timeout) if self.config.live_certificates => {
                    self.look(SystemTime::now())
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn remind(&self, now: SystemTime) {
        let tls = self.tls.snapshot();
        for warning in expiry::warnings(&self.config, tls.chain(), tls.trusted(), now) {
            log::warn!(target: LOG, "{warning}.");
        }
    }

    /// Reads the files again if one of them has changed, or if they could not be used.
    fn look(&mut self, now: SystemTime) {
        // Before the files are read, so that no later change is missed.
        let stamps = self.stamps();
        if self.settled && self.problem.is_none() && stamps == self.stamps {
            return;
        }
        self.settled = stamps.iter().all(|stamp| stamp.is_none_or(|stamp| stamp.is_settled(now)));
        self.stamps = stamps;
        self.reload(false);
    }

    fn stamps(&self) -> Vec<Option<FileStamp>> {
        let config = &self.config;
        let files = [
            Some(&config.certificate_path),
            config.key_path.as_ref(),
            Some(&config.ca_path),
            config.certify_ca_certificate.as_ref(),
            config.certify_ca_key.as_ref(),
        ];
        let stamp = |path| fs::metadata(path).ok().and_then(|metadata| FileStamp::of(&metadata).ok());
        files.into_iter().flatten().map(stamp).collect()
    }

    /// Reads the files, and puts them in force if they can be used together. Without a request, only the second failure
    /// in a row is an error.
    fn reload(&mut self, requested: bool) {
        match self.replace() {
            Ok(is_new) => {
                let was_reported = self.problem.take().is_some_and(|problem| problem.reported.is_some());
                if is_new {
                    let tls = self.tls.snapshot();
                    let shown = tls
                        .chain()
                        .first()
                        .map(|leaf| expiry::described(leaf, &self.config.certificate_path));
                    log::info!(
                        target: LOG,
                        "The certificates were read again and are in use: {}; {} certificates in ca_path.",
                        shown.unwrap_or_default(),
                        tls.trusted().len()
                    );
                    self.reminder.hurry();
                } else if requested || was_reported {
                    log::info!(target: LOG, "The certificates were read again: they are those in use.");
                }
            }
            Err(error) => {
                let error = error.to_string();
                let is_first = self.problem.is_none();
                let problem = self.problem.get_or_insert_default();
                if problem.reported.as_ref() != Some(&error) && (requested || !is_first) {
                    log::error!(
                        target: LOG,
                        "The certificates on disk are not used: {error}. The server still uses those of the last \
                         reading; correct the files."
                    );
                    problem.reported = Some(error);
                }
            }
        }
    }

    /// Puts what the files contain in force. Returns whether it differs from what was in force.
    ///
    /// # Errors
    /// Returns the error with which a server would not start; then nothing has changed.
    fn replace(&self) -> Result<bool, Error> {
        let files = Files::read(&self.config)?;
        let mut issuer = None;
        if let Some(certify) = &self.certify {
            let own = certify.stored()?;
            issuer = authority::issuer(&self.config, &files.trusted, files.chain(), own.as_ref())?;
            // Only a new one.
            issuer = issuer.filter(|issuer| !certify.authority.is(issuer));
        }
        if issuer.is_none() && self.tls.snapshot().has(&files) {
            return Ok(false);
        }
        key_files::check(&self.config)?;
        files.announce();
        let issuing: Arc<IssuingKeys> =
            self.certify.as_ref().map(|certify| certify.authority.keys()).unwrap_or_default();
        let tls = TlsConfig::new(&self.config, files.identity, files.trusted, issuing)?;
        // The keys of an authority authenticate no client, from before its first certificate.
        if let (Some(certify), Some(issuer)) = (&self.certify, issuer) {
            certify.authority.replace(issuer);
        }
        tls.announce();
        self.tls.replace(tls);
        Ok(true)
    }
}

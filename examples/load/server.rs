//! The measured processes: each is started on a free port, observed, and ended by its handle.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;
use super::client::Pki;

/// The time limit for the start of a server: PyKMIP's needs seconds on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The unit in which Linux reports the time of processes.
const MILLISECONDS_PER_TICK: u64 = 10;

/// A running server.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    /// The port of the management interface, if there is one.
    pub(crate) management: Option<u16>,
    /// The time from the start of the process until it listened.
    pub(crate) ready: Duration,
    /// Whether the process is the leader of a new process group.
    leads_a_group: bool,
}

impl Running {
    /// Starts this server with its database and log in `folder`, at log level INFO, which is the default.
    pub(crate) fn ours(binary: &Path, pki: &Pki, folder: &Path) -> Result<Self, Failure> {
        Self::ours_with(binary, pki, folder, "")
    }

    /// Starts the same server with additional lines in its settings file.
    pub(crate) fn ours_with(
        binary: &Path,
        pki: &Pki,
        folder: &Path,
        settings: &str,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("server.conf"), format!("[server]\n{settings}\n"))?;
        let options = [
            ("-f", folder.join("server.conf")),
            ("-n", PathBuf::from("127.0.0.1")),
            ("-p", PathBuf::from("0")),
            ("-c", pki.path("server_certificate.pem")),
            ("-k", pki.path("server_key.pem")),
            ("-a", pki.path("root_certificate.pem")),
            ("-s", PathBuf::from("Basic")),
            ("-d", folder.join("kmip.database")),
            ("-l", folder.join("server.log")),
        ];
        let mut command = Command::new(binary);
        command.args(options.into_iter().flat_map(|(option, value)| [PathBuf::from(option), value]));
        Self::listening(command, settings.contains("management_address"))
    }

    /// Starts the ceiling, in a separate process like the servers.
    pub(crate) fn ceiling(pki: &Pki) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([OsStr::new("canned"), OsStr::new("-k"), pki.path("").as_os_str()]);
        Self::listening(command, false)
    }

    /// Starts PyKMIP's server, with the first example settings of its documentation.
    pub(crate) fn pykmip(binary: &Path, pki: &Pki, folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder.join("policies"))?;
        let folder = folder.canonicalize()?;
        // PyKMIP's server cannot select a free port.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = format!(
            "[server]\nhostname=127.0.0.1\nport={port}\ncertificate_path={}\nkey_path={}\nca_path={}\n\
             auth_suite=TLS1.2\npolicy_path={}\nenable_tls_client_auth=True\nlogging_level=INFO\ndatabase_path={}\n",
            pki.path("server_certificate.pem").canonicalize()?.display(),
            pki.path("server_key.pem").canonicalize()?.display(),
            pki.path("root_certificate.pem").canonicalize()?.display(),
            folder.join("policies").display(),
            folder.join("pykmip.database").display(),
        );
        fs::write(folder.join("server.conf"), settings)?;
        let mut command = Command::new(binary);
        command.arg("-f").arg(folder.join("server.conf")).arg("-l").arg(folder.join("server.log"));
        // It leaves a helper process behind, which is found by its process group.
        command.process_group(0);
        let output = File::create(folder.join("output.txt"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let begin = Instant::now();
        let ready = Duration::ZERO;
        let mut running =
            Self { child: command.spawn()?, port, management: None, ready, leads_a_group: true };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begin.elapsed() > START || running.child.try_wait()?.is_some() {
                let output = folder.join("output.txt");
                return Err(format!("PyKMIP's server does not listen; see {}", output.display()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        running.ready = begin.elapsed();
        Ok(running)
    }

    fn listening(mut command: Command, is_managed: bool) -> Result<Self, Failure> {
        let begin = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(output);
        output.read_line(&mut line)?;
        let ready = begin.elapsed();
        let port = line.strip_prefix("Listening on ").and_then(|rest| rest.split_whitespace().next());
        let port = port.and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| format!("{command:?} does not listen: it said {line:?}"))?;
        let mut management = None;
        if is_managed {
            line.clear();
            output.read_line(&mut line)?;
            management = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        }
        Ok(Self { child, port, management, ready, leads_a_group: false })
    }

    /// Returns the process identifier.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Returns the resident memory of the process, in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
        Ok(kib.ok_or("the system does not report the memory of a process")? * 1024)
    }

    /// Kills the process, like a crash.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Terminates the process by SIGTERM.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.leads_a_group {
            drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the processor time that a process has used, as Linux reports it; zero on other systems.
pub(crate) fn processor_time(process: &str) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program, in parentheses, may contain any character.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * MILLISECONDS_PER_TICK)
}

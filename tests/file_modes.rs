//! Who may read the files of the server: their modes, owners and links.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::{self, Authority, Pki, Running, within};

/// A user of the machine who is not the one that runs the tests.
const ANOTHER: u32 = 65_534;

fn arguments(pki: &Pki, database: &Path) -> Vec<String> {
    let mut arguments = pki.options();
    arguments.extend(["-d".to_owned(), database.display().to_string()]);
    arguments
}

fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(arguments).arg("--exit-on-eof").stdin(Stdio::null());
    command
}

/// Returns what a server says that starts, and stops at once.
fn run(arguments: &[String]) -> Output {
    command(arguments).output().unwrap()
}

/// Returns the error of a server that does not start.
fn refusal(arguments: &[String]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Creates a folder in which every user may create files, like `/tmp`.
fn sticky(pki: &Pki) -> PathBuf {
    let path = pki.folder.path("sticky");
    fs::create_dir(&path).unwrap();
    set_mode(&path, 0o1777);
    path
}

fn stop(mut server: Running) {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_start_takes_the_database_and_the_log_from_other_users() {
    let pki = Pki::new();
    let database = pki.folder.path("database");
    let mut server = Running::start(arguments(&pki, &database));
    server.child.kill().unwrap();
    server.wait();
    let files = ["", "-wal", "-shm"].map(|ending| beside(&database, ending));
    let log = pki.folder.path("server.log");
    files.iter().chain([&log]).for_each(|file| set_mode(file, 0o666));
    let server = Running::start(arguments(&pki, &database));
    for file in files.iter().chain([&log]) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    stop(server);

    // An empty file that another program created.
    let empty = pki.folder.write("empty", "");
    set_mode(&empty, 0o666);
    stop(Running::start(arguments(&pki, &empty)));
    assert_eq!(mode(&empty), 0o600);
}

#[test]
fn links_in_a_folder_for_every_user_are_refused() {
    let pki = Pki::new();
    let folder = sticky(&pki);
    stop(Running::start(arguments(&pki, &pki.folder.path("database"))));
    let link = |name: &str, target: PathBuf| {
        symlink(target, folder.join(name)).unwrap();
        folder.join(name)
    };
    let planted = [
        link("to-a-database", pki.folder.path("database")),
        link("to-nothing", pki.folder.path("missing")),
        folder.join("hard"),
    ];
    fs::hard_link(pki.folder.path("database"), &planted[2]).unwrap();
    for database in planted {
        let error = refusal(&arguments(&pki, &database));
        let is_named = error.contains(&database.display().to_string());
        assert!(is_named && error.contains("is a link"), "{error}");
    }
    assert!(!pki.folder.path("missing").exists());
    for ending in ["-wal", "-shm", "-journal"] {
        let database = folder.join(format!("with{ending}"));
        let target = pki.folder.write("target", "");
        symlink(target, beside(&database, ending)).unwrap();
        let error = refusal(&arguments(&pki, &database));
        assert!(error.contains("is a link") && error.contains(&format!("with{ending}{ending}")), "{error}");
    }
    let mut arguments = arguments(&pki, &folder.join("database"));
    arguments.extend(["-l".to_owned(), link("log", pki.folder.path("log")).display().to_string()]);
    let error = refusal(&arguments);
    assert!(error.contains("is a link") && !pki.folder.path("log").exists(), "{error}");
}

#[test]
fn a_log_path_may_be_a_link_to_a_file_that_does_not_exist() {
    let pki = Pki::new();
    let (link, target) = (pki.folder.path("link"), pki.folder.path("target"));
    symlink(&target, &link).unwrap();
    let mut arguments = pki.options();
    arguments.extend(["-l".to_owned(), link.display().to_string()]);
    stop(Running::start(arguments));
    assert_eq!(mode(&target), 0o600);
    assert!(fs::read_to_string(&target).unwrap().contains("Starting"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn files_of_another_user_are_refused_or_reported() {
    let pki = Pki::new();
    let planted = pki.folder.write("planted", "");
    if chown(&planted, Some(ANOTHER), None).is_err() {
        return harness::skip("only root can give a file to another user");
    }
    // Root in a container may have a database of another user.
    stop(Running::start(arguments(&pki, &planted)));
    let line = within(|| {
        pki.log()
            .lines()
            .find(|line| line.contains(" - WARNING - ") && line.contains("planted"))
            .map(str::to_owned)
    });
    assert!(line.contains("belongs to the user 65534"), "{line}");
    assert_eq!(fs::metadata(&planted).unwrap().uid(), ANOTHER);

    // Another user can plant a file in such a folder before the server starts.
    let folder = sticky(&pki);
    for ending in ["", "-wal", "-shm", "-journal"] {
        let database = folder.join(format!("with{ending}"));
        let planted = beside(&database, ending);
        fs::write(&planted, "").unwrap();
        chown(&planted, Some(ANOTHER), None).unwrap();
        let error = refusal(&arguments(&pki, &database));
        let is_named = error.contains(&planted.display().to_string());
        assert!(is_named && error.contains("belongs to the user 65534"), "{error}");
    }

    // A user who is not root.
    let database = pki.folder.path("database");
    stop(Running::start(arguments(&pki, &database)));
    drop(fs::remove_file(pki.folder.path("server.log")));
    let folder = pki.folder.path("");
    set_mode(&folder, 0o777);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path != database {
            chown(&path, Some(ANOTHER), None).unwrap();
        }
    }
    set_mode(&database, 0o666);
    match command(&arguments(&pki, &database)).uid(ANOTHER).output() {
        Err(error) => harness::skip(&format!("another user cannot execute the server: {error}")),
        Ok(output) => {
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("belongs to the user 0"), "{error}");
        }
    }
}

#[test]
fn key_files_that_others_can_read_are_reported_and_refused_in_strict_mode() {
    let pki = Pki::new();
    let kek = pki.folder.write("kek", [7; 32]);
    let authority = Authority::new("Certify CA");
    let certificate = pki.folder.write("certify.pem", authority.pem());
    let certify = pki.folder.write("certify.key", authority.credential.key_pem());
    let settings = format!(
        "key_encryption_key_path={}\ncertify_ca_certificate={}\ncertify_ca_key={}\n",
        kek.display(),
        certificate.display(),
        certify.display()
    );
    let database = pki.folder.path("database");
    let with = |extra: &str| {
        let mut arguments = arguments(&pki, &database);
        let settings = pki.settings(&format!("{settings}{extra}")).display().to_string();
        arguments.extend(["-f".to_owned(), settings]);
        arguments
    };
    let keys = [pki.folder.path("server.key"), kek, certify];
    keys.iter().for_each(|key| set_mode(key, 0o600));
    for (key, bits) in keys.iter().zip([0o640, 0o604, 0o644]) {
        set_mode(key, bits);
        drop(fs::remove_file(pki.folder.path("server.log")));
        stop(Running::start(with("")));
        let warnings: Vec<_> =
            pki.log().lines().filter(|line| line.contains(" - WARNING - ")).map(str::to_owned).collect();
        let [line] = &warnings[..] else { panic!("{warnings:?}") };
        let expected = format!("{} has the mode 0{bits:o}", key.display());
        assert!(line.contains(&expected) && line.contains("chmod 600"), "{line}");
        let error = refusal(&with("strict_file_modes=True"));
        assert!(error.contains(&expected), "{error}");

        let check = |extra| {
            let output = command(&with(extra)).arg("--check-config").output().unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            (output.status.code(), text)
        };
        let (code, text) = check("");
        assert!(code == Some(0) && text.contains(&expected), "{text}");
        let (code, text) = check("strict_file_modes=True");
        assert!(code == Some(1) && text.contains(&expected), "{text}");
        set_mode(key, 0o600);
    }
    stop(Running::start(with("strict_file_modes=True")));
}

//! Settings from files and options, and what the program says and returns when it starts and stops.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kmip_server::internals::config::{Announcement, AuthPlugin, AuthSuite, Config, Level, Section};
use kmip_server::internals::settings::{self, Settings};

use crate::harness::{Folder, Pki, Running, request, within};

/// Returns `config` after `change`.
pub(crate) fn with(mut config: Config, change: impl FnOnce(&mut Config)) -> Config {
    change(&mut config);
    config
}

/// A folder with the files that settings point at, and a settings file with `{}` for that folder.
fn file(text: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    for name in ["server.pem", "server.key", "ca.pem"] {
        folder.write(name, "");
    }
    let text = text.replace("{}", &folder.path("").display().to_string());
    let path = folder.write("server.conf", text);
    (folder, path)
}

const WHOLE: &str = "[server]\nhostname=127.0.0.1\nport=5696\ncertificate_path={}/server.pem\n\
                     key_path={}/server.key\nca_path={}/ca.pem\nauth_suite=Basic\n";

fn config(text: &str) -> Config {
    let (_folder, path) = file(text);
    Settings::from_file(&path).and_then(Settings::into_config).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    let (_folder, path) = file(text);
    let error = Settings::from_file(&path).and_then(Settings::into_config).unwrap_err().to_string();
    assert!(error.contains("server.conf"), "the file is not named: {error}");
    error
}

#[test]
fn a_file_as_pykmip_documents_it_is_read() {
    let config = config(&format!(
        "{WHOLE}policy_path=/tmp/policies\nenable_tls_client_auth=FALSE\ntls_cipher_suites=\n    \
         TLS_RSA_WITH_AES_128_CBC_SHA256\n    TLS_RSA_WITH_AES_256_CBC_SHA256\nlogging_level=debug\n\
         database_path=/tmp/pykmip.db\nmax_connections=7\nmax_request_size=4096\n\
         [auth:slugs]\nenabled=True\nurl=http://127.0.0.1:8080/slugs/\n[auth:slugs:second]\nenabled=False\n\
         [client]\npassword=5%\n"
    ));
    assert_eq!((config.hostname.as_str(), config.port), ("127.0.0.1", 5696));
    assert_eq!(config.policy_path.as_deref(), Some(Path::new("/tmp/policies")));
    assert!(!config.enable_tls_client_auth && config.live_policies);
    assert_eq!(
        config.tls_cipher_suites,
        ["TLS_RSA_WITH_AES_128_CBC_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"]
    );
    assert_eq!((config.logging_level, config.auth_suite), (Level::Debug, AuthSuite::Basic));
    assert_eq!(config.database_path, Path::new("/tmp/pykmip.db"));
    assert_eq!((config.max_connections, config.max_request_size), (7, 4096));
    let url = Some("http://127.0.0.1:8080/slugs/".to_owned());
    assert_eq!(
        config.auth_plugins,
        [
            AuthPlugin { name: "auth:slugs".to_owned(), enabled: true, url },
            AuthPlugin { name: "auth:slugs:second".to_owned(), enabled: false, url: None },
        ]
    );
}

#[test]
fn what_is_announced_is_read_line_by_line_and_section_by_section() {
    let settings = config(&format!(
        "{WHOLE}announced_profiles=\n    XML Server at https://kmip.example/kmip port 5696\n    JSON Server, \
         HTTPS Server\nannounced_manufacturer=Example Ltd\nannounced_version=7.8\n[validation:first]\n\
         authority=NIST CMVP\nlevel=1\n"
    ));
    let profiles = ["XML Server at https://kmip.example/kmip port 5696", "JSON Server", "HTTPS Server"];
    let entries = [("authority", "NIST CMVP"), ("level", "1")];
    let expected = Announcement {
        profiles: Some(profiles.map(str::to_owned).to_vec()),
        validations: vec![Section {
            name: "validation:first".to_owned(),
            entries: entries.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        }],
        manufacturer: Some("Example Ltd".to_owned()),
        version: Some("7.8".to_owned()),
        ..Announcement::default()
    };
    assert_eq!(settings.announced, expected);
    assert_eq!(config(&format!("{WHOLE}announced_profiles=None\n")).announced.profiles, Some(Vec::new()));
    assert_eq!(config(&format!("{WHOLE}announced_profiles=\n")).announced, Announcement::default());
}

#[test]
fn what_a_file_leaves_out_or_empty_has_its_default() {
    let empty = "policy_path=\ntls_cipher_suites=\ndatabase_path=\n";
    for text in [WHOLE.to_owned(), format!("{WHOLE}{empty}"), WHOLE.replace("127.0.0.1", "")] {
        let config = config(&text);
        assert_eq!((config.policy_path, config.tls_cipher_suites), (None, vec![]));
        assert_eq!(config.database_path, Path::new("/tmp/pykmip.database"));
        assert_eq!(config.log_path, Path::new("/var/log/pykmip/server.log"));
        assert_eq!((config.logging_level, config.enable_tls_client_auth), (Level::Info, true));
        assert_eq!((config.max_connections, config.max_request_size), (1024, 16 << 20));
    }
    assert_eq!(config(&WHOLE.replace("key_path={}/server.key\n", "")).key_path, None);
}

#[test]
fn each_missing_setting_is_named() {
    for name in ["hostname", "port", "certificate_path", "ca_path", "auth_suite"] {
        let lines = WHOLE.lines().filter(|line| !line.starts_with(name));
        let error = refusal(&lines.collect::<Vec<_>>().join("\n"));
        assert!(error.contains(&format!("'{name}' is missing")), "{error}");
        let error = Settings::default().into_config().unwrap_err().to_string();
        assert!(error.contains("'hostname' is missing"), "{error}");
    }
}

#[test]
fn unknown_settings_are_refused_by_name() {
    for name in ["log_path", "max_conections"] {
        assert!(refusal(&format!("{WHOLE}{name}=1\n")).contains(&format!("'{name}' does not exist")));
    }
    assert!(refusal(&format!("[DEFAULT]\nother=1\n{WHOLE}")).contains("'other' does not exist"));
}

#[test]
fn values_are_checked_and_named_with_their_setting() {
    let cases = [
        ("port=5696", "port=65536"),
        ("port=5696", "port=-1"),
        ("port=5696", "port="),
        ("port=5696", "port=kmip"),
        ("auth_suite=Basic", "auth_suite=basic"),
        ("auth_suite=Basic", "auth_suite=TLS1.1"),
        ("certificate_path={}/server.pem", "certificate_path={}/none.pem"),
        ("certificate_path={}/server.pem", "certificate_path="),
        ("key_path={}/server.key", "key_path={}/none.key"),
        ("ca_path={}/ca.pem", "ca_path={}/none.pem"),
        ("[server]", "[server]\nenable_tls_client_auth=maybe"),
        ("[server]", "[server]\nenable_tls_client_auth="),
        ("[server]", "[server]\nlogging_level=LOUD"),
        ("[server]", "[server]\nmax_connections=0"),
        ("[server]", "[server]\nmax_request_size=big"),
        ("[server]", "[server]\nclient_endpoints=john"),
        ("[server]", "[server]\nclient_endpoints=john=host"),
        ("[server]", "[server]\nclient_endpoints=john=host:0"),
        ("[server]", "[server]\nclient_endpoints==host:5697"),
        ("[server]", "[server]\nclient_endpoints=john=:5697"),
        ("[server]", "[server]\nclient_endpoints=john=https://john:secret@host:1"),
        ("[server]", "[server]\nclient_endpoints=john=one:5697, john=other:5697"),
        ("[server]", "[auth:slugs]\nenabled=Ture\n[server]"),
    ];
    for (good, bad) in cases {
        let setting = bad.lines().find_map(|line| Some(line.split_once('=')?.0)).unwrap();
        let error = refusal(&WHOLE.replace(good, bad));
        assert!(error.contains(&format!("'{setting}' cannot be")), "{bad}: {error}");
    }
    assert!(refusal("[client]\na=1\n").contains("[server]"));
    assert!(refusal("nonsense").contains("line 1"));
    assert!(refusal(&WHOLE.replace("port=5696", "port=5%")).contains('%'));
}

#[test]
fn hosts_may_be_in_brackets_and_contain_no_port() {
    for (value, expected) in
        [("[::1]", "::1"), ("::1", "::1"), ("*", ""), ("", ""), ("localhost", "localhost")]
    {
        let text = WHOLE.replace("hostname=127.0.0.1", &format!("hostname={value}"));
        assert_eq!(config(&text).hostname, expected, "{value}");
    }
    for value in ["localhost:5696", "127.0.0.1:5696", "[::1]:5696"] {
        let error = refusal(&WHOLE.replace("hostname=127.0.0.1", &format!("hostname={value}")));
        let expected = format!(
            "'hostname' cannot be '{value}': it contains a port; remove it, and set the setting 'port'"
        );
        assert!(error.contains(&expected), "{error}");
    }
    let pki = Pki::new();
    let options = pki.options().into_iter().map(|it| if it == "127.0.0.1" { "*".to_owned() } else { it });
    let server = Running::start(options);
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_ok());
    let (code, _, error) = run(&["-n", "localhost:5696"]);
    assert!(
        code == Some(2) && error.contains("'hostname' cannot be 'localhost:5696': it contains a port"),
        "{error}"
    );
    let config = with(pki.config(), |it| it.hostname = "localhost:1".to_owned());
    let error = kmip_server::Server::bind(&config).unwrap_err().to_string();
    assert!(error.contains("it contains a port"), "{error}");
}

#[test]
fn an_enabled_service_needs_a_url_of_http_or_https() {
    let section = |lines: &str| format!("{WHOLE}[auth:slugs]\n{lines}\n");
    for (lines, value, reason) in [
        ("enabled=True", "", "an enabled service needs its URL"),
        ("enabled=True\nurl=", "", "an enabled service needs its URL"),
        ("enabled=True\nurl=ldap://a/", "ldap://a/", "expected a URL that begins with http:// or https://"),
        ("enabled=True\nurl=http://a:b@c/", "http://a:***@c/", "the server sends no user name"),
    ] {
        let error = refusal(&section(lines));
        let expected = format!("section [auth:slugs]: the setting 'url' cannot be '{value}': {reason}");
        assert!(error.contains(&expected), "{error}");
    }
    for lines in ["enabled=False", "url=ldap://a/", "enabled=True\nurl=https://slugs.example/"] {
        assert_eq!(config(&section(lines)).auth_plugins.len(), 1, "{lines}");
    }
}

#[test]
fn the_password_of_a_url_appears_nowhere() {
    const URL: &str = "mysql://user:s3c/r@et@host.example/kmip?password=s3cret2";
    let pki = Pki::new();
    let log = pki.folder.path("server.log").display().to_string();
    let is_hidden = |text: &str, from: &str| {
        assert!(!["s3c", "r@et", "s3cret2"].iter().any(|part| text.contains(part)), "{from}: {text}");
    };
    let mut refused = 0;
    for setting in settings::SETTINGS {
        let base = fs::read_to_string(pki.settings("")).unwrap();
        let begin = format!("{}=", setting.name);
        let lines = base.lines().filter(|line| !line.starts_with(&begin));
        let file = lines.map(|line| format!("{line}\n")).collect::<String>() + &format!("{begin}{URL}\n");
        let file = pki.folder.write("url.conf", file).display().to_string();
        for check in ["--check-config", "--check-settings"] {
            let (code, output, error) = run(&["-f", &file, "-l", &log, check]);
            is_hidden(&(output + &error), setting.name);
            if code != Some(0) && error.contains("cannot be") {
                assert!(
                    error.contains(&format!("'{}' cannot be 'mysql://user:***@", setting.name)),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > settings::SETTINGS.len(), "{refused}");
    let file = pki.settings("").display().to_string();
    let options = settings::options::server_options().filter(|it| it.argument.placeholder().is_some());
    for option in options {
        let argument = format!("--{}={URL}", option.name);
        let (_, output, error) = run(&["-f", &file, "-l", &log, &argument, "--check-config"]);
        is_hidden(&(output + &error), option.name);
    }
    let (code, output, error) = run(&["-f", &file, "-l", &log, "-d", URL]);
    assert!(code == Some(2) && error.contains("'database_path' cannot be 'mysql://user:***@"), "{error}");
    is_hidden(&(output + &error + &pki.log()), "the start");
    let config = with(pki.config(), |it| it.database_path = URL.into());
    let error = kmip_server::Server::bind(&config).unwrap_err();
    is_hidden(&format!("{error} {error:?}"), "an embedded server");
}

#[test]
fn endpoints_are_named_by_their_users_and_separated_by_commas_or_lines() {
    let text = "client_endpoints=John Doe=127.0.0.1:5697, O=a=b.example:1\n    Jane = [::1]:2\n";
    let endpoints = config(&format!("{WHOLE}{text}")).client_endpoints;
    let endpoints: Vec<_> =
        endpoints.iter().map(|it| (it.user.as_str(), it.host.as_str(), it.port)).collect();
    assert_eq!(endpoints, [("John Doe", "127.0.0.1", 5697), ("O=a", "b.example", 1), ("Jane", "::1", 2)]);
    assert_eq!(config(&format!("{WHOLE}client_endpoints=\n")).client_endpoints, []);
    assert_eq!(config(WHOLE).client_endpoints, []);
}

#[test]
fn every_word_for_true_and_false_is_known() {
    for (words, expected) in [(["1", "Yes", "TRUE", "on"], true), (["0", "no", "False", "OFF"], false)] {
        for word in words {
            let text =
                format!("{WHOLE}enable_tls_client_auth={word}\n[auth:slugs]\nenabled={word}\nurl=http://a\n");
            let config = config(&text);
            assert_eq!((config.enable_tls_client_auth, config.auth_plugins[0].enabled), (expected, expected));
        }
    }
}

#[test]
fn the_example_sets_every_setting_to_its_default() {
    let example = include_str!("../server.conf.example");
    let (folder, path) = file("");
    let text = example.replace("/etc/pykmip/", &format!("{}/", folder.path("").display()));
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Settings::from_file(&path).and_then(Settings::into_config).unwrap_or_else(|error| panic!("{error}"))
    };
    let config = read(&text);
    let defaults = Config::new(&config.certificate_path, &config.ca_path);
    let expected = with(defaults, |it| {
        it.key_path = config.key_path.clone();
        it.auth_plugins = config.auth_plugins.clone();
    });
    assert_eq!(config, expected);
    assert!(config.auth_plugins.iter().all(|plugin| !plugin.enabled));
    // The settings in comments have their defaults, too.
    let is_setting = |line: &str| settings::names().any(|name| line.starts_with(&format!("# {name}=")));
    let uncommented: Vec<_> =
        text.lines().map(|line| if is_setting(line) { &line[2..] } else { line }).collect();
    assert_eq!(read(&uncommented.join("\n")), expected);
    for name in settings::names() {
        let sets = |line: &&str| line.starts_with(&format!("{name}="));
        assert_eq!(uncommented.iter().copied().filter(|line| sets(line)).count(), 1, "{name}");
    }
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_failed_start_is_one_line_and_a_code() {
    let pki = Pki::new();
    let bad_key = pki.settings("").display().to_string();
    std::fs::write(pki.folder.path("server.key"), "nothing").unwrap();
    let log = pki.folder.path("x.log").display().to_string();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--nonsense"], 2, "nonsense"),
        (&["-p"], 2, "'p'"),
        (&["-p", "many"], 2, "'port'"),
        (&["-f", "/nowhere/server.conf"], 1, "/nowhere/server.conf"),
        (&["-f", &bad_key, "-l", &log], 1, "key_path"),
        (&["-f", &bad_key, "-l", "/proc/none/server.log"], 1, "/proc/none/server.log"),
    ];
    for (arguments, code, words) in cases {
        let (exit, out, err) = run(arguments);
        assert_eq!((exit, out.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(err.contains(words) && err.lines().count() == 1, "{arguments:?}: {err}");
    }
}

#[test]
fn help_lists_the_options_of_pykmip() {
    let (exit, out, err) = run(&["-h"]);
    assert_eq!((exit, err.as_str()), (Some(0), ""));
    for option in [
        "-n, --hostname",
        "-p, --port",
        "-c, --certificate_path",
        "-k, --key_path",
        "-a, --ca_path",
        "-s, --auth_suite",
        "-f, --config_path",
        "-l, --log_path",
        "-o, --policy_path",
        "-i, --ignore_tls_client_auth",
        "-v, --logging_level",
        "-d, --database_path",
        "-h, --help",
    ] {
        assert!(out.contains(option), "{option} is not in\n{out}");
    }
}

#[test]
fn options_alone_are_enough_and_may_be_shortened() {
    let pki = Pki::new();
    let mut server = Running::start(pki.options());
    assert!(pki.connect(server.port, &pki.client).exchange(&request(0)).is_ok());
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    let path = |name| pki.folder.path(name).display().to_string();
    let server = Running::start([
        "--host=127.0.0.1".to_owned(),
        "--port".to_owned(),
        "0".to_owned(),
        format!("--cert={}", path("server.pem")),
        "--key".to_owned(),
        path("server.key"),
        format!("--ca_path={}", path("ca.pem")),
        format!("--log_path={}", path("short.log")),
        format!("--database={}", path("short.database")),
    ]);
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_ok());
}

#[test]
fn the_script_of_pykmip_s_name_becomes_the_program() {
    let folder = Folder::new();
    let script = folder.path("run_server.py");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin/run_server.py"), &script).unwrap();
    let run = |path: &Path| {
        let mut command = Command::new("/usr/bin/env");
        let python = std::env::var("PATH").unwrap();
        command.arg("python3").arg(&script).args(["-p", "none"]).env_remove("CARGO_TARGET_DIR");
        command.env("PATH", format!("{}:{python}", path.display())).output().unwrap()
    };
    let program = Path::new(env!("CARGO_BIN_EXE_run_server"));
    let refused = run(program.parent().unwrap());
    let output = String::from_utf8(refused.stderr).unwrap();
    assert!(output.starts_with("run_server: command line: the setting 'port' cannot be 'none'"), "{output}");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn an_option_counts_more_than_the_file_and_the_last_more_than_the_first() {
    let pki = Pki::new();
    let settings = pki.settings("logging_level=ERROR").display().to_string();
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap().replace("port=0", "port=1"))
        .unwrap();
    let log = pki.folder.path("server.log").display().to_string();
    let server = Running::start(["-f", &settings, "-p", "1", "-p", "0", "-l", &log, "-v", "debug", "-n", ""]);
    assert!(server.port > 1024);
    // A thread of its own writes the log.
    within(|| pki.log().contains(" - DEBUG - ").then_some(()));
}

#[test]
fn logs_at_debug_the_cipher_suites_of_a_client_that_cannot_connect() {
    let pki = Pki::new();
    let settings = pki.settings("logging_level=DEBUG").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let server = Running::start(["-f", &settings, "-l", &log]);
    // A ClientHello of TLS 1.2 with RSA key exchange only, ECDSA signatures and P-256.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 0x17];
    let suites = [0x00, 0x3C, 0xFA, 0xFA];
    let hello = [&[3, 3][..], &[7; 32], &[0, 0, 4], &suites, &[1, 0, 0, 16], &extensions].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    client.write_all(&[&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()).unwrap();
    drop(client.read_to_end(&mut Vec::new()));
    let offered = "Cipher suites that a client offers: TLS_RSA_WITH_AES_128_CBC_SHA256, 0xFAFA";
    let refused = "client and server have no cipher suite in common";
    within(|| [offered, refused].iter().all(|line| pki.log().contains(line)).then_some(()));
}

#[test]
fn the_option_i_takes_certificates_without_the_purpose() {
    let pki = Pki::new();
    let settings = pki.settings("enable_tls_client_auth=True").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let unmarked = pki.ca.issue(&["Jane Smith"], |_| ());
    let refused = |arguments: &[&str]| {
        let server = Running::start(arguments);
        drop(pki.connect(server.port, &unmarked).exchange(&request(0)).unwrap());
        let refused = pki.log().contains("no extended key usage");
        std::fs::remove_file(&log).unwrap();
        refused
    };
    assert!(refused(&["-f", &settings, "-l", &log]));
    assert!(!refused(&["-f", &settings, "-l", &log, "-i"]));
}

#[test]
fn both_signals_stop_the_server_with_code_0() {
    let pki = Pki::new();
    for signal in ["TERM", "INT"] {
        let mut server = Running::start(pki.options());
        let mut idle = pki.connect(server.port, &pki.client);
        server.signal(signal);
        assert!(idle.is_closed());
        assert_eq!(server.wait(), Some(0), "SIG{signal}");
        let mut rest = String::new();
        server.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on standard output, no more");
    }
}

#[test]
fn closed_standard_streams_do_not_matter() {
    let pki = Pki::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = env!("CARGO_BIN_EXE_run_server");
    let options = pki.options().join(" ");
    let script = format!("exec {program} {options} -p {free} <&- >&- 2>&-");
    let mut child = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap();
    within(|| TcpStream::connect(("127.0.0.1", free)).ok());
    assert!(pki.connect(free, &pki.client).exchange(&request(0)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_log_has_pykmips_lines_and_is_for_the_owner_only() {
    let pki = Pki::new();
    let folder = pki.folder.path("made/by/the/server");
    let log = folder.join("server.log").display().to_string();
    let settings =
        pki.settings("tls_cipher_suites=AES128-SHA256 TLS_RSA_WITH_AES_256_CBC_SHA256").display().to_string();
    let mut server = Running::start(["-f", &settings, "-l", &log]);
    let mode = std::fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    drop(pki.connect(server.port, &pki.client).exchange(&request(0)).unwrap());
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    for line in log.lines() {
        let parts: Vec<_> = line.splitn(4, " - ").collect();
        let [time, logger, level, message] = parts[..] else { panic!("{line}") };
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000");
        assert!(logger.starts_with("kmip.server"), "{line}");
        assert!(["INFO", "WARNING"].contains(&level) && !message.is_empty(), "{line}");
    }
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("kmip.server - WARNING - ")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(
        warnings[0].contains("AES128-SHA256, TLS_RSA_WITH_AES_256_CBC_SHA256")
            && warnings[0].contains("default")
    );
    let session = |number| log.lines().filter(|line| line.contains(&format!("session.{number}"))).count();
    // Begin, end, and what is wrong with the request in between.
    assert_eq!((session("00000001"), session("00000002")), (1, 3), "{log}");
}

/// Writes the settings of a server with the certificates of `--make-certs`.
fn server_settings(folder: &Folder, certs: &str) -> String {
    let text = format!(
        "[server]\nhostname=127.0.0.1\nport=0\nauth_suite=Basic\ncertificate_path={certs}/server_certificate.pem\n\
         key_path={certs}/server_key.pem\nca_path={certs}/root_certificate.pem\ndatabase_path=:memory:\n"
    );
    folder.write("made.conf", text).display().to_string()
}

#[test]
fn a_server_runs_by_the_certificates_that_it_makes() {
    let folder = Folder::new();
    let certs = folder.path("certs").display().to_string();
    let make = ["--make-certs", &certs, "--client", "Ann", "--host", "127.0.0.1", "--days", "2", "--ec"];
    let (code, out, _) = run(&make);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("run_server -n 127.0.0.1 -p 5696 -c "), "{out}");
    let path = |name: &str| format!("{certs}/{name}");
    let log = folder.path("server.log").display().to_string();
    let (certificate, key, ca) =
        (path("server_certificate.pem"), path("server_key.pem"), path("root_certificate.pem"));
    let options = [
        "-n",
        "127.0.0.1",
        "-p",
        "0",
        "-c",
        &certificate,
        "-k",
        &key,
        "-a",
        &ca,
        "-l",
        &log,
        "-d",
        ":memory:",
    ];
    let server = Running::start(options);
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_ok());

    let before = std::fs::read(path("root_key.pem")).unwrap();
    let (code, _, error) = run(&make);
    assert!(code == Some(1) && error.contains("exists already, and nothing was written"), "{error}");
    assert_eq!(std::fs::read(path("root_key.pem")).unwrap(), before);
    // Clients are added to the authority, and can connect.
    let (code, out, error) = run(&["--make-certs", &certs, "--client", "Bob", "--ec"]);
    assert!(code == Some(0) && out.contains(": Bob."), "{out}{error}");
    assert_eq!(std::fs::read(path("root_key.pem")).unwrap(), before);
    let settings = fs::read_to_string(path("client.conf")).unwrap();
    assert!(settings.contains("[ann]") && settings.contains("[bob]"), "{settings}");
    let (certificate, key) = (path("client_certificate_bob.pem"), path("client_key_bob.pem"));
    let checked =
        run(&["-f", &server_settings(&folder, &certs), "--check-client", &certificate, "--key", &key]);
    assert!(checked.1.contains("would let in this client as the user \"Bob\""), "{checked:?}");
    // A new authority has another name.
    let again = folder.path("again").display().to_string();
    assert_eq!(run(&["--make-certs", &again, "--ec"]).0, Some(0));
    let checked = run(&["-f", &server_settings(&folder, &again), "--check-client", &certificate]);
    assert!(checked.2.contains("unknown-issuer"), "{checked:?}");
    let (code, _, error) = run(&["--make-certs", &certs, "--days", "many"]);
    assert!(code == Some(2) && error.contains("--days cannot be 'many'"), "{error}");
}

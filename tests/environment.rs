//! The environment variables of settings: their precedence, their kinds of values, and the variables that have no effect.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use kmip_server::internals::config::Config;
use kmip_server::internals::settings::{self, Settings};

use crate::harness::{Pki, Running};

/// Returns the program with these variables and no other ones of settings.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.envs(variables.iter().copied());
    command
}

/// Runs the program to its end, and returns its exit code, standard output and standard error.
fn run(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let output = program(variables).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Returns the variables of a complete server, beside those of `more`, which come last.
fn complete(pki: &Pki, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let path = |name| pki.folder.path(name).display().to_string();
    let own = [
        ("KMIP_HOSTNAME", "127.0.0.1".to_owned()),
        ("KMIP_PORT", "0".to_owned()),
        ("KMIP_CERTIFICATE_PATH", path("server.pem")),
        ("KMIP_KEY_PATH", path("server.key")),
        ("KMIP_CA_PATH", path("ca.pem")),
        ("KMIP_DATABASE_PATH", ":memory:".to_owned()),
        ("KMIP_LOG_PATH", path("server.log")),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value)).into_iter();
    own.chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

fn refs(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Returns the configuration of these variables alone.
fn config(variables: &[(&str, &str)]) -> Config {
    let mut settings = Settings::default();
    for name in ["hostname", "port", "certificate_path", "ca_path"] {
        settings.option(name, if name.ends_with("path") { env!("CARGO_MANIFEST_DIR") } else { "1" });
    }
    settings.environment(variables.iter().map(|(name, value)| (name.into(), value.into())));
    settings.into_config().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_server_starts_with_variables_alone() {
    let pki = Pki::new();
    let variables = complete(&pki, &[]);
    let server = Running::of(program(&refs(&variables)));
    drop(pki.connect(server.port, &pki.client));
    assert!(pki.log().contains("Starting connection service"), "{}", pki.log());
}

#[test]
fn an_option_precedes_a_variable_and_a_variable_precedes_the_file() {
    let pki = Pki::new();
    let file = pki.settings("max_connections=7\nidle_timeout=11").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let variables = [("KMIP_PORT", "5697"), ("KMIP_MAX_CONNECTIONS", "8"), ("KMIP_LOG_PATH", "/nowhere/log")];
    let (code, text, error) = run(["--check-config", "-f", &file, "-p", "5698", "-l", &log], &variables);
    assert_eq!(code, Some(0), "{text}{error}");
    for line in [
        "Uses port=5698 from the command line\n".to_owned(),
        "Uses max_connections=8 from environment variable KMIP_MAX_CONNECTIONS\n".to_owned(),
        format!("Uses idle_timeout=11 from {file}\n"),
        format!("Uses log_path={log} from the command line\n"),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains("127.0.0.1, port 5698, for 8 connections"), "{text}");
}

#[test]
fn each_setting_has_a_variable_for_each_kind_of_value() {
    let config = config(&[
        ("KMIP_TLS_CIPHER_SUITES", "ECDHE-RSA-AES128-GCM-SHA256,TLS_AES_128_GCM_SHA256"),
        ("KMIP_CLIENT_ENDPOINTS", "John Doe=127.0.0.1:5697, Jane=[::1]:2"),
        ("KMIP_ANNOUNCED_PROFILES", "none"),
        ("KMIP_LIVE_POLICIES", "off"),
        ("KMIP_IDLE_TIMEOUT", "3"),
        ("KMIP_COMPATIBILITY", "standard"),
        ("KMIP_AUTO_CERTIFICATE_CLIENTS", "Alice Smith, Bob"),
        ("KMIP_POLICY_PATH", "/tmp/a=b c"),
    ]);
    assert_eq!(config.tls_cipher_suites, ["ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"]);
    assert_eq!(config.client_endpoints.len(), 2);
    assert_eq!(config.announced.profiles, Some(Vec::new()));
    assert!(!config.live_policies);
    assert_eq!(
        (config.idle_timeout.unwrap().as_secs(), config.compatibility.to_string()),
        (3, "Standard".to_owned())
    );
    assert_eq!(config.auto_certificate_clients, ["Alice Smith", "Bob"]);
    assert_eq!(config.policy_path.unwrap(), std::path::Path::new("/tmp/a=b c"));
    for setting in settings::SETTINGS {
        let name = settings::variable(setting.name);
        let mut settings = Settings::default();
        settings.environment([(OsString::from(&name), OsString::from("postgresql://a:b@c/d\u{7}"))]);
        let seen = settings.has_values() && settings.warnings().is_empty();
        assert!(seen && name.starts_with("KMIP_") && name == name.to_uppercase(), "{name}");
    }
}

#[test]
fn a_wrong_value_is_refused_with_the_name_of_its_variable() {
    let (code, _, error) =
        run(["-n", "127.0.0.1"], &[("KMIP_MAX_CONNECTIONS", "many"), ("KMIP_AUDIT_REQUIRED", "maybe")]);
    assert_eq!(code, Some(1), "{error}");
    for part in [
        "environment variable KMIP_MAX_CONNECTIONS: the setting 'max_connections' cannot be 'many': expected a number",
        "environment variable KMIP_AUDIT_REQUIRED: the setting 'audit_required' cannot be 'maybe': expected True or False",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let (code, output, error) = run(["-n", "127.0.0.1"], &[("KMIP_MANAGEMENT_TOKEN", "too-short-s3cret")]);
    assert_eq!((code, output.contains("s3cret") || error.contains("s3cret")), (Some(1), false), "{error}");
    let (_, output, error) = run(["-n", "127.0.0.1"], &[("KMIP_MANAGEMENT_TOKEN", "short")]);
    assert!(
        error.contains("KMIP_MANAGEMENT_TOKEN: the setting 'management_token' cannot be '…'"),
        "{output}{error}"
    );
    let (_, _, error) = run(["-n", "127.0.0.1"], &[("KMIP_CA_PATH", "/nowhere/ca.pem")]);
    assert!(
        error.contains(
            "KMIP_CA_PATH: the setting 'ca_path' cannot be '/nowhere/ca.pem': the file does not exist"
        ),
        "{error}"
    );
    let mut command = program(&[]);
    command.args(["-n", "127.0.0.1"]).env("KMIP_POLICY_PATH", OsString::from_vec(b"/tmp/\xff".to_vec()));
    let error = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(error.contains("KMIP_POLICY_PATH") && error.contains("expected UTF-8"), "{error}");
}

#[test]
fn the_variables_of_kubernetes_and_empty_ones_have_no_effect() {
    let pki = Pki::new();
    let kubernetes = [
        ("KMIP_PORT", "tcp://10.0.0.7:5696"),
        ("KMIP_PORT_5696_TCP", "tcp://10.0.0.7:5696"),
        ("KMIP_PORT_5696_TCP_ADDR", "10.0.0.7"),
        ("KMIP_PORT_5696_TCP_PORT", "5696"),
        ("KMIP_PORT_5696_TCP_PROTO", "tcp"),
        ("KMIP_SERVICE_HOST", "10.0.0.7"),
        ("KMIP_SERVICE_PORT", "5696"),
        ("KMIP_SERVICE_PORT_KMIP", "5696"),
        ("KMIP_MAX_CONNECTIONS", ""),
    ];
    let file = pki.settings("").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let (code, text, error) = run(["--check-config", "-f", &file, "-l", &log], &kubernetes);
    assert_eq!(code, Some(0), "{text}{error}");
    assert!(
        text.contains(&format!("Uses port=0 from {file}\n")) && !text.contains("warning: the environment"),
        "{text}"
    );
    assert!(text.contains("Ignores a KMIP_PORT that begins with tcp://"), "{text}");
    assert!(text.contains("Ignores an empty KMIP_MAX_CONNECTIONS"), "{text}");
    let (_, _, error) = run(["-n", "127.0.0.1"], &kubernetes);
    let expected = "the setting 'port' is missing: a KMIP_PORT that begins with tcp://, as those of Kubernetes do, has no effect";
    assert!(error.contains(expected), "{error}");
    let (_, _, error) = run(["-n", "127.0.0.1"], &[("KMIP_PORT", "")]);
    assert!(error.contains("the setting 'port' is missing: an empty KMIP_PORT has no effect"), "{error}");
    let (_, _, error) = run(["-n", "127.0.0.1"], &[]);
    assert!(
        error.contains("'port' is missing: neither --port nor KMIP_PORT nor a settings file (-f) sets it"),
        "{error}"
    );
}

#[test]
fn a_name_that_resembles_a_setting_is_a_warning() {
    let pki = Pki::new();
    let variables = complete(
        &pki,
        &[
            ("KMIP_DATABASE_PAHT", "/tmp/x"),
            ("KMIP_CORPUS", "/tmp"),
            ("KMIP_NO_SKIP", "1"),
            ("KMIP_SERVER_PORT", "1"),
        ],
    );
    let variables = refs(&variables);
    let warning = "the environment variable KMIP_DATABASE_PAHT has no effect, because no setting has this name; similar: \
                   KMIP_DATABASE_PATH";
    let (code, text, _) = run(["--check-config"], &variables);
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.contains("environment variable KMIP") && line.starts_with("warning: "))
        .collect();
    assert_eq!((code, found), (Some(0), vec![format!("warning: {warning}").as_str()]), "{text}");
    let mut command = program(&variables);
    command.stderr(std::process::Stdio::piped());
    let mut server = Running::of(command);
    assert!(pki.log().contains(warning), "{}", pki.log());
    server.child.kill().unwrap();
    let mut error = String::new();
    std::io::Read::read_to_string(server.child.stderr.as_mut().unwrap(), &mut error).unwrap();
    assert!(error.contains(&format!("run_server: warning: {warning}")), "{error}");
}

#[test]
fn a_demo_ignores_the_variables() {
    let pki = Pki::new();
    let database = pki.folder.path("kmip.database").display().to_string();
    let mut command = program(&[("KMIP_DATABASE_PATH", &database), ("KMIP_MAX_CONNECTIONS", "none")]);
    command.arg("--demo");
    let mut server = Running::of(command);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(!pki.folder.path("kmip.database").exists());
}

#[test]
fn the_options_of_settings_may_have_hyphens() {
    let pki = Pki::new();
    let file = pki.settings("").display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let (code, text, error) = run(
        [
            "--check-config",
            "-f",
            &file,
            "-l",
            &log,
            "--management-address",
            "127.0.0.1:9696",
            "--test-control=True",
        ],
        &[],
    );
    assert_eq!(code, Some(0), "{text}{error}");
    assert!(text.contains("Uses management_address=127.0.0.1:9696 from the command line"), "{text}");
    assert!(text.contains("Uses test_control=True from the command line"), "{text}");
}

#[test]
fn the_file_for_docker_compose_and_the_dockerfile_fit_the_program() {
    use yaml_rust2::YamlLoader;
    let read =
        |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let compose = YamlLoader::load_from_str(&read("docker-compose.yml")).unwrap().remove(0);
    let service = &compose["services"]["kmip"];
    let dockerfile = read(service["build"]["dockerfile"].as_str().unwrap());
    let known: Vec<_> = settings::names().chain(["log_path"]).map(settings::variable).collect();
    let variables = service["environment"].as_hash().unwrap().keys().map(|name| name.as_str().unwrap());
    for name in
        variables.chain(dockerfile.lines().filter_map(|line| line.strip_prefix("ENV ")?.split('=').next()))
    {
        assert!(known.iter().any(|it| it == name), "{name}");
    }
    let check: Vec<_> =
        service["healthcheck"]["test"].as_vec().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(check, ["CMD", "/usr/bin/run_server", "--health"]);
    assert!(dockerfile.contains("CMD [\"/usr/bin/run_server\", \"--health\"]"));
    let settings = read("packaging/container.conf");
    for port in [":5696", ":9696"] {
        let ports = service["ports"].as_vec().unwrap();
        assert!(ports.iter().any(|it| it.as_str().unwrap().ends_with(port)), "{port}");
        assert!(settings.contains(&port[1..]) && dockerfile.contains(&port[1..]), "{port}");
    }
    let volume = service["volumes"][0].as_str().unwrap();
    assert!(
        volume.ends_with(":/data")
            && settings.contains("database_path=/data/")
            && dockerfile.contains("VOLUME /data")
    );
}

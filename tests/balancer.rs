//! HAProxy before two servers on one database, by the configuration of docs/many-servers.md, and the form of the files for
//! Docker Compose. Docker itself does not run here.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::{Field, Tag, V1_4};
use yaml_rust2::{Yaml, YamlLoader};

use crate::corpus::named;
use crate::database_failover::{End, material, register};
use crate::dialogue::Caller;
use crate::harness::{Client, Folder, Pki, Running, skip, within};
use crate::history::bytes;
use crate::shared_database::database;

/// The folder of the files for Docker Compose.
const COMPOSE: &str = "packaging/compose";

/// The clients of the load.
const CLIENTS: usize = 6;

/// The maximum time in which a client sees errors after the end of a server.
const OUTAGE: Duration = Duration::from_secs(4);

/// Returns the configuration of a program from the page, with these changes.
pub(crate) fn of_page(program: &str, changes: &[(&str, String)]) -> String {
    let page = std::fs::read_to_string("docs/many-servers.md").unwrap();
    let block = page.split_once(&format!("```{program}\n")).unwrap().1.split_once("```").unwrap().0;
    changes.iter().fold(block.to_owned(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text.replace(old, new)
    })
}

/// Returns the configuration of the page, with other addresses.
fn configuration(bind: u16, servers: [u16; 2]) -> String {
    let [one, two] = servers.map(|port| format!("127.0.0.1:{port}"));
    let bind = format!("bind 127.0.0.1:{bind}");
    of_page("haproxy", &[("bind :5696", bind), ("10.0.0.1:5696", one), ("10.0.0.2:5696", two)])
}

/// Returns what HAProxy reports about a configuration, or `None` if the test is skipped.
fn check(path: &Path) -> Option<String> {
    let Ok(checked) = Command::new("haproxy").args(["-c", "-f"]).arg(path).output() else {
        skip("haproxy is not installed");
        return None;
    };
    let output = [checked.stdout, checked.stderr].concat();
    let output = String::from_utf8_lossy(&output).into_owned();
    assert!(checked.status.success(), "{output}");
    Some(output)
}

/// A running HAProxy.
struct Balancer(Child);

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_ports() -> [u16; 3] {
    let sockets = [0; 3].map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

/// The load of all clients through the balancer.
struct Load<'p> {
    pki: &'p Pki,
    port: u16,
    is_over: AtomicBool,
    /// The acknowledged keys: identifier and name.
    keys: Mutex<Vec<(String, String)>>,
    /// The last success of each client.
    successes: Vec<Mutex<Instant>>,
    errors: AtomicUsize,
    /// The longest time of a client between its first error and its next success.
    outage: Mutex<Duration>,
}

impl Load<'_> {
    fn connect(&self) -> std::io::Result<Caller> {
        let root = &self.pki.ca.credential.certificate;
        Client::connect(self.port, root, Some(&self.pki.client), rustls::ALL_VERSIONS).map(Caller::new)
    }

    /// Registers keys one after the other. After an error, connects again and goes on with the next key.
    fn client(&self, client: usize) {
        let (mut connected, mut failed) = (None, None);
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let name = format!("{client}.{number}");
            let answer = match connected.take().map_or_else(|| self.connect(), Ok) {
                Ok(mut caller) => register(&mut caller, &name).map(|answer| (answer.id(), caller)),
                Err(why) => Err(why),
            };
            match answer {
                Ok((object, caller)) => {
                    connected = Some(caller);
                    self.keys.lock().unwrap().push((object, name));
                    *self.successes[client].lock().unwrap() = Instant::now();
                    if let Some(failed) = failed.take() {
                        let mut outage = self.outage.lock().unwrap();
                        *outage = outage.max(Instant::duration_since(&Instant::now(), failed));
                    }
                }
                Err(_) => {
                    failed.get_or_insert_with(Instant::now);
                    self.errors.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// Waits until each client has succeeded from now on.
    fn wait_for_all(&self) {
        let now = Instant::now();
        within(|| self.successes.iter().all(|it| *it.lock().unwrap() > now).then_some(()));
    }
}

#[test]
fn clients_of_haproxy_lose_no_key_when_a_server_is_killed() {
    let [bind, one, two] = free_ports();
    let folder = Folder::new();
    let path = folder.write("haproxy.cfg", configuration(bind, [one, two]));
    let Some(output) = check(&path) else { return };
    assert!(!output.contains("[WARNING]"), "{output}");
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let start = |port: u16| {
        let url = database.url().display().to_string();
        let more = ["-d", &url, "-p", &port.to_string(), "--compatibility", "Standard"].map(str::to_owned);
        Running::start(pki.options().into_iter().chain(more))
    };
    let mut servers = [start(one), start(two)];
    let haproxy = Command::new("haproxy").args(["-db", "-f"]).arg(&path).stderr(Stdio::null()).spawn();
    let _balancer = Balancer(haproxy.unwrap());
    within(|| TcpStream::connect(("127.0.0.1", bind)).ok());
    let load = Load {
        pki: &pki,
        port: bind,
        is_over: AtomicBool::new(false),
        keys: Mutex::default(),
        successes: (0..CLIENTS).map(|_| Mutex::new(Instant::now())).collect(),
        errors: AtomicUsize::new(0),
        outage: Mutex::default(),
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let load = &load;
            scope.spawn(move || load.client(client));
        }
        let _end = End(&load.is_over);
        load.wait_for_all();
        // Each server in turn, so that the first one must have been used again after its start.
        for (position, port) in [one, two].into_iter().enumerate() {
            servers[position].child.kill().unwrap();
            load.wait_for_all();
            servers[position] = start(port);
            // Two checks of the balancer.
            thread::sleep(Duration::from_millis(2_200));
            load.wait_for_all();
        }
    });
    let (errors, outage) = (load.errors.load(Ordering::SeqCst), *load.outage.lock().unwrap());
    let keys = load.keys.into_inner().unwrap();
    println!(
        "{} keys acknowledged, {errors} errors, the longest outage of a client {} ms",
        keys.len(),
        outage.as_millis()
    );
    assert!(errors > 0, "the kills met no client");
    assert!(outage <= OUTAGE, "a client saw errors for {outage:?}");
    let mut caller = Caller::new(pki.connect(bind, &pki.client));
    for (object, name) in &keys {
        let found =
            caller.ask(V1_4, Operation::Locate, |writer| named(name).write(Tag::Attribute, writer)).ids();
        assert_eq!(found, std::slice::from_ref(object), "{name} is lost");
        assert_eq!(bytes(&caller.get(V1_4, object)), material(name), "{name} has other bytes");
    }
}

/// Returns the items of a list as texts.
fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn files_for_docker_compose_fit_each_other_and_the_page() {
    let read = |name: &str| std::fs::read_to_string(format!("{COMPOSE}/{name}")).unwrap();
    let compose = YamlLoader::load_from_str(&read("compose.yaml")).unwrap().remove(0);
    let services = &compose["services"];
    let settings = read("server.conf");
    let setting = |name: &str| {
        let line = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let address = |name: &str| services[name]["networks"]["kmip"]["ipv4_address"].as_str().unwrap();
    // The settings exist, with certificates that exist here, and the database is the one of the service.
    let pki = Pki::new();
    let certificates = ["server_certificate.pem", "server_key.pem", "root_certificate.pem"];
    let given = certificates.iter().zip(["server.pem", "server.key", "ca.pem"]).fold(
        settings.clone(),
        |text, (old, new)| {
            let old = format!("/etc/pykmip/certs/{old}");
            assert_eq!(text.matches(&old).count(), 1, "{old}");
            text.replace(&old, &pki.folder.path(new).display().to_string())
        },
    );
    let path = pki.folder.write("compose.conf", given).display().to_string();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_run_server")).args(["-f", &path, "--check-settings"]).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let environment = &services["database"]["environment"];
    let [user, database] = ["POSTGRES_USER", "POSTGRES_DB"].map(|name| environment[name].as_str().unwrap());
    let url = format!("postgresql://{user}@{}:5432/{database}?sslmode=disable", address("database"));
    assert_eq!(setting("database_path"), url);
    // Files exist, except the certificates, and are where the server looks for them.
    for name in ["one", "two", "balancer"] {
        for volume in texts(&services[name]["volumes"]) {
            let file = volume.strip_prefix("./").unwrap().split(':').next().unwrap();
            assert!(file == "certs" || Path::new(COMPOSE).join(file).exists(), "{file}");
        }
        for dependency in ["database", "one", "two"] {
            let depends = &services[name]["depends_on"];
            let is_named = |list: &Vec<Yaml>| list.iter().any(|item| item.as_str() == Some(dependency));
            let is_there = depends.as_vec().map_or(!depends[dependency].is_badvalue(), is_named);
            assert!(!is_there || !services[dependency].is_badvalue());
        }
    }
    let build = &services["one"]["build"];
    let context = Path::new(COMPOSE).join(build["context"].as_str().unwrap());
    assert!(context.join(build["dockerfile"].as_str().unwrap()).exists());
    assert_eq!(services["one"]["image"], services["two"]["image"]);
    for name in ["one", "two"] {
        let volumes = texts(&services[name]["volumes"]);
        assert!(volumes.contains(&"./server.conf:/etc/pykmip/server.conf:ro"), "{volumes:?}");
        assert!(volumes.contains(&"./certs:/etc/pykmip/certs:ro"), "{volumes:?}");
        assert_eq!(services[name]["environment"]["PGPASSWORD"], environment["POSTGRES_PASSWORD"]);
    }
    // The ports and addresses agree, and the rest of the configuration is that of the page.
    let port: u16 = setting("port").parse().unwrap();
    assert_eq!(texts(&services["balancer"]["ports"]), [format!("{port}:{port}")]);
    let page = configuration(1, [2, 3]);
    let expected = [
        ("bind 127.0.0.1:1\n", format!("bind :{port}\n")),
        ("127.0.0.1:2\n", format!("{}:{port}\n", address("one"))),
        ("127.0.0.1:3\n", format!("{}:{port}\n", address("two"))),
    ];
    let expected = expected.into_iter().fold(page, |text, (old, new)| text.replace(old, &new));
    let given = read("haproxy.cfg");
    assert_eq!(given.split_once('\n').unwrap().1, expected);
    drop(check(&Path::new(COMPOSE).join("haproxy.cfg")));
}

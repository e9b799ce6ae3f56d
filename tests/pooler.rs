//! PgBouncer between two servers and their database, by the configuration of docs/many-servers.md.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{Operation, ResultReason};
use kmip_server::ttlv::{Field, Tag, V1_4};

use crate::balancer::of_page;
use crate::corpus::{id, named};
use crate::dialogue::Live;
use crate::harness::postgres::{free_port, is_owned_by_postgres};
use crate::harness::{Folder, Pki, skip, within};
use crate::history::bytes;
use crate::round_trips::create;
use crate::shared_database::database;

/// The maximum time in which a client sees errors after the start of PgBouncer.
const RECOVERY: Duration = Duration::from_secs(2);

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running PgBouncer.
struct Pooler {
    port: u16,
    folder: Folder,
    child: Option<Child>,
}

impl Pooler {
    /// Starts PgBouncer with the configuration of the page, before the database at this port. Returns `None` if the test is
    /// skipped.
    fn start(database: u16) -> Option<Self> {
        let port = free_port();
        let changes = [
            ("keys = host=10.0.0.3 port=5432", format!("* = host=127.0.0.1 port={database} user=kmip")),
            ("6432", port.to_string()),
            ("auth_file = /etc/pgbouncer/userlist.txt", "auth_type = any\nunix_socket_dir =".to_owned()),
        ];
        let folder = Folder::new();
        folder.write("pgbouncer.ini", of_page("pgbouncer", &changes));
        let mut pooler = Self { port, folder, child: None };
        pooler.run().then_some(pooler)
    }

    /// Starts the program. Returns whether it is installed.
    fn run(&mut self) -> bool {
        let configuration = self.folder.path("pgbouncer.ini");
        let mut command = Command::new(PROGRAM);
        command.arg(&configuration).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
        // PgBouncer refuses to run as root.
        if is_owned_by_postgres(&configuration) && is_owned_by_postgres(&self.folder.path("")) {
            command.uid(configuration.metadata().unwrap().uid());
        }
        let Ok(child) = command.spawn() else {
            skip("pgbouncer is not installed");
            return false;
        };
        self.child = Some(child);
        within(|| TcpStream::connect(("127.0.0.1", self.port)).ok());
        true
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn servers_behind_pgbouncer_share_objects_also_after_it_was_killed() {
    let Some(database) = database() else { return };
    let Some(mut pooler) = Pooler::start(database.cluster.port) else { return };
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = database.url_at(pooler.port);
    let servers = [Live::start(&config), Live::start(&config)];
    let mut callers = servers.each_ref().map(|server| server.caller(&pki, &pki.client));
    for name in ["before", "after"] {
        let [one, other] = &mut callers;
        let made = one.ask(V1_4, Operation::Create, create(name)).id();
        let found = other.ask(V1_4, Operation::Locate, |writer| named(name).write(Tag::Attribute, writer));
        assert_eq!(found.ids(), std::slice::from_ref(&made));
        assert_eq!(bytes(&other.get(V1_4, &made)), bytes(&one.get(V1_4, &made)));
        if name == "before" {
            pooler.kill();
            let mut get = || one.ask(V1_4, Operation::Get, |writer| id(&made, writer));
            assert_eq!(get().refused(), ResultReason::GeneralFailure);
            assert!(pooler.run());
            let begun = Instant::now();
            within(|| get().is_done().then_some(()));
            println!("success {} ms after the start", begun.elapsed().as_millis());
            assert!(begun.elapsed() <= RECOVERY, "{:?}", begun.elapsed());
        }
    }
}

//! Operation policies from end to end: the executable, two clients, a SLUGS service for their groups, and policy files
//! that change while the server runs.

use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{ObjectType, Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_2, Writer};

use crate::auth::slugs;
use crate::corpus::{self, algorithm, attribute, length, named, template, usage};
use crate::dialogue::{Answer, Caller};
use crate::harness::{Credential, PATIENCE, Pki, Running};

/// The documented time until a changed policy file is in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);

/// John is in the first group and Jane in the second; the service does not know Jim.
const GROUPS: &[(&str, &str)] = &[
    ("/slugs/users/John%20Doe/", "null"),
    ("/slugs/users/John%20Doe/groups/", r#"{"groups": ["Makers"]}"#),
    ("/slugs/users/Jane%20Doe/", "null"),
    ("/slugs/users/Jane%20Doe/groups/", r#"{"groups": ["Readers"]}"#),
];

/// Returns a policy file with the permissions of each group on symmetric keys.
fn policy(makers: &[(&str, &str)], readers: &[(&str, &str)]) -> String {
    let entries = |operations: &[(&str, &str)]| {
        let entries = operations.iter().map(|(name, permission)| format!("\"{name}\": \"{permission}\""));
        entries.collect::<Vec<_>>().join(", ")
    };
    format!(
        r#"{{"shared": {{"groups": {{
            "Makers": {{"SYMMETRIC_KEY": {{{}}}}},
            "Readers": {{"SYMMETRIC_KEY": {{{}}}}}
        }}}}}}"#,
        entries(makers),
        entries(readers)
    )
}

const OWNERS: &[(&str, &str)] =
    &[("GET", "ALLOW_OWNER"), ("LOCATE", "ALLOW_OWNER"), ("DESTROY", "ALLOW_OWNER")];

/// Starts a server with a policy directory and additional settings.
fn start(pki: &Pki, policy: &str, extra: &str) -> Running {
    let folder = pki.folder.path("policies");
    std::fs::create_dir_all(&folder).unwrap();
    write(pki, policy);
    let settings = pki.settings(&format!("policy_path={}\n{extra}", folder.display()));
    let log = pki.folder.path("server.log");
    Running::start(["-f".as_ref(), settings.as_os_str(), "-l".as_ref(), log.as_os_str()])
}

fn connect(pki: &Pki, server: &Running, credential: &Credential) -> Caller {
    Caller::new(pki.connect(server.port, credential))
}

fn write(pki: &Pki, policy: &str) {
    pki.folder.write("policies/shared.json", policy);
}

/// Creates a symmetric key under the policy of the tests.
fn create(client: &mut Caller) -> String {
    let under = attribute(Tag::OperationPolicyName, &"shared".to_owned());
    let attributes = [named("a key"), algorithm(), length(128), usage(0xC), under];
    let answer = client.ask(V1_2, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
    });
    answer.id()
}

/// Encrypts one block with AES.
fn encrypt(client: &mut Caller, id: &str) -> Answer {
    client.ask(V1_2, Operation::Encrypt, |writer| {
        corpus::id(id, writer);
        corpus::ecb(writer);
        vec![7u8; 16].write(Tag::Data, writer);
    })
}

fn act(client: &mut Caller, operation: Operation, id: &str) -> Answer {
    client.ask(V1_2, operation, |writer| corpus::id(id, writer))
}

fn locate(client: &mut Caller) -> Vec<String> {
    client.ask(V1_2, Operation::Locate, |_: &mut Writer| ()).ids()
}

/// Returns the time until Get returns this status to `client`; panics after [`PATIENCE`].
fn until(client: &mut Caller, id: &str, status: ResultStatus) -> Duration {
    let start = Instant::now();
    while act(client, Operation::Get, id).status != status {
        assert!(start.elapsed() < PATIENCE, "the change never came into force");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

#[test]
fn groups_from_a_service_determine_permissions() {
    let (pki, service) = (Pki::new(), slugs(GROUPS));
    let shared = policy(OWNERS, &[("GET", "ALLOW_ALL"), ("DESTROY", "DISALLOW_ALL")]);
    let server = start(&pki, &shared, &format!("[auth:slugs]\nenabled=True\nurl={}/", service.url));
    let connect = |credential: &Credential| connect(&pki, &server, credential);
    let mut john = connect(&pki.client);
    let mut jane = connect(&pki.ca.client("Jane Doe"));
    let id = create(&mut john);

    assert_eq!(act(&mut john, Operation::Get, &id).status, ResultStatus::Success);
    assert_eq!(act(&mut jane, Operation::Get, &id).status, ResultStatus::Success);
    assert_eq!(locate(&mut john), [id.as_str()]);
    assert_eq!(locate(&mut jane), [""; 0], "her group has no entry for Locate");
    let refused = act(&mut jane, Operation::Destroy, &id);
    assert_eq!(refused.reason, Some(ResultReason::PermissionDenied));
    assert_eq!(refused.message, Some(format!("Could not locate object: {id}")));
    assert_eq!(act(&mut john, Operation::GetAttributes, &id).reason, Some(ResultReason::PermissionDenied));
    assert_eq!(act(&mut john, Operation::Destroy, &id).status, ResultStatus::Success);

    let mut jim = connect(&pki.ca.client("Jim"));
    let unknown = act(&mut jim, Operation::Get, &id);
    assert_eq!(unknown.reason, Some(ResultReason::AuthenticationNotSuccessful));
    assert!(jim.is_closed());
}

#[test]
fn entry_of_an_operation_precedes_the_entry_of_get() {
    let (pki, service) = (Pki::new(), slugs(GROUPS));
    let makers = [("ACTIVATE", "ALLOW_OWNER"), ("GET", "ALLOW_OWNER"), ("ENCRYPT", "DISALLOW_ALL")];
    let readers = [("GET", "DISALLOW_ALL"), ("ENCRYPT", "ALLOW_ALL")];
    let shared = policy(&makers, &readers);
    let server = start(&pki, &shared, &format!("[auth:slugs]\nenabled=True\nurl={}/", service.url));
    let mut john = connect(&pki, &server, &pki.client);
    let mut jane = connect(&pki, &server, &pki.ca.client("Jane Doe"));
    let id = create(&mut john);
    assert_eq!(act(&mut john, Operation::Activate, &id).status, ResultStatus::Success);
    assert_eq!(encrypt(&mut john, &id).reason, Some(ResultReason::PermissionDenied));
    assert_eq!(act(&mut john, Operation::Get, &id).status, ResultStatus::Success);
    assert_eq!(encrypt(&mut jane, &id).status, ResultStatus::Success);
    assert_eq!(act(&mut jane, Operation::Get, &id).reason, Some(ResultReason::PermissionDenied));
}

#[test]
fn changed_policy_file_is_in_force_within_a_second() {
    let (pki, service) = (Pki::new(), slugs(GROUPS));
    let server =
        start(&pki, &policy(OWNERS, &[]), &format!("[auth:slugs]\nenabled=True\nurl={}/", service.url));
    let mut john = connect(&pki, &server, &pki.client);
    let mut jane = connect(&pki, &server, &pki.ca.client("Jane Doe"));
    let id = create(&mut john);
    assert_eq!(act(&mut jane, Operation::Get, &id).reason, Some(ResultReason::PermissionDenied));

    // Changed, invalid, corrected, removed: while the file is invalid, its last policies stay in force.
    write(&pki, &policy(OWNERS, &[("GET", "ALLOW_ALL")]));
    let mut taken = vec![until(&mut jane, &id, ResultStatus::Success)];
    write(&pki, "{\"shared\": {");
    std::thread::sleep(IN_FORCE_WITHIN);
    assert_eq!(act(&mut jane, Operation::Get, &id).status, ResultStatus::Success);
    assert!(pki.log().contains("shared.json"), "the broken file is named");
    write(&pki, &policy(OWNERS, &[("GET", "ALLOW_OWNER")]));
    taken.push(until(&mut jane, &id, ResultStatus::OperationFailed));
    assert_eq!(act(&mut john, Operation::Get, &id).status, ResultStatus::Success);
    std::fs::remove_file(pki.folder.path("policies/shared.json")).unwrap();
    taken.push(until(&mut john, &id, ResultStatus::OperationFailed));
    write(&pki, &policy(OWNERS, &[]));
    taken.push(until(&mut john, &id, ResultStatus::Success));
    assert!(taken.iter().all(|time| *time <= IN_FORCE_WITHIN), "{taken:?}");
}

#[test]
fn without_a_service_only_the_preset_applies() {
    let pki = Pki::new();
    let server = start(&pki, &policy(OWNERS, OWNERS), "");
    let mut john = connect(&pki, &server, &pki.client);
    let id = create(&mut john);
    assert_eq!(act(&mut john, Operation::Get, &id).reason, Some(ResultReason::PermissionDenied));

    write(&pki, r#"{"shared": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}"#);
    until(&mut john, &id, ResultStatus::Success);
    let mut jane = connect(&pki, &server, &pki.ca.client("Jane Doe"));
    assert_eq!(act(&mut jane, Operation::Get, &id).status, ResultStatus::Success);
    assert_eq!(act(&mut jane, Operation::Destroy, &id).reason, Some(ResultReason::PermissionDenied));
}

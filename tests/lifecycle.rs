//! Life cycle operations over TLS that PyKMIP's server lacks (Archive, Recover, Check, Obtain Lease, Get
//! Usage Allocation, Re-key, Re-key Key Pair, Adjust Attribute), and operations without an object (Set
//! Endpoint Role, Log, Interop, Ping): results, failures, access and restarts.

use std::path::PathBuf;

use kmip_server::kmip::Object;
use kmip_server::kmip::attributes::{Attribute, AttributeReference};
use kmip_server::kmip::enums::{
    AdjustmentType, CryptographicAlgorithm, EndpointRole, InteropFunction, KeyFormatType, LinkType,
    ObjectType, Operation, ResultReason, State, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{Link, Raw, UniqueIdentifier, UsageLimits};
use kmip_server::ttlv::{DateTime, Field, Interval, SUPPORTED, Tag, V1_0, V1_4, V2_0, V2_1, Version, Writer};

use crate::corpus::{algorithm, attribute, id, length, named, template, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::Pki;

/// An operation on one object, with its other items.
struct Verb {
    operation: Operation,
    since: Version,
    rest: fn(&mut Writer),
}

const VERBS: &[Verb] = &[
    verb(Operation::Archive, V1_0, |_| ()),
    verb(Operation::Recover, V1_0, |_| ()),
    verb(Operation::Check, V1_0, |_| ()),
    verb(Operation::ObtainLease, V1_0, |_| ()),
    verb(Operation::GetUsageAllocation, V1_0, |writer| 1i64.write(Tag::UsageLimitsCount, writer)),
    verb(Operation::ReKey, V1_0, |_| ()),
    verb(Operation::AdjustAttribute, V2_0, |writer| {
        let sensitive = AttributeReference::named("Sensitive");
        Some(sensitive).write(Tag::AttributeReference, writer);
        AdjustmentType::Negate.write(Tag::AdjustmentType, writer);
    }),
];

const fn verb(operation: Operation, since: Version, rest: fn(&mut Writer)) -> Verb {
    Verb { operation, since, rest }
}

impl Verb {
    fn ask(&self, caller: &mut Caller, version: Version, of: &str) -> Answer {
        caller.ask(version, self.operation, |writer| {
            id(of, writer);
            (self.rest)(writer);
        })
    }

    fn versions(&self) -> impl Iterator<Item = Version> {
        SUPPORTED.into_iter().filter(|version| *version >= self.since)
    }
}

fn aes() -> Object {
    Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]))
}

fn limits(total: i64) -> Attribute {
    let limits = UsageLimits {
        usage_limits_total: total,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Byte,
    };
    attribute(Tag::UsageLimits, &limits)
}

/// An active key with 100 units of use.
fn active() -> Vec<Attribute> {
    vec![usage(0xC), limits(100), attribute(Tag::ActivationDate, &DateTime(1_000))]
}

fn on(caller: &mut Caller, version: Version, operation: Operation, of: &str) -> Answer {
    caller.ask(version, operation, |writer| id(of, writer))
}

fn allocate(caller: &mut Caller, version: Version, of: &str, count: i64) -> Answer {
    caller.ask(version, Operation::GetUsageAllocation, |writer| {
        id(of, writer);
        count.write(Tag::UsageLimitsCount, writer);
    })
}

fn left(caller: &mut Caller, version: Version, of: &str) -> Option<i64> {
    caller.attribute::<UsageLimits>(version, of, Tag::UsageLimits)?.usage_limits_count
}

fn adjust(caller: &mut Caller, of: &str, name: &str, how: AdjustmentType, by: Option<Raw>) -> Answer {
    caller.ask(V2_1, Operation::AdjustAttribute, |writer| {
        id(of, writer);
        Some(AttributeReference::named(name)).write(Tag::AttributeReference, writer);
        how.write(Tag::AdjustmentType, writer);
        by.write(Tag::AdjustmentValue, writer);
    })
}

fn pick<T>(version: Version, since: Version, from_then: T, before: T) -> T {
    if version >= since { from_then } else { before }
}

/// Creates a folder with a policy that permits every user these operations with symmetric keys.
fn policies(pki: &Pki, operation: Operation) -> PathBuf {
    let spelled = operation.name().to_uppercase().replace('-', "").replace(' ', "_");
    let folder = pki.folder.path("policies");
    std::fs::create_dir(&folder).unwrap();
    let policy = format!(
        r#"{{"shared": {{"preset": {{"SYMMETRIC_KEY": {{"{spelled}": "ALLOW_ALL", "GET": "ALLOW_OWNER"}}}}}}}}"#
    );
    std::fs::write(folder.join("shared.json"), policy).unwrap();
    folder
}

#[test]
fn rejects_unknown_destroyed_archived_and_foreign_objects_with_the_reason_of_the_version() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    for verb in VERBS {
        for version in verb.versions() {
            let about = format!("{} in {version}", verb.operation);
            let unknown = pick(version, V2_1, R::ObjectNotFound, R::ItemNotFound);
            assert_eq!(verb.ask(&mut john, version, "999999").refused(), unknown, "{about}: unknown");
            let own = john.register(version, &aes(), &active()).id();
            assert_eq!(
                verb.ask(&mut jane, version, &own).refused(),
                R::PermissionDenied,
                "{about}: another's"
            );
            on(&mut john, version, Operation::Archive, &own).done();
            let archived = verb.ask(&mut john, version, &own);
            if verb.operation == Operation::Recover {
                archived.done();
            } else {
                assert_eq!(archived.refused(), R::ObjectArchived, "{about}: archived");
            }
            if matches!(verb.operation, Operation::Recover | Operation::AdjustAttribute) {
                continue;
            }
            let gone = john.register(version, &aes(), &[usage(0xC)]).id();
            on(&mut john, version, Operation::Destroy, &gone).done();
            let destroyed = pick(version, V2_1, R::ObjectDestroyed, R::ItemNotFound);
            assert_eq!(verb.ask(&mut john, version, &gone).refused(), destroyed, "{about}: destroyed");
        }
    }
}

#[test]
fn a_policy_file_permits_exactly_the_operations_it_lists() {
    for allowed in VERBS {
        let pki = Pki::new();
        let mut config = pki.config();
        // Adjust Attribute has the permission of Modify Attribute.
        let entry = match allowed.operation {
            Operation::AdjustAttribute => Operation::ModifyAttribute,
            operation => operation,
        };
        config.policy_path = Some(policies(&pki, entry));
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
        let shared = [active(), vec![attribute(Tag::OperationPolicyName, &"shared".to_owned())]].concat();
        let of = john.register(V1_4, &aes(), &shared).id();
        for verb in VERBS {
            let answer = verb.ask(&mut jane, V2_1, &of);
            if verb.operation == allowed.operation {
                continue;
            }
            assert_eq!(answer.refused(), ResultReason::PermissionDenied, "{}", verb.operation);
        }
        let of = john.register(V1_4, &aes(), &shared).id();
        allowed.ask(&mut jane, V2_1, &of).done();
    }
}

#[test]
fn check_returns_the_constraints_that_the_object_does_not_meet() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in SUPPORTED {
        let of = john.register(version, &aes(), &active()).id();
        let mut check = |count: Option<i64>, mask: Option<i32>, lease: Option<u32>| {
            john.ask(version, Operation::Check, |writer| {
                id(&of, writer);
                count.write(Tag::UsageLimitsCount, writer);
                mask.write(Tag::CryptographicUsageMask, writer);
                lease.map(Interval).write(Tag::LeaseTime, writer);
            })
        };
        assert_eq!(check(Some(100), Some(0xC), Some(3_600)).id(), of, "{version}");
        let mask = pick(version, V2_0, R::IncompatibleCryptographicUsageMask, R::PermissionDenied);
        assert_eq!(check(None, Some(0x10), None).refused(), mask, "{version}");
        let exceeded = pick(version, V2_0, R::UsageLimitExceeded, R::PermissionDenied);
        assert_eq!(check(Some(101), None, None).refused(), exceeded, "{version}");
        assert_eq!(check(None, None, Some(3_601)).refused(), R::PermissionDenied, "{version}");
    }
}

#[test]
fn usage_allocations_decrease_and_fail_with_the_reason_of_the_version() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in SUPPORTED {
        let of = john.register(version, &aes(), &active()).id();
        allocate(&mut john, version, &of, 60).done();
        assert_eq!(left(&mut john, version, &of), Some(40), "{version}");
        let exceeded = pick(version, V2_0, R::UsageLimitExceeded, R::PermissionDenied);
        assert_eq!(allocate(&mut john, version, &of, 41).refused(), exceeded, "{version}");
        assert_eq!(allocate(&mut john, version, &of, 0).refused(), R::InvalidField, "{version}");
        assert_eq!(left(&mut john, version, &of), Some(40), "{version}: a refusal takes nothing");
        let unlimited = john.register(version, &aes(), &[usage(0xC)]).id();
        let expected = pick(version, V2_0, R::AttributeNotFound, R::IllegalOperation);
        assert_eq!(allocate(&mut john, version, &unlimited, 1).refused(), expected, "{version}");
        let early = john.register(version, &aes(), &[usage(0xC), limits(5)]).id();
        let expected = pick(version, V2_1, R::WrongKeyLifecycleState, R::PermissionDenied);
        assert_eq!(allocate(&mut john, version, &early, 1).refused(), expected, "{version}: pre-active");
    }
}

#[test]
fn re_key_replaces_keys_only_by_keys_of_the_same_type() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let pair = john.ask(V1_4, Operation::CreateKeyPair, |writer| {
        let rsa = attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa);
        template(Tag::CommonAttributes, &[rsa, length(1024)], writer);
        template(Tag::PrivateKeyAttributes, &[usage(1)], writer);
        template(Tag::PublicKeyAttributes, &[usage(2)], writer);
    });
    let private = pair.all::<UniqueIdentifier>(Tag::PrivateKeyUniqueIdentifier)[0].to_string();
    let re_key_pair = |caller: &mut Caller, version: Version, of: &str| {
        caller.ask(version, Operation::ReKeyKeyPair, |writer| {
            UniqueIdentifier::Text(of.to_owned()).write(Tag::PrivateKeyUniqueIdentifier, writer);
        })
    };
    for version in [V1_4, V2_0, V2_1] {
        let of = john.register(version, &aes(), &active()).id();
        let other = pick(version, V2_0, R::InvalidObjectType, R::PermissionDenied);
        assert_eq!(re_key_pair(&mut john, version, &of).refused(), other, "{version}");
        assert_eq!(on(&mut john, version, Operation::ReKey, &private).refused(), other, "{version}");
        assert_eq!(re_key_pair(&mut jane, version, &private).refused(), R::PermissionDenied, "{version}");
        let unknown = pick(version, V2_1, R::ObjectNotFound, R::ItemNotFound);
        assert_eq!(re_key_pair(&mut john, version, "999999").refused(), unknown, "{version}");
        let both = john.ask(version, Operation::ReKey, |writer| {
            id(&of, writer);
            Interval(5).write(Tag::Offset, writer);
            template(Tag::Attributes, &[attribute(Tag::ActivationDate, &DateTime(5))], writer);
        });
        assert_eq!(both.refused(), R::InvalidMessage, "{version}");
    }
    let again = re_key_pair(&mut john, V2_1, &private);
    let new = again.all::<UniqueIdentifier>(Tag::PrivateKeyUniqueIdentifier)[0].clone();
    let links: Vec<Link> = john
        .attributes(V2_1, &private)
        .iter()
        .filter(|it| it.row.tag == Tag::Link)
        .map(|it| it.read().unwrap())
        .collect();
    let replacement = links.iter().find(|link| link.link_type == LinkType::ReplacementObjectLink).unwrap();
    assert_eq!(replacement.linked_object_identifier, new);
}

#[test]
fn adjusts_only_attributes_that_clients_can_modify() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let of = john.register(V2_1, &aes(), &active()).id();
    adjust(&mut john, &of, "Sensitive", AdjustmentType::Negate, None).done();
    assert_eq!(john.attribute(V2_1, &of, Tag::Sensitive), Some(true));
    let up = AdjustmentType::Increment;
    let wrong = Some(Raw::of(&"one".to_owned()));
    assert_eq!(adjust(&mut john, &of, "Protection Period", up, wrong).refused(), R::InvalidDataType);
    assert_eq!(adjust(&mut john, &of, "Cryptographic Length", up, None).refused(), R::ReadOnlyAttribute);
    assert_eq!(adjust(&mut john, &of, "Certificate Length", up, None).refused(), R::UnsupportedAttribute);
    let down = AdjustmentType::Decrement;
    assert_eq!(adjust(&mut john, &of, "Protection Period", down, None).refused(), R::NumericRange);
}

#[test]
fn archives_allocations_replacements_and_adjustments_survive_a_restart() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects.db");
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let ids: Vec<String> = (0..3).map(|_| john.register(V2_1, &aes(), &active()).id()).collect();
    let [archived, used, old] = <[String; 3]>::try_from(ids).unwrap();
    let named = john.register(V2_1, &aes(), &[named("first"), usage(0xC)]).id();
    allocate(&mut john, V2_1, &used, 60).done();
    adjust(&mut john, &used, "Sensitive", AdjustmentType::Negate, None).done();
    on(&mut john, V2_1, Operation::Archive, &archived).done();
    let new = on(&mut john, V2_1, Operation::ReKey, &old).id();
    let renamed = on(&mut john, V2_1, Operation::ReKey, &named).id();
    drop((john, server));

    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(left(&mut john, V2_1, &used), Some(40));
    assert_eq!(john.attribute(V2_1, &used, Tag::Sensitive), Some(true));
    assert_eq!(on(&mut john, V2_1, Operation::Get, &archived).refused(), ResultReason::ObjectArchived);
    on(&mut john, V2_1, Operation::Recover, &archived).done();
    assert_eq!(john.get(V2_1, &archived), aes());
    assert_eq!(john.attribute(V2_1, &new, Tag::State), Some(State::Active));
    assert_eq!(john.attribute(V2_1, &new, Tag::RotateGeneration), Some(1));
    assert_ne!(john.get(V2_1, &new), john.get(V2_1, &old));
    let link: Link = john.attribute(V2_1, &new, Tag::Link).unwrap();
    let expected = (LinkType::ReplacedObjectLink, UniqueIdentifier::Text(old));
    assert_eq!((link.link_type, link.linked_object_identifier), expected);
    let has_name = |caller: &mut Caller, of: &str| {
        caller.attributes(V2_1, of).iter().any(|attribute| attribute.row.tag == Tag::Name)
    };
    assert!(has_name(&mut john, &renamed) && !has_name(&mut john, &named), "a name moves to the new key");
    // A lease is as long as before and reports the Last Change Date.
    let lease = on(&mut john, V2_1, Operation::ObtainLease, &used);
    assert_eq!(lease.all::<Interval>(Tag::LeaseTime), [Interval(3_600)]);
    assert_eq!(
        lease.all::<DateTime>(Tag::LastChangeDate)[..],
        [john.attribute(V2_1, &used, Tag::LastChangeDate).unwrap()]
    );
    // A key that is created after the restart has a new identifier.
    let made = john.ask(V2_1, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
    });
    assert!(made.id().parse::<u64>().unwrap() > renamed.parse::<u64>().unwrap());
}

#[test]
fn operations_without_an_object_succeed_if_supported_and_fail_otherwise() {
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut role = |role: EndpointRole| {
        john.ask(V2_1, Operation::SetEndpointRole, |writer| role.write(Tag::EndpointRole, writer))
    };
    assert_eq!(role(EndpointRole::Server).all::<EndpointRole>(Tag::EndpointRole), [EndpointRole::Server]);
    assert_eq!(role(EndpointRole::Client).refused(), R::FeatureNotSupported);

    let mut log = |text: String| john.ask(V2_1, Operation::Log, |writer| text.write(Tag::LogMessage, writer));
    log("all is well".to_owned()).done();
    assert_eq!(log("x".repeat(4_097)).refused(), R::InvalidField);

    let mut interop = |function: InteropFunction| {
        john.ask(V2_1, Operation::Interop, |writer| {
            function.write(Tag::InteropFunction, writer);
            "a trial".to_owned().write(Tag::InteropIdentifier, writer);
        })
    };
    interop(InteropFunction::Begin).done();
    interop(InteropFunction::End).done();
    assert_eq!(interop(InteropFunction::Reset).refused(), R::PermissionDenied);

    john.ask(V2_1, Operation::Ping, |_| ()).done();
    let too_old = [Operation::Ping, Operation::Log, Operation::Interop, Operation::SetEndpointRole];
    for operation in too_old {
        assert_eq!(john.ask(V1_4, operation, |_| ()).refused(), R::OperationNotSupported, "{operation}");
    }
}

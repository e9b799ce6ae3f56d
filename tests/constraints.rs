//! Set Constraints and Get Constraints over TLS: effect on new objects, scope and restarts.

use kmip_server::internals::engine::constraints::{Constraint, Constraints, ObjectTypes};
use kmip_server::kmip::attributes::{Attribute, AttributeList};
use kmip_server::kmip::enums::{ObjectType, Operation, ResultReason};
use kmip_server::kmip::structures::ObjectGroups;
use kmip_server::ttlv::{Field, Tag, V1_4, V2_0, V2_1, Value, Version};

use crate::corpus::{algorithm, attribute, id, length, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::Pki;

fn set(caller: &mut Caller, constraints: Option<&Constraints>) -> Answer {
    caller.ask(V2_1, Operation::SetConstraints, |writer| {
        if let Some(constraints) = constraints {
            constraints.encode(Tag::Constraints, writer);
        }
    })
}

fn constraints_of(caller: &mut Caller) -> Constraints {
    let answer = caller.ask(V2_1, Operation::GetConstraints, |_| ());
    answer.all(Tag::Constraints).remove(0)
}

fn create(caller: &mut Caller, version: Version, bits: i32, group: Option<&str>) -> Answer {
    let group = group.map(|group| attribute(Tag::ObjectGroup, &group.to_owned()));
    let given: Vec<Attribute> = [algorithm(), length(bits), usage(0xC)].into_iter().chain(group).collect();
    caller.ask(version, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &given, writer);
    })
}

pub(crate) fn constraint(group: Option<&str>, bits: i32) -> Constraint {
    Constraint {
        object_types: Some(ObjectTypes { types: vec![ObjectType::SymmetricKey] }),
        object_groups: group.map(|group| ObjectGroups { groups: vec![group.to_owned()] }),
        attributes: AttributeList(vec![algorithm(), length(bits)]),
    }
}

#[test]
fn new_objects_must_meet_the_constraints_of_their_creator() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects");
    let constraints =
        Constraints { constraints: vec![constraint(Some("strong"), 256), constraint(None, 192)] };
    let key = {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let before = create(&mut john, V2_1, 128, None).id();
        set(&mut john, Some(&constraints)).done();
        assert_eq!(constraints_of(&mut john), constraints);
        assert_eq!(john.get(V2_1, &before).object_type(), ObjectType::SymmetricKey);
        create(&mut john, V2_1, 192, None).id()
    };
    // They survive a restart and apply to requests of other versions too.
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(constraints_of(&mut john), constraints);
    for (version, reason) in [
        (V1_4, ResultReason::PermissionDenied),
        (V2_0, ResultReason::PermissionDenied),
        (V2_1, ResultReason::ConstraintViolation),
    ] {
        create(&mut john, version, 256, Some("strong")).done();
        create(&mut john, version, 192, None).done();
        assert_eq!(create(&mut john, version, 192, Some("strong")).refused(), reason);
        assert_eq!(create(&mut john, version, 256, None).refused(), reason);
    }
    let object = john.get(V2_1, &key);
    john.register(V2_1, &object, &[usage(0xC)]).done();
    let strong = attribute(Tag::ObjectGroup, &"strong".to_owned());
    let refused = john.register(V2_1, &object, &[usage(0xC), strong]).refused();
    assert_eq!(refused, ResultReason::ConstraintViolation);

    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    assert_eq!(constraints_of(&mut jane), Constraints::default());
    create(&mut jane, V2_1, 128, None).done();

    set(&mut john, None).done();
    assert_eq!(constraints_of(&mut john), Constraints::default());
    create(&mut john, V2_1, 128, None).done();
}

#[test]
fn a_replacement_key_must_meet_the_constraints() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = create(&mut john, V2_1, 128, None).id();
    set(&mut john, Some(&Constraints { constraints: vec![constraint(None, 256)] })).done();
    let refused = john.ask(V2_1, Operation::ReKey, |writer| id(&key, writer)).refused();
    assert_eq!(refused, ResultReason::ConstraintViolation);
    set(&mut john, Some(&Constraints { constraints: vec![constraint(None, 128)] })).done();
    john.ask(V2_1, Operation::ReKey, |writer| id(&key, writer)).done();
}

#[test]
fn constraints_have_a_size_limit_and_exist_only_in_2_1() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let many = Constraints { constraints: vec![constraint(None, 256); 65] };
    assert_eq!(set(&mut john, Some(&many)).refused(), ResultReason::InvalidField);
    for operation in [Operation::GetConstraints, Operation::SetConstraints] {
        let refused = john.ask(V2_0, operation, |_| ()).refused();
        assert_eq!(refused, ResultReason::OperationNotSupported);
    }
    assert_eq!(constraints_of(&mut john), Constraints::default());
}

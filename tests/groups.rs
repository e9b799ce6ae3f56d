//! Object groups: fresh members and the rotation of the default member (KMIP 1.4 §3.33 and §4.9).

use kmip_server::kmip::Object;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, ObjectGroupMember, ObjectType, Operation, State,
};
use kmip_server::ttlv::{Field, Tag, V1_1, V1_4, V2_1, Version, Writer};

use crate::corpus::{attribute, flat, id, usage};
use crate::dialogue::{Caller, Live, key};
use crate::harness::Pki;

fn callers() -> (Live, Caller, Caller) {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let john = live.caller(&pki, &pki.ca.client("John Doe"));
    let jane = live.caller(&pki, &pki.ca.client("Jane Doe"));
    (live, john, jane)
}

pub(crate) fn group(name: &str) -> Attribute {
    attribute(Tag::ObjectGroup, &name.to_owned())
}

pub(crate) fn join(caller: &mut Caller, name: &str) -> String {
    let object = Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]));
    caller.register(V1_4, &object, &[group(name), usage(0xC)]).id()
}

pub(crate) fn locate(
    caller: &mut Caller,
    version: Version,
    member: ObjectGroupMember,
    attributes: &[Attribute],
) -> Vec<String> {
    let answer = caller.ask(version, Operation::Locate, |writer: &mut Writer| {
        member.write(Tag::ObjectGroupMember, writer);
        flat(attributes, writer);
    });
    answer.ids()
}

pub(crate) const DEFAULT: ObjectGroupMember = ObjectGroupMember::GroupMemberDefault;
const FRESH: ObjectGroupMember = ObjectGroupMember::GroupMemberFresh;

#[test]
fn the_default_group_member_rotates_with_each_get() {
    let (_live, mut john, mut jane) = callers();
    let members: Vec<_> = (0..3).map(|_| join(&mut john, "round")).collect();
    join(&mut john, "other");
    for turn in 0..7 {
        let member = &members[turn % 3..][..1];
        assert_eq!(locate(&mut john, V1_1, DEFAULT, &[group("round")]), member);
        assert_eq!(locate(&mut john, V2_1, DEFAULT, &[group("round")]), member, "a Locate moves nothing on");
        john.get(V1_4, &member[0]);
    }
    assert!(locate(&mut jane, V1_4, DEFAULT, &[group("round")]).is_empty(), "the policy holds");
    // The next member is destroyed, so that the one after it follows.
    john.ask(V1_4, Operation::Destroy, |writer| id(&members[1], writer)).done();
    assert_eq!(locate(&mut john, V1_4, DEFAULT, &[group("round")]), members[2..]);
    assert!(locate(&mut john, V1_4, DEFAULT, &[group("none")]).is_empty());
}

#[test]
fn locate_returns_one_default_member_regardless_of_paging() {
    let (_live, mut john, _) = callers();
    let members: Vec<_> = (0..2).map(|_| join(&mut john, "pages")).collect();
    let mut page = |offset: i32, most: i32| {
        let answer = john.ask(V1_4, Operation::Locate, |writer| {
            most.write(Tag::MaximumItems, writer);
            offset.write(Tag::OffsetItems, writer);
            DEFAULT.write(Tag::ObjectGroupMember, writer);
            flat(&[group("pages")], writer);
        });
        (answer.all::<i32>(Tag::LocatedItems), answer.ids())
    };
    assert_eq!(page(0, 9), (vec![1], members[..1].to_vec()));
    assert_eq!(page(1, 9), (vec![1], vec![]));
    assert_eq!(page(0, 0), (vec![1], vec![]));
}

#[test]
fn creates_fresh_keys_only_for_the_default_group() {
    let (_live, mut john, mut jane) = callers();
    let [first] = &locate(&mut john, V1_1, FRESH, &[group("default")])[..] else { panic!("one key") };
    assert_eq!(&locate(&mut john, V2_1, FRESH, &[group("default")])[0], first, "it is still fresh");
    assert_eq!(john.attribute::<State>(V1_4, first, Tag::State), Some(State::PreActive));
    john.get(V1_4, first);
    assert_eq!(john.attribute(V1_4, first, Tag::Fresh), Some(false));
    let [second] = &locate(&mut john, V1_1, FRESH, &[group("default")])[..] else { panic!("one key") };
    assert_ne!(first, second);
    let hers = locate(&mut jane, V1_1, FRESH, &[group("default")]);
    assert!(hers.len() == 1 && hers[0] != *second, "everybody gets keys of their own");
    assert!(locate(&mut john, V1_1, FRESH, &[group("another")]).is_empty());
    assert!(locate(&mut john, V1_1, DEFAULT, &[group("another")]).is_empty());
}

#[test]
fn creates_no_fresh_key_that_does_not_match_the_search() {
    let (_live, mut john, _) = callers();
    let length = |bits: i32| attribute(Tag::CryptographicLength, &bits);
    let of_type = |object_type: ObjectType| attribute(Tag::ObjectType, &object_type);
    for other in [length(128), of_type(ObjectType::Certificate), group("a second group")] {
        assert!(locate(&mut john, V1_4, FRESH, &[group("default"), other]).is_empty());
    }
    let everything = john.ask(V1_4, Operation::Locate, |_| ());
    assert!(everything.ids().is_empty(), "nothing was made");
    assert_eq!(locate(&mut john, V1_4, FRESH, &[group("default"), length(256)]).len(), 1);
}

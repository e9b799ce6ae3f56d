//! Protocol versions: the accepted ones, their rules, and Discover Versions.

use kmip_server::kmip::RequestHeader;
use kmip_server::kmip::enums::{CryptographicAlgorithm, ObjectType, Operation, ResultReason};
use kmip_server::kmip::structures::ProtocolVersion;
use kmip_server::ttlv::{
    DateTime, Field, Reader, SUPPORTED, Tag, V1_0, V1_4, V2_0, V2_1, V3_0, Value, Version, Writer,
};

use crate::corpus::{attribute, header, id, message_of, message_under, template};
use crate::dialogue::{Answer, Caller, Live, answers};
use crate::harness::Pki;

/// Returns the response of Discover Versions to a client that lists these versions.
fn discovered(john: &mut Caller, version: Version, named: &[Version]) -> Vec<Version> {
    let answer = john.ask(version, Operation::DiscoverVersions, |writer| {
        for version in named {
            ProtocolVersion::from(*version).encode(Tag::ProtocolVersion, writer);
        }
    });
    answer.all::<ProtocolVersion>(Tag::ProtocolVersion).into_iter().map(Version::from).collect()
}

/// Returns the version and the Server Correlation Value in the header of a response.
fn header_of(response: &[u8]) -> (Version, Option<String>) {
    let mut rows = Reader::new(response, V2_1).require(Tag::ResponseMessage).unwrap().structure().unwrap();
    let mut rows = rows.require(Tag::ResponseHeader).unwrap().structure().unwrap();
    let version: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut rows).unwrap();
    let mut correlation = None;
    while let Some(item) = rows.next().unwrap() {
        if item.tag == Tag::ServerCorrelationValue {
            correlation = Some(Value::decode(&item).unwrap());
        }
    }
    (version.into(), correlation)
}

#[test]
fn processes_3_0_as_2_1_and_responds_with_3_0_in_the_header() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    let create = |writer: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        let algorithm = attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes);
        template(Tag::Attributes, &[algorithm, attribute(Tag::CryptographicLength, &128)], writer);
    };
    let response = client.exchange(&message_of(V3_0, None, &[(Operation::Create, create)])).unwrap();
    let (version, correlation) = header_of(&response);
    assert_eq!(version, V3_0);
    assert!(correlation.is_some(), "every client of 2.1 knows the item");
    let key = answers(V2_1, &response).remove(0).id();

    let mut john = Caller::new(client);
    assert_eq!(john.ask(V3_0, Operation::Get, |writer| id(&key, writer)).ids(), [&*key]);
    let unknown = john.ask(V3_0, Operation::Get, |writer| id("999", writer));
    assert_eq!(unknown.refused(), ResultReason::ObjectNotFound, "the reason of 2.1");
    let refused = john.ask(V3_0, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        writer.structure(Tag::TemplateAttribute, |_| {});
    });
    let refused = refused.refused();
    assert_eq!(refused, ResultReason::InvalidMessage, "2.1 has no templates");

    let late = RequestHeader { time_stamp: Some(DateTime(0)), ..header(V3_0, None) };
    let mut client = pki.connect(live.port, &pki.client);
    let query: &dyn Fn(&mut Writer) = &|_| {};
    let response = client.exchange(&message_under(V3_0, late, &[(Operation::Query, query)])).unwrap();
    assert_eq!(header_of(&response).0, V3_0, "refusals of the whole message have it as well");
}

#[test]
fn discover_versions_returns_3_0_only_to_clients_that_list_it() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut john = live.caller(&pki, &pki.client);
    for version in [V1_4, V2_0, V2_1, V3_0] {
        assert_eq!(discovered(&mut john, version, &[]), SUPPORTED, "{version}");
        let named = [Version::new(3, 1), V3_0, V1_4, Version::new(2, 2)];
        assert_eq!(discovered(&mut john, version, &named), [V3_0, V1_4], "{version}");
    }
}

#[test]
fn rejects_unknown_versions_with_a_response_of_1_0() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    for version in [(0, 9), (1, 5), (2, 2), (3, 1), (4, 0), (-1, 0)] {
        let version = Version::new(version.0, version.1);
        let query: &dyn Fn(&mut Writer) = &|_| {};
        let response = client.exchange(&message_of(version, None, &[(Operation::Query, query)])).unwrap();
        assert_eq!(header_of(&response).0, V1_0, "{version}");
        let answer: Answer = answers(V1_4, &response).remove(0);
        assert_eq!(answer.refused(), ResultReason::InvalidMessage, "{version}");
    }
}

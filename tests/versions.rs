//! Protocol versions: the accepted ones, their rules, and Discover Versions.

use kmip_server::kmip::enums::{Operation, ResultReason};
use kmip_server::kmip::structures::ProtocolVersion;
use kmip_server::ttlv::{Field, Reader, SUPPORTED, Tag, V1_0, V1_4, V2_0, V2_1, Value, Version, Writer};

use crate::corpus::message_of;
use crate::dialogue::{Answer, Caller, Live, answers};
use crate::harness::Pki;

/// A version that the server does not support.
const V3_0: Version = Version::new(3, 0);

/// Returns the response of Discover Versions to a client that lists these versions.
fn discovered(john: &mut Caller, version: Version, named: &[Version]) -> Vec<Version> {
    let answer = john.ask(version, Operation::DiscoverVersions, |writer| {
        for version in named {
            ProtocolVersion::from(*version).encode(Tag::ProtocolVersion, writer);
        }
    });
    answer.all::<ProtocolVersion>(Tag::ProtocolVersion).into_iter().map(Version::from).collect()
}

/// Returns the version in the header of a response.
fn version_of(response: &[u8]) -> Version {
    let mut rows = Reader::new(response, V2_1).require(Tag::ResponseMessage).unwrap().structure().unwrap();
    let mut rows = rows.require(Tag::ResponseHeader).unwrap().structure().unwrap();
    let version: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut rows).unwrap();
    version.into()
}

#[test]
fn discover_versions_never_returns_3_0() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut john = live.caller(&pki, &pki.client);
    for version in [V1_4, V2_0, V2_1] {
        assert_eq!(discovered(&mut john, version, &[]), SUPPORTED, "{version}");
        let listed = [Version::new(3, 1), V3_0, V1_4, Version::new(2, 2)];
        assert_eq!(discovered(&mut john, version, &listed), [V1_4], "{version}");
        assert!(discovered(&mut john, version, &[V3_0]).is_empty(), "{version}");
    }
}

#[test]
fn rejects_the_first_message_of_a_3_0_client_and_answers_the_next_in_2_1() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    // 3.0 removed the Batch Count.
    let mut writer = Writer::new(V2_1);
    writer.structure(Tag::RequestMessage, |writer| {
        writer.structure(Tag::RequestHeader, |writer| {
            ProtocolVersion::from(V3_0).encode(Tag::ProtocolVersion, writer);
        });
        writer.structure(Tag::BatchItem, |writer| {
            Operation::Query.encode(Tag::Operation, writer);
            writer.structure(Tag::RequestPayload, |_| ());
        });
    });
    let response = client.exchange(&writer.into_bytes()).unwrap();
    assert_eq!(version_of(&response), V1_0);
    let answer = answers(V1_0, &response).remove(0);
    assert_eq!((answer.operation, answer.refused()), (None, ResultReason::InvalidMessage));

    let mut john = Caller::new(client);
    assert_eq!(discovered(&mut john, V2_1, &[]), SUPPORTED);
}

#[test]
fn rejects_unknown_versions_with_a_response_of_1_0() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    for version in [(0, 9), (1, 5), (2, 2), (3, 0), (3, 1), (4, 0), (-1, 0)] {
        let version = Version::new(version.0, version.1);
        let query: &dyn Fn(&mut Writer) = &|_| {};
        let response = client.exchange(&message_of(version, None, &[(Operation::Query, query)])).unwrap();
        assert_eq!(version_of(&response), V1_0, "{version}");
        let answer: Answer = answers(V1_4, &response).remove(0);
        assert_eq!(answer.refused(), ResultReason::InvalidMessage, "{version}");
    }
}

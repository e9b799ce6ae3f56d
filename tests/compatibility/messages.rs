//! Probes of the differences in messages, Query and Discover Versions.

use kmip_server::internals::compatibility::Difference;
use kmip_server::kmip::enums::{ObjectType, Operation, QueryFunction};
use kmip_server::kmip::structures::{CapabilityInformation, ProtocolVersion, ServerInformation};
use kmip_server::ttlv::{Field, Tag, V1_1, V1_2, V1_4, V2_0, Version, Writer};

use super::{Probe, Side, outcome};
use crate::corpus::message_of;
use crate::dialogue::{Answer, answers};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        difference: Difference::TrailingItems,
        version: V1_2,
        ask: |side, version| {
            let response = side.send(&with_batch_count(version, 1));
            answers(version, &response).iter().map(outcome).collect()
        },
        pykmip: "Success",
        standard: "Invalid Message",
    },
    Probe {
        difference: Difference::TrailingItems,
        version: V2_0,
        ask: |side, version| {
            let response = side.send(&with_batch_count(version, -1));
            format!("{} items", answers(version, &response).len())
        },
        pykmip: "0 items",
        standard: "1 items",
    },
    Probe {
        difference: Difference::QueryAnswer,
        version: V1_2,
        ask: |side, version| {
            let functions = [QueryFunction::QueryOperations, QueryFunction::QueryObjects];
            let answer = query(side, version, &functions);
            let operations = answer.all::<Operation>(Tag::Operation);
            let types = answer.all::<ObjectType>(Tag::ObjectType);
            let more = operations.contains(&Operation::AddAttribute);
            format!("Add Attribute: {more}, {} types", types.len())
        },
        pykmip: "Add Attribute: false, 0 types",
        standard: "Add Attribute: true, 9 types",
    },
    Probe {
        difference: Difference::QueryAnswer,
        version: V1_4,
        ask: |side, version| {
            let functions = [QueryFunction::QueryServerInformation, QueryFunction::QueryCapabilities];
            let answer = query(side, version, &functions);
            let vendor = answer.all::<String>(Tag::VendorIdentification).concat();
            let information = answer.all::<ServerInformation>(Tag::ServerInformation);
            let capabilities = answer.all::<CapabilityInformation>(Tag::CapabilityInformation);
            let name = vendor.split_once(' ').map_or("", |(name, _)| name);
            format!("{name}, {} and {}", information.len(), capabilities.len())
        },
        pykmip: "PyKMIP, 0 and 0",
        standard: "kmip-server, 1 and 1",
    },
    Probe {
        difference: Difference::DiscoveredVersions,
        version: V1_1,
        ask: |side, version| {
            let answer = side.ask(version, Operation::DiscoverVersions, |_| ());
            let versions = answer.all::<ProtocolVersion>(Tag::ProtocolVersion).into_iter();
            let versions: Vec<_> = versions.map(|version| Version::from(version).to_string()).collect();
            versions.join(" ")
        },
        pykmip: "2.0 1.4 1.3 1.2 1.1 1.0",
        standard: "2.1 2.0 1.4 1.3 1.2 1.1 1.0",
    },
];

/// Asks for these functions.
fn query(side: &Side, version: Version, functions: &[QueryFunction]) -> Answer {
    side.ask(version, Operation::Query, |writer| functions.to_vec().write(Tag::QueryFunction, writer))
}

/// Returns a message with two Queries whose header states another Batch Count.
fn with_batch_count(version: Version, stated: i32) -> Vec<u8> {
    let payload =
        |writer: &mut Writer| vec![QueryFunction::QueryOperations].write(Tag::QueryFunction, writer);
    let items = [(Operation::Query, payload), (Operation::Query, payload)];
    let mut message = message_of(version, None, &items);
    let counted = |count: i32| {
        let mut writer = Writer::new(version);
        count.write(Tag::BatchCount, &mut writer);
        writer.into_bytes()
    };
    let (correct, stated) = (counted(2), counted(stated));
    let at = message.windows(correct.len()).position(|bytes| bytes == correct).unwrap();
    message[at..at + stated.len()].copy_from_slice(&stated);
    message
}

//! Probes of the differences in Locate.

use kmip_server::internals::compatibility::Difference;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{ObjectGroupMember, Operation, StorageStatusMask};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_2, V1_3, V1_4, V2_0, Version, Writer};

use super::attributes::key;
use super::{Probe, Side, outcome};
use crate::corpus::{attribute, flat, named};
use crate::dialogue::Answer;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        difference: Difference::LocateOrder,
        version: V1_2,
        ask: |side, version| {
            three(side, version);
            located(&locate(side, version, &[], |_| ()))
        },
        pykmip: "1 2 3",
        standard: "3 2 1",
    },
    Probe {
        difference: Difference::LocatedItems,
        version: V1_3,
        ask: |side, version| {
            three(side, version);
            let answers = [
                locate(side, version, &[], |writer| 2_i32.write(Tag::MaximumItems, writer)),
                locate(side, version, &[], |writer| 1_i32.write(Tag::OffsetItems, writer)),
                locate(side, version, &[], |_| ()),
            ];
            format!("{:?}", answers.map(|answer| answer.all::<i32>(Tag::LocatedItems)))
        },
        pykmip: "[[], [], []]",
        standard: "[[3], [3], []]",
    },
    Probe {
        difference: Difference::ExcessPayloadItems,
        version: V1_4,
        ask: |side, version| {
            three(side, version);
            located(&locate(side, version, &[named("a")], |writer| {
                2_i32.write(Tag::OffsetItems, writer);
                1_i32.write(Tag::MaximumItems, writer);
            }))
        },
        pykmip: "3",
        standard: "Invalid Message",
    },
    Probe {
        difference: Difference::NegativeItems,
        version: V2_0,
        ask: |side, version| {
            three(side, version);
            located(&locate(side, version, &[], |writer| (-1_i32).write(Tag::MaximumItems, writer)))
        },
        pykmip: "1 2",
        standard: "Invalid Field",
    },
    Probe {
        difference: Difference::StorageStatusMaskIgnored,
        version: V1_2,
        ask: |side, version| {
            three(side, version);
            located(&locate(side, version, &[], |writer| {
                StorageStatusMask::ARCHIVAL_STORAGE.write(Tag::StorageStatusMask, writer);
            }))
        },
        pykmip: "1 2 3",
        standard: "",
    },
    Probe {
        difference: Difference::ObjectGroupMemberIgnored,
        version: V1_4,
        ask: |side, version| {
            let group = [attribute(Tag::ObjectGroup, &"a".to_owned())];
            key(side, version, &group);
            key(side, version, &group);
            located(&locate(side, version, &group, |writer| {
                ObjectGroupMember::GroupMemberDefault.write(Tag::ObjectGroupMember, writer);
            }))
        },
        pykmip: "1 2",
        standard: "1",
    },
    Probe {
        difference: Difference::UncomparedAttributes,
        version: V1_2,
        ask: |side, version| {
            three(side, version);
            let date = |tag| locate(side, version, &[attribute(tag, &DateTime(7))], |_| ());
            format!("{} | {}", located(&date(Tag::ActivationDate)), located(&date(Tag::InitialDate)))
        },
        pykmip: "1 2 3 | ",
        standard: " | ",
    },
    Probe {
        difference: Difference::SensitiveMatchesNothing,
        version: V1_4,
        ask: |side, version| {
            three(side, version);
            located(&locate(side, version, &[attribute(Tag::Sensitive, &false)], |_| ()))
        },
        pykmip: "",
        standard: "3 2 1",
    },
];

/// Creates three keys within one second.
fn three(side: &Side, version: Version) {
    for name in ["a", "b", "c"] {
        key(side, version, &[named(name)]);
    }
}

/// Requests the objects with these attributes; `options` writes the items before the attributes.
fn locate(side: &Side, version: Version, attributes: &[Attribute], options: impl Fn(&mut Writer)) -> Answer {
    side.ask(version, Operation::Locate, |writer| {
        options(writer);
        flat(attributes, writer);
    })
}

/// Returns the identifiers in their order, or the Result Reason.
fn located(answer: &Answer) -> String {
    match answer.reason {
        None => answer.ids().join(" "),
        Some(_) => outcome(answer),
    }
}

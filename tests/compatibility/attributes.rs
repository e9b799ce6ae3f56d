//! Probes of the differences in attributes.

use kmip_server::internals::compatibility::Difference;
use kmip_server::kmip::attributes::{Attribute, AttributeReference};
use kmip_server::kmip::enums::{ObjectType, Operation};
use kmip_server::ttlv::{Field, Tag, V1_2, Version};

use super::{Probe, Side, outcome};
use crate::corpus::{algorithm, id, length, template, usage};

pub(super) const PROBES: &[Probe] = &[Probe {
    difference: Difference::RepeatedAttributeName,
    version: V1_2,
    ask: |side, version| {
        let key = key(side, version, &[]);
        outcome(&side.ask(version, Operation::GetAttributes, |writer| {
            id(&key, writer);
            vec![AttributeReference::named("State"); 2].write(Tag::AttributeReference, writer);
        }))
    },
    pykmip: "Success",
    standard: "Invalid Message",
}];

/// Creates an AES key with these attributes beside the mandatory ones.
fn key(side: &Side, version: Version, more: &[Attribute]) -> String {
    let attributes = [&[algorithm(), length(128), usage(0xC)], more].concat();
    let created = side.ask(version, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
    });
    created.id()
}

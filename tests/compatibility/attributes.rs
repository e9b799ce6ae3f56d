//! Probes of the differences in attributes.

use kmip_server::internals::compatibility::Difference;
use kmip_server::kmip::attributes::{Attribute, AttributeReference};
use kmip_server::kmip::enums::{KeyFormatType, ObjectType, Operation, SecretDataType, State};
use kmip_server::kmip::{Object, SecretData};
use kmip_server::ttlv::{Field, Reader, Tag, V1_0, V1_2, V1_4, V2_0, Version, Writer};

use super::{Probe, Side, outcome};
use crate::corpus::{algorithm, attribute, id, length, named, template, usage};
use crate::dialogue::{Answer, block};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        difference: Difference::RepeatedAttributeName,
        version: V1_2,
        ask: |side, version| {
            let key = key(side, version, &[]);
            outcome(&get_attributes(side, version, &key, &["State", "State"]))
        },
        pykmip: "Success",
        standard: "Invalid Message",
    },
    Probe {
        difference: Difference::DefaultAttributes,
        version: V1_2,
        ask: |side, version| {
            let key = key(side, version, &[named("one")]);
            let names = side.ask(version, Operation::GetAttributeList, |writer| id(&key, writer));
            names.all::<String>(Tag::AttributeName).join(", ")
        },
        pykmip: "Unique Identifier, Name, Object Type, Cryptographic Algorithm, Cryptographic Length, \
                 Operation Policy Name, Cryptographic Usage Mask, State, Initial Date",
        standard: "Unique Identifier, Name, Object Type, Cryptographic Algorithm, Cryptographic Length, Digest, \
                   Operation Policy Name, Cryptographic Usage Mask, Lease Time, State, Initial Date, \
                   Last Change Date, Fresh, Original Creation Date",
    },
    Probe {
        difference: Difference::DefaultAttributes,
        version: V2_0,
        ask: |side, version| {
            let key = key(side, version, &[]);
            let answer = get_attributes(side, version, &key, &[]);
            format!("{} attributes", attributes(&answer).len())
        },
        pykmip: "8 attributes",
        standard: "20 attributes",
    },
    Probe {
        difference: Difference::FirstAttributeIndex,
        version: V1_0,
        ask: |side, version| {
            let key = key(side, version, &[named("one")]);
            let got = get_attributes(side, version, &key, &["Name"]);
            let deleted =
                side.ask(version, Operation::DeleteAttribute, |writer| delete(&key, "Name", writer));
            let indices: Vec<_> =
                [got, deleted].iter().flat_map(attributes).map(|attribute| attribute.index).collect();
            format!("{indices:?}")
        },
        pykmip: "[Some(0), Some(0)]",
        standard: "[None, None]",
    },
    Probe {
        difference: Difference::ReadOnlyAttribute,
        version: V2_0,
        ask: |side, version| {
            let key = key(side, version, &[]);
            outcome(&modify(side, version, &key, &attribute(Tag::State, &State::Active)))
        },
        pykmip: "Permission Denied",
        standard: "Attribute Read Only",
    },
    Probe {
        difference: Difference::ReadOnlyAttribute,
        version: V1_0,
        ask: |side, version| {
            let key = key(side, version, &[]);
            outcome(&modify(side, version, &key, &attribute(Tag::Fresh, &true)))
        },
        pykmip: "Permission Denied",
        standard: "Invalid Field",
    },
    Probe {
        difference: Difference::IndexOfSingleValue,
        version: V1_4,
        ask: |side, version| {
            let key = key(side, version, &[]);
            let mut sensitive = sensitive(true);
            sensitive.index = Some(0);
            outcome(&modify(side, version, &key, &sensitive))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::SensitiveStays,
        version: V1_4,
        ask: |side, version| {
            let key = key(side, version, &[sensitive(true)]);
            outcome(&modify(side, version, &key, &sensitive(false)))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::SensitiveStays,
        version: V2_0,
        ask: |side, version| {
            let key = key(side, version, &[sensitive(true)]);
            outcome(
                &side.ask(version, Operation::SetAttribute, |writer| new(&key, &sensitive(false), writer)),
            )
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::DeletionOfNothing,
        version: V2_0,
        ask: |side, version| delete_from_key(side, version, "Name"),
        pykmip: "Success",
        standard: "Item Not Found",
    },
    Probe {
        difference: Difference::InapplicableDeletion,
        version: V1_2,
        ask: |side, version| {
            let block = block(KeyFormatType::Opaque, b"a secret".to_vec());
            let secret = Object::SecretData(SecretData {
                secret_data_type: SecretDataType::Password,
                key_block: block,
            });
            let registered = side.ask(version, Operation::Register, |writer| {
                ObjectType::SecretData.write(Tag::ObjectType, writer);
                template(Tag::Attributes, &[usage(0xC)], writer);
                secret.write(Tag::default(), writer);
            });
            let secret = registered.id();
            outcome(&side.ask(version, Operation::DeleteAttribute, |writer| {
                delete(&secret, "Cryptographic Length", writer);
            }))
        },
        pykmip: "Item Not Found",
        standard: "Permission Denied",
    },
    Probe {
        difference: Difference::IndexOfMissingInstance,
        version: V1_2,
        ask: |side, version| {
            let key = key(side, version, &[]);
            let delete_at = |index: i32| {
                outcome(&side.ask(version, Operation::DeleteAttribute, |writer| {
                    delete(&key, "State", writer);
                    index.write(Tag::AttributeIndex, writer);
                }))
            };
            [0, 1].map(delete_at).join(", ")
        },
        pykmip: "Permission Denied, Item Not Found",
        standard: "Permission Denied, Permission Denied",
    },
    Probe {
        difference: Difference::UnsupportedDeletion,
        version: V1_2,
        ask: |side, version| delete_from_key(side, version, "Contact Information"),
        pykmip: "Invalid Field",
        standard: "Item Not Found",
    },
    Probe {
        difference: Difference::UnsupportedDeletion,
        version: V2_0,
        ask: |side, version| delete_from_key(side, version, "Link"),
        pykmip: "Invalid Field",
        standard: "Item Not Found",
    },
];

/// Creates an AES key with these attributes beside the mandatory ones.
pub(super) fn key(side: &Side, version: Version, more: &[Attribute]) -> String {
    let attributes = [&[algorithm(), length(128), usage(0xC)], more].concat();
    let created = side.ask(version, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
    });
    created.id()
}

fn sensitive(value: bool) -> Attribute {
    attribute(Tag::Sensitive, &value)
}

fn get_attributes(side: &Side, version: Version, of: &str, names: &[&str]) -> Answer {
    let references: Vec<_> = names.iter().map(|name| AttributeReference::named(name)).collect();
    side.ask(version, Operation::GetAttributes, |writer| {
        id(of, writer);
        references.write(Tag::AttributeReference, writer);
    })
}

/// Returns the attributes in the payload of a success.
fn attributes(answer: &Answer) -> Vec<Attribute> {
    let mut payload = Reader::new(answer.done(), answer.version);
    let mut rows = payload.require(Tag::ResponsePayload).unwrap().structure().unwrap();
    rows.require(Tag::UniqueIdentifier).unwrap();
    kmip_server::kmip::attributes::AttributeList::read(Tag::Attributes, &mut rows).unwrap().0
}

/// Writes a request for a new value of an attribute.
fn new(of: &str, value: &Attribute, writer: &mut Writer) {
    id(of, writer);
    value.write(Tag::NewAttribute, writer);
}

fn modify(side: &Side, version: Version, of: &str, value: &Attribute) -> Answer {
    side.ask(version, Operation::ModifyAttribute, |writer| new(of, value, writer))
}

/// Writes a request to delete an attribute by reference.
fn delete(of: &str, name: &str, writer: &mut Writer) {
    id(of, writer);
    Some(AttributeReference::named(name)).write(Tag::AttributeReference, writer);
}

fn delete_from_key(side: &Side, version: Version, name: &str) -> String {
    let key = key(side, version, &[]);
    outcome(&side.ask(version, Operation::DeleteAttribute, |writer| delete(&key, name, writer)))
}

#[test]
fn deleting_an_unknown_attribute_by_reference_is_an_error_under_both_settings() {
    use kmip_server::internals::compatibility::Compatibility;
    for compatibility in [Compatibility::PyKmip, Compatibility::Standard] {
        let side = Side::new(compatibility);
        for name in ["x-no-such-attribute", "Certificate Length"] {
            assert_eq!(delete_from_key(&side, V2_0, name), "Item Not Found", "{name}, {compatibility}");
        }
        assert_ne!(delete_from_key(&side, V2_0, "Link"), "Success", "{compatibility}");
    }
}

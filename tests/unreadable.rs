//! Requests that the server reads only in part: batch items that cannot be decoded, and Unique Identifiers of another
//! type than Text String.

use kmip_server::internals::dispatch::Respond;
use kmip_server::kmip::enums::BatchErrorContinuationOption::{Continue, Stop, Undo};
use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, ObjectType, Operation, ResultReason, ResultStatus,
};
use kmip_server::kmip::structures::ProtocolVersion;
use kmip_server::kmip::{RequestHeader, ResponseHeader};
use kmip_server::ttlv::{
    Field, Item, ItemType, Reader, SUPPORTED, Tag, V1_0, V1_2, V1_4, V2_0, V2_1, Value, Version, Writer,
};

use crate::corpus::{self, algorithm, dispatcher, header, length, peer, statuses, template, usage};
use crate::dialogue::{Live, answers};
use crate::harness::Pki;

/// The Unique Batch Item ID of the item that cannot be decoded.
const ID: [u8; 2] = [0x11, 0x22];

/// Writes a batch item with this payload and the Unique Batch Item ID `id`.
fn item(operation: Operation, id: &[u8], payload: impl FnOnce(&mut Writer), writer: &mut Writer) {
    writer.structure(Tag::BatchItem, |writer| {
        operation.encode(Tag::Operation, writer);
        id.to_vec().encode(Tag::UniqueBatchItemId, writer);
        writer.structure(Tag::RequestPayload, payload);
    });
}

/// Writes the payload of a valid Create.
fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
}

/// Writes the payload of a Create with an attribute that the standard does not define.
fn create_with_unknown_attribute(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    if writer.version() >= V2_0 {
        return writer.structure(Tag::Attributes, |writer| 1.encode(Tag::BatchCount, writer));
    }
    writer.structure(Tag::TemplateAttribute, |writer| {
        writer.structure(Tag::Attribute, |writer| {
            "No Such Attribute".to_owned().encode(Tag::AttributeName, writer);
            "value".to_owned().encode(Tag::AttributeValue, writer);
        });
    });
}

/// Returns a request with these items.
fn request(header: &RequestHeader, version: Version, items: &[&dyn Fn(&mut Writer)]) -> Vec<u8> {
    let header = RequestHeader { batch_count: i32::try_from(items.len()).unwrap(), ..header.clone() };
    let mut writer = Writer::new(version);
    writer.structure(Tag::RequestMessage, |writer| {
        header.encode(Tag::RequestHeader, writer);
        items.iter().for_each(|item| item(writer));
    });
    writer.into_bytes()
}

/// Returns the version in the header of a response and the Unique Batch Item IDs of its items.
fn envelope(response: &[u8]) -> (Version, Vec<Option<Vec<u8>>>) {
    let mut rows = Reader::new(response, V2_1).require(Tag::ResponseMessage).unwrap().structure().unwrap();
    let header = rows.require(Tag::ResponseHeader).unwrap();
    let version: ProtocolVersion =
        Field::read(Tag::ProtocolVersion, &mut header.structure().unwrap()).unwrap();
    let version = Version::from(version);
    ResponseHeader::decode(&header.in_version(version)).unwrap();
    let mut ids = Vec::new();
    while let Some(item) = rows.take(Tag::BatchItem).unwrap() {
        let found = |item: Item<'_>| Vec::decode(&item).unwrap();
        let mut rows = item.structure().unwrap();
        rows.take(Tag::Operation).unwrap();
        ids.push(rows.take(Tag::UniqueBatchItemId).unwrap().map(found));
    }
    (version, ids)
}

#[test]
fn answers_an_item_that_cannot_be_decoded_with_its_operation_and_id() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    for version in SUPPORTED {
        let failing =
            |writer: &mut Writer| item(Operation::Create, &ID, create_with_unknown_attribute, writer);
        let response = client.exchange(&request(&header(version, None), version, &[&failing])).unwrap();
        assert_eq!(envelope(&response), (version, vec![Some(ID.to_vec())]));
        let answer = answers(version, &response).remove(0);
        assert_eq!(answer.operation, Some(Operation::Create), "{version}");
        assert_eq!(answer.refused(), ResultReason::InvalidMessage, "{version}");
    }
}

#[test]
fn executes_the_other_items_of_the_batch_as_the_continuation_option_says() {
    use ResultStatus::{OperationFailed as Failed, OperationUndone as Undone, Success};
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    let expected: [(BatchErrorContinuationOption, &[ResultStatus]); 3] =
        [(Continue, &[Success, Failed, Success]), (Stop, &[Success, Failed]), (Undo, &[Undone, Failed])];
    for (option, expected) in expected {
        let response = client.exchange(&request(
            &header(V1_2, Some(option)),
            V1_2,
            &[
                &|writer| item(Operation::Create, &[1], create, writer),
                &|writer| item(Operation::Create, &[2], create_with_unknown_attribute, writer),
                &|writer| item(Operation::Create, &[3], create, writer),
            ],
        ));
        let response = response.unwrap();
        assert_eq!(statuses(&response), expected, "{option}");
        let ids: Vec<_> = (1..).map(|id| Some(vec![id])).take(expected.len()).collect();
        assert_eq!(envelope(&response), (V1_2, ids), "{option}");
    }
}

#[test]
fn answers_for_the_whole_message_if_the_operation_or_the_frame_cannot_be_read() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut client = pki.connect(live.port, &pki.client);
    let payload = |writer: &mut Writer| writer.structure(Tag::RequestPayload, |_| ());
    let unknown_operation = |writer: &mut Writer| {
        writer.structure(Tag::BatchItem, |writer| {
            writer.item(Tag::Operation, ItemType::Enumeration, &[0, 0, 0x77, 0x77]);
            payload(writer);
        });
    };
    let operation_as_text = |writer: &mut Writer| {
        writer.structure(Tag::BatchItem, |writer| {
            "Query".to_owned().encode(Tag::Operation, writer);
            payload(writer);
        });
    };
    let id_as_number = |writer: &mut Writer| {
        writer.structure(Tag::BatchItem, |writer| {
            Operation::Query.encode(Tag::Operation, writer);
            1.encode(Tag::UniqueBatchItemId, writer);
            payload(writer);
        });
    };
    let no_item = |writer: &mut Writer| 1.encode(Tag::BatchItem, writer);
    let items: [&dyn Fn(&mut Writer); 4] = [&unknown_operation, &operation_as_text, &id_as_number, &no_item];
    for unreadable in items {
        let response = client.exchange(&request(&header(V1_2, None), V1_2, &[unreadable])).unwrap();
        assert_eq!(envelope(&response), (V1_0, vec![None]));
        let answer = answers(V1_0, &response).remove(0);
        assert_eq!((answer.operation, answer.refused()), (None, ResultReason::InvalidMessage));
    }
}

/// Returns `message` with each Unique Identifier that is a number as an item of type `kind` (same total length).
fn with_numbers(message: &[u8], kind: ItemType) -> (Vec<u8>, usize) {
    let mut changed = message.to_vec();
    let [_, tag @ ..] = Tag::UniqueIdentifier.0.to_be_bytes();
    let mut count = 0;
    for start in (0..message.len()).step_by(8) {
        let [a, b, c, 7, 0, 0, 0, length @ 1..=8] = message[start..start + 8] else { continue };
        let text = std::str::from_utf8(&message[start + 8..start + 8 + usize::from(length)]).unwrap();
        let Some(number) = text.parse::<u32>().ok().filter(|_| [a, b, c] == tag) else { continue };
        changed[start + 3] = kind as u8;
        changed[start + 7] = 4;
        changed[start + 8..start + 12].copy_from_slice(&number.to_be_bytes());
        changed[start + 12..start + 16].fill(0);
        count += 1;
    }
    (changed, count)
}

#[test]
fn numbers_are_unique_identifiers_in_every_operation_of_1_x() {
    for kind in [ItemType::Enumeration, ItemType::Integer] {
        for version in SUPPORTED.into_iter().filter(|version| *version <= V1_4) {
            let (texts, numbers) = (dispatcher(), dispatcher());
            let mut count = 0;
            for (row, _, message) in corpus::requests().filter(|it| it.1 == version && !it.0.heavy) {
                let (changed, its) = with_numbers(&message, kind);
                let expected = statuses(&texts.respond(&message, peer()).message);
                let found = statuses(&numbers.respond(&changed, peer()).message);
                assert_eq!(found, expected, "{} in {version} with {kind:?}", row.operation);
                count += its;
            }
            assert!(count > 15, "{version}: {count} identifiers");
        }
    }
}

#[test]
fn a_client_of_1_x_can_request_an_object_by_a_number() {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let mut john = live.caller(&pki, &pki.client);
    for version in SUPPORTED {
        let key = john.ask(version, Operation::Create, create).id();
        let number: i32 = key.parse().unwrap();
        for kind in [ItemType::Enumeration, ItemType::Integer] {
            let answer = john.ask(version, Operation::Get, |writer| {
                writer.item(Tag::UniqueIdentifier, kind, &number.to_be_bytes());
            });
            if version <= V1_4 {
                assert_eq!(answer.ids(), [&*key], "{version} {kind:?}");
            } else {
                assert_eq!(answer.status, ResultStatus::OperationFailed, "2.x refers to the batch: {kind:?}");
            }
        }
    }
}

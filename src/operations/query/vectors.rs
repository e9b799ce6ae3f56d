//! Requests and responses that the standard prints byte by byte (KMIP Additional Message Encodings 1.0): Query in 1.0,
//! 1.1 and 1.2, with a Maximum Response Size that is too small and with one that suffices.

use crate::kmip::enums::Operation::{self, *};
use crate::kmip::enums::{ObjectType, QueryFunction, ResultReason, ResultStatus};
use crate::kmip::{RequestHeader, RequestItem, ResponseHeader};
use crate::operations::query::{Request, Response};
use crate::ttlv::{DateTime, Field, Item, Reader, Tag, V1_0, V1_1, V1_2, Value, Version, Writer};

/// The messages for one version.
struct Printed {
    version: Version,
    /// The Time Stamp of the response in the bytes; that of the printed XML differs by about a minute.
    time: i64,
    /// The operations in the response.
    operations: &'static [&'static [Operation]],
    /// The object types in the response beyond those of 1.0.
    object_types: &'static [ObjectType],
    /// The requests with a Maximum Response Size of 256 and of 2048 bytes.
    requests: [&'static str; 2],
    refusal: &'static str,
    answer: &'static str,
}

/// The operations follow the order of an older list with insertions.
const BEFORE_REKEY: &[Operation] = &[
    Query,
    Locate,
    Destroy,
    Get,
    Create,
    Register,
    GetAttributes,
    GetAttributeList,
    AddAttribute,
    ModifyAttribute,
    DeleteAttribute,
    Activate,
    Revoke,
    Poll,
    Cancel,
    Check,
    GetUsageAllocation,
    CreateKeyPair,
    ReKey,
    Archive,
    Recover,
    ObtainLease,
];
const BEFORE_DISCOVERY: &[Operation] = &[Certify, ReCertify];
const LAST: &[Operation] = &[Notify, Put];
const CRYPTOGRAPHIC: &[Operation] = &[
    RngRetrieve,
    RngSeed,
    Encrypt,
    Decrypt,
    Sign,
    SignatureVerify,
    Mac,
    MacVerify,
    Hash,
    CreateSplitKey,
    JoinSplitKey,
];

/// The object types of 1.0 in the order of the responses.
const OBJECT_TYPES: [ObjectType; 8] = [
    ObjectType::Certificate,
    ObjectType::SymmetricKey,
    ObjectType::SecretData,
    ObjectType::PublicKey,
    ObjectType::PrivateKey,
    ObjectType::Template,
    ObjectType::OpaqueObject,
    ObjectType::SplitKey,
];

static PRINTED: [Printed; 3] = [
    Printed {
        version: V1_0,
        time: 0x51CA_AFBD,
        operations: &[BEFORE_REKEY, BEFORE_DISCOVERY, LAST],
        object_types: &[],
        requests: [
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000000\
             000000004200500200000004000001000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000000\
             000000004200500200000004000008000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
        ],
        refusal: "42007b01000000a042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000000\
                  0000000042009209000000080000000051caafbd42000d0200000004000000010000000042000f010000004842005c0500000004\
                  000000180000000042007f0500000004000000010000000042007e0500000004000000020000000042007d0700000009544f4f5f\
                  4c4152474500000000000000",
        answer: "42007b01000002a042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000000\
                 0000000042009209000000080000000051caafbd42000d0200000004000000010000000042000f010000024842005c0500000004\
                 000000180000000042007f0500000004000000000000000042007c010000022042005c0500000004000000180000000042005c05\
                 00000004000000080000000042005c0500000004000000140000000042005c05000000040000000a0000000042005c0500000004\
                 000000010000000042005c0500000004000000030000000042005c05000000040000000b0000000042005c05000000040000000c\
                 0000000042005c05000000040000000d0000000042005c05000000040000000e0000000042005c05000000040000000f00000000\
                 42005c0500000004000000120000000042005c0500000004000000130000000042005c05000000040000001a0000000042005c05\
                 00000004000000190000000042005c0500000004000000090000000042005c0500000004000000110000000042005c0500000004\
                 000000020000000042005c0500000004000000040000000042005c0500000004000000150000000042005c050000000400000016\
                 0000000042005c0500000004000000100000000042005c0500000004000000060000000042005c05000000040000000700000000\
                 42005c05000000040000001b0000000042005c05000000040000001c000000004200570500000004000000010000000042005705\
                 00000004000000020000000042005705000000040000000700000000420057050000000400000003000000004200570500000004\
                 00000004000000004200570500000004000000060000000042005705000000040000000800000000420057050000000400000005\
                 00000000",
    },
    Printed {
        version: V1_1,
        time: 0x5396_BC24,
        operations: &[BEFORE_REKEY, &[ReKeyKeyPair], BEFORE_DISCOVERY, &[DiscoverVersions], LAST],
        object_types: &[],
        requests: [
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000001\
             000000004200500200000004000001000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000001\
             000000004200500200000004000008000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
        ],
        refusal: "42007b01000000a042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000001\
                  000000004200920900000008000000005396bc2442000d0200000004000000010000000042000f010000004842005c0500000004\
                  000000180000000042007f0500000004000000010000000042007e0500000004000000020000000042007d0700000009544f4f5f\
                  4c4152474500000000000000",
        answer: "42007b01000002c042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000001\
                 000000004200920900000008000000005396bc2442000d0200000004000000010000000042000f010000026842005c0500000004\
                 000000180000000042007f0500000004000000000000000042007c010000024042005c0500000004000000180000000042005c05\
                 00000004000000080000000042005c0500000004000000140000000042005c05000000040000000a0000000042005c0500000004\
                 000000010000000042005c0500000004000000030000000042005c05000000040000000b0000000042005c05000000040000000c\
                 0000000042005c05000000040000000d0000000042005c05000000040000000e0000000042005c05000000040000000f00000000\
                 42005c0500000004000000120000000042005c0500000004000000130000000042005c05000000040000001a0000000042005c05\
                 00000004000000190000000042005c0500000004000000090000000042005c0500000004000000110000000042005c0500000004\
                 000000020000000042005c0500000004000000040000000042005c0500000004000000150000000042005c050000000400000016\
                 0000000042005c0500000004000000100000000042005c05000000040000001d0000000042005c05000000040000000600000000\
                 42005c0500000004000000070000000042005c05000000040000001e0000000042005c05000000040000001b0000000042005c05\
                 000000040000001c0000000042005705000000040000000100000000420057050000000400000002000000004200570500000004\
                 00000007000000004200570500000004000000030000000042005705000000040000000400000000420057050000000400000006\
                 000000004200570500000004000000080000000042005705000000040000000500000000",
    },
    Printed {
        version: V1_2,
        time: 0x5396_BCC0,
        operations: &[
            BEFORE_REKEY,
            &[ReKeyKeyPair],
            BEFORE_DISCOVERY,
            &[DiscoverVersions],
            LAST,
            CRYPTOGRAPHIC,
        ],
        object_types: &[ObjectType::PgpKey],
        requests: [
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000002\
             000000004200500200000004000001000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
            "42007801000000904200770100000048420069010000002042006a0200000004000000010000000042006b020000000400000002\
             000000004200500200000004000008000000000042000d0200000004000000010000000042000f010000003842005c0500000004\
             000000180000000042007901000000204200740500000004000000010000000042007405000000040000000200000000",
        ],
        refusal: "42007b01000000a042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000002\
                  000000004200920900000008000000005396bcc042000d0200000004000000010000000042000f010000004842005c0500000004\
                  000000180000000042007f0500000004000000010000000042007e0500000004000000020000000042007d0700000009544f4f5f\
                  4c4152474500000000000000",
        answer: "42007b010000038042007a0100000048420069010000002042006a0200000004000000010000000042006b020000000400000002\
                 000000004200920900000008000000005396bcc042000d0200000004000000010000000042000f010000032842005c0500000004\
                 000000180000000042007f0500000004000000000000000042007c010000030042005c0500000004000000180000000042005c05\
                 00000004000000080000000042005c0500000004000000140000000042005c05000000040000000a0000000042005c0500000004\
                 000000010000000042005c0500000004000000030000000042005c05000000040000000b0000000042005c05000000040000000c\
                 0000000042005c05000000040000000d0000000042005c05000000040000000e0000000042005c05000000040000000f00000000\
                 42005c0500000004000000120000000042005c0500000004000000130000000042005c05000000040000001a0000000042005c05\
                 00000004000000190000000042005c0500000004000000090000000042005c0500000004000000110000000042005c0500000004\
                 000000020000000042005c0500000004000000040000000042005c0500000004000000150000000042005c050000000400000016\
                 0000000042005c0500000004000000100000000042005c05000000040000001d0000000042005c05000000040000000600000000\
                 42005c0500000004000000070000000042005c05000000040000001e0000000042005c05000000040000001b0000000042005c05\
                 000000040000001c0000000042005c0500000004000000250000000042005c0500000004000000260000000042005c0500000004\
                 0000001f0000000042005c0500000004000000200000000042005c0500000004000000210000000042005c050000000400000022\
                 0000000042005c0500000004000000230000000042005c0500000004000000240000000042005c05000000040000002700000000\
                 42005c0500000004000000280000000042005c050000000400000029000000004200570500000004000000010000000042005705\
                 00000004000000020000000042005705000000040000000700000000420057050000000400000003000000004200570500000004\
                 00000004000000004200570500000004000000060000000042005705000000040000000800000000420057050000000400000005\
                 0000000042005705000000040000000900000000",
    },
];

impl Printed {
    fn request(&self, room: i32) -> (RequestHeader, Request) {
        let header =
            RequestHeader { maximum_response_size: Some(room), ..RequestHeader::new(self.version, 1) };
        let functions = vec![QueryFunction::QueryOperations, QueryFunction::QueryObjects];
        (header, Request { query_functions: functions, object_groups: None })
    }

    fn header(&self) -> ResponseHeader {
        ResponseHeader {
            protocol_version: self.version.into(),
            time_stamp: DateTime(self.time),
            nonce: None,
            server_hashed_password: None,
            attestation_types: Vec::new(),
            client_correlation_value: None,
            server_correlation_value: None,
            batch_count: 1,
        }
    }

    fn response(&self) -> Response {
        Response {
            operations: self.operations.concat(),
            object_types: [&OBJECT_TYPES, self.object_types].concat(),
            vendor_identification: None,
            server_information: None,
            application_namespaces: Vec::new(),
            extension_information: Vec::new(),
            attestation_types: Vec::new(),
            rng_parameters: Vec::new(),
            profile_information: Vec::new(),
            validation_information: Vec::new(),
            capability_information: Vec::new(),
            client_registration_methods: Vec::new(),
            defaults_information: None,
            protection_storage_masks: None,
        }
    }
}

#[test]
fn reads_and_writes_the_requests_that_the_standard_prints() {
    for printed in &PRINTED {
        for (room, hex) in [256, 2048].into_iter().zip(printed.requests) {
            let (header, request) = printed.request(room);

            let mut writer = Writer::new(printed.version);
            writer.structure(Tag::RequestMessage, |writer| {
                header.encode(Tag::RequestHeader, writer);
                writer.structure(Tag::BatchItem, |writer| {
                    Query.encode(Tag::Operation, writer);
                    request.encode(Tag::RequestPayload, writer);
                });
            });
            assert_eq!(writer.into_bytes(), bytes(hex), "{} {room}", printed.version);

            let wire = bytes(hex);
            let mut rows = message(&wire, Tag::RequestMessage, printed.version);
            assert_eq!(RequestHeader::decode(&rows.require(Tag::RequestHeader).unwrap()), Ok(header));
            let item = RequestItem::read(&mut rows).unwrap();
            assert_eq!((item.operation, item.unique_batch_item_id), (Query.to_wire(), None));
            assert_eq!(Request::decode(&item.payload), Ok(request));
            rows.finish().unwrap();
        }
    }
}

#[test]
fn reads_and_writes_the_responses_that_the_standard_prints() {
    for printed in &PRINTED {
        let refusal = |writer: &mut Writer| {
            Query.encode(Tag::Operation, writer);
            ResultStatus::OperationFailed.encode(Tag::ResultStatus, writer);
            ResultReason::ResponseTooLarge.encode(Tag::ResultReason, writer);
            "TOO_LARGE".to_owned().encode(Tag::ResultMessage, writer);
        };
        let answer = |writer: &mut Writer| {
            Query.encode(Tag::Operation, writer);
            ResultStatus::Success.encode(Tag::ResultStatus, writer);
            printed.response().encode(Tag::ResponsePayload, writer);
        };
        assert_eq!(written(printed, refusal), bytes(printed.refusal), "{}", printed.version);
        assert_eq!(written(printed, answer), bytes(printed.answer), "{}", printed.version);

        let wire = bytes(printed.refusal);
        let mut item = item(printed, &wire);
        let row = |tag, item: &mut Reader<'_>| item.require(tag).map(|row| row.bytes.to_vec());
        assert_eq!(Field::read(Tag::Operation, &mut item), Ok(Query));
        assert_eq!(Field::read(Tag::ResultStatus, &mut item), Ok(ResultStatus::OperationFailed));
        assert_eq!(Field::read(Tag::ResultReason, &mut item), Ok(ResultReason::ResponseTooLarge));
        assert_eq!(row(Tag::ResultMessage, &mut item), Ok(b"TOO_LARGE".to_vec()));
        item.finish().unwrap();

        let wire = bytes(printed.answer);
        let mut item = self::item(printed, &wire);
        assert_eq!(Field::read(Tag::Operation, &mut item), Ok(Query));
        assert_eq!(Field::read(Tag::ResultStatus, &mut item), Ok(ResultStatus::Success));
        assert_eq!(Field::read(Tag::ResponsePayload, &mut item), Ok(printed.response()));
        item.finish().unwrap();
    }
}

fn written(printed: &Printed, item: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(printed.version);
    writer.structure(Tag::ResponseMessage, |writer| {
        printed.header().encode(Tag::ResponseHeader, writer);
        writer.structure(Tag::BatchItem, item);
    });
    writer.into_bytes()
}

/// Checks the header of a response and returns the items of its Batch Item.
fn item<'a>(printed: &Printed, wire: &'a [u8]) -> Reader<'a> {
    let mut rows = message(wire, Tag::ResponseMessage, printed.version);
    assert_eq!(Field::read(Tag::ResponseHeader, &mut rows), Ok(printed.header()));
    let item = rows.require(Tag::BatchItem).and_then(|item: Item<'_>| item.structure()).unwrap();
    rows.finish().unwrap();
    item
}

/// Returns the items of a message.
fn message(wire: &[u8], tag: Tag, version: Version) -> Reader<'_> {
    let mut outer = Reader::new(wire, version);
    let rows = outer.require(tag).and_then(|message| message.structure()).unwrap();
    outer.finish().unwrap();
    rows
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

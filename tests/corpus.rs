//! The corpus: valid requests of every operation in every version that defines it, and the objects that these
//! requests use. Tests with mutated, truncated or combined requests start from it.
//!
//! A new operation needs a row in [`ROWS`]; a test fails without it.

use std::sync::OnceLock;

use kmip_server::internals::auth::{Authenticator, Certificate, Peer};
use kmip_server::internals::crypto::rsa;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::operations::OPERATIONS;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::secret::Secret;
use kmip_server::internals::store::{Memory, Store};
use kmip_server::kmip::attributes::{
    Attribute, AttributeDefinition, AttributeList, AttributeReference, TemplateAttribute,
};
use kmip_server::kmip::enums::{
    AdjustmentType, BatchErrorContinuationOption, CertificateType, CryptographicAlgorithm,
    CryptographicUsageMask, DerivationMethod, EndpointRole, HashingAlgorithm, InteropFunction, KeyFormatType,
    LinkType, NameType, ObjectType, OpaqueDataType, Operation, Pkcs11Function, QueryFunction, ResultStatus,
    RevocationReasonCode, SecretDataType, SplitKeyMethod, TicketType, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{
    CryptographicParameters, Link, Name, ProtocolVersion, RevocationReason, Ticket, UniqueIdentifier,
    UsageLimits,
};
use kmip_server::kmip::{
    Certificate as CertificateObject, Key, KeyBlock, KeyMaterial, KeyValue, Object, OpaqueObject,
    RequestHeader, SecretData, SplitKey,
};
use kmip_server::ttlv::{
    BigInteger, DateTime, Field, Interval, ItemType, Reader, SUPPORTED, Tag, V1_0, V1_2, V2_0, Value,
    Version, Writer,
};

use crate::harness::Authority;

mod objects;
mod parameters;

pub(crate) use objects::{aes_key, objects, register, register_as};
pub(crate) use parameters::ecb;
use parameters::{mac, signature};

/// A valid request payload.
pub(crate) struct Row {
    /// The operation.
    pub(crate) operation: Operation,
    /// Writes the items of the payload for the version of the writer.
    items: fn(&mut Writer),
    /// Whether the operation needs a thousand times the time of others.
    pub(crate) heavy: bool,
    /// The first version that rejects it, because it depends on the response to another request.
    refused: Option<Version>,
}

impl Row {
    pub(crate) fn is_refused(&self, version: Version) -> bool {
        self.refused.is_some_and(|from| from <= version)
    }
}

const fn row(operation: Operation, items: fn(&mut Writer)) -> Row {
    Row { operation, items, heavy: false, refused: None }
}

const fn heavy(operation: Operation, items: fn(&mut Writer)) -> Row {
    Row { operation, items, heavy: true, refused: None }
}

const fn refused(operation: Operation, items: fn(&mut Writer)) -> Row {
    refused_from(V1_0, operation, items)
}

const fn refused_from(version: Version, operation: Operation, items: fn(&mut Writer)) -> Row {
    Row { operation, items, heavy: false, refused: Some(version) }
}

/// The identifiers of the objects of [`dispatcher`].
pub(crate) const AES: &str = "1";
const HMAC: &str = "2";
const PASSWORD: &str = "3";
const PRIVATE: &str = "4";
const PUBLIC: &str = "5";
pub(crate) const CERTIFICATE: &str = "6";
const OPAQUE: &str = "7";
/// Two parts of a split key, which meet the threshold.
const PART: &str = "8";
const OTHER_PART: &str = "9";
/// The only pre-active object.
const UNUSED: &str = "10";
/// The number of objects.
pub(crate) const OBJECTS: u64 = 10;

/// At least one valid request of each operation.
pub(crate) static ROWS: &[Row] = &[
    row(Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[named("made"), algorithm(), length(256), usage(0xC)], writer);
    }),
    heavy(Operation::CreateKeyPair, |writer| {
        let (algorithm, length) = (CryptographicAlgorithm::Rsa, length(1024));
        let common = [attribute(Tag::CryptographicAlgorithm, &algorithm), length];
        template(Tag::CommonAttributes, &common, writer);
        template(Tag::PrivateKeyAttributes, &[named("private"), usage(0x1)], writer);
        template(Tag::PublicKeyAttributes, &[named("public"), usage(0x2)], writer);
    }),
    row(Operation::Register, |writer| {
        register(&objects()[0], writer);
    }),
    row(Operation::Register, |writer| {
        register(&objects()[3], writer);
    }),
    row(Operation::Register, |writer| {
        register(&objects()[5], writer);
    }),
    row(Operation::Register, |writer| {
        register(&objects()[6], writer);
    }),
    row(Operation::Locate, |writer| {
        2.write(Tag::MaximumItems, writer);
        let names = [named("object 1"), attribute(Tag::ObjectType, &ObjectType::SymmetricKey)];
        flat(&names, writer);
    }),
    row(Operation::Locate, |writer| {
        let dates = [0, i64::MAX].map(|date| attribute(Tag::InitialDate, &DateTime(date)));
        flat(&dates, writer);
    }),
    row(Operation::Get, |writer| id(AES, writer)),
    row(Operation::Get, |writer| {
        id(PRIVATE, writer);
        KeyFormatType::Pkcs8.write(Tag::KeyFormatType, writer);
    }),
    row(Operation::GetAttributes, |writer| {
        id(CERTIFICATE, writer);
        vec![reference(Tag::Name), reference(Tag::Digest)].write(Tag::AttributeReference, writer);
    }),
    row(Operation::GetAttributes, |writer| id(AES, writer)),
    row(Operation::GetAttributeList, |writer| id(PUBLIC, writer)),
    row(Operation::AddAttribute, |writer| {
        id(AES, writer);
        named("another").write(Tag::NewAttribute, writer);
    }),
    row(Operation::ModifyAttribute, |writer| {
        id(AES, writer);
        if writer.version() >= V2_0 {
            Some(named("object 1")).write(Tag::CurrentAttribute, writer);
        }
        named("renamed").write(Tag::NewAttribute, writer);
    }),
    row(Operation::DeleteAttribute, |writer| {
        id(AES, writer);
        if writer.version() >= V2_0 {
            Some(named("object 1")).write(Tag::CurrentAttribute, writer);
        } else {
            Some(reference(Tag::Name)).write(Tag::AttributeReference, writer);
            0.write(Tag::AttributeIndex, writer);
        }
    }),
    row(Operation::SetAttribute, |writer| {
        id(AES, writer);
        attribute(Tag::Comment, &"a comment".to_owned()).write(Tag::NewAttribute, writer);
    }),
    row(Operation::Activate, |writer| id(UNUSED, writer)),
    row(Operation::Revoke, |writer| {
        id(AES, writer);
        let reason = RevocationReason {
            revocation_reason_code: RevocationReasonCode::KeyCompromise,
            revocation_message: Some("lost".to_owned()),
        };
        reason.write(Tag::RevocationReason, writer);
        DateTime(1_000).write(Tag::CompromiseOccurrenceDate, writer);
    }),
    row(Operation::Destroy, |writer| id(UNUSED, writer)),
    row(Operation::Destroy, |writer| id(OPAQUE, writer)),
    row(Operation::Query, |writer| {
        let functions = [
            QueryFunction::QueryOperations,
            QueryFunction::QueryObjects,
            QueryFunction::QueryServerInformation,
        ];
        functions.to_vec().write(Tag::QueryFunction, writer);
    }),
    row(Operation::DiscoverVersions, |writer| {
        ProtocolVersion::from(V1_2).write(Tag::ProtocolVersion, writer);
    }),
    row(Operation::Check, |writer| {
        id(AES, writer);
        0xC.write(Tag::CryptographicUsageMask, writer);
    }),
    row(Operation::ObtainLease, |writer| id(AES, writer)),
    row(Operation::GetUsageAllocation, |writer| {
        id(AES, writer);
        64i64.write(Tag::UsageLimitsCount, writer);
    }),
    row(Operation::Archive, |writer| id(AES, writer)),
    row(Operation::Recover, |writer| id(AES, writer)),
    row(Operation::Log, |writer| "all is well".to_owned().write(Tag::LogMessage, writer)),
    row(Operation::Login, |writer| {
        Interval(60).write(Tag::LeaseTime, writer);
        3.write(Tag::RequestCount, writer);
    }),
    refused(Operation::Logout, |writer| {
        Ticket { ticket_type: TicketType::Login, ticket_value: vec![7; 32] }.write(Tag::Ticket, writer);
    }),
    row(Operation::Interop, |writer| {
        InteropFunction::Begin.write(Tag::InteropFunction, writer);
        "a test".to_owned().write(Tag::InteropIdentifier, writer);
    }),
    row(Operation::Encrypt, |writer| {
        id(AES, writer);
        ecb(writer);
        vec![7u8; 32].write(Tag::Data, writer);
    }),
    row(Operation::Decrypt, |writer| {
        id(AES, writer);
        ecb(writer);
        vec![7u8; 32].write(Tag::Data, writer);
    }),
    row(Operation::Sign, |writer| {
        id(PRIVATE, writer);
        signature(writer);
        vec![7u8; 32].write(Tag::Data, writer);
    }),
    row(Operation::SignatureVerify, |writer| {
        id(PUBLIC, writer);
        signature(writer);
        vec![7u8; 32].write(Tag::Data, writer);
        vec![7u8; 128].write(Tag::SignatureData, writer);
    }),
    row(Operation::Mac, |writer| {
        id(HMAC, writer);
        mac(writer);
        vec![7u8; 32].write(Tag::Data, writer);
    }),
    row(Operation::MacVerify, |writer| {
        id(HMAC, writer);
        mac(writer);
        vec![7u8; 32].write(Tag::Data, writer);
        vec![7u8; 32].write(Tag::MacData, writer);
    }),
    row(Operation::Hash, |writer| {
        let parameters = CryptographicParameters {
            hashing_algorithm: Some(HashingAlgorithm::Sha256),
            ..CryptographicParameters::default()
        };
        parameters.write(Tag::CryptographicParameters, writer);
        vec![7u8; 32].write(Tag::Data, writer);
    }),
    row(Operation::RngRetrieve, |writer| 32.write(Tag::DataLength, writer)),
    row(Operation::RngSeed, |writer| vec![7u8; 32].write(Tag::Data, writer)),
    row(Operation::ReKey, |writer| id(AES, writer)),
    heavy(Operation::ReKeyKeyPair, |writer| {
        UniqueIdentifier::Text(PRIVATE.to_owned()).write(Tag::PrivateKeyUniqueIdentifier, writer);
    }),
    row(Operation::DeriveKey, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        id(PASSWORD, writer);
        DerivationMethod::Pbkdf2.write(Tag::DerivationMethod, writer);
        writer.structure(Tag::DerivationParameters, |writer| {
            let parameters = CryptographicParameters {
                hashing_algorithm: Some(HashingAlgorithm::Sha256),
                ..CryptographicParameters::default()
            };
            parameters.write(Tag::CryptographicParameters, writer);
            vec![7u8; 16].write(Tag::Salt, writer);
            3.write(Tag::IterationCount, writer);
        });
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
    }),
    refused(Operation::Poll, |writer| vec![7u8; 16].write(Tag::AsynchronousCorrelationValue, writer)),
    refused_from(V2_0, Operation::Cancel, |writer| {
        vec![7u8; 16].write(Tag::AsynchronousCorrelationValue, writer)
    }),
    refused(Operation::Process, |writer| vec![7u8; 16].write(Tag::AsynchronousCorrelationValue, writer)),
    row(Operation::QueryAsynchronousRequests, |writer| {
        writer.structure(Tag::AsynchronousCorrelationValues, |writer| {
            vec![7u8; 16].write(Tag::AsynchronousCorrelationValue, writer);
        });
    }),
    heavy(Operation::Certify, |writer| {
        id(PUBLIC, writer);
        let kind = attribute(Tag::CertificateType, &CertificateType::X509);
        template(Tag::Attributes, &[kind, named("certified"), usage(0x3)], writer);
    }),
    heavy(Operation::ReCertify, |writer| {
        id(CERTIFICATE, writer);
        Interval(3_600).write(Tag::Offset, writer);
        template(Tag::Attributes, &[named("certified again")], writer);
    }),
    row(Operation::Validate, |writer| {
        objects()[5].object.write(Tag::default(), writer);
        id(CERTIFICATE, writer);
        DateTime(1_800_000_000).write(Tag::ValidityDate, writer);
    }),
    row(Operation::CreateSplitKey, |writer| {
        ObjectType::SplitKey.write(Tag::ObjectType, writer);
        id(AES, writer);
        4.write(Tag::SplitKeyParts, writer);
        3.write(Tag::SplitKeyThreshold, writer);
        SplitKeyMethod::PolynomialSharingPrimeField.write(Tag::SplitKeyMethod, writer);
        BigInteger::from_magnitude(&[vec![1], vec![0; 15], vec![51]].concat())
            .write(Tag::PrimeFieldSize, writer);
        template(Tag::Attributes, &[], writer);
    }),
    row(Operation::JoinSplitKey, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        id(PART, writer);
        id(OTHER_PART, writer);
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
    }),
    row(Operation::AdjustAttribute, |writer| {
        id(AES, writer);
        Some(reference(Tag::Sensitive)).write(Tag::AttributeReference, writer);
        AdjustmentType::Negate.write(Tag::AdjustmentType, writer);
    }),
    row(Operation::Export, |writer| id(AES, writer)),
    row(Operation::Import, |writer| {
        id(AES, writer);
        if writer.version() >= V2_0 {
            ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        }
        Some(true).write(Tag::ReplaceExisting, writer);
        let given = objects::aes_key("imported", vec![9; 16]);
        flat(&given.attributes, writer);
        given.object.write(Tag::default(), writer);
    }),
    row(Operation::SetEndpointRole, |writer| EndpointRole::Server.write(Tag::EndpointRole, writer)),
    row(Operation::Ping, |_| ()),
    row(Operation::Pkcs11, |writer| {
        Pkcs11Function::CInitialize.write(Tag::Pkcs11Function, writer);
        Some(vec![1u8]).write(Tag::Pkcs11InputParameters, writer);
    }),
    row(Operation::SetConstraints, |_| ()),
    row(Operation::GetConstraints, |_| ()),
    row(Operation::DelegatedLogin, |writer| {
        writer.structure(Tag::Rights, |writer| writer.structure(Tag::Right, |_| ()));
    }),
    row(Operation::SetDefaults, |writer| {
        writer.structure(Tag::DefaultsInformation, |writer| {
            writer.structure(Tag::ObjectDefaults, |writer| {
                ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
                template(Tag::Attributes, &[length(256)], writer);
            });
        });
    }),
];

/// Returns every valid request with its row, version and message.
pub(crate) fn requests() -> impl Iterator<Item = (&'static Row, Version, Vec<u8>)> {
    let rows = ROWS.iter().filter(|row| OPERATIONS.iter().any(|entry| entry.code == row.operation));
    rows.flat_map(|row| {
        let versions = SUPPORTED.into_iter().filter(|version| row.operation.since() <= *version);
        versions.map(move |version| (row, version, message(version, &[row])))
    })
}

/// Returns a batch of five operations for each version.
pub(crate) fn batches() -> impl Iterator<Item = (Version, Vec<u8>)> {
    SUPPORTED.into_iter().map(|version| {
        let of = |operation| ROWS.iter().find(|row| row.operation == operation).unwrap();
        let rows = [
            of(Operation::Create),
            of(Operation::Activate),
            of(Operation::GetAttributes),
            of(Operation::ModifyAttribute),
            of(Operation::Locate),
        ];
        (version, message(version, &rows))
    })
}

/// Returns a request message with the payloads of `rows`.
pub(crate) fn message(version: Version, rows: &[&Row]) -> Vec<u8> {
    let items: Vec<_> = rows.iter().map(|row| (row.operation, row.items)).collect();
    message_of(version, None, &items)
}

/// Returns a request message with the items that `write` writes.
pub(crate) fn message_of(
    version: Version,
    option: Option<BatchErrorContinuationOption>,
    items: &[(Operation, impl Fn(&mut Writer))],
) -> Vec<u8> {
    message_under(version, header(version, option), items)
}

/// Returns a request header without optional fields except `option`.
pub(crate) fn header(version: Version, option: Option<BatchErrorContinuationOption>) -> RequestHeader {
    RequestHeader { batch_error_continuation_option: option, ..RequestHeader::new(version, 0) }
}

/// Returns a request message with these items and this header, whose Batch Count is corrected.
pub(crate) fn message_under(
    version: Version,
    header: RequestHeader,
    items: &[(Operation, impl Fn(&mut Writer))],
) -> Vec<u8> {
    let header = RequestHeader { batch_count: i32::try_from(items.len()).unwrap(), ..header };
    let mut writer = Writer::new(version);
    writer.structure(Tag::RequestMessage, |writer| {
        header.encode(Tag::RequestHeader, writer);
        for (number, (operation, write)) in items.iter().enumerate() {
            writer.structure(Tag::BatchItem, |writer| {
                operation.encode(Tag::Operation, writer);
                if items.len() > 1 {
                    vec![u8::try_from(number % 256).unwrap()].encode(Tag::UniqueBatchItemId, writer);
                }
                writer.structure(Tag::RequestPayload, write);
            });
        }
    });
    writer.into_bytes()
}

/// Returns a dispatcher with an in-memory store that contains the objects of the corpus.
pub(crate) fn dispatcher() -> Dispatcher {
    dispatcher_on(Box::new(Memory::new()))
}

/// Returns a dispatcher with this store.
pub(crate) fn bare_dispatcher(store: Box<dyn Store>) -> Dispatcher {
    let policies = PolicyStore::fixed(Policies::builtin());
    Dispatcher::new(Services::new(store.into(), policies), Authenticator::new(true, Vec::new()))
}

/// Returns a dispatcher with this empty store and the objects of the corpus.
pub(crate) fn dispatcher_on(store: Box<dyn Store>) -> Dispatcher {
    let dispatcher = bare_dispatcher(store);
    for object in objects() {
        let request = message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(object, w))]);
        let reply = dispatcher.respond(&request, peer());
        assert_eq!(statuses(&reply.message), [ResultStatus::Success], "{}", text(&reply.message));
    }
    dispatcher
}

/// Returns the client of the requests.
pub(crate) fn peer() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| {
        let certificate = Authority::new("Root CA").client("John Doe").certificate;
        let certificate = Certificate::from_der(&certificate).unwrap();
        Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate))
    })
}

/// Returns the result of each item of a response; panics if the bytes are not a response message.
pub(crate) fn statuses(response: &[u8]) -> Vec<ResultStatus> {
    let mut outer = Reader::new(response, V1_2);
    let mut rows = outer.require(Tag::ResponseMessage).unwrap().structure().unwrap();
    outer.finish().unwrap();
    rows.require(Tag::ResponseHeader).unwrap();
    let mut statuses = Vec::new();
    while let Some(item) = rows.take(Tag::BatchItem).unwrap() {
        let mut rows = item.structure().unwrap();
        while let Some(item) = rows.next().unwrap() {
            if item.tag == Tag::ResultStatus {
                statuses.push(ResultStatus::decode(&item).unwrap());
            }
        }
    }
    assert!(!statuses.is_empty(), "a response has an item");
    statuses
}

/// Returns the value of the first item with this tag at any depth of the message.
pub(crate) fn first(message: &[u8], tag: Tag) -> Option<Vec<u8>> {
    fn within(mut rows: Reader<'_>, tag: Tag) -> Option<Vec<u8>> {
        while let Some(item) = rows.next().unwrap() {
            if item.tag == tag {
                return Some(item.bytes.to_vec());
            }
            if item.kind == ItemType::Structure {
                let found = within(item.structure().unwrap(), tag);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }
    within(Reader::new(message, V1_2), tag)
}

/// Returns a message as a printed tree.
pub(crate) fn text(message: &[u8]) -> String {
    kmip_server::encoding::Tree::of(message).to_string()
}

/// Writes a Unique Identifier.
pub(crate) fn id(id: &str, writer: &mut Writer) {
    UniqueIdentifier::Text(id.to_owned()).write(Tag::UniqueIdentifier, writer);
}

/// Returns a value of the attribute with this tag.
pub(crate) fn attribute(tag: Tag, value: &impl Value) -> Attribute {
    Attribute::of(AttributeDefinition::of(tag).unwrap(), value)
}

/// Returns a Name attribute.
pub(crate) fn named(name: &str) -> Attribute {
    let name = Name { name_value: name.to_owned(), name_type: NameType::UninterpretedTextString };
    attribute(Tag::Name, &name)
}

/// Writes the attributes of a new object.
pub(crate) fn template(tag: Tag, attributes: &[Attribute], writer: &mut Writer) {
    let template = TemplateAttribute { templates: Vec::new(), attributes: attributes.to_vec() };
    template.write(tag, writer);
}

/// Writes a list of attributes.
pub(crate) fn flat(attributes: &[Attribute], writer: &mut Writer) {
    AttributeList(attributes.to_vec()).write(Tag::Attributes, writer);
}

pub(crate) fn algorithm() -> Attribute {
    attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes)
}

pub(crate) fn length(bits: i32) -> Attribute {
    attribute(Tag::CryptographicLength, &bits)
}

pub(crate) fn usage(mask: i32) -> Attribute {
    attribute(Tag::CryptographicUsageMask, &CryptographicUsageMask(mask))
}

fn reference(tag: Tag) -> AttributeReference {
    AttributeReference::Standard(AttributeDefinition::of(tag).unwrap())
}

#[test]
fn every_operation_has_a_request_in_the_corpus() {
    let missing: Vec<_> = OPERATIONS
        .iter()
        .filter(|entry| ROWS.iter().all(|row| row.operation != entry.code))
        .map(|entry| entry.code.name())
        .collect();
    assert!(missing.is_empty(), "add a row to ROWS in tests/corpus.rs for: {missing:?}");
}

#[test]
fn every_request_of_the_corpus_succeeds_in_every_version_that_defines_it() {
    let mut count = 0;
    for (row, version, request) in requests() {
        let reply = dispatcher().respond(&request, peer());
        let answer = text(&reply.message);
        assert_eq!(
            statuses(&reply.message),
            [if row.is_refused(version) { ResultStatus::OperationFailed } else { ResultStatus::Success }],
            "{} in {version}:\n{}{answer}",
            row.operation,
            text(&request)
        );
        count += 1;
    }
    for (version, request) in batches() {
        let reply = dispatcher().respond(&request, peer());
        assert_eq!(
            statuses(&reply.message),
            [ResultStatus::Success; 5],
            "{version}: {}",
            text(&reply.message)
        );
    }
    assert!(count > 100, "{count}");
}

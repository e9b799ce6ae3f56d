//! Fixtures for tests of stores: records, queries, temporary folders.

#![allow(clippy::cast_possible_truncation, reason = "the tests count in small numbers")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
#[cfg(feature = "postgres")]
use std::time::Duration;

use super::{Criterion, Error, Grant, Id, Located, Order, Outcome, Query, Record, Store, Transaction};
use crate::kmip::attributes::{Attribute, AttributeDefinition, Attributes, ObjectTypes, TABLE};
use crate::kmip::enums::*;
use crate::kmip::structures::*;
use crate::kmip::{
    Certificate, CertificateRequest, Key, KeyBlock, KeyMaterial, KeyValue, Object, OpaqueObject, PgpKey,
    Principal, SecretData, SplitKey, Template,
};
use crate::secret::Secret;
use crate::ttlv::{BigInteger, DateTime, Interval, Reader, STORED, Tag, Value, Writer};

/// A temporary folder, removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kmip-store-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "postgres")]
#[path = "../../tests/harness/postgres.rs"]
mod postgres_server;

/// Returns a new PostgreSQL database, or `None` if the test is skipped.
#[cfg(feature = "postgres")]
pub(crate) fn postgres() -> Option<postgres_server::Database> {
    match postgres_server::cluster() {
        Ok(cluster) => Some(cluster.database()),
        Err(why) => {
            let forbidden = std::env::var_os("KMIP_NO_SKIP").is_some();
            assert!(!forbidden, "KMIP_NO_SKIP is set, but the test cannot run: {why}");
            println!("skipped: {why}");
            None
        }
    }
}

/// Runs `test` on a store in a new PostgreSQL database.
#[cfg(feature = "postgres")]
pub(crate) fn on_postgres(test: impl FnOnce(super::Postgres)) {
    if let Some(database) = postgres() {
        test(super::Postgres::open(&database.url(), None, Duration::from_secs(30)).unwrap());
    }
}

/// A pseudorandom generator with the same sequence in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).unwrap()
    }

    /// Returns a position in a list of this length.
    pub(crate) fn position(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap()) as usize
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.position(values.len())]
    }

    fn date(&mut self) -> Option<DateTime> {
        self.chance(60).then(|| DateTime(self.below(30).into()))
    }
}

/// Runs a transaction and commits it.
pub(crate) fn change(store: &dyn Store, mut job: impl FnMut(&mut dyn Transaction)) {
    let mut kept = |change: &mut dyn Transaction| {
        job(change);
        Outcome::Commit
    };
    store.change(&mut kept).unwrap();
}

/// Inserts `record` with the next number.
pub(crate) fn insert(change: &mut dyn Transaction, record: &mut Record) {
    record.id = change.next_id().unwrap();
    record.attributes.unique_identifier = Some(record.id.into());
    change.insert(Arc::new(record.clone())).unwrap();
}

/// Inserts `record` with the next number in its own transaction.
pub(crate) fn add(store: &dyn Store, mut record: Record) -> Record {
    change(store, |change| insert(change, &mut record));
    record
}

/// Returns the numbers of all objects that [`everybody`] finds.
pub(crate) fn all_of(store: &dyn Store) -> Vec<u64> {
    store.locate(&everybody()).unwrap().ids.into_iter().map(|id| id.0).collect()
}

/// Returns a query for all objects of the default policy with any storage status.
pub(crate) fn everybody() -> Query {
    let grants = ObjectType::ALL.iter().map(|object_type| Grant {
        policy: "default".into(),
        object_type: *object_type,
        owner_only: false,
    });
    Query {
        requester: "ann".into(),
        grants: grants.collect(),
        criteria: Vec::new(),
        storage: StorageStatusMask(7),
        now: DateTime(1500),
        offset: 0,
        limit: None,
        order: Order::OldestFirst,
        count: false,
    }
}

/// Returns the criterion that the attribute has this value.
pub(crate) fn value<T: Value>(name: &str, value: &T) -> Criterion {
    Criterion::Equals(Attribute::of(AttributeDefinition::named(name).unwrap(), value))
}

/// Returns the criterion that the attribute has this text.
pub(crate) fn text(name: &str, text: &str) -> Criterion {
    value(name, &text.to_owned())
}

/// Returns the criterion that the date lies between two dates.
pub(crate) fn dates(name: &str, from: i64, to: i64) -> Criterion {
    Criterion::Between(AttributeDefinition::named(name).unwrap(), DateTime(from), DateTime(to))
}

pub(crate) fn name(text: &str) -> Name {
    Name { name_value: text.into(), name_type: NameType::UninterpretedTextString }
}

/// Returns an active AES key of ann with this name, the Initial Date 1000 and the default policy.
pub(crate) fn key(name: &str) -> Record {
    record(ObjectType::SymmetricKey, name)
}

/// As [`key`], for any object type.
pub(crate) fn record(object_type: ObjectType, called: &str) -> Record {
    let attributes = Attributes {
        name: vec![name(called)],
        object_type: Some(object_type),
        state: Some(State::Active),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: Some(256),
        cryptographic_usage_mask: Some(CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT),
        initial_date: Some(DateTime(1000)),
        last_change_date: Some(DateTime(1000)),
        ..Attributes::default()
    };
    Record { id: Id(0), owner: "ann".into(), object_type, attributes, object: Some(object(object_type)) }
}

fn object(object_type: ObjectType) -> Object {
    let bytes = || Secret::new((0..32).collect());
    let key_block = KeyBlock {
        key_format_type: KeyFormatType::Raw,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(bytes()))),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: Some(256),
        key_wrapping_data: None,
    };
    match object_type {
        ObjectType::Certificate => Object::Certificate(Certificate {
            certificate_type: CertificateType::X509,
            certificate_value: vec![0x30, 0],
        }),
        ObjectType::SymmetricKey => Object::SymmetricKey(Key { key_block }),
        ObjectType::PublicKey => Object::PublicKey(Key { key_block }),
        ObjectType::PrivateKey => Object::PrivateKey(Key { key_block }),
        ObjectType::SplitKey => Object::SplitKey(SplitKey {
            split_key_parts: 3,
            key_part_identifier: 1,
            split_key_threshold: 2,
            split_key_method: SplitKeyMethod::Xor,
            prime_field_size: Some(BigInteger::from_magnitude(&[1, 1])),
            key_block,
        }),
        ObjectType::Template => Object::Template(Template { attributes: Default::default() }),
        ObjectType::SecretData => {
            Object::SecretData(SecretData { secret_data_type: SecretDataType::Password, key_block })
        }
        ObjectType::OpaqueObject => Object::OpaqueObject(OpaqueObject {
            opaque_data_type: OpaqueDataType(0x8000_0000),
            opaque_data_value: bytes(),
        }),
        ObjectType::PgpKey => Object::PgpKey(PgpKey { pgp_key_version: 4, key_block }),
        ObjectType::CertificateRequest => Object::CertificateRequest(CertificateRequest {
            certificate_request_type: CertificateRequestType::ALL[0],
            certificate_request_value: vec![0x30, 0],
        }),
    }
}

pub(crate) fn one_of_each_type() -> Vec<Record> {
    let whole = ObjectType::ALL.iter().map(|object_type| record(*object_type, "whole"));
    let owner = Principal { credential: Some("user x".to_owned()), ..OWNERS[0].into() };
    let under_a_credential = Record { owner, ..key("under a credential") };
    let further = [Record { object: None, ..key("destroyed") }, under_a_credential, with_every_attribute()];
    whole.chain(further).collect()
}

/// Returns a record with a value of each attribute; texts are "all".
pub(crate) fn with_every_attribute() -> Record {
    let mut record = key("every attribute");
    let numbers = (1i32.to_be_bytes(), 1i64.to_be_bytes());
    for row in TABLE {
        use crate::ttlv::ItemType::*;
        let values: [(_, &[u8]); 7] = [
            (Integer, &numbers.0),
            (Enumeration, &numbers.0),
            (Interval, &numbers.0),
            (Boolean, &numbers.1),
            (DateTime, &numbers.1),
            (TextString, b"all"),
            (ByteString, b"all"),
        ];
        for (kind, value) in values {
            let mut writer = Writer::new(STORED);
            writer.item(row.tag, kind, value);
            let bytes = writer.into_bytes();
            let item = Reader::new(&bytes, STORED).next().unwrap().unwrap();
            let mut check = Writer::new(STORED);
            if row.recode(&item, row.tag, &mut check).is_ok() {
                row.slot_mut(&mut record.attributes).push(&item).unwrap();
                break;
            }
        }
    }
    let attributes = &mut record.attributes;
    attributes.object_type = Some(record.object_type);
    attributes.operation_policy_name = Some("default".into());
    attributes.link = vec![Link {
        link_type: LinkType::PublicKeyLink,
        linked_object_identifier: UniqueIdentifier::Text("3".into()),
    }];
    attributes.application_specific_information =
        vec![application("space", "data"), application("space", "")];
    attributes.usage_limits = Some(UsageLimits {
        usage_limits_total: 5,
        usage_limits_count: Some(5),
        usage_limits_unit: UsageLimitsUnit::Byte,
    });
    attributes.cryptographic_parameters = vec![
        CryptographicParameters::default(),
        CryptographicParameters { iv_length: Some(96), ..Default::default() },
    ];
    attributes.revocation_reason = Some(RevocationReason {
        revocation_reason_code: RevocationReasonCode::KeyCompromise,
        revocation_message: None,
    });
    attributes.lease_time = Some(Interval(3600));
    attributes.vendor = vec![vendor("colour", Raw::of(&"red".to_owned())), vendor("size", Raw::of(&7))];
    record
}

pub(crate) fn application(space: &str, data: &str) -> ApplicationSpecificInformation {
    ApplicationSpecificInformation {
        application_namespace: space.into(),
        application_data: (!data.is_empty()).then(|| data.into()),
    }
}

pub(crate) fn vendor(name: &str, value: Raw) -> VendorAttribute {
    VendorAttribute { vendor_identification: "x".into(), attribute_name: name.into(), attribute_value: value }
}

const POLICIES: [&str; 3] = ["default", "public", "other"];
const OWNERS: [&str; 3] = ["ann", "bob", "Ann"];
const TYPES: [ObjectType; 4] =
    [ObjectType::SymmetricKey, ObjectType::SecretData, ObjectType::Certificate, ObjectType::OpaqueObject];

/// Returns a record with values from small sets, so that random queries match.
pub(crate) fn random_record(random: &mut Random) -> Record {
    let object_type = random.one_of(&TYPES);
    let mut record = record(object_type, &format!("name {}", random.below(20)));
    record.owner = random_principal(random);
    let attributes = &mut record.attributes;
    attributes.operation_policy_name = random.chance(80).then(|| random.one_of(&POLICIES).into());
    attributes.initial_date = random.date();
    attributes.state = random.chance(90).then(|| random.one_of(State::ALL));
    attributes.activation_date = random.date();
    attributes.deactivation_date = random.date();
    attributes.destroy_date = random.chance(20).then_some(DateTime(20));
    attributes.archive_date = random.chance(20).then_some(DateTime(20));
    attributes.last_change_date = random.date();
    attributes.cryptographic_length = random.chance(80).then(|| random.one_of(&[128, 256]));
    attributes.cryptographic_usage_mask =
        random.chance(80).then(|| CryptographicUsageMask(random.one_of(&[0, 1, 4, 8, 12])));
    attributes.object_group = (0..random.below(3)).map(|_| format!("group {}", random.below(4))).collect();
    attributes.description = random.chance(50).then(|| format!("description {}", random.below(3)));
    attributes.sensitive = random.chance(50).then(|| random.chance(50));
    if random.chance(30) {
        attributes.vendor.push(vendor("colour", Raw::of(&random.below(3).to_string())));
    }
    if random.chance(10) {
        attributes.name.push(name(&format!("{} {}", "long".repeat(200), random.below(3))));
    }
    record
}

fn random_principal(random: &mut Random) -> Principal {
    let credential = random.one_of(&[None, Some("user x"), Some("user y")]).map(str::to_owned);
    Principal { credential, ..random.one_of(&OWNERS).into() }
}

/// Returns a query for such records.
pub(crate) fn random_query(random: &mut Random, records: &[Record]) -> Query {
    let mut grants = Vec::new();
    for policy in POLICIES {
        for object_type in TYPES {
            if random.chance(80) {
                grants.push(Grant { policy: policy.into(), object_type, owner_only: random.chance(40) });
            }
        }
    }
    let criteria = (0..random.below(4)).map(|_| random_criterion(random, records)).collect();
    Query {
        requester: random_principal(random),
        grants,
        criteria,
        storage: StorageStatusMask(random.one_of(&[1, 1, 3, 4, 7])),
        now: DateTime(random.below(32).into()),
        offset: if random.chance(30) { random.below(20).into() } else { 0 },
        limit: random.chance(30).then(|| random.below(20).into()),
        order: random.one_of(&[Order::NewestFirst, Order::LatestSecondFirst, Order::OldestFirst]),
        count: random.chance(30),
    }
}

fn random_criterion(random: &mut Random, records: &[Record]) -> Criterion {
    let (from, length) = (i64::from(random.below(30)), i64::from(random.below(15)));
    match random.below(11) {
        10 => Criterion::OneOf(ObjectTypes::of(&[random.one_of(&TYPES), random.one_of(&TYPES)])),
        0 => Criterion::State(random.one_of(State::ALL)),
        1 => Criterion::UsageMask(random.one_of(&[0, 1, 4, 8, 12])),
        2 => dates("Initial Date", from, from + length),
        3 => dates(
            random.one_of(&["Activation Date", "Last Change Date", "Archive Date"]),
            from,
            from + length,
        ),
        4 if random.chance(20) => Criterion::Identifier(Id(random.below(320).into())),
        4 if random.chance(20) => Criterion::After(records[random.position(records.len())].sort_key()),
        _ => {
            // A value of one of the records.
            let record = &records[random.position(records.len())];
            let values: Vec<_> = TABLE
                .iter()
                .filter(|row| row.tag != Tag::UniqueIdentifier)
                .flat_map(|row| record.attributes.of_row(row))
                .collect();
            Criterion::Equals(values[random.position(values.len())].clone())
        }
    }
}

/// Opens a sealed store in the folder.
pub(crate) fn sealed(folder: &Folder) -> super::Sqlite {
    let key = folder.path("key");
    std::fs::write(&key, [7; 32]).unwrap();
    let key = super::KeyEncryptionKey::read(&key).unwrap();
    super::Sqlite::open_sealed(&folder.path("sealed"), &key, &|_| unreachable!("it is no database of PyKMIP"))
        .unwrap()
}

/// A store each of whose transactions is optimistic.
pub(crate) struct Optimistic<S>(pub(crate) S);

impl<S: Store> Store for Optimistic<S> {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.0.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.0.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.0.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.0.change_optimistically(job)
    }
}

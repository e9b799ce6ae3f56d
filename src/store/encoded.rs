//! The stored form of records and of the server state, which the databases share: bytes, checksum, and the columns and index
//! values for Locate.
//!
//! In a sealed database, the functions take the data key and seal or open the bytes.

use zeroize::Zeroizing;

use super::checksum::{Checksum, Content};
use super::columns::Columns;
use super::sealing::DataKey;
use super::{Error, Id, Record};
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::ObjectType;
use crate::kmip::{Object, Principal};
use crate::secret::Secret;
use crate::ttlv::{self, Field, Reader, STORED, Tag, Value, Writer};

/// The initial capacity of a buffer for the attributes of a record, in bytes: few records have more.
const ATTRIBUTES_CAPACITY: usize = 1024;

/// The stored form of a record. The object is wiped when it is dropped.
pub(super) struct Encoded {
    pub(super) id: Id,
    /// The number of the object as an integer of a database.
    pub(super) number: i64,
    pub(super) attributes: Vec<u8>,
    pub(super) object: Option<Zeroizing<Vec<u8>>>,
    pub(super) checksum: Checksum,
    pub(super) columns: Columns,
}

impl Encoded {
    /// Encodes `record`.
    pub(super) fn of(record: &Record, key: Option<&DataKey>) -> Result<Self, Error> {
        let id = record.id;
        let number = number(id)?;
        let encode = |object: &Object| {
            let write = |writer: &mut Writer| object.write(Tag::default(), writer);
            match key {
                Some(key) => key.seal_object(id, record.object_type, write),
                None => Ok(Writer::wiped(STORED, write)),
            }
        };
        let object = record.object.as_ref().map(encode).transpose()?;
        let attributes = encode_attributes(record);
        let columns = Columns::of(record, &attributes).map_err(|why| Error::Damaged { id, why })?;
        let content = Content::Object {
            number,
            object_type: record.object_type.to_wire().into(),
            owner: &record.owner.user,
            credential: record.owner.credential.as_deref(),
            attributes: &attributes,
            object: object.as_ref().map(|bytes| bytes.as_slice()),
        };
        let checksum = content.checksum(key);
        Ok(Self { id, number, attributes, object, checksum, columns })
    }

    /// Returns the number of bytes in its blobs.
    pub(super) fn size(&self) -> usize {
        self.attributes.len() + self.object.as_ref().map_or(0, |bytes| bytes.len())
    }
}

/// Returns the stored attributes of a record.
pub(super) fn encode_attributes(record: &Record) -> Vec<u8> {
    let mut writer = Writer::reusing(Vec::with_capacity(ATTRIBUTES_CAPACITY), STORED);
    record.attributes.encode(Tag::Attributes, &mut writer);
    writer.into_bytes()
}

/// The columns of a stored record that a read returns.
pub(super) struct StoredRow<'a> {
    pub(super) owner: &'a str,
    pub(super) credential: Option<&'a str>,
    pub(super) object_type: i64,
    pub(super) attributes: &'a [u8],
    pub(super) object: Option<&'a [u8]>,
    pub(super) checksum: Option<&'a [u8]>,
}

impl StoredRow<'_> {
    /// Verifies and decodes the record with this number.
    ///
    /// # Errors
    /// Returns [`Error::Checksum`] or [`Error::Damaged`] if the bytes have changed since they were stored.
    pub(super) fn decode(&self, id: Id, key: Option<&DataKey>) -> Result<Record, Error> {
        let Self { owner, credential, object_type, attributes, object, checksum } = *self;
        let damaged = |why| Error::Damaged { id, why };
        let content =
            Content::Object { number: number(id)?, object_type, owner, credential, attributes, object };
        if !content.has(checksum, key) {
            return Err(Error::Checksum { id });
        }
        let value = u32::try_from(object_type).unwrap_or(u32::MAX);
        let unknown = ttlv::Error::UnknownValue { tag: Tag::ObjectType, value };
        let object_type = ObjectType::from_wire(value).ok_or(damaged(unknown))?;
        let opened = match (key, object) {
            (Some(key), Some(sealed)) => Some(key.open_object(id, object_type, sealed)?),
            _ => None,
        };
        let object = opened.as_ref().map(|bytes| bytes.as_slice()).or(object);
        Ok(Record {
            id,
            owner: Principal { user: owner.to_owned(), credential: credential.map(str::to_owned) },
            object_type,
            attributes: decode_all::<Attributes>(Tag::Attributes, attributes).map_err(damaged)?,
            object: object
                .map(|bytes| decode_all::<Object>(Tag::default(), bytes))
                .transpose()
                .map_err(damaged)?,
        })
    }

    /// Returns the number of bytes in its blobs.
    pub(super) fn size(&self) -> usize {
        self.attributes.len() + self.object.map_or(0, <[u8]>::len)
    }
}

/// Decodes `bytes` as one `T` without trailing bytes.
fn decode_all<T: Field>(tag: Tag, bytes: &[u8]) -> Result<T, ttlv::Error> {
    let mut reader = Reader::new(bytes, STORED);
    let value = T::read(tag, &mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Returns the stored bytes of a server state, and their checksum.
pub(super) fn encode_server_state(
    name: &str,
    value: &Secret,
    key: Option<&DataKey>,
) -> Result<(Secret, Checksum), Error> {
    let stored = match key {
        Some(key) => key.seal_server_state(name, value)?,
        None => value.clone(),
    };
    let checksum = Content::ServerState { name, value: stored.expose() }.checksum(key);
    Ok((stored, checksum))
}

/// Verifies and opens the stored bytes of a server state.
pub(super) fn decode_server_state(
    name: &str,
    stored: Secret,
    checksum: Option<&[u8]>,
    key: Option<&DataKey>,
) -> Result<Secret, Error> {
    if !(Content::ServerState { name, value: stored.expose() }).has(checksum, key) {
        return Err(Error::ServerStateChecksum { name: name.to_owned() });
    }
    match key {
        Some(key) => key.open_server_state(name, &stored),
        None => Ok(stored),
    }
}

/// Converts an object number to an integer of a database. No object has a number that does not fit.
pub(super) fn number(id: Id) -> Result<i64, Error> {
    i64::try_from(id.0).map_err(|_| Error::Missing { id })
}

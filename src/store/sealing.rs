//! Encryption at rest: a data key encrypts the stored objects, and the administrator's key encryption key wraps the
//! data key.
//!
//! The data key is generated once per database and stored in it. To change the key encryption key, only the 32
//! bytes of the data key are wrapped again. Attributes are not encrypted, because Locate searches them; an authentication
//! code protects them, with a key that is derived from the data key.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Error, Id, KeyProblem};
use crate::crypto::envelope::{AuthenticationKey, EnvelopeKey, KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH};
use crate::kmip::enums::ObjectType;
use crate::secret::Secret;
use crate::ttlv::{self, ItemType, Reader, STORED, Tag, Writer};

/// The Opaque Data Type that marks a sealed object in the database. No client can name it: the first bit marks the
/// extensions of vendors, and no vendor uses all other bits.
const SEALED: u32 = u32::MAX;

/// The purpose of a data key. A key that was wrapped for one purpose does not unwrap for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Objects in a database, whose rows are authenticated.
    Database,
    /// Objects in a database of schema version 5 or older, whose rows are not authenticated. A database that was brought up
    /// to date has its data key for [`Sealing::Database`] only, so that nobody can declare it an old one.
    OldDatabase,
    /// Lines of an export.
    Export,
}

impl Sealing {
    /// Returns the additional authenticated data of the wrapped key.
    fn aad(self) -> &'static [u8] {
        match self {
            Self::Database => b"kmip-server data key of authenticated rows",
            Self::OldDatabase => b"kmip-server data key",
            Self::Export => b"kmip-server export key",
        }
    }
}

/// The administrator's key, which wraps data keys.
pub struct KeyEncryptionKey {
    path: PathBuf,
    key: EnvelopeKey,
}

impl KeyEncryptionKey {
    /// Reads the key from the file at `path`: 32 bytes, or 64 hexadecimal digits.
    ///
    /// # Errors
    /// Returns [`Error::Key`] if the file cannot be read or contains no key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why| Error::Key { path: path.to_owned(), why };
        let bytes = fs::read(path).map_err(|why| failed(KeyProblem::Unreadable(Arc::new(why))))?;
        let bytes = Zeroizing::new(bytes);
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        if bytes.len() == KEY_LENGTH {
            key.copy_from_slice(&bytes);
        } else {
            let decoded = base16ct::mixed::decode(bytes.trim_ascii(), &mut *key);
            if decoded.map(<[u8]>::len) != Ok(KEY_LENGTH) {
                return Err(failed(KeyProblem::NotAKey));
            }
        }
        let key = EnvelopeKey::new(&key).map_err(|_| failed(KeyProblem::NotAKey))?;
        Ok(Self { path: path.to_owned(), key })
    }

    /// Generates a data key and returns it wrapped.
    ///
    /// # Errors
    /// Returns [`Error::Sealing`] if no key can be generated or wrapped.
    pub fn generate(&self, sealing: Sealing) -> Result<Vec<u8>, Error> {
        let key = EnvelopeKey::generate().map_err(|_| Error::Sealing)?;
        self.wrap(sealing, &key)
    }

    /// Unwraps the data key of a database and wraps it with `new`, for the same purpose.
    pub(super) fn rewrap(&self, wrapped: &[u8], new: &Self) -> Result<Vec<u8>, Error> {
        let (sealing, key) = self.unwrap_of_database(wrapped)?;
        new.wrap(sealing, &key)
    }

    /// Wraps the data key of a database whose rows are now authenticated.
    pub(super) fn authenticate(&self, wrapped: &[u8]) -> Result<Vec<u8>, Error> {
        let (_, key) = self.unwrap_of_database(wrapped)?;
        self.wrap(Sealing::Database, &key)
    }

    /// Unwraps the data key of a database.
    ///
    /// # Errors
    /// Returns [`Error::Key`] if the data key was wrapped with another key.
    pub(super) fn open_database(&self, wrapped: &[u8]) -> Result<DataKey, Error> {
        let (sealing, key) = self.unwrap_of_database(wrapped)?;
        DataKey::new(sealing, &key)
    }

    fn unwrap_of_database(&self, wrapped: &[u8]) -> Result<(Sealing, Zeroizing<[u8; KEY_LENGTH]>), Error> {
        let key = self.unwrap(Sealing::Database, wrapped).map(|key| (Sealing::Database, key));
        key.or_else(|_| Ok((Sealing::OldDatabase, self.unwrap(Sealing::OldDatabase, wrapped)?)))
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    /// Returns [`Error::Key`] if the data key was wrapped with another key or for another purpose.
    pub fn open(&self, sealing: Sealing, wrapped: &[u8]) -> Result<DataKey, Error> {
        let key = self.unwrap(sealing, wrapped)?;
        DataKey::new(sealing, &key)
    }

    fn wrap(&self, sealing: Sealing, key: &[u8; KEY_LENGTH]) -> Result<Vec<u8>, Error> {
        self.key.seal(sealing.aad(), key).map_err(|_| Error::Sealing)
    }

    fn unwrap(&self, sealing: Sealing, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_LENGTH]>, Error> {
        let opened = self.key.open(sealing.aad(), wrapped);
        let key = opened.and_then(|bytes| <[u8; KEY_LENGTH]>::try_from(bytes.as_slice()).ok());
        let wrong = || Error::Key { path: self.path.clone(), why: KeyProblem::Wrong };
        key.map(Zeroizing::new).ok_or_else(wrong)
    }
}

/// The key that seals the objects of a database or the lines of an export.
pub struct DataKey {
    envelope: EnvelopeKey,
    authentication: AuthenticationKey,
    sealing: Sealing,
}

impl DataKey {
    fn new(sealing: Sealing, key: &[u8; KEY_LENGTH]) -> Result<Self, Error> {
        let envelope = EnvelopeKey::new(key).map_err(|_| Error::Sealing)?;
        let authentication = AuthenticationKey::derive(key, b"kmip-server rows");
        Ok(Self { envelope, authentication, sealing })
    }

    /// Returns the key that authenticates the rows of the database.
    pub(super) fn authentication(&self) -> &AuthenticationKey {
        &self.authentication
    }

    /// Whether the rows of the database are authenticated.
    pub(super) fn authenticates_rows(&self) -> bool {
        self.sealing == Sealing::Database
    }

    /// Seals `bytes` and binds them to `aad`.
    ///
    /// # Errors
    /// Returns [`Error::Sealing`] if the encryption fails.
    pub fn seal_bytes(&self, aad: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.envelope.seal(aad, bytes).map_err(|_| Error::Sealing)
    }

    /// Returns the bytes that were sealed, or `None` if `sealed` was not sealed with this key and `aad`.
    pub fn open_bytes(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.envelope.open(aad, sealed)
    }

    /// Seals the bytes of an object that `write` writes, in place, because an object can be long. The result has the TTLV
    /// form of an Opaque Object of the type [`SEALED`].
    ///
    /// # Errors
    /// Returns [`Error::Sealing`] if the encryption fails.
    pub(super) fn seal_object(
        &self,
        id: Id,
        object_type: ObjectType,
        write: impl FnOnce(&mut Writer),
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut outcome = Ok(());
        let with_nonce = |writer: &mut Writer| {
            writer.zeros(NONCE_LENGTH);
            write(writer);
        };
        let seal = |bytes: &mut Vec<u8>, start| {
            self.envelope.seal_in_place(&object_aad(id, object_type), bytes, start)
        };
        let bytes = Writer::wiped(STORED, |writer| {
            writer.structure(Tag::OpaqueObject, |writer| {
                writer.item(Tag::OpaqueDataType, ItemType::Enumeration, &SEALED.to_be_bytes());
                let (tag, kind) = (Tag::OpaqueDataValue, ItemType::ByteString);
                outcome = writer.replaced(tag, kind, TAG_LENGTH, with_nonce, seal);
            });
        });
        outcome.map(|()| bytes).map_err(|_| Error::Sealing)
    }

    /// Returns the bytes of an object as they were before it was sealed.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if `stored` was not sealed with this key, for this number and this type.
    pub(super) fn open_object(
        &self,
        id: Id,
        object_type: ObjectType,
        stored: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let sealed = sealed_value(stored).ok().flatten();
        let opened = sealed.and_then(|sealed| self.open_bytes(&object_aad(id, object_type), sealed));
        let why =
            ttlv::Error::Invalid { tag: Tag::OpaqueDataValue, why: "it was not sealed for this object" };
        opened.ok_or(Error::Damaged { id, why })
    }

    /// Seals the server state with this name.
    ///
    /// # Errors
    /// Returns [`Error::Sealing`] if the encryption fails.
    pub(super) fn seal_server_state(&self, name: &str, value: &Secret) -> Result<Secret, Error> {
        self.seal_bytes(name.as_bytes(), value.expose()).map(Secret::new)
    }

    /// Returns the server state with this name as it was before it was sealed.
    ///
    /// # Errors
    /// Returns [`Error::Sealing`] if it was not sealed with this key and name.
    pub(super) fn open_server_state(&self, name: &str, sealed: &Secret) -> Result<Secret, Error> {
        let opened = self.open_bytes(name.as_bytes(), sealed.expose());
        opened.map(|bytes| Secret::new(bytes.to_vec())).ok_or(Error::Sealing)
    }
}

/// Returns the envelope in a sealed object, or `None` for an object that is not sealed.
fn sealed_value(stored: &[u8]) -> Result<Option<&[u8]>, ttlv::Error> {
    let mut items = Reader::new(stored, STORED).require(Tag::OpaqueObject)?.structure()?;
    let object_type = items.require(Tag::OpaqueDataType)?.expect(ItemType::Enumeration)?;
    let value = items.require(Tag::OpaqueDataValue)?.expect(ItemType::ByteString)?;
    Ok((object_type == SEALED.to_be_bytes()).then_some(value))
}

/// Returns the additional authenticated data of a sealed object: the object does not open under another number or as
/// another type.
fn object_aad(id: Id, object_type: ObjectType) -> Vec<u8> {
    [&id.0.to_be_bytes()[..], &object_type.to_wire().to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Folder;
    use super::*;
    use crate::kmip::Object;
    use crate::ttlv::Field;

    fn data_key() -> DataKey {
        DataKey::new(Sealing::Database, &[9; KEY_LENGTH]).unwrap()
    }

    fn write(writer: &mut Writer) {
        writer.item(Tag::KeyMaterial, ItemType::ByteString, b"a key");
    }

    fn plain() -> Vec<u8> {
        let mut writer = Writer::new(STORED);
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn an_object_opens_under_its_own_number_and_type_and_unchanged_only() {
        let (key, id, plain) = (data_key(), Id(1), plain());
        let sealed = key.seal_object(id, ObjectType::SymmetricKey, write).unwrap();
        let open = |id, object_type, bytes: &[u8]| key.open_object(id, object_type, bytes);
        assert_eq!(open(id, ObjectType::SymmetricKey, &sealed).unwrap().to_vec(), plain);
        let mut changed = sealed.to_vec();
        // The last byte of the tag; the bytes behind it pad the item.
        let last = sealed.iter().rposition(|byte| *byte != 0).unwrap();
        changed[last] ^= 0x80;
        for (id, object_type, bytes) in [
            (Id(2), ObjectType::SymmetricKey, &sealed[..]),
            (id, ObjectType::SecretData, &sealed),
            (id, ObjectType::SymmetricKey, &changed),
            (id, ObjectType::SymmetricKey, &plain),
            (id, ObjectType::SymmetricKey, b""),
        ] {
            assert!(matches!(open(id, object_type, bytes), Err(Error::Damaged { .. })));
        }
    }

    /// Databases that earlier versions sealed contain the objects in this form.
    #[test]
    fn a_sealed_object_is_stored_as_an_opaque_object_of_a_reserved_type() {
        let stored = data_key().seal_object(Id(1), ObjectType::SymmetricKey, write).unwrap();
        let Object::OpaqueObject(object) =
            Object::read(Tag::default(), &mut Reader::new(&stored, STORED)).unwrap()
        else {
            panic!("it is another object")
        };
        assert_eq!(object.opaque_data_type.0, SEALED);
        let envelope = object.opaque_data_value.expose();
        let aad = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &[0, 0, 0, 2]].concat();
        assert_eq!(data_key().open_bytes(&aad, envelope).unwrap().to_vec(), plain());
    }

    #[test]
    fn a_key_file_contains_32_bytes_or_64_hexadecimal_digits() {
        let folder = Folder::new();
        let read = |bytes: &[u8]| {
            std::fs::write(folder.path("key"), bytes).unwrap();
            KeyEncryptionKey::read(&folder.path("key")).is_ok()
        };
        assert!(
            read(&[0xFF; 32])
                && read("0a".repeat(32).as_bytes())
                && read(&[b"Fa".repeat(32), b"\n".to_vec()].concat())
        );
        for bytes in [
            &[0xFF; 31][..],
            &[0xFF; 33],
            b"",
            "0g".repeat(32).as_bytes(),
            "+a".repeat(32).as_bytes(),
            "\u{e9}".repeat(32).as_bytes(),
        ] {
            assert!(!read(bytes), "{bytes:?}");
        }
    }
}

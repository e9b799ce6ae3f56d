//! Objects that are encrypted where they are kept: a store around the one in the file, which gets and gives only
//! what AES-256-GCM made of each object, bound to its number and type.
//!
//! The key of that, the data key, is made once for a database and stands in it, wrapped in the key that the
//! administrator keeps in a file of his own: changing the latter means to wrap 32 bytes anew. Attributes are not
//! encrypted, as Locate searches them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::sqlite::Complete;
use super::{Error, Id, Located, Outcome, PendingCommit, Query, Record, Sqlite, Status, Store, Transaction};
use crate::kmip::enums::{ObjectType, OpaqueDataType};
use crate::kmip::{Object, OpaqueObject};
use crate::secret::Secret;
use crate::ttlv::{self, Field, Reader, STORED, Tag, Writer};

/// The length of both keys in bytes.
const KEY: usize = 32;
/// What a sealed object is kept as: opaque data of a type that no client can name, as the first bit marks those
/// of vendors and the rest is more than any of them has.
const SEALED: OpaqueDataType = OpaqueDataType(u32::MAX);
/// What a data key seals: wrapped for the one, it does not open for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// The objects of a database.
    Database,
    /// The lines of an export.
    Export,
}

impl Sealing {
    /// What the wrapped key is bound to.
    fn binding(self) -> &'static [u8] {
        match self {
            Self::Database => b"kmip-server data key",
            Self::Export => b"kmip-server export key",
        }
    }
}

/// Why a key file cannot be used.
#[derive(Clone, Debug)]
pub enum KeyProblem {
    /// The file cannot be read.
    Unreadable(Arc<std::io::Error>),
    /// It holds neither 32 bytes nor 64 hexadecimal digits.
    NotAKey,
    /// It is not the key that the database is sealed with.
    Wrong,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::NotAKey => f.write_str("it holds neither 32 bytes nor 64 hexadecimal digits"),
            Self::Wrong => f.write_str("it is not the key that the database is sealed with"),
        }
    }
}

/// The key that wraps the data key.
pub struct KeyEncryptionKey {
    path: PathBuf,
    key: RandomizedNonceKey,
}

impl KeyEncryptionKey {
    /// Reads the key in the file at `path`: 32 bytes, or 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why| Error::Key { path: path.to_owned(), why };
        let bytes = fs::read(path).map_err(|why| failed(KeyProblem::Unreadable(Arc::new(why))))?;
        let bytes = Zeroizing::new(bytes);
        let mut key = Zeroizing::new([0; KEY]);
        if bytes.len() == KEY {
            key.copy_from_slice(&bytes);
        } else {
            let decoded = base16ct::mixed::decode(bytes.trim_ascii(), &mut *key);
            decoded.ok().filter(|key| key.len() == KEY).ok_or_else(|| failed(KeyProblem::NotAKey))?;
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| failed(KeyProblem::NotAKey))?;
        Ok(Self { path: path.to_owned(), key })
    }

    /// A new data key, wrapped.
    ///
    /// # Errors
    /// [`Error::Sealing`].
    pub fn make(&self, of: Sealing) -> Result<Vec<u8>, Error> {
        let mut key = Zeroizing::new([0; KEY]);
        rand::fill(&mut *key).map_err(|_| Error::Sealing)?;
        self.wrap(of, &*key)
    }

    /// The data key of a database, wrapped in another key.
    pub(super) fn rewrap(&self, wrapped: &[u8], new: &Self) -> Result<Vec<u8>, Error> {
        new.wrap(Sealing::Database, &self.unwrap(Sealing::Database, wrapped)?)
    }

    /// The data key that was wrapped.
    ///
    /// # Errors
    /// [`Error::Key`] where this is not the key that it was wrapped in.
    pub fn open(&self, of: Sealing, wrapped: &[u8]) -> Result<DataKey, Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.unwrap(of, wrapped)?);
        Ok(DataKey(key.map_err(|_| Error::Sealing)?))
    }

    fn wrap(&self, of: Sealing, key: &[u8]) -> Result<Vec<u8>, Error> {
        seal(&self.key, of.binding(), key)
    }

    fn unwrap(&self, of: Sealing, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wrong = Error::Key { path: self.path.clone(), why: KeyProblem::Wrong };
        open(&self.key, of.binding(), wrapped).filter(|key| key.len() == KEY).ok_or(wrong)
    }
}

/// The key that seals the objects of a database, or the lines of an export.
pub struct DataKey(RandomizedNonceKey);

impl DataKey {
    /// Seals `bytes`, bound to what they are: a nonce, then what became of them, then the tag.
    ///
    /// # Errors
    /// [`Error::Sealing`].
    pub fn seal_bytes(&self, binding: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        seal(&self.0, binding, bytes)
    }

    /// The same as they were; none where they are not what was sealed with this key and binding.
    pub fn open_bytes(&self, binding: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.0, binding, sealed)
    }

    /// The record with its object sealed.
    pub(super) fn seal(&self, mut record: Record) -> Result<Record, Error> {
        if let Some(object) = record.object.take() {
            let plain = Writer::wiped(STORED, |writer| object.write(Tag::default(), writer));
            let bytes = seal(&self.0, &binding(record.id, record.object_type), &plain)?;
            record.object = Some(Object::OpaqueObject(OpaqueObject {
                opaque_data_type: SEALED,
                opaque_data_value: Secret::new(bytes),
            }));
        }
        Ok(record)
    }

    /// What the server keeps for itself under that name, sealed.
    pub(super) fn seal_server_state(&self, name: &str, value: &Secret) -> Result<Secret, Error> {
        seal(&self.0, name.as_bytes(), value.expose()).map(Secret::new)
    }

    /// The same as it was before it was sealed.
    pub(super) fn open_server_state(&self, name: &str, sealed: &Secret) -> Result<Secret, Error> {
        let opened = open(&self.0, name.as_bytes(), sealed.expose());
        opened.map(|bytes| Secret::new(bytes.to_vec())).ok_or(Error::Sealing)
    }

    /// The record as it was before it was sealed.
    pub(super) fn open(&self, mut record: Record) -> Result<Record, Error> {
        let why = ttlv::Error::Invalid {
            tag: Tag::OpaqueDataValue,
            why: "it is not what was sealed for this object",
        };
        let damaged = Error::Damaged { id: record.id, why };
        record.object = match record.object.take() {
            None => None,
            Some(Object::OpaqueObject(sealed)) if sealed.opaque_data_type == SEALED => {
                let bytes = sealed.opaque_data_value.expose();
                let bytes = open(&self.0, &binding(record.id, record.object_type), bytes).ok_or(damaged)?;
                let mut reader = Reader::new(&bytes, STORED);
                let object = Object::read(Tag::default(), &mut reader);
                Some(object.map_err(|why| Error::Damaged { id: record.id, why })?)
            }
            // All of a database is sealed, so somebody else put it there.
            Some(_) => return Err(damaged),
        };
        Ok(record)
    }
}

/// What a sealed object is bound to: moved to another number or type, it does not open.
fn binding(id: Id, object_type: ObjectType) -> Vec<u8> {
    [&id.0.to_be_bytes()[..], &object_type.to_wire().to_be_bytes()].concat()
}

/// A nonce, then what became of `bytes`, then the tag.
fn seal(key: &RandomizedNonceKey, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    // With room for the tag, so that no move leaves the plain bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(plain.len() + MAX_TAG_LEN));
    bytes.extend_from_slice(plain);
    let nonce = key.seal_in_place_append_tag(Aad::from(aad), &mut *bytes).map_err(|_| Error::Sealing)?;
    Ok([&nonce.as_ref()[..], &bytes].concat())
}

fn open(key: &RandomizedNonceKey, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let length = key.open_in_place(Nonce::from(nonce), Aad::from(aad), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// A store whose objects are sealed.
pub struct Sealed {
    kept: Sqlite,
    key: DataKey,
}

impl Sealed {
    /// Opens the store in the file at `path`, as [`Sqlite::open_or_take_over`] does. Objects that are not sealed
    /// yet are, all or none.
    ///
    /// # Errors
    /// Those of [`Sqlite::open`], and [`Error::Key`] where the file is sealed with another key.
    pub fn open(path: &Path, key: &KeyEncryptionKey, complete: Complete<'_>) -> Result<Self, Error> {
        let (kept, key) = Sqlite::open_sealed(path, key, complete)?;
        Ok(Self { kept, key })
    }
}

/// Runs `job` on a change that seals and opens on the way.
fn on_sealed(
    key: &DataKey,
    job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
) -> impl FnMut(&mut dyn Transaction) -> Outcome {
    move |kept| job(&mut Change { key, kept })
}

impl Store for Sealed {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        self.kept.read(id)?.map(|record| self.key.open(record)).transpose()
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.kept.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.kept.server_state(name)?.map(|value| self.key.open_server_state(name, &value)).transpose()
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.kept.change(&mut on_sealed(&self.key, job))
    }

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.kept.begin(&mut on_sealed(&self.key, job))
    }

    fn status(&self) -> Status {
        self.kept.status()
    }
}

/// A change under way.
struct Change<'a> {
    key: &'a DataKey,
    kept: &'a mut dyn Transaction,
}

impl Transaction for Change<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error> {
        self.kept.read(id)?.map(|record| self.key.open(record)).transpose()
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.kept.locate(query)
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        self.kept.next_id()
    }

    fn insert(&mut self, record: Record) -> Result<(), Error> {
        self.kept.insert(self.key.seal(record)?)
    }

    fn update(&mut self, record: Record) -> Result<(), Error> {
        self.kept.update(self.key.seal(record)?)
    }

    fn update_lazily(&mut self, record: Record) -> Result<(), Error> {
        self.kept.update_lazily(self.key.seal(record)?)
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        self.kept.server_state(name)?.map(|value| self.key.open_server_state(name, &value)).transpose()
    }

    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        self.kept.set_server_state(name, &self.key.seal_server_state(name, value)?)
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.kept.nested(&mut on_sealed(self.key, job))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, key, sealed};
    use super::*;

    #[test]
    fn an_object_opens_at_its_own_place_and_unchanged_only() {
        let folder = Folder::new();
        let store = sealed(&folder);
        let first = Record { id: Id(1), ..key("first") };
        let kept = store.key.seal(first.clone()).unwrap();
        assert_ne!(kept.object, first.object);
        assert_eq!(store.key.open(kept.clone()).unwrap(), first);
        let moved = Record { id: Id(2), ..kept.clone() };
        let retyped = Record { object_type: ObjectType::SecretData, ..kept.clone() };
        let plain = first.clone();
        let mut broken = kept.clone();
        let Some(Object::OpaqueObject(object)) = &mut broken.object else { panic!("it is sealed") };
        let mut bytes = object.opaque_data_value.expose().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        object.opaque_data_value = Secret::new(bytes);
        for record in [moved, retyped, plain, broken] {
            assert!(matches!(store.key.open(record), Err(Error::Damaged { .. })));
        }
        let destroyed = Record { object: None, ..key("gone") };
        assert_eq!(store.key.open(store.key.seal(destroyed.clone()).unwrap()).unwrap(), destroyed);
    }

    #[test]
    fn a_key_is_bytes_or_digits_and_nothing_else() {
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

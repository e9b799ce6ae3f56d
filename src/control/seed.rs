//! Objects with fixed identifiers and known bytes for a store under test.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use base16ct::mixed;
use serde_json::{Map, Value as Json};

use super::ControlError;
use crate::backup;
use crate::engine::{NewObject, Requester, pykmip_import};
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, KeyFormatType, NameType, ObjectType, OpaqueDataType,
    SecretDataType,
};
use crate::kmip::structures::Name;
use crate::kmip::{Key, KeyBlock, KeyMaterial, KeyValue, Object, OpaqueObject, SecretData};
use crate::secret::Secret;
use crate::store::{self, Id, Record, Sqlite};
use crate::suggestion::{named, similar};
use crate::ttlv::DateTime;

/// The members of an object in the short form.
const MEMBERS: &[&str] = &[
    "id",
    "owner",
    "type",
    "algorithm",
    "key",
    "name",
    "names",
    "groups",
    "policy",
    "usage",
    "state",
    "activation_date",
    "deactivation_date",
    "process_start_date",
    "protect_stop_date",
    "sensitive",
    "extractable",
];

/// The owner of an object without one: the first client of `run_server --make-certs` and of the pytest fixture.
const OWNER: &str = "John Doe";

/// Returns the records of objects in JSON. Those without identifier get ascending ones from `next` on.
///
/// # Errors
/// Returns [`ControlError::Invalid`] with the position of the first object that is invalid.
pub fn records(objects: &[Json], next: Id, now: DateTime) -> Result<Vec<Record>, ControlError> {
    let mut records = Vec::new();
    let mut next = next.0;
    for (position, object) in objects.iter().enumerate() {
        let wrong = |why: String| ControlError::Invalid(format!("object {}: {why}", position + 1));
        let is_export =
            ["attributes", "object", "format", "own", "end"].iter().any(|it| object.get(it).is_some());
        let record = if is_export {
            backup::object(object).map_err(|error| wrong(error.to_string()))?
        } else {
            Some(short(object, next, now).map_err(wrong)?)
        };
        if let Some(record) = record {
            next = next.max(record.id.0.saturating_add(1));
            records.push(record);
        }
    }
    Ok(records)
}

/// Returns the record of an object in the short form.
fn short(object: &Json, next: u64, now: DateTime) -> Result<Record, String> {
    let members = Members(object.as_object().ok_or("it is not a JSON object")?);
    if let Some(name) = members.0.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        let similar = similar(name, MEMBERS.iter());
        return Err(format!(
            "there is no member {name:.64?}{similar}; the members are {}",
            MEMBERS.join(", ")
        ));
    }
    let id = match members.text("id")? {
        None => Id(next),
        Some(text) => {
            let id = Id::parse(&text).filter(|id| *id <= Id::LARGEST_CHOSEN);
            id.ok_or_else(|| format!("id must be a decimal number such as \"1\", not {text:.64?}"))?
        }
    };
    let mut new = NewObject::new(members.object()?);
    let attributes = &mut new.attributes;
    for name in members.text("name")?.into_iter().chain(members.texts("names")?) {
        attributes.name.push(Name { name_value: name, name_type: NameType::UninterpretedTextString });
    }
    attributes.object_group = members.texts("groups")?;
    attributes.operation_policy_name = members.text("policy")?;
    attributes.sensitive = members.flag("sensitive")?;
    attributes.extractable = members.flag("extractable")?;
    attributes.activation_date = members.date("activation_date")?;
    attributes.deactivation_date = members.date("deactivation_date")?;
    attributes.process_start_date = members.date("process_start_date")?;
    attributes.protect_stop_date = members.date("protect_stop_date")?;
    match members.text("state")?.as_deref() {
        None | Some("Pre-Active") => {}
        Some("Active") => drop(attributes.activation_date.get_or_insert(now)),
        Some(other) => return Err(format!("state must be Pre-Active or Active, not {other:.64?}")),
    }
    let usage = members.texts("usage")?;
    if !usage.is_empty() {
        attributes.cryptographic_usage_mask = Some(mask(&usage)?);
    }
    let owner = members.text("owner")?.unwrap_or_else(|| OWNER.to_owned());
    let record = new.finish(&Requester::of_owner(owner, now)).map_err(|error| error.message.into_owned())?;
    Ok(record.with_id(id))
}

fn mask(names: &[String]) -> Result<CryptographicUsageMask, String> {
    let mut mask = CryptographicUsageMask::default();
    for name in names {
        let found = named(name, CryptographicUsageMask::ALL, |(_, name, _)| name);
        let (bit, ..) = found.map_err(|similar| format!("there is no usage {name:.64?}{similar}"))?;
        mask = mask | bit;
    }
    Ok(mask)
}

/// The members of an object in the short form.
struct Members<'a>(&'a Map<String, Json>);

impl Members<'_> {
    fn value(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let read = |value: &Json| match value {
            Json::String(text) => Ok(text.clone()),
            // Identifiers look like numbers.
            Json::Number(number) => Ok(number.to_string()),
            _ => Err(format!("{name} must be a text")),
        };
        self.value(name).map(read).transpose()
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("{name} must be a list of texts");
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(wrong)?;
        values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let read = |value: &Json| value.as_bool().ok_or_else(|| format!("{name} must be true or false"));
        self.value(name).map(read).transpose()
    }

    fn date(&self, name: &str) -> Result<Option<DateTime>, String> {
        let read = |value: &Json| {
            let seconds = value.as_i64().map(DateTime);
            seconds.ok_or_else(|| format!("{name} must be a whole number of seconds since 1970"))
        };
        self.value(name).map(read).transpose()
    }

    fn object(&self) -> Result<Object, String> {
        let name = self.text("type")?.unwrap_or_else(|| ObjectType::SymmetricKey.name().to_owned());
        let object_type = named(&name, ObjectType::ALL, ObjectType::name)
            .map_err(|similar| format!("there is no type {name:.64?}{similar}"))?;
        let digits = self.text("key")?.ok_or("key is missing: the bytes in hexadecimal")?;
        let bytes = mixed::decode_vec(&digits).map_err(|_| "key must be hexadecimal".to_owned())?;
        if bytes.is_empty() {
            return Err("key must have at least one byte".to_owned());
        }
        let length = i32::try_from(bytes.len() * 8).map_err(|_| "key is too long".to_owned())?;
        let bytes = Secret::new(bytes);
        let block = |key_format_type, algorithm, material| KeyBlock {
            key_format_type,
            key_compression_type: None,
            key_value: Some(KeyValue::of(KeyMaterial::Bytes(material))),
            cryptographic_algorithm: algorithm,
            cryptographic_length: Some(length),
            key_wrapping_data: None,
        };
        match object_type {
            ObjectType::SymmetricKey => {
                let name =
                    self.text("algorithm")?.unwrap_or_else(|| CryptographicAlgorithm::Aes.name().to_owned());
                let algorithm = named(&name, CryptographicAlgorithm::ALL, CryptographicAlgorithm::name)
                    .map_err(|similar| format!("there is no algorithm {name:.64?}{similar}"))?;
                Ok(Object::SymmetricKey(Key { key_block: block(KeyFormatType::Raw, Some(algorithm), bytes) }))
            }
            ObjectType::SecretData => Ok(Object::SecretData(SecretData {
                secret_data_type: SecretDataType::Password,
                key_block: block(KeyFormatType::Opaque, None, bytes),
            })),
            ObjectType::OpaqueObject => Ok(Object::OpaqueObject(OpaqueObject {
                opaque_data_type: OpaqueDataType(0),
                opaque_data_value: bytes,
            })),
            other => Err(format!(
                "an object of the type {other} needs the members attributes and object, as run_server --export writes them"
            )),
        }
    }
}

/// Returns the records of a database of PyKMIP's server. The import changes a copy of it.
pub(super) fn of_pykmip(database: &Path) -> Result<Vec<Record>, ControlError> {
    let failed = |why: std::io::Error| ControlError::Invalid(format!("{}: {why}", database.display()));
    let folder = std::env::temp_dir().join(format!("kmip-seed-{}", std::process::id()));
    // Fails if the folder exists: another user could have created it to read the keys.
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    let copy = folder.join("pykmip.database");
    let read = || {
        fs::copy(database, &copy).map_err(failed)?;
        drop(Sqlite::open_or_import(&copy, &pykmip_import::complete)?);
        let source = store::source(&copy, None)?;
        let (mut records, mut last) = (Vec::new(), Id(0));
        while let Some(record) = source.next(last)? {
            last = record.id;
            records.push(record);
        }
        Ok(records)
    };
    let records = read();
    drop(fs::remove_dir_all(&folder));
    records
}

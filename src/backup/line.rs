//! What the lines of an export say: a JSON object each. Attributes and object are items as [`json`] spells them, in
//! the form in which the store keeps them.

use base16ct::{lower, mixed};
use serde_json::{Map, Value as Json, json};

use super::error::Wrong;
use crate::encoding::json;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::ObjectType;
use crate::kmip::{Object, Principal};
use crate::secret::Secret;
use crate::store::{Id, Record};
use crate::ttlv::{self, Field, Reader, STORED, Tag, Value, Writer};

/// What the first line says that this is.
const FORMAT: &str = "kmip-server export";

/// The version of the form of the file: a program reads its own only. A change of what lines say is a new one.
pub const VERSION: u64 = 1;

/// A line behind the first.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// An object.
    Object(Box<Record>),
    /// What the server keeps for itself under a name.
    Own { name: String, value: Secret },
    /// The last line.
    End(Totals),
}

/// What the last line tells of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// How many objects there are.
    pub(super) objects: u64,
    /// How much the server keeps for itself.
    pub(super) server_state: u64,
    /// The last number that an object got, whether it is there or not.
    pub(super) last_id: u64,
}

/// The first line; `sealed` is what the key of the others became, in base64.
pub(super) fn first(sealed: Option<&str>) -> Json {
    match sealed {
        None => json!({ "format": FORMAT, "version": VERSION }),
        Some(key) => json!({ "format": FORMAT, "version": VERSION, "sealed": key }),
    }
}

/// What [`first`] was made with.
pub(super) fn read_first(line: &Json) -> Result<Option<String>, Wrong> {
    let mut members = Members::of(line)?;
    if members.take("format").and_then(|format| format.as_str()) != Some(FORMAT) {
        return Err(Wrong::NotAnExport);
    }
    match members.number("version")? {
        VERSION => {}
        other => return Err(Wrong::Version(other)),
    }
    let sealed = members.take("sealed").map(|key| text("sealed", key)).transpose()?;
    members.finish()?;
    Ok(sealed)
}

/// The version that a first line of any version tells.
pub(super) fn version_of(line: &Json) -> Option<u64> {
    let ours = line.get("format").and_then(Json::as_str) == Some(FORMAT);
    line.get("version").and_then(Json::as_u64).filter(|_| ours)
}

impl Entry {
    /// The entry as JSON.
    pub(super) fn write(&self) -> Result<Json, Wrong> {
        Ok(match self {
            Self::Object(record) => {
                let object =
                    record.object.as_ref().map(|object| spell(Tag::default(), object)).transpose()?;
                let mut line = json!({
                    "id": record.id.to_string(),
                    "owner": record.owner.user,
                    "type": record.object_type.name(),
                    "attributes": spell(Tag::Attributes, &record.attributes)?,
                    "object": object,
                });
                if let (Some(members), Some(credential)) = (line.as_object_mut(), &record.owner.credential) {
                    members.insert("credential".to_owned(), Json::String(credential.clone()));
                }
                line
            }
            Self::Own { name, value } => {
                json!({ "own": name, "bytes": lower::encode_string(value.expose()) })
            }
            Self::End(totals) => json!({
                "end": true,
                "objects": totals.objects,
                "own": totals.server_state,
                "last_id": totals.last_id,
            }),
        })
    }

    /// The entry that a line is.
    pub(super) fn read(line: &Json) -> Result<Self, Wrong> {
        let mut members = Members::of(line)?;
        let entry = if members.has("id") {
            Self::Object(Box::new(record(&mut members)?))
        } else if members.has("own") && !members.has("end") {
            let value = members.need("bytes")?.as_str().and_then(|digits| mixed::decode_vec(digits).ok());
            let value = value.ok_or_else(|| malformed("bytes", "is no hexadecimal text"))?;
            Self::Own { name: members.text("own")?, value: Secret::new(value) }
        } else if members.take("end").is_some() {
            Self::End(Totals {
                objects: members.number("objects")?,
                server_state: members.number("own")?,
                last_id: members.number("last_id")?,
            })
        } else {
            return Err(Wrong::Malformed("the line is of no kind that there is".to_owned()));
        };
        members.finish()?;
        Ok(entry)
    }
}

fn record(members: &mut Members<'_>) -> Result<Record, Wrong> {
    let id = Id::parse(&members.text("id")?).ok_or_else(|| malformed("id", "is no identifier"))?;
    let name = members.text("type")?;
    let object_type = ObjectType::ALL.iter().copied().find(|object_type| object_type.name() == name);
    let object_type = object_type.ok_or_else(|| malformed("type", "is no type of object"))?;
    let object = match members.need("object")? {
        Json::Null => None,
        object => Some(unspell::<Object>(Tag::default(), object)?),
    };
    if object.as_ref().is_some_and(|object| object.object_type() != object_type) {
        return Err(malformed("object", "is of another type"));
    }
    let attributes: Attributes = unspell(Tag::Attributes, members.need("attributes")?)?;
    let credential = members.take("credential").map(|named| text("credential", named)).transpose()?;
    let owner = Principal { user: members.text("owner")?, credential };
    Ok(Record { id, owner, object_type, attributes, object })
}

/// Something with a place in the store, as an item.
trait Spelled: Sized {
    fn put(&self, tag: Tag, writer: &mut Writer);
    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error>;
}

impl Spelled for Object {
    fn put(&self, tag: Tag, writer: &mut Writer) {
        self.write(tag, writer);
    }

    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error> {
        Self::read(tag, reader)
    }
}

impl Spelled for Attributes {
    fn put(&self, tag: Tag, writer: &mut Writer) {
        self.encode(tag, writer);
    }

    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error> {
        Self::decode(&reader.require(tag)?)
    }
}

fn spell(tag: Tag, value: &impl Spelled) -> Result<Json, Wrong> {
    let mut writer = Writer::new(STORED);
    value.put(tag, &mut writer);
    let bytes = zeroize::Zeroizing::new(writer.into_bytes());
    json::encode_value(&bytes).map_err(Wrong::Encoding)
}

fn unspell<T: Spelled>(tag: Tag, spelled: &Json) -> Result<T, Wrong> {
    let bytes = zeroize::Zeroizing::new(json::decode_value(spelled).map_err(Wrong::Encoding)?);
    let mut reader = Reader::new(&bytes, STORED);
    let value = T::get(tag, &mut reader).map_err(Wrong::Ttlv)?;
    reader.finish().map_err(Wrong::Ttlv)?;
    Ok(value)
}

/// The members of a line that have not been read yet.
struct Members<'a>(Vec<(&'a str, &'a Json)>);

impl<'a> Members<'a> {
    fn of(line: &'a Json) -> Result<Self, Wrong> {
        let members: &Map<String, Json> =
            line.as_object().ok_or_else(|| Wrong::Malformed("the line is no JSON object".to_owned()))?;
        Ok(Self(members.iter().map(|(name, value)| (name.as_str(), value)).collect()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(there, _)| *there == name)
    }

    fn take(&mut self, name: &str) -> Option<&'a Json> {
        let at = self.0.iter().position(|(there, _)| *there == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn need(&mut self, name: &str) -> Result<&'a Json, Wrong> {
        self.take(name).ok_or_else(|| malformed(name, "is missing"))
    }

    fn text(&mut self, name: &str) -> Result<String, Wrong> {
        text(name, self.need(name)?)
    }

    fn number(&mut self, name: &str) -> Result<u64, Wrong> {
        let number = self.need(name)?.as_u64().filter(|number| i64::try_from(*number).is_ok());
        number.ok_or_else(|| malformed(name, "is no number that there is"))
    }

    /// A member that is not known may be one without which the others mean something else.
    fn finish(self) -> Result<(), Wrong> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(malformed(name, "is not known")))
    }
}

fn text(name: &str, value: &Json) -> Result<String, Wrong> {
    value.as_str().map(str::to_owned).ok_or_else(|| malformed(name, "is no text"))
}

fn malformed(name: &str, what: &str) -> Wrong {
    let name: String = name.chars().take(64).collect();
    Wrong::Malformed(format!("its member {name:?} {what}"))
}

//! The lines of an export. Each is a JSON object; attributes and object have the JSON encoding of [`json`], in the
//! stored form.

use base16ct::{lower, mixed};
use serde_json::{Map, Value as Json, json};

use super::VERSION;
use super::error::LineError;
use crate::encoding::json;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::ObjectType;
use crate::kmip::{Object, Principal};
use crate::secret::Secret;
use crate::store::{Id, Record};
use crate::ttlv::{self, Field, Reader, STORED, Tag, Value, Writer};

/// The member `format` of the first line.
const FORMAT: &str = "kmip-server export";

/// A line after the first.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// An object.
    Object(Box<Record>),
    /// The server state with this name.
    Own { name: String, value: Secret },
    /// The last line.
    End(Totals),
}

/// The content of the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// The number of objects.
    pub(super) objects: u64,
    /// The number of names of server state.
    pub(super) server_state: u64,
    /// The highest number that an object got. The export may not contain that object.
    pub(super) last_id: u64,
}

/// Returns the first line; `sealed` is the wrapped data key of the other lines in Base64.
pub(super) fn first(sealed: Option<&str>) -> Json {
    match sealed {
        None => json!({ "format": FORMAT, "version": VERSION }),
        Some(key) => json!({ "format": FORMAT, "version": VERSION, "sealed": key }),
    }
}

/// Returns the wrapped data key in the first line, or `None` if the export is not sealed.
pub(super) fn read_first(line: &Json) -> Result<Option<String>, LineError> {
    let mut members = Members::of(line)?;
    if members.take("format").and_then(|format| format.as_str()) != Some(FORMAT) {
        return Err(LineError::NotAnExport);
    }
    match members.number("version")? {
        VERSION => {}
        other => return Err(LineError::Version(other)),
    }
    let sealed = members.take("sealed").map(|key| text("sealed", key)).transpose()?;
    members.finish()?;
    Ok(sealed)
}

/// Returns the version in a first line of any version.
pub(super) fn version_of(line: &Json) -> Option<u64> {
    let ours = line.get("format").and_then(Json::as_str) == Some(FORMAT);
    line.get("version").and_then(Json::as_u64).filter(|_| ours)
}

impl Entry {
    /// Returns the entry as JSON.
    pub(super) fn write(&self) -> Result<Json, LineError> {
        Ok(match self {
            Self::Object(record) => {
                let object =
                    record.object.as_ref().map(|object| encode(Tag::default(), object)).transpose()?;
                let mut line = json!({
                    "id": record.id.to_string(),
                    "owner": record.owner.user,
                    "type": record.object_type.name(),
                    "attributes": encode(Tag::Attributes, &record.attributes)?,
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

    /// Parses a line.
    pub(super) fn read(line: &Json) -> Result<Self, LineError> {
        let mut members = Members::of(line)?;
        let entry = if members.has("id") {
            Self::Object(Box::new(record(&mut members)?))
        } else if members.has("own") && !members.has("end") {
            let value = members.need("bytes")?.as_str().and_then(|digits| mixed::decode_vec(digits).ok());
            let value = value.ok_or_else(|| malformed("bytes", "is not hexadecimal"))?;
            Self::Own { name: members.text("own")?, value: Secret::new(value) }
        } else if members.take("end").is_some() {
            Self::End(Totals {
                objects: members.number("objects")?,
                server_state: members.number("own")?,
                last_id: members.number("last_id")?,
            })
        } else {
            return Err(LineError::Malformed("the line is of no known kind".to_owned()));
        };
        members.finish()?;
        Ok(entry)
    }
}

fn record(members: &mut Members<'_>) -> Result<Record, LineError> {
    let id = Id::parse(&members.text("id")?).ok_or_else(|| malformed("id", "is not an identifier"))?;
    let name = members.text("type")?;
    let object_type = ObjectType::ALL.iter().copied().find(|object_type| object_type.name() == name);
    let object_type = object_type.ok_or_else(|| malformed("type", "is not an object type"))?;
    let object = match members.need("object")? {
        Json::Null => None,
        object => Some(decode::<Object>(Tag::default(), object)?),
    };
    if object.as_ref().is_some_and(|object| object.object_type() != object_type) {
        return Err(malformed("object", "is of another type"));
    }
    let attributes: Attributes = decode(Tag::Attributes, members.need("attributes")?)?;
    let credential = members.take("credential").map(|named| text("credential", named)).transpose()?;
    let owner = Principal { user: members.text("owner")?, credential };
    Ok(Record { id, owner, object_type, attributes, object })
}

/// A value with a TTLV form in the store.
trait Stored: Sized {
    fn put(&self, tag: Tag, writer: &mut Writer);
    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error>;
}

impl Stored for Object {
    fn put(&self, tag: Tag, writer: &mut Writer) {
        self.write(tag, writer);
    }

    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error> {
        Self::read(tag, reader)
    }
}

impl Stored for Attributes {
    fn put(&self, tag: Tag, writer: &mut Writer) {
        self.encode(tag, writer);
    }

    fn get(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, ttlv::Error> {
        Self::decode(&reader.require(tag)?)
    }
}

fn encode(tag: Tag, value: &impl Stored) -> Result<Json, LineError> {
    let mut writer = Writer::new(STORED);
    value.put(tag, &mut writer);
    let bytes = zeroize::Zeroizing::new(writer.into_bytes());
    json::encode_value(&bytes).map_err(LineError::Encoding)
}

fn decode<T: Stored>(tag: Tag, encoded: &Json) -> Result<T, LineError> {
    let bytes = zeroize::Zeroizing::new(json::decode_value(encoded).map_err(LineError::Encoding)?);
    let mut reader = Reader::new(&bytes, STORED);
    let value = T::get(tag, &mut reader).map_err(LineError::Ttlv)?;
    reader.finish().map_err(LineError::Ttlv)?;
    Ok(value)
}

/// The members of a line that were not read yet.
struct Members<'a>(Vec<(&'a str, &'a Json)>);

impl<'a> Members<'a> {
    fn of(line: &'a Json) -> Result<Self, LineError> {
        let members: &Map<String, Json> = line
            .as_object()
            .ok_or_else(|| LineError::Malformed("the line is not a JSON object".to_owned()))?;
        Ok(Self(members.iter().map(|(name, value)| (name.as_str(), value)).collect()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(member, _)| *member == name)
    }

    fn take(&mut self, name: &str) -> Option<&'a Json> {
        let index = self.0.iter().position(|(member, _)| *member == name)?;
        Some(self.0.swap_remove(index).1)
    }

    fn need(&mut self, name: &str) -> Result<&'a Json, LineError> {
        self.take(name).ok_or_else(|| malformed(name, "is missing"))
    }

    fn text(&mut self, name: &str) -> Result<String, LineError> {
        text(name, self.need(name)?)
    }

    fn number(&mut self, name: &str) -> Result<u64, LineError> {
        let number = self.need(name)?.as_u64().filter(|number| i64::try_from(*number).is_ok());
        number.ok_or_else(|| malformed(name, "is not a number in the valid range"))
    }

    /// Refuses unknown members, because such a member may change the meaning of the others.
    fn finish(self) -> Result<(), LineError> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(malformed(name, "is not known")))
    }
}

fn text(name: &str, value: &Json) -> Result<String, LineError> {
    value.as_str().map(str::to_owned).ok_or_else(|| malformed(name, "is not a text"))
}

fn malformed(name: &str, what: &str) -> LineError {
    let name: String = name.chars().take(64).collect();
    LineError::Malformed(format!("its member {name:?} {what}"))
}

//! Messages as JSON (Additional Message Encodings 1.0 §4.1): an object an item, with `tag`, `type` and `value`.

use serde_json::{Map, Value, json};

use super::value::{self, Written};
use super::{Error, Siblings, names};
use crate::ttlv::{Item, ItemType, MAX_DEPTH, Reader, Tag, V1_0, Writer};

/// From this magnitude on a number is written in hex: JSON's readers may keep no more than 53 bits (§4.1.6.5).
const EXACT: u64 = 1 << 52;

/// The TTLV of the message that `text` spells.
///
/// # Errors
/// [`Error`], naming the tag.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    // The reader stops at 128 levels, twice as many as MAX_DEPTH structures need.
    let document: Value = serde_json::from_slice(text)
        .map_err(|error| Error::Json { line: error.line(), column: error.column() })?;
    decode_value(&document)
}

/// The TTLV of an item that stands in a document of its own kind.
///
/// # Errors
/// As [`decode`].
pub fn decode_value(spelled: &Value) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(V1_0);
    item(spelled, "", &mut Siblings::default(), 0, &mut writer)?;
    Ok(writer.into_bytes())
}

/// The JSON of the first item in `message`.
///
/// # Errors
/// [`Error::Ttlv`] where the bytes are no TTLV, [`Error::Empty`] where there are none.
pub fn encode(message: &[u8]) -> Result<String, Error> {
    encode_value(message).map(|value| value.to_string())
}

/// The same, to stand in a document of another kind.
///
/// # Errors
/// As [`encode`].
pub fn encode_value(message: &[u8]) -> Result<Value, Error> {
    let item = Reader::new(message, V1_0).next()?.ok_or(Error::Empty)?;
    spell(&item, &mut Siblings::default())
}

/// Writes the item that `spelled` is, which stands in the structure `within`.
fn item(
    spelled: &Value,
    within: &str,
    siblings: &mut Siblings,
    depth: u8,
    writer: &mut Writer,
) -> Result<(), Error> {
    let object = spelled.as_object().ok_or_else(|| Error::Misplaced { element: Error::name(within) })?;
    let (tag, kind) = head(object)?;
    let element = || Error::name(object.get("tag").and_then(Value::as_str).unwrap_or_default());
    let value = object.get("value").unwrap_or(&Value::Null);
    if kind == ItemType::Structure {
        if depth >= MAX_DEPTH {
            return Err(Error::TooDeep { element: element() });
        }
        let inner = match value {
            Value::Null => &[],
            Value::Array(inner) => inner.as_slice(),
            _ => return Err(Error::Misplaced { element: element() }),
        };
        let mut outcome = Ok(());
        writer.structure(tag, |writer| outcome = items(inner, &element(), depth + 1, writer));
        return outcome;
    }
    let meaning = siblings.meaning(tag);
    let bytes = match value {
        Value::Null => return Err(Error::NoValue { element: element() }),
        Value::String(text) => {
            siblings.note(tag, text);
            value::parse(kind, meaning, text)
        }
        Value::Number(number) => number.as_i64().and_then(|number| value::of_number(kind, number)),
        Value::Bool(value) if kind == ItemType::Boolean => Some(u64::from(*value).to_be_bytes().to_vec()),
        _ => None,
    };
    let bytes = bytes.ok_or_else(|| Error::BadValue { element: element(), kind })?;
    writer.item(tag, kind, &bytes);
    Ok(())
}

fn items(inner: &[Value], within: &str, depth: u8, writer: &mut Writer) -> Result<(), Error> {
    let mut siblings = Siblings::default();
    inner.iter().try_for_each(|inner| item(inner, within, &mut siblings, depth, writer))
}

/// The tag and the type of an item.
fn head(object: &Map<String, Value>) -> Result<(Tag, ItemType), Error> {
    let element = object.get("tag").and_then(Value::as_str).unwrap_or_default();
    let tag = names::tag(element).ok_or_else(|| Error::UnknownTag { element: Error::name(element) })?;
    let kind = match object.get("type") {
        None => Some(ItemType::Structure),
        Some(kind) => kind.as_str().and_then(names::kind),
    };
    kind.map(|kind| (tag, kind)).ok_or_else(|| Error::UnknownType { element: Error::name(element) })
}

fn spell(item: &Item<'_>, siblings: &mut Siblings) -> Result<Value, Error> {
    let tag = names::tag_name(item.tag).map_or_else(|| format!("0x{:06x}", item.tag.0), str::to_owned);
    if item.kind == ItemType::Structure {
        let mut items = item.structure()?;
        let mut inner = Vec::new();
        let mut siblings = Siblings::default();
        while let Some(item) = items.next()? {
            inner.push(spell(&item, &mut siblings)?);
        }
        return Ok(json!({ "tag": tag, "value": inner }));
    }
    let value = match value::print(item.kind, siblings.meaning(item.tag), item.bytes, '|') {
        Written::Text(text) if item.kind == ItemType::BigInteger => Value::from(format!("0x{text}")),
        Written::Text(text) => {
            siblings.note(item.tag, &text);
            Value::from(text)
        }
        Written::Number(number) if number.unsigned_abs() >= EXACT => Value::from(format!("0x{number:016x}")),
        Written::Number(number) => Value::from(number),
        Written::Boolean(value) => Value::from(value),
    };
    Ok(json!({ "tag": tag, "type": names::kind_name(item.kind), "value": value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::xml;

    fn same(json: &str, as_xml: &str) {
        assert_eq!(decode(json.as_bytes()), xml::decode(as_xml.as_bytes()), "{json}");
    }

    #[test]
    fn reads_the_examples_of_the_standard() {
        same(
            r#"{"tag": "ActivationDate", "type":"DateTime", "value":"2001-01-01T10:00:00+10:00"}"#,
            "<ActivationDate type='DateTime' value='2001-01-01T00:00:00Z'/>",
        );
        same(
            r#"{"tag": "0x54FFFF", "name":"SomeExtension", "type":"Integer", "value":"0x00000001"}"#,
            "<X54ffff type='Integer' value='1'/>",
        );
        same(
            r#"{"tag": "PrivateKeyTemplateAttribute", "type":"Structure", "value":[]}"#,
            "<PrivateKeyTemplateAttribute/>",
        );
        same(
            r#"{"tag": "ProtocolVersion", "value":[{"tag": "ProtocolVersionMajor", "type":"Integer", "value":1}]}"#,
            "<ProtocolVersion><ProtocolVersionMajor type='Integer' value='1'/></ProtocolVersion>",
        );
        same(r#"{"tag": "ProtocolVersion", "value":null}"#, "<ProtocolVersion/>");
        same(
            r#"{"tag": "CryptographicUsageMask", "type":"Integer", "value": "CertificateSign|0x00000004|0x0000008"}"#,
            "<CryptographicUsageMask type='Integer' value='4108'/>",
        );
        same(
            r#"{"tag": "0x540001", "type":"LongInteger", "value":"0xfffffffffffffffe"}"#,
            "<X540001 type='LongInteger' value='-2'/>",
        );
        same(
            r#"{"tag": "P", "type":"BigInteger", "value":-2}"#,
            "<P type='BigInteger' value='fffffffffffffffe'/>",
        );
        same(
            r#"{"tag": "0x420057", "type":"Enumeration", "value":2}"#,
            "<ObjectType type='Enumeration' value='SymmetricKey'/>",
        );
        same(
            r#"{"tag": "BatchOrderOption", "type":"Boolean", "value":"0x0000000000000001"}"#,
            "<BatchOrderOption type='Boolean' value='true'/>",
        );
        same(
            r#"{"tag": "ArchiveDate", "type":"DateTime", "value":"0x000000003a505520"}"#,
            "<ArchiveDate type='DateTime' value='2001-01-01T10:00:00Z'/>",
        );
        same(
            r#"{"tag": "Offset", "type":"Interval", "value":"0x0000001b"}"#,
            "<Offset type='Interval' value='27'/>",
        );
    }

    #[test]
    fn writes_numbers_that_a_double_cannot_keep_in_hex() {
        let xml = "<UsageLimitsCount type='LongInteger' value='1152921504606846976'/>";
        let bytes = xml::decode(xml.as_bytes()).unwrap();
        let json = encode(&bytes).unwrap();
        assert_eq!(json, r#"{"tag":"UsageLimitsCount","type":"LongInteger","value":"0x1000000000000000"}"#);
        assert_eq!(decode(json.as_bytes()).unwrap(), bytes);
    }

    #[test]
    fn refuses_what_is_no_message_and_names_the_tag() {
        let deep = format!("{}{}", r#"{"tag":"Attributes","value":["#.repeat(40), "]}".repeat(40));
        for (json, text) in [
            ("", "line 1, column 0"),
            ("{", "line 1"),
            ("[]", "holds what it has no place for"),
            ("{}", "is no tag"),
            (r#"{"tag":"Nothing"}"#, "Nothing is no tag"),
            (r#"{"tag":"BatchCount","type":7}"#, "BatchCount has an unknown type"),
            (r#"{"tag":"BatchCount","type":"Integer"}"#, "BatchCount has no value"),
            (r#"{"tag":"BatchCount","type":"Integer","value":4294967296}"#, "BatchCount has a value"),
            (r#"{"tag":"BatchCount","type":"Integer","value":1.5}"#, "BatchCount has a value"),
            (r#"{"tag":"Comment","type":"TextString","value":1}"#, "Comment has a value"),
            (r#"{"tag":"Attributes","value":[1]}"#, "Attributes holds"),
            (r#"{"tag":"Attributes","value":1}"#, "Attributes holds"),
            (deep.as_str(), "nested deeper"),
        ] {
            let error = decode(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(text), "{json}: {error}");
        }
    }
}

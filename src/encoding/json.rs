//! Messages in JSON: one object per item, with the members `tag`, `type` and `value` (Additional Message
//! Encodings 1.0 §4.1).

use serde_json::{Map, Value, json};

use super::names::AttributeContext;
use super::value::{self, Scalar};
use super::{Error, names};
use crate::ttlv::{Item, ItemType, MAX_DEPTH, Reader, Tag, V1_0, Writer};

/// The magnitude from which numbers are written in hexadecimal, because JSON parsers may support only 53 bits
/// (§4.1.6.5).
const HEX_THRESHOLD: u64 = 1 << 52;

/// Converts a JSON document with one item, and the items in it, to TTLV.
///
/// # Errors
/// Returns an [`Error`] with the tag of the item if the JSON is malformed, contains something other than
/// items, has unknown names, or has values that are invalid for their types. Values are never part of an
/// error.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::json;
/// use kmip_server::kmip::enums::CryptographicUsageMask;
/// use kmip_server::ttlv::{Reader, Tag, V1_2, Value};
///
/// let text = br#"{"tag": "CryptographicUsageMask", "type": "Integer", "value": "Encrypt|Decrypt"}"#;
/// let message = json::decode(text)?;
/// let item = Reader::new(&message, V1_2).require(Tag::CryptographicUsageMask)?;
/// let mask = CryptographicUsageMask::decode(&item)?;
/// assert_eq!(mask, CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT);
///
/// let error = json::decode(br#"{"tag": "BatchCount", "type": "Integer"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "BatchCount has no value");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    // serde_json accepts 128 levels, twice as many as MAX_DEPTH structures need.
    let document: Value = serde_json::from_slice(text)
        .map_err(|error| Error::Json { line: error.line(), column: error.column() })?;
    decode_value(&document)
}

/// Converts one item in a larger JSON document to TTLV.
///
/// # Errors
/// Returns the errors of [`decode`].
pub(crate) fn decode_value(value: &Value) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(V1_0);
    write_item(value, "", &mut AttributeContext::default(), 0, &mut writer)?;
    Ok(writer.into_bytes())
}

/// Converts the first item of `message` from TTLV to JSON.
///
/// # Errors
/// Returns [`Error::Ttlv`] if the TTLV encoding is invalid, and [`Error::Empty`] if `message` is empty.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::json;
/// use kmip_server::ttlv::{Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// 1.encode(Tag::BatchCount, &mut writer);
/// assert_eq!(json::encode(&writer.into_bytes())?, r#"{"tag":"BatchCount","type":"Integer","value":1}"#);
/// # Ok::<(), kmip_server::encoding::Error>(())
/// ```
pub fn encode(message: &[u8]) -> Result<String, Error> {
    encode_value(message).map(|value| value.to_string())
}

/// Converts the first item of `message` from TTLV to a JSON value, for use in a larger document.
///
/// # Errors
/// Returns the errors of [`encode`].
pub(crate) fn encode_value(message: &[u8]) -> Result<Value, Error> {
    let item = Reader::new(message, V1_0).next()?.ok_or(Error::Empty)?;
    to_json(&item, &mut AttributeContext::default())
}

/// Writes the item `item` of the structure `parent`.
fn write_item(
    item: &Value,
    parent: &str,
    context: &mut AttributeContext,
    depth: u8,
    writer: &mut Writer,
) -> Result<(), Error> {
    let object = item.as_object().ok_or_else(|| Error::Misplaced { element: Error::name(parent) })?;
    let (tag, kind) = tag_and_type(object)?;
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
        writer.structure(tag, |writer| outcome = write_items(inner, &element(), depth + 1, writer));
        return outcome;
    }
    let meaning = context.meaning(tag);
    let bytes = match value {
        Value::Null => return Err(Error::NoValue { element: element() }),
        Value::String(text) => {
            context.record(tag, text);
            value::parse(kind, meaning, text)
        }
        Value::Number(number) => number.as_i64().and_then(|number| value::from_number(kind, number)),
        Value::Bool(value) if kind == ItemType::Boolean => Some(u64::from(*value).to_be_bytes().to_vec()),
        _ => None,
    };
    let bytes = bytes.ok_or_else(|| Error::BadValue { element: element(), kind })?;
    writer.item(tag, kind, &bytes);
    Ok(())
}

fn write_items(items: &[Value], parent: &str, depth: u8, writer: &mut Writer) -> Result<(), Error> {
    let mut context = AttributeContext::default();
    items.iter().try_for_each(|item| write_item(item, parent, &mut context, depth, writer))
}

/// Returns the tag and the type of an item.
fn tag_and_type(object: &Map<String, Value>) -> Result<(Tag, ItemType), Error> {
    let element = object.get("tag").and_then(Value::as_str).unwrap_or_default();
    let tag = names::tag(element).ok_or_else(|| Error::UnknownTag { element: Error::name(element) })?;
    let kind = match object.get("type") {
        None => Some(ItemType::Structure),
        Some(kind) => kind.as_str().and_then(names::item_type),
    };
    kind.map(|kind| (tag, kind)).ok_or_else(|| Error::UnknownType { element: Error::name(element) })
}

fn to_json(item: &Item<'_>, context: &mut AttributeContext) -> Result<Value, Error> {
    let tag = names::tag_name(item.tag).map_or_else(|| format!("0x{:06x}", item.tag.0), str::to_owned);
    if item.kind == ItemType::Structure {
        let mut items = item.structure()?;
        let mut inner = Vec::new();
        let mut context = AttributeContext::default();
        while let Some(item) = items.next()? {
            inner.push(to_json(&item, &mut context)?);
        }
        return Ok(json!({ "tag": tag, "value": inner }));
    }
    let value = match value::print(item.kind, context.meaning(item.tag), item.bytes, '|') {
        Scalar::Text(text) if item.kind == ItemType::BigInteger => Value::from(format!("0x{text}")),
        Scalar::Text(text) => {
            context.record(item.tag, &text);
            Value::from(text)
        }
        Scalar::Number(number) if number.unsigned_abs() >= HEX_THRESHOLD => {
            Value::from(format!("0x{number:016x}"))
        }
        Scalar::Number(number) => Value::from(number),
        Scalar::Boolean(value) => Value::from(value),
    };
    Ok(json!({ "tag": tag, "type": names::item_type_name(item.kind), "value": value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::xml;

    fn assert_same(json: &str, as_xml: &str) {
        assert_eq!(decode(json.as_bytes()), xml::decode(as_xml.as_bytes()), "{json}");
    }

    #[test]
    fn decodes_the_examples_of_the_standard() {
        assert_same(
            r#"{"tag": "ActivationDate", "type":"DateTime", "value":"2001-01-01T10:00:00+10:00"}"#,
            "<ActivationDate type='DateTime' value='2001-01-01T00:00:00Z'/>",
        );
        assert_same(
            r#"{"tag": "0x54FFFF", "name":"SomeExtension", "type":"Integer", "value":"0x00000001"}"#,
            "<X54ffff type='Integer' value='1'/>",
        );
        assert_same(
            r#"{"tag": "PrivateKeyTemplateAttribute", "type":"Structure", "value":[]}"#,
            "<PrivateKeyTemplateAttribute/>",
        );
        assert_same(
            r#"{"tag": "ProtocolVersion", "value":[{"tag": "ProtocolVersionMajor", "type":"Integer", "value":1}]}"#,
            "<ProtocolVersion><ProtocolVersionMajor type='Integer' value='1'/></ProtocolVersion>",
        );
        assert_same(r#"{"tag": "ProtocolVersion", "value":null}"#, "<ProtocolVersion/>");
        assert_same(
            r#"{"tag": "CryptographicUsageMask", "type":"Integer", "value": "CertificateSign|0x00000004|0x0000008"}"#,
            "<CryptographicUsageMask type='Integer' value='4108'/>",
        );
        assert_same(
            r#"{"tag": "0x540001", "type":"LongInteger", "value":"0xfffffffffffffffe"}"#,
            "<X540001 type='LongInteger' value='-2'/>",
        );
        assert_same(
            r#"{"tag": "P", "type":"BigInteger", "value":-2}"#,
            "<P type='BigInteger' value='fffffffffffffffe'/>",
        );
        assert_same(
            r#"{"tag": "0x420057", "type":"Enumeration", "value":2}"#,
            "<ObjectType type='Enumeration' value='SymmetricKey'/>",
        );
        assert_same(
            r#"{"tag": "BatchOrderOption", "type":"Boolean", "value":"0x0000000000000001"}"#,
            "<BatchOrderOption type='Boolean' value='true'/>",
        );
        assert_same(
            r#"{"tag": "ArchiveDate", "type":"DateTime", "value":"0x000000003a505520"}"#,
            "<ArchiveDate type='DateTime' value='2001-01-01T10:00:00Z'/>",
        );
        assert_same(
            r#"{"tag": "Offset", "type":"Interval", "value":"0x0000001b"}"#,
            "<Offset type='Interval' value='27'/>",
        );
    }

    #[test]
    fn encodes_numbers_beyond_the_precision_of_a_double_in_hexadecimal() {
        let xml = "<UsageLimitsCount type='LongInteger' value='1152921504606846976'/>";
        let bytes = xml::decode(xml.as_bytes()).unwrap();
        let json = encode(&bytes).unwrap();
        assert_eq!(json, r#"{"tag":"UsageLimitsCount","type":"LongInteger","value":"0x1000000000000000"}"#);
        assert_eq!(decode(json.as_bytes()).unwrap(), bytes);
    }

    #[test]
    fn rejects_invalid_messages_and_names_the_tag() {
        let deep = format!("{}{}", r#"{"tag":"Attributes","value":["#.repeat(40), "]}".repeat(40));
        for (json, text) in [
            ("", "line 1, column 0"),
            ("{", "line 1"),
            ("[]", "contains something other than items"),
            ("{}", "is not a tag"),
            (r#"{"tag":"Nothing"}"#, "Nothing is not a tag"),
            (r#"{"tag":"BatchCount","type":7}"#, "BatchCount has an unknown type"),
            (r#"{"tag":"BatchCount","type":"Integer"}"#, "BatchCount has no value"),
            (r#"{"tag":"BatchCount","type":"Integer","value":4294967296}"#, "BatchCount has a value"),
            (r#"{"tag":"BatchCount","type":"Integer","value":1.5}"#, "BatchCount has a value"),
            (r#"{"tag":"Comment","type":"TextString","value":1}"#, "Comment has a value"),
            (r#"{"tag":"Attributes","value":[1]}"#, "Attributes contains"),
            (r#"{"tag":"Attributes","value":1}"#, "Attributes contains"),
            (deep.as_str(), "nested deeper"),
        ] {
            let error = decode(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(text), "{json}: {error}");
        }
    }
}

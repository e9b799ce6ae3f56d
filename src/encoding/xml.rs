//! Messages in XML: one element per item, with its type and value as attributes (Additional Message Encodings
//! 1.0 §6.1).

use std::fmt::Write;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader as Events, XmlVersion};

use super::names::AttributeContext;
use super::value::{self, Scalar};
use super::{Error, names};
use crate::ttlv::{Item, ItemType, MAX_DEPTH, Reader, Tag, V1_0, Writer};

/// The element for an item whose tag has no name (§6.1.6).
const GENERAL_ELEMENT: &str = "TTLV";

/// Converts one XML element, with the elements in it, to TTLV.
///
/// # Errors
/// Returns an [`Error`] with the name of the element if the XML is malformed, contains something other than
/// items, has unknown names, or has values that are invalid for their types. Values are never part of an
/// error.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::xml;
/// use kmip_server::kmip::enums::ObjectType;
/// use kmip_server::ttlv::{Reader, Tag, V1_2, Value};
///
/// let message = xml::decode(br#"<ObjectType type="Enumeration" value="SymmetricKey"/>"#)?;
/// let item = Reader::new(&message, V1_2).require(Tag::ObjectType)?;
/// assert_eq!(ObjectType::decode(&item)?, ObjectType::SymmetricKey);
///
/// let error = xml::decode(b"<BatchCount type='Integer' value='one'/>").unwrap_err();
/// assert_eq!(error.to_string(), "BatchCount has a value that is not a valid Integer");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8)?;
    let mut document = Document { events: Events::from_str(text.trim_start_matches('\u{feff}')) };
    let mut writer = Writer::new(V1_0);
    let mut context = AttributeContext::default();
    let Some((element, empty)) = document.element("")? else {
        return Err(Error::Empty);
    };
    document.item(&element, empty, &mut context, 0, &mut writer)?;
    match document.element("")? {
        None => Ok(writer.into_bytes()),
        Some((element, _)) => Err(Error::Misplaced { element: Error::name(&element.name) }),
    }
}

/// Converts the items of `message` from TTLV to XML.
///
/// Characters that XML 1.0 cannot contain become U+FFFD.
///
/// # Errors
/// Returns [`Error::Ttlv`] if the TTLV encoding is invalid.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::xml;
/// use kmip_server::ttlv::{Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// 1.encode(Tag::BatchCount, &mut writer);
/// assert_eq!(xml::encode(&writer.into_bytes())?, r#"<BatchCount type="Integer" value="1"/>"#);
/// # Ok::<(), kmip_server::encoding::Error>(())
/// ```
pub fn encode(message: &[u8]) -> Result<String, Error> {
    let mut text = String::with_capacity(message.len().saturating_mul(3));
    let mut items = Reader::new(message, V1_0);
    let mut context = AttributeContext::default();
    while let Some(item) = items.next()? {
        write(&item, &mut context, &mut text)?;
    }
    Ok(text)
}

/// The start tag of an element.
struct Element {
    name: String,
    tag: Tag,
    kind: ItemType,
    value: Option<String>,
}

struct Document<'a> {
    events: Events<&'a [u8]>,
}

impl<'a> Document<'a> {
    /// Reads the next start tag in the element `parent`, and whether it is an empty-element tag. Returns
    /// `None` at the end of `parent`.
    fn element(&mut self, parent: &str) -> Result<Option<(Element, bool)>, Error> {
        loop {
            match self.event(parent)? {
                Event::Start(start) => return Ok(Some((start_tag(&start)?, false))),
                Event::Empty(start) => return Ok(Some((start_tag(&start)?, true))),
                Event::End(_) => return Ok(None),
                Event::Eof if parent.is_empty() => return Ok(None),
                Event::Eof => return Err(malformed(parent, "the end tag is missing")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::DocType(_) => {
                    return Err(malformed(parent, "a document type declaration is not allowed"));
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(Error::Misplaced { element: Error::name(parent) });
                }
            }
        }
    }

    fn event(&mut self, parent: &str) -> Result<Event<'a>, Error> {
        self.events.read_event().map_err(|error| malformed(parent, &error.to_string()))
    }

    /// Writes the item of `element` and reads until its end tag.
    fn item(
        &mut self,
        element: &Element,
        empty: bool,
        context: &mut AttributeContext,
        depth: u8,
        writer: &mut Writer,
    ) -> Result<(), Error> {
        let name = || Error::name(&element.name);
        if element.kind == ItemType::Structure {
            if depth >= MAX_DEPTH {
                return Err(Error::TooDeep { element: name() });
            }
            let mut outcome = Ok(());
            writer.structure(element.tag, |writer| {
                if !empty {
                    outcome = self.items(&element.name, depth + 1, writer);
                }
            });
            return outcome;
        }
        let text = element.value.as_deref().ok_or_else(|| Error::NoValue { element: name() })?;
        let bytes = value::parse(element.kind, context.meaning(element.tag), text)
            .ok_or_else(|| Error::BadValue { element: name(), kind: element.kind })?;
        context.record(element.tag, text);
        writer.item(element.tag, element.kind, &bytes);
        if !empty && self.element(&element.name)?.is_some() {
            return Err(Error::Misplaced { element: name() });
        }
        Ok(())
    }

    /// Writes the items of the structure `parent` and reads until its end tag.
    fn items(&mut self, parent: &str, depth: u8, writer: &mut Writer) -> Result<(), Error> {
        let mut context = AttributeContext::default();
        while let Some((element, empty)) = self.element(parent)? {
            self.item(&element, empty, &mut context, depth, writer)?;
        }
        Ok(())
    }
}

fn start_tag(start: &BytesStart<'_>) -> Result<Element, Error> {
    let name = start.local_name().as_ref().to_owned();
    let (mut tag, mut kind, mut value) = (None, None, None);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(&name, &error.to_string()))?;
        let variable = match attribute.key.as_ref() {
            "tag" if name == GENERAL_ELEMENT => &mut tag,
            "type" => &mut kind,
            "value" => &mut value,
            _ => continue,
        };
        let text = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|error| malformed(&name, &error.to_string()))?;
        *variable = Some(text.into_owned());
    }
    let tag = if name == GENERAL_ELEMENT { tag.as_deref().unwrap_or_default() } else { &name };
    let tag = names::tag(tag).ok_or_else(|| Error::UnknownTag { element: Error::name(tag) })?;
    let kind = match kind {
        None => ItemType::Structure,
        Some(kind) => {
            names::item_type(&kind).ok_or_else(|| Error::UnknownType { element: Error::name(&name) })?
        }
    };
    Ok(Element { name, tag, kind, value })
}

fn malformed(parent: &str, why: &str) -> Error {
    Error::Xml { element: Error::name(parent), why: why.to_owned() }
}

fn write(item: &Item<'_>, context: &mut AttributeContext, text: &mut String) -> Result<(), Error> {
    let name = names::tag_name(item.tag);
    let element = name.unwrap_or(GENERAL_ELEMENT);
    text.extend(["<", element]);
    if name.is_none() {
        // Writing to a String cannot fail.
        let _ = write!(text, " tag=\"0x{:06x}\"", item.tag.0);
    }
    if item.kind == ItemType::Structure {
        text.push('>');
        let mut items = item.structure()?;
        let mut context = AttributeContext::default();
        while let Some(inner) = items.next()? {
            write(&inner, &mut context, text)?;
        }
        text.extend(["</", element, ">"]);
        return Ok(());
    }
    let value = match value::print(item.kind, context.meaning(item.tag), item.bytes, ' ') {
        Scalar::Text(value) => value,
        Scalar::Number(value) => value.to_string(),
        Scalar::Boolean(value) => value.to_string(),
    };
    context.record(item.tag, &value);
    text.extend([" type=\"", names::item_type_name(item.kind), "\" value=\""]);
    escape(&value, text);
    text.push_str("\"/>");
    Ok(())
}

/// Appends `value`, escaped for an attribute. Characters that XML 1.0 cannot contain become U+FFFD.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            // Unescaped, XML parsers replace them by a blank.
            '\t' => text.push_str("&#9;"),
            '\n' => text.push_str("&#10;"),
            '\r' => text.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => text.push(char::REPLACEMENT_CHARACTER),
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(xml: &str) {
        let bytes = decode(xml.as_bytes()).unwrap();
        assert_eq!(encode(&bytes).unwrap(), xml);
    }

    #[test]
    fn converts_every_type_in_both_directions() {
        round_trip(
            "<RequestPayload><BatchCount type=\"Integer\" value=\"-2\"/>\
             <CryptographicUsageMask type=\"Integer\" value=\"Encrypt Decrypt\"/>\
             <UsageLimitsCount type=\"LongInteger\" value=\"1152921504606846976\"/>\
             <P type=\"BigInteger\" value=\"ff00000000000000\"/>\
             <ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>\
             <ObjectType type=\"Enumeration\" value=\"0x80000001\"/>\
             <Fresh type=\"Boolean\" value=\"true\"/>\
             <Comment type=\"TextString\" value=\"a &lt;&amp;&gt; &quot;b&quot;&#10;α\"/>\
             <Data type=\"ByteString\" value=\"00ff\"/>\
             <Data type=\"ByteString\" value=\"\"/>\
             <Data type=\"Enumeration\" value=\"Decrypt\"/>\
             <ActivationDate type=\"DateTime\" value=\"2012-04-27T08:12:21+00:00\"/>\
             <LeaseTime type=\"Interval\" value=\"4294967295\"/>\
             <TimeStamp type=\"DateTimeExtended\" value=\"-1\"/>\
             <TTLV tag=\"0x540001\" type=\"Integer\" value=\"1\"/>\
             <TTLV tag=\"0x540002\"></TTLV></RequestPayload>",
        );
    }

    #[test]
    fn the_name_of_a_1_x_attribute_determines_the_enumeration_of_its_value() {
        round_trip(
            "<TemplateAttribute><Attribute><AttributeName type=\"TextString\" value=\"Cryptographic Algorithm\"/>\
             <AttributeValue type=\"Enumeration\" value=\"AES\"/></Attribute><Attribute>\
             <AttributeName type=\"TextString\" value=\"Cryptographic Usage Mask\"/>\
             <AttributeIndex type=\"Integer\" value=\"0\"/>\
             <AttributeValue type=\"Integer\" value=\"Sign Verify\"/></Attribute><Attribute>\
             <AttributeName type=\"TextString\" value=\"x-own\"/>\
             <AttributeValue type=\"Enumeration\" value=\"0x00000003\"/></Attribute></TemplateAttribute>",
        );
    }

    #[test]
    fn accepts_names_hexadecimal_names_prefixes_and_the_general_form() {
        let expected = decode(b"<X540001 type='Integer' value='1'/>").unwrap();
        for xml in [
            "<?xml version='1.0'?><!-- - --><TTLV tag='0x540001' name='Own' type='Integer' value='0x00000001'/>",
            "<k:x540001 xmlns:k='urn:oasis:tc:kmip:xmlns' type='Integer' value='1'> </k:x540001>\n",
            "\u{feff}<X540001 value='1' type='Integer'/>",
        ] {
            assert_eq!(decode(xml.as_bytes()).as_ref(), Ok(&expected), "{xml}");
        }
        assert_eq!(
            decode(b"<TTLV tag='BatchCount' type='Integer' value='1'/>"),
            decode(b"<BatchCount type='Integer' value='1'/>")
        );
    }

    #[test]
    fn rejects_invalid_messages_and_names_the_element() {
        let deep = "<Attributes>".repeat(40);
        for (xml, text) in [
            ("", "no message"),
            ("<!-- -->", "no message"),
            ("<Nothing/>", "Nothing is not a tag"),
            ("<TTLV/>", "is not a tag"),
            ("<BatchCount type='Number' value='1'/>", "BatchCount has an unknown type"),
            ("<BatchCount type='Integer'/>", "BatchCount has no value"),
            (
                "<BatchCount type='Integer' value='one'/>",
                "BatchCount has a value that is not a valid Integer",
            ),
            ("<State type='Enumeration' value='Gone'/>", "State has a value that is not a valid Enumeration"),
            ("<Attributes>x</Attributes>", "Attributes contains"),
            ("<Attributes>&amp;</Attributes>", "Attributes contains"),
            ("<BatchCount type='Integer' value='1'><State/></BatchCount>", "BatchCount contains"),
            ("<Attributes><State></Attributes>", "malformed at State"),
            ("<Attributes>", "malformed at Attributes"),
            ("<Attributes/><Attributes/>", "Attributes contains"),
            ("</Attributes>", "malformed"),
            ("<Comment type='TextString' value='&own;'/>", "malformed at Comment"),
            ("<!DOCTYPE a [<!ENTITY own 'x'>]><Attributes/>", "document type"),
            (deep.as_str(), "nested deeper than 32"),
        ] {
            let error = decode(xml.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(text), "{xml}: {error}");
        }
        assert_eq!(decode(b"\xff"), Err(Error::NotUtf8));
    }

    #[test]
    fn errors_do_not_contain_values() {
        let error = decode(b"<KeyMaterial type='ByteString' value='5ec2e7zz'/>").unwrap_err();
        assert!(!error.to_string().contains("5ec2e7"));
    }
}

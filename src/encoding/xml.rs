//! Messages as XML (Additional Message Encodings 1.0 §6.1): an element an item, its type and value in attributes.

use std::fmt::Write;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader as Events, XmlVersion};

use super::value::{self, Written};
use super::{Error, GENERAL_ELEMENT, Siblings, names};
use crate::ttlv::{Item, ItemType, MAX_DEPTH, Reader, Tag, V1_0, Writer};

/// The TTLV of the message that `text` spells.
///
/// # Errors
/// [`Error`], naming the element.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    let text = std::str::from_utf8(text).map_err(|_| Error::NotUtf8)?;
    let mut document = Document { events: Events::from_str(text.trim_start_matches('\u{feff}')) };
    let mut writer = Writer::new(V1_0);
    let mut siblings = Siblings::default();
    let Some((element, empty)) = document.element("")? else {
        return Err(Error::Empty);
    };
    document.item(&element, empty, &mut siblings, 0, &mut writer)?;
    match document.element("")? {
        None => Ok(writer.into_bytes()),
        Some((element, _)) => Err(Error::Misplaced { element: Error::name(&element.name) }),
    }
}

/// The XML of the items in `message`.
///
/// # Errors
/// [`Error::Ttlv`] where the bytes are no TTLV.
pub fn encode(message: &[u8]) -> Result<String, Error> {
    let mut text = String::with_capacity(message.len().saturating_mul(3));
    let mut items = Reader::new(message, V1_0);
    let mut siblings = Siblings::default();
    while let Some(item) = items.next()? {
        write(&item, &mut siblings, &mut text)?;
    }
    Ok(text)
}

/// An element as it begins.
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
    /// The next element inside `within`, and whether it is an empty one; none where `within` ends.
    fn element(&mut self, within: &str) -> Result<Option<(Element, bool)>, Error> {
        loop {
            match self.event(within)? {
                Event::Start(start) => return Ok(Some((begin(&start)?, false))),
                Event::Empty(start) => return Ok(Some((begin(&start)?, true))),
                Event::End(_) => return Ok(None),
                Event::Eof if within.is_empty() => return Ok(None),
                Event::Eof => return Err(broken(within, "it has no end")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::DocType(_) => return Err(broken(within, "a message has no document type")),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(Error::Misplaced { element: Error::name(within) });
                }
            }
        }
    }

    fn event(&mut self, within: &str) -> Result<Event<'a>, Error> {
        self.events.read_event().map_err(|error| broken(within, &error.to_string()))
    }

    /// Writes the item that `element` begins, to its end.
    fn item(
        &mut self,
        element: &Element,
        empty: bool,
        siblings: &mut Siblings,
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
        let bytes = value::parse(element.kind, siblings.meaning(element.tag), text)
            .ok_or_else(|| Error::BadValue { element: name(), kind: element.kind })?;
        siblings.note(element.tag, text);
        writer.item(element.tag, element.kind, &bytes);
        if !empty && self.element(&element.name)?.is_some() {
            return Err(Error::Misplaced { element: name() });
        }
        Ok(())
    }

    /// Writes the items of the structure `within`, to its end.
    fn items(&mut self, within: &str, depth: u8, writer: &mut Writer) -> Result<(), Error> {
        let mut siblings = Siblings::default();
        while let Some((element, empty)) = self.element(within)? {
            self.item(&element, empty, &mut siblings, depth, writer)?;
        }
        Ok(())
    }
}

fn begin(start: &BytesStart<'_>) -> Result<Element, Error> {
    let name = start.local_name().as_ref().to_owned();
    let (mut tag, mut kind, mut value) = (None, None, None);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| broken(&name, &error.to_string()))?;
        let place = match attribute.key.as_ref() {
            "tag" if name == GENERAL_ELEMENT => &mut tag,
            "type" => &mut kind,
            "value" => &mut value,
            _ => continue,
        };
        let text = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|error| broken(&name, &error.to_string()))?;
        *place = Some(text.into_owned());
    }
    let tag = if name == GENERAL_ELEMENT { tag.as_deref().unwrap_or_default() } else { &name };
    let tag = names::tag(tag).ok_or_else(|| Error::UnknownTag { element: Error::name(tag) })?;
    let kind = match kind {
        None => ItemType::Structure,
        Some(kind) => names::kind(&kind).ok_or_else(|| Error::UnknownType { element: Error::name(&name) })?,
    };
    Ok(Element { name, tag, kind, value })
}

fn broken(within: &str, why: &str) -> Error {
    Error::Xml { element: Error::name(within), why: why.to_owned() }
}

fn write(item: &Item<'_>, siblings: &mut Siblings, text: &mut String) -> Result<(), Error> {
    let name = names::tag_name(item.tag);
    let element = name.unwrap_or(GENERAL_ELEMENT);
    text.extend(["<", element]);
    if name.is_none() {
        // Writing to a String cannot fail.
        let _written = write!(text, " tag=\"0x{:06x}\"", item.tag.0);
    }
    if item.kind == ItemType::Structure {
        text.push('>');
        let mut items = item.structure()?;
        let mut siblings = Siblings::default();
        while let Some(inner) = items.next()? {
            write(&inner, &mut siblings, text)?;
        }
        text.extend(["</", element, ">"]);
        return Ok(());
    }
    let value = match value::print(item.kind, siblings.meaning(item.tag), item.bytes, ' ') {
        Written::Text(value) => value,
        Written::Number(value) => value.to_string(),
        Written::Boolean(value) => value.to_string(),
    };
    siblings.note(item.tag, &value);
    text.extend([" type=\"", names::kind_name(item.kind), "\" value=\""]);
    escape(&value, text);
    text.push_str("\"/>");
    Ok(())
}

/// Writes `value` as it can stand in an attribute. What XML 1.0 has no way to write becomes U+FFFD.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            // A reader would make a blank of them.
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

    fn both_ways(xml: &str) {
        let bytes = decode(xml.as_bytes()).unwrap();
        assert_eq!(encode(&bytes).unwrap(), xml);
    }

    #[test]
    fn spells_every_type() {
        both_ways(
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
    fn the_name_of_a_1_x_attribute_says_what_its_value_means() {
        both_ways(
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
    fn elements_have_names_hex_names_prefixes_and_a_general_form() {
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
    fn refuses_what_is_no_message_and_names_the_element() {
        let deep = "<Attributes>".repeat(40);
        for (xml, text) in [
            ("", "no message"),
            ("<!-- -->", "no message"),
            ("<Nothing/>", "Nothing is no tag"),
            ("<TTLV/>", "is no tag"),
            ("<BatchCount type='Number' value='1'/>", "BatchCount has an unknown type"),
            ("<BatchCount type='Integer'/>", "BatchCount has no value"),
            ("<BatchCount type='Integer' value='one'/>", "BatchCount has a value that is no Integer"),
            ("<State type='Enumeration' value='Gone'/>", "State has a value that is no Enumeration"),
            ("<Attributes>x</Attributes>", "Attributes holds"),
            ("<Attributes>&amp;</Attributes>", "Attributes holds"),
            ("<BatchCount type='Integer' value='1'><State/></BatchCount>", "BatchCount holds"),
            ("<Attributes><State></Attributes>", "broken at State"),
            ("<Attributes>", "broken at Attributes"),
            ("<Attributes/><Attributes/>", "Attributes holds"),
            ("</Attributes>", "broken"),
            ("<Comment type='TextString' value='&own;'/>", "broken at Comment"),
            ("<!DOCTYPE a [<!ENTITY own 'x'>]><Attributes/>", "document type"),
            (deep.as_str(), "nested deeper than 32"),
        ] {
            let error = decode(xml.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(text), "{xml}: {error}");
        }
        assert_eq!(decode(b"\xff"), Err(Error::NotUtf8));
    }

    #[test]
    fn values_stay_out_of_errors() {
        let error = decode(b"<KeyMaterial type='ByteString' value='5ec2e7zz'/>").unwrap_err();
        assert!(!error.to_string().contains("5ec2e7"));
    }
}

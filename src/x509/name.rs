//! Names of certificates (RFC 5280 §4.1.2.4): their text, and the form in which they are compared.

use super::der::{Elements, tag};

/// Returns a form of a Name (DER) that two names share if they are equal: independent of the string type, the case of
/// ASCII letters, and the number of spaces (RFC 5280 §7.1, as OpenSSL implements it). The form of a name starts with that
/// of each name above it in the directory. Returns `None` for a malformed name.
pub fn canonical(der: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Elements::within(tag::SEQUENCE, der)?;
    let mut form = Vec::with_capacity(der.len());
    while !parts.is_empty() {
        let part = parts.take(tag::SET)?;
        let mut attributes = Vec::new();
        let mut rows = Elements::of(part.value);
        while !rows.is_empty() {
            attributes.push(attribute(rows.take(tag::SEQUENCE)?.value)?);
        }
        // The attributes of one part have no order.
        attributes.sort_unstable();
        push(&mut form, &attributes.concat())?;
    }
    Some(form)
}

/// Returns the comparable form of an attribute: its type and its value.
fn attribute(contents: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Elements::of(contents);
    let id = fields.take(tag::OBJECT_IDENTIFIER)?;
    let value = fields.read().filter(|_| fields.is_empty())?;
    let mut form = Vec::with_capacity(contents.len() + 8);
    push(&mut form, id.value)?;
    if is_text(value.tag) {
        form.push(tag::UTF8_STRING);
        push(&mut form, folded(&text(value.tag, value.value)?).as_bytes())?;
    } else {
        form.push(value.tag);
        push(&mut form, value.value)?;
    }
    Some(form)
}

/// Appends `bytes` with their length, so that no two lists of bytes have the same form.
fn push(form: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    form.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    form.extend_from_slice(bytes);
    Some(())
}

/// Returns whether values of this type are compared as text.
const fn is_text(tag: u8) -> bool {
    matches!(
        tag,
        tag::UTF8_STRING
            | tag::PRINTABLE_STRING
            | tag::TELETEX_STRING
            | tag::IA5_STRING
            | tag::VISIBLE_STRING
            | tag::UNIVERSAL_STRING
            | tag::BMP_STRING
    )
}

/// Returns a text without the differences that do not count.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split([' ', '\t', '\n', '\x0B', '\x0C', '\r']).filter(|it| !it.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded.make_ascii_lowercase();
    folded
}

/// Decodes a string of a certificate of any type, or returns `None` if it is not text. The types with one byte per
/// character are read as Latin-1, as is common for TeletexString.
pub fn text(string: u8, bytes: &[u8]) -> Option<String> {
    match string {
        tag::UTF8_STRING => std::str::from_utf8(bytes).ok().map(str::to_owned),
        tag::PRINTABLE_STRING
        | tag::IA5_STRING
        | tag::VISIBLE_STRING
        | tag::NUMERIC_STRING
        | tag::TELETEX_STRING => Some(bytes.iter().copied().map(char::from).collect()),
        tag::BMP_STRING => {
            let (units, []) = bytes.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().copied().map(u16::from_be_bytes)).collect::<Result<_, _>>().ok()
        }
        tag::UNIVERSAL_STRING => {
            let (units, []) = bytes.as_chunks::<4>() else { return None };
            units.iter().copied().map(|unit| char::from_u32(u32::from_be_bytes(unit))).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
    }

    /// A name with one part for each list of attributes: last arc of 2.5.4, string type, value.
    fn name(parts: &[&[(u8, u8, &[u8])]]) -> Vec<u8> {
        let parts = parts.iter().map(|attributes| {
            let rows = attributes.iter().map(|(arc, string, value)| {
                let id = element(tag::OBJECT_IDENTIFIER, &[0x55, 4, *arc]);
                element(tag::SEQUENCE, &[id, element(*string, value)].concat())
            });
            element(tag::SET, &rows.collect::<Vec<_>>().concat())
        });
        element(tag::SEQUENCE, &parts.collect::<Vec<_>>().concat())
    }

    #[test]
    fn names_are_equal_in_each_string_type_case_and_spacing() {
        let plain = canonical(&name(&[&[(3, tag::UTF8_STRING, b"root ca")]])).unwrap();
        for (string, value) in [
            (tag::PRINTABLE_STRING, &b"Root CA"[..]),
            (tag::TELETEX_STRING, b"  ROOT \t ca "),
            (tag::BMP_STRING, b"\0R\0o\0o\0t\0 \0c\0a"),
            (tag::UNIVERSAL_STRING, b"\0\0\0r\0\0\0o\0\0\0o\0\0\0t\0\0\0 \0\0\0c\0\0\0a"),
            (tag::IA5_STRING, b"root ca"),
        ] {
            assert_eq!(canonical(&name(&[&[(3, string, value)]])).unwrap(), plain, "{string:#x}");
        }
        for other in [
            name(&[&[(3, tag::UTF8_STRING, b"rootca")]]),
            name(&[&[(10, tag::UTF8_STRING, b"root ca")]]),
            name(&[&[(3, tag::NUMERIC_STRING, b"root ca")]]),
            name(&[&[(3, tag::UTF8_STRING, b"root ca")], &[(3, tag::UTF8_STRING, b"root ca")]]),
            name(&[]),
        ] {
            assert_ne!(canonical(&other).unwrap(), plain);
        }
    }

    #[test]
    fn attributes_of_one_part_have_no_order_and_parts_have_one() {
        let (one, other) = ((3, tag::UTF8_STRING, &b"a"[..]), (10, tag::UTF8_STRING, &b"b"[..]));
        assert_eq!(canonical(&name(&[&[one, other]])), canonical(&name(&[&[other, one]])));
        assert_ne!(canonical(&name(&[&[one], &[other]])), canonical(&name(&[&[other], &[one]])));
        let above = canonical(&name(&[&[one]])).unwrap();
        assert!(canonical(&name(&[&[one], &[other]])).unwrap().starts_with(&above));
        assert!(!canonical(&name(&[&[(3, tag::UTF8_STRING, b"ab")]])).unwrap().starts_with(&above));
    }

    #[test]
    fn malformed_names_have_no_form() {
        for wrong in [&b""[..], b"\x30\x02\x31\x05", b"\x31\0", b"\x30\x02\x30\0", b"\x30\x04\x31\x02\x30\0"]
        {
            assert_eq!(canonical(wrong), None);
        }
        assert_eq!(canonical(&name(&[&[(3, tag::UTF8_STRING, &[0xFF])]])), None);
        assert_eq!(canonical(&name(&[&[(3, tag::BMP_STRING, &[0])]])), None);
    }

    #[test]
    fn reads_every_type_of_string() {
        assert_eq!(text(tag::UTF8_STRING, "Jörg".as_bytes()).as_deref(), Some("Jörg"));
        assert_eq!(text(tag::PRINTABLE_STRING, b"John Doe").as_deref(), Some("John Doe"));
        assert_eq!(text(tag::TELETEX_STRING, b"J\xF6rg").as_deref(), Some("Jörg"));
        assert_eq!(text(tag::BMP_STRING, &[0, b'A', 0x20, 0xAC]).as_deref(), Some("A€"));
        assert_eq!(text(tag::UNIVERSAL_STRING, &[0, 1, 0xF5, 0x11]).as_deref(), Some("\u{1F511}"));
        assert_eq!(text(tag::UNIVERSAL_STRING, &[0, 0, 1]), None);
        assert_eq!(text(tag::INTEGER, &[1]), None);
    }
}

//! The contents of a PEM block `TRUSTED CERTIFICATE`, in which OpenSSL (`openssl x509 -trustout`) adds to a certificate the
//! purposes for which it is trusted (X509_CERT_AUX).

use x509_cert::der::asn1::ObjectIdentifier;

use super::der::{Elements, tag};
use super::oid;

const CLIENT_AUTHENTICATION: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");
const ANY_PURPOSE: ObjectIdentifier = oid("2.5.29.37.0");

/// Splits the contents into the certificate (DER), and whether it is trusted to authenticate clients. Returns `None` for
/// other contents.
pub fn split(contents: &[u8]) -> Option<(&[u8], bool)> {
    let mut parts = Elements::of(contents);
    let certificate = parts.take(tag::SEQUENCE)?.der;
    if parts.is_empty() {
        return Some((certificate, true));
    }
    let mut fields = Elements::of(parts.take(tag::SEQUENCE)?.value);
    let trusted = match fields.take_if(tag::SEQUENCE) {
        Some(list) => includes_clients(list.value)?,
        None => true,
    };
    let refused = match fields.take_if(tag::constructed(0)) {
        Some(list) => includes_clients(list.value)?,
        None => false,
    };
    parts.is_empty().then_some((certificate, trusted && !refused))
}

fn includes_clients(list: &[u8]) -> Option<bool> {
    let mut purposes = Elements::of(list);
    let mut includes = false;
    while !purposes.is_empty() {
        let purpose = purposes.take(tag::OBJECT_IDENTIFIER)?.value;
        includes |= [CLIENT_AUTHENTICATION.as_bytes(), ANY_PURPOSE.as_bytes()].contains(&purpose);
    }
    Some(includes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_for_which_purposes_a_certificate_is_trusted() {
        let certificate = [0x30, 1, 9];
        let (client, server) = (
            &b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"[..],
            &b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"[..],
        );
        let list = |tag: u8, purposes: &[&[u8]]| {
            let purposes = purposes.concat();
            [&[tag, u8::try_from(purposes.len()).unwrap()], &purposes[..]].concat()
        };
        let alias = &[0x0C, 1, b'a'][..];
        for (fields, expected) in [
            (vec![], true),
            (vec![alias.to_vec()], true),
            (vec![list(0x30, &[client])], true),
            (vec![list(0x30, &[server, client]), alias.to_vec()], true),
            (vec![list(0x30, &[server])], false),
            (vec![list(0xA0, &[client])], false),
            (vec![list(0xA0, &[server])], true),
            (vec![list(0x30, &[client]), list(0xA0, &[client])], false),
            (vec![list(0x30, &[b"\x06\x04\x55\x1d\x25\x00"])], true),
        ] {
            let contents = [&certificate[..], &list(0x30, &[&fields.concat()])].concat();
            assert_eq!(split(&contents), Some((&certificate[..], expected)), "{fields:02x?}");
        }
        assert_eq!(split(&certificate), Some((&certificate[..], true)));
        assert_eq!(split(&[0x30, 1, 9, 0x04, 0]), None);
        assert_eq!(split(&[0x30, 1, 9, 0x30, 0, 0]), None);
        assert_eq!(split(b""), None);
    }
}

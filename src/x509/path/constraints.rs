//! Name constraints (RFC 5280 §4.2.1.10), as OpenSSL applies them: to the subject, to each e-mail address in it, to the
//! subject alternative names, and to a common name that looks like a host name, if there is no such alternative name.

use std::net::IpAddr;

use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::name::RdnSequence;

use super::super::der::{Elements, tag};
use super::super::parsed::{Parsed, attributes};
use super::super::{name, oid};
use super::refusal::Rule;

/// The number of comparisons of one certificate with the constraints of another.
const MAX_COMPARISONS: usize = 1 << 16;

const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
const EMAIL: ObjectIdentifier = oid("1.2.840.113549.1.9.1");
/// `id-on-SmtpUTF8Mailbox` (RFC 8398), an e-mail address.
const UTF8_MAILBOX: ObjectIdentifier = oid("1.3.6.1.5.5.7.8.9");

/// The identifier octets of a GeneralName (RFC 5280 §4.2.1.6).
mod kind {
    use super::tag::{constructed, context};

    pub(super) const OTHER: u8 = constructed(0);
    pub(super) const EMAIL: u8 = context(1);
    pub(super) const DNS: u8 = context(2);
    pub(super) const DIRECTORY: u8 = constructed(4);
    pub(super) const URI: u8 = context(6);
    pub(super) const IP: u8 = context(7);
}

/// A name of a certificate: the identifier octet of its kind, and its value.
struct Name<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The constraints of an authority, as GeneralNames.
struct Subtrees<'a> {
    permitted: Vec<Name<'a>>,
    excluded: Vec<Name<'a>>,
}

/// Verifies that the names of `certificate` satisfy name constraints, the contents of the extension. `is_client` states
/// whether it is the client's own.
pub(super) fn check(
    certificate: &Parsed<'_>,
    constraints: Elements<'_>,
    is_client: bool,
) -> Result<(), Rule> {
    let subtrees = Subtrees::read(constraints)?;
    let subject = attributes(certificate.subject).ok_or(Rule::Readable)?;
    let mut names = Vec::new();
    if !subject.is_empty() {
        names.push(Name { kind: kind::DIRECTORY, value: certificate.subject });
    }
    let of_type = |wanted: ObjectIdentifier| {
        let found = subject.iter().filter(move |attribute| attribute.id == wanted.as_bytes());
        found.map(|attribute| attribute.text().ok_or(Rule::NameSyntax("directoryName")))
    };
    let emails = of_type(EMAIL).collect::<Result<Vec<_>, _>>()?;
    names.extend(emails.iter().map(|it| Name { kind: kind::EMAIL, value: it.as_bytes() }));
    let mut alternative = certificate.extensions.alternative_names.unwrap_or(Elements::of(&[]));
    while !alternative.is_empty() {
        let name = alternative.read().ok_or(Rule::Readable)?;
        names.push(Name { kind: name.tag, value: name.value });
    }
    let common_names = of_type(COMMON_NAME).collect::<Result<Vec<_>, _>>()?;
    if is_client && names.iter().all(|name| name.kind != kind::DNS) {
        let hosts = common_names.iter().filter(|it| looks_like_host(it));
        names.extend(hosts.map(|it| Name { kind: kind::DNS, value: it.as_bytes() }));
    }
    let count = subtrees.permitted.len() + subtrees.excluded.len();
    if names.len().saturating_mul(count) > MAX_COMPARISONS {
        return Err(Rule::NumberOfNames);
    }
    names.iter().try_for_each(|name| subtrees.check(name))
}

impl<'a> Subtrees<'a> {
    fn read(mut constraints: Elements<'a>) -> Result<Self, Rule> {
        let permitted = constraints.take_if(tag::constructed(0));
        let excluded = constraints.take_if(tag::constructed(1));
        let list =
            |list: Option<super::super::der::Element<'a>>| subtrees(list.map_or(&[], |list| list.value));
        let subtrees = Self { permitted: list(permitted)?, excluded: list(excluded)? };
        if constraints.is_empty() { Ok(subtrees) } else { Err(Rule::Readable) }
    }

    fn check(&self, name: &Name<'_>) -> Result<(), Rule> {
        let mut is_permitted = None;
        for base in &self.permitted {
            if base.applies_to(name)? && is_permitted != Some(true) {
                is_permitted = Some(base.contains(name)?);
            }
        }
        if is_permitted == Some(false) {
            return Err(Rule::PermittedName(name.text()));
        }
        for base in &self.excluded {
            if base.applies_to(name)? && base.contains(name)? {
                return Err(Rule::NotExcludedName(name.text()));
            }
        }
        Ok(())
    }
}

/// Reads GeneralSubtrees. A subtree starts at its base and has no end, as RFC 5280 requires.
fn subtrees(list: &[u8]) -> Result<Vec<Name<'_>>, Rule> {
    let mut bases = Vec::new();
    let mut rows = Elements::of(list);
    while !rows.is_empty() {
        let mut row = Elements::of(rows.take(tag::SEQUENCE).ok_or(Rule::Readable)?.value);
        let base = row.read().ok_or(Rule::Readable)?;
        let base = Name { kind: base.tag, value: base.value };
        let minimum = row.take_if(tag::context(0));
        if minimum.is_some_and(|minimum| minimum.value != [0]) || !row.is_empty() {
            return Err(Rule::NameConstraint(base.kind_name()));
        }
        bases.push(base);
    }
    Ok(bases)
}

impl Name<'_> {
    /// Returns whether this base of a subtree has the kind of `name`.
    fn applies_to(&self, name: &Name<'_>) -> Result<bool, Rule> {
        if name.kind == kind::OTHER {
            let id = name.other_id().ok_or(Rule::NameSyntax("otherName"))?;
            if self.kind == kind::EMAIL && id == UTF8_MAILBOX.as_bytes() {
                return Err(Rule::NameConstraint("rfc822Name"));
            }
            return Ok(self.kind == kind::OTHER && self.other_id() == Some(id));
        }
        Ok(self.kind == name.kind)
    }

    /// Returns the contents of the type of an otherName.
    fn other_id(&self) -> Option<&[u8]> {
        Elements::of(self.value).take(tag::OBJECT_IDENTIFIER).map(|id| id.value)
    }

    /// Returns whether this base of a subtree contains `name`, which has the same kind.
    fn contains(&self, name: &Name<'_>) -> Result<bool, Rule> {
        let syntax = Rule::NameSyntax(name.kind_name());
        let contained = match name.kind {
            kind::EMAIL => contains_email(self.value, name.value),
            kind::DNS => Some(contains_host(self.value, name.value)),
            kind::DIRECTORY => contains_directory(self.value, name.value),
            kind::URI => uri_host(name.value).map(|host| contains_uri_host(self.value, host)),
            kind::IP => contains_address(self.value, name.value),
            _ => return Err(Rule::NameConstraint(name.kind_name())),
        };
        contained.ok_or(syntax)
    }

    const fn kind_name(&self) -> &'static str {
        match self.kind {
            kind::OTHER => "otherName",
            kind::EMAIL => "rfc822Name",
            kind::DNS => "dNSName",
            kind::DIRECTORY => "directoryName",
            kind::URI => "uniformResourceIdentifier",
            kind::IP => "iPAddress",
            _ => "x400Address, ediPartyName or registeredID",
        }
    }

    fn text(&self) -> String {
        match self.kind {
            kind::DIRECTORY => RdnSequence::from_der(self.value).map(|it| it.to_string()).unwrap_or_default(),
            kind::IP => match *self.value {
                [a, b, c, d] => IpAddr::from([a, b, c, d]).to_string(),
                _ => <[u8; 16]>::try_from(self.value)
                    .map(|it| IpAddr::from(it).to_string())
                    .unwrap_or_default(),
            },
            _ => String::from_utf8_lossy(self.value).into_owned(),
        }
    }
}

/// Returns whether a common name looks like a host name: labels with letters, digits, underscores and inner hyphens, at
/// least two.
fn looks_like_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(is_inner)
    };
    // Some certificates have zero bytes behind their names.
    let name = name.trim_end_matches('\0');
    name.contains('.') && name.split('.').all(is_label)
}

/// Returns whether a host name is in the domain `base`: the base itself, or with labels in front of it.
fn contains_host(base: &[u8], host: &[u8]) -> bool {
    let Some((front, end)) = host.len().checked_sub(base.len()).and_then(|at| host.split_at_checked(at))
    else {
        return false;
    };
    let is_whole = front.is_empty() || base.is_empty() || base.starts_with(b".") || front.ends_with(b".");
    end.eq_ignore_ascii_case(base) && is_whole
}

/// Returns whether an e-mail address is in the subtree `base`: an address, a host, or a domain with a leading dot.
fn contains_email(base: &[u8], email: &[u8]) -> Option<bool> {
    let (local, host) = split_email(email)?;
    Some(match split_email(base) {
        // The local part is case-sensitive.
        Some((base_local, base_host)) => {
            (base_local.is_empty() || base_local == local) && base_host.eq_ignore_ascii_case(host)
        }
        None => contains_uri_host(base, host),
    })
}

fn split_email(email: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = email.iter().rposition(|byte| *byte == b'@')?;
    Some((email.get(..at)?, email.get(at + 1..)?))
}

/// Returns whether a host is `base`, or inside of the domain `base` if that has a leading dot.
fn contains_uri_host(base: &[u8], host: &[u8]) -> bool {
    if base.starts_with(b".") {
        host.len() > base.len() && contains_host(base, host)
    } else {
        host.eq_ignore_ascii_case(base)
    }
}

/// Returns the host of a URI (RFC 3986 §3.2).
fn uri_host(uri: &[u8]) -> Option<&[u8]> {
    let at = uri.windows(3).position(|window| window == b"://")?;
    let rest = uri.get(at + 3..)?;
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()?;
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    let host = host.split(|byte| *byte == b':').next()?;
    // RFC 5280 requires a host name, so that an address in brackets has no host.
    (!host.is_empty() && !host.starts_with(b"[")).then_some(host)
}

/// Returns whether an address is in the subtree `base`: an address and a mask.
fn contains_address(base: &[u8], address: &[u8]) -> Option<bool> {
    if !matches!(address.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return None;
    }
    let (network, mask) = base.split_at_checked(base.len() / 2)?;
    let mut bytes = network.iter().zip(mask).zip(address);
    Some(network.len() == address.len() && bytes.all(|((network, mask), byte)| network & mask == byte & mask))
}

fn contains_directory(base: &[u8], name: &[u8]) -> Option<bool> {
    Some(name::canonical(name)?.starts_with(&name::canonical(base)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_in_their_domain_and_its_subdomains() {
        for (base, host, expected) in [
            ("example.com", "example.com", true),
            ("example.com", "a.B.Example.COM", true),
            ("example.com", "badexample.com", false),
            ("example.com", "com", false),
            (".example.com", "a.example.com", true),
            (".example.com", "example.com", false),
            ("", "anything", true),
        ] {
            assert_eq!(contains_host(base.as_bytes(), host.as_bytes()), expected, "{base} {host}");
        }
    }

    #[test]
    fn addresses_are_compared_with_an_address_a_host_or_a_domain() {
        for (base, email, expected) in [
            ("example.com", "john@Example.com", Some(true)),
            ("example.com", "john@a.example.com", Some(false)),
            (".example.com", "john@a.example.com", Some(true)),
            (".example.com", "john@example.com", Some(false)),
            ("john@example.com", "john@EXAMPLE.com", Some(true)),
            ("john@example.com", "John@example.com", Some(false)),
            ("@example.com", "jane@example.com", Some(true)),
            ("example.com", "no address", None),
        ] {
            assert_eq!(contains_email(base.as_bytes(), email.as_bytes()), expected, "{base} {email}");
        }
    }

    #[test]
    fn the_host_of_a_uri_is_compared() {
        for (uri, host) in [
            ("https://a.example.com/path:8", Some("a.example.com")),
            ("https://a.example.com:8443", Some("a.example.com")),
            ("spiffe://john@host?query", Some("host")),
            ("urn:uuid:1", None),
            ("https:///path", None),
            ("https://[::1]/", None),
        ] {
            assert_eq!(uri_host(uri.as_bytes()), host.map(str::as_bytes), "{uri}");
        }
        assert!(contains_uri_host(b"host.example", b"HOST.example"));
        assert!(!contains_uri_host(b"host.example", b"a.host.example"));
        assert!(contains_uri_host(b".host.example", b"a.host.example"));
        assert!(!contains_uri_host(b".host.example", b".host.example"));
    }

    #[test]
    fn addresses_are_compared_under_their_mask() {
        assert_eq!(contains_address(&[10, 0, 0, 0, 255, 0, 0, 0], &[10, 1, 2, 3]), Some(true));
        assert_eq!(contains_address(&[10, 0, 0, 0, 255, 0, 0, 0], &[11, 1, 2, 3]), Some(false));
        assert_eq!(contains_address(&[0; 32], &[10, 1, 2, 3]), Some(false), "IPv4 is not IPv6");
        assert_eq!(contains_address(&[0; 32], &[1; 16]), Some(true));
        assert_eq!(contains_address(&[0; 7], &[10, 1, 2, 3]), None);
        assert_eq!(contains_address(&[0; 8], &[10, 1, 2]), None);
    }

    #[test]
    fn a_common_name_with_a_dot_may_look_like_a_host() {
        for (text, expected) in [
            ("host.example", true),
            ("john.doe", true),
            ("a_b.c-d\0", true),
            ("host", false),
            ("John Doe", false),
            ("john.doe@example.com", false),
            ("-a.b", false),
            ("a..b", false),
            (".a", false),
            ("a.\0b", false),
        ] {
            assert_eq!(looks_like_host(text), expected, "{text:?}");
        }
    }
}

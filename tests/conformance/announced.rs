//! Settings with which this server announces what a case expects of another server.

use kmip_server::internals::config::{Announcement, Section};

use super::case::{Case, Node};

/// Returns the settings that announce what the responses of the case contain.
pub(super) fn of(case: &Case) -> Announcement {
    let answers: Vec<&Node> = case.steps.iter().flat_map(|step| step.response.all()).collect();
    let all = |tag: &str| answers.iter().copied().filter(|node| node.tag == tag).collect::<Vec<_>>();
    let profiles = all("ProfileInformation").into_iter().map(profile);
    // The response to a server's request describes a client, not a server.
    let profiles: Vec<_> = profiles.filter(|profile| !profile.contains("Client")).collect();
    let announcement = Announcement {
        profiles: Some(profiles).filter(|profiles| !profiles.is_empty()),
        validations: all("ValidationInformation").into_iter().map(validation).collect(),
        ..Announcement::default()
    };
    let information = all("PKCS_11OutputParameters");
    match information.first().and_then(|node| Information::read(&node.value)) {
        Some(Information { pkcs11_version, manufacturer, product, version }) => Announcement {
            manufacturer: Some(manufacturer),
            product: Some(product),
            version: Some(version),
            pkcs11_version: Some(pkcs11_version),
            ..announcement
        },
        None => announcement,
    }
}

fn profile(node: &Node) -> String {
    let part =
        |tag: &str, word: &str| node.find(tag).map(|value| format!("{word}{value}")).unwrap_or_default();
    [part("ProfileName", ""), part("ServerURI", " at "), part("ServerPort", " port ")].concat()
}

fn validation(node: &Node) -> Section {
    let entries = [
        ("authority", "ValidationAuthorityType"),
        ("country", "ValidationAuthorityCountry"),
        ("authority_uri", "ValidationAuthorityURI"),
        ("version", "ValidationVersionMajor"),
        ("type", "ValidationType"),
        ("level", "ValidationLevel"),
        ("certificate", "ValidationCertificateIdentifier"),
        ("certificate_uri", "ValidationCertificateURI"),
        ("vendor_uri", "ValidationVendorURI"),
    ];
    let entry = |(name, tag): &(&str, &str)| Some(((*name).to_owned(), node.find(tag)?.to_owned()));
    Section { name: "validation:expected".to_owned(), entries: entries.iter().filter_map(entry).collect() }
}

/// The content of C_GetInfo.
struct Information {
    pkcs11_version: String,
    manufacturer: String,
    product: String,
    version: String,
}

impl Information {
    /// Reads a `CK_INFO` of hexadecimal digits.
    fn read(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        let bytes = bytes.filter(|bytes| bytes.len() == 76)?;
        let text = |at: usize| String::from_utf8_lossy(&bytes[at..at + 32]).trim_end().to_owned();
        let version = |at: usize| format!("{}.{}", bytes[at], bytes[at + 1]);
        Some(Self {
            pkcs11_version: version(0),
            manufacturer: text(2),
            product: text(42),
            version: version(74),
        })
    }
}

//! The server information that Query reports, read from the settings `announced_*` and the sections
//! `[validation:NAME]` at the start of the server, so that an invalid value prevents it.

use std::fmt;

use crate::config::{Announcement, Config, Section};
use crate::engine::{Announced, AnnouncedProfile};
use crate::kmip::enums::{ProfileName, ValidationAuthorityType, ValidationType};
use crate::kmip::structures::ValidationInformation;

/// An invalid setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// The section, or `None` for `[server]`.
    pub section: Option<String>,
    /// The setting.
    pub setting: String,
    /// The value.
    pub value: String,
    /// The reason.
    pub reason: InvalidSetting,
}

/// The reason for which a setting is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSetting {
    /// KMIP defines no server profile of this name.
    NoSuchProfile,
    /// The port is not a number from 1 to 65535.
    NotAPort,
    /// The version does not begin with two numbers.
    NotAVersion,
    /// The text does not fit into the fields of C_GetInfo.
    TooLong,
    /// The value is not a number.
    NotANumber,
    /// KMIP defines no such Validation Authority Type.
    NoSuchAuthority,
    /// KMIP defines no such Validation Type.
    NoSuchType,
    /// A required setting of the section is missing.
    Missing,
    /// The setting does not exist in sections `[validation:NAME]`.
    Unknown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, setting, value, reason } = self;
        if let Some(section) = section {
            write!(f, "section [{section}]: ")?;
        }
        match reason {
            InvalidSetting::Missing => return write!(f, "the setting '{setting}' is missing; add it"),
            InvalidSetting::Unknown => return write!(f, "the setting '{setting}' does not exist; remove it"),
            _ => write!(f, "the setting '{setting}' cannot have '{value}': ")?,
        }
        f.write_str(match reason {
            InvalidSetting::NoSuchProfile => "KMIP has no profile of that name for servers",
            InvalidSetting::NotAPort => "a port is a number from 1 to 65535",
            InvalidSetting::NotAVersion => "a version is two numbers up to 255 with a dot between them",
            InvalidSetting::TooLong => "it may have at most 32 bytes",
            InvalidSetting::NotANumber => "this setting must be a number",
            InvalidSetting::NoSuchAuthority => {
                "the authorities are NIST CMVP, Common Criteria and Unspecified"
            }
            InvalidSetting::NoSuchType => {
                "the types are Hardware, Software, Firmware, Hybrid and Unspecified"
            }
            InvalidSetting::Missing | InvalidSetting::Unknown => "",
        })
    }
}

impl std::error::Error for Error {}

/// The word that the name of each server profile contains.
const SERVER: &str = "Server";

/// Names of settings.
const PROFILES: &str = "announced_profiles";
const MANUFACTURER: &str = "announced_manufacturer";
const PRODUCT: &str = "announced_product";
const VERSION: &str = "announced_version";
const PKCS11_VERSION: &str = "announced_pkcs11_version";
/// The length of the text fields of C_GetInfo, in bytes.
const MAX_NAME: usize = 32;

/// Reads the server information from the settings.
///
/// # Errors
/// Returns [`Error`] for the first invalid setting.
pub(super) fn read(config: &Config) -> Result<Announced, Error> {
    let Announcement { profiles, validations, manufacturer, product, version, pkcs11_version } =
        &config.announced;
    let mut announced = Announced::default();
    if let Some(lines) = profiles {
        let profiles: Result<_, _> = lines.iter().map(|line| profile(line)).collect();
        announced.profiles = Some(profiles?);
    }
    announced.validations = validations.iter().map(validation).collect::<Result<_, _>>()?;
    if let Some(name) = manufacturer {
        announced.manufacturer = bounded(MANUFACTURER, name)?;
        announced.vendor_identification = Some(name.clone());
    }
    if let Some(name) = product {
        announced.product = bounded(PRODUCT, name)?;
    }
    if let Some(text) = version {
        announced.version.clone_from(text);
        two_numbers(text).ok_or_else(|| invalid(VERSION, text, InvalidSetting::NotAVersion))?;
    }
    if let Some(text) = pkcs11_version {
        announced.pkcs11_version =
            two_numbers(text).ok_or_else(|| invalid(PKCS11_VERSION, text, InvalidSetting::NotAVersion))?;
    }
    Ok(announced)
}

fn invalid(setting: &str, value: &str, reason: InvalidSetting) -> Error {
    Error { section: None, setting: setting.to_owned(), value: value.to_owned(), reason }
}

/// Parses `NAME`, `NAME at URI`, `NAME port NUMBER`, or `NAME at URI port NUMBER`.
fn profile(line: &str) -> Result<AnnouncedProfile, Error> {
    let (rest, port) = match line.rsplit_once(" port ") {
        Some((rest, port)) => {
            let port = port.trim().parse().ok().filter(|port| *port != 0);
            (rest, Some(port.ok_or_else(|| invalid(PROFILES, line, InvalidSetting::NotAPort))?))
        }
        None => (line, None),
    };
    let (name, uri) = match rest.split_once(" at ") {
        Some((name, uri)) => (name, Some(uri.trim().to_owned())),
        None => (rest, None),
    };
    let name = find_by_name(ProfileName::ALL, ProfileName::name, name)
        .filter(|profile| profile.name().contains(SERVER))
        .ok_or_else(|| invalid(PROFILES, line, InvalidSetting::NoSuchProfile))?;
    Ok(AnnouncedProfile { name, uri, port })
}

/// Returns the entry with this name. Only letters and digits are compared, without regard to case.
fn find_by_name<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, wanted: &str) -> Option<T> {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
    };
    all.iter().copied().find(|entry| letters(name(*entry)) == letters(wanted))
}

/// Returns the text if it fits into a field of C_GetInfo.
fn bounded(setting: &str, text: &str) -> Result<String, Error> {
    if text.len() <= MAX_NAME {
        return Ok(text.to_owned());
    }
    Err(invalid(setting, text, InvalidSetting::TooLong))
}

/// Parses the two numbers at the beginning of a version.
fn two_numbers(text: &str) -> Option<(u8, u8)> {
    let mut numbers = text.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The settings of a section `[validation:NAME]`.
const VALIDATION_SETTINGS: [&str; 10] = [
    "authority",
    "country",
    "authority_uri",
    "version",
    "type",
    "level",
    "certificate",
    "certificate_uri",
    "vendor_uri",
    "profiles",
];

/// Reads one section `[validation:NAME]`.
fn validation(section: &Section) -> Result<ValidationInformation, Error> {
    let invalid = |setting: &str, value: &str, reason| Error {
        section: Some(section.name.clone()),
        ..invalid(setting, value, reason)
    };
    if let Some((unknown, _)) =
        section.entries.iter().find(|(key, _)| !VALIDATION_SETTINGS.contains(&key.as_str()))
    {
        return Err(invalid(unknown, "", InvalidSetting::Unknown));
    }
    let text = |key: &str| {
        let found = section.entries.iter().find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.trim().to_owned())
    };
    let required = |key: &str| text(key).ok_or_else(|| invalid(key, "", InvalidSetting::Missing));
    let number = |key: &str, value: &str| -> Result<i32, Error> {
        value.trim().parse().map_err(|_| invalid(key, value, InvalidSetting::NotANumber))
    };
    let (authority, kind, version, level) =
        (required("authority")?, required("type")?, required("version")?, required("level")?);
    let (major, minor) = match version.split_once('.') {
        Some((major, minor)) => (major, Some(number("version", minor)?)),
        None => (&*version, None),
    };
    Ok(ValidationInformation {
        validation_authority_type: find_by_name(
            ValidationAuthorityType::ALL,
            ValidationAuthorityType::name,
            &authority,
        )
        .ok_or_else(|| invalid("authority", &authority, InvalidSetting::NoSuchAuthority))?,
        validation_authority_country: text("country"),
        validation_authority_uri: text("authority_uri"),
        validation_version_major: number("version", major)?,
        validation_version_minor: minor,
        validation_type: find_by_name(ValidationType::ALL, ValidationType::name, &kind)
            .ok_or_else(|| invalid("type", &kind, InvalidSetting::NoSuchType))?,
        validation_level: number("level", &level)?,
        validation_certificate_identifier: text("certificate"),
        validation_certificate_uri: text("certificate_uri"),
        validation_vendor_uri: text("vendor_uri"),
        validation_profile: text("profiles").map(|text| lines(&text)).unwrap_or_default(),
    })
}

/// Returns the lines of a value that are not empty.
fn lines(value: &str) -> Vec<String> {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(announcement: Announcement) -> Result<Announced, Error> {
        read(&Config { announced: announcement, ..Config::new("server.pem", "ca.pem") })
    }

    #[test]
    fn accepts_profile_names_with_and_without_punctuation() {
        let lines = [
            "Tape Library Server KMIP v1.2",
            "HTTPSServerKMIPV1_4 at https://kmip.example:5696/kmip port 65524",
            "XML Server at https://kmip.example/kmip",
            "json server port 5696",
        ];
        let profiles = Some(lines.map(str::to_owned).to_vec());
        let announced = announced(Announcement { profiles, ..Announcement::default() }).unwrap();
        let profile =
            |name, uri: Option<&str>, port| AnnouncedProfile { name, uri: uri.map(str::to_owned), port };
        let expected = [
            profile(ProfileName::TapeLibraryServerKmipV1_2, None, None),
            profile(ProfileName::HttpsServerKmipV1_4, Some("https://kmip.example:5696/kmip"), Some(65524)),
            profile(ProfileName::XmlServer, Some("https://kmip.example/kmip"), None),
            profile(ProfileName::JsonServer, None, Some(5696)),
        ];
        assert_eq!(announced.profiles.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn profile_names_are_distinct_without_punctuation() {
        for profile in ProfileName::ALL {
            assert_eq!(find_by_name(ProfileName::ALL, ProfileName::name, profile.name()), Some(*profile));
        }
    }

    #[test]
    fn what_cannot_be_announced_is_find_by_name() {
        let of =
            |line: &str| Announcement { profiles: Some(vec![line.to_owned()]), ..Announcement::default() };
        let validation = |entries: &[(&str, &str)]| Announcement {
            validations: vec![Section {
                name: "validation:first".to_owned(),
                entries: entries
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
            }],
            ..Announcement::default()
        };
        let whole = [("authority", "NIST CMVP"), ("type", "Software"), ("version", "2"), ("level", "1")];
        let with = |more| validation(&[&whole[..], &[more]].concat());
        assert!(announced(validation(&whole)).is_ok());
        let cases = [
            (of("No Such Server"), InvalidSetting::NoSuchProfile),
            (of("Tape Library Client"), InvalidSetting::NoSuchProfile),
            (of("XML Server port 0"), InvalidSetting::NotAPort),
            (of("XML Server port many"), InvalidSetting::NotAPort),
            (
                Announcement { version: Some("one".to_owned()), ..Announcement::default() },
                InvalidSetting::NotAVersion,
            ),
            (
                Announcement { pkcs11_version: Some("2.400".to_owned()), ..Announcement::default() },
                InvalidSetting::NotAVersion,
            ),
            (
                Announcement { manufacturer: Some("m".repeat(33)), ..Announcement::default() },
                InvalidSetting::TooLong,
            ),
            (validation(&whole[1..]), InvalidSetting::Missing),
            (with(("colour", "red")), InvalidSetting::Unknown),
            (
                validation(&[&[("authority", "Unknown")], &whole[1..]].concat()),
                InvalidSetting::NoSuchAuthority,
            ),
            (
                validation(&[&whole[..1], &[("type", "Wetware")], &whole[2..]].concat()),
                InvalidSetting::NoSuchType,
            ),
            (validation(&[&whole[..3], &[("level", "high")]].concat()), InvalidSetting::NotANumber),
        ];
        for (announcement, reason) in cases {
            let error = announced(announcement).unwrap_err();
            assert_eq!(error.reason, reason, "{error}");
            assert!(error.to_string().contains(&error.setting), "{error}");
        }
    }
}

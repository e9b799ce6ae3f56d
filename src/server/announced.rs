//! What the settings tell clients of the server: read here, so that a slip of the pen stops the start.

use std::fmt;

use crate::config::{Announcement, Config, Section};
use crate::engine::{Announced, AnnouncedProfile};
use crate::kmip::enums::{ProfileName, ValidationAuthorityType, ValidationType};
use crate::kmip::structures::ValidationInformation;

/// Which value cannot be announced.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// The section, where it is not `[server]`.
    pub section: Option<String>,
    /// The setting.
    pub setting: String,
    /// What was given.
    pub value: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The standard has no such profile for servers.
    NoSuchProfile,
    /// It is no port number.
    NotAPort,
    /// It is no version of two numbers.
    NotAVersion,
    /// It is longer than C_GetInfo can tell.
    TooLong,
    /// It is no number.
    NotANumber,
    /// The standard has no such authority.
    NoSuchAuthority,
    /// The standard has no such type of validation.
    NoSuchType,
    /// The section has to have it.
    Missing,
    /// Sections of validations have no such setting.
    Unknown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, setting, value, problem } = self;
        if let Some(section) = section {
            write!(f, "section [{section}]: ")?;
        }
        match problem {
            Problem::Missing => return write!(f, "the setting '{setting}' is missing"),
            Problem::Unknown => return write!(f, "the setting '{setting}' does not exist; remove it"),
            _ => write!(f, "the setting '{setting}' cannot have '{value}': ")?,
        }
        f.write_str(match problem {
            Problem::NoSuchProfile => "KMIP has no profile of that name for servers",
            Problem::NotAPort => "a port is a number from 1 to 65535",
            Problem::NotAVersion => "a version is two numbers up to 255 with a dot between them",
            Problem::TooLong => "it may have 32 bytes at the most",
            Problem::NotANumber => "this setting is a number",
            Problem::NoSuchAuthority => "the authorities are NIST CMVP, Common Criteria and Unspecified",
            Problem::NoSuchType => "the types are Hardware, Software, Firmware, Hybrid and Unspecified",
            Problem::Missing | Problem::Unknown => "",
        })
    }
}

impl std::error::Error for Error {}

/// What the names of profiles for servers have.
const SERVER: &str = "Server";

/// The settings, and how C_GetInfo limits them in bytes.
const PROFILES: &str = "announced_profiles";
const MANUFACTURER: &str = "announced_manufacturer";
const PRODUCT: &str = "announced_product";
const VERSION: &str = "announced_version";
const PKCS11_VERSION: &str = "announced_pkcs11_version";
const LONGEST_NAME: usize = 32;

/// What is announced by these settings.
///
/// # Errors
/// [`Error`] for the first value that says nothing.
pub(super) fn of(config: &Config) -> Result<Announced, Error> {
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
        announced.vendor_identification.clone_from(name);
    }
    if let Some(name) = product {
        announced.product = bounded(PRODUCT, name)?;
    }
    if let Some(text) = version {
        announced.version.clone_from(text);
        two_numbers(text).ok_or_else(|| wrong(VERSION, text, Problem::NotAVersion))?;
    }
    if let Some(text) = pkcs11_version {
        announced.pkcs11_version =
            two_numbers(text).ok_or_else(|| wrong(PKCS11_VERSION, text, Problem::NotAVersion))?;
    }
    Ok(announced)
}

fn wrong(setting: &str, value: &str, problem: Problem) -> Error {
    Error { section: None, setting: setting.to_owned(), value: value.to_owned(), problem }
}

/// `NAME`, `NAME at URI`, `NAME port NUMBER`, or `NAME at URI port NUMBER`.
fn profile(line: &str) -> Result<AnnouncedProfile, Error> {
    let (rest, port) = match line.rsplit_once(" port ") {
        Some((rest, port)) => {
            let port = port.trim().parse().ok().filter(|port| *port != 0);
            (rest, Some(port.ok_or_else(|| wrong(PROFILES, line, Problem::NotAPort))?))
        }
        None => (line, None),
    };
    let (name, uri) = match rest.split_once(" at ") {
        Some((name, uri)) => (name, Some(uri.trim().to_owned())),
        None => (rest, None),
    };
    let name = named(ProfileName::ALL, ProfileName::name, name)
        .filter(|profile| profile.name().contains(SERVER))
        .ok_or_else(|| wrong(PROFILES, line, Problem::NoSuchProfile))?;
    Ok(AnnouncedProfile { name, uri, port })
}

/// The entry of that name, whatever stands between its letters and digits.
fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, wanted: &str) -> Option<T> {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
    };
    all.iter().copied().find(|entry| letters(name(*entry)) == letters(wanted))
}

fn bounded(setting: &str, text: &str) -> Result<String, Error> {
    if text.len() <= LONGEST_NAME {
        return Ok(text.to_owned());
    }
    Err(wrong(setting, text, Problem::TooLong))
}

/// The two numbers that a version begins with.
fn two_numbers(text: &str) -> Option<(u8, u8)> {
    let mut numbers = text.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What a section `[validation:NAME]` may hold.
const VALIDATION: [&str; 10] = [
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

/// One section `[validation:NAME]`.
fn validation(section: &Section) -> Result<ValidationInformation, Error> {
    let wrong = |setting: &str, value: &str, problem| Error {
        section: Some(section.name.clone()),
        ..wrong(setting, value, problem)
    };
    if let Some((unknown, _)) = section.entries.iter().find(|(key, _)| !VALIDATION.contains(&key.as_str())) {
        return Err(wrong(unknown, "", Problem::Unknown));
    }
    let text = |key: &str| {
        let found = section.entries.iter().find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.trim().to_owned())
    };
    let needed = |key: &str| text(key).ok_or_else(|| wrong(key, "", Problem::Missing));
    let number = |key: &str, value: &str| -> Result<i32, Error> {
        value.trim().parse().map_err(|_| wrong(key, value, Problem::NotANumber))
    };
    let (authority, kind, version, level) =
        (needed("authority")?, needed("type")?, needed("version")?, needed("level")?);
    let (major, minor) = match version.split_once('.') {
        Some((major, minor)) => (major, Some(number("version", minor)?)),
        None => (&*version, None),
    };
    Ok(ValidationInformation {
        validation_authority_type: named(
            ValidationAuthorityType::ALL,
            ValidationAuthorityType::name,
            &authority,
        )
        .ok_or_else(|| wrong("authority", &authority, Problem::NoSuchAuthority))?,
        validation_authority_country: text("country"),
        validation_authority_uri: text("authority_uri"),
        validation_version_major: number("version", major)?,
        validation_version_minor: minor,
        validation_type: named(ValidationType::ALL, ValidationType::name, &kind)
            .ok_or_else(|| wrong("type", &kind, Problem::NoSuchType))?,
        validation_level: number("level", &level)?,
        validation_certificate_identifier: text("certificate"),
        validation_certificate_uri: text("certificate_uri"),
        validation_vendor_uri: text("vendor_uri"),
        validation_profile: text("profiles").map(|text| lines(&text)).unwrap_or_default(),
    })
}

/// What stands in the lines of a value.
fn lines(value: &str) -> Vec<String> {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(announcement: Announcement) -> Result<Announced, Error> {
        of(&Config { announced: announcement, ..Config::new("server.pem", "ca.pem") })
    }

    #[test]
    fn profiles_have_the_standards_names_in_either_spelling() {
        let lines = [
            "Tape Library Server KMIP v1.2",
            "HTTPSServerKMIPV1_4 at https://kmip.example:5696/kmip port 65524",
            "XML Server at https://kmip.example/kmip",
            "json server port 5696",
        ];
        let profiles = Some(lines.map(str::to_owned).to_vec());
        let told = announced(Announcement { profiles, ..Announcement::default() }).unwrap();
        let profile =
            |name, uri: Option<&str>, port| AnnouncedProfile { name, uri: uri.map(str::to_owned), port };
        let expected = [
            profile(ProfileName::TapeLibraryServerKmipV1_2, None, None),
            profile(ProfileName::HttpsServerKmipV1_4, Some("https://kmip.example:5696/kmip"), Some(65524)),
            profile(ProfileName::XmlServer, Some("https://kmip.example/kmip"), None),
            profile(ProfileName::JsonServer, None, Some(5696)),
        ];
        assert_eq!(told.profiles.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn no_two_profiles_are_spelled_alike() {
        for profile in ProfileName::ALL {
            assert_eq!(named(ProfileName::ALL, ProfileName::name, profile.name()), Some(*profile));
        }
    }

    #[test]
    fn what_cannot_be_announced_is_named() {
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
            (of("No Such Server"), Problem::NoSuchProfile),
            (of("Tape Library Client"), Problem::NoSuchProfile),
            (of("XML Server port 0"), Problem::NotAPort),
            (of("XML Server port many"), Problem::NotAPort),
            (
                Announcement { version: Some("one".to_owned()), ..Announcement::default() },
                Problem::NotAVersion,
            ),
            (
                Announcement { pkcs11_version: Some("2.400".to_owned()), ..Announcement::default() },
                Problem::NotAVersion,
            ),
            (
                Announcement { manufacturer: Some("m".repeat(33)), ..Announcement::default() },
                Problem::TooLong,
            ),
            (validation(&whole[1..]), Problem::Missing),
            (with(("colour", "red")), Problem::Unknown),
            (validation(&[&[("authority", "Nobody")], &whole[1..]].concat()), Problem::NoSuchAuthority),
            (validation(&[&whole[..1], &[("type", "Wetware")], &whole[2..]].concat()), Problem::NoSuchType),
            (validation(&[&whole[..3], &[("level", "high")]].concat()), Problem::NotANumber),
        ];
        for (announcement, problem) in cases {
            let error = announced(announcement).unwrap_err();
            assert_eq!(error.problem, problem, "{error}");
            assert!(error.to_string().contains(&error.setting), "{error}");
        }
    }
}

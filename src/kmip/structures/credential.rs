//! Structures of message headers and batch items: credentials, protocol versions and message extensions (KMIP
//! 1.4 §2.1.2 and §6, 2.1 §9).

use std::fmt;

use zeroize::Zeroize;

use crate::kmip::enums::{AttestationType, CredentialType, HashingAlgorithm, TicketType};
use crate::kmip::macros::structure;
use crate::ttlv::{DateTime, Error, Item, Tag, Value, Writer};

use super::Raw;

/// A secret Text String: zeroed on drop; `Debug` prints only its length.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretText({} bytes)", self.0.len())
    }
}

impl Value for SecretText {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        String::decode(item).map(Self)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, crate::ttlv::ItemType::TextString, self.0.as_bytes());
    }
}

structure! {
    /// Credential Value of the type Username and Password (KMIP 1.4 §2.1.2, 2.1 §9.11).
    pub struct UsernameAndPassword {
        Username => username: String,
        Password => password: Option<SecretText>,
    }
}

structure! {
    /// Credential Value of the type Device (KMIP 1.4 §2.1.2, 2.1 §9.11).
    pub struct DeviceCredential {
        DeviceSerialNumber => device_serial_number: Option<String>,
        Password => password: Option<SecretText>,
        DeviceIdentifier => device_identifier: Option<String>,
        NetworkIdentifier => network_identifier: Option<String>,
        MachineIdentifier => machine_identifier: Option<String>,
        MediaIdentifier => media_identifier: Option<String>,
    }
}

structure! {
    /// Nonce (KMIP 1.4 §2.1.14, 2.1 §9.14).
    pub struct Nonce {
        NonceId => nonce_id: Vec<u8>,
        NonceValue => nonce_value: Vec<u8>,
    }
}

structure! {
    /// Credential Value of the type Attestation (KMIP 1.4 §2.1.2, 2.1 §9.11).
    pub struct AttestationCredential {
        Nonce => nonce: Nonce,
        AttestationType => attestation_type: AttestationType,
        AttestationMeasurement => attestation_measurement: Option<Vec<u8>>,
        AttestationAssertion => attestation_assertion: Option<Vec<u8>>,
    }
}

structure! {
    /// Credential Value of the type One Time Password (KMIP 2.1 §9.11).
    pub struct OneTimePasswordCredential {
        Username => username: String,
        Password => password: Option<SecretText>,
        OneTimePassword => one_time_password: SecretText,
    }
}

structure! {
    /// Credential Value of the type Hashed Password (KMIP 2.1 §9.11).
    pub struct HashedPasswordCredential {
        Username => username: String,
        TimeStamp => time_stamp: DateTime,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        HashedPassword => hashed_password: Vec<u8>,
    }
}

structure! {
    /// Ticket (KMIP 2.1 §7.39).
    pub struct Ticket {
        TicketType => ticket_type: TicketType,
        TicketValue => ticket_value: Vec<u8>,
    }
}

structure! {
    /// Credential Value of the type Ticket (KMIP 2.1 §9.11).
    pub struct TicketCredential {
        Ticket => ticket: Ticket,
    }
}

/// Credential: a Credential Type with its Credential Value (KMIP 1.4 §2.1.2, 2.1 §9.11).
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::structures::{Authentication, Credential, UsernameAndPassword};
/// use kmip_server::ttlv::{Field, Reader, Tag, V1_2, Writer};
///
/// let credential = Credential::UsernameAndPassword(UsernameAndPassword {
///     username: "ann".to_owned(),
///     password: Some("secret".to_owned().into()),
/// });
/// let authentication = Authentication { credentials: vec![credential] };
/// let mut writer = Writer::new(V1_2);
/// authentication.write(Tag::Authentication, &mut writer);
/// let bytes = writer.into_bytes();
/// let read = Authentication::read(Tag::Authentication, &mut Reader::new(&bytes, V1_2))?;
/// assert_eq!(read, authentication);
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    /// Username and Password.
    UsernameAndPassword(UsernameAndPassword),
    /// Device.
    Device(DeviceCredential),
    /// Attestation, since 1.2.
    Attestation(AttestationCredential),
    /// One Time Password, since 2.0.
    OneTimePassword(OneTimePasswordCredential),
    /// Hashed Password, since 2.0.
    HashedPassword(HashedPasswordCredential),
    /// Ticket, since 2.0.
    Ticket(TicketCredential),
}

impl Credential {
    /// Returns a text that is unique to the user or device that the credential names, or `None` if it names
    /// none, as a Ticket or an Attestation. The text contains no secrets and nothing that changes from
    /// request to request.
    ///
    /// A device is identified by its serial number and its device identifier, or else by its machine, network
    /// or media identifier (KMIP 1.4 §2.1.2 does not state which of them are unique).
    pub(crate) fn principal_name(&self) -> Option<String> {
        let user = |name: &str| (!name.is_empty()).then(|| format!("user {name}"));
        match self {
            Self::UsernameAndPassword(value) => user(&value.username),
            Self::OneTimePassword(value) => user(&value.username),
            Self::HashedPassword(value) => user(&value.username),
            Self::Device(device) => device.principal_name(),
            Self::Attestation(_) | Self::Ticket(_) => None,
        }
    }
}

impl DeviceCredential {
    fn principal_name(&self) -> Option<String> {
        let fields = [
            ("serial number", &self.device_serial_number),
            ("identifier", &self.device_identifier),
            ("machine", &self.machine_identifier),
            ("network", &self.network_identifier),
            ("medium", &self.media_identifier),
        ];
        let mut present = fields.iter().enumerate().filter_map(|(at, (name, value))| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            // Quotes prevent a value from imitating another field.
            Some((at, format!("{name} {value:?}")))
        });
        let (first, mut text) = present.next()?;
        if first == 0
            && let Some((1, identifier)) = present.next()
        {
            text = format!("{text} {identifier}");
        }
        Some(format!("device {text}"))
    }
}

impl Value for Credential {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        let mut rows = item.structure()?;
        let kind = CredentialType::decode(&rows.require(Tag::CredentialType)?)?;
        let value = rows.require(Tag::CredentialValue)?;
        rows.finish()?;
        match kind {
            CredentialType::UsernameAndPassword => Value::decode(&value).map(Self::UsernameAndPassword),
            CredentialType::Device => Value::decode(&value).map(Self::Device),
            CredentialType::Attestation => Value::decode(&value).map(Self::Attestation),
            CredentialType::OneTimePassword => Value::decode(&value).map(Self::OneTimePassword),
            CredentialType::HashedPassword => Value::decode(&value).map(Self::HashedPassword),
            CredentialType::Ticket => Value::decode(&value).map(Self::Ticket),
        }
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        let (kind, value): (CredentialType, &dyn Fn(&mut Writer)) = match self {
            Self::UsernameAndPassword(value) => {
                (CredentialType::UsernameAndPassword, &|writer| value.encode(Tag::CredentialValue, writer))
            }
            Self::Device(value) => {
                (CredentialType::Device, &|writer| value.encode(Tag::CredentialValue, writer))
            }
            Self::Attestation(value) => {
                (CredentialType::Attestation, &|writer| value.encode(Tag::CredentialValue, writer))
            }
            Self::OneTimePassword(value) => {
                (CredentialType::OneTimePassword, &|writer| value.encode(Tag::CredentialValue, writer))
            }
            Self::HashedPassword(value) => {
                (CredentialType::HashedPassword, &|writer| value.encode(Tag::CredentialValue, writer))
            }
            Self::Ticket(value) => {
                (CredentialType::Ticket, &|writer| value.encode(Tag::CredentialValue, writer))
            }
        };
        writer.structure(tag, |writer| {
            kind.encode(Tag::CredentialType, writer);
            value(writer);
        });
    }
}

structure! {
    /// Authentication (KMIP 1.4 §6.6, 2.1 §9.4).
    pub struct Authentication {
        Credential => credentials: Vec<Credential>,
    }
}

impl Authentication {
    /// Returns the text of [`Credential::principal_name`] for the first credential that names a user or a
    /// device.
    pub(crate) fn principal_name(&self) -> Option<String> {
        self.credentials.iter().find_map(Credential::principal_name)
    }
}

structure! {
    /// Message Extension (KMIP 1.4 §6.16, 2.1 §9.13).
    pub struct MessageExtension {
        VendorIdentification => vendor_identification: String,
        CriticalityIndicator => criticality_indicator: bool,
        VendorExtension => vendor_extension: Raw,
    }
}

structure! {
    /// Protocol Version (KMIP 1.4 §6.1, 2.1 §9.16).
    pub struct ProtocolVersion {
        ProtocolVersionMajor => major: i32,
        ProtocolVersionMinor => minor: i32,
    }
}

impl From<crate::ttlv::Version> for ProtocolVersion {
    fn from(version: crate::ttlv::Version) -> Self {
        Self { major: version.major, minor: version.minor }
    }
}

impl From<ProtocolVersion> for crate::ttlv::Version {
    fn from(version: ProtocolVersion) -> Self {
        Self::new(version.major, version.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> Credential {
        let password = Some(password.to_owned().into());
        Credential::UsernameAndPassword(UsernameAndPassword { username: name.to_owned(), password })
    }

    /// Creates a device from its serial number, device, network, machine and media identifier; `-` means
    /// absent.
    fn device(fields: [&str; 5]) -> Option<String> {
        let [serial, identifier, network, machine, media] =
            fields.map(|field| (field != "-").then(|| field.to_owned()));
        Credential::Device(DeviceCredential {
            device_serial_number: serial,
            password: Some("secret".to_owned().into()),
            device_identifier: identifier,
            network_identifier: network,
            machine_identifier: machine,
            media_identifier: media,
        })
        .principal_name()
    }

    #[test]
    fn names_the_user_or_device_of_a_credential_without_its_password() {
        assert_eq!(user("ann", "one").principal_name().as_deref(), Some("user ann"));
        assert_eq!(user("ann", "one").principal_name(), user("ann", "two").principal_name());
        assert_eq!(user("", "one").principal_name(), None);
        assert_eq!(device(["-"; 5]), None);
        assert_eq!(device(["", "-", "-", "-", "-"]), None);
        let full = device(["s", "i", "n", "m", "d"]).unwrap();
        assert_eq!(full, r#"device serial number "s" identifier "i""#);
        assert_eq!(device(["s", "-", "n", "m", "d"]).as_deref(), Some(r#"device serial number "s""#));
        assert_eq!(device(["-", "i", "n", "m", "d"]).as_deref(), Some(r#"device identifier "i""#));
        assert_eq!(device(["-", "-", "n", "m", "d"]).as_deref(), Some(r#"device machine "m""#));
        assert_ne!(device([r#"s" identifier "i"#, "-", "-", "-", "-"]), Some(full));
        assert_ne!(user("device machine \"m\"", "").principal_name(), device(["-", "-", "-", "m", "-"]));
    }

    #[test]
    fn names_the_principal_of_the_first_credential_that_has_one() {
        let ticket = Credential::Ticket(TicketCredential {
            ticket: Ticket { ticket_type: TicketType::Login, ticket_value: vec![1] },
        });
        let credentials = vec![ticket, user("ann", ""), user("bob", "")];
        assert_eq!(Authentication { credentials }.principal_name().as_deref(), Some("user ann"));
        assert_eq!(Authentication { credentials: Vec::new() }.principal_name(), None);
    }
}

//! Credentials and message extensions: what a header may prove and what a batch item may add
//! (KMIP 1.4 §2.1.2, §6.16; 2.1 §9.11, §9.14).

use std::fmt;

use zeroize::Zeroize;

use crate::kmip::enums::{AttestationType, CredentialType, HashingAlgorithm, TicketType};
use crate::kmip::macros::structure;
use crate::ttlv::{DateTime, Error, Item, Tag, Value, Writer};

use super::Raw;

/// A Text String that nobody should see: zeroed when it is dropped, printed as its length.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The text, for the one who has to compare it.
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
    /// Credential Value of Username and Password.
    pub struct UsernameAndPassword {
        Username => username: String,
        Password => password: Option<SecretText>,
    }
}

structure! {
    /// Credential Value of Device.
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
    /// Nonce (1.4 §2.1.14, 2.1 §9.15).
    pub struct Nonce {
        NonceId => nonce_id: Vec<u8>,
        NonceValue => nonce_value: Vec<u8>,
    }
}

structure! {
    /// Credential Value of Attestation.
    pub struct AttestationCredential {
        Nonce => nonce: Nonce,
        AttestationType => attestation_type: AttestationType,
        AttestationMeasurement => attestation_measurement: Option<Vec<u8>>,
        AttestationAssertion => attestation_assertion: Option<Vec<u8>>,
    }
}

structure! {
    /// Credential Value of One Time Password (2.0).
    pub struct OneTimePasswordCredential {
        Username => username: String,
        Password => password: Option<SecretText>,
        OneTimePassword => one_time_password: SecretText,
    }
}

structure! {
    /// Credential Value of Hashed Password (2.0).
    pub struct HashedPasswordCredential {
        Username => username: String,
        TimeStamp => time_stamp: DateTime,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        HashedPassword => hashed_password: Vec<u8>,
    }
}

structure! {
    /// Ticket (2.1 §7.39).
    pub struct Ticket {
        TicketType => ticket_type: TicketType,
        TicketValue => ticket_value: Vec<u8>,
    }
}

structure! {
    /// Credential Value of Ticket (2.0).
    pub struct TicketCredential {
        Ticket => ticket: Ticket,
    }
}

/// Credential (1.4 §2.1.2, 2.1 §9.11): the type, and the value that goes with it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the standard's names; each holds the value its type calls for")]
pub enum Credential {
    UsernameAndPassword(UsernameAndPassword),
    Device(DeviceCredential),
    Attestation(AttestationCredential),
    OneTimePassword(OneTimePasswordCredential),
    HashedPassword(HashedPasswordCredential),
    Ticket(TicketCredential),
}

impl Credential {
    /// Whom the credential names, in a form that is different for different ones; none where it names nobody, as a
    /// ticket or an attestation. Secrets and what changes from request to request are no part of it.
    ///
    /// A device is named by its serial number and its identifier, which belong to it; where it has neither, by the
    /// machine, the network or the medium that it is in (1.4 §2.1.2 leaves open which of them is unique).
    pub fn named(&self) -> Option<String> {
        let user = |name: &str| (!name.is_empty()).then(|| format!("user {name}"));
        match self {
            Self::UsernameAndPassword(value) => user(&value.username),
            Self::OneTimePassword(value) => user(&value.username),
            Self::HashedPassword(value) => user(&value.username),
            Self::Device(device) => device.named(),
            Self::Attestation(_) | Self::Ticket(_) => None,
        }
    }
}

impl DeviceCredential {
    fn named(&self) -> Option<String> {
        let own = [
            ("serial number", &self.device_serial_number),
            ("identifier", &self.device_identifier),
            ("machine", &self.machine_identifier),
            ("network", &self.network_identifier),
            ("medium", &self.media_identifier),
        ];
        let mut given = own.iter().enumerate().filter_map(|(at, (name, value))| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            // Quoted, so that no value can look like another field.
            Some((at, format!("{name} {value:?}")))
        });
        let (first, mut text) = given.next()?;
        if first == 0
            && let Some((1, identifier)) = given.next()
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
    /// Authentication (1.4 §6.6, 2.1 §9.4).
    pub struct Authentication {
        Credential => credentials: Vec<Credential>,
    }
}

impl Authentication {
    /// Whom the credentials name: the first that names somebody counts.
    pub fn named(&self) -> Option<String> {
        self.credentials.iter().find_map(Credential::named)
    }
}

structure! {
    /// Message Extension (1.4 §6.16, 2.1 §9.14).
    pub struct MessageExtension {
        VendorIdentification => vendor_identification: String,
        CriticalityIndicator => criticality_indicator: bool,
        VendorExtension => vendor_extension: Raw,
    }
}

structure! {
    /// Protocol Version (1.4 §6.1, 2.1 §9.17).
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

    /// Serial number, identifier, network, machine and medium of a device; `-` is left out.
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
        .named()
    }

    #[test]
    fn a_credential_names_a_user_or_a_device_and_never_tells_a_password() {
        assert_eq!(user("ann", "one").named().as_deref(), Some("user ann"));
        assert_eq!(user("ann", "one").named(), user("ann", "two").named());
        assert_eq!(user("", "one").named(), None);
        assert_eq!(device(["-"; 5]), None);
        assert_eq!(device(["", "-", "-", "-", "-"]), None);
        let whole = device(["s", "i", "n", "m", "d"]).unwrap();
        assert_eq!(whole, r#"device serial number "s" identifier "i""#);
        assert_eq!(device(["s", "-", "n", "m", "d"]).as_deref(), Some(r#"device serial number "s""#));
        assert_eq!(device(["-", "i", "n", "m", "d"]).as_deref(), Some(r#"device identifier "i""#));
        assert_eq!(device(["-", "-", "n", "m", "d"]).as_deref(), Some(r#"device machine "m""#));
        assert_ne!(device([r#"s" identifier "i"#, "-", "-", "-", "-"]), Some(whole));
        assert_ne!(user("device machine \"m\"", "").named(), device(["-", "-", "-", "m", "-"]));
    }

    #[test]
    fn the_first_credential_that_names_somebody_counts() {
        let ticket = Credential::Ticket(TicketCredential {
            ticket: Ticket { ticket_type: TicketType::Login, ticket_value: vec![1] },
        });
        let credentials = vec![ticket, user("ann", ""), user("bob", "")];
        assert_eq!(Authentication { credentials }.named().as_deref(), Some("user ann"));
        assert_eq!(Authentication { credentials: Vec::new() }.named(), None);
    }
}

//! The differences between PyKMIP's behaviour and the standard's: one row per difference, and which of the two applies.
//!
//! A setting selects PyKMIP's behaviour (the default) or the standard's for requests of KMIP 1.0 to 2.0. PyKMIP does
//! not support later versions, so the standard's behaviour always applies to them.

use std::fmt;

/// Whose behaviour the server has if PyKMIP and the standard differ: the setting `compatibility`.
///
/// ```
/// use kmip_server::{Compatibility, Config};
///
/// let config = Config::builder("server.pem", "ca.pem").compatibility(Compatibility::Standard).build();
/// assert_eq!(config.compatibility.to_string(), "Standard");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compatibility {
    /// The behaviour of PyKMIP 0.11.
    #[default]
    PyKmip,
    /// The behaviour of the OASIS test cases and the specification.
    Standard,
}

impl Compatibility {
    /// The values of the setting.
    pub const NAMES: [(&'static str, Self); 2] = [("PyKMIP", Self::PyKmip), ("Standard", Self::Standard)];

    /// Returns the behaviour for requests of the version `major.minor`.
    pub const fn in_version(self, major: i32, minor: i32) -> Behavior {
        Behavior { compatibility: self, version: (major, minor) }
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, value)| value == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The behaviour for one request: the setting and the version of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behavior {
    compatibility: Compatibility,
    version: (i32, i32),
}

impl Behavior {
    /// Returns whether PyKMIP's behaviour applies in this respect.
    pub fn has(self, difference: Difference) -> bool {
        let (since, until) = difference.versions();
        self.compatibility == Compatibility::PyKmip && since <= self.version && self.version <= until
    }
}

/// What a difference is about.
#[derive(Debug)]
pub struct Row {
    /// The difference.
    pub difference: Difference,
    /// The name of the variant.
    pub name: &'static str,
    /// The first version in which the behaviours differ.
    pub since: (i32, i32),
    /// The last version in which they differ.
    pub until: (i32, i32),
    /// What PyKMIP 0.11 does.
    pub pykmip: &'static str,
    /// What the standard requires.
    pub standard: &'static str,
    /// The clause or the test case that requires it.
    pub source: &'static str,
}

/// Declares [`Difference`] and its [`ROWS`]: name, versions, PyKMIP's behaviour, the standard's behaviour, source.
macro_rules! differences {
    ($($name:ident $since:tt..=$until:tt: $pykmip:literal; $standard:literal; $source:literal;)*) => {
        /// A respect in which PyKMIP and the standard differ.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Difference {
            $(#[doc = concat!("PyKMIP: ", $pykmip, " Standard: ", $standard)] $name,)*
        }

        /// All differences, in the order of the variants.
        pub const ROWS: &[Row] = &[$(Row {
            difference: Difference::$name,
            name: stringify!($name),
            since: $since,
            until: $until,
            pykmip: $pykmip,
            standard: $standard,
            source: $source,
        },)*];

        impl Difference {
            /// Returns the first and the last version in which the behaviours differ.
            fn versions(self) -> ((i32, i32), (i32, i32)) {
                match self {
                    $(Self::$name => ($since, $until),)*
                }
            }
        }
    };
}

// The rows are grouped by what a request is about: messages, attributes, objects, searches, cryptography.
differences! {
    // Messages.
    TrailingItems (1, 0)..=(2, 0):
        "Whatever follows as many batch items as Batch Count states is ignored; a Batch Count below 1 means none.";
        "Such a message is refused with Invalid Message.";
        "KMIP 1.4 §6.14 and §7.1";
    ExcessPayloadItems (1, 0)..=(2, 0):
        "Locate and Sign ignore payload items after the last one that they expect.";
        "Such a batch item fails with Invalid Message.";
        "KMIP 1.4 §6.1";
    QueryAnswer (1, 0)..=(2, 0):
        "Query returns the operations that PyKMIP has and PyKMIP's Vendor Identification, and nothing else.";
        "Query returns what this server supports.";
        "KMIP 1.4 §4.25";
    DiscoveredVersions (1, 1)..=(2, 0):
        "Discover Versions without versions returns 2.0 to 1.0.";
        "It returns 2.1 to 1.0.";
        "KMIP 1.4 §4.26";

    // Attributes.
    RepeatedAttributeName (1, 0)..=(2, 0):
        "Get Attributes that names an attribute twice returns it twice.";
        "Such a request is refused with Invalid Message.";
        "KMIP 1.4 §4.12";
    DefaultAttributes (1, 0)..=(2, 0):
        "Get Attributes without names and Get Attribute List return the attributes that PyKMIP stores.";
        "They return all attributes of the object.";
        "KMIP 1.4 §4.12, §4.13";
    FirstAttributeIndex (1, 0)..=(1, 0):
        "A response of 1.0 contains the Attribute Index 0.";
        "A response of 1.0 omits the Attribute Index 0.";
        "KMIP 1.0 §2.1.1, §4.15";
    ReadOnlyAttribute (1, 0)..=(2, 0):
        "Modify Attribute of a read-only attribute fails with Permission Denied, also in a version without the attribute.";
        "It fails with Attribute Read Only in 2.0, and with Invalid Field in a version without the attribute.";
        "KMIP 2.0 §6.1.33.1, KMIP 1.4 §11.16";
    IndexOfSingleValue (1, 0)..=(1, 4):
        "Modify Attribute of a single-instance attribute with an Attribute Index fails with Invalid Field.";
        "The Attribute Index 0 is permitted.";
        "KMIP 1.4 §2.1.1";
    SensitiveStays (1, 4)..=(2, 0):
        "Modify Attribute and Set Attribute cannot change Sensitive from true to false.";
        "A client can change Sensitive.";
        "KMIP 1.4 §3.48";
    DeletionOfNothing (2, 0)..=(2, 0):
        "Delete Attribute by reference of Name, Object Group or Application Specific Information succeeds if the object has none.";
        "It fails with Item Not Found.";
        "KMIP 2.0 §6.1.13";
    InapplicableDeletion (1, 0)..=(2, 0):
        "Delete Attribute of an attribute that objects of the type do not have in PyKMIP fails with Item Not Found.";
        "A read-only attribute that objects of the type can have fails with Permission Denied.";
        "KMIP 1.4 §11.17";
    IndexOfMissingInstance (1, 0)..=(1, 4):
        "Delete Attribute of a read-only attribute with an index that the object does not have fails with Item Not Found.";
        "It fails with Permission Denied.";
        "KMIP 1.4 §11.17";
    UnsupportedDeletion (1, 0)..=(2, 0):
        "Delete Attribute of another attribute that the object does not have fails with Invalid Field.";
        "It fails with Item Not Found.";
        "KMIP 1.4 §11.17";

    // Objects.
    DestroyedObject (1, 0)..=(2, 0):
        "A destroyed object does not exist: every operation answers Item Not Found.";
        "The attributes of a destroyed object remain: they can be read, and the object can be revoked for a compromise.";
        "KMIP 1.4 §3.22 and §4.21";
    MissingUsageMask (1, 0)..=(2, 0):
        "Create and Create Key Pair without a Cryptographic Usage Mask are refused with Invalid Field.";
        "From 1.4 on Create accepts it; the keys of a new pair get the usual masks of their algorithm.";
        "KMIP 1.4 §4.1 and §4.2, test case TC-CS-CORVAL-1-14";
    EffectiveTripleDesLength (1, 0)..=(2, 0):
        "Create of a 3DES key of 112 or 168 bits is refused with Invalid Field.";
        "The Cryptographic Length can omit the parity bits of the key.";
        "KMIP 1.4 §3.5";
    AttributesOfOpaqueObject (1, 0)..=(2, 0):
        "Register of an opaque object with a Cryptographic Usage Mask, an Activation Date or a Deactivation Date is refused with Invalid Field.";
        "Every managed object can have these attributes.";
        "KMIP 2.1 §4.1, §4.17 and §4.18";
    AlgorithmOfSecretData (1, 0)..=(2, 0):
        "Register of secret data with the attribute Cryptographic Algorithm or Cryptographic Length is refused with Invalid Field, and so is Derive Key of secret data with Cryptographic Algorithm.";
        "Secret data can have both attributes.";
        "KMIP 1.4 §3.4 and §3.5";
    KeyBlockOfSecretData (1, 0)..=(2, 0):
        "Get returns secret data in the Key Format Type Opaque, without Cryptographic Algorithm and Cryptographic Length.";
        "Get returns secret data as it was registered.";
        "KMIP 1.4 §4.11";
    KeyValueAttributes (1, 0)..=(1, 4):
        "Get omits the attributes in the Key Value of a registered key.";
        "Get returns them.";
        "KMIP 1.4 §2.1.4";
    KeyFormatConversion (1, 0)..=(2, 0):
        "Get in a Key Format Type other than the stored one is refused with Key Format Type Not Supported.";
        "The server converts the key.";
        "KMIP 1.4 §4.11";
    KeyCompression (1, 0)..=(2, 0):
        "Get with a Key Compression Type is refused with Key Compression Type Not Supported, even for an unknown object.";
        "Points of elliptic curves can be compressed; an unknown object is reported first.";
        "KMIP 1.4 §4.11";
    WrappedType (1, 0)..=(2, 0):
        "Get of a certificate or an opaque object with a Key Wrapping Specification fails for the Block Cipher Mode or the length of the value before it fails for the type.";
        "It fails with Illegal Operation.";
        "KMIP 1.4 §4.11";
    WrappingAlgorithm (1, 0)..=(2, 0):
        "Every symmetric key of 128, 192 or 256 bits wraps keys, by AES.";
        "Only AES keys wrap keys.";
        "NIST SP 800-38F §5.3";
    CaCompromise (1, 0)..=(2, 0):
        "Revoke with the reason CA Compromise deactivates an active object.";
        "The object is compromised, in every state.";
        "KMIP 1.4 §4.20";

    // Searches.
    LocateOrder (1, 0)..=(2, 0):
        "Locate returns the objects of one second in ascending order of their identifiers.";
        "It returns the newest object first.";
        "TC-OFFSET-1-14";
    LocatedItems (1, 3)..=(2, 0):
        "Locate never returns Located Items.";
        "It returns them if the request contains Maximum Items or Offset Items.";
        "KMIP 1.4 §4.9";
    NegativeItems (1, 0)..=(2, 0):
        "Maximum Items and Offset Items below 0 count from the end of the result.";
        "Such a request is refused with Invalid Field.";
        "KMIP 1.4 §4.9";
    StorageStatusMaskIgnored (1, 0)..=(2, 0):
        "Locate finds on-line objects with every Storage Status Mask.";
        "It finds the objects that the mask names.";
        "KMIP 1.4 §4.9";
    ObjectGroupMemberIgnored (1, 1)..=(2, 0):
        "Locate ignores Object Group Member.";
        "It returns the fresh members or the default member of a group.";
        "KMIP 1.4 §4.9";
    UncomparedAttributes (1, 0)..=(2, 0):
        "Locate ignores the values of attributes that PyKMIP does not store, such as Activation Date.";
        "It compares them.";
        "KMIP 1.4 §4.9";
    SensitiveMatchesNothing (1, 0)..=(2, 0):
        "Locate by Sensitive finds nothing.";
        "It finds the objects with this value.";
        "KMIP 1.4 §4.9";

    // Cryptography.
    CipherParameters (1, 2)..=(2, 0):
        "Encrypt and Decrypt require Cryptographic Parameters with an algorithm: otherwise Invalid Field.";
        "The key's own parameters and algorithm apply if the request has none, and CBC with PKCS5 if neither has any.";
        "KMIP 1.4 §4.29, §4.30";
    EcbWithoutPadding (1, 2)..=(2, 0):
        "Encrypt and Decrypt fail with Invalid Field if the Cryptographic Parameters of the request have ECB and no Padding Method.";
        "They process whole blocks.";
        "test case CS-BC-M-1-14";
    DecryptWithoutIv (1, 2)..=(2, 0):
        "Decrypt without the IV that the mode needs fails with Invalid Field if the request has Cryptographic Parameters.";
        "It fails with Invalid Message.";
        "test case CS-BC-M-11-14";
    HmacDerivation (1, 0)..=(2, 0):
        "The derivation method HMAC is HKDF (RFC 5869).";
        "It is one HMAC of the derivation data, unless there is a salt or more bytes are requested.";
        "KMIP 1.4 §9.1.3.2.21, test case TC-DERIVEKEY-2-14";
    DerivationByRsa (1, 0)..=(2, 0):
        "Derive Key by RSA encryption with PKCS#1 v1.5 padding from an object that is no public key fails with Cryptographic Failure.";
        "It fails with Invalid Field.";
        "KMIP 1.4 §11.9";
    UnknownHash (1, 2)..=(2, 0):
        "Signature Verify ignores a Hashing Algorithm that PyKMIP does not support, if PyKMIP supports the Digital Signature Algorithm.";
        "A Hashing Algorithm that contradicts the Digital Signature Algorithm is refused with Invalid Field.";
        "KMIP 1.4 §3.6";
    MacKeyTypes (1, 2)..=(2, 0):
        "MAC uses the bytes of a certificate or a split key as the key.";
        "Only symmetric keys, public keys, private keys and secret data generate a MAC.";
        "KMIP 1.4 §4.33";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pykmips_behavior_ends_with_the_last_version_that_it_supports() {
        let has = |compatibility: Compatibility, major, minor| {
            compatibility.in_version(major, minor).has(Difference::RepeatedAttributeName)
        };
        assert!(has(Compatibility::PyKmip, 1, 0) && has(Compatibility::PyKmip, 2, 0));
        assert!(!has(Compatibility::PyKmip, 2, 1) && !has(Compatibility::Standard, 1, 4));
        assert!(ROWS.iter().all(|row| row.since <= row.until && row.until <= (2, 0)));
    }
}

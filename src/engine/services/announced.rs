//! The server information that Query returns. An administrator can configure it, to test how clients process it; it
//! does not change the behaviour of the server.

use crate::kmip::enums::ProfileName;
use crate::kmip::structures::ValidationInformation;

/// The server information that Query and C_GetInfo of PKCS#11 return.
#[derive(Clone, Debug, PartialEq)]
pub struct Announced {
    /// The profiles in this order; `None` selects the profiles that the server implements.
    pub profiles: Option<Vec<Profile>>,
    /// The validations of the product, by default none.
    pub validations: Vec<ValidationInformation>,
    /// The manufacturer of the server.
    pub manufacturer: String,
    /// The product name.
    pub product: String,
    /// The product version, which begins with two numbers.
    pub version: String,
    /// The version of PKCS#11 that C_GetInfo returns.
    pub pkcs11_version: (u8, u8),
    /// The configured Vendor Identification of Query, or `None` for the one of the behaviour that applies.
    pub vendor_identification: Option<String>,
}

/// A profile and the address that supports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Profile Name.
    pub name: ProfileName,
    /// Server URI.
    pub uri: Option<String>,
    /// Server Port.
    pub port: Option<u16>,
}

/// The name of this server.
const PRODUCT: &str = "kmip-server";

impl Announced {
    /// Returns the Vendor Identification of Query.
    pub fn vendor_identification(&self) -> String {
        self.vendor_identification
            .clone()
            .unwrap_or_else(|| format!("{PRODUCT} {}", env!("CARGO_PKG_VERSION")))
    }
}

impl Default for Announced {
    /// Returns the information about this build of the server.
    fn default() -> Self {
        Self {
            profiles: None,
            validations: Vec::new(),
            manufacturer: PRODUCT.to_owned(),
            product: PRODUCT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // KMIP 2.1 refers to PKCS#11 3.0.
            pkcs11_version: (3, 0),
            vendor_identification: None,
        }
    }
}

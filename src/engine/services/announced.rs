//! What clients are told of the server where its administrator chose it: for people who test what their clients make
//! of such answers. Nothing here changes what the server does.

use crate::kmip::enums::ProfileName;
use crate::kmip::structures::ValidationInformation;

/// What Query, and C_GetInfo of PKCS#11, tell of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Announced {
    /// The profiles, in this order; `None` for those that the server's own tables meet.
    pub profiles: Option<Vec<Profile>>,
    /// The validations of the product. The server knows of none.
    pub validations: Vec<ValidationInformation>,
    /// Who made the server.
    pub manufacturer: String,
    /// What it is.
    pub product: String,
    /// Which one: two numbers, and more behind them.
    pub version: String,
    /// The version of PKCS#11 that C_GetInfo tells.
    pub pkcs11_version: (u8, u8),
    /// What Query calls maker and version together.
    pub vendor_identification: String,
}

/// A profile and where it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Which one.
    pub name: ProfileName,
    /// Server URI.
    pub uri: Option<String>,
    /// Server Port.
    pub port: Option<u16>,
}

/// What this server is called.
const PRODUCT: &str = "kmip-server";

impl Default for Announced {
    /// The server as it is.
    fn default() -> Self {
        Self {
            profiles: None,
            validations: Vec::new(),
            manufacturer: PRODUCT.to_owned(),
            product: PRODUCT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // KMIP 2.1 speaks of PKCS#11 3.0.
            pkcs11_version: (3, 0),
            vendor_identification: format!("{PRODUCT} {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

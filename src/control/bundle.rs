//! The certificates of the clients of `auto_certificates`, for tests that cannot read the folder of the server.

use std::fs;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::ControlError;
use crate::excerpt::Excerpt;
use crate::secret::Secret;

/// The files of a client.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// The common name.
    pub name: String,
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The certificate of the CA.
    pub ca: PathBuf,
}

/// Returns the contents of the files of a client, or of the first one.
pub(super) fn of(clients: &[ClientFiles], name: Option<&str>) -> Result<Secret, ControlError> {
    let found = clients.iter().find(|client| name.is_none_or(|name| client.name == name));
    let Some(ClientFiles { certificate, key, ca, .. }) = found else {
        let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
        return Err(ControlError::Unknown(match name {
            Some(name) if !names.is_empty() => {
                format!("there is no client {:?}; the clients are {}", Excerpt(name), names.join(", "))
            }
            _ => "the server has no certificates of clients; set auto_certificates".to_owned(),
        }));
    };
    let mut parts = Vec::new();
    for path in [key, certificate, ca] {
        let failed = |error| ControlError::Store(format!("cannot read {}: {error}", path.display()));
        parts.push(Zeroizing::new(fs::read(path).map_err(failed)?));
    }
    // A vector that grows would leave the key in the memory that it had before.
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.extend_from_slice(part));
    Ok(Secret::new(text))
}

//! What MAC and MAC Verify share: the key, the algorithm and the code of the data so far
//! (KMIP 1.4 §4.33 and §4.34, 2.1 §6.1.32 and §6.1.33).

use crate::crypto::Key;
use crate::crypto::mac::MacContext;
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, failed, key, lifecycle};
use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};

/// Finds the key and begins a code with it. The checks are in PyKMIP's order: the algorithm, the key's value, its
/// state, its mask.
///
/// # Errors
/// Permission Denied without an algorithm, as PyKMIP has it; those of [`Context::open`], [`key::bytes`],
/// [`usage::judge`] and [`MacContext::new`].
pub(super) fn begin(
    cx: &mut Context<'_>,
    identifier: Option<&UniqueIdentifier>,
    operation: Operation,
    purpose: Use,
    parameters: Option<CryptographicParameters>,
) -> Result<(Granted, MacContext), Error> {
    let granted = cx.open(identifier, operation)?;
    let parameters = usage::parameters(parameters, &granted).unwrap_or_default();
    let algorithm = usage::algorithm(&parameters, &granted).ok_or_else(|| {
        failed(ResultReason::PermissionDenied, "The Cryptographic Algorithm has to be given.")
    })?;
    usage::judge(&granted, purpose, cx.version, cx.now)?;
    let key = key::bytes(lifecycle::object(&granted)?)?;
    let coder = MacContext::new(algorithm, Key(key.expose()))?;
    Ok((granted, coder))
}

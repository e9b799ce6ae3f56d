//! Validate (KMIP 1.4 §4.24, 2.1 §6.1.57): validates a certificate chain.
//!
//! The chain ends with a self-signed certificate that the client sends and therefore trusts, or with one that the
//! authority of Certify issued. A revoked stored certificate is invalid at any Validity Date.

use crate::engine::{Context, failed};
use crate::kmip::enums::{CertificateType, ObjectType, ResultReason, State, ValidityIndicator};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Certificate, Error, Object, enums, structure};
use crate::ttlv::{DateTime, V2_0};
use crate::x509::chain::{self, Validity};

use super::Operation;

/// The maximum number of certificates in a chain.
const MAX_CERTIFICATES: usize = 10;

structure! {
    /// Request Payload.
    pub struct Request {
        Certificate => certificates: Vec<Certificate>,
        UniqueIdentifier => unique_identifiers: Vec<UniqueIdentifier>,
        ValidityDate => validity_date: Option<DateTime>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ValidityIndicator => validity_indicator: ValidityIndicator,
    }
}

pub(super) struct Validate;

impl Operation for Validate {
    const CODE: enums::Operation = enums::Operation::Validate;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request { mut certificates, unique_identifiers, validity_date } = request;
        let count = certificates.len().saturating_add(unique_identifiers.len());
        if count == 0 {
            return Err(failed(ResultReason::InvalidMessage, "The request contains no certificate."));
        }
        if count > MAX_CERTIFICATES {
            return Err(failed(
                ResultReason::InvalidField,
                format!("The request contains more than {MAX_CERTIFICATES} certificates."),
            ));
        }
        // All certificates are read first, so that an access error takes precedence over a revocation.
        let mut revoked = false;
        for identifier in &unique_identifiers {
            match kept(cx, identifier)? {
                Some(certificate) => certificates.push(certificate),
                None => revoked = true,
            }
        }
        if certificates.iter().any(|certificate| certificate.certificate_type != CertificateType::X509) {
            return Err(failed(
                ResultReason::FeatureNotSupported,
                "Only X.509 certificates can be validated.",
            ));
        }
        let validity = if revoked {
            Validity::Invalid
        } else {
            let mut chain: Vec<&[u8]> =
                certificates.iter().map(|certificate| certificate.certificate_value.as_slice()).collect();
            // A certificate that the request both contains and names counts once.
            chain.sort_unstable();
            chain.dedup();
            let authority = cx.authority_certificate()?;
            chain::validate(&chain, authority.as_deref(), validity_date.unwrap_or(cx.now))
        };
        Ok(Response { validity_indicator: indicator(validity) })
    }
}

/// Returns a stored certificate, or `None` if its state forbids its use.
fn kept(cx: &mut Context<'_>, identifier: &UniqueIdentifier) -> Result<Option<Certificate>, Error> {
    let granted = cx.open(Some(identifier), Validate::CODE)?;
    if granted.object_type != ObjectType::Certificate {
        let reason =
            if cx.version >= V2_0 { ResultReason::InvalidObjectType } else { ResultReason::InvalidMessage };
        return Err(failed(
            reason,
            format!("An object of the type {} is not a certificate.", granted.object_type),
        ));
    }
    let usable = matches!(granted.attributes.state, Some(State::PreActive | State::Active));
    Ok(match &granted.object {
        Some(Object::Certificate(certificate)) if usable => Some(certificate.clone()),
        _ => None,
    })
}

fn indicator(validity: Validity) -> ValidityIndicator {
    match validity {
        Validity::Valid => ValidityIndicator::Valid,
        Validity::Invalid => ValidityIndicator::Invalid,
        Validity::Unknown => ValidityIndicator::Unknown,
    }
}

//! Certify (KMIP 1.4 §4.7, 2.1 §6.1.6): issues a certificate for a public key.

use crate::engine::{Context, Granted, RequestedAttributes, Requester, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{CertificateRequestType, LinkType, ObjectType, ResultReason, UniqueIdentifierValue};
use crate::kmip::structures::{Link, ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{DateTime, Tag, V1_4, V2_0};

use super::Operation;
use super::certification::{self, PERIOD};
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CertificateRequestType => certificate_request_type: Option<CertificateRequestType>,
        CertificateRequest[..=V1_4] => certificate_request: Option<Vec<u8>>,
        CertificateRequestValue[V2_0..] => certificate_request_value: Option<Vec<u8>>,
        Attributes => attributes: Option<TemplateAttribute>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

pub(super) struct Certify;

impl Operation for Certify {
    const CODE: enums::Operation = enums::Operation::Certify;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let given = RequestedAttributes::of_optional(cx, request.attributes)?;
        let certificate_type = certification::check_type(&given)?;
        let value = request.certificate_request.or(request.certificate_request_value);
        let asked = certification::requested(request.certificate_request_type, value.as_ref())?;

        // A certificate request contains the key, so the Unique Identifier is optional beside it.
        let named = request.unique_identifier.is_some() || asked.is_none();
        let granted = match named {
            true => Some(cx.open(request.unique_identifier.as_ref(), Self::CODE)?),
            false => None,
        };
        let (subject, key) = match (asked, granted) {
            (Some(subject), None) => (subject, None),
            (asked, Some(granted)) if granted.object_type == ObjectType::CertificateRequest => {
                if asked.is_some() {
                    return Err(invalid_field(
                        "The request contains a certificate request and also names one; use one of them.",
                    ));
                }
                (certification::kept_request(cx, &granted.id.into(), Self::CODE)?, None)
            }
            (Some(subject), Some(granted)) => {
                if subject.key()? != certification::key_info(cx, &granted)? {
                    return Err(failed(
                        ResultReason::InvalidCsr,
                        "The key of the certificate request differs from the public key that the request names.",
                    ));
                }
                (subject, Some(granted))
            }
            (None, Some(granted)) => {
                if certificate_type.is_none() {
                    return Err(invalid_field(
                        "The Certificate Type attribute is required without a certificate request.",
                    ));
                }
                let info = certification::key_info(cx, &granted)?;
                (certification::described(&given, &granted, &info)?, Some(granted))
            }
            (None, None) => {
                return Err(invalid_field(
                    "The request contains neither a certificate request nor a Unique Identifier.",
                ));
            }
        };

        let from = given.read(Tag::ActivationDate).unwrap_or(cx.now);
        let to = given.read(Tag::DeactivationDate).unwrap_or(DateTime(from.0.saturating_add(PERIOD)));
        let mut draft = certification::issue(cx, &subject, &given, (from, to))?;
        let key = key.map(|key: Granted| key.id);
        draft.attributes.link.extend(key.map(|key| Link::new(LinkType::PublicKeyLink, key)));

        let new = draft.finish(&Requester::of(cx))?;
        let id = cx.insert_and_modify(new, (key.as_slice(), Self::CODE), |key, certificate| {
            key.attributes.link.push(Link::new(LinkType::CertificateLink, certificate));
        })?;
        cx.set_placeholders(UniqueIdentifierValue::Certify, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

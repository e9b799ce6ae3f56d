//! Re-certify (KMIP 1.4 §4.8, 2.1 §6.1.45): issues a replacement for an existing certificate.

use crate::engine::{Context, Granted, RequestedAttributes, Requester, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CertificateRequestType, CertificateType, LinkType, ResultReason, UniqueIdentifierValue,
};
use crate::kmip::structures::{Link, ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Certificate, Error, Object, enums, structure};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Interval, Tag, V1_2, V1_4, V2_0};
use crate::x509;
use crate::x509::issuer::Subject;

use super::certification::{self, PERIOD};
use super::object_payloads::Response;
use super::{Operation, split_keys};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CertificateRequestUniqueIdentifier[V2_0..] => certificate_request_unique_identifier: Option<UniqueIdentifier>,
        CertificateRequestType => certificate_request_type: Option<CertificateRequestType>,
        CertificateRequest[..=V1_4] => certificate_request: Option<Vec<u8>>,
        CertificateRequestValue[V2_0..] => certificate_request_value: Option<Vec<u8>>,
        /// The interval between the Initial Date and the Activation Date of the new certificate.
        Offset => offset: Option<Interval>,
        Attributes => attributes: Option<TemplateAttribute>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

pub(super) struct ReCertify;

/// The attributes that the new certificate does not copy: this file sets links and dates and moves the names (1.4 §4.8,
/// Table 187), and the others describe the history of the old certificate.
const NOT_COPIED: &[Tag] = &[
    Tag::Name,
    Tag::Link,
    Tag::ActivationDate,
    Tag::DeactivationDate,
    Tag::Fresh,
    Tag::OriginalCreationDate,
    Tag::RandomNumberGenerator,
    Tag::CryptographicAlgorithm,
    Tag::CryptographicLength,
];

impl Operation for ReCertify {
    const CODE: enums::Operation = enums::Operation::ReCertify;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let given = RequestedAttributes::of_optional(cx, request.attributes)?;
        certification::check_type(&given)?;
        let old = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        let der = x509_of(cx, &old)?.certificate_value.clone();
        let read = x509::Certificate::read(&der);

        let value = request.certificate_request.or(request.certificate_request_value);
        let asked = certification::requested(request.certificate_request_type, value.as_ref())?;
        let kept = request.certificate_request_unique_identifier.as_ref();
        let asked = match (asked, kept) {
            (Some(_), Some(_)) => {
                return Err(invalid_field(
                    "The request contains a certificate request and also names one; use one of them.",
                ));
            }
            (None, Some(identifier)) => Some(certification::kept_request(cx, identifier, Self::CODE)?),
            (asked, None) => asked,
        };
        let subject = match asked {
            Some(subject) if Some(subject.key()?) == read.public_key_info => subject,
            Some(_) => {
                return Err(failed(
                    ResultReason::InvalidCsr,
                    "The key of the certificate request differs from that of the existing certificate.",
                ));
            }
            None => Subject::of_certificate(&der).map_err(certification::invalid_request)?,
        };

        let dates = Dates::of(&given, request.offset, &old, cx.now)?;
        let period = read.validity.map_or(PERIOD, |(from, to)| to.0.saturating_sub(from.0));
        let mut all = given.or(&RequestedAttributes::inherited(&old, NOT_COPIED));
        for (tag, date) in
            [(Tag::ActivationDate, dates.activation), (Tag::DeactivationDate, dates.deactivation)]
        {
            all = all.without(tag);
            if let Some(date) = date {
                all = all.with(tag, &date);
            }
        }
        let mut draft = certification::issue(cx, &subject, &all, dates.validity(cx.now, period))?;

        let public_key = linked(&old, LinkType::PublicKeyLink);
        let replaced = [Link::new(LinkType::ReplacedObjectLink, old.id)];
        let key = public_key.map(|key| Link::new(LinkType::PublicKeyLink, key));
        let names = old.attributes.name.clone();
        let own = std::mem::take(&mut draft.attributes.name);
        // In the standard's test cases the old names and links come first up to 1.1, and last in later versions.
        if cx.version < V1_2 {
            draft.attributes.link.extend(replaced.into_iter().chain(key));
            draft.attributes.name.extend(names.into_iter().chain(own));
        } else {
            draft.attributes.link.extend(key.into_iter().chain(replaced));
            draft.attributes.name.extend(own.into_iter().chain(names));
        }
        let mut seen = Vec::new();
        draft.attributes.name.retain(|name| {
            let is_new = !seen.contains(name);
            seen.push(name.clone());
            is_new
        });

        let new = draft.finish(&Requester::of(cx))?;
        let others: Vec<_> = std::iter::once(old.id).chain(still_there(cx, public_key)?).collect();
        let id = cx.insert_and_modify(new, (&others, Self::CODE), |record, certificate| {
            let is_old = record.id == old.id;
            let (dropped, added) = if is_old {
                record.attributes.name.clear();
                (None, LinkType::ReplacementObjectLink)
            } else {
                (Some(Link::new(LinkType::CertificateLink, old.id)), LinkType::CertificateLink)
            };
            let links = &mut record.attributes.link;
            // A certificate has one replacement, and the key links to it instead of the old certificate.
            links.retain(|link| Some(link) != dropped.as_ref() && !(is_old && link.link_type == added));
            links.push(Link::new(added, certificate));
        })?;
        cx.set_placeholders(UniqueIdentifierValue::ReCertify, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

/// Returns the public key of the old certificate, or `None` if it no longer exists.
fn still_there(cx: &mut Context<'_>, key: Option<Id>) -> Result<Option<Id>, Error> {
    let Some(key) = key else { return Ok(None) };
    match cx.open(Some(&key.into()), ReCertify::CODE) {
        Ok(_) => Ok(Some(key)),
        Err(error) if matches!(error.reason, ResultReason::ItemNotFound | ResultReason::ObjectNotFound) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn linked(record: &Record, link_type: LinkType) -> Option<Id> {
    let link = record.attributes.link.iter().find(|link| link.link_type == link_type)?;
    link.linked_object_identifier.text().and_then(Id::parse)
}

fn x509_of<'a>(cx: &Context<'_>, granted: &'a Granted) -> Result<&'a Certificate, Error> {
    match split_keys::present(granted)? {
        Object::Certificate(certificate) if certificate.certificate_type == CertificateType::X509 => {
            Ok(certificate)
        }
        _ => Err(certification::not_certifiable(cx, granted)),
    }
}

/// The dates of the new certificate.
#[derive(Debug, PartialEq)]
struct Dates {
    activation: Option<DateTime>,
    deactivation: Option<DateTime>,
    /// Whether they are copies of the old dates, which do not define the validity of the new certificate.
    copied: bool,
}

impl Dates {
    /// Computes the dates as 1.4 §4.8, Table 186 defines.
    fn of(
        given: &RequestedAttributes,
        offset: Option<Interval>,
        old: &Record,
        now: DateTime,
    ) -> Result<Self, Error> {
        let wanted = |tag| given.read::<DateTime>(tag);
        let (activation, deactivation) = (wanted(Tag::ActivationDate), wanted(Tag::DeactivationDate));
        let is_given = activation.is_some() || deactivation.is_some();
        let before = &old.attributes;
        Ok(match offset {
            Some(_) if is_given => {
                return Err(failed(
                    ResultReason::InvalidMessage,
                    "The request must not contain both an Offset and an activation or deactivation date.",
                ));
            }
            Some(offset) => {
                let begins = DateTime(now.0.saturating_add(i64::from(offset.0)));
                let later = before.activation_date.map_or(0, |first| begins.0.saturating_sub(first.0));
                let ends = before.deactivation_date.map(|last| DateTime(last.0.saturating_add(later)));
                Self { activation: Some(begins), deactivation: ends, copied: false }
            }
            None if is_given => Self { activation, deactivation, copied: false },
            None => Self {
                activation: before.activation_date,
                deactivation: before.deactivation_date,
                copied: true,
            },
        })
    }

    fn validity(&self, now: DateTime, period: i64) -> (DateTime, DateTime) {
        let after = |from: DateTime| DateTime(from.0.saturating_add(period));
        if self.copied {
            return (now, after(now));
        }
        let from = self.activation.unwrap_or(now);
        (from, self.deactivation.unwrap_or_else(|| after(from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::ObjectType;

    fn old(activation: Option<i64>, deactivation: Option<i64>) -> Record {
        let attributes = Attributes {
            activation_date: activation.map(DateTime),
            deactivation_date: deactivation.map(DateTime),
            ..Attributes::default()
        };
        let (owner, object_type) = ("john".into(), ObjectType::Certificate);
        Record { id: Id(1), owner, object_type, attributes, object: None }
    }

    fn dates(
        given: &RequestedAttributes,
        offset: Option<u32>,
        old: &Record,
    ) -> Option<(Option<i64>, Option<i64>)> {
        let dates = Dates::of(given, offset.map(Interval), old, DateTime(1_000)).ok()?;
        Some((dates.activation.map(|date| date.0), dates.deactivation.map(|date| date.0)))
    }

    #[test]
    fn copies_dates_or_shifts_them_by_the_offset() {
        let none = RequestedAttributes::default();
        assert_eq!(dates(&none, None, &old(Some(100), Some(300))), Some((Some(100), Some(300))));
        assert_eq!(dates(&none, None, &old(None, None)), Some((None, None)));
        assert_eq!(dates(&none, Some(50), &old(Some(100), Some(300))), Some((Some(1_050), Some(1_250))));
        assert_eq!(dates(&none, Some(0), &old(None, None)), Some((Some(1_000), None)));
        let given = RequestedAttributes::default().with(Tag::DeactivationDate, &DateTime(2_000));
        assert_eq!(dates(&given, None, &old(Some(100), Some(300))), Some((None, Some(2_000))));
        assert_eq!(dates(&given, Some(1), &old(None, None)), None);
    }

    #[test]
    fn renews_from_now_unless_the_request_contains_dates() {
        let now = DateTime(1_000);
        let validity = |offset: Option<u32>, old: &Record| {
            Dates::of(&RequestedAttributes::default(), offset.map(Interval), old, now)
                .unwrap()
                .validity(now, 500)
        };
        assert_eq!(validity(None, &old(Some(100), Some(300))), (now, DateTime(1_500)));
        assert_eq!(validity(Some(10), &old(Some(100), Some(300))), (DateTime(1_010), DateTime(1_210)));
        assert_eq!(validity(Some(10), &old(None, None)), (DateTime(1_010), DateTime(1_510)));
    }
}

//! A private key in a PKCS#12 container, with its certificates (KMIP 1.4 §4.11, 2.1 §6.1.19): found by the links of
//! the key, under the password that it links to; and the way back, of one that is registered (1.4 §4.3).

use crate::crypto::pkcs12::{self, Contents};
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{
    CertificateType, KeyFormatType, LinkType, ObjectType, Operation, ResultReason, State,
};
use crate::kmip::structures::{Link, UniqueIdentifier};
use crate::kmip::{Certificate, Error, Key, KeyBlock, KeyMaterial, KeyValue, Object};
use crate::secret::Secret;
use crate::store::Record;
use crate::ttlv::Tag;

use super::context::Context;
use super::creation::RequestedAttributes;
use super::error::{failed, wrong_state};
use super::key::{self, PlainKey};
use super::lifecycle;

/// The longest chain of certificates: more than any that is in use, and a circle of links ends.
const MAX_CHAIN: usize = 16;

/// The private key with those attributes as a container.
///
/// # Errors
/// Key Format Type Not Supported for another object, and for a key without a link to its password; Wrong Key
/// Lifecycle State (before 2.0 Permission Denied) for a password that is not active; those of [`Context::open`] for
/// what is linked and cannot be had.
pub(super) fn pkcs12(
    cx: &mut Context<'_>,
    object: &Object,
    attributes: &Attributes,
) -> Result<Object, Error> {
    let unfit = |why| failed(ResultReason::KeyFormatTypeNotSupported, why);
    let (Object::PrivateKey(_), Ok(key)) = (object, PlainKey::read(object)) else {
        return Err(unfit("Only a private key that the server can read is given in a PKCS#12 container."));
    };
    let Ok(KeyMaterial::Bytes(key)) = key.write(KeyFormatType::Pkcs8, false) else {
        return Err(unfit("The key has no PKCS#8 form, which a PKCS#12 container holds."));
    };
    let password = linked(attributes, LinkType::Pkcs12PasswordLink).ok_or_else(|| {
        unfit("A key in a PKCS#12 container needs a link to the password of the container.")
    })?;
    let password = password_of(cx, &password)?;
    let certificates = chain(cx, attributes)?;
    let friendly_name = attributes.pkcs12_friendly_name.as_deref();
    let contents = Contents { key: &key, certificates: &certificates, friendly_name };
    let container = cx.with_cpu_permit(|| Ok(pkcs12::write(&contents, password.expose())?))?;
    let key_block = KeyBlock {
        key_format_type: KeyFormatType::Pkcs12,
        key_compression_type: None,
        key_value: Some(KeyValue::Wrapped(Secret::new(container))),
        cryptographic_algorithm: None,
        cryptographic_length: None,
        key_wrapping_data: None,
    };
    Ok(Object::PrivateKey(Key { key_block }))
}

/// What a container is taken apart into, and what each part is called.
#[derive(Debug)]
pub struct Unpacked {
    /// The private key, in PKCS#8.
    pub key: Object,
    /// What the container calls the key by.
    pub friendly_name: Option<String>,
    /// The certificates, the key's own first, and what the container calls each by.
    pub certificates: Vec<(Object, Option<String>)>,
}

/// The parts of a container that is registered as a private key with a link to its password. None for any other
/// object, and for a container without such a link, which is kept as it came.
///
/// # Errors
/// Wrong Key Lifecycle State (before 2.0 Permission Denied) for a password that is not active, those of
/// [`Context::open`] for one that cannot be had, Cryptographic Failure for a container that cannot be taken apart.
pub fn unpack(
    cx: &mut Context<'_>,
    object: &Object,
    given: &RequestedAttributes,
) -> Result<Option<Unpacked>, Error> {
    let Object::PrivateKey(Key { key_block: block }) = object else { return Ok(None) };
    let links: Vec<Link> = given.all(Tag::Link);
    let password = links.into_iter().find(|link| link.link_type == LinkType::Pkcs12PasswordLink);
    let (Some(password), KeyFormatType::Pkcs12, None) =
        (password, block.key_format_type, &block.key_wrapping_data)
    else {
        return Ok(None);
    };
    let container = match &block.key_value {
        Some(KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => bytes,
        _ => return Ok(None),
    };
    let password = password_of(cx, &password.linked_object_identifier)?;
    let name: Option<String> = given.read(Tag::Pkcs12FriendlyName);
    let opened =
        cx.with_cpu_permit(|| Ok(pkcs12::open(container.expose(), password.expose(), name.as_deref())?))?;
    let key_block = KeyBlock {
        key_format_type: KeyFormatType::Pkcs8,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(opened.key))),
        cryptographic_algorithm: block.cryptographic_algorithm,
        cryptographic_length: block.cryptographic_length,
        key_wrapping_data: None,
    };
    let certificates = opened.certificates.into_iter().map(|it| {
        let (certificate_type, certificate_value) = (CertificateType::X509, it.der);
        (Object::Certificate(Certificate { certificate_type, certificate_value }), it.friendly_name)
    });
    Ok(Some(Unpacked {
        key: Object::PrivateKey(Key { key_block }),
        friendly_name: opened.friendly_name,
        certificates: certificates.collect(),
    }))
}

/// Links the key of a container to its first certificate, and each certificate to the next, as
/// [`LinkType::Pkcs12CertificateLink`] has it (1.4 §3.35).
pub fn chain_up(records: &mut [Record]) {
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    for (record, next) in records.iter_mut().zip(ids.iter().skip(1)) {
        record.attributes.link.push(Link::new(LinkType::Pkcs12CertificateLink, *next));
    }
}

fn password_of(cx: &mut Context<'_>, identifier: &UniqueIdentifier) -> Result<Secret, Error> {
    let record = cx.open(Some(identifier), Operation::Get)?;
    if record.object_type != ObjectType::SecretData {
        return Err(failed(ResultReason::InvalidField, "The password of a container has to be secret data."));
    }
    if !lifecycle::is_destroyed(&record) && record.attributes.state != Some(State::Active) {
        return Err(wrong_state("The password of the container is not active."));
    }
    key::bytes(lifecycle::object(&record)?)
}

/// The certificate of the key, or of its public half, and those above it.
fn chain(cx: &mut Context<'_>, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
    let mut next = certificate_link(attributes);
    if next.is_none()
        && let Some(public) = linked(attributes, LinkType::PublicKeyLink)
    {
        let public = cx.open(Some(&public), Operation::GetAttributes)?;
        next = certificate_link(&public.attributes);
    }
    let mut certificates: Vec<Vec<u8>> = Vec::new();
    while let Some(identifier) = next {
        let record = cx.open(Some(&identifier), Operation::Get)?;
        let Some(Object::Certificate(certificate)) = &record.object else { break };
        // One that signed itself may link to itself.
        if certificates.len() == MAX_CHAIN || certificates.contains(&certificate.certificate_value) {
            break;
        }
        certificates.push(certificate.certificate_value.clone());
        next = certificate_link(&record.attributes);
    }
    Ok(certificates)
}

fn certificate_link(attributes: &Attributes) -> Option<UniqueIdentifier> {
    linked(attributes, LinkType::Pkcs12CertificateLink)
        .or_else(|| linked(attributes, LinkType::CertificateLink))
}

fn linked(attributes: &Attributes, kind: LinkType) -> Option<UniqueIdentifier> {
    let link = attributes.link.iter().find(|link| link.link_type == kind)?;
    Some(link.linked_object_identifier.clone())
}

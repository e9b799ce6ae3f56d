//! PKCS#12 containers: export of a private key with its certificates under the password that its links name (KMIP 1.4
//! §4.11, 2.1 §6.1.19), and the parts of a registered container (1.4 §4.3).

use crate::cpu_permits::Effort;
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

/// The maximum length of a certificate chain, longer than those in use. It also ends a cycle of links.
const MAX_CHAIN: usize = 16;

/// Returns the private key as a PKCS#12 container with its certificates.
///
/// # Errors
/// Returns Key Format Type Not Supported for any other object and for a key without a link to a password, Wrong Key
/// Lifecycle State (before 2.0 Permission Denied) if the password is not active, and the errors of [`Context::open`] for
/// the linked objects.
pub(super) fn pkcs12(
    cx: &mut Context<'_>,
    object: &Object,
    attributes: &Attributes,
) -> Result<Object, Error> {
    let unsupported = |message| failed(ResultReason::KeyFormatTypeNotSupported, message);
    let (Object::PrivateKey(_), Ok(key)) = (object, PlainKey::read(object)) else {
        return Err(unsupported("Only a private key that the server can parse has the format PKCS#12."));
    };
    let Ok(KeyMaterial::Bytes(key)) = key.write(KeyFormatType::Pkcs8, false) else {
        return Err(unsupported("The key has no PKCS#8 encoding, which a PKCS#12 container requires."));
    };
    let password = linked(attributes, LinkType::Pkcs12PasswordLink).ok_or_else(|| {
        unsupported("The format PKCS#12 requires a PKCS#12 Password Link from the key to its password.")
    })?;
    let password = open_password(cx, &password)?;
    let certificates = certificate_chain(cx, attributes)?;
    let friendly_name = attributes.pkcs12_friendly_name.as_deref();
    let contents = Contents { key: &key, certificates: &certificates, friendly_name };
    let container =
        cx.with_cpu_permit(Effort::Seconds, || Ok(pkcs12::write(&contents, password.expose())?))?;
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

/// The parts of a container.
#[derive(Debug)]
pub struct Unpacked {
    /// The private key, in PKCS#8.
    pub key: Object,
    /// The friendly name of the key.
    pub friendly_name: Option<String>,
    /// The certificates with their friendly names; the key's own certificate comes first.
    pub certificates: Vec<(Object, Option<String>)>,
}

/// Returns the parts of a container that a client registers as a private key with a link to its password, or `None` for
/// any other object. A container without such a link is stored unchanged.
///
/// # Errors
/// Returns Wrong Key Lifecycle State (before 2.0 Permission Denied) if the password is not active, Cryptographic Failure
/// if the container cannot be opened, and the errors of [`Context::open`] for the password.
pub fn unpack(
    cx: &mut Context<'_>,
    object: &Object,
    requested: &RequestedAttributes,
) -> Result<Option<Unpacked>, Error> {
    let Object::PrivateKey(Key { key_block: block }) = object else { return Ok(None) };
    let links: Vec<Link> = requested.all(Tag::Link);
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
    let password = open_password(cx, &password.linked_object_identifier)?;
    let name: Option<String> = requested.read(Tag::Pkcs12FriendlyName);
    let opened = cx.with_cpu_permit(Effort::Seconds, || {
        Ok(pkcs12::open(container.expose(), password.expose(), name.as_deref())?)
    })?;
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

/// Links the key of a container to its first certificate, and each certificate to the next, by
/// [`LinkType::Pkcs12CertificateLink`] (1.4 §3.35).
pub fn link_chain(records: &mut [Record]) {
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    for (record, next) in records.iter_mut().zip(ids.iter().skip(1)) {
        record.attributes.link.push(Link::new(LinkType::Pkcs12CertificateLink, *next));
    }
}

/// Returns the password that a link names.
fn open_password(cx: &mut Context<'_>, identifier: &UniqueIdentifier) -> Result<Secret, Error> {
    let record = cx.open(Some(identifier), Operation::Get)?;
    if record.object_type != ObjectType::SecretData {
        return Err(failed(
            ResultReason::InvalidField,
            "The password of a container must be a Secret Data object.",
        ));
    }
    if !lifecycle::is_destroyed(&record) && record.attributes.state != Some(State::Active) {
        return Err(wrong_state("The password of the container is not active."));
    }
    key::bytes(lifecycle::object(&record)?)
}

/// Returns the certificate chain of the key: its own certificate or that of its public key, then those of the issuers.
fn certificate_chain(cx: &mut Context<'_>, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
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
        // A self-signed certificate can link to itself.
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

fn linked(attributes: &Attributes, link_type: LinkType) -> Option<UniqueIdentifier> {
    let link = attributes.link.iter().find(|link| link.link_type == link_type)?;
    Some(link.linked_object_identifier.clone())
}

//! Re-key Key Pair (KMIP 1.4 §4.5, 2.1 §6.1.47): generates a replacement for a key pair.
//!
//! The request names the private key, whose Link identifies the public key. The policy of the private key must permit
//! Re-key Key Pair, that of the public key Modify Attribute, because its names and links change.

use crate::engine::replacement::{self, ReplacementRequest};
use crate::engine::{Context, Requester, failed, invalid_field};
use crate::kmip::enums::{LinkType, ObjectType, ResultReason, UniqueIdentifierValue};
use crate::kmip::structures::{Link, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::Interval;

use super::Operation;
use super::create_key_pair::{PairAttributes, Response, generate};

structure! {
    /// Request Payload.
    pub struct Request {
        PrivateKeyUniqueIdentifier => private_key_unique_identifier: Option<UniqueIdentifier>,
        Offset => offset: Option<Interval>,
        CommonAttributes => attributes: PairAttributes,
    }
}

pub(super) struct ReKeyKeyPair;

impl Operation for ReKeyKeyPair {
    const CODE: enums::Operation = enums::Operation::ReKeyKeyPair;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (public, private) = request.attributes.requested(cx)?;
        let private = ReplacementRequest { offset: request.offset, requested: private }.checked()?;
        let public = ReplacementRequest { offset: request.offset, requested: public }.checked()?;

        let old = cx.open(request.private_key_unique_identifier.as_ref(), Self::CODE)?;
        replacement::check_replaceable(&old, ObjectType::PrivateKey)?;
        let old_public = cx.open(Some(&public_key(&old)?), enums::Operation::ModifyAttribute)?;
        replacement::check_replaceable(&old_public, ObjectType::PublicKey)?;
        let (of_private, of_public) = (private.attributes(&old), public.attributes(&old_public));
        let pair = generate(cx, &of_public, &of_private)?;
        let private_key = pair.private_key(&of_private, cx.version)?;
        let public_key = pair.public_key(&of_public, cx.version)?;

        let requester = Requester::of(cx);
        let judged = [(old.id, Self::CODE), (old_public.id, enums::Operation::ModifyAttribute)];
        let ids = cx.insert_replacements(&judged, |pairs| {
            let Ok([(mut old, id), (mut old_public, public_id)]) = <[_; 2]>::try_from(pairs) else {
                return Ok(Vec::new());
            };
            replacement::check_replaceable(&old, ObjectType::PrivateKey)?;
            replacement::check_replaceable(&old_public, ObjectType::PublicKey)?;
            let mut new = replacement::replace(&mut old, id, private_key.clone(), &private, &requester)?;
            let mut new_public =
                replacement::replace(&mut old_public, public_id, public_key.clone(), &public, &requester)?;
            pair.complete(&mut new_public, &mut new);
            new.attributes.link.insert(0, Link::new(LinkType::PublicKeyLink, public_id));
            new_public.attributes.link.insert(0, Link::new(LinkType::PrivateKeyLink, id));
            let (new, new_public) =
                (new.finish(&requester)?.with_id(id), new_public.finish(&requester)?.with_id(public_id));
            Ok(vec![(old, new), (old_public, new_public)])
        })?;
        let [id, public_id] =
            ids.try_into().map_err(|_| invalid_field("The server stored no new key pair."))?;
        cx.set_placeholders(UniqueIdentifierValue::ReKeyKeyPairPublicKey, public_id);
        cx.set_placeholders(UniqueIdentifierValue::ReKeyKeyPairPrivateKey, id);
        Ok(Response {
            private_key_unique_identifier: id.into(),
            public_key_unique_identifier: public_id.into(),
        })
    }
}

/// Returns the public key that the private key links to.
fn public_key(private: &Record) -> Result<UniqueIdentifier, Error> {
    let mut links = private.attributes.link.iter();
    let found = links.find(|link| link.link_type == LinkType::PublicKeyLink);
    found.map(|link| link.linked_object_identifier.clone()).ok_or_else(|| {
        failed(ResultReason::PermissionDenied, "The private key has no Link to its public key.")
    })
}

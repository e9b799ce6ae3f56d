//! Create Key Pair (KMIP 1.4 §4.2, 2.1 §6.1.9): the server generates a public key and its private key.

use crate::crypto::rsa;
use crate::engine::{Asker, Context, Draft, Given, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, KeyFormatType, LinkType, ResultReason,
    UniqueIdentifierValue,
};
use crate::kmip::structures::{Link, ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, Key, KeyBlock, KeyMaterial, KeyValue, Object, enums, structure};
use crate::ttlv::{Secret, Tag, V2_0};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        CommonAttributes => common: Option<TemplateAttribute>,
        PrivateKeyAttributes => private: Option<TemplateAttribute>,
        PublicKeyAttributes => public: Option<TemplateAttribute>,
        CommonProtectionStorageMasks[V2_0..] => common_storage: Option<ProtectionStorageMasks>,
        PrivateProtectionStorageMasks[V2_0..] => private_storage: Option<ProtectionStorageMasks>,
        PublicProtectionStorageMasks[V2_0..] => public_storage: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        PrivateKeyUniqueIdentifier => private_key_unique_identifier: UniqueIdentifier,
        PublicKeyUniqueIdentifier => public_key_unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct CreateKeyPair;

impl Operation for CreateKeyPair {
    const CODE: enums::Operation = enums::Operation::CreateKeyPair;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let public = Given::of_optional(cx, request.public.as_ref())?;
        let private = Given::of_optional(cx, request.private.as_ref())?;
        let common = Given::of_optional(cx, request.common.as_ref())?;
        let (public, private) = (public.or(&common), private.or(&common));

        let algorithm = agreed::<CryptographicAlgorithm>(&public, &private, Tag::CryptographicAlgorithm)?;
        let length = agreed::<i32>(&public, &private, Tag::CryptographicLength)?;
        if algorithm != CryptographicAlgorithm::Rsa {
            return Err(invalid_field(format!("Key pairs of the algorithm {algorithm} cannot be made.")));
        }
        // A negative length is no length of any key.
        let pair = cx.heavy(|| {
            rsa::generate(u32::try_from(length).unwrap_or(0))
                .map_err(|error| failed(ResultReason::CryptographicFailure, error.to_string()))
        })?;
        let block = |format, bytes| Key {
            key_block: KeyBlock {
                key_format_type: format,
                key_compression_type: None,
                key_value: Some(KeyValue::of(KeyMaterial::Bytes(bytes))),
                cryptographic_algorithm: Some(algorithm),
                cryptographic_length: Some(length),
                key_wrapping_data: None,
            },
        };
        let public_key = Object::PublicKey(block(KeyFormatType::Pkcs1, Secret::new(pair.public_pkcs1)));
        let private_key = Object::PrivateKey(block(KeyFormatType::Pkcs8, pair.private_pkcs8));

        let mut public = Draft::generated(public_key, cx.now).give(&public)?;
        let mut private = Draft::generated(private_key, cx.now).give(&private)?;
        public.attributes.cryptographic_usage_mask.get_or_insert(PUBLIC_USAGE);
        private.attributes.cryptographic_usage_mask.get_or_insert(PRIVATE_USAGE);

        let asker = Asker::of(cx);
        let ids = cx.insert(2, |ids| {
            let [public_id, private_id] = *ids else { return Ok(Vec::new()) };
            let link =
                |link_type, to: crate::store::Id| Link { link_type, linked_object_identifier: to.into() };
            public.attributes.link.push(link(LinkType::PrivateKeyLink, private_id));
            private.attributes.link.push(link(LinkType::PublicKeyLink, public_id));
            Ok(vec![public.into_record(public_id, &asker)?, private.into_record(private_id, &asker)?])
        })?;
        let [public_id, private_id] = ids.try_into().map_err(|_| invalid_field("No pair was made."))?;
        cx.leave(UniqueIdentifierValue::CreateKeyPairPublicKey, public_id);
        cx.leave(UniqueIdentifierValue::CreateKeyPairPrivateKey, private_id);
        Ok(Response {
            private_key_unique_identifier: private_id.into(),
            public_key_unique_identifier: public_id.into(),
        })
    }
}

/// What a public key may be used for where the client does not say.
const PUBLIC_USAGE: CryptographicUsageMask =
    CryptographicUsageMask(CryptographicUsageMask::VERIFY.0 | CryptographicUsageMask::ENCRYPT.0);
/// What a private key may be used for where the client does not say.
const PRIVATE_USAGE: CryptographicUsageMask =
    CryptographicUsageMask(CryptographicUsageMask::SIGN.0 | CryptographicUsageMask::DECRYPT.0);

/// The value on which both keys have to agree.
fn agreed<T: crate::ttlv::Value + PartialEq>(public: &Given, private: &Given, tag: Tag) -> Result<T, Error> {
    let of = |given: &Given, key| {
        given
            .read::<T>(tag)
            .ok_or_else(|| invalid_field(format!("The {tag} attribute of the {key} key has to be given.")))
    };
    let (public, private) = (of(public, "public")?, of(private, "private")?);
    if public != private {
        return Err(invalid_field(format!("Both keys of a pair have to have the same {tag}.")));
    }
    Ok(public)
}

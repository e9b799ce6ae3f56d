//! Create (KMIP 1.4 §4.1, 2.1 §6.1.8): the server generates a symmetric key.

use crate::crypto::symmetric_key;
use crate::engine::{Asker, Context, Draft, Given, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, KeyFormatType, ObjectType, UniqueIdentifierValue,
};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, Key, KeyBlock, KeyMaterial, KeyValue, Object, enums, structure};
use crate::ttlv::{Tag, V2_0};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        Attributes => attributes: TemplateAttribute,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct Create;

impl Operation for Create {
    const CODE: enums::Operation = enums::Operation::Create;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if request.object_type != ObjectType::SymmetricKey {
            return Err(invalid_field(format!(
                "Create makes symmetric keys, no object of the type {}.",
                request.object_type
            )));
        }
        let given = Given::of(cx, &request.attributes)?;
        let algorithm: CryptographicAlgorithm = given
            .read(Tag::CryptographicAlgorithm)
            .ok_or_else(|| invalid_field("The Cryptographic Algorithm attribute has to be given."))?;
        let length: i32 = given
            .read(Tag::CryptographicLength)
            .ok_or_else(|| invalid_field("The Cryptographic Length attribute has to be given."))?;
        given
            .read::<CryptographicUsageMask>(Tag::CryptographicUsageMask)
            .ok_or_else(|| invalid_field("The Cryptographic Usage Mask attribute has to be given."))?;

        // A negative length is no length of any algorithm.
        let key = symmetric_key::generate(algorithm, u32::try_from(length).unwrap_or(0))?;
        let object = Object::SymmetricKey(Key {
            key_block: KeyBlock {
                key_format_type: KeyFormatType::Raw,
                key_compression_type: None,
                key_value: Some(KeyValue::of(KeyMaterial::Bytes(key))),
                cryptographic_algorithm: Some(algorithm),
                cryptographic_length: Some(length),
                key_wrapping_data: None,
            },
        });
        let draft = Draft::generated(object, cx.now).give(&given)?;
        let asker = Asker::of(cx);
        let ids =
            cx.insert(1, |ids| ids.iter().map(|id| draft.clone().into_record(*id, &asker)).collect())?;
        let [id] = ids.try_into().map_err(|_| invalid_field("Nothing was created."))?;
        cx.leave(UniqueIdentifierValue::Create, id);
        Ok(Response { object_type: request.object_type, unique_identifier: id.into() })
    }
}

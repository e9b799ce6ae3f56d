//! Destroy (KMIP 1.4 §4.21, 2.1 §6.1.15): deletes the value of an object; its attributes remain.

use crate::engine::{Context, key, lifecycle};
use crate::kmip::{Error, enums};

use super::Operation;
use super::object_payloads::{Request, Response};

pub(super) struct Destroy;

impl Operation for Destroy {
    const CODE: enums::Operation = enums::Operation::Destroy;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, gone) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, lifecycle::destroy)?;
        gone.iter().for_each(key::forget);
        Ok(Response { unique_identifier: id.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::crypto::sign::{SignatureInput, Signing, sign};
    use crate::crypto::{self, Purpose, rsa};
    use crate::engine::{NewObject, Requester, Services};
    use crate::kmip::enums::{CryptographicAlgorithm, HashingAlgorithm, KeyFormatType, PaddingMethod};
    use crate::kmip::{Key, KeyBlock, KeyMaterial, KeyValue, Object};
    use crate::policy::{Policies, PolicyStore};
    use crate::store::Memory;
    use crate::ttlv::V2_1;

    fn private_key(bytes: &crate::secret::Secret) -> Object {
        let key_block = KeyBlock {
            key_format_type: KeyFormatType::Pkcs8,
            key_compression_type: None,
            key_value: Some(KeyValue::of(KeyMaterial::Bytes(bytes.clone()))),
            cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
            cryptographic_length: Some(2048),
            key_wrapping_data: None,
        };
        Object::PrivateKey(Key { key_block })
    }

    #[test]
    fn removes_a_destroyed_key_from_the_cache_of_parsed_keys() {
        let bytes = rsa::generate(2048).unwrap().private_pkcs8;
        let key = rsa::PrivateKey::read(bytes.expose(), Purpose::Sign).unwrap();
        let signing = Signing {
            key: crypto::Key(bytes.expose()),
            signature: None,
            algorithm: Some(CryptographicAlgorithm::Rsa),
            hash: Some(HashingAlgorithm::Sha256),
            padding: Some(PaddingMethod::Pkcs1V1_5),
            mask_hash: None,
            salt_length: None,
        };
        sign(&signing, SignatureInput::Data(b"data")).unwrap();
        assert!(rsa::is_ready(&key));

        let store = std::sync::Arc::new(Memory::new());
        let services = Services::new(store, PolicyStore::fixed(Policies::builtin()));
        let john = Identity { principal: "john".into(), groups: None, delegate: None };
        let mut cx = Context::new(&services, &john, V2_1);
        let new = NewObject::new(private_key(&bytes)).finish(&Requester::of(&cx)).unwrap();
        let id = cx.insert(new).unwrap();
        Destroy::execute(&mut cx, Request { unique_identifier: Some(id.into()) }).unwrap();
        assert!(!rsa::is_ready(&key));
    }
}

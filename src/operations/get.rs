//! Get (KMIP 1.4 §4.11, 2.1 §6.1.19): returns an object.

use crate::compatibility::Difference;
use crate::engine::export::GetOptions;
use crate::engine::{Context, destroyed, failed, lifecycle};
use crate::kmip::enums::{KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, KeyValue, KeyWrappingSpecification, Object, enums, structure};
use crate::store::Record;
use crate::ttlv::V1_4;

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        KeyFormatType => key_format_type: Option<KeyFormatType>,
        KeyWrapType[V1_4..] => key_wrap_type: Option<KeyWrapType>,
        KeyCompressionType => key_compression_type: Option<KeyCompressionType>,
        KeyWrappingSpecification => key_wrapping_specification: Option<KeyWrappingSpecification>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ObjectType => object: Object,
    }
}

pub(super) struct Get;

impl Operation for Get {
    const CODE: enums::Operation = enums::Operation::Get;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let behavior = cx.compatibility;
        if request.key_compression_type.is_some() && behavior.has(Difference::KeyCompression) {
            let message = "The server does not compress keys.";
            return Err(failed(ResultReason::KeyCompressionTypeNotSupported, message));
        }
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        if lifecycle::is_destroyed(&granted) {
            return Err(destroyed(&granted.id.to_string()));
        }
        if let Some(format) = request.key_format_type
            && behavior.has(Difference::KeyFormatConversion)
        {
            check_stored_format(&granted, format)?;
        }
        let options = GetOptions {
            format: request.key_format_type,
            wrap_type: request.key_wrap_type,
            compression: request.key_compression_type,
            wrapping: request.key_wrapping_specification,
        };
        let (object_type, id) = (granted.object_type, granted.id);
        let mut object = options.apply(cx, &granted)?;
        if behavior.has(Difference::KeyBlockOfSecretData) {
            reduce_secret_data(&mut object);
        }
        if behavior.has(Difference::KeyValueAttributes)
            && let Some(KeyValue::Plain { attributes, .. }) =
                object.key_block_mut().and_then(|block| block.key_value.as_mut())
        {
            attributes.0.clear();
        }
        cx.serve(&granted, Self::CODE)?;
        Ok(Response { object_type, unique_identifier: id.into(), object })
    }
}

/// Checks that PyKMIP keeps the object in this Key Format Type. It keeps no format for secret data.
///
/// # Errors
/// Returns Key Format Type Not Supported.
fn check_stored_format(record: &Record, requested: KeyFormatType) -> Result<(), Error> {
    let block = record.object.as_ref().filter(|_| record.object_type != ObjectType::SecretData);
    let stored = block.and_then(Object::key_block).map(|block| block.key_format_type);
    if stored == Some(requested) {
        return Ok(());
    }
    let message =
        format!("The object cannot be returned in the format {requested}; request it without a format.");
    Err(failed(ResultReason::KeyFormatTypeNotSupported, message))
}

/// Reduces the Key Block of secret data to the fields that PyKMIP keeps.
fn reduce_secret_data(object: &mut Object) {
    let Object::SecretData(secret) = object else { return };
    let block = &mut secret.key_block;
    if block.bytes().is_some() {
        block.key_format_type = KeyFormatType::Opaque;
        block.cryptographic_algorithm = None;
        block.cryptographic_length = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::Identity;
    use crate::engine::{NewObject, Requester, Services};
    use crate::kmip::enums::OpaqueDataType;
    use crate::kmip::{Object, OpaqueObject};
    use crate::policy::{Policies, PolicyStore};
    use crate::secret::Secret;
    use crate::store::testing::Folder;
    use crate::store::{Sqlite, Store};
    use crate::ttlv::V2_1;

    #[test]
    fn commits_that_a_group_member_is_not_fresh_before_it_returns_the_member() {
        let folder = Folder::new();
        let store = Arc::new(Sqlite::open(&folder.path("store")).unwrap());
        let services = Services::new(Arc::<Sqlite>::clone(&store), PolicyStore::fixed(Policies::builtin()));
        let john = Identity { principal: "john".into(), groups: None, delegate: None };
        let mut cx = Context::new(&services, &john, V2_1);
        for groups in [vec![], vec!["group".to_owned()]] {
            let mut draft = NewObject::new(Object::OpaqueObject(OpaqueObject {
                opaque_data_type: OpaqueDataType(0),
                opaque_data_value: Secret::new(vec![7; 16]),
            }));
            draft.attributes.object_group.clone_from(&groups);
            let id = cx.insert(draft.finish(&Requester::of(&cx)).unwrap()).unwrap();
            assert!(store.waited_for_the_disk());
            let request = || Request {
                unique_identifier: Some(id.into()),
                key_format_type: None,
                key_wrap_type: None,
                key_compression_type: None,
                key_wrapping_specification: None,
            };
            Get::execute(&mut cx, request()).unwrap();
            assert_eq!(store.read(id).unwrap().unwrap().attributes.fresh, Some(false));
            assert_eq!(store.waited_for_the_disk(), !groups.is_empty());
        }
    }
}

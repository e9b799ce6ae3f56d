//! Decrypt (KMIP 1.4 §4.30, 2.1 §6.1.11): decrypts data with a symmetric key or an RSA private key.

use crate::engine::Context;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::V1_4;

use super::Operation;
use super::cipher::{self, CipherRequest, CipherResponse, Direction};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => cipher: CipherRequest,
        AuthenticatedEncryptionTag[V1_4..] => tag: Option<Vec<u8>>,
    }
}

pub(super) struct Decrypt;

impl Operation for Decrypt {
    const CODE: enums::Operation = enums::Operation::Decrypt;
    type Request = Request;
    type Response = CipherResponse;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<CipherResponse, Error> {
        cipher::run::<Self>(cx, Direction::Decrypt, request.cipher, request.tag.as_deref())
    }
}

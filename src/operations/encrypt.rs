//! Encrypt (KMIP 1.4 §4.29, 2.1 §6.1.17): encrypts data with a symmetric key or an RSA public key.

use crate::engine::Context;
use crate::kmip::{Error, enums, structure};

use super::Operation;
use super::cipher::{self, CipherRequest, CipherResponse, Direction};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => cipher: CipherRequest,
    }
}

pub(super) struct Encrypt;

impl Operation for Encrypt {
    const CODE: enums::Operation = enums::Operation::Encrypt;
    type Request = Request;
    type Response = CipherResponse;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<CipherResponse, Error> {
        cipher::run::<Self>(cx, Direction::Encrypt, request.cipher, None)
    }
}

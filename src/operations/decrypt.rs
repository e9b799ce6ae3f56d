//! Decrypt (KMIP 1.4 §4.30, 2.1 §6.1.11): with a symmetric key or with the private key of a pair.

use crate::crypto::symmetric;
use crate::engine::usage::Use;
use crate::engine::{Context, one_time_pad};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::{V1_3, V1_4};

use super::Operation;
use super::ciphering::{Ciphering, Kept, Work, again, refused};
use super::parts::{Part, given_out};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        IvCounterNonce => iv_counter_nonce: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
        AuthenticatedEncryptionAdditionalData[V1_4..] => additional_data: Option<Vec<u8>>,
        AuthenticatedEncryptionTag[V1_4..] => tag: Option<Vec<u8>>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Data => data: Option<Secret>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct Decrypt;

impl Operation for Decrypt {
    const CODE: enums::Operation = enums::Operation::Decrypt;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, mut request: Request) -> Result<Response, Error> {
        let part =
            Part::of(request.correlation_value.take(), request.init_indicator, request.final_indicator)?;
        let data = part.data(request.data.take())?;
        match part {
            Part::Whole => whole(cx, request, &data),
            Part::First => first(cx, request, data),
            Part::Next { correlation, last } => next(cx, &request, &data, correlation, last),
        }
    }
}

impl Response {
    fn of(key: Id, data: Option<Secret>) -> Self {
        Self { unique_identifier: key.into(), data, correlation_value: None }
    }
}

fn prepare(cx: &mut Context<'_>, request: &mut Request) -> Result<Ciphering, Error> {
    Ciphering::prepare(
        cx,
        request.unique_identifier.as_ref(),
        Decrypt::CODE,
        Use::Decrypt,
        request.cryptographic_parameters.take(),
    )
}

fn whole(cx: &mut Context<'_>, mut request: Request, data: &Secret) -> Result<Response, Error> {
    let with = prepare(cx, &mut request)?;
    let data = if with.is_pad {
        one_time_pad::decrypt(cx, &with.granted, data.expose(), request.iv_counter_nonce.as_deref())?
    } else if with.is_rsa() {
        with.rsa_decrypt(data.expose())?
    } else {
        let cipher = with.cipher(request.iv_counter_nonce.as_deref(), request.additional_data.as_deref());
        symmetric::decrypt(&cipher, data.expose(), request.tag.as_deref()).map_err(refused)?
    };
    Ok(Response::of(with.granted.id, Some(data)))
}

fn first(cx: &mut Context<'_>, mut request: Request, data: Secret) -> Result<Response, Error> {
    let with = prepare(cx, &mut request)?;
    with.takes_parts()?;
    let key = with.granted.id;
    let (decrypted, work) = if with.is_rsa() {
        (None, Work::Rsa(Box::new(with), data))
    } else {
        let cipher = with.cipher(request.iv_counter_nonce.as_deref(), request.additional_data.as_deref());
        let mut parts = symmetric::Parts::decrypt(&cipher, request.tag.as_deref()).map_err(refused)?;
        let decrypted = parts.update(data.expose()).map_err(refused)?;
        (given_out(decrypted), Work::Symmetric(parts))
    };
    let correlation = cx.begin(Decryption(Kept { key, work }))?;
    Ok(Response { correlation_value: Some(correlation), ..Response::of(key, decrypted) })
}

/// What is kept between the parts: by its type, no other operation can go on with it.
struct Decryption(Kept);

fn next(
    cx: &mut Context<'_>,
    request: &Request,
    data: &Secret,
    correlation: Vec<u8>,
    last: bool,
) -> Result<Response, Error> {
    let Decryption(Kept { key, work }) = cx.resume(&correlation)?;
    again(cx, request.unique_identifier.as_ref(), key, Decrypt::CODE, Use::Decrypt)?;
    let outcome = work.go_on(data, last, request.tag.as_deref(), Ciphering::rsa_decrypt)?;
    let mut response = Response::of(key, outcome.data);
    if let Some(work) = outcome.rest {
        cx.go_on(&correlation, Decryption(Kept { key, work }))?;
        response.correlation_value = Some(correlation);
    }
    Ok(response)
}

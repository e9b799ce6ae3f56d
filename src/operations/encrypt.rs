//! Encrypt (KMIP 1.4 §4.29, 2.1 §6.1.14): with a symmetric key or with the public key of a pair.

use crate::crypto::symmetric;
use crate::engine::usage::{self, Amount, Use};
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
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Data => data: Option<Secret>,
        IvCounterNonce => iv_counter_nonce: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        AuthenticatedEncryptionTag[V1_4..] => tag: Option<Vec<u8>>,
    }
}

pub(super) struct Encrypt;

impl Operation for Encrypt {
    const CODE: enums::Operation = enums::Operation::Encrypt;
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
    fn of(key: Id) -> Self {
        let unique_identifier = key.into();
        Self { unique_identifier, data: None, iv_counter_nonce: None, correlation_value: None, tag: None }
    }
}

fn prepare(cx: &mut Context<'_>, request: &mut Request) -> Result<Ciphering, Error> {
    Ciphering::prepare(
        cx,
        request.unique_identifier.as_ref(),
        Encrypt::CODE,
        Use::Encrypt,
        request.cryptographic_parameters.take(),
    )
}

fn whole(cx: &mut Context<'_>, mut request: Request, data: &Secret) -> Result<Response, Error> {
    let with = prepare(cx, &mut request)?;
    let mut response = Response::of(with.granted.id);
    if with.is_pad {
        let counter = request.iv_counter_nonce.as_deref();
        response.data = Some(one_time_pad::encrypt(cx, &with.granted, data.expose(), counter)?);
    } else if with.is_rsa() {
        response.data = Some(with.rsa_encrypt(data.expose())?);
    } else {
        let made = made_iv(&with, &request)?;
        let iv = request.iv_counter_nonce.as_deref().or(made.as_deref());
        let cipher = with.cipher(iv, request.additional_data.as_deref());
        let encrypted = symmetric::encrypt(&cipher, data.expose()).map_err(refused)?;
        response.data = Some(Secret::new(encrypted.data));
        response.iv_counter_nonce = made.or(encrypted.iv);
        response.tag = encrypted.tag;
    }
    usage::spend(cx, &with.granted, Encrypt::CODE, Use::Encrypt, Amount::first(data.len()))?;
    Ok(response)
}

/// An IV of a length that the parameters name; the cipher makes one of its usual length itself.
fn made_iv(with: &Ciphering, request: &Request) -> Result<Option<Vec<u8>>, Error> {
    if request.iv_counter_nonce.is_some() { Ok(None) } else { with.random_iv() }
}

fn first(cx: &mut Context<'_>, mut request: Request, data: Secret) -> Result<Response, Error> {
    let with = prepare(cx, &mut request)?;
    with.takes_parts()?;
    let key = with.granted.id;
    let mut response = Response::of(key);
    let amount = Amount::first(data.len());
    let work = if with.is_rsa() {
        usage::spend(cx, &with.granted, Encrypt::CODE, Use::Encrypt, amount)?;
        Work::Rsa(Box::new(with), data)
    } else {
        let made = made_iv(&with, &request)?;
        let iv = request.iv_counter_nonce.as_deref().or(made.as_deref());
        let cipher = with.cipher(iv, request.additional_data.as_deref());
        let mut parts = symmetric::Parts::encrypt(&cipher).map_err(refused)?;
        response.data = given_out(parts.update(data.expose()).map_err(refused)?);
        response.iv_counter_nonce = made.or_else(|| parts.iv().map(<[u8]>::to_vec));
        usage::spend(cx, &with.granted, Encrypt::CODE, Use::Encrypt, amount)?;
        Work::Symmetric(parts)
    };
    response.correlation_value = Some(cx.begin(Encryption(Kept { key, work }))?);
    Ok(response)
}

/// What is kept between the parts: by its type, no other operation can go on with it.
struct Encryption(Kept);

fn next(
    cx: &mut Context<'_>,
    request: &Request,
    data: &Secret,
    correlation: Vec<u8>,
    last: bool,
) -> Result<Response, Error> {
    let Encryption(Kept { key, work }) = cx.resume(&correlation)?;
    let granted = again(cx, request.unique_identifier.as_ref(), key, Encrypt::CODE, Use::Encrypt)?;
    let outcome = work.go_on(data, last, None, Ciphering::rsa_encrypt)?;
    usage::spend(cx, &granted, Encrypt::CODE, Use::Encrypt, Amount::further(data.len()))?;
    let mut response = Response { data: outcome.data, tag: outcome.tag, ..Response::of(key) };
    if let Some(work) = outcome.rest {
        cx.go_on(&correlation, Encryption(Kept { key, work }))?;
        response.correlation_value = Some(correlation);
    }
    Ok(response)
}

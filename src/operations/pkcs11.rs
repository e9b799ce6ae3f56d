//! PKCS#11 (KMIP 2.1 §6.1.37): calls of the PKCS#11 interface that need no slot.
//!
//! The server supports C_Initialize, C_GetInfo and C_Finalize. It has no PKCS#11 slots, sessions or objects, because
//! KMIP operations give access to all managed objects. For every other function it returns a PKCS#11 return code in a
//! successful KMIP response.
//!
//! The Correlation Value identifies an initialized application. It is stored with the multi-part operations and has
//! their limits in number and time and their owner.

use crate::engine::{Announced, Context, failed};
use crate::kmip::enums::{Pkcs11Function, Pkcs11ReturnCode, ResultReason};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::{self, Item, ItemType, Tag, Value, Writer};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        Pkcs11Interface => interface: Option<String>,
        Pkcs11Function => function: Function,
        CorrelationValue => correlation_value: Option<Vec<u8>>,
        /// Can contain a PIN or a key.
        Pkcs11InputParameters => input_parameters: Option<Secret>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        Pkcs11Interface => interface: Option<String>,
        Pkcs11Function => function: Function,
        CorrelationValue => correlation_value: Option<Vec<u8>>,
        Pkcs11OutputParameters => output_parameters: Option<Vec<u8>>,
        Pkcs11ReturnCode => return_code: Pkcs11ReturnCode,
    }
}

/// A function code: "an Enumeration for PKCS#11 defined functions or an Integer for vendor defined function".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// A function of PKCS#11, possibly newer than the supported interface.
    Standard(u32),
    /// A function of a vendor.
    Vendor(i32),
}

impl Value for Function {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        match item.kind {
            ItemType::Integer => Value::decode(item).map(Self::Vendor),
            _ => match Pkcs11Function::decode(item) {
                Ok(function) => Ok(Self::Standard(function.to_wire())),
                // The operation reports an unknown function; the message is valid.
                Err(ttlv::Error::UnknownValue { value, .. }) => Ok(Self::Standard(value)),
                Err(error) => Err(error),
            },
        }
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        match self {
            Self::Standard(number) => writer.item(tag, ItemType::Enumeration, &number.to_be_bytes()),
            Self::Vendor(number) => number.encode(tag, writer),
        }
    }
}

impl Function {
    /// Returns the function of the interface.
    fn known(self) -> Result<Pkcs11Function, Error> {
        let known = match self {
            Self::Standard(number) => Pkcs11Function::from_wire(number),
            Self::Vendor(_) => None,
        };
        known.ok_or_else(|| {
            failed(
                ResultReason::Pkcs11InvalidFunction,
                "The PKCS#11 interface does not define this function.",
            )
        })
    }
}

/// The name of the only supported interface (PKCS#11 3.0 §5.4.5).
const INTERFACE: &str = "PKCS 11";

/// The length of a text field of `CK_INFO` in bytes.
const INFO_TEXT: usize = 32;

/// The only input that C_Initialize accepts, apart from none.
const INITIALIZE: &[u8] = &[1];

/// An application between its C_Initialize and its C_Finalize.
struct Application;

pub(super) struct Pkcs11;

impl Operation for Pkcs11 {
    const CODE: enums::Operation = enums::Operation::Pkcs11;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if request.interface.as_deref().is_some_and(|name| name != INTERFACE) {
            let message = format!("The only supported interface is {INTERFACE:?}.");
            return Err(failed(ResultReason::Pkcs11InvalidInterface, message));
        }
        let input = request.input_parameters.as_ref().map_or(&[][..], Secret::expose);
        let correlation = request.correlation_value.as_deref();
        let outcome = match request.function.known()? {
            Pkcs11Function::CInitialize => initialize(cx, correlation, input)?,
            Pkcs11Function::CGetInfo => information(cx, correlation, input)?,
            Pkcs11Function::CFinalize => finalize(cx, correlation, input)?,
            _ => Outcome::code(Pkcs11ReturnCode::FunctionNotSupported),
        };
        Ok(Response {
            interface: request.interface,
            function: request.function,
            correlation_value: outcome.correlation,
            output_parameters: outcome.output,
            return_code: outcome.code,
        })
    }
}

/// The result of a call.
struct Outcome {
    code: Pkcs11ReturnCode,
    correlation: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
}

impl Outcome {
    fn code(code: Pkcs11ReturnCode) -> Self {
        Self { code, correlation: None, output: None }
    }
}

/// C_Initialize. An application that presents its Correlation Value is already initialized; several applications of a
/// user can be initialized at once.
fn initialize(cx: &mut Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() && input != INITIALIZE {
        return Err(codec("C_Initialize accepts no input, or the byte 01."));
    }
    if is_initialized(cx, correlation)? {
        return Ok(Outcome::code(Pkcs11ReturnCode::CryptokiAlreadyInitialized));
    }
    let correlation = Some(cx.begin_stream(Application)?);
    Ok(Outcome { correlation, ..Outcome::code(Pkcs11ReturnCode::Ok) })
}

/// C_GetInfo.
fn information(cx: &mut Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() {
        return Err(codec("C_GetInfo accepts no input."));
    }
    if !is_initialized(cx, correlation)? {
        return Ok(Outcome::code(Pkcs11ReturnCode::CryptokiNotInitialized));
    }
    Ok(Outcome { output: Some(info(&cx.services.announced)), ..Outcome::code(Pkcs11ReturnCode::Ok) })
}

/// C_Finalize. Its parameter is reserved and must be null, so the input is empty.
fn finalize(cx: &mut Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() {
        return Err(codec("C_Finalize accepts no input."));
    }
    let ended = correlation.is_some_and(|value| cx.take_stream::<Application>(value).is_ok());
    let code = if ended { Pkcs11ReturnCode::Ok } else { Pkcs11ReturnCode::CryptokiNotInitialized };
    Ok(Outcome::code(code))
}

/// Whether the value identifies an application of this user; the check extends the lifetime of its entry.
fn is_initialized(cx: &mut Context<'_>, correlation: Option<&[u8]>) -> Result<bool, Error> {
    let Some(value) = correlation else { return Ok(false) };
    let Ok(application) = cx.take_stream::<Application>(value) else { return Ok(false) };
    cx.put_back_stream(value, application)?;
    Ok(true)
}

/// `CK_INFO` (PKCS#11 3.0 §3.1), its fields one behind the other without gaps: the version of the interface in two
/// bytes, the manufacturer in 32, the flags in eight, of which PKCS#11 defines none, a description in 32, and the
/// version of this server in two.
fn info(announced: &Announced) -> Vec<u8> {
    let mut numbers = announced.version.split('.').map(|number| number.parse().unwrap_or(u8::MAX));
    let version = [numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()];
    let (major, minor) = announced.pkcs11_version;
    let padded = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(INFO_TEXT, b' ');
        bytes
    };
    let (manufacturer, product) = (padded(&announced.manufacturer), padded(&announced.product));
    [&[major, minor], &*manufacturer, &0u64.to_be_bytes(), &*product, &version].concat()
}

fn codec(message: &'static str) -> Error {
    failed(ResultReason::Pkcs11CodecError, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{Field, Reader, V2_1};

    #[test]
    fn encodes_info_as_ck_info() {
        let info = info(&Announced::default());
        assert_eq!(info.len(), 2 + 32 + 8 + 32 + 2);
        assert_eq!(info[..2], [3, 0]);
        assert_eq!(info[2..34], *b"kmip-server                     ");
        assert_eq!(info[34..42], [0; 8]);
        assert_eq!(info[42..74], info[2..34]);
        let version = format!("{}.{}.", info[74], info[75]);
        assert!(env!("CARGO_PKG_VERSION").starts_with(&version));
    }

    #[test]
    fn decodes_functions_and_rejects_unknown_ones() {
        let none = Err(ResultReason::Pkcs11InvalidFunction);
        for (function, known) in [
            (Function::Standard(3), Ok(Pkcs11Function::CGetInfo)),
            (Function::Standard(0), none),
            (Function::Standard(0xFFFF), none),
            (Function::Vendor(3), none),
            (Function::Vendor(-1), none),
        ] {
            let mut writer = Writer::new(V2_1);
            function.encode(Tag::Pkcs11Function, &mut writer);
            let bytes = writer.into_bytes();
            let read: Function = Field::read(Tag::Pkcs11Function, &mut Reader::new(&bytes, V2_1)).unwrap();
            assert_eq!(read, function);
            assert_eq!(read.known().map_err(|error| error.reason), known);
        }
    }
}

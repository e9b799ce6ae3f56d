//! PKCS#11 (KMIP 2.1 §6.1.37): calls of the token interface, as far as they need no slot.
//!
//! A client can initialize, ask whom it speaks to, and finalize. There are no slots, sessions and objects behind the
//! interface here: KMIP's own operations reach all that the server keeps. Every other function is answered by the
//! return code that says so, which for KMIP is a success: the call was taken and has a result.
//!
//! The Correlation Value stands for an application that has initialized. It is kept with the operations in parts,
//! whose bounds in number and time and whose tie to one user it shares.

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
        /// May hold a PIN or a key.
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

/// A function by its number: "an Enumeration for PKCS#11 defined functions or an Integer for vendor defined function".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// One of PKCS#11, which may be newer than the interface here.
    Standard(u32),
    /// One of a vendor.
    Vendor(i32),
}

impl Value for Function {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        match item.kind {
            ItemType::Integer => Value::decode(item).map(Self::Vendor),
            _ => match Pkcs11Function::decode(item) {
                Ok(function) => Ok(Self::Standard(function.to_wire())),
                // No such function is an answer of the operation, and no fault of the message.
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
    /// The function of the interface that this is.
    fn known(self) -> Result<Pkcs11Function, Error> {
        let known = match self {
            Self::Standard(number) => Pkcs11Function::from_wire(number),
            Self::Vendor(_) => None,
        };
        known.ok_or_else(|| {
            failed(ResultReason::Pkcs11InvalidFunction, "The interface has no function of that number.")
        })
    }
}

/// The one interface there is, by the name that PKCS#11 gives to its own (PKCS#11 3.0 §5.4.5).
const INTERFACE: &str = "PKCS 11";

/// The length of a text in `CK_INFO`, in bytes.
const INFO_TEXT: usize = 32;

/// The input of C_Initialize where it has any: this byte and nothing behind it.
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
            let message = format!("The one interface of this server is {INTERFACE:?}.");
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

/// What a call came to.
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

/// C_Initialize. Whoever shows that he has done it already is told so; several applications of a user can each do it.
fn initialize(cx: &Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() && input != INITIALIZE {
        return Err(codec("C_Initialize takes no parameters, or the byte 01."));
    }
    if is_initialized(cx, correlation)? {
        return Ok(Outcome::code(Pkcs11ReturnCode::CryptokiAlreadyInitialized));
    }
    let correlation = Some(cx.begin(Application)?);
    Ok(Outcome { correlation, ..Outcome::code(Pkcs11ReturnCode::Ok) })
}

/// C_GetInfo.
fn information(cx: &Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() {
        return Err(codec("C_GetInfo takes no parameters."));
    }
    if !is_initialized(cx, correlation)? {
        return Ok(Outcome::code(Pkcs11ReturnCode::CryptokiNotInitialized));
    }
    Ok(Outcome { output: Some(info(&cx.services.announced)), ..Outcome::code(Pkcs11ReturnCode::Ok) })
}

/// C_Finalize. Its one parameter is reserved and has to be null, so none is sent.
fn finalize(cx: &Context<'_>, correlation: Option<&[u8]>, input: &[u8]) -> Result<Outcome, Error> {
    if !input.is_empty() {
        return Err(codec("C_Finalize takes no parameters."));
    }
    let ended = correlation.is_some_and(|value| cx.resume::<Application>(value).is_ok());
    let code = if ended { Pkcs11ReturnCode::Ok } else { Pkcs11ReturnCode::CryptokiNotInitialized };
    Ok(Outcome::code(code))
}

/// Whether the value is that of an application of this user, which lives on then.
fn is_initialized(cx: &Context<'_>, correlation: Option<&[u8]>) -> Result<bool, Error> {
    let Some(value) = correlation else { return Ok(false) };
    let Ok(application) = cx.resume::<Application>(value) else { return Ok(false) };
    cx.go_on(value, application)?;
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
    fn the_information_has_the_layout_of_its_structure_and_is_of_this_server() {
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
    fn a_function_is_an_enumeration_or_an_integer_and_only_those_of_the_interface_are_known() {
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

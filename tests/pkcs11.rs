//! PKCS#11 (KMIP 2.1 §6.1.37) over TLS: an application from its beginning to its end, and what it cannot do.

use kmip_server::kmip::enums::{Operation, Pkcs11Function as F, Pkcs11ReturnCode as Code, ResultReason};
use kmip_server::ttlv::{Field, Tag, V2_1, Value, Writer};

use crate::dialogue::{Answer, Caller, Live};
use crate::harness::Pki;

fn callers() -> (Live, Caller, Caller) {
    let pki = Pki::new();
    let live = Live::start(&pki.config());
    let john = live.caller(&pki, &pki.ca.client("John Doe"));
    let jane = live.caller(&pki, &pki.ca.client("Jane Doe"));
    (live, john, jane)
}

fn call(caller: &mut Caller, function: F, correlation: Option<&Vec<u8>>, input: Option<&[u8]>) -> Answer {
    caller.ask(V2_1, Operation::Pkcs11, |writer| {
        function.write(Tag::Pkcs11Function, writer);
        correlation.cloned().write(Tag::CorrelationValue, writer);
        input.map(<[u8]>::to_vec).write(Tag::Pkcs11InputParameters, writer);
    })
}

fn code(answer: &Answer) -> Code {
    answer.all(Tag::Pkcs11ReturnCode).remove(0)
}

fn initialize(caller: &mut Caller) -> Vec<u8> {
    let answer = call(caller, F::CInitialize, None, Some(&[1]));
    assert_eq!(code(&answer), Code::Ok);
    answer.all(Tag::CorrelationValue).remove(0)
}

#[test]
fn an_application_reads_information_between_initialize_and_finalize() {
    let (_live, mut john, mut jane) = callers();
    let application = initialize(&mut john);
    let other = initialize(&mut john);
    assert_ne!(application, other);
    let again = call(&mut john, F::CInitialize, Some(&application), None);
    assert_eq!(code(&again), Code::CryptokiAlreadyInitialized);
    for _ in 0..2 {
        let answer = call(&mut john, F::CGetInfo, Some(&application), None);
        assert_eq!(code(&answer), Code::Ok);
        assert_eq!(answer.all::<F>(Tag::Pkcs11Function), [F::CGetInfo]);
        assert_eq!(answer.all::<Vec<u8>>(Tag::Pkcs11OutputParameters).remove(0).len(), 76);
    }
    for function in [F::CGetInfo, F::CFinalize] {
        let strange = call(&mut jane, function, Some(&application), None);
        assert_eq!(code(&strange), Code::CryptokiNotInitialized);
        assert!(strange.all::<Vec<u8>>(Tag::Pkcs11OutputParameters).is_empty());
    }
    assert_eq!(code(&call(&mut john, F::CFinalize, Some(&application), None)), Code::Ok);
    for function in [F::CGetInfo, F::CFinalize] {
        for value in [Some(&application), None] {
            assert_eq!(code(&call(&mut john, function, value, None)), Code::CryptokiNotInitialized);
        }
    }
    assert_eq!(code(&call(&mut john, F::CGetInfo, Some(&other), None)), Code::Ok);
}

#[test]
fn functions_that_need_a_slot_are_unsupported() {
    let (_live, mut john, _) = callers();
    let application = initialize(&mut john);
    let served = [F::CInitialize, F::CGetInfo, F::CFinalize];
    for function in F::ALL.iter().filter(|function| !served.contains(function)) {
        let answer = call(&mut john, *function, Some(&application), Some(&[0; 8]));
        assert_eq!(code(&answer), Code::FunctionNotSupported, "{function}");
    }
}

#[test]
fn rejects_unknown_parameters_functions_and_interfaces() {
    let (_live, mut john, _) = callers();
    let application = initialize(&mut john);
    for (function, input) in
        [(F::CInitialize, &[2][..]), (F::CInitialize, &[1, 1]), (F::CGetInfo, &[1]), (F::CFinalize, &[0])]
    {
        let answer = call(&mut john, function, Some(&application), Some(input));
        assert_eq!(answer.refused(), ResultReason::Pkcs11CodecError, "{function}");
    }
    assert_eq!(code(&call(&mut john, F::CGetInfo, Some(&application), None)), Code::Ok);

    let vendor = john.ask(V2_1, Operation::Pkcs11, |writer| 3.write(Tag::Pkcs11Function, writer));
    assert_eq!(vendor.refused(), ResultReason::Pkcs11InvalidFunction);
    let mut within = |interface: &str| {
        john.ask(V2_1, Operation::Pkcs11, |writer: &mut Writer| {
            interface.to_owned().write(Tag::Pkcs11Interface, writer);
            F::CInitialize.encode(Tag::Pkcs11Function, writer);
        })
    };
    assert_eq!(within("Vendor X").refused(), ResultReason::Pkcs11InvalidInterface);
    assert_eq!(within("PKCS 11").all::<String>(Tag::Pkcs11Interface), ["PKCS 11"]);
}

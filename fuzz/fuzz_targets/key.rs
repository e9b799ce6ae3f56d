//! Keys, certificates, certificate requests and containers in DER and PEM, from clients and files: every key that
//! can be read can be written in every format, and each format reads as the same key.

#![no_main]

use kmip_server::internals::crypto::{Purpose, der, ec, pkcs12, rsa};
use kmip_server::internals::x509::Certificate;
use kmip_server::internals::x509::chain;
use kmip_server::internals::x509::issuer::Subject;
use kmip_server::ttlv::DateTime;
use libfuzzer_sys::fuzz_target;

/// Any purpose: only the texts of errors depend on it.
const PURPOSE: Purpose = Purpose::Convert;

/// A time at which the certificates of the tests are valid.
const NOW: DateTime = DateTime(1_800_000_000);

fuzz_target!(|bytes: &[u8]| {
    der::length(bytes);
    der::private_key(bytes);
    der::public_key(bytes);

    // Computing the formats of a key on a curve takes a thousand times as long as reading it.
    let every_form = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) < 4;
    if let Ok(key) = rsa::PublicKey::read(bytes, PURPOSE) {
        let spki = key.spki().expect("a key has this form");
        assert_eq!(rsa::PublicKey::read(&spki, PURPOSE).expect("it is a key").pkcs1(), key.pkcs1());
        if let Ok((modulus, exponent)) = key.numbers() {
            drop(rsa::PublicKey::from_numbers(&modulus, &exponent));
        }
    }
    if let Ok(key) = rsa::PrivateKey::read(bytes, PURPOSE) {
        let pkcs8 = key.pkcs8().expect("a key has this form");
        assert!(rsa::PrivateKey::read(pkcs8.expose(), PURPOSE).is_ok());
        drop(key.public());
        drop(key.numbers());
    }
    if let Ok(key) = ec::PublicKey::read(bytes, PURPOSE)
        && every_form
    {
        for compressed in [false, true] {
            let spki = key.spki(compressed && key.compressed_point().is_some()).expect("a key has this form");
            assert_eq!(ec::PublicKey::read(&spki, PURPOSE).expect("it is a key").point(), key.point());
        }
    }
    if let Ok(key) = ec::PrivateKey::read(bytes, PURPOSE)
        && every_form
    {
        let pkcs8 = key.pkcs8().expect("a key has this form");
        assert!(ec::PrivateKey::read(pkcs8.expose(), PURPOSE).is_ok());
        drop(key.sec1());
        drop(key.public());
    }

    drop(pkcs12::open(bytes, b"password", None));

    let certificate = Certificate::read(bytes);
    certificate.serial_number_der();
    certificate.serial_number_text();
    drop(Subject::of_certificate(bytes));
    drop(Subject::of_pkcs10(bytes));
    drop(Subject::of_pem(bytes));
    // A chain of one self-signed certificate, and a chain of a certificate and itself as its issuer.
    chain::validate(&[bytes], None, NOW);
    chain::validate(&[bytes], Some(bytes), NOW);
});

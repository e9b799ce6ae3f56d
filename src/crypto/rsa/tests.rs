//! Key generation, interoperability with PyKMIP's signatures and ciphertexts, key formats, and rejected parameters.

use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;

use super::vectors::{self, DATA};
use super::*;
use crate::crypto::sign::{self, SignatureInput, Signing};
use crate::crypto::test::hex;
use crate::crypto::{ErrorKind, Key, KeyRole, Parameter};
use crate::kmip::enums::{DigitalSignatureAlgorithm, HashingAlgorithm, PaddingMethod};

type Signatures = &'static [(HashingAlgorithm, &'static str)];

const KEYS: [(&str, &str, Signatures, Signatures, Signatures); 2] = [
    (vectors::PRIVATE_1024, vectors::PUBLIC_1024, vectors::PKCS1_1024, vectors::PSS_1024, vectors::OAEP_1024),
    (vectors::PRIVATE_2048, vectors::PUBLIC_2048, vectors::PKCS1_2048, vectors::PSS_2048, vectors::OAEP_2048),
];

fn signing(key: &[u8], padding: PaddingMethod, hash: HashingAlgorithm) -> Signing<'_> {
    Signing {
        key: Key(key),
        signature: None,
        algorithm: Some(CryptographicAlgorithm::Rsa),
        hash: Some(hash),
        padding: Some(padding),
        mask_hash: None,
        salt_length: None,
    }
}

#[test]
fn signatures_agree_with_pykmip() {
    for (private, public, pkcs1, pss, _) in KEYS {
        let (private, public) = (hex(private), hex(public));
        for (padding, signatures) in [(PaddingMethod::Pkcs1V1_5, pkcs1), (PaddingMethod::Pss, pss)] {
            for (hash, signature) in signatures {
                let verifying = signing(&public, padding, *hash);
                let ours = signing(&private, padding, *hash);
                let (mut theirs, ours) =
                    (hex(signature), sign::sign(&ours, SignatureInput::Data(DATA)).unwrap());
                for signature in [&theirs, &ours] {
                    assert_eq!(
                        sign::verify(&verifying, SignatureInput::Data(DATA), signature),
                        Ok(true),
                        "{hash:?}"
                    );
                    assert_eq!(
                        sign::verify(&verifying, SignatureInput::Data(b"other"), signature),
                        Ok(false)
                    );
                }
                assert!(padding == PaddingMethod::Pss || ours == theirs, "{hash:?}");
                theirs[9] ^= 1;
                assert_eq!(sign::verify(&verifying, SignatureInput::Data(DATA), &theirs), Ok(false));
                assert_eq!(sign::verify(&verifying, SignatureInput::Data(DATA), b""), Ok(false));
                let digest = crate::crypto::hash::digest(*hash, DATA).unwrap();
                assert_eq!(sign::verify(&verifying, SignatureInput::Digest(&digest), &ours), Ok(true));
            }
        }
    }
}

/// With the DigestInfo prefix of SHA-256 (RFC 8017 §9.2) in the data, the signature equals that with SHA-256.
#[test]
fn signs_a_digest_without_a_hash_algorithm_unprefixed() {
    for (private, public, ..) in KEYS {
        let (private, public) = (hex(private), hex(public));
        let bare =
            |key| Signing { hash: None, ..signing(key, PaddingMethod::Pkcs1V1_5, HashingAlgorithm::Sha256) };
        let digest = crate::crypto::hash::digest(HashingAlgorithm::Sha256, DATA).unwrap();
        let named = [hex("3031300d060960864801650304020105000420"), digest].concat();
        let named = SignatureInput::Digest(&named);
        let full = signing(&private, PaddingMethod::Pkcs1V1_5, HashingAlgorithm::Sha256);
        let signature = sign::sign(&full, SignatureInput::Data(DATA)).unwrap();
        assert_eq!(sign::sign(&bare(&private), named), Ok(signature.clone()));
        assert_eq!(sign::verify(&bare(&public), named, &signature), Ok(true));
        let short = SignatureInput::Digest(b"sixteen bytes...");
        let unpadded = Signing { padding: None, ..bare(&private) };
        let signature = sign::sign(&unpadded, short).unwrap();
        assert_eq!(sign::verify(&bare(&public), short, &signature), Ok(true));
        assert_eq!(sign::verify(&bare(&public), SignatureInput::Digest(b"other"), &signature), Ok(false));

        let missing = Err(Error::Missing(Parameter::HashingAlgorithm));
        assert_eq!(sign::sign(&bare(&private), SignatureInput::Data(DATA)), missing);
        assert_eq!(
            sign::sign(&Signing { padding: Some(PaddingMethod::Pss), ..bare(&private) }, short),
            missing
        );
        let long = sign::sign(&bare(&private), SignatureInput::Digest(&[1; 300]));
        assert!(matches!(long, Err(Error::DataTooLong { length: 300, .. })), "{long:?}");
    }
}

#[test]
fn oaep_agrees_with_pykmip() {
    for (private, public, _, _, encrypted) in KEYS {
        let (private, public) = (hex(private), hex(public));
        assert!(encrypted.len() >= 3);
        for (hash, encrypted) in encrypted {
            let method = Some(PaddingMethod::Oaep);
            let padding = Padding { method, hash: Some(*hash), mask_hash: None, label: None };
            assert_eq!(decrypt(&private, &padding, &hex(encrypted)).unwrap().expose(), DATA, "{hash:?}");
            let ours = encrypt(&public, &padding, DATA).unwrap();
            assert_eq!(decrypt(&private, &padding, &ours).unwrap().expose(), DATA);
            let labelled = Padding { label: Some(b"label"), ..padding };
            assert_eq!(decrypt(&private, &labelled, &ours), Err(Error::Decryption));
            let ours = encrypt(&public, &labelled, DATA).unwrap();
            assert_eq!(decrypt(&private, &labelled, &ours).unwrap().expose(), DATA);
            let mixed = Padding { mask_hash: Some(HashingAlgorithm::Sha1), ..padding };
            let ours = encrypt(&public, &mixed, DATA).unwrap();
            assert_eq!(decrypt(&private, &mixed, &ours).unwrap().expose(), DATA);
        }
    }
}

#[test]
fn implicit_rejection_of_pkcs1_padding_agrees_with_openssl() {
    let method = Some(PaddingMethod::Pkcs1V1_5);
    let padding = Padding { method, hash: None, mask_hash: None, label: None };
    for (private, encrypted, rejected) in [
        (vectors::PRIVATE_1024, vectors::ENCRYPTED_1024, vectors::REJECTED_1024),
        (vectors::PRIVATE_2048, vectors::ENCRYPTED_2048, vectors::REJECTED_2048),
    ] {
        let private = hex(private);
        assert_eq!(decrypt(&private, &padding, &hex(encrypted)).unwrap().expose(), DATA);
        for (encrypted, plain) in rejected {
            assert_eq!(decrypt(&private, &padding, &hex(encrypted)).unwrap().expose(), hex(plain));
        }
        assert_eq!(decrypt(&private, &padding, b"short"), Err(Error::Decryption));
    }
}

#[test]
fn every_key_format_preserves_the_key() {
    for (private, public, ..) in KEYS {
        let key = PrivateKey::read(&hex(private), Purpose::Convert).unwrap();
        assert_eq!(key.pkcs8().unwrap().expose(), hex(private));
        assert_eq!(PrivateKey::read(key.pkcs1().expose(), Purpose::Convert).as_ref(), Ok(&key));
        let numbers = key.numbers().unwrap();
        assert_eq!(PrivateKey::from_numbers(&numbers).as_ref(), Ok(&key));
        let bare = PrivateNumbers {
            modulus: numbers.modulus.clone(),
            public_exponent: numbers.public_exponent.clone(),
            private_exponent: numbers.private_exponent.clone(),
            ..PrivateNumbers::default()
        };
        let recovered = PrivateKey::from_numbers(&bare).unwrap();
        assert_eq!(recovered.public(), key.public());
        let public = PublicKey::read(&hex(public), Purpose::Convert).unwrap();
        assert_eq!(key.public().as_ref(), Ok(&public));
        assert_eq!(PublicKey::read(&public.spki().unwrap(), Purpose::Convert).as_ref(), Ok(&public));
        let (modulus, exponent) = public.numbers().unwrap();
        assert_eq!(PublicKey::from_numbers(&modulus, &exponent).as_ref(), Ok(&public));
        let pem =
            rsa::pkcs8::der::pem::encode_string("PRIVATE KEY", Default::default(), &hex(private)).unwrap();
        assert_eq!(PrivateKey::read(pem.as_bytes(), Purpose::Convert), Ok(key));
    }
}

#[test]
fn rejects_invalid_parameters_as_pykmip_does() {
    let private = hex(vectors::PRIVATE_1024);
    let good = signing(&private, PaddingMethod::Pss, HashingAlgorithm::Sha256);
    let refused = |signing: Signing<'_>| sign::sign(&signing, SignatureInput::Data(DATA)).unwrap_err();
    assert_eq!(refused(Signing { hash: None, ..good }), Error::Missing(Parameter::HashingAlgorithm));
    assert_eq!(
        refused(Signing { algorithm: None, ..good }),
        Error::Missing(Parameter::CryptographicAlgorithm)
    );
    let dsa = Signing { signature: Some(DigitalSignatureAlgorithm::DsaWithSha1), ..good };
    assert_eq!(refused(dsa), Error::Signature(DigitalSignatureAlgorithm::DsaWithSha1));
    let algorithm = CryptographicAlgorithm::Dsa;
    let purpose = Purpose::Sign;
    assert_eq!(
        refused(Signing { algorithm: Some(algorithm), ..good }),
        Error::Algorithm { algorithm, purpose }
    );
    let unreadable = refused(Signing { key: Key(b"no key"), ..good });
    assert_eq!(unreadable, Error::Unreadable { role: KeyRole::Private, purpose });
    assert_eq!(unreadable.kind(), ErrorKind::InvalidParameter);
    assert_eq!(refused(Signing { padding: None, ..good }), Error::Missing(Parameter::PaddingMethod));
    let padding = PaddingMethod::Oaep;
    assert_eq!(refused(Signing { padding: Some(padding), ..good }), Error::Padding { padding, purpose });
    let one = Parameter::DigitalSignatureAlgorithm;
    let both = Signing { signature: Some(DigitalSignatureAlgorithm::Sha1WithRsaEncryption), ..good };
    let conflict = Error::Conflict { one, other: Parameter::HashingAlgorithm };
    assert_eq!(sign::verify(&both, SignatureInput::Data(DATA), b""), Err(conflict));
    let unreadable = sign::verify(&good, SignatureInput::Data(DATA), b"").unwrap_err();
    assert_eq!(unreadable.kind(), ErrorKind::Failure);
    let long = Padding { method: Some(PaddingMethod::Pkcs1V1_5), hash: None, mask_hash: None, label: None };
    let public = hex(vectors::PUBLIC_1024);
    assert_eq!(encrypt(&public, &long, &[0; 118]), Err(Error::DataTooLong { length: 118, max: 117 }));
}

#[test]
fn survives_every_changed_byte_of_a_key() {
    let private = hex(vectors::PRIVATE_1024);
    for at in 0..64 {
        let mut changed = private.clone();
        changed[at] ^= 0xff;
        let _ = PrivateKey::read(&changed, Purpose::Sign).and_then(|key| key.portable(Purpose::Sign));
        let _ = PublicKey::read(&changed, Purpose::Verify).and_then(|key| key.portable(Purpose::Verify));
    }
}

#[test]
fn generates_pairs_of_the_requested_length_with_both_libraries() {
    for bits in [512, 768, 1024, 1025, 2048, 2056] {
        let pair = generate(bits).unwrap();
        let private = rsa::RsaPrivateKey::from_pkcs8_der(pair.private_pkcs8.expose()).unwrap();
        let public = rsa::RsaPublicKey::from_pkcs1_der(&pair.public_pkcs1).unwrap();
        assert_eq!(private.to_public_key(), public, "{bits}");
        assert_eq!(public.n().bits(), usize::try_from(bits).unwrap());
        assert_eq!(public.e(), &rsa::BigUint::from(65_537u32));
    }
}

#[test]
fn rejects_lengths_out_of_range() {
    for bits in [0, 511, 4097, 8191, 8193, u32::MAX] {
        let algorithm = CryptographicAlgorithm::Rsa;
        assert_eq!(generate(bits).unwrap_err(), Error::KeyLength { algorithm, bits });
    }
}

#[test]
fn private_keys_longer_than_2048_bits_are_slow_in_every_encoding() {
    for (bits, slow) in [(1024, false), (2048, false), (3072, true)] {
        let pkcs8 = generate(bits).unwrap().private_pkcs8;
        let pkcs1 = PrivateKey::read(pkcs8.expose(), Purpose::Sign).unwrap().pkcs1().clone();
        let pem =
            ::rsa::pkcs8::der::pem::encode_string("PRIVATE KEY", Default::default(), pkcs8.expose()).unwrap();
        for key in [pkcs8.expose(), pkcs1.expose(), pem.as_bytes()] {
            assert_eq!(is_slow(key), slow, "{bits}");
        }
    }
    assert!(!is_slow(&[0x30; 5_000]));
}

//! What PyKMIP signed and encrypted is verified and decrypted, and the reverse; and what is refused.

use super::vectors::{self, DATA};
use super::*;
use crate::crypto::sign::{self, Message, Signing};
use crate::crypto::test::hex;
use crate::crypto::{Key, KeyRole, Kind, Parameter};
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
fn verifies_what_pykmip_signed_and_signs_the_same() {
    for (private, public, pkcs1, pss, _) in KEYS {
        let (private, public) = (hex(private), hex(public));
        for (padding, signatures) in [(PaddingMethod::Pkcs1V1_5, pkcs1), (PaddingMethod::Pss, pss)] {
            for (hash, signature) in signatures {
                let verifying = signing(&public, padding, *hash);
                let ours = signing(&private, padding, *hash);
                let (mut theirs, ours) = (hex(signature), sign::sign(&ours, Message::Data(DATA)).unwrap());
                for signature in [&theirs, &ours] {
                    assert_eq!(
                        sign::verify(&verifying, Message::Data(DATA), signature),
                        Ok(true),
                        "{hash:?}"
                    );
                    assert_eq!(sign::verify(&verifying, Message::Data(b"other"), signature), Ok(false));
                }
                assert!(padding == PaddingMethod::Pss || ours == theirs, "{hash:?}");
                theirs[9] ^= 1;
                assert_eq!(sign::verify(&verifying, Message::Data(DATA), &theirs), Ok(false));
                assert_eq!(sign::verify(&verifying, Message::Data(DATA), b""), Ok(false));
                let digest = crate::crypto::hash::digest(*hash, DATA).unwrap();
                assert_eq!(sign::verify(&verifying, Message::Digest(&digest), &ours), Ok(true));
            }
        }
    }
}

/// With the DER that names SHA-256 before the digest (RFC 8017 §9.2), it is the signature that names it.
#[test]
fn a_digest_without_a_hash_is_signed_as_it_stands() {
    for (private, public, ..) in KEYS {
        let (private, public) = (hex(private), hex(public));
        let bare =
            |key| Signing { hash: None, ..signing(key, PaddingMethod::Pkcs1V1_5, HashingAlgorithm::Sha256) };
        let digest = crate::crypto::hash::digest(HashingAlgorithm::Sha256, DATA).unwrap();
        let named = [hex("3031300d060960864801650304020105000420"), digest].concat();
        let named = Message::Digest(&named);
        let full = signing(&private, PaddingMethod::Pkcs1V1_5, HashingAlgorithm::Sha256);
        let signature = sign::sign(&full, Message::Data(DATA)).unwrap();
        assert_eq!(sign::sign(&bare(&private), named), Ok(signature.clone()));
        assert_eq!(sign::verify(&bare(&public), named, &signature), Ok(true));
        let short = Message::Digest(b"sixteen bytes...");
        let unpadded = Signing { padding: None, ..bare(&private) };
        let signature = sign::sign(&unpadded, short).unwrap();
        assert_eq!(sign::verify(&bare(&public), short, &signature), Ok(true));
        assert_eq!(sign::verify(&bare(&public), Message::Digest(b"other"), &signature), Ok(false));

        let missing = Err(Error::Missing(Parameter::HashingAlgorithm));
        assert_eq!(sign::sign(&bare(&private), Message::Data(DATA)), missing);
        assert_eq!(
            sign::sign(&Signing { padding: Some(PaddingMethod::Pss), ..bare(&private) }, short),
            missing
        );
        let long = sign::sign(&bare(&private), Message::Digest(&[1; 300]));
        assert!(matches!(long, Err(Error::DataTooLong { length: 300, .. })), "{long:?}");
    }
}

#[test]
fn decrypts_what_pykmip_encrypted_with_oaep_and_the_reverse() {
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
fn a_wrong_pkcs1_padding_gives_what_openssl_gives() {
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
fn keys_go_through_every_format_unchanged() {
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
fn refuses_as_pykmip_refuses() {
    let private = hex(vectors::PRIVATE_1024);
    let good = signing(&private, PaddingMethod::Pss, HashingAlgorithm::Sha256);
    let refused = |signing: Signing<'_>| sign::sign(&signing, Message::Data(DATA)).unwrap_err();
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
    assert_eq!(unreadable.kind(), Kind::Parameters);
    assert_eq!(refused(Signing { padding: None, ..good }), Error::Missing(Parameter::PaddingMethod));
    let padding = PaddingMethod::Oaep;
    assert_eq!(refused(Signing { padding: Some(padding), ..good }), Error::Padding { padding, purpose });
    let one = Parameter::DigitalSignatureAlgorithm;
    let both = Signing { signature: Some(DigitalSignatureAlgorithm::Sha1WithRsaEncryption), ..good };
    let conflict = Error::Conflict { one, other: Parameter::HashingAlgorithm };
    assert_eq!(sign::verify(&both, Message::Data(DATA), b""), Err(conflict));
    let unreadable = sign::verify(&good, Message::Data(DATA), b"").unwrap_err();
    assert_eq!(unreadable.kind(), Kind::Failure);
    let long = Padding { method: Some(PaddingMethod::Pkcs1V1_5), hash: None, mask_hash: None, label: None };
    let public = hex(vectors::PUBLIC_1024);
    assert_eq!(encrypt(&public, &long, &[0; 118]), Err(Error::DataTooLong { length: 118, most: 117 }));
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

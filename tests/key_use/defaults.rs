//! Parameters that a request may omit because the algorithm, the key or its curve determines them, and algorithms that
//! do not fit the key.

use kmip_server::Compatibility;
use kmip_server::internals::crypto::ec;

use super::*;

#[test]
fn gcm_without_tag_length_has_a_tag_of_16_bytes() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let without_length = CryptographicParameters { tag_length: None, ..gcm() };
    let plain = ready(&mut john, V1_4, &aes(), &[]);
    let own = ready(&mut john, V1_4, &aes(), &[attribute(Tag::CryptographicParameters, &without_length)]);
    for (key, parameters) in [(plain, Some(without_length)), (own, None)] {
        let ask = Ask { iv: Some(IV.to_vec()), ..Ask::of(&key, parameters) };
        let answer = ask.send(&mut john, V1_4, Operation::Encrypt);
        let tag = bytes(&answer, Tag::AuthenticatedEncryptionTag);
        assert_eq!(tag.len(), 16);
        let back = Ask { data: Some(bytes(&answer, Tag::Data)), tag: Some(tag), ..ask };
        assert_eq!(bytes(&back.send(&mut john, V1_4, Operation::Decrypt), Tag::Data), TEXT);
    }
}

#[test]
fn the_parameters_of_a_key_follow_the_standard_under_both_settings() {
    let pki = Pki::new();
    for compatibility in [Compatibility::PyKmip, Compatibility::Standard] {
        let mut config = pki.config();
        config.compatibility = compatibility;
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let block = ready(&mut john, V1_4, &aes(), &[attribute(Tag::CryptographicParameters, &ecb())]);
        let ask = Ask { data: Some(vec![7; 16]), ..Ask::of(&block, None) };
        let encrypted = bytes(&ask.send(&mut john, V1_4, Operation::Encrypt), Tag::Data);
        let back = Ask { data: Some(encrypted), ..ask };
        assert_eq!(bytes(&back.send(&mut john, V1_4, Operation::Decrypt), Tag::Data), [7; 16]);
        let chained = ready(&mut john, V1_4, &aes(), &[attribute(Tag::CryptographicParameters, &cbc())]);
        let without_iv = Ask { data: Some(vec![7; 16]), ..Ask::of(&chained, None) };
        let answer = without_iv.send(&mut john, V1_4, Operation::Decrypt);
        assert_eq!(answer.refused(), ResultReason::InvalidMessage, "{compatibility}");
    }
}

#[test]
fn a_decryption_refuses_tags_that_are_shorter_than_the_key_or_the_request_allows() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let with = |length| CryptographicParameters { tag_length: length, ..gcm() };
    let ccm =
        |length| CryptographicParameters { block_cipher_mode: Some(BlockCipherMode::Ccm), ..with(length) };
    let mut ready_with = |registered: Option<i32>| {
        let attributes: Vec<_> = registered
            .map(|length| attribute(Tag::CryptographicParameters, &with(Some(length))))
            .into_iter()
            .collect();
        ready(&mut john, V1_4, &aes(), &attributes)
    };
    let keys = [None, Some(16), Some(4)].map(|registered| (registered, ready_with(registered)));
    let mut decrypts = |key: &str, parameters: [CryptographicParameters; 2], parts: bool| {
        let [encryption, decryption] = parameters;
        let iv = Some(IV[..12].to_vec());
        let ask = Ask { iv: iv.clone(), ..Ask::of(key, Some(encryption)) };
        let answer = ask.send(&mut john, V1_4, Operation::Encrypt);
        let (data, tag) = (bytes(&answer, Tag::Data), bytes(&answer, Tag::AuthenticatedEncryptionTag));
        let back = Ask { iv, data: Some(data), tag: Some(tag), ..Ask::of(key, Some(decryption)) };
        if !parts {
            let answer = back.send(&mut john, V1_4, Operation::Decrypt);
            return answer.status == ResultStatus::Success;
        }
        let first =
            Ask { init: Some(true), tag: None, ..back.clone() }.send(&mut john, V1_4, Operation::Decrypt);
        let correlation = Some(bytes(&first, Tag::CorrelationValue));
        let last = Ask { correlation, last: Some(true), data: None, iv: None, parameters: None, ..back };
        last.send(&mut john, V1_4, Operation::Decrypt).status == ResultStatus::Success
    };
    for (registered, key) in &keys {
        // The length of the tag, and the Tag Length of the request.
        for (tag, requested) in [
            (16, None),
            (16, Some(16)),
            (12, None),
            (12, Some(12)),
            (12, Some(16)),
            (8, None),
            (8, Some(4)),
            (4, Some(8)),
        ] {
            let shortest = registered.unwrap_or(12).max(requested.unwrap_or(0));
            for (encryption, decryption) in
                [(with(Some(tag)), with(requested)), (ccm(Some(tag)), ccm(requested))]
            {
                for parts in [false, true] {
                    let done = decrypts(key, [encryption.clone(), decryption.clone()], parts);
                    assert_eq!(
                        done,
                        tag >= shortest,
                        "key {registered:?}, request {requested:?}, tag {tag}, in parts {parts}"
                    );
                }
            }
        }
    }
}

#[test]
fn digital_signature_algorithm_determines_the_padding() {
    use DigitalSignatureAlgorithm as D;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let (private, public) = pair();
    let (private, public) = (ready(&mut john, V1_4, &private, &[]), ready(&mut john, V1_4, &public, &[]));
    for (algorithm, padding) in [
        (D::Md5WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha1WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha224WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha256WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha384WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha512WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha3_256WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha3_384WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::Sha3_512WithRsaEncryption, PaddingMethod::Pkcs1V1_5),
        (D::RsassaPss, PaddingMethod::Pss),
    ] {
        let hash = (algorithm == D::RsassaPss).then_some(HashingAlgorithm::Sha256);
        let named = CryptographicParameters {
            digital_signature_algorithm: Some(algorithm),
            hashing_algorithm: hash,
            ..CryptographicParameters::default()
        };
        let padded = CryptographicParameters { padding_method: Some(padding), ..named.clone() };
        let signed = Ask::of(&private, Some(named.clone())).send(&mut john, V1_4, Operation::Sign);
        let proof = Some(bytes(&signed, Tag::SignatureData));
        for parameters in [named, padded] {
            let ask = Ask { proof: proof.clone(), ..Ask::of(&public, Some(parameters)) };
            let answer = ask.send(&mut john, V1_4, Operation::SignatureVerify);
            assert_eq!(
                only::<ValidityIndicator>(&answer, Tag::ValidityIndicator),
                ValidityIndicator::Valid,
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn key_or_curve_determines_the_hash_of_ecdsa() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let pair = ec::generate(ec::Curve::P384).unwrap();
    let algorithm = Some((CryptographicAlgorithm::Ec, 384));
    let private = block(KeyFormatType::Pkcs8, algorithm, pair.pkcs8().unwrap().expose());
    let public = block(KeyFormatType::X509, algorithm, &pair.public().unwrap().spki(false).unwrap());
    let private = Object::PrivateKey(Key { key_block: private });
    let public = Object::PublicKey(Key { key_block: public });
    let ecdsa = |hash| CryptographicParameters {
        cryptographic_algorithm: Some(CryptographicAlgorithm::Ecdsa),
        hashing_algorithm: hash,
        ..CryptographicParameters::default()
    };
    let own = attribute(Tag::CryptographicParameters, &ecdsa(Some(HashingAlgorithm::Sha256)));
    let public = ready(&mut john, V1_4, &public, &[]);
    let plain = ready(&mut john, V1_4, &private, &[]);
    let with_hash = ready(&mut john, V1_4, &private, &[own]);
    for (private, hash) in [(plain, HashingAlgorithm::Sha384), (with_hash, HashingAlgorithm::Sha256)] {
        let signed = Ask::of(&private, Some(ecdsa(None))).send(&mut john, V1_4, Operation::Sign);
        let proof = Some(bytes(&signed, Tag::SignatureData));
        let ask = Ask { proof, ..Ask::of(&public, Some(ecdsa(Some(hash)))) };
        let answer = ask.send(&mut john, V1_4, Operation::SignatureVerify);
        let validity: ValidityIndicator = only(&answer, Tag::ValidityIndicator);
        assert_eq!(validity, ValidityIndicator::Valid, "{hash:?}");
    }
}

#[test]
fn signature_verify_rejects_an_algorithm_that_is_unsupported_or_does_not_fit_the_key() {
    use CryptographicAlgorithm as A;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let (private, public) = pair();
    let private = ready(&mut john, V1_4, &private, &[]);
    let public = ready(&mut john, V1_4, &public, &[]);
    for algorithm in [A::Ecdsa, A::Ec, A::Ed25519, A::Dsa, A::Aes] {
        let parameters = CryptographicParameters { cryptographic_algorithm: Some(algorithm), ..rsa_sha256() };
        for version in VERSIONS {
            let sign = Ask::of(&private, Some(parameters.clone()));
            let verify = Ask { proof: Some(vec![1; 256]), ..Ask::of(&public, Some(parameters.clone())) };
            for (ask, operation) in [(sign, Operation::Sign), (verify, Operation::SignatureVerify)] {
                let reason = ask.send(&mut john, version, operation).refused();
                assert_eq!(reason, ResultReason::InvalidField, "{operation} {algorithm} in {version}");
            }
        }
    }
}

#[test]
fn stream_cipher_in_a_block_cipher_mode_rejects_a_key_of_another_algorithm() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &aes(), &[]);
    let rc4 = CryptographicParameters { cryptographic_algorithm: Some(CryptographicAlgorithm::Rc4), ..cbc() };
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        let ask = Ask { iv: Some(IV.to_vec()), ..Ask::of(&key, Some(rc4.clone())) };
        assert_eq!(ask.send(&mut john, V1_4, operation).refused(), ResultReason::CryptographicFailure);
    }
}

#[test]
fn allocation_of_usage_is_possible_before_the_process_start_date() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let now = Clock::system().now().0;
    let limits = UsageLimits {
        usage_limits_total: 100,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Byte,
    };
    let limits = attribute(Tag::UsageLimits, &limits);
    for (date, possible) in [
        (attribute(Tag::ProcessStartDate, &DateTime(now + 3_600)), true),
        (attribute(Tag::ProtectStopDate, &DateTime(now - 3_600)), false),
    ] {
        let key = ready(&mut john, V1_4, &aes(), &[limits.clone(), date]);
        let allocated = john.ask(V1_4, Operation::GetUsageAllocation, |writer| {
            id(&key, writer);
            10_i64.write(Tag::UsageLimitsCount, writer);
        });
        let encrypted = Ask::of(&key, Some(ecb())).send(&mut john, V1_4, Operation::Encrypt);
        for answer in [allocated, encrypted] {
            match possible {
                true => _ = answer.done(),
                false => assert_eq!(answer.refused(), ResultReason::PermissionDenied),
            }
        }
    }
}

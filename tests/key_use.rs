//! Cryptographic operations over TLS: Encrypt, Decrypt, Sign, Signature Verify, MAC, MAC Verify and Hash.
//! Access, Usage Limits, dates and multi-part operations.

use kmip_server::internals::clock::Clock;
use kmip_server::internals::crypto::{Purpose, rsa};
use kmip_server::internals::secret::Secret;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::*;
use kmip_server::kmip::structures::{CryptographicParameters, UsageLimits};
use kmip_server::kmip::{
    Key, KeyBlock, KeyMaterial, KeyValue, KeyWrappingData, Object, OpaqueObject, RsaPrivateKeyMaterial,
    SecretData,
};
use kmip_server::ttlv::{
    BigInteger, DateTime, Field, Tag, V1_2, V1_3, V1_4, V2_0, V2_1, Value, Version, Writer,
};

use crate::corpus::{attribute, id, message_of, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::Pki;

mod defaults;
mod given;
mod one_time_pads;
mod parts;

use given::*;

const VERSIONS: [Version; 5] = [V1_2, V1_3, V1_4, V2_0, V2_1];
const KEY: [u8; 16] = [7; 16];
const IV: [u8; 16] = [9; 16];
const TEXT: &[u8] = b"thirty-two bytes of plain text..";
const EVERYTHING: i32 = 0xF_FFFF;

/// Starts a server with a policy that permits every user only to get keys.
fn sharing(pki: &Pki) -> Live {
    let types = ["SYMMETRIC_KEY", "PUBLIC_KEY", "PRIVATE_KEY"];
    let types = types.map(|name| format!(r#""{name}": {{"GET": "ALLOW_ALL"}}"#)).join(", ");
    let folder = pki.folder.path("policies");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("shared.json"), format!(r#"{{"shared": {{"preset": {{{types}}}}}}}"#))
        .unwrap();
    let mut config = pki.config();
    config.policy_path = Some(folder);
    Live::start(&config)
}

/// A request of any of these operations; absent fields are omitted.
#[derive(Clone, Default)]
struct Ask {
    key: String,
    parameters: Option<CryptographicParameters>,
    data: Option<Vec<u8>>,
    digested: Option<Vec<u8>>,
    /// MAC Data or Signature Data, by the operation.
    proof: Option<Vec<u8>>,
    iv: Option<Vec<u8>>,
    correlation: Option<Vec<u8>>,
    init: Option<bool>,
    last: Option<bool>,
    additional: Option<Vec<u8>>,
    tag: Option<Vec<u8>>,
}

impl Ask {
    fn of(key: &str, parameters: Option<CryptographicParameters>) -> Self {
        Self { key: key.to_owned(), parameters, data: Some(TEXT.to_vec()), ..Self::default() }
    }

    fn send(&self, caller: &mut Caller, version: Version, operation: Operation) -> Answer {
        caller.ask(version, operation, |writer| self.write(operation, writer))
    }

    fn write(&self, operation: Operation, writer: &mut Writer) {
        if !self.key.is_empty() {
            id(&self.key, writer);
        }
        self.parameters.write(Tag::CryptographicParameters, writer);
        self.data.write(Tag::Data, writer);
        self.digested.write(Tag::DigestedData, writer);
        self.iv.write(Tag::IvCounterNonce, writer);
        let verifies = operation == Operation::SignatureVerify;
        let proof = if verifies { Tag::SignatureData } else { Tag::MacData };
        self.proof.write(proof, writer);
        self.correlation.write(Tag::CorrelationValue, writer);
        self.init.write(Tag::InitIndicator, writer);
        self.last.write(Tag::FinalIndicator, writer);
        self.additional.write(Tag::AuthenticatedEncryptionAdditionalData, writer);
        self.tag.write(Tag::AuthenticatedEncryptionTag, writer);
    }
}

fn only<T: Value>(answer: &Answer, tag: Tag) -> T {
    let mut values = answer.all(tag);
    assert_eq!(values.len(), 1, "{tag:?} in {answer:?}");
    values.remove(0)
}

fn bytes(answer: &Answer, tag: Tag) -> Vec<u8> {
    only(answer, tag)
}

/// An operation with a request, and keys that it accepts and rejects.
struct Verb {
    operation: Operation,
    parameters: CryptographicParameters,
    proof: Option<Vec<u8>>,
    key: Object,
    wrong: Vec<Object>,
    bit: CryptographicUsageMask,
}

fn verbs() -> Vec<Verb> {
    use CryptographicUsageMask as M;
    let (private, public) = pair();
    let verb = |operation, parameters, key, wrong, bit| Verb {
        operation,
        parameters,
        proof: matches!(operation, Operation::SignatureVerify | Operation::MacVerify).then(|| vec![1; 32]),
        key,
        wrong,
        bit,
    };
    vec![
        verb(
            Operation::Encrypt,
            cbc(),
            aes(),
            vec![secret(), opaque(), private.clone(), public.clone()],
            M::ENCRYPT,
        ),
        verb(
            Operation::Decrypt,
            cbc(),
            aes(),
            vec![secret(), opaque(), private.clone(), public.clone()],
            M::DECRYPT,
        ),
        verb(
            Operation::Sign,
            rsa_sha256(),
            private.clone(),
            vec![aes(), secret(), opaque(), public.clone()],
            M::SIGN,
        ),
        verb(
            Operation::SignatureVerify,
            rsa_sha256(),
            public,
            vec![aes(), secret(), opaque(), private],
            M::VERIFY,
        ),
        verb(Operation::Mac, hmac(), aes(), vec![opaque()], M::MAC_GENERATE),
        verb(Operation::MacVerify, hmac(), aes(), vec![opaque()], M::MAC_VERIFY),
    ]
}

impl Verb {
    fn ask(&self, key: &str) -> Ask {
        let iv = matches!(self.operation, Operation::Encrypt | Operation::Decrypt).then(|| IV.to_vec());
        Ask { proof: self.proof.clone(), iv, ..Ask::of(key, Some(self.parameters.clone())) }
    }
}

#[test]
fn every_failure_has_the_result_reason_of_its_version() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    for verb in verbs() {
        for version in VERSIONS {
            let refused = |caller: &mut Caller, ask: Ask| ask.send(caller, version, verb.operation).refused();
            let from_2_1 = |later, before| if version >= V2_1 { later } else { before };
            let about = format!("{} in {version}", verb.operation);

            let unknown = refused(&mut john, verb.ask("999"));
            assert!(
                matches!(unknown, ResultReason::ItemNotFound | ResultReason::ObjectNotFound),
                "{about}: {unknown}"
            );
            for object in &verb.wrong {
                let key = if object.object_type() == ObjectType::OpaqueObject {
                    put(&mut john, version, object, &[])
                } else {
                    ready(&mut john, version, object, &[])
                };
                let expected = from_2_1(ResultReason::InvalidObjectType, ResultReason::PermissionDenied);
                // Only RSA key pairs encrypt and decrypt.
                let reason = refused(&mut john, verb.ask(&key));
                let pair = matches!(object.object_type(), ObjectType::PublicKey | ObjectType::PrivateKey);
                let expected =
                    if pair && reason != expected { ResultReason::PermissionDenied } else { expected };
                assert_eq!(reason, expected, "{about}: {}", object.object_type());
            }
            let key = put(&mut john, version, &verb.key, &[usage(EVERYTHING)]);
            let wrong_state = from_2_1(ResultReason::WrongKeyLifecycleState, ResultReason::PermissionDenied);
            assert_eq!(refused(&mut john, verb.ask(&key)), wrong_state, "{about}: pre-active");
            let key = put(&mut john, version, &verb.key, &[usage(EVERYTHING & !verb.bit.0), since(1_000)]);
            let table = ResultReason::IncompatibleCryptographicUsageMask;
            let expected = from_2_1(table, ResultReason::PermissionDenied);
            assert_eq!(refused(&mut john, verb.ask(&key)), expected, "{about}: mask");
            let key = ready(&mut john, version, &verb.key, &[]);
            // The default policy permits every user to get public keys.
            if verb.operation == Operation::SignatureVerify {
                verb.ask(&key).send(&mut jane, version, verb.operation).done();
            } else {
                let reason = refused(&mut jane, verb.ask(&key));
                assert_eq!(reason, ResultReason::PermissionDenied, "{about}: other user");
            }
            let ask = Ask { data: None, ..verb.ask(&key) };
            assert_eq!(refused(&mut john, ask), ResultReason::InvalidMessage, "{about}: no data");
        }
    }
}

#[test]
fn users_with_permission_to_get_a_key_can_use_it() {
    let pki = Pki::new();
    let server = sharing(&pki);
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let policy = attribute(Tag::OperationPolicyName, &"shared".to_owned());
    for verb in verbs() {
        let key = ready(&mut john, V1_2, &verb.key, std::slice::from_ref(&policy));
        let answer = verb.ask(&key).send(&mut jane, V1_2, verb.operation);
        // The data is not a ciphertext; the test checks only that the server used the key.
        if verb.operation == Operation::Decrypt {
            assert_eq!(answer.refused(), ResultReason::CryptographicFailure);
        } else {
            answer.done();
        }
    }
}

#[test]
fn only_successful_operations_reduce_usage_limits() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let left = |caller: &mut Caller, key: &str| {
        caller.attribute::<UsageLimits>(V1_4, key, Tag::UsageLimits).unwrap().usage_limits_count
    };
    let limits = |total, unit| {
        let count = None;
        attribute(
            Tag::UsageLimits,
            &UsageLimits { usage_limits_total: total, usage_limits_count: count, usage_limits_unit: unit },
        )
    };
    let key = ready(&mut john, V1_4, &aes(), &[limits(70, UsageLimitsUnit::Byte)]);
    let ask = Ask::of(&key, Some(ecb()));
    ask.send(&mut john, V1_4, Operation::Encrypt).done();
    assert_eq!(left(&mut john, &key), Some(38));
    let uneven = Ask { data: Some(vec![1; 7]), ..ask.clone() };
    assert_eq!(
        uneven.send(&mut john, V1_4, Operation::Encrypt).refused(),
        ResultReason::CryptographicFailure
    );
    ask.send(&mut john, V1_4, Operation::Decrypt).done();
    assert_eq!(left(&mut john, &key), Some(38));
    Ask::of(&key, Some(hmac())).send(&mut john, V1_4, Operation::Mac).done();
    assert_eq!(left(&mut john, &key), Some(6));
    for version in VERSIONS {
        let answer = ask.send(&mut john, version, Operation::Encrypt);
        assert_eq!(answer.refused(), ResultReason::PermissionDenied);
    }
    let part = Ask { data: Some(vec![1; 6]), init: Some(true), ..ask.clone() };
    part.send(&mut john, V1_4, Operation::Encrypt).done();
    assert_eq!(left(&mut john, &key), Some(0));

    let (private, _) = pair();
    let key = ready(&mut john, V1_4, &private, &[limits(2, UsageLimitsUnit::Object)]);
    let ask = Ask::of(&key, Some(rsa_sha256()));
    ask.send(&mut john, V1_4, Operation::Sign).done();
    // A multi-part operation counts as one object.
    let first = Ask { init: Some(true), ..ask.clone() }.send(&mut john, V1_4, Operation::Sign);
    let correlation = Some(bytes(&first, Tag::CorrelationValue));
    Ask { correlation, last: Some(true), ..ask.clone() }.send(&mut john, V1_4, Operation::Sign).done();
    assert_eq!(left(&mut john, &key), Some(0));
    assert_eq!(ask.send(&mut john, V1_4, Operation::Sign).refused(), ResultReason::PermissionDenied);
}

#[test]
fn dates_and_states_restrict_the_use_of_a_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let now = Clock::system().now().0;
    let start = attribute(Tag::ProcessStartDate, &DateTime(now + 3_600));
    let stop = attribute(Tag::ProtectStopDate, &DateTime(now - 3_600));
    let ask = |key: &str| Ask::of(key, Some(ecb()));
    let late = ready(&mut john, V1_4, &aes(), &[stop]);
    let early = ready(&mut john, V1_4, &aes(), &[start]);
    for (version, reason) in
        [(V1_4, ResultReason::PermissionDenied), (V2_1, ResultReason::WrongKeyLifecycleState)]
    {
        assert_eq!(ask(&late).send(&mut john, version, Operation::Encrypt).refused(), reason);
        ask(&late).send(&mut john, version, Operation::Decrypt).done();
        ask(&early).send(&mut john, version, Operation::Encrypt).done();
        assert_eq!(ask(&early).send(&mut john, version, Operation::Decrypt).refused(), reason);
    }
    let key = ready(&mut john, V1_4, &aes(), &[]);
    ask(&key).send(&mut john, V1_4, Operation::Encrypt).done();
    john.ask(V1_4, Operation::Revoke, |writer| {
        id(&key, writer);
        writer.structure(Tag::RevocationReason, |writer| {
            RevocationReasonCode::CessationOfOperation.write(Tag::RevocationReasonCode, writer);
        });
    })
    .done();
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        let answer = ask(&key).send(&mut john, V1_4, operation);
        assert_eq!(answer.refused(), ResultReason::PermissionDenied);
    }
    john.ask(V1_4, Operation::Destroy, |writer| id(&key, writer)).done();
    let answer = ask(&key).send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::ItemNotFound);
}

#[test]
fn archived_keys_and_keys_without_value_cannot_be_used() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for verb in verbs() {
        let key = ready(&mut john, V1_4, &verb.key, &[]);
        john.ask(V1_4, Operation::Archive, |writer| id(&key, writer)).done();
        let answer = verb.ask(&key).send(&mut john, V1_4, verb.operation);
        assert_eq!(answer.refused(), ResultReason::ObjectArchived, "{}", verb.operation);

        let mut object = verb.key.clone();
        object.key_block_mut().unwrap().key_value = None;
        let key = ready(&mut john, V1_4, &object, &[]);
        let answer = verb.ask(&key).send(&mut john, V1_4, verb.operation);
        assert_eq!(answer.refused(), ResultReason::KeyValueNotPresent, "{}", verb.operation);
    }
}

#[test]
fn transparent_keys_compute_the_same_results_as_other_formats() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let (private, public) = pair();
    let bytes_of = |object: &Object| object.key_block().unwrap().bytes().unwrap().expose().to_vec();
    let read = rsa::PrivateKey::read(&bytes_of(&private), Purpose::Sign).unwrap();
    let numbers = read.numbers().unwrap();
    let secret = |part: &Option<Secret>| part.as_ref().map(|part| BigInteger::from_magnitude(part.expose()));
    let material = KeyMaterial::RsaPrivateKey(RsaPrivateKeyMaterial {
        modulus: BigInteger::from_magnitude(&numbers.modulus),
        private_exponent: secret(&numbers.private_exponent),
        public_exponent: numbers.public_exponent.as_deref().map(BigInteger::from_magnitude),
        p: secret(&numbers.p),
        q: secret(&numbers.q),
        prime_exponent_p: None,
        prime_exponent_q: None,
        crt_coefficient: None,
    });
    let mut transparent = private.clone();
    let block = transparent.key_block_mut().unwrap();
    block.key_format_type = KeyFormatType::TransparentRsaPrivateKey;
    block.key_value = Some(KeyValue::of(material));
    let signature = |caller: &mut Caller, object: &Object| {
        let key = ready(caller, V1_4, object, &[]);
        bytes(&Ask::of(&key, Some(rsa_sha256())).send(caller, V1_4, Operation::Sign), Tag::SignatureData)
    };
    assert_eq!(signature(&mut john, &private), signature(&mut john, &transparent));
    let proof = Some(signature(&mut john, &transparent));
    let key = ready(&mut john, V1_4, &public, &[]);
    let ask = Ask { proof, ..Ask::of(&key, Some(rsa_sha256())) };
    let valid: ValidityIndicator =
        only(&ask.send(&mut john, V1_4, Operation::SignatureVerify), Tag::ValidityIndicator);
    assert_eq!(valid, ValidityIndicator::Valid);
}

#[test]
fn a_batch_creates_a_key_and_uses_it_by_the_id_placeholder() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    type Write = Box<dyn Fn(&mut Writer)>;
    for version in VERSIONS {
        let create: Write = Box::new(|writer| {
            ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
            let attributes = [
                attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes),
                attribute(Tag::CryptographicLength, &256),
                usage(0xC),
            ];
            template(Tag::Attributes, &attributes, writer);
        });
        let nothing: Write = Box::new(|_| ());
        let ask = Ask { key: String::new(), ..Ask::of("", Some(ecb())) };
        let encrypt: Write = Box::new(move |writer| ask.write(Operation::Encrypt, writer));
        let items =
            [(Operation::Create, create), (Operation::Activate, nothing), (Operation::Encrypt, encrypt)];
        let answers = john.send(version, &message_of(version, None, &items));
        assert_eq!(answers.len(), 3);
        assert_eq!(bytes(&answers[2], Tag::Data).len(), TEXT.len(), "{version}");
        assert_eq!(answers[2].id(), answers[0].id());
    }
}

#[test]
fn wrapped_keys_cannot_be_used() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let algorithm = Some((CryptographicAlgorithm::Aes, 128));
    let mut key_block = block(KeyFormatType::Raw, algorithm, &[3; 24]);
    key_block.key_wrapping_data = Some(KeyWrappingData {
        wrapping_method: WrappingMethod::Encrypt,
        encryption_key_information: None,
        mac_signature_key_information: None,
        mac_signature: None,
        iv_counter_nonce: None,
        encoding_option: Some(EncodingOption::NoEncoding),
    });
    let key = ready(&mut john, V1_2, &Object::SymmetricKey(Key { key_block }), &[]);
    let answer = Ask::of(&key, Some(cbc())).send(&mut john, V1_2, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::PermissionDenied);
}

#[test]
fn parameters_come_from_the_request_then_the_key_then_the_defaults() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let encrypted = |caller: &mut Caller, key: &str, parameters: Option<CryptographicParameters>| {
        let ask = Ask { iv: Some(IV.to_vec()), ..Ask::of(key, parameters) };
        bytes(&ask.send(caller, V1_2, Operation::Encrypt), Tag::Data)
    };
    let plain = ready(&mut john, V1_2, &aes(), &[]);
    let own = ready(&mut john, V1_2, &aes(), &[attribute(Tag::CryptographicParameters, &ecb())]);
    let (in_cbc, in_ecb) =
        (encrypted(&mut john, &plain, Some(cbc())), encrypted(&mut john, &plain, Some(ecb())));
    assert_eq!((in_cbc.len(), in_ecb.len()), (48, 32));
    assert_eq!(encrypted(&mut john, &plain, None), in_cbc);
    assert_eq!(encrypted(&mut john, &own, None), in_ecb);
    assert_eq!(encrypted(&mut john, &own, Some(cbc())), in_cbc);

    // Signing has no default parameters, and a MAC uses the algorithm of the key.
    let (private, _) = pair();
    let key = ready(&mut john, V1_2, &private, &[]);
    let answer = Ask::of(&key, None).send(&mut john, V1_2, Operation::Sign);
    assert_eq!(answer.refused(), ResultReason::InvalidField);
    let answer = Ask::of(&plain, None).send(&mut john, V1_2, Operation::Mac);
    assert_eq!(bytes(&answer, Tag::MacData).len(), 16);
    let key = ready(&mut john, V1_2, &secret(), &[]);
    let answer = Ask::of(&key, None).send(&mut john, V1_2, Operation::Mac);
    assert_eq!(answer.refused(), ResultReason::PermissionDenied);
}

#[test]
fn encrypt_generates_and_returns_an_iv_if_the_request_has_none() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &aes(), &[]);
    let random = CryptographicParameters { random_iv: Some(true), ..cbc() };
    let twelve = CryptographicParameters { iv_length: Some(96), ..gcm() };
    for (parameters, length) in [(cbc(), 16), (random, 16), (gcm(), 16), (twelve, 12)] {
        let ask = Ask::of(&key, Some(parameters));
        let answer = ask.send(&mut john, V1_4, Operation::Encrypt);
        let iv = bytes(&answer, Tag::IvCounterNonce);
        assert_eq!(iv.len(), length);
        let data = Some(bytes(&answer, Tag::Data));
        let tag = answer.all::<Vec<u8>>(Tag::AuthenticatedEncryptionTag).pop();
        let back = Ask { data, iv: Some(iv), tag, ..ask.clone() }.send(&mut john, V1_4, Operation::Decrypt);
        assert_eq!(bytes(&back, Tag::Data), TEXT);
        let again = ask.send(&mut john, V1_4, Operation::Encrypt);
        assert_ne!(bytes(&again, Tag::IvCounterNonce), bytes(&answer, Tag::IvCounterNonce));
    }
    let given = Ask { iv: Some(IV.to_vec()), ..Ask::of(&key, Some(cbc())) };
    let answer = given.send(&mut john, V1_4, Operation::Encrypt);
    assert!(answer.all::<Vec<u8>>(Tag::IvCounterNonce).is_empty());
    let answer = Ask::of(&key, Some(cbc())).send(&mut john, V1_4, Operation::Decrypt);
    assert_eq!(answer.refused(), ResultReason::InvalidMessage);
    let seven = CryptographicParameters { iv_length: Some(7), ..gcm() };
    let answer = Ask::of(&key, Some(seven)).send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::InvalidField);
}

#[test]
fn authenticated_decryption_returns_no_data_that_was_modified() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &aes(), &[]);
    let ask =
        Ask { iv: Some(IV.to_vec()), additional: Some(b"header".to_vec()), ..Ask::of(&key, Some(gcm())) };
    let answer = ask.send(&mut john, V1_4, Operation::Encrypt);
    let tag = bytes(&answer, Tag::AuthenticatedEncryptionTag);
    let back = Ask { data: Some(bytes(&answer, Tag::Data)), tag: Some(tag.clone()), ..ask.clone() };
    assert_eq!(bytes(&back.send(&mut john, V1_4, Operation::Decrypt), Tag::Data), TEXT);
    let mut other_tag = tag;
    other_tag[0] ^= 1;
    for changed in [
        Ask { tag: Some(other_tag), ..back.clone() },
        Ask { additional: Some(b"Header".to_vec()), ..back.clone() },
        Ask { data: Some(TEXT.to_vec()), ..back.clone() },
    ] {
        let answer = changed.send(&mut john, V1_4, Operation::Decrypt);
        assert_eq!(answer.refused(), ResultReason::CryptographicFailure);
    }
    let answer = Ask { tag: None, ..back }.send(&mut john, V1_4, Operation::Decrypt);
    assert_eq!(answer.refused(), ResultReason::InvalidField);
    for length in [1, 17] {
        let parameters = CryptographicParameters { tag_length: Some(length), ..gcm() };
        let answer =
            Ask { parameters: Some(parameters), ..ask.clone() }.send(&mut john, V1_4, Operation::Encrypt);
        assert_eq!(answer.refused(), ResultReason::GeneralFailure);
    }
}

#[test]
fn an_rsa_pair_encrypts_decrypts_signs_and_verifies() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let (private, public) = pair();
    let (private, public) = (ready(&mut john, V1_4, &private, &[]), ready(&mut john, V1_4, &public, &[]));
    let oaep = CryptographicParameters {
        padding_method: Some(PaddingMethod::Oaep),
        mask_generator_hashing_algorithm: Some(HashingAlgorithm::Sha1),
        p_source: Some(b"label".to_vec()),
        ..rsa_sha256()
    };
    for parameters in [rsa_sha256(), oaep] {
        let encrypted = Ask::of(&public, Some(parameters.clone())).send(&mut john, V1_4, Operation::Encrypt);
        let data = bytes(&encrypted, Tag::Data);
        let ask = Ask { data: Some(data.clone()), ..Ask::of(&private, Some(parameters.clone())) };
        assert_eq!(bytes(&ask.send(&mut john, V1_4, Operation::Decrypt), Tag::Data), TEXT);
        // In parts, the result is the same and follows the last part.
        let (start, rest) = data.split_at(100);
        let first = Ask { data: Some(start.to_vec()), init: Some(true), ..ask.clone() };
        let first = first.send(&mut john, V1_4, Operation::Decrypt);
        let correlation = Some(bytes(&first, Tag::CorrelationValue));
        let last = Ask { data: Some(rest.to_vec()), correlation, last: Some(true), ..ask };
        assert_eq!(bytes(&last.send(&mut john, V1_4, Operation::Decrypt), Tag::Data), TEXT);
    }
    for padding in [PaddingMethod::Pkcs1V1_5, PaddingMethod::Pss] {
        let parameters = CryptographicParameters { padding_method: Some(padding), ..rsa_sha256() };
        let signed = Ask::of(&private, Some(parameters.clone())).send(&mut john, V1_4, Operation::Sign);
        let proof = Some(bytes(&signed, Tag::SignatureData));
        let ask = Ask { proof, ..Ask::of(&public, Some(parameters)) };
        let verify = |caller: &mut Caller, ask: &Ask| -> ValidityIndicator {
            only(&ask.send(caller, V1_4, Operation::SignatureVerify), Tag::ValidityIndicator)
        };
        assert_eq!(verify(&mut john, &ask), ValidityIndicator::Valid);
        let other = Ask { data: Some(b"other".to_vec()), ..ask.clone() };
        assert_eq!(verify(&mut john, &other), ValidityIndicator::Invalid);
        let answer = Ask { proof: None, ..ask }.send(&mut john, V1_4, Operation::SignatureVerify);
        assert_eq!(answer.refused(), ResultReason::InvalidMessage);
    }
    // A digest from the client replaces the data.
    let digest = kmip_server::internals::crypto::hash::digest(HashingAlgorithm::Sha256, TEXT).unwrap();
    let ask = Ask { data: None, digested: Some(digest), ..Ask::of(&private, Some(rsa_sha256())) };
    let signed = ask.send(&mut john, V1_4, Operation::Sign);
    let proof = Some(bytes(&signed, Tag::SignatureData));
    let ask = Ask { proof, ..Ask::of(&public, Some(rsa_sha256())) };
    let valid: ValidityIndicator =
        only(&ask.send(&mut john, V1_4, Operation::SignatureVerify), Tag::ValidityIndicator);
    assert_eq!(valid, ValidityIndicator::Valid);
    let both = Ask { digested: Some(vec![1; 32]), ..Ask::of(&private, Some(rsa_sha256())) };
    assert_eq!(both.send(&mut john, V1_4, Operation::Sign).refused(), ResultReason::InvalidField);
}

#[test]
fn rng_retrieve_limits_its_length_and_rng_seed_uses_no_seed() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut random =
        |length: i32| john.ask(V1_2, Operation::RngRetrieve, |writer| length.write(Tag::DataLength, writer));
    assert_eq!(bytes(&random(32), Tag::Data).len(), 32);
    assert_ne!(bytes(&random(32), Tag::Data), bytes(&random(32), Tag::Data));
    for length in [0, -1, (1 << 20) + 1, i32::MAX] {
        assert_eq!(random(length).refused(), ResultReason::InvalidField);
    }
    let seeded = john.ask(V1_2, Operation::RngSeed, |writer| vec![1u8; 32].write(Tag::Data, writer));
    assert_eq!(only::<i32>(&seeded, Tag::DataLength), 0);
}

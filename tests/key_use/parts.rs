//! Multi-part operations: results, access and end.

use super::*;

/// Sends data in parts of `size` bytes, and returns the output of each part and the last response.
fn in_parts(caller: &mut Caller, operation: Operation, ask: &Ask, size: usize) -> (Vec<u8>, Answer) {
    let data = ask.data.clone().unwrap();
    let mut out = Vec::new();
    let mut correlation = None;
    for part in data.chunks(size) {
        let first = correlation.is_none();
        let part = Ask {
            data: Some(part.to_vec()),
            init: first.then_some(true),
            correlation: correlation.take(),
            ..if first { ask.clone() } else { Ask { key: ask.key.clone(), ..Ask::default() } }
        };
        let answer = part.send(caller, V1_4, operation);
        out.extend(answer.all::<Vec<u8>>(Tag::Data).concat());
        correlation = Some(bytes(&answer, Tag::CorrelationValue));
    }
    // The last part has no data and may omit the Unique Identifier.
    let last = Ask { correlation, last: Some(true), ..Ask::default() };
    let answer = last.send(caller, V1_4, operation);
    assert!(answer.all::<Vec<u8>>(Tag::CorrelationValue).is_empty());
    (out, answer)
}

#[test]
fn multi_part_operations_return_the_results_of_single_part_operations() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &aes(), &[]);
    let (private, public) = pair();
    let (private, public) = (ready(&mut john, V1_4, &private, &[]), ready(&mut john, V1_4, &public, &[]));
    for parameters in [cbc(), ecb(), gcm()] {
        let additional = parameters.tag_length.map(|_| b"header".to_vec());
        let ask = Ask { iv: Some(IV.to_vec()), additional, ..Ask::of(&key, Some(parameters)) };
        let whole = ask.send(&mut john, V1_4, Operation::Encrypt);
        let (mut encrypted, last) = in_parts(&mut john, Operation::Encrypt, &ask, 5);
        encrypted.extend(last.all::<Vec<u8>>(Tag::Data).concat());
        assert_eq!(encrypted, bytes(&whole, Tag::Data));
        let tag = last.all::<Vec<u8>>(Tag::AuthenticatedEncryptionTag).pop();
        assert_eq!(tag, whole.all(Tag::AuthenticatedEncryptionTag).pop());
        let ask = Ask { data: Some(encrypted), tag, ..ask };
        let (mut decrypted, last) = in_parts(&mut john, Operation::Decrypt, &ask, 7);
        decrypted.extend(last.all::<Vec<u8>>(Tag::Data).concat());
        assert_eq!(decrypted, TEXT);
    }
    let ask = Ask::of(&key, Some(hmac()));
    let whole = bytes(&ask.send(&mut john, V1_4, Operation::Mac), Tag::MacData);
    assert_eq!(bytes(&in_parts(&mut john, Operation::Mac, &ask, 5).1, Tag::MacData), whole);
    let ask = Ask { proof: Some(whole), ..ask };
    let valid: ValidityIndicator =
        only(&in_parts(&mut john, Operation::MacVerify, &ask, 5).1, Tag::ValidityIndicator);
    assert_eq!(valid, ValidityIndicator::Valid);

    let ask = Ask::of(&private, Some(rsa_sha256()));
    let whole = bytes(&ask.send(&mut john, V1_4, Operation::Sign), Tag::SignatureData);
    assert_eq!(bytes(&in_parts(&mut john, Operation::Sign, &ask, 5).1, Tag::SignatureData), whole);
    let ask = Ask { proof: Some(whole), ..Ask::of(&public, Some(rsa_sha256())) };
    let valid: ValidityIndicator =
        only(&in_parts(&mut john, Operation::SignatureVerify, &ask, 5).1, Tag::ValidityIndicator);
    assert_eq!(valid, ValidityIndicator::Valid);

    let ask = Ask::of("", Some(rsa_sha256()));
    let whole = bytes(&ask.send(&mut john, V1_4, Operation::Hash), Tag::Data);
    assert_eq!(bytes(&in_parts(&mut john, Operation::Hash, &ask, 5).1, Tag::Data), whole);
}

#[test]
fn a_multi_part_operation_belongs_to_its_user_and_operation() {
    let pki = Pki::new();
    let server = sharing(&pki);
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let shared = attribute(Tag::OperationPolicyName, &"shared".to_owned());
    let key = ready(&mut john, V1_4, &aes(), std::slice::from_ref(&shared));
    let other = ready(&mut john, V1_4, &aes(), &[shared]);
    let ask = Ask::of(&key, Some(ecb()));
    let first = Ask { init: Some(true), ..ask.clone() }.send(&mut john, V1_4, Operation::Encrypt);
    let correlation = bytes(&first, Tag::CorrelationValue);
    let next = Ask { parameters: None, correlation: Some(correlation), ..ask.clone() };
    for (version, reason) in
        [(V1_3, ResultReason::ItemNotFound), (V2_1, ResultReason::InvalidCorrelationValue)]
    {
        assert_eq!(next.send(&mut jane, version, Operation::Encrypt).refused(), reason);
        assert_eq!(next.send(&mut john, version, Operation::Decrypt).refused(), reason);
        let unknown = Ask { correlation: Some(vec![1; 16]), ..next.clone() };
        assert_eq!(unknown.send(&mut john, version, Operation::Encrypt).refused(), reason);
    }
    next.send(&mut john, V1_4, Operation::Encrypt).done();
    Ask { last: Some(true), ..next.clone() }.send(&mut john, V1_4, Operation::Encrypt).done();
    let answer = next.send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::ItemNotFound);

    // A part with another key ends the operation, as every failure does.
    let first = Ask { init: Some(true), ..ask.clone() }.send(&mut john, V1_4, Operation::Encrypt);
    let next = Ask { correlation: Some(bytes(&first, Tag::CorrelationValue)), ..ask.clone() };
    let strange = Ask { key: other, ..next.clone() };
    assert_eq!(strange.send(&mut john, V1_4, Operation::Encrypt).refused(), ResultReason::InvalidField);
    assert_eq!(next.send(&mut john, V1_4, Operation::Encrypt).refused(), ResultReason::ItemNotFound);
    for contradiction in [
        Ask { last: Some(true), ..ask.clone() },
        Ask { init: Some(true), correlation: Some(vec![1; 16]), ..ask },
    ] {
        let answer = contradiction.send(&mut john, V1_4, Operation::Encrypt);
        assert_eq!(answer.refused(), ResultReason::InvalidField);
    }
}

#[test]
fn revoking_the_key_stops_a_multi_part_operation() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &aes(), &[]);
    let ask = Ask::of(&key, Some(ecb()));
    let first = Ask { init: Some(true), ..ask.clone() }.send(&mut john, V1_4, Operation::Encrypt);
    let next = Ask { correlation: Some(bytes(&first, Tag::CorrelationValue)), ..ask };
    john.ask(V1_4, Operation::Revoke, |writer| {
        id(&key, writer);
        writer.structure(Tag::RevocationReason, |writer| {
            RevocationReasonCode::KeyCompromise.write(Tag::RevocationReasonCode, writer);
        });
    })
    .done();
    let answer = next.send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::PermissionDenied);
}

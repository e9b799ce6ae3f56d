//! One-time pads: each byte is used once, across objects, batches and restarts.

use super::*;
use crate::settings::with;

/// Pad bytes 1, 2, 3 …
fn pad_bytes(count: u8) -> Vec<u8> {
    (1..=count).collect()
}

fn pad(count: u8) -> Object {
    Object::SecretData(SecretData {
        secret_data_type: SecretDataType::Password,
        key_block: block(KeyFormatType::Opaque, None, &pad_bytes(count)),
    })
}

fn of_pads() -> Attribute {
    attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::OneTimePad)
}

fn act(caller: &mut Caller, operation: Operation, key: &str, data: &[u8]) -> Answer {
    Ask { data: Some(data.to_vec()), ..Ask::of(key, None) }.send(caller, V1_4, operation)
}

/// Encrypts zeros, which returns the bytes of the pad.
fn encrypted(caller: &mut Caller, key: &str, count: usize) -> Vec<u8> {
    bytes(&act(caller, Operation::Encrypt, key, &vec![0; count]), Tag::Data)
}

#[test]
fn uses_each_byte_of_a_pad_once_per_direction() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let symmetric = Object::SymmetricKey(Key {
        key_block: block(KeyFormatType::Raw, Some((CryptographicAlgorithm::OneTimePad, 72)), &[7; 9]),
    });
    let key = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
    for (key, whole) in [(key, pad_bytes(10)), (ready(&mut john, V2_1, &symmetric, &[]), vec![7; 9])] {
        let first = encrypted(&mut john, &key, 4);
        let second = encrypted(&mut john, &key, 3);
        assert_eq!([first.clone(), second.clone()].concat(), whole[..7]);
        let refused = act(&mut john, Operation::Encrypt, &key, &[0; 4]).refused();
        assert_eq!(refused, ResultReason::PermissionDenied);
        assert_eq!(encrypted(&mut john, &key, whole.len() - 7), whole[7..]);
        assert_eq!(encrypted(&mut john, &key, 0), [0; 0]);
        for message in [first, second] {
            let length = message.len();
            let decrypted = act(&mut john, Operation::Decrypt, &key, &message);
            assert_eq!(bytes(&decrypted, Tag::Data), vec![0; length]);
        }
        let refused = act(&mut john, Operation::Decrypt, &key, &[0; 4]).refused();
        assert_eq!(refused, ResultReason::PermissionDenied);
    }
}

#[test]
fn an_explicit_counter_can_decrypt_again_but_not_encrypt() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
    let message = encrypted(&mut john, &key, 10);
    let at = |counter: &[u8], range: std::ops::Range<usize>| Ask {
        iv: Some(counter.to_vec()),
        data: Some(message[range].to_vec()),
        ..Ask::of(&key, None)
    };
    for _ in 0..2 {
        let again = at(&[0, 4], 4..10).send(&mut john, V1_4, Operation::Decrypt);
        assert_eq!(bytes(&again, Tag::Data), [0; 6]);
    }
    let beyond = at(&[8], 0..3).send(&mut john, V1_4, Operation::Decrypt);
    assert_eq!(beyond.refused(), ResultReason::PermissionDenied);
    let long = at(&[0; 9], 0..3).send(&mut john, V1_4, Operation::Decrypt);
    assert_eq!(long.refused(), ResultReason::InvalidField);
    let chosen = at(&[0], 0..3).send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(chosen.refused(), ResultReason::InvalidField);
    // The position in the pad is unchanged.
    let first = act(&mut john, Operation::Decrypt, &key, &message[..2]);
    assert_eq!(bytes(&first, Tag::Data), [0; 2]);
}

#[test]
fn never_reuses_pad_bytes_after_a_restart_or_for_another_object() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.database_path = pki.folder.path("store"));
    let (one, other) = {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let one = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
        let other = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
        assert_eq!(encrypted(&mut john, &one, 3), [1, 2, 3]);
        assert_eq!(encrypted(&mut john, &other, 2), [4, 5]);
        (one, other)
    };
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(encrypted(&mut john, &one, 2), [6, 7]);
    john.ask(V1_4, Operation::Destroy, |writer| id(&other, writer)).refused();
    let again = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
    assert_eq!(encrypted(&mut john, &again, 1), [8]);
}

#[test]
fn batch_items_use_different_pad_bytes_that_cannot_be_rolled_back() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = ready(&mut john, V1_4, &pad(10), &[of_pads()]);
    let encrypt = |writer: &mut Writer| {
        Ask { data: Some(vec![0; 2]), ..Ask::of(&key, None) }.write(Operation::Encrypt, writer);
    };
    let items = [(Operation::Encrypt, encrypt), (Operation::Encrypt, encrypt)];
    let answers = john.send(V1_4, &message_of(V1_4, None, &items));
    let data: Vec<_> = answers.iter().map(|answer| bytes(answer, Tag::Data)).collect();
    assert_eq!(data, [[1, 2], [3, 4]]);
    let undo = Some(BatchErrorContinuationOption::Undo);
    let refused = john.send(V1_4, &message_of(V1_4, undo, &items)).remove(0).refused();
    assert_eq!(refused, ResultReason::OperationNotSupported);
    assert_eq!(encrypted(&mut john, &key, 1), [5]);
}

#[test]
fn a_pad_has_no_other_use_and_no_other_key_is_a_pad() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let key = ready(&mut john, V1_4, &pad(16), &[of_pads()]);
    let one_time = CryptographicParameters {
        cryptographic_algorithm: Some(CryptographicAlgorithm::OneTimePad),
        ..CryptographicParameters::default()
    };
    let aes_key = ready(&mut john, V1_4, &aes(), &[]);
    for (key, parameters) in [(&key, cbc()), (&aes_key, one_time.clone())] {
        let answer = Ask::of(key, Some(parameters)).send(&mut john, V1_4, Operation::Encrypt);
        assert_eq!(answer.refused(), ResultReason::InvalidField);
    }
    let password = ready(&mut john, V1_4, &secret(), &[]);
    let answer = Ask::of(&password, Some(one_time)).send(&mut john, V1_4, Operation::Encrypt);
    assert_eq!(answer.refused(), ResultReason::PermissionDenied);
    let part = Ask { init: Some(true), ..Ask::of(&key, None) };
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        assert_eq!(part.send(&mut john, V1_4, operation).refused(), ResultReason::InvalidField);
        assert_eq!(act(&mut jane, operation, &key, &[0]).refused(), ResultReason::PermissionDenied);
    }
    for attributes in [vec![usage(EVERYTHING), of_pads()], vec![usage(0x4), since(1_000), of_pads()]] {
        let wrong = put(&mut john, V1_4, &pad(16), &attributes);
        assert_eq!(
            act(&mut john, Operation::Decrypt, &wrong, &[0]).refused(),
            ResultReason::PermissionDenied
        );
    }
    assert_eq!(encrypted(&mut john, &key, 1), [1], "what was refused used nothing up");
}

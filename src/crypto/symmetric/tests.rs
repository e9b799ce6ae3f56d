//! Known answers for every algorithm, key length and mode, and what is refused.

use super::*;
use crate::crypto::test::hex;
use crate::crypto::{Key, Parameter};
use crate::kmip::enums::BlockCipherMode::*;
use crate::kmip::enums::CryptographicAlgorithm::*;
use crate::kmip::enums::{CryptographicAlgorithm, PaddingMethod};

fn cipher(algorithm: CryptographicAlgorithm, key: &[u8]) -> Cipher<'_> {
    Cipher {
        algorithm,
        key: Key(key),
        mode: None,
        padding: None,
        iv: None,
        additional_data: None,
        tag_length: None,
    }
}

#[track_caller]
fn both_ways(cipher: &Cipher<'_>, data: &[u8], encrypted: &[u8], tag: Option<&[u8]>) {
    let made = encrypt(cipher, data).unwrap();
    assert_eq!(made.data, encrypted, "{cipher:?}");
    assert_eq!(made.tag.as_deref(), tag, "{cipher:?}");
    assert_eq!(made.iv, None);
    assert_eq!(decrypt(cipher, encrypted, tag).unwrap().expose(), data, "{cipher:?}");
}

#[test]
fn block_ciphers_agree_with_pykmip_in_every_mode_and_key_length() {
    for (algorithm, length, mode, padding, encrypted) in vectors::BLOCK {
        let key = vectors::key(*length);
        let iv = vectors::iv(block_length(*algorithm).unwrap());
        let cipher = Cipher {
            mode: Some(*mode),
            padding: *padding,
            iv: (*mode != Ecb).then_some(&iv),
            ..cipher(*algorithm, &key)
        };
        both_ways(&cipher, vectors::DATA, &hex(encrypted), None);
    }
}

#[test]
fn rc4_agrees_with_pykmip_in_every_key_length_and_passes_a_mode_over() {
    for (length, encrypted) in vectors::RC4 {
        let key = vectors::key(*length);
        let cipher = Cipher { mode: Some(Cbc), iv: Some(b"any"), ..cipher(Rc4, &key) };
        both_ways(&cipher, vectors::DATA, &hex(encrypted), None);
    }
}

#[test]
fn gcm_agrees_with_pykmip_in_every_length_of_key_iv_and_tag() {
    for (length, iv, tag_length, encrypted, tag) in vectors::GCM {
        let (key, iv) = (vectors::key(*length), vectors::iv(*iv));
        let cipher = Cipher {
            mode: Some(Gcm),
            iv: Some(&iv),
            additional_data: Some(vectors::HEADER),
            tag_length: Some(*tag_length),
            ..cipher(Aes, &key)
        };
        both_ways(&cipher, vectors::DATA, &hex(encrypted), Some(&hex(tag)));
    }
}

#[test]
fn ccm_agrees_with_python_in_every_length_of_key_and_some_of_iv_and_tag() {
    for (length, iv, encrypted, tag) in vectors::CCM {
        let (key, iv, tag) = (vectors::key(*length), vectors::iv(*iv), hex(tag));
        let cipher = Cipher {
            mode: Some(Ccm),
            iv: Some(&iv),
            additional_data: Some(vectors::HEADER),
            tag_length: Some(tag.len()),
            ..cipher(Aes, &key)
        };
        both_ways(&cipher, vectors::DATA, &hex(encrypted), Some(&tag));
    }
}

/// NIST SP 800-38A appendix F: F.1.1, F.2.1, F.3.13, F.4.1 and F.5.1, the first two blocks.
#[test]
fn aes_128_agrees_with_nist_sp_800_38a() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let data = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    let (iv, counter) = (hex("000102030405060708090a0b0c0d0e0f"), hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
    for (mode, iv, encrypted) in [
        (Ecb, &iv, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
        (Cbc, &iv, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
        (Cfb, &iv, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
        (Ofb, &iv, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"),
        (Ctr, &counter, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"),
    ] {
        let padding = Some(PaddingMethod::None);
        let cipher = Cipher { mode: Some(mode), padding, iv: Some(iv), ..cipher(Aes, &key) };
        both_ways(&cipher, &data, &hex(encrypted), None);
    }
}

/// Test cases 2, 4, 5 and 6 of McGrew and Viega's GCM specification, which NIST's validation uses too.
#[test]
fn aes_128_gcm_agrees_with_its_specification() {
    let zeros = [0; 16];
    let simple =
        Cipher { mode: Some(Gcm), iv: Some(&zeros[..12]), tag_length: Some(16), ..cipher(Aes, &zeros) };
    let encrypted = hex("0388dace60b6a392f328c2b971b2fe78");
    both_ways(&simple, &zeros, &encrypted, Some(&hex("ab6e47d42cec13bdf53a67b21257bddf")));

    let key = hex("feffe9928665731c6d6a8f9467308308");
    let data = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    let additional = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    for (iv, encrypted, tag) in [
        (
            "cafebabefacedbaddecaf888",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            "cafebabefacedbad",
            "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423
             73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
            "3612d2e79e3b0785561be14aaca2fccb",
        ),
        (
            "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728
             c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
            "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7
             01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
            "619cc5aefffe0bfa462af43c1699d050",
        ),
    ] {
        let iv = hex(iv);
        let cipher = Cipher {
            mode: Some(Gcm),
            iv: Some(&iv),
            additional_data: Some(&additional),
            tag_length: Some(16),
            ..cipher(Aes, &key)
        };
        both_ways(&cipher, &data, &hex(encrypted), Some(&hex(tag)));
    }
}

/// NIST SP 800-38C appendix C.1 and C.2.
#[test]
fn aes_128_ccm_agrees_with_nist_sp_800_38c() {
    let key = hex("404142434445464748494a4b4c4d4e4f");
    for (iv, additional, data, encrypted, tag) in [
        ("10111213141516", "0001020304050607", "20212223", "7162015b", "4dac255d"),
        (
            "1011121314151617",
            "000102030405060708090a0b0c0d0e0f",
            "202122232425262728292a2b2c2d2e2f",
            "d2a1f0e051ea5f62081a7792073d593d",
            "1fc64fbfaccd",
        ),
    ] {
        let (iv, additional, tag) = (hex(iv), hex(additional), hex(tag));
        let cipher = Cipher {
            mode: Some(Ccm),
            iv: Some(&iv),
            additional_data: Some(&additional),
            tag_length: Some(tag.len()),
            ..cipher(Aes, &key)
        };
        both_ways(&cipher, &hex(data), &hex(encrypted), Some(&tag));
    }
}

/// XTS-AES-128 vector 2 of IEEE 1619 annex B, and 20 bytes (with a stolen block) made with Python's
/// cryptography 50.
#[test]
fn xts_agrees_with_ieee_1619_and_python() {
    let key = hex("1111111111111111111111111111111122222222222222222222222222222222");
    let iv = hex("33333333330000000000000000000000");
    let ieee = Cipher { mode: Some(Xts), iv: Some(&iv), ..cipher(Aes, &key) };
    let encrypted = hex("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0");
    both_ways(&ieee, &[0x44; 32], &encrypted, None);

    let iv = vectors::iv(16);
    for (length, encrypted) in
        [(32, "5b7c9bc7ce18c634a20712eced921c5a1099e6a3"), (64, "ddf920ed5482fd552dd730de5c0e99e1f9abcfd2")]
    {
        let key = vectors::key(length);
        let cipher = Cipher { mode: Some(Xts), iv: Some(&iv), ..cipher(Aes, &key) };
        both_ways(&cipher, vectors::DATA, &hex(encrypted), None);
        assert!(matches!(encrypt(&cipher, b"short"), Err(Error::DataLength { length: 5, block: 16 })));
    }
    let twice = [7; 32];
    let cipher = Cipher { mode: Some(Xts), iv: Some(&iv), ..cipher(Aes, &twice) };
    assert_eq!(encrypt(&cipher, vectors::DATA), Err(Error::KeyBytes { algorithm: Aes, bits: 256 }));
}

/// RFC 8439 §2.4.2 (its counter begins at 1) and A.1 vector 1, the original algorithm's first vector with a
/// nonce of 8 bytes, and a counter of 32 bits made with Python's cryptography 50.
#[test]
fn chacha20_agrees_with_rfc_8439_in_each_length_of_nonce() {
    let key: Vec<u8> = (0..32).collect();
    let sunscreen = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
        future, sunscreen would be it.";
    let iv = hex("01000000000000000000004a00000000");
    let encrypted = hex(
        "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357
         1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736
         5af90bbf74a35be6b40b8eedf2785e42874d",
    );
    both_ways(&Cipher { iv: Some(&iv), ..cipher(ChaCha20, &key) }, sunscreen, &encrypted, None);

    let zeros = [0; 64];
    let stream = hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
         da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    for length in [8, 12, 16] {
        let cipher = Cipher { iv: Some(&zeros[..length]), ..cipher(ChaCha20, &zeros[..32]) };
        both_ways(&cipher, &zeros, &stream, None);
    }

    let (key, iv) = (vectors::key(32), hex("01000000f4f5f6f7f8f9fafbfcfdfeff"));
    let start = hex("2278f221ad36f9937f59ae1f4335062c87552d80");
    both_ways(&Cipher { iv: Some(&iv), ..cipher(ChaCha20, &key) }, vectors::DATA, &start, None);
}

/// RFC 8439 §2.8.2.
#[test]
fn chacha20_poly1305_agrees_with_rfc_8439() {
    let key: Vec<u8> = (0x80..0xa0).collect();
    let (iv, additional) = (hex("070000004041424344454647"), hex("50515253c0c1c2c3c4c5c6c7"));
    let sunscreen = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
        future, sunscreen would be it.";
    let encrypted = hex(
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
         1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
         3ff4def08e4b7a9de576d26586cec64b6116",
    );
    let cipher = Cipher {
        mode: Some(Aead),
        iv: Some(&iv),
        additional_data: Some(&additional),
        tag_length: Some(16),
        ..cipher(ChaCha20Poly1305, &key)
    };
    both_ways(&cipher, sunscreen, &encrypted, Some(&hex("1ae10b594f09e26a7e902ecbd0600691")));
    let cipher = Cipher { tag_length: Some(12), ..cipher };
    both_ways(&cipher, sunscreen, &encrypted, Some(&hex("1ae10b594f09e26a7e902ecb")));
}

#[test]
fn key_wrap_serves_as_a_mode() {
    let key = hex("000102030405060708090a0b0c0d0e0f");
    let data = hex("00112233445566778899aabbccddeeff");
    let wrapped = hex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
    both_ways(&Cipher { mode: Some(NISTKeyWrap), ..cipher(Aes, &key) }, &data, &wrapped, None);
}

#[test]
fn makes_an_iv_where_none_is_given_and_returns_it() {
    for (algorithm, key_length, mode, iv_length) in [
        (Aes, 16, Some(Cbc), 16),
        (TripleDes, 24, Some(Cfb), 8),
        (Aes, 16, Some(Ctr), 16),
        (Aes, 16, Some(Gcm), 16),
        (Aes, 16, Some(Ccm), 11),
        (Aes, 32, Some(Xts), 16),
        (ChaCha20, 32, None, 12),
        (ChaCha20Poly1305, 32, None, 12),
    ] {
        let key = vectors::key(key_length);
        let padding = Some(PaddingMethod::Pkcs5);
        let cipher = Cipher { mode, padding, tag_length: Some(16), ..cipher(algorithm, &key) };
        let made = encrypt(&cipher, vectors::DATA).unwrap();
        let iv = made.iv.unwrap();
        assert_eq!(iv.len(), iv_length, "{algorithm:?} {mode:?}");
        assert_ne!(encrypt(&cipher, vectors::DATA).unwrap().iv.unwrap(), iv);
        let back = decrypt(&Cipher { iv: Some(&iv), ..cipher }, &made.data, made.tag.as_deref());
        assert_eq!(back.unwrap().expose(), vectors::DATA);
        assert_eq!(decrypt(&cipher, &made.data, Some(&[0; 16])), Err(Error::Missing(Parameter::Iv)));
    }
    let key = vectors::key(16);
    let ecb = Cipher { mode: Some(Ecb), padding: Some(PaddingMethod::Pkcs5), ..cipher(Aes, &key) };
    assert_eq!(encrypt(&ecb, b"").unwrap().iv, None);
}

#[test]
fn counts_where_pykmips_library_cannot() {
    for (algorithm, length) in [(TripleDes, 24), (Blowfish, 16), (Camellia, 32), (Cast5, 16), (Idea, 16)] {
        let (key, iv) = (vectors::key(length), vec![0xff; block_length(algorithm).unwrap()]);
        let ctr = Cipher { mode: Some(Ctr), iv: Some(&iv), ..cipher(algorithm, &key) };
        // The counter runs over to zero: the second block is that of ECB over zeros.
        let stream = encrypt(&ctr, &vec![0; 2 * iv.len()]).unwrap().data;
        let ecb = Cipher { mode: Some(Ecb), padding: Some(PaddingMethod::None), ..cipher(algorithm, &key) };
        assert_eq!(&stream[iv.len()..], encrypt(&ecb, &vec![0; iv.len()]).unwrap().data);
        assert_eq!(&stream[..iv.len()], encrypt(&ecb, &iv).unwrap().data);
    }
}

#[test]
fn refuses_tags_iv_data_and_additional_data_that_were_changed() {
    let (key, iv) = (vectors::key(32), vectors::iv(12));
    for (algorithm, mode, tag_length) in [
        (Aes, Gcm, 16),
        (Aes, Gcm, 13),
        (Aes, Ccm, 8),
        (ChaCha20Poly1305, Aead, 16),
        (ChaCha20Poly1305, Aead, 13),
    ] {
        let cipher = Cipher {
            mode: Some(mode),
            iv: Some(&iv),
            additional_data: Some(b"header"),
            tag_length: Some(tag_length),
            ..cipher(algorithm, &key)
        };
        let Encrypted { mut data, tag, .. } = encrypt(&cipher, b"data").unwrap();
        let mut tag = tag.unwrap();
        assert_eq!(tag.len(), tag_length);
        let failed = Err(Error::Authentication);
        let other = Cipher { additional_data: Some(b"Header"), ..cipher };
        assert_eq!(decrypt(&other, &data, Some(&tag)), failed);
        let other_iv = vec![1; 12];
        assert_eq!(decrypt(&Cipher { iv: Some(&other_iv), ..cipher }, &data, Some(&tag)), failed);
        data[0] ^= 1;
        assert_eq!(decrypt(&cipher, &data, Some(&tag)), failed);
        data[0] ^= 1;
        *tag.last_mut().unwrap() ^= 0x80;
        assert_eq!(decrypt(&cipher, &data, Some(&tag)), failed);
    }
}

#[test]
fn rejects_unsuitable_parameters() {
    let good = vectors::key(16);
    let refused = |cipher: Cipher<'_>| encrypt(&cipher, b"data").unwrap_err();
    let aes = cipher(Aes, &good);
    let rsa = cipher(Rsa, b"");
    assert_eq!(refused(rsa), Error::Algorithm { algorithm: Rsa, purpose: Purpose::Encrypt });
    let short = Cipher { additional_data: Some(b""), ..cipher(Aes, b"short") };
    assert_eq!(refused(short), Error::KeyBytes { algorithm: Aes, bits: 40 });
    assert_eq!(
        refused(Cipher { mode: Some(Cbc), additional_data: Some(b""), ..aes }),
        Error::Unexpected(Parameter::AdditionalData)
    );
    assert_eq!(refused(aes), Error::Missing(Parameter::BlockCipherMode));
    assert_eq!(refused(Cipher { mode: Some(Pcbc), ..aes }), Error::Mode { algorithm: Aes, mode: Pcbc });
    assert_eq!(encrypt(&Cipher { mode: Some(Gcm), ..aes }, b"data").unwrap().tag.unwrap().len(), 16);
    let cbc = Cipher { mode: Some(Cbc), ..aes };
    assert_eq!(refused(cbc), Error::Missing(Parameter::PaddingMethod));
    let oaep = Cipher { padding: Some(PaddingMethod::Oaep), ..cbc };
    assert_eq!(refused(oaep), Error::Padding { padding: PaddingMethod::Oaep, purpose: Purpose::Encrypt });
    let iv = Cipher { padding: Some(PaddingMethod::Pkcs5), iv: Some(b"short"), ..cbc };
    assert_eq!(refused(iv), Error::Range { parameter: Parameter::Iv, value: 5, min: 16, max: 16 });
    for (tag_length, mode) in [(3, Gcm), (17, Gcm), (5, Ccm), (0, Ccm)] {
        let error = refused(Cipher { mode: Some(mode), tag_length: Some(tag_length), ..aes });
        assert!(matches!(error, Error::Range { parameter: Parameter::TagLength, .. }), "{error:?}");
    }
    let gcm = Cipher { mode: Some(Gcm), ..aes };
    assert_eq!(decrypt(&gcm, b"", None), Err(Error::Missing(Parameter::Tag)));
    let camellia = Cipher { mode: Some(Gcm), ..cipher(Camellia, &good) };
    assert_eq!(refused(camellia), Error::Mode { algorithm: Camellia, mode: Gcm });
    // AES-512 is a pair of keys for XTS.
    let pair = vectors::key(64);
    let wide = Cipher { mode: Some(Ctr), ..cipher(Aes, &pair) };
    assert_eq!(refused(wide), Error::KeyBytes { algorithm: Aes, bits: 512 });
}

#[test]
fn keys_print_as_their_length() {
    let key = vectors::key(16);
    let text = format!("{:?}", cipher(Aes, &key));
    assert!(text.contains("Key(16 bytes)") && !text.contains("11, 48"), "{text}");
}

//! Probes of the differences in cryptographic operations.

use kmip_server::internals::compatibility::Difference;
use kmip_server::internals::crypto::{Key, mac};
use kmip_server::internals::secret::Secret;
use kmip_server::kmip::enums::CryptographicAlgorithm::{self, HmacSha256};
use kmip_server::kmip::enums::{
    BlockCipherMode, DerivationMethod, DigitalSignatureAlgorithm, HashingAlgorithm, ObjectType, Operation,
    PaddingMethod,
};
use kmip_server::kmip::structures::{CryptographicParameters, DerivationParameters};
use kmip_server::ttlv::{Field, Tag, V1_2, V1_4, Value, Version, Writer};

use super::{Probe, Side, outcome};
use crate::corpus::{AES, CERTIFICATE, id, length, objects, register, template, usage};
use crate::dialogue::Answer;

const DATA: &[u8] = b"data";

/// The numbers of an RSA public key and of a share of a split key in the corpus.
const PUBLIC: &str = "5";
const SPLIT_KEY: &str = "8";

pub(super) const PROBES: &[Probe] = &[
    Probe {
        difference: Difference::CipherParameters,
        version: V1_2,
        ask: |side, version| outcome(&encrypt(side, version, None)),
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::CipherParameters,
        version: V1_4,
        ask: |side, version| {
            let parameters = CryptographicParameters { cryptographic_algorithm: None, ..cbc() };
            outcome(&encrypt(side, version, Some(parameters)))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::EcbWithoutPadding,
        version: V1_2,
        ask: |side, version| {
            let ecb = CryptographicParameters {
                block_cipher_mode: Some(BlockCipherMode::Ecb),
                padding_method: None,
                ..cbc()
            };
            let key = registered(side, version, AES);
            let ask = |operation| {
                outcome(&side.ask(version, operation, |writer| {
                    id(&key, writer);
                    ecb.encode(Tag::CryptographicParameters, writer);
                    vec![0_u8; 16].write(Tag::Data, writer);
                }))
            };
            [Operation::Encrypt, Operation::Decrypt].map(ask).join(", ")
        },
        pykmip: "Invalid Field, Invalid Field",
        standard: "Success, Success",
    },
    Probe {
        difference: Difference::DecryptWithoutIv,
        version: V1_2,
        ask: |side, version| {
            let key = registered(side, version, AES);
            outcome(&side.ask(version, Operation::Decrypt, |writer| {
                id(&key, writer);
                cbc().encode(Tag::CryptographicParameters, writer);
                vec![0_u8; 16].write(Tag::Data, writer);
            }))
        },
        pykmip: "Invalid Field",
        standard: "Invalid Message",
    },
    Probe {
        difference: Difference::HmacDerivation,
        version: V1_2,
        ask: |side, version| {
            let key = registered(side, version, AES);
            let derived = side.ask(version, Operation::DeriveKey, |writer| {
                derive_by(DerivationMethod::Hmac, sha_256(), &key, writer);
            });
            let got = side.ask(version, Operation::Get, |writer| id(&derived.id(), writer)).object();
            let got = got.key_block().unwrap().bytes().unwrap().expose().to_vec();
            let hmac = |key: &[u8], data: &[u8]| mac::compute(HmacSha256, Key(key), data).unwrap();
            let key = objects()[0].object.key_block().unwrap().bytes().unwrap().expose().to_vec();
            // RFC 5869: a salt of zeros extracts, and one step expands to no more than one hash.
            let expanded = hmac(&hmac(&[0; 32], &key), &[DATA, &[1]].concat());
            let candidates = [("HMAC", hmac(&key, DATA)), ("HKDF", expanded)];
            let method = candidates.iter().find(|(_, bytes)| bytes.starts_with(&got));
            method.map_or("neither", |(name, _)| name).to_owned()
        },
        pykmip: "HKDF",
        standard: "HMAC",
    },
    Probe {
        difference: Difference::DerivationByRsa,
        version: V1_2,
        ask: |side, version| {
            let key = registered(side, version, AES);
            let parameters = CryptographicParameters {
                cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
                padding_method: Some(PaddingMethod::Pkcs1V1_5),
                ..CryptographicParameters::default()
            };
            outcome(&side.ask(version, Operation::DeriveKey, |writer| {
                derive_by(DerivationMethod::Encrypt, parameters.clone(), &key, writer);
            }))
        },
        pykmip: "Cryptographic Failure",
        standard: "Invalid Field",
    },
    Probe {
        difference: Difference::UnknownHash,
        version: V1_2,
        ask: |side, version| {
            let key = registered(side, version, PUBLIC);
            let verify = |hash| {
                let parameters = CryptographicParameters {
                    digital_signature_algorithm: Some(DigitalSignatureAlgorithm::Sha256WithRsaEncryption),
                    padding_method: Some(PaddingMethod::Pkcs1V1_5),
                    hashing_algorithm: Some(hash),
                    ..CryptographicParameters::default()
                };
                outcome(&side.ask(version, Operation::SignatureVerify, |writer| {
                    id(&key, writer);
                    parameters.encode(Tag::CryptographicParameters, writer);
                    DATA.to_vec().write(Tag::Data, writer);
                    vec![0_u8; 128].write(Tag::SignatureData, writer);
                }))
            };
            [HashingAlgorithm::Tiger, HashingAlgorithm::Sha512].map(verify).join(", ")
        },
        pykmip: "Success, Invalid Field",
        standard: "Invalid Field, Invalid Field",
    },
    Probe {
        difference: Difference::MacKeyTypes,
        version: V1_2,
        ask: |side, version| outcome(&mac_with(side, version, &registered(side, version, CERTIFICATE))),
        pykmip: "Success",
        standard: "Permission Denied",
    },
    Probe {
        difference: Difference::MacKeyTypes,
        version: V1_4,
        ask: |side, version| outcome(&mac_with(side, version, &registered(side, version, SPLIT_KEY))),
        pykmip: "Success",
        standard: "Permission Denied",
    },
];

/// Registers the object of the corpus with this number.
fn registered(side: &Side, version: Version, number: &str) -> String {
    let given = &objects()[number.parse::<usize>().unwrap() - 1];
    side.ask(version, Operation::Register, |writer| register(given, writer)).id()
}

fn cbc() -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Cbc),
        padding_method: Some(PaddingMethod::Pkcs5),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        ..CryptographicParameters::default()
    }
}

fn encrypt(side: &Side, version: Version, parameters: Option<CryptographicParameters>) -> Answer {
    let key = registered(side, version, AES);
    side.ask(version, Operation::Encrypt, |writer| {
        id(&key, writer);
        parameters.write(Tag::CryptographicParameters, writer);
        DATA.to_vec().write(Tag::Data, writer);
    })
}

fn mac_with(side: &Side, version: Version, key: &str) -> Answer {
    let parameters = CryptographicParameters {
        cryptographic_algorithm: Some(HmacSha256),
        ..CryptographicParameters::default()
    };
    side.ask(version, Operation::Mac, |writer| {
        id(key, writer);
        parameters.encode(Tag::CryptographicParameters, writer);
        DATA.to_vec().write(Tag::Data, writer);
    })
}

/// Writes a request for secret data of 128 bits that is derived from DATA.
fn derive_by(method: DerivationMethod, given: CryptographicParameters, key: &str, writer: &mut Writer) {
    let parameters = DerivationParameters {
        cryptographic_parameters: Some(given),
        initialization_vector: None,
        derivation_data: Some(Secret::new(DATA.to_vec())),
        salt: None,
        iteration_count: None,
    };
    ObjectType::SecretData.write(Tag::ObjectType, writer);
    id(key, writer);
    method.write(Tag::DerivationMethod, writer);
    parameters.encode(Tag::DerivationParameters, writer);
    template(Tag::Attributes, &[length(128), usage(0x1)], writer);
}

fn sha_256() -> CryptographicParameters {
    CryptographicParameters {
        hashing_algorithm: Some(HashingAlgorithm::Sha256),
        ..CryptographicParameters::default()
    }
}

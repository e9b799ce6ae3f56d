//! Probes of the differences in objects and their life cycle.

use kmip_server::internals::compatibility::Difference;
use kmip_server::internals::secret::Secret;
use kmip_server::kmip::attributes::{Attribute, AttributeReference};
use kmip_server::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, CryptographicUsageMask, DerivationMethod, EncodingOption,
    HashingAlgorithm, KeyCompressionType, KeyFormatType, ObjectType, OpaqueDataType, Operation,
    RevocationReasonCode, SecretDataType, State, WrappingMethod,
};
use kmip_server::kmip::structures::{
    CryptographicParameters, DerivationParameters, RevocationReason, UniqueIdentifier,
};
use kmip_server::kmip::{
    KeyBlock, KeyInformation, KeyValue, KeyWrappingSpecification, Object, OpaqueObject, SecretData,
};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_0, V1_2, V1_4, V2_0, Value, Version};

use super::{Probe, Side, outcome};
use crate::corpus::{attribute, id, length, named, template, usage};
use crate::dialogue::{Answer, block, key};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        difference: Difference::DestroyedObject,
        version: V1_2,
        ask: |side, version| {
            let destroyed = aes(side, version);
            side.request(version, Operation::Destroy, &destroyed).done();
            let state = outcome(&side.request(version, Operation::GetAttributes, &destroyed));
            format!(
                "{state}, {}",
                outcome(&side.revoke(version, &destroyed, RevocationReasonCode::KeyCompromise))
            )
        },
        pykmip: "Item Not Found, Item Not Found",
        standard: "Success, Success",
    },
    Probe {
        difference: Difference::MissingUsageMask,
        version: V1_4,
        ask: |side, version| {
            outcome(&side.create(version, &[algorithm(CryptographicAlgorithm::Aes), length(128)]))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::MissingUsageMask,
        version: V1_0,
        ask: |side, version| {
            outcome(&side.pair(version, &[algorithm(CryptographicAlgorithm::Rsa), length(1024)]))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::EffectiveTripleDesLength,
        version: V2_0,
        ask: |side, version| {
            let key = [algorithm(CryptographicAlgorithm::TripleDes), length(168), usage(0xC)];
            outcome(&side.create(version, &key))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::AttributesOfOpaqueObject,
        version: V1_2,
        ask: |side, version| {
            let dated = |tag| attribute(tag, &DateTime(86_400));
            let given = [usage(0xC), dated(Tag::ActivationDate), dated(Tag::DeactivationDate)];
            given.map(|given| outcome(&side.register(version, &opaque(), &[given]))).join(", ")
        },
        pykmip: "Invalid Field, Invalid Field, Invalid Field",
        standard: "Success, Success, Success",
    },
    Probe {
        difference: Difference::AlgorithmOfSecretData,
        version: V1_2,
        ask: |side, version| {
            let given = [algorithm(CryptographicAlgorithm::Aes), length(64)];
            given.map(|given| outcome(&side.register(version, &secret(), &[given]))).join(", ")
        },
        pykmip: "Invalid Field, Invalid Field",
        standard: "Success, Success",
    },
    Probe {
        difference: Difference::AlgorithmOfSecretData,
        version: V2_0,
        ask: |side, version| {
            let base =
                side.register_key(version, CryptographicAlgorithm::Aes, CryptographicUsageMask::DERIVE_KEY);
            outcome(&side.ask(version, Operation::DeriveKey, |writer| {
                ObjectType::SecretData.write(Tag::ObjectType, writer);
                id(&base, writer);
                DerivationMethod::Hash.write(Tag::DerivationMethod, writer);
                let parameters = DerivationParameters {
                    cryptographic_parameters: Some(CryptographicParameters {
                        hashing_algorithm: Some(HashingAlgorithm::Sha256),
                        ..CryptographicParameters::default()
                    }),
                    initialization_vector: None,
                    derivation_data: None,
                    salt: None,
                    iteration_count: None,
                };
                parameters.encode(Tag::DerivationParameters, writer);
                let given = [algorithm(CryptographicAlgorithm::Aes), length(128), usage(0xC)];
                template(Tag::Attributes, &given, writer);
            }))
        },
        pykmip: "Invalid Field",
        standard: "Success",
    },
    Probe {
        difference: Difference::KeyBlockOfSecretData,
        version: V1_2,
        ask: |side, version| {
            let registered = side.register(version, &secret(), &[usage(0)]).id();
            let object = side.request(version, Operation::Get, &registered).object();
            let block = object.key_block().unwrap();
            format!("{}, {:?}", block.key_format_type, block.cryptographic_length)
        },
        pykmip: "Opaque, None",
        standard: "Raw, Some(64)",
    },
    Probe {
        difference: Difference::KeyValueAttributes,
        version: V1_2,
        ask: |side, version| {
            let mut key = key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]);
            if let Some(KeyValue::Plain { attributes, .. }) = &mut key.key_block.key_value {
                attributes.0.push(named("inside"));
            }
            let registered = side.register(version, &Object::SymmetricKey(key), &[usage(0xC)]).id();
            let object = side.request(version, Operation::Get, &registered).object();
            match &object.key_block().unwrap().key_value {
                Some(KeyValue::Plain { attributes, .. }) => attributes.0.len().to_string(),
                other => panic!("{other:?}"),
            }
        },
        pykmip: "0",
        standard: "1",
    },
    Probe {
        difference: Difference::KeyFormatConversion,
        version: V1_2,
        ask: |side, version| {
            let get = |object: &str| outcome(&side.get_in(version, object, KeyFormatType::Opaque));
            let key = get(&aes(side, version));
            format!("{key}, {}", get(&side.register(version, &secret(), &[usage(0)]).id()))
        },
        pykmip: "Key Format Type Not Supported, Key Format Type Not Supported",
        standard: "Success, Success",
    },
    Probe {
        difference: Difference::KeyCompression,
        version: V1_2,
        ask: |side, version| {
            outcome(&side.ask(version, Operation::Get, |writer| {
                id("99", writer);
                KeyCompressionType::EcPublicKeyTypeUncompressed.write(Tag::KeyCompressionType, writer);
            }))
        },
        pykmip: "Key Compression Type Not Supported",
        standard: "Item Not Found",
    },
    Probe {
        difference: Difference::WrappedType,
        version: V1_2,
        ask: |side, version| {
            let by =
                side.register_key(version, CryptographicAlgorithm::Aes, CryptographicUsageMask::WRAP_KEY);
            side.request(version, Operation::Activate, &by).done();
            let object = side.register(version, &opaque(), &[]).id();
            let get = |mode| outcome(&side.get_wrapped(version, &object, &by, mode));
            [BlockCipherMode::Cbc, BlockCipherMode::NISTKeyWrap].map(get).join(", ")
        },
        pykmip: "Invalid Field, Cryptographic Failure",
        standard: "Illegal Operation, Illegal Operation",
    },
    Probe {
        difference: Difference::WrappingAlgorithm,
        version: V1_2,
        ask: |side, version| {
            let algorithm = CryptographicAlgorithm::Camellia;
            let by = side.register_key(version, algorithm, CryptographicUsageMask::WRAP_KEY);
            side.request(version, Operation::Activate, &by).done();
            outcome(&side.get_wrapped(version, &aes(side, version), &by, BlockCipherMode::NISTKeyWrap))
        },
        pykmip: "Success",
        standard: "Invalid Field",
    },
    Probe {
        difference: Difference::CaCompromise,
        version: V2_0,
        ask: |side, version| {
            let (active, pre_active) = (aes(side, version), aes(side, version));
            side.request(version, Operation::Activate, &active).done();
            let code = RevocationReasonCode::CaCompromise;
            side.revoke(version, &active, code).done();
            let state = side.state(version, &active);
            format!("{state}, {}", outcome(&side.revoke(version, &pre_active, code)))
        },
        pykmip: "Deactivated, Illegal Operation",
        standard: "Compromised, Success",
    },
];

impl Side {
    /// Requests an operation whose payload is a Unique Identifier.
    fn request(&self, version: Version, operation: Operation, object: &str) -> Answer {
        self.ask(version, operation, |writer| id(object, writer))
    }

    fn create(&self, version: Version, attributes: &[Attribute]) -> Answer {
        self.ask(version, Operation::Create, |writer| {
            ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
            template(Tag::Attributes, attributes, writer);
        })
    }

    /// Requests a key pair with these common attributes.
    fn pair(&self, version: Version, attributes: &[Attribute]) -> Answer {
        self.ask(version, Operation::CreateKeyPair, |writer| {
            template(Tag::CommonAttributes, attributes, writer);
        })
    }

    fn register(&self, version: Version, object: &Object, attributes: &[Attribute]) -> Answer {
        self.ask(version, Operation::Register, |writer| {
            object.object_type().write(Tag::ObjectType, writer);
            template(Tag::Attributes, attributes, writer);
            object.write(Tag::default(), writer);
        })
    }

    /// Registers a symmetric key of 128 bits, and returns its identifier.
    fn register_key(
        &self,
        version: Version,
        algorithm: CryptographicAlgorithm,
        mask: CryptographicUsageMask,
    ) -> String {
        let object = Object::SymmetricKey(key(KeyFormatType::Raw, algorithm, 128, vec![7; 16]));
        self.register(version, &object, &[usage(mask.0)]).id()
    }

    fn get_wrapped(&self, version: Version, object: &str, by: &str, mode: BlockCipherMode) -> Answer {
        let parameters =
            CryptographicParameters { block_cipher_mode: Some(mode), ..CryptographicParameters::default() };
        let specification = KeyWrappingSpecification {
            wrapping_method: WrappingMethod::Encrypt,
            encryption_key_information: Some(KeyInformation {
                unique_identifier: UniqueIdentifier::Text(by.to_owned()),
                cryptographic_parameters: Some(parameters),
            }),
            mac_signature_key_information: None,
            attribute_names: vec![],
            encoding_option: Some(EncodingOption::NoEncoding),
        };
        self.ask(version, Operation::Get, |writer| {
            id(object, writer);
            specification.encode(Tag::KeyWrappingSpecification, writer);
        })
    }

    fn get_in(&self, version: Version, object: &str, format: KeyFormatType) -> Answer {
        self.ask(version, Operation::Get, |writer| {
            id(object, writer);
            format.write(Tag::KeyFormatType, writer);
        })
    }

    fn revoke(&self, version: Version, object: &str, code: RevocationReasonCode) -> Answer {
        self.ask(version, Operation::Revoke, |writer| {
            id(object, writer);
            let reason = RevocationReason { revocation_reason_code: code, revocation_message: None };
            reason.write(Tag::RevocationReason, writer);
        })
    }

    /// Returns the State of an object in 2.0.
    fn state(&self, version: Version, object: &str) -> State {
        let answer = self.ask(version, Operation::GetAttributes, |writer| {
            id(object, writer);
            vec![AttributeReference::named("State")].write(Tag::AttributeReference, writer);
        });
        answer.attributes().iter().find(|attribute| attribute.row.tag == Tag::State).unwrap().read().unwrap()
    }
}

fn algorithm(algorithm: CryptographicAlgorithm) -> Attribute {
    attribute(Tag::CryptographicAlgorithm, &algorithm)
}

/// Creates a pre-active AES key.
fn aes(side: &Side, version: Version) -> String {
    side.create(version, &[algorithm(CryptographicAlgorithm::Aes), length(128), usage(0xC)]).id()
}

fn opaque() -> Object {
    Object::OpaqueObject(OpaqueObject {
        opaque_data_type: OpaqueDataType(0x8000_0000),
        opaque_data_value: Secret::new(vec![7; 8]),
    })
}

/// Returns secret data with a length in its Key Block.
fn secret() -> Object {
    let key_block = KeyBlock { cryptographic_length: Some(64), ..block(KeyFormatType::Raw, vec![7; 8]) };
    Object::SecretData(SecretData { secret_data_type: SecretDataType::Password, key_block })
}

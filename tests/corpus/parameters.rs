//! The Cryptographic Parameters of the corpus.

use kmip_server::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm, PaddingMethod};
use kmip_server::kmip::structures::CryptographicParameters;
use kmip_server::ttlv::{Field, Tag, Writer};

/// Returns the Cryptographic Parameters of a cipher.
pub(crate) fn ecb(writer: &mut Writer) {
    let parameters = CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Ecb),
        padding_method: Some(PaddingMethod::None),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        ..CryptographicParameters::default()
    };
    parameters.write(Tag::CryptographicParameters, writer);
}

/// Returns the Cryptographic Parameters of a signature.
pub(super) fn signature(writer: &mut Writer) {
    let parameters = CryptographicParameters {
        padding_method: Some(PaddingMethod::Pkcs1V1_5),
        hashing_algorithm: Some(HashingAlgorithm::Sha256),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
        ..CryptographicParameters::default()
    };
    parameters.write(Tag::CryptographicParameters, writer);
}

/// Returns the Cryptographic Parameters of a MAC.
pub(super) fn mac(writer: &mut Writer) {
    let parameters = CryptographicParameters {
        cryptographic_algorithm: Some(CryptographicAlgorithm::HmacSha256),
        ..CryptographicParameters::default()
    };
    parameters.write(Tag::CryptographicParameters, writer);
}

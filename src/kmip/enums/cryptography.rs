//! Enumerations of algorithms, modes and random number generators.

use crate::kmip::macros::wire_enum;

wire_enum! {
    /// Cryptographic Algorithm: a cryptographic algorithm (KMIP 1.4 §9.1.3.2.13, 2.1 §11.12).
    pub enum CryptographicAlgorithm {
        Des = 0x00000001 "DES" V1_0,
        TripleDes = 0x00000002 "3DES" V1_0,
        Aes = 0x00000003 "AES" V1_0,
        Rsa = 0x00000004 "RSA" V1_0,
        Dsa = 0x00000005 "DSA" V1_0,
        Ecdsa = 0x00000006 "ECDSA" V1_0,
        HmacSha1 = 0x00000007 "HMAC-SHA1" V1_0,
        HmacSha224 = 0x00000008 "HMAC-SHA224" V1_0,
        HmacSha256 = 0x00000009 "HMAC-SHA256" V1_0,
        HmacSha384 = 0x0000000a "HMAC-SHA384" V1_0,
        HmacSha512 = 0x0000000b "HMAC-SHA512" V1_0,
        HmacMd5 = 0x0000000c "HMAC-MD5" V1_0,
        Dh = 0x0000000d "DH" V1_0,
        Ecdh = 0x0000000e "ECDH" V1_0,
        Ecmqv = 0x0000000f "ECMQV" V1_0,
        Blowfish = 0x00000010 "Blowfish" V1_0,
        Camellia = 0x00000011 "Camellia" V1_0,
        Cast5 = 0x00000012 "CAST5" V1_0,
        Idea = 0x00000013 "IDEA" V1_0,
        Mars = 0x00000014 "MARS" V1_0,
        Rc2 = 0x00000015 "RC2" V1_0,
        Rc4 = 0x00000016 "RC4" V1_0,
        Rc5 = 0x00000017 "RC5" V1_0,
        Skipjack = 0x00000018 "SKIPJACK" V1_0,
        Twofish = 0x00000019 "Twofish" V1_0,
        Ec = 0x0000001a "EC" V1_2,
        OneTimePad = 0x0000001b "One Time Pad" V1_3,
        ChaCha20 = 0x0000001c "ChaCha20" V1_4,
        Poly1305 = 0x0000001d "Poly1305" V1_4,
        ChaCha20Poly1305 = 0x0000001e "ChaCha20Poly1305" V1_4,
        Sha3_224 = 0x0000001f "SHA3-224" V1_4,
        Sha3_256 = 0x00000020 "SHA3-256" V1_4,
        Sha3_384 = 0x00000021 "SHA3-384" V1_4,
        Sha3_512 = 0x00000022 "SHA3-512" V1_4,
        HmacSha3_224 = 0x00000023 "HMAC-SHA3-224" V1_4,
        HmacSha3_256 = 0x00000024 "HMAC-SHA3-256" V1_4,
        HmacSha3_384 = 0x00000025 "HMAC-SHA3-384" V1_4,
        HmacSha3_512 = 0x00000026 "HMAC-SHA3-512" V1_4,
        Shake128 = 0x00000027 "SHAKE-128" V1_4,
        Shake256 = 0x00000028 "SHAKE-256" V1_4,
        Aria = 0x00000029 "ARIA" V2_0,
        Seed = 0x0000002a "SEED" V2_0,
        Sm2 = 0x0000002b "SM2" V2_0,
        Sm3 = 0x0000002c "SM3" V2_0,
        Sm4 = 0x0000002d "SM4" V2_0,
        GostR34_10_2012 = 0x0000002e "GOST R 34.10-2012" V2_0,
        GostR34_11_2012 = 0x0000002f "GOST R 34.11-2012" V2_0,
        GostR34_13_2015 = 0x00000030 "GOST R 34.13-2015" V2_0,
        Gost28147_89 = 0x00000031 "GOST 28147-89" V2_0,
        Xmss = 0x00000032 "XMSS" V2_0,
        Sphincs256 = 0x00000033 "SPHINCS-256" V2_0,
        McEliece = 0x00000034 "McEliece" V2_0,
        McEliece6960119 = 0x00000035 "McEliece-6960119" V2_0,
        McEliece8192128 = 0x00000036 "McEliece-8192128" V2_0,
        Ed25519 = 0x00000037 "Ed25519" V2_0,
        Ed448 = 0x00000038 "Ed448" V2_0,
    }
}

wire_enum! {
    /// Block Cipher Mode: a mode of operation of a block cipher (KMIP 1.4 §9.1.3.2.14, 2.1 §11.6).
    pub enum BlockCipherMode {
        Cbc = 0x00000001 "CBC" V1_0,
        Ecb = 0x00000002 "ECB" V1_0,
        Pcbc = 0x00000003 "PCBC" V1_0,
        Cfb = 0x00000004 "CFB" V1_0,
        Ofb = 0x00000005 "OFB" V1_0,
        Ctr = 0x00000006 "CTR" V1_0,
        Cmac = 0x00000007 "CMAC" V1_0,
        Ccm = 0x00000008 "CCM" V1_0,
        Gcm = 0x00000009 "GCM" V1_0,
        CbcMac = 0x0000000a "CBC-MAC" V1_0,
        Xts = 0x0000000b "XTS" V1_0,
        AESKeyWrapPadding = 0x0000000c "AESKeyWrapPadding" V1_0,
        NISTKeyWrap = 0x0000000d "NISTKeyWrap" V1_0,
        X9_102Aeskw = 0x0000000e "X9.102 AESKW" V1_0,
        X9_102Tdkw = 0x0000000f "X9.102 TDKW" V1_0,
        X9_102Akw1 = 0x00000010 "X9.102 AKW1" V1_0,
        X9_102Akw2 = 0x00000011 "X9.102 AKW2" V1_0,
        Aead = 0x00000012 "AEAD" V1_4,
    }
}

wire_enum! {
    /// Padding Method: a padding of plaintexts or signatures (KMIP 1.4 §9.1.3.2.15, 2.1 §11.37).
    pub enum PaddingMethod {
        None = 0x00000001 "None" V1_0,
        Oaep = 0x00000002 "OAEP" V1_0,
        Pkcs5 = 0x00000003 "PKCS5" V1_0,
        Ssl3 = 0x00000004 "SSL3" V1_0,
        Zeros = 0x00000005 "Zeros" V1_0,
        AnsiX9_23 = 0x00000006 "ANSI X9.23" V1_0,
        Iso10126 = 0x00000007 "ISO 10126" V1_0,
        Pkcs1V1_5 = 0x00000008 "PKCS1 v1.5" V1_0,
        X9_31 = 0x00000009 "X9.31" V1_0,
        Pss = 0x0000000a "PSS" V1_0,
    }
}

wire_enum! {
    /// Hashing Algorithm: a hash function (KMIP 1.4 §9.1.3.2.16, 2.1 §11.21).
    pub enum HashingAlgorithm {
        Md2 = 0x00000001 "MD2" V1_0,
        Md4 = 0x00000002 "MD4" V1_0,
        Md5 = 0x00000003 "MD5" V1_0,
        Sha1 = 0x00000004 "SHA-1" V1_0,
        Sha224 = 0x00000005 "SHA-224" V1_0,
        Sha256 = 0x00000006 "SHA-256" V1_0,
        Sha384 = 0x00000007 "SHA-384" V1_0,
        Sha512 = 0x00000008 "SHA-512" V1_0,
        Ripemd160 = 0x00000009 "RIPEMD-160" V1_0,
        Tiger = 0x0000000a "Tiger" V1_0,
        Whirlpool = 0x0000000b "Whirlpool" V1_0,
        Sha512_224 = 0x0000000c "SHA-512/224" V1_2,
        Sha512_256 = 0x0000000d "SHA-512/256" V1_2,
        Sha3_224 = 0x0000000e "SHA3-224" V1_4,
        Sha3_256 = 0x0000000f "SHA3-256" V1_4,
        Sha3_384 = 0x00000010 "SHA3-384" V1_4,
        Sha3_512 = 0x00000011 "SHA3-512" V1_4,
    }
}

wire_enum! {
    /// Digital Signature Algorithm: a signature algorithm with its hash function (KMIP 1.4 §9.1.3.2.7, 2.1
    /// §11.16).
    pub enum DigitalSignatureAlgorithm {
        Md2WithRsaEncryption = 0x00000001 "MD2 with RSA Encryption" V1_1,
        Md5WithRsaEncryption = 0x00000002 "MD5 with RSA Encryption" V1_1,
        Sha1WithRsaEncryption = 0x00000003 "SHA-1 with RSA Encryption" V1_1,
        Sha224WithRsaEncryption = 0x00000004 "SHA-224 with RSA Encryption" V1_1,
        Sha256WithRsaEncryption = 0x00000005 "SHA-256 with RSA Encryption" V1_1,
        Sha384WithRsaEncryption = 0x00000006 "SHA-384 with RSA Encryption" V1_1,
        Sha512WithRsaEncryption = 0x00000007 "SHA-512 with RSA Encryption" V1_1,
        RsassaPss = 0x00000008 "RSASSA-PSS" V1_1,
        DsaWithSha1 = 0x00000009 "DSA with SHA-1" V1_1,
        DsaWithSha224 = 0x0000000a "DSA with SHA224" V1_1,
        DsaWithSha256 = 0x0000000b "DSA with SHA256" V1_1,
        EcdsaWithSha1 = 0x0000000c "ECDSA with SHA-1" V1_1,
        EcdsaWithSha224 = 0x0000000d "ECDSA with SHA224" V1_1,
        EcdsaWithSha256 = 0x0000000e "ECDSA with SHA256" V1_1,
        EcdsaWithSha384 = 0x0000000f "ECDSA with SHA384" V1_1,
        EcdsaWithSha512 = 0x00000010 "ECDSA with SHA512" V1_1,
        Sha3_256WithRsaEncryption = 0x00000011 "SHA3-256 with RSA Encryption" V1_4,
        Sha3_384WithRsaEncryption = 0x00000012 "SHA3-384 with RSA Encryption" V1_4,
        Sha3_512WithRsaEncryption = 0x00000013 "SHA3-512 with RSA Encryption" V1_4,
    }
}

wire_enum! {
    /// Mask Generator: a mask generation function (KMIP 1.4 §9.1.3.2.49, 2.1 §11.30).
    pub enum MaskGenerator {
        Mgf1 = 0x00000001 "MGF1" V1_4,
    }
}

wire_enum! {
    /// Derivation Method: a key derivation function (KMIP 1.4 §9.1.3.2.21, 2.1 §11.14).
    pub enum DerivationMethod {
        Pbkdf2 = 0x00000001 "PBKDF2" V1_0,
        Hash = 0x00000002 "HASH" V1_0,
        Hmac = 0x00000003 "HMAC" V1_0,
        Encrypt = 0x00000004 "ENCRYPT" V1_0,
        Nist800_108C = 0x00000005 "NIST800-108-C" V1_0,
        Nist800_108F = 0x00000006 "NIST800-108-F" V1_0,
        Nist800_108Dpi = 0x00000007 "NIST800-108-DPI" V1_0,
        AsymmetricKey = 0x00000008 "Asymmetric Key" V1_4,
        AwsSignatureVersion4 = 0x00000009 "AWS Signature Version 4" V2_0,
        Hkdf = 0x0000000a "HKDF" V2_0,
    }
}

wire_enum! {
    /// RNG Algorithm: a class of random number generators (KMIP 1.4 §9.1.3.2.37, 2.1 §11.49).
    pub enum RngAlgorithm {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        Fips186_2 = 0x00000002 "FIPS 186-2" V1_3,
        Drbg = 0x00000003 "DRBG" V1_3,
        Nrbg = 0x00000004 "NRBG" V1_3,
        AnsiX9_31 = 0x00000005 "ANSI X9.31" V1_3,
        AnsiX9_62 = 0x00000006 "ANSI X9.62" V1_3,
    }
}

wire_enum! {
    /// DRBG Algorithm: a deterministic random bit generator (KMIP 1.4 §9.1.3.2.38, 2.1 §11.17).
    pub enum DrbgAlgorithm {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        DualEc = 0x00000002 "Dual-EC" V1_3,
        Hash = 0x00000003 "Hash" V1_3,
        Hmac = 0x00000004 "HMAC" V1_3,
        Ctr = 0x00000005 "CTR" V1_3,
    }
}

wire_enum! {
    /// FIPS186 Variation: a variation of the generator of FIPS 186 (KMIP 1.4 §9.1.3.2.39, 2.1 §11.20).
    pub enum Fips186Variation {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        GpXOriginal = 0x00000002 "GP x-Original" V1_3,
        GpXChangeNotice = 0x00000003 "GP x-Change Notice" V1_3,
        XOriginal = 0x00000004 "x-Original" V1_3,
        XChangeNotice = 0x00000005 "x-Change Notice" V1_3,
        KOriginal = 0x00000006 "k-Original" V1_3,
        KChangeNotice = 0x00000007 "k-Change Notice" V1_3,
    }
}

wire_enum! {
    /// RNG Mode: the use of a random number generator by clients (KMIP 1.4 §9.1.3.2.46, 2.1 §11.50).
    pub enum RngMode {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        SharedInstantiation = 0x00000002 "Shared Instantiation" V1_3,
        NonSharedInstantiation = 0x00000003 "Non-Shared Instantiation" V1_3,
    }
}

wire_enum! {
    /// Validity Indicator: the result of a validation or verification (KMIP 1.4 §9.1.3.2.23, 2.1 §11.61).
    pub enum ValidityIndicator {
        Valid = 0x00000001 "Valid" V1_0,
        Invalid = 0x00000002 "Invalid" V1_0,
        Unknown = 0x00000003 "Unknown" V1_0,
    }
}

wire_enum! {
    /// Unwrap Mode: the treatment of wrapped keys by a server (KMIP 1.4 §9.1.3.2.43, 2.1 §11.59).
    pub enum UnwrapMode {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        Processed = 0x00000002 "Processed" V1_3,
        NotProcessed = 0x00000003 "Not Processed" V1_3,
    }
}

wire_enum! {
    /// Shredding Algorithm: the algorithm by which a server shreds keys (KMIP 1.4 §9.1.3.2.45, 2.1 §11.53).
    pub enum ShreddingAlgorithm {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        Cryptographic = 0x00000002 "Cryptographic" V1_3,
        Unsupported = 0x00000003 "Unsupported" V1_3,
    }
}

wire_enum! {
    /// Destroy Action: the effect of Destroy (KMIP 1.4 §9.1.3.2.44, 2.1 §11.15).
    pub enum DestroyAction {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        KeyMaterialDeleted = 0x00000002 "Key Material Deleted" V1_3,
        KeyMaterialShredded = 0x00000003 "Key Material Shredded" V1_3,
        MetaDataDeleted = 0x00000004 "Meta Data Deleted" V1_3,
        MetaDataShredded = 0x00000005 "Meta Data Shredded" V1_3,
        Deleted = 0x00000006 "Deleted" V1_3,
        Shredded = 0x00000007 "Shredded" V1_3,
    }
}

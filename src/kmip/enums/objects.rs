//! Enumerations of managed objects and their formats.

use crate::kmip::macros::wire_enum;

wire_enum! {
    /// Object Type: the type of a managed object (KMIP 1.4 §9.1.3.2.12, 2.1 §11.34).
    pub enum ObjectType {
        Certificate = 0x00000001 "Certificate" V1_0,
        SymmetricKey = 0x00000002 "Symmetric Key" V1_0,
        PublicKey = 0x00000003 "Public Key" V1_0,
        PrivateKey = 0x00000004 "Private Key" V1_0,
        SplitKey = 0x00000005 "Split Key" V1_0,
        Template = 0x00000006 "Template" V1_0,
        SecretData = 0x00000007 "Secret Data" V1_0,
        OpaqueObject = 0x00000008 "Opaque Object" V1_0,
        PgpKey = 0x00000009 "PGP Key" V1_2,
        CertificateRequest = 0x0000000a "Certificate Request" V2_0,
    }
}

wire_enum! {
    /// Certificate Type: the type of a certificate (KMIP 1.4 §9.1.3.2.6, 2.1 §11.9).
    pub enum CertificateType {
        X509 = 0x00000001 "X.509" V1_0,
        Pgp = 0x00000002 "PGP" V1_0,
    }
}

wire_enum! {
    /// Certificate Request Type: the type of a certificate request (KMIP 1.4 §9.1.3.2.22, 2.1 §11.8).
    pub enum CertificateRequestType {
        Crmf = 0x00000001 "CRMF" V1_0,
        Pkcs10 = 0x00000002 "PKCS#10" V1_0,
        Pem = 0x00000003 "PEM" V1_0,
        Pgp = 0x00000004 "PGP" V1_0,
    }
}

wire_enum! {
    /// Secret Data Type: the type of secret data (KMIP 1.4 §9.1.3.2.9, 2.1 §11.52).
    pub enum SecretDataType {
        Password = 0x00000001 "Password" V1_0,
        Seed = 0x00000002 "Seed" V1_0,
    }
}

wire_enum! {
    /// Key Format Type: the format of key material (KMIP 1.4 §9.1.3.2.3, 2.1 §11.25).
    pub enum KeyFormatType {
        Raw = 0x00000001 "Raw" V1_0,
        Opaque = 0x00000002 "Opaque" V1_0,
        Pkcs1 = 0x00000003 "PKCS#1" V1_0,
        Pkcs8 = 0x00000004 "PKCS#8" V1_0,
        X509 = 0x00000005 "X.509" V1_0,
        ECPrivateKey = 0x00000006 "ECPrivateKey" V1_0,
        TransparentSymmetricKey = 0x00000007 "Transparent Symmetric Key" V1_0,
        TransparentDsaPrivateKey = 0x00000008 "Transparent DSA Private Key" V1_0,
        TransparentDsaPublicKey = 0x00000009 "Transparent DSA Public Key" V1_0,
        TransparentRsaPrivateKey = 0x0000000a "Transparent RSA Private Key" V1_0,
        TransparentRsaPublicKey = 0x0000000b "Transparent RSA Public Key" V1_0,
        TransparentDhPrivateKey = 0x0000000c "Transparent DH Private Key" V1_0,
        TransparentDhPublicKey = 0x0000000d "Transparent DH Public Key" V1_0,
        TransparentEcdsaPrivateKey = 0x0000000e "Transparent ECDSA Private Key" V1_0,
        TransparentEcdsaPublicKey = 0x0000000f "Transparent ECDSA Public Key" V1_0,
        TransparentEcdhPrivateKey = 0x00000010 "Transparent ECDH Private Key" V1_0,
        TransparentEcdhPublicKey = 0x00000011 "Transparent ECDH Public Key" V1_0,
        TransparentEcmqvPrivateKey = 0x00000012 "Transparent ECMQV Private Key" V1_0,
        TransparentEcmqvPublicKey = 0x00000013 "Transparent ECMQV Public Key" V1_0,
        TransparentEcPrivateKey = 0x00000014 "Transparent EC Private Key" V1_3,
        TransparentEcPublicKey = 0x00000015 "Transparent EC Public Key" V1_3,
        Pkcs12 = 0x00000016 "PKCS#12" V1_4,
        Pkcs10 = 0x00000017 "PKCS#10" V2_0,
    }
}

wire_enum! {
    /// Key Compression Type: the compression of an elliptic curve point (KMIP 1.4 §9.1.3.2.2, 2.1 §11.24).
    pub enum KeyCompressionType {
        EcPublicKeyTypeUncompressed = 0x00000001 "EC Public Key Type Uncompressed" V1_0,
        EcPublicKeyTypeX9_62CompressedPrime = 0x00000002 "EC Public Key Type X9.62 Compressed Prime" V1_0,
        EcPublicKeyTypeX9_62CompressedChar2 = 0x00000003 "EC Public Key Type X9.62 Compressed Char2" V1_0,
        EcPublicKeyTypeX9_62Hybrid = 0x00000004 "EC Public Key Type X9.62 Hybrid" V1_0,
    }
}

wire_enum! {
    /// Key Role Type: the role of a key in payment systems (KMIP 1.4 §9.1.3.2.17, 2.1 §11.26).
    pub enum KeyRoleType {
        Bdk = 0x00000001 "BDK" V1_0,
        Cvk = 0x00000002 "CVK" V1_0,
        Dek = 0x00000003 "DEK" V1_0,
        Mkac = 0x00000004 "MKAC" V1_0,
        Mksmc = 0x00000005 "MKSMC" V1_0,
        Mksmi = 0x00000006 "MKSMI" V1_0,
        Mkdac = 0x00000007 "MKDAC" V1_0,
        Mkdn = 0x00000008 "MKDN" V1_0,
        Mkcp = 0x00000009 "MKCP" V1_0,
        Mkoth = 0x0000000a "MKOTH" V1_0,
        Kek = 0x0000000b "KEK" V1_0,
        Mac16609 = 0x0000000c "MAC16609" V1_0,
        Mac97971 = 0x0000000d "MAC97971" V1_0,
        Mac97972 = 0x0000000e "MAC97972" V1_0,
        Mac97973 = 0x0000000f "MAC97973" V1_0,
        Mac97974 = 0x00000010 "MAC97974" V1_0,
        Mac97975 = 0x00000011 "MAC97975" V1_0,
        Zpk = 0x00000012 "ZPK" V1_0,
        Pvkibm = 0x00000013 "PVKIBM" V1_0,
        Pvkpvv = 0x00000014 "PVKPVV" V1_0,
        Pvkoth = 0x00000015 "PVKOTH" V1_0,
        Dukpt = 0x00000016 "DUKPT" V1_4,
        Iv = 0x00000017 "IV" V1_4,
        Trkbk = 0x00000018 "TRKBK" V1_4,
    }
}

wire_enum! {
    /// Key Value Location Type: the type of a Key Value Location (KMIP 1.4 §9.1.3.2.35, 2.1 §11.27).
    pub enum KeyValueLocationType {
        UninterpretedTextString = 0x00000001 "Uninterpreted Text String" V1_2,
        Uri = 0x00000002 "URI" V1_2,
    }
}

wire_enum! {
    /// Key Wrap Type: whether Get returns the key wrapped as it was registered (KMIP 1.4 §9.1.3.2.48, 2.1
    /// §11.29).
    pub enum KeyWrapType {
        NotWrapped = 0x00000001 "Not Wrapped" V1_4,
        AsRegistered = 0x00000002 "As Registered" V1_4,
    }
}

wire_enum! {
    /// Wrapping Method: the protection of a wrapped key (KMIP 1.4 §9.1.3.2.4, 2.1 §11.62).
    pub enum WrappingMethod {
        Encrypt = 0x00000001 "Encrypt" V1_0,
        MacSign = 0x00000002 "MAC/sign" V1_0,
        EncryptThenMacSign = 0x00000003 "Encrypt then MAC/sign" V1_0,
        MacSignThenEncrypt = 0x00000004 "MAC/sign then encrypt" V1_0,
        Tr31 = 0x00000005 "TR-31" V1_0,
    }
}

wire_enum! {
    /// Encoding Option: the encoding of a key value before wrapping (KMIP 1.4 §9.1.3.2.32, 2.1 §11.18).
    pub enum EncodingOption {
        NoEncoding = 0x00000001 "No Encoding" V1_1,
        TtlvEncoding = 0x00000002 "TTLV Encoding" V1_1,
    }
}

wire_enum! {
    /// Split Key Method: the method by which a key is split (KMIP 1.4 §9.1.3.2.8, 2.1 §11.54).
    pub enum SplitKeyMethod {
        Xor = 0x00000001 "XOR" V1_0,
        PolynomialSharingGf2_16 = 0x00000002 "Polynomial Sharing GF (2^16)" V1_0,
        PolynomialSharingPrimeField = 0x00000003 "Polynomial Sharing Prime Field" V1_0,
        PolynomialSharingGf2_8 = 0x00000004 "Polynomial Sharing GF (2^8)" V1_2,
    }
}

wire_enum! {
    /// NIST Key Type: a key type of NIST SP 800-57 (KMIP 2.1 §11.32).
    pub enum NistKeyType {
        PrivateSignatureKey = 0x00000001 "Private signature key" V2_0,
        PublicSignatureVerificationKey = 0x00000002 "Public signature verification key" V2_0,
        SymmetricAuthenticationKey = 0x00000003 "Symmetric authentication key" V2_0,
        PrivateAuthenticationKey = 0x00000004 "Private authentication key" V2_0,
        PublicAuthenticationKey = 0x00000005 "Public authentication key" V2_0,
        SymmetricDataEncryptionKey = 0x00000006 "Symmetric data encryption key" V2_0,
        SymmetricKeyWrappingKey = 0x00000007 "Symmetric key wrapping key" V2_0,
        SymmetricRandomNumberGenerationKey = 0x00000008 "Symmetric random number generation key" V2_0,
        SymmetricMasterKey = 0x00000009 "Symmetric master key" V2_0,
        PrivateKeyTransportKey = 0x0000000a "Private key transport key" V2_0,
        PublicKeyTransportKey = 0x0000000b "Public key transport key" V2_0,
        SymmetricKeyAgreementKey = 0x0000000c "Symmetric key agreement key" V2_0,
        PrivateStaticKeyAgreementKey = 0x0000000d "Private static key agreement key" V2_0,
        PublicStaticKeyAgreementKey = 0x0000000e "Public static key agreement key" V2_0,
        PrivateEphemeralKeyAgreementKey = 0x0000000f "Private ephemeral key agreement key" V2_0,
        PublicEphemeralKeyAgreementKey = 0x00000010 "Public ephemeral key agreement key" V2_0,
        SymmetricAuthorizationKey = 0x00000011 "Symmetric authorization key" V2_0,
        PrivateAuthorizationKey = 0x00000012 "Private authorization key" V2_0,
        PublicAuthorizationKey = 0x00000013 "Public authorization key" V2_0,
    }
}

wire_enum! {
    /// Protection Level: the protection that an object requires (KMIP 2.1 §11.42).
    pub enum ProtectionLevel {
        High = 0x00000001 "High" V2_0,
        Low = 0x00000002 "Low" V2_0,
    }
}

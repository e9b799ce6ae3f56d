"""Cases: Encrypt, Decrypt, Sign, SignatureVerify, MAC, DeriveKey, and Get with wrapping.

Keys are registered, so both servers compute on the same bytes and their results must be the
same.
"""

import message as m
import things
import ttlv
from case import ALL, FROM_1_2, case
from cases_objects import NOBODY
from kmip.core import enums

OPERATION = enums.Operation
MODE, PAD, HASH = enums.BlockCipherMode, enums.PaddingMethod, enums.HashingAlgorithm
ALGORITHM = enums.CryptographicAlgorithm
SIGNATURE = enums.DigitalSignatureAlgorithm
IV = bytes(range(16))
TEXT = b"thirty-two bytes of plain text.."

# Field, tag and how it is written, in the order of the standard's Cryptographic Parameters.
PARAMETERS = (
    ("mode", "BLOCK_CIPHER_MODE", ttlv.choice),
    ("padding", "PADDING_METHOD", ttlv.choice),
    ("hash", "HASHING_ALGORITHM", ttlv.choice),
    ("signature", "DIGITAL_SIGNATURE_ALGORITHM", ttlv.choice),
    ("algorithm", "CRYPTOGRAPHIC_ALGORITHM", ttlv.choice),
    ("random_iv", "RANDOM_IV", ttlv.flag),
    ("tag_length", "TAG_LENGTH", ttlv.number),
)


def parameters(**given):
    """Cryptographic Parameters with these fields."""
    return ttlv.group("CRYPTOGRAPHIC_PARAMETERS", *[kind(tag, given[f]) for f, tag, kind in PARAMETERS if f in given])


CBC = parameters(mode=MODE.CBC, padding=PAD.PKCS5, algorithm=ALGORITHM.AES)


def cipher(operation, key, given, body=TEXT, iv=IV, **options):
    """Encrypt or Decrypt."""

    def payload(_):
        items = m.uid(key) + ([given] if given is not None else [])
        items += [] if body is None else [ttlv.data("DATA", body)]
        return items + ([] if iv is None else [ttlv.data("IV_COUNTER_NONCE", iv)])

    return m.Step(operation, payload, **options)


def key(*masks, algorithm="AES", material=bytes(range(16)), save="a"):
    """A step that registers a symmetric key of known bytes."""
    thing = things.symmetric_key(material, algorithm, len(material) * 8)
    return m.register("SYMMETRIC_KEY", thing, m.usage(*masks), save=save)


def cipher_rows():
    for word, operation in (("encrypt", OPERATION.ENCRYPT), ("decrypt", OPERATION.DECRYPT)):
        mask = word.upper()
        ready = (key("ENCRYPT", "DECRYPT"), m.activate("$a"))

        def row(label, about, *steps):
            return case(f"{word}.{label}", f"{word.title()}: {about}", *steps, versions=FROM_1_2)

        def ask(given, **options):
            return cipher(operation, "$a", given, **options)

        yield row("unknown-key", "a key that does not exist", cipher(operation, NOBODY, CBC))
        yield row("not-owner", "another one's key", *ready, ask(CBC, who="jane_doe"))
        yield row("not-active", "a key that is not active", key(mask), ask(CBC))
        yield row("revoked", "a revoked key", *ready, m.revoke("$a"), ask(CBC))
        yield row("no-mask", "a key without the usage bit", key("SIGN"), m.activate("$a"), ask(CBC))
        yield row("no-parameters", "no cryptographic parameters", *ready, ask(None))
        yield row("no-algorithm", "no algorithm", *ready, ask(parameters(mode=MODE.CBC, padding=PAD.PKCS5)))
        yield row("unsupported-algorithm", "an algorithm that is no cipher", *ready,
                  ask(parameters(mode=MODE.CBC, padding=PAD.PKCS5, algorithm=ALGORITHM.HMAC_SHA256)))
        yield row("other-algorithm", "an algorithm that the key does not fit", *ready,
                  ask(parameters(mode=MODE.CBC, padding=PAD.PKCS5, algorithm=ALGORITHM.IDEA)))
        yield row("wrong-size", "a key of a size that the algorithm has not", key(mask, material=bytes(10)), m.activate("$a"), ask(CBC))
        yield row("no-mode", "no block cipher mode", *ready, ask(parameters(padding=PAD.PKCS5, algorithm=ALGORITHM.AES)))
        yield row("unsupported-mode", "a mode that is not supported", *ready, ask(parameters(mode=MODE.PCBC, padding=PAD.PKCS5, algorithm=ALGORITHM.AES)))
        yield row("no-padding", "no padding method", *ready, ask(parameters(mode=MODE.CBC, algorithm=ALGORITHM.AES)))
        yield row("unsupported-padding", "a padding that is not supported", *ready, ask(parameters(mode=MODE.CBC, padding=PAD.OAEP, algorithm=ALGORITHM.AES)))
        yield row("short-iv", "an IV of eight bytes", *ready, ask(CBC, iv=bytes(8)))
        yield row("no-data", "no data", *ready, ask(CBC, body=None))
        yield row("public-key", "a public key", m.register("PUBLIC_KEY", things.public_key(), m.usage("ENCRYPT"), save="a"), m.activate("$a"), ask(CBC))
        yield row("secret-data", "secret data", m.register("SECRET_DATA", things.secret_data(), m.usage("ENCRYPT"), save="a"), m.activate("$a"), ask(CBC))
        yield row("opaque-object", "an opaque object", m.register("OPAQUE_DATA", things.opaque(), save="a"), ask(CBC))
        for mode in (MODE.CBC, MODE.ECB, MODE.CFB, MODE.OFB, MODE.CTR):
            yield row(f"aes-{mode.name.lower()}", f"AES in {mode.name}", *ready,
                      ask(parameters(mode=mode, padding=PAD.PKCS5, algorithm=ALGORITHM.AES), iv=None if mode is MODE.ECB else IV))
    both = (key("ENCRYPT", "DECRYPT"), m.activate("$a"))
    for length in (None, 3, 4, 12, 16, 17):
        given = {} if length is None else {"tag_length": length}
        yield case(f"encrypt.gcm-tag-{length or 'absent'}", f"Encrypt with GCM: tag length {length}", *both,
                   cipher(OPERATION.ENCRYPT, "$a", parameters(mode=MODE.GCM, algorithm=ALGORITHM.AES, **given)), versions=ALL[4:])
    for mode in (None, MODE.CBC, MODE.CTR):
        given = {} if mode is None else {"mode": mode, "padding": PAD.PKCS5}
        yield case(f"encrypt.rc4-{mode.name.lower() if mode else 'no-mode'}", "Encrypt: RC4 with an AES key", *both,
                   cipher(OPERATION.ENCRYPT, "$a", parameters(algorithm=ALGORITHM.RC4, **given), iv=None), versions=FROM_1_2)
    yield case("encrypt.triple-des", "Encrypt: 3DES with an AES key", *both,
               cipher(OPERATION.ENCRYPT, "$a", parameters(mode=MODE.CBC, padding=PAD.PKCS5, algorithm=ALGORITHM.TRIPLE_DES), iv=bytes(8)), versions=FROM_1_2)
    yield case("decrypt.no-iv", "Decrypt: no IV", key("DECRYPT"), m.activate("$a"),
               cipher(OPERATION.DECRYPT, "$a", CBC, iv=None), versions=FROM_1_2)
    yield case("decrypt.bad-padding", "Decrypt: the padding is wrong", key("DECRYPT"), m.activate("$a"),
               cipher(OPERATION.DECRYPT, "$a", CBC, body=bytes(32)), versions=FROM_1_2)
    yield case("decrypt.bad-length", "Decrypt: no whole blocks", key("DECRYPT"), m.activate("$a"),
               cipher(OPERATION.DECRYPT, "$a", CBC, body=bytes(17)), versions=FROM_1_2)
    yield case("encrypt.x923", "Encrypt with ANSI X9.23 padding", key("ENCRYPT"), m.activate("$a"),
               cipher(OPERATION.ENCRYPT, "$a", parameters(mode=MODE.CBC, padding=PAD.ANSI_X923, algorithm=ALGORITHM.AES)), versions=FROM_1_2)


def signed(operation, identifier, given, body=TEXT, signature=None, **options):
    """Sign or SignatureVerify."""

    def payload(_):
        items = m.uid(identifier) + ([given] if given is not None else []) + [ttlv.data("DATA", body)]
        return items + ([] if signature is None else [ttlv.data("SIGNATURE_DATA", signature)])

    return m.Step(operation, payload, **options)


RSA_SHA256 = parameters(padding=PAD.PKCS1v15, hash=HASH.SHA_256, algorithm=ALGORITHM.RSA)


def signature_rows():
    for word, operation, mask in (("sign", OPERATION.SIGN, "SIGN"), ("verify", OPERATION.SIGNATURE_VERIFY, "VERIFY")):
        kind, thing = ("PRIVATE_KEY", things.private_key("PKCS_1")) if word == "sign" else ("PUBLIC_KEY", things.public_key("PKCS_1"))
        other = ("PUBLIC_KEY", things.public_key()) if word == "sign" else ("PRIVATE_KEY", things.private_key())
        signature = None if word == "sign" else bytes(128)
        ready = (m.register(kind, thing, m.usage(mask), save="a"), m.activate("$a"))

        def row(label, about, *steps):
            return case(f"{word}.{label}", f"{word.title()}: {about}", *steps, versions=FROM_1_2)

        def ask(given, **options):
            return signed(operation, "$a", given, signature=signature, **options)

        yield row("unknown-key", "a key that does not exist", signed(operation, NOBODY, RSA_SHA256, signature=signature))
        yield row("not-owner", "another one's key", *ready, ask(RSA_SHA256, who="jane_doe"))
        yield row("other-kind", "the other key of the pair", m.register(*other, m.usage(mask), save="a"), m.activate("$a"), ask(RSA_SHA256))
        yield row("symmetric-key", "a symmetric key", key(mask), m.activate("$a"), ask(RSA_SHA256))
        yield row("not-active", "a key that is not active", m.register(kind, thing, m.usage(mask), save="a"), ask(RSA_SHA256))
        yield row("no-mask", "a key without the usage bit", m.register(kind, thing, m.usage("EXPORT"), save="a"), m.activate("$a"), ask(RSA_SHA256))
        yield row("no-parameters", "no cryptographic parameters", *ready, ask(None))
        yield row("no-algorithm", "neither algorithm nor signature algorithm", *ready, ask(parameters(padding=PAD.PKCS1v15, hash=HASH.SHA_256)))
        yield row("unsupported-algorithm", "an algorithm that does not sign", *ready,
                  ask(parameters(padding=PAD.PKCS1v15, hash=HASH.SHA_256, algorithm=ALGORITHM.AES)))
        yield row("dsa", "DSA on an RSA key", *ready, ask(parameters(padding=PAD.PKCS1v15, hash=HASH.SHA_256, algorithm=ALGORITHM.DSA)))
        yield row("no-hash", "no hashing algorithm", *ready, ask(parameters(padding=PAD.PKCS1v15, algorithm=ALGORITHM.RSA)))
        yield row("unsupported-hash", "a hash that is not supported", *ready, ask(parameters(padding=PAD.PKCS1v15, hash=HASH.TIGER, algorithm=ALGORITHM.RSA)))
        yield row("no-padding", "no padding method", *ready, ask(parameters(hash=HASH.SHA_256, algorithm=ALGORITHM.RSA)))
        yield row("unsupported-padding", "a padding that does not sign", *ready, ask(parameters(padding=PAD.PKCS5, hash=HASH.SHA_256, algorithm=ALGORITHM.RSA)))
        yield row("mismatched-hash", "a hash that the signature algorithm has not", *ready, ask(parameters(
            padding=PAD.PKCS1v15, hash=HASH.SHA_512, signature=SIGNATURE.SHA256_WITH_RSA_ENCRYPTION)))
        for hashing in (HASH.MD5, HASH.SHA_1, HASH.SHA_224, HASH.SHA_256, HASH.SHA_384, HASH.SHA_512):
            yield row(f"rsa-{hashing.name.lower().replace('_', '')}", f"RSA with {hashing.name}", *ready,
                      ask(parameters(padding=PAD.PKCS1v15, hash=hashing, algorithm=ALGORITHM.RSA)))
        yield row("no-padding-signature-algorithm", "a digital signature algorithm and no padding method", *ready,
                  ask(parameters(signature=SIGNATURE.SHA256_WITH_RSA_ENCRYPTION)))
        yield row("ecdsa", "ECDSA with an RSA key", *ready, ask(parameters(hash=HASH.SHA_256, algorithm=ALGORITHM.ECDSA)))
        yield row("ecdsa-signature-algorithm", "an ECDSA signature algorithm with an RSA key", *ready,
                  ask(parameters(signature=SIGNATURE.ECDSA_WITH_SHA256)))
        yield row("signature-algorithm", "by digital signature algorithm", *ready,
                  ask(parameters(padding=PAD.PKCS1v15, signature=SIGNATURE.SHA256_WITH_RSA_ENCRYPTION)))


def mac(identifier, given, body=TEXT, **options):
    return m.Step(
        OPERATION.MAC,
        lambda v: m.uid(identifier) + ([given] if given is not None else []) + ([] if body is None else [ttlv.data("DATA", body)]),
        **options,
    )


def mac_rows():
    ready = (key("MAC_GENERATE"), m.activate("$a"))
    hmac = parameters(algorithm=ALGORITHM.HMAC_SHA256)

    def row(label, about, *steps):
        return case(f"mac.{label}", f"MAC: {about}", *steps, versions=FROM_1_2)

    yield row("unknown-key", "a key that does not exist", mac(NOBODY, hmac))
    yield row("not-owner", "another one's key", *ready, mac("$a", hmac, who="jane_doe"))
    yield row("not-active", "a key that is not active", key("MAC_GENERATE"), mac("$a", hmac))
    yield row("no-mask", "a key without the usage bit", key("SIGN"), m.activate("$a"), mac("$a", hmac))
    yield row("no-data", "no data", *ready, mac("$a", hmac, body=None))
    yield row("empty-data", "empty data", *ready, mac("$a", hmac, body=b""))
    yield row("unsupported", "an algorithm that makes no MAC", *ready, mac("$a", parameters(algorithm=ALGORITHM.RSA)))
    yield row("no-algorithm", "the key's own algorithm", *ready, mac("$a", None))
    yield row("secret-data", "secret data, no algorithm", m.register("SECRET_DATA", things.secret_data(), m.usage("MAC_GENERATE"), save="a"),
              m.activate("$a"), mac("$a", None))
    yield row("opaque", "an opaque object", m.register("OPAQUE_DATA", things.opaque(), save="a"), mac("$a", hmac))
    yield row("certificate", "a certificate", m.register("CERTIFICATE", things.certificate(), m.usage("MAC_GENERATE"), save="a"),
              m.activate("$a"), mac("$a", hmac))
    yield row("certificate-no-algorithm", "a certificate, no algorithm", m.register("CERTIFICATE", things.certificate(), m.usage("MAC_GENERATE"), save="a"),
              m.activate("$a"), mac("$a", None))
    yield row("certificate-not-active", "a certificate that is not active",
              m.register("CERTIFICATE", things.certificate(), m.usage("MAC_GENERATE"), save="a"), mac("$a", hmac))
    yield row("certificate-no-mask", "a certificate without the usage bit", m.register("CERTIFICATE", things.certificate(), m.usage("VERIFY"), save="a"),
              m.activate("$a"), mac("$a", hmac))
    yield row("split-key", "a split key", m.register("SPLIT_KEY", things.split_key(), m.usage("MAC_GENERATE"), save="a"),
              m.activate("$a"), mac("$a", hmac))
    yield row("split-key-no-algorithm", "a split key, no algorithm", m.register("SPLIT_KEY", things.split_key(), m.usage("MAC_GENERATE"), save="a"),
              m.activate("$a"), mac("$a", None))
    yield row("rc4", "CMAC with RC4", *ready, mac("$a", parameters(algorithm=ALGORITHM.RC4)))
    for name in ("HMAC_MD5", "HMAC_SHA1", "HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512", "AES", "CAMELLIA", "TRIPLE_DES"):
        yield row(name.lower().replace("_", "-"), name, *ready, mac("$a", parameters(algorithm=ALGORITHM[name])))


METHOD = enums.DerivationMethod


def derive(*identifiers, method=METHOD.HMAC, kind="SECRET_DATA", attributes=None, given=None, extra=(), **options):
    """DeriveKey. `extra`: more items of the Derivation Parameters, in the standard's order."""
    wanted = (m.length(128), m.usage("EXPORT")) if attributes is None else attributes
    crypto = parameters(hash=HASH.SHA_256) if given is None else given

    def payload(v):
        return [
            ttlv.choice("OBJECT_TYPE", enums.ObjectType[kind]),
            *[ttlv.text("UNIQUE_IDENTIFIER", i) for i in identifiers],
            ttlv.choice("DERIVATION_METHOD", method),
            ttlv.group("DERIVATION_PARAMETERS", crypto, *extra),
            m.template(v, wanted),
        ]

    return m.Step(OPERATION.DERIVE_KEY, payload, save=["d"], **options)


def derive_rows():
    ready = key("DERIVE_KEY")
    info, salt = ttlv.data("DERIVATION_DATA", b"info"), ttlv.data("SALT", b"salt")
    rounds = ttlv.number("ITERATION_COUNT", 1000)

    def row(label, about, *steps, **options):
        return case(f"derive-key.{label}", f"DeriveKey: {about}", *steps, **options)

    yield row("unknown-object", "an object that does not exist", derive(NOBODY, extra=[info]))
    yield row("not-owner", "another one's key", ready, derive("$a", extra=[info], who="jane_doe"))
    yield row("opaque", "an opaque object", m.register("OPAQUE_DATA", things.opaque(), save="a"), derive("$a", extra=[info]))
    yield row("certificate", "a certificate", m.register("CERTIFICATE", things.certificate(), m.usage("DERIVE_KEY"), save="a"), derive("$a", extra=[info]))
    yield row("no-mask", "a key without the usage bit", key("ENCRYPT"), derive("$a", extra=[info]))
    yield row("no-length", "no length", ready, derive("$a", extra=[info], attributes=(m.usage("EXPORT"),)))
    yield row("odd-length", "a length that is no number of bytes", ready, derive("$a", extra=[info], attributes=(m.length(123), m.usage("EXPORT"))))
    yield row("no-algorithm", "a symmetric key without an algorithm", ready, derive("$a", kind="SYMMETRIC_KEY", extra=[info]))
    yield row("private-key", "to a private key", ready, derive("$a", kind="PRIVATE_KEY", extra=[info]))
    yield row("no-hash", "no hashing algorithm", ready, derive("$a", given=parameters(), extra=[info]))
    yield row("unsupported-hash", "a hash that is not supported", ready, derive("$a", given=parameters(hash=HASH.TIGER), extra=[info]))
    yield row("unsupported-method", "asymmetric key agreement", ready, derive("$a", method=METHOD.ASYMMETRIC_KEY, extra=[info]))
    yield row("no-salt", "PBKDF2 without a salt", ready, derive("$a", method=METHOD.PBKDF2, extra=[rounds]))
    yield row("no-rounds", "PBKDF2 without an iteration count", ready, derive("$a", method=METHOD.PBKDF2, extra=[salt]))
    yield row("hash-both", "a hash of both key and data", ready, derive("$a", method=METHOD.HASH, extra=[info]))
    yield row("hash-too-long", "more than the hash gives", ready, derive("$a", method=METHOD.HASH, attributes=(m.length(1024), m.usage("EXPORT"))))
    yield row("encrypt-too-long", "more than the encryption gives", ready, derive(
        "$a", method=METHOD.ENCRYPT, given=CBC, extra=[ttlv.data("INITIALIZATION_VECTOR", IV), info], attributes=(m.length(1024), m.usage("EXPORT"))))
    for label, method, more, given in (
        ("hmac", METHOD.HMAC, [info, salt], None),
        ("hmac-no-salt", METHOD.HMAC, [info], None),
        ("hmac-no-data", METHOD.HMAC, [salt], None),
        ("pbkdf2-data", METHOD.PBKDF2, [ttlv.data("DERIVATION_DATA", b"info"), salt, rounds], None),
        ("hash", METHOD.HASH, [], None),
        ("pbkdf2", METHOD.PBKDF2, [salt, rounds], None),
        ("counter", METHOD.NIST800_108_C, [info], None),
        ("feedback", METHOD.NIST800_108_F, [info], None),
        ("encrypt", METHOD.ENCRYPT, [ttlv.data("INITIALIZATION_VECTOR", IV), ttlv.data("DERIVATION_DATA", TEXT)], CBC),
    ):
        yield row(label, f"by {method.name}", ready, derive("$a", method=method, extra=more, given=given), m.get("$d"))
    yield row("two-objects", "derivation data from a second object", key("DERIVE_KEY"),
              m.register("SECRET_DATA", things.secret_data(), m.usage("DERIVE_KEY"), save="b"), derive("$a", "$b"), m.get("$d"))


def wrap_rows():
    target = key("ENCRYPT", save="t")
    wrapper = key("WRAP_KEY")

    def row(label, about, *steps):
        return case(f"wrap.{label}", f"Get wrapped: {about}", *steps)

    def ask(specification):
        return m.get("$t", wrapping=specification)

    by = things.key_information("ENCRYPTION_KEY_INFORMATION", "$a")
    whole = things.wrapping_specification(encryption=by)
    yield row("aes", "by an AES key", target, wrapper, m.activate("$a"), ask(whole))
    yield row("unknown-key", "by a key that does not exist", target, ask(things.wrapping_specification(
        encryption=things.key_information("ENCRYPTION_KEY_INFORMATION", NOBODY))))
    yield row("not-owner", "by another one's key", target,
              m.register("SYMMETRIC_KEY", things.symmetric_key(), m.usage("WRAP_KEY"), save="a", who="jane_doe"), ask(whole))
    yield row("not-a-key", "by secret data", target, m.register("SECRET_DATA", things.secret_data(), m.usage("WRAP_KEY"), save="a"), m.activate("$a"), ask(whole))
    yield row("not-active", "by a key that is not active", target, wrapper, ask(whole))
    yield row("no-mask", "by a key without the usage bit", target, key("ENCRYPT"), m.activate("$a"), ask(whole))
    yield row("method", "with another wrapping method", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(method=2, encryption=by)))
    yield row("attributes", "with attributes", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(encryption=by, attributes=["Name"])))
    yield row("encoding", "with TTLV encoding", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(encryption=by, encoding=2)))
    yield row("no-encoding", "without an encoding option", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(encryption=by, encoding=None)))
    yield row("mac-only", "with a MAC key only", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(
        mac=things.key_information("MAC_SIGNATURE_KEY_INFORMATION", "$a"))))
    yield row("nothing", "without any key", target, ask(things.wrapping_specification()))
    yield row("mode", "with a mode that does not wrap", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(
        encryption=things.key_information("ENCRYPTION_KEY_INFORMATION", "$a", MODE.CBC.value))))
    yield row("no-parameters", "without cryptographic parameters", target, wrapper, m.activate("$a"), ask(things.wrapping_specification(
        encryption=things.key_information("ENCRYPTION_KEY_INFORMATION", "$a", None))))


CASES = [*cipher_rows(), *signature_rows(), *mac_rows(), *derive_rows(), *wrap_rows()]

"""The managed objects that the comparison registers, as TTLV trees.

Their bytes are the same in each run, so that the pinned answers stay the same. The private keys in compared_rsa_*.pem
protect nothing.
"""

import datetime
import functools
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from kmip.core import enums
from ttlv import choice, data, group, number, text

KEY_FORMAT = enums.KeyFormatType


def key_block(form, material, algorithm=None, bits=None, wrapping=None, value=True, attributes=()):
    """A Key Block; `material` is bytes, or a tree for a transparent key."""
    inner = data("KEY_MATERIAL", material) if isinstance(material, bytes) else material
    return group(
        "KEY_BLOCK",
        None if form is None else choice("KEY_FORMAT_TYPE", KEY_FORMAT[form]),
        group("KEY_VALUE", inner, *[attribute.one() for attribute in attributes]) if value else None,
        None if algorithm is None else choice("CRYPTOGRAPHIC_ALGORITHM", enums.CryptographicAlgorithm[algorithm]),
        None if bits is None else number("CRYPTOGRAPHIC_LENGTH", bits),
        wrapping,
    )


def symmetric_key(material=bytes(range(16)), algorithm="AES", bits=128, form="RAW", wrapping=None, attributes=()):
    return group("SYMMETRIC_KEY", key_block(form, material, algorithm, bits, wrapping, attributes=attributes))


def public_key(form="PKCS_1", bits=1024):
    return group("PUBLIC_KEY", key_block(form, public_bytes(form), "RSA", bits))


def private_key(form="PKCS_8", bits=1024):
    return group("PRIVATE_KEY", key_block(form, private_bytes(form), "RSA", bits))


def split_key(method="XOR", prime=None):
    return group(
        "SPLIT_KEY",
        number("SPLIT_KEY_PARTS", 4),
        number("KEY_PART_IDENTIFIER", 1),
        number("SPLIT_KEY_THRESHOLD", 2),
        choice("SPLIT_KEY_METHOD", enums.SplitKeyMethod[method]),
        prime,
        key_block("RAW", bytes(range(16)), "AES", 128),
    )


def certificate(kind=1):
    return group("CERTIFICATE", choice("CERTIFICATE_TYPE", kind), data("CERTIFICATE_VALUE", certificate_bytes()))


def secret_data(kind="PASSWORD", material=b"a secret", form="OPAQUE", algorithm=None, bits=None):
    block = key_block(form, material, algorithm, bits)
    return group("SECRET_DATA", choice("SECRET_DATA_TYPE", enums.SecretDataType[kind]), block)


def opaque(value=b"anything at all", kind=0x80000000):
    return group("OPAQUE_OBJECT", choice("OPAQUE_DATA_TYPE", kind), data("OPAQUE_DATA_VALUE", value))


def wrapping_data(method=1, key="42", encoding=1, mode=0x0D):
    """Key Wrapping Data for NIST key wrap, as a client that wrapped a key itself sends it."""
    return group(
        "KEY_WRAPPING_DATA",
        choice("WRAPPING_METHOD", method),
        key_information("ENCRYPTION_KEY_INFORMATION", key, mode),
        choice("ENCODING_OPTION", encoding),
    )


def key_information(tag, key, mode=0x0D):
    """Which key wraps, and by what block cipher mode."""
    return group(
        tag,
        text("UNIQUE_IDENTIFIER", key),
        None if mode is None else group("CRYPTOGRAPHIC_PARAMETERS", choice("BLOCK_CIPHER_MODE", mode)),
    )


def wrapping_specification(method=1, encryption=None, mac=None, attributes=(), encoding=1):
    """What a Get asks to wrap with."""
    return group(
        "KEY_WRAPPING_SPECIFICATION",
        choice("WRAPPING_METHOD", method),
        encryption,
        mac,
        *[text("ATTRIBUTE_NAME", name) for name in attributes],
        None if encoding is None else choice("ENCODING_OPTION", encoding),
    )


@functools.lru_cache(maxsize=None)
def rsa_key(bits=1024):
    pem = (pathlib.Path(__file__).resolve().parent / f"compared_rsa_{bits}.pem").read_bytes()
    return serialization.load_pem_private_key(pem, None)


def public_bytes(form):
    kind = {
        "PKCS_1": serialization.PublicFormat.PKCS1,
        "X_509": serialization.PublicFormat.SubjectPublicKeyInfo,
    }.get(form, serialization.PublicFormat.PKCS1)
    return rsa_key().public_key().public_bytes(serialization.Encoding.DER, kind)


def private_bytes(form):
    kind = {
        "PKCS_8": serialization.PrivateFormat.PKCS8,
        "PKCS_1": serialization.PrivateFormat.TraditionalOpenSSL,
    }.get(form, serialization.PrivateFormat.PKCS8)
    return rsa_key().private_bytes(serialization.Encoding.DER, kind, serialization.NoEncryption())


@functools.lru_cache(maxsize=None)
def certificate_bytes():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "compared")])
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    key = rsa_key(2048)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)

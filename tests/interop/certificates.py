"""Makes certificates of any shape, also shapes that no library makes: every field is DER.

Leaves which shapes there are, and who accepts them, to test_certificates.py.
"""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

DAY = datetime.timedelta(days=1)

# Tags of strings (X.680).
UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE, UNIVERSAL, BMP = 12, 18, 19, 20, 22, 26, 28, 30

COMMON_NAME = "2.5.4.3"
ORGANIZATION = "2.5.4.10"
EMAIL = "1.2.840.113549.1.9.1"
NETSCAPE_TYPE = "2.16.840.1.113730.1.1"


def der(tag, *contents):
    """One element of DER."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    octets = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(text):
    """An OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in text.split("."))
    octets = b""
    for arc in [first * 40 + second] + rest:
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.insert(0, arc & 0x7F | 0x80)
        octets += bytes(septets)
    return der(6, octets)


def integer(number):
    """An INTEGER."""
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def attribute(kind, text, string=UTF8):
    """An attribute of a name; `text` may be the bytes of the value."""
    codecs = {UNIVERSAL: "utf-32-be", BMP: "utf-16-be", UTF8: "utf-8"}
    value = text if isinstance(text, bytes) else text.encode(codecs.get(string, "latin-1"))
    return der(0x30, oid(kind), der(string, value))


def name(*parts):
    """A name; each part is one attribute, or several that follow each other."""
    return der(0x30, *(der(0x31, part) for part in parts))


def common_name(text, string=UTF8):
    """A name that consists of a common name."""
    return name(attribute(COMMON_NAME, text, string))


def utc(text):
    """A UTCTime."""
    return der(0x17, text.encode())


def generalized(text):
    """A GeneralizedTime."""
    return der(0x18, text.encode())


def in_days(days):
    """A UTCTime that many days from now."""
    return utc((datetime.datetime.now(datetime.timezone.utc) + days * DAY).strftime("%y%m%d%H%M%SZ"))


def extension(kind, value, critical=False):
    """An extension; `value` is its DER, or an object of cryptography."""
    content = value if isinstance(value, bytes) else value.public_bytes()
    return der(0x30, oid(kind), der(1, b"\xff") if critical else b"", der(4, content))


def basic_constraints(ca, length=None, critical=True):
    return extension("2.5.29.19", der(0x30, der(1, b"\xff") if ca else b"", b"" if length is None else integer(length)), critical)


def key_usage(bits, critical=True):
    """A key usage; `bits` is the first byte: 0x80 digitalSignature, 0x08 keyAgreement, 0x04 keyCertSign …"""
    return extension("2.5.29.15", der(3, bytes([0, bits])), critical)


def usage(*purposes, critical=False):
    """An extended key usage of `client`, `server` and `any`."""
    known = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH, "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return extension("2.5.29.37", x509.ExtendedKeyUsage([known[it] for it in purposes]), critical)


def netscape_type(bits):
    return extension(NETSCAPE_TYPE, der(3, bytes([0, bits])))


def alternative_names(*names, critical=False):
    """Subject alternative names; each is a GeneralName (DER)."""
    return extension("2.5.29.17", der(0x30, *names), critical)


def constraints(permitted=(), excluded=(), critical=True):
    """Name constraints; each base is a GeneralName (DER), possibly followed by a minimum."""
    lists = [(0xA0, permitted), (0xA1, excluded)]
    return extension("2.5.29.30", der(0x30, *(der(tag, *(der(0x30, base) for base in bases)) for tag, bases in lists if bases)), critical)


def subject_key(identifier):
    return extension("2.5.29.14", der(4, identifier))


def authority_key(identifier):
    return extension("2.5.29.35", der(0x30, der(0x80, identifier)))


def dns(text):
    return der(0x82, text.encode())


def email(text):
    return der(0x81, text.encode())


def uri(text):
    return der(0x86, text.encode())


def ip(octets):
    return der(0x87, bytes(octets))


def directory(subject):
    return der(0xA4, subject)


def registered(text):
    return b"\x88" + oid(text)[1:]


CLIENT = (usage("client"),)
AUTHORITY = (basic_constraints(True),)

_SHA = {"sha1": (hashes.SHA1(), 5, 1, 1), "md5": (hashes.MD5(), 4, 0, 0), "sha224": (hashes.SHA224(), 14, 3, 1), "sha256": (hashes.SHA256(), 11, 3, 2)}
_SHA.update({"sha384": (hashes.SHA384(), 12, 3, 3), "sha512": (hashes.SHA512(), 13, 3, 4)})


def _algorithm(key, how):
    """The AlgorithmIdentifier of a signature."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return der(0x30, oid("1.3.101.112"))
    if isinstance(key, ed448.Ed448PrivateKey):
        return der(0x30, oid("1.3.101.113"))
    if how == "pss":
        sha = der(0x30, oid("2.16.840.1.101.3.4.2.1"))
        mask = der(0x30, oid("1.2.840.113549.1.1.8"), sha)
        return der(0x30, oid("1.2.840.113549.1.1.10"), der(0x30, der(0xA0, sha), der(0xA1, mask), der(0xA2, integer(32))))
    _, arc, family, member = _SHA[how]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return der(0x30, oid("1.2.840.10045.4.1" if family == 1 and how == "sha1" else f"1.2.840.10045.4.{family}.{member}"))
    return der(0x30, oid(f"1.2.840.113549.1.1.{arc}"), der(5))


def _signature(key, how, signed):
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return key.sign(signed)
    if how == "pss":
        return key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    sha = _SHA[how][0]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(signed, ec.ECDSA(sha))
    return key.sign(signed, padding.PKCS1v15(), sha)


def new_key(kind="P-256"):
    """A private key, or another of the same kind if RSA; those of RSA take time."""
    curves = {"P-224": ec.SECP224R1, "P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1, "brainpool": ec.BrainpoolP256R1}
    if kind in curves:
        return ec.generate_private_key(curves[kind]())
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind == "DSA":
        return dsa.generate_private_key(2048)
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.split("-")[1]))


class Certificate:
    """A certificate with its key and its issuer. Any field may be overridden by its DER."""

    def __init__(
        self,
        subject,
        by=None,
        *,
        key=None,
        extensions=(),
        version=3,
        issuer=None,
        serial=None,
        begin=None,
        end=None,
        how="sha256",
        signer=None,
        spki=None,
        outer=None,
        damage=False,
    ):
        self.key = key if key is not None and not isinstance(key, str) else new_key(key or "P-256")
        self.subject, self.by = subject, by
        signer = signer or (by or self).key
        algorithm = _algorithm(signer, how)
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        spki = spki or self.key.public_key().public_bytes(serialization.Encoding.DER, public)
        fields = [
            b"" if version == 1 else der(0xA0, integer(version - 1)),
            serial or integer(x509.random_serial_number()),
            algorithm,
            issuer or (by or self).subject,
            der(0x30, begin or in_days(-1), end or in_days(30)),
            subject,
            spki,
            der(0xA3, der(0x30, *extensions)) if extensions else b"",
        ]
        signed = der(0x30, *fields)
        signature = bytearray(_signature(signer, how, signed))
        if damage:
            signature[-1] ^= 1
        self.der = der(0x30, signed, outer or algorithm, der(3, b"\0", bytes(signature)))

    @property
    def pem(self):
        return pem("CERTIFICATE", self.der)

    @property
    def key_pem(self):
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    def above(self):
        """The intermediate certificates, from below to above."""
        chain, link = [], self.by
        while link is not None and link.by is not None:
            chain.append(link)
            link = link.by
        return chain


def pem(label, content):
    """A block of PEM."""
    import base64

    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])

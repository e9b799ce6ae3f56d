"""A throw-away public key infrastructure for the interop tests.

Makes, in one folder: a CA; a server certificate; one client certificate and key for each
person of PyKMIP's functional tests; the same with EC keys; and one self-signed X.509
version 1 certificate that is CA, server and client at once, as some users have it.
Leaves to server.py which of them a server is started with.
"""

import datetime
import ipaddress
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The four people that PyKMIP's functional tests connect as. Jane Smith's certificate has no
# extended key usage, so a server with enable_tls_client_auth=True must refuse her.
PEOPLE = {
    "john_doe": ("John Doe", True),
    "jane_doe": ("Jane Doe", True),
    "john_smith": ("John Smith", True),
    "jane_smith": ("Jane Smith", False),
}

DAY = datetime.timedelta(days=1)


class Pki:
    """Paths of everything that was made; `folder` is created where it does not exist."""

    def __init__(self, folder, kind="rsa"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self._ca_key = self._new_key()
        # A client could not distinguish two authorities of one name in one file.
        self._ca_name = _name(f"Interop Root CA {self.folder.name} {secrets.token_hex(4)}")
        ca = (
            self._builder(self._ca_name, self._ca_name, self._ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .sign(self._ca_key, hashes.SHA256())
        )
        self.ca_path = self._write("ca.crt", ca.public_bytes(serialization.Encoding.PEM))
        self.server_certificate, self.server_key = self.issue(
            "server", "127.0.0.1", usage=ExtendedKeyUsageOID.SERVER_AUTH, address="127.0.0.1"
        )
        for person, (common_name, with_usage) in PEOPLE.items():
            usage = ExtendedKeyUsageOID.CLIENT_AUTH if with_usage else None
            self.issue(person, common_name, usage=usage)

    def certificate(self, person):
        """Path of a person's certificate."""
        return self.folder / f"{person}.crt"

    def key(self, person):
        """Path of a person's private key (PKCS#8, PEM)."""
        return self.folder / f"{person}.key"

    def issue(self, stem, common_name, usage=None, address=None, key_format="pkcs8"):
        """Signs one certificate by this CA and returns the paths of certificate and key."""
        key = self._new_key()
        builder = self._builder(_name(common_name), self._ca_name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if address is not None:
            names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._ca_key, hashes.SHA256())
        return (
            self._write(f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{stem}.key", private_pem(key, key_format)),
        )

    def self_signed_v1(self, stem="v1", common_name="client"):
        """One X.509 version 1 certificate, signed by itself, without extensions.

        `cryptography` builds version 3 only, so the few DER values are put together here
        (RFC 5280 section 4.1; the version field is absent in version 1).
        """
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = _name(common_name).public_bytes()
        # sha256WithRSAEncryption, 1.2.840.113549.1.1.11, with NULL parameters.
        algorithm = _der(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
        now = datetime.datetime.now(datetime.timezone.utc)
        validity = _der(0x30, _utc(now - DAY) + _utc(now + 30 * DAY))
        serial = _der(0x02, b"\x01")
        tbs = _der(0x30, serial + algorithm + name + validity + name + spki)
        signature = key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
        certificate = _der(0x30, tbs + algorithm + _der(0x03, b"\x00" + signature))
        parsed = x509.load_der_x509_certificate(certificate)
        return (
            self._write(f"{stem}.crt", parsed.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{stem}.key", private_pem(key)),
        )

    def _new_key(self):
        if self.kind == "ec":
            return ec.generate_private_key(ec.SECP256R1())
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def _builder(self, subject, issuer, public_key):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
        )

    def _write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path


def private_pem(key, key_format="pkcs8"):
    """A private key as PEM, in PKCS#8 or in the older form (PKCS#1, SEC1)."""
    form = {
        "pkcs8": serialization.PrivateFormat.PKCS8,
        "traditional": serialization.PrivateFormat.TraditionalOpenSSL,
    }[key_format]
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(ca):
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _der(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _utc(moment):
    return _der(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())

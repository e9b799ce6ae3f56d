"""Both directions for every computation that PyKMIP offers: what its cryptography made, the server
reads, and what the server made, its cryptography reads.

PyKMIP's engine for cryptography is used without its server, on top of Python's cryptography, so
that one key is known to both sides. What that library no longer has is skipped and counted.
"""

import itertools
import os

import pytest
import smoke
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding as asymmetric_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from kmip.core import attributes, enums, objects as core
from kmip.core.messages import payloads
from kmip.pie import objects
from kmip.services.server.crypto.engine import CryptographyEngine

ALGORITHM, MODE, PAD = enums.CryptographicAlgorithm, enums.BlockCipherMode, enums.PaddingMethod
HASH, SIGNATURE, MASK = enums.HashingAlgorithm, enums.DigitalSignatureAlgorithm, enums.CryptographicUsageMask
OPERATION = enums.Operation

KEYS = {
    ALGORITHM.TRIPLE_DES: (8, 16, 24),
    ALGORITHM.AES: (16, 24, 32),
    ALGORITHM.BLOWFISH: (4, 7, 16, 56),
    ALGORITHM.CAMELLIA: (16, 24, 32),
    ALGORITHM.CAST5: (5, 10, 16),
    ALGORITHM.IDEA: (16,),
    ALGORITHM.RC4: (5, 7, 8, 10, 16, 20, 24, 32),
}
# An algorithm without a mode has none of these.
MODES = (MODE.CBC, MODE.ECB, MODE.CFB, MODE.OFB, MODE.CTR)
PADDED = (MODE.CBC, MODE.ECB)
TEXTS = (b"", b"seven..", b"sixteen bytes...", b"a text that is no multiple of any block")
HMACS = ("HMAC_MD5", "HMAC_SHA1", "HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512")
CMACS = (ALGORITHM.TRIPLE_DES, ALGORITHM.AES, ALGORITHM.BLOWFISH, ALGORITHM.CAMELLIA, ALGORITHM.CAST5, ALGORITHM.IDEA)
HASHES = (HASH.MD5, HASH.SHA_1, HASH.SHA_224, HASH.SHA_256, HASH.SHA_384, HASH.SHA_512)


# Python's cryptography moves the old ciphers about, and says so.
pytestmark = pytest.mark.filterwarnings("ignore")


class Far:
    """The server, asked by PyKMIP's client."""

    def __init__(self, client):
        self._client = client

    def key(self, thing):
        uid = self._client.register(thing)
        self._client.activate(uid)
        return uid

    def symmetric(self, algorithm, material):
        masks = [MASK.ENCRYPT, MASK.DECRYPT, MASK.MAC_GENERATE]
        return self.key(objects.SymmetricKey(algorithm, len(material) * 8, material, masks=masks))

    def ask(self, operation, payload):
        return self._client.proxy.send_request_payload(operation, payload)

    def encrypt(self, uid, parameters, text, iv=None, additional=None):
        return self.ask(OPERATION.ENCRYPT, payloads.EncryptRequestPayload(uid, parameters, text, iv, additional))

    def decrypt(self, uid, parameters, text, iv=None, additional=None, tag=None):
        payload = payloads.DecryptRequestPayload(uid, parameters, text, iv, additional, tag)
        return self.ask(OPERATION.DECRYPT, payload).data


@pytest.fixture
def far(start, pki):
    server = start()
    connect = smoke.connector(
        "127.0.0.1", server.port, pki.certificate("john_doe"), pki.key("john_doe"), pki.ca_path
    )
    client = connect(enums.KMIPVersion.KMIP_1_4)
    yield Far(client)
    client.close()


@pytest.fixture
def near():
    """PyKMIP's engine, which logs a page for each thing that it does not have."""
    engine = CryptographyEngine()
    engine.logger.disabled = True
    return engine


def combinations(algorithm):
    if algorithm is ALGORITHM.RC4:
        return [(None, None)]
    padded = itertools.product(PADDED, (PAD.PKCS5, PAD.ANSI_X923))
    return [*padded, *((mode, None) for mode in MODES if mode not in PADDED)]


def test_ciphers_agree_both_ways(far, near):
    done, absent = 0, set()
    for algorithm, sizes in KEYS.items():
        for size in sizes:
            material = bytes(range(1, size + 1))
            uid = far.symmetric(algorithm, material)
            for mode, padding in combinations(algorithm):
                parameters = attributes.CryptographicParameters(
                    cryptographic_algorithm=algorithm, block_cipher_mode=mode, padding_method=padding
                )
                options = {"cipher_mode": mode, "padding_method": padding}
                for text in TEXTS:
                    try:
                        theirs = near.encrypt(algorithm, material, text, **options)
                    except Exception:  # the library has it no longer, whatever it says
                        absent.add((algorithm.name, size, mode and mode.name))
                        break
                    about = (algorithm, size, mode, padding, text)
                    iv = theirs.get("iv_nonce")
                    assert far.decrypt(uid, parameters, theirs["cipher_text"], iv) == text, about
                    ours = far.encrypt(uid, parameters, text)
                    assert (ours.iv_counter_nonce is None) == (iv is None), about
                    back = near.decrypt(algorithm, material, ours.data, iv_nonce=ours.iv_counter_nonce, **options)
                    assert back == text, about
                    done += 1
    print(f"{done} agree; the library has no {sorted(map(str, absent))}")
    assert done > 200, absent


def test_gcm_agrees_both_ways(far, near):
    for size in KEYS[ALGORITHM.AES]:
        material = os.urandom(size)
        uid = far.symmetric(ALGORITHM.AES, material)
        for length, additional, iv in itertools.product(range(12, 17), (None, b"header"), (None, bytes(12), bytes(9))):
            parameters = attributes.CryptographicParameters(
                cryptographic_algorithm=ALGORITHM.AES, block_cipher_mode=MODE.GCM, tag_length=length
            )
            options = {"cipher_mode": MODE.GCM, "auth_additional_data": additional}
            for text in TEXTS:
                theirs = near.encrypt(ALGORITHM.AES, material, text, iv_nonce=iv, auth_tag_length=length, **options)
                made = theirs.get("iv_nonce", iv)
                data, tag = theirs["cipher_text"], theirs["auth_tag"]
                assert far.decrypt(uid, parameters, data, made, additional, tag) == text
                ours = far.encrypt(uid, parameters, text, iv, additional)
                assert len(ours.auth_tag) == length
                made = ours.iv_counter_nonce or iv
                back = near.decrypt(
                    ALGORITHM.AES, material, ours.data, iv_nonce=made, auth_tag=ours.auth_tag, **options
                )
                assert back == text


@pytest.fixture(scope="module", params=(1024, 2048, 3072))
def pair(request):
    return rsa.generate_private_key(public_exponent=65537, key_size=request.param)


def rsa_keys(far, pair):
    """Identifiers of the pair at the server, and the public key's DER."""
    public = pair.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    private = pair.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bits = pair.key_size
    public_uid = far.key(
        objects.PublicKey(
            ALGORITHM.RSA, bits, public, enums.KeyFormatType.PKCS_1, masks=[MASK.VERIFY, MASK.ENCRYPT]
        )
    )
    private_uid = far.key(
        objects.PrivateKey(
            ALGORITHM.RSA, bits, private, enums.KeyFormatType.PKCS_8, masks=[MASK.SIGN, MASK.DECRYPT]
        )
    )
    return private_uid, private, public_uid, public


def test_signatures_agree_both_ways(far, near, pair):
    private_uid, private, public_uid, public = rsa_keys(far, pair)
    text = b"what is signed"
    names = {h: f"{h.name.replace('_', '')}_WITH_RSA_ENCRYPTION" for h in HASHES}
    for padding, hashing, by_name in itertools.product((PAD.PKCS1v15, PAD.PSS), HASHES, (False, True)):
        signature = SIGNATURE[names[hashing]] if by_name else None
        parameters = attributes.CryptographicParameters(
            padding_method=padding,
            hashing_algorithm=None if by_name else hashing,
            cryptographic_algorithm=None if by_name else ALGORITHM.RSA,
            digital_signature_algorithm=signature,
        )
        try:
            theirs = near.sign(signature, ALGORITHM.RSA, hashing, padding, private, text)
        except ValueError:
            continue  # the key is too short for the hash, or the library has the hash no longer
        payload = payloads.SignRequestPayload(private_uid, parameters, text)
        ours = far.ask(OPERATION.SIGN, payload).signature_data
        about = (padding, hashing, by_name)
        assert padding is PAD.PSS or ours == theirs, about
        assert near.verify_signature(public, text, ours, padding, ALGORITHM.RSA, hashing, signature), about
        for message, expected in ((text, enums.ValidityIndicator.VALID), (b"other", enums.ValidityIndicator.INVALID)):
            payload = payloads.SignatureVerifyRequestPayload(public_uid, parameters, message, None, theirs)
            answer = far.ask(OPERATION.SIGNATURE_VERIFY, payload)
            assert answer.validity_indicator == expected, about


def test_rsa_encryption_agrees_both_ways(far, pair):
    """PyKMIP documents it and its server refuses it, so that Python's cryptography is the other side."""
    private_uid, _, public_uid, _ = rsa_keys(far, pair)
    text = b"secret"
    library = {HASH.SHA_1: hashes.SHA1, HASH.SHA_256: hashes.SHA256, HASH.SHA_384: hashes.SHA384}
    for padding, hashing in [(PAD.PKCS1v15, None), *((PAD.OAEP, h) for h in library)]:
        parameters = attributes.CryptographicParameters(
            padding_method=padding, hashing_algorithm=hashing, cryptographic_algorithm=ALGORITHM.RSA
        )
        scheme = asymmetric_padding.PKCS1v15()
        if hashing:
            scheme = asymmetric_padding.OAEP(asymmetric_padding.MGF1(library[hashing]()), library[hashing](), None)
        assert far.decrypt(private_uid, parameters, pair.public_key().encrypt(text, scheme)) == text
        assert pair.decrypt(far.encrypt(public_uid, parameters, text).data, scheme) == text


def test_codes_agree(far, near):
    done = 0
    for size in (4, 16, 24, 100):
        material = bytes(range(1, size + 1))
        # Only the bytes of the key count: any algorithm can be asked for.
        uid = far.key(objects.SecretData(material, enums.SecretDataType.PASSWORD, masks=[MASK.MAC_GENERATE]))
        for algorithm, text in itertools.product((*(ALGORITHM[name] for name in HMACS), *CMACS), TEXTS):
            try:
                theirs = near.mac(algorithm, material, text)
            except Exception:  # no key of the algorithm, or the library has it no longer
                continue
            payload = payloads.MACRequestPayload(
                attributes.UniqueIdentifier(uid),
                attributes.CryptographicParameters(cryptographic_algorithm=algorithm),
                core.Data(text),
            )
            assert far.ask(OPERATION.MAC, payload).mac_data.value == theirs, (algorithm, size, text)
            done += 1
    assert done > 100

"""Keys that are wrapped and derived: the server comes to the bytes that PyKMIP's cryptography comes to, so that
what either made the other reads.

PyKMIP's engine is used as in test_crypto.py. Wrapping and derivation have one result for one input, so that equal
bytes show both directions; wrapped keys are unwrapped by Python's cryptography besides.
"""

import pytest
from cryptography.hazmat.primitives import keywrap
from kmip.core import enums
from kmip.pie import objects
from test_crypto import ALGORITHM, HASHES, MASK, MODE, PAD, far, near  # noqa: F401  (fixtures)

METHOD = enums.DerivationMethod
SIZES = (16, 24, 32)
MATERIAL = bytes(range(1, 33))
SALT, DATA = b"salt of some bytes", b"data to derive from"

pytestmark = pytest.mark.filterwarnings("ignore")


def test_keys_are_wrapped_alike(far, near):  # noqa: F811
    client = far._client
    for size in SIZES:
        wrapping = bytes(range(0x80, 0x80 + size))
        masks = [MASK.WRAP_KEY, MASK.UNWRAP_KEY]
        by = far.key(objects.SymmetricKey(ALGORITHM.AES, size * 8, wrapping, masks=masks))
        specification = {
            "wrapping_method": enums.WrappingMethod.ENCRYPT,
            "encryption_key_information": {
                "unique_identifier": by,
                "cryptographic_parameters": {"block_cipher_mode": MODE.NIST_KEY_WRAP},
            },
            "encoding_option": enums.EncodingOption.NO_ENCODING,
        }
        for length in SIZES:
            material = MATERIAL[:length]
            uid = far.symmetric(ALGORITHM.AES, material)
            wrapped = client.get(uid, key_wrapping_specification=specification).value
            expected = near.wrap_key(material, enums.WrappingMethod.ENCRYPT, MODE.NIST_KEY_WRAP, wrapping)
            assert wrapped == expected, (size, length)
            assert keywrap.aes_key_unwrap(wrapping, wrapped) == material, (size, length)


def derivations():
    """Method, the client's parameters, those of PyKMIP's engine, and the maximum number of bytes."""
    for hashing in HASHES:
        parameters = {"cryptographic_parameters": {"hashing_algorithm": hashing}}
        said = {"hash_algorithm": hashing}
        digest = {"MD5": 16, "SHA_1": 20, "SHA_224": 28}.get(hashing.name, 32)
        yield METHOD.HASH, parameters, said, digest
        with_data = {**parameters, "derivation_data": DATA}
        yield METHOD.HMAC, {**with_data, "salt": SALT}, {**said, "derivation_data": DATA, "salt": SALT}, 32
        yield METHOD.NIST800_108_C, with_data, {**said, "derivation_data": DATA}, 32
        yield (
            METHOD.PBKDF2,
            {**parameters, "salt": SALT, "iteration_count": 100},
            {**said, "salt": SALT, "iteration_count": 100},
            32,
        )
    for mode in (MODE.CBC, MODE.ECB, MODE.CFB, MODE.OFB, MODE.CTR):
        padding = PAD.PKCS5 if mode in (MODE.CBC, MODE.ECB) else None
        iv = None if mode is MODE.ECB else bytes(16)
        cipher = {"block_cipher_mode": mode, "padding_method": padding, "cryptographic_algorithm": ALGORITHM.AES}
        said = {"cipher_mode": mode, "padding_method": padding, "encryption_algorithm": ALGORITHM.AES, "iv_nonce": iv}
        parameters = {"cryptographic_parameters": cipher, "derivation_data": DATA * 2}
        if iv is not None:
            parameters["initialization_vector"] = iv
        yield METHOD.ENCRYPT, parameters, {**said, "derivation_data": DATA * 2}, 32


def test_keys_are_derived_alike(far, near):  # noqa: F811
    client = far._client
    base = far.key(objects.SymmetricKey(ALGORITHM.AES, 256, MATERIAL, masks=[MASK.DERIVE_KEY]))
    done = 0
    for method, parameters, said, most in derivations():
        for size in (size for size in SIZES if size <= most):
            uid = client.derive_key(
                enums.ObjectType.SYMMETRIC_KEY,
                [base],
                method,
                parameters,
                cryptographic_algorithm=ALGORITHM.AES,
                cryptographic_length=size * 8,
            )
            expected = near.derive_key(method, size, key_material=MATERIAL, **said)
            # The engine gives all that a hash or a cipher gives; PyKMIP's server cuts it to the length of the key.
            assert client.get(uid).value == expected[:size], (method, parameters, size)
            done += 1
    assert done > 75, done

"""Makes a database of PyKMIP's with every type of object, by the classes of the PyKMIP on the path.

    python make_database.py PATH

Run with another release of PyKMIP first on PYTHONPATH, it makes that release's database. What the objects hold
does not depend on the release, so that what servers answer can be compared.
"""

import sys

import sqlalchemy
import sqlalchemy.orm
import things
from kmip.core import enums
from kmip.pie import objects, sqltypes

AES = enums.CryptographicAlgorithm.AES
RSA = enums.CryptographicAlgorithm.RSA
MASK = enums.CryptographicUsageMask
STATE = enums.State

# What wraps the wrapped key below: each column that PyKMIP keeps of it has a value.
PARAMETERS = {
    "block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP,
    "padding_method": enums.PaddingMethod.NONE,
    "hashing_algorithm": enums.HashingAlgorithm.SHA_256,
    "key_role_type": enums.KeyRoleType.KEK,
    "digital_signature_algorithm": enums.DigitalSignatureAlgorithm.SHA256_WITH_RSA_ENCRYPTION,
    "cryptographic_algorithm": AES,
    "random_iv": True,
    "iv_length": 96,
    "tag_length": 16,
    "fixed_field_length": 32,
    "invocation_field_length": 64,
    "counter_length": 8,
    "initial_counter_value": 1,
}
WRAPPING = {
    "wrapping_method": enums.WrappingMethod.ENCRYPT,
    "encryption_key_information": {"unique_identifier": "1", "cryptographic_parameters": PARAMETERS},
    "encoding_option": enums.EncodingOption.NO_ENCODING,
}
SIGNED_WRAPPING = {
    "wrapping_method": enums.WrappingMethod.ENCRYPT_THEN_MAC_SIGN,
    "encryption_key_information": {"unique_identifier": "1", "cryptographic_parameters": PARAMETERS},
    "mac_signature_key_information": {"unique_identifier": "2", "cryptographic_parameters": PARAMETERS},
    "mac_signature": b"\x11" * 32,
    "iv_counter_nonce": b"\x22" * 16,
    "encoding_option": enums.EncodingOption.NO_ENCODING,
}


def everything(public, private, certificate):
    """The objects, in the order of their numbers."""
    made = [
        objects.SymmetricKey(AES, 256, bytes(range(32)), [MASK.ENCRYPT, MASK.DECRYPT], "a key"),
        objects.SymmetricKey(enums.CryptographicAlgorithm.TRIPLE_DES, 192, bytes(24), [MASK.ENCRYPT]),
        objects.SymmetricKey(AES, 128, b"\x5a" * 24, [MASK.ENCRYPT], "wrapped", key_wrapping_data=WRAPPING),
        objects.SymmetricKey(AES, 128, b"\xa5" * 24, [], "signed", key_wrapping_data=SIGNED_WRAPPING),
        objects.PublicKey(RSA, 1024, public, enums.KeyFormatType.PKCS_1, [MASK.VERIFY], "public"),
        objects.PrivateKey(RSA, 1024, private, enums.KeyFormatType.PKCS_8, [MASK.SIGN], "private"),
        objects.X509Certificate(certificate, [MASK.VERIFY], "certificate"),
        objects.SecretData(b"a secret of a" + bytes(83), enums.SecretDataType.SEED, [], "seed"),
        objects.SecretData("grüße".encode(), enums.SecretDataType.PASSWORD, [MASK.DERIVE_KEY], "pass"),
        objects.OpaqueObject(b"\x00\xff opaque", enums.OpaqueDataType.NONE, "opaque"),
    ]
    if hasattr(objects, "SplitKey"):
        made.append(
            objects.SplitKey(
                cryptographic_algorithm=AES,
                cryptographic_length=128,
                key_value=bytes(range(16)),
                cryptographic_usage_masks=[MASK.EXPORT],
                name="split",
                key_format_type=enums.KeyFormatType.RAW,
                split_key_parts=4,
                key_part_identifier=1,
                split_key_threshold=2,
                split_key_method=enums.SplitKeyMethod.POLYNOMIAL_SHARING_PRIME_FIELD,
                prime_field_size=104729,
            )
        )
    return made


def decorate(made):
    """Owners, policies, states, dates and further names."""
    states = [STATE.PRE_ACTIVE, STATE.ACTIVE, STATE.DEACTIVATED, STATE.COMPROMISED]
    for number, thing in enumerate(made):
        thing._owner = "John Doe" if number % 4 != 3 else "Jane Doe"
        thing.initial_date = 1_600_000_000 + 1000 * number
        thing.operation_policy_name = "public" if number % 4 == 3 else "default"
        if not isinstance(thing, objects.OpaqueObject):
            thing.state = states[number % 4]
    made[0].names.append("second name")
    made[0].names.append("a third, before it in the alphabet")


def gather(made):
    """Groups, one of them shared, and application information; done last, as it ties objects to each other."""
    if hasattr(objects, "ObjectGroup"):
        shared = objects.ObjectGroup(object_group="shared")
        made[0].object_groups += [shared, objects.ObjectGroup(object_group="alone")]
        made[4].object_groups.append(shared)
        made[0].app_specific_info += [
            objects.ApplicationSpecificInformation("ssl", "www.example.com"),
            objects.ApplicationSpecificInformation("pkcs11", "token"),
        ]
        made[1].sensitive = True


def main(path):
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    sqltypes.Base.metadata.create_all(engine)
    made = everything(
        things.public_bytes("PKCS_1"), things.private_bytes("PKCS_8"), things.certificate_bytes()
    )
    decorate(made)
    session = sqlalchemy.orm.sessionmaker(bind=engine)()
    for thing in made:
        session.add(thing)
        session.commit()
    gather(made)
    session.commit()
    # A number that was given and whose object is gone must not come again.
    gone = objects.SymmetricKey(AES, 128, bytes(16), [MASK.ENCRYPT], "gone")
    session.add(gone)
    session.commit()
    session.delete(gone)
    session.commit()
    session.close()
    print(len(made))


if __name__ == "__main__":
    main(sys.argv[1])

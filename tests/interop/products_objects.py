"""Products: every operation on every type of object in every state, as its owner and as another client."""

from dataclasses import replace

import message as m
import things
import ttlv
from case import ALL
from cases_crypto import CBC, HASH, METHOD, PAD, ALGORITHM, cipher, derive, mac, parameters, signed
from kmip.core import enums
from product import Product

OPERATION = enums.Operation
TAG = ttlv.tag
# Every bit that all versions have, so that the type and the state decide.
EVERY_USE = m.usage(bits=0x000FFFFF)
KINDS = {
    "symmetric-key": ("SYMMETRIC_KEY", things.symmetric_key()),
    "public-key": ("PUBLIC_KEY", things.public_key()),
    "private-key": ("PRIVATE_KEY", things.private_key()),
    "split-key": ("SPLIT_KEY", things.split_key()),
    "certificate": ("CERTIFICATE", things.certificate()),
    "secret-data": ("SECRET_DATA", things.secret_data()),
    "opaque-object": ("OPAQUE_DATA", things.opaque()),
}
STATES = {
    "pre-active": (),
    "active": (m.activate("$a"),),
    "deactivated": (m.activate("$a"), m.revoke("$a")),
    "compromised": (m.revoke("$a", "KEY_COMPROMISE"),),
    "destroyed": (m.destroy("$a"),),
}
# What is seen of an object after an operation.
SEEN = ("Unique Identifier", "State", "Name", "Object Group", "Sensitive", "Cryptographic Usage Mask")
RSA_SHA256 = parameters(padding=PAD.PKCS1v15, hash=HASH.SHA_256, algorithm=ALGORITHM.RSA)


def registered(kind, *attributes, save="a", **options):
    """The step that registers one object of a kind, with a name and every use."""
    object_type, thing = KINDS[kind]
    mask = () if kind == "opaque-object" else (EVERY_USE,)
    return m.register(object_type, thing, *mask, *attributes, save=save, **options)


def plain(operation, *items, **options):
    """A request with these payload items."""
    return m.Step(operation, lambda v: items, **options)


def identified(operation, *items, identifier="$a", **options):
    """A request about one object."""
    return plain(operation, *m.uid(identifier), *items, **options)


def wrapped(target, by):
    specification = things.wrapping_specification(encryption=things.key_information("ENCRYPTION_KEY_INFORMATION", by))
    return m.get(target, wrapping=specification)


AES = things.symmetric_key(bytes(range(16, 32)))
OTHER_KEY = m.register("SYMMETRIC_KEY", AES, EVERY_USE, save="w")
MODIFY_NAME = m.modify_attribute("$a", m.name("changed", 0), m.name("$case"))
# Operations that change nothing.
READ = (
    "get", "get-raw", "get-opaque", "get-pkcs1", "get-pkcs8", "get-x509", "get-transparent", "get-compressed", "get-attributes",
    "get-attribute-list", "locate", "locate-identifier", "locate-state", "query", "discover-versions", "encrypt", "decrypt", "sign",
    "verify", "mac", "hash", "mac-verify", "poll", "cancel",
)
DERIVATION_DATA = ttlv.data("DERIVATION_DATA", b"info")

# Each operation on `$a`.
STEPS = {
    "create": m.create(save="n"),
    "create-key-pair": m.create_key_pair(
        (m.algorithm("RSA"), m.length(1024)), (m.usage("VERIFY"),), (m.usage("SIGN"),), save=("n", "o")),
    "register": m.register("SECRET_DATA", things.secret_data(), m.usage("DERIVE_KEY"), save="n"),
    "get": m.get("$a"),
    "get-raw": m.get("$a", form=enums.KeyFormatType.RAW),
    "get-opaque": m.get("$a", form=enums.KeyFormatType.OPAQUE),
    "get-pkcs1": m.get("$a", form=enums.KeyFormatType.PKCS_1),
    "get-pkcs8": m.get("$a", form=enums.KeyFormatType.PKCS_8),
    "get-x509": m.get("$a", form=enums.KeyFormatType.X_509),
    "get-transparent": m.get("$a", form=enums.KeyFormatType.TRANSPARENT_SYMMETRIC_KEY),
    "get-compressed": m.get("$a", compression=enums.KeyCompressionType.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED),
    "get-wrapped": wrapped("$a", "$w"),
    "wrap-with": wrapped("$w", "$a"),
    "get-attributes": m.get_attributes("$a"),
    "get-attribute-list": m.get_attribute_list("$a"),
    "locate": m.locate(m.name("$case"), payload_rule="any order"),
    "locate-identifier": m.locate(m.identifier("$a")),
    "locate-state": m.locate(m.name("$case"), m.state("ACTIVE"), payload_rule="any order"),
    "activate": m.activate("$a"),
    "revoke": m.revoke("$a"),
    "revoke-unspecified": m.revoke("$a", "UNSPECIFIED", "a note"),
    "revoke-compromise": m.revoke("$a", "KEY_COMPROMISE", None, 1_600_000_000),
    "revoke-ca-compromise": m.revoke("$a", "CA_COMPROMISE"),
    "destroy": m.destroy("$a"),
    "modify-name": MODIFY_NAME,
    "modify-state": m.modify_attribute("$a", m.state("ACTIVE")),
    "set-sensitive": m.set_attribute("$a", m.sensitive()),
    "set-state": m.set_attribute("$a", m.state("ACTIVE")),
    "delete-name": m.delete_attribute("$a", "Name", 0),
    "delete-state": m.delete_attribute("$a", "State"),
    "encrypt": cipher(OPERATION.ENCRYPT, "$a", CBC),
    "decrypt": cipher(OPERATION.DECRYPT, "$a", parameters(
        mode=enums.BlockCipherMode.CTR, padding=PAD.PKCS5, algorithm=ALGORITHM.AES)),
    "sign": signed(OPERATION.SIGN, "$a", RSA_SHA256),
    "verify": signed(OPERATION.SIGNATURE_VERIFY, "$a", RSA_SHA256, signature=bytes(128)),
    "mac": mac("$a", parameters(algorithm=ALGORITHM.HMAC_SHA256)),
    "derive": derive("$a", extra=[DERIVATION_DATA]),
    "derive-key": derive("$a", method=METHOD.PBKDF2, kind="SYMMETRIC_KEY", attributes=m.AES_128,
                         extra=[ttlv.data("SALT", b"salt"), ttlv.number("ITERATION_COUNT", 10)]),
    "derive-second": derive("$w", "$a"),
    "query": m.query(enums.QueryFunction.QUERY_OBJECTS),
    "discover-versions": m.discover_versions((1, 0)),
    # PyKMIP does not have the following.
    "add-attribute": m.add_attribute("$a", m.object_group("more")),
    "adjust-attribute": identified(OPERATION.ADJUST_ATTRIBUTE),
    "rekey": identified(OPERATION.REKEY, save=("r",), payload_rule="random"),
    "rekey-key-pair": plain(OPERATION.REKEY_KEY_PAIR, ttlv.text("PRIVATE_KEY_UNIQUE_IDENTIFIER", "$a"), save=("r", "s")),
    "certify": identified(OPERATION.CERTIFY, save=("r",)),
    "recertify": identified(OPERATION.RECERTIFY, save=("r",)),
    "check": identified(OPERATION.CHECK),
    "obtain-lease": identified(OPERATION.OBTAIN_LEASE),
    "get-usage-allocation": identified(
        OPERATION.GET_USAGE_ALLOCATION, ttlv.Item(TAG("USAGE_LIMITS_COUNT"), ttlv.LONG, 1)),
    "archive": identified(OPERATION.ARCHIVE),
    "recover": identified(OPERATION.RECOVER),
    "validate": identified(OPERATION.VALIDATE),
    "notify": identified(OPERATION.NOTIFY),
    "put": identified(OPERATION.PUT),
    "hash": plain(OPERATION.HASH, parameters(hash=HASH.SHA_256), ttlv.data("DATA", b"data")),
    "mac-verify": identified(OPERATION.MAC_VERIFY, parameters(algorithm=ALGORITHM.HMAC_SHA256), ttlv.data("DATA", b"data"),
                             ttlv.data("MAC_DATA", bytes(32))),
    "rng-retrieve": plain(OPERATION.RNG_RETRIEVE, ttlv.number("DATA_LENGTH", 8), payload_rule="random"),
    "rng-seed": plain(OPERATION.RNG_SEED, ttlv.data("DATA", b"data")),
    "create-split-key": identified(OPERATION.CREATE_SPLIT_KEY),
    "join-split-key": identified(OPERATION.JOIN_SPLIT_KEY),
    "import": identified(OPERATION.IMPORT),
    "export": identified(OPERATION.EXPORT),
    "log": plain(OPERATION.LOG, ttlv.text("LOG_MESSAGE", "a message")),
    "login": plain(OPERATION.LOGIN, payload_rule="random"),
    "logout": plain(OPERATION.LOGOUT),
    "delegated-login": plain(OPERATION.DELEGATED_LOGIN),
    "set-endpoint-role": plain(OPERATION.SET_ENDPOINT_ROLE),
    "pkcs11": plain(OPERATION.PKCS_11),
    "interop": plain(OPERATION.INTEROP),
    "reprovision": plain(OPERATION.REPROVISION),
    "poll": plain(OPERATION.POLL, ttlv.data("ASYNCHRONOUS_CORRELATION_VALUE", b"1")),
    "cancel": plain(OPERATION.CANCEL, ttlv.data("ASYNCHRONOUS_CORRELATION_VALUE", b"1")),
}
NEEDS_OTHER_KEY = ("get-wrapped", "wrap-with", "derive-second")
# What names no object.
INDEPENDENT = (
    "create", "create-key-pair", "register", "query", "discover-versions", "hash", "rng-retrieve", "rng-seed", "log", "login", "logout",
    "delegated-login", "set-endpoint-role", "pkcs11", "interop", "reprovision", "poll", "cancel",
)
# The operations that PyKMIP does not have.
ABSENT = tuple(STEPS)[tuple(STEPS).index("add-attribute") :]
# The owner, another client, and another client under the policy `public`, which allows it everything.
IDENTITIES = ("owner", "other", "permitted")


def as_person(step, who):
    """The same step, sent by another client."""
    return step if who == step.who else replace(step, who=who)


def object_cell(operation, kind, state, version, identity):
    who = "john_doe" if identity == "owner" else "jane_doe"
    governed = (m.policy("public"),) if identity == "permitted" else ()
    prepare = []
    if kind != "unknown":
        prepare += [registered(kind, m.name("$case"), *governed), *STATES[state]]
    if operation in NEEDS_OTHER_KEY:
        prepare += [as_person(OTHER_KEY, who), as_person(m.activate("$w"), who)]
    own = [as_person(STEPS[operation], who)]
    if operation not in (*READ, *ABSENT) and kind != "unknown":
        own.append(m.get_attributes("$a", *SEEN))
    return prepare, own


def object_possible(operation, kind, state, version, identity):
    if kind == "unknown" and (state != "pre-active" or identity == "permitted"):
        return False
    if operation in INDEPENDENT:
        return kind == "unknown" and identity == "owner"
    # PyKMIP refuses what it does not have in the same way in every version.
    if operation in ABSENT and version not in ((1, 2), (2, 0)):
        return False
    return identity != "permitted" or version < (2, 0)


PRODUCTS = (
    Product(
        "objects",
        {
            "operation": tuple(STEPS),
            "kind": (*KINDS, "unknown"),
            "state": tuple(STATES),
            "version": ALL,
            "identity": IDENTITIES,
        },
        object_cell,
        shared=("kind", "state", "version", "identity"),
        alone=lambda operation, **others: operation not in READ,
        possible=object_possible,
    ),
)

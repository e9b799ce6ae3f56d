"""Cases: Create, CreateKeyPair, Register, Get, Activate, Revoke, Destroy and Locate.

Each row is one documented statement or error of PyKMIP's server documentation, or a detail
that its clients meet. The last step of a row is what the row is about.
"""

import dataclasses
import time

import message as m
import things
import ttlv
from case import FROM_1_3, V1, V2, case
from kmip.core import enums

ENCRYPT = m.usage("ENCRYPT")
RSA_COMMON = (m.algorithm("RSA"), m.length(1024))
SIGN, VERIFY = m.usage("SIGN"), m.usage("VERIFY")
NOBODY = "99999999"


def key_sizes():
    """Every algorithm and size that the documentation lists, and the nearest that it does not."""
    sizes = {
        "TRIPLE_DES": (56, 64, 112, 128, 168, 192, 256),
        "AES": (64, 128, 192, 256, 512),
        "BLOWFISH": (16, 32, 128, 256, 384, 448, 456),
        "CAMELLIA": (64, 128, 192, 256),
        "CAST5": (32, 40, 64, 96, 128, 136),
        "IDEA": (64, 128, 256),
        "RC4": (32, 40, 56, 64, 80, 128, 160, 192, 256),
    }
    for name, all_bits in sizes.items():
        for bits in all_bits:
            yield case(
                f"create.{name.lower()}-{bits}",
                f"Create {name} of {bits} bits",
                m.create(m.algorithm(name), m.length(bits), ENCRYPT, save="a"),
                m.get("$a"),
                versions=[(1, 2)],
            )


def every(steps_of, kinds):
    """One row for each kind of object."""
    return [row for kind in kinds for row in steps_of(kind)]


OBJECTS = {
    "symmetric-key": ("SYMMETRIC_KEY", things.symmetric_key(), ENCRYPT),
    "public-key": ("PUBLIC_KEY", things.public_key(), VERIFY),
    "private-key": ("PRIVATE_KEY", things.private_key(), SIGN),
    "split-key": ("SPLIT_KEY", things.split_key(), m.usage("EXPORT")),
    "certificate": ("CERTIFICATE", things.certificate(), VERIFY),
    "secret-data": ("SECRET_DATA", things.secret_data(), m.usage("DERIVE_KEY")),
    "opaque-object": ("OPAQUE_DATA", things.opaque(), None),
}


def registered(kind, *more, **options):
    """The step that registers one object of a kind, saved as `a`."""
    object_type, thing, mask = OBJECTS[kind]
    attributes = ([mask] if mask else []) + list(more)
    return m.register(object_type, thing, *attributes, save="a", **options)


def life(kind):
    """Register, read, activate, revoke and destroy one object of a kind."""
    has_state = kind != "opaque-object"
    yield case(f"register.{kind}", f"Register a {kind} and get it", registered(kind), m.get("$a"))
    yield case(f"activate.{kind}", f"Activate a {kind}", registered(kind), m.activate("$a"), text=not has_state)
    yield case(
        f"revoke.{kind}",
        f"Revoke an active {kind}",
        registered(kind),
        m.activate("$a"),
        m.revoke("$a"),
        text=not has_state,
    )
    yield case(
        f"revoke.compromised-{kind}",
        f"Revoke a pre-active {kind} for key compromise",
        registered(kind),
        m.revoke("$a", "KEY_COMPROMISE"),
        m.get_attributes("$a", "State"),
    )
    yield case(
        f"destroy.{kind}", f"Destroy a {kind}, then ask for it", registered(kind), m.destroy("$a"), m.get("$a")
    )
    yield case(
        f"destroy.active-{kind}", f"Destroy an active {kind}", registered(kind), m.activate("$a"), m.destroy("$a")
    )
    yield case(
        f"get.format-of-{kind}",
        f"Get a {kind} in a format that it is not in",
        registered(kind),
        m.get("$a", form=enums.KeyFormatType.TRANSPARENT_SYMMETRIC_KEY),
    )


CREATE = [
    case("create.aes", "Create an AES key and get it", m.create(save="a"), m.get("$a")),
    case("create.no-algorithm", "Create without an algorithm", m.create(m.length(128), ENCRYPT)),
    case("create.no-length", "Create without a length", m.create(m.algorithm("AES"), ENCRYPT)),
    case("create.no-usage-mask", "Create without a usage mask", m.create(m.algorithm("AES"), m.length(128))),
    case("create.usage-mask-0", "Create with usage mask 0", m.create(m.algorithm("AES"), m.length(128), m.usage(), save="a")),
    case(
        "create.usage-mask-unknown-bits",
        "Create with usage mask bits that no version has",
        m.create(m.algorithm("AES"), m.length(128), m.usage(bits=0x04000001), save="a"),
    ),
    case("create.length-0", "Create with length 0", m.create(m.algorithm("AES"), m.length(0), ENCRYPT)),
    case("create.length-negative", "Create with a negative length", m.create(m.algorithm("AES"), m.length(-128), ENCRYPT)),
    case("create.rsa", "Create with an asymmetric algorithm", m.create(m.algorithm("RSA"), m.length(2048), SIGN)),
    case("create.hmac", "Create of an HMAC key", m.create(m.algorithm("HMAC_SHA256"), m.length(256), m.usage("MAC_GENERATE"), save="a")),
    case(
        "create.unknown-algorithm",
        "Create with an algorithm number that no version has",
        m.create(
            m.Attribute("Cryptographic Algorithm", ttlv.choice("CRYPTOGRAPHIC_ALGORITHM", 0x7777)), m.length(128), ENCRYPT
        ),
    ),
    case("create.no-attributes", "Create with an empty template", m.Step(
        enums.Operation.CREATE, lambda v: [ttlv.choice("OBJECT_TYPE", 2), m.template(v, [])])),
    case("create.no-template", "Create without a template", m.Step(
        enums.Operation.CREATE, lambda v: [ttlv.choice("OBJECT_TYPE", 2)])),
    case("create.no-object-type", "Create without an object type", m.Step(
        enums.Operation.CREATE, lambda v: [m.template(v, m.AES_128)])),
    case("create.template-by-name", "Create with a template's name", m.Step(
        enums.Operation.CREATE,
        lambda v: [
            ttlv.choice("OBJECT_TYPE", 2),
            ttlv.group("TEMPLATE_ATTRIBUTE", m.name("a template").value, *[a.one() for a in m.AES_128]),
        ]), versions=V1),
    *[
        case(f"create.{kind.lower()}", f"Create with object type {kind}", m.create(kind=kind, save="a"))
        for kind in ("PRIVATE_KEY", "PUBLIC_KEY", "SECRET_DATA", "CERTIFICATE", "OPAQUE_DATA", "SPLIT_KEY", "TEMPLATE")
    ],
    case("create.two-lengths", "Create with two lengths", m.create(*m.AES_128, m.length(256))),
    case(
        "create.index-on-single",
        "Create with index 1 on a single-valued attribute",
        m.create(m.algorithm("AES"), m.Attribute("Cryptographic Length", ttlv.number("CRYPTOGRAPHIC_LENGTH", 128), 1), ENCRYPT),
        versions=V1,
    ),
    case(
        "create.two-names",
        "Create with two names, indexed",
        m.create(*m.AES_128, m.name("$case", 0), m.name("second", 1), save="a"),
        m.get_attributes("$a", "Name"),
    ),
    case("create.names-without-index", "Create with two names, not indexed", m.create(*m.AES_128, m.name("one"), m.name("two"), save="a")),
    case("create.name-twice", "Create with one name twice", m.create(*m.AES_128, m.name("one", 0), m.name("one", 1))),
    case(
        "create.name-of-another",
        "Create with a name that another object has",
        m.create(*m.AES_128, m.name("$case"), save="a"),
        m.create(*m.AES_128, m.name("$case"), save="b"),
    ),
    case(
        "create.group-and-application",
        "Create with object groups and application data",
        m.create(*m.AES_128, m.object_group("g1", 0), m.in_1x(m.object_group("g2", 1)), m.application("ns", "data", 0), save="a"),
        m.get_attributes("$a", "Object Group", "Application Specific Information"),
    ),
    case("create.policy-unknown", "Create with a policy that does not exist", m.create(*m.AES_128, m.policy("nowhere"), save="a"),
         m.get("$a"), versions=V1),
    case("create.policy-default", "Create with the default policy", m.create(*m.AES_128, m.policy("default"), save="a"),
         m.get_attributes("$a", "Operation Policy Name"), versions=V1),
    case("create.policy-in-2.0", "Create with a policy name in 2.0", m.create(*m.AES_128, m.policy("default"), save="a"),
         m.get("$a"), versions=V2),
    case("create.unknown-attribute", "Create with an attribute of no name that is known",
         m.create(*m.AES_128, m.custom("No Such Attribute", "value")), versions=V1),
    case("create.custom-attribute", "Create with a custom attribute", m.create(*m.AES_128, m.custom("x-colour", "blue"), save="a"), versions=V1),
    case("create.state", "Create with a state", m.create(*m.AES_128, m.state("ACTIVE"))),
    case("create.unique-identifier", "Create with an identifier", m.create(*m.AES_128, m.identifier("mine"))),
    case("create.object-type-attribute", "Create with the object type as an attribute", m.create(*m.AES_128, m.object_type("SYMMETRIC_KEY"), save="a")),
    case("create.initial-date", "Create with an initial date", m.create(*m.AES_128, m.dated("Initial Date", 86400))),
    case("create.activation-date-past", "Create with an activation date in the past",
         m.create(*m.AES_128, m.dated("Activation Date", 86400), save="a"), m.get_attributes("$a", "State")),
    case("create.certificate-type", "Create with an attribute of certificates", m.create(*m.AES_128, m.certificate_type())),
    case("create.sensitive", "Create with Sensitive", m.create(*m.AES_128, m.sensitive(), save="a"), m.get("$a")),
    *key_sizes(),
]

PAIR = dict(common=RSA_COMMON, public=(VERIFY,), private=(SIGN,))
PAIRS = [
    case("create-key-pair.rsa", "Create an RSA pair and get both", m.create_key_pair(**PAIR, save=("priv", "pub")), m.get("$priv"), m.get("$pub")),
    case("create-key-pair.names", "Create a pair with names", m.create_key_pair(
        RSA_COMMON, (VERIFY, m.name("public")), (SIGN, m.name("private")), save=("priv", "pub")),
        m.get_attributes("$priv", "Name"), m.get_attributes("$pub", "Name")),
    case("create-key-pair.common-name", "Create a pair with a common name", m.create_key_pair(
        (*RSA_COMMON, m.name("shared")), (VERIFY,), (SIGN,), save=("priv", "pub")), m.get_attributes("$pub", "Name")),
    case("create-key-pair.common-mask", "Create a pair with a common usage mask", m.create_key_pair(
        (*RSA_COMMON, m.usage("SIGN", "VERIFY")), None, None, save=("priv", "pub")),
        m.get_attributes("$pub", "Cryptographic Usage Mask")),
    case("create-key-pair.nothing", "Create a pair without attributes", m.create_key_pair(None, None, None)),
    case("create-key-pair.no-algorithm", "Create a pair without an algorithm", m.create_key_pair((m.length(1024),), (VERIFY,), (SIGN,))),
    case("create-key-pair.no-length", "Create a pair without a length", m.create_key_pair((m.algorithm("RSA"),), (VERIFY,), (SIGN,))),
    case("create-key-pair.no-masks", "Create a pair without usage masks", m.create_key_pair(RSA_COMMON, None, None)),
    case("create-key-pair.no-public-mask", "Create a pair without the public mask", m.create_key_pair(RSA_COMMON, None, (SIGN,))),
    case("create-key-pair.no-private-mask", "Create a pair without the private mask", m.create_key_pair(RSA_COMMON, (VERIFY,), None)),
    case("create-key-pair.public-only", "Algorithm and length for the public key only", m.create_key_pair(None, (*RSA_COMMON, VERIFY), (SIGN,))),
    case("create-key-pair.two-algorithms", "Public and private key of different algorithms", m.create_key_pair(
        None, (*RSA_COMMON, VERIFY), (m.algorithm("DSA"), m.length(1024), SIGN))),
    case("create-key-pair.two-lengths", "Public and private key of different lengths", m.create_key_pair(
        None, (*RSA_COMMON, VERIFY), (m.algorithm("RSA"), m.length(2048), SIGN))),
    *[
        case(f"create-key-pair.{name.lower()}", f"Create a pair of {name}", m.create_key_pair(
            (m.algorithm(name), m.length(bits)), (VERIFY,), (SIGN,), save=("priv", "pub")))
        for name, bits in (("AES", 128), ("DSA", 1024), ("EC", 256), ("ECDSA", 256), ("DH", 1024))
    ],
    *[
        case(f"create-key-pair.rsa-{bits}", f"Create an RSA pair of {bits} bits", m.create_key_pair(
            (m.algorithm("RSA"), m.length(bits)), (VERIFY,), (SIGN,), save=("priv", "pub")), versions=[(1, 2)])
        for bits in (0, 8, 500, 511, 512, 1000, 1023, 1024, 1536, 2048)
    ],
    case("create-key-pair.get-not-owner", "The public key is anybody's, the private one is not", m.create_key_pair(**PAIR, save=("priv", "pub")),
         m.get("$pub", who="jane_doe"), m.get("$priv", who="jane_doe")),
]

REGISTER = [
    *every(life, OBJECTS),
    *[
        case(f"register.private-key-{form.lower()}", f"Register a private key in {form}",
             m.register("PRIVATE_KEY", things.private_key(form), SIGN, save="a"), m.get("$a"))
        for form in ("PKCS_1", "PKCS_8", "RAW", "X_509", "OPAQUE", "EC_PRIVATE_KEY")
    ],
    *[
        case(f"register.public-key-{form.lower()}", f"Register a public key in {form}",
             m.register("PUBLIC_KEY", things.public_key(form), VERIFY, save="a"), m.get("$a"))
        for form in ("PKCS_1", "X_509", "RAW", "PKCS_8", "OPAQUE")
    ],
    *[
        case(f"register.symmetric-key-{form.lower()}", f"Register a symmetric key in {form}",
             m.register("SYMMETRIC_KEY", things.symmetric_key(form=form), ENCRYPT, save="a"), m.get("$a"))
        for form in ("OPAQUE", "PKCS_1", "X_509")
    ],
    case("register.symmetric-key-transparent", "Register a transparent symmetric key",
         m.register("SYMMETRIC_KEY", things.symmetric_key(
             ttlv.group("KEY_MATERIAL", ttlv.data("KEY", bytes(16))), form="TRANSPARENT_SYMMETRIC_KEY"), ENCRYPT, save="a"),
         m.get("$a")),
    case("register.wrong-length", "Register a key whose length is not its material's",
         m.register("SYMMETRIC_KEY", things.symmetric_key(bits=256), ENCRYPT, save="a"), m.get("$a")),
    case("register.no-length", "Register a key without a length in its block",
         m.register("SYMMETRIC_KEY", things.symmetric_key(bits=None), ENCRYPT, save="a"), m.get("$a")),
    case("register.no-algorithm", "Register a key without an algorithm in its block",
         m.register("SYMMETRIC_KEY", things.symmetric_key(algorithm=None), ENCRYPT, save="a"), m.get("$a")),
    case("register.attributes-only", "Register a key with algorithm and length as attributes only",
         m.register("SYMMETRIC_KEY", things.symmetric_key(algorithm=None, bits=None), *m.AES_128, save="a"), m.get("$a")),
    case("register.other-algorithm", "Register a key whose attribute differs from its block",
         m.register("SYMMETRIC_KEY", things.symmetric_key(), m.algorithm("CAMELLIA"), ENCRYPT)),
    case("register.other-length", "Register a key whose length attribute differs from its block",
         m.register("SYMMETRIC_KEY", things.symmetric_key(), m.length(256), ENCRYPT)),
    case("register.no-mask", "Register a key without a usage mask", m.register("SYMMETRIC_KEY", things.symmetric_key(), save="a"),
         m.get_attributes("$a", "Cryptographic Usage Mask")),
    case("register.mask-0", "Register secret data with usage mask 0",
         m.register("SECRET_DATA", things.secret_data("SEED"), m.usage(), save="a"),
         m.get_attributes("$a", "Cryptographic Usage Mask", "State")),
    case("register.secret-raw", "Register secret data in Raw",
         m.register("SECRET_DATA", things.secret_data("PASSWORD", bytes(96), "RAW"), m.usage(), save="a"), m.get("$a")),
    case("register.wrapped", "Register a wrapped key and get it",
         m.register("SYMMETRIC_KEY", things.symmetric_key(bytes(range(24)), wrapping=things.wrapping_data()), ENCRYPT, save="a"),
         m.get("$a")),
    case("register.wrapped-private", "Register a wrapped private key and get it", m.register(
        "PRIVATE_KEY", ttlv.group("PRIVATE_KEY", things.key_block("PKCS_8", bytes(48), "RSA", 1024, things.wrapping_data())), SIGN, save="a"),
        m.get("$a")),
    case("register.secret-block-algorithm", "Register secret data with an algorithm and a length in its block",
         m.register("SECRET_DATA", things.secret_data(algorithm="AES", bits=64), m.usage(), save="a"), m.get("$a")),
    case("register.key-value-attributes", "Register a key with attributes in its Key Value",
         m.register("SYMMETRIC_KEY", things.symmetric_key(attributes=[m.name("inside", 0)]), ENCRYPT, save="a"), m.get("$a"),
         versions=V1),
    case("register.pgp-certificate", "Register a PGP certificate", m.register("CERTIFICATE", things.certificate(2), VERIFY, save="a")),
    case("register.not-a-certificate", "Register a certificate of arbitrary bytes", m.register(
        "CERTIFICATE", ttlv.group("CERTIFICATE", ttlv.choice("CERTIFICATE_TYPE", 1), ttlv.data("CERTIFICATE_VALUE", b"no DER")), VERIFY, save="a"),
        m.get("$a")),
    case("register.no-object", "Register without an object", m.register("SYMMETRIC_KEY", None, ENCRYPT)),
    case("register.other-object", "Register with another object than the type says", m.register("SYMMETRIC_KEY", things.opaque())),
    case("register.template", "Register a template", m.register("TEMPLATE", ttlv.group("TEMPLATE", m.name("$case").one()), m.name("$case"), save="a"), versions=V1),
    case("register.no-template", "Register without a template attribute", m.Step(
        enums.Operation.REGISTER, lambda v: [ttlv.choice("OBJECT_TYPE", 2), things.symmetric_key()])),
    case("register.opaque-with-mask", "Register opaque data with a usage mask", m.register("OPAQUE_DATA", things.opaque(), ENCRYPT)),
    case("register.opaque-with-activation-date", "Register opaque data with an activation date",
         m.register("OPAQUE_DATA", things.opaque(), m.dated("Activation Date", 86400))),
    case("register.opaque-with-algorithm", "Register opaque data with an algorithm", m.register("OPAQUE_DATA", things.opaque(), m.algorithm("AES"))),
    case("register.secret-with-algorithm", "Register secret data with an algorithm", m.register(
        "SECRET_DATA", things.secret_data(), m.algorithm("AES"), m.usage("DERIVE_KEY"))),
    case("register.state", "Register with a state", m.register("SYMMETRIC_KEY", things.symmetric_key(), ENCRYPT, m.state("ACTIVE"))),
    case("register.unknown-attribute", "Register with an unknown attribute", m.register(
        "SYMMETRIC_KEY", things.symmetric_key(), ENCRYPT, m.custom("No Such Attribute", "v")), versions=V1),
    case("register.names", "Register with three names", m.register(
        "OPAQUE_DATA", things.opaque(), m.name("a", 0), m.name("b", 1), m.name("c", 2), save="a"), m.get_attributes("$a", "Name")),
    case("register.empty-opaque", "Register an empty opaque object", m.register("OPAQUE_DATA", things.opaque(b""), save="a"), m.get("$a")),
    case("register.empty-secret", "Register empty secret data", m.register("SECRET_DATA", things.secret_data(material=b""), m.usage(), save="a"), m.get("$a")),
    case("register.split-polynomial", "Register a split key with a prime field", m.register(
        "SPLIT_KEY", things.split_key("POLYNOMIAL_SHARING_PRIME_FIELD", ttlv.Item(ttlv.tag("PRIME_FIELD_SIZE"), ttlv.BIG, bytes(7) + b"\x61")),
        m.usage("EXPORT"), save="a"), m.get("$a")),
    case("register.no-key-format", "Register a key block without a format", m.register(
        "SYMMETRIC_KEY", ttlv.group("SYMMETRIC_KEY", things.key_block(None, bytes(16), "AES", 128)), ENCRYPT)),
    case("register.no-key-value", "Register a key block without a value", m.register(
        "SYMMETRIC_KEY", ttlv.group("SYMMETRIC_KEY", things.key_block("RAW", b"", "AES", 128, value=False)), ENCRYPT, save="a")),
]

GET = [
    case("get.unknown", "Get an object that does not exist", m.get(NOBODY)),
    case("get.not-a-number", "Get an identifier that is no number", m.get("no-number")),
    case("get.empty-identifier", "Get with an empty identifier", m.create(save="a"), m.get("")),
    case("get.not-owner", "Get another one's key", m.create(save="a"), m.get("$a", who="jane_doe")),
    case("get.certificate-not-owner", "Get another one's certificate", registered("certificate"), m.get("$a", who="jane_doe")),
    case("get.own-format", "Get a key in the format that it is in", m.create(save="a"), m.get("$a", form=1)),
    case("get.format-conversion", "Get a PKCS#8 key as PKCS#1", registered("private-key"), m.get("$a", form=enums.KeyFormatType.PKCS_1)),
    case("get.format-raw-opaque", "Get a raw key as opaque", m.create(save="a"), m.get("$a", form=enums.KeyFormatType.OPAQUE)),
    case("get.format-of-certificate-raw", "Get a certificate with a key format", registered("certificate"), m.get("$a", form=1)),
    case("get.format-of-secret-opaque", "Get secret data as opaque", registered("secret-data"), m.get("$a", form=2)),
    case("get.format-of-opaque-raw", "Get an opaque object with a key format", registered("opaque-object"), m.get("$a", form=1)),
    case("get.compression", "Get with a compression", m.create(save="a"), m.get("$a", compression=1)),
    case("get.compression-unknown-object", "Get with a compression, of no object", m.get(NOBODY, compression=1)),
    case("get.format-unknown-object", "Get with a format, of no object", m.get(NOBODY, form=2)),
    case("get.unknown-format", "Get with a format number that no version has", m.create(save="a"), m.get("$a", form=0x77)),
    case("get.extra-field", "Get with a field that it does not have", m.create(save="a"), m.Step(
        enums.Operation.GET, lambda v: m.uid("$a") + [ttlv.text("CUSTOM_ATTRIBUTE", "x")])),
    case("get.identifier-type", "Get with an identifier of the wrong type", m.Step(
        enums.Operation.GET, lambda v: [ttlv.number("UNIQUE_IDENTIFIER", int(NOBODY))])),
    case("get.destroyed", "Get a destroyed key", m.create(save="a"), m.destroy("$a"), m.get("$a")),
    case("get.deactivated", "Get a revoked key", m.create(save="a"), m.activate("$a"), m.revoke("$a"), m.get("$a")),
    case("get.compromised", "Get a compromised key", m.create(save="a"), m.revoke("$a", "KEY_COMPROMISE"), m.get("$a")),
]

LIFE = [
    case("activate.twice", "Activate an active key", m.create(save="a"), m.activate("$a"), m.activate("$a"), text=True),
    case("activate.revoked", "Activate a revoked key", m.create(save="a"), m.activate("$a"), m.revoke("$a"), m.activate("$a"), text=True),
    case("activate.compromised", "Activate a compromised key", m.create(save="a"), m.revoke("$a", "KEY_COMPROMISE"), m.activate("$a"), text=True),
    case("activate.unknown", "Activate an object that does not exist", m.activate(NOBODY)),
    case("activate.not-owner", "Activate another one's key", m.create(save="a"), m.activate("$a", who="jane_doe")),
    case("activate.destroyed", "Activate a destroyed key", m.create(save="a"), m.destroy("$a"), m.activate("$a")),
    case("activate.state", "State of an activated key", m.create(save="a"), m.activate("$a"), m.get_attributes("$a", "State")),
    case("revoke.unknown", "Revoke an object that does not exist", m.revoke(NOBODY)),
    case("revoke.not-owner", "Revoke another one's key", m.create(save="a"), m.revoke("$a", who="jane_doe")),
    case("revoke.pre-active", "Revoke a key that is not active", m.create(save="a"), m.revoke("$a"), text=True),
    case("revoke.twice", "Revoke a key twice", m.create(save="a"), m.activate("$a"), m.revoke("$a"), m.revoke("$a"), text=True),
    case("revoke.no-reason", "Revoke without a reason", m.create(save="a"), m.activate("$a"), m.revoke("$a", None)),
    case("revoke.state", "State of a revoked key", m.create(save="a"), m.activate("$a"), m.revoke("$a"), m.get_attributes("$a", "State")),
    case("revoke.compromise-active", "Revoke an active key for compromise", m.create(save="a"), m.activate("$a"),
         m.revoke("$a", "KEY_COMPROMISE", "it leaked", 1_600_000_000), m.get_attributes("$a", "State")),
    case("revoke.compromise-deactivated", "Revoke a deactivated key for compromise", m.create(save="a"), m.activate("$a"), m.revoke("$a"),
         m.revoke("$a", "KEY_COMPROMISE"), m.get_attributes("$a", "State")),
    case("revoke.compromise-twice", "Revoke a compromised key for compromise", m.create(save="a"),
         m.revoke("$a", "KEY_COMPROMISE"), m.revoke("$a", "KEY_COMPROMISE")),
    case("revoke.after-compromise", "Revoke a compromised key for another reason", m.create(save="a"),
         m.revoke("$a", "KEY_COMPROMISE"), m.revoke("$a")),
    *[
        case(f"revoke.{code.lower().replace('_', '-')}", f"Revoke an active key: {code}", m.create(save="a"), m.activate("$a"),
             m.revoke("$a", code), m.get_attributes("$a", "State"))
        for code in ("UNSPECIFIED", "CA_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED", "PRIVILEGE_WITHDRAWN")
    ],
    case("revoke.ca-compromise-pre-active", "Revoke a pre-active key for CA compromise", m.create(save="a"), m.revoke("$a", "CA_COMPROMISE"),
         m.get_attributes("$a", "State")),
    case("destroy.unknown", "Destroy an object that does not exist", m.destroy(NOBODY)),
    case("destroy.twice", "Destroy a key twice", m.create(save="a"), m.destroy("$a"), m.destroy("$a")),
    case("destroy.not-owner", "Destroy another one's key", m.create(save="a"), m.destroy("$a", who="jane_doe")),
    case("destroy.certificate-not-owner", "Destroy another one's certificate", registered("certificate"), m.destroy("$a", who="jane_doe")),
    case("destroy.active", "Destroy an active key", m.create(save="a"), m.activate("$a"), m.destroy("$a"), text=True),
    case("destroy.revoked", "Destroy a revoked key", m.create(save="a"), m.activate("$a"), m.revoke("$a"), m.destroy("$a"), m.get("$a")),
    case("destroy.compromised", "Destroy a compromised key", m.create(save="a"), m.revoke("$a", "KEY_COMPROMISE"), m.destroy("$a"), m.get("$a")),
    case("destroy.attributes", "Attributes of a destroyed key", m.create(save="a"), m.destroy("$a"), m.get_attributes("$a", "State")),
    case("destroy.attribute-list", "Attribute list of a destroyed key", m.create(save="a"), m.destroy("$a"), m.get_attribute_list("$a")),
    case("destroy.revoke", "Revoke a destroyed key for compromise", m.create(save="a"), m.destroy("$a"), m.revoke("$a", "KEY_COMPROMISE")),
    case("destroy.locate", "Locate a destroyed key", m.create(*m.AES_128, m.name("$case"), save="a"), m.destroy("$a"), m.locate(m.name("$case"))),
]

PLACEHOLDER = [
    case(f"placeholder.{kind}", f"{kind} without an identifier, in a message of its own", m.create(save="a"), step)
    for kind, step in {
        "get": m.get(None),
        "get-attributes": m.get_attributes(None, "State"),
        "get-attribute-list": m.get_attribute_list(None),
        "activate": m.activate(None),
        "revoke": m.revoke(None, "KEY_COMPROMISE"),
        "destroy": m.destroy(None),
        "modify-attribute": m.modify_attribute(None, m.name("new", 0)),
        "delete-attribute": m.delete_attribute(None, "Name", 0),
    }.items()
]


def found(*attributes, **options):
    """Locate among the objects of this case: their name is the case's. Within one second the order is another."""
    options.setdefault("payload_rule", "any order")
    return m.locate(m.name("$case"), *attributes, **options)


NAMED = m.create(*m.AES_128, m.name("$case"), save="a")
OTHER = m.create(m.algorithm("AES"), m.length(256), m.usage("SIGN"), m.name("$case"), m.object_group("$case"), save="b")
TWO = (NAMED, OTHER)
# If only one of the two is found, their dates show which one.
APART = (NAMED, dataclasses.replace(OTHER, wait=1.1))
HOUR = 3600


def filters():
    """Each filter, once with a value that fits one of two objects and once with one that fits none."""
    rows = {
        "algorithm": (m.algorithm("AES"), m.algorithm("RC4")),
        "length": (m.length(256), m.length(192)),
        "usage-mask": (m.usage("SIGN"), m.usage("WRAP_KEY")),
        "usage-mask-part": (m.usage("ENCRYPT"), m.usage("ENCRYPT", "SIGN")),
        "state": (m.state("PRE_ACTIVE"), m.state("ACTIVE")),
        "object-type": (m.object_type("SYMMETRIC_KEY"), m.object_type("PUBLIC_KEY")),
        "object-group": (m.object_group("$case"), m.object_group("no such group")),
        "identifier": (m.identifier("$b"), m.identifier(NOBODY)),
        "application": (m.application("ns", "none"), m.application("ns", "data")),
        "certificate-type": (m.certificate_type(1), m.certificate_type(2)),
        "sensitive": (m.sensitive(False), m.sensitive(True)),
    }
    for name, (first, second) in rows.items():
        yield case(f"locate.{name}", f"Locate by {name}", *TWO, found(first))
        yield case(f"locate.{name}-none", f"Locate by {name}, another value", *TWO, found(second))
    for name in ("default", "nowhere"):
        yield case(f"locate.policy-{name}", f"Locate by policy name {name}", *TWO, found(m.policy(name)), versions=V1)


LOCATE = [
    case("locate.name", "Locate by name", *TWO, found()),
    case("locate.name-none", "Locate by a name that no object has", m.locate(m.name("$case"))),
    case("locate.two-names", "Locate by two names of one object", m.create(*m.AES_128, m.name("$case", 0), m.name("also", 1), save="a"),
         m.locate(m.name("$case"), m.name("also", 1))),
    case("locate.uri-name", "Locate by a name of the other type", NAMED, m.locate(
        m.Attribute("Name", ttlv.group("NAME", ttlv.text("NAME_VALUE", "$case"), ttlv.choice("NAME_TYPE", 2))))),
    *filters(),
    case("locate.activated", "Locate by state after Activate", *TWO, m.activate("$b"), found(m.state("ACTIVE"))),
    case("locate.not-owner", "Locate another one's key", NAMED, m.locate(m.name("$case"), who="jane_doe")),
    case("locate.certificate-not-owner", "Locate another one's certificate", registered("certificate", m.name("$case")),
         m.locate(m.name("$case"), who="jane_doe")),
    case("locate.everything", "Locate without a filter", m.create(save="a", who="john_smith"),
         m.locate(who="john_smith", payload_rule="ignore"), m.destroy("$a", who="john_smith")),
    case("locate.maximum-0", "Locate at most none", *TWO, found(maximum=0)),
    case("locate.maximum-1", "Locate at most one", *APART, found(maximum=1)),
    case("locate.maximum-many", "Locate at most many", *TWO, found(maximum=100)),
    case("locate.maximum-negative", "Locate with a negative maximum", *TWO, found(maximum=-1), aligned=True),
    case("locate.offset-1", "Locate from the second on", *APART, found(offset=1), versions=FROM_1_3),
    case("locate.offset-5", "Locate past the end", *TWO, found(offset=5), versions=FROM_1_3),
    case("locate.offset-and-maximum", "Locate one from the second on", *APART, found(offset=1, maximum=1), versions=FROM_1_3),
    case("locate.offset-in-1.2", "Locate with an offset before 1.3", *APART, found(offset=1), versions=[(1, 0), (1, 2)]),
    case("locate.storage-online", "Locate in online storage", *TWO, found(storage=1)),
    case("locate.storage-archived", "Locate in archival storage", *TWO, found(storage=2)),
    case("locate.group-member", "Locate fresh members of a group", *TWO, found(member=1)),
    case("locate.newest-first", "The newest comes first", NAMED, m.create(*m.AES_128, m.name("$case"), save="b", wait=1.1), found(payload_rule="same")),
    case("locate.same-second", "The order within a second", m.create(*m.AES_128, m.name("$case"), save="a"),
         m.create(*m.AES_128, m.name("$case"), save="b"), m.create(*m.AES_128, m.name("$case"), save="c"), found(payload_rule="same"), aligned=True),
    case("locate.initial-date", "Locate by an initial date long ago", NAMED, found(m.dated("Initial Date", 86400))),
    case("locate.initial-date-range", "Locate by a range of initial dates", NAMED,
         found(m.dated("Initial Date", int(time.time()) - HOUR), m.dated("Initial Date", int(time.time()) + HOUR))),
    case("locate.initial-date-range-reversed", "Locate by a range, later date first", NAMED,
         found(m.dated("Initial Date", int(time.time()) + HOUR), m.dated("Initial Date", int(time.time()) - HOUR))),
    case("locate.initial-date-range-past", "Locate by a range long ago", NAMED,
         found(m.dated("Initial Date", 1), m.dated("Initial Date", 86400))),
    case("locate.three-dates", "Locate by three initial dates", NAMED,
         found(m.dated("Initial Date", 1), m.dated("Initial Date", 2), m.dated("Initial Date", 3)), text=True),
    case("locate.activation-date", "Locate by an activation date", NAMED, found(m.dated("Activation Date", 86400))),
    case("locate.unknown-attribute", "Locate by an attribute of no name that is known", NAMED,
         found(m.custom("No Such Attribute", "v")), versions=V1),
    case("locate.custom-attribute", "Locate by a custom attribute", NAMED, found(m.custom("x-colour", "blue")), versions=V1),
    case("locate.no-attributes-2.0", "Locate in 2.0 without the Attributes structure", m.Step(
        enums.Operation.LOCATE, lambda v: [], who="jane_smith", payload_rule="ignore"), versions=V2),
    case("locate.order-of-fields", "Locate with the offset before the maximum", NAMED, m.Step(
        enums.Operation.LOCATE, lambda v: [ttlv.number("OFFSET_ITEMS", 0), ttlv.number("MAXIMUM_ITEMS", 1), m.name("$case").one()],
        payload_rule="ignore"), versions=[(1, 3), (1, 4)]),
]

CASES = CREATE + PAIRS + REGISTER + GET + LIFE + PLACEHOLDER + LOCATE

"""Products: every attribute in every request that contains or names an attribute."""

from dataclasses import replace

import message as m
import things
import ttlv
from cases_crypto import derive
from cases_objects import NOBODY
from kmip.core import enums
from product import Product
from products_objects import DERIVATION_DATA, EVERY_USE, KINDS, registered

# The first version, the last ones, and one before Sensitive.
VERSIONS = ((1, 0), (1, 2), (1, 4), (2, 0))
DAY = 86400


def attribute(name, value):
    return m.Attribute(name, value)


def dates(*names):
    return [m.dated(name, DAY) for name in names]


def structure(name, *items):
    return ttlv.group(name.upper().replace(" ", "_"), *items)


PARAMETERS = ttlv.choice("BLOCK_CIPHER_MODE", 1)
# Each attribute with a value that it can have.
ATTRIBUTES = [
    m.identifier(NOBODY),
    m.name("$case-more"),
    m.object_type("SYMMETRIC_KEY"),
    m.algorithm("AES"),
    m.length(128),
    attribute("Cryptographic Parameters", structure("Cryptographic Parameters", PARAMETERS)),
    attribute("Cryptographic Domain Parameters", structure("Cryptographic Domain Parameters", ttlv.number("QLENGTH", 256))),
    m.certificate_type(1),
    attribute("Certificate Length", ttlv.number("CERTIFICATE_LENGTH", 512)),
    attribute("X.509 Certificate Identifier", structure(
        "X_509 Certificate Identifier", ttlv.data("ISSUER_DISTINGUISHED_NAME", b"x"), ttlv.data("CERTIFICATE_SERIAL_NUMBER", b"1"))),
    attribute("X.509 Certificate Subject", structure(
        "X_509 Certificate Subject", ttlv.data("SUBJECT_DISTINGUISHED_NAME", b"x"))),
    attribute("X.509 Certificate Issuer", structure(
        "X_509 Certificate Issuer", ttlv.data("ISSUER_DISTINGUISHED_NAME", b"x"))),
    attribute("Certificate Identifier", structure("Certificate Identifier", ttlv.text("ISSUER", "x"), ttlv.text("SERIAL_NUMBER", "1"))),
    attribute("Certificate Subject", structure("Certificate Subject", ttlv.text("CERTIFICATE_SUBJECT_DISTINGUISHED_NAME", "x"))),
    attribute("Certificate Issuer", structure("Certificate Issuer", ttlv.text("CERTIFICATE_ISSUER_DISTINGUISHED_NAME", "x"))),
    attribute("Digital Signature Algorithm", ttlv.choice("DIGITAL_SIGNATURE_ALGORITHM", 5)),
    attribute("Digest", structure("Digest", ttlv.choice("HASHING_ALGORITHM", 6), ttlv.data("DIGEST_VALUE", bytes(32)))),
    m.policy("default"),
    m.usage("ENCRYPT", "EXPORT"),
    attribute("Lease Time", ttlv.interval("LEASE_TIME", 60)),
    attribute("Usage Limits", structure(
        "Usage Limits", ttlv.Item(ttlv.tag("USAGE_LIMITS_TOTAL"), ttlv.LONG, 10), ttlv.Item(ttlv.tag("USAGE_LIMITS_COUNT"), ttlv.LONG, 10),
        ttlv.choice("USAGE_LIMITS_UNIT", 1))),
    m.state("ACTIVE"),
    *dates(
        "Initial Date", "Activation Date", "Process Start Date", "Protect Stop Date", "Deactivation Date", "Destroy Date",
        "Compromise Occurrence Date", "Compromise Date", "Archive Date", "Last Change Date", "Original Creation Date"),
    attribute("Revocation Reason", structure("Revocation Reason", ttlv.choice("REVOCATION_REASON_CODE", 1))),
    m.object_group("$case-group"),
    attribute("Fresh", ttlv.flag("FRESH", True)),
    attribute("Link", structure("Link", ttlv.choice("LINK_TYPE", 0x101), ttlv.text("LINKED_OBJECT_IDENTIFIER", NOBODY))),
    m.application("ns", "more"),
    attribute("Contact Information", ttlv.text("CONTACT_INFORMATION", "x")),
    m.custom("x-colour", "blue"),
    m.custom("No Such Attribute", "blue"),
    attribute("Alternative Name", structure(
        "Alternative Name", ttlv.text("ALTERNATIVE_NAME_VALUE", "x"), ttlv.choice("ALTERNATIVE_NAME_TYPE", 1))),
    attribute("Key Value Present", ttlv.flag("KEY_VALUE_PRESENT", True)),
    attribute("Key Value Location", structure(
        "Key Value Location", ttlv.text("KEY_VALUE_LOCATION_VALUE", "x"), ttlv.choice("KEY_VALUE_LOCATION_TYPE", 1))),
    attribute("Random Number Generator", ttlv.group("RANDOM_NUMBER_GENERATOR", ttlv.choice("RNG_ALGORITHM", 1))),
    attribute("PKCS#12 Friendly Name", ttlv.text("PKCS12_FRIENDLY_NAME", "x")),
    attribute("Description", ttlv.text("DESCRIPTION", "x")),
    attribute("Comment", ttlv.text("COMMENT", "x")),
    m.sensitive(),
    attribute("Always Sensitive", ttlv.flag("ALWAYS_SENSITIVE", True)),
    attribute("Extractable", ttlv.flag("EXTRACTABLE", True)),
    attribute("Never Extractable", ttlv.flag("NEVER_EXTRACTABLE", True)),
    attribute("Certificate Subject CN", ttlv.text("CERTIFICATE_SUBJECT_CN", "x")),
    attribute("Key Format Type", ttlv.choice("KEY_FORMAT_TYPE", 1)),
    attribute("NIST Key Type", ttlv.choice("NIST_KEY_TYPE", 1)),
    attribute("Opaque Data Type", ttlv.choice("OPAQUE_DATA_TYPE", 0x80000000)),
    attribute("Protection Level", ttlv.choice("PROTECTION_LEVEL", 1)),
    attribute("Protection Period", ttlv.interval("PROTECTION_PERIOD", 60)),
    attribute("Protection Storage Mask", ttlv.number("PROTECTION_STORAGE_MASK", 1)),
    attribute("Quantum Safe", ttlv.flag("QUANTUM_SAFE", False)),
    attribute("Short Unique Identifier", ttlv.data("SHORT_UNIQUE_IDENTIFIER", b"\x01")),
]
BY_NAME = {one.name.lower().replace(" ", "-"): one for one in ATTRIBUTES}
# Those that PyKMIP keeps several values of, besides Name: an object without one is of interest.
REPEATED = ("name", "object-group", "application-specific-information", "sensitive")
RICH = (
    m.in_1x(m.name("$case-second", 1)), m.object_group("g1", 0), m.in_1x(m.object_group("g2", 1)),
    m.application("ns", "data", 0), m.in_1x(m.application("ns", "data-2", 1)), m.sensitive(False),
)
SENSITIVE_SINCE = (1, 4)


def indexed(one, index):
    return replace(one, index=index)


def existing(one):
    """A value that the registered object has, if it has the attribute."""
    values = {"Name": m.name("$case"), "Object Group": m.object_group("g1"), "Sensitive": m.sensitive(False)}
    values["Application Specific Information"] = m.application("ns", "data")
    return values.get(one.name, one)


# Requests about a registered object.
REQUESTS = {
    "get": lambda one: m.get_attributes("$a", "Unique Identifier", one.name),
    "modify": lambda one: m.modify_attribute("$a", one),
    "modify-0": lambda one: m.modify_attribute("$a", indexed(one, 0)),
    "modify-1": lambda one: m.modify_attribute("$a", indexed(one, 1)),
    "modify-9": lambda one: m.modify_attribute("$a", indexed(one, 9)),
    "modify-current": lambda one: m.modify_attribute("$a", one, existing(one)),
    "modify-other": lambda one: m.modify_attribute("$a", one, one),
    "set": lambda one: m.set_attribute("$a", one),
    "delete": lambda one: m.delete_attribute("$a", one.name),
    "delete-0": lambda one: m.delete_attribute("$a", one.name, 0),
    "delete-1": lambda one: m.delete_attribute("$a", one.name, 1),
    "delete-9": lambda one: m.delete_attribute("$a", one.name, 9),
    "delete-number": lambda one: m.Step(
        enums.Operation.DELETE_ATTRIBUTE, lambda v: m.uid("$a") + [ttlv.choice("ATTRIBUTE_REFERENCE", one.value.tag)]),
    "delete-current": lambda one: m.delete_attribute("$a", current=existing(one)),
    "add": lambda one: m.add_attribute("$a", one),
    "locate": lambda one: m.locate(m.name("$case"), one, payload_rule="any order"),
    "locate-existing": lambda one: m.locate(m.name("$case"), existing(one), payload_rule="any order"),
}
ONLY_1X = ("modify-0", "modify-1", "modify-9", "delete-0", "delete-1", "delete-9")
ONLY_2_0 = ("modify-current", "modify-other", "delete-number", "delete-current")
READ = ("get", "locate", "locate-existing")


def attribute_request(attribute, request, kind, version, object):
    one = BY_NAME[attribute]
    more = () if object == "bare" else RICH if version >= SENSITIVE_SINCE else RICH[:-1]
    prepare = [registered(kind, m.name("$case", 0), *more)]
    own = [REQUESTS[request](one)]
    if request not in READ:
        own.append(m.get_attributes("$a", "Unique Identifier", one.name))
    return prepare, own


def attribute_possible(attribute, request, kind, version, object):
    if request in ONLY_1X and version >= (2, 0) or request in ONLY_2_0 and version < (2, 0):
        return False
    return object == "rich" or attribute in REPEATED


# Requests that make an object with an attribute.
CREATION = {
    "create": lambda one: m.create(*unless(one, *m.AES_128), one, save="a"),
    "create-secret-data": lambda one: m.create(*unless(one, *m.AES_128), one, kind="SECRET_DATA", save="a"),
    "create-twice": lambda one: m.create(*unless(one, *m.AES_128), indexed(one, 0), m.in_1x(indexed(one, 1)), save="a"),
    "create-key-pair-common": lambda one: pair(one, None, None),
    "create-key-pair-private": lambda one: pair(None, one, None),
    "create-key-pair-public": lambda one: pair(None, None, one),
    "derive": lambda one: replace(derive(
        "$b", extra=[DERIVATION_DATA], attributes=(*unless(one, m.length(128), EVERY_USE), one)), save=["a"]),
    "derive-key": lambda one: replace(derive(
        "$b", kind="SYMMETRIC_KEY", extra=[DERIVATION_DATA], attributes=(*unless(one, *m.AES_128), one)), save=["a"]),
    **{
        f"register-{kind}": lambda one, kind=kind: m.register(
            KINDS[kind][0], KINDS[kind][1], *unless(one, *([] if kind == "opaque-object" else [EVERY_USE])), one, save="a")
        for kind in KINDS
    },
}


def unless(one, *attributes):
    """These attributes without the one that has another value."""
    return [each for each in attributes if one is None or each.name != one.name]


def pair(common, private, public):
    """Create Key Pair with one more attribute."""
    parts = []
    for one, usual in (
        (common, (m.algorithm("RSA"), m.length(1024))), (public, (m.usage("VERIFY"),)), (private, (m.usage("SIGN"),))
    ):
        if one is not None and one.name in ("Cryptographic Algorithm", "Cryptographic Length"):
            one = m.algorithm("RSA") if one.name == "Cryptographic Algorithm" else m.length(1024)
        parts.append((*unless(one, *usual), *([] if one is None else [one])))
    return m.create_key_pair(*parts, save=("a", "b"))


def creation(attribute, request, version):
    one = BY_NAME[attribute]
    prepare = []
    if request.startswith("derive"):
        prepare = [m.register("SYMMETRIC_KEY", things.symmetric_key(), m.usage("DERIVE_KEY"), save="b")]
    own = [CREATION[request](one), m.get_attributes("$a", "Unique Identifier", one.name, "State"), m.get_attribute_list("$a")]
    return prepare, own


PRODUCTS = (
    Product(
        "attributes",
        {
            "attribute": tuple(BY_NAME),
            "request": tuple(REQUESTS),
            "kind": tuple(KINDS),
            "version": VERSIONS,
            "object": ("rich", "bare"),
        },
        attribute_request,
        shared=("kind", "version", "object"),
        alone=lambda request, **others: request not in READ,
        possible=attribute_possible,
    ),
    Product(
        "created",
        {"attribute": tuple(BY_NAME), "request": tuple(CREATION), "version": VERSIONS},
        creation,
    ),
)

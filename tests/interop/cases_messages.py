"""Cases: Query, DiscoverVersions, headers, batches, unreadable messages, unknown operations, policies.

Leaves to cases_objects.py and cases_attributes.py what happens inside of one operation.
"""

import message as m
import ttlv
from case import FROM_1_1, V1, V2, case
from cases_objects import NOBODY, registered
from kmip.core import enums

OPERATION = enums.Operation
STOP, CONTINUE, UNDO = 2, 1, 3


def permissions(permission, *operations):
    return {operation: permission for operation in operations}


EVERY = ("GET", "GET_ATTRIBUTES", "GET_ATTRIBUTE_LIST", "LOCATE", "ACTIVATE", "REVOKE", "DESTROY", "MODIFY_ATTRIBUTE", "DELETE_ATTRIBUTE")

# The policy file that both servers start with.
POLICIES = {
    "open": {"preset": {"SYMMETRIC_KEY": permissions("ALLOW_ALL", *EVERY)}},
    "closed": {"preset": {"SYMMETRIC_KEY": permissions("DISALLOW_ALL", *EVERY)}},
    "reading": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "LOCATE": "ALLOW_ALL", "DESTROY": "ALLOW_OWNER"}}},
    "other type": {"preset": {"CERTIFICATE": permissions("ALLOW_ALL", *EVERY)}},
    "grouped": {"groups": {"Group A": {"SYMMETRIC_KEY": permissions("ALLOW_ALL", *EVERY)}}},
    "both": {
        "preset": {"SYMMETRIC_KEY": permissions("ALLOW_OWNER", *EVERY)},
        "groups": {"Group A": {"SYMMETRIC_KEY": permissions("ALLOW_ALL", *EVERY)}},
    },
}

ASK = [
    *[
        case(f"query.{function.name.lower().replace('_', '-')}", f"Query {function.name}", m.query(function))
        for function in enums.QueryFunction
    ],
    case("query.nothing", "Query without a function", m.query()),
    case("query.unknown", "Query of a function number that no version has", m.query(0x77)),
    case("query.several", "Query of three functions", m.query(1, 2, 3)),
    case("query.twice", "Query of one function twice", m.query(1, 1)),
    case("discover-versions.all", "DiscoverVersions without versions", m.discover_versions()),
    case("discover-versions.one", "DiscoverVersions of 1.2", m.discover_versions((1, 2)), versions=FROM_1_1),
    case("discover-versions.order", "DiscoverVersions of 1.0 and 1.3", m.discover_versions((1, 0), (1, 3)), versions=FROM_1_1),
    case("discover-versions.none-known", "DiscoverVersions of 9.9", m.discover_versions((9, 9)), versions=FROM_1_1),
    case("discover-versions.some-known", "DiscoverVersions of 9.9 and 1.1", m.discover_versions((9, 9), (1, 1)), versions=FROM_1_1),
]


def asked(**header):
    """A harmless request with a special header."""
    return m.query(enums.QueryFunction.QUERY_OPERATIONS, header=header)


HEADER = [
    *[
        case(f"header.version-{major}.{minor}", f"A header that claims {major}.{minor}", asked(claimed=(major, minor)), asked(), versions=[(1, 2), (2, 0)])
        for major, minor in ((0, 0), (0, 9), (1, 5), (1, 9), (2, 2), (3, 0), (9, 9), (-1, 0))
    ],
    case("header.version-2.1", "A header that claims 2.1", asked(claimed=(2, 1)), versions=[(1, 2), (2, 0)]),
    *[
        case(f"header.time-{label}", f"A time stamp {label}", asked(stamp=seconds), text=True)
        for label, seconds in (("now", 0), ("future", 120), ("59-seconds-old", -50), ("stale", -70), ("day-old", -86400))
    ],
    case("header.asynchronous", "An asynchronous request", asked(asynchronous=True), text=True),
    case("header.synchronous", "A request that says it is not asynchronous", asked(asynchronous=False)),
    case("header.undo", "Batch error continuation Undo", asked(option=UNDO)),
    case("header.stop", "Batch error continuation Stop", asked(option=STOP)),
    case("header.unknown-option", "An unknown batch error continuation", asked(option=9)),
    case("header.order", "Batch order option", asked(order=True)),
    case("header.maximum-small", "A reply that is too large for the client", asked(maximum=64), text=True),
    case("header.maximum-1", "No reply fits", asked(maximum=1)),
    case("header.maximum-0", "A maximum of 0", asked(maximum=0)),
    case("header.maximum-large", "A large maximum", asked(maximum=1 << 20)),
    case("header.count-0", "A batch count of 0 with one item", asked(batch_count=0)),
    case("header.count-2", "A batch count of 2 with one item", asked(batch_count=2), asked()),
    case("header.count-negative", "A negative batch count", asked(batch_count=-1), asked()),
    case("header.credential", "A user name and password", m.query(1, header={"credential": ttlv.group(
        "AUTHENTICATION", ttlv.group("CREDENTIAL", ttlv.choice("CREDENTIAL_TYPE", 1), ttlv.group(
            "CREDENTIAL_VALUE", ttlv.text("USERNAME", "Fred"), ttlv.text("PASSWORD", "secret"))))})),
    case("header.credential-empty-password", "A user name and an empty password", m.query(1, header={"credential": ttlv.group(
        "AUTHENTICATION", ttlv.group("CREDENTIAL", ttlv.choice("CREDENTIAL_TYPE", 1), ttlv.group(
            "CREDENTIAL_VALUE", ttlv.text("USERNAME", "Fred"), ttlv.text("PASSWORD", ""))))})),
    case("header.fields-out-of-order", "The time stamp before the maximum response size", m.raw(lambda v: ttlv.encode(ttlv.group(
        "REQUEST_MESSAGE",
        ttlv.group("REQUEST_HEADER", version_item(v), ttlv.date("TIME_STAMP", 0), ttlv.number("MAXIMUM_RESPONSE_SIZE", 9), ttlv.number("BATCH_COUNT", 1)),
        m.query(1).item(v)))), asked()),
]


def version_item(v):
    return ttlv.group("PROTOCOL_VERSION", ttlv.number("PROTOCOL_VERSION_MAJOR", v[0]), ttlv.number("PROTOCOL_VERSION_MINOR", v[1]))


def batch(*steps, **options):
    return m.Batch(steps=steps, **options)


BATCH = [
    case("batch.two", "Two items", batch(m.create(save="a"), m.create(save="b")), m.get("$b")),
    case("batch.placeholder", "Create, then Get without an identifier", batch(m.create(save="a"), m.get(None)), m.get("$a")),
    case("batch.placeholder-activate", "Create, then Activate without an identifier", batch(m.create(save="a"), m.activate(None)),
         m.get_attributes("$a", "State")),
    case("batch.placeholder-register", "Register, then GetAttributes without an identifier",
         batch(m.create(m.algorithm("AES"), m.length(256), m.usage("ENCRYPT"), save="a"), m.get_attributes(None, "Cryptographic Length"))),
    case("batch.placeholder-locate", "Locate, then Get without an identifier",
         m.create(*m.AES_128, m.name("$case"), save="a"), m.create(save="b"), batch(m.locate(m.name("$case")), m.get(None))),
    case("batch.no-identifiers", "Two items without batch item ids", m.Batch(steps=[m.query(1), m.query(3)], identifiers=[None, None]), text=True),
    case("batch.second-without-identifier", "The second item without an id", m.Batch(steps=[m.query(1), m.query(3)], identifiers=[b"1", None])),
    case("batch.same-identifier", "Two items with one id", m.Batch(steps=[m.query(1), m.query(3)], identifiers=[b"1", b"1"])),
    case("batch.stop", "An error stops the batch", batch(m.get(NOBODY), m.query(3), header={"option": STOP})),
    case("batch.default", "An error, without an option", batch(m.get(NOBODY), m.query(3))),
    case("batch.continue", "An error, and on", batch(m.get(NOBODY), m.query(3), header={"option": CONTINUE})),
    case("batch.undo", "Undo of a batch that fails", batch(m.create(save="a"), m.get(NOBODY), header={"option": UNDO})),
    case("batch.single-with-identifier", "One item with an id", m.Batch(steps=[m.query(1)], identifiers=[b"only"])),
    case("batch.long-identifier", "An id of 64 bytes", m.Batch(steps=[m.query(1), m.query(3)], identifiers=[bytes(64), bytes(63) + b"1"])),
    case("batch.unknown-operation-second", "An unknown operation in the second item", batch(m.create(save="a"), m.Step(0x7777, lambda v: []))),
    case("batch.empty", "No items at all", m.Batch(steps=[], identifiers=[])),
]


def message_bytes(v):
    return m.query(1).encode(v, {})


def altered(change):
    """The bytes of a good message after a change."""
    return m.raw(lambda v: change(bytearray(message_bytes(v)), v))


def cut(buffer, v):
    # Whole by its length, with an item inside that ends early.
    body = bytes(buffer)[8:-4]
    return bytes(buffer[:4]) + len(body).to_bytes(4, "big") + body


def with_tail(tail):
    def change(buffer, v):
        body = bytes(buffer[8:]) + tail
        return bytes(buffer[:4]) + len(body).to_bytes(4, "big") + body

    return change


def other_tag(buffer, v):
    buffer[0:3] = b"\x42\x00\x7b"
    return bytes(buffer)


def garbage(buffer, v):
    return bytes(buffer[:4]) + (16).to_bytes(4, "big") + b"\xde\xad\xbe\xef" * 4


EXTENSION = {
    critical: ttlv.group(
        "MESSAGE_EXTENSION",
        ttlv.text("VENDOR_IDENTIFICATION", "a vendor"),
        ttlv.flag("CRITICALITY_INDICATOR", critical),
        ttlv.group("VENDOR_EXTENSION"),
    )
    for critical in (False, True)
}

UNREADABLE = [
    case("unreadable.garbage", "A frame of garbage, then a good message", altered(garbage), asked()),
    case("unreadable.empty", "An empty request message, then a good one", altered(lambda b, v: bytes(b[:4]) + bytes(4)), asked()),
    case("unreadable.other-tag", "A message behind another tag", altered(other_tag), asked()),
    case("unreadable.cut", "A message with an item that ends early", altered(cut), asked()),
    case("unreadable.trailing-item", "A whole item after the last batch item", altered(with_tail(ttlv.encode(ttlv.number("BATCH_COUNT", 1)))), asked()),
    case("unreadable.trailing-bytes", "Eight bytes after the last batch item", altered(with_tail(bytes(8))), asked()),
    case("unreadable.no-header", "A message without a header", m.raw(lambda v: ttlv.encode(ttlv.group("REQUEST_MESSAGE", m.query(1).item(v)))), asked()),
    case("unreadable.no-payload", "A batch item without a payload", m.raw(lambda v: ttlv.encode(ttlv.group(
        "REQUEST_MESSAGE", m.request_header(v, 1), ttlv.group("REQUEST_BATCH_ITEM", ttlv.choice("OPERATION", OPERATION.QUERY))))), asked()),
    case("unreadable.no-operation", "A batch item without an operation", m.raw(lambda v: ttlv.encode(ttlv.group(
        "REQUEST_MESSAGE", m.request_header(v, 1), ttlv.group("REQUEST_BATCH_ITEM", ttlv.group("REQUEST_PAYLOAD"))))), asked()),
    case("unreadable.payload-trailing", "An item that the payload does not have", m.Step(
        OPERATION.QUERY, lambda v: [ttlv.choice("QUERY_FUNCTION", 1), ttlv.number("BATCH_COUNT", 1)]), asked()),
    case("unreadable.payload-type", "An item of the wrong type in the payload", m.Step(
        OPERATION.QUERY, lambda v: [ttlv.number("QUERY_FUNCTION", 1)]), asked()),
    case("unreadable.payload-length", "An enumeration of eight bytes", m.Step(
        OPERATION.QUERY, lambda v: [ttlv.Item(ttlv.tag("QUERY_FUNCTION"), ttlv.ENUMERATION, bytes(8))]), asked()),
    case("unreadable.header-trailing", "An item that the header does not have", m.raw(lambda v: ttlv.encode(ttlv.group(
        "REQUEST_MESSAGE",
        ttlv.group("REQUEST_HEADER", version_item(v), ttlv.number("BATCH_COUNT", 1), ttlv.number("BATCH_COUNT", 1)),
        m.query(1).item(v)))), asked()),
    case("unreadable.no-utf-8", "A text that is no UTF-8", m.Step(
        OPERATION.GET, lambda v: [ttlv.Item(ttlv.tag("UNIQUE_IDENTIFIER"), ttlv.TEXT, b"\xff\xfe\xfd")]), asked()),
    case("unreadable.boolean-2", "A boolean that is neither", m.raw(lambda v: ttlv.encode(ttlv.group(
        "REQUEST_MESSAGE",
        ttlv.group("REQUEST_HEADER", version_item(v),
                   ttlv.Item(ttlv.tag("BATCH_ORDER_OPTION"), ttlv.BOOLEAN, (2).to_bytes(8, "big")), ttlv.number("BATCH_COUNT", 1)),
        m.query(1).item(v)))), asked()),
    case("unreadable.padding", "Padding that is not zero", m.raw(lambda v: message_bytes(v)[:-4] + b"\x01\x02\x03\x04"), asked()),
    case("unreadable.unknown-operation-number", "An operation number that no version has", m.Step(0x7777, lambda v: []), asked()),
    case("extension.ignored", "A message extension that is not critical", m.query(1, extension=EXTENSION[False])),
    case("extension.critical", "A critical message extension", m.query(1, extension=EXTENSION[True])),
]

# Operations that PyKMIP can read but does not have, and operations that it cannot even read.
ABSENT = [
    case("operation.poll", "Poll", m.Step(OPERATION.POLL, lambda v: [ttlv.data("ASYNCHRONOUS_CORRELATION_VALUE", b"1")]), asked()),
    case("operation.cancel", "Cancel", m.Step(OPERATION.CANCEL, lambda v: [ttlv.data("ASYNCHRONOUS_CORRELATION_VALUE", b"1")]), asked()),
    *[
        case(f"operation.{name.lower().replace('_', '-')}", name, m.Step(OPERATION[name], lambda v: m.uid(NOBODY)), asked())
        for name in (
            "REKEY", "REKEY_KEY_PAIR", "CERTIFY", "RECERTIFY", "CHECK", "OBTAIN_LEASE", "GET_USAGE_ALLOCATION", "ARCHIVE",
            "RECOVER", "VALIDATE", "NOTIFY", "PUT", "RNG_RETRIEVE", "RNG_SEED", "HASH", "CREATE_SPLIT_KEY", "JOIN_SPLIT_KEY", "MAC_VERIFY",
            "IMPORT", "EXPORT", "LOG", "LOGIN", "LOGOUT", "ADJUST_ATTRIBUTE",
        )
    ],
    case("operation.set-attribute-1.x", "SetAttribute before 2.0", m.create(save="a"), m.set_attribute("$a", m.sensitive()), versions=V1),
    case("operation.discover-versions-1.0", "DiscoverVersions in 1.0", m.discover_versions(), versions=[(1, 0)], text=True),
    case("operation.encrypt-1.1", "Encrypt before 1.2", m.create(save="a"), m.Step(
        OPERATION.ENCRYPT, lambda v: m.uid("$a") + [ttlv.data("DATA", b"x")]), versions=[(1, 0), (1, 1)]),
]


def governed(name):
    """A key of John Doe's under a policy (1.x: 2.0 has no operation policy names)."""
    return m.create(*m.AES_128, m.policy(name), m.name("$case"), save="a")


def policy_rows():
    for name in POLICIES:
        for who in ("john_doe", "jane_doe"):
            label = f"policy.{name.replace(' ', '-')}-{'owner' if who == 'john_doe' else 'other'}"
            yield case(f"{label}-get", f"Get under policy {name}", governed(name), m.get("$a", who=who), versions=V1)
            yield case(f"{label}-list", f"GetAttributeList under policy {name}", governed(name), m.get_attribute_list("$a", who=who), versions=V1)
            yield case(f"{label}-locate", f"Locate under policy {name}", governed(name), m.locate(m.name("$case"), who=who), versions=V1)
            yield case(f"{label}-destroy", f"Destroy under policy {name}", governed(name), m.destroy("$a", who=who), versions=V1)


POLICY = [
    *policy_rows(),
    case("policy.public-key", "A key under the policy `public`", governed("public"), m.get("$a"), versions=V1),
    case("policy.set-attribute", "SetAttribute as another", m.create(save="a"), m.set_attribute("$a", m.sensitive(), who="jane_doe"), versions=V2),
]

LONGEST_IDENTIFIER, LONGEST_VALUE, MOST_VALUES, MOST_BYTES = 1024, 65_536, 10_000, 1 << 20
SECRET = registered("secret-data")


def names_with_many_bytes():
    """Gives an object a few short names, and then long values to each, until they exceed the bound of an object."""
    count = MOST_BYTES // 65_000 + 1
    short = [m.name(f"$case-{number}" if number else "$case", number) for number in range(count)]
    long = [m.modify_attribute("$a", m.name(f"{number:02}" * 32_500, number)) for number in range(count)]
    return [registered("secret-data", *short), *long, m.get_attributes("$a", "Object Type")]


# Sizes that this server bounds and PyKMIP's does not.
BOUNDS = [
    case("bounds.identifier", "An identifier longer than 1,024 bytes", m.get("9" * LONGEST_IDENTIFIER), m.get("9" * (LONGEST_IDENTIFIER + 1))),
    case("bounds.value", "An attribute value longer than 64 KiB", registered("secret-data", m.object_group("g" * 65_000)),
         registered("secret-data", m.object_group("g" * (LONGEST_VALUE + 1)))),
    case("bounds.revocation-message", "A Revocation Message longer than 64 KiB", SECRET, m.revoke("$a", "KEY_COMPROMISE", "n" * (LONGEST_VALUE + 1))),
    case("bounds.values", "An object with more than 10,000 attribute values",
         registered("secret-data", *[m.object_group(f"{number}", number) for number in range(MOST_VALUES + 1)]), versions=[(1, 2)]),
    case("bounds.object", "Attributes of more than 1 MiB", *names_with_many_bytes(), versions=[(1, 2)]),
]

CASES = ASK + HEADER + BATCH + UNREADABLE + ABSENT + POLICY + BOUNDS

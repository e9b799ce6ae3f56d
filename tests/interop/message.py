"""The steps of a comparison: one request message each, and what a reply is reduced to.

A step says what is asked; a case (cases_*.py) is a list of them. Leaves the connections and
the judgement to compare.py. Everything here follows the version of the message: attributes
are a TemplateAttribute in 1.x and an Attributes structure from 2.0 on.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional, Sequence

import ttlv
from kmip.core import enums
from ttlv import choice, data, date, encode, flag, group, number, text

Version = tuple


@dataclass
class Step:
    """One request message with one batch item, or `raw` bytes in place of a message."""

    operation: Any
    payload: Callable[[Version], Sequence[ttlv.Item]]
    save: Sequence[str] = ()
    who: str = "john_doe"
    header: dict = field(default_factory=dict)
    raw: Optional[Callable[[Version], bytes]] = None
    extension: Optional[ttlv.Item] = None
    # How far the payloads of a success must agree: "same", "any order" (of their items, if the order depends on the
    # second in which objects are created), "random" (byte strings agree in their length) or "ignore" (if other cases
    # change them).
    payload_rule: str = "same"
    # A pause in seconds before the step is sent.
    wait: float = 0.0

    def encode(self, version, names):
        """The bytes of this step's message."""
        if self.raw is not None:
            return self.raw(version)
        return encode(self.message(version, [self.item(version)]), names)

    def item(self, version, identifier=None):
        """The batch item of this step."""
        return group(
            "REQUEST_BATCH_ITEM",
            choice("OPERATION", self.operation),
            data("UNIQUE_BATCH_ITEM_ID", identifier) if identifier else None,
            group("REQUEST_PAYLOAD", *self.payload(version)),
            self.extension,
        )

    def message(self, version, items):
        """A request message around batch items, with this step's header."""
        return ttlv.group("REQUEST_MESSAGE", request_header(version, len(items), **self.header), *items)


@dataclass
class Batch(Step):
    """Several steps in one message. `identifiers`: one for each item, or None for none."""

    operation: Any = None
    payload: Any = None
    steps: Sequence[Step] = ()
    identifiers: Optional[Sequence[bytes]] = None

    def encode(self, version, names):
        identifiers = self.identifiers or [bytes([n]) for n in range(1, len(self.steps) + 1)]
        items = [step.item(version, identifier) for step, identifier in zip(self.steps, identifiers)]
        return encode(self.message(version, items), names)


def request_header(
    version,
    count,
    *,
    claimed=None,
    maximum=None,
    asynchronous=None,
    option=None,
    order=None,
    stamp=None,
    batch_count=None,
    credential=None,
):
    """A request header; `claimed` is the version it names, `stamp` seconds from now."""
    major, minor = claimed or version
    return group(
        "REQUEST_HEADER",
        group("PROTOCOL_VERSION", number("PROTOCOL_VERSION_MAJOR", major), number("PROTOCOL_VERSION_MINOR", minor)),
        None if maximum is None else number("MAXIMUM_RESPONSE_SIZE", maximum),
        None if asynchronous is None else _asynchronous(version, asynchronous),
        credential,
        None if option is None else choice("BATCH_ERROR_CONTINUATION_OPTION", option),
        None if order is None else flag("BATCH_ORDER_OPTION", order),
        None if stamp is None else date("TIME_STAMP", int(time.time()) + stamp),
        number("BATCH_COUNT", count if batch_count is None else batch_count),
    )


def _asynchronous(version, wanted):
    # PyKMIP reads a boolean in every version, although 2.0 made it an enumeration.
    return flag("ASYNCHRONOUS_INDICATOR", wanted)


# --- attributes -----------------------------------------------------------------------------


@dataclass
class Attribute:
    """One attribute: its 1.x name, its value behind its 2.0 tag, and an index for 1.x."""

    name: str
    value: ttlv.Item
    index: Optional[int] = None
    # Left out of a 2.0 message: PyKMIP refuses a second value of an attribute there.
    only_1x: bool = False

    def one(self):
        """The 1.x Attribute structure."""
        return group(
            "ATTRIBUTE",
            text("ATTRIBUTE_NAME", self.name),
            None if self.index is None else number("ATTRIBUTE_INDEX", self.index),
            ttlv.renamed(self.value, "ATTRIBUTE_VALUE"),
        )


def template(version, attributes, kind=""):
    """Attributes as a payload carries them; `kind` is "", "COMMON_", "PUBLIC_KEY_" or "PRIVATE_KEY_"."""
    if version < (2, 0):
        return group(f"{kind}TEMPLATE_ATTRIBUTE", *[a.one() for a in attributes])
    return group(f"{kind}ATTRIBUTES", *[a.value for a in attributes if not a.only_1x])


def algorithm(name):
    return Attribute("Cryptographic Algorithm", choice("CRYPTOGRAPHIC_ALGORITHM", enums.CryptographicAlgorithm[name]))


def length(bits):
    return Attribute("Cryptographic Length", number("CRYPTOGRAPHIC_LENGTH", bits))


def usage(*names, bits=None):
    mask = sum(enums.CryptographicUsageMask[name].value for name in names) if bits is None else bits
    return Attribute("Cryptographic Usage Mask", number("CRYPTOGRAPHIC_USAGE_MASK", mask))


def name(value, index=None):
    return Attribute("Name", group("NAME", text("NAME_VALUE", value), choice("NAME_TYPE", 1)), index)


def policy(value):
    return Attribute("Operation Policy Name", text("OPERATION_POLICY_NAME", value))


def object_group(value, index=None):
    return Attribute("Object Group", text("OBJECT_GROUP", value), index)


def application(namespace, value, index=None):
    return Attribute(
        "Application Specific Information",
        group(
            "APPLICATION_SPECIFIC_INFORMATION",
            text("APPLICATION_NAMESPACE", namespace),
            text("APPLICATION_DATA", value),
        ),
        index,
    )


def sensitive(value=True):
    return Attribute("Sensitive", flag("SENSITIVE", value))


def state(value):
    return Attribute("State", choice("STATE", enums.State[value]))


def object_type(value):
    return Attribute("Object Type", choice("OBJECT_TYPE", enums.ObjectType[value]))


def identifier(value):
    return Attribute("Unique Identifier", text("UNIQUE_IDENTIFIER", value))


def dated(attribute_name, value):
    """A date attribute; a small `value` counts from now."""
    tag = attribute_name.upper().replace(" ", "_")
    return Attribute(attribute_name, date(tag, value))


def in_1x(attribute):
    """The same attribute, left out of a 2.0 message."""
    return replace(attribute, only_1x=True)


def custom(attribute_name, value):
    """A 1.x custom attribute (2.0 has a structure in its place; PyKMIP knows neither)."""
    return Attribute(attribute_name, text("CUSTOM_ATTRIBUTE", value))


def certificate_type(value=1):
    return Attribute("Certificate Type", choice("CERTIFICATE_TYPE", value))


def reference(attribute_name, vendor="x"):
    """The 2.0 reference to an attribute by name, in the one form that PyKMIP writes."""
    return group(
        "ATTRIBUTE_REFERENCE", text("VENDOR_IDENTIFICATION", vendor), text("ATTRIBUTE_NAME", attribute_name)
    )


def numbered(attribute_name):
    """The 2.0 reference to an attribute by its tag, as PyKMIP's client writes it; by name where it has no tag."""
    try:
        return choice("ATTRIBUTE_REFERENCE", enums.convert_attribute_name_to_tag(attribute_name))
    except ValueError:
        return reference(attribute_name)


# --- operations -----------------------------------------------------------------------------

AES_128 = (algorithm("AES"), length(128), usage("ENCRYPT", "DECRYPT"))


def uid(value):
    """The Unique Identifier field, or nothing where the value is None."""
    return [] if value is None else [text("UNIQUE_IDENTIFIER", value)]


def create(*attributes, kind="SYMMETRIC_KEY", save=(), **options):
    """Create; without attributes an AES key of 128 bits."""
    wanted = attributes or AES_128
    return Step(
        enums.Operation.CREATE,
        lambda v: [choice("OBJECT_TYPE", enums.ObjectType[kind]), template(v, wanted)],
        save=[save] if isinstance(save, str) else save,
        **options,
    )


def create_key_pair(common=(), public=(), private=(), save=(), **options):
    """CreateKeyPair; `save` names the private key first, as the reply does."""

    def payload(v):
        parts = [("COMMON_", common), ("PRIVATE_KEY_", private), ("PUBLIC_KEY_", public)]
        return [template(v, attributes, kind) for kind, attributes in parts if attributes is not None]

    return Step(enums.Operation.CREATE_KEY_PAIR, payload, save=save, **options)


def register(kind, thing, *attributes, save=(), **options):
    """Register of an object type and a managed object (a tree; see things.py), or None for no object."""
    return Step(
        enums.Operation.REGISTER,
        lambda v: [choice("OBJECT_TYPE", enums.ObjectType[kind]), template(v, attributes)]
        + ([] if thing is None else [thing]),
        save=[save] if isinstance(save, str) else save,
        **options,
    )


def get(who_is, *, form=None, compression=None, wrapping=None, **options):
    def payload(_):
        items = uid(who_is)
        if form is not None:
            items.append(choice("KEY_FORMAT_TYPE", form))
        if compression is not None:
            items.append(choice("KEY_COMPRESSION_TYPE", compression))
        if wrapping is not None:
            items.append(wrapping)
        return items

    return Step(enums.Operation.GET, payload, **options)


def get_attributes(who_is, *names, **options):
    def payload(v):
        if v < (2, 0):
            return uid(who_is) + [text("ATTRIBUTE_NAME", n) for n in names]
        return uid(who_is) + [numbered(n) for n in names]

    return Step(enums.Operation.GET_ATTRIBUTES, payload, **options)


def get_attribute_list(who_is, **options):
    return Step(enums.Operation.GET_ATTRIBUTE_LIST, lambda v: uid(who_is), **options)


def locate(*attributes, maximum=None, offset=None, storage=None, member=None, **options):
    def payload(v):
        items = []
        if maximum is not None:
            items.append(number("MAXIMUM_ITEMS", maximum))
        if offset is not None:
            items.append(number("OFFSET_ITEMS", offset))
        if storage is not None:
            items.append(number("STORAGE_STATUS_MASK", storage))
        if member is not None:
            items.append(choice("OBJECT_GROUP_MEMBER", member))
        if v < (2, 0):
            return items + [a.one() for a in attributes]
        return items + [group("ATTRIBUTES", *[a.value for a in attributes])]

    return Step(enums.Operation.LOCATE, payload, **options)


def activate(who_is, **options):
    return Step(enums.Operation.ACTIVATE, lambda v: uid(who_is), **options)


def destroy(who_is, **options):
    return Step(enums.Operation.DESTROY, lambda v: uid(who_is), **options)


def revoke(who_is, code="CESSATION_OF_OPERATION", note=None, occurred=None, **options):
    """Revoke; `code` None leaves the reason out, `occurred` is in seconds since 1970."""

    def payload(_):
        items = uid(who_is)
        if code is not None:
            parts = [choice("REVOCATION_REASON_CODE", enums.RevocationReasonCode[code])]
            if note is not None:
                parts.append(text("REVOCATION_MESSAGE", note))
            items.append(group("REVOCATION_REASON", *parts))
        if occurred is not None:
            items.append(date("COMPROMISE_OCCURRENCE_DATE", occurred))
        return items

    return Step(enums.Operation.REVOKE, payload, **options)


def query(*functions, **options):
    return Step(enums.Operation.QUERY, lambda v: [choice("QUERY_FUNCTION", f) for f in functions], **options)


def discover_versions(*versions, **options):
    def payload(_):
        return [
            group("PROTOCOL_VERSION", number("PROTOCOL_VERSION_MAJOR", a), number("PROTOCOL_VERSION_MINOR", b))
            for a, b in versions
        ]

    return Step(enums.Operation.DISCOVER_VERSIONS, payload, **options)


def modify_attribute(who_is, new, current=None, **options):
    """ModifyAttribute in the form of the version; in 1.x `current` is not sent."""

    def payload(v):
        if v < (2, 0):
            return uid(who_is) + [new.one()]
        parts = uid(who_is)
        if current is not None:
            parts.append(group("CURRENT_ATTRIBUTE", current.value))
        return parts + [group("NEW_ATTRIBUTE", new.value)]

    return Step(enums.Operation.MODIFY_ATTRIBUTE, payload, **options)


def delete_attribute(who_is, attribute_name=None, index=None, current=None, **options):
    """DeleteAttribute: by name and index in 1.x, by reference or current value in 2.0."""

    def payload(v):
        if v < (2, 0):
            parts = [] if attribute_name is None else [text("ATTRIBUTE_NAME", attribute_name)]
            return uid(who_is) + parts + ([] if index is None else [number("ATTRIBUTE_INDEX", index)])
        if current is not None:
            return uid(who_is) + [group("CURRENT_ATTRIBUTE", current.value)]
        return uid(who_is) + ([] if attribute_name is None else [reference(attribute_name)])

    return Step(enums.Operation.DELETE_ATTRIBUTE, payload, **options)


def set_attribute(who_is, new, **options):
    return Step(enums.Operation.SET_ATTRIBUTE, lambda v: uid(who_is) + [group("NEW_ATTRIBUTE", new.value)], **options)


def add_attribute(who_is, new, **options):
    def payload(v):
        return uid(who_is) + ([new.one()] if v < (2, 0) else [group("NEW_ATTRIBUTE", new.value)])

    return Step(enums.Operation.ADD_ATTRIBUTE, payload, **options)


def raw(make, **options):
    """Bytes that need not be a message. `make` takes the version."""
    return Step(None, lambda v: [], raw=make, **options)

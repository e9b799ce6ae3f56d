"""TTLV by hand: builds any message, also those that PyKMIP's client refuses to send, and
reads replies into plain trees.

An item is (tag, type, value); a structure's value is a list of items. Tags are named as in
PyKMIP's enumeration, or given as numbers. Texts that start with `$` are names of objects:
they are replaced when a message is encoded (KMIP 1.4 section 9.1 has the encoding).
"""

import enum
import struct
from typing import Any, NamedTuple

from kmip.core import enums

STRUCTURE, INTEGER, LONG, BIG, ENUMERATION, BOOLEAN, TEXT, BYTES, DATE, INTERVAL = range(1, 11)

# A reply that claims more than this is not one of these tests'.
LARGEST_REPLY = 8 * 1024 * 1024


class Item(NamedTuple):
    """One TTLV item; `tag` is a number."""

    tag: int
    type: int
    value: Any


class Malformed(Exception):
    """A reply that is no TTLV."""


def tag(name):
    """The number of a tag, from its name in PyKMIP's enumeration or as it is."""
    return name if isinstance(name, int) else enums.Tags[name].value


def tag_name(number):
    """The name of a tag, or its number in hex."""
    try:
        return enums.Tags(number).name
    except ValueError:
        return f"0x{number:06X}"


def group(name, *items):
    """A structure; items that are None are left out."""
    return Item(tag(name), STRUCTURE, [item for item in items if item is not None])


def text(name, value):
    """A text string."""
    return Item(tag(name), TEXT, value)


def number(name, value):
    """An integer of 32 bits."""
    return Item(tag(name), INTEGER, value)


def choice(name, value):
    """An enumeration, by number or by a member of one of PyKMIP's enumerations."""
    return Item(tag(name), ENUMERATION, value.value if isinstance(value, enum.Enum) else value)


def flag(name, value):
    """A boolean."""
    return Item(tag(name), BOOLEAN, value)


def data(name, value):
    """A byte string."""
    return Item(tag(name), BYTES, value)


def date(name, value):
    """A date-time in seconds since 1970."""
    return Item(tag(name), DATE, value)


def interval(name, value):
    """An interval in seconds."""
    return Item(tag(name), INTERVAL, value)


def renamed(item, name):
    """The same value behind another tag."""
    return item._replace(tag=tag(name))


def encode(item, names=None):
    """The bytes of one item. `names` maps the names of objects to their identifiers."""
    kind, value = item.type, item.value
    if isinstance(value, (bytes, bytearray)) and kind != BYTES:
        body = bytes(value)  # given raw, to send what no encoder would
    elif kind == STRUCTURE:
        body = b"".join(child if isinstance(child, bytes) else encode(child, names) for child in value)
    elif kind == INTEGER:
        body = struct.pack("!i", value)
    elif kind == LONG or kind == DATE:
        body = struct.pack("!q", value)
    elif kind == ENUMERATION or kind == INTERVAL:
        body = struct.pack("!I", value)
    elif kind == BOOLEAN:
        body = struct.pack("!Q", int(value))
    elif kind == TEXT:
        body = resolved(value, names or {}).encode()
    else:
        body = bytes(value)
    return struct.pack("!I", item.tag)[1:] + struct.pack("!BI", kind, len(body)) + body + bytes(-len(body) % 8)


def resolved(value, names):
    """A text with `$name` replaced; an object that was not made keeps its name."""
    if value.startswith("$"):
        return names.get(value, value)
    return value


def decode(buffer):
    """The items of a buffer. Raises Malformed."""
    items, at = [], 0
    while at < len(buffer):
        if len(buffer) - at < 8:
            raise Malformed(f"{len(buffer) - at} bytes where an item should begin")
        number_, kind, length = int.from_bytes(buffer[at : at + 3], "big"), buffer[at + 3], _length(buffer, at)
        body = bytes(buffer[at + 8 : at + 8 + length])
        if len(body) != length:
            raise Malformed(f"{tag_name(number_)} ends early")
        items.append(Item(number_, kind, _value(kind, body)))
        at += 8 + length + (-length % 8)
    return items


def _length(buffer, at):
    return int.from_bytes(buffer[at + 4 : at + 8], "big")


def _value(kind, body):
    if kind == STRUCTURE:
        return decode(body)
    if kind == INTEGER:
        return struct.unpack("!i", body)[0]
    if kind in (LONG, DATE):
        return struct.unpack("!q", body)[0]
    if kind in (ENUMERATION, INTERVAL):
        return struct.unpack("!I", body)[0]
    if kind == BOOLEAN:
        return bool(struct.unpack("!Q", body)[0])
    if kind == TEXT:
        return body.decode()
    return body


def find(items, name):
    """The first child with this tag, or None."""
    wanted = tag(name)
    return next((item for item in items if item.tag == wanted), None)


def value_of(items, name, default=None):
    """The value of the first child with this tag."""
    found = find(items, name)
    return default if found is None else found.value

"""Products: batches of two with every pair of operations, and random sequences of requests."""

import random
from dataclasses import replace

import message as m
import ttlv
from case import ALL
from kmip.core import enums
from product import Product
from products_attributes import BY_NAME, REQUESTS, SENSITIVE_SINCE
from products_objects import ABSENT, KINDS, SEEN, STEPS, as_person, registered

# So many sequences, of so many requests each.
SEQUENCES = 2000
LENGTH = 12
SEED = 15
# So many of them are in the subset.
IN_SUBSET = 60
# The requests that are in batches: one of each operation.
EACH = tuple({step.operation: name for name, step in reversed(STEPS.items())}.values())[::-1]
OPTIONS = {"default": None, "continue": enums.BatchErrorContinuationOption.CONTINUE}
PREPARE = [registered("symmetric-key", m.name("$case")), m.activate("$a"), m.register(
    "SYMMETRIC_KEY", KINDS["symmetric-key"][1], m.usage("WRAP_KEY", "DERIVE_KEY"), save="w")]


def batch_cell(first, second, option, version):
    header = {} if OPTIONS[option] is None else {"option": OPTIONS[option]}
    batch = m.Batch(steps=[STEPS[first], STEPS[second]], header=header)
    return PREPARE, [batch, m.get_attributes("$a", *SEEN)]


# --- sequences --------------------------------------------------------------------------------

# What PyKMIP has, and how often; each name with the first and the last version that PyKMIP reads it in.
FREQUENT = ("activate", "revoke", "get", "get-attributes", "get-attribute-list", "locate", "locate-state", "encrypt", "sign", "mac")
SINCE = {"set-": (2, 0), "discover": (1, 1), **dict.fromkeys(("encrypt", "decrypt", "sign", "verify", "mac"), (1, 2))}
CHANGES = {
    "modify": (1, 0), "modify-0": (1, 0), "delete": (1, 0), "delete-0": (1, 0), "get": (1, 0), "locate": (1, 0),
    "set": (2, 0), "modify-current": (2, 0),
}
CHANGED = ("name", "object-group", "application-specific-information", "sensitive", "state", "cryptographic-usage-mask", "initial-date")


def readable(names, version):
    """The operations among these that PyKMIP has in the version."""
    return [
        name for name in names
        if name not in ABSENT and all(version >= since for start, since in SINCE.items() if name.startswith(start))
    ]


OBJECTS = ("a", "b", "c")


def sequence_cell(number, version):
    chance = random.Random(SEED * SEQUENCES + number)
    steps = [made(chance, name) for name in OBJECTS]
    while len(steps) < LENGTH:
        steps.append(about(chance, "$" + chance.choice(OBJECTS), version))
    return [], steps


def made(chance, name):
    """A step that makes an object."""
    names = (m.name("$case", 0), m.in_1x(m.name(f"$case-{name}", 1)))[: chance.randint(1, 2)]
    group = (m.object_group("g", 0),) if chance.random() < 0.5 else ()
    if chance.random() < 0.3:
        # A new key does not encrypt: its bytes are random.
        return m.create(m.algorithm("AES"), m.length(128), m.usage("EXPORT"), *names, *group, save=name)
    return registered(chance.choice(tuple(KINDS)), *names, *group, save=name)


def about(chance, target, version):
    """A random request about an object."""
    if chance.random() < 0.3:
        changes = [name for name, since in CHANGES.items() if version >= since and not (version >= (2, 0) and name.endswith("-0"))]
        names = [name for name in CHANGED if name != "sensitive" or version >= SENSITIVE_SINCE]
        step = REQUESTS[chance.choice(changes)](BY_NAME[chance.choice(names)])
    else:
        step = STEPS[chance.choice(readable(FREQUENT if chance.random() < 0.4 else STEPS, version))]
    step = replace(step, payload=aimed(step.payload, target), save=("n", "o") if step.save else ())
    return as_person(step, "jane_doe") if chance.random() < 0.15 else step


def aimed(payload, target):
    """The payload with another object in place of `$a`."""

    def other(item):
        if item.type == ttlv.STRUCTURE:
            return item._replace(value=[other(child) for child in item.value])
        return item._replace(value=target) if item.value == "$a" else item

    return lambda version: [other(item) for item in payload(version)]


PRODUCTS = (
    Product(
        "batch",
        {"first": EACH, "second": EACH, "option": tuple(OPTIONS), "version": ((1, 0), (1, 2), (2, 0))},
        batch_cell,
        possible=lambda first, second, option, version: option == "default" or version == (1, 2),
    ),
    Product(
        "sequence",
        {"number": tuple(range(SEQUENCES)), "version": ALL},
        sequence_cell,
        possible=lambda number, version: version == ALL[number % len(ALL)],
        first=IN_SUBSET,
    ),
)

"""What an answer is reduced to, and where two answers differ."""

import json
import re
import time

import ttlv
from kmip.core import enums

# Messages with this beginning are read by clients, so their text must agree.
READ_BY_CLIENTS = "Could not locate object"
# The cases use identifiers of this length for objects that do not exist; the servers do not come to them.
LENGTH_OF_UNUSED = 8

# The structures that only responses of the other dialect have: what 1.x lacks, and what 2.0 lacks.
FOREIGN_TAGS = {
    False: {"ATTRIBUTES", "ATTRIBUTE_REFERENCE"},
    True: {"TEMPLATE_ATTRIBUTE", "ATTRIBUTE", "ATTRIBUTE_INDEX"},
}


def flat(steps):
    """The steps of a case with those inside of batches."""
    for step in steps:
        yield step
        yield from flat(getattr(step, "steps", ()))


def reduced(how, answer, step, names, secret):
    """A reply as plain data without what differs by nature: identifiers, times, and new keys if `secret`."""
    if how != "answer":
        return {"reply": how}
    try:
        content = ttlv.decode(answer)[0].value
    except (ttlv.Malformed, IndexError, UnicodeDecodeError) as error:
        return {"reply": f"malformed: {error}"}
    header = ttlv.find(content, "RESPONSE_HEADER").value
    version = ttlv.find(header, "PROTOCOL_VERSION").value
    items = [item.value for item in content if item.tag == ttlv.tag("RESPONSE_BATCH_ITEM")]
    steps = getattr(step, "steps", None) or [step] * len(items)
    for item, each in zip(items, steps):
        remember(item, each, names)
    rules = [each.payload_rule for each in steps] + ["same"] * len(items)
    return {
        "reply": "answer",
        "version": "{}.{}".format(*(part.value for part in version)),
        "count": ttlv.value_of(header, "BATCH_COUNT"),
        "items": [reduced_item(item, names, "all" if rule == "random" else secret) for item, rule in zip(items, rules)],
    }


def remember(item, step, names):
    """Keeps the identifiers of a success under the names that the step gives them."""
    payload = ttlv.find(item, "RESPONSE_PAYLOAD")
    if payload is None or not step.save:
        return
    wanted = [ttlv.tag(t) for t in ("UNIQUE_IDENTIFIER", "PRIVATE_KEY_UNIQUE_IDENTIFIER", "PUBLIC_KEY_UNIQUE_IDENTIFIER")]
    found = [child.value for child in payload.value if child.tag in wanted]
    for name, value in zip(step.save, found):
        names[f"${name}"] = value


def reduced_item(item, names, secret):
    operation = ttlv.value_of(item, "OPERATION")
    reason = ttlv.value_of(item, "RESULT_REASON")
    payload = ttlv.find(item, "RESPONSE_PAYLOAD")
    text = ttlv.value_of(item, "RESULT_MESSAGE")
    identifier = ttlv.value_of(item, "UNIQUE_BATCH_ITEM_ID")
    return {
        "operation": None if operation is None else named(enums.Operation, operation),
        "id": None if identifier is None else identifier.hex(),
        "status": named(enums.ResultStatus, ttlv.value_of(item, "RESULT_STATUS")),
        "reason": None if reason is None else named(enums.ResultReason, reason),
        "message": None if text is None else without_identifiers(text, names),
        "payload": None if payload is None else plain(payload, names, secret)[2],
    }


def named(kind, value):
    try:
        return kind(value).name
    except ValueError:
        return hex(value)


def without_identifiers(text, names):
    for name, value in names.items():
        if name != "$case":
            text = re.sub(rf"(?<![\w.-]){re.escape(value)}(?![\w.-])", name, text)
    return text


def plain(item, names, secret):
    """Returns [tag, type, value], a structure with its children; replaces what differs by nature."""
    name = ttlv.tag_name(item.tag)
    return [name, item.type, plain_value(item, name, names, secret)]


def plain_value(item, name, names, secret):
    if item.type == ttlv.STRUCTURE:
        return [plain(child, names, secret) for child in item.value]
    if item.type == ttlv.TEXT:
        known = next((n for n, v in names.items() if v == item.value and n != "$case"), None)
        made = name.endswith("IDENTIFIER") and item.value.isdigit() and len(item.value) < LENGTH_OF_UNUSED
        return known or ("<other object>" if made else item.value)
    if item.type == ttlv.DATE:
        recent = abs(item.value - time.time()) < 3600
        return "<now>" if recent else item.value
    if name == "SHORT_UNIQUE_IDENTIFIER":
        return next((n for n, v in names.items() if v == str(int.from_bytes(item.value, "big"))), item.value.hex())
    if item.type in (ttlv.BYTES, ttlv.BIG):
        if secret == "all":
            return f"<{len(item.value)} bytes>"
        hidden = secret and name in ("KEY_MATERIAL", "DIGEST_VALUE")
        return f"<{len(item.value)} bytes>" if hidden and name != "KEY_MATERIAL" else "<new key>" if hidden else item.value.hex()
    return item.value


def items_of(reply):
    """The reduced batch items of a reply."""
    return reply.get("items", ())


def differences(steps_sent, theirs, ours, texts=False):
    """Returns {place: (PyKMIP's, ours)} for what differs; a place is `2.status`, or `2.1.payload` inside a batch."""
    found = {}

    def compare(place, reference, other):
        if reference != other:
            found[place] = (reference, other)

    for index, (step, reference, other) in enumerate(zip(steps_sent, theirs, ours), 1):
        steps = getattr(step, "steps", None) or [step]
        for field in ("reply", "version", "count"):
            compare(f"{index}.{field}", reference.get(field), other.get(field))
        a, b = items_of(reference), items_of(other)
        for number in range(1, max(len(a), len(b)) + 1):
            place = f"{index}" if max(len(a), len(b)) == 1 else f"{index}.{number}"
            if number > min(len(a), len(b)):
                found[f"{place}.item"] = (number <= len(a), number <= len(b))
                continue
            one, two = a[number - 1], b[number - 1]
            for field in ("operation", "id", "status", "reason"):
                compare(f"{place}.{field}", one[field], two[field])
            rule = steps[number - 1].payload_rule if number <= len(steps) else "same"
            if rule != "ignore":
                compare(f"{place}.payload", ordered(one["payload"], rule), ordered(two["payload"], rule))
            if texts or (one["message"] or "").startswith(READ_BY_CLIENTS):
                compare(f"{place}.message", one["message"], two["message"])
    return found


def faults(steps_sent, version, theirs, ours):
    """Returns what is malformed in our replies that differ from PyKMIP's, although the difference has a reason.

    A reply has the version of its request, one item for each item of the request up to the first that fails, with its
    operation and identifier, and the attributes in the form of that version.
    """
    found = []
    for index, (step, reference, reply) in enumerate(zip(steps_sent, theirs, ours), 1):
        if reply != reference:
            found += [f"step {index}: {fault}" for fault in faults_of(step, "{}.{}".format(*version), reply)]
    return found


def faults_of(step, version, reply):
    """Yields what is malformed in one reply."""
    if reply["reply"] != "answer":
        yield f"our server gives {reply['reply']}"
        return
    steps = getattr(step, "steps", None) or [step]
    items = items_of(reply)
    if reply["version"] != version:
        yield f"our answer has the version {reply['version']}"
    if not items or len(items) != reply["count"] or len(items) > len(steps):
        yield f"our answer has {len(items)} items, the Batch Count {reply['count']}, the request {len(steps)} items"
    for number, (each, item) in enumerate(zip(steps, items), 1):
        identifier = bytes([number]).hex() if each is not step else None
        if (item["operation"], item["id"]) != (each.operation.name, identifier):
            yield f"our item {number} has the operation {item['operation']} and the identifier {item['id']}"
        success = item["status"] == "SUCCESS"
        if (item["reason"] is None) != success or (item["payload"] is not None and not success):
            yield f"our item {number} has the status {item['status']}, the reason {item['reason']}, the payload {item['payload']}"
        foreign = FOREIGN_TAGS[version >= "2.0"] & set(tags_of(item["payload"]))
        if foreign:
            yield f"our item {number} of {version} has {', '.join(sorted(foreign))}"


def tags_of(payload):
    """Yields the names of all tags in a reduced payload."""
    for name, kind, value in payload or ():
        yield name
        if kind == ttlv.STRUCTURE:
            yield from tags_of(value)


def short(reply):
    """One line for a reply."""
    if reply["reply"] != "answer":
        return {"none": "no answer", "closed": "connection closed"}.get(reply["reply"], reply["reply"])
    parts = []
    for item in reply["items"]:
        words = [item["status"]] if item["reason"] is None else [f"{item['status']}/{item['reason']}"]
        words += ["(no operation)"] if item["operation"] is None else []
        words += [f"“{item['message']}”"] if item["message"] else []
        parts.append(" ".join(words))
    return f"{reply['version']}: " + " | ".join(parts)


def ordered(payload, rule):
    """Returns a payload as its rule has it compared."""
    return sorted(payload, key=json.dumps) if payload is not None and rule == "any order" else payload



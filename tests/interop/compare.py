"""The side-by-side: sends the same messages to PyKMIP's server and to ours, and compares.

    python compare.py --server target/debug/run_server [--only activate] [--versions 1.0,2.0]
    python compare.py --facts facts.md      (PyKMIP's server alone; writes what it answers)

The cases are tables (cases_*.py). Compared are: that there is a reply, its header's version,
the number of items, each item's operation, identifier, status, reason and payload, and the text "Could not locate
object: ID". reasons.py judges what differs.
"""

import argparse
import collections
import concurrent.futures
import json
import logging
import pathlib
import re
import socket
import ssl
import sys
import tempfile
import threading
import time

import cases
import message
import ttlv
from kmip.core import enums
from pki import PEOPLE, Pki
from reasons import Reasons, write_class_counts
from server import Server, reference_command

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0)]
# PyKMIP leaves some requests without an answer; an answer takes it a few milliseconds. Ours must
# answer, and is given the time that a debug build needs for an RSA key.
REPLY_SECONDS = {"PyKMIP": 3, "ours": 30}
# A case about order takes a tenth of a second on either server; one that begins later in a
# second than this waits for the next.
ENOUGH_LEFT = 0.4
ALIGNED_TRIES = 10
# So many pairs of servers share the versions.
LANES = 3
# Messages with this beginning are read by clients, so their text must agree.
READ_BY_CLIENTS = "Could not locate object"


class Connection:
    """One client's TLS connection, opened again after the server closed it."""

    def __init__(self, server, pki, person, patience):
        self._server, self._pki, self._person, self._patience = server, pki, person, patience
        self._socket = None

    def ask(self, request):
        """Sends bytes and returns ("answer", bytes), ("none", b"") or ("closed", b"")."""
        try:
            if self._socket is None:
                self._socket = self._open()
            self._socket.sendall(request)
            header = self._receive(8)
            if header is None:
                return self._lost("closed")
            size = int.from_bytes(header[4:8], "big")
            if size > ttlv.LARGEST_REPLY:
                return self._lost("closed")
            body = self._receive(size)
            return ("answer", header + body) if body is not None else self._lost("closed")
        except socket.timeout:
            return self._lost("none")
        except (ConnectionError, ssl.SSLError):
            return self._lost("closed")

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _lost(self, how):
        self.close()
        return how, b""

    def _open(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._pki.ca_path)
        context.load_cert_chain(self._pki.certificate(self._person), self._pki.key(self._person))
        plain = socket.create_connection(("127.0.0.1", self._server.port), timeout=self._patience)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def _receive(self, size):
        got = b""
        while len(got) < size:
            part = self._socket.recv(size - len(got))
            if not part:
                return None
            got += part
        return got


class Side:
    """One of the two servers, with its connections."""

    def __init__(self, name, server, pki):
        self.name, self.server = name, server
        self._connections = {person: Connection(server, pki, person, REPLY_SECONDS[name]) for person in PEOPLE}

    def run(self, case, version):
        """Sends a case's messages; returns one reduced reply for each."""
        names = {"$case": f"{case.name}-{version[0]}.{version[1]}"}
        secret = any(step.operation in MAKES_RANDOM for step in flat(case.steps))
        replies = []
        for step in case.steps:
            time.sleep(step.wait)
            connection = self._connections[step.who]
            how, answer = connection.ask(step.encode(version, names))
            replies.append(reduced(how, answer, step, names, secret))
        self._clean_up(names, version)
        return replies

    def _clean_up(self, names, version):
        """Destroys what a case left: PyKMIP looks at every object that it has in each Locate."""
        for name, identifier in names.items():
            if name != "$case":
                for step in (message.revoke(identifier, "KEY_COMPROMISE"), message.destroy(identifier)):
                    self._connections["john_doe"].ask(step.encode(version, {}))

    def close(self):
        for connection in self._connections.values():
            connection.close()


MAKES_RANDOM = (enums.Operation.CREATE, enums.Operation.CREATE_KEY_PAIR)


def flat(steps):
    """The steps of a case with those inside of batches."""
    for step in steps:
        yield step
        yield from flat(getattr(step, "steps", ()))


def reduced(how, answer, step, names, secret):
    """A reply as plain data without what differs by nature (identifiers, times, new keys)."""
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
    return {
        "reply": "answer",
        "version": "{}.{}".format(*(part.value for part in version)),
        "count": ttlv.value_of(header, "BATCH_COUNT"),
        "items": [reduced_item(item, names, secret) for item in items],
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
        return next((n for n, v in names.items() if v == item.value and n != "$case"), item.value)
    if item.type == ttlv.DATE:
        recent = abs(item.value - time.time()) < 3600
        return "<now>" if recent else item.value
    if name == "SHORT_UNIQUE_IDENTIFIER":
        return next((n for n, v in names.items() if v == str(int.from_bytes(item.value, "big"))), item.value.hex())
    if item.type in (ttlv.BYTES, ttlv.BIG):
        hidden = secret and name in ("KEY_MATERIAL", "DIGEST_VALUE")
        return f"<{len(item.value)} bytes>" if hidden and name != "KEY_MATERIAL" else "<new key>" if hidden else item.value.hex()
    return item.value


# --- judgement ------------------------------------------------------------------------------


def differences(case, theirs, ours, texts=False):
    """Returns {place: (PyKMIP's, ours)} for what differs; a place is `2.status`, or `2.1.payload` inside a batch."""
    found = {}

    def compare(place, reference, other):
        if reference != other:
            found[place] = (reference, other)

    for index, (step, reference, other) in enumerate(zip(case.steps, theirs, ours), 1):
        steps = getattr(step, "steps", None) or [step]
        for field in ("reply", "version", "count"):
            compare(f"{index}.{field}", reference.get(field), other.get(field))
        a, b = reference.get("items", ()), other.get("items", ())
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
            if (texts and case.text) or (one["message"] or "").startswith(READ_BY_CLIENTS):
                compare(f"{place}.message", one["message"], two["message"])
    return found


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


# --- running --------------------------------------------------------------------------------


def selected(only):
    """The cases to run: all, or those whose name has one of the texts."""
    return [case for case in cases.ALL if not only or any(part in case.name for part in only)]


def policy_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.json").write_text(json.dumps(cases.POLICIES))
    return folder


def start_side(name, command, folder, pki):
    # DEBUG makes PyKMIP write a page for each object in each Locate.
    settings = {"enable_tls_client_auth": "False", "logging_level": "WARNING"}
    server = Server(command, folder, pki, policies=policy_files(folder / "policies"), settings=settings)
    return Side(name, server.start(), pki)


def run(command, folder, chosen, versions, write=print, update=False, texts=False):
    """Compares; returns the number of unexpected results. `update` writes deviations.json and answers.json anew."""
    verdict = Verdict(Reasons(), write, texts)
    pki = Pki(folder / "pki")
    lanes = [versions[i::LANES] for i in range(LANES)]
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        work = [
            pool.submit(run_lane, command, folder / f"lane{i}", pki, chosen, lane, verdict) for i, lane in enumerate(lanes) if lane
        ]
        for done in work:
            done.result()
    if update:
        verdict.reasons.update(chosen)
        if len(chosen) == len(cases.ALL):
            write_class_counts()
    bad = verdict.bad + verdict.reasons.unknown({case.name for case in cases.ALL})
    write("")
    for line in bad:
        write(line)
    for name, count in verdict.reasons.counts().items():
        write(f"{count:6} differ by the class {name!r}")
    write(f"{verdict.counts['same']} agree, {verdict.counts['known']} differ for a reason, {len(bad)} are wrong")
    return len(bad)


def run_lane(command, folder, pki, chosen, versions, verdict):
    """Some of the versions, on two servers of their own: most of the time goes by waiting for one of them."""
    sides = []
    try:
        for name, start in (("PyKMIP", reference_command()), ("ours", command)):
            sides.append(start_side(name, start, folder / name, pki))
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            for case in chosen:
                for version in versions:
                    if version in case.versions:
                        verdict.judge(case, version, *replies(case, version, sides, both))
    finally:
        for side in sides:
            side.close()
            side.server.kill()


def replies(case, version, sides, both):
    """What either side answers. A case about order within a second is run again where it took longer than one."""
    for _ in range(ALIGNED_TRIES if case.aligned else 1):
        if case.aligned:
            wait_for_a_fresh_second()
        begun = int(time.time())
        theirs, ours = both.map(lambda side: side.run(case, version), sides)
        if int(time.time()) == begun:
            break
    return theirs, ours


class Verdict:
    """What the comparison found so far; several lanes add to it."""

    def __init__(self, reasons, write, texts):
        self.reasons, self._write, self._texts = reasons, write, texts
        self.counts, self.bad = collections.Counter(), []
        self._one_at_a_time = threading.Lock()

    def judge(self, case, version, theirs, ours):
        """Adds one case in one version."""
        with self._one_at_a_time:
            self._judge(case, version, theirs, ours)

    def _judge(self, case, version, theirs, ours):
        found = differences(case, theirs, ours, self._texts)
        wrong = self.reasons.problems(case.name, version, sorted(found), ours)
        if not wrong:
            self.counts["known" if found else "same"] += 1
            return
        name = "{} {}.{}".format(case.name, *version)
        shown = [f"    {place}:\n      PyKMIP {json.dumps(a)}\n      ours   {json.dumps(b)}" for place, (a, b) in sorted(found.items())]
        self.bad.append("\n".join([f"WRONG   {name} ({case.about}): {'; '.join(wrong)}", *shown]))
        self._write(f"WRONG   {name}: {wrong[0]}")


def wait_for_a_fresh_second():
    """Locate orders by second: a case about order must not begin at the end of one."""
    spent = time.time() % 1.0
    if spent > ENOUGH_LEFT:
        time.sleep(1.01 - spent)


def facts(folder, chosen, versions, path):
    """Writes what PyKMIP's server answers to every case, versions with one answer together."""
    pki = Pki(folder / "pki")
    side = start_side("PyKMIP", reference_command(), folder / "PyKMIP", pki)
    lines = ["| case | about | versions | PyKMIP's answers | payload |", "|---|---|---|---|---|"]
    try:
        for case in chosen:
            answers = collections.OrderedDict()
            for version in versions:
                if version in case.versions:
                    replies = side.run(case, version)
                    payloads = [i["payload"] for i in replies[-1].get("items", ()) if i["payload"] is not None]
                    key = (fact(replies, version), json.dumps(payloads[-1]) if payloads else "")
                    answers.setdefault(key, []).append("{}.{}".format(*version))
            for (text, payload), where in answers.items():
                lines.append(f"| {case.name} | {case.about} | {span(where)} | {text} | {payload} |")
    finally:
        side.close()
        side.server.kill()
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 2} facts in {path}")


def fact(replies, version):
    """Returns the last answer, and earlier answers that are no plain success."""
    texts = []
    for index, reply in enumerate(replies):
        text = short(reply)
        text = text[5:] if text.startswith("{}.{}: ".format(*version)) else text
        if index == len(replies) - 1 or text != "SUCCESS":
            texts.append(text)
    return " ⇒ ".join(texts)


def span(versions):
    """"all", or the versions of a fact."""
    return "all" if len(versions) == len(VERSIONS) else ", ".join(versions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server", help="the executable to compare, or `reference` for PyKMIP with itself")
    parser.add_argument("--only", action="append", help="only cases whose name has this text")
    parser.add_argument("--versions", default="1.0,1.1,1.2,1.3,1.4,2.0")
    parser.add_argument("--facts", help="write what PyKMIP's server answers to this file")
    parser.add_argument("--update", action="store_true", help="write deviations.json and answers.json anew")
    parser.add_argument("--texts", action="store_true", help="compare result messages too, where a case asks for it")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    chosen = selected(options.only)
    if options.list:
        for case in chosen:
            print(f"{case.name}: {case.about}")
        return 0
    versions = [tuple(int(n) for n in v.split(".")) for v in options.versions.split(",")]
    with tempfile.TemporaryDirectory(prefix="kmip-compare-") as folder:
        folder = pathlib.Path(folder)
        if options.facts:
            facts(folder, chosen, versions, options.facts)
            return 0
        if not options.server:
            parser.error("name the server: --server PATH")
        path = options.server
        command = reference_command() if path == "reference" else [str(pathlib.Path(path).resolve())]
        wrong = run(command, folder, chosen, versions, update=options.update, texts=options.texts)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the comparison accepts: deviations.json has the reasons, answers.json pins our answers.

A reason belongs to one class and lists what it covers, exactly: cases, their versions and the places that differ
(`2.status` is a field of step 2, `2.1.payload` one of the first item of a batch in step 2). The comparison fails if a
case differs elsewhere, if a covered place no longer differs, and if our answer to a covered step is not the pinned one.
`compare.py --update` writes both files anew; new differences land in the class `unclassified`, which also fails. Run as a program, this
module writes the counts of the classes into COMPATIBILITY.md, as `compare.py --update` does after a complete run.
"""

import collections
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
REASONS, ANSWERS = HERE / "deviations.json", HERE / "answers.json"
# The page with the class counts, and the marks around them.
PAGE = HERE.parent.parent / "COMPATIBILITY.md"
MARKS = "<!-- classes: begin -->\n", "<!-- classes: end -->"
PRODUCT_MARKS = "<!-- products: begin -->\n", "<!-- products: end -->"
UNCLASSIFIED = "unclassified"
# Each class with what it means for a client that works with PyKMIP's server.
CLASSES = {
    "no answer": "PyKMIP sends no response; this server does",
    "general failure": "PyKMIP answers General Failure; this server gives a result or a precise reason",
    "cannot parse": "PyKMIP cannot read the request; this server can",
    "lacks the operation": "PyKMIP does not have the operation",
    "addition": "PyKMIP refuses what this server supports",
    "envelope": "both refuse with the same reason; this server names the operation and the version of the request",
    "security": "PyKMIP's answer would reveal or accept what its own documentation or the standard protects against, or has no bound",
    "random": "the answer depends on random bytes",
}
MOST_REASONS = 60
# A pinned payload that is longer than this is kept as its digest.
LONGEST_PAYLOAD = 160


def label(version):
    return "{}.{}".format(*version)


class Reasons:
    """The two files, and what a run found of them."""

    def __init__(self, reasons=REASONS, answers=ANSWERS):
        self.rows = json.loads(reasons.read_text()) if reasons.exists() else []
        self.pins = json.loads(answers.read_text()) if answers.exists() else {"cases": {}, "subset": {}, "product": {}}
        self._pinned = self.pins["cases"]
        self._covered = {}
        for row in self.rows:
            for case, entries in row.get("covers", {}).items():
                for entry in entries:
                    for version in entry["versions"]:
                        self._covered.setdefault((case, version), {}).update(dict.fromkeys(entry["places"], row))
        self._found = {}
        self._answers = {}

    def problems(self, case, version, places, replies):
        """Returns what is wrong with a case in a version: `places` differ, and `replies` are our answers."""
        key = (case, label(version))
        covered = self._covered.get(key, {})
        self._found[key] = {place: covered.get(place) for place in places}
        steps = sorted({int(place.split(".")[0]) for place in places})
        answers = {str(step): pinned(replies[step - 1]) for step in steps}
        self._answers[key] = answers
        wrong = [f"{place} differs and no reason covers it" for place in places if place not in covered]
        wrong += [f"{place} no longer differs: remove it from deviations.json" for place in covered if place not in places]
        if not wrong and places and without_messages(self._pin(*key)) != answers:
            wrong.append("our answer is not the pinned one (answers.json)")
        return wrong

    def _pin(self, case, version):
        return next((entry["steps"] for entry in self._pinned.get(case, ()) if version in entry["versions"]), None)

    def unknown(self, cases):
        """Returns complaints about the file itself."""
        wrong = [f"deviations.json names no case: {case}" for case, _ in self._covered if case not in cases]
        wrong += [f"deviations.json: {row['why']!r} has no class" for row in self.rows if row["class"] not in CLASSES]
        rules = [rule for row in self.rows for rule in row.get("when", ())]
        wrong += [f"deviations.json: {rule} covers any answer of ours; state \"ours\"" for rule in rules if "ours" not in rule]
        counted = [row for row in self.rows if row["class"] != "security"]
        if len(counted) > MOST_REASONS:
            wrong.append(f"deviations.json has {len(counted)} reasons; {MOST_REASONS} are allowed")
        return sorted(set(wrong))

    def counts(self):
        """Returns how many cases, each in one version, a class covers."""
        covered = collections.Counter()
        for places in self._found.values():
            covered.update({row["class"] if row else UNCLASSIFIED for row in places.values()})
        return {name: covered[name] for name in CLASSES if covered[name]}

    def update(self):
        """Writes both files anew from what the run found; cases that did not run keep their entries."""
        rows = collections.OrderedDict()
        for row in self.rows:
            rows[row["class"], row["why"]] = {}
        for (case, version), places in self._covered.items():
            if (case, version) not in self._found:
                for place, row in places.items():
                    rows[row["class"], row["why"]].setdefault(case, {}).setdefault(version, []).append(place)
        for (case, version), places in self._found.items():
            for place, row in places.items():
                key = (row["class"], row["why"]) if row else (UNCLASSIFIED, "not judged yet")
                rows.setdefault(key, {}).setdefault(case, {}).setdefault(version, []).append(place)
        rules = {row["why"]: row["when"] for row in self.rows if "when" in row}
        written = []
        for (kind, why), cases in rows.items():
            row = {"class": kind, "why": why, "when": rules.get(why)}
            row["covers"] = {case: grouped(versions, "places") for case, versions in sorted(cases.items())}
            written += [row] if cases or row["when"] else []
        REASONS.write_text(dumped_rows(written))
        pins = {}
        for case, entries in self._pinned.items():
            for entry in entries:
                for version in entry["versions"]:
                    if (case, version) not in self._found and (case, version) in self._covered:
                        pins.setdefault(case, {})[version] = entry["steps"]
        for (case, version), places in self._found.items():
            if places:
                pins.setdefault(case, {})[version] = self._answers[case, version]
        self.pins["cases"] = {case: grouped(versions, "steps") for case, versions in sorted(pins.items())}
        parts = []
        for part, entries in self.pins.items():
            lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
            parts.append(f"{json.dumps(part)}: {{\n{lines}\n}}")
        ANSWERS.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def write_counts():
    """Writes the counts into COMPATIBILITY.md."""
    page = between(PAGE.read_text(), MARKS, class_counts())
    PAGE.write_text(between(page, PRODUCT_MARKS, product_counts()))


def between(page, marks, lines):
    """Returns the page with other lines between these marks."""
    before, rest = page.split(marks[0])
    return before + marks[0] + "\n".join(lines) + "\n" + rest[rest.index(marks[1]) :]


def class_counts():
    """Returns a table: how many cases, each in one version, deviations.json covers by a reason of each class."""
    covered = collections.defaultdict(set)
    for row in json.loads(REASONS.read_text()):
        for case, entries in row.get("covers", {}).items():
            covered[row["class"]].update((case, version) for entry in entries for version in entry["versions"])
    lines = ["| Class | Meaning | Cases |", "|---|---|---|"]
    return lines + [f"| {name} | {meaning} | {len(covered[name])} |" for name, meaning in CLASSES.items() if covered[name]]


def product_counts():
    """Returns a table: how many cells of each product agree, and how many differ by each class."""
    classes = {row["why"]: row["class"] for row in json.loads(REASONS.read_text())}
    lines = ["| Product | Cells | Batch items | Same | Differ by class |", "|---|---|---|---|---|"]
    for name, pins in json.loads(ANSWERS.read_text())["product"].items():
        counts = collections.Counter()
        for why, (cells, _) in pins["differ"].items():
            counts[classes[why]] += cells
        differ = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
        lines.append(f"| {name} | {pins['cells']} | {pins['items']} | {pins['same']} | {differ} |")
    return lines


def pinned(reply):
    """Returns a reply as answers.json has it."""
    if not reply.get("items"):
        return reply
    items = []
    for item in reply["items"]:
        text = json.dumps(item["payload"])
        payload = item["payload"] if len(text) <= LONGEST_PAYLOAD else "sha256 " + hashlib.sha256(text.encode()).hexdigest()[:32]
        kept = {**item, "payload": payload, "message": None}
        items.append({key: value for key, value in kept.items() if value is not None})
    return {**reply, "items": items}


def without_messages(steps):
    """Returns pinned steps without result messages, whose wording may change."""
    for reply in (steps or {}).values():
        for item in reply.get("items", ()):
            item.pop("message", None)
    return steps


def grouped(versions, name):
    """Returns [{"versions": [...], name: value}] with the versions of equal values together."""
    groups = {}
    for version, value in sorted(versions.items()):
        value = sorted(value) if name == "places" else value
        groups.setdefault(json.dumps(value, sort_keys=True), ([], value))[0].append(version)
    return [{"versions": labels, name: value} for labels, value in groups.values()]


def dumped_rows(rows):
    """Returns JSON with a line for each covered case, so that changes are readable."""
    texts = []
    for row in rows:
        fields = [f'"class": {json.dumps(row["class"])}, "why": {json.dumps(row["why"])}']
        if row["when"]:
            fields.append('"when": [\n' + ",\n".join(f"  {json.dumps(rule)}" for rule in row["when"]) + "]")
        if row["covers"]:
            covers = ",\n".join(f"  {json.dumps(case)}: {json.dumps(entries)}" for case, entries in row["covers"].items())
            fields.append('"covers": {\n' + covers + "}")
        texts.append(" {" + ", ".join(fields) + "}")
    return "[\n" + ",\n".join(texts) + "\n]\n"


if __name__ == "__main__":
    write_counts()

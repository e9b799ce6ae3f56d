"""What the comparison accepts in the cells of products: rules of deviations.json, and pins in answers.json.

A reason has rules under "when": patterns for the name of a cell with its version, the operation, PyKMIP's answer and ours. The first
reason with a fitting rule covers an item that differs, and what differs after it in the same cell. The pins show every
later change: in the subset a digest for each cell, in all products the number of cells that a reason covers and one
digest of our answers in all of them.
"""

import collections
import hashlib
import json
import re

from product import PREPARATION
from reasons import pinned
from replies import items_of

# How a cell without difference is pinned.
SAME = "."
SUCCESS, NO_ANSWER = "SUCCESS", "no answer"
DIGITS = 6
FIELDS = ("cell", "operation", "pykmip", "ours")


def words(reply, item=0):
    """Returns one item of a reply in words: `SUCCESS`, `INVALID_FIELD`, `bare INVALID_MESSAGE`, `no answer`."""
    if reply["reply"] != "answer":
        return {"none": NO_ANSWER}.get(reply["reply"], reply["reply"])
    items = items_of(reply)
    if len(items) <= item:
        return "no item" if not items or items[0]["operation"] else words(reply)
    one = items[item]
    said = one["reason"] or one["status"]
    return f"bare {said}" if one["operation"] is None and one["id"] is None else said


def operation_of(reply, item):
    """Returns the operation of one item of a reply, or nothing."""
    items = items_of(reply)
    return (items[item]["operation"] or "") if len(items) > item else ""


class Rules:
    """The rules of the reasons, and what a run found of the cells."""

    def __init__(self, rows, pins):
        self._rules = [
            (row, rule, [re.compile(rule.get(field, ".*"), re.DOTALL) for field in FIELDS])
            for row in rows for rule in row.get("when", ())
        ]
        self._used = collections.defaultdict(set)
        self._pins = pins
        self._found = collections.defaultdict(dict)
        self._items = collections.Counter()

    def problems(self, result):
        """Returns what is wrong with a cell."""
        name = "{} {}.{}".format(result.name, *result.version)
        reasons, consequence = [], False
        for step, item in items_that_differ(result.found):
            theirs, ours = words(result.theirs[step], item), words(result.ours[step], item)
            if consequence:
                break
            operation = operation_of(result.ours[step], item)
            reason = self._reason(name, operation, theirs, ours)
            if reason is None:
                return [f"step {step + 1}: {operation}: PyKMIP {theirs}, ours {ours}: no rule covers it"]
            reasons += [reason] if reason not in reasons else []
            # The objects are no longer in the same state, so what follows can differ.
            consequence = SUCCESS in (theirs, ours) or theirs == NO_ANSWER
        self._items[result.product] += result.items
        self._found[result.product][name] = (reasons, digest(result) if result.found else SAME)
        return []

    def _reason(self, *texts):
        for number, (row, _, patterns) in enumerate(self._rules):
            if all(pattern.fullmatch(text) for pattern, text in zip(patterns, texts)):
                self._used[number].add(texts[-1])
                return row
        return None

    def subset_pins(self):
        """Returns {product/first value: the digests of its cells} in the order of the names."""
        lines = collections.defaultdict(list)
        for cells in self._found.values():
            for name, (_, pin) in sorted(cells.items()):
                lines["/".join(name.split(" ")[0].split("/")[:2])].append(pin)
        return {line: " ".join(pins) for line, pins in sorted(lines.items())}

    def product_pins(self):
        """Returns {product: {"cells", "items", "same", "differ": {reason: [cells, digest]}}}."""
        pins = {}
        for product, cells in self._found.items():
            differ = collections.defaultdict(list)
            for name, (reasons, pin) in sorted(cells.items()):
                for reason in reasons:
                    differ[reason["why"]].append(f"{name} {pin}")
            counted = {why: [len(lines), short_digest(lines)] for why, lines in sorted(differ.items())}
            same = sum(PREPARATION not in name and not reasons for name, (reasons, _) in cells.items())
            pins[product] = {"cells": self.cells(product), "items": self._items[product], "same": same, "differ": counted}
        return pins

    def cells(self, product):
        """Returns how many cells of a product agree or have a reason."""
        return sum(PREPARATION not in name for name in self._found[product])

    def keep(self, which, names):
        """Takes what was found of these products over into the pins: "subset" or "whole"."""
        if which == "subset":
            lines = {line: pins for line, pins in self._pins["subset"].items() if line.split("/")[0] not in names}
            lines.update({line: pins for line, pins in self.subset_pins().items() if line.split("/")[0] in names})
            self._pins["subset"] = dict(sorted(lines.items()))
        else:
            self._pins["product"].update({name: pins for name, pins in self.product_pins().items() if name in names})

    def changed(self, whole):
        """Returns complaints about cells whose pins changed: of the products if `whole`, else of the subset."""
        if not whole:
            return [*self._changed_cells()]
        return [*self._changed_products(), *self._idle()]

    def _idle(self):
        """Yields complaints about rules, and about answers in a rule, that cover no cell."""
        for number, (_, rule, _) in enumerate(self._rules):
            for ours in rule.get("ours", ".*").split("|"):
                if not any(re.fullmatch(ours, used) for used in self._used[number]):
                    yield f"deviations.json: no cell differs by {rule} with our answer {ours}"

    def _changed_products(self):
        for product, found in self.product_pins().items():
            kept = self._pins["product"].get(product)
            if kept is None:
                yield f"answers.json pins nothing of {product}"
                continue
            for why in sorted({*found["differ"], *kept["differ"]}):
                now, then = found["differ"].get(why), kept["differ"].get(why)
                if now != then:
                    yield f"{product}: {now} cells and digest, pinned are {then}, for the reason {why!r}"

    def _changed_cells(self):
        found = collections.defaultdict(list)
        for cells in self._found.values():
            for name, (_, pin) in sorted(cells.items()):
                found["/".join(name.split(" ")[0].split("/")[:2])].append((name, pin))
        for line, cells in sorted(found.items()):
            kept = self._pins["subset"].get(line, "").split()
            if len(kept) != len(cells):
                yield f"answers.json pins {len(kept)} cells of {line}; there are {len(cells)}"
                continue
            for (name, pin), then in zip(cells, kept):
                if pin != then and SAME in (pin, then):
                    yield f"{name} {'no longer' if pin == SAME else 'newly'} differs"
                elif pin != then:
                    yield f"{name}: our answer, the reason or what differs is not what answers.json pins"

    def counts(self):
        """Returns {class: {reason: cells}}."""
        counts = collections.defaultdict(collections.Counter)
        for cells in self._found.values():
            for reasons, _ in cells.values():
                for reason in reasons:
                    counts[reason["class"]][reason["why"]] += 1
        return counts


def items_that_differ(found):
    """Yields (step, item) of the places, from 0 on."""
    numbers = set()
    for place in found:
        parts = place.split(".")
        numbers.add((int(parts[0]) - 1, int(parts[1]) - 1 if len(parts) == 3 else 0))
    return sorted(numbers)


def digest(result):
    """Returns the digest of where a cell differs, and of our answers there."""
    steps = sorted({step for step, _ in items_that_differ(result.found)})
    return short_digest([sorted(result.found), [pinned(result.ours[step]) for step in steps]])


def short_digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]

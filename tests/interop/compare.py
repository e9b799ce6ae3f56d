"""The side-by-side: sends the same messages to PyKMIP's server and to ours, and compares.

    python compare.py --server target/debug/run_server [--only activate] [--versions 1.0,2.0]
    python compare.py --server target/debug/run_server --products whole [--only cipher/] [--sample 0.1]
    python compare.py --server target/debug/run_server --products whole --theirs kept      (without PyKMIP's server)
    python compare.py --facts facts.md      (PyKMIP's server alone; writes what it answers)

The cases are tables (cases_*.py) and products of tables (products_*.py). Compared are: that there is a reply, its
header's version, the number of items, each item's operation, identifier, status, reason and payload, and the text
"Could not locate object: ID". reasons.py judges what differs in a case, rules.py what differs in a cell of a product. If KMIP_POSTGRES names a PostgreSQL
server (the URL of a database), a second server of ours on it has to answer as the first one does.
"""

import argparse
import collections
import json
import logging
import os
import pathlib
import pickle
import random
import sys
import tempfile
import time

import cases
import lanes
import product
import products
from pki import Pki
from reasons import Reasons, write_counts
from replies import items_of, short
from rules import Rules
from server import reference_command
from sides import start_side

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0)]
# What `--sample` selects.
SEED = 7
MEMORY = "/dev/shm"
# Complaints that are printed; more of them rarely have more causes.
MOST_PRINTED = 400


def selected(only):
    """The cases to run: all, or those whose name has one of the texts."""
    return [case for case in cases.ALL if not only or any(part in case.name for part in only)]


def case_tasks(only=None, versions=VERSIONS):
    """The cases of the tables."""
    return [lanes.CaseTask(case, v) for case in selected(only) for v in versions if v in case.versions]


def product_tasks(which, only=None, sample=None, shared=True):
    """The cells of the products: `which` is "whole" or "subset"; `shared` tells whether our server on PostgreSQL answers, too."""
    chance = random.Random(SEED)
    tasks = []
    for table in products.ALL:
        if only and not any(table.name.startswith(part.split("/")[0]) for part in only):
            continue
        cells = cells_of(which, table)
        if only:
            cells = [labels for labels in cells if any(part in table.name_of(labels) for part in only)]
        if sample is not None:
            cells = [labels for labels in cells if chance.random() < sample]
        tasks += [lanes.UnitTask(unit, shared) for unit in product.units(table, cells)]
    return tasks


def cells_of(which, table):
    """The cells of a product: all, or those of the subset."""
    return product.subset(table) if which == "subset" else list(table.cells())


def run(command, folder, tasks, write=print, lanes_beside=None, texts=False, keep=None, theirs=None):
    """Compares; returns what was found. `keep` is a file for all results, `theirs` one with PyKMIP's answers."""
    verdict = Verdict(write)
    pki = Pki(folder / "pki")
    recorded = {(result.name, result.version): result.theirs for result in kept_results(theirs)} if theirs else None
    begun = time.monotonic()
    with open(keep or os.devnull, "wb") as kept:
        for result in lanes.run(command, folder, pki, tasks, lanes_beside or os.cpu_count() or 1, texts, recorded):
            if keep:
                pickle.dump(result, kept)
            verdict.judge(result)
    write(f"{len(tasks)} cases and groups of cells in {time.monotonic() - begun:.0f} s")
    return verdict


def temporary_folder():
    """A folder for the servers, in memory if the system has one: PyKMIP's server flushes its database for each change."""
    return tempfile.TemporaryDirectory(prefix="kmip-compare-", dir=MEMORY if os.path.isdir(MEMORY) else None)


def judged(paths):
    """Returns the verdict of the present reasons on the results that earlier runs kept."""
    verdict = Verdict()
    for result in kept_results(paths):
        verdict.judge(result)
    return verdict


def kept_results(paths):
    """Yields the results in files that `--keep` wrote."""
    for path in paths:
        with open(path, "rb") as kept:
            while kept.peek(1):
                yield pickle.load(kept)


class Verdict:
    """What the comparison found so far."""

    def __init__(self, write=print):
        self._write = write
        self.reasons = Reasons()
        self.rules = Rules(self.reasons.rows, self.reasons.pins)
        self.counts, self.bad = collections.Counter(), []

    def judge(self, result):
        """Adds one case or cell in one version."""
        if result.product:
            wrong = [*self.rules.problems(result), *result.faults]
        else:
            wrong = self.reasons.problems(result.name, result.version, sorted(result.found), result.ours)
        wrong = [*wrong, *(f"PostgreSQL differs at {place}: {json.dumps(it)}" for place, it in sorted(result.postgres.items()))]
        self.counts["items"] += result.items
        if not wrong:
            self.counts["differ for a reason" if result.found else "same"] += 1
            return
        name = "{} {}.{}".format(result.name, *result.version)
        shown = [
            f"    {place}:\n      PyKMIP {json.dumps(a)}\n      ours   {json.dumps(b)}" for place, (a, b) in sorted(result.found.items())
        ]
        self.bad.append("\n".join([f"WRONG   {name} ({result.about}): {'; '.join(wrong)}", *shown]))

    def update(self, which, complete):
        """Writes deviations.json and answers.json anew."""
        if which:
            ran = [table for table in products.ALL if self.rules.cells(table.name) == len(cells_of(which, table))]
            self.rules.keep(which, [table.name for table in ran])
        self.reasons.update()
        if complete or which == "whole":
            write_counts()

    def close(self, pinned):
        """Adds what concerns the files, and prints the counts; `pinned` is "whole", "subset" or None. Returns how much is wrong."""
        self.bad += self.reasons.unknown({case.name for case in cases.ALL})
        if pinned:
            self.bad += self.rules.changed(pinned == "whole")
        for line in self.bad[:MOST_PRINTED]:
            self._write(line)
        for name, count in self.reasons.counts().items():
            self._write(f"{count:7} cases differ by the class {name!r}")
        for name, reasons in self.rules.counts().items():
            for why, count in reasons.most_common():
                self._write(f"{count:7} cells differ by the class {name!r}: {why}")
        compared = ", ".join(f"{self.counts[name]} {name}" for name in ("same", "differ for a reason"))
        self._write(f"{compared}, {self.counts['items']} batch items of PyKMIP's server, {len(self.bad)} are wrong")
        return len(self.bad)


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
                    payloads = [i["payload"] for i in items_of(replies[-1]) if i["payload"] is not None]
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
    parser.add_argument("--products", choices=("subset", "whole"), help="run cells of the products instead of the cases")
    parser.add_argument("--sample", type=float, help="run this share of the cells")
    parser.add_argument("--keep", help="write all results to this file")
    parser.add_argument("--theirs", nargs="+", help="take PyKMIP's answers from these files, which --keep wrote for the same tables")
    parser.add_argument("--judge", nargs="+", help="judge the results in these files instead of running anything")
    parser.add_argument("--lanes", type=int, help="pairs of servers side by side (as many as processors)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    versions = [tuple(int(n) for n in v.split(".")) for v in options.versions.split(",")]
    if options.list:
        for case in selected(options.only):
            print(f"{case.name}: {case.about}")
        return 0
    complete = not options.only and options.sample is None and len(versions) == len(VERSIONS)
    with temporary_folder() as folder:
        folder = pathlib.Path(folder)
        if options.facts:
            facts(folder, selected(options.only), versions, options.facts)
            return 0
        if options.judge:
            return finish(judged(options.judge), options, complete)
        if not options.server:
            parser.error("name the server: --server PATH")
        path = options.server
        command = reference_command() if path == "reference" else [str(pathlib.Path(path).resolve())]
        if options.products:
            tasks = product_tasks(options.products, options.only, options.sample)
        else:
            tasks = case_tasks(options.only, versions)
        verdict = run(command, folder, tasks, lanes_beside=options.lanes, texts=options.texts, keep=options.keep, theirs=options.theirs)
    return finish(verdict, options, complete)


def finish(verdict, options, complete):
    """Updates the files if that is asked for, and prints the verdict. Returns the status of the program."""
    if options.update:
        verdict.update(options.products, complete)
    return 1 if verdict.close(options.products if complete and not options.update else None) else 0


if __name__ == "__main__":
    sys.exit(main())

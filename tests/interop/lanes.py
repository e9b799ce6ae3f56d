"""Runs cases and products on several pairs of servers side by side, each pair with a process of its own.

A process compares what its two servers answer and hands on what differs. Leaves the judgement to compare.py.
"""

import concurrent.futures
import contextlib
import multiprocessing
import queue
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

import postgres
from replies import differences, faults, items_of
from server import reference_command
from sides import empty, start_side

# A case about order takes a tenth of a second on either server; one that begins later in a
# second than this waits for the next.
ENOUGH_LEFT = 0.4
ALIGNED_TRIES = 10
# How long the main process waits before it looks whether the others still run.
WAIT_SECONDS = 5
# After so many cases or units, the objects in PyKMIP's database are deleted.
EMPTIED_AFTER = 10


@dataclass
class Result:
    """What the servers answered to a case, or to a cell of a product, in one version."""

    name: str
    about: str
    version: tuple
    # The name of the product, or None for a case of a table.
    product: Any
    # {place: (PyKMIP's, ours)} for what differs.
    found: Mapping[str, tuple]
    theirs: Sequence[dict]
    ours: Sequence[dict]
    # What is malformed in our replies that differ.
    faults: Sequence[str] = ()
    # {place: (ours, that of our server on PostgreSQL)} for what differs.
    postgres: Mapping[str, tuple] = field(default_factory=dict)

    @property
    def items(self):
        """The number of batch items that PyKMIP's server answered."""
        return sum(len(items_of(reply)) for reply in self.theirs)


@dataclass
class CaseTask:
    """One case of a table in one version."""

    case: Any
    version: tuple

    def results(self, servers, texts):
        theirs, ours, *shared = servers.replies(self.case, self.version, [self.case.name])
        found = differences(self.case.steps, theirs, ours, texts and self.case.text)
        result = Result(self.case.name, self.case.about, self.version, None, found, theirs, ours)
        for replies in shared:
            result.postgres = differences(self.case.steps, ours, replies, True)
        return [result]


@dataclass
class UnitTask:
    """Some cells of a product, also of our server on PostgreSQL if there is one and `shared` is true."""

    unit: Any
    shared: bool = True

    def results(self, servers, texts):
        case, parts = self.unit.case()
        product, version = self.unit.product.name, self.unit.version
        theirs, ours, *shared = servers.replies(case, version, [name for name, _, _ in parts], self.shared)
        for name, begin, end in parts:
            steps, first, second = case.steps[begin:end], theirs[begin:end], ours[begin:end]
            found = differences(steps, first, second)
            result = Result(name, name, version, product, found, first, second, faults(steps, version, first, second))
            for replies in shared:
                result.postgres = differences(steps, second, replies[begin:end], True)
            yield result


class Servers:
    """The servers of one process: PyKMIP's, or its `recorded` answers as {(name, version): replies}, and ours.

    If KMIP_POSTGRES names a PostgreSQL server, a second one of ours has its objects there.
    """

    def __init__(self, command, folder, pki, recorded):
        self._recorded, self._sides = recorded, []
        try:
            if recorded is None:
                self._sides.append(start_side("PyKMIP", reference_command(), folder / "PyKMIP", pki))
            self._sides.append(start_side("ours", command, folder / "ours", pki))
            self._alone = len(self._sides)
            if postgres.server() and command != reference_command():
                self._sides.append(start_side("PostgreSQL", command, folder / "shared", pki, postgres.new_database()))
        except BaseException:
            self.close()
            raise
        self._both = concurrent.futures.ThreadPoolExecutor(len(self._sides))

    def replies(self, case, version, names, shared=True):
        """What each side answers to a case, that on PostgreSQL only if `shared`; `names` are those of the case or of its cells.

        A case about order within a second is run again if it took longer than one.
        """
        for _ in range(ALIGNED_TRIES if case.aligned else 1):
            if case.aligned:
                wait_for_a_fresh_second()
            begun = int(time.time())
            answers = list(self._both.map(lambda side: side.run(case, version), self._sides if shared else self._sides[: self._alone]))
            if int(time.time()) == begun:
                break
        if self._recorded is not None:
            missing = [name for name in names if (name, version) not in self._recorded]
            if missing:
                raise LookupError(f"the kept results have no answers of PyKMIP's server to {missing[0]}; run it again with --keep")
            answers.insert(0, [reply for name in names for reply in self._recorded[name, version]])
        return answers

    def empty(self):
        """Empties the database of PyKMIP's server."""
        if self._recorded is None:
            empty(self._sides[0].server.database)

    def close(self):
        for side in self._sides:
            side.close()
            side.server.kill()


def wait_for_a_fresh_second():
    """Locate orders by second: a case about order must not begin at the end of one."""
    spent = time.time() % 1.0
    if spent > ENOUGH_LEFT:
        time.sleep(1.01 - spent)


def run(command, folder, pki, tasks, lanes, texts=False, recorded=None):
    """Yields the results of all tasks, as they come. `recorded` replaces PyKMIP's server."""
    # A forked process has the tasks already: payloads are functions, which cannot be sent.
    processes = multiprocessing.get_context("fork")
    results, following = processes.Queue(), processes.Value("i", 0)
    running = [
        processes.Process(target=lane, args=(command, folder / f"lane{number}", pki, tasks, following, results, texts, recorded))
        for number in range(lanes)
    ]
    for process in running:
        process.start()
    try:
        yield from gathered(results, running)
    finally:
        # After a failure, the others take no more tasks, and stop their servers.
        following.value = len(tasks)
        for process in running:
            process.join()


def gathered(results, running):
    """Yields the results that the processes hand on, until each has handed on its last."""
    ended = 0
    while ended < len(running):
        try:
            found = results.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            if not any(process.is_alive() for process in running):
                raise RuntimeError("a process of the comparison ended without a result") from None
            continue
        if isinstance(found, str):
            raise RuntimeError(found)
        ended += found is None
        yield from found or ()


def lane(command, folder, pki, tasks, following, results, texts, recorded):
    """One process: takes the next task until none is left."""
    try:
        with contextlib.closing(Servers(command, folder, pki, recorded)) as servers:
            ran = 0
            while True:
                with following.get_lock():
                    at, following.value = following.value, following.value + 1
                if at >= len(tasks):
                    break
                results.put(list(tasks[at].results(servers, texts)))
                ran += 1
                if ran % EMPTIED_AFTER == 0:
                    servers.empty()
        results.put(None)
    except Exception:
        results.put(traceback.format_exc())

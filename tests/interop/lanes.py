"""Runs cases and products on several pairs of servers side by side, each pair with a process of its own.

A process compares what its two servers answer and hands on what differs. Leaves the judgement to compare.py.
"""

import concurrent.futures
import multiprocessing
import queue
import time
import traceback
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from replies import differences, items_of
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
    # All replies if any differ.
    theirs: Sequence[dict]
    ours: Sequence[dict]
    # Batch items that both answered.
    items: int


@dataclass
class CaseTask:
    """One case of a table in one version."""

    case: Any
    version: tuple

    def results(self, sides, both, texts):
        theirs, ours = replies(self.case, self.version, sides, both)
        found = differences(self.case.steps, theirs, ours, texts and self.case.text)
        return [result(self.case.name, self.case.about, self.version, None, found, theirs, ours)]


@dataclass
class UnitTask:
    """Some cells of a product."""

    unit: Any

    def results(self, sides, both, texts):
        case, parts = self.unit.case()
        product, version = self.unit.product.name, self.unit.version
        theirs, ours = replies(case, version, sides, both)
        for name, begin, end in parts:
            span = slice(begin, end)
            found = differences(case.steps[span], theirs[span], ours[span])
            yield result(name, name, version, product, found, theirs[span], ours[span])


def result(name, about, version, product, found, theirs, ours):
    items = sum(len(items_of(reply)) for reply in theirs)
    return Result(name, about, version, product, found, theirs if found else (), ours if found else (), items)


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


def wait_for_a_fresh_second():
    """Locate orders by second: a case about order must not begin at the end of one."""
    spent = time.time() % 1.0
    if spent > ENOUGH_LEFT:
        time.sleep(1.01 - spent)


def run(command, folder, pki, tasks, lanes, texts=False):
    """Yields the results of all tasks, as they come."""
    # A forked process has the tasks already: payloads are functions, which cannot be sent.
    processes = multiprocessing.get_context("fork")
    results, following = processes.Queue(), processes.Value("i", 0)
    running = [
        processes.Process(target=lane, args=(command, folder / f"lane{number}", pki, tasks, following, results, texts))
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


def lane(command, folder, pki, tasks, following, results, texts):
    """One process: takes the next task until none is left."""
    sides, ran = [], 0
    try:
        for name, start in (("PyKMIP", reference_command()), ("ours", command)):
            sides.append(start_side(name, start, folder / name, pki))
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            while True:
                with following.get_lock():
                    at, following.value = following.value, following.value + 1
                if at >= len(tasks):
                    break
                results.put(list(tasks[at].results(sides, both, texts)))
                ran += 1
                if ran % EMPTIED_AFTER == 0:
                    empty(sides[0].server.database)
        results.put(None)
    except Exception:
        results.put(traceback.format_exc())
    finally:
        for side in sides:
            side.close()
            side.server.kill()

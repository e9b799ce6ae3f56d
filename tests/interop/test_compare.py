"""The side-by-side comparison as one test: all cases, and the subset of the products. compare.py does the work."""

import itertools
import pathlib

import cases
import compare
import product
import products
import pytest
from lanes import Result
from rules import Rules

STATEMENTS = pathlib.Path(__file__).parent.parent / "statements.txt"


def test_replies_agree_with_pykmips_server(command):
    with compare.temporary_folder() as folder:
        tasks = compare.case_tasks() + compare.product_tasks("subset")
        wrong = compare.run(command, pathlib.Path(folder), tasks).close("subset")
    assert not wrong, f"{wrong} results differ"


def test_statements_about_pykmips_server_name_existing_cases():
    known = {case.name for case in cases.ALL}
    rows = [line for line in STATEMENTS.read_text().splitlines() if line and not line.startswith("#")]
    named = [test for row in rows for test in row.split(" | ")[2].split(", ") if test.startswith("compare:")]
    unknown = [test for test in named if test.removeprefix("compare:") not in known]
    assert named and not unknown


@pytest.mark.parametrize("name", ["derive", "wrap", "mac", "created"])
def test_the_subset_of_a_product_contains_every_possible_pair_of_values(name):
    table = next(table for table in products.ALL if table.name == name)

    def pairs(cells):
        return {pair for labels in cells for pair in itertools.combinations(labels.items(), 2)}

    chosen = product.subset(table)
    assert pairs(chosen) == pairs(table.cells())
    assert len(chosen) < len(list(table.cells())) / 3
    assert chosen == product.subset(table)


def answer(reason, payload):
    """A reduced reply with one batch item."""
    status = "SUCCESS" if reason is None else "OPERATION_FAILED"
    item = {"operation": "GET", "id": None, "status": status, "reason": reason, "message": None, "payload": payload}
    return {"reply": "answer", "version": "1.2", "count": 1, "items": [item]}


def cell(found, payload="first"):
    """A cell in which this server grants what PyKMIP's refuses, or in which both agree."""
    theirs, ours = answer("INVALID_FIELD", None), answer(None, payload)
    return Result("made/cell", "", (1, 2), "made", {"1.status": (0, 1)} if found else {}, [theirs], [ours], 1)


ROWS = [{"class": "addition", "why": "it is an addition", "when": [{"cell": "made/.*", "pykmip": "INVALID_FIELD", "ours": "SUCCESS"}]}]


def pins():
    """What the run before pinned, in which the cell differed."""
    kept = {"subset": {}, "product": {}}
    before = Rules(ROWS, kept)
    assert not before.problems(cell(True))
    before.keep("subset", ["made"])
    before.keep("whole", ["made"])
    return kept


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("result, is_wrong", [(cell(True), False), (cell(True, "second"), True), (cell(False), True)])
def test_a_cell_that_answers_otherwise_than_pinned_fails_the_run(result, is_wrong, whole):
    rules = Rules(ROWS, pins())
    assert not rules.problems(result)
    assert bool(rules.changed(whole)) == is_wrong


def test_a_difference_without_a_rule_fails_the_run():
    assert Rules([], pins()).problems(cell(True))

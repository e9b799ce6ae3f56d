"""The side-by-side comparison as one test: all cases, and the subset of the products. compare.py does the work."""

import itertools
import json
import pathlib

import cases
import compare
import message
import product
import products
import pytest
from lanes import Result
from reasons import Reasons
from replies import faults
from rules import Rules

STATEMENTS = pathlib.Path(__file__).parent.parent / "statements.txt"


def test_replies_agree_with_pykmips_server(command):
    with compare.temporary_folder() as folder:
        # The products take minutes: only the cases run on PostgreSQL, too.
        tasks = compare.case_tasks() + compare.product_tasks("subset", shared=False)
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
    return Result("made/cell", "", (1, 2), "made", {"1.status": (0, 1)} if found else {}, [theirs], [ours])


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


def test_a_rule_states_which_answers_of_ours_it_covers(tmp_path):
    for rule, complaints in (({"pykmip": "GENERAL_FAILURE"}, 1), ({"pykmip": "GENERAL_FAILURE", "ours": "SUCCESS"}, 0)):
        file = tmp_path / "deviations.json"
        file.write_text(json.dumps([{**ROWS[0], "when": [rule]}]))
        assert len(Reasons(file).unknown(set())) == complaints


def test_an_answer_in_a_rule_that_covers_no_cell_fails_the_whole_run():
    for ours, complaints in (("SUCCESS", 0), ("SUCCESS|INVALID_FIELD", 1)):
        rules = Rules([{**ROWS[0], "when": [{**ROWS[0]["when"][0], "ours": ours}]}], pins())
        assert not rules.problems(cell(True))
        assert len(rules.changed(True)) == complaints


def test_a_rule_of_another_operation_does_not_cover_a_difference():
    for operation, covered in (("GET", True), ("LOCATE", False)):
        rows = [{**ROWS[0], "when": [{**ROWS[0]["when"][0], "operation": operation}]}]
        assert bool(Rules(rows, pins()).problems(cell(True))) != covered


@pytest.mark.parametrize("field, value, fault", [
    (None, None, None),
    ("version", "1.0", "has the version 1.0"),
    ("count", 2, "the Batch Count 2"),
    ("items", [], "has 0 items"),
    ("operation", None, "the operation None"),
    ("id", "01", "the identifier 01"),
    ("reason", "INVALID_FIELD", "the reason INVALID_FIELD"),
    ("payload", [["ATTRIBUTES", 1, []]], "has ATTRIBUTES"),
])
def test_a_malformed_answer_is_a_fault_although_a_rule_covers_the_difference(field, value, fault):
    ours = answer(None, [["UNIQUE_IDENTIFIER", 7, "$a"]])
    place = ours if field in ours else ours["items"][0]
    if field is not None:
        place[field] = value
    found = faults([message.get("$a")], (1, 2), [answer("INVALID_FIELD", None)], [ours])
    assert len(found) == (fault is not None) and all(fault in text for text in found)


def test_a_missing_answer_is_a_fault():
    assert faults([message.get("$a")], (1, 2), [answer("INVALID_FIELD", None)], [{"reply": "none"}])


def test_kept_answers_replace_pykmips_server(command, tmp_path, monkeypatch):
    tasks = compare.product_tasks("subset", only=["create/AES/128/SYMMETRIC_KEY"])
    kept = tmp_path / "kept"
    with compare.temporary_folder() as folder:
        first = compare.run(command, pathlib.Path(folder), tasks, lanes_beside=1, keep=kept)
    monkeypatch.setattr("lanes.reference_command", lambda: ["/no/such/server"])
    with compare.temporary_folder() as folder:
        second = compare.run(command, pathlib.Path(folder), tasks, lanes_beside=1, theirs=[kept])
    assert first.counts == second.counts and first.counts["same"] and not second.bad

"""The side-by-side comparison as one test: all cases, and the subset of the products. compare.py does the work."""

import pathlib

import cases
import compare

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

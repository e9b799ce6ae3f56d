"""The side-by-side comparison as one test (compare.py does the work and prints the rows)."""

import compare


def test_replies_agree_with_pykmips_server(command, tmp_path):
    wrong = compare.run(command, tmp_path, compare.selected(None), compare.VERSIONS)
    assert not wrong, f"{wrong} results differ"

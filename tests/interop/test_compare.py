"""The side-by-side comparison as one test (compare.py does the work and prints the rows)."""

import os

import compare


def test_replies_agree_with_pykmips_server(command, tmp_path):
    chosen = compare.selected(None, crypto=with_cryptography())
    wrong = compare.run(command, tmp_path, chosen, compare.VERSIONS)
    if not with_cryptography():
        print(f"{len(compare.cases.CRYPTOGRAPHY)} cases of the cryptographic operations were not run (KMIP_INTEROP_CRYPTO=1)")
    assert not wrong, f"{wrong} results differ"


def with_cryptography():
    """The cryptographic operations are compared where the environment asks for them."""
    return os.environ.get("KMIP_INTEROP_CRYPTO") == "1"

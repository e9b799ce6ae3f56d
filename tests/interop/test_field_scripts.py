"""What scripts and checks of other projects ask for: Query as JSON, and Located Items; over TLS, of the executable."""

import json
import pathlib
import subprocess
import sys

import message as m
import pytest
import ttlv
from server import Server, reference_command
from sides import Connection

SCRIPT = pathlib.Path(__file__).parent / "dump_query.py"
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "2.0")
SCRIPT_SECONDS = 60
ANSWER_SECONDS = 30


def dumped(server, version):
    """What the script prints about a server."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(server.client_config()), version],
        capture_output=True, text=True, timeout=SCRIPT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_query_as_json_is_what_pykmips_server_answers(start, pki, tmp_path):
    ours = start()
    with_reference = Server(reference_command(), tmp_path / "reference", pki)
    with_reference.start()
    try:
        for version in VERSIONS:
            answer = dumped(ours, version)
            assert answer == dumped(with_reference, version), version
            assert answer["operations"] and not answer["server_information"], version
    finally:
        with_reference.kill()


def located_items(server, pki, version, **asked):
    """The Located Items of a Locate, or None."""
    connection = Connection(server, pki, "john_doe", ANSWER_SECONDS)
    how, answer = connection.ask(m.locate(m.object_group("counted"), **asked).encode(version, {}))
    connection.close()
    assert how == "answer"
    item = ttlv.find(ttlv.decode(answer)[0].value, "RESPONSE_BATCH_ITEM").value
    assert ttlv.value_of(item, "RESULT_STATUS") == 0
    return ttlv.value_of(ttlv.find(item, "RESPONSE_PAYLOAD").value, "LOCATED_ITEMS")


@pytest.mark.parametrize("compatibility, counted", [("Standard", 3), ("PyKMIP", None)])
def test_locate_counts_the_objects_of_a_page_as_the_setting_demands(start, pki, is_reference, compatibility, counted):
    if is_reference:
        pytest.skip("PyKMIP's server does not have the setting")
    server = start(settings={"compatibility": compatibility})
    connection = Connection(server, pki, "john_doe", ANSWER_SECONDS)
    for _ in range(3):
        how, _ = connection.ask(m.create(*m.AES_128, m.object_group("counted")).encode((1, 4), {}))
        assert how == "answer"
    connection.close()
    for version in ((1, 3), (1, 4), (2, 0)):
        assert located_items(server, pki, version, maximum=1) == counted, version
        assert located_items(server, pki, version, offset=1) == counted, version
        assert located_items(server, pki, version) is None, version
    # Located Items does not exist before 1.3.
    assert located_items(server, pki, (1, 2), maximum=1) is None

"""Our server on PostgreSQL: PyKMIP's own tests, the takeover of a database of PyKMIP's server, and the constructor in Python.

KMIP_POSTGRES names the PostgreSQL server; tests/interop.rs starts one.
"""

import pathlib
import socket
import subprocess
import sys

import postgres
import pykmip_suites
import pytest
import test_takeover
from server import Server, reference_command
from test_pykmip_suites import fixed_paths, judge, run_functional_tests

PACKAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "python"
IMPORT_SECONDS = 60


@pytest.fixture
def database():
    """The URL of an empty database."""
    if not postgres.server():
        pytest.skip("KMIP_POSTGRES names no PostgreSQL server")
    return postgres.new_database()


@pytest.fixture
def start_on(start, database):
    """Starts servers on the database."""
    return lambda **options: start(settings={"database_path": database}, **options)


def test_pykmips_integration_tests_pass(start_on, tmp_path):
    server = start_on(suite="TLS1.2")
    server.client_config(tmp_path / ".pykmip" / "pykmip.conf")
    files = ["integration/services/test_integration.py", "integration/services/test_proxykmipclient.py"]
    outcomes, output = pykmip_suites.run(files, tmp_path)
    judge(outcomes, 37, "TLS1.2 on PostgreSQL", output, server)


def test_pykmips_functional_tests_pass(start_on, tmp_path):
    with fixed_paths():
        run_functional_tests(start_on, tmp_path, "TLS1.2")


def test_pykmips_database_is_taken_over(command, database, pki, tmp_path):
    theirs = tmp_path / "theirs.database"
    count = test_takeover.make_database(theirs, None)
    names = {}
    with Server(reference_command(), tmp_path / "reference", pki, settings={"database_path": theirs}) as server:
        expected = test_takeover.read(server, pki, count, names)
        server.kill()
    before = theirs.read_bytes()
    take_over = [*command, "-d", database, "--import", str(theirs)]
    assert run(take_over) == (0, f"Imported {count} objects into {database}.\n")
    assert theirs.read_bytes() == before
    with Server(command, tmp_path / "server", pki, settings={"database_path": database}) as server:
        test_takeover.assert_same(expected, test_takeover.read(server, pki, count, names))
        new = test_takeover.create(server, pki)
        assert int(new) > count + 1, "numbers go on behind those of objects that are gone"
    status, text = run(take_over)
    assert status == 1 and "the database has an object 1 already; nothing was imported" in text
    assert run([*command, "--check-database", database]) == (0, f"Checked {count + 1} objects in {database}: no fault.\n")


def run(command):
    """Returns the status and the output of a command."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=IMPORT_SECONDS)
    return done.returncode, done.stdout.decode(errors="replace")


def test_the_constructor_in_python_takes_the_url(command, database, pki, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGE))
    monkeypatch.setenv("KMIP_SERVER_BINARY", command[0])
    from kmip_server import ConfigurationError, KmipServer

    def construct(url):
        return KmipServer(
            hostname="127.0.0.1", port=0, certificate_path=str(pki.server_certificate), key_path=str(pki.server_key),
            ca_path=str(pki.ca_path), config_path=None, log_path=str(tmp_path / "server.log"), database_path=url,
        )

    with construct(database) as server:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
    # The second server finds the tables of the first.
    assert run([*command, "--check-database", database]) == (0, f"Checked 0 objects in {database}: no fault.\n")
    with pytest.raises(ConfigurationError, match="the key 'sslcert' is not supported"):
        construct(f"{database}?sslcert=client.pem").start()

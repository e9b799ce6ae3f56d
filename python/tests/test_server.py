"""`KmipServer` as scripts of PyKMIP's users use it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import kmip_server as package
from kmip_server import ConfigurationError, KmipServer, NetworkingError, make_certificates

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("pki"), ec=True)


@pytest.fixture
def arguments(pki, tmp_path):
    return {
        "hostname": "127.0.0.1",
        "port": 0,
        "certificate_path": pki.server_certificate,
        "key_path": pki.server_key,
        "ca_path": pki.ca,
        "config_path": None,
        "auth_suite": "TLS1.2",
        "log_path": str(tmp_path / "server.log"),
        "database_path": ":memory:",
    }


def test_serves_until_it_is_stopped(arguments):
    server = KmipServer(**arguments)
    with server:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
        serving = threading.Thread(target=server.serve)
        serving.start()
        pid = server.pid
        server.stop()
        serving.join(5)
        assert not serving.is_alive()
    assert not exists(pid)


def test_takes_a_settings_file_and_counts_arguments_more(arguments, tmp_path):
    conf = tmp_path / "server.conf"
    names = ("certificate_path", "key_path", "ca_path", "database_path")
    conf.write_text(
        "[server]\nhostname=127.0.0.1\nport=1\nauth_suite=Basic\ntls_cipher_suites=\n    AES128-SHA256\n"
        + "".join(f"{name}={arguments[name]}\n" for name in names)
        + "[auth:slugs]\nenabled=False\n"
    )
    with KmipServer(config_path=str(conf), port=0, log_path=arguments["log_path"]) as server:
        assert server.port > 1
    with pytest.raises(ConfigurationError, match="does not exist"):
        KmipServer(config_path=str(tmp_path / "none.conf"))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"ca_path": "/nowhere"}, "ca_path.*no such file"),
        ({"auth_suite": "TLS0.9"}, "auth_suite"),
        ({"hostname": None}, "hostname.*missing"),
        ({"logging_level": "LOUD"}, "logging_level"),
        ({"database_path": "/"}, "cannot be used"),
    ],
)
def test_says_what_is_wrong_in_the_servers_words(arguments, change, words):
    arguments.update(change)
    with pytest.raises(ConfigurationError, match=f"(?s){words}") as raised:
        KmipServer(**arguments).start()
    assert "kmip-server-" not in str(raised.value), "the file that carries the arguments is nobody's business"


def test_a_port_that_is_taken_is_an_error_of_the_network(arguments):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments["port"] = taken.getsockname()[1]
        with pytest.raises(NetworkingError, match="cannot listen on"):
            KmipServer(**arguments).start()


def test_a_server_that_ends_by_itself_is_noticed(arguments):
    with KmipServer(**arguments) as server:
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(NetworkingError, match="has ended"):
            server.serve()


SCRIPT = """
    import sys
    from kmip_server import KmipServer

    server = KmipServer(**{arguments!r})
    with server:
        print(server.pid, server.port, flush=True)
        server.serve()
    print("stopped", flush=True)
"""


def script(arguments):
    """A user's script, running; and the process that it started."""
    root = str(pathlib.Path(package.__file__).parent.parent)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT.format(arguments=arguments))],
        stdout=subprocess.PIPE, universal_newlines=True, env=environment,
    )
    pid, _port = process.stdout.readline().split()
    return process, int(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_script_in_good_order(arguments, number):
    process, pid = script(arguments)
    process.send_signal(number)
    assert process.communicate(timeout=15)[0] == "stopped\n"
    assert process.returncode == 0
    assert not exists(pid)


def test_no_server_stays_behind_a_script_that_is_killed(arguments):
    process, pid = script(arguments)
    process.kill()
    process.communicate(timeout=15)
    deadline = time.monotonic() + 15
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(pid)


def test_certificates_are_not_written_over(pki):
    with pytest.raises(ConfigurationError, match="is there already"):
        make_certificates(pki.folder)


def exists(pid):
    """Whether the process runs; one that waits for its parent to look has ended."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

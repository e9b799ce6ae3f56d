"""The fixture of the pytest plug-in, seen from outside."""

import os
import socket
import time

import pytest

pytest_plugins = ["pytester"]


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("round_number", range(3))
def test_a_server_is_there(kmip_server, round_number):
    socket.create_connection((kmip_server.host, kmip_server.port), 5).close()
    assert kmip_server.server.pid
    assert "[jane_doe]" in kmip_server.client_settings.read_text()
    assert all(os.path.exists(kmip_server.client_options(user)["cert"]) for user in ("John Doe", "Jane Smith"))


@pytest.mark.kmip_server(policies={"mine": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}, logging_level="DEBUG")
def test_the_marker_gives_policies_and_settings(kmip_server):
    assert "mine" in kmip_server.log_path.read_text()


def test_one_server_serves_a_session_where_the_settings_say_so(pytester):
    pytester.makeini("[pytest]\nkmip_server_scope = session\n")
    pytester.makepyfile(
        """
        seen = []

        def test_first(kmip_server):
            seen.append(kmip_server.port)

        def test_second(kmip_server):
            assert seen == [kmip_server.port]
        """
    )
    pytester.runpytest_subprocess(*plugins()).assert_outcomes(passed=2)


def test_a_hundred_servers_in_a_row_leave_nothing_behind(kmip_certificates, tmp_path):
    from kmip_server import KmipServer

    def one():
        began = time.monotonic()
        with KmipServer(
            hostname="127.0.0.1", port=0, config_path=None, database_path=":memory:",
            certificate_path=kmip_certificates.server_certificate, key_path=kmip_certificates.server_key,
            ca_path=kmip_certificates.ca, log_path=str(tmp_path / "server.log"),
        ):
            pass
        return time.monotonic() - began

    one()
    before = open_files()
    times = sorted(one() for _ in range(100))
    print(f"start and stop: median {times[50] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms")
    assert open_files() == before
    # A busy machine gets ten times what the release build takes on an idle one.
    assert times[50] < 1.0


def plugins():
    """How a run in a process of its own finds the plug-in: by itself where the wheel is installed."""
    import importlib.metadata

    try:
        importlib.metadata.distribution("kmip-server")
    except importlib.metadata.PackageNotFoundError:
        return ["-p", "kmip_server.plugin"]
    return []

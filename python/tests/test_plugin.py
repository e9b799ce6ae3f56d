"""The fixture of the pytest plug-in, as its users see it."""

import importlib.metadata
import json
import os
import socket
import time

import pytest

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("round_number", range(3))
def test_the_fixture_is_a_running_server(kmip_server, round_number):
    socket.create_connection((kmip_server.host, kmip_server.port), 5).close()
    assert kmip_server.server.pid
    assert "[jane_doe]" in kmip_server.client_settings.read_text()
    assert all(os.path.exists(kmip_server.client_options(user)["cert"]) for user in ("John Doe", "Jane Smith"))


@pytest.mark.kmip_server(policies={"mine": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}, logging_level="DEBUG")
def test_the_marker_sets_policies_and_settings(kmip_server):
    # The server writes its log in the background.
    deadline = time.monotonic() + 10
    while "mine" not in kmip_server.log_path.read_text():
        assert time.monotonic() < deadline, kmip_server.log_path.read_text()
        time.sleep(0.01)


def test_one_server_serves_the_session_if_the_scope_is_session(pytester):
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


HUNDRED = """
    import os, pathlib, socket, threading
    import pytest

    seen = {}

    def resources():
        children = [path for path in pathlib.Path("/proc").glob("[0-9]*/stat") if parent(path) == os.getpid()]
        return len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("/proc/self/task")), len(children)

    def parent(path):
        try:
            return int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            return None

    def test_before(kmip_certificates):
        seen["before"] = resources()

    @pytest.mark.parametrize("number", range(100))
    def test_server(kmip_server, number):
        socket.create_connection((kmip_server.host, kmip_server.port), 5).close()

    def test_after():
        assert resources() == seen["before"], "open files, threads of Python, threads of the system, processes"
"""

TIMES = """
    import collections, json

    times = collections.Counter()

    def pytest_runtest_logreport(report):
        if report.when != "call" and "test_server" in report.nodeid:
            times[report.nodeid] += report.duration

    def pytest_sessionfinish():
        open("times.json", "w").write(json.dumps(sorted(times.values())))
"""


def test_a_hundred_servers_in_sequence_leak_no_resources(pytester):
    pytester.makeconftest(TIMES)
    pytester.makepyfile(HUNDRED)
    # Three attempts, because other processes slow the machine down; an unoptimised build gets ten times as long.
    limit = 0.1 if installed() else 1.0
    for _ in range(3):
        pytester.runpytest_subprocess(*plugins()).assert_outcomes(passed=102)
        times = json.loads((pytester.path / "times.json").read_text())
        assert len(times) == 100
        within = sum(time < limit for time in times)
        print(
            f"start and stop, each with a fixture: median {times[50] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms, "
            f"{within} of 100 within {limit * 1000:.0f} ms, load {os.getloadavg()[0]:.1f}"
        )
        if within == 100:
            break
    assert times[50] < limit


def plugins():
    """Returns the arguments with which pytest finds the plug-in: none if the wheel is installed."""
    return [] if installed() else ["-p", "kmip_server.plugin"]


def installed():
    """Returns whether the wheel is installed."""
    try:
        importlib.metadata.distribution("kmip-server")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

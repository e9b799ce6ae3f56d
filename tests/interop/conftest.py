"""What the interop tests share: the server under test, its folder and its certificates.

The executable comes from `--server PATH` or KMIP_SERVER_BINARY; the word `reference` stands
for PyKMIP's own server, to check the tests themselves. Leaves how a server is started to
server.py and what it is started with to pki.py.
"""

import os
import pathlib
import signal

import pytest

from pki import Pki
from server import Server, reference_command


def pytest_addoption(parser):
    parser.addoption(
        "--server",
        default=os.environ.get("KMIP_SERVER_BINARY"),
        help="the server's executable, or `reference` for PyKMIP's own",
    )
    parser.addoption(
        "--auth-suite",
        default=os.environ.get("KMIP_TEST_AUTH_SUITE", "TLS1.2"),
        help="auth_suite of the server under test",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Turns a skipped test into a failure if KMIP_NO_SKIP is set, as it is in CI, which provides everything."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("KMIP_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"KMIP_NO_SKIP is set, but the test cannot run: {report.longrepr}"


@pytest.fixture(scope="session")
def is_reference(request):
    """True where PyKMIP's own server stands in for ours."""
    return request.config.getoption("--server") == "reference"


@pytest.fixture(scope="session")
def command(request, is_reference):
    """The command line that starts the server under test, without its options."""
    if is_reference:
        return reference_command()
    server = request.config.getoption("--server")
    if not server:
        pytest.fail("name the server: --server PATH, or KMIP_SERVER_BINARY", pytrace=False)
    path = pathlib.Path(server).resolve()
    if not path.is_file():
        pytest.fail(f"there is no server at {path}", pytrace=False)
    return [str(path)]


@pytest.fixture(scope="session")
def auth_suite(request):
    """The `auth_suite` setting that servers are started with."""
    return request.config.getoption("--auth-suite")


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """RSA certificates of a CA, the server and the four people."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def start(command, is_reference, auth_suite, pki, tmp_path):
    """Starts servers, each in a folder of its own, and stops them when the test ends."""
    running = []

    def starter(*, pki=pki, **options):
        options.setdefault("suite", auth_suite)
        server = Server(command, tmp_path / f"server{len(running)}", pki, **options)
        running.append(server)
        return server.start()

    yield starter
    for server in running:
        # PyKMIP's server takes ten seconds to notice that it shall end.
        server.kill() if is_reference else server.stop()


# No test may take longer: the alarm ends it as a failure, so that its servers are stopped.
LIMIT_SECONDS = 900


@pytest.fixture(autouse=True)
def time_limit():
    """Bounds every test."""

    def over(*_):
        raise TimeoutError(f"the test took longer than {LIMIT_SECONDS} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)

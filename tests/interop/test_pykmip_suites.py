"""PyKMIP's own integration and functional tests, against the server under test.

All of them must pass, in TLS 1.2 and in TLS 1.3. Leaves the running of them to
pykmip_suites.py.
"""

import contextlib
import fcntl
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pykmip_suites
import pytest
from pki import PEOPLE

HERE = pathlib.Path(__file__).resolve().parent

# Fixed in PyKMIP's functional tests: they rewrite these files while the server runs.
POLICIES = pathlib.Path("/tmp/pykmip/policies")
SLUGS_FOLDER = pathlib.Path("/tmp/slugs")
SLUGS_PORT = 8080
SLUGS_URL = f"http://127.0.0.1:{SLUGS_PORT}/slugs/"
SLUGS_READY_SECONDS = 30

POLICY = """
{"policy_1": {"groups": {
    "Group A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "DESTROY": "ALLOW_ALL"}},
    "Group B": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "DESTROY": "DISALLOW_ALL"}}
}}}
"""

# The suites of the settings file on PyKMIP's page.
EXAMPLE_SUITES = """
    TLS_RSA_WITH_AES_128_CBC_SHA256
    TLS_RSA_WITH_AES_256_CBC_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"""

# Makes each client of a Python offer one suite.
CLIENT_SUITE = """
import ssl

plain = ssl.SSLContext.__new__


def limited(*arguments, **options):
    context = plain(*arguments, **options)
    context.set_ciphers("AES128-SHA256:@SECLEVEL=0")
    return context


ssl.SSLContext.__new__ = limited
"""

GROUPS = "John Doe,Group A\nJane Doe,Group A\nJane Doe,Group B\nJohn Smith,Group B\n"


@pytest.fixture(params=["TLS1.2", "TLS1.3"])
def suite(request, is_reference):
    """Each of the authentication suites that name one version of TLS; PyKMIP's own server has no TLS 1.3."""
    if is_reference and request.param == "TLS1.3":
        pytest.skip("PyKMIP's server does not speak TLS 1.3")
    return request.param


def test_pykmips_integration_tests_pass(start, tmp_path, suite):
    server = start(suite=suite)
    server.client_config(tmp_path / ".pykmip" / "pykmip.conf")
    files = ["integration/services/test_integration.py", "integration/services/test_proxykmipclient.py"]
    outcomes, output = pykmip_suites.run(files, tmp_path)
    judge(outcomes, 37, suite, output, server)


def test_pykmips_integration_tests_pass_over_a_suite_of_its_example(start, tmp_path, monkeypatch):
    """The settings are those of PyKMIP's page; a client of Python offers the suite only at security level 0."""
    server = start(suite="TLS1.2", settings={"tls_cipher_suites": EXAMPLE_SUITES})
    server.client_config(tmp_path / ".pykmip" / "pykmip.conf")
    (tmp_path / "sitecustomize.py").write_text(CLIENT_SUITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    files = ["integration/services/test_integration.py", "integration/services/test_proxykmipclient.py"]
    outcomes, output = pykmip_suites.run(files, tmp_path)
    judge(outcomes, 37, "AES128-SHA256", output, server)
    log = server.log.read_text()
    sessions = [line for line in log.splitlines() if "Starting session" in line]
    assert sessions and all("TLS_RSA_WITH_AES_128_CBC_SHA256" in line for line in sessions), sessions


def test_pykmips_functional_tests_pass(start, tmp_path, suite):
    with fixed_paths():
        run_functional_tests(start, tmp_path, suite)


@contextlib.contextmanager
def fixed_paths():
    """The fixed paths and the fixed port for one test process at a time."""
    with open(pathlib.Path(sys.prefix).parent / "functional.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_functional_tests(start, tmp_path, suite):
    POLICIES.mkdir(parents=True, exist_ok=True)
    for left_over in POLICIES.glob("policy_*.json"):
        left_over.unlink()
    (POLICIES / "policy.json").write_text(POLICY)
    with slugs_service(tmp_path):
        server = start(suite=suite, policies=POLICIES, sections={"auth:slugs": {"enabled": "True", "url": SLUGS_URL}})
        config = server.client_config(tmp_path / "pykmip.conf", people=PEOPLE)
        outcomes, output = pykmip_suites.run(
            ["functional/services/test_authentication.py"], tmp_path, [f"--config-file={config}"]
        )
    judge(outcomes, 4, suite, output, server)


def judge(outcomes, expected, suite, output, server):
    """Prints one line for each test; fails where one failed, or where tests are missing."""
    for name, outcome in sorted(outcomes.items()):
        print(f"{'passed' if outcome.passed else 'FAILED'} {name}")
    failed = {name: outcome.text for name, outcome in outcomes.items() if not outcome.passed}
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} of PyKMIP's tests pass in {suite}")
    assert len(outcomes) == expected, f"{len(outcomes)} tests ran instead of {expected}\n{output}"
    assert not failed, "\n\n".join(f"{name} fails:\n{text}" for name, text in failed.items()) + "\n" + server.report()


@contextlib.contextmanager
def slugs_service(folder):
    """The real SLUGS service on its fixed port, with the groups of PyKMIP's tests."""
    SLUGS_FOLDER.mkdir(parents=True, exist_ok=True)
    mapping = SLUGS_FOLDER / "user_group_mapping.csv"
    mapping.write_text(GROUPS)
    conf = folder / "slugs.conf"
    conf.write_text(
        f"""[global]
environment = 'production'
server.socket_host = '127.0.0.1'
server.socket_port = {SLUGS_PORT}
log.access_file = '{folder / "slugs_access.log"}'
log.error_file = '{folder / "slugs_error.log"}'

[data]
user_group_mapping = '{mapping}'

[/slugs]
tools.trailing_slash.on = True
"""
    )
    with open(folder / "slugs_output.txt", "wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "slugs_service.py"), "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_slugs(process, folder)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def wait_for_slugs(process, folder):
    """Waits until the service knows its users (it reads them after it listens)."""
    deadline = time.monotonic() + SLUGS_READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(SLUGS_URL + "users/John%20Doe/groups/", timeout=2) as answer:
                if b"Group A" in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    said = "\n".join(p.read_text(errors="replace") for p in sorted(folder.glob("slugs_*")) if p.suffix != ".conf")
    raise RuntimeError(f"SLUGS did not start on port {SLUGS_PORT}: {process.poll()}\n{said}")

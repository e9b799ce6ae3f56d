"""PyKMIP's own integration and functional tests, against the server under test.

Every test must pass that waiting.txt does not list, and no test may pass that it lists, so
that the list stays true. Leaves the running of them to pykmip_suites.py.
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

GROUPS = "John Doe,Group A\nJane Doe,Group A\nJane Doe,Group B\nJohn Smith,Group B\n"


def test_pykmips_integration_tests_pass(start, tmp_path, is_reference):
    server = start()
    server.client_config(tmp_path / ".pykmip" / "pykmip.conf")
    files = ["integration/services/test_integration.py", "integration/services/test_proxykmipclient.py"]
    outcomes, output = pykmip_suites.run(files, tmp_path)
    judge(outcomes, 37, is_reference, output, server)


def test_pykmips_functional_tests_pass(start, tmp_path, is_reference):
    with fixed_paths():
        run_functional_tests(start, tmp_path, is_reference)


@contextlib.contextmanager
def fixed_paths():
    """The fixed paths and the fixed port for one test process at a time."""
    with open(pathlib.Path(sys.prefix).parent / "functional.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_functional_tests(start, tmp_path, is_reference):
    POLICIES.mkdir(parents=True, exist_ok=True)
    for left_over in POLICIES.glob("policy_*.json"):
        left_over.unlink()
    (POLICIES / "policy.json").write_text(POLICY)
    with slugs_service(tmp_path):
        server = start(policies=POLICIES, sections={"auth:slugs": {"enabled": "True", "url": SLUGS_URL}})
        config = server.client_config(tmp_path / "pykmip.conf", people=PEOPLE)
        outcomes, output = pykmip_suites.run(
            ["functional/services/test_authentication.py"], tmp_path, [f"--config-file={config}"]
        )
    judge(outcomes, 4, is_reference, output, server)


def judge(outcomes, expected, is_reference, output, server):
    """Compares the outcomes with waiting.txt and prints one line for each test."""
    listed = {} if is_reference else pykmip_suites.waiting()
    wrong = []
    for name, outcome in sorted(outcomes.items()):
        note = f"   (waits for {listed[name]})" if name in listed else ""
        print(f"{'passed' if outcome.passed else 'FAILED'} {name}{note}")
        if outcome.passed and name in listed:
            wrong.append(f"{name} passes: take it out of waiting.txt")
        if not outcome.passed and name not in listed:
            wrong.append(f"{name} fails:\n{outcome.text}")
    count = sum(outcome.passed for outcome in outcomes.values())
    print(f"{count} of {len(outcomes)} of PyKMIP's tests pass, {len(set(listed) & set(outcomes))} wait")
    assert len(outcomes) == expected, f"{len(outcomes)} tests ran instead of {expected}\n{output}"
    assert not wrong, "\n\n".join(wrong) + "\n" + server.report()


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

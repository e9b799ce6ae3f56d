"""Runs PyKMIP's own test files in a process of their own and reads how each test ended.

test_pykmip_suites.py defines the expected outcomes. The tests read
$HOME/.pykmip/pykmip.conf, so HOME is a folder of ours while they run.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml

import prepare

# Either suite takes under a minute against PyKMIP's own server.
SUITE_SECONDS = 300


class Outcome:
    """How one test ended: `passed`, and the text that the failure left."""

    def __init__(self, passed, text=""):
        self.passed = passed
        self.text = text


def source_root():
    """The unpacked source package, beside the environment that runs this."""
    # Other releases stand beside it, for the tests of taking over their databases.
    folder = pathlib.Path(sys.prefix).parent / "src" / f"pykmip-{prepare.pykmip_version()}"
    if not (folder / "kmip" / "tests").is_dir():
        raise FileNotFoundError(f"no PyKMIP sources in {folder}; run tests/interop/prepare.py")
    return folder


def run(files, home, options=()):
    """Runs test files of PyKMIP (paths below kmip/tests) and returns {name: Outcome}, output."""
    sources = source_root()
    report = pathlib.Path(home) / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command += ["--rootdir", str(sources), *options]
    command += [str(sources / "kmip" / "tests" / name) for name in files]
    environment = dict(os.environ, HOME=str(home), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        command,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SUITE_SECONDS,
    )
    output = done.stdout.decode(errors="replace")
    if not report.exists():
        raise RuntimeError(f"PyKMIP's tests did not run\n{output}")
    return outcomes(report), output


def outcomes(report):
    """{FILE::CLASS::TEST: Outcome} of a JUnit report."""
    found = {}
    for case in xml.parse(report).getroot().iter("testcase"):
        *modules, name = case.get("classname").split(".")
        label = f"{modules[-1]}.py::{name}::{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        earlier = found.get(label)
        if bad:
            found[label] = Outcome(False, "\n".join((child.text or child.get("message") or "") for child in bad))
        elif earlier is None:
            found[label] = Outcome(True)
    return found

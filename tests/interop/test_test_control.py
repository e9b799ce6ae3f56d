"""Test control with PyKMIP's client: the sample project of examples/python-client, and the page docs/testing-clients.md."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from test_takeover import make_database

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT_SECONDS = 300


def run_pytest(folder, command):
    environment = dict(
        os.environ,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONPATH=os.pathsep.join([str(ROOT / "python"), str(folder)]),
        KMIP_SERVER_BINARY=command[0],
    )
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "kmip_server.plugin", str(folder)]
    done = subprocess.run(
        arguments, cwd=str(folder), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, universal_newlines=True,
    )
    assert done.returncode == 0, done.stdout
    print(done.stdout)


def test_the_sample_project(tmp_path, command):
    folder = tmp_path / "python-client"
    shutil.copytree(str(ROOT / "examples" / "python-client"), str(folder))
    run_pytest(folder, command)


def test_the_lines_of_the_page(tmp_path, command):
    page = (ROOT / "docs" / "testing-clients.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "test_page.py").write_text(block, encoding="utf-8")
    run_pytest(tmp_path, command)


def test_a_database_of_pykmip_is_a_seed(tmp_path, command):
    folder = tmp_path / "seed"
    folder.mkdir()
    database = tmp_path / "pykmip.database"
    count = make_database(database, None)
    before = database.read_bytes()
    (folder / "test_seed.py").write_text(
        "def test_seed(kmip_server):\n"
        f"    ids = kmip_server.seed(pykmip_database={str(database)!r})\n"
        f"    assert ids == [str(number + 1) for number in range({count})]\n",
        encoding="utf-8",
    )
    run_pytest(folder, command)
    assert database.read_bytes() == before

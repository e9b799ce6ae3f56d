"""The commands of the documentation, run as they stand there, one after the other in one shell."""

import os
import re
import shlex
import subprocess
import sys

from pages import DOCS, blocks
from server import free_port

LIMIT_SECONDS = 60


def run(command, tmp_path, database, then):
    """What is said by the commands of anywhere.md, with PyKMIP's client of pykmip.md between them, and those of `then`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "run_server").symlink_to(command[0])
    port = str(free_port())
    begin, wait, end = (text.replace("9696", port) for text in blocks("anywhere.md", "sh"))
    (tmp_path / "client.py").write_text("".join(blocks("pykmip.md", "python")))
    script = "\n".join(
        [
            "set -e",
            begin.replace(":memory:", database),
            wait,
            'export KMIP_SERVER_PORT="$port"',
            f"{shlex.quote(sys.executable)} client.py",
            end,
            "wait",
            *then,
        ]
    )
    environment = dict(os.environ, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, universal_newlines=True,
        )
    finally:
        stop(tmp_path / "kmip-certs" / "pid")
    assert done.returncode == 0, done.stdout
    return done.stdout.rstrip()


def test_the_commands_of_the_pages_work_as_they_stand(command, is_reference, tmp_path):
    assert not is_reference, "the pages are about this server"
    said = run(command, tmp_path, ":memory:", ["echo the end"])
    assert "the server is on port" in said and said.endswith("the end"), said


def test_the_commands_of_the_page_about_backups_work_as_they_stand(command, is_reference, tmp_path):
    assert not is_reference, "the pages are about this server"
    said = run(command, tmp_path, "kmip.database", blocks("backup.md", "sh"))
    assert "Imported 1 objects into moved.database." in said, said
    assert said.endswith("1 Symmetric Key John Doe"), said


def test_the_first_lines_of_readme_lead_to_a_first_key(command, is_reference, tmp_path):
    assert not is_reference, "README is about this server"
    (build_and_start,) = re.findall(r"^```sh\n(.*?)^```$", (DOCS.parent / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    build, start = build_and_start.splitlines()
    assert build == "cargo build --release"
    program, *options = shlex.split(start)
    assert program == "target/release/run_server"
    server = subprocess.Popen(
        [command[0], *options], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True,
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("print(")):
            line = server.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        script = "".join(lines[next(i for i, line in enumerate(lines) if line.startswith("from ")):])
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS,
            universal_newlines=True,
        )
        assert done.returncode == 0, done.stderr
    finally:
        server.terminate()
        server.wait(30)
    assert re.search(r"^1 b'[0-9a-f]{64}'$", done.stdout, re.MULTILINE), done.stdout


def stop(pid_file):
    """Ends the server of a script that failed before it did so itself."""
    try:
        os.kill(int(pid_file.read_text()), 9)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass


def test_every_page_is_in_the_index_and_every_link_leads_somewhere():
    index = (DOCS / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, f"{page.name} is not in the index"
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (DOCS / link).exists(), f"{page.name}: {link}"

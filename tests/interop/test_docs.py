"""The commands of the documentation, run as they stand there, one after the other in one shell."""

import os
import re
import shlex
import subprocess
import sys

from pages import DOCS, blocks

LIMIT_SECONDS = 60


def test_the_commands_of_the_pages_work_as_they_stand(command, is_reference, tmp_path):
    assert not is_reference, "the pages are about this server"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "run_server").symlink_to(command[0])
    begin, wait, end = blocks("anywhere.md", "sh")
    (tmp_path / "client.py").write_text("".join(blocks("pykmip.md", "python")))
    script = "\n".join(
        [
            "set -e",
            begin,
            wait,
            'export KMIP_PORT="$port"',
            f"{shlex.quote(sys.executable)} client.py",
            end,
            "wait",
            "echo the end",
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
    assert done.returncode == 0 and done.stdout.rstrip().endswith("the end"), done.stdout
    assert "the server is on port" in done.stdout, done.stdout


def test_the_commands_of_the_page_about_backups_work_as_they_stand(command, is_reference, tmp_path):
    assert not is_reference, "the pages are about this server"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "run_server").symlink_to(command[0])
    begin, wait, end = blocks("anywhere.md", "sh")
    (tmp_path / "client.py").write_text("".join(blocks("pykmip.md", "python")))
    script = "\n".join(
        [
            "set -e",
            begin.replace(":memory:", "kmip.database"),
            wait,
            'export KMIP_PORT="$port"',
            f"{shlex.quote(sys.executable)} client.py",
            end,
            "wait",
            *blocks("backup.md", "sh"),
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
    assert "Imported 1 objects into moved.database." in done.stdout, done.stdout
    assert done.stdout.rstrip().endswith("1 Symmetric Key John Doe"), done.stdout


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

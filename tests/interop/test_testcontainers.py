"""`kmip_server.testcontainers` with the packages of Testcontainers and Docker.

No container can be run here: a process of this machine plays it, behind a part of Docker's API (clients/docker_daemon.py).
"""

import json
import os
import pathlib
import subprocess
import sys

import pages
from test_clients import CLIENTS, client_python, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = {"PYTHONPATH": str(ROOT / "python")}


def client(word, command, folder):
    """Runs the client against the API; returns what it printed, and the images of its containers."""
    python = client_python("testcontainers")
    daemon = subprocess.Popen(
        [sys.executable, str(CLIENTS / "docker_daemon.py"), command[0], str(folder)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, universal_newlines=True,
    )
    try:
        address = daemon.stdout.readline().strip()
        variables = dict(PACKAGE, DOCKER_HOST=address, TESTCONTAINERS_RYUK_DISABLED="true", TESTCONTAINERS_CONNECTION_MODE="docker_host", DOCKER_CONFIG=str(folder))
        request = ROOT / "examples" / "create.json"
        script = [folder / "lines.py"] if word == "page" else [CLIENTS / "testcontainers_client.py", word, request]
        said = run([python, "-W", "ignore", *script], folder, **variables)
    finally:
        images, _ = daemon.communicate(timeout=60)
    return said.split(), json.loads(images)


def test_a_container_serves_clients_with_their_certificates(command, is_reference, tmp_path):
    assert not is_reference
    assert client("serve", command, tmp_path) == (["served"], ["registry.example/kmip-server:1.2"])


def test_the_lines_of_the_page_create_a_key(command, is_reference, tmp_path):
    assert not is_reference
    (tmp_path / "lines.py").write_text(pages.block("testcontainers.md", "python") + 'print("key", key)\n')
    said, images = client("page", command, tmp_path)
    assert (said, images) == (["key", "1"], ["kmip-server:latest"])


def test_a_container_that_does_not_become_ready_says_why(command, is_reference, tmp_path):
    assert not is_reference
    assert client("fail", command, tmp_path) == (["failed"], ["kmip-server"])


def test_without_testcontainers_the_module_says_what_to_install(is_reference, tmp_path):
    assert not is_reference
    done = subprocess.run(
        [sys.executable, "-c", "import kmip_server.testcontainers"], cwd=tmp_path, env=dict(os.environ, **PACKAGE),
        stderr=subprocess.PIPE, universal_newlines=True,
    )
    assert done.returncode == 1 and "pip install 'kmip-server[testcontainers]'" in done.stderr, done.stderr

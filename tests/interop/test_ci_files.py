"""The files for CI systems and for Helm: linters accept them. The scripts start a server, or say why not.

The runners of GitHub and GitLab are not here: clients/ci_runner.py runs the scripts. packaging/test_wheel.py runs those that
install the wheel.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import time

import pytest
from kmip import enums
from kmip.pie.client import ProxyKmipClient
from server import free_port
from test_clients import CLIENTS, client_python

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LIMIT_SECONDS = 120


def run(command, expected=0, **options):
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=LIMIT_SECONDS, universal_newlines=True, **options,
    )
    assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def action(folder, expected=0, **inputs):
    """Runs the action; returns its outputs, and what it printed."""
    given = [f"{name.replace('_', '-')}={value}" for name, value in inputs.items()]
    done = run([client_python("lint"), CLIENTS / "ci_runner.py", "action", folder, *given], expected)
    return json.loads(done.stdout) if expected == 0 else None, done.stderr


def ended(pid):
    """Ends the server of a script, and waits for its end."""
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while pathlib.Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} does not end"
        time.sleep(0.02)


def creates_a_key(folder, user, port):
    """Creates a key with PyKMIP's client and the certificates in the folder."""
    name = user.lower().replace(" ", "_")
    with ProxyKmipClient(
        hostname="127.0.0.1", port=int(port), ca=f"{folder}/root_certificate.pem",
        cert=f"{folder}/client_certificate_{name}.pem", key=f"{folder}/client_key_{name}.pem", ssl_version="PROTOCOL_SSLv23",
    ) as client:
        return client.create(enums.CryptographicAlgorithm.AES, 256)


def test_linters_accept_the_action_the_component_and_the_workflows(is_reference, tmp_path):
    assert not is_reference
    linters = pathlib.Path(client_python("lint")).parent
    component = tmp_path / "component.yml"
    component.write_text(run([linters / "python", CLIENTS / "ci_runner.py", "component-schema"]).stdout)
    assert WORKFLOWS
    for schema, files in (
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.gitlab-ci", [component]),
    ):
        run([linters / "check-jsonschema", "--builtin-schema", schema, *files])
    zizmor = [linters / "zizmor", "--offline", "--no-progress", "--config", ROOT / ".github" / "zizmor.yml"]
    run([*zizmor, ROOT / "action.yml", *WORKFLOWS])
    # The linters find defects.
    wrong = tmp_path / ".github" / "workflows" / "wrong.yml"
    wrong.parent.mkdir(parents=True)
    text = WORKFLOWS[0].read_text()
    wrong.write_text(text.replace("runs-on:", "run-on:"))
    run([linters / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", wrong], 1)
    wrong.write_text(text.replace('"$GITHUB_REF_NAME" files', '"${{ github.head_ref }}" files'))
    assert "template-injection" in run([*zizmor, wrong], 14).stdout


def test_helm_and_the_schemas_of_kubernetes_accept_the_chart(is_reference, tmp_path):
    assert not is_reference
    python, chart = client_python("lint"), ROOT / "packaging" / "helm"
    settings = (ROOT / "docs" / "settings.md").read_text()
    for variable in run([python, CLIENTS / "helm_chart.py", chart]).stdout.split():
        assert f"#{variable[len('KMIP_'):].lower()})" in settings, f"{variable} is no setting"
    # They find defects.
    wrong = tmp_path / "helm"
    shutil.copytree(chart, wrong)
    for old, new in (("fsGroup: 65532", "fsGroup: group"), ("with .Values.persistence.storageClassName", "with")):
        file = wrong / "templates" / "statefulset.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        run([python, CLIENTS / "helm_chart.py", wrong], 1)
        file.write_text(text)


def test_the_action_starts_a_server_for_the_clients_that_it_names(command, is_reference, tmp_path):
    assert not is_reference
    port, management = free_port(), f"127.0.0.1:{free_port()}"
    outputs, said = action(
        tmp_path / "temp", program=command[0], port=port, management_address=management, clients="Ann\nBob Smith",
        options="--test_control True -v DEBUG",
    )
    try:
        assert outputs["port"] == str(port) and outputs["management-address"] == management, outputs
        for user in ("Ann", "Bob Smith"):
            assert creates_a_key(outputs["certificates"], user, port)
        assert f"port={port}" in pathlib.Path(outputs["certificates"], "client.conf").read_text()
        assert "DEBUG" in pathlib.Path(outputs["log"]).read_text()
        assert run([outputs["program"], "--health", management]).stdout.startswith(f"Listening on {port} ")
    finally:
        ended(int(outputs["pid"]))


def test_the_action_uses_a_settings_file_and_a_release_archive(command, is_reference, pki, tmp_path):
    assert not is_reference
    archive = tmp_path / "kmip-server.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(os.path.realpath(command[0]), "run_server")
    settings = tmp_path / "server.conf"
    settings.write_text(
        f"[server]\nhostname=127.0.0.1\nport=0\nauth_suite=Basic\ndatabase_path=:memory:\nmanagement_token=0123456789abcdef\n"
        f"certificate_path={pki.server_certificate}\nkey_path={pki.server_key}\nca_path={pki.ca_path}\n"
    )
    given = dict(download=archive.as_uri(), settings=settings, management_address=f"127.0.0.1:{free_port()}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    outputs, _ = action(tmp_path / "temp", sha256=digest, **given)
    try:
        assert outputs["certificates"] == "" and outputs["program"] == str(tmp_path / "temp" / "kmip-server" / "run_server")
        assert int(outputs["port"]) > 0
    finally:
        ended(int(outputs["pid"]))
    _, said = action(tmp_path / "other", 1, sha256="0" * 64, **given)
    assert "FAILED" in said, said


def test_an_action_whose_server_does_not_start_says_why_at_once(command, is_reference, tmp_path):
    assert not is_reference
    began = time.monotonic()
    given = dict(program=command[0], port=free_port(), management_address=f"127.0.0.1:{free_port()}")
    _, said = action(tmp_path / "temp", 1, options="--compatibility Other", **given)
    assert time.monotonic() - began < 20
    assert re.search("^::error .*'compatibility' cannot be 'Other'", said, re.MULTILINE), said


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_component_starts_a_server_for_the_script_of_a_job(command, is_reference, tmp_path, shell):
    assert not is_reference
    given = {
        "package": "wheels/*.whl", "clients": "Ann,Bob Smith", "port": free_port(),
        "management_address": f"127.0.0.1:{free_port()}", "options": "-v DEBUG",
    }
    script = run([client_python("lint"), CLIENTS / "ci_runner.py", "component", *(f"{k}={v}" for k, v in given.items())]).stdout
    # Without an index: an environment that has the program already, and a pip that installs nothing.
    programs = tmp_path / "kmip-server" / "venv" / "bin"
    script = script.replace("python3 -m venv", "true").replace('/bin/pip" install', '/bin/pip" ignored install')
    programs.mkdir(parents=True)
    (programs / "run_server").symlink_to(os.path.realpath(command[0]))
    (programs / "pip").write_text("#!/bin/sh\n")
    (programs / "pip").chmod(0o755)
    script += '\necho "$KMIP_SERVER_PORT $KMIP_SERVER_PID"\n'
    done = run([shell, "-ec", script], cwd=tmp_path, env=dict(os.environ, CI_PROJECT_DIR=str(tmp_path)))
    port, pid = done.stdout.splitlines()[-1].split()
    try:
        assert port == str(given["port"])
        for user in ("Ann", "Bob Smith"):
            assert creates_a_key(tmp_path / "kmip-server" / "certificates", user, port)
    finally:
        ended(int(pid))

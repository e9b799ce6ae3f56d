"""The clients that docs/ has pages for, with the lines of those pages: only paths and ports are those of the test.

Leaves what each client does to the files in clients/. Clients that pip can install have an environment each
(prepare.py); others must be installed. A test without its client is skipped with the reason.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pages
import pytest
from kmip import enums
from kmip.pie.client import ProxyKmipClient
from server import free_port, free_ports

sys.path.insert(0, str(pathlib.Path(__file__).parent / "clients"))

import ceph_cluster

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE / "clients"
LIMIT_SECONDS = 300
# Long enough for a busy machine; Go builds the standard library's TLS at its first use.
START_SECONDS = 60

# Pages whose client no test has, and why.
UNTESTED = {
    "percona.md": "Percona Server is on no index: neither pip, npm, cargo nor Debian's packages have it",
    "libkmip.md": "libkmip's programs are on no index; the library itself is in Ceph's gateway, which is tested",
}
# What tests each of the others.
TESTED = {
    "anywhere.md": "test_docs.py",
    "backup.md": "test_docs.py",
    "barbican.md": "test_clients.py",
    "ceph.md": "test_clients.py",
    "container.md": "test_image.py",
    "github-actions.md": "../../packaging/test_wheel.py",
    "gitlab-ci.md": "../../packaging/test_wheel.py",
    "kmip-go.md": "test_clients.py",
    "management.md": "../management.rs",
    "many-servers.md": "../shared_database.rs",
    "mongodb.md": "test_clients.py",
    "pykmip.md": "test_docs.py",
    "testcontainers.md": "test_testcontainers.py",
    "testing-clients.md": "test_test_control.py",
}


def client_python(name):
    """The Python of that client's environment; skips the test where it cannot be made."""
    base = pathlib.Path(sys.base_prefix) / "bin" / "python3"
    done = subprocess.run(
        [str(base), str(HERE / "prepare.py"), "--root", str(pathlib.Path(sys.prefix).parent), "--client", name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")]
        pytest.skip(f"{name}: {said[-1]} ({errors[-1] if errors else 'pip gave no reason'})")
    return done.stdout.strip()


def run(command, folder, report=lambda: "", **environment):
    """Runs a client to its end, shows what it says, and fails where it failed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS,
        universal_newlines=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{report()}"
    print(done.stdout)
    return done.stdout


def joined(path, *parts):
    """One PEM file of several."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_mongodbs_driver_keeps_its_master_keys_in_a_server_of_the_script(command, is_reference, pki, tmp_path):
    python = client_python("mongodb")
    if is_reference:
        pytest.skip("the page is about this server")
    joined(tmp_path / "server.pem", pki.server_certificate, pki.server_key)
    joined(tmp_path / "client.pem", pki.certificate("john_doe"), pki.key("john_doe"))
    joined(tmp_path / "ca.pem", pki.ca_path)
    port = {"5698": free_port()}
    (tmp_path / "server.py").write_text(pages.block("mongodb.md", "python server", port))
    (tmp_path / "driver.py").write_text(pages.block("mongodb.md", "python driver", port))
    package = {"PYTHONPATH": str(HERE.parents[1] / "python"), "KMIP_SERVER_BINARY": command[0]}
    server = subprocess.Popen(
        [sys.executable, "server.py"], cwd=tmp_path, env=dict(os.environ, **package), stdin=subprocess.DEVNULL
    )
    log = tmp_path / "pykmip.log"
    try:
        wait_for(lambda: server.poll() is not None or log.exists() and "Starting connection service" in log.read_text())
        assert server.poll() is None, "the script ended; why stands above"
        said = run([python, CLIENTS / "mongodb_driver.py", "driver.py"], tmp_path, log.read_text)
    finally:
        server.terminate()
        assert server.wait(30) == 0
    assert "delegated: a data key was made and used" in said and "every data key was wrapped anew" in said


def test_barbican_keeps_its_secrets_in_the_server(start, pki, tmp_path):
    python = client_python("barbican")
    server = start(suite="TLS1.2", settings={"compatibility": "Standard"})
    home = tmp_path / "home"
    (home / ".barbican").mkdir(parents=True)
    key = joined(home / "kmip-client.key", pki.key("john_doe"))
    key.chmod(0o400)
    lines = pages.block(
        "barbican.md", "ini",
        {
            "port = 5696": f"port = {server.port}",
            "/etc/barbican/kmip-client.key": key,
            "/etc/barbican/kmip-client.crt": pki.certificate("john_doe"),
            "/etc/pykmip/certs/root_certificate.pem": pki.ca_path,
        },
    )
    own = f"[DEFAULT]\ndb_auto_create = True\nhost_href = http://localhost\n[database]\nconnection = sqlite:///{home}/db\n"
    (home / ".barbican" / "barbican.conf").write_text(own + lines)
    said = run([python, CLIENTS / "barbican_api.py"], home, server.report, HOME=str(home))
    for kind in ("symmetric", "private", "public", "passphrase", "opaque"):
        assert f"{kind}: stored, read and deleted" in said


def test_cephs_gateway_encrypts_with_a_key_of_the_server(start, pki, tmp_path):
    missing = ceph_cluster.missing()
    if missing:
        pytest.skip(f"Ceph is not installed ({', '.join(missing)}): apt-get install radosgw ceph-mon ceph-osd ceph-common")
    server = start(suite="Basic")
    lines = pages.block(
        "ceph.md", "ini",
        {
            "5696": server.port,
            "/etc/pykmip/certs/root_certificate.pem": pki.ca_path,
            "/etc/ceph/kmip-client.crt": pki.certificate("john_doe"),
            "/etc/ceph/kmip-client.key": pki.key("john_doe"),
        },
    )
    with ProxyKmipClient(
        hostname="127.0.0.1", port=server.port, cert=str(pki.certificate("john_doe")), key=str(pki.key("john_doe")),
        ca=str(pki.ca_path), ssl_version="PROTOCOL_SSLv23",
    ) as client:
        exec(pages.block("ceph.md", "python"), {"client": client, "enums": enums})
    with ceph_cluster.Gateway(tmp_path / "ceph", lines, *free_ports(2)) as gateway:
        encrypted = {"x_amz_server_side_encryption": "aws:kms"}
        named = dict(encrypted, x_amz_server_side_encryption_aws_kms_key_id="mybucketkey")
        unknown = dict(encrypted, x_amz_server_side_encryption_aws_kms_key_id="nobody's key")
        assert gateway.request("PUT", "/bucket")[0] == 200, gateway.report()
        status, _, said = gateway.request("PUT", "/bucket/object", b"plain text", **named)
        assert status == 200, f"{said}\n{server.report()}\n{gateway.report()}"
        status, headers, body = gateway.request("GET", "/bucket/object")
        assert (status, body) == (200, b"plain text")
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "mybucketkey"
        status, _, said = gateway.request("PUT", "/bucket/other", b"plain text", **unknown)
        assert status == 404 and b"NoSuchKey" in said, "a name that the server does not have"
    assert '"operation":"Get"' in server.log.with_name("audit.log").read_text()
    print("Ceph's gateway wrote and read an object under a key of the server")


def test_gos_tls_needs_no_further_settings(start, pki, tmp_path):
    if shutil.which("go") is None:
        pytest.skip("go is not installed: apt-get install golang-go")
    server = start(suite="Basic")
    joined(tmp_path / "client.crt", pki.certificate("john_doe"))
    joined(tmp_path / "client.key", pki.key("john_doe"))
    joined(tmp_path / "root_certificate.pem", pki.ca_path)
    (tmp_path / "main.go").write_text(pages.block("kmip-go.md", "go", {"5696": server.port}))
    said = run(["go", "run", "main.go"], tmp_path, server.report, GOFLAGS="-mod=mod", GOPROXY="off")
    assert said.startswith("TLS_"), said
    wait_for(lambda: ", TLS 1.3, TLS_" in server.log.read_text())
    print("the library itself is not tested: no Go module proxy is an index of these tests")


def test_every_page_with_lines_to_run_is_run():
    for page in sorted(pages.DOCS.glob("*.md")):
        if page.name in UNTESTED:
            print(f"{page.name} is not run: {UNTESTED[page.name]}")
        else:
            assert page.name in TESTED or "```" not in page.read_text(), f"{page.name}: say what runs its blocks"
    for file in set(TESTED.values()):
        assert (HERE / file).exists(), file


def wait_for(condition):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "no end of waiting"
        time.sleep(0.02)

"""The container image: built by buildah from the executable under test, unpacked, and run in a chroot as its user.

Leaves the static build to `make image`: an executable that is not static gets its libraries into the image.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pages
import pytest
from kmip import enums
from kmip.pie.client import ProxyKmipClient
from server import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "localhost/kmip-server-test"
LIMIT_SECONDS = 300
# The most from the start of the server to the first key of each client. Other tests use the machine, too, so that the
# fastest of several attempts counts.
FIRST_KEY_SECONDS = 10
ATTEMPTS = 4
# The maximum size of the layers as a registry stores them: compressed.
MAX_BYTES = 20_000_000
# An address of loopback that the server does not recognise as one, so that it makes a token as it does in a container.
LOOPBACK = "127.1"


def run(*command, **more):
    """Runs a command to its end, which must succeed, and returns its standard output."""
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=LIMIT_SECONDS, universal_newlines=True, **more,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


class Image:
    """An image, and the folder with its files."""

    def __init__(self, buildah):
        described = json.loads(run(*buildah, "inspect", "--type", "image", NAME))
        self.config = described["Docker"]["config"]
        container = run(*buildah, "from", NAME).strip()
        self.folder = pathlib.Path(run(*buildah, "mount", container).strip())
        self.environment = dict(entry.split("=", 1) for entry in self.config["Env"])

    def command(self, command):
        """The command line that runs a command of the image in a chroot, as the user of the image."""
        return ["chroot", f"--userspec={self.config['User']}", str(self.folder), *command]


@pytest.fixture(scope="module")
def image(command, is_reference, tmp_path_factory):
    if is_reference:
        pytest.skip("the image is about this server")
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed (Debian: apt-get install --no-install-recommends buildah)")
    if os.geteuid() != 0:
        pytest.skip("only root can use chroot")
    storage = tmp_path_factory.mktemp("storage")
    buildah = ["buildah", "--storage-driver", "vfs", "--root", str(storage / "root"), "--runroot", str(storage / "run")]
    built = run(ROOT / "packaging" / "image", "build", command[0], NAME, env=dict(os.environ, BUILDER=" ".join(buildah)))
    print(built.splitlines()[-1])
    yield Image(buildah)
    run(*buildah, "rm", "--all")
    run(*buildah, "rmi", "--all", "--force")
    shutil.rmtree(storage, ignore_errors=True)


def test_an_image_of_an_executable_needs_no_registry(command, is_reference, tmp_path):
    """Docker without BuildKit builds each stage of a file."""
    if is_reference:
        pytest.skip("the image is about this server")
    builder = tmp_path / "builder"
    builder.write_text('#!/bin/sh\nwhile [ "$1" != -f ]; do shift; done\ngrep ^FROM "$2"\n', encoding="utf-8")
    builder.chmod(0o755)
    printed = run(ROOT / "packaging" / "image", "build", command[0], NAME, env=dict(os.environ, BUILDER=str(builder)))
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("FROM")] == ["scratch", "scratch"]


def curl():
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (Debian: apt-get install curl)")


@contextlib.contextmanager
def serving(command, environment, folder):
    """A server with this environment alone, and its ports; it writes to server.out in the folder."""
    ports = {"5696": free_port(), "9696": free_port()}
    environment = dict(
        environment,
        KMIP_HOSTNAME="127.0.0.1",
        KMIP_PORT=str(ports["5696"]),
        KMIP_MANAGEMENT_ADDRESS=f"{LOOPBACK}:{ports['9696']}",
    )
    with open(folder / "server.out", "w") as output:
        server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while "Management token" not in (folder / "server.out").read_text():
            said = (folder / "server.out").read_text()
            assert server.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.02)
        yield ports, environment
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()


def first_keys(ports, folder):
    """Creates a key with curl and one with PyKMIP's client, by the lines of the page. Returns their identifiers."""
    changes = {"docker logs kmip": "cat server.out", "5696": ports["5696"], "9696": ports["9696"]}
    answer = run("bash", "-ec", pages.block("container.md", "sh key", changes), cwd=folder)
    by_curl = re.search(r'"UniqueIdentifier"[^}]*"value": ?"(\d+)"', answer)
    assert by_curl, answer
    (folder / "key.py").write_text(pages.block("container.md", "python", {"port=5696": f"port={ports['5696']}"}))
    by_pykmip = run(sys.executable, "key.py", cwd=folder).strip()
    assert by_pykmip.isdigit(), by_pykmip
    return by_curl.group(1), by_pykmip


def in_time(what, start, folder, forget):
    """Measures the time from the start of a server without any file to the first keys, and checks the fastest attempt."""
    measured = []
    while len(measured) < ATTEMPTS and min(measured, default=FIRST_KEY_SECONDS) >= FIRST_KEY_SECONDS:
        forget()
        begin = time.monotonic()
        with start() as (ports, _):
            first_keys(ports, folder)
            measured.append(time.monotonic() - begin)
    print(f"{what}: the first keys after {min(measured):.2f} s")
    assert min(measured) < FIRST_KEY_SECONDS, measured


def get(ports, folder, identifier):
    bundle = str(folder / "john.pem")
    client = ProxyKmipClient(
        hostname="127.0.0.1", port=ports["5696"], cert=bundle, key=bundle, ca=bundle, ssl_version="PROTOCOL_SSLv23"
    )
    with client:
        return client.get(identifier)


def test_the_image_says_what_it_is_and_contains_what_it_needs(image):
    config = image.config
    assert config["User"] == "65532:65532" and config["Entrypoint"] == ["/usr/bin/run_server"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/run_server", "--health"]
    assert set(config["ExposedPorts"]) == {"5696/tcp", "9696/tcp"} and set(config["Volumes"]) == {"/data"}
    assert config["StopSignal"] == "SIGTERM"
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items() if "opencontainers" in name}
    assert set(labels) == {"title", "description", "licenses", "version", "revision", "created"} and all(labels.values())
    version = re.search('^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    assert labels["version"] == version

    data = (image.folder / "data").stat()
    assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (65532, 65532, 0o700)
    foreign = [path for path in image.folder.rglob("*") if path.stat().st_uid == 65532]
    assert sorted(path.name for path in foreign) == ["data", "tmp"]
    document = json.loads((image.folder / "usr/share/doc/kmip-server/sbom.cdx.json").read_text())
    packages = {component["name"]: component for component in document["components"]}
    locked = set(re.findall('^name = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
    assert document["bomFormat"] == "CycloneDX" and set(packages) <= locked and len(packages) > 100
    assert {"rustls", "openssl-src", "aws-lc-sys", "rusqlite"} <= set(packages) and "pytest" not in packages
    assert all(component.get("licenses") and component.get("hashes") for component in packages.values())

    size = sum(path.lstat().st_size for path in image.folder.rglob("*") if path.is_file())
    layers = subprocess.run(["tar", "-C", str(image.folder), "-cz", "."], stdout=subprocess.PIPE, check=True).stdout
    print(f"the image has {size // 1000} kB, {len(layers) // 1000} kB compressed")
    assert len(layers) < MAX_BYTES


def test_a_container_leads_to_first_keys_and_keeps_them(image, tmp_path):
    curl()
    environment = dict(image.environment, KMIP_TEST_CONTROL="True")
    server = image.command(image.config["Entrypoint"])

    def forget():
        for path in (image.folder / "data").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    in_time("image", lambda: serving(server, environment, tmp_path), tmp_path, forget)
    with serving(server, environment, tmp_path) as (ports, inner):
        identifiers = first_keys(ports, tmp_path)
        keys = [get(ports, tmp_path, identifier).value for identifier in identifiers]
        health = image.command(image.config["Healthcheck"]["Test"][1:])
        assert "Listening on" in run(*health, env=inner)
        owners = {path.stat().st_uid for path in (image.folder / "data").rglob("*")}
        assert owners == {65532}
    assert subprocess.run(health, env=inner, stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode == 1
    # The log is on standard output; the next start has the same certificates and keys.
    assert "kmip.server" in (tmp_path / "server.out").read_text()
    with serving(server, environment, tmp_path) as (ports, _):
        assert [get(ports, tmp_path, identifier).value for identifier in identifiers] == keys


def test_the_executable_leads_to_first_keys(command, is_reference, tmp_path):
    if is_reference:
        pytest.skip("the page is about this server")
    curl()
    environment = {
        "KMIP_TEST_CONTROL": "True", "KMIP_DATABASE_PATH": ":memory:", "KMIP_LOG_PATH": "-",
        "KMIP_AUTO_CERTIFICATES": str(tmp_path / "certificates"),
    }
    forget = lambda: shutil.rmtree(tmp_path / "certificates", ignore_errors=True)
    in_time("executable", lambda: serving(command, environment, tmp_path), tmp_path, forget)


def test_python_gets_the_certificates_from_test_control(command, is_reference, tmp_path):
    if is_reference:
        pytest.skip("the page is about this server")
    sys.path.insert(0, str(ROOT / "python"))
    from kmip_server.control import Control, ControlError

    environment = {
        "KMIP_TEST_CONTROL": "True", "KMIP_DATABASE_PATH": ":memory:", "KMIP_LOG_PATH": "-",
        "KMIP_AUTO_CERTIFICATES": str(tmp_path / "certificates"),
    }
    with serving(command, environment, tmp_path) as (ports, _):
        token = re.search("^Management token (.*)$", (tmp_path / "server.out").read_text(), re.MULTILINE).group(1)
        control = Control(f"127.0.0.1:{ports['9696']}", token)
        (tmp_path / "jane.pem").write_text(control.certificates("Jane Doe"))
        bundle = str(tmp_path / "jane.pem")
        client = ProxyKmipClient(
            hostname="127.0.0.1", port=ports["5696"], cert=bundle, key=bundle, ca=bundle, ssl_version="PROTOCOL_SSLv23"
        )
        with client:
            client.create(enums.CryptographicAlgorithm.AES, 256)
        assert control.certificates().count("BEGIN CERTIFICATE") == 2
        with pytest.raises(ControlError, match="the clients are John Doe, Jane Doe"):
            control.certificates("Nobody")

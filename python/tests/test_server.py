"""`KmipServer`, used like PyKMIP's class by scripts."""

import importlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request

import pytest

import kmip_server as package
from kmip_server import ConfigurationError, KmipServer, NetworkingError, build_argument_parser, make_certificates

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("pki"), ec=True)


@pytest.fixture
def arguments(pki, tmp_path):
    return {
        "hostname": "127.0.0.1",
        "port": 0,
        "certificate_path": pki.server_certificate,
        "key_path": pki.server_key,
        "ca_path": pki.ca,
        "config_path": None,
        "auth_suite": "TLS1.2",
        "log_path": str(tmp_path / "server.log"),
        "database_path": ":memory:",
    }


def test_serves_until_it_is_stopped(arguments):
    server = KmipServer(**arguments)
    with server:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
        serving = threading.Thread(target=server.serve)
        serving.start()
        pid = server.pid
        server.stop()
        serving.join(5)
        assert not serving.is_alive()
    assert not exists(pid)


def test_has_the_attributes_of_pykmip_that_scripts_use(arguments):
    server = KmipServer(**arguments)
    settings = server.config.settings
    assert settings["port"] == 0 and settings["hostname"] == "127.0.0.1" and settings["auth_suite"] == "TLS1.2"
    assert settings["enable_tls_client_auth"] is True and settings["tls_cipher_suites"] == []
    assert settings["logging_level"] == 20 and settings["database_path"] == ":memory:"
    assert server.auth_suite.protocol == ssl.PROTOCOL_TLSv1_2
    assert "ECDHE-RSA-AES256-GCM-SHA384" in server.auth_suite.ciphers.split(":")
    with pytest.raises(AttributeError, match="before `start`"):
        server._socket.getsockname()
    with server:
        address = server._socket.getsockname()
        assert address == ("127.0.0.1", server.port)
        socket.create_connection(address, 5).close()
        server._socket.close()
        with pytest.raises(OSError):
            server._socket.getsockname()
        with pytest.raises(OSError):
            socket.create_connection(address, 5)
    for owner, name in [(server, "_engine"), (server.config, "load"), (server.auth_suite, "x"), (server._socket, "accept")]:
        with pytest.raises(AttributeError, match="process of its own"):
            getattr(owner, name)
    with pytest.raises(AttributeError, match="run_server"):
        package.server.main


def test_start_uses_settings_that_changed_before(arguments, tmp_path):
    server = KmipServer(**arguments)
    log = tmp_path / "100% server.log"
    server.config.settings["logging_level"] = 10
    server.config.set_setting("database_path", str(tmp_path / "50%.database"))
    with pytest.raises(ConfigurationError, match="port.*another type"):
        server.config.set_setting("port", "5696")
    with server:
        assert (tmp_path / "50%.database").exists() and not log.exists()
    server.config.settings["auth_suite"] = "TLS0.9"
    with pytest.raises(ConfigurationError, match="auth_suite"):
        server.start()


def test_named_cipher_suites_are_those_of_the_suite(arguments):
    names = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,ECDHE-ECDSA-CHACHA20-POLY1305,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    suite = KmipServer(**{**arguments, "tls_cipher_suites": names}).auth_suite
    assert suite.ciphers == "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
    names = "TLS_RSA_WITH_AES_128_CBC_SHA256,DHE-RSA-AES128-SHA,TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,DES-CBC3-SHA"
    suite = KmipServer(**{**arguments, "tls_cipher_suites": names}).auth_suite
    assert suite.ciphers == "ECDHE-RSA-AES256-SHA384:AES128-SHA256:DHE-RSA-AES128-SHA"


def test_start_uses_an_assigned_authentication_suite(arguments, pki):
    class Suite:
        protocol = ssl.PROTOCOL_TLS_SERVER
        ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"

    def version(port):
        context = ssl._create_unverified_context()
        context.load_cert_chain(pki.client_certificate("John Doe"), pki.client_key("John Doe"))
        with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as stream:
            return stream.version()

    with KmipServer(**arguments) as server:
        assert version(server.port) == "TLSv1.2"
    server.auth_suite = Suite()
    with server:
        assert version(server.port) == "TLSv1.3"
        assert server.auth_suite.ciphers == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_the_management_interface_is_an_argument(arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    token = "0123456789abcdef"
    with KmipServer(**arguments, management_address=address, management_token=token) as server:
        request = urllib.request.Request(f"http://{address}/health/ready", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["address"] == "127.0.0.1:%d" % server.port
    with pytest.raises(ConfigurationError, match="management_token"):
        KmipServer(**arguments, management_address=address, management_token="short")


def test_the_port_of_the_management_interface_is_that_which_the_system_chose(arguments):
    server = KmipServer(**arguments, management_address="127.0.0.1:0")
    assert server.management_port is None
    with server:
        assert server.management_address == f"127.0.0.1:{server.management_port}"
        with urllib.request.urlopen(f"http://127.0.0.1:{server.management_port}/health/live", timeout=10) as answer:
            assert answer.status == 200
    with KmipServer(**arguments) as server:
        assert server.management_port is None


def test_the_module_becomes_the_server_with_the_same_options(pki, tmp_path):
    command = [sys.executable, "-m", "kmip_server"]
    program = package.find_program()
    for options in (["--version"], ["--help"]):
        expected = subprocess.run([program, *options], stdout=subprocess.PIPE, check=True).stdout
        assert subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True).stdout == expected
    options = ["-n", "127.0.0.1", "-p", "0", "-c", pki.server_certificate, "-k", pki.server_key, "-a", pki.ca, "-s", "Basic"]
    files = ["-d", ":memory:", "-l", str(tmp_path / "server.log")]
    server = subprocess.Popen([*command, *options, *files], stdout=subprocess.PIPE, universal_newlines=True)
    try:
        port = int(server.stdout.readline().split()[2])
        socket.create_connection(("127.0.0.1", port), 5).close()
    finally:
        # The process is the server itself.
        server.terminate()
        assert server.wait(30) == 0
    absent = dict(os.environ, KMIP_SERVER_BINARY="/nowhere/run_server")
    done = subprocess.run([*command, "--version"], env=absent, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 1 and done.stderr.startswith("kmip_server: ") and "/nowhere/run_server" in done.stderr


def test_compatibility_is_a_keyword(arguments):
    with KmipServer(**arguments, compatibility="Standard") as server:
        assert server.config.settings["compatibility"] == "Standard"
    with pytest.raises(ConfigurationError, match="compatibility"):
        KmipServer(**arguments, compatibility="Other")


def test_the_parser_has_the_options_of_pykmip():
    parser = build_argument_parser()
    options, rest = parser.parse_args(["-n", "::1", "-p", "1", "--ignore_tls_client_auth", "--compatibility", "Standard"])
    assert (options.hostname, options.port, options.ignore_tls_client_auth, rest) == ("::1", 1, True, [])
    assert options.compatibility == "Standard" and options.config_path is None
    theirs = pytest.importorskip("kmip.services.server.server", reason="PyKMIP is not installed: nothing to compare with")
    for option in theirs.build_argument_parser().option_list[1:]:
        ours = parser.get_option(option.get_opt_string())
        forms = (option._short_opts, option.dest, option.type, option.action)
        assert (ours._short_opts, ours.dest, ours.type, ours.action) == forms


def test_arguments_override_the_settings_file(arguments, tmp_path):
    conf = tmp_path / "server.conf"
    names = ("certificate_path", "key_path", "ca_path", "database_path")
    conf.write_text(
        "[server]\nhostname=127.0.0.1\nport=1\nauth_suite=Basic\ntls_cipher_suites=\n    AES128-SHA256\n"
        + "".join(f"{name}={arguments[name]}\n" for name in names)
        + "[auth:slugs]\nenabled=False\n"
    )
    with KmipServer(config_path=str(conf), port=0, log_path=arguments["log_path"]) as server:
        assert server.port > 1
    with pytest.raises(ConfigurationError, match="does not exist"):
        KmipServer(config_path=str(tmp_path / "none.conf"))


def test_variables_of_settings_do_not_override_arguments(arguments, tmp_path, monkeypatch):
    database = tmp_path / "kmip.database"
    monkeypatch.setenv("KMIP_DATABASE_PATH", str(database))
    monkeypatch.setenv("KMIP_MAX_CONNECTIONS", "none")
    with KmipServer(**arguments) as server:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
    assert not database.exists()


def test_every_argument_of_pykmips_page_becomes_a_setting(arguments, tmp_path):
    (tmp_path / "policies").mkdir()
    arguments.update(
        policy_path=str(tmp_path / "policies"),
        enable_tls_client_auth=True,
        tls_cipher_suites=["TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"],
        logging_level="DEBUG",
        database_path=str(tmp_path / "pykmip.db"),
    )
    with KmipServer(**arguments) as server:
        assert server.port
    assert (tmp_path / "pykmip.db").exists() and (tmp_path / "server.log").exists()
    for name in ("hostname", "port", "certificate_path", "ca_path"):
        with pytest.raises(ConfigurationError, match=name):
            KmipServer(**{key: value for key, value in arguments.items() if key != name}).start()
    with pytest.raises(TypeError):
        KmipServer(colour="red", **arguments)


WRONG_SETTINGS = [
    ({"ca_path": "/nowhere"}, "ca_path.*does not exist"),
    ({"certificate_path": "/nowhere"}, "certificate_path.*does not exist"),
    ({"key_path": "/nowhere"}, "key_path.*does not exist"),
    ({"auth_suite": "TLS0.9"}, "auth_suite"),
    ({"logging_level": "LOUD"}, "logging_level"),
    ({"logging_level": 7}, "logging_level"),
    ({"port": 70000}, "port"),
    ({"port": "5696"}, "port.*another type"),
    ({"hostname": 7}, "hostname.*another type"),
    ({"enable_tls_client_auth": "no"}, "enable_tls_client_auth.*another type"),
    ({"database_path": 7}, "database_path.*another type"),
]


@pytest.mark.parametrize("change, words", WRONG_SETTINGS)
def test_wrong_settings_raise_in_the_constructor_as_they_do_in_pykmip(arguments, change, words):
    arguments.update(change)
    with pytest.raises(ConfigurationError, match=f"(?s){words}") as raised:
        KmipServer(**arguments)
    assert "/dev/stdin" not in str(raised.value), "the message names the internal path of the settings"
    server = pytest.importorskip("kmip.services.server", reason="PyKMIP is not installed: nothing to compare with")
    exceptions = pytest.importorskip("kmip.core.exceptions")
    # PyKMIP does not accept the port 0.
    arguments["port"] = change.get("port", 5696)
    with pytest.raises(exceptions.ConfigurationError):
        server.KmipServer(**arguments)


def test_a_wrong_settings_file_raises_in_the_constructor_by_its_name(arguments, tmp_path):
    conf = tmp_path / "server.conf"
    for lines, words in [
        ("[client]\n", "section"),
        ("[server]\nhostname=127.0.0.1\n", "is missing"),
        ("[server]\ncolour=red\n", "'colour' does not exist"),
    ]:
        conf.write_text(lines)
        with pytest.raises(ConfigurationError, match=words) as raised:
            KmipServer(config_path=str(conf), log_path=arguments["log_path"])
        assert str(conf) in str(raised.value)


def test_accepts_levels_as_numbers_and_paths_as_objects(arguments):
    arguments.update(logging_level=10, ca_path=pathlib.Path(arguments["ca_path"]))
    with KmipServer(**arguments) as server:
        assert server.port


@pytest.mark.parametrize(
    "change, words", [({"hostname": None}, "hostname.*missing"), ({"database_path": "/"}, "cannot be used")]
)
def test_errors_of_start_have_the_message_of_the_server(arguments, change, words):
    arguments.update(change)
    server = KmipServer(**arguments)
    with pytest.raises(ConfigurationError, match=f"(?s){words}") as raised:
        server.start()
    assert "kmip-server-" not in str(raised.value), "the message names the internal path of the settings"
    assert "What to do: " in str(raised.value)


def test_a_port_in_use_is_a_networking_error(arguments):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments["port"] = taken.getsockname()[1]
        with pytest.raises(NetworkingError, match="cannot listen on"):
            KmipServer(**arguments).start()


def test_serve_raises_if_the_server_ends(arguments):
    with KmipServer(**arguments) as server:
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(NetworkingError, match="has ended"):
            server.serve()


SCRIPT = """
    import sys
    from kmip_server import KmipServer

    server = KmipServer(**{arguments!r})
    with server:
        print(server.pid, server.port, flush=True)
        server.serve()
    print("stopped", flush=True)
"""


def script(arguments):
    """Starts a script that runs a server; returns its process and the number of the server's process."""
    root = str(pathlib.Path(package.__file__).parent.parent)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT.format(arguments=arguments))],
        stdout=subprocess.PIPE, universal_newlines=True, env=environment,
    )
    pid, _port = process.stdout.readline().split()
    return process, int(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_script_and_its_server(arguments, number):
    process, pid = script(arguments)
    process.send_signal(number)
    assert process.communicate(timeout=15)[0] == "stopped\n"
    assert process.returncode == 0
    assert not exists(pid)


def test_a_server_ends_if_its_script_is_killed(arguments):
    process, pid = script(arguments)
    process.kill()
    process.communicate(timeout=15)
    deadline = time.monotonic() + 15
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(pid)


def test_containers_open_with_their_password(tmp_path):
    pkcs12 = pytest.importorskip(
        "cryptography.hazmat.primitives.serialization.pkcs12", reason="cryptography is not installed"
    )
    password = tmp_path / "password"
    password.write_text("p\u00e4ssword \n", encoding="utf-8")
    made = make_certificates(tmp_path / "pki", clients=["John Doe", "J\u00fcrgen"], pkcs12=password)
    for name in ("John Doe", "J\u00fcrgen"):
        path = pathlib.Path(made.client_container(name))
        assert path.stat().st_mode & 0o777 == 0o600
        data = path.read_bytes()
        key, certificate, others = pkcs12.load_key_and_certificates(data, "p\u00e4ssword ".encode())
        pem = pathlib.Path(made.client_certificate(name)).read_bytes()
        encoding = importlib.import_module("cryptography.hazmat.primitives.serialization").Encoding
        assert certificate.public_bytes(encoding.PEM).split() == pem.split()
        assert key.public_key().public_numbers() == certificate.public_key().public_numbers()
        assert [other.subject.rfc4514_string()[:11] for other in others] == ["CN=Root CA "]
        with pytest.raises(ValueError):
            pkcs12.load_key_and_certificates(data, b"another")
        if shutil.which("openssl"):
            output = subprocess.run(
                ["openssl", "pkcs12", "-in", str(path), "-passin", f"file:{password}", "-nodes"],
                stdout=subprocess.PIPE, check=True,
            ).stdout
            assert output.count(b"BEGIN CERTIFICATE") == 2 and b"PRIVATE KEY" in output
    with pytest.raises(ConfigurationError, match="password"):
        make_certificates(tmp_path / "other", pkcs12=tmp_path / "none")
    password.write_text("\n")
    with pytest.raises(ConfigurationError, match="it is empty"):
        make_certificates(tmp_path / "other", pkcs12=password)
    assert not (tmp_path / "other").exists()


def test_certificates_are_not_overwritten(pki):
    with pytest.raises(ConfigurationError, match="exists already"):
        make_certificates(pki.folder)


def exists(pid):
    """Returns whether the process runs; a zombie process has ended."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

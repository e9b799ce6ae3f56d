"""Fixtures for pytest: a KMIP server with its own certificates, on a free port, with an in-memory store.

Each test has its own `kmip_server`; all tests share one if the setting `kmip_server_scope` is `session`.

The report of a test that fails contains the end of the server's log and the last messages.
"""

import difflib
import inspect
import json
import pathlib
import subprocess
from typing import Any, Dict, Generator, Iterable, Iterator, List, Optional, Sequence, Union

import pytest

from kmip_server.certificates import Certificates, make_certificates
from kmip_server.control import Clock, Control, ControlError, Faults, Message, Messages, Snapshot
from kmip_server.exceptions import ConfigurationError
from kmip_server.program import find_program, replaced_script
from kmip_server.server import CHECK_SECONDS, KmipServer, without_settings

# The users that have certificates.
CLIENTS = ("John Doe", "Jane Doe", "John Smith", "Jane Smith")
HOST = "127.0.0.1"

# How much of the log and of the messages the report of a failing test contains.
LOG_LINES = 100
MESSAGES = 5


class RunningServer:
    """The value of the fixture `kmip_server`."""

    def __init__(self, server: KmipServer, certificates: Certificates, folder: pathlib.Path) -> None:
        self.server = server
        self.certificates = certificates
        self.folder = folder
        self.host = HOST
        port = server.port
        assert port is not None
        self.port: int = port
        #: The server's log.
        self.log_path = folder / "server.log"
        #: The folder of operation policies. The running server applies files that a test adds.
        self.policy_path = folder / "policies"

    @property
    def control(self) -> Control:
        """The test control of the server."""
        return self.server.control

    @property
    def clock(self) -> Clock:
        """The clock of the server, which a test can move."""
        return self.control.clock

    @property
    def faults(self) -> Faults:
        """The rules that make requests fail."""
        return self.control.faults

    @property
    def messages(self) -> Messages:
        """The messages of the clients: `kmip_server.messages(operation="Encrypt")`."""
        return self.control.messages

    def seed(
        self,
        objects: Union[str, pathlib.Path, Iterable[Dict[str, Any]], None] = None,
        *,
        pykmip_database: Union[str, pathlib.Path, None] = None,
    ) -> List[str]:
        """Adds objects with fixed identifiers and known bytes; see `Control.seed`."""
        return self.control.seed(objects, pykmip_database=pykmip_database)

    def snapshot(self) -> Snapshot:
        """Copies the objects and the server's state; see `Snapshot`."""
        return self.control.snapshot()

    def client_options(self, user: str = CLIENTS[0]) -> Dict[str, Any]:
        """Returns the arguments of PyKMIP's `ProxyKmipClient` for one of the users."""
        if user not in CLIENTS:
            raise ConfigurationError(f"no user has the name {user!r}{_similar(user, CLIENTS)}")
        return {
            "hostname": self.host,
            "port": self.port,
            "cert": self.certificates.client_certificate(user),
            "key": self.certificates.client_key(user),
            "ca": self.certificates.ca,
            "ssl_version": "PROTOCOL_SSLv23",
        }

    @property
    def client_settings(self) -> pathlib.Path:
        """A settings file of PyKMIP's client: `[client]` is John Doe; every user has a section, too: `[jane_doe]`."""
        path = self.folder / "client.conf"
        lines: List[str] = []
        for section, user in [("client", CLIENTS[0])] + [(name.lower().replace(" ", "_"), name) for name in CLIENTS]:
            lines += [
                f"[{section}]",
                f"host={self.host}",
                f"port={self.port}",
                f"certfile={self.certificates.client_certificate(user)}",
                f"keyfile={self.certificates.client_key(user)}",
                f"ca_certs={self.certificates.ca}",
                "cert_reqs=CERT_REQUIRED",
                "ssl_version=PROTOCOL_SSLv23",
                "do_handshake_on_connect=True",
                "suppress_ragged_eofs=True",
                "",
            ]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "the scope of kmip_server: function, class, module, package or session"
    parser.addini("kmip_server_scope", text, default="function")


def pytest_configure(config: pytest.Config) -> None:
    text = "kmip_server(policies=None, **settings): the arguments of the fixture kmip_server"
    config.addinivalue_line("markers", text)


def pytest_report_header() -> Optional[str]:
    """Says that `pykmip-server` is not the program of this package."""
    path = replaced_script()
    if path is None:
        return None
    repair = "pip install --force-reinstall --no-deps kmip-server"
    return f"kmip_server: {path} starts PyKMIP's server; start run_server, or: {repair}"


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("kmip_server_scope")


@pytest.fixture(scope="session")
def kmip_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA, and certificates of the server and of four users."""
    return make_certificates(tmp_path_factory.mktemp("kmip-certificates"), clients=CLIENTS, ec=True)


@pytest.fixture(scope=_scope)
def kmip_server_options() -> Dict[str, Any]:
    """The arguments of `kmip_server`, for overriding: `policies` (name to policy) and arguments of KmipServer."""
    return {}


@pytest.fixture(scope=_scope)
def kmip_server(
    request: pytest.FixtureRequest,
    kmip_certificates: Certificates,
    kmip_server_options: Dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningServer]:
    """A KMIP server that ends with the fixture."""
    options = dict(kmip_server_options)
    marker = request.node.get_closest_marker("kmip_server") if hasattr(request.node, "get_closest_marker") else None
    if marker is not None:
        options.update(marker.kwargs)
    folder = tmp_path_factory.mktemp("kmip-server")
    policies: Optional[Dict[str, Any]] = options.pop("policies", None)
    (folder / "policies").mkdir()
    if policies:
        (folder / "policies" / "policies.json").write_text(json.dumps(policies), encoding="utf-8")
    settings: Dict[str, Any] = {
        "hostname": HOST,
        "port": 0,
        "certificate_path": kmip_certificates.server_certificate,
        "key_path": kmip_certificates.server_key,
        "ca_path": kmip_certificates.ca,
        "config_path": None,
        "log_path": str(folder / "server.log"),
        "policy_path": str(folder / "policies"),
        "live_policies": True,
        "database_path": ":memory:",
        "management_address": f"{HOST}:0",
        "test_control": True,
    }
    known = [name for name in inspect.signature(KmipServer.__init__).parameters if name != "self"]
    for name in options:
        if name not in known:
            known.append("policies")
            raise ConfigurationError(f"kmip_server has no option {name!r}{_similar(name, known)}")
    settings.update(options)
    server = KmipServer(**settings)
    if policies:
        _check_policies(server)
    with server:
        yield RunningServer(server, kmip_certificates, folder)


@pytest.fixture(autouse=True)
def _kmip_server_rules(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends the faults and the movements of the clock with the test, if tests share the server."""
    yield
    server = getattr(request.node, "funcargs", {}).get("kmip_server")
    if not isinstance(server, RunningServer) or request.config.getini("kmip_server_scope") == "function":
        return
    if server.server.management_address is not None:
        server.faults.clear()
        server.clock.reset()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses a marker that has no effect, because a server with a wider scope serves the test."""
    scope = item.config.getini("kmip_server_scope")
    nodes = {"function": pytest.Item, "class": pytest.Class, "module": pytest.Module, "package": pytest.Package}
    if scope not in [*nodes, "session"]:
        pytest.fail(f"kmip_server_scope is {scope!r}{_similar(scope, [*nodes, 'session'])}", pytrace=False)
    # Markers of these nodes and of those around them reach the fixture.
    order = list(nodes.values())
    reached = tuple(order[list(nodes).index(scope) :]) if scope in nodes else ()
    for node, _ in item.iter_markers_with_node("kmip_server"):
        if scope != "function" and not isinstance(node, reached):
            pytest.fail(
                f"the marker kmip_server of {node.nodeid} has no effect, because kmip_server_scope is {scope!r}: set the scope "
                "to 'function', or override the fixture kmip_server_options",
                pytrace=False,
            )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Adds the end of the server's log and the last messages to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    server = getattr(item, "funcargs", {}).get("kmip_server")
    if report.when != "call" or not report.failed or not isinstance(server, RunningServer):
        return
    lines = server.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    report.sections.append(("kmip_server log", "\n".join(lines[-LOG_LINES:])))
    if server.server.management_address is not None:
        try:
            messages = server.messages(last=MESSAGES)
        except ControlError as error:
            report.sections.append(("kmip_server messages", str(error)))
        else:
            report.sections.append(("kmip_server messages", "\n".join(_describe(message) for message in messages)))


def _describe(message: Message) -> str:
    fault = f", fault {message.fault}" if message.fault else ""
    return f"{message.number}: {message.time}, {message.user}{fault}\n{message.text}"


def _similar(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; similar: {near[0]}" if near else f"; the names are {', '.join(known)}"


def _check_policies(server: KmipServer) -> None:
    """Raises ConfigurationError for policies that the server would not use."""
    done = subprocess.run(
        [find_program(), "--check-config", "-f", "/dev/stdin"],
        env=without_settings(),
        input=server.config.text(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=CHECK_SECONDS,
    )
    lines = done.stdout.splitlines()
    problems = [line for line in lines if line.startswith(("warning: ", "error: ")) and "policy_path" in line]
    if problems:
        raise ConfigurationError("\n".join(problems))

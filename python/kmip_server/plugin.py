"""Fixtures for pytest: a KMIP server with its own certificates, on a free port, with an in-memory store.

Each test has its own `kmip_server`; all tests share one if the setting `kmip_server_scope` is `session`.
"""

import json
import pathlib
from typing import Any, Dict, Iterator, List, Optional

import pytest

from kmip_server.certificates import Certificates, make_certificates
from kmip_server.server import KmipServer

# The users that have certificates.
CLIENTS = ("John Doe", "Jane Doe", "John Smith", "Jane Smith")
HOST = "127.0.0.1"


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

    def client_options(self, user: str = CLIENTS[0]) -> Dict[str, Any]:
        """Returns the arguments of PyKMIP's `ProxyKmipClient` for one of the users."""
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
    }
    settings.update(options)
    with KmipServer(**settings) as server:
        yield RunningServer(server, kmip_certificates, folder)

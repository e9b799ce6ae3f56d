"""`KmipContainer`: a KMIP server in a container, for tests that use Testcontainers.

Needs the package testcontainers: `pip install 'kmip-server[testcontainers]'`.
"""

import pathlib
import secrets
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional, Sequence

from kmip_server.control import Control

try:
    from testcontainers.core.container import DockerContainer
except ImportError as error:
    raise ImportError(
        "kmip_server.testcontainers needs the package testcontainers: pip install 'kmip-server[testcontainers]'"
    ) from error

__all__ = ["KmipContainer"]

# The ports of the image.
KMIP_PORT = 5696
MANAGEMENT_PORT = 9696

# The time limit of one request to the management interface.
REQUEST_SECONDS = 10.0
POLL_SECONDS = 0.05
# The lines of the log in the error about a server that does not start.
LOG_LINES = 20


class KmipContainer(DockerContainer):  # type: ignore[misc]
    """A container of this project's image, with test control and a certificate for each client.

    `settings` are settings of the server, such as `{"compatibility": "Standard"}`. Further keywords are those of
    DockerContainer. `start` returns when clients can connect, and raises TimeoutError if the
    server ends before, or is not ready after `seconds`.
    """

    def __init__(
        self,
        image: str = "kmip-server",
        tag: Optional[str] = None,
        clients: Sequence[str] = ("John Doe", "Jane Doe"),
        settings: Optional[Dict[str, Any]] = None,
        seconds: float = 60.0,
        **keywords: Any,
    ) -> None:
        super().__init__(f"{image}:{tag}" if tag else image, **keywords)
        self.clients = tuple(clients)
        self._token = secrets.token_hex(16)
        self._seconds = seconds
        self._folder: Optional["tempfile.TemporaryDirectory[str]"] = None
        self.with_exposed_ports(KMIP_PORT, MANAGEMENT_PORT)
        variables = {"test_control": True, "auto_certificate_clients": ",".join(self.clients), **(settings or {})}
        for name, value in {**variables, "management_token": self._token}.items():
            self.with_env(f"KMIP_{name.upper()}", str(value))

    def start(self) -> "KmipContainer":
        """Starts the container, and waits until the server is ready."""
        super().start()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *arguments: Any, **keywords: Any) -> None:
        """Removes the container, and the files with the certificates."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
        super().stop(*arguments, **keywords)

    @property
    def host(self) -> str:
        """The host on which clients reach the server."""
        return str(self.get_container_host_ip())

    @property
    def port(self) -> int:
        """The port on which clients reach the server."""
        return int(self.get_exposed_port(KMIP_PORT))

    @property
    def management_address(self) -> str:
        """The address of the management interface."""
        return f"{self.host}:{self.get_exposed_port(MANAGEMENT_PORT)}"

    @property
    def control(self) -> Control:
        """The test control of the server: clock, faults, known keys, recorded messages."""
        return Control(self.management_address, self._token)

    def certificates(self, user: Optional[str] = None) -> str:
        """Returns the path of a file with the private key and the certificate of a client, and the certificate of the CA.

        It can be the certificate, the key and the CA file of a client. It is removed when the container stops.
        """
        user = self.clients[0] if user is None else user
        if user not in self.clients:
            raise ValueError(f"no client has the name {user!r}; the names are {', '.join(self.clients)}")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kmip-container-")
        path = pathlib.Path(self._folder.name) / f"{self.clients.index(user)}.pem"
        if not path.exists():
            text = self._get(f"/control/certificates?client={urllib.parse.quote(user, safe='')}")
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        return str(path)

    def client_options(self, user: Optional[str] = None) -> Dict[str, Any]:
        """Returns the arguments of PyKMIP's `ProxyKmipClient` for one of the clients."""
        path = self.certificates(user)
        files = {"cert": path, "key": path, "ca": path}
        return {"hostname": self.host, "port": self.port, **files, "ssl_version": "PROTOCOL_SSLv23"}

    def _get(self, path: str) -> str:
        """Returns the text of a resource of the management interface."""
        fields = {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"http://{self.management_address}{path}", headers=fields)
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:
            return str(response.read().decode())

    def _wait(self) -> None:
        end = time.monotonic() + self._seconds
        while True:
            try:
                self._get("/health/ready")
                return
            except urllib.error.HTTPError as error:
                last: Any = error.read().decode(errors="replace").strip()
            except Exception as error:
                # What the packages raise without the ports of a container that has ended.
                last = error
            container = self.get_wrapped_container()
            container.reload()
            has_ended = container.status in ("exited", "dead")
            if has_ended or time.monotonic() >= end:
                reason = "has ended" if has_ended else f"is not ready after {self._seconds:.0f} s ({last})"
                log = b"".join(self.get_logs()).decode(errors="replace").splitlines()[-LOG_LINES:]
                raise TimeoutError("\n".join([f"the KMIP server in the container {reason}; the end of its log:", *log]))
            time.sleep(POLL_SECONDS)

"""Starts and stops the two servers that the interop tests talk to.

Both are started as a user starts them (`-f server.conf -l server.log`), on a free port of
127.0.0.1, in a folder of their own with a fresh database. Leaves what is sent to them to the
tests. A server is stopped by the id of its own process group and by nothing broader.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

# PyKMIP's server takes up to 3.2 s to listen on an idle machine; a busy one, on which several start, gets much more.
READY_SECONDS = 120
STOP_SECONDS = 15


class StartFailed(Exception):
    """The server ended, or did not listen in time; the text carries what it printed."""


def reference_command():
    """PyKMIP's own server, from the environment that runs this."""
    return [str(pathlib.Path(sys.executable).parent / "pykmip-server")]


class Server:
    """One running server. `command` is its executable with leading arguments, as a list."""

    def __init__(self, command, folder, pki, *, suite="TLS1.2", policies=None, settings=None, sections=None):
        self.command = [str(part) for part in command]
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pki = pki
        self.policies = pathlib.Path(policies) if policies else self.folder / "policies"
        self.policies.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.log"
        self.port = None
        self.database = self.folder / "pykmip.database"
        self._settings = {
            "hostname": "127.0.0.1",
            "certificate_path": pki.server_certificate,
            "key_path": pki.server_key,
            "ca_path": pki.ca_path,
            "auth_suite": suite,
            "policy_path": self.policies,
            "enable_tls_client_auth": "True",
            "tls_cipher_suites": "",
            "logging_level": "DEBUG",
            "database_path": self.database,
        }
        self._settings.update(settings or {})
        self._sections = sections or {}
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the server and returns it once its port accepts connections."""
        self.port = self.port or free_port()
        conf = self.folder / "server.conf"
        conf.write_text(self._configuration())
        output = open(self.folder / "output.txt", "ab")
        with output:
            self._process = subprocess.Popen(
                self.command + ["-f", str(conf), "-l", str(self.log)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise StartFailed(f"{self.command[0]} ended with {self._process.returncode}\n{self.report()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise StartFailed(f"{self.command[0]} did not listen within {READY_SECONDS} s\n{self.report()}")

    def stop(self, how=signal.SIGTERM):
        """Ends the server; returns its exit status, or None where it was not running."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        # PyKMIP leaves a helper process of its own behind; the group has nothing but what we started.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return process.wait(STOP_SECONDS)

    def kill(self):
        """Ends the server at once, as a crash would."""
        return self.stop(signal.SIGKILL)

    @property
    def pid(self):
        """Id of the running process."""
        return self._process.pid

    def report(self, lines=60):
        """The end of what the server printed and logged: for a failing test's output."""
        parts = []
        for path in (self.folder / "output.txt", self.log):
            if path.exists():
                text = path.read_text(errors="replace").splitlines()[-lines:]
                parts.append(f"--- {path.name}\n" + "\n".join(text))
        return "\n".join(parts)

    def client_config(self, path=None, people=None, extra=None):
        """Writes a PyKMIP client configuration with one section for each person.

        The section `client` is John Doe's. Returns the path of the file.
        """
        path = pathlib.Path(path) if path else self.folder / "pykmip.conf"
        sections = {"client": "john_doe"}
        sections.update({person: person for person in people or ()})
        lines = []
        for section, person in sections.items():
            lines += [
                f"[{section}]",
                "host=127.0.0.1",
                f"port={self.port}",
                f"keyfile={self.pki.key(person)}",
                f"certfile={self.pki.certificate(person)}",
                "cert_reqs=CERT_REQUIRED",
                "ssl_version=PROTOCOL_SSLv23",
                f"ca_certs={self.pki.ca_path}",
                "do_handshake_on_connect=True",
                "suppress_ragged_eofs=True",
            ]
            lines += [f"{name}={value}" for name, value in (extra or {}).items()] + [""]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
        return path

    def _configuration(self):
        lines = ["[server]", f"port={self.port}"]
        lines += [f"{name}={value}" for name, value in self._settings.items()]
        for section, values in self._sections.items():
            lines += ["", f"[{section}]"] + [f"{name}={value}" for name, value in values.items()]
        return "\n".join(lines) + "\n"


def free_port():
    """Returns a free port of 127.0.0.1."""
    return free_ports(1)[0]


def free_ports(count):
    """Returns free ports of 127.0.0.1 that differ from each other."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]

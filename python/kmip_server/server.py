"""`KmipServer`, with the arguments and methods of PyKMIP's class of that name.

The arguments become a settings file for the program `run_server`. Its standard input is a pipe, and it ends when that
pipe is closed, so that no server outlives the process that started it.
"""

import configparser
import logging
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import threading
from types import FrameType, TracebackType
from typing import Any, Dict, NoReturn, Optional, Type

from kmip_server.control import Control
from kmip_server.exceptions import ConfigurationError, NetworkingError, ShutdownError
from kmip_server.program import find_program
from kmip_server.pykmip import (
    CIPHERS_1_3,
    LEVELS,
    AuthenticationSuite,
    Config,
    ListeningSocket,
    build_argument_parser,
    check_type,
    missing,
    text_of,
)

__all__ = ["KmipServer", "build_argument_parser"]

# A server is ready within milliseconds; the import of a large database of PyKMIP's server takes minutes.
START_SECONDS = 600.0
# The server lets running requests end for ten seconds.
STOP_SECONDS = 15.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PREFIX = "run_server: "
# The program reads the settings from its standard input if it only checks them.
_STDIN = "/dev/stdin"
# Reading the settings takes milliseconds.
CHECK_SECONDS = 60.0
# The end of the program's message about a missing setting.
_MISSING = "--explain setting-missing)"


class KmipServer:
    """A KMIP server in a process of its own.

    The arguments are those of PyKMIP's class. They override the settings file at `config_path`. Without a file
    (`config_path` is None, or the default file does not exist), all required settings must be arguments. The environment
    variables of settings (`KMIP_PORT`) have no effect.

    Raises ConfigurationError, as PyKMIP's class does, for invalid settings and for paths that do not exist. `start`
    checks the contents of the files.
    """

    def __init__(
        self,
        hostname: Optional[str] = None,
        port: Optional[int] = None,
        certificate_path: Optional[str] = None,
        key_path: Optional[str] = None,
        ca_path: Optional[str] = None,
        auth_suite: Optional[str] = None,
        config_path: Optional[str] = "/etc/pykmip/server.conf",
        log_path: str = "/var/log/pykmip/server.log",
        policy_path: Optional[str] = None,
        enable_tls_client_auth: Optional[bool] = None,
        tls_cipher_suites: Optional[str] = None,
        logging_level: Optional[str] = None,
        live_policies: bool = False,
        database_path: Optional[str] = None,
        compatibility: Optional[str] = None,
        management_address: Optional[str] = None,
        management_token: Optional[str] = None,
        test_control: Optional[bool] = None,
    ) -> None:
        self._logger = logging.getLogger("kmip.server")
        self._log_path = os.fspath(log_path)
        self._config_path = config_path
        given: Dict[str, Any] = {
            "hostname": hostname,
            "port": port,
            "certificate_path": certificate_path,
            "key_path": key_path,
            "ca_path": ca_path,
            "auth_suite": auth_suite,
            "policy_path": policy_path,
            "enable_tls_client_auth": enable_tls_client_auth,
            "tls_cipher_suites": tls_cipher_suites,
            "logging_level": logging_level,
            "live_policies": live_policies,
            "database_path": database_path,
            "compatibility": compatibility,
            "management_address": management_address,
            "management_token": management_token,
            "test_control": test_control,
        }
        given = {name: value for name, value in given.items() if value is not None and value != ""}
        if given.get("logging_level") in LEVELS:
            given["logging_level"] = LEVELS[given["logging_level"]]
        for name, value in given.items():
            check_type(name, value)
        self.config = Config(_parser(config_path, {name: text_of(value) for name, value in given.items()}))
        self.live_policies = live_policies
        self._check_settings()
        settings = self.config.settings
        self._auth_suite = AuthenticationSuite(settings.get("auth_suite", "Basic"), settings["tls_cipher_suites"])
        self._process: Optional["subprocess.Popen[str]"] = None
        self._ended = threading.Event()
        self._stopping = False
        self._port: Optional[int] = None
        self._management: Optional[str] = None
        # The signal handlers before the start.
        self._handlers: Dict[signal.Signals, Any] = {}

    def __getattr__(self, name: str) -> NoReturn:
        if name == "_socket":
            raise AttributeError("the server has no attribute '_socket' before `start`")
        raise missing("the server", name)

    def _check_settings(self) -> None:
        """Lets the program check the settings, but not the contents of the files that they name."""
        done = subprocess.run(
            [find_program(), "--check-settings", "-f", _STDIN],
            env=without_settings(),
            input=self.config.text(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=CHECK_SECONDS,
        )
        if done.returncode == 0:
            return
        text = done.stderr.strip()
        # Without a settings file, PyKMIP's constructor accepts missing settings; `start` reports them.
        has_file = bool(self._config_path) and os.path.exists(str(self._config_path))
        if text.endswith(_MISSING) and not has_file:
            return
        raise ConfigurationError(self._message(text, _STDIN))

    def _message(self, text: str, path: str) -> str:
        """Returns the program's message with the name that the user knows in the place of `path`."""
        text = text[len(_PREFIX) :] if text.startswith(_PREFIX) else text
        return text.replace(path, str(self._config_path or "the arguments"))

    @property
    def auth_suite(self) -> Any:
        """The TLS versions and cipher suites. `start` uses a suite with `protocol` and `ciphers` that was assigned."""
        return self._auth_suite

    @auth_suite.setter
    def auth_suite(self, suite: Any) -> None:
        settings = self.config.settings
        only_1_2 = suite.protocol == ssl.PROTOCOL_TLSv1_2
        settings["auth_suite"] = "TLS1.2" if only_1_2 else "Basic"
        # The ciphers of OpenSSL do not restrict TLS 1.3; the setting does.
        settings["tls_cipher_suites"] = suite.ciphers.split(":") + ([] if only_1_2 else list(CIPHERS_1_3))
        self._auth_suite = suite

    @property
    def port(self) -> Optional[int]:
        """The port that the server listens on, or None before `start`."""
        return self._port

    @property
    def management_address(self) -> Optional[str]:
        """The address of the management interface, or None before `start` or without the setting."""
        return self._management

    @property
    def management_port(self) -> Optional[int]:
        """The port of the management interface, which the system chose if the setting has port 0, or None as above."""
        return int(self._management.rpartition(":")[2]) if self._management else None

    @property
    def control(self) -> Control:
        """The test control of the server.

        Raises ConfigurationError without the settings `management_address` and `test_control`.
        """
        if self._management is None:
            raise ConfigurationError("test control needs management_address and test_control, and a server that runs")
        return Control(self._management, self.config.settings.get("management_token"))

    @property
    def pid(self) -> Optional[int]:
        """The number of the server's process, or None if it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the server; clients can connect when this returns. If this is the main thread, SIGINT and SIGTERM
        end `serve` until `stop` is called.

        Raises ConfigurationError for settings, files and databases that cannot be used, and NetworkingError if the
        server cannot listen.
        """
        if self._process is not None:
            raise NetworkingError("the server has been started already")
        self._ended.clear()
        self._stopping = False
        with tempfile.TemporaryDirectory(prefix="kmip-server-") as folder:
            path = pathlib.Path(folder) / "server.conf"
            path.write_text(self.config.text(), encoding="utf-8")
            command = [find_program(), "-f", str(path), "-l", self._log_path, "--exit-on-eof"]
            process = subprocess.Popen(
                command,
                env=without_settings(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                universal_newlines=True,
                # Only this process handles the signals of a terminal.
                start_new_session=True,
            )
            line = _first_line(process)
            if not line.startswith("Listening on "):
                raise self._failure(process, str(path))
            self._management = None
            if self.config.settings.get("management_address"):
                assert process.stdout is not None
                self._management = process.stdout.readline().strip().split("http://")[-1]
        self._process = process
        self._port = int(line.split()[2])
        self._socket = ListeningSocket(self.config.settings.get("hostname", ""), self._port, self.stop)
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        self._logger.info("Server successfully started on port %d", self._port)
        threading.Thread(target=self._watch, args=(process,), name="kmip-server", daemon=True).start()

    def serve(self) -> None:
        """Waits for SIGINT, SIGTERM, or `stop` called by another thread.

        Raises NetworkingError if the server ends before.
        """
        if self._process is None:
            raise NetworkingError("the server has not been started")
        self._ended.wait()
        if not self._stopping:
            code = self._process.poll() if self._process else None
            raise NetworkingError(f"the server has ended with code {code}; its log is {self._log_path}")

    def stop(self) -> None:
        """Ends the server: it accepts no more connections and completes running requests, for at most ten seconds.

        Raises ShutdownError if the server had to be killed.
        """
        process, self._process = self._process, None
        self._stopping = True
        self._ended.set()
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers = {}
        if process is None:
            return
        killed = False
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed = True
        _close(process)
        if killed:
            raise ShutdownError(f"the server did not end within {STOP_SECONDS:.0f} s and was killed")

    def __enter__(self) -> "KmipServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()

    def _interrupt(self, number: int, frame: Optional[FrameType]) -> None:
        self._stopping = True
        self._ended.set()

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        process.wait()
        if self._process is process:
            self._ended.set()

    def _failure(self, process: "subprocess.Popen[str]", path: str) -> Exception:
        """Returns the exception for the message of a server that did not start."""
        if process.poll() is None:
            process.kill()
        _, text = process.communicate()
        _close(process)
        text = self._message(text.strip(), path)
        if "cannot listen on" in text:
            return NetworkingError(text)
        return ConfigurationError(text or f"the server ended with code {process.returncode}")


def without_settings() -> Dict[str, str]:
    """Returns the environment without variables of settings, which would override the arguments."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KMIP_")}


def _parser(path: Optional[str], given: Dict[str, str]) -> configparser.RawConfigParser:
    """Returns the settings of the file at `path`, overridden by `given`."""
    # The values stay as written: the server resolves the percent signs.
    parser = configparser.RawConfigParser()
    if path and os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except (OSError, configparser.Error, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: {error}") from None
    elif path and path != "/etc/pykmip/server.conf":
        raise ConfigurationError(f"the settings file '{path}' does not exist")
    else:
        given.setdefault("auth_suite", "Basic")
    if not parser.has_section("server"):
        if path and os.path.exists(path):
            raise ConfigurationError(f"{path} has no section [server]")
        parser.add_section("server")
    for name, value in given.items():
        parser.set("server", name, value.replace("%", "%%"))
    return parser


def _first_line(process: "subprocess.Popen[str]") -> str:
    """Returns the first line that the server prints: that it listens, or an empty one."""
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        return process.stdout.readline()
    finally:
        timer.cancel()


def _close(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass


def __getattr__(name: str) -> NoReturn:
    raise missing("the module kmip_server.server", name)

"""The attributes of PyKMIP's `KmipServer` and of its module that scripts use."""

import configparser
import errno
import logging
import optparse
import os
import socket
import ssl
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

from kmip_server.exceptions import ConfigurationError

# Python's numbers of the levels that the server has.
LEVELS = {getattr(logging, name): name for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}

# The types that PyKMIP accepts for each setting; paths may also be objects of pathlib.
_PATH = (str, os.PathLike)
_TYPES: Dict[str, Any] = {
    "hostname": str,
    "port": int,
    "certificate_path": _PATH,
    "key_path": _PATH,
    "ca_path": _PATH,
    "auth_suite": str,
    "policy_path": _PATH,
    "enable_tls_client_auth": bool,
    "tls_cipher_suites": (str, list, tuple),
    "logging_level": (str, int),
    "database_path": _PATH,
    "compatibility": str,
    "management_address": str,
    "management_token": str,
    "test_control": bool,
}

# The OpenSSL names of the cipher suites of TLS 1.2 that the server offers, most preferred first.
CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
)

# The OpenSSL names of the cipher suites of TLS 1.2 that the server offers only if they are named.
NAMED_CIPHERS = (
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES256-SHA256",
    "DHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "DHE-RSA-AES256-SHA",
    "DHE-RSA-AES128-SHA",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-SHA",
)

# The cipher suites of TLS 1.3 that the server has.
CIPHERS_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")

# The attributes of PyKMIP's objects that this package does not have, with the reason.
_OTHER_PROCESS = "the server runs in a process of its own"
_REASONS = {
    "_engine": f"{_OTHER_PROCESS}; use a KMIP client to reach its objects",
    "_is_serving": f"{_OTHER_PROCESS}; use `pid`, which is None if it does not run",
    "_session_id": f"{_OTHER_PROCESS}, which counts its connections itself",
    "manager": f"{_OTHER_PROCESS}, which needs no manager",
    "policies": f"{_OTHER_PROCESS}; write policies to files in `policy_path`",
    "policy_monitor": f"{_OTHER_PROCESS}, which reads `policy_path` itself",
    "_setup_connection_handler": f"{_OTHER_PROCESS}, which serves its connections itself",
    "main": "run the program `run_server`",
}


def missing(owner: str, name: str) -> AttributeError:
    """Returns the error about an attribute that PyKMIP may have and this package does not."""
    reason = _REASONS.get(name, f"{_OTHER_PROCESS}, so only the documented attributes exist")
    return AttributeError(f"{owner} has no attribute {name!r}: {reason}")


def check_type(name: str, value: Any) -> None:
    """Raises ConfigurationError if a setting cannot have a value of this type."""
    if not isinstance(value, _TYPES.get(name, object)):
        raise ConfigurationError(f"the setting '{name}' cannot be {value!r}: it is of another type")


def text_of(value: Any) -> str:
    """Returns the value in the form of a settings file."""
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    return str(os.fspath(value) if hasattr(value, "__fspath__") else value)


class Config:
    """The settings, in the form of PyKMIP's `KmipServerConfig`. `start` uses values that a script changed before."""

    def __init__(self, parser: configparser.RawConfigParser) -> None:
        self._parser = parser
        self.settings: Dict[str, Any] = _settings(parser)
        self._original = _settings(parser)

    def __getattr__(self, name: str) -> NoReturn:
        raise missing("the configuration", name)

    def set_setting(self, setting: str, value: Any) -> None:
        """Sets a setting. Raises ConfigurationError if its value is of another type."""
        check_type(setting, value)
        self.settings[setting] = value

    def text(self) -> str:
        """Returns the settings in the form of a settings file."""
        for name, value in self.settings.items():
            if value != self._original.get(name) and name != "auth_plugins":
                value = LEVELS.get(value, value) if name == "logging_level" else value
                self._parser.set("server", name, "" if value is None else text_of(value).replace("%", "%%"))
        lines: List[str] = []
        for section in self._parser.sections():
            lines.append(f"[{section}]")
            for name, value in self._parser.items(section):
                lines.append(f"{name}=" + "\n    ".join(value.split("\n")))
            lines.append("")
        return "\n".join(lines)


def _settings(parser: configparser.RawConfigParser) -> Dict[str, Any]:
    """Returns the settings with values of PyKMIP's types."""
    settings: Dict[str, Any] = {
        "enable_tls_client_auth": True,
        "tls_cipher_suites": [],
        "logging_level": logging.INFO,
        "auth_plugins": [(name, dict(parser.items(name))) for name in parser.sections() if name.startswith("auth:")],
    }
    numbers = {name: number for number, name in LEVELS.items()}
    for name, text in parser.items("server"):
        value: Any = text.replace("%%", "%")
        if name == "port" and value.isdecimal():
            value = int(value)
        elif name == "enable_tls_client_auth":
            value = parser.BOOLEAN_STATES.get(value.lower(), value) if value else True
        elif name == "tls_cipher_suites":
            value = value.replace(",", " ").split()
        elif name == "logging_level":
            value = numbers.get(value.upper(), value) if value else logging.INFO
        settings[name] = value
    return settings


class AuthenticationSuite:
    """The TLS versions and cipher suites of the server, with the attributes of PyKMIP's suites.

    `protocol` is a constant of the module ssl, `ciphers` are OpenSSL names separated by colons.
    """

    def __init__(self, name: str, cipher_suites: List[str]) -> None:
        only_1_2 = name == "TLS1.2"
        self._protocol = ssl.PROTOCOL_TLSv1_2 if only_1_2 else ssl.PROTOCOL_TLS_SERVER
        wanted = {_openssl_name(suite) for suite in cipher_suites}
        named = [name for name in CIPHERS + NAMED_CIPHERS if name in wanted]
        self._cipher_suites = ":".join(named or CIPHERS)

    def __getattr__(self, name: str) -> NoReturn:
        raise missing("the authentication suite", name)

    @property
    def protocol(self) -> int:
        return self._protocol

    @property
    def ciphers(self) -> str:
        return self._cipher_suites


def _openssl_name(suite: str) -> str:
    """Returns the OpenSSL name of a cipher suite, given that name or the standard's."""
    name = suite.replace("TLS_", "", 1).replace("_WITH_", "_").replace("AES_", "AES")
    name = name.replace("_POLY1305_SHA256", "_POLY1305").replace("_CBC", "")
    name = name[4:] if name.startswith("RSA_") else name
    return name.replace("_", "-")


class ListeningSocket:
    """The address that the server listens on, with the methods of a socket that scripts use."""

    def __init__(self, hostname: str, port: int, stop: Callable[[], None]) -> None:
        self._address: Optional[Tuple[str, int]] = (_address(hostname), port)
        self._stop = stop

    def __getattr__(self, name: str) -> NoReturn:
        raise missing("the socket", name)

    def getsockname(self) -> Tuple[str, int]:
        """Returns the address and the port. Raises OSError after `close`."""
        if self._address is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._address

    def close(self) -> None:
        """Ends the server, which then accepts no connections."""
        self._address = None
        self._stop()


def _address(hostname: str) -> str:
    try:
        return str(socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return hostname


_OPTIONS = (
    ("-n", "--hostname", "str", "The address or name of the interface that the server listens on."),
    ("-p", "--port", "int", "The port that the server listens on; 5696 is registered for KMIP."),
    ("-c", "--certificate_path", "str", "The PEM file with the certificate of the server."),
    ("-k", "--key_path", "str", "The PEM file with the private key of the server."),
    ("-a", "--ca_path", "str", "The PEM file with the authorities that issue the certificates of clients."),
    ("-s", "--auth_suite", "str", "The versions of TLS: Basic, TLS1.2 or TLS1.3."),
    ("-f", "--config_path", "str", "The settings file."),
    ("-l", "--log_path", "str", "The log file."),
    ("-o", "--policy_path", "str", "The directory of the operation policy files."),
    ("-v", "--logging_level", "str", "The least severe level that is logged, for example INFO."),
    ("-d", "--database_path", "str", "The SQLite file of the database."),
)


def build_argument_parser() -> optparse.OptionParser:
    """Returns a parser with the options of PyKMIP's server, and `--compatibility`."""
    parser = optparse.OptionParser(usage="%prog [options]", description="Run the KMIP server.")
    for letter, name, kind, text in _OPTIONS:
        parser.add_option(letter, name, action="store", type=kind, default=None, dest=name[2:], help=text)
    parser.add_option(
        "-i",
        "--ignore_tls_client_auth",
        action="store_true",
        default=False,
        dest="ignore_tls_client_auth",
        help="Accept certificates of clients without the extended key usage for clients.",
    )
    parser.add_option(
        "--compatibility",
        action="store",
        type="str",
        default=None,
        dest="compatibility",
        help="Whose behaviour the server has if PyKMIP and the standard differ: PyKMIP or Standard.",
    )
    return parser

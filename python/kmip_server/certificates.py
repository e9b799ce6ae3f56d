"""Certificates for trials and tests, made by the server's program."""

import os
import pathlib
import subprocess
from typing import NamedTuple, Optional, Sequence, Union

from kmip_server.exceptions import ConfigurationError
from kmip_server.program import find_program

# The program takes well below a second, RSA keys included.
LIMIT_SECONDS = 60


class Certificates(NamedTuple):
    """The files of one infrastructure."""

    folder: pathlib.Path

    @property
    def ca(self) -> str:
        """The CA's certificate: what server and clients check each other by."""
        return str(self.folder / "root_certificate.pem")

    @property
    def server_certificate(self) -> str:
        return str(self.folder / "server_certificate.pem")

    @property
    def server_key(self) -> str:
        return str(self.folder / "server_key.pem")

    @property
    def client_settings(self) -> str:
        """A settings file of PyKMIP's client, with a section for each client."""
        return str(self.folder / "client.conf")

    def client_certificate(self, name: str) -> str:
        """The certificate of the client with that common name."""
        return str(self.folder / f"client_certificate_{_stem(name)}.pem")

    def client_key(self, name: str) -> str:
        return str(self.folder / f"client_key_{_stem(name)}.pem")

    def client_container(self, name: str) -> str:
        """The client's PKCS#12 container, where they were asked for."""
        return str(self.folder / f"client_{_stem(name)}.p12")


def make_certificates(
    folder: "Union[str, os.PathLike[str]]",
    clients: Sequence[str] = ("John Doe", "Jane Doe"),
    hosts: Sequence[str] = (),
    days: Optional[int] = None,
    ec: bool = False,
    port: Optional[int] = None,
    pkcs12: "Union[str, os.PathLike[str], None]" = None,
) -> Certificates:
    """Makes a CA, a server's certificate and one for each client. Raises ConfigurationError; writes over nothing.

    `pkcs12` names the file of the password of the PKCS#12 containers, which each client has one of then.
    """
    command = [find_program(), f"--make-certs={os.fspath(folder)}"]
    command += [f"--client={name}" for name in clients]
    command += [f"--host={name}" for name in hosts]
    command += [f"--days={days}"] if days is not None else []
    command += [f"--port={port}"] if port is not None else []
    command += ["--ec"] if ec else []
    command += [f"--pkcs12={os.fspath(pkcs12)}"] if pkcs12 is not None else []
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=LIMIT_SECONDS,
    )
    if done.returncode != 0:
        raise ConfigurationError(done.stderr.strip())
    return Certificates(pathlib.Path(folder).resolve())


def _stem(name: str) -> str:
    """How the program names files after a client."""
    return "".join(_lower(letter) if letter.isalnum() else "_" for letter in name)


def _lower(letter: str) -> str:
    return letter.lower() if letter.isascii() else letter

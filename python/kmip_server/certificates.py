"""Certificates for trials and tests, which the program of the server creates."""

import os
import pathlib
import subprocess
from typing import NamedTuple, Optional, Sequence, Union

from kmip_server.exceptions import ConfigurationError
from kmip_server.program import find_program

# The program takes less than a second, RSA keys included.
LIMIT_SECONDS = 60


class Certificates(NamedTuple):
    """The files of one public key infrastructure."""

    folder: pathlib.Path

    @property
    def ca(self) -> str:
        """The certificate of the CA that server and clients trust."""
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
        """The PKCS#12 container of the client, if `make_certificates` created containers."""
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
    """Creates a CA, a server certificate and a certificate for each client; overwrites no file.

    `pkcs12` names a file with a password; each client then also has a PKCS#12 container with this password.

    Raises ConfigurationError if the program fails; the text is its message.
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
    """Returns the part of file names that the program derives from the name of a client."""
    return "".join(_lower(letter) if letter.isalnum() else "_" for letter in name)


def _lower(letter: str) -> str:
    return letter.lower() if letter.isascii() else letter

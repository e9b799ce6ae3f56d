"""The path of the server's executable."""

import importlib.metadata
import os
import pathlib
import shutil

from kmip_server.exceptions import ConfigurationError

# Developers of the server name another executable than that of the package with this variable.
VARIABLE = "KMIP_SERVER_BINARY"


def find_program() -> str:
    """Returns the path of `run_server`: from KMIP_SERVER_BINARY, else from the package, else from PATH.

    Raises ConfigurationError if there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named
    try:
        files = importlib.metadata.files("kmip-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "run_server":
            path = pathlib.Path(str(file.locate()))
            if path.exists():
                return str(path.resolve())
    found = shutil.which("run_server")
    if found:
        return found
    raise ConfigurationError(f"run_server is not installed; name it with the environment variable {VARIABLE}")

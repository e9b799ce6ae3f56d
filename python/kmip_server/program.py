"""The path of the server's executable."""

import importlib.metadata
import os
import pathlib
import shutil
from typing import Optional

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
    path = _installed("run_server")
    if path is not None:
        return str(path.resolve())
    found = shutil.which("run_server")
    if found:
        return found
    raise ConfigurationError(f"run_server is not installed; name it with the environment variable {VARIABLE}")


def replaced_script() -> Optional[str]:
    """Returns the path of this package's `pykmip-server` if it is a script now, or None.

    PyKMIP's package installs a script of that name. pip replaces this package's program by it without a word if it installs
    PyKMIP later.
    """
    path = _installed("pykmip-server")
    if path is None:
        return None
    with path.open("rb") as file:
        return str(path) if file.read(2) == b"#!" else None


def _installed(name: str) -> Optional[pathlib.Path]:
    """Returns the path of an executable of the installed package, or None."""
    try:
        files = importlib.metadata.files("kmip-server") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [pathlib.Path(os.path.abspath(str(file.locate()))) for file in files if file.name == name]
    return next((path for path in paths if path.exists()), None)

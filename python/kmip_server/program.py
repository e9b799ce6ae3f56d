"""Where the executable of the server is."""

import importlib.metadata
import os
import pathlib
import shutil

from kmip_server.exceptions import ConfigurationError

# Names another executable than the one of the package, for those who develop the server.
VARIABLE = "KMIP_SERVER_BINARY"


def find_program() -> str:
    """The path of `run_server`: the one that an environment variable names, the package's, or the one on PATH."""
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

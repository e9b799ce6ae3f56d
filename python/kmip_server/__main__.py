"""`python -m kmip_server` becomes `run_server`, with the same options."""

import os
import sys

from kmip_server.exceptions import ConfigurationError
from kmip_server.program import VARIABLE, find_program


def main() -> None:
    """Replaces this process by the server."""
    try:
        program = find_program()
    except ConfigurationError as error:
        sys.exit(f"kmip_server: {error}")
    try:
        os.execv(program, [program, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"kmip_server: {program} cannot be started: {error.strerror}; {VARIABLE} can name another one")


if __name__ == "__main__":
    main()

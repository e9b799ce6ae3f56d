"""A KMIP server that clients of PyKMIP's server use unchanged, started from Python.

`KmipServer` takes the arguments of PyKMIP's class of that name. The server itself is the program `run_server`, which
this package contains.
"""

from kmip_server.certificates import Certificates, make_certificates
from kmip_server.control import Control, ControlError
from kmip_server.exceptions import ConfigurationError, NetworkingError, ShutdownError
from kmip_server.program import find_program
from kmip_server.pykmip import build_argument_parser
from kmip_server.server import KmipServer

__all__ = [
    "Certificates",
    "ConfigurationError",
    "Control",
    "ControlError",
    "KmipServer",
    "NetworkingError",
    "ShutdownError",
    "build_argument_parser",
    "find_program",
    "make_certificates",
]

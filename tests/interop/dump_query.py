"""Prints what a server answers to Query as JSON, in the way of scripts that monitor PyKMIP's server.

    python dump_query.py pykmip.conf [1.2]

The client is PyKMIP's; the file is its configuration. Values that JSON does not have become their names and contents.
"""

import enum
import json
import sys

from kmip.core import enums
from kmip.services.kmip_client import KMIPProxy

FUNCTIONS = (
    enums.QueryFunction.QUERY_OPERATIONS,
    enums.QueryFunction.QUERY_OBJECTS,
    enums.QueryFunction.QUERY_SERVER_INFORMATION,
    enums.QueryFunction.QUERY_APPLICATION_NAMESPACES,
)


def plain(value):
    """Returns what json.dumps shows of a value of PyKMIP's client."""
    if isinstance(value, enum.Enum):
        return value.name
    if hasattr(value, "value"):
        return value.value
    return vars(value)


def main():
    path, version = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1.2"
    client = KMIPProxy(config="client", config_file=path, kmip_version=enums.KMIPVersion[f"KMIP_{version.replace('.', '_')}"])
    client.open()
    try:
        result = client.query(query_functions=list(FUNCTIONS))
    finally:
        client.close()
    print(json.dumps(vars(result), default=plain, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()

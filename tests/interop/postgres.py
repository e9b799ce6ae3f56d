"""Databases on the PostgreSQL server that KMIP_POSTGRES names: the URL of one of its databases, whose user may create others."""

import itertools
import os
import subprocess

CREATE_SECONDS = 60
_COUNT = itertools.count()


def server():
    """The URL in KMIP_POSTGRES, or None."""
    return os.environ.get("KMIP_POSTGRES") or None


def new_database():
    """Creates an empty database; returns its URL."""
    name = f"interop_{os.getpid()}_{next(_COUNT)}"
    done = subprocess.run(
        ["psql", "-X", "-q", "-d", server(), "-c", f"CREATE DATABASE {name}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CREATE_SECONDS,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    return f"{server().rpartition('/')[0]}/{name}"

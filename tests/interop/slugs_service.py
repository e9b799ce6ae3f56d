"""Starts the real SLUGS service on Pythons that its web framework does not know.

    python slugs_service.py -c slugs.conf

SLUGS 1.1.0 needs a CherryPy older than 18, which calls `inspect.getargspec`; Python 3.11
removed that function. It is put back here, in the words of its successor, before SLUGS is
imported. Nothing else of the service is changed.
"""

import inspect
from collections import namedtuple

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(function):
    """The first four fields of `inspect.getfullargspec`, as Python 3.10 gave them."""
    return ArgSpec(*inspect.getfullargspec(function)[:4])


if not hasattr(inspect, "getargspec"):
    inspect.getargspec = getargspec

from slugs import app  # noqa: E402  (the line above must come first)

if __name__ == "__main__":
    app.main()

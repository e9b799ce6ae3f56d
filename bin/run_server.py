#!/usr/bin/env python3
"""Becomes `run_server`, with the same options: PyKMIP's server is started by a script of this name.

The program is taken from beside this script, from the release build of the checkout that the script lies in, or from
PATH, in this order; a copy of the script works anywhere.
"""

import os
import shutil
import sys


def find():
    """The path of the program, or None."""
    here = os.path.dirname(os.path.realpath(__file__))
    build = os.environ.get("CARGO_TARGET_DIR", os.path.join(here, os.pardir, "target"))
    for folder in (here, os.path.join(build, "release"), None):
        found = shutil.which("run_server", path=folder)
        if found:
            return found
    return None


if __name__ == "__main__":
    program = find()
    if program is None:
        sys.exit("run_server.py: there is no program run_server; build it with `cargo build --release`, or install it")
    os.execv(program, [program, *sys.argv[1:]])

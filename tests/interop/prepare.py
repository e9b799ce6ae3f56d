"""Makes the Python environment of the interop tests, and unpacks PyKMIP's own tests.

    python3 prepare.py [--root target/interop] [--client NAME]

Leaves in the root: `venv` (the packages of requirements.txt) and `src` (PyKMIP's source
package, for the tests in it). Both are made once; a stamp with the hash of requirements.txt
states whether they are current. With a client it makes `venv-NAME` of requirements-NAME.txt
instead: clients whose packages do not go with those of the tests. Prints the path of the
environment's Python. Needs Python 3.8 and nothing installed; where something is missing it
says so in one line and ends with 1.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
# A download from the index over a slow line; a hang must not hold up the tests for ever.
INSTALL_SECONDS = 900


class Missing(Exception):
    """A missing program; the text says what to install."""


def default_root():
    """target/interop of this project, or of CARGO_TARGET_DIR."""
    target = os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target"
    return pathlib.Path(target) / "interop"


def prepare(root, client=None):
    """Makes what is missing under `root`; returns the path of the environment's Python."""
    check_python()
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        python = environment(root, f"-{client}" if client else "")
        if not client:
            sources(root, python)
    return python


def check_python():
    """Refuses a Python that cannot make the environment."""
    if sys.version_info < (3, 8):
        raise Missing("the interop tests need Python 3.8 or newer: install python3 (Debian: apt-get install python3)")
    if not available("venv") or not (available("ensurepip") or available("pip")):
        raise Missing("the interop tests need Python's venv: install it (Debian: apt-get install python3-venv)")


def available(module):
    """True where this Python can import the module."""
    return importlib.util.find_spec(module) is not None


def installer(python):
    """The command line of pip for that environment: its own, or this Python's.

    Debian ships ensurepip, which puts pip into an environment, in a package of its own; where pip itself is
    installed, it serves any environment.
    """
    return [str(python), "-m", "pip"] if available("ensurepip") else [sys.executable, "-m", "pip", "--python", str(python)]


def environment(root, suffix=""):
    """The virtual environment of requirements`suffix`.txt, made anew where its stamp does not fit."""
    requirements = HERE / f"requirements{suffix}.txt"
    venv = root / f"venv{suffix}"
    python = venv / "bin" / "python"
    stamp = venv / "requirements.sha256"
    wanted = fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    print(f"interop: installing the packages of tests/interop/{requirements.name}", file=sys.stderr, flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    options = [] if available("ensurepip") else ["--without-pip"]
    run([sys.executable, "-m", "venv", *options, str(venv)], "a virtual environment could not be made")
    run(
        [*installer(python), "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)],
        f"the packages of tests/interop/{requirements.name} could not be installed; is the Python package index reachable?",
    )
    stamp.write_text(wanted)
    return python


def sources(root, python):
    """PyKMIP's source package, unpacked as `src/pykmip-VERSION`: the tests of the pinned release are in it."""
    folder = source(root, python, pykmip_version())
    if not (folder / "kmip" / "tests" / "integration").is_dir():
        raise Missing(f"PyKMIP's source package in {folder} has no kmip/tests/integration")
    return folder


def source(root, python, version):
    """The source package of that release of PyKMIP; made once."""
    folder = root / "src" / f"pykmip-{version}"
    stamp = folder / "unpacked"
    if stamp.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    archives = root / "src" / f"archive-{version}"
    shutil.rmtree(archives, ignore_errors=True)
    archives.mkdir(parents=True)
    run(
        [*installer(python), "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        + ["--no-binary", ":all:", "-d", str(archives), f"pykmip=={version}"],
        f"the source package of PyKMIP {version} could not be fetched; is the Python package index reachable?",
    )
    archive = next(archives.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        # Releases differ in how they write the name of the folder.
        top = packed.getnames()[0].partition("/")[0]
        members = [m for m in packed.getmembers() if inside(m, top)]
        # Newer Pythons ask for a filter by name; older ones do not know the argument.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(archives, members=members, **safely)
    (archives / top).rename(folder)
    stamp.touch()
    return folder


def inside(member, top):
    """True for a plain file or folder below `top`; nothing else of an archive is unpacked."""
    parts = pathlib.PurePosixPath(member.name).parts
    return (member.isfile() or member.isdir()) and parts[:1] == (top,) and ".." not in parts


def fingerprint(requirements):
    """Changes with the requirements and with the Python that runs them."""
    text = requirements.read_bytes() + sys.version.encode()
    return hashlib.sha256(text).hexdigest()


def pykmip_version():
    """The version that requirements.txt pins."""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if line.startswith("pykmip=="):
            return line.partition("==")[2].strip()
    raise Missing("tests/interop/requirements.txt does not pin pykmip")


def run(command, what):
    """Runs one command; its output is shown only where it failed."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"{what} (no end after {INSTALL_SECONDS} s)") from None
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise Missing(what)


@contextlib.contextmanager
def locked(path):
    """One at a time: test processes may run side by side."""
    import fcntl

    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=pathlib.Path, default=default_root())
    parser.add_argument("--client", help="makes the environment of requirements-CLIENT.txt")
    options = parser.parse_args()
    try:
        print(prepare(options.root.resolve(), options.client))
    except Missing as error:
        print(f"interop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

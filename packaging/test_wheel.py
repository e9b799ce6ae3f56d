"""Tests a wheel: its contents, its installation into new environments, and its use there.

    python3 packaging/test_wheel.py target/wheels/kmip_server-….whl     (make wheel-test)

Installs the wheel from its folder, as the pages of docs/ describe; runs the action and the component of the pages for
CI systems, PyKMIP's own integration tests against a server of the class `KmipServer`, and the tests of python/tests
with the oldest and the newest supported pytest. Works in target/wheel-test. Needs the Python package index; creates the environment of
the interop tests if it does not exist. Prints the steps that passed and the Pythons that are not installed.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
INTEROP = ROOT / "tests" / "interop"
sys.path.insert(0, str(INTEROP))

import pages
import prepare
from server import free_port

# The oldest version is that of the interop tests.
PYTESTS = ("pytest==7.1.3", "pytest==9.2.0")
VERMIN = "vermin==1.9.2"
OLDEST_PYTHON = "3.8"
OTHER_PYTHONS = ("python3.8", "python3.9", "python3.10", "python3.12", "python3.13", "python3.14")
# The newest glibc that the wheel can require: that of Debian 12.
NEWEST_GLIBC = (2, 36)
INTEGRATION = ["integration/services/test_integration.py", "integration/services/test_proxykmipclient.py"]
PYKMIP_TESTS = 37
LIMIT_SECONDS = 600

SERVE = """
import sys
from kmip_server import KmipServer

port, folder = int(sys.argv[1]), sys.argv[2]
server = KmipServer(
    hostname="127.0.0.1", port=port, certificate_path=folder + "/server_certificate.pem",
    key_path=folder + "/server_key.pem", ca_path=folder + "/root_certificate.pem", config_path=None,
    auth_suite="TLS1.2", log_path=folder + "/server.log", database_path=folder + "/kmip.database",
)
with server:
    print("ready", flush=True)
    server.serve()
"""

PYKMIPS_TESTS = """
import sys
import pykmip_suites

outcomes, output = pykmip_suites.run(sys.argv[2:], sys.argv[1])
failed = [name for name, outcome in outcomes.items() if not outcome.passed]
if failed or not outcomes:
    sys.exit(output)
print(len(outcomes))
"""


class Failure(Exception):
    """A defect of the wheel."""


def check(holds, text):
    if not holds:
        raise Failure(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("wheel", type=pathlib.Path)
    wheel = parser.parse_args().wheel.resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
    folder = target / "wheel-test"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    interop = prepare.prepare(target / "interop")
    environment = Environment(folder / "fresh", wheel)
    steps = [
        lambda: contents(wheel),
        lambda: environment.installs(),
        lambda: with_pykmip(folder, wheel),
        lambda: pages_of_ci_systems(environment, folder, target / "interop"),
        lambda: pykmips_tests(environment, folder, interop),
        *[lambda version=version: own_tests(environment, folder, version) for version in PYTESTS],
        lambda: oldest_python(environment),
        *[lambda name=name: another_python(name, folder, wheel) for name in installed_pythons()],
    ]
    passed = 0
    for step in steps:
        try:
            text = step()
        except Failure as failure:
            print(f"FAILED {failure}\n{passed} passed, 1 failed", flush=True)
            return 1
        print(text, flush=True)
        passed += 1
    print(f"{passed} passed, 0 failed")
    return 0


def contents(wheel):
    """Checks the tag, dependencies, typing marker, licence and executables in the file."""
    with zipfile.ZipFile(wheel) as file:
        names = {name: file.getinfo(name).external_attr >> 16 for name in file.namelist()}
        information = next(name for name in names if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
        metadata = file.read(f"{information}/METADATA").decode()
        tags = re.findall(r"^Tag: (.*)$", file.read(f"{information}/WHEEL").decode(), re.MULTILINE)
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    check(f"\nVersion: {version}\n" in metadata, f"the version is not {version}\n{metadata}")
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    check(not required, f"the wheel has dependencies\n{metadata}")
    check("\nRequires-Python: >=3.8\n" in metadata, metadata)
    for name in ("kmip_server/py.typed", f"{information}/licenses/LICENSE"):
        check(name in names, f"{name} is not in the wheel: {sorted(names)}")
    for name in ("run_server", "pykmip-server"):
        mode = names.get(f"kmip_server-{version}.data/scripts/{name}", 0)
        check(mode & 0o111 == 0o111, f"{name} in the wheel is not executable: its mode is {mode:o}")
    glibc = re.fullmatch(rf"py3-none-manylinux_(\d+)_(\d+)_{os.uname().machine}", " ".join(tags))
    check(glibc, f"the tags are {tags}")
    check(tuple(map(int, glibc.groups())) <= NEWEST_GLIBC, f"the wheel requires a newer system: {tags}")
    return f"contents: {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB, no dependencies, typed, for {tags[0]}"


class Environment:
    """A virtual environment into which pip installs the wheel by its name, as the pages describe."""

    def __init__(self, folder, wheel, python=sys.executable):
        self.folder = folder
        self.bin = folder / "bin"
        # pip finds only the folder of the wheel, and variables of the developer have no effect.
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(("KMIP_", "PYTHON"))}
        self.variables["PATH"] = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        self.offline = dict(self.variables, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheel.parent))
        self.wheel = wheel
        options = [] if prepare.available("ensurepip") else ["--without-pip"]
        self.run([python, "-m", "venv", *options, folder])

    def installs(self):
        self.run(["pip", "install", "--disable-pip-version-check", "kmip-server"], variables=self.offline)
        for name in ("run_server", "pykmip-server"):
            output = self.run([self.bin / name, "--help"])
            check("--config_path" in output, output)
        output = self.run([self.bin / "python", "-c", "import kmip_server; print(kmip_server.find_program())"])
        check(output.strip() == str((self.bin / "run_server").resolve()), f"find_program returns another program: {output}")
        packages = self.run(["pip", "list", "--format=freeze"]).splitlines()
        others = [line for line in packages if not line.startswith(("kmip-server==", "kmip_server==", "pip==", "setuptools=="))]
        check(not others, f"pip installed further packages: {others}")
        return "a new environment: run_server and pykmip-server are on PATH, the package finds them, nothing else is installed"

    def run(self, command, cwd=None, variables=None, timeout=LIMIT_SECONDS):
        """Runs a command to its end and returns its output; raises Failure with the output if it fails."""
        done = subprocess.run(
            [str(part) for part in command], cwd=str(cwd or self.folder.parent), env=variables or self.variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
            universal_newlines=True,
        )
        check(done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}")
        return done.stdout

    def certificates(self, folder, port):
        """Creates certificates with the package, and the settings of a client of John Doe."""
        code = "import sys, kmip_server as k; k.make_certificates(sys.argv[1], hosts=['127.0.0.1', 'localhost'], port=int(sys.argv[2]))"
        self.run([self.bin / "python", "-c", code, folder, port])


def with_pykmip(folder, wheel):
    """Installs PyKMIP before and after the wheel, and checks which server has the name, and what says so."""
    environment = Environment(folder / "with-pykmip", wheel)
    name, quiet = environment.bin / "pykmip-server", ["--quiet", "--disable-pip-version-check", "--no-deps"]
    requirements = (INTEROP / "requirements.txt").read_text()
    pykmip = re.search("^pykmip==.*$", requirements, re.MULTILINE)[0]
    again = ["pip", "install", *quiet, "--force-reinstall"]

    def is_pykmips():
        with name.open("rb") as file:
            return file.read(2) == b"#!"

    def warnings():
        """What a start with the package's program says, and the header of pytest."""
        options = ["-p", "0", "-n", "127.0.0.1", "-s", "Basic", "-d", ":memory:", "-l", "-"]
        pki = [f"{option}={folder}/with-pykmip-pki/{file}.pem" for option, file in (
            ("--certificate_path", "server_certificate"), ("--key_path", "server_key"), ("--ca_path", "root_certificate"),
        )]
        code = "from kmip_server.program import replaced_script; print(replaced_script())"
        header = environment.run([environment.bin / "python", "-c", code])
        server = subprocess.Popen(
            [str(environment.bin / "python"), "-m", "kmip_server", "--exit-on-eof", *options, *pki],
            env=environment.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        )
        _, said = server.communicate(timeout=LIMIT_SECONDS)
        check(server.returncode == 0, said)
        return header.strip(), "pykmip-server is a script" in said

    environment.run(["pip", "install", *quiet, pykmip])
    check(is_pykmips(), "PyKMIP installs no script pykmip-server")
    environment.run(["pip", "install", *quiet, "kmip-server"], variables=environment.offline)
    environment.certificates(folder / "with-pykmip-pki", 0)
    check(not is_pykmips(), "the wheel does not replace PyKMIP's script")
    check("--config_path" in environment.run([name, "--help"]), "pykmip-server is another program")
    check(warnings() == ("None", False), f"a warning without a reason: {warnings()}")
    environment.run([*again, pykmip])
    check(is_pykmips(), "PyKMIP does not replace the program")
    check(warnings() == (str(name), True), f"no warning about PyKMIP's script: {warnings()}")
    # The repair that the warning names.
    environment.run([*again, "kmip-server"], variables=environment.offline)
    check(not is_pykmips() and warnings() == ("None", False), "the repair does not work")
    return "PyKMIP before and after the wheel: the last one has the name pykmip-server, and a start says that PyKMIP has it"


def pages_of_ci_systems(environment, folder, interop):
    """Runs the action and the component with the inputs of both pages, and checks that a server listens."""
    python = prepare.prepare(interop, "lint")
    runner = [python, INTEROP / "clients" / "ci_runner.py"]
    for name, page, indent in (("github", "github-actions.md", 4), ("gitlab", "gitlab-ci.md", 6)):
        (text,) = pages.blocks(page, "yaml after")
        inputs = dict(re.findall(rf"^ {{{indent}}}(\w+): (.*)$", text, re.MULTILINE))
        check(set(inputs) == {"package", "settings"}, f"{page}: {inputs}")
        place, port = folder / name, free_port()
        (place / "ci").mkdir(parents=True)
        (place / "wheels").mkdir()
        shutil.copy(str(environment.wheel), str(place / "wheels"))
        environment.certificates(place / "certs", port)
        (place / inputs["settings"]).write_text(
            f"[server]\nhostname=127.0.0.1\nport={port}\nauth_suite=Basic\ndatabase_path=:memory:\n"
            "certificate_path=certs/server_certificate.pem\nkey_path=certs/server_key.pem\nca_path=certs/root_certificate.pem\n"
        )
        management = "management-address" if name == "github" else "management_address"
        inputs[management] = f"127.0.0.1:{free_port()}"
        given = [f"{name}={value}" for name, value in inputs.items()]
        if name == "github":
            said = environment.run([*runner, "action", place / "temp", *given], place, environment.offline)
        else:
            script = environment.run([*runner, "component", *given])
            script += '\nprintf \'{"port": "%s", "pid": %s}\\n\' "$KMIP_SERVER_PORT" "$KMIP_SERVER_PID"\n'
            said = environment.run(["bash", "-ec", script], place, dict(environment.offline, CI_PROJECT_DIR=str(place)))
        outputs = json.loads(said.splitlines()[-1])
        os.kill(int(outputs["pid"]), signal.SIGTERM)
        check(outputs["port"] == str(port), f"{page}: {outputs}")
    return "the pages for GitHub and GitLab: action and component install the wheel and start a server that listens"


def pykmips_tests(environment, folder, interop):
    """Runs PyKMIP's own integration tests against a server that a script starts."""
    place, port = folder / "pykmip", free_port()
    place.mkdir()
    environment.certificates(place / "pki", port)
    settings = place / ".pykmip" / "pykmip.conf"
    settings.parent.mkdir()
    settings.write_text((place / "pki" / "client.conf").read_text())
    (place / "serve.py").write_text(SERVE)
    server = subprocess.Popen(
        [str(environment.bin / "python"), "serve.py", str(port), str(place / "pki")], cwd=str(place),
        env=environment.variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True,
    )
    try:
        check(server.stdout.readline() == "ready\n", "the server of the script does not start")
        variables = dict(environment.variables, PYTHONPATH=str(INTEROP))
        output = environment.run([interop, "-c", PYKMIPS_TESTS, place, *INTEGRATION], variables=variables)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(30)
    check(code == 0, f"the exit code of the script is {code}")
    check(output.strip() == str(PYKMIP_TESTS), f"not {PYKMIP_TESTS} tests: {output}")
    return f"PyKMIP's integration tests against KmipServer: {PYKMIP_TESTS} of {PYKMIP_TESTS} pass"


def own_tests(environment, folder, version):
    """Runs python/tests with that version of pytest, which finds the plug-in itself."""
    environment.run(["pip", "install", "--quiet", "--disable-pip-version-check", version])
    variables = dict(environment.variables, PYTHONDONTWRITEBYTECODE="1")
    command = [environment.bin / "python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", ROOT / "python" / "tests"]
    output = environment.run(command, cwd=folder, variables=variables)
    figures = [line for line in output.splitlines() if line.lstrip(".").startswith("start and stop")]
    check(figures, output)
    return "\n".join([f"{version}: {output.strip().splitlines()[-1]}", *(f"  {line.lstrip('.')}" for line in figures)])


def oldest_python(environment):
    """Checks that no Python file needs a newer Python than OLDEST_PYTHON."""
    environment.run(["pip", "install", "--quiet", "--disable-pip-version-check", VERMIN])
    files = ["python/kmip_server", "python/tests", "packaging/test_wheel.py", *INTEROP.glob("*.py")]
    environment.run(["vermin", "--no-tips", "--violations", f"--target={OLDEST_PYTHON}-", *files], cwd=ROOT)
    return f"syntax and library calls: Python {OLDEST_PYTHON} suffices ({VERMIN})"


def installed_pythons():
    """Returns the Pythons of OTHER_PYTHONS that are installed, for further tests of the wheel."""
    def works(name):
        return shutil.which(name) and subprocess.call([name, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0

    installed = [name for name in OTHER_PYTHONS if works(name)]
    missing = [name for name in OTHER_PYTHONS if name not in installed]
    print(f"other Pythons on this machine: {', '.join(installed) or 'none'}; not installed: {', '.join(missing)}", flush=True)
    return installed


def another_python(name, folder, wheel):
    """Installs the wheel for another Python, and starts and stops a server."""
    environment = Environment(folder / name, wheel, name)
    environment.installs()
    place, port = folder / f"{name}-server", free_port()
    place.mkdir()
    environment.certificates(place / "pki", port)
    (place / "serve.py").write_text(SERVE.replace("    server.serve()\n", ""))
    began = time.monotonic()
    output = environment.run([environment.bin / "python", "serve.py", port, place / "pki"], cwd=place)
    check(output == "ready\n", output)
    return f"{name}: installed; started and stopped Python and a server in {(time.monotonic() - began) * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())

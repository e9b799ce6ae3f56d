"""Tests the Debian package: installation, service under the unit's restrictions, upgrade, removal and purge.

    python3 packaging/test_deb.py target/debian/kmip-server_….deb     (make deb-test)

Creates a small Debian system in target/deb-test (once), installs the package into a copy of it, and boots the copy in a
container with systemd and its own network. There, PyKMIP's client performs every operation under the unit's
restrictions. Needs root, and Debian's packages debootstrap, systemd-container and lintian; a step that lacks one of
them is skipped with a message. Every process is ended by its own id.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INTEROP = ROOT / "tests" / "interop"
sys.path.insert(0, str(INTEROP))

import prepare

UNIT = "kmip-server.service"
CONF = "etc/pykmip/server.conf"
DATABASE = "var/lib/kmip-server/kmip.database"
NAME = "usr/bin/pykmip-server"
FILES = {
    "./usr/bin/run_server": "-rwxr-xr-x",
    "./usr/bin/pykmip-server": "-rwxr-xr-x",
    "./etc/pykmip/server.conf": "-rw-r--r--",
    "./usr/lib/systemd/system/kmip-server.service": "-rw-r--r--",
    "./usr/share/doc/kmip-server/server.conf.example": "-rw-r--r--",
    "./usr/share/doc/kmip-server/copyright": "-rw-r--r--",
    "./usr/share/man/man1/run_server.1.gz": "-rw-r--r--",
}
# The highest accepted exposure by systemd-analyze security, which counts from 0 to 100.
EXPOSURE = 15
LIMIT_SECONDS = 600
BOOT_SECONDS = 90


class Failure(Exception):
    """A defect of the package."""


class Skipped(Exception):
    """A step that lacks a program or a right."""


def check(holds, text):
    if not holds:
        raise Failure(text)


def run(*command, allowed=(0,), **options):
    """Runs a command to its end and returns its output; raises Failure with the output if it fails."""
    options.setdefault("timeout", LIMIT_SECONDS)
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True, **options,
    )
    check(done.returncode in allowed, f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def needs(*programs, package):
    """Raises Skipped if one of the programs is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Skipped(f"{', '.join(missing)} is not installed: apt-get install {package}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("package", type=pathlib.Path)
    package = parser.parse_args().package.resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
    folder = target / "deb-test"
    folder.mkdir(parents=True, exist_ok=True)
    system = System(folder)
    steps = [
        ("contents", lambda: contents(package)),
        ("lintian", lambda: lintian(package)),
        ("manual", lambda: manual(target)),
        ("unit", lambda: unit(package, folder)),
        ("install", lambda: install(package, system)),
        ("service", lambda: service(system, target)),
        ("upgrade", lambda: upgrade(package, system)),
        ("remove and purge", lambda: remove(package, system)),
    ]
    passed = skipped = 0
    for name, step in steps:
        try:
            print(f"{name}: {step()}", flush=True)
            passed += 1
        except Skipped as reason:
            print(f"{name}: skipped: {reason}", flush=True)
            skipped += 1
        except Failure as failure:
            print(f"{name}: FAILED {failure}\n{passed} passed, 1 failed", flush=True)
            return 1
    print(f"{passed} passed, 0 failed, {skipped} skipped")
    return 0


def contents(package):
    needs("dpkg-deb", package="dpkg")
    listed = {line.split()[-1]: line.split()[:2] for line in run("dpkg-deb", "-c", package).splitlines()}
    for name, mode in FILES.items():
        check(listed.get(name) == [mode, "0/0"], f"{name}: {listed.get(name)}")
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    check(field(package, "Version") == f"{version}-1", f"{field(package, 'Version')} is not {version}-1")
    first = (ROOT / "packaging" / "debian" / "changelog").read_text().split("\n", 1)[0]
    check(f"({version}-1)" in first, f"packaging/debian/changelog begins with {first}")
    check(run("dpkg-deb", "-I", package, "conffiles").split() == [f"/{CONF}"], "the settings are no conffile")
    return f"{package.name}, {package.stat().st_size / 1e6:.1f} MB, depends on {field(package, 'Depends')}"


def field(package, name):
    return run("dpkg-deb", "-f", package, name).strip()


def lintian(package):
    needs("lintian", package="lintian")
    output = run("lintian", "--allow-root", "--tag-display-limit", "0", package, allowed=(0, 1, 2))
    check(not re.search("^[EW]:", output, re.MULTILINE), output)
    return "no errors, no warnings"


def manual(target):
    """Checks that the manual page names every option of the program."""
    page = (ROOT / "packaging" / "run_server.1").read_text().replace("\\-", "-")
    options = set(re.findall(r"--[a-z][a-z_-]+", run(target / "release" / "run_server", "--help")))
    missing = sorted(name for name in options if name not in page)
    check(not missing, f"packaging/run_server.1 does not name {missing}")
    return f"names all {len(options)} options"


def unit(package, folder):
    needs("systemd-analyze", package="systemd")
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "-x", package, tree)
    text = (tree / "usr/lib/systemd/system" / UNIT).read_text()
    # The program and its manual are not installed on this machine.
    extracted = folder / UNIT
    extracted.write_text(text.replace("=/usr/bin/", f"={tree}/usr/bin/").replace("file:///usr/", f"file://{tree}/usr/"))
    output = run("systemd-analyze", "verify", extracted)
    check("kmip-server" not in output, output)
    output = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", extracted)
    return output.strip().splitlines()[-1].lstrip("→ ").encode("ascii", "ignore").decode().strip()


class System:
    """A Debian system in a folder: a copy of a base that later runs use again."""

    def __init__(self, folder):
        self.base = folder / "base"
        self.root = folder / "root"
        self._ready = False

    def renew(self):
        if os.geteuid() != 0:
            raise Skipped("it needs root")
        needs("debootstrap", package="debootstrap")
        if not (self.base / "made").exists():
            shutil.rmtree(self.base, ignore_errors=True)
            try:
                run("debootstrap", "--variant=minbase", "--include=systemd-sysv", "bookworm", self.base, timeout=1800)
            except Failure as failure:
                raise Skipped(f"debootstrap cannot create a Debian system: {str(failure).strip().splitlines()[-1]}")
            (self.base / "made").touch()
        shutil.rmtree(self.root, ignore_errors=True)
        run("cp", "-a", self.base, self.root)
        self._ready = True

    def path(self, name):
        """Returns the path, on this machine, of a file of the system."""
        if not self._ready:
            raise Skipped("there is no system to test in, because an earlier step was skipped")
        return self.root / name

    def run(self, *command, **options):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        self.path("")
        return run("chroot", self.root, *command, env=environment, **options)

    def dpkg(self, package, *options):
        shutil.copy(str(package), str(self.path("tmp")))
        return self.run("dpkg", *options, "-i", f"/tmp/{package.name}")

    def mode(self, name):
        """Returns owner, group and mode of a file, such as root:root 755."""
        return self.run("stat", "-c", "%U:%G %a", f"/{name}").strip()

    @contextlib.contextmanager
    def booted(self):
        """Boots the system in a container, and stops it at the end."""
        needs("systemd-nspawn", "nsenter", package="systemd-container util-linux")
        log = self.root.parent / "boot.log"
        with open(str(log), "wb") as output:
            container = subprocess.Popen(
                ["systemd-nspawn", "-D", str(self.path("")), "--boot", "--register=no", "--keep-unit", "--console=pipe",
                 "--private-network", f"--machine=kmip-test-{os.getpid()}", "systemd.log_target=console"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )
        try:
            yield Container(container, log)
        finally:
            # The first signal requests an orderly shutdown; the second one ends the container at once.
            for _ in range(2):
                container.terminate()
                try:
                    container.wait(60)
                    break
                except subprocess.TimeoutExpired:
                    continue
            else:
                container.kill()
                container.wait()


class Container:
    """A booted system."""

    def __init__(self, process, log):
        self._process = process
        self._log = log
        self._init = None
        try:
            wait(lambda: self._process.poll() is not None or self._find() and self._answers(), BOOT_SECONDS)
        except Failure:
            pass
        if self._process.poll() is not None or not self._init or not self._answers():
            output = " ".join(self._log.read_text(errors="replace").split()[-30:])
            raise Skipped(f"systemd does not boot in a container on this machine: {output or 'no output'}")

    def run(self, *command, **options):
        """Runs a command of the container in the container."""
        return run("nsenter", "-t", self._init, "-m", "-u", "-i", "-n", "-p", "-r", "-w", *command, **options)

    def from_here(self, *command, **options):
        """Runs a command of this machine in the network of the container."""
        return run("nsenter", "-t", self._init, "-n", *command, **options)

    def show(self, name):
        return self.run("systemctl", "show", "-P", name, UNIT).strip()

    def _find(self):
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        self._init = next((pid for pid in pids if "systemd" in pathlib.Path(f"/proc/{pid}/comm").read_text()), None)
        return self._init

    def _answers(self):
        return self.run("systemctl", "is-system-running", allowed=range(256)).strip() in ("running", "degraded")


def wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, f"the condition did not hold within {seconds} s")
        time.sleep(0.1)


def install(package, system):
    """Installs the package beside python3-pykmip, which contains a program of the same name."""
    system.renew()
    other = system.path(NAME)
    system.dpkg(fake_pykmip(system.root.parent))
    check(other.read_text() == "PyKMIP's\n", "the other package was not installed")
    output = system.dpkg(package)
    check(b"ELF" in other.read_bytes()[:4], output)
    check(system.path(f"{NAME}.python3-pykmip").read_text() == "PyKMIP's\n", "PyKMIP's program is gone")
    system.run("getent", "passwd", "kmip-server")
    for name in ("etc/pykmip/certs", "etc/pykmip/policy"):
        check(system.mode(name) == "root:kmip-server 750", f"{name}: {system.mode(name)}")
    wanted = system.path(f"etc/systemd/system/multi-user.target.wants/{UNIT}")
    check(wanted.is_symlink(), "the service does not start with the system")
    for name in ("run_server", "pykmip-server"):
        check("--config_path" in system.run(name, "--help"), name)
    output = system.run("su", "-s", "/bin/sh", "kmip-server", "-c", "run_server -l /tmp/log", allowed=(1,))
    check("/etc/pykmip/certs/server_certificate.pem" in output, output)
    return "user, folders, conffile and service exist; the program of python3-pykmip is diverted"


def fake_pykmip(folder):
    """Builds a package that contains only the file that is in python3-pykmip and in this package."""
    tree = folder / "python3-pykmip"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    (tree / NAME).write_text("PyKMIP's\n")
    (tree / "DEBIAN/control").write_text(
        "Package: python3-pykmip\nVersion: 0.10.0-4\nArchitecture: all\nMaintainer: nobody\nDescription: a stand-in\n"
    )
    run("dpkg-deb", "--root-owner-group", "-b", tree, folder / "python3-pykmip.deb")
    return folder / "python3-pykmip.deb"


def service(system, target):
    """Starts the service with the commands in the settings file, and performs every operation with a client."""
    settings = system.path(CONF).read_text()
    lines = [line[len("#   ") :] for line in settings.splitlines() if line.startswith("#   ")]
    check(lines[-1:] == ["systemctl start kmip-server"], f"the commands in the settings file are {lines}")
    python = prepare.prepare(target / "interop")
    certificates = system.path("etc/pykmip/certs")
    with system.booted() as container:
        # The start at boot failed, because there were no certificates.
        for command in ["systemctl reset-failed kmip-server", *lines]:
            container.run("sh", "-c", command)
        log = system.path("var/log/pykmip/server.log")
        try:
            wait(lambda: log.exists() and "Starting connection service" in log.read_text(), 30)
        except Failure:
            output = container.run("systemctl", "status", UNIT, allowed=range(256))
            raise Failure(f"the service does not start\n{output}\n{log.read_text() if log.exists() else ''}")
        status = container.run("cat", f"/proc/{container.show('MainPID')}/status")
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
            check(line in status, f"the status does not contain {line}\n{status}")
        client = ["--cert", certificates / "client_certificate_john_doe.pem", "--key", certificates / "client_key_john_doe.pem"]
        client += ["--ca", certificates / "root_certificate.pem", "--host", "127.0.0.1", "--port", "5696"]
        performed = container.from_here(python, INTEROP / "smoke.py", *client)
        container.run("systemctl", "kill", "-s", "USR1", UNIT)
        began = time.monotonic()
        container.run("systemctl", "restart", UNIT)
        restarted = time.monotonic() - began
        container.from_here(python, INTEROP / "smoke.py", *client)
        check(container.show("NRestarts") == "0", "the server ended by itself")
        check(container.show("Result") == "success", container.show("Result"))
        owners = {name: container.run("stat", "-c", "%U %a", f"/{name}").strip() for name in
                  ("var/lib/kmip-server", DATABASE, "var/log/pykmip", "var/log/pykmip/server.log")}
    check(owners["var/lib/kmip-server"] == "kmip-server 700" and owners[DATABASE] == "kmip-server 600", owners)
    check(owners["var/log/pykmip"] == "kmip-server 750" and owners["var/log/pykmip/server.log"] == "kmip-server 600", owners)
    return f"serves within the restrictions of its unit: {performed.strip().splitlines()[-1]}; restarted in {restarted:.1f} s"


def upgrade(package, system):
    """Checks that an upgrade replaces unedited settings, and keeps edited settings and the keys."""
    conf = system.path(CONF)
    state = system.path(DATABASE)
    if not state.exists():
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_bytes(b"keys")
    before = state.read_bytes()
    system.dpkg(newer(package, system.root.parent, 2))
    check("# Shipped with revision 2" in conf.read_text(), "unedited settings were not replaced")
    edited = conf.read_text() + "max_connections=2000\n"
    conf.write_text(edited)
    system.dpkg(newer(package, system.root.parent, 3), "--force-confdef", "--force-confold")
    check(conf.read_text() == edited, "edited settings were replaced")
    check("revision 3" in conf.with_name("server.conf.dpkg-dist").read_text(), "the new settings are not in server.conf.dpkg-dist")
    check(state.read_bytes() == before, "the keys changed")
    check(system.path(f"{NAME}.python3-pykmip").exists(), "PyKMIP's program is gone")
    return "an upgrade keeps edited settings and the keys, and replaces unedited settings"


def newer(package, folder, revision):
    """Builds the package again, with another revision and other settings."""
    tree = folder / "newer"
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)-1$", rf"\1-{revision}", control.read_text()))
    conf = tree / CONF
    conf.write_text(conf.read_text() + f"# Shipped with revision {revision}\n")
    run("dpkg-deb", "--root-owner-group", "-b", tree, folder / f"kmip-server-{revision}.deb")
    return folder / f"kmip-server-{revision}.deb"


def remove(package, system):
    """Checks that a removal keeps settings, keys and log, and a purge keys and the administrator's files."""
    certificate = system.path("etc/pykmip/certs/server_key.pem")
    certificate.touch()
    log = system.path("var/log/pykmip/server.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    kept = [system.path(name) for name in (CONF, DATABASE)] + [certificate, log]
    system.run("dpkg", "-r", "kmip-server")
    check(all(path.exists() for path in kept), f"gone: {[str(path) for path in kept if not path.exists()]}")
    check(not system.path("usr/bin/run_server").exists(), "run_server is still there")
    check(system.path(NAME).read_text() == "PyKMIP's\n", "the program of PyKMIP does not have its name again")
    output = system.run("dpkg", "-P", "kmip-server")
    gone = [system.path(name) for name in (CONF, f"{CONF}.dpkg-dist", "etc/pykmip/policy", "var/log/pykmip")]
    check(not any(path.exists() for path in gone), f"still there: {[str(path) for path in gone if path.exists()]}")
    check(system.path(DATABASE).exists() and certificate.exists(), "a purge removed keys")
    check("The keys are still in /var/lib/kmip-server" in output, output)
    system.renew()
    system.dpkg(package)
    system.run("dpkg", "-P", "kmip-server")
    check(not system.path("etc/pykmip").exists(), "a purge leaves empty folders")
    return "a removal keeps settings, keys and log; a purge keeps keys and the administrator's files, and says so"


if __name__ == "__main__":
    sys.exit(main())

"""Ceph's object gateway, with as much of a cluster as it needs: a monitor and a store in memory.

Leaves to the test what the gateway is asked. Every process is ended by its own id. The programs are Debian's packages
radosgw, ceph-mon, ceph-osd and ceph-common.
"""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from email.utils import formatdate

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
GATEWAY = "client.rgw"
ACCESS, SECRET = "access", "secret"
# Ten seconds on an idle machine.
READY_SECONDS = 240

SETTINGS = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
mon initial members = a
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
keyring = {folder}/keyring
run dir = {folder}
admin socket =
log file = {folder}/$name.log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd objectstore = memstore
memstore device bytes = 268435456
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
[{gateway}]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
"""


def missing():
    """The programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Gateway:
    """A running gateway; `settings` are lines for its section of the settings file."""

    def __init__(self, folder, settings, monitor, port):
        self.folder = folder
        self.port = port
        self._processes = []
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir(parents=True)
        self._conf = folder / "ceph.conf"
        self._fsid = str(uuid.uuid4())
        own = SETTINGS.format(fsid=self._fsid, monitor=monitor, folder=folder, gateway=GATEWAY, port=port)
        self._conf.write_text(own + settings)
        self._monitor = monitor

    def __enter__(self):
        try:
            return self._start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def request(self, method, path, body=None, **headers):
        """Asks the gateway as its one user (signature version 2); returns status, headers and body."""
        date = formatdate(usegmt=True)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        amazon = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        text = f"{method}\n\n{'application/octet-stream' if body else ''}\n{date}\n{amazon}{path}"
        signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
        headers.update({"Date": date, "Authorization": f"AWS {ACCESS}:{signature}"})
        if body:
            headers["Content-Type"] = "application/octet-stream"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def report(self):
        """The ends of what the processes printed."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(self.folder.glob("*.txt"))
        )

    def _start(self):
        caps = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        keyring = self.folder / "keyring"
        for name in ("mon.", "client.admin", "osd.0", GATEWAY):
            create = [] if keyring.exists() else ["--create-keyring"]
            self._run("ceph-authtool", str(keyring), *create, "--gen-key", "-n", name, *caps)
        monmap, osd = str(self.folder / "monmap"), str(uuid.uuid4())
        self._run("monmaptool", "--create", "--addv", "a", f"v2:127.0.0.1:{self._monitor}", "--fsid", self._fsid, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", str(keyring))
        self._spawn("ceph-mon", "-i", "a", "-f")
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-i", "0", "-f")
        self._spawn("radosgw", "-n", GATEWAY, "-f")
        self._wait()
        user = ["--uid", "user", "--display-name", "user", "--access-key", ACCESS, "--secret-key", SECRET]
        self._run("radosgw-admin", "-n", GATEWAY, "user", "create", *user)
        return self

    def _wait(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and all(process.poll() is None for process in self._processes):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"the gateway does not serve\n{self.report()}")

    def _command(self, program, arguments):
        return [program, "-c", str(self._conf), *arguments] if program not in ("ceph-authtool", "monmaptool") else [program, *arguments]

    def _run(self, program, *arguments):
        done = subprocess.run(
            self._command(program, arguments), cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=READY_SECONDS, universal_newlines=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}:\n{done.stdout}\n{self.report()}")

    def _spawn(self, program, *arguments):
        with open(self.folder / f"{program}.txt", "wb") as output:
            self._processes.append(
                subprocess.Popen(
                    self._command(program, arguments), cwd=self.folder, env=self._environment(),
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                )
            )

    def _environment(self):
        """Ceph's `ceph` is a script of the system's Python: the one of the tests must not stand before it."""
        path = os.pathsep.join(["/usr/bin", "/usr/sbin", os.environ["PATH"]])
        return dict({name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, PATH=path)

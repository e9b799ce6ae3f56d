"""A part of Docker's API, whose only container is a process of this machine: `run_server` with the container's variables.

    docker_daemon.py RUN_SERVER FOLDER      prints its address; ends, with its container, at the end of its input

Docker's and Testcontainers' own packages talk to it, so that their use is tested where no container can be run.
"""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

API = "1.44"
IDENTIFIER = "c0ffee" * 10


class Container:
    """A container, from its creation on."""

    def __init__(self, wanted, program, folder):
        self.wanted, self.program, self.folder = wanted, program, folder
        self.process, self.ports = None, {}

    def start(self):
        # Those of the image, except that the ports are free ones of this machine.
        settings = self.folder / "server.conf"
        settings.write_text(
            f"[server]\nhostname=127.0.0.1\nport=0\nauth_suite=Basic\nauto_certificates={self.folder}/certificates\ndatabase_path=:memory:\n"
            "management_address=127.0.0.1:0\n"
        )
        variables = dict(variable.split("=", 1) for variable in self.wanted["Env"])
        self.process = subprocess.Popen(
            [self.program, "-f", str(settings), "-l", str(self.folder / "server.log")],
            env={**variables, "PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=(self.folder / "errors").open("w"), universal_newlines=True,
        )
        lines = [self.process.stdout.readline() for _ in range(2)]
        found = re.findall(r"(?:on|:)(?: |)(\d+)(?= \(|\n)", "".join(lines))
        self.ports = dict(zip(("5696/tcp", "9696/tcp"), found))

    def inspect(self):
        is_running = self.process is not None and self.process.poll() is None
        ports = {port: [{"HostIp": "127.0.0.1", "HostPort": number}] for port, number in self.ports.items()}
        return {
            "Id": IDENTIFIER, "Name": "/kmip", "Image": self.wanted["Image"],
            "Config": {"Image": self.wanted["Image"], "Env": self.wanted["Env"], "Labels": self.wanted.get("Labels") or {}, "Tty": False},
            "State": {"Status": "running" if is_running else "exited", "Running": is_running},
            "NetworkSettings": {"Ports": ports, "Networks": {"bridge": {"IPAddress": "127.0.0.1"}}},
        }

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    program = folder = container = None
    # The images of the containers that were created.
    images = []

    def answer(self, status, value=None):
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = re.sub(r"^/v[\d.]+", "", self.path.split("?")[0])
        words = (self.command, path.replace(IDENTIFIER, "ID"))
        if words == ("GET", "/version"):
            self.answer(200, {"ApiVersion": API, "MinAPIVersion": "1.24", "Version": "27.0.0", "Os": "linux"})
        elif words == ("GET", "/info"):
            self.answer(200, {"ServerVersion": "27.0.0", "OperatingSystem": "Linux", "Labels": []})
        elif re.fullmatch("GET /images/.+/json", " ".join(words)):
            self.answer(200, {"Id": "sha256:0", "RepoTags": [], "Config": {}})
        elif words == ("POST", "/containers/create"):
            Api.container = Container(json.loads(body), self.program, self.folder)
            self.images.append(Api.container.wanted["Image"])
            self.answer(201, {"Id": IDENTIFIER, "Warnings": []})
        elif self.container is None:
            self.answer(404, {"message": f"no container for {words}"})
        elif words == ("POST", "/containers/ID/start"):
            self.container.start()
            self.answer(204)
        elif words == ("GET", "/containers/ID/json"):
            self.answer(200, self.container.inspect())
        elif words == ("GET", "/containers/ID/logs"):
            text = (self.folder / "errors").read_bytes() if "stderr=1" in self.path else b""
            # A frame of the stream for standard error.
            self.answer(200, bytes([2, 0, 0, 0]) + len(text).to_bytes(4, "big") + text if text else b"")
        elif words == ("DELETE", "/containers/ID"):
            self.container.remove()
            self.answer(204)
        else:
            self.answer(501, {"message": f"this part of the API is missing: {words}"})

    do_GET = do_POST = do_DELETE = do_HEAD = handle_request

    def log_message(self, *arguments):
        pass


def main(program, folder):
    Api.program, Api.folder = program, pathlib.Path(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"tcp://127.0.0.1:{server.server_port}", flush=True)
    try:
        sys.stdin.read()
    finally:
        if Api.container is not None:
            Api.container.remove()
    print(json.dumps(Api.images))


if __name__ == "__main__":
    main(*sys.argv[1:])

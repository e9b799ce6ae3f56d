#!/usr/bin/env python3
"""Compares the rate of Get while a page of the inspector watches with the rate of a server without management interface.

`make bench-inspector` calls it. The two servers run in turns; the report has the median of each. The reader of the events does
what a browser does with the stream: it reads each event and decodes its JSON. Exits with 1 if the rate falls below --least.
"""

import argparse
import http.client
import json
import re
import socket
import statistics
import sys
import tempfile
import threading

from compare import load, server


def free_port():
    """Returns a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Watcher:
    """Reads the events of the inspector until the server ends, and counts the rows."""

    def __init__(self, port):
        self.rows = 0
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", "/inspector/events")
        self.response = self.connection.getresponse()
        if self.response.status != 200:
            raise SystemExit(f"the inspector answers {self.response.status}")
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.response:
            if line.startswith(b"data: "):
                event = json.loads(line[len(b"data: "):])
                self.rows += len(event["records"]) + event["skipped"]

    def join(self):
        self.thread.join(30)
        self.connection.close()
        return self.rows


def rate(options, is_watched):
    """Returns the requests per second, and the number of rows that the watcher received or that were skipped."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        more = ["--management_address", f"127.0.0.1:{port}"] if is_watched else []
        with server([], options.server, options.pki, folder, *more) as kmip:
            watcher = Watcher(port) if is_watched else None
            said = load(options.load, kmip, options.pki, "-s", str(options.seconds), "get")
        rows = watcher.join() if watcher else 0
        return float(re.search(r": (\d+)/s", said).group(1)), rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("server", help="the executable run_server")
    parser.add_argument("--load", required=True, help="the load generator, examples/load.rs")
    parser.add_argument("--pki", required=True, help="a folder that run_server --make-certs wrote")
    parser.add_argument("--seconds", type=float, default=3, help="how long one run takes")
    parser.add_argument("--rounds", type=int, default=7, help="the number of runs of each server")
    parser.add_argument("--least", type=float, default=0.9, help="the least permitted ratio of both rates")
    options = parser.parse_args()
    plain, watched, rows = [], [], 0
    for _ in range(options.rounds):
        plain.append(rate(options, False)[0])
        measured, count = rate(options, True)
        watched.append(measured)
        rows += count
    if not rows:
        raise SystemExit("the watcher received no event")
    ratio = statistics.median(after / before for before, after in zip(plain, watched))
    print(f"Get: {statistics.median(plain):,.0f}/s without management interface, {statistics.median(watched):,.0f}/s watched; "
          f"median of the paired ratios {ratio:.3f}; {rows:,} rows sent or skipped")
    if ratio < options.least:
        sys.exit(f"the ratio is below {options.least:g}")


if __name__ == "__main__":
    main()

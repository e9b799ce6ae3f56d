#!/usr/bin/env python3
"""Compares two builds of the server: instructions per request, and rates as the median of paired runs.

`make bench-compare BASE=REV` calls it with the executable of REV and the one of the working tree. callgrind counts the
instructions of a server process that answers a small and a large number of requests; the difference of the two counts
divided by the difference of the numbers leaves out the start and the end of the process. The counts of two runs of one
build differ by less than one percent, on a busy machine too. Rates depend on the machine: the report states them and
judges nothing by them.

Exits with 1 if the instructions of a subject rise by more than --limit percent (or --limit-create for Create).
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

# A subject, the operation of examples/load.rs, and the two numbers of requests that callgrind counts.
SUBJECTS = [
    ("Query", "query", 100, 1100),
    ("Get", "get", 100, 1100),
    ("Get Attributes", "get-attributes", 100, 1100),
    ("Create", "create", 50, 450),
    ("Encrypt, 1 KiB", "encrypt", 100, 1100),
    ("Handshake and Query", "connect", 5, 45),
]
PAIRS = 5
START_SECONDS = 120
STOP_SECONDS = 120


@contextlib.contextmanager
def server(prefix, binary, pki, folder, *more):
    """Runs a server with `more` options on a free port with a fresh database; yields the port, and ends the process by SIGTERM."""
    command = [
        *prefix, str(binary), "-n", "127.0.0.1", "-p", "0", "-s", "Basic",
        "-c", f"{pki}/server_certificate.pem", "-k", f"{pki}/server_key.pem", "-a", f"{pki}/root_certificate.pem",
        "-d", f"{folder}/kmip.database", "-l", f"{folder}/server.log", *more,
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True)
    try:
        line = process.stdout.readline()
        match = re.match(r"Listening on (\d+)", line)
        if not match:
            raise SystemExit(f"{binary} does not listen; its first line of output is {line!r}")
        yield int(match.group(1))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load(client, port, pki, *arguments):
    """Runs the load generator and returns its output."""
    command = [str(client), "-p", str(port), "-k", str(pki), "-n", "20", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, universal_newlines=True, timeout=START_SECONDS + 300)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {done.returncode}")
    return done.stdout


def instructions(binary, client, pki, word, count):
    """Returns how many instructions the server executes from its start to its end, with `count` requests between."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "callgrind.out")
        # The code of the processor's newest extensions is unknown to valgrind; the builds choose the same fallback.
        prefix = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        with server(prefix, binary, pki, folder) as port:
            load(client, port, pki, "-r", str(count), word)
        totals = [re.search(r"^(?:totals|summary): (\d+)", path.read_text(), re.MULTILINE)
                  for path in pathlib.Path(folder).glob("callgrind.out*")]
    counts = [int(match.group(1)) for match in totals if match]
    if not counts:
        raise SystemExit(f"valgrind counted no instructions of {binary}")
    return max(counts)


def per_request(binary, client, pki, word, few, many):
    """Returns the instructions of one request."""
    counts = [instructions(binary, client, pki, word, count) for count in (few, many)]
    return (counts[1] - counts[0]) / (many - few)


def rates(binaries, client, pki, word, seconds):
    """Returns the median rate of each executable, measured in turns."""
    measured = {binary: [] for binary in binaries}
    for _ in range(PAIRS):
        for binary in binaries:
            with tempfile.TemporaryDirectory() as folder, server([], binary, pki, folder) as port:
                said = load(client, port, pki, "-s", str(seconds), word)
            measured[binary].append(float(re.search(r": (\d+)/s", said).group(1)))
    return [statistics.median(measured[binary]) for binary in binaries]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("base", help="the executable to compare with")
    parser.add_argument("new", help="the executable to judge")
    parser.add_argument("--load", required=True, help="the load generator, examples/load.rs")
    parser.add_argument("--pki", required=True, help="a folder that run_server --make-certs wrote")
    parser.add_argument("--only", help="measure the subjects of this operation only, such as get")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long a run for a rate takes; 0: no rates")
    parser.add_argument("--limit", type=float, default=2, help="by how many percent instructions may rise")
    parser.add_argument("--limit-create", type=float, help="the same for Create")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not installed; install it (Debian: apt-get install valgrind)")
    binaries = [options.base, options.new]
    print("| Subject | Instructions, base | Instructions, new | Change | Rate, base | Rate, new | Change |")
    print("|---|---|---|---|---|---|---|", flush=True)
    risen = []
    for name, word, few, many in SUBJECTS:
        if options.only not in (None, word):
            continue
        base, new = (per_request(binary, options.load, options.pki, word, few, many) for binary in binaries)
        change = 100 * (new / base - 1)
        row = f"| {name} | {base:,.0f} | {new:,.0f} | {change:+.1f} % |"
        if options.seconds:
            slow, fast = rates(binaries, options.load, options.pki, word, options.seconds)
            row += f" {slow:,.0f}/s | {fast:,.0f}/s | {100 * (fast / slow - 1):+.1f} % |"
        else:
            row += " | | |"
        print(row, flush=True)
        limit = options.limit_create if word == "create" and options.limit_create is not None else options.limit
        if change > limit:
            risen.append(f"{name} rises by {change:.1f} %, more than {limit:g} %")
    if risen:
        print("\n".join(risen), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

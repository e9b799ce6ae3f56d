#!/usr/bin/env python3
"""Measures servers that share a PostgreSQL database, beside pgbench with the same statements: a table for docs/performance.md.

`make bench-postgres` calls it. It starts a PostgreSQL server of its own on this machine, with PostgreSQL's defaults but for 512 MB of
buffers and 200 connections, and ends it. The statements come from PostgreSQL's log of real requests; pgbench prepares them and sends
those of a Create at once, as the server does. pgbench has as many connections as there are clients. Servers and pgbench are measured
alternately, because rates depend on the machine; the result is the median of the ratios. Exits with 1 if a ratio misses its goal.

The processor times per request show what a ratio consists of: clients, servers and database share the processors of this machine. A
server with a database in memory bounds the rate of Get: it does the same work except for that of the database and for reaching it.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

FEW_CLIENTS = 8
MANY_CLIENTS = 64
SERVERS = (1, 2, 4)
FEW = 1000
# The lowest identifier of the objects that SQL adds.
FIRST = 10_000_000
START_SECONDS = 60
STOP_SECONDS = 30
FILL_SECONDS = 1800
# By the operation and the number of clients. Get has none with few clients: the bound at the end of the output is below 0.6.
GOALS = {("get", MANY_CLIENTS): 0.6, ("create", FEW_CLIENTS): 0.5}
LOCATE_GOAL = 1.5

Figure = collections.namedtuple("Figure", "rate median")
# What was measured, and the microseconds of processor time per request: of the clients, the servers and the database.
Measured = collections.namedtuple("Measured", "figure clients servers database")


def process(pid):
    """The parent of a process, and its ticks: its own, and those of its children that have ended."""
    _, _, rest = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")
    fields = rest.split()
    return int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))


def seconds(ticks):
    return ticks / os.sysconf("SC_CLK_TCK")


def clients_cpu():
    """The processor time of all programs that this one has started and that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Cluster:
    """A PostgreSQL server in a folder of its own, which runs as the user postgres if this program runs as root."""

    def __init__(self):
        bins = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
        if not bins or not shutil.which("pgbench"):
            raise SystemExit("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        self._bin = bins[-1].parent
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kmip-bench-postgres-"))
        self.log = self.folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        if self._user:
            shutil.chown(self.folder, "postgres")

    def __enter__(self):
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "kmip", "-E", "UTF8", "--locale=C")
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "shared_buffers": "512MB",
            "max_connections": 200, "max_wal_size": "4GB", "log_line_prefix": "%p|",
        }
        with open(self.folder / "data" / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.log, "-w", "start")
        return self

    def __exit__(self, *_):
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "stop")
        shutil.rmtree(self.folder)

    def _run(self, program, *arguments):
        command = [*self._user, str(self._bin / program), *map(str, arguments)]
        subprocess.run(command, cwd="/", check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=START_SECONDS)

    def cpu(self):
        """The processor time of the server and of its processes, in seconds."""
        main = int((self.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        while True:
            total = process(main)[1:]
            running = 0
            for entry in pathlib.Path("/proc").iterdir():
                # A process can end meanwhile.
                with contextlib.suppress(OSError, ValueError):
                    parent, own, _ = process(int(entry.name))
                    running += own if parent == main else 0
            if process(main)[2] == total[1]:
                return seconds(sum(total) + running)

    def url(self, database):
        return f"postgresql://kmip@127.0.0.1:{self.port}/{database}"

    def sql(self, database, statement, rows=None):
        """Executes a statement, with lines for COPY if there are any; returns its output."""
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
        for line in rows or ():
            process.stdin.write(line)
        output, _ = process.communicate(timeout=FILL_SECONDS)
        if process.returncode:
            raise SystemExit(f"psql failed: {statement[:100]}")
        return output

    def bench(self, database, script, seconds, clients=FEW_CLIENTS, **variables):
        """Runs pgbench with the lines of a script, and returns its rate."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            defined = [part for name, value in variables.items() for part in ("-D", f"{name}={value}")]
            command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(os.cpu_count()), "-T", str(seconds)]
            done = subprocess.run(
                [*command, *defined, "-f", file.name, self.url(database)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                timeout=seconds + START_SECONDS,
            )
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode or not rate:
            raise SystemExit(f"pgbench failed:\n{done.stdout}")
        return float(rate.group(1))


class Servers:
    """Servers of ours on one database."""

    def __init__(self, options, url, count):
        self._options, self.ports, self._processes = options, [], []
        for _ in range(count):
            command = [
                options.server, "-n", "127.0.0.1", "-p", "0", "-s", "Basic", "-c", f"{options.pki}/server_certificate.pem",
                "-k", f"{options.pki}/server_key.pem", "-a", f"{options.pki}/root_certificate.pem", "-d", url, "-l", "/dev/null",
            ]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, universal_newlines=True)
            self._processes.append(process)
            match = re.match(r"Listening on (\d+)", process.stdout.readline())
            if not match:
                self.stop()
                raise SystemExit(f"{options.server} does not listen")
            self.ports.append(int(match.group(1)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(STOP_SECONDS)

    def cpu(self):
        """Their processor time, in seconds."""
        return seconds(sum(process(it.pid)[1] for it in self._processes))

    def load(self, work, *arguments, clients=FEW_CLIENTS):
        """Runs the load generator on all servers at once; returns the sum of the rates and the mean of the medians."""
        connections = max(1, clients // len(self.ports))
        with concurrent.futures.ThreadPoolExecutor(len(self.ports)) as pool:
            figures = list(pool.map(lambda port: self._load(port, work, "-c", str(connections), *arguments), self.ports))
        return Figure(sum(figure.rate for figure in figures), statistics.mean(figure.median for figure in figures))

    def once(self, work, *arguments):
        """Runs the load generator on the first server, which measures nothing."""
        self._load(self.ports[0], work, *arguments)

    def _load(self, port, work, *arguments):
        command = [self._options.load, work, "-p", str(port), "-k", self._options.pki, *map(str, arguments)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=600
        )
        if done.returncode:
            raise SystemExit(f"{work}: {done.stdout}")
        match = re.search(r": (\d+)/s, median ([\d.]+)(ns|µs|ms|s),", done.stdout)
        unit = {"ns": 1e-3, "µs": 1.0, "ms": 1e3, "s": 1e6}
        return Figure(float(match.group(1)), float(match.group(2)) * unit[match.group(3)]) if match else Figure(0, 0)


def statements(cluster, server, *request):
    """The statements of one request, as [(text, [value])], from PostgreSQL's log. The request is sent three times."""
    begin = cluster.log.stat().st_size
    server.once(*request, "-r", "3")
    lines = cluster.log.read_bytes()[begin:].decode().splitlines()
    found = []
    for line in lines:
        _, _, line = line.partition("|")
        if match := re.match(r"LOG:  (?:execute \w+|statement): (.*)", line):
            found.append((match.group(1), []))
        elif match := re.match(r"DETAIL:  [Pp]arameters: (.*)", line):
            found[-1][1].extend(value for _, value in re.findall(r"\$(\d+) = (NULL|'(?:[^']|'')*')", match.group(1)))
    return found


def filled(statement, replaced):
    """The statement with its values instead of parameters, except for those in `replaced`."""
    text, values = statement
    return re.sub(r"\$(\d+)", lambda match: replaced.get(values[int(match.group(1)) - 1], values[int(match.group(1)) - 1]), text) + ";"


def get_script(cluster, server):
    text, values = [it for it in statements(cluster, server, "get", "-x", FEW) if it[0].startswith("SELECT owner")][-1]
    return f"\\set id random(1, {FEW})\n" + filled((text, values), {values[0]: ":id"}) + "\n"


def locate_script(cluster, server):
    return filled([it for it in statements(cluster, server, "locate", "-x", FEW) if "attribute_value" in it[0]][-1], {}) + "\n"


def create_script(cluster, server):
    """Each Create is what the server sends between the COMMIT of the one before it and its own."""
    all_of_it = statements(cluster, server, "create")
    ends = [place for place, (text, _) in enumerate(all_of_it) if text == "COMMIT"]
    one = all_of_it[ends[-2] + 1 : ends[-1] + 1]
    begin = next(place for place, (text, _) in enumerate(one) if text == "BEGIN")
    number = next(values[0] for text, values in one if text.startswith("INSERT INTO object"))
    head = ["\\set n :n + 1", "\\set id :base + :client_id * 10000000 + :n"]
    # pgbench prepares all statements with the first one, which must be before a pipeline.
    before = [filled(it, {}) for it in one[:begin]] or ["SELECT 1;"]
    inside = [filled(it, {number: ":id"}) for it in one[begin:]]
    return "\n".join([*head, *before, "\\startpipeline", *inside, "\\endpipeline"]) + "\n", len(before)


def name_value(template, number):
    """The stored Name `load-NUMBER`, made from that of another number."""
    text = f"load-{number}".encode()
    old = int.from_bytes(template[12:16], "big")
    rest = template[16 + old + -old % 8 :]
    inner = template[8:12] + len(text).to_bytes(4, "big") + text + bytes(-len(text) % 8) + rest
    return template[:4] + len(inner).to_bytes(4, "big") + inner


def fill(cluster, database, count):
    """Adds copies of the first object until there are `count`, each with a name of its own in the index for Locate."""
    columns = cluster.sql(
        database,
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_name = 'object' AND column_name <> 'id'",
    ).strip()
    cluster.sql(
        database,
        f"INSERT INTO object (id, {columns}) SELECT {FIRST} + number, {columns} FROM object, "
        f"generate_series({FEW}, {count - 1}) AS number WHERE id = 1",
    )
    index = [line.split("|") for line in cluster.sql(
        database, "SELECT tag, encode(value, 'hex'), initial_date FROM attribute_value WHERE id = 1").split()]

    def rows():
        for number in range(FEW, count):
            for tag, value, date in index:
                value = bytes.fromhex(value)
                value = name_value(value, number) if b"load-" in value else value
                yield f"{tag}\t\\\\x{value.hex()}\t{date}\t{FIRST + number}\n"

    cluster.sql(database, "COPY attribute_value (tag, value, initial_date, id) FROM STDIN", rows())
    cluster.sql(database, "VACUUM ANALYZE")


def measured(run, duration, cluster, servers=None):
    """Runs a measurement, which returns a figure, and takes the processor times."""
    cpu = lambda: (clients_cpu(), servers.cpu() if servers else 0, cluster.cpu())
    begin = cpu()
    figure = run()
    requests = figure.rate * duration
    return Measured(figure, *((end - start) * 1e6 / requests for start, end in zip(begin, cpu())))


def in_turns(rounds, ours, theirs):
    """Measures alternately; returns both of the round with the median ratio of the rates, and the ratio."""
    found = []
    for _ in range(rounds):
        other = theirs()
        own = ours()
        found.append((own.figure.rate / other.figure.rate, own, other))
    found.sort(key=lambda it: it[0])
    ratio, own, other = found[rounds // 2]
    return own, other, ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("server", help="the server's executable")
    parser.add_argument("--load", required=True, help="the load generator (cargo example `load`)")
    parser.add_argument("--pki", required=True, help="the folder that --make-certs created")
    parser.add_argument("--seconds", type=int, default=3, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=1_000_000, help="in the large database")
    options = parser.parse_args()
    table, missed = [], []

    def row(what, servers, clients, figure, against, share, goal, cpu=" | "):
        table.append(f"| {what} | {servers} | {clients} | {figure.rate:.0f}/s | {figure.median:.0f} µs | {against} | {share} | {goal} | {cpu} |")
        print(table[-1], file=sys.stderr, flush=True)

    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        for database in ("small", "large"):
            cluster.sql("postgres", f"CREATE DATABASE {database}")
            with Servers(options, cluster.url(database), 1) as server:
                server.once("get", "-c", FEW_CLIENTS, "-s", 1, "-n", FEW)
        if cluster.sql("small", f"SELECT count(*) FROM object WHERE id <= {FEW}").strip() != str(FEW):
            raise SystemExit(f"the first {FEW} objects do not have the first {FEW} identifiers")
        cluster.sql("small", "ALTER DATABASE small SET log_statement = 'all'")
        with Servers(options, cluster.url("small"), 1) as server:
            get, locate = get_script(cluster, server), locate_script(cluster, server)
            create, before = create_script(cluster, server)
        cluster.sql("small", "ALTER DATABASE small RESET log_statement")
        cluster.sql("small", "VACUUM ANALYZE")
        begun = 0
        for count in SERVERS:
            with Servers(options, cluster.url("small"), count) as servers:
                time = ("-s", options.seconds)
                works = (
                    ("Get", "get", get, FEW_CLIENTS), ("Get", "get", get, MANY_CLIENTS),
                    ("Locate by name", "locate", locate, FEW_CLIENTS), ("Create", "create", create, FEW_CLIENTS),
                )
                for what, work, script, clients in works:
                    arguments = () if work == "create" else ("-x", FEW)
                    servers.load(work, *arguments, "-s", 1, clients=clients)

                    def theirs(script=script, clients=clients):
                        nonlocal begun
                        begun += 1
                        base = begun * 1_000_000_000 + FIRST
                        run = lambda: Figure(cluster.bench("small", script, options.seconds, clients, n=0, base=base), 0)
                        return measured(run, options.seconds, cluster)

                    def ours(work=work, arguments=arguments, clients=clients):
                        run = lambda: servers.load(work, *arguments, *time, clients=clients)
                        return measured(run, options.seconds, cluster, servers)

                    own, other, ratio = in_turns(options.rounds, ours, theirs)
                    goal = GOALS.get((work, clients))
                    spent, theirs_spent = (it.clients + it.servers + it.database for it in (own, other))
                    row(what, count, clients, own.figure, f"pgbench, {other.figure.rate:.0f}/s", f"{ratio:.2f}",
                        f"at least {goal}" if goal else "",
                        f"{own.clients:.0f} · {own.servers:.0f} · {own.database:.0f} µs | "
                        f"{other.clients:.0f} · {other.database:.0f} µs · {theirs_spent / spent:.2f}")
                    if goal and ratio < goal:
                        missed.append(f"{what} with {clients} clients of {count} servers")
        alone = stack.enter_context(Servers(options, ":memory:", 1))
        alone.once("get", "-c", FEW_CLIENTS, "-s", 1, "-n", FEW)
        bounds = []
        for _ in range(options.rounds):
            database = cluster.bench("small", get, options.seconds)
            server = alone.load("get", "-x", FEW, *time).rate
            bounds.append((1 / (1 / server + 1 / database) / database, server, database))
        bound, server, database = sorted(bounds)[options.rounds // 2]
        alone.stop()
        version = re.sub("SELECT .* FROM", "SELECT version FROM", get)
        whole, only = (
            statistics.median(cluster.bench("small", script, options.seconds) for _ in range(options.rounds)) for script in (get, version)
        )
        fill(cluster, "large", options.objects)
        few = stack.enter_context(Servers(options, cluster.url("small"), 1))
        many = stack.enter_context(Servers(options, cluster.url("large"), 1))
        found = []
        many.load("locate", "-x", options.objects, "-s", 1)
        for _ in range(options.rounds + 2):
            small = few.load("locate", "-x", FEW, *time)
            large = many.load("locate", "-x", options.objects, *time)
            found.append((large.median / small.median, small, large))
        found.sort(key=lambda it: it[0])
        ratio, small, large = found[len(found) // 2]
        row(f"Locate by name, {options.objects} objects", 1, FEW_CLIENTS, large, f"median with {FEW} objects, {small.median:.0f} µs",
            f"{ratio:.2f} times", f"at most {LOCATE_GOAL}")
        if ratio > LOCATE_GOAL:
            missed.append("Locate")
    print("| What | Servers | Clients | Figure | Median | Measured against | Share | Goal | CPU of clients · servers · database "
          "| CPU of pgbench · database · share by it |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(table))
    print(f"\nA Create reads {before} rows before its transaction. pgbench reads {whole:.0f} whole rows and {only:.0f} versions a second.")
    print(f"A server with a database in memory answers {server:.0f} Gets a second, and pgbench reads {database:.0f} rows: on the same "
          f"processors, both together reach {bound:.2f} of pgbench's rate.")
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()

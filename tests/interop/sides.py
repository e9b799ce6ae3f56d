"""The two servers of the comparison with their clients' connections: sends messages and takes in the answers.

Leaves to replies.py what an answer is reduced to.
"""

import contextlib
import json
import socket
import sqlite3
import ssl
import time

import cases
import message
import ttlv
from kmip.core import enums
from pki import PEOPLE
from replies import flat, reduced
from server import Server

# How long a server may take for an answer: ours needs the time of a debug build for an RSA key.
REPLY_SECONDS = {"PyKMIP": 10, "ours": 30, "PostgreSQL": 30}
# PyKMIP leaves some requests without an answer. After this time a second request shows whether the first gets one.
PROBE_SECONDS = 0.25
PROBE_IDENTIFIER = b"probe"
PROBE = message.Batch(steps=[message.query(enums.QueryFunction.QUERY_OBJECTS)], identifiers=[PROBE_IDENTIFIER])
EMPTY_SECONDS = 30
MAKES_RANDOM = (enums.Operation.CREATE, enums.Operation.CREATE_KEY_PAIR)


class Connection:
    """One client's TLS connection, opened again after the server closed it."""

    def __init__(self, server, pki, person, patience):
        self._server, self._pki, self._person, self._patience = server, pki, person, patience
        self._socket = None

    def ask(self, request):
        """Sends bytes and returns ("answer", bytes), ("none", b"") or ("closed", b"")."""
        try:
            if self._socket is None:
                self._socket = self._open()
            self._socket.sendall(request)
            return self._answer()
        except socket.timeout:
            return self._lost("none")
        except (ConnectionError, ssl.SSLError):
            return self._lost("closed")

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self):
        self._socket.settimeout(PROBE_SECONDS)
        try:
            answer = self._message()
        except socket.timeout:
            self._socket.settimeout(self._patience)
            self._socket.sendall(PROBE.encode((1, 2), {}))
            answer = self._message()
            if answer is not None and answers_probe(answer):
                return "none", b""
            if answer is None or self._message() is None:
                return self._lost("closed")
        return ("answer", answer) if answer is not None else self._lost("closed")

    def _message(self):
        """Returns one whole message, or None if the connection ends or the message is too long."""
        header = self._receive(8)
        if header is None:
            return None
        self._socket.settimeout(self._patience)
        size = int.from_bytes(header[4:8], "big")
        body = self._receive(size) if size <= ttlv.LARGEST_REPLY else None
        return None if body is None else header + body

    def _lost(self, how):
        self.close()
        return how, b""

    def _open(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._pki.ca_path)
        context.load_cert_chain(self._pki.certificate(self._person), self._pki.key(self._person))
        plain = socket.create_connection(("127.0.0.1", self._server.port), timeout=self._patience)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def _receive(self, size):
        got = b""
        while len(got) < size:
            part = self._socket.recv(size - len(got))
            if not part:
                return None
            got += part
        return got


def answers_probe(answer):
    """Returns whether a message answers the probe."""
    try:
        item = ttlv.find(ttlv.decode(answer)[0].value, "RESPONSE_BATCH_ITEM")
    except (ttlv.Malformed, IndexError, UnicodeDecodeError):
        return False
    return item is not None and ttlv.value_of(item.value, "UNIQUE_BATCH_ITEM_ID") == PROBE_IDENTIFIER


class Side:
    """One of the two servers, with its connections."""

    def __init__(self, name, server, pki):
        self.name, self.server = name, server
        self._connections = {person: Connection(server, pki, person, REPLY_SECONDS[name]) for person in PEOPLE}

    def run(self, case, version):
        """Sends a case's messages; returns one reduced reply for each."""
        names = {"$case": f"{case.name}-{version[0]}.{version[1]}"}
        secret = any(step.operation in MAKES_RANDOM for step in flat(case.steps))
        replies = []
        for step in case.steps:
            time.sleep(step.wait)
            how, answer = self._connections[step.who].ask(step.encode(version, names))
            replies.append(reduced(how, answer, step, names, secret))
        return replies

    def close(self):
        for connection in self._connections.values():
            connection.close()


def policy_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.json").write_text(json.dumps(cases.POLICIES))
    return folder


def start_side(name, command, folder, pki, database=None):
    # PyKMIP writes a page for each object in each Locate with DEBUG, and a stack trace for each refusal with ERROR.
    settings = {"enable_tls_client_auth": "False", "logging_level": "CRITICAL"}
    if database:
        settings["database_path"] = database
    server = Server(command, folder, pki, policies=policy_files(folder / "policies"), settings=settings)
    return Side(name, server.start(), pki)


def empty(database):
    """Deletes the objects from a database of PyKMIP's server, which looks at every object that it has in each Locate.

    The server reads its database anew with each message, and does not use an identifier twice.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=EMPTY_SECONDS)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in tables.fetchall():
            connection.execute(f'DELETE FROM "{table}"')

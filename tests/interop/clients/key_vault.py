"""As much of MongoDB's server as a key vault needs: one collection in memory, behind MongoDB's wire protocol.

The drivers keep data keys in a collection, and no MongoDB server is on an index that the tests can use. Knows
inserting, finding by equal values, and replacing fields; nothing else of the language of queries.
"""

import socketserver
import struct
import threading

import bson

# Operation codes of messages: what drivers greet with and its answer, and everything else.
REPLY, QUERY, MESSAGE = 1, 2004, 2013
HEAD = struct.Struct("<iiii")
HELLO = {
    "isWritablePrimary": True,
    "ismaster": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "maxBsonObjectSize": 1 << 24,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
}


class KeyVault(socketserver.ThreadingTCPServer):
    """Serves on a free port of 127.0.0.1 while it is entered; `documents` is what has been kept."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Connection)
        self.documents = []

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def run(self, command):
        """The answer to one command."""
        verb = next(iter(command))
        if verb in ("hello", "ismaster", "isMaster"):
            return HELLO
        if verb == "insert":
            self.documents += command["documents"]
            return {"n": len(command["documents"])}
        if verb == "find":
            found = [document for document in self.documents if matches(document, command["filter"])]
            return {"cursor": {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": found}}
        if verb == "update":
            return self.update(command["updates"])
        if verb == "endSessions":
            return {}
        return {"ok": 0, "errmsg": f"a key vault does not know {verb}", "code": 59}

    def update(self, updates):
        changed = 0
        for update in updates:
            for document in self.documents:
                if matches(document, update["q"]):
                    document.update(update["u"]["$set"])
                    changed += 1
        return {"n": changed, "nModified": changed}


class Connection(socketserver.BaseRequestHandler):
    """One connection of a driver."""

    def handle(self):
        while True:
            head = self.exactly(HEAD.size)
            if not head:
                return
            length, request, _, operation = HEAD.unpack(head)
            command = read(operation, self.exactly(length - HEAD.size))
            answer = bson.encode({"ok": 1, **self.server.run(command)})
            if operation == QUERY:
                # No flags, no cursor, one document from the first on.
                operation, answer = REPLY, struct.pack("<iqii", 0, 0, 0, 1) + answer
            else:
                # No flags, one section of one document.
                answer = struct.pack("<iB", 0, 0) + answer
            self.request.sendall(HEAD.pack(HEAD.size + len(answer), 0, request, operation) + answer)

    def exactly(self, count):
        """That many bytes; fewer where the driver has gone."""
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                break
            data += part
        return data


def read(operation, body):
    """The command of one message, as a dict whose first name is the verb."""
    if operation == QUERY:
        # Flags and the collection's name; what to skip and how many to return; the document.
        return bson.decode(body[body.index(b"\0", 4) + 9 :])
    assert operation == MESSAGE, operation
    (flags,) = struct.unpack_from("<i", body)
    command, sequences = {}, {}
    # Flag 0 announces a checksum behind the sections.
    at, end = 4, len(body) - (4 if flags & 1 else 0)
    while at < end:
        kind, (size,) = body[at], struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = bson.decode(section)
        else:
            name, _, documents = section[4:].partition(b"\0")
            sequences[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return {**command, **sequences}


def matches(document, query):
    """Whether a document has what a query asks for."""
    return all(holds(document, name, wanted) for name, wanted in query.items())


def holds(document, name, wanted):
    if name in ("$or", "$and"):
        return {"$or": any, "$and": all}[name](matches(document, part) for part in wanted)
    value = document.get(name)
    choices = wanted["$in"] if isinstance(wanted, dict) and "$in" in wanted else [wanted]
    return any(choice in value if isinstance(value, list) else choice == value for choice in choices)

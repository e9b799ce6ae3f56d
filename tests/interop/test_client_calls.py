"""PyKMIP's client, call by call: each method has the same result with our server as with PyKMIP's, in each version.

Identifiers, times and random bytes are replaced before the comparison. DIFFERENCES lists the calls whose results differ,
with the reason; an entry that no longer applies fails the test.

    python test_client_calls.py --server target/debug/run_server     (prints every difference)
"""

import concurrent.futures
import datetime
import enum
import re
import sys
import time

import calls
import smoke
from kmip.core import enums
from kmip.pie import exceptions
from kmip.pie.client import ProxyKmipClient
from server import Server, reference_command

REPLY_SECONDS = 30
# So many pairs of servers share the versions.
LANES = 3
# (pattern of "VERSION object: call", reason).
DIFFERENCES = [
    (r".*: (proxy\.)?(rekey|rekey_key_pair|check)", "PyKMIP's server does not have the operation"),
    (r".* opaque object: mac", "PyKMIP's server answers General Failure"),
    (r".*: decrypt with an active private key", "PyKMIP's server has only symmetric decryption"),
    (r".*: get without identifier", "PyKMIP's server keeps the ID Placeholder for later messages, also of other clients"),
    (r".*: proxy.create of secret data", "PyKMIP's server makes only symmetric keys"),
]


class Caller:
    """PyKMIP's client of one server."""

    def __init__(self, port, pki):
        self._port, self._pki = port, pki
        self._client = None

    def result(self, version, call, thing=None):
        """Returns what a call returns or raises, in plain data."""
        names = {}
        client = self._connected(version)
        try:
            if thing is None:
                return Plain(names)(call(client))
            uid = client.register(thing)
            names[uid] = "<object>"
            return Plain(names)(call(client, uid))
        except exceptions.KmipOperationFailure as error:
            # Messages are texts for people, but for the one that clients read.
            text = error.message if error.message.startswith("Could not locate object: ") else ""
            return ["refused", error.status.name, error.reason.name, Plain(names)(text)]
        except Exception as error:  # what a client raises is a result
            self.close()
            reason = getattr(error, "reason", None)
            return ["raised", type(error).__name__, getattr(reason, "name", None)]

    def close(self):
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except Exception:  # a connection that the server closed
                pass

    def _connected(self, version):
        if self._client is None:
            pki = self._pki
            self._client = ProxyKmipClient(
                hostname="127.0.0.1", port=self._port, cert=str(pki.certificate("john_doe")),
                key=str(pki.key("john_doe")), ca=str(pki.ca_path), ssl_version="PROTOCOL_SSLv23",
            )
            self._client.proxy.timeout = REPLY_SECONDS
            self._client.open()
        self._client.kmip_version = version
        return self._client


class Plain:
    """Turns results into plain data without identifiers, times and random bytes."""

    def __init__(self, names):
        self._names = names

    def __call__(self, result):
        if isinstance(result, enum.Enum):
            return result.name
        if isinstance(result, bool) or result is None:
            return result
        if isinstance(result, int):
            return "<now>" if abs(result - time.time()) < 3600 else result
        if isinstance(result, bytes):
            return result.hex()
        if isinstance(result, str):
            return self._text(result)
        if isinstance(result, dict):
            # The message of a result is a text for people.
            return {str(key): self(value) for key, value in result.items() if key != "result_message"}
        if isinstance(result, (list, tuple)):
            return [self(each) for each in result]
        if isinstance(result, datetime.datetime):
            return "<time>"
        fields = {
            name.lstrip("_"): self(value) for name, value in sorted(vars(result).items())
            if name not in ("result_message", "logger", "_sa_instance_state", "padding_length", "length") and not callable(value)
        }
        return [type(result).__name__, fields]

    def _text(self, text):
        if text in self._names:
            return self._names[text]
        # Both servers number their objects, but not alike.
        if re.fullmatch(r"[0-9]+", text):
            return "<identifier>"
        for uid, name in self._names.items():
            text = re.sub(rf"\b{uid}\b", name, text)
        return text


def all_calls(versions):
    """Yields the version, the name, the call and the object of each call in these versions."""
    # PyKMIP reads every object that it has for a Locate, so that these calls come before there are many.
    for version in versions:
        for name, call in calls.ALONE.items():
            yield version, f"{version.value} no object: {name}", call, None
    for are_locates in (True, False):
        for version in versions:
            for kind, thing in calls.kinds().items():
                for name, call in calls.ON_OBJECTS.items():
                    if ("locate" in name) == are_locates:
                        yield version, f"{version.value} {kind}: {name}", call, thing


def compared(command, folder, pki, versions=tuple(enums.KMIPVersion)):
    """Yields the name and both results of each call. Pairs of servers beside each other share the versions."""
    lanes = [versions[i::LANES] for i in range(LANES) if versions[i::LANES]]
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        work = [pool.submit(run_lane, command, folder / f"lane{i}", pki, lane) for i, lane in enumerate(lanes)]
        for lane in work:
            yield from lane.result()


def run_lane(command, folder, pki, versions):
    """Returns the name and both results of each call in some versions."""
    settings = {"enable_tls_client_auth": "False", "logging_level": "WARNING"}
    servers = {
        name: Server(start, folder / name, pki, settings=settings)
        for name, start in (("PyKMIP", reference_command()), ("ours", command))
    }
    callers, results = [], []
    try:
        callers = [Caller(server.start().port, pki) for server in servers.values()]
        with concurrent.futures.ThreadPoolExecutor(len(callers)) as both:
            for version, name, call, thing in all_calls(versions):
                theirs, ours = both.map(lambda caller: caller.result(version, call, thing), callers)
                results.append((name, theirs, ours))
    finally:
        for caller in callers:
            caller.close()
        for server in servers.values():
            server.kill()
    return results


def reason_of(name):
    return next((reason for pattern, reason in DIFFERENCES if re.fullmatch(pattern, name)), None)


def test_calls_have_the_results_that_they_have_with_pykmips_server(command, is_reference, pki, tmp_path):
    unexplained, used, done = [], set(), 0
    for name, theirs, ours in compared(command, tmp_path, pki):
        done += 1
        if theirs == ours:
            continue
        reason = reason_of(name)
        used.add(reason)
        if reason is None:
            unexplained.append(f"{name}\n    PyKMIP {theirs}\n    ours   {ours}")
    unused = [] if is_reference else [reason for _, reason in DIFFERENCES if reason not in used]
    assert done > 2000, f"{done} calls"
    assert not unexplained, f"{len(unexplained)} of {done} calls differ:\n" + "\n".join(unexplained)
    assert not unused, f"no call differs any more for: {unused}"


def test_every_public_method_is_called():
    """A later PyKMIP may have more methods."""
    from kmip.services.kmip_client import KMIPProxy

    called = {re.split(r"[ .]", name.replace("proxy.", "proxy "))[0] for name in (*calls.ON_OBJECTS, *calls.ALONE)}
    of_proxy = {name.split(" ")[0][len("proxy."):] for name in (*calls.ON_OBJECTS, *calls.ALONE) if name.startswith("proxy.")}
    elsewhere = {"open", "close", "kmip_version", "send_request_payload"}

    def public(kind):
        return {name for name in vars(kind) if not name.startswith("_")} - elsewhere

    assert public(ProxyKmipClient) <= called, public(ProxyKmipClient) - called
    indirect = {
        "get_supported_conformance_clauses", "get_supported_authentication_suites", "is_conformance_clause_supported"
    }
    assert public(KMIPProxy) - indirect <= of_proxy, public(KMIPProxy) - indirect - of_proxy


def main():
    import logging
    import pathlib
    import tempfile

    from pki import Pki

    logging.disable(logging.CRITICAL)
    versions = [smoke.VERSIONS[name] for name in sys.argv[3].split(",")] if len(sys.argv) > 3 else list(enums.KMIPVersion)
    with tempfile.TemporaryDirectory(prefix="kmip-calls-") as folder:
        folder = pathlib.Path(folder)
        command = reference_command() if sys.argv[2] == "reference" else [pathlib.Path(sys.argv[2]).resolve()]
        counts = [0, 0]
        for name, theirs, ours in compared(command, folder, Pki(folder / "pki"), versions):
            counts[0] += 1
            if theirs != ours:
                counts[1] += 1
                print(f"{name} [{reason_of(name)}]\n    PyKMIP {theirs}\n    ours   {ours}", flush=True)
        print(f"{counts[0]} calls, {counts[1]} differ")


if __name__ == "__main__":
    main()

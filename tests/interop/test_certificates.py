"""Which client certificates are accepted, beside PyKMIP's server: the shapes of shapes.py.

Each shape is presented to both servers by Python's ssl module, followed by a Create; to this server over each of its two
TLS stacks, and over TLS 1.3.
"""

import concurrent.futures
import socket
import ssl
import sys

import pytest
from certificates import new_key
from kmip import enums
from kmip.pie import exceptions
from kmip.pie.client import ProxyKmipClient
from kmip.services.kmip_protocol import KMIPProtocol
from pki import Pki
from server import Server
from shapes import IN, OUT, SHAPES, Differs, Maker
from test_tls_suites import REFERENCE

# How a client connects: the stack that serves it, the cipher suites that it offers, and the newest version.
WAYS = {
    "rustls": ("ECDHE-ECDSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2),
    "OpenSSL": ("ECDHE-ECDSA-AES128-SHA256", ssl.TLSVersion.TLSv1_2),
    "TLS 1.3": ("DEFAULT", ssl.TLSVersion.TLSv1_3),
}


class Shape:
    """The files of a client with a certificate of one shape, and what the servers trust for it."""

    def __init__(self, row, number, folder, rsa):
        self.name, self.decision = row.name, row.decision
        maker = Maker(number)
        maker.rsa = rsa
        client = row.make(maker)
        sent = client.above() if maker.sent is None else maker.sent
        self.trusted = "".join(it.pem for it in maker.trusted)
        self.path = folder / f"{number}.pem"
        self.path.write_text("".join(it.pem for it in [client, *sent]) + client.key_pem)

    def outcome(self, server, way):
        """The server's decision on the client."""
        ciphers, version = WAYS[way]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(server.pki.ca_path)
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(self.path)
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
                with context.wrap_socket(plain) as stream:
                    client = ProxyKmipClient(hostname="127.0.0.1")
                    client.proxy.socket = stream
                    client.proxy.protocol = KMIPProtocol(stream)
                    client._is_open = True
                    client.create(enums.CryptographicAlgorithm.AES, 128)
                    return IN
        except (ssl.SSLError, ConnectionError, EOFError, exceptions.KmipOperationFailure):
            return OUT


def test_decides_on_each_shape_as_pykmip_or_for_the_listed_reason(command, tmp_path, is_reference):
    if is_reference:
        pytest.skip("there is nothing to compare")
    assert len(SHAPES) >= 100 and len({row.name for row in SHAPES}) == len(SHAPES)
    rsa, folder = new_key("RSA-2048"), tmp_path / "clients"
    folder.mkdir()
    shapes = [Shape(row, number, folder, rsa) for number, row in enumerate(SHAPES)]
    pki = Pki(tmp_path / "pki", kind="ec")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(pki.ca_path.read_text() + "".join(shape.trusted for shape in shapes))
    settings = {"ca_path": trusted, "logging_level": "INFO"}
    theirs = Server([sys.executable, "-W", "ignore", "-c", REFERENCE], tmp_path / "theirs", pki, settings=settings)
    ours = Server(command, tmp_path / "ours", pki, suite="Basic", settings=settings)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(Server.start, [theirs, ours]))
            there = list(pool.map(lambda shape: shape.outcome(theirs, "OpenSSL"), shapes))
            here = {way: list(pool.map(lambda shape: shape.outcome(ours, way), shapes)) for way in WAYS}
    finally:
        # PyKMIP's server takes ten seconds to notice that it shall end.
        theirs.kill()
        ours.stop()
    wrong = []
    for number, shape in enumerate(shapes):
        same = Differs(shape.decision, shape.decision, "")
        expected = shape.decision if isinstance(shape.decision, Differs) else same
        found = {"PyKMIP": there[number], **{way: here[way][number] for way in WAYS}}
        wanted = {"PyKMIP": expected.with_pykmip, **dict.fromkeys(WAYS, expected.here), **expected.more}
        wrong += [f"{shape.name}: {way}: {found[way]}" for way in found if found[way] != wanted[way]]
    assert not wrong, "\n".join(wrong) + "\n" + ours.report()

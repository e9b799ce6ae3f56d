"""Which clients connect: every cipher suite, TLS version and kind of certificate, beside PyKMIP's server.

docs/tls.md states what the server offers. Each combination is tried with Python's ssl module, followed by a Create, and
with `openssl s_client`. PyKMIP's server runs at OpenSSL's security level 0, at which it offers the most.
"""

import concurrent.futures
import contextlib
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import warnings

import pytest
from kmip import enums
from kmip.pie.client import ProxyKmipClient
from kmip.services.auth import AuthenticationSuite
from kmip.services.kmip_protocol import KMIPProtocol
from pki import Pki
from server import Server

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/tls.md"

VERSIONS = {
    "1.0": (ssl.TLSVersion.TLSv1, "-tls1"),
    "1.1": (ssl.TLSVersion.TLSv1_1, "-tls1_1"),
    "1.2": (ssl.TLSVersion.TLSv1_2, "-tls1_2"),
    "1.3": (ssl.TLSVersion.TLSv1_3, "-tls1_3"),
}

# Python's ssl module sets security level 2, which excludes most of PyKMIP's suites.
REFERENCE = """
import ssl
plain = ssl.SSLContext.set_ciphers
ssl.SSLContext.set_ciphers = lambda self, names: plain(self, names + ":@SECLEVEL=0")
from kmip.services.server.server import main
main()
"""

# The suites of PyKMIP's list and of the KMIP profiles that OpenSSL 3 does not have, by the words of docs/tls.md.
ABSENT = re.compile(r"3DES|DES-CBC3|^(DH|ECDH)-|PSK|DSS")


class Suite:
    """A row of docs/tls.md."""

    def __init__(self, name, openssl, offered, stacks):
        self.name, self.openssl, self.offered, self.stacks = name, openssl, offered, stacks

    @property
    def versions(self):
        """The versions of TLS that define the suite."""
        if "_WITH_" not in self.name:
            return ["1.3"]
        return ["1.0", "1.1", "1.2"] if self.name.endswith("_SHA") else ["1.2"]

    def suits(self, kind):
        """True if a certificate of that kind serves the suite."""
        return "_WITH_" not in self.name or ("_ECDSA_" in self.name) == (kind == "ec")


def documented():
    """The table of docs/tls.md."""
    rows = re.findall(r"^\| `(TLS_\w+)` \| `([\w-]+)` \| ([\w .]+) \| ([\w, ]+) \|$", PAGE.read_text(), re.M)
    assert len(rows) > 20, "docs/tls.md has no table of suites"
    return [Suite(*row) for row in rows]


def context(pki, suite, version):
    """The configuration of a client that offers only this."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(pki.ca_path)
    if version == "1.3":
        # Python cannot select suites of TLS 1.3; the s_client tries each alone.
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
    else:
        made.set_ciphers(f"{suite.openssl}:@SECLEVEL=0")
    made.load_cert_chain(pki.certificate("john_doe"), pki.key("john_doe"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = made.maximum_version = VERSIONS[version][0]
    return made


def creates(port, pki, suite, version):
    """True if a client of Python connects and creates a key."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            with context(pki, suite, version).wrap_socket(plain) as stream:
                client = ProxyKmipClient(hostname="127.0.0.1")
                client.proxy.socket = stream
                client.proxy.protocol = KMIPProtocol(stream)
                client._is_open = True
                assert client.create(enums.CryptographicAlgorithm.AES, 128)
                return True
    except (ssl.SSLError, ConnectionError, EOFError):
        return False


def connects(port, pki, suite, version):
    """True if `openssl s_client` completes the handshake."""
    option = "-ciphersuites" if version == "1.3" else "-cipher"
    names = suite.openssl if version == "1.3" else f"{suite.openssl}:@SECLEVEL=0"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", VERSIONS[version][1], option, names]
    command += ["-cert", pki.certificate("john_doe"), "-key", pki.key("john_doe"), "-CAfile", pki.ca_path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    text = done.stdout.decode(errors="replace")
    return "Cipher is (NONE)" not in text and " Cipher is " in text and "alert" not in text


def combinations(kind):
    """Every suite with every version that defines it."""
    return [(suite, version) for suite in documented() for version in suite.versions]


def served(port, pki, kind, how):
    """The combinations that are served."""
    tried = combinations(kind)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = pool.map(lambda row: how(port, pki, *row), tried)
        return {(suite.openssl, version) for (suite, version), outcome in zip(tried, outcomes) if outcome}


@pytest.fixture(scope="module", params=["rsa", "ec"])
def pair(request, tmp_path_factory):
    """A kind of certificate, and certificates of it."""
    return request.param, Pki(tmp_path_factory.mktemp(request.param), kind=request.param)


@pytest.mark.parametrize("minimum", ["1.0", "1.2"])
def test_serves_the_documented_suites_and_versions_and_no_others(start, pair, minimum, is_reference):
    if is_reference:
        pytest.skip("the page describes the other server")
    kind, pki = pair
    server = start(pki=pki, suite="Basic", settings={"tls_minimum_version": minimum})
    offers = {"default"} | ({"default with 1.0 or 1.1"} if minimum == "1.0" else set())
    expected = {
        (suite.openssl, version)
        for suite, version in combinations(kind)
        if suite.suits(kind) and suite.offered in offers and version >= minimum
    }
    assert served(server.port, pki, kind, creates) == expected
    assert served(server.port, pki, kind, connects) == expected


def test_whatever_connects_to_pykmip_connects_here(start, pair, tmp_path, is_reference):
    if is_reference:
        pytest.skip("there is nothing to compare")
    kind, pki = pair
    ours = start(pki=pki, suite="Basic", settings={"tls_minimum_version": "1.0"})
    here = served(ours.port, pki, kind, creates)
    for suite in ["Basic", "TLS1.2"]:
        command = [sys.executable, "-W", "ignore", "-c", REFERENCE]
        with contextlib.closing(Reference(Server(command, tmp_path / suite, pki, suite=suite))) as reference:
            there = served(reference.server.port, pki, kind, creates)
        # With an EC key, the suites of Basic, all of which need RSA, serve nobody.
        assert there or (suite, kind) == ("Basic", "ec"), f"{suite}, {kind}: PyKMIP's server served nobody"
        assert there <= here, f"{suite}, {kind}: only PyKMIP's server serves {sorted(there - here)}"


class Reference:
    """PyKMIP's server, ended without the ten seconds that it takes to notice a request to end."""

    def __init__(self, server):
        self.server = server.start()

    def close(self):
        self.server.kill()


def test_every_suite_of_pykmip_is_documented_or_absent_from_openssl():
    known = {suite.openssl for suite in documented()}
    theirs = {name for name in AuthenticationSuite.openssl_cipher_suite_map.values() if name}
    missing = {name for name in theirs - known if not ABSENT.search(name)}
    assert not missing, f"neither offered nor excused: {sorted(missing)}"


@pytest.mark.parametrize("names", ["AES128-SHA256:AES256-SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA256", "kRSA:!AESGCM"])
def test_named_suites_serve_and_others_do_not(start, pki, names, is_reference):
    if is_reference:
        pytest.skip("PyKMIP ignores cipher strings")
    server = start(suite="TLS1.2", settings={"tls_cipher_suites": names})
    suites = {suite.openssl: suite for suite in documented()}
    assert creates(server.port, pki, suites["AES128-SHA256"], "1.2")
    assert not creates(server.port, pki, suites["ECDHE-RSA-AES128-GCM-SHA256"], "1.2")


def test_renegotiation_is_refused(start, pki, is_reference):
    if is_reference:
        pytest.skip("it depends on PyKMIP's OpenSSL")
    server = start(suite="TLS1.2")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2", "-cipher", "AES128-SHA256"]
    command += ["-cert", pki.certificate("john_doe"), "-key", pki.key("john_doe"), "-legacy_renegotiation"]
    done = subprocess.run(command, input=b"R\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    text = done.stdout.decode(errors="replace")
    assert "Cipher is AES128-SHA256" in text and "no renegotiation" in text, text
    assert "Compression: NONE" in text and "TLS session ticket:" not in text, text

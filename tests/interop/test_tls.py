"""Certificates and TLS settings that users really have, with PyKMIP's client and with bare sockets.

Each test starts a server with one unusual setting and makes one key through it; the last ones
stop it, gently and not. Those whose
set-up PyKMIP's own server cannot serve on a current OpenSSL are left out against it.
"""

import socket
import ssl

import pytest
from kmip import enums
from kmip.pie import exceptions
from kmip.pie.client import ProxyKmipClient
from pki import Pki

AES = enums.CryptographicAlgorithm.AES


def client(server, certificate, key, ca):
    return ProxyKmipClient(
        hostname="127.0.0.1", port=server.port, cert=str(certificate), key=str(key), ca=str(ca), ssl_version="PROTOCOL_SSLv23"
    )


def make_a_key(server, certificate, key, ca):
    with client(server, certificate, key, ca) as connection:
        uid = connection.create(AES, 128)
        assert connection.get(uid).cryptographic_length == 128
        connection.destroy(uid)


def as_person(server, pki, person="john_doe"):
    make_a_key(server, pki.certificate(person), pki.key(person), pki.ca_path)


def test_serves_with_elliptic_curve_keys(start, tmp_path):
    pki = Pki(tmp_path / "ec", kind="ec")
    as_person(start(pki=pki), pki)


def test_accepts_a_self_signed_version_1_certificate_in_every_role(start, pki, tmp_path):
    certificate, key = pki.self_signed_v1("everything")
    settings = {"certificate_path": certificate, "key_path": key, "ca_path": certificate, "enable_tls_client_auth": "False"}
    make_a_key(start(settings=settings), certificate, key, certificate)


def test_finds_the_key_in_the_certificate_file(start, pki, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(pki.server_certificate.read_bytes() + pki.server_key.read_bytes())
    as_person(start(settings={"certificate_path": both, "key_path": both}), pki)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_reads_keys_in_the_older_form(start, tmp_path, kind):
    pki = Pki(tmp_path / "older", kind=kind)
    certificate, key = pki.issue("older", "127.0.0.1", address="127.0.0.1", key_format="traditional")
    as_person(start(pki=pki, settings={"certificate_path": certificate, "key_path": key}), pki)


def test_accepts_several_authorities_in_one_file(start, pki, tmp_path):
    other = Pki(tmp_path / "other")
    both = tmp_path / "authorities.pem"
    both.write_bytes(other.ca_path.read_bytes() + pki.ca_path.read_bytes())
    server = start(settings={"ca_path": both})
    as_person(server, pki)
    make_a_key(server, other.certificate("jane_doe"), other.key("jane_doe"), pki.ca_path)


def test_refuses_a_certificate_of_another_authority(start, pki, tmp_path):
    other = Pki(tmp_path / "other")
    server = start()
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        make_a_key(server, other.certificate("john_doe"), other.key("john_doe"), pki.ca_path)
    as_person(server, pki)


def test_refuses_a_client_without_extended_key_usage(start, pki):
    server = start()
    with pytest.raises(exceptions.KmipOperationFailure) as refused:
        as_person(server, pki, "jane_smith")
    assert refused.value.reason == enums.ResultReason.AUTHENTICATION_NOT_SUCCESSFUL


def test_accepts_it_where_the_check_is_switched_off(start, pki):
    as_person(start(settings={"enable_tls_client_auth": "FALSE"}), pki, "jane_smith")


def test_serves_with_a_list_of_suites_that_it_has_none_of(start, pki, is_reference):
    if is_reference:
        pytest.skip("PyKMIP then shares no suite with a current client")
    suites = "\n    TLS_RSA_WITH_3DES_EDE_CBC_SHA\n    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"
    server = start(settings={"tls_cipher_suites": suites})
    as_person(server, pki)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_speaks_each_version_of_tls(start, pki, version, is_reference):
    if is_reference:
        pytest.skip("PyKMIP's Basic suite completes no handshake on a current OpenSSL")
    server = start(suite="Basic")
    with tls_socket(server, pki, version) as connection:
        assert connection.version() == version.name.replace("_", ".")


def test_tls_1_2_means_nothing_newer(start, pki):
    server = start(suite="TLS1.2")
    with tls_socket(server, pki, ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"
    with pytest.raises((ssl.SSLError, OSError)):
        tls_socket(server, pki, ssl.TLSVersion.TLSv1_3).close()


def test_a_request_in_clear_disturbs_nobody(start, pki):
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as clear:
        clear.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        clear.settimeout(15)
        while clear.recv(4096):
            pass
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        as_person(server, pki)


def test_keeps_its_objects_over_a_restart(start, pki):
    server = start()
    arguments = (pki.certificate("john_doe"), pki.key("john_doe"), pki.ca_path)
    with client(server, *arguments) as connection:
        uid = connection.create(AES, 256)
        value = connection.get(uid).value
    server.kill()
    server.start()
    with client(server, *arguments) as connection:
        assert connection.get(uid).value == value
        assert int(connection.create(AES, 256)) > int(uid)


def test_ends_with_status_0_when_asked_to(start, pki, is_reference):
    if is_reference:
        pytest.skip("PyKMIP's server takes ten seconds for it")
    server = start()
    as_person(server, pki)
    assert server.stop() == 0


def tls_socket(server, pki, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(pki.ca_path)
    context.load_cert_chain(pki.certificate("john_doe"), pki.key("john_doe"))
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")

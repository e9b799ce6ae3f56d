"""Test control from Python, through the fixture of the pytest plug-in."""

import datetime
import os
import socket
import ssl
import time

import pytest

from kmip_server import ControlError

pytest_plugins = ["pytester"]

KEY = {"id": "7", "key": bytes(range(16)), "name": "known", "state": "Active", "usage": ["Encrypt"]}


def connect(server):
    """Returns a TLS connection of the first user."""
    options = server.client_options()
    context = ssl.create_default_context(cafile=options["ca"])
    context.check_hostname = False
    context.load_cert_chain(options["cert"], options["key"])
    plain = socket.create_connection((server.host, server.port), 10)
    return context.wrap_socket(plain)


def item(tag, kind, value):
    padded = value + bytes(-len(value) % 8)
    return bytes.fromhex(tag) + bytes([kind]) + len(value).to_bytes(4, "big") + padded


def number(tag, kind, value):
    return item(tag, kind, value.to_bytes(4, "big"))


def get(identifier):
    """Returns a Get of KMIP 1.4."""
    version = item("420069", 1, number("42006a", 2, 1) + number("42006b", 2, 4))
    header = item("420077", 1, version + number("42000d", 2, 1))
    payload = item("420079", 1, item("420094", 7, identifier.encode()))
    batch = item("42000f", 1, number("42005c", 5, 10) + payload)
    return item("420078", 1, header + batch)


def receive(connection):
    answer = b""
    while len(answer) < 8 or len(answer) < 8 + int.from_bytes(answer[4:8], "big"):
        part = connection.recv(65536)
        if not part:
            raise EOFError(answer)
        answer += part
    return answer


def exchange(server, request):
    with connect(server) as connection:
        connection.sendall(request)
        return receive(connection)


def test_seeds_and_snapshots(kmip_server):
    assert kmip_server.seed([KEY]) == ["7"]
    assert bytes(range(16)) in exchange(kmip_server, get("7"))
    with kmip_server.snapshot():
        kmip_server.control.reset()
        assert bytes(range(16)) not in exchange(kmip_server, get("7"))
    assert bytes(range(16)) in exchange(kmip_server, get("7"))
    with pytest.raises(ControlError, match="already has an object 7"):
        kmip_server.seed([KEY])
    with pytest.raises(ControlError, match="similar: key"):
        kmip_server.seed([{"kee": "00"}])


def test_moves_the_clock(kmip_server):
    clock = kmip_server.clock
    clock.freeze(datetime.datetime(2033, 5, 18, 3, 33, 20, tzinfo=datetime.timezone.utc))
    assert clock.is_frozen and clock.now().timestamp() == 2_000_000_000
    clock.advance(days=1)
    clock.advance(datetime.timedelta(seconds=1.5))
    clock.advance(0.5)
    assert clock.now().timestamp() == 2_000_000_000 + 86_402
    clock.set(1_000_000_000)
    clock.resume()
    clock.reset()
    assert abs(clock.now().timestamp() - time.time()) < 60 and not clock.is_frozen


def test_faults_fail_requests_and_count_their_hits(kmip_server):
    kmip_server.seed([KEY])
    with kmip_server.faults.lose("GET", object="7") as rule:
        with pytest.raises((EOFError, OSError)):
            exchange(kmip_server, get("7"))
        rule.wait()
        assert rule.hits == 1
        with pytest.raises(TimeoutError, match="acted 1 times, not 2"):
            rule.wait(hits=2, seconds=0.1)
    kmip_server.faults.fail("Get", reason="PERMISSION_DENIED", message="not today", count=1)
    assert b"not today" in exchange(kmip_server, get("7"))
    kmip_server.faults.delay(0.2, nth=1, count=1)
    begun = time.monotonic()
    assert bytes(range(16)) in exchange(kmip_server, get("7"))
    assert time.monotonic() - begun >= 0.2
    kmip_server.faults.refuse_handshake(count=1)
    with pytest.raises((ssl.SSLError, OSError)):
        exchange(kmip_server, get("7"))
    assert [rule["hits"] for rule in kmip_server.faults.list()] == [1, 1, 1]
    kmip_server.faults.clear(seed=1)
    with pytest.raises(ControlError, match='no operation "Gte"; similar: Get'):
        kmip_server.faults.lose("Gte")


def test_messages_are_decoded(kmip_server):
    kmip_server.seed([KEY])
    before = kmip_server.messages.last_number
    exchange(kmip_server, get("7"))
    [message] = kmip_server.messages.wait("Get", "John Doe", after=before)
    assert (message.sent("UniqueIdentifier"), message.version, message.results[0]["status"]) == ("7", "1.4", "Success")
    assert message.received("KeyMaterial") == bytes(16)
    assert "    Operation: Get\n" in message.text and "TimeStamp" not in message.text
    [message] = kmip_server.messages("Get", secrets=True)
    assert message.received("KeyMaterial") == bytes(range(16))
    kmip_server.messages.clear()
    assert kmip_server.messages() == []
    with pytest.raises(TimeoutError):
        kmip_server.messages.wait("Get", seconds=0.1)


def run(pytester, source, scope="function"):
    pytester.makeini(f"[pytest]\nkmip_server_scope = {scope}\n")
    pytester.makepyfile(source)
    from test_plugin import plugins

    return pytester.runpytest_subprocess(*plugins())


def test_the_report_of_a_failure_contains_log_and_messages(pytester):
    source = f"""
        import sys

        sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
        from test_control import exchange, get

        def test_fails(kmip_server):
            exchange(kmip_server, get("9"))
            assert False
    """
    result = run(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*kmip_server log*", "*Starting session*", "*kmip_server messages*", "*Operation: Get*"])
    result.stdout.fnmatch_lines(["*ResultReason: ItemNotFound*"])


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("databse_path=':memory:'", "*no option 'databse_path'; similar: database_path*"),
        ("policies={'mine': {'preset': {'SYMMETRIC_KEY': {'GTE': 'ALLOW_ALL'}}}}", "*GTE*"),
    ],
)
def test_misspelt_options_and_policies_are_named(pytester, marker, expected):
    source = f"""
        import pytest

        @pytest.mark.kmip_server({marker})
        def test_it(kmip_server):
            pass
    """
    result = run(pytester, source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([expected])


def test_misspelt_users_are_named(kmip_server):
    with pytest.raises(Exception, match="no user has the name 'Jon Doe'; similar: John Doe"):
        kmip_server.client_options("Jon Doe")


def test_a_marker_without_effect_is_refused(pytester):
    source = """
        import pytest

        @pytest.mark.kmip_server(logging_level="DEBUG")
        def test_it(kmip_server):
            pass

        class TestClass:
            def test_without(self, kmip_server):
                pass
    """
    result = run(pytester, source, "session")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*has no effect, because kmip_server_scope is 'session'*"])


def test_faults_and_clock_end_with_the_test_in_a_shared_server(pytester):
    source = """
        def test_first(kmip_server):
            kmip_server.faults.lose()
            kmip_server.clock.freeze(2_000_000_000)

        def test_second(kmip_server):
            assert kmip_server.faults.list() == [] and not kmip_server.clock.is_frozen
    """
    run(pytester, source, "session").assert_outcomes(passed=2)

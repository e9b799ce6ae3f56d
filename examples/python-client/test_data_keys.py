"""Tests of `data_keys` against a server that fails on purpose: `python -m pytest` in this folder."""

import datetime
import pathlib

import pytest
from data_keys import LOST, NONCE_BYTES, DataKeys

HERE = pathlib.Path(__file__).parent
NONCE = bytes(NONCE_BYTES)


@pytest.fixture
def data_keys(kmip_server):
    kmip_server.seed(HERE / "keys.jsonl")
    return DataKeys(kmip_server.client_options())


def test_encrypts_with_the_seeded_key_and_a_nonce_of_12_bytes(kmip_server, data_keys):
    first = data_keys.encrypt("orders", b"one order", NONCE)
    assert data_keys.encrypt("orders", b"one order", NONCE) == first
    message = kmip_server.messages(operation="Encrypt")[0]
    assert message.sent("UniqueIdentifier") == "1"
    assert len(message.sent("IVCounterNonce")) == NONCE_BYTES
    assert message.sent("BlockCipherMode") == "GCM"
    # The server masks data.
    assert message.sent("Data") == bytes(len(b"one order"))


@pytest.mark.parametrize("fault", ["close", "lose", "cut"])
def test_repeats_a_request_whose_answer_is_missing(kmip_server, data_keys, fault):
    rule = kmip_server.faults.add(fault, operation="Encrypt", count=2)
    assert data_keys.encrypt("orders", b"one order", NONCE)
    rule.wait(hits=2)
    assert len(kmip_server.messages(operation="Encrypt")) == 3


def test_gives_up_after_its_last_attempt(kmip_server, data_keys):
    kmip_server.faults.lose("Encrypt")
    with pytest.raises(LOST):
        data_keys.encrypt("orders", b"one order", NONCE)
    assert len(kmip_server.messages(operation="Encrypt")) == 3


def test_a_lost_answer_to_activate_leaves_one_active_key(kmip_server, data_keys):
    with kmip_server.snapshot():
        rule = kmip_server.faults.lose("Activate", count=1)
        key = data_keys.key("invoices")
        assert rule.hits == 1
        # The key of the first attempt is active already, so the second attempt uses it.
        assert data_keys.key("invoices") == key
        assert len(kmip_server.messages(operation="Create")) == 1
    assert kmip_server.messages(operation="Create")
    assert data_keys.key("invoices") != "1"


def test_replaces_a_key_that_has_expired(kmip_server, data_keys):
    key = bytes(range(16))
    seed = {"id": "20", "key": key, "name": "short", "state": "Active", "usage": ["Encrypt"]}
    kmip_server.seed([{**seed, "deactivation_date": datetime.timedelta(days=90)}])
    assert data_keys.key("short") == "20"
    kmip_server.clock.advance(days=91)
    assert data_keys.key("short") != "20"
    assert data_keys.encrypt("short", b"one order", NONCE)

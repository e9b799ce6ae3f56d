"""Data keys for an application: named AES keys on a KMIP server, through PyKMIP's client.

The server can be away, answer late, or lose an answer; a key can expire. `DataKeys` handles each of these.
"""

import contextlib
import time

from kmip import enums
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie import exceptions
from kmip.pie.client import ProxyKmipClient
from kmip.services.kmip_protocol import RequestLengthMismatch

# What the client raises if the connection ends before the answer.
LOST = (OSError, EOFError, RequestLengthMismatch, exceptions.ClientConnectionFailure)
NONCE_BYTES = 12
TAG_BYTES = 16


class DataKeys:
    """Encrypts with named keys, which it creates when they are first used."""

    def __init__(self, options, attempts=3, pause=0.05):
        self._options = options
        self._attempts = attempts
        self._pause = pause

    def encrypt(self, name, data, nonce):
        """Returns the ciphertext with its tag. A key that has expired is replaced by a new one."""
        parameters = {
            "cryptographic_algorithm": enums.CryptographicAlgorithm.AES,
            "block_cipher_mode": enums.BlockCipherMode.GCM,
            "tag_length": TAG_BYTES,
        }
        key = self.key(name)
        return self._retry(
            lambda client: client.encrypt(data, uid=key, cryptographic_parameters=parameters, iv_counter_nonce=nonce)
        )

    def key(self, name):
        """Returns the identifier of the active key with this name; creates and activates one if there is none."""
        return self._retry(lambda client: self._active(client, name) or self._create(client, name))

    def _active(self, client, name):
        factory = AttributeFactory()
        wanted = [
            factory.create_attribute(enums.AttributeType.NAME, name_attribute(name)),
            factory.create_attribute(enums.AttributeType.STATE, enums.State.ACTIVE),
        ]
        found = client.locate(attributes=wanted)
        return found[0] if found else None

    def _create(self, client, name):
        masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
        key = client.create(enums.CryptographicAlgorithm.AES, 256, name=name, cryptographic_usage_mask=masks)
        client.activate(key)
        return key

    def _retry(self, request):
        """Calls `request` with a new connection until it gets an answer.

        A request may have been executed although its answer is lost. Each request is therefore one that finds the result of
        the first attempt: `key` looks for the key before it creates one.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                with contextlib.ExitStack() as stack:
                    return request(stack.enter_context(ProxyKmipClient(**self._options)))
            except LOST:
                if attempt == self._attempts:
                    raise
                time.sleep(self._pause)


def name_attribute(name):
    from kmip.core import attributes

    return attributes.Name.create(name, enums.NameType.UNINTERPRETED_TEXT_STRING)

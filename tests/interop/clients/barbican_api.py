"""Secrets through OpenStack Barbican's API, with the API in this process and a database of its own.

    HOME=FOLDER python barbican_api.py     (Barbican reads FOLDER/.barbican/barbican.conf)

Prints one line a step. Runs in the environment of requirements-barbican.txt.
"""

import base64
import json

import barbican.context
import webob
from barbican.api.app import create_main_app
from barbican.api.middleware.microversion import MicroversionMiddleware
from barbican.plugin import kmip_secret_store
from barbican.plugin.interface import secret_store
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BINARY = "application/octet-stream"


class Api:
    """Barbican's API, asked by a member of a project."""

    def __init__(self):
        self._application = MicroversionMiddleware.factory({})(create_main_app({}))

    def call(self, method, path, status, body=None, accept="application/json"):
        request = webob.Request.blank(path, method=method, accept=accept)
        # What the identity service would have found out.
        request.environ["barbican.context"] = barbican.context.RequestContext(
            roles=["member"], project_id="project", user_id="user"
        )
        if body is not None:
            request.body = json.dumps(body).encode()
            request.content_type = "application/json"
        answer = request.get_response(self._application)
        assert answer.status_int == status, f"{method} {path}: {answer.status}\n{answer.text}"
        return answer

    def keeps(self, kind, payload, **attributes):
        """Stores a secret, reads it again and deletes it."""
        described = {"name": kind, "secret_type": kind, "payload": base64.b64encode(payload).decode()}
        encoding = {"payload_content_type": BINARY, "payload_content_encoding": "base64"}
        made = self.call("POST", "/secrets", 201, {**described, **encoding, **attributes})
        path = made.json["secret_ref"].partition("/v1")[2]
        assert self.call("GET", f"{path}/payload", 200, accept=BINARY).body == payload, kind
        self.call("DELETE", path, 204)
        self.call("GET", f"{path}/payload", 404, accept=BINARY)
        print(f"{kind}: stored, read and deleted")


def main():
    api = Api()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    api.keeps("symmetric", bytes(range(32)), algorithm="aes", bit_length=256, mode="cbc")
    api.keeps("private", private, algorithm="rsa", bit_length=2048)
    api.keeps("public", public, algorithm="rsa", bit_length=2048)
    api.keeps("passphrase", b"open sesame")
    api.keeps("opaque", b"anything")

    # Orders go through a worker; they end in these two calls.
    store = secret_store.get_manager().get_plugin_store(secret_store.KeySpec("aes", 256))
    assert isinstance(store, kmip_secret_store.KMIPSecretStore), store
    for algorithm, bits in (("aes", 256), ("desede", 192), ("hmacsha256", 256)):
        made = store.generate_symmetric_key(secret_store.KeySpec(algorithm, bits))
        assert store.get_secret("symmetric", made).key_spec.bit_length == bits
        store.delete_secret(made)
    pair = store.generate_asymmetric_key(secret_store.KeySpec("rsa", 2048))
    assert b"PRIVATE KEY" in base64.b64decode(store.get_secret("private", pair.private_key_meta).secret)
    assert b"PUBLIC KEY" in base64.b64decode(store.get_secret("public", pair.public_key_meta).secret)
    print("keys and a key pair: generated and read")


if __name__ == "__main__":
    main()

"""A quick walk through the object life cycle with PyKMIP's own client, in every version.

    python smoke.py --host 127.0.0.1 --port P --cert C --key K --ca A [--other-cert C --other-key K]
    python smoke.py --server target/debug/run_server        (starts it with a PKI of its own)
    python smoke.py --reference                             (the same against PyKMIP's server)

Prints one line a step and goes on after a failure, so that one run shows all that is
missing. Ends with status 1 where a step failed. Leaves the exact errors to compare.py.
"""

import argparse
import datetime
import logging
import pathlib
import sys
import tempfile
import time
import traceback

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kmip import enums
from kmip.core import objects as core
from kmip.core.factories.attribute_values import AttributeValueFactory
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages import contents, messages, payloads
from kmip.pie import exceptions, objects
from kmip.pie.client import ProxyKmipClient

VERSIONS = {str(version.value): version for version in enums.KMIPVersion}
# A reply that does not come is a failure of the step; the client's own limit is 30 s.
REPLY_SECONDS = 10
MASK = enums.CryptographicUsageMask
ALGORITHM = enums.CryptographicAlgorithm


class Steps:
    """Runs named steps, prints how each ended, and counts the failures."""

    def __init__(self, only=None, stop=False):
        self.passed = 0
        self.failed = []
        self._only = only
        self._stop = stop
        self._prefix = ""

    def version(self, name):
        """Names the protocol version that the next steps belong to."""
        self._prefix = name

    def run(self, name, step, *arguments):
        """Runs one step; returns its result, or None where it failed."""
        label = f"{self._prefix} {name}".strip()
        if self._only and self._only not in label:
            return None
        try:
            result = step(*arguments)
        except Exception as error:  # whatever went wrong is the step's result
            where = traceback.extract_tb(error.__traceback__)
            line = next((f.lineno for f in reversed(where) if f.filename == __file__), 0)
            print(f"FAIL {label}: {type(error).__name__}: {error} (line {line})", flush=True)
            self.failed.append(label)
            if self._stop:
                raise
            return None
        print(f"ok   {label}", flush=True)
        self.passed += 1
        return result


def attribute(name, value, index=None):
    """One attribute in the form that PyKMIP's client takes."""
    return AttributeFactory().create_attribute(enums.AttributeType(name), value, index)


def certificate_der():
    """A self-signed certificate to register."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a registered certificate")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)


def registrable():
    """One object of every type that PyKMIP's client can register, by name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pkcs1_public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    plain = serialization.NoEncryption()
    pkcs8 = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
    pkcs1 = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    kind = enums.KeyFormatType
    both = [MASK.ENCRYPT, MASK.DECRYPT]
    wrapping = {
        "wrapping_method": enums.WrappingMethod.ENCRYPT,
        "encryption_key_information": {
            "unique_identifier": "42",
            "cryptographic_parameters": {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP},
        },
        "encoding_option": enums.EncodingOption.NO_ENCODING,
    }
    return {
        "symmetric key": objects.SymmetricKey(ALGORITHM.AES, 128, bytes(range(16)), both, "smoke symmetric"),
        "wrapped symmetric key": objects.SymmetricKey(
            ALGORITHM.AES, 128, bytes(range(24)), both, "smoke wrapped", key_wrapping_data=wrapping
        ),
        "public key PKCS#1": objects.PublicKey(ALGORITHM.RSA, 1024, pkcs1_public, kind.PKCS_1, [MASK.VERIFY], "smoke public"),
        "public key X.509": objects.PublicKey(ALGORITHM.RSA, 1024, spki, kind.X_509, [MASK.VERIFY], "smoke public x509"),
        "private key PKCS#8": objects.PrivateKey(ALGORITHM.RSA, 1024, pkcs8, kind.PKCS_8, [MASK.SIGN], "smoke private"),
        "private key PKCS#1": objects.PrivateKey(ALGORITHM.RSA, 1024, pkcs1, kind.PKCS_1, [MASK.SIGN], "smoke private 1"),
        "split key": objects.SplitKey(
            cryptographic_algorithm=ALGORITHM.AES,
            cryptographic_length=128,
            key_value=bytes(16),
            cryptographic_usage_masks=[MASK.EXPORT],
            name="smoke split",
            split_key_parts=3,
            key_part_identifier=1,
            split_key_threshold=3,
            split_key_method=enums.SplitKeyMethod.XOR,
        ),
        "certificate": objects.X509Certificate(certificate_der(), [MASK.VERIFY], "smoke certificate"),
        "secret data": objects.SecretData(b"a password", enums.SecretDataType.PASSWORD, [MASK.DERIVE_KEY], "smoke secret"),
        "opaque object": objects.OpaqueObject(b"anything", enums.OpaqueDataType.NONE, "smoke opaque"),
    }


def check(condition, message="the reply is not as expected"):
    """Fails a step; `assert` would vanish under `python -O`."""
    if not condition:
        raise AssertionError(message)


def same_object(sent, got):
    """True where the value and what describes it came back as registered."""
    check(type(sent) is type(got), f"{type(got)} came back")
    check(sent.value == got.value, "another value came back")
    for field in ("key_format_type", "cryptographic_algorithm", "cryptographic_length", "data_type", "certificate_type"):
        if hasattr(sent, field):
            check(getattr(sent, field) == getattr(got, field), f"{field}: {getattr(got, field)}")
    if getattr(sent, "key_wrapping_data", None):
        check(got.key_wrapping_data.get("wrapping_method") == enums.WrappingMethod.ENCRYPT, "no wrapping data")


def expect_failure(reason, text, call, *arguments):
    """Fails unless the call is refused with this result reason (and text in the message)."""
    try:
        call(*arguments)
    except exceptions.KmipOperationFailure as error:
        check(error.reason == reason, f"refused with {error.reason}, {error.message!r}")
        check(text in error.message, f"refused with the message {error.message!r}")
        return
    raise AssertionError("the request was accepted")


def life_cycle(steps, client, tag):
    """Create, look at, activate, revoke and destroy one key."""
    name = f"smoke life {tag}"
    uid = steps.run("create", lambda: client.create(ALGORITHM.AES, 256, name=name))
    if uid is None:
        return
    steps.run("get the created key", lambda: check(client.get(uid).cryptographic_length == 256))
    steps.run("get attributes, all", lambda: check(len(client.get_attributes(uid)[1]) >= 8))

    def named():
        wanted = ["State", "Object Type", "Unique Identifier", "Name"]
        got = {a.attribute_name.value: a.attribute_value for a in client.get_attributes(uid, wanted)[1]}
        check(set(got) == set(wanted), f"{sorted(got)}")
        check(got["State"].value == enums.State.PRE_ACTIVE, f"{got['State']}")

    steps.run("get attributes, named", named)
    steps.run("get attribute list", lambda: check("Unique Identifier" in client.get_attribute_list(uid)))
    denied = enums.ResultReason.PERMISSION_DENIED
    steps.run(
        "revoke a pre-active key",
        lambda: expect_failure(
            enums.ResultReason.ILLEGAL_OPERATION, "", client.revoke, enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid
        ),
    )
    steps.run("activate", lambda: client.activate(uid))
    steps.run(
        "activate twice", lambda: expect_failure(denied, "", client.activate, uid)
    )
    steps.run(
        "destroy an active key", lambda: expect_failure(denied, "", client.destroy, uid)
    )
    steps.run("revoke", lambda: client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid))
    steps.run("get attributes of a revoked key, all", lambda: check(len(client.get_attributes(uid)[1]) >= 8))
    steps.run("destroy", lambda: client.destroy(uid))
    gone = f"Could not locate object: {uid}"
    steps.run("get after destroy", lambda: expect_failure(enums.ResultReason.ITEM_NOT_FOUND, gone, client.get, uid))


def key_pair(steps, client, tag):
    """Create and destroy an RSA pair."""

    def create():
        return client.create_key_pair(
            ALGORITHM.RSA,
            1024,
            public_name=f"smoke pair public {tag}",
            public_usage_mask=[MASK.VERIFY],
            private_name=f"smoke pair private {tag}",
            private_usage_mask=[MASK.SIGN],
        )

    pair = steps.run("create key pair", create)
    if pair:
        public, private = pair
        steps.run("get the public key", lambda: check(isinstance(client.get(public), objects.PublicKey)))
        steps.run("get the private key", lambda: check(isinstance(client.get(private), objects.PrivateKey)))
        steps.run("destroy the pair", lambda: (client.destroy(public), client.destroy(private)))


def register_all(steps, client, things, tag):
    """Register, get back, destroy: every object type."""
    for name, thing in things.items():
        uid = steps.run(f"register {name}", client.register, thing)
        if uid is not None:
            steps.run(f"get {name}", lambda: same_object(thing, client.get(uid)))
            # PyKMIP's client cannot read a Certificate Type from a 2.0 reply, so that one is not asked for.
            wanted = ["Object Type", "Initial Date", "Name", "Unique Identifier"]
            steps.run(f"attributes of {name}", lambda: check(len(client.get_attributes(uid, wanted)[1]) == 4))
            if tag < "2.0" or name != "certificate":
                steps.run(f"all attributes of {name}", lambda: check(len(client.get_attributes(uid)[1]) >= 4))
            steps.run(f"list of attributes of {name}", lambda: check(len(client.get_attribute_list(uid)) >= 4))
            steps.run(f"destroy {name}", client.destroy, uid)


def locate_all(steps, client, version, tag):
    """Every filter that PyKMIP's server knows, offset and maximum, and the order of the reply."""
    started = int(time.time())
    name = f"smoke locate {tag}"
    template = [
        attribute("Cryptographic Algorithm", ALGORITHM.AES),
        attribute("Cryptographic Length", 192),
        attribute("Cryptographic Usage Mask", [MASK.ENCRYPT, MASK.WRAP_KEY]),
        attribute("Name", name),
        attribute("Object Group", f"group {tag}"),
        attribute(
            "Application Specific Information",
            {"application_namespace": "smoke", "application_data": tag},
        ),
    ]
    if version < enums.KMIPVersion.KMIP_2_0:
        template.append(attribute("Operation Policy Name", "default"))

    def create():
        result = client.proxy.create(enums.ObjectType.SYMMETRIC_KEY, core.TemplateAttribute(attributes=template))
        check(result.result_status.value == enums.ResultStatus.SUCCESS, f"{result.result_reason} {result.result_message}")
        return result.uuid

    uid = steps.run("create with every attribute", create)
    second = steps.run("create a second one", create)
    if uid is None or second is None:
        return
    now = int(time.time())
    own = attribute("Name", name)
    filters = {
        "Name": [own],
        "Object Group": [attribute("Object Group", f"group {tag}")],
        "Application Specific Information": [template[5]],
        "Object Type": [own, attribute("Object Type", enums.ObjectType.SYMMETRIC_KEY)],
        "State": [own, attribute("State", enums.State.PRE_ACTIVE)],
        "Cryptographic Algorithm": [own, template[0]],
        "Cryptographic Length": [own, template[1]],
        "Cryptographic Usage Mask": [own, attribute("Cryptographic Usage Mask", [MASK.WRAP_KEY])],
        "Initial Date range": [own, attribute("Initial Date", started - 1), attribute("Initial Date", now + 1)],
    }
    if version < enums.KMIPVersion.KMIP_2_0:
        filters["Operation Policy Name"] = [own, template[6]]
    for label, attributes in filters.items():
        steps.run(
            f"locate by {label}",
            lambda: check(set(client.locate(attributes=attributes)) == {uid, second}, f"{client.locate(attributes=attributes)}"),
        )
    misses = {
        "Name": [attribute("Name", name + "?")],
        "Object Type": [own, attribute("Object Type", enums.ObjectType.PRIVATE_KEY)],
        "State": [own, attribute("State", enums.State.ACTIVE)],
        "Cryptographic Length": [own, attribute("Cryptographic Length", 128)],
        "Cryptographic Usage Mask": [own, attribute("Cryptographic Usage Mask", [MASK.SIGN])],
        "Initial Date": [own, attribute("Initial Date", 86400)],
    }
    for label, attributes in misses.items():
        steps.run(
            f"locate nothing by {label}",
            lambda: check(client.locate(attributes=attributes) == [], f"{client.locate(attributes=attributes)}"),
        )
    steps.run(
        "locate by Unique Identifier",
        lambda: check(client.locate(attributes=[attribute("Unique Identifier", uid)]) == [uid]),
    )
    steps.run("locate with a maximum", lambda: check(len(client.locate(maximum_items=1, attributes=[own])) == 1))
    if version >= enums.KMIPVersion.KMIP_1_3:
        whole = client.locate(attributes=[own])
        pages = client.locate(maximum_items=1, attributes=[own]) + client.locate(
            maximum_items=1, offset_items=1, attributes=[own]
        )
        steps.run("locate page by page", lambda: check(whole == pages, f"{whole} {pages}"))
    steps.run("locate without a filter", lambda: check({uid, second} <= set(client.locate())))
    for each in (uid, second):
        steps.run(f"destroy {each}", client.destroy, each)


def change_attributes(steps, client, version, tag):
    """Modify, set and delete attributes, in the form of the version."""
    uid = steps.run("create for attributes", lambda: client.create(ALGORITHM.AES, 128, name=f"smoke before {tag}"))
    if uid is None:
        return
    name = lambda text: AttributeValueFactory().create_attribute_value(enums.AttributeType.NAME, text)  # noqa: E731
    before, after = name(f"smoke before {tag}"), name(f"smoke after {tag}")
    if version < enums.KMIPVersion.KMIP_2_0:
        new = attribute("Name", f"smoke after {tag}", 0)
        steps.run("modify attribute", lambda: client.modify_attribute(uid, attribute=new))
        steps.run("delete attribute", lambda: client.delete_attribute(uid, attribute_name="Name", attribute_index=0))
    else:
        steps.run(
            "modify attribute",
            lambda: client.modify_attribute(
                uid, current_attribute=core.CurrentAttribute(before), new_attribute=core.NewAttribute(after)
            ),
        )
        steps.run("set attribute", lambda: client.set_attribute(uid, attribute_name="Sensitive", attribute_value=True))
        reference = core.AttributeReference(vendor_identification="", attribute_name="Name")
        steps.run("delete attribute", lambda: client.delete_attribute(uid, attribute_reference=reference))

    def no_name_left():
        # With another attribute beside it: PyKMIP never answers an empty GetAttributes reply in 2.0.
        names = [a.attribute_name.value for a in client.get_attributes(uid, ["Name", "Unique Identifier"])[1]]
        check(names == ["Unique Identifier"], f"{names}")

    steps.run("no name is left", no_name_left)
    steps.run("destroy after attributes", client.destroy, uid)


def ask_the_server(steps, client, version):
    """Query and DiscoverVersions."""

    def query():
        functions = [enums.QueryFunction.QUERY_OPERATIONS, enums.QueryFunction.QUERY_SERVER_INFORMATION]
        result = client.proxy.query(query_functions=functions)
        check(result.result_status.value == enums.ResultStatus.SUCCESS, f"{result.result_message}")
        check(enums.Operation.CREATE in result.operations, f"{result.operations}")

    def versions():
        result = client.proxy.discover_versions()
        check(result.result_status.value == enums.ResultStatus.SUCCESS, f"{result.result_message}")
        check(len(result.protocol_versions) >= 6, f"{result.protocol_versions}")

    steps.run("query", query)
    if version >= enums.KMIPVersion.KMIP_1_1:
        steps.run("discover versions", versions)


def two_identities(steps, owner, other):
    """What one client made, another one must not see; certificates are public to all."""
    uid = steps.run("create as the owner", lambda: owner.create(ALGORITHM.AES, 128, name="smoke private to one"))
    if uid is None:
        return
    text = f"Could not locate object: {uid}"
    refused = enums.ResultReason.PERMISSION_DENIED
    steps.run("get as another", lambda: expect_failure(refused, text, other.get, uid))
    steps.run("get attributes as another", lambda: expect_failure(refused, text, other.get_attributes, uid))
    steps.run("activate as another", lambda: expect_failure(refused, text, other.activate, uid))
    steps.run("destroy as another", lambda: expect_failure(refused, text, other.destroy, uid))
    steps.run("locate as another", lambda: check(uid not in other.locate()))
    steps.run("destroy as the owner", owner.destroy, uid)
    certificate = steps.run(
        "register a certificate as the owner",
        lambda: owner.register(objects.X509Certificate(certificate_der(), [MASK.VERIFY], "smoke shared")),
    )
    if certificate is not None:
        steps.run("get it as another", other.get, certificate)
        text = f"Could not locate object: {certificate}"
        steps.run("destroy it as another", lambda: expect_failure(refused, text, other.destroy, certificate))
        steps.run("destroy it as the owner", owner.destroy, certificate)


def batch(steps, client):
    """Two items in one message, on one connection."""

    def two():
        template = core.TemplateAttribute(
            attributes=[
                attribute("Cryptographic Algorithm", ALGORITHM.AES),
                attribute("Cryptographic Length", 128),
                attribute("Cryptographic Usage Mask", [MASK.ENCRYPT]),
            ]
        )
        items = [
            messages.RequestBatchItem(
                operation=contents.Operation(enums.Operation.CREATE),
                unique_batch_item_id=contents.UniqueBatchItemID(bytes([number])),
                request_payload=payloads.CreateRequestPayload(enums.ObjectType.SYMMETRIC_KEY, template),
            )
            for number in (1, 2)
        ]
        request = client.proxy._build_request_message(None, items)
        reply = client.proxy._send_and_receive_message(request)
        check(len(reply.batch_items) == 2, f"{len(reply.batch_items)} items came back")
        for number, item in enumerate(reply.batch_items, 1):
            check(item.result_status.value == enums.ResultStatus.SUCCESS, f"item {number}: {item.result_message}")
            check(item.unique_batch_item_id.value == bytes([number]), "another batch item id came back")
            client.destroy(item.response_payload.unique_identifier)

    steps.run("batch of two", two)


def walk(steps, connect, versions, connect_other=None):
    """All of it. `connect(version)` opens a client; `connect_other` one of another identity."""
    things = registrable()
    for name in versions:
        steps.version(name)
        version = VERSIONS[name]
        tag = f"{name} {time.time():.6f}"
        client = steps.run("connect", connect, version)
        if client is None:
            continue
        with_client(
            client,
            lambda: (
                ask_the_server(steps, client, version),
                life_cycle(steps, client, tag),
                key_pair(steps, client, tag),
                register_all(steps, client, things, tag),
                locate_all(steps, client, version, tag),
                change_attributes(steps, client, version, tag),
                batch(steps, client),
            ),
        )
        if connect_other is not None:
            owner, other = connect(version), connect_other(version)
            with_client(owner, lambda: with_client(other, lambda: two_identities(steps, owner, other)))


def with_client(client, work):
    """Runs `work`, then closes the client."""
    try:
        return work()
    finally:
        client.close()


def connector(host, port, certificate, key, ca):
    """A function that opens PyKMIP's client for a protocol version."""

    def connect(version):
        client = ProxyKmipClient(
            hostname=host,
            port=int(port),
            cert=str(certificate),
            key=str(key),
            ca=str(ca),
            ssl_version="PROTOCOL_SSLv23",
            config_file=None,
            kmip_version=version,
        )
        client.proxy.timeout = REPLY_SECONDS
        client.open()
        return client

    return connect


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--ca")
    parser.add_argument("--other-cert", help="certificate of a second identity")
    parser.add_argument("--other-key")
    parser.add_argument("--server", help="start this executable instead of connecting to one that runs")
    parser.add_argument("--reference", action="store_true", help="start PyKMIP's server instead")
    parser.add_argument("--versions", default="1.0,1.1,1.2,1.3,1.4,2.0")
    parser.add_argument("--only", help="run only steps whose name has this text (each still needs its objects)")
    parser.add_argument("--stop", action="store_true", help="stop at the first failure, with its traceback")
    return parser.parse_args()


def main():
    options = arguments()
    # The client warns about a configuration file that it does not need here.
    logging.disable(logging.WARNING)
    steps = Steps(options.only, options.stop)
    versions = options.versions.split(",")
    if options.server or options.reference:
        from pki import Pki
        from server import Server, reference_command

        command = reference_command() if options.reference else [pathlib.Path(options.server).resolve()]
        with tempfile.TemporaryDirectory(prefix="kmip-smoke-") as folder:
            pki = Pki(pathlib.Path(folder) / "pki")
            with Server(command, pathlib.Path(folder) / "server", pki) as running:
                john, jane = (
                    connector("127.0.0.1", running.port, pki.certificate(who), pki.key(who), pki.ca_path)
                    for who in ("john_doe", "jane_doe")
                )
                walk(steps, john, versions, jane)
    else:
        other = None
        if options.other_cert:
            key = options.other_key or options.other_cert
            other = connector(options.host, options.port, options.other_cert, key, options.ca)
        connect = connector(options.host, options.port, options.cert, options.key or options.cert, options.ca)
        walk(steps, connect, versions, other)
    print(f"{steps.passed} passed, {len(steps.failed)} failed")
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())

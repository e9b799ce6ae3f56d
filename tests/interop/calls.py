"""The calls of PyKMIP's client that test_client_calls.py compares: each public method of ProxyKmipClient and KMIPProxy.

A call is a function of a client and the identifier of a new object. The objects have the same bytes in each run.
"""

import functools

import things
from cryptography.hazmat.primitives.asymmetric import padding
from kmip.core import attributes, enums, misc, objects as core
from kmip.core.factories.attribute_values import AttributeValueFactory
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.factories.secrets import SecretFactory
from kmip.core.messages import contents
from kmip.pie import objects

MASK = enums.CryptographicUsageMask
ALGORITHM = enums.CryptographicAlgorithm
HASH = enums.HashingAlgorithm
DATA = b"sixteen bytes..."
CBC = {"block_cipher_mode": enums.BlockCipherMode.CBC, "padding_method": enums.PaddingMethod.PKCS5,
       "cryptographic_algorithm": ALGORITHM.AES}
SIGNING = {"padding_method": enums.PaddingMethod.PKCS1v15, "cryptographic_algorithm": ALGORITHM.RSA,
           "hashing_algorithm": HASH.SHA_256}
RSA_ENCRYPTION = {"padding_method": enums.PaddingMethod.PKCS1v15, "cryptographic_algorithm": ALGORITHM.RSA}
HASHING = {"cryptographic_parameters": {"hashing_algorithm": HASH.SHA_256}}
WRAPPING = {
    "wrapping_method": enums.WrappingMethod.ENCRYPT,
    "encryption_key_information": {
        "unique_identifier": "999",
        "cryptographic_parameters": {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP},
    },
}
LATER = (enums.KMIPVersion.KMIP_2_0,)


@functools.lru_cache(maxsize=None)
def kinds():
    """Returns an object of each type that the client can register."""
    form = enums.KeyFormatType
    every = [MASK.ENCRYPT, MASK.DECRYPT, MASK.MAC_GENERATE, MASK.DERIVE_KEY]
    return {
        "symmetric key": objects.SymmetricKey(ALGORITHM.AES, 128, bytes(range(16)), every, "a symmetric key"),
        "public key": objects.PublicKey(
            ALGORITHM.RSA, 1024, things.public_bytes("PKCS_1"), form.PKCS_1, [MASK.VERIFY, MASK.ENCRYPT], "a public key"
        ),
        "private key": objects.PrivateKey(
            ALGORITHM.RSA, 1024, things.private_bytes("PKCS_8"), form.PKCS_8, [MASK.SIGN, MASK.DECRYPT], "a private key"
        ),
        "split key": objects.SplitKey(
            cryptographic_algorithm=ALGORITHM.AES, cryptographic_length=128, key_value=bytes(16),
            cryptographic_usage_masks=[MASK.EXPORT], name="a split key", split_key_parts=3, key_part_identifier=1,
            split_key_threshold=3, split_key_method=enums.SplitKeyMethod.XOR,
        ),
        "certificate": objects.X509Certificate(things.certificate_bytes(), [MASK.VERIFY], "a certificate"),
        "secret data": objects.SecretData(b"a password", enums.SecretDataType.PASSWORD, [MASK.DERIVE_KEY], "secret data"),
        "opaque object": objects.OpaqueObject(b"anything", enums.OpaqueDataType.NONE, "an opaque object"),
    }


@functools.lru_cache(maxsize=None)
def rsa_ciphertext():
    """DATA for the registered private key."""
    return things.rsa_key().public_key().encrypt(DATA, padding.PKCS1v15())


def attribute(name, value, index=None):
    return AttributeFactory().create_attribute(enums.AttributeType(name), value, index)


def value(name, value):
    """The value of an attribute with its tag, as requests of 2.0 contain it."""
    return AttributeValueFactory().create_attribute_value_by_enum(enums.convert_attribute_name_to_tag(name), value)


def template(*rows):
    return core.TemplateAttribute(attributes=[attribute(*row) for row in rows])


AES = (("Cryptographic Algorithm", ALGORITHM.AES), ("Cryptographic Length", 128),
       ("Cryptographic Usage Mask", [MASK.ENCRYPT, MASK.DECRYPT]))
RSA = (("Cryptographic Algorithm", ALGORITHM.RSA), ("Cryptographic Length", 1024))


def parameters(settings):
    return attributes.CryptographicParameters(**settings)


def after(change):
    """Returns a decorator of calls, which changes the object first."""

    def decorate(call):
        def run(client, uid):
            change(client, uid)
            return call(client, uid)

        return run

    return decorate


activated = after(lambda client, uid: client.activate(uid))
revoked = after(lambda client, uid: client.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, uid))
destroyed = after(lambda client, uid: client.destroy(uid))


def read_back(call, *names):
    """The result of the call, and the named attributes afterwards."""
    return lambda client, uid: (call(client, uid), client.get_attributes(uid, ["Unique Identifier", *names]))


def by_name(name):
    """The same reference as a name in 1.x and an Attribute Reference in 2.0."""
    reference = core.AttributeReference(vendor_identification="x", attribute_name=name)
    return lambda client, uid: client.delete_attribute(
        uid, **({"attribute_reference": reference} if client.kmip_version in LATER else {"attribute_name": name})
    )


def modify(name, new, current=None):
    def run(client, uid):
        if client.kmip_version in LATER:
            options = {"new_attribute": core.NewAttribute(attribute=value(name, new))}
            if current is not None:
                options["current_attribute"] = core.CurrentAttribute(attribute=value(name, current))
            return client.modify_attribute(uid, **options)
        return client.modify_attribute(uid, attribute=attribute(name, new))

    return run


CESSATION = enums.RevocationReasonCode.CESSATION_OF_OPERATION

# The calls on an object: each on a new one of each type.
ON_OBJECTS = {
    "register": lambda client, uid: uid,
    "get": lambda client, uid: client.get(uid),
    "get wrapped by a key that does not exist": lambda client, uid: client.get(uid, key_wrapping_specification=WRAPPING),
    "get_attributes": lambda client, uid: client.get_attributes(uid),
    "get_attributes of names": lambda client, uid: client.get_attributes(
        uid, ["State", "Name", "Object Type", "Cryptographic Usage Mask", "Unique Identifier"]
    ),
    "get_attribute_list": lambda client, uid: client.get_attribute_list(uid),
    "activate": read_back(lambda client, uid: client.activate(uid), "State"),
    "activate twice": activated(lambda client, uid: client.activate(uid)),
    "revoke": lambda client, uid: client.revoke(CESSATION, uid),
    "revoke an active object": activated(read_back(lambda client, uid: client.revoke(CESSATION, uid), "State")),
    "revoke as compromised": read_back(
        lambda client, uid: client.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, uid, "lost", 1_600_000_000), "State"
    ),
    "revoke twice": revoked(lambda client, uid: client.revoke(CESSATION, uid)),
    "get a compromised object": revoked(lambda client, uid: client.get(uid)),
    "get_attributes of a compromised object": revoked(lambda client, uid: client.get_attributes(uid)),
    "get_attribute_list of a compromised object": revoked(lambda client, uid: client.get_attribute_list(uid)),
    "destroy": lambda client, uid: client.destroy(uid),
    "destroy an active object": activated(lambda client, uid: client.destroy(uid)),
    "destroy a compromised object": revoked(lambda client, uid: client.destroy(uid)),
    "get a destroyed object": destroyed(lambda client, uid: client.get(uid)),
    "get_attributes of a destroyed object": destroyed(lambda client, uid: client.get_attributes(uid)),
    "destroy twice": destroyed(lambda client, uid: client.destroy(uid)),
    "delete_attribute Name": read_back(by_name("Name"), "Name"),
    "delete_attribute Object Group": by_name("Object Group"),
    "delete_attribute State": by_name("State"),
    "delete_attribute Cryptographic Algorithm": by_name("Cryptographic Algorithm"),
    "modify_attribute Name": read_back(modify("Name", "another name"), "Name"),
    "modify_attribute State": modify("State", enums.State.ACTIVE),
    "modify_attribute Object Group": modify("Object Group", "another group", "no such group"),
    "set_attribute Sensitive": lambda client, uid: client.set_attribute(
        uid, attribute_name="Sensitive", attribute_value=True
    ),
    "set_attribute Name": lambda client, uid: client.set_attribute(uid, attribute_name="Name", attribute_value="x"),
    "set_attribute State": lambda client, uid: client.set_attribute(
        uid, attribute_name="State", attribute_value=enums.State.ACTIVE
    ),
    "locate by identifier": lambda client, uid: client.locate(attributes=[attribute("Unique Identifier", uid)]),
    "locate by identifier and type": lambda client, uid: client.locate(
        attributes=[attribute("Unique Identifier", uid), attribute("Object Type", enums.ObjectType.SYMMETRIC_KEY)]
    ),
    "encrypt": lambda client, uid: client.encrypt(DATA, uid, CBC, bytes(16)),
    "encrypt with an active object": activated(lambda client, uid: client.encrypt(DATA, uid, CBC, bytes(16))),
    "decrypt with an active object": activated(
        lambda client, uid: client.decrypt(client.encrypt(DATA, uid, CBC, bytes(16))[0], uid, CBC, bytes(16))
    ),
    "decrypt with an active private key": activated(lambda client, uid: client.decrypt(rsa_ciphertext(), uid, RSA_ENCRYPTION)),
    "sign": lambda client, uid: client.sign(DATA, uid, SIGNING),
    "sign with an active object": activated(lambda client, uid: client.sign(DATA, uid, SIGNING)),
    "signature_verify with an active object": activated(
        lambda client, uid: client.signature_verify(DATA, bytes(128), uid, SIGNING)
    ),
    "mac": lambda client, uid: client.mac(DATA, uid, ALGORITHM.HMAC_SHA256),
    "mac with an active object": activated(lambda client, uid: client.mac(DATA, uid, ALGORITHM.HMAC_SHA256)),
    "derive_key": lambda client, uid: client.get(
        client.derive_key(
            enums.ObjectType.SYMMETRIC_KEY, [uid], enums.DerivationMethod.HASH, HASHING,
            cryptographic_algorithm=ALGORITHM.AES, cryptographic_length=128,
        )
    ),
    "rekey": lambda client, uid: client.rekey(uid),
    "check": lambda client, uid: client.check(uid, cryptographic_usage_mask=[MASK.ENCRYPT]),
    "proxy.get": lambda client, uid: client.proxy.get(uid),
    "proxy.get in a format": lambda client, uid: client.proxy.get(
        uid, key_format_type=proxy_format(enums.KeyFormatType.RAW)
    ),
    "proxy.get_attributes": lambda client, uid: client.proxy.get_attributes(uid),
    "proxy.get_attribute_list": lambda client, uid: client.proxy.get_attribute_list(uid),
    "proxy.activate": lambda client, uid: client.proxy.activate(uid),
    "proxy.revoke": lambda client, uid: client.proxy.revoke(CESSATION, uid),
    "proxy.destroy": lambda client, uid: client.proxy.destroy(uid),
    "proxy.encrypt": activated(lambda client, uid: client.proxy.encrypt(DATA, uid, parameters(CBC), bytes(16))),
    "proxy.decrypt": activated(
        lambda client, uid: client.proxy.decrypt(
            client.encrypt(DATA, uid, CBC, bytes(16))[0], uid, parameters(CBC), bytes(16)
        )
    ),
    "proxy.sign": activated(lambda client, uid: client.proxy.sign(DATA, uid, parameters(SIGNING))),
    "proxy.signature_verify": activated(
        lambda client, uid: client.proxy.signature_verify(DATA, bytes(128), uid, parameters(SIGNING))
    ),
    "proxy.mac": activated(
        lambda client, uid: client.proxy.mac(DATA, uid, parameters({"cryptographic_algorithm": ALGORITHM.HMAC_SHA256}))
    ),
    "proxy.derive_key": lambda client, uid: client.proxy.derive_key(
        enums.ObjectType.SYMMETRIC_KEY, [uid], enums.DerivationMethod.HASH,
        attributes.DerivationParameters(cryptographic_parameters=parameters({"hashing_algorithm": HASH.SHA_256})),
        template(*AES),
    ),
    "proxy.rekey": lambda client, uid: client.proxy.rekey(uid),
    "proxy.rekey_key_pair": lambda client, uid: client.proxy.rekey_key_pair(
        private_key_uuid=attributes.PrivateKeyUniqueIdentifier(uid)
    ),
    "proxy.check": lambda client, uid: client.proxy.check(uid, cryptographic_usage_mask=[MASK.ENCRYPT]),
    "proxy.locate": lambda client, uid: client.proxy.locate(attributes=[attribute("Unique Identifier", uid)]),
}


def proxy_format(form):
    """The format in the class that the proxy unpacks."""
    return misc.KeyFormatType(form)


def created(client, name):
    """A new key and its attributes; its value is random."""
    uid = client.create(ALGORITHM.AES, 256, name=name, cryptographic_usage_mask=[MASK.SIGN])
    return uid, client.get_attributes(uid)


def created_pair(client):
    public, private = client.create_key_pair(
        ALGORITHM.RSA, 1024, public_name="p", public_usage_mask=[MASK.VERIFY], private_name="q",
        private_usage_mask=[MASK.SIGN],
    )
    return public, private, client.get_attributes(public), client.get_attributes(private)


def reopened(client):
    """A request after the client closed its connection."""
    client.close()
    client.open()
    return client.get_attribute_list(client.create(ALGORITHM.AES, 128))


def tagged(tag, *rows):
    """The attributes of a key pair or of one of its keys."""
    return core.TemplateAttribute(attributes=[attribute(*row) for row in rows], tag=tag)


# The calls without an object.
ALONE = {
    "create": lambda client: created(client, "a created key"),
    "create with a policy": lambda client: client.create(ALGORITHM.AES, 128, operation_policy_name="default"),
    "create with an unknown policy": lambda client: client.create(ALGORITHM.AES, 128, operation_policy_name="none"),
    "create without name": lambda client: client.create(ALGORITHM.AES, 128),
    "create of a wrong length": lambda client: client.create(ALGORITHM.AES, 100),
    "create of a wrong algorithm": lambda client: client.create(ALGORITHM.RSA, 1024),
    "create_key_pair": created_pair,
    "create_key_pair of a wrong algorithm": lambda client: client.create_key_pair(ALGORITHM.AES, 128),
    "locate by a name that does not exist": lambda client: client.locate(attributes=[attribute("Name", "no such name")]),
    "locate with a maximum": lambda client: len(client.locate(maximum_items=1)),
    "locate with an offset": lambda client: client.locate(offset_items=100_000, maximum_items=1),
    "locate of archived objects": lambda client: client.locate(
        storage_status_mask=2, attributes=[attribute("Name", "no such name")]
    ),
    "locate of fresh members": lambda client: client.locate(
        object_group_member=enums.ObjectGroupMember.GROUP_MEMBER_FRESH, attributes=[attribute("Name", "no such name")]
    ),
    "open and close": reopened,
    "get without identifier": lambda client: client.proxy.get(),
    "proxy.create": lambda client: client.proxy.create(enums.ObjectType.SYMMETRIC_KEY, template(*AES)),
    "proxy.create of secret data": lambda client: client.proxy.create(enums.ObjectType.SECRET_DATA, template(*AES)),
    "proxy.create without attributes": lambda client: client.proxy.create(enums.ObjectType.SYMMETRIC_KEY, template()),
    "proxy.create_key_pair": lambda client: client.proxy.create_key_pair(
        common_template_attribute=tagged(enums.Tags.COMMON_TEMPLATE_ATTRIBUTE, *RSA),
        private_key_template_attribute=tagged(
            enums.Tags.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, ("Cryptographic Usage Mask", [MASK.SIGN])
        ),
        public_key_template_attribute=tagged(
            enums.Tags.PUBLIC_KEY_TEMPLATE_ATTRIBUTE, ("Cryptographic Usage Mask", [MASK.VERIFY])
        ),
    ),
    "proxy.register": lambda client: client.proxy.register(
        enums.ObjectType.SECRET_DATA,
        template(("Cryptographic Usage Mask", [MASK.DERIVE_KEY])),
        SecretFactory().create(
            enums.ObjectType.SECRET_DATA,
            {
                "key_format_type": enums.KeyFormatType.OPAQUE,
                "key_value": b"a secret",
                "secret_data_type": enums.SecretDataType.PASSWORD,
            },
        ),
    ),
    "proxy.discover_versions": lambda client: client.proxy.discover_versions(),
    "proxy.discover_versions of one": lambda client: client.proxy.discover_versions(
        protocol_versions=[contents.ProtocolVersion(1, 2)]
    ),
    "proxy.query in a batch": lambda client: client.proxy.query(batch=True, query_functions=[]),
    "proxy.is_profile_supported": lambda client: [
        client.proxy.is_conformance_clause_supported(clause)
        and client.proxy.is_profile_supported(clause, enums.AuthenticationSuite.BASIC)
        for clause in client.proxy.get_supported_conformance_clauses()
    ],
    "proxy.is_authentication_suite_supported": lambda client: [
        client.proxy.is_authentication_suite_supported(suite)
        for suite in client.proxy.get_supported_authentication_suites()
    ],
}




def query(function):
    return lambda client: client.proxy.query(query_functions=[function])


ALONE.update({f"proxy.query {function.name}": query(function) for function in enums.QueryFunction})

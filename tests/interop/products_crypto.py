"""Products: every algorithm, mode and padding in every operation that computes, and in every request that makes a key."""

import functools
from dataclasses import replace

import message as m
import things
import ttlv
from cases_crypto import ALGORITHM, HASH, IV, METHOD, MODE, PAD, SIGNATURE, TEXT, cipher, derive, mac, parameters, signed
from kmip.core import enums
from kmip.services.server.crypto.engine import CryptographyEngine
from product import Product
from products_objects import EVERY_USE, KINDS

OPERATION = enums.Operation
NONE = "none"


def names(kind, *more):
    return (*more, *(value.name for value in kind))


ALGORITHMS = names(ALGORITHM)
MODES, PADDINGS, HASHES = names(MODE, NONE), names(PAD, NONE), names(HASH, NONE)
# The ciphers that PyKMIP knows: the bits of a usual key, and the bytes of a block.
CIPHERS = {
    "AES": (128, 16), "TRIPLE_DES": (192, 8), "BLOWFISH": (128, 8), "CAMELLIA": (128, 16), "CAST5": (128, 8), "IDEA": (128, 8), "RC4": (128, 0),
}
# The same of the ciphers that PyKMIP does not know: the bytes are those of the IV.
ADDED_CIPHERS = {"DES": (64, 8), "CHACHA20": (256, 16), "CHACHA20_POLY1305": (256, 12)}


def member(kind, value):
    """The member of an enumeration, or None."""
    return None if value == NONE else kind[value]


def given(**values):
    """Cryptographic Parameters with the fields that are not None."""
    return parameters(**{field: value for field, value in values.items() if value is not None})


def size_of(algorithm):
    """Returns the bits of a key and the bytes of a block or an IV."""
    return CIPHERS.get(algorithm) or ADDED_CIPHERS.get(algorithm, (128, 16))


def key_of(algorithm, size=None, *, save="a", more=()):
    """A step that registers a symmetric key of an algorithm."""
    bits = size or size_of(algorithm)[0]
    thing = things.symmetric_key(bytes(range(bits // 8)), algorithm, bits)
    return m.register("SYMMETRIC_KEY", thing, EVERY_USE, *more, save=save)


# --- Encrypt and Decrypt ----------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def ciphertext(algorithm, mode, padding, iv):
    """Returns what PyKMIP's own code encrypts TEXT to, or TEXT where it does not encrypt."""
    bits = CIPHERS.get(algorithm, (128, 0))[0]
    try:
        made = CryptographyEngine().encrypt(
            ALGORITHM[algorithm], bytes(range(bits // 8)), TEXT, cipher_mode=member(MODE, mode), padding_method=member(PAD, padding), iv_nonce=iv)
    except Exception:
        return TEXT
    return made["cipher_text"]


def cipher_cell(operation, algorithm, mode, padding, key, data, iv, version):
    block = size_of(algorithm)[1]
    initial = None if iv == NONE else IV[: block or 16]
    body = TEXT if data == "whole" else TEXT[:21]
    if data == "good":
        body = ciphertext(algorithm, mode, padding, initial)
    random = iv == NONE or padding == "ISO_10126" or algorithm == "RSA"
    asked = given(mode=member(MODE, mode), padding=member(PAD, padding), algorithm=ALGORITHM[algorithm], tag_length=16 if mode == "GCM" else None)
    step = cipher(OPERATION[operation], "$a", asked, body, initial, payload_rule="random" if random else "same")
    return [key_of(algorithm if key == "own" else key), m.activate("$a")], [step]


def cipher_possible(operation, algorithm, mode, padding, key, data, iv, version):
    if data == "good" and operation == "ENCRYPT":
        return False
    if key == algorithm or ((key != "own" or version == (2, 0)) and (data == "part" or iv == NONE)):
        return False
    # What PyKMIP does not know is refused before anything else of these matters.
    return algorithm in CIPHERS or (key == "own" and data == "whole" and iv == "given" and version == (1, 2))


# --- Sign and Signature Verify ----------------------------------------------------------------

RSA_1024 = things.private_bytes("PKCS_1")
SIGNERS = (NONE, "RSA", "DSA", "ECDSA", "EC", "ED25519", "AES", "HMAC_SHA256")


@functools.lru_cache(maxsize=None)
def signature_of(padding, hashing, signature):
    """Returns the signature that PyKMIP's own code makes, or zeros."""
    try:
        return CryptographyEngine().sign(
            member(SIGNATURE, signature), ALGORITHM.RSA, member(HASH, hashing), member(PAD, padding), RSA_1024, TEXT)
    except Exception:
        return bytes(128)


def signature_cell(operation, algorithm, signature, hashing, padding, key, version):
    asked = given(padding=member(PAD, padding), hash=member(HASH, hashing), signature=member(SIGNATURE, signature), algorithm=member(ALGORITHM, algorithm))
    random = padding == "PSS" or signature == "RSASSA_PSS"
    if operation == "SIGN":
        step = signed(OPERATION.SIGN, "$a", asked, payload_rule="random" if random else "same")
    else:
        step = signed(OPERATION.SIGNATURE_VERIFY, "$a", asked, signature=signature_of(padding, hashing, signature))
    kind = {"private": "private-key", "public": "public-key", "symmetric": "symmetric-key"}[key]
    thing = {"private-key": things.private_key("PKCS_1"), "public-key": things.public_key("PKCS_1")}.get(kind, KINDS[kind][1])
    return [m.register(KINDS[kind][0], thing, EVERY_USE, save="a"), m.activate("$a")], [step]


def signature_possible(operation, algorithm, signature, hashing, padding, key, version):
    if key != ("private" if operation == "SIGN" else "public"):
        # The type of the key decides first.
        return hashing in (NONE, "SHA_256") and padding in (NONE, "PKCS1v15") and version == (1, 2)
    if version == (2, 0) and padding not in (NONE, "PKCS1v15", "PSS"):
        return False
    # A signature algorithm determines what the other fields do.
    return signature == NONE or (algorithm in (NONE, "RSA", "ECDSA") and padding in (NONE, "PKCS1v15", "PSS", "OAEP"))


# --- MAC --------------------------------------------------------------------------------------

MAC_KEYS = {
    **{name.lower(): lambda name=name: key_of(name) for name in ("AES", "TRIPLE_DES", "HMAC_SHA256", "RC4", "IDEA", "CAMELLIA", "BLOWFISH", "CAST5")},
    "aes-256": lambda: key_of("AES", 256),
    "hmac-512": lambda: key_of("HMAC_SHA512", 512),
    "secret-data": lambda: m.register("SECRET_DATA", things.secret_data(), EVERY_USE, save="a"),
    "public-key": lambda: m.register("PUBLIC_KEY", things.public_key(), EVERY_USE, save="a"),
    "split-key": lambda: m.register("SPLIT_KEY", things.split_key(), EVERY_USE, save="a"),
    "certificate": lambda: m.register("CERTIFICATE", things.certificate(), EVERY_USE, save="a"),
}


def mac_cell(algorithm, key, hashing, data, version):
    asked = given(hash=member(HASH, hashing), algorithm=member(ALGORITHM, algorithm))
    if algorithm == NONE and hashing == NONE:
        asked = None
    return [MAC_KEYS[key](), m.activate("$a")], [mac("$a", asked, TEXT if data == "some" else b"")]


# --- Derive Key -------------------------------------------------------------------------------

EXTRAS = {
    "iv": ttlv.data("INITIALIZATION_VECTOR", IV),
    "data": ttlv.data("DERIVATION_DATA", TEXT),
    "salt": ttlv.data("SALT", b"a salt"),
    "rounds": ttlv.number("ITERATION_COUNT", 10),
}
# Which of the derivation parameters are present.
PRESENT = ("data", "salt", "data+salt", "salt+rounds", "data+salt+rounds", "iv+data", NONE)
LENGTHS = {"128": 128, "2048": 2048}


def derive_cell(method, hashing, present, length, kind, version):
    extra = [] if present == NONE else [EXTRAS[part] for part in EXTRAS if part in present.split("+")]
    attributes = (m.length(LENGTHS[length]), EVERY_USE) if kind == "SECRET_DATA" else (m.algorithm("AES"), m.length(LENGTHS[length]), EVERY_USE)
    step = derive("$a", method=METHOD[method], kind=kind, given=given(hash=member(HASH, hashing)), extra=extra, attributes=attributes)
    return [key_of("AES")], named_apart(step, method, hashing, present, length, kind)


def named_apart(step, *labels, payload_rule="same"):
    """The step and a Get of what it derives, under a name of its own: a later cell must not find an earlier object."""
    name = "-".join(labels)
    return [replace(step, save=[name]), m.get(f"${name}", payload_rule=payload_rule)]


def derive_cipher_cell(algorithm, mode, padding, iv, version):
    block = size_of(algorithm)[1]
    asked = given(mode=member(MODE, mode), padding=member(PAD, padding), algorithm=ALGORITHM[algorithm])
    extra = ([] if iv == NONE else [ttlv.data("INITIALIZATION_VECTOR", IV[: block or 16])]) + [EXTRAS["data"]]
    step = derive("$a", method=METHOD.ENCRYPT, given=asked, extra=extra, attributes=(m.length(128), EVERY_USE))
    random = iv == NONE or padding == "ISO_10126"
    return [key_of(algorithm)], named_apart(step, algorithm, mode, padding, iv, payload_rule="random" if random else "same")


def derive_cipher_possible(algorithm, mode, padding, iv, version):
    if algorithm in CIPHERS:
        return version == (1, 2) or iv == "given"
    return version == (1, 2) and iv == "given"


# --- wrapping ---------------------------------------------------------------------------------

TARGETS = {**KINDS, "sensitive": KINDS["symmetric-key"]}
ENCODINGS = {NONE: None, "no-encoding": 1, "ttlv": 2}


def wrap_cell(method, mode, encoding, padding, wrapper, target, version):
    information = ttlv.group(
        "ENCRYPTION_KEY_INFORMATION",
        ttlv.text("UNIQUE_IDENTIFIER", "$a"),
        None if mode == NONE and padding == NONE else given(mode=member(MODE, mode), padding=member(PAD, padding)),
    )
    asked = things.wrapping_specification(method=enums.WrappingMethod[method].value, encryption=information, encoding=ENCODINGS[encoding])
    object_type, thing = TARGETS[target]
    more = (m.sensitive(),) if target == "sensitive" and version >= (1, 4) else ()
    mask = () if target == "opaque-object" else (EVERY_USE,)
    wrap = key_of("AES", 256) if wrapper == "AES-256" else key_of(wrapper)
    return [m.register(object_type, thing, *mask, *more, save="t"), wrap, m.activate("$a")], [m.get("$t", wrapping=asked)]


def wrap_possible(method, mode, encoding, padding, wrapper, target, version):
    if method == "ENCRYPT" and encoding == "no-encoding":
        return padding in (NONE, "PKCS5") or wrapper == "AES"
    return padding == NONE and wrapper == "AES" and version == (1, 2)


# --- Create, Create Key Pair and Register -----------------------------------------------------

SIZES = tuple(sorted({8, 40, 56, 64, 100, 112, 128, 160, 168, 192, 224, 256, 384, 448, 512, 1024}))


def create_cell(algorithm, length, kind, version):
    step = m.create(m.algorithm(algorithm), m.length(length), EVERY_USE, kind=kind, save="a")
    return [], [step, m.get("$a")]


def create_possible(algorithm, length, kind, version):
    return kind == "SYMMETRIC_KEY" or version == (1, 2)


READ_OF_PAIR = ("Object Type", "Cryptographic Algorithm", "Cryptographic Length", "Cryptographic Usage Mask", "State")
PAIR_SIZES = (0, 160, 192, 224, 255, 256, 384, 512, 521, 768, 1000, 1024, 2048)


def pair_cell(algorithm, length, version):
    step = m.create_key_pair(
        (m.algorithm(algorithm), m.length(length)), (m.usage("VERIFY"),), (m.usage("SIGN"),), save=("a", "b"))
    return [], [step, *[m.get_attributes(made, *READ_OF_PAIR) for made in ("$a", "$b")]]


def pair_possible(algorithm, length, version):
    # A key of 2048 bits takes a debug build seconds.
    return length != 2048 or version in ((1, 2), (2, 0))


FORMATS = names(enums.KeyFormatType, NONE)
# Algorithms that are of interest in every version.
USUAL = (NONE, "AES", "RSA", "ECDSA", "HMAC_SHA256")


def register_cell(kind, algorithm, format, length, version):
    form = None if format == NONE else format
    material = {
        "public-key": things.public_bytes(format), "private-key": things.private_bytes(format), "secret-data": b"a secret value 16"[:16],
    }.get(kind, bytes(range(16)))
    bits = {"public-key": 1024, "private-key": 1024}.get(kind, 128)
    bits = {"right": bits, "wrong": bits + 64, NONE: None}[length]
    block = things.key_block(form, material, None if algorithm == NONE else algorithm, bits)
    if kind == "secret-data":
        thing = ttlv.group("SECRET_DATA", ttlv.choice("SECRET_DATA_TYPE", 1), block)
    elif kind == "split-key":
        thing = ttlv.group(
            "SPLIT_KEY", ttlv.number("SPLIT_KEY_PARTS", 4), ttlv.number("KEY_PART_IDENTIFIER", 1), ttlv.number("SPLIT_KEY_THRESHOLD", 2),
            ttlv.choice("SPLIT_KEY_METHOD", 1), block)
    else:
        thing = ttlv.group(KINDS[kind][0], block)
    return [], [m.register(KINDS[kind][0], thing, EVERY_USE, save="a"), m.get("$a")]


def register_possible(kind, algorithm, format, length, version):
    if algorithm in USUAL:
        return length == "right" or version == (1, 2)
    return version == (1, 2) and length == "right"


KEYS = ("symmetric-key", "public-key", "private-key", "split-key", "secret-data")

PRODUCTS = (
    Product(
        "cipher",
        {
            "operation": ("ENCRYPT", "DECRYPT"),
            "algorithm": ALGORITHMS,
            "mode": MODES,
            "padding": PADDINGS,
            "key": ("own", "AES"),
            "data": ("whole", "part", "good"),
            "iv": ("given", NONE),
            "version": ((1, 2), (2, 0)),
        },
        cipher_cell,
        shared=("operation", "algorithm", "key", "version"),
        possible=cipher_possible,
    ),
    Product(
        "signature",
        {
            "operation": ("SIGN", "SIGNATURE_VERIFY"),
            "algorithm": SIGNERS,
            "signature": names(SIGNATURE, NONE),
            "hashing": HASHES,
            "padding": PADDINGS,
            "key": ("private", "public", "symmetric"),
            "version": ((1, 2), (2, 0)),
        },
        signature_cell,
        shared=("operation", "key", "version"),
        possible=signature_possible,
    ),
    Product(
        "mac",
        {
            "algorithm": (NONE, *ALGORITHMS),
            "key": tuple(MAC_KEYS),
            "hashing": (NONE, "SHA_256"),
            "data": ("some", NONE),
            "version": ((1, 2), (2, 0)),
        },
        mac_cell,
        shared=("key", "version"),
    ),
    Product(
        "derive",
        {
            "method": names(METHOD),
            "hashing": HASHES,
            "present": PRESENT,
            "length": tuple(LENGTHS),
            "kind": ("SECRET_DATA", "SYMMETRIC_KEY"),
            "version": ((1, 0), (1, 2), (2, 0)),
        },
        derive_cell,
        shared=("version",),
        possible=lambda kind, version, **others: kind == "SECRET_DATA" or version == (1, 2),
    ),
    Product(
        "derive-cipher",
        {
            "algorithm": ALGORITHMS,
            "mode": MODES,
            "padding": PADDINGS,
            "iv": ("given", NONE),
            "version": ((1, 2), (2, 0)),
        },
        derive_cipher_cell,
        shared=("algorithm", "version"),
        possible=derive_cipher_possible,
    ),
    Product(
        "wrap",
        {
            "method": names(enums.WrappingMethod),
            "mode": MODES,
            "encoding": tuple(ENCODINGS),
            "padding": PADDINGS,
            "wrapper": ("AES", "AES-256", "TRIPLE_DES", "CAMELLIA"),
            "target": tuple(TARGETS),
            "version": ((1, 2), (1, 4), (2, 0)),
        },
        wrap_cell,
        shared=("wrapper", "target", "version"),
        possible=wrap_possible,
    ),
    Product(
        "create",
        {
            "algorithm": ALGORITHMS,
            "length": SIZES,
            "kind": ("SYMMETRIC_KEY", "SECRET_DATA"),
            "version": ((1, 0), (1, 2), (2, 0)),
        },
        create_cell,
        possible=create_possible,
    ),
    Product("create-key-pair", {"algorithm": ALGORITHMS, "length": PAIR_SIZES, "version": ((1, 0), (1, 2), (2, 0))}, pair_cell, possible=pair_possible),
    Product(
        "register",
        {"kind": KEYS, "algorithm": (NONE, *ALGORITHMS), "format": FORMATS, "length": ("right", "wrong", NONE), "version": ((1, 0), (1, 2), (2, 0))},
        register_cell,
        possible=register_possible,
    ),
)

"""The shapes of certificates that clients have, with the decision of this server and of PyKMIP's on each.

A row has a name, the decision, and a function that makes the client's certificate with a `Maker`. If the decisions
differ, it is `Differs(here, with_pykmip, reason, more)`; `more` are decisions of this server that depend on how the client
connects. PyKMIP's server runs at OpenSSL's security level 0.
"""

import collections

from certificates import (
    AUTHORITY,
    BMP,
    CLIENT,
    COMMON_NAME,
    EMAIL,
    IA5,
    NUMERIC,
    ORGANIZATION,
    PRINTABLE,
    T61,
    UNIVERSAL,
    Certificate,
    alternative_names,
    attribute,
    authority_key,
    basic_constraints,
    common_name,
    constraints,
    der,
    directory,
    dns,
    email,
    extension,
    generalized,
    in_days,
    integer,
    ip,
    key_usage,
    name,
    netscape_type,
    new_key,
    oid,
    registered,
    subject_key,
    uri,
    usage,
    utc,
)

IN, OUT = "accepted", "refused"

Differs = collections.namedtuple("Differs", "here with_pykmip reason more", defaults=[{}])
Row = collections.namedtuple("Row", "name decision make")


class Maker:
    """Makes the certificates of one shape. Roots are added to the trusted ones."""

    def __init__(self, number):
        self.number = number
        self.trusted = []
        # What the client sends above its own certificate; None: all of its chain below the root.
        self.sent = None

    def root(self, trusted=True, extensions=AUTHORITY, text=None, **options):
        made = Certificate(common_name(text or f"Root of shape {self.number}"), extensions=extensions, **options)
        if trusted:
            self.trusted.append(made)
        return made

    def authority(self, by=None, text="Authority", extensions=AUTHORITY, **options):
        return Certificate(common_name(f"{text} of shape {self.number}"), by or self.root(), extensions=extensions, **options)

    def client(self, by=None, subject=None, extensions=CLIENT, **options):
        return Certificate(subject or common_name(f"client {self.number}"), by or self.root(), extensions=extensions, **options)

    def below(self, *extensions, **options):
        """A client below an authority with more extensions."""
        return self.client(self.authority(extensions=AUTHORITY + extensions, **options))

    def chain(self, length):
        link = self.root()
        for number in range(length):
            link = self.authority(link, text=f"Authority {number}")
        return self.client(link)

    def sending(self, client, *sent):
        self.sent = list(sent)
        return client

    def trusting(self, client, *trusted):
        self.trusted = list(trusted)
        return client


def reversed_chain(make):
    client = make.chain(3)
    return make.sending(client, *reversed(client.above()))


def with_root(make):
    root = make.root()
    middle = make.authority(root)
    return make.sending(make.client(middle), middle, root)


def with_strangers(make, count):
    client = make.chain(1)
    strangers = [make.root(trusted=False, text=f"Stranger {number}") for number in range(count)]
    return make.sending(client, *strangers, *client.above())


def same_name(make, trusted_second):
    wrong = make.root(trusted=True)
    right = make.root(trusted=trusted_second)
    return make.client(right) if wrong else None


def two_intermediates(make, identifiers):
    root = make.root()

    def middle(identifier):
        more = (subject_key(identifier),) if identifiers else ()
        return make.authority(root, extensions=AUTHORITY + more)

    one, other = middle(b"one"), middle(b"other")
    more = (authority_key(b"other"),) if identifiers else ()
    return make.sending(make.client(other, extensions=CLIENT + more), one, other)


def cross_signed(make):
    root, unknown = make.root(), make.root(trusted=False, text="Unknown")
    middle = make.authority(root)
    other = Certificate(middle.subject, unknown, key=middle.key, extensions=AUTHORITY)
    return make.sending(make.client(middle), other, middle)


def pinned(make, **options):
    client = make.client(make.root(trusted=False), **options)
    return make.trusting(client, client)


def self_signed(make, trusted, **options):
    client = Certificate(common_name(f"client {make.number}"), **options)
    return make.trusting(client, *([client] if trusted else []))


def partial(make, with_root):
    root = make.root(trusted=False)
    middle = make.authority(root)
    client = make.sending(make.client(middle))
    return make.trusting(client, *([middle, root] if with_root else [middle]))


def trusted_authority_of_bad_root(make):
    root = make.root(end=in_days(-1), begin=in_days(-9))
    middle = make.authority(root)
    make.trusted.append(middle)
    return make.sending(make.client(middle))


def rollover(make):
    root = make.root(extensions=(basic_constraints(True, 0),))
    new = Certificate(root.subject, root, extensions=(basic_constraints(True, 0),))
    return make.client(new)


def key_identifiers(make, ours, theirs):
    root = make.root(extensions=AUTHORITY + (subject_key(ours),))
    return make.client(root, extensions=CLIENT + (authority_key(theirs),))


def named(make, *parts):
    """A client with more parts in its subject."""
    return name(attribute(COMMON_NAME, f"client {make.number}"), *parts)


def organization(text):
    return name(attribute(ORGANIZATION, text))


def from_issuer(make, issuer, text=None):
    """A client whose issuer field is written in another way than the subject of the root."""
    return make.client(make.root(text=text), issuer=issuer)


def ns(make, limits, subject=None, names=None, on_root=False):
    """A client with these names below an authority with name constraints."""
    if on_root:
        authority = make.root(extensions=AUTHORITY + (limits,))
    else:
        authority = make.authority(extensions=AUTHORITY + (limits,))
    more = (alternative_names(*names),) if names else ()
    return make.client(authority, subject=subject, extensions=CLIENT + more)


def middle_outside(make):
    limits = constraints([directory(organization("Org"))])
    top = make.authority(extensions=AUTHORITY + (limits,))
    middle = Certificate(common_name("outside"), top, extensions=AUTHORITY)
    return make.client(middle, subject=name(attribute(ORGANIZATION, "Org"), attribute(COMMON_NAME, "c")))


UNKNOWN = "1.3.6.1.4.1.99999.1"
POLICY = "2.5.29.32"
POLICIES = {
    "policyConstraints": ("2.5.29.36", der(0x30, der(0x81, b"\0"))),
    "policyConstraints that require a policy": ("2.5.29.36", der(0x30, der(0x80, b"\0"))),
    "inhibitAnyPolicy": ("2.5.29.54", integer(0)),
    "certificatePolicies": (POLICY, der(0x30, der(0x30, oid("1.3.6.1.4.1.99999.2")))),
    "policyMappings": ("2.5.29.33", der(0x30, der(0x30, oid("1.3.6.1.4.1.99999.2"), oid("1.3.6.1.4.1.99999.3")))),
    "cRLDistributionPoints": ("2.5.29.31", der(0x30, der(0x30, der(0xA0, der(0xA0, uri("http://localhost/crl")))))),
}

FIRST_ONLY = "OpenSSL tries the first certificate with the issuer's name; here, each one is tried"
# If OpenSSL serves the client, it passes on only the chain that it found.
FIRST_SENT = Differs("accepted", "refused", FIRST_ONLY, {"OpenSSL": "refused"})
# TLS 1.3 has no signatures on these curves (RFC 8446 §4.2.3).
OLD_CURVE = "OpenSSL accepts only keys on curves on which it also exchanges keys"
PINNED = "a certificate in ca_path is trusted without the certificates above it"
IDENTIFIER = "key identifiers help to find an issuer; the signature decides"
FORGEABLE = "collisions of MD5 and SHA-1 forge such certificates"
NO_ALGORITHM = "rustls and the packages in use have no such algorithm"

SHAPES = [
    # Chains.
    Row("below a root", IN, lambda m: m.client()),
    Row("below an intermediate", IN, lambda m: m.chain(1)),
    Row("below two intermediates", IN, lambda m: m.chain(2)),
    Row("below twelve intermediates", IN, lambda m: m.chain(12)),
    Row("below thirteen intermediates", Differs(OUT, IN, "a chain has a bounded length"), lambda m: m.chain(13)),
    Row("chain sent in reverse order", IN, reversed_chain),
    Row("chain sent with its root", IN, with_root),
    Row("chain sent behind another certificate", IN, lambda m: with_strangers(m, 1)),
    Row("chain sent behind 40 other certificates", IN, lambda m: with_strangers(m, 40)),
    Row("intermediate not sent", OUT, lambda m: m.sending(m.chain(1))),
    Row("unknown root", OUT, lambda m: m.client(m.root(trusted=False))),
    Row("root of a trusted name with another key", OUT, lambda m: same_name(m, False)),
    Row("second of two roots with one name", Differs(IN, OUT, FIRST_ONLY), lambda m: same_name(m, True)),
    Row("second of two intermediates with one name", FIRST_SENT, lambda m: two_intermediates(m, False)),
    Row("two intermediates with one name and key identifiers", IN, lambda m: two_intermediates(m, True)),
    Row("other key identifier", Differs(IN, OUT, IDENTIFIER), lambda m: key_identifiers(m, b"a", b"b")),
    Row("same key identifier", IN, lambda m: key_identifiers(m, b"a", b"a")),
    Row("cross-signed intermediate", FIRST_SENT, cross_signed),
    Row("key rollover below a path length of 0", Differs(IN, OUT, FIRST_ONLY), rollover),
    Row("below a client", OUT, lambda m: m.client(m.client())),
    Row("self-signed", OUT, lambda m: self_signed(m, False, extensions=CLIENT)),
    Row("self-signed and trusted", IN, lambda m: self_signed(m, True, extensions=CLIENT)),
    Row("self-signed and trusted, for servers", OUT, lambda m: self_signed(m, True, extensions=(usage("server"),))),
    Row("self-signed authority, trusted", IN, lambda m: self_signed(m, True, extensions=AUTHORITY + CLIENT)),
    Row("trusted itself", Differs(IN, OUT, PINNED), pinned),
    Row("trusted itself and expired", OUT, lambda m: pinned(m, begin=in_days(-9), end=in_days(-1))),
    Row("below a trusted intermediate only", Differs(IN, OUT, PINNED), lambda m: partial(m, False)),
    Row("below a trusted intermediate and root", IN, lambda m: partial(m, True)),
    Row("below a trusted intermediate of an expired root", OUT, trusted_authority_of_bad_root),
    # Authorities.
    Row("CA as client", IN, lambda m: m.client(extensions=CLIENT + AUTHORITY)),
    Row("CA as client below an intermediate", IN, lambda m: m.client(m.authority(), extensions=CLIENT + AUTHORITY)),
    Row("CA with path length 0 as client", IN, lambda m: m.client(extensions=CLIENT + (basic_constraints(True, 0),))),
    Row("path length without CA", Differs(IN, OUT, "PyKMIP cannot read it; without a CA, the path length has no meaning"), lambda m: m.client(extensions=CLIENT + (basic_constraints(False, 0),))),
    Row("intermediate with certificate signatures", IN, lambda m: m.below(key_usage(0x06))),
    Row("intermediate without certificate signatures", OUT, lambda m: m.below(key_usage(0x82))),
    Row("intermediate without basic constraints", OUT, lambda m: m.client(m.authority(extensions=()))),
    Row("intermediate by its key usage only", OUT, lambda m: m.client(m.authority(extensions=(key_usage(0x04),)))),
    Row("intermediate by Netscape's type only", OUT, lambda m: m.client(m.authority(extensions=(netscape_type(0x04),)))),
    Row("intermediate by another type of Netscape", OUT, lambda m: m.client(m.authority(extensions=(netscape_type(0x01),)))),
    Row("intermediate that is no CA", OUT, lambda m: m.client(m.authority(extensions=(basic_constraints(False), key_usage(0x04))))),
    Row("basic constraints that are not critical", IN, lambda m: m.client(m.authority(extensions=(basic_constraints(True, critical=False),)))),
    Row("root without certificate signatures", OUT, lambda m: m.client(m.root(extensions=AUTHORITY + (key_usage(0x82),)))),
    Row("root by its key usage only", IN, lambda m: m.client(m.root(extensions=(key_usage(0x04),)))),
    Row("root by Netscape's type only", IN, lambda m: m.client(m.root(extensions=(netscape_type(0x04),)))),
    Row("root by another type of Netscape", OUT, lambda m: m.client(m.root(extensions=(netscape_type(0x01),)))),
    Row("root without extensions", OUT, lambda m: m.client(m.root(extensions=()))),
    Row("root of version 1", IN, lambda m: m.client(m.root(extensions=(), version=1))),
    Row("intermediate of version 1", OUT, lambda m: m.client(m.authority(extensions=(), version=1))),
    Row("client of version 1", OUT, lambda m: m.client(extensions=(), version=1)),
    Row("path length 0 of the root", IN, lambda m: m.client(m.root(extensions=(basic_constraints(True, 0),)))),
    Row("path length 0 above an intermediate", OUT, lambda m: m.client(m.authority(m.root(extensions=(basic_constraints(True, 0),))))),
    Row("path length 1 above an intermediate", IN, lambda m: m.client(m.authority(m.root(extensions=(basic_constraints(True, 1),))))),
    # Usages.
    Row("no extended key usage", OUT, lambda m: m.client(extensions=())),
    Row("for servers", OUT, lambda m: m.client(extensions=(usage("server"),))),
    Row("for servers and clients", IN, lambda m: m.client(extensions=(usage("server", "client"),))),
    Row("for any purpose", OUT, lambda m: m.client(extensions=(usage("any"),))),
    Row("for any purpose and clients", IN, lambda m: m.client(extensions=(usage("any", "client"),))),
    Row("for clients, critical", IN, lambda m: m.client(extensions=(usage("client", critical=True),))),
    Row("intermediate for servers", OUT, lambda m: m.below(usage("server"))),
    Row("intermediate for clients", IN, lambda m: m.below(usage("client"))),
    Row("root for servers", OUT, lambda m: m.client(m.root(extensions=AUTHORITY + (usage("server"),)))),
    Row("root for servers and clients", IN, lambda m: m.client(m.root(extensions=AUTHORITY + (usage("server", "client"),)))),
    Row("digital signatures", IN, lambda m: m.client(extensions=CLIENT + (key_usage(0x80),))),
    Row("key agreement", IN, lambda m: m.client(extensions=CLIENT + (key_usage(0x08),))),
    Row("key encipherment only", OUT, lambda m: m.client(extensions=CLIENT + (key_usage(0x20),))),
    Row("Netscape's type for clients", IN, lambda m: m.client(extensions=CLIENT + (netscape_type(0x80),))),
    Row("Netscape's type for servers", OUT, lambda m: m.client(extensions=CLIENT + (netscape_type(0x40),))),
    # Extensions.
    Row("unknown extension", IN, lambda m: m.client(extensions=CLIENT + (extension(UNKNOWN, der(5)),))),
    Row("unknown critical extension", OUT, lambda m: m.client(extensions=CLIENT + (extension(UNKNOWN, der(5), True),))),
    Row("unknown critical extension of an intermediate", OUT, lambda m: m.below(extension(UNKNOWN, der(5), True))),
    Row("unknown critical extension of the root", OUT, lambda m: m.client(m.root(extensions=AUTHORITY + (extension(UNKNOWN, der(5), True),)))),
    Row("critical alternative name", IN, lambda m: m.client(extensions=CLIENT + (alternative_names(email("a@example.com"), critical=True),))),
    Row("critical issuer's alternative name", OUT, lambda m: m.client(extensions=CLIENT + (extension("2.5.29.18", der(0x30, email("a@b.c")), True),))),
    Row("critical key identifier", OUT, lambda m: m.client(extensions=CLIENT + (extension("2.5.29.14", der(4, b"a"), True),))),
    *[Row(f"critical {kind} of an intermediate", IN, lambda m, it=it: m.below(extension(*it, True))) for kind, it in POLICIES.items()],
    Row("critical certificatePolicies of a client", IN, lambda m: m.client(extensions=CLIENT + (extension(*POLICIES["certificatePolicies"], True),))),
    # Name constraints.
    Row("directory name inside", IN, lambda m: ns(m, constraints([directory(organization("Org"))]), name(attribute(ORGANIZATION, "ORG"), attribute(COMMON_NAME, "c")))),
    Row("directory name outside", OUT, lambda m: ns(m, constraints([directory(organization("Org"))]))),
    Row("directory name excluded", OUT, lambda m: ns(m, constraints((), [directory(organization("Org"))]), name(attribute(ORGANIZATION, "Org"), attribute(COMMON_NAME, "c")))),
    Row("directory name of an intermediate outside", OUT, middle_outside),
    Row("e-mail address inside", IN, lambda m: ns(m, constraints([email("example.com")]), names=[email("a@example.com")])),
    Row("e-mail address outside", OUT, lambda m: ns(m, constraints([email("example.com")]), names=[email("a@example.org")])),
    Row("e-mail address in a subdomain", IN, lambda m: ns(m, constraints([email(".example.com")]), names=[email("a@b.example.com")])),
    Row("e-mail address without host", OUT, lambda m: ns(m, constraints([email("example.com")]), names=[email("a")])),
    Row("e-mail address of the subject inside", IN, lambda m: ns(m, constraints([email("example.com")]), named(m, attribute(EMAIL, "a@example.com", IA5)))),
    Row("e-mail address of the subject outside", OUT, lambda m: ns(m, constraints([email("example.com")]), named(m, attribute(EMAIL, "a@example.org", IA5)))),
    Row(
        "e-mail address of the subject in another string type",
        Differs(IN, OUT, "OpenSSL compares addresses of the type IA5String only"),
        lambda m: ns(m, constraints([email("example.com")]), named(m, attribute(EMAIL, "a@example.com"))),
    ),
    Row("URI inside", IN, lambda m: ns(m, constraints([uri(".example.com")]), names=[uri("https://a.example.com/x")])),
    Row("URI outside", OUT, lambda m: ns(m, constraints([uri(".example.com")]), names=[uri("https://a.example.org/x")])),
    Row("URI without host", OUT, lambda m: ns(m, constraints([uri(".example.com")]), names=[uri("urn:uuid:1")])),
    Row("address inside", IN, lambda m: ns(m, constraints([ip([10, 0, 0, 0, 255, 0, 0, 0])]), names=[ip([10, 1, 2, 3])])),
    Row("address outside", OUT, lambda m: ns(m, constraints([ip([10, 0, 0, 0, 255, 0, 0, 0])]), names=[ip([11, 1, 2, 3])])),
    Row("host inside", IN, lambda m: ns(m, constraints([dns("example.com")]), names=[dns("a.example.com")])),
    Row("host outside", OUT, lambda m: ns(m, constraints([dns("example.com")]), names=[dns("a.example.org")])),
    Row("host excluded", OUT, lambda m: ns(m, constraints((), [dns("example.com")]), names=[dns("a.example.com")])),
    Row("no host", IN, lambda m: ns(m, constraints([dns("example.com")]), common_name("John Doe"))),
    Row("common name like a host outside", OUT, lambda m: ns(m, constraints([dns("example.com")]), common_name("john.doe"))),
    Row("common name like a host inside", IN, lambda m: ns(m, constraints([dns("example.com")]), common_name("john.example.com"))),
    Row("constraints that are not critical", OUT, lambda m: ns(m, constraints([dns("example.com")], critical=False), names=[dns("a.example.org")])),
    Row("constraints of the root", OUT, lambda m: ns(m, constraints([dns("example.com")]), names=[dns("a.example.org")], on_root=True)),
    Row("constraints of an unknown kind", OUT, lambda m: ns(m, constraints([registered("1.2.3")]), names=[registered("1.2.3")])),
    Row("constraints of an unknown kind, no such name", IN, lambda m: ns(m, constraints([registered("1.2.3")]))),
    Row("constraints with a minimum", OUT, lambda m: ns(m, constraints([dns("example.com") + der(0x80, b"\1")]), names=[dns("example.com")])),
    # Names.
    *[
        Row(f"common name of string type {kind}", IN, lambda m, kind=kind: m.client(subject=common_name("John Doe", kind)))
        for kind in (PRINTABLE, IA5, BMP, UNIVERSAL, T61)
    ],
    Row("common name of string type 18", IN, lambda m: m.client(subject=common_name("12345", NUMERIC))),
    Row(
        "common name of T.61 with a letter beyond ASCII",
        Differs(IN, OUT, "PyKMIP decodes T.61 as UTF-8; here it is Latin-1, as is common"),
        lambda m: m.client(subject=common_name("J\xf6rg", T61)),
    ),
    Row("two common names", OUT, lambda m: m.client(subject=named(m, attribute(COMMON_NAME, "b")))),
    Row("no common name", OUT, lambda m: m.client(subject=organization("Org"))),
    Row("empty subject", OUT, lambda m: m.client(subject=name())),
    Row("several attributes in one part", IN, lambda m: m.client(subject=name(attribute(COMMON_NAME, "c") + attribute(ORGANIZATION, "O")))),
    Row("issuer in another string type", IN, lambda m: from_issuer(m, common_name("Root of printable", PRINTABLE), "Root of printable")),
    Row("issuer in other case and spaces", IN, lambda m: from_issuer(m, common_name(" ROOT  of case"), "Root of Case")),
    Row("issuer with another name", OUT, lambda m: from_issuer(m, common_name("Rootofnothing"), "Root of nothing")),
    # Dates.
    Row("expired", OUT, lambda m: m.client(begin=in_days(-9), end=in_days(-1))),
    Row("not yet valid", OUT, lambda m: m.client(begin=in_days(1))),
    Row("expired intermediate", OUT, lambda m: m.below(begin=in_days(-9), end=in_days(-1))),
    Row("expired root", OUT, lambda m: m.client(m.root(begin=in_days(-9), end=in_days(-1)))),
    Row("valid since 1950", IN, lambda m: m.client(begin=utc("500101000000Z"))),
    Row("root valid since 1950", IN, lambda m: m.client(m.root(begin=utc("500101000000Z")))),
    Row("valid until 9999", IN, lambda m: m.client(end=generalized("99991231235959Z"))),
    Row("GeneralizedTime before 2050", IN, lambda m: m.client(begin=generalized("20200101000000Z"))),
    Row("date without seconds", OUT, lambda m: m.client(begin=utc("2001010000Z"))),
    Row("date that does not exist", OUT, lambda m: m.client(begin=utc("200230000000Z"))),
    # Keys and signatures.
    *[Row(f"key {kind}", IN, lambda m, kind=kind: m.client(key=kind)) for kind in ("P-384", "P-521", "Ed25519", "RSA-1024", "RSA-2048")],
    *[
        Row(f"key {kind}", Differs(IN, OUT, OLD_CURVE, {"OpenSSL": OUT, "TLS 1.3": OUT}), lambda m, kind=kind: m.client(key=kind))
        for kind in ("P-224", "secp256k1")
    ],
    Row("key Ed448", Differs(OUT, IN, NO_ALGORITHM, {"OpenSSL": IN}), lambda m: m.client(key="Ed448")),
    Row("key brainpoolP256r1", OUT, lambda m: m.client(key="brainpool")),
    *[
        Row(f"root with a key {kind}", IN, lambda m, kind=kind: m.client(m.root(key=kind)))
        for kind in ("P-224", "secp256k1", "P-384", "P-521", "Ed25519", "RSA-1024", "RSA-2048")
    ],
    Row("root with a key Ed448", Differs(OUT, IN, NO_ALGORITHM), lambda m: m.client(m.root(key="Ed448"))),
    *[Row(f"signature with RSA and {how}", IN, lambda m, how=how: m.client(m.root(key=m.rsa), how=how)) for how in ("sha224", "sha384", "sha512", "pss")],
    *[Row(f"signature with ECDSA and {how}", IN, lambda m, how=how: m.client(how=how)) for how in ("sha224", "sha384", "sha512")],
    *[Row(f"signature with RSA and {how}", Differs(OUT, IN, FORGEABLE), lambda m, how=how: m.client(m.root(key=m.rsa), how=how)) for how in ("sha1", "md5")],
    Row("signature with ECDSA and sha1", Differs(OUT, IN, FORGEABLE), lambda m: m.client(how="sha1")),
    Row("root signed with SHA-1", IN, lambda m: m.client(m.root(key=m.rsa, how="sha1"))),
    Row("damaged signature", OUT, lambda m: m.client(damage=True)),
    Row("damaged signature of the root", IN, lambda m: m.client(m.root(damage=True))),
    Row("two signature algorithms", OUT, lambda m: m.client(outer=der(0x30, oid("1.2.840.10045.4.3.3")))),
    Row("signed by another key of the name", OUT, lambda m: m.client(signer=new_key())),
    Row("negative serial number", IN, lambda m: m.client(serial=integer(-5))),
    Row("serial number of 30 bytes", IN, lambda m: m.client(serial=integer(1 << 230))),
]

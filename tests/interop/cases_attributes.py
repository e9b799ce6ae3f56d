"""Cases: GetAttributes, GetAttributeList, AddAttribute, ModifyAttribute, SetAttribute, DeleteAttribute.

Leaves to cases_objects.py what concerns whole objects.
"""

import message as m
import ttlv
from case import V1, V2, case
from cases_objects import NOBODY, OBJECTS, registered
from kmip.core import enums

NAMED = m.create(*m.AES_128, m.name("$case", 0), m.in_1x(m.name("second", 1)), save="a")
GROUPED = m.create(
    *m.AES_128, m.object_group("g1", 0), m.in_1x(m.object_group("g2", 1)), m.application("ns", "data", 0), save="a"
)
PLAIN = m.create(save="a")

# Names of the documentation's table, and others that a client may ask for.
ASKED = (
    "Cryptographic Algorithm",
    "Cryptographic Length",
    "Cryptographic Usage Mask",
    "Initial Date",
    "Object Type",
    "Operation Policy Name",
    "State",
    "Unique Identifier",
    "Name",
    "Certificate Type",
    "Sensitive",
    "Digest",
    "Lease Time",
    "Last Change Date",
    "Activation Date",
    "Fresh",
    "Original Creation Date",
)


def get_attribute_rows():
    for kind in OBJECTS:
        yield case(f"get-attributes.all-of-{kind}", f"All attributes of a {kind}", registered(kind), m.get_attributes("$a"))
        yield case(f"get-attribute-list.{kind}", f"Attribute list of a {kind}", registered(kind), m.get_attribute_list("$a"))
        yield case(
            f"get-attributes.inapplicable-of-{kind}",
            f"Certificate Type and State of a {kind}",
            registered(kind),
            m.get_attributes("$a", "Unique Identifier", "Certificate Type", "State"),
        )
    for name in ASKED:
        # The identifier is asked for too: PyKMIP never answers an empty reply in 2.0.
        yield case(
            f"get-attributes.{name.lower().replace(' ', '-')}",
            f"{name} of a key",
            PLAIN,
            m.get_attributes("$a", "Unique Identifier", name),
        )


READ = [
    *get_attribute_rows(),
    case("get-attributes.none-known", "Only attributes that the key has not", PLAIN, m.get_attributes("$a", "Certificate Type")),
    case("get-attributes.unknown", "An attribute of no name that is known", PLAIN, m.get_attributes("$a", "Unique Identifier", "No Such Attribute")),
    case("get-attributes.unknown-only", "Only an attribute of no name that is known", PLAIN, m.get_attributes("$a", "No Such Attribute")),
    case("get-attributes.custom", "A custom attribute that is not there", PLAIN, m.get_attributes("$a", "Unique Identifier", "x-colour")),
    case("get-attributes.wrong-case", "A name in lower case", PLAIN, m.get_attributes("$a", "Unique Identifier", "state")),
    case("get-attributes.empty-name", "An empty attribute name", PLAIN, m.get_attributes("$a", "Unique Identifier", "")),
    case("get-attributes.twice", "One name asked for twice", PLAIN, m.get_attributes("$a", "State", "State")),
    case("get-attributes.names", "Both names of a key", NAMED, m.get_attributes("$a", "Name")),
    case("get-attributes.groups", "Object groups and application data", GROUPED,
         m.get_attributes("$a", "Application Specific Information", "Object Group")),
    case("get-attributes.unknown-object", "Attributes of an object that does not exist", m.get_attributes(NOBODY)),
    case("get-attributes.not-owner", "Attributes of another one's key", PLAIN, m.get_attributes("$a", who="jane_doe")),
    case("get-attributes.certificate-not-owner", "Attributes of another one's certificate", registered("certificate"),
         m.get_attributes("$a", "State", who="jane_doe")),
    case("get-attributes.key-pair", "All attributes of a new private key",
         m.create_key_pair((m.algorithm("RSA"), m.length(1024)), (m.usage("VERIFY"),), (m.usage("SIGN"),), save=("a", "b")),
         m.get_attributes("$a")),
    case("get-attributes.wrong-tag", "An attribute reference behind a tag of another meaning", PLAIN, m.Step(
        enums.Operation.GET_ATTRIBUTES, lambda v: m.uid("$a") + [ttlv.text("ATTRIBUTE_INDEX", "State")])),
    case("get-attributes.reference-by-name", "A 2.0 reference by name, with some vendor", PLAIN, m.Step(
        enums.Operation.GET_ATTRIBUTES, lambda v: m.uid("$a") + [m.reference("State"), m.reference("Unique Identifier")],
        ), versions=V2),
    case("get-attributes.enumerated-unknown", "A reference by the number of a tag that is no attribute", PLAIN, m.Step(
        enums.Operation.GET_ATTRIBUTES, lambda v: m.uid("$a") + [ttlv.choice("ATTRIBUTE_REFERENCE", ttlv.tag("BATCH_COUNT"))]), versions=V2),
    case("get-attributes.reference-1.x", "A 2.0 attribute reference in 1.x", PLAIN, m.Step(
        enums.Operation.GET_ATTRIBUTES, lambda v: m.uid("$a") + [m.reference("State")]), versions=V1),
    case("get-attributes.name-2.0", "A 1.x attribute name in 2.0", PLAIN, m.Step(
        enums.Operation.GET_ATTRIBUTES, lambda v: m.uid("$a") + [ttlv.text("ATTRIBUTE_NAME", "State")]), versions=V2),
    case("get-attribute-list.unknown-object", "Attribute list of an object that does not exist", m.get_attribute_list(NOBODY)),
    case("get-attribute-list.not-owner", "Attribute list of another one's key", PLAIN, m.get_attribute_list("$a", who="jane_doe")),
    case("get-attribute-list.names", "Attribute list of a key with two names", NAMED, m.get_attribute_list("$a")),
]

ADD = [
    case("add-attribute.name", "Add a name", PLAIN, m.add_attribute("$a", m.name("more"))),
    case("add-attribute.custom", "Add a custom attribute", PLAIN, m.add_attribute("$a", m.custom("x-colour", "blue")), versions=V1),
    case("add-attribute.read-only", "Add a state", PLAIN, m.add_attribute("$a", m.state("ACTIVE"))),
    case("add-attribute.unknown-object", "Add to an object that does not exist", m.add_attribute(NOBODY, m.name("more"))),
]

FIRST = m.name("$case")

MODIFY = [
    case("modify-attribute.name", "Modify the first name", NAMED, m.modify_attribute("$a", m.name("changed", 0), m.name("$case")),
         m.get_attributes("$a", "Name")),
    case("modify-attribute.second-name", "Modify the second name", NAMED, m.modify_attribute("$a", m.name("changed", 1)),
         m.get_attributes("$a", "Name"), versions=V1),
    case("modify-attribute.no-index", "Modify a name without an index", NAMED, m.modify_attribute("$a", m.name("changed")),
         m.get_attributes("$a", "Name"), versions=V1),
    case("modify-attribute.group", "Modify an object group", GROUPED, m.modify_attribute("$a", m.object_group("g3", 0), m.object_group("g1")),
         m.get_attributes("$a", "Object Group")),
    case("modify-attribute.application", "Modify application data", GROUPED, m.modify_attribute(
        "$a", m.application("ns", "new", 0), m.application("ns", "data")),
        m.get_attributes("$a", "Application Specific Information")),
    case("modify-attribute.unknown-object", "Modify an object that does not exist", m.modify_attribute(NOBODY, m.name("x", 0), FIRST)),
    case("modify-attribute.not-owner", "Modify another one's key", NAMED, m.modify_attribute("$a", m.name("x", 0), FIRST, who="jane_doe")),
    case("modify-attribute.index-too-high", "Modify an index that is not there", NAMED, m.modify_attribute("$a", m.name("x", 5)), versions=V1, text=True),
    case("modify-attribute.index-negative", "Modify a negative index", NAMED, m.modify_attribute("$a", m.name("x", -1)), versions=V1),
    case("modify-attribute.no-names", "Modify a name of a key that has none", PLAIN, m.modify_attribute("$a", m.name("x", 0), FIRST)),
    case("modify-attribute.no-current", "Modify a name without the current one", NAMED, m.modify_attribute("$a", m.name("x")), versions=V2, text=True),
    case("modify-attribute.other-current", "Modify a name that is not there", NAMED, m.modify_attribute("$a", m.name("x"), m.name("not there")), versions=V2, text=True),
    case("modify-attribute.current-of-other-kind", "Modify a name, with a current attribute of another kind", NAMED,
         m.modify_attribute("$a", m.name("x"), m.sensitive()), versions=V2),
    *[
        case(f"modify-attribute.{label}", f"Modify the {label}, which is read-only", PLAIN, m.modify_attribute("$a", new, old), text=True)
        for label, new, old in (
            ("state", m.state("ACTIVE"), None),
            ("algorithm", m.algorithm("RC4"), None),
            ("length", m.length(256), None),
            ("identifier", m.identifier("77"), None),
            ("object-type", m.object_type("PUBLIC_KEY"), None),
            ("initial-date", m.dated("Initial Date", 86400), None),
            ("usage-mask", m.usage("SIGN"), None),
            ("digest", m.Attribute("Digest", ttlv.group("DIGEST", ttlv.choice("HASHING_ALGORITHM", 6))), None),
        )
    ],
    case("modify-attribute.policy", "Modify the operation policy name", PLAIN, m.modify_attribute("$a", m.policy("public"), m.policy("default")), versions=V1),
    case("modify-attribute.sensitive", "Modify Sensitive", PLAIN, m.modify_attribute("$a", m.sensitive(), m.sensitive(False))),
    case("modify-attribute.sensitive-set", "Modify Sensitive of a key that has it", m.create(*m.AES_128, m.sensitive(), save="a"),
         m.modify_attribute("$a", m.sensitive(False), m.sensitive())),
    case("modify-attribute.sensitive-index", "Modify a single-valued attribute with an index", m.create(*m.AES_128, m.sensitive(), save="a"),
         m.modify_attribute("$a", m.Attribute("Sensitive", ttlv.flag("SENSITIVE", False), 0)), versions=V1),
    case("modify-attribute.not-set", "Modify an attribute that is not set", PLAIN, m.modify_attribute("$a", m.dated("Activation Date", 86400))),
    case("modify-attribute.not-set-contact", "Modify contact information that is not set", PLAIN, m.modify_attribute(
        "$a", m.Attribute("Contact Information", ttlv.text("CONTACT_INFORMATION", "x")))),
    case("modify-attribute.inapplicable", "Modify an attribute of certificates on a key", PLAIN, m.modify_attribute("$a", m.certificate_type(), m.certificate_type())),
    case("modify-attribute.unknown", "Modify an attribute of no name that is known", PLAIN, m.modify_attribute("$a", m.custom("No Such Attribute", "v")), versions=V1),
    case("modify-attribute.custom", "Modify a custom attribute that is not there", PLAIN, m.modify_attribute("$a", m.custom("x-colour", "v")), versions=V1),
    case("modify-attribute.nothing", "Modify without an attribute", PLAIN, m.Step(enums.Operation.MODIFY_ATTRIBUTE, lambda v: m.uid("$a"))),
    case("modify-attribute.not-an-attribute", "Modify something that is no attribute", PLAIN, m.modify_attribute(
        "$a", m.Attribute("Batch Count", ttlv.number("BATCH_COUNT", 1))), versions=V2),
]

SET = [
    case("set-attribute.sensitive", "Set Sensitive", PLAIN, m.set_attribute("$a", m.sensitive()), m.get_attributes("$a", "Sensitive")),
    case("set-attribute.sensitive-back", "Set Sensitive of a key that has it", PLAIN, m.set_attribute("$a", m.sensitive()),
         m.set_attribute("$a", m.sensitive(False))),
    case("set-attribute.unknown-object", "Set on an object that does not exist", m.set_attribute(NOBODY, m.sensitive())),
    case("set-attribute.not-owner", "Set on another one's key", PLAIN, m.set_attribute("$a", m.sensitive(), who="jane_doe")),
    case("set-attribute.name", "Set a multi-valued attribute", PLAIN, m.set_attribute("$a", m.name("x")), text=True),
    case("set-attribute.group", "Set an object group", PLAIN, m.set_attribute("$a", m.object_group("x")), text=True),
    case("set-attribute.state", "Set the state", PLAIN, m.set_attribute("$a", m.state("ACTIVE")), text=True),
    case("set-attribute.algorithm", "Set the algorithm", PLAIN, m.set_attribute("$a", m.algorithm("RC4")), text=True),
    case("set-attribute.identifier", "Set the identifier", PLAIN, m.set_attribute("$a", m.identifier("9"))),
    case("set-attribute.usage-mask", "Set the usage mask", PLAIN, m.set_attribute("$a", m.usage("SIGN"))),
    case("set-attribute.activation-date", "Set the activation date", PLAIN, m.set_attribute("$a", m.dated("Activation Date", 2_000_000_000))),
    case("set-attribute.contact", "Set contact information", PLAIN, m.set_attribute(
        "$a", m.Attribute("Contact Information", ttlv.text("CONTACT_INFORMATION", "x")))),
    case("set-attribute.inapplicable", "Set the certificate type of a key", PLAIN, m.set_attribute("$a", m.certificate_type())),
    case("set-attribute.sensitive-on-certificate", "Set Sensitive on a certificate", registered("certificate"), m.set_attribute("$a", m.sensitive())),
    case("set-attribute.sensitive-on-opaque", "Set Sensitive on an opaque object", registered("opaque-object"), m.set_attribute("$a", m.sensitive())),
    case("set-attribute.not-an-attribute", "Set something that is no attribute", PLAIN, m.set_attribute(
        "$a", m.Attribute("Batch Count", ttlv.number("BATCH_COUNT", 1)))),
    case("set-attribute.nothing", "Set without an attribute", PLAIN, m.Step(enums.Operation.SET_ATTRIBUTE, lambda v: m.uid("$a"))),
]

DELETE = [
    case("delete-attribute.name", "Delete the first name", NAMED, m.delete_attribute("$a", "Name", 0, current=None),
         m.get_attributes("$a", "Unique Identifier", "Name")),
    case("delete-attribute.second-name", "Delete the second name", NAMED, m.delete_attribute("$a", "Name", 1),
         m.get_attributes("$a", "Name"), versions=V1),
    case("delete-attribute.no-index", "Delete a name without an index", NAMED, m.delete_attribute("$a", "Name"),
         m.get_attributes("$a", "Unique Identifier", "Name")),
    case("delete-attribute.current", "Delete one name by its value", NAMED, m.delete_attribute("$a", current=FIRST),
         m.get_attributes("$a", "Unique Identifier", "Name"), versions=V2),
    case("delete-attribute.current-group", "Delete an object group by its value", GROUPED, m.delete_attribute("$a", current=m.object_group("g1")),
         m.get_attributes("$a", "Unique Identifier", "Object Group"), versions=V2),
    case("delete-attribute.current-application", "Delete application data by its value", GROUPED, m.delete_attribute("$a", current=m.application("ns", "data")),
         m.get_attributes("$a", "Unique Identifier", "Application Specific Information"), versions=V2),
    case("delete-attribute.group", "Delete an object group", GROUPED, m.delete_attribute("$a", "Object Group", 0),
         m.get_attributes("$a", "Unique Identifier", "Object Group")),
    case("delete-attribute.application", "Delete application data", GROUPED, m.delete_attribute("$a", "Application Specific Information", 0),
         m.get_attributes("$a", "Unique Identifier", "Application Specific Information")),
    case("delete-attribute.unknown-object", "Delete from an object that does not exist", m.delete_attribute(NOBODY, "Name", 0)),
    case("delete-attribute.not-owner", "Delete from another one's key", NAMED, m.delete_attribute("$a", "Name", 0, who="jane_doe")),
    case("delete-attribute.index-too-high", "Delete an index that is not there", NAMED, m.delete_attribute("$a", "Name", 7), versions=V1, text=True),
    case("delete-attribute.none-there", "Delete a name of a key that has none", PLAIN, m.delete_attribute("$a", "Name", 0)),
    case("delete-attribute.other-value", "Delete a name that is not there", NAMED, m.delete_attribute("$a", current=m.name("no")), versions=V2),
    case("delete-attribute.other-group-value", "Delete an object group that is not there", GROUPED, m.delete_attribute("$a", current=m.object_group("no")), versions=V2),
    *[
        case(f"delete-attribute.{name.lower().replace(' ', '-')}", f"Delete the {name}", PLAIN, m.delete_attribute("$a", name), text=True)
        for name in ("State", "Cryptographic Algorithm", "Unique Identifier", "Object Type", "Initial Date", "Cryptographic Usage Mask",
                     "Operation Policy Name")
    ],
    *[
        case(f"delete-attribute.unset-{name.lower().replace(' ', '-')}", f"Delete the {name}, which is not set", PLAIN, m.delete_attribute("$a", name))
        for name in ("Sensitive", "Contact Information", "Activation Date", "Process Start Date", "Link", "Lease Time", "Cryptographic Parameters")
    ],
    case("delete-attribute.sensitive", "Delete Sensitive of a key that has it", m.create(*m.AES_128, m.sensitive(), save="a"), m.delete_attribute("$a", "Sensitive")),
    case("delete-attribute.inapplicable", "Delete the certificate type of a key", PLAIN, m.delete_attribute("$a", "Certificate Type"), text=True),
    *[
        case(f"delete-attribute.{name.lower().replace(' ', '-')}-of-{kind}", f"Delete the {name} of a {kind}", registered(kind),
             m.delete_attribute("$a", name))
        for kind in OBJECTS
        for name in ("Cryptographic Length", "Cryptographic Usage Mask", "Activation Date", "Process Start Date", "Cryptographic Parameters")
    ],
    case("delete-attribute.unknown", "Delete an attribute of no name that is known", PLAIN, m.delete_attribute("$a", "No Such Attribute")),
    case("delete-attribute.custom", "Delete a custom attribute that is not there", PLAIN, m.delete_attribute("$a", "x-colour")),
    case("delete-attribute.nothing", "Delete without an attribute", PLAIN, m.delete_attribute("$a")),
    case("delete-attribute.both", "Delete by value and by reference", NAMED, m.Step(
        enums.Operation.DELETE_ATTRIBUTE,
        lambda v: m.uid("$a") + [ttlv.group("CURRENT_ATTRIBUTE", FIRST.value), m.reference("Object Group")]), versions=V2),
    case("delete-attribute.enumerated", "Delete by a reference by tag number", NAMED, m.Step(
        enums.Operation.DELETE_ATTRIBUTE, lambda v: m.uid("$a") + [ttlv.choice("ATTRIBUTE_REFERENCE", ttlv.tag("NAME"))]), versions=V2),
    case("delete-attribute.read-only-value", "Delete the state by its value", PLAIN, m.delete_attribute("$a", current=m.state("PRE_ACTIVE")), versions=V2),
]

# SetAttribute began with 2.0; cases_messages.py has what an earlier version answers.
for _row in SET:
    _row.versions = V2

CASES = READ + ADD + MODIFY + SET + DELETE

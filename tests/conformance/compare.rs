//! Compares a message of the server with the expected one. This file alone defines what may vary, as KMIP Profiles 2.1
//! §4.1 and Additional Message Encodings 1.0 §8.4 allow it.

use std::collections::{HashMap, HashSet};

use kmip_server::encoding::xml;
use kmip_server::internals::clock::Clock;

use super::case::{Node, Step};
use super::issued::{self, Issued};
use super::replay;

/// Dates that the server may choose unless a request sets them (Profiles 2.1 §4.1.1).
const DATES: [&str; 13] = [
    "ActivationDate",
    "ArchiveDate",
    "CompromiseDate",
    "CompromiseOccurrenceDate",
    "DeactivationDate",
    "DestroyDate",
    "InitialDate",
    "LastChangeDate",
    "ProcessStartDate",
    "ProtectStopDate",
    "ValidityDate",
    "OriginalCreationDate",
    "TimeStamp",
];

/// Values that the server chooses.
const CHOSEN: [&str; 9] = [
    "UniqueIdentifier",
    "PrivateKeyUniqueIdentifier",
    "PublicKeyUniqueIdentifier",
    "LinkedObjectIdentifier",
    "AsynchronousCorrelationValue",
    "ClientCorrelationValue",
    "ServerCorrelationValue",
    "CorrelationValue",
    "VendorIdentification",
];

/// Structures whose contents the server chooses.
const OWN: [&str; 3] = ["RandomNumberGenerator", "RNGParameters", "ServerInformation"];

/// Optional items of a 2.0 header, which the server omits because some clients reject them.
const UNREADABLE_IN_2_0: &str = "ServerCorrelationValue";

/// Optional items.
const OPTIONAL: [&str; 5] = [
    "ResultMessage",
    "TemplateAttribute",
    "PrivateKeyTemplateAttribute",
    "PublicKeyTemplateAttribute",
    "ExtensionInformation",
];

/// Items that Query may list in addition.
const LISTED: [&str; 5] =
    ["Operation", "ObjectType", "ApplicationNamespace", "ExtensionInformation", "RNGParameters"];

/// Output that differs for the same input.
const OUTPUT: [&str; 4] = ["Data", "SignatureData", "MACData", "IVCounterNonce"];

/// Operations whose new objects contain random key material. The objects of Derive Key and Join Split Key do not.
const GENERATING: [&str; 7] =
    ["Create", "CreateKeyPair", "ReKey", "ReKeyKeyPair", "CreateSplitKey", "Certify", "ReCertify"];

/// Operations whose responses name other objects than their requests.
const NAMING_ANOTHER: [&str; 5] = ["Register", "Import", "DeriveKey", "JoinSplitKey", "Locate"];

/// Variables with the same value everywhere in a case.
const LASTING: [&str; 4] = ["UNIQUE_IDENTIFIER", "SHORT_UNIQUE_IDENTIFIER", "KEY_MATERIAL", "KEY_VALUE"];

/// The state of a replay.
#[derive(Clone)]
pub(super) struct Known {
    variables: HashMap<String, String>,
    /// The identifiers of objects with generated key material.
    generated: HashSet<String>,
    /// Variables of objects whose parameters randomize outputs.
    varying: HashSet<String>,
    /// The last output per tag: a case may refer to it without a variable.
    outputs: HashMap<String, String>,
    /// The dates in requests: the attribute, and the value in the case.
    dates: HashSet<(String, String)>,
    /// The certificates that the server signed, by the identifiers of their objects.
    issued: HashMap<String, Issued>,
    /// The serial numbers of certificates that appeared in attributes only, by the same identifiers.
    serial_numbers: HashMap<String, String>,
    began: i64,
    now: i64,
    farthest: i64,
}

impl Known {
    /// Dates further ahead than `farthest` seconds are moved closer.
    pub(super) fn new(farthest: i64) -> Self {
        let now = Clock::system().now().0;
        Self {
            variables: HashMap::new(),
            generated: HashSet::new(),
            varying: HashSet::new(),
            outputs: HashMap::new(),
            dates: HashSet::new(),
            issued: HashMap::new(),
            serial_numbers: HashMap::new(),
            began: now,
            now,
            farthest,
        }
    }

    /// Takes over the state of an earlier case of the series: the generated objects, and the start of the clock, because an
    /// object may have a date of the earlier case.
    pub(super) fn go_on_from(&mut self, earlier: Self) {
        self.generated = earlier.generated;
        self.began = earlier.began;
    }

    pub(super) fn read_clock(&mut self) {
        self.now = Clock::system().now().0;
    }

    /// Returns the value of an element of a request.
    ///
    /// # Errors
    /// Returns the name of a variable without value.
    pub(super) fn fill(&self, node: &Node) -> Result<String, String> {
        let Some(name) = node.variable() else { return Ok(node.value.clone()) };
        if let Some(offset) = self.offset(name) {
            return Ok(replay::date(self.now + offset));
        }
        let value = self.variables.get(name).or_else(|| self.outputs.get(&node.tag));
        value.cloned().ok_or_else(|| format!("no answer had a value for ${name}"))
    }

    /// Records the dates that a request sets.
    pub(super) fn note_request(&mut self, node: &Node) {
        for child in &node.children {
            if child.kind == "DateTime" {
                self.dates.insert((label(child, node), child.value.clone()));
            }
            self.note_request(child);
        }
    }

    /// Returns the offset of `$NOW`, `$NOW-n` and `$NOW+n` in seconds; `None` for other variables.
    fn offset(&self, name: &str) -> Option<i64> {
        let rest = name.strip_prefix("NOW")?;
        let offset: i64 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
        Some(offset.min(self.farthest))
    }
}

/// Returns the tag of an element, or the tag of the attribute for the value of a 1.x attribute.
fn label(node: &Node, parent: &Node) -> String {
    match parent.child("AttributeName") {
        Some(name) if node.tag == "AttributeValue" => name.value.replace(' ', ""),
        _ => node.tag.clone(),
    }
}

/// Compares `came`, a response or a request of the server, with the step; sets the variables that it contains.
///
/// # Errors
/// Returns the first difference: its place, the expected and the received value.
pub(super) fn message(step: &Step, expected: &Node, came: &Node, known: &mut Known) -> Result<(), String> {
    let head = if expected.tag == "RequestMessage" { "RequestHeader" } else { "ResponseHeader" };
    let version = expected.find("ProtocolVersionMajor").zip(expected.find("ProtocolVersionMinor"));
    let requests: Vec<_> = step.request.items().collect();
    let mut judge = Judge {
        old: version.is_some_and(|(major, _)| major == "1"),
        first: version == Some(("1", "0")),
        two_0: version == Some(("2", "0")),
        lists_vary: step.lists_vary,
        item: None,
        known,
    };
    let (header, answer) = (expected.child(head), came.child(head));
    let (Some(header), Some(answer)) = (header, answer) else { return Err("no header".to_owned()) };
    let (items, answers): (Vec<_>, Vec<_>) = (expected.items().collect(), came.items().collect());
    // The failure of an item explains more than a different number of items.
    for (at, (item, answer)) in items.iter().zip(&answers).enumerate() {
        judge.item = requests.get(at).map(|request| Item::new(request, item, judge.known));
        let place = if items.len() == 1 { "BatchItem".to_owned() } else { format!("BatchItem[{at}]") };
        let message = answer.find("ResultMessage").map(|message| format!(" ({message})")).unwrap_or_default();
        judge.node(item, answer, expected, &place).map_err(|difference| difference + &message)?;
    }
    judge.item = None;
    judge.node(header, answer, expected, head)?;
    if items.len() == answers.len() {
        return Ok(());
    }
    Err(format!("{} items expected, {} came", items.len(), answers.len()))
}

/// The request of a batch item.
struct Item {
    operation: String,
    request: Node,
    /// Whether its object has generated key material.
    generated: bool,
    /// Whether the same request can have different outputs.
    varies: bool,
    /// The identifier in a request about one object.
    requested_id: Option<String>,
}

impl Item {
    fn new(request: &Node, expected: &Node, known: &Known) -> Self {
        let operation = request.find("Operation").unwrap_or_default().to_owned();
        let objects = |node: &Node| -> Vec<String> {
            let identifiers = node.all().into_iter().filter(|node| CHOSEN[..3].contains(&&*node.tag));
            identifiers.filter_map(|node| node.variable().map(str::to_owned)).collect()
        };
        let mut about = objects(request);
        if about.is_empty() {
            about = objects(expected);
        }
        // Locate creates a fresh member if the case creates none (1.4 §4.9).
        let handed_out = operation == "Locate"
            && request.find("ObjectGroupMember") == Some("GroupMemberFresh")
            && about.iter().all(|name| !known.variables.contains_key(name));
        let generated = GENERATING.contains(&&*operation)
            || handed_out
            || about
                .iter()
                .filter_map(|name| known.variables.get(name))
                .any(|id| known.generated.contains(id));
        let has = |tag: &str, values: &[&str]| {
            request.find(tag).is_some_and(|found| values.iter().any(|value| found.contains(value)))
        };
        let varies = about.iter().any(|object| known.varying.contains(object))
            || has("RandomIV", &["true"])
            || has("PaddingMethod", &["OAEP", "PSS"])
            || has("DigitalSignatureAlgorithm", &["DSA", "PSS"])
            || has("CryptographicAlgorithm", &["DSA"])
            || operation == "Encrypt" && has("CryptographicAlgorithm", &["RSA"])
            || operation == "RNGRetrieve";
        let named = request.child("RequestPayload").map_or(&[][..], |payload| &payload.children);
        let mut named = named.iter().filter(|it| it.tag == "UniqueIdentifier" && it.kind == "TextString");
        let names_another = GENERATING.contains(&&*operation) || NAMING_ANOTHER.contains(&&*operation);
        let requested_id = match (named.next(), named.next()) {
            (Some(identifier), None) if !names_another => known.fill(identifier).ok(),
            _ => None,
        };
        Self { operation, request: request.clone(), generated, varies, requested_id }
    }
}

struct Judge<'a> {
    /// Whether the case is one of KMIP 1.x, and whether of 1.0.
    old: bool,
    first: bool,
    /// Whether the case is one of KMIP 2.0.
    two_0: bool,
    /// Whether the lists of operations and object types may vary.
    lists_vary: bool,
    item: Option<Item>,
    known: &'a mut Known,
}

impl Judge<'_> {
    fn generated(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.generated)
    }

    fn requested_id(&self) -> Option<&String> {
        self.item.as_ref().and_then(|item| item.requested_id.as_ref())
    }

    fn operation(&self) -> &str {
        self.item.as_ref().map_or("", |item| &item.operation)
    }

    fn node(&mut self, expected: &Node, came: &Node, parent: &Node, place: &str) -> Result<(), String> {
        if expected.tag != came.tag || expected.kind != came.kind {
            return Err(differs(place, &short(expected), &short(came)));
        }
        if OWN.contains(&&*label(expected, parent)) {
            return Ok(());
        }
        if expected.is_structure() {
            return self.structure(expected, came, place);
        }
        if self.value(expected, came, parent, place) {
            return Ok(());
        }
        Err(differs(place, &self.with_variable(expected), &short(came)))
    }

    fn structure(&mut self, expected: &Node, came: &Node, place: &str) -> Result<(), String> {
        let wanted: Vec<_> =
            expected.children.iter().filter(|child| !self.optional(child, expected)).collect();
        // RNG Parameters may vary, so one generator matches several.
        let wanted: Vec<_> = wanted
            .iter()
            .enumerate()
            .filter(|(at, node)| node.tag != "RNGParameters" || *at == 0)
            .map(|(_, node)| *node)
            .collect();
        let have: Vec<_> = came.children.iter().filter(|child| !self.optional(child, came)).collect();
        let in_order = |nodes: &[&Node], judge: &Self| -> Vec<Node> {
            let ordered = nodes.iter().filter(|node| !judge.unordered(node, expected));
            ordered.map(|node| (*node).clone()).collect()
        };
        let (mut wanted_in_order, mut have_in_order) =
            (in_order(&wanted, self).into_iter().peekable(), in_order(&have, self).into_iter().peekable());
        loop {
            let (next, answer) = (wanted_in_order.peek(), have_in_order.peek());
            match (next, answer) {
                (None, None) => break,
                (Some(next), Some(answer)) if next.tag == answer.tag => {
                    let place = format!("{place}/{}", next.tag);
                    self.node(next, answer, expected, &place)?;
                    wanted_in_order.next();
                    have_in_order.next();
                }
                (_, Some(answer)) if self.may_be_more(answer, expected) => drop(have_in_order.next()),
                (next, answer) => {
                    let (next, answer) = (next.map(short), answer.map(short));
                    let nothing = || "nothing".to_owned();
                    return Err(differs(
                        place,
                        &next.unwrap_or_else(nothing),
                        &answer.unwrap_or_else(nothing),
                    ));
                }
            }
        }
        let mut rest: Vec<_> = have.into_iter().filter(|node| self.unordered(node, expected)).collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|node| self.unordered(node, expected)).collect();
        for next in wanted {
            self.among(next, &mut rest, expected, place)?;
        }
        match rest.into_iter().find(|more| !self.may_be_more(more, expected)) {
            Some(more) => Err(differs(place, "nothing more", &short(more))),
            None => self.same_sequence(expected, came, place),
        }
    }

    /// Removes the element that matches `wanted` from `rest`.
    fn among(
        &mut self,
        wanted: &Node,
        rest: &mut Vec<&Node>,
        parent: &Node,
        place: &str,
    ) -> Result<(), String> {
        let place = format!("{place}/{}", wanted.find("AttributeName").unwrap_or(&wanted.tag));
        let mut failure = None;
        for at in 0..rest.len() {
            let alike = rest[at].tag == wanted.tag
                && rest[at].child("AttributeName").map(|it| &it.value)
                    == wanted.child("AttributeName").map(|it| &it.value);
            if !alike {
                continue;
            }
            let before = self.known.clone();
            match self.node(wanted, rest[at], parent, &place) {
                Ok(()) => {
                    rest.remove(at);
                    return Ok(());
                }
                Err(difference) => {
                    if wanted.is_structure() {
                        failure.get_or_insert(difference);
                    }
                    *self.known = before;
                }
            }
        }
        Err(failure.unwrap_or_else(|| differs(&place, &short(wanted), "nothing like it")))
    }

    /// Elements without fixed order keep their position relative to other elements.
    fn same_sequence(&self, expected: &Node, came: &Node, place: &str) -> Result<(), String> {
        if expected.tag == "Attributes" {
            return Ok(());
        }
        let sequence = |one: &Node, other: &Node| -> Vec<String> {
            let mut tags: Vec<String> = Vec::new();
            for child in one.children.iter().filter(|child| other.child(&child.tag).is_some()) {
                if !tags.contains(&child.tag) {
                    tags.push(child.tag.clone());
                }
            }
            tags
        };
        let (wanted, have) = (sequence(expected, came), sequence(came, expected));
        if wanted == have { Ok(()) } else { Err(differs(place, &wanted.join(", "), &have.join(", "))) }
    }

    /// Whether an element is optional.
    fn optional(&self, node: &Node, parent: &Node) -> bool {
        let zero = self.old && !self.first && node.tag == "AttributeIndex" && node.value == "0";
        let in_answer = parent.tag == "ResponsePayload" || parent.tag == "BatchItem";
        let listed = self.lists_vary && self.operation() == "Query" && LISTED.contains(&&*node.tag);
        let unreadable = self.two_0 && parent.tag == "ResponseHeader" && node.tag == UNREADABLE_IN_2_0;
        zero || unreadable || in_answer && (listed || OPTIONAL.contains(&&*node.tag))
    }

    /// Whether elements with this tag may come in any order.
    fn unordered(&self, node: &Node, parent: &Node) -> bool {
        match (&*parent.tag, &*node.tag) {
            ("Attributes", _) | (_, "Attribute") => true,
            ("ResponsePayload", "AttributeName" | "AttributeReference") => true,
            ("ResponsePayload", "UniqueIdentifier") => self.operation() == "Locate",
            ("ResponsePayload", "ProtocolVersion") => self.operation() == "DiscoverVersions",
            ("ResponsePayload", _) => self.operation() == "Query",
            ("RequestPayload", "QueryFunction") => true,
            _ => false,
        }
    }

    /// Whether an unexpected element is permitted.
    fn may_be_more(&self, node: &Node, parent: &Node) -> bool {
        match (&*parent.tag, &*node.tag) {
            ("Attributes", _) | (_, "Attribute") => true,
            ("BatchItem", "MessageExtension") => node.find("CriticalityIndicator") == Some("false"),
            ("ResponsePayload", "AttributeName" | "AttributeReference") => {
                self.operation() == "GetAttributeList"
            }
            ("ResponsePayload", "LocatedItems") => self.operation() == "Locate",
            ("ResponsePayload", "ProtocolVersion") => {
                let request = self.item.as_ref().and_then(|item| item.request.child("RequestPayload"));
                self.operation() == "DiscoverVersions"
                    && request.is_some_and(|payload| payload.child("ProtocolVersion").is_none())
            }
            // The server chooses what it asks a client (1.4 §5.3).
            ("RequestPayload", "QueryFunction") => true,
            ("ResponsePayload", listed) => self.operation() == "Query" && LISTED.contains(&listed),
            _ => false,
        }
    }

    fn value(&mut self, expected: &Node, came: &Node, parent: &Node, place: &str) -> bool {
        let label = label(expected, parent);
        if OUTPUT.contains(&&*label) {
            self.known.outputs.insert(label.clone(), came.value.clone());
        }
        if expected.kind == "DateTime" {
            return self.date(&label, expected, came);
        }
        // A response about an object must name the object of the request, unless the case has no identifier of its own.
        if let Some(requested_id) = self.requested_id()
            && (&*parent.tag, &*label) == ("ResponsePayload", "UniqueIdentifier")
        {
            return *requested_id == came.value;
        }
        if let Some(name) = expected.variable() {
            return self.bind(name, came);
        }
        if expected.value == came.value || CHOSEN.contains(&&*label) {
            return true;
        }
        let in_key = place.contains("/KeyValue/") || label == "KeyValue" || label == "KeyMaterial";
        match &*label {
            "DigestValue" => self.generated() || self.other_hash(parent),
            "HashingAlgorithm" => self.other_hash(parent),
            "KeyFormatType" => {
                let item = self.item.as_ref();
                let format_requested = item.and_then(|item| item.request.find("KeyFormatType")).is_some();
                self.generated() && !format_requested
            }
            "CertificateValue" => self.generated() && self.issued(expected, came),
            "CertificateLength" | "CertificateSerialNumber" | "SerialNumber" => {
                self.generated() && self.of_issued(&label, came)
            }
            _ if OUTPUT.contains(&&*label) => {
                self.generated() || self.item.as_ref().is_some_and(|item| item.varies)
            }
            "KeyValue" if self.wrapped_whole() => true,
            _ if in_key && self.generated() => {
                // The length of a symmetric key does not vary.
                !place.contains("/SymmetricKey/") || expected.value.len() == came.value.len()
            }
            _ => false,
        }
    }

    /// Whether the certificate differs from the expected one only in what a server chooses: serial number, dates, extensions and
    /// signature. Names, key and algorithm must be equal.
    fn issued(&mut self, expected: &Node, came: &Node) -> bool {
        let issued = Issued::like(&expected.value, &came.value);
        if let (Some(requested_id), Some(issued)) = (self.requested_id().cloned(), issued.clone()) {
            self.known.issued.insert(requested_id, issued);
        }
        issued.is_some()
    }

    /// Whether the attributes describe the certificate that the server signed. If the case does not get the certificate, only
    /// the serial number can be checked: it is valid, constant and unique.
    fn of_issued(&mut self, label: &str, came: &Node) -> bool {
        let Some(requested_id) = self.requested_id().cloned() else { return false };
        if let Some(issued) = self.known.issued.get(&requested_id) {
            return issued.value(label).as_ref() == Some(&came.value);
        }
        let mut others = self.known.issued.values().filter_map(|issued| issued.value(label));
        let is_new = label == "SerialNumber"
            && issued::is_serial_number(&came.value)
            && others.all(|other| other != came.value)
            && self.known.serial_numbers.iter().all(|(id, it)| *id == requested_id || *it != came.value);
        let before = self.known.serial_numbers.insert(requested_id, came.value.clone());
        is_new && before.is_none_or(|before| before == came.value)
    }

    /// Whether the Key Value is wrapped with its attributes, whose encoding and wrapped bytes vary (Profiles 2.1 §4.1.1). Without
    /// encoding, the wrapped bytes are those of the key.
    fn wrapped_whole(&self) -> bool {
        self.item.as_ref().is_some_and(|item| {
            item.request.find("WrappingMethod").is_some()
                && item.request.find("EncodingOption").is_none_or(|option| option == "TTLVEncoding")
        })
    }

    /// Whether the element is in a Digest of another algorithm than the mandatory one.
    fn other_hash(&self, parent: &Node) -> bool {
        let algorithm = parent.child("DigestValue").and_then(|_| parent.child("HashingAlgorithm"));
        algorithm.is_some_and(|algorithm| algorithm.value != "SHA_256")
    }

    fn bind(&mut self, name: &str, came: &Node) -> bool {
        let lasting = LASTING.iter().any(|prefix| name.starts_with(prefix));
        if let Some(known) = self.known.variables.get(name)
            && lasting
        {
            return *known == came.value;
        }
        let identifier = name.starts_with("UNIQUE_IDENTIFIER");
        let taken = |(other, value): (&String, &String)| {
            other.starts_with("UNIQUE_IDENTIFIER") && *value == came.value
        };
        if identifier && self.known.variables.iter().any(taken) {
            return false;
        }
        self.known.variables.insert(name.to_owned(), came.value.clone());
        if identifier && self.generated() {
            self.known.generated.insert(came.value.clone());
        }
        if identifier && self.item.as_ref().is_some_and(|item| item.varies) {
            self.known.varying.insert(name.to_owned());
        }
        true
    }

    fn date(&self, label: &str, expected: &Node, came: &Node) -> bool {
        let fixed = |value: &str| self.known.dates.contains(&(label.to_owned(), value.to_owned()));
        let Some(offset) = expected.variable().and_then(|name| self.known.offset(name)) else {
            let request_had_it =
                self.known.dates.iter().any(|(attribute, value)| {
                    attribute == label && seconds(value) == seconds(&expected.value)
                });
            return expected.value == came.value || DATES.contains(&label) && !request_had_it;
        };
        let Some(came) = seconds(&came.value) else { return false };
        let near = self.known.began + offset <= came && came <= Clock::system().now().0 + offset;
        near || DATES.contains(&label) && !fixed(&expected.value)
    }

    /// Returns the expected value, with the value of a variable.
    fn with_variable(&self, expected: &Node) -> String {
        let value = expected.variable().and_then(|name| self.known.variables.get(name));
        value.map_or_else(|| short(expected), |value| format!("{} = {value}", short(expected)))
    }
}

/// Returns the time of an XML value in seconds since 1970.
fn seconds(value: &str) -> Option<i64> {
    let ttlv = xml::decode(format!("<TimeStamp type='DateTime' value='{value}'/>").as_bytes()).ok()?;
    ttlv.last_chunk().map(|bytes| i64::from_be_bytes(*bytes))
}

fn differs(place: &str, expected: &str, came: &str) -> String {
    format!("{place}: expected {expected}, came {came}")
}

/// Returns an element in one line.
fn short(node: &Node) -> String {
    /// The number of characters of a long value in a message.
    const SHOWN: usize = 80;
    if node.is_structure() {
        let inner: Vec<_> = node.children.iter().map(short).collect();
        return format!("{} {{ {} }}", node.tag, inner.join(", "));
    }
    let shown: String = node.value.chars().take(SHOWN).collect();
    let rest = if shown.len() < node.value.len() { "…" } else { "" };
    format!("{} {shown:?}{rest}", node.tag)
}

//! A test case as its file contains it: requests and responses in turn, and the facts in the comments.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element: its name, type, value and child elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The name of the element; the number of the tag if the element has the general form.
    pub(super) tag: String,
    pub(super) kind: String,
    pub(super) value: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn is_structure(&self) -> bool {
        self.kind == "Structure"
    }

    pub(super) fn child(&self, tag: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.tag == tag)
    }

    /// Returns the value of the first element with this name among this element and its descendants.
    pub(super) fn find(&self, tag: &str) -> Option<&str> {
        self.all().into_iter().find(|node| node.tag == tag && !node.is_structure()).map(|node| &*node.value)
    }

    /// Returns this element and its descendants in document order.
    pub(super) fn all(&self) -> Vec<&Node> {
        let descendants = self.children.iter().flat_map(Node::all);
        std::iter::once(self).chain(descendants).collect()
    }

    fn all_mut(&mut self) -> Vec<&mut Node> {
        if self.is_structure() {
            return self.children.iter_mut().flat_map(Node::all_mut).collect();
        }
        vec![self]
    }

    /// Returns the batch items of a message.
    pub(super) fn items(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter(|child| child.tag == "BatchItem")
    }

    /// Returns the name of the variable without its dollar sign, if the value is a variable.
    pub(super) fn variable(&self) -> Option<&str> {
        self.value.strip_prefix('$')
    }

    /// Returns the XML of the element with the values that `value` returns.
    pub(super) fn xml<E>(&self, value: &impl Fn(&Node) -> Result<String, E>) -> Result<String, E> {
        let (element, tag) = match self.tag.strip_prefix("0x") {
            Some(_) => ("TTLV", format!(" tag=\"{}\"", self.tag)),
            None => (&*self.tag, String::new()),
        };
        if self.is_structure() {
            let inner = self.children.iter().map(|child| child.xml(value)).collect::<Result<String, E>>()?;
            return Ok(format!("<{element}{tag}>{inner}</{element}>"));
        }
        let text = value(self)?.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        Ok(format!("<{element}{tag} type=\"{}\" value=\"{text}\"/>", self.kind))
    }

    /// Reads one element of XML.
    pub(super) fn read(xml: &str) -> Node {
        let mut found = Vec::new();
        elements(xml, &mut |event| {
            if let Found::Element(node) = event {
                found.push(node);
            }
        });
        assert_eq!(found.len(), 1, "one element: {xml}");
        found.remove(0)
    }
}

/// One request and its response.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The client that sends the request: A if the case does not name one.
    pub(super) client: char,
    /// Whether the server sends the request, and a client responds.
    pub(super) from_server: bool,
    /// Whether the request is repeated until the response is the expected one.
    pub(super) repeat: bool,
    /// Whether Query may list other operations and object types than the case contains.
    pub(super) lists_vary: bool,
    pub(super) request: Node,
    pub(super) response: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The name of the file without its extension.
    pub(super) name: String,
    /// The folder of its version, such as `v1.4`.
    pub(super) folder: String,
    /// The id of the case of another version from which this case differs only in its headers.
    pub(super) origin: Option<String>,
    /// Whether its description permits other lists of operations and object types.
    lists_vary: bool,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// Returns the name in the lists and the output. It contains the folder, because names occur in several folders.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    /// Returns the cases that must be replayed before this one, on the same store: the first step locates an object that
    /// an earlier case of the series created.
    pub(super) fn before<'a>(&self, cases: &'a [Case]) -> Vec<&'a Case> {
        let begins_with_locate = self.steps.first().is_some_and(|step| {
            let found = |item: &Node| item.find("UniqueIdentifier").is_some_and(|id| id.starts_with('$'));
            step.request.find("Operation") == Some("Locate")
                && step.response.items().next().is_some_and(found)
        });
        let Some((series, number, end)) = self.series().filter(|_| begins_with_locate) else {
            return Vec::new();
        };
        let earlier = |case: &&Case| {
            case.folder == self.folder
                && case.series().is_some_and(|it| (it.0, it.2) == (series, end) && it.1 < number)
        };
        let mut before: Vec<_> = cases.iter().filter(earlier).collect();
        before.sort_by_key(|case| case.series().map(|it| it.1));
        before
    }

    /// Returns the parts of the name: `TL-M`, 3 and `12` of `TL-M-3-12`.
    fn series(&self) -> Option<(&str, u32, &str)> {
        let (front, end) = self.name.rsplit_once('-')?;
        let (series, number) = front.rsplit_once('-')?;
        Some((series, number.parse().ok()?, end))
    }

    /// Returns the name without the version at its end.
    fn untold(&self) -> &str {
        self.name.rsplit_once('-').map_or(&self.name, |(name, _)| name)
    }

    /// Returns the same case with another version in its headers.
    fn in_version(&self, folder: &str) -> Case {
        let mut case = Case { folder: folder.to_owned(), origin: Some(self.id()), ..self.clone() };
        let (major, minor) = folder.trim_start_matches('v').split_once('.').unwrap();
        for message in case.steps.iter_mut().flat_map(|step| [&mut step.request, &mut step.response]) {
            let headers = message.children.iter_mut().filter(|child| child.tag.ends_with("Header"));
            for node in headers.flat_map(Node::all_mut) {
                match &*node.tag {
                    "ProtocolVersionMajor" => major.clone_into(&mut node.value),
                    "ProtocolVersionMinor" => minor.clone_into(&mut node.value),
                    _ => {}
                }
            }
        }
        case
    }

    /// Whether the server needs a listening client: it sends a request, or announces that it can.
    pub(super) fn needs_a_listener(&self) -> bool {
        self.steps.iter().any(|step| {
            let nodes = step.response.all();
            let announced =
                nodes.iter().any(|node| node.tag == "Operation" && ["Notify", "Put"].contains(&&*node.value));
            step.from_server || announced
        })
    }

    /// Whether a step waits for time to pass.
    pub(super) fn waits(&self) -> bool {
        self.steps.iter().any(|step| step.repeat)
    }
}

/// Versions with no or few cases of their own, each with the most similar versions that have cases.
const OTHERS: [(&str, &[&str]); 2] = [("v1.3", &["v1.2", "v1.4"]), ("v2.0", &["v2.1"])];

/// Returns the cases in `corpus`, sorted by version and name.
pub(super) fn all(corpus: &Path) -> Vec<Case> {
    let mut files = Vec::new();
    walk(corpus, &mut files);
    let mut cases: Vec<_> = files.iter().map(|file| load(corpus, file)).collect();
    // A permission in the description of a case applies to its other versions, too.
    let vary: Vec<_> =
        cases.iter().filter(|case| case.lists_vary).map(|case| case.untold().to_owned()).collect();
    for case in cases.iter_mut().filter(|case| vary.iter().any(|name| name == case.untold())) {
        case.steps.iter_mut().for_each(|step| step.lists_vary = true);
    }
    cases.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    cases
}

/// Returns the cases of neighbouring versions with the headers of the versions in [`OTHERS`], beside the cases that
/// these versions have of their own.
pub(super) fn in_other_versions(cases: &[Case]) -> Vec<Case> {
    let pairs = OTHERS.iter().flat_map(|(folder, beside)| beside.iter().map(move |beside| (folder, *beside)));
    let mut others: Vec<_> = pairs
        .flat_map(|(folder, beside)| {
            cases.iter().filter(move |case| case.folder == beside).map(|case| case.in_version(folder))
        })
        .collect();
    others.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    others
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "xml") {
            files.push(path);
        }
    }
}

fn load(corpus: &Path, file: &Path) -> Case {
    let text = fs::read_to_string(file).unwrap();
    let mut case = Case {
        name: file.file_stem().unwrap().to_string_lossy().into_owned(),
        folder: file.strip_prefix(corpus).unwrap().iter().next().unwrap().to_string_lossy().into_owned(),
        origin: None,
        lists_vary: text.contains("operations and object types returned in the response MAY vary"),
        steps: Vec::new(),
    };
    let (mut client, mut from_server, mut repeat, mut requests) = ('A', false, false, VecDeque::new());
    elements(&text, &mut |found| match found {
        Found::Comment(comment) => {
            if let Some(letter) = comment.strip_prefix("[Client-").and_then(|rest| rest.chars().next()) {
                client = letter;
            }
            from_server = from_server && comment != "[Client-to-Server]" || comment == "[Server-to-Client]";
            repeat = repeat || comment.starts_with("[REPEAT]");
        }
        Found::Element(root) => {
            for node in root.children {
                if node.tag == "RequestMessage" {
                    requests.push_back((client, from_server, std::mem::take(&mut repeat), node));
                } else if let Some((client, from_server, repeat, request)) = requests.pop_front() {
                    let lists_vary = false;
                    case.steps.push(Step {
                        client,
                        from_server,
                        repeat,
                        lists_vary,
                        request,
                        response: node,
                    });
                }
            }
        }
    });
    // Clients do not send Notify and Put. If no comment names the sender of a Query, the name of the case does.
    let from_server = |step: &Step| {
        case.name.contains("-S2C-")
            || ["Notify", "Put"].iter().any(|it| step.request.find("Operation") == Some(it))
    };
    let from_server: Vec<_> = case.steps.iter().map(from_server).collect();
    case.steps.iter_mut().zip(from_server).for_each(|(step, it)| step.from_server |= it);
    // A step that repeats the request of a repeated step is repeated, too: some files have the mark only before the
    // first of several polls.
    for at in 1..case.steps.len() {
        let [before, step] = &mut case.steps[at - 1..=at] else { unreachable!("two steps") };
        step.repeat |= before.repeat && step.client == before.client && step.request == before.request;
    }
    assert!(
        requests.is_empty() && !case.steps.is_empty(),
        "{}: requests and responses by turns",
        file.display()
    );
    case
}

enum Found<'a> {
    /// A comment between messages.
    Comment(&'a str),
    /// A root element: the root itself, or the root `KMIP` with one of its messages.
    Element(Node),
}

/// Calls `each` for the comments and elements at the top level of `xml` and of a root `KMIP`.
fn elements(xml: &str, each: &mut impl FnMut(Found<'_>)) {
    let mut events = Reader::from_str(xml);
    let mut open: Vec<Node> = Vec::new();
    loop {
        match events.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) {
            Event::Start(start) => open.push(begin(&start)),
            Event::Empty(start) => close(begin(&start), &mut open, each),
            Event::End(_) => {
                let node = open.pop().unwrap();
                close(node, &mut open, each);
            }
            Event::Comment(comment) if open.len() < 2 => each(Found::Comment(comment.trim())),
            Event::Eof => return,
            _ => {}
        }
    }
}

fn close(node: Node, open: &mut [Node], each: &mut impl FnMut(Found<'_>)) {
    match open {
        [] if node.tag == "KMIP" => {}
        [] => each(Found::Element(node)),
        [root] if root.tag == "KMIP" => {
            each(Found::Element(Node { children: vec![node], ..root.clone() }));
        }
        [.., parent] => parent.children.push(node),
    }
}

fn begin(start: &BytesStart<'_>) -> Node {
    let attribute = |name: &str| {
        let attribute = start.attributes().map(Result::unwrap).find(|it| it.key.as_ref() == name)?;
        Some(attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned())
    };
    let name = start.local_name().as_ref().to_owned();
    Node {
        tag: attribute("tag").filter(|_| name == "TTLV").unwrap_or(name),
        kind: attribute("type").unwrap_or_else(|| "Structure".to_owned()),
        value: single_spaced(&attribute("value").unwrap_or_default()),
        children: Vec::new(),
    }
}

/// Replaces several spaces by one: the typesetting of the cases inserted spaces at line breaks.
fn single_spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for character in text.chars() {
        if !(character == ' ' && spaced.ends_with(' ')) {
            spaced.push(character);
        }
    }
    spaced
}

//! A test case as its file has it: requests and responses by turns, with what the comments say about them.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element: its name, type and value, and the elements in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The element's name; the tag's number where it is in the general form.
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

    /// The value of the first element of that name, here or below.
    pub(super) fn find(&self, tag: &str) -> Option<&str> {
        self.all().into_iter().find(|node| node.tag == tag && !node.is_structure()).map(|node| &*node.value)
    }

    /// This element and all below it, in the order of the text.
    pub(super) fn all(&self) -> Vec<&Node> {
        let below = self.children.iter().flat_map(Node::all);
        std::iter::once(self).chain(below).collect()
    }

    fn all_mut(&mut self) -> Vec<&mut Node> {
        if self.is_structure() {
            return self.children.iter_mut().flat_map(Node::all_mut).collect();
        }
        vec![self]
    }

    /// The batch items of a message.
    pub(super) fn items(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter(|child| child.tag == "BatchItem")
    }

    /// The name of a variable, without its dollar sign, where the value is one.
    pub(super) fn variable(&self) -> Option<&str> {
        self.value.strip_prefix('$')
    }

    /// The XML of the element, each value as `value` gives it.
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
    /// Which client sends it: A where nothing is said.
    pub(super) client: char,
    /// Whether the server sends the request, and a client responds.
    pub(super) from_server: bool,
    /// Whether it is sent again until the response is the expected one.
    pub(super) repeat: bool,
    /// Whether Query may list other operations and object types than the case has.
    pub(super) lists_vary: bool,
    pub(super) request: Node,
    pub(super) response: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The file's name without its ending.
    pub(super) name: String,
    /// The folder of its version, as `v1.4`.
    pub(super) folder: String,
    /// The case of another version that it is but for its headers, by that one's id.
    pub(super) origin: Option<String>,
    /// Whether its description says that the lists of operations and object types may vary.
    lists_vary: bool,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// What the lists and the output call it: the same name can be in several folders.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    /// The cases that have to be replayed before this one, on the same store: it begins by looking for an object that
    /// earlier cases of its series left behind.
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

    /// `TL-M`, 3 and `12` of a case that is called `TL-M-3-12`.
    fn series(&self) -> Option<(&str, u32, &str)> {
        let (front, end) = self.name.rsplit_once('-')?;
        let (series, number) = front.rsplit_once('-')?;
        Some((series, number.parse().ok()?, end))
    }

    /// The name without the version at its end.
    fn untold(&self) -> &str {
        self.name.rsplit_once('-').map_or(&self.name, |(name, _)| name)
    }

    /// The same case with other numbers of the version in its headers, and nothing else changed.
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

    /// Whether the server has to know a client that listens: it sends a request, or announces that it does.
    pub(super) fn needs_a_listener(&self) -> bool {
        self.steps.iter().any(|step| {
            let nodes = step.response.all();
            let announced =
                nodes.iter().any(|node| node.tag == "Operation" && ["Notify", "Put"].contains(&&*node.value));
            step.from_server || announced
        })
    }

    /// Whether some step waits for time to pass.
    pub(super) fn waits(&self) -> bool {
        self.steps.iter().any(|step| step.repeat)
    }
}

/// Versions with no or few cases of their own, each with the versions whose cases say most about it.
const OTHERS: [(&str, &[&str]); 2] = [("v1.3", &["v1.2", "v1.4"]), ("v2.0", &["v2.1"])];

/// Every case below `corpus`, by version and name.
pub(super) fn all(corpus: &Path) -> Vec<Case> {
    let mut files = Vec::new();
    walk(corpus, &mut files);
    let mut cases: Vec<_> = files.iter().map(|file| load(corpus, file)).collect();
    // What the description of a case allows in one version, it allows in the others.
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
    // No client can ask for Notify and Put; and where comments do not say who sends a Query, the name does.
    let from_server = |step: &Step| {
        case.name.contains("-S2C-")
            || ["Notify", "Put"].iter().any(|it| step.request.find("Operation") == Some(it))
    };
    let from_server: Vec<_> = case.steps.iter().map(from_server).collect();
    case.steps.iter_mut().zip(from_server).for_each(|(step, it)| step.from_server |= it);
    // What is said to be repeated goes on to be when the next step asks for the same again: some files have the mark
    // before the first of several looks.
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
    /// A root element, or a message inside the root `KMIP`, alone in it.
    Element(Node),
}

/// Calls `each` for what `xml` has at its top, and for what a root `KMIP` has.
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

/// The files were typeset once, and where a line was broken several blanks stand for one.
fn single_spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for character in text.chars() {
        if !(character == ' ' && spaced.ends_with(' ')) {
            spaced.push(character);
        }
    }
    spaced
}

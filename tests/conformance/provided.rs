//! Objects that a case looks for although neither it nor an earlier case of its series creates them: the harness registers
//! them as the case expects them.

use std::fs;

use kmip_server::encoding::xml;
use kmip_server::internals::config::Config;

use super::case::{Case, Node, Step};
use crate::harness::{Client, Pki};

/// Operations that create objects.
const MAKING: [&str; 4] = ["Create", "CreateKeyPair", "Register", "Import"];

/// A policy that allows Locate and reading attributes only.
const WITHHELD: &str = r#"{"withheld": {"preset": {"SECRET_DATA": {
    "LOCATE": "ALLOW_OWNER", "GET_ATTRIBUTES": "ALLOW_OWNER"
}}}}"#;

/// An object for one case.
pub(super) struct Provided {
    /// The object as XML.
    object: String,
    object_type: String,
    /// Its attributes as XML.
    attributes: String,
    /// Whether its policy refuses Get.
    is_withheld: bool,
}

/// Returns the object that the case looks for, if no earlier case can have created it.
pub(super) fn of(case: &Case, cases: &[Case]) -> Option<Provided> {
    let name = sought(case)?;
    let makes = |case: &Case| {
        let items = case.steps.iter().flat_map(|step| step.request.items());
        items.filter_map(|item| item.find("Operation")).any(|operation| MAKING.contains(&operation))
    };
    if makes(case) || case.before(cases).into_iter().any(makes) {
        return None;
    }
    let alike = || cases.iter().filter(|it| it.folder == case.folder && sought(it) == Some(name));
    let gets = |case: &Case| outcome(case, "Get").cloned();
    let object = alike().filter_map(gets).find_map(|payload| payload.children.into_iter().find(is_object))?;
    let payloads = alike().filter_map(|case| outcome(case, "GetAttributes").cloned());
    let listed = payloads.flat_map(|payload| payload.children).filter(|child| child.tag == "Attribute");
    let name = format!(
        "<AttributeValue><NameValue type='TextString' value='{name}'/>\
         <NameType type='Enumeration' value='UninterpretedTextString'/></AttributeValue>"
    );
    let mut attributes = vec![
        attribute("Name", &name),
        attribute("Cryptographic Usage Mask", "<AttributeValue type='Integer' value='Encrypt Decrypt'/>"),
        attribute("Activation Date", "<AttributeValue type='DateTime' value='0x0000000000000001'/>"),
    ];
    attributes.extend(listed.map(|node| written(&node)));
    attributes.dedup();
    let is_withheld = step_of(case, "Get").is_some_and(|step| step.response.find("ResultReason").is_some());
    if is_withheld {
        attributes
            .push(attribute("Operation Policy Name", "<AttributeValue type='TextString' value='withheld'/>"));
    }
    let mut provided = object;
    // A case that gets the object shows whether it has a value.
    if outcome(case, "Get").is_none() {
        give_value(&mut provided, &pad(case));
    }
    let object_type = provided.tag.clone();
    let (object, attributes) = (written(&provided), attributes.concat());
    Some(Provided { object, object_type, attributes, is_withheld })
}

impl Provided {
    /// Adds the settings that the object needs.
    pub(super) fn configure(&self, config: &mut Config, pki: &Pki) {
        if self.is_withheld {
            let folder = pki.folder.path("withheld");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("withheld.json"), WITHHELD).unwrap();
            config.policy_path = Some(folder);
        }
    }

    /// Registers the object.
    ///
    /// # Errors
    /// Returns the server's refusal.
    pub(super) fn register(&self, client: &mut Client) -> Result<(), String> {
        let Self { object, object_type, attributes, .. } = self;
        let request = format!(
            "<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type='Integer' value='1'/>\
             <ProtocolVersionMinor type='Integer' value='4'/></ProtocolVersion><BatchCount type='Integer' value='1'/>\
             </RequestHeader><BatchItem><Operation type='Enumeration' value='Register'/><RequestPayload>\
             <ObjectType type='Enumeration' value='{object_type}'/><TemplateAttribute>{attributes}</TemplateAttribute>\
             {object}</RequestPayload></BatchItem></RequestMessage>"
        );
        let request = xml::decode(request.as_bytes()).map_err(|error| format!("{error}: {request}"))?;
        let answer = client.exchange(&request).map_err(|error| error.to_string())?;
        let answer = xml::encode(&answer).map_err(|error| error.to_string())?;
        if Node::read(&answer).find("ResultStatus") == Some("Success") { Ok(()) } else { Err(answer) }
    }
}

/// Returns the first name that the case locates.
fn sought(case: &Case) -> Option<&str> {
    let request = &case.steps.first()?.request;
    request.find("NameValue").filter(|_| request.find("Operation") == Some("Locate"))
}

fn step_of<'a>(case: &'a Case, operation: &str) -> Option<&'a Step> {
    case.steps.iter().find(|step| step.request.find("Operation") == Some(operation))
}

/// Returns the expected response of an operation that succeeds.
fn outcome<'a>(case: &'a Case, operation: &str) -> Option<&'a Node> {
    step_of(case, operation)?.response.items().next()?.child("ResponsePayload")
}

fn is_object(node: &Node) -> bool {
    node.child("KeyBlock").is_some()
}

fn give_value(object: &mut Node, material: &str) {
    let structure = |tag: &str, children| Node {
        tag: tag.to_owned(),
        kind: "Structure".to_owned(),
        value: String::new(),
        children,
    };
    let material = Node {
        tag: "KeyMaterial".to_owned(),
        kind: "ByteString".to_owned(),
        value: material.to_owned(),
        children: Vec::new(),
    };
    for block in object.children.iter_mut().filter(|child| child.tag == "KeyBlock") {
        block.children.insert(1, structure("KeyValue", vec![material.clone()]));
    }
}

/// Returns the pad that turns the case's data into the expected data, in hexadecimal digits; any pad if the case expects any
/// data.
fn pad(case: &Case) -> String {
    let literal = case.steps.iter().find_map(|step| {
        let (data, becomes) = (step.request.find("Data")?, step.response.find("Data")?);
        let number = |hex: &str| u64::from_str_radix(hex, 16).ok();
        let pad = number(data)? ^ number(becomes)?;
        Some(format!("{pad:0width$x}", width = data.len()))
    });
    literal.unwrap_or_else(|| (0..64).map(|byte| format!("{byte:02x}")).collect())
}

fn attribute(name: &str, value: &str) -> String {
    format!("<Attribute><AttributeName type='TextString' value='{name}'/>{value}</Attribute>")
}

fn written(node: &Node) -> String {
    node.xml(&|node| Ok::<_, ()>(node.value.clone())).unwrap()
}

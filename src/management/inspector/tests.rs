//! Records in words and as test cases.

use super::*;
use crate::auth::Peer;
use crate::observe::{FailedHandshake, Messages, Observer};

struct Recorded(Arc<Recorder>);

impl Default for Recorded {
    fn default() -> Self {
        Self(Arc::new(Recorder::of_test_control()))
    }
}

impl Inspected for Recorded {
    fn recorder(&self) -> &Arc<Recorder> {
        &self.0
    }

    fn with_services(&self, _: &mut dyn FnMut(&Services)) {}

    fn audit_log(&self) -> Option<&Path> {
        None
    }

    fn explain(&self, code: &str) -> Option<Explanation> {
        (code == "Item Not Found").then_some(Explanation { meaning: "It does not exist", advice: "Check it" })
    }
}

const VERSION: &str = r#"<ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/><ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion>"#;

fn request(operation: &str, payload: &str) -> Vec<u8> {
    message(&format!(
        "<RequestMessage><RequestHeader>{VERSION}<BatchCount type=\"Integer\" value=\"1\"/></RequestHeader><BatchItem>\
         <Operation type=\"Enumeration\" value=\"{operation}\"/><RequestPayload>{payload}</RequestPayload></BatchItem></RequestMessage>"
    ))
}

fn response(operation: &str, rest: &str) -> Vec<u8> {
    message(&format!(
        "<ResponseMessage><ResponseHeader>{VERSION}<TimeStamp type=\"DateTime\" value=\"2026-11-30T12:00:00+00:00\"/>\
         <BatchCount type=\"Integer\" value=\"1\"/></ResponseHeader><BatchItem>\
         <Operation type=\"Enumeration\" value=\"{operation}\"/>{rest}</BatchItem></ResponseMessage>"
    ))
}

fn message(xml: &str) -> Vec<u8> {
    crate::encoding::xml::decode(xml.as_bytes()).unwrap()
}

fn id(id: &str) -> String {
    format!("<UniqueIdentifier type=\"TextString\" value=\"{id}\"/>")
}

/// Returns a server that has recorded a Register, a Get and a Get that failed, of one session.
fn recorded() -> Recorded {
    let server = Recorded::default();
    let peer = Peer::new(([127, 0, 0, 1], 40_000).into(), 7, None);
    let success = "<ResultStatus type=\"Enumeration\" value=\"Success\"/>";
    let key = "<KeyMaterial type=\"ByteString\" value=\"abababab\"/>";
    let failure = "<ResultStatus type=\"Enumeration\" value=\"OperationFailed\"/>\
                   <ResultReason type=\"Enumeration\" value=\"ItemNotFound\"/>\
                   <ResultMessage type=\"TextString\" value=\"Could not locate object: 9\"/>";
    for (operation, asked, answered) in [
        ("Register", key.to_owned(), format!("{success}<ResponsePayload>{}</ResponsePayload>", id("5"))),
        ("Get", id("5"), format!("{success}<ResponsePayload>{}{key}</ResponsePayload>", id("5"))),
        ("Get", id("9"), failure.to_owned()),
    ] {
        let (request, response) = (request(operation, &asked), response(operation, &answered));
        server.0.exchanged(&Messages { request: &request, response: &response, ..Messages::of(&peer) });
    }
    server
}

fn details(server: &Recorded, number: u64) -> Value {
    view(server, View::Record, &Parameters::read(&format!("number={number}"))).unwrap()
}

#[test]
fn a_row_states_operation_object_and_result() {
    let rows = view(&recorded(), View::Records, &Parameters::read("after=1")).unwrap();
    let rows = rows["records"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["operations"], json!(["Get"]));
    assert_eq!((&rows[0]["version"], &rows[0]["objects"]), (&json!("1.4"), &json!(["5"])));
    assert_eq!((&rows[0]["result"], &rows[0]["failed"]), (&json!("success"), &json!(false)));
    assert_eq!((&rows[1]["failed"], &rows[1]["reasons"]), (&json!(true), &json!(["Item Not Found"])));
    assert_eq!(rows[1]["messages"], json!(["Could not locate object: 9"]));
}

#[test]
fn details_explain_the_reason_and_contain_no_key_material() {
    let server = recorded();
    let failed = details(&server, 3);
    assert_eq!(failed["explanations"][0]["advice"], "Check it");
    let get = details(&server, 2);
    assert!(!get.to_string().contains("abab"), "{get}");
    let lines = get["response"]["tree"]["lines"].as_array().unwrap();
    let key = lines.iter().find(|line| line["name"] == "Key Material").unwrap();
    assert_eq!((&key["value"], &key["masked"]), (&json!("<4 bytes>"), &json!(true)));
    let masked = &get["response"]["masked"][0];
    assert_eq!(masked[1].as_u64().unwrap() - masked[0].as_u64().unwrap(), 4);
    assert!(get["request"]["xml"].as_str().unwrap().starts_with("<RequestMessage>\n  <RequestHeader>\n"));
}

#[test]
fn a_test_case_has_variables_for_what_differs_at_each_replay() {
    let case = details(&recorded(), 3)["test_case"].as_str().unwrap().to_owned();
    assert_eq!(case.matches("<RequestMessage>").count(), 3);
    for line in [
        "<TimeStamp type=\"DateTime\" value=\"$NOW\"/>",
        "<UniqueIdentifier type=\"TextString\" value=\"$UNIQUE_IDENTIFIER_0\"/>",
        "<UniqueIdentifier type=\"TextString\" value=\"9\"/>",
        "<KeyMaterial type=\"ByteString\" value=\"$MASKED_1\"/>",
        "<KeyMaterial type=\"ByteString\" value=\"00000000\"/>",
    ] {
        assert!(case.lines().any(|other| other.trim() == line), "{line} is not in {case}");
    }
    assert_eq!(case.matches("$UNIQUE_IDENTIFIER_0").count(), 3, "of Register, and of both messages of Get");
    assert!(!case.contains("value=\"5\""));
}

#[test]
fn a_failed_handshake_has_the_sentence_of_the_log() {
    let server = Recorded::default();
    server
        .0
        .handshake_failed(&FailedHandshake { sentence: &"it has expired", ..FailedHandshake::of("expired") });
    let row = details(&server, 1);
    assert_eq!((&row["kind"], &row["code"]), (&json!("handshake"), &json!("expired")));
    assert_eq!((&row["text"], &row["failed"]), (&json!("it has expired"), &json!(true)));
}

#[test]
fn an_event_contains_the_newest_records_and_counts_the_others() {
    let rows = rows(&recorded().0.after(0), 2, 4);
    let numbers: Vec<_> =
        rows["records"].as_array().unwrap().iter().map(|row| row["number"].clone()).collect();
    assert_eq!((numbers, &rows["skipped"]), (vec![json!(2), json!(3)], &json!(5)));
}

#[test]
fn parameters_are_decoded() {
    let parameters = Parameters::read("search=a%20%C3%A9&below=7&empty=&flag");
    assert_eq!((parameters.text("search"), parameters.number("below")), (Some("a é"), Ok(Some(7))));
    assert_eq!(
        (parameters.text("empty"), parameters.text("flag"), parameters.text("none")),
        (None, None, None)
    );
    assert!(Parameters::read("below=x").number("below").is_err());
}

#[test]
fn the_history_of_an_object_is_read_from_the_audit_log() {
    let path = std::env::temp_dir().join(format!("kmip-history-{}", std::process::id()));
    let lines = "{\"object\":[\"1\"],\"operation\":\"Create\"}\nno json \"1\"\n{\"object\":[\"11\",\"2\"]}\n\
                 {\"object\":[\"2\",\"1\"],\"operation\":\"Get\"}\n{\"object\":[],\"user\":\"1\"}\n";
    std::fs::write(&path, lines).unwrap();
    let history = history::of(&path, "1").unwrap();
    std::fs::remove_file(&path).unwrap();
    let operations: Vec<_> = history.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["Get", "Create"]);
}

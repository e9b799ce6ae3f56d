//! The messages of a session as a test case in the form of OASIS, which `make conformance` can replay.
//!
//! What differs at each replay is a variable, as in the test cases of the standard: the identifiers of new objects, the
//! time, and values that are masked here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::encoding::{self, xml};
use crate::observe::recorder::{Exchange, Record};

/// The maximum number of exchanges in a test case.
const MAX_STEPS: usize = 100;

const ELEMENT: &str = "<UniqueIdentifier type=\"TextString\" value=\"";
const IDENTIFIERS: [&str; 3] = [
    ELEMENT,
    "<PrivateKeyUniqueIdentifier type=\"TextString\" value=\"",
    "<PublicKeyUniqueIdentifier type=\"TextString\" value=\"",
];

/// Returns the test case of a session from its first recorded message up to `last`.
pub(super) fn of(last: &Record, records: &[Arc<Record>]) -> String {
    let session =
        records.iter().filter(|record| record.session == last.session && record.number <= last.number);
    let exchanges: Vec<_> = session.filter_map(|record| record.exchange()).collect();
    let begin = exchanges.len().saturating_sub(MAX_STEPS);
    let mut variables = Variables::default();
    let mut text = String::from("<KMIP>\n<!-- Recorded by kmip-server. Secrets of requests are zeros. -->\n");
    for exchange in exchanges.get(begin..).unwrap_or_default() {
        text.push_str(&variables.step(exchange));
    }
    text.push_str("\n</KMIP>\n");
    text
}

/// The variables of a test case.
#[derive(Default)]
struct Variables {
    /// The variables of identifiers that the server assigned.
    identifiers: BTreeMap<String, String>,
    masked: usize,
}

impl Variables {
    fn step(&mut self, exchange: &Exchange) -> String {
        let (Some(request), Some(response)) = (exchange.request.shown(), exchange.response.shown()) else {
            return "\n<!-- A message was too long to be recorded. -->\n".to_owned();
        };
        let (Ok(request), Ok(response)) = (xml::encode(&request), xml::encode(&response)) else {
            return "\n<!-- A message has no valid encoding. -->\n".to_owned();
        };
        let asked: Vec<_> = indented(&request).lines().map(|line| self.of_request(line)).collect();
        let answered: Vec<_> =
            indented(&response).lines().map(|line| self.of_response(line, &request)).collect();
        format!("\n{}\n\n{}\n", asked.join("\n"), answered.join("\n"))
    }

    fn of_request(&self, line: &str) -> String {
        let Some((start, value)) = identifier(line) else { return line.to_owned() };
        let value = self.identifiers.get(value).map_or(value, String::as_str);
        format!("{start}{value}\"/>")
    }

    fn of_response(&mut self, line: &str, request: &str) -> String {
        if let Some((start, value)) = identifier(line) {
            let is_new = !request.contains(&format!("{ELEMENT}{value}\""));
            if is_new && !self.identifiers.contains_key(value) {
                let name = format!("$UNIQUE_IDENTIFIER_{}", self.identifiers.len());
                self.identifiers.insert(value.to_owned(), name);
            }
            let value = self.identifiers.get(value).map_or(value, String::as_str);
            return format!("{start}{value}\"/>");
        }
        let with = |value: &str| {
            let start = line.split_once(" value=\"").map_or(line, |(start, _)| start);
            format!("{start} value=\"{value}\"/>")
        };
        let name = line.trim_start().trim_start_matches('<').split(' ').next().unwrap_or_default();
        if name == "TimeStamp" {
            return with("$NOW");
        }
        if line.contains(" value=\"") && encoding::is_masked_name(name) {
            self.masked += 1;
            return with(&format!("$MASKED_{}", self.masked));
        }
        line.to_owned()
    }
}

/// Returns the element of an identifier up to its value, and the value.
fn identifier(line: &str) -> Option<(&str, &str)> {
    let begins = |element: &&&str| line.trim_start().starts_with(**element);
    IDENTIFIERS.iter().find(begins)?;
    let end = line.rfind("\"/>")?;
    let begin = line.find(" value=\"")? + " value=\"".len();
    Some((line.get(..begin)?, line.get(begin..end)?))
}

/// Returns XML with one element per line. A value contains no `<`, because it is escaped.
pub(super) fn indented(xml: &str) -> String {
    let mut text = String::with_capacity(2 * xml.len());
    let mut depth = 0_usize;
    for tag in xml.split_inclusive('>') {
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        }
        let width = 2 * depth;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:width$}{tag}", "");
        if !tag.starts_with("</") && !tag.ends_with("/>") {
            depth += 1;
        }
    }
    text
}

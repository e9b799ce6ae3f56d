//! Reads policy files (PyKMIP server documentation, "Policy Files"): one JSON object, a member for each
//! policy, with the sections `preset` and `groups`, or, in older files, with the types of objects directly.
//!
//! Reading from disk and protecting reserved names is for [`super::directory`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::position::{self, Position};
use super::{Error, Place, Policy, Rules, names};

const PRESET: &str = "preset";
const GROUPS: &str = "groups";

/// The policies of one file's text. As Python's JSON reader does, of members with the same name the last one
/// counts. A policy without any member is none at all. A section that is empty or null is not there.
///
/// # Errors
/// The first thing that is wrong, with its place in `file`.
pub(super) fn policies(file: &Path, json: &[u8]) -> Result<BTreeMap<String, Policy>, Error> {
    let source = Source { file, json };
    let root = serde_json::from_slice(json).map_err(|cause| source.no_json(cause))?;
    let mut policies = BTreeMap::new();
    for (name, body) in source.object(&root, "a policy file", &[])? {
        let members = source.object(body, "a policy", &[name])?;
        if !members.is_empty() {
            policies.insert(name.clone(), policy(&source, name, members)?);
        }
    }
    Ok(policies)
}

fn policy(source: &Source<'_>, name: &str, members: &Map<String, Value>) -> Result<Policy, Error> {
    let is_section = |member: &str| member == PRESET || member == GROUPS;
    if let Some(other) = members.keys().find(|key| !is_section(key) && names::object_type(key).is_none()) {
        let place = source.name(&[name, other]);
        return Err(Error::UnknownSection { place, policy: name.to_owned(), name: other.clone() });
    }
    let Some(object_type) = members.keys().find(|key| !is_section(key)) else {
        return Ok(Policy {
            preset: preset(source, name, members.get(PRESET))?,
            groups: groups(source, name, members.get(GROUPS))?,
        });
    };
    if members.keys().any(|key| is_section(key)) {
        let place = source.name(&[name, object_type]);
        return Err(Error::MixedSections { place, policy: name.to_owned(), name: object_type.clone() });
    }
    Ok(Policy { preset: Some(Box::new(rules(source, members, &[name])?)), groups: None })
}

fn preset(source: &Source<'_>, policy: &str, section: Option<&Value>) -> Result<Option<Box<Rules>>, Error> {
    let path = [policy, PRESET];
    match source.section(section, &path)? {
        Some(types) => rules(source, types, &path).map(Box::new).map(Some),
        None => Ok(None),
    }
}

fn groups(
    source: &Source<'_>,
    policy: &str,
    section: Option<&Value>,
) -> Result<Option<BTreeMap<String, Box<Rules>>>, Error> {
    let Some(groups) = source.section(section, &[policy, GROUPS])? else { return Ok(None) };
    let mut found = BTreeMap::new();
    for (group, types) in groups {
        let path = [policy, GROUPS, group];
        let types = source.object(types, "a group", &path)?;
        found.insert(group.clone(), Box::new(rules(source, types, &path)?));
    }
    Ok(Some(found))
}

/// The rules of a map from types of objects to maps from operations to permissions.
fn rules(source: &Source<'_>, types: &Map<String, Value>, path: &[&str]) -> Result<Rules, Error> {
    let mut rules = Rules::new();
    for (type_name, operations) in types {
        let path = [path, &[type_name.as_str()]].concat();
        let object_type = names::object_type(type_name)
            .ok_or_else(|| Error::UnknownObjectType { place: source.name(&path), name: type_name.clone() })?;
        for (operation_name, permission) in source.object(operations, "a type of object", &path)? {
            let path = [&path, &[operation_name.as_str()][..]].concat();
            let operation = names::operation(operation_name).ok_or_else(|| Error::UnknownOperation {
                place: source.name(&path),
                name: operation_name.clone(),
            })?;
            let permission = permission.as_str().and_then(names::permission).ok_or_else(|| {
                Error::UnknownPermission { place: source.value(&path), found: shown(permission) }
            })?;
            rules.set(object_type, operation, permission);
        }
    }
    Ok(rules)
}

/// The text that is being read, for the places of errors.
struct Source<'a> {
    file: &'a Path,
    json: &'a [u8],
}

impl Source<'_> {
    fn object<'v>(
        &self,
        value: &'v Value,
        what: &'static str,
        path: &[&str],
    ) -> Result<&'v Map<String, Value>, Error> {
        value.as_object().ok_or_else(|| Error::NotAnObject {
            place: self.value(path),
            what,
            found: kind(value),
        })
    }

    /// A section's members, if it is there and has any.
    fn section<'v>(
        &self,
        section: Option<&'v Value>,
        path: &[&str],
    ) -> Result<Option<&'v Map<String, Value>>, Error> {
        match section {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Ok(Some(self.object(value, "a section", path)?).filter(|map| !map.is_empty())),
        }
    }

    fn no_json(&self, cause: serde_json::Error) -> Error {
        // It counts the bytes read, which are none where a line is missing altogether.
        let place = self.place(Position { line: cause.line(), column: cause.column().max(1) });
        Error::Json { place, cause }
    }

    fn name(&self, path: &[&str]) -> Place {
        self.place(position::of_name(self.json, path))
    }

    fn value(&self, path: &[&str]) -> Place {
        self.place(position::of_value(self.json, path))
    }

    fn place(&self, Position { line, column }: Position) -> Place {
        Place { file: self.file.to_owned(), line, column }
    }
}

/// A text in quotes, of other values the kind.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| kind(value).to_owned(), |text| format!("{text:?}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Permission, builtin};
    use super::*;
    use crate::kmip::enums::{ObjectType, Operation};

    fn read(json: &str) -> BTreeMap<String, Policy> {
        policies(Path::new("p.json"), json.as_bytes()).unwrap()
    }

    fn fails(json: &str) -> String {
        policies(Path::new("p.json"), json.as_bytes()).unwrap_err().to_string()
    }

    fn one_rule(object_type: ObjectType, operation: Operation, permission: Permission) -> Box<Rules> {
        let mut rules = Rules::new();
        rules.set(object_type, operation, permission);
        Box::new(rules)
    }

    #[test]
    fn reads_preset_groups_and_several_policies() {
        let found = read(
            r#"{"a": {"preset": {"SPLIT_KEY": {"GET": "ALLOW_ALL"}},
                     "groups": {"G": {"PGP_KEY": {"REKEY": "ALLOW_OWNER"}}, "none": {}}},
                "b": {"groups": {"G": {"TEMPLATE": {}}}}}"#,
        );
        let a = found.get("a").unwrap();
        let split = one_rule(ObjectType::SplitKey, Operation::Get, Permission::AllowAll);
        assert_eq!(a.preset, Some(split));
        let groups = a.groups.as_ref().unwrap();
        let pgp = one_rule(ObjectType::PgpKey, Operation::ReKey, Permission::AllowOwner);
        assert_eq!(groups.get("G"), Some(&pgp));
        assert_eq!(groups.get("none"), Some(&Box::new(Rules::new())));
        let b = found.get("b").unwrap();
        assert_eq!((b.preset.is_none(), b.groups.as_ref().unwrap().len()), (true, 1));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn types_of_objects_directly_in_a_policy_are_its_preset() {
        let found = read(r#"{"old": {"CERTIFICATE": {"LOCATE": "ALLOW_ALL"}}}"#);
        let rules = one_rule(ObjectType::Certificate, Operation::Locate, Permission::AllowAll);
        assert_eq!(found.get("old"), Some(&Policy { preset: Some(rules), groups: None }));
    }

    #[test]
    fn policy_without_members_is_none_and_empty_sections_are_not_there() {
        let found = read(r#"{"a": {}, "b": {"preset": {}, "groups": null}, "c": {"groups": {}}}"#);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert!(found.values().all(|policy| *policy == Policy::default()));
        assert!(read("{}").is_empty());
    }

    #[test]
    fn last_of_members_with_one_name_counts() {
        let found = read(
            r#"{"a": {"BROKEN": 1}, "a": {"CERTIFICATE": {"GET": 1, "GET": "ALLOW_ALL"}, "TEMPLATE": {"BROKEN": 1},
                "TEMPLATE": {}}}"#,
        );
        let rules = one_rule(ObjectType::Certificate, Operation::Get, Permission::AllowAll);
        assert_eq!(found.get("a"), Some(&Policy { preset: Some(rules), groups: None }));
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let cases = [
            ("", "p.json, line 1, column 1: EOF while parsing a value"),
            ("{\n  \"a\": {,}}", "p.json, line 2, column 9: key must be a string"),
            ("{} x", "p.json, line 1, column 4: trailing characters"),
            ("\n []", "p.json, line 2, column 2: a policy file must be a JSON object, not an array"),
            ("{\n\"a\": 5}", "p.json, line 2, column 6: a policy must be a JSON object, not a number"),
            (
                "{\"a\":\n {\"presets\": {}}}",
                "p.json, line 2, column 3: policy \"a\" has a section \"presets\"; sections are \"preset\" and \"groups\"",
            ),
            (
                "{\"a\": {\"preset\": {}, \"CERTIFICATE\": {}}}",
                "p.json, line 1, column 22: policy \"a\" has \"CERTIFICATE\" beside its sections; \
                 it belongs into \"preset\" or a group",
            ),
            (
                "{\"a\": {\"preset\": \"\"}}",
                "p.json, line 1, column 18: a section must be a JSON object, not a string",
            ),
            (
                "{\"a\": {\"groups\": {\"G\": true}}}",
                "p.json, line 1, column 24: a group must be a JSON object, not a boolean",
            ),
            (
                "{\"a\": {\"groups\": {\"G\": {\"KEY\": {}}}}}",
                "p.json, line 1, column 25: \"KEY\" is no type of object",
            ),
            (
                "{\"a\": {\"PGP_KEY\": null}}",
                "p.json, line 1, column 19: a type of object must be a JSON object, not null",
            ),
            (
                "{\"a\": {\"preset\": {\"TEMPLATE\": {\n\t\"READ\": \"ALLOW_ALL\"}}}}",
                "p.json, line 2, column 2: \"READ\" is no operation",
            ),
            (
                "{\"a\": {\"TEMPLATE\": {\"GET\": \"ALLOW_NONE\"}}}",
                "p.json, line 1, column 28: \"ALLOW_NONE\" is no permission; \
                 permissions are \"ALLOW_ALL\", \"ALLOW_OWNER\" and \"DISALLOW_ALL\"",
            ),
            (
                "{\"a\": {\"TEMPLATE\": {\"GET\": 1}}}",
                "p.json, line 1, column 28: a number is no permission; \
                 permissions are \"ALLOW_ALL\", \"ALLOW_OWNER\" and \"DISALLOW_ALL\"",
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(fails(json), format!("policy file {expected}"), "{json}");
        }
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        assert!(fails(&"[".repeat(1_000_000)).contains("recursion limit exceeded"));
    }

    #[test]
    fn example_file_of_this_repository_shows_both_sections() {
        let found = read(include_str!("../../policy.json"));
        assert_eq!(found.get("example").unwrap().preset, builtin::default_policy().preset);
        let groups = found.get("example_groups").unwrap().groups.as_ref().unwrap();
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["group_A", "group_B"]);
    }
}

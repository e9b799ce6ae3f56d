//! Parses policy files (PyKMIP server documentation, "Policy Files"): one JSON object with a member for each policy,
//! which contains the sections `preset` and `groups`, or, in older files, object types directly.
//!
//! Values are read as [`RawValue`]s, which borrow from the text: the position of each name and value in the text, which
//! serde_json's own values lack, is then known when an error is found.
//!
//! [`super::directory`] reads the files and protects reserved names.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_core::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Error, FilePosition, Policy, Rules, names};

const PRESET: &str = "preset";
const GROUPS: &str = "groups";

/// Parses the policies of one file.
///
/// If an object has several members with the same name, the last one counts, as in Python's JSON parser. A policy
/// without members is ignored. A section that is empty or null counts as missing.
///
/// # Errors
/// Returns the first error, with its position in `file`.
pub(super) fn policies(file: &Path, json: &[u8]) -> Result<BTreeMap<String, Policy>, Error> {
    let source = Source { file, json };
    let root = serde_json::from_slice(json).map_err(|cause| source.invalid_json(cause))?;
    let mut policies = BTreeMap::new();
    for (name, member) in source.object(root, "a policy file")? {
        let members = source.object(member.value, "a policy")?;
        if !members.is_empty() {
            let policy = policy(&source, &name, &members)?;
            policies.insert(name, policy);
        }
    }
    Ok(policies)
}

fn policy(source: &Source<'_>, policy: &str, members: &Members<'_>) -> Result<Policy, Error> {
    let is_section = |name: &str| name == PRESET || name == GROUPS;
    let object_types: Vec<_> = members.iter().filter(|(name, _)| !is_section(name)).collect();
    if let Some((name, member)) = object_types.iter().find(|(name, _)| names::object_type(name).is_none()) {
        let position = source.position(member.name);
        return Err(Error::UnknownSection { position, policy: policy.to_owned(), name: (*name).clone() });
    }
    let Some((name, member)) = object_types.first() else {
        return Ok(Policy {
            preset: preset(source, members.get(PRESET))?,
            groups: groups(source, members.get(GROUPS))?,
        });
    };
    if object_types.len() < members.len() {
        let position = source.position(member.name);
        return Err(Error::MixedSections { position, policy: policy.to_owned(), name: (*name).clone() });
    }
    Ok(Policy { preset: Some(Box::new(rules(source, members)?)), groups: None })
}

fn preset(source: &Source<'_>, section: Option<&Member<'_>>) -> Result<Option<Box<Rules>>, Error> {
    source.section(section)?.map(|object_types| rules(source, &object_types).map(Box::new)).transpose()
}

fn groups(
    source: &Source<'_>,
    section: Option<&Member<'_>>,
) -> Result<Option<BTreeMap<String, Box<Rules>>>, Error> {
    let Some(groups) = source.section(section)? else { return Ok(None) };
    let parse = |(group, member): (String, Member<'_>)| {
        let object_types = source.object(member.value, "a group")?;
        Ok((group, Box::new(rules(source, &object_types)?)))
    };
    groups.into_iter().map(parse).collect::<Result<_, _>>().map(Some)
}

/// Parses an object that maps object types to objects that map operations to permissions.
fn rules(source: &Source<'_>, object_types: &Members<'_>) -> Result<Rules, Error> {
    let mut rules = Rules::new();
    for (type_name, member) in object_types {
        let object_type = names::object_type(type_name).ok_or_else(|| Error::UnknownObjectType {
            position: source.position(member.name),
            name: type_name.clone(),
        })?;
        for (name, entry) in source.object(member.value, "a type of object")? {
            let Some(operation) = names::operation(&name) else {
                return Err(Error::UnknownOperation { position: source.position(entry.name), name });
            };
            let text = string(entry.value);
            let permission = text.as_deref().and_then(names::permission).ok_or_else(|| {
                let found =
                    text.as_deref().map_or_else(|| kind(entry.value).to_owned(), |text| format!("{text:?}"));
                Error::UnknownPermission { position: source.position(entry.value), found }
            })?;
            rules.set(object_type, operation, permission);
        }
    }
    Ok(rules)
}

/// The members of a JSON object, by name.
type Members<'a> = BTreeMap<String, Member<'a>>;

/// A member of a JSON object: its name as the text spells it, and its value.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'a RawValue,
    value: &'a RawValue,
}

/// All members of a JSON object, in the order of the text.
struct MemberList<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for MemberList<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl<'de> Visitor<'de> for MemberVisitor {
            type Value = MemberList<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    members.push(Member { name, value });
                }
                Ok(MemberList(members))
            }
        }

        deserializer.deserialize_map(MemberVisitor)
    }
}

/// The text of a policy file.
struct Source<'a> {
    file: &'a Path,
    json: &'a [u8],
}

impl<'a> Source<'a> {
    /// Returns the members of an object; `what` describes the object in errors.
    fn object(&self, value: &'a RawValue, what: &'static str) -> Result<Members<'a>, Error> {
        if kind(value) != OBJECT {
            return Err(Error::NotAnObject { position: self.position(value), what, found: kind(value) });
        }
        let invalid = |value: &RawValue, cause| Error::Json { position: self.position(value), cause };
        let MemberList(list) = serde_json::from_str(value.get()).map_err(|cause| invalid(value, cause))?;
        let named = |member: Member<'a>| match serde_json::from_str(member.name.get()) {
            Ok(name) => Ok((name, member)),
            Err(cause) => Err(invalid(member.name, cause)),
        };
        list.into_iter().map(named).collect()
    }

    /// Returns the members of a section, or `None` if it is missing, null or empty.
    fn section(&self, section: Option<&Member<'a>>) -> Result<Option<Members<'a>>, Error> {
        match section {
            Some(section) if kind(section.value) != NULL => {
                Ok(Some(self.object(section.value, "a section")?).filter(|members| !members.is_empty()))
            }
            _ => Ok(None),
        }
    }

    /// Returns the position of a value that borrows from the text.
    fn position(&self, value: &RawValue) -> FilePosition {
        let offset = value.get().as_ptr().addr().saturating_sub(self.json.as_ptr().addr());
        let before = self.json.get(..offset).unwrap_or_default();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        FilePosition {
            file: self.file.to_owned(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: before.len() - line_start + 1,
        }
    }

    fn invalid_json(&self, cause: serde_json::Error) -> Error {
        // serde_json counts the bytes that it has read in the line, which can be none.
        let (line, column) = (cause.line(), cause.column().max(1));
        Error::Json { position: FilePosition { file: self.file.to_owned(), line, column }, cause }
    }
}

/// Returns the text of a string, or `None` for a value of another kind.
fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

const NULL: &str = "null";
const OBJECT: &str = "an object";

fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'n') => NULL,
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => OBJECT,
        _ => "a number",
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
    fn object_types_directly_in_a_policy_are_its_preset() {
        let found = read(r#"{"old": {"CERTIFICATE": {"LOCATE": "ALLOW_ALL"}}}"#);
        let rules = one_rule(ObjectType::Certificate, Operation::Locate, Permission::AllowAll);
        assert_eq!(found.get("old"), Some(&Policy { preset: Some(rules), groups: None }));
    }

    #[test]
    fn ignores_policies_without_members_and_empty_sections() {
        let found = read(r#"{"a": {}, "b": {"preset": {}, "groups": null}, "c": {"groups": {}}}"#);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert!(found.values().all(|policy| *policy == Policy::default()));
        assert!(read("{}").is_empty());
    }

    #[test]
    fn last_of_several_members_with_one_name_counts() {
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
                "p.json, line 1, column 25: \"KEY\" is no type of object; \
                 types are written like \"SYMMETRIC_KEY\"",
            ),
            (
                "{\"a\": {\"PGP_KEY\": null}}",
                "p.json, line 1, column 19: a type of object must be a JSON object, not null",
            ),
            (
                "{\"a\": {\"preset\": {\"TEMPLATE\": {\n\t\"READ\": \"ALLOW_ALL\"}}}}",
                "p.json, line 2, column 2: \"READ\" is no operation; \
                 operations are written like \"GET_ATTRIBUTES\"",
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
    fn rejects_deep_nesting_without_recursion() {
        assert!(fails(&"[".repeat(1_000_000)).contains("EOF while parsing a list"));
        let nested = format!("{}{}", "{\"a\":".repeat(100_000) + "1", "}".repeat(100_000));
        assert!(fails(&nested).contains("policy \"a\" has a section \"a\""));
    }

    #[test]
    fn positions_are_exact_behind_escapes_and_nested_values() {
        for (json, position) in [
            (
                r#"{"a": {"groups": {"}\"{": {"TEMPLATE": {"GET": [1, {"b": "}"}]}}}}, "b": 1}"#,
                "line 1, column 48",
            ),
            ("{\"a\": {}, \"b\": {},\n \"\\u0062\": -2.5}", "line 2, column 12"),
            (r#"{"a": {"T\u0045MPLATE": {}, "preset": {}}}"#, "line 1, column 8"),
            (r#"{"a": {"\ud800": {}}}"#, "line 1, column 8"),
        ] {
            assert!(fails(json).starts_with(&format!("policy file p.json, {position}: ")), "{}", fails(json));
        }
    }

    #[test]
    fn example_file_of_this_repository_has_both_sections() {
        let found = read(include_str!("../../policy.json"));
        assert_eq!(found.get("example").unwrap().preset, builtin::default_policy().preset);
        let groups = found.get("example_groups").unwrap().groups.as_ref().unwrap();
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["group_A", "group_B"]);
    }
}

//! Reads a settings file with the rules of Python's `configparser`, for which users wrote their files.
//!
//! rust-ini splits sections, keys and values, but differs from Python: a key may continue after its line, indented
//! comments are values, a backslash joins lines, and a continuation line looks like an indented key. [`fold`] therefore
//! converts the text to a form that both read alike: one line per entry, no comments, continuation lines joined by an
//! escaped line feed. This module then adds what rust-ini lacks: `[DEFAULT]`, repeated entries, `%(name)s`.
//!
//! One difference remains: a value whose first line is empty does not begin with a line feed.

use std::collections::HashSet;
use std::fmt;

use ini::{Ini, ParseOption};

/// The section whose entries every other section inherits.
const DEFAULT: &str = "DEFAULT";
/// The maximum depth of `%(name)s` in values of values: Python's bound, which also ends cycles.
const MAX_INTERPOLATION_DEPTH: usize = 10;

/// The reason why a file or one of its values cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// An entry precedes the first section.
    NoSection {
        /// The line, counted from 1.
        line: usize,
    },
    /// A line is no section, entry or comment.
    Malformed {
        /// The line, counted from 1.
        line: usize,
    },
    /// The file contains a section twice.
    RepeatedSection(
        /// Its name.
        String,
    ),
    /// A section contains a key twice.
    RepeatedKey {
        /// The section.
        section: String,
        /// The key.
        key: String,
    },
    /// A `%` does not begin `%%` or `%(name)s`.
    StrayPercent(
        /// The key of the value.
        String,
    ),
    /// `%(name)s` names no entry of the section, or a cycle of entries.
    Unresolved {
        /// The key of the value.
        key: String,
        /// The name in it.
        name: String,
    },
    /// rust-ini rejects the converted text.
    Syntax(
        /// The error of rust-ini.
        String,
    ),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSection { line } => write!(f, "line {line} stands before any [section]"),
            Self::Malformed { line } => write!(f, "line {line} is neither a [section] nor key=value"),
            Self::RepeatedSection(section) => write!(f, "the section [{section}] stands there twice"),
            Self::RepeatedKey { section, key } => {
                write!(f, "the setting '{key}' stands twice in the section [{section}]")
            }
            Self::StrayPercent(key) => {
                write!(f, "the value of '{key}' has a single %; a percent sign is written %%")
            }
            Self::Unresolved { key, name } => {
                write!(f, "the value of '{key}' refers to '{name}', which has no value")
            }
            Self::Syntax(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for Error {}

/// The sections of a file with unresolved values.
#[derive(Debug)]
pub struct File {
    sections: Vec<(String, Vec<(String, String)>)>,
    defaults: Vec<(String, String)>,
}

impl File {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// Returns any [`Error`] except those of single values.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let options = ParseOption { enabled_quote: false, ..ParseOption::default() };
        let ini = Ini::load_from_str_opt(&fold(text)?, options).map_err(|e| Error::Syntax(e.to_string()))?;
        let mut file = Self { sections: Vec::new(), defaults: Vec::new() };
        let mut seen = HashSet::new();
        for (section, properties) in &ini {
            let Some(section) = section else { continue };
            if section != DEFAULT && file.sections.iter().any(|(name, _)| name == section) {
                return Err(Error::RepeatedSection(section.to_owned()));
            }
            let mut entries = Vec::new();
            for (key, value) in properties {
                let key = key.to_lowercase();
                if !seen.insert((section.to_owned(), key.clone())) {
                    return Err(Error::RepeatedKey { section: section.to_owned(), key });
                }
                entries.push((key, value.to_owned()));
            }
            if section == DEFAULT {
                file.defaults.extend(entries);
            } else {
                file.sections.push((section.to_owned(), entries));
            }
        }
        Ok(file)
    }

    /// Returns the names of the sections in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the entries of a section and the inherited ones of `[DEFAULT]`, with resolved values and keys in lower
    /// case; `None` if the file has no such section.
    ///
    /// # Errors
    /// Returns [`Error::StrayPercent`] or [`Error::Unresolved`] if a value cannot be resolved.
    pub fn section(&self, name: &str) -> Result<Option<Vec<(String, String)>>, Error> {
        let Some((_, own)) = self.sections.iter().find(|(section, _)| section == name) else {
            return Ok(None);
        };
        let inherited = self.defaults.iter().filter(|(key, _)| own.iter().all(|(other, _)| other != key));
        let raw: Vec<_> = own.iter().chain(inherited).collect();
        let resolved = raw.iter().map(|(key, value)| Ok((key.clone(), resolve(key, value, &raw, 0)?)));
        resolved.collect::<Result<_, _>>().map(Some)
    }
}

/// Converts the text to one line per entry for rust-ini, with the rules of Python's `RawConfigParser._read`.
fn fold(text: &str) -> Result<String, Error> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut folded = String::with_capacity(text.len() + 64);
    let (mut in_section, mut in_entry, mut entry_indent) = (false, false, 0);
    for (index, raw) in text.lines().enumerate() {
        let (line, value) = (index + 1, raw.trim());
        if value.starts_with(['#', ';']) {
            continue;
        }
        if value.is_empty() {
            // Empty lines belong to a value that continues after them; rust-ini trims trailing ones.
            folded.push_str(if in_entry { "\\n" } else { "" });
            continue;
        }
        let indent = raw.len() - raw.trim_start().len();
        if in_entry && indent > entry_indent {
            folded.push_str("\\n");
            escape(value, &mut folded);
            continue;
        }
        entry_indent = indent;
        folded.push('\n');
        if let Some(name) = value.strip_prefix('[').and_then(|rest| Some(rest.rsplit_once(']')?.0)) {
            (in_section, in_entry) = (true, false);
            folded.push('[');
            escape(name, &mut folded);
            folded.push(']');
        } else if !in_section {
            return Err(Error::NoSection { line });
        } else if value.starts_with(['=', ':', '[']) || !value.contains(['=', ':']) {
            return Err(Error::Malformed { line });
        } else {
            in_entry = true;
            escape(value, &mut folded);
        }
    }
    folded.push('\n');
    Ok(folded)
}

/// Escapes the characters that are special to rust-ini and not to Python.
fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        if matches!(c, '\\' | ']') {
            into.push('\\');
        }
        into.push(c);
    }
}

/// Resolves `%` as Python's `BasicInterpolation` does.
fn resolve(key: &str, value: &str, section: &[&(String, String)], depth: usize) -> Result<String, Error> {
    let mut resolved = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        resolved.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            resolved.push('%');
            rest = after;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|it| it.split_once(")s"));
        let (name, after) = reference.ok_or_else(|| Error::StrayPercent(key.to_owned()))?;
        let target = section.iter().find(|(other, _)| *other == name.to_lowercase());
        let Some((_, target)) = target.filter(|_| depth < MAX_INTERPOLATION_DEPTH) else {
            return Err(Error::Unresolved { key: key.to_owned(), name: name.to_owned() });
        };
        resolved.push_str(&resolve(key, target, section, depth + 1)?);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str, name: &str) -> Vec<(String, String)> {
        File::parse(text).unwrap().section(name).unwrap().unwrap()
    }

    fn value(text: &str, key: &str) -> String {
        let entries = section(text, "server");
        entries.into_iter().find(|(name, _)| name == key).unwrap().1
    }

    #[test]
    fn reads_both_delimiters_and_keys_of_any_case() {
        let text = "[server]\nHostName = a:b=c\nport: 5696\n  \nempty=\n";
        assert_eq!(
            section(text, "server"),
            [("hostname", "a:b=c"), ("port", "5696"), ("empty", "")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn indented_lines_continue_a_value_through_comments_and_empty_lines() {
        let text = "[server]\ntls_cipher_suites=\n    A\n # not this = one\n\n\tB\n    ; nor this\nport=1\n";
        assert_eq!(value(text, "tls_cipher_suites").split_whitespace().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(value(text, "port"), "1");
        assert_eq!(value("[server]\na=1\n  b=2\n", "a"), "1\nb=2");
        assert_eq!(value("[server]\na=1\n\n\n", "a"), "1");
    }

    #[test]
    fn an_indented_first_entry_is_an_entry() {
        let text = "  [server]\n  a=1\n  b=2\n";
        assert_eq!((value(text, "a"), value(text, "b")), ("1".into(), "2".into()));
    }

    #[test]
    fn comments_are_whole_lines_only() {
        let text = "; one\n# two\n[server] ; three\n   # four\na=1 ; not a comment\nb=2 # nor this\n";
        assert_eq!(value(text, "a"), "1 ; not a comment");
        assert_eq!(value(text, "b"), "2 # nor this");
    }

    #[test]
    fn backslashes_and_quotes_are_taken_as_they_are() {
        let text = "[server]\na=C:\\new\\table\nb=\"x\" 'y'\nc=ends in \\\nd=1\r\n";
        assert_eq!(value(text, "a"), "C:\\new\\table");
        assert_eq!(value(text, "b"), "\"x\" 'y'");
        assert_eq!(value(text, "c"), "ends in \\");
        assert_eq!(value(text, "d"), "1");
    }

    #[test]
    fn the_default_section_serves_where_a_section_is_silent() {
        let text = "[DEFAULT]\na=1\nb=2\n[server]\nb=3\n[auth:slugs]\n";
        assert_eq!((value(text, "a"), value(text, "b")), ("1".into(), "3".into()));
        assert_eq!(section(text, "auth:slugs").len(), 2);
        assert_eq!(File::parse(text).unwrap().sections().collect::<Vec<_>>(), ["server", "auth:slugs"]);
    }

    #[test]
    fn percent_signs_refer_to_other_values() {
        let text = "[server]\nroot=/srv\na=%(Root)s/ca.pem\nb=100%%\n";
        assert_eq!((value(text, "a"), value(text, "b")), ("/srv/ca.pem".into(), "100%".into()));
        for (line, name) in [("a=5%", None), ("a=%(b)s", Some("b")), ("a=%(a)s", Some("a"))] {
            let error = File::parse(&format!("[server]\n{line}\n")).unwrap().section("server").unwrap_err();
            match name {
                None => assert_eq!(error, Error::StrayPercent("a".into())),
                Some(name) => assert_eq!(error, Error::Unresolved { key: "a".into(), name: name.into() }),
            }
        }
    }

    #[test]
    fn a_percent_sign_in_a_section_that_nobody_asks_for_does_no_harm() {
        let file = File::parse("[client]\npassword=5%\n[server]\na=1\n").unwrap();
        assert!(file.section("server").is_ok());
    }

    #[test]
    fn what_is_no_entry_is_named_by_its_line() {
        for (text, error) in [
            ("a=1\n", Error::NoSection { line: 1 }),
            ("[server]\n\nnonsense\n", Error::Malformed { line: 3 }),
            ("[server]\n=1\n", Error::Malformed { line: 2 }),
            ("[server\n", Error::NoSection { line: 1 }),
            ("[a]\n[a]\n", Error::RepeatedSection("a".into())),
            ("[a]\nb=1\nB=2\n", Error::RepeatedKey { section: "a".into(), key: "b".into() }),
        ] {
            assert_eq!(File::parse(text).unwrap_err(), error, "{text:?}");
        }
    }
}

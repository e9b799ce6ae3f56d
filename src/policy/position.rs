//! Finds the line and column of a member in a JSON text that serde_json has accepted: its values carry no
//! positions, and an error in a policy file is of use only with one.

/// A place in the text, both from 1, the column in bytes as serde_json counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where the name of the member at the end of `path` begins. Of members with the same name the last one
/// counts, as it does in the parsed value. A path that leads nowhere ends at its last member that exists.
pub(super) fn of_name(text: &[u8], path: &[&str]) -> Position {
    position(text, follow(text, path).0)
}

/// Where the value of the member at the end of `path` begins.
pub(super) fn of_value(text: &[u8], path: &[&str]) -> Position {
    position(text, follow(text, path).1)
}

fn position(text: &[u8], offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Position { line, column }
}

/// The offsets of the name and the value at the end of the path.
fn follow(text: &[u8], path: &[&str]) -> (usize, usize) {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let mut found = (cursor.at, cursor.at);
    for name in path {
        match (Cursor { text, at: found.1 }).member(name) {
            Some(member) => found = member,
            None => break,
        }
    }
    found
}

/// A place in a text that is known to be JSON.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// The offsets of name and value of the last member of that name in the object that begins here.
    fn member(&mut self, wanted: &str) -> Option<(usize, usize)> {
        let mut found = None;
        if self.peek() != Some(b'{') {
            return found;
        }
        self.at += 1;
        self.skip_space();
        while self.peek() == Some(b'"') {
            let name = self.at;
            self.skip_string();
            let matches = self.text.get(name..self.at).is_some_and(|raw| {
                serde_json::from_slice::<String>(raw).is_ok_and(|spelled| spelled == wanted)
            });
            self.skip_space();
            self.at += 1; // the colon
            self.skip_space();
            if matches {
                found = Some((name, self.at));
            }
            self.skip_value();
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.skip_space();
            }
        }
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// From a string's first quote to behind its last.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    /// To the comma or bracket behind a value.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => return,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
{ "a" : [1, {"b": "}"}, "\"]"],
  "b\"" : {"c":{"x":1},  "d" :
     -2.5},
  "e":true, "\u0066": {
    "d":{}, "d": null}
}
"#;

    fn name(path: &[&str]) -> (usize, usize) {
        let Position { line, column } = of_name(TEXT.as_bytes(), path);
        (line, column)
    }

    fn value(path: &[&str]) -> (usize, usize) {
        let Position { line, column } = of_value(TEXT.as_bytes(), path);
        (line, column)
    }

    #[test]
    fn names_and_values_are_found_through_nesting_and_escapes() {
        serde_json::from_str::<serde_json::Value>(TEXT).unwrap();
        assert_eq!(value(&[]), (2, 1));
        assert_eq!((name(&["a"]), value(&["a"])), ((2, 3), (2, 9)));
        assert_eq!(name(&["b\""]), (3, 3));
        assert_eq!((name(&["b\"", "d"]), value(&["b\"", "d"])), ((3, 26), (4, 6)));
        assert_eq!((name(&["e"]), value(&["e"])), ((5, 3), (5, 7)));
        assert_eq!(name(&["f"]), (5, 13));
    }

    #[test]
    fn last_of_several_members_counts() {
        assert_eq!((name(&["f", "d"]), value(&["f", "d"])), ((6, 13), (6, 18)));
    }

    #[test]
    fn path_that_leads_nowhere_ends_at_its_last_member() {
        assert_eq!(name(&["b\"", "nothing"]), (3, 3));
        assert_eq!(name(&["e", "nothing"]), (5, 3));
        assert_eq!(of_name(b"", &["a"]), Position { line: 1, column: 1 });
        assert_eq!(of_name(b"{\"a\\", &["b"]), Position { line: 1, column: 1 });
    }
}

//! Text of clients in log lines, audit lines and errors: bounded, and without characters that change how a line looks.
//!
//! The only way for a text of a client into such a line is [`Excerpt`]. The log escapes complete lines by
//! [`push_escaped`], so that a text which bypasses `Excerpt` cannot imitate another line either.

use std::borrow::Cow;
use std::fmt;

/// The maximum length of a client's text in a line, in characters.
pub const MAX_CHARACTERS: usize = 128;

/// Formats at most [`MAX_CHARACTERS`] characters of a text, then the number of the others. `{}` escapes unprintable
/// characters; `{:?}` also quotes the text, so that it cannot imitate what surrounds it.
#[derive(Clone, Copy)]
pub struct Excerpt<'a>(pub &'a str);

impl<'a> Excerpt<'a> {
    /// Returns the bounded text without escapes, for a place that quotes it.
    pub fn bounded(self) -> Cow<'a, str> {
        match self.split() {
            (shown, "") => shown.into(),
            (shown, rest) => {
                let mut text = shown.to_owned();
                // Writing to a string does not fail.
                let _ = write_rest(&mut text, rest);
                text.into()
            }
        }
    }

    /// Splits the text after the first [`MAX_CHARACTERS`] characters.
    fn split(self) -> (&'a str, &'a str) {
        // Most texts are shorter, and no text has more characters than bytes.
        if self.0.len() <= MAX_CHARACTERS {
            return (self.0, "");
        }
        let end = self.0.char_indices().nth(MAX_CHARACTERS).map_or(self.0.len(), |(at, _)| at);
        self.0.split_at(end)
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.split();
        shown.chars().try_for_each(|c| write_escaped(f, c))?;
        write_rest(f, rest)
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.split();
        // Rust's quotation escapes unprintable characters.
        fmt::Debug::fmt(shown, f)?;
        write_rest(f, rest)
    }
}

/// Writes the number of characters that are left out.
fn write_rest(f: &mut impl fmt::Write, rest: &str) -> fmt::Result {
    match rest.chars().count() {
        0 => Ok(()),
        1 => f.write_str(" (and 1 more character)"),
        count => write!(f, " (and {count} more characters)"),
    }
}

/// Appends `c`, escaped as `\u{202e}` if it is unprintable: control characters, line and paragraph separators,
/// and characters that hide or reorder text.
pub fn push_escaped(text: &mut String, c: char) {
    // Writing to a string does not fail.
    let _ = write_escaped(text, c);
}

fn write_escaped(f: &mut impl fmt::Write, c: char) -> fmt::Result {
    if is_printable(c) { f.write_char(c) } else { write!(f, "{}", c.escape_default()) }
}

/// Returns whether a terminal shows `c` as itself, according to the tables of Rust's string quotation.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The quotation escapes a combining mark only at the start of a text.
    let mut buffer = [b'a'; 5];
    let (first, rest) = buffer.split_at_mut(1);
    let length = first.len() + c.encode_utf8(rest).len();
    let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| text.escape_debug().nth(1) == Some(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_the_rest_is_counted() {
        for short in ["", "7", &"é".repeat(MAX_CHARACTERS)] {
            assert_eq!(Excerpt(short).to_string(), short);
            assert_eq!(format!("{:?}", Excerpt(short)), format!("{short:?}"));
        }
        let (one, shown) = ("é".repeat(MAX_CHARACTERS + 1), "é".repeat(MAX_CHARACTERS));
        assert_eq!(Excerpt(&one).to_string(), format!("{shown} (and 1 more character)"));
        let many = "é".repeat(1_000_000);
        assert_eq!(Excerpt(&many).to_string(), format!("{shown} (and 999872 more characters)"));
        assert_eq!(format!("{:?}", Excerpt(&many)), format!("{shown:?} (and 999872 more characters)"));
        assert_eq!(Excerpt(&many).bounded(), Excerpt(&many).to_string());
    }

    #[test]
    fn characters_that_hide_or_reorder_text_are_escaped() {
        let unprintable = [
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}',
        ];
        for c in unprintable {
            let text = format!("a{c}b");
            let escaped = format!("a{}b", c.escape_default());
            assert_eq!(Excerpt(&text).to_string(), escaped);
            assert!(!format!("{:?}", Excerpt(&text)).contains(c), "{escaped}");
        }
        let printable = "Jörg \"naïve\" \\ 日本語 שלום हिन्दी 🔑";
        assert_eq!(Excerpt(printable).to_string(), printable);
    }
}

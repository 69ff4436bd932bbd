//! Character references of HTML, as a stream and a renderer need them.

use std::borrow::Cow;

/// The longest name of a character is 31 octets.
pub const LONGEST: usize = 32;

/// What `reference` (`&auml;`, `&#228;`, `&copy`) stands for, if it is one. Control characters are U+FFFD.
pub fn characters(reference: &str) -> Option<String> {
    match htmlize::unescape(reference) {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => {
            let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
            Some(text.chars().map(shown).collect())
        }
    }
}

/// All references in the value of an attribute resolved.
pub fn resolve(value: &str) -> String {
    htmlize::unescape_attribute(value).into_owned()
}

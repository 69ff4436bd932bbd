//! Flags of messages.

use super::scan::{Parsed, Scanner};
use crate::bytes::escape::visible;
use std::fmt;

/// `flag` and `flag-perm` (RFC 9051 section 9). System flags compare in any case, and so do keywords (RFC 9051 section 2.3.2).
#[derive(Debug, Clone, Eq)]
pub struct Flag(String);

impl Flag {
    pub const SEEN: &'static str = "\\Seen";
    pub const ANSWERED: &'static str = "\\Answered";
    pub const FLAGGED: &'static str = "\\Flagged";
    pub const DELETED: &'static str = "\\Deleted";
    pub const DRAFT: &'static str = "\\Draft";

    /// `flag = "\Answered" / … / flag-keyword / flag-extension`, `flag-extension = "\" atom`, `flag-keyword = … / atom`; none where a
    /// client could not send it.
    pub fn new(text: &str) -> Option<Flag> {
        let atom = text.strip_prefix('\\').unwrap_or(text);
        let fits = !atom.is_empty() && atom.bytes().all(|byte| super::scan::is_atom_char(byte) && byte.is_ascii());
        fits.then(|| Flag(proper(text)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it this one?
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl PartialEq for Flag {
    fn eq(&self, other: &Flag) -> bool {
        self.is(&other.0)
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// System flags as RFC 9051 writes them: Cyrus sends `\drafts`, others `\SEEN`.
fn proper(text: &str) -> String {
    let known = [Flag::SEEN, Flag::ANSWERED, Flag::FLAGGED, Flag::DELETED, Flag::DRAFT, "\\Recent"];
    let found = known.iter().find(|name| name.eq_ignore_ascii_case(text));
    found.map_or_else(|| text.to_owned(), |name| (*name).to_owned())
}

/// `flag-perm = flag / "\*"`, and what servers send beside: a keyword with `]` in it, 8-bit octets, which are `\xe9` where they are no UTF-8.
pub fn flag_perm(s: &mut Scanner<'_>) -> Parsed<Flag> {
    let from = s.at();
    s.eat(b'\\');
    if !s.eat(b'*') && s.take_while(super::scan::is_astring_char).is_empty() {
        return s.fail("a flag");
    }
    let len = s.since(from).len();
    s.spend_text(len)?;
    let octets = s.since(from);
    Ok(Flag(std::str::from_utf8(octets).map_or_else(|_| visible(octets), proper)))
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub fn flag_list(s: &mut Scanner<'_>) -> Parsed<Vec<Flag>> {
    s.list(flag_perm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_count_in_any_case() {
        let flags = flag_list(&mut Scanner::new(b"(\\SEEN \\drafts $Forwarded  NonJunk \\* a]b)", &[])).unwrap();
        let shown: Vec<&str> = flags.iter().map(Flag::as_str).collect();
        assert_eq!(shown, ["\\Seen", "\\drafts", "$Forwarded", "NonJunk", "\\*", "a]b"]);
        assert!(flags[0].is(Flag::SEEN) && flags[2] == Flag::new("$forwarded").unwrap());
        let flags = flag_list(&mut Scanner::new(b"(\\caf\xe9 caf\xe8 Entw\xc3\xbcrfe)", &[])).unwrap();
        let shown: Vec<&str> = flags.iter().map(Flag::as_str).collect();
        assert_eq!(shown, ["\\caf\\xe9", "caf\\xe8", "Entwürfe"], "no two keywords look alike");
        assert_eq!(flag_list(&mut Scanner::new(b"()", &[])), Ok(Vec::new()));
        for text in ["(\\)", "(", "(a"] {
            assert!(flag_list(&mut Scanner::new(text.as_bytes(), &[])).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_atom_is_no_flag() {
        for text in ["", "\\", "a b", "a\r\nb", "a)", "\\*", "{3}", "\u{e9}"] {
            assert_eq!(Flag::new(text), None, "{text:?}");
        }
        assert_eq!(Flag::new("\\deleted").unwrap().to_string(), "\\Deleted");
    }
}

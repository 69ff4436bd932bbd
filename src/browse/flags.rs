//! Flags by the names that people give them: `seen`, `\Seen`, `junk`, `Work`.

use std::fmt;

/// `flag` of RFC 9051 section 9 that a client may set: as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("{0:?}: no flag: those are of ASCII, without spaces, and have none of (){{}}%*\"\\]")]
    Form(String),
    #[error("\\Recent is the server's own and cannot be changed")]
    Recent,
}

/// System flags (RFC 9051 section 2.3.2) and keywords that are registered, by the word without their mark.
const KNOWN: &[&str] = &[
    "\\Seen",
    "\\Answered",
    "\\Flagged",
    "\\Deleted",
    "\\Draft",
    "$Forwarded",
    "$MDNSent",
    "$Junk",
    "$NotJunk",
    "$Phishing",
    "$Important",
];

impl Flag {
    /// The name as it is typed, in any case where it is a known one.
    pub fn named(text: &str) -> Result<Flag, FlagError> {
        let bare = text.strip_prefix(['\\', '$']).unwrap_or(text);
        if bare.eq_ignore_ascii_case("recent") && !text.starts_with('$') {
            return Err(FlagError::Recent);
        }
        let known = KNOWN.iter().find(|known| match text.starts_with(['\\', '$']) {
            true => known.eq_ignore_ascii_case(text),
            false => known[1..].eq_ignore_ascii_case(text),
        });
        if let Some(known) = known {
            return Ok(Flag((*known).to_owned()));
        }
        let atom = text.strip_prefix('\\').unwrap_or(text);
        if is_atom(atom) { Ok(Flag(text.to_owned())) } else { Err(FlagError::Form(text.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `atom` of RFC 9051 section 9.
pub fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte))
}

/// The names that completion offers.
pub fn names() -> impl Iterator<Item = String> {
    KNOWN.iter().map(|known| known[1..].to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_their_names() {
        for (text, wire) in [
            ("seen", "\\Seen"),
            ("SEEN", "\\Seen"),
            ("\\seen", "\\Seen"),
            ("flagged", "\\Flagged"),
            ("junk", "$Junk"),
            ("$junk", "$Junk"),
            ("$Label1", "$Label1"),
            ("Work", "Work"),
            ("\\Own", "\\Own"),
            ("$recent", "$recent"),
        ] {
            assert_eq!(Flag::named(text).unwrap().as_str(), wire);
        }
    }

    #[test]
    fn nothing_but_an_atom_gets_through() {
        for bad in ["", "\\", "a b", "a)", "x\r\na LOGOUT", "\\*", "{3}", "\"a\"", "a\0", "ä", "\\\\Seen", "a]"] {
            assert!(Flag::named(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Flag::named("recent"), Err(FlagError::Recent));
        assert_eq!(Flag::named("\\Recent"), Err(FlagError::Recent));
    }
}

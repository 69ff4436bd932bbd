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

    /// The key of SEARCH for messages that have it, or lack it; none for a system flag that has no key.
    pub fn key(&self, has: bool) -> Option<String> {
        let un = if has { "" } else { "UN" };
        match self.0.strip_prefix('\\').map(str::to_ascii_uppercase) {
            None => Some(format!("{un}KEYWORD {}", self.0)),
            Some(name) => {
                ["SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT"].contains(&name.as_str()).then(|| format!("{un}{name}"))
            }
        }
    }

    /// Keys of SEARCH for messages that lack one of these, or still have one.
    pub fn keys_unlike(flags: &[Flag], has: bool) -> Option<String> {
        let keys: Vec<String> = flags.iter().map(|flag| flag.key(!has)).collect::<Option<_>>()?;
        let (last, before) = keys.split_last()?;
        Some(before.iter().map(|key| format!("OR {key} ")).chain([last.clone()]).collect())
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
    fn messages_that_are_not_as_they_should_be_are_searched_for() {
        let unlike = |names: &[&str], has| {
            let flags: Vec<Flag> = names.iter().map(|name| Flag::named(name).unwrap()).collect();
            Flag::keys_unlike(&flags, has)
        };
        assert_eq!(unlike(&["seen"], true).unwrap(), "UNSEEN");
        assert_eq!(unlike(&["seen", "junk", "Work"], false).unwrap(), "OR SEEN OR KEYWORD $Junk KEYWORD Work");
        assert_eq!((unlike(&[], true), unlike(&["seen", "\\Own"], true)), (None, None));
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

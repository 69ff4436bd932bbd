//! What is spoken in a session, and what stands for what is hidden of it.

use std::borrow::Cow;

/// Stands in the place of what is not shown.
pub const HIDDEN: &str = "<hidden>";
/// Longest name of a mechanism (RFC 4422 section 3.1).
const MAX_NAME: usize = 20;

/// The first word, and what stands behind the blank after it.
pub fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
}

/// What may be shown of a line that begins an exchange by `command` (with the blank behind it) and these arguments: the mechanism's name.
pub fn begun<'a>(line: &'a [u8], command: &[u8], arguments: &[u8]) -> Cow<'a, [u8]> {
    let (name, initial) = split(arguments);
    let is_name = name.len() <= MAX_NAME && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    match (is_name, initial) {
        (true, b"") => Cow::Borrowed(line),
        (true, _) => [command, name, b" ", HIDDEN.as_bytes()].concat().into(),
        (false, _) => [command, HIDDEN.as_bytes()].concat().into(),
    }
}

/// What may be shown of a line of the client's within an exchange: a cancelled one tells nothing.
pub fn within(line: &[u8]) -> Cow<'_, [u8]> {
    if line == b"*" { Cow::Borrowed(line) } else { HIDDEN.as_bytes().into() }
}

/// What is spoken in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speech {
    /// LMTP, too.
    #[default]
    Smtp,
    Pop3,
    Imap,
}

impl Speech {
    /// A line by which the server refuses.
    pub fn is_refusal(self, line: &[u8]) -> bool {
        match self {
            Speech::Smtp => matches!(line, [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', ..]),
            Speech::Pop3 => line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"-ERR")),
            Speech::Imap => {
                let mut words = line.split(|byte| *byte == b' ');
                let (tag, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                // Our tags have a digit in them; a line of a message that reads so is rare.
                let tagged = tag.iter().any(u8::is_ascii_digit) && tag.iter().all(u8::is_ascii_alphanumeric);
                (tagged && matches!(status, b"NO" | b"BAD")) || (tag == b"*" && status == b"BAD")
            }
        }
    }

    /// A farewell, whose answer tells nothing of what went wrong before.
    pub fn is_farewell(self, line: &[u8]) -> bool {
        let mut words = line.split(|byte| *byte == b' ');
        self == Speech::Imap && words.nth(1).is_some_and(|verb| verb.eq_ignore_ascii_case(b"LOGOUT")) && words.next().is_none()
    }

    /// A command that only asks whether there is such a thing: to refuse it is no news.
    pub fn is_probe(self, line: &[u8]) -> bool {
        self == Speech::Pop3 && [&b"CAPA"[..], b"UTF8"].iter().any(|verb| line.eq_ignore_ascii_case(verb))
    }
}

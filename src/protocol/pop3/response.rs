//! Responses on the wire: status lines with their response codes, and the lines of listings, however the bytes are split. No policy.

use crate::bytes::line::{Line, LineBuffer};
use std::fmt;

/// Longest line taken, in octets without CRLF. RFC 2449 section 4 allows 510; challenges are longer, and RFC 4954 section 4 has 12288
/// octets suffice for them.
const MAX_LINE: usize = 12288 - 2;
/// What is told of a line that should not be.
const SHOWN: usize = 80;

/// Why the bytes are no response. The connection can't be used any more: responses and commands no longer match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    #[error("neither +OK nor -ERR: {0}")]
    NoStatus(String),
    #[error("endless line")]
    Endless,
    #[error("a response with a bare CR or LF")]
    BareLineEnd,
}

/// A status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// `+OK`, and what follows it.
    Ok(String),
    Err(Refusal),
    /// `+`, within AUTH: a challenge in base64 (RFC 5034 section 4).
    Challenge(String),
}

/// `-ERR`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Option<Code>,
    /// What follows `-ERR`, the code included.
    pub text: String,
}

/// Response codes (RFC 2449 section 8, RFC 3206), and one that IMAP has (RFC 5530) and servers of both use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The mailbox is locked by another session.
    InUse,
    /// Logged in too soon after the last time.
    LoginDelay,
    SysTemp,
    SysPerm,
    /// What was said of who we are is wrong.
    Auth,
    Unavailable,
}

impl Code {
    /// A retry may help.
    pub fn is_temporary(self) -> bool {
        !matches!(self, Code::SysPerm | Code::Auth)
    }

    /// `resp-code = "[" resp-level *("/" resp-level) "]"` (RFC 2449 section 3)
    fn at_start(text: &str) -> Option<Code> {
        let (code, _) = text.strip_prefix('[')?.split_once(']')?;
        match code.to_ascii_uppercase().as_str() {
            "IN-USE" => Some(Code::InUse),
            "LOGIN-DELAY" => Some(Code::LoginDelay),
            "SYS/TEMP" => Some(Code::SysTemp),
            "SYS/PERM" => Some(Code::SysPerm),
            "AUTH" => Some(Code::Auth),
            "UNAVAILABLE" => Some(Code::Unavailable),
            _ => None,
        }
    }
}

impl Refusal {
    /// A retry may help.
    pub fn is_temporary(&self) -> bool {
        self.code.is_some_and(Code::is_temporary)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str("-ERR") } else { write!(f, "-ERR {}", self.text) }
    }
}

impl Response {
    /// `single-line = status [SP text] CRLF`, `status = "+OK" / "-ERR"` (RFC 2449 section 3); with `challenges`, `"+" SP [base64]`,
    /// too (RFC 5034 section 4).
    pub fn parse(line: &[u8], challenges: bool) -> Result<Response, BadResponse> {
        let text = String::from_utf8_lossy(line);
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
        let rest = rest.trim_matches([' ', '\t']);
        match word {
            "+" if challenges => Ok(Response::Challenge(rest.to_owned())),
            _ if word.eq_ignore_ascii_case("+OK") => Ok(Response::Ok(rest.to_owned())),
            _ if word.eq_ignore_ascii_case("-ERR") => {
                Ok(Response::Err(Refusal { code: Code::at_start(rest), text: rest.to_owned() }))
            }
            _ => Err(BadResponse::NoStatus(text.chars().take(SHOWN).collect())),
        }
    }
}

/// Collects one line at a time. One that is too long is told before it ends: it may never.
#[derive(Debug)]
pub struct Lines {
    line: LineBuffer,
    held: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Lines { line: LineBuffer::new(MAX_LINE), held: 0 }
    }
}

impl Lines {
    /// Takes bytes up to the end of the first line; gives how many, and the line.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Result<Vec<u8>, BadResponse>>) {
        let (used, line) = self.line.take(bytes);
        self.held = if line.is_some() { 0 } else { self.held + used };
        let line = match line {
            None if self.held > MAX_LINE + 1 => Some(Err(BadResponse::Endless)),
            None => None,
            Some(Line::Whole(line)) => Some(Ok(line)),
            Some(Line::TooLong) => Some(Err(BadResponse::Endless)),
            Some(Line::BareCr | Line::BareLf) => Some(Err(BadResponse::BareLineEnd)),
        };
        (used, line)
    }
}

/// `APOP`'s timestamp in a greeting: a msg-id (RFC 1939 section 7). What is none is no challenge: a server, or who stands before it,
/// that may choose any bytes learns something of the password from the answer (CVE-2007-1558).
pub fn timestamp(greeting: &str) -> Option<&str> {
    let start = greeting.rfind('<')?;
    let end = start + greeting[start..].find('>')? + 1;
    let inside = &greeting[start + 1..end - 1];
    let (left, right) = inside.split_once('@')?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !b"<>@".contains(&b));
    (is_word(left) && is_word(right)).then_some(&greeting[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_as_servers_send_them() {
        let ok = |text: &str| Ok(Response::Ok(text.to_owned()));
        let err = |code, text: &str| Ok(Response::Err(Refusal { code, text: text.to_owned() }));
        for (line, want) in [
            ("+OK", ok("")),
            ("+OK ", ok("")),
            ("+ok 2 messages", ok("2 messages")),
            ("-ERR", err(None, "")),
            ("-ERR [in-use] locked", err(Some(Code::InUse), "[in-use] locked")),
            ("-ERR [SYS/TEMP] disk", err(Some(Code::SysTemp), "[SYS/TEMP] disk")),
            ("-ERR [XFOO] bar", err(None, "[XFOO] bar")),
            ("-ERR no [AUTH] here", err(None, "no [AUTH] here")),
            ("220 mx ESMTP", Err(BadResponse::NoStatus("220 mx ESMTP".into()))),
            ("+OKAY", Err(BadResponse::NoStatus("+OKAY".into()))),
            ("* OK IMAP4rev1", Err(BadResponse::NoStatus("* OK IMAP4rev1".into()))),
            ("", Err(BadResponse::NoStatus(String::new()))),
            ("+ abc", Err(BadResponse::NoStatus("+ abc".into()))),
        ] {
            assert_eq!(Response::parse(line.as_bytes(), false), want, "{line:?}");
        }
        assert_eq!(Response::parse(b"+ YQ==", true), Ok(Response::Challenge("YQ==".into())));
        assert_eq!(Response::parse(b"+", true), Ok(Response::Challenge(String::new())));
        assert!(!Refusal { code: Some(Code::SysPerm), text: String::new() }.is_temporary());
    }

    #[test]
    fn a_line_that_never_ends_is_told_and_not_held() {
        let mut lines = Lines::default();
        let mut given = 0;
        while given < 1 << 20 {
            let (used, line) = lines.take(&[b'x'; 1000]);
            given += used;
            if let Some(line) = line {
                assert_eq!(line, Err(BadResponse::Endless));
                return assert!(given < MAX_LINE + 2000);
            }
        }
        panic!("it was not told");
    }

    #[test]
    fn only_a_msg_id_is_a_timestamp() {
        assert_eq!(timestamp("POP3 ready <1896.697@dbc.test>"), Some("<1896.697@dbc.test>"));
        assert_eq!(timestamp("<old> ready <1@b> now"), Some("<1@b>"));
        for greeting in
            ["ready", "<>", "<1896>", "<@b>", "<a@>", "<a@b@c>", "<a b@c>", "<a\u{e9}@b>", "<a\x01@b>", "<a@b", "a@b>"]
        {
            assert_eq!(timestamp(greeting), None, "{greeting:?}");
        }
    }
}

//! What of a POP3 session may be shown: no password, no digest of one, no message of AUTH.

use super::words::{HIDDEN, MAX_NAME};
use std::borrow::Cow;

/// The lines of one session, without their line ends, in the order in which they crossed the wire.
#[derive(Debug, Default)]
pub struct Veil {
    /// AUTH was sent, and its last response did not come yet.
    exchange: bool,
}

impl Veil {
    /// What may be shown of a line of the client's.
    pub fn client<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if self.exchange {
            // A cancelled exchange tells nothing.
            return if line == b"*" { Cow::Borrowed(line) } else { HIDDEN.as_bytes().into() };
        }
        let (verb, rest) = split(line);
        if rest.is_empty() {
            return Cow::Borrowed(line);
        }
        match verb.to_ascii_uppercase().as_slice() {
            b"PASS" => [verb, b" ", HIDDEN.as_bytes()].concat().into(),
            b"APOP" => {
                let (name, digest) = split(rest);
                if digest.is_empty() { Cow::Borrowed(line) } else { [verb, b" ", name, b" ", HIDDEN.as_bytes()].concat().into() }
            }
            b"AUTH" => {
                self.exchange = true;
                let (name, initial) = split(rest);
                let is_name = name.len() <= MAX_NAME && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
                match (is_name, initial) {
                    (true, b"") => Cow::Borrowed(line),
                    (true, _) => [verb, b" ", name, b" ", HIDDEN.as_bytes()].concat().into(),
                    (false, _) => [verb, b" ", HIDDEN.as_bytes()].concat().into(),
                }
            }
            _ => Cow::Borrowed(line),
        }
    }

    /// What may be shown of a line of the server's.
    pub fn server<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.exchange {
            return Cow::Borrowed(line);
        }
        match split(line) {
            (b"+", rest) if !rest.is_empty() => [b"+ ".as_slice(), HIDDEN.as_bytes()].concat().into(),
            (b"+", _) => Cow::Borrowed(line),
            _ => {
                self.exchange = false;
                Cow::Borrowed(line)
            }
        }
    }
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(session: &[&str]) -> Vec<String> {
        let mut veil = Veil::default();
        let show = |line: &&str| {
            let (who, line) = line.split_once(' ').unwrap();
            let line = if who == "C:" { veil.client(line.as_bytes()) } else { veil.server(line.as_bytes()) };
            String::from_utf8(line.into_owned()).unwrap()
        };
        session.iter().map(show).collect()
    }

    #[test]
    fn nothing_secret_is_shown() {
        let session = ["C: USER bob", "S: +OK", "C: pass two words", "S: -ERR no", "C: APOP bob 0123abc", "S: +OK in", "C: STAT"];
        let wanted = ["USER bob", "+OK", "pass <hidden>", "-ERR no", "APOP bob <hidden>", "+OK in", "STAT"];
        assert_eq!(shown(&session), wanted);
        let session = ["C: AUTH CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: + ", "C: *", "S: -ERR gone", "C: AUTH PLAIN AGEAYg=="];
        let wanted = ["AUTH CRAM-MD5", "+ <hidden>", "<hidden>", "+ ", "*", "-ERR gone", "AUTH PLAIN <hidden>"];
        assert_eq!(shown(&session), wanted);
        assert_eq!(shown(&["C: AUTH s3cret! x", "C: again", "S: +OK"]), ["AUTH <hidden>", "<hidden>", "+OK"]);
    }

    #[test]
    fn a_message_is_shown() {
        assert_eq!(shown(&["C: RETR 1", "S: +OK", "S: + AGEAYg==", "S: ."])[2], "+ AGEAYg==");
    }
}

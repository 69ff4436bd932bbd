//! What of a POP3 session may be shown: no password, no digest of one, no message of AUTH.

use super::words::{HIDDEN, begun, split, within};
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
            return within(line);
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
                begun(line, &[verb, b" "].concat(), rest)
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

//! What of an IMAP session may be shown: no argument of LOGIN, in literals neither, and no message of AUTHENTICATE.

use super::words::{HIDDEN, begun, split, within};
use std::borrow::Cow;

/// What the client's next line belongs to.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Command,
    /// A literal, of which so many octets are still to come.
    Literal { left: u64, secret: bool },
    /// AUTHENTICATE was sent, and no tagged response came since.
    Exchange,
}

/// The lines of one session, without their line ends, in the order in which they crossed the wire.
#[derive(Debug, Default)]
pub struct Veil {
    place: Place,
}

impl Veil {
    /// What may be shown of a line of the client's.
    pub fn client<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        match self.place {
            Place::Exchange => return within(line),
            Place::Literal { left, secret } => return self.inside(line, left, secret),
            Place::Command => {}
        }
        let (tag, rest) = split(line);
        let (verb, arguments) = split(rest);
        let head = [tag, b" ", verb, b" "].concat();
        match verb.to_ascii_uppercase().as_slice() {
            b"LOGIN" if !arguments.is_empty() => {
                self.open(line, true);
                [&head, HIDDEN.as_bytes()].concat().into()
            }
            b"AUTHENTICATE" => {
                self.place = Place::Exchange;
                begun(line, &head, arguments)
            }
            _ => {
                self.open(line, false);
                Cow::Borrowed(line)
            }
        }
    }

    /// A line that may end in the length of a literal.
    fn open(&mut self, line: &[u8], secret: bool) {
        self.place = match literal(line) {
            Some(left) => Place::Literal { left, secret },
            None => Place::Command,
        };
    }

    /// The literal that was announced went over, and whoever calls this has seen its end: the line goes on.
    pub fn literal_passed(&mut self) {
        if let Place::Literal { left, .. } = &mut self.place {
            *left = 0;
        }
    }

    fn inside<'a>(&mut self, line: &'a [u8], left: u64, secret: bool) -> Cow<'a, [u8]> {
        let length = line.len() as u64;
        if length >= left {
            let behind = usize::try_from(left).unwrap_or(usize::MAX);
            self.open(line.get(behind..).unwrap_or_default(), secret);
        } else {
            // Its line end had one octet or two: of a secret the smaller count hides more, of a message the larger is the likely one.
            let left = left.saturating_sub(length + if secret { 1 } else { 2 });
            self.place = Place::Literal { left, secret };
        }
        if secret { HIDDEN.as_bytes().into() } else { Cow::Borrowed(line) }
    }

    /// What may be shown of a line of the server's.
    pub fn server<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        match (split(line), &self.place) {
            ((b"+", rest), Place::Exchange) if !rest.is_empty() => [b"+ ".as_slice(), HIDDEN.as_bytes()].concat().into(),
            ((b"+" | b"*", _), _) => Cow::Borrowed(line),
            ((_, rest), Place::Exchange | Place::Literal { .. }) => {
                // A tagged response ends the exchange; a literal that was refused is never sent (RFC 9051 section 4.3).
                if [&b"OK"[..], b"NO", b"BAD"].iter().any(|status| split(rest).0.eq_ignore_ascii_case(status)) {
                    self.place = Place::Command;
                }
                Cow::Borrowed(line)
            }
            _ => Cow::Borrowed(line),
        }
    }
}

/// The length of the literal that follows a line: `{5}`, `{5+}`, `~{5}` at its end.
pub fn literal(line: &[u8]) -> Option<u64> {
    let inside = line.strip_suffix(b"}")?;
    let at = inside.iter().rposition(|byte| *byte == b'{')?;
    let digits = &inside[at + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_literals_are_found() {
        for (line, length) in [
            ("a {5}", Some(5)),
            ("{0+}", Some(0)),
            ("x ~{7}", Some(7)),
            ("{}", None),
            ("{5} ", None),
            ("{-5}", None),
            ("5}", None),
        ] {
            assert_eq!(literal(line.as_bytes()), length, "{line}");
        }
    }
}

//! What of an IMAP session may be shown: no argument of LOGIN, in literals neither, and no message of AUTHENTICATE.

use super::words::{HIDDEN, MAX_NAME};
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
            // A cancelled exchange tells nothing.
            Place::Exchange => return if line == b"*" { Cow::Borrowed(line) } else { HIDDEN.as_bytes().into() },
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
                let (name, initial) = split(arguments);
                let is_name = name.len() <= MAX_NAME && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
                match (is_name, initial) {
                    (true, b"") => Cow::Borrowed(line),
                    (true, _) => [&head, name, b" ", HIDDEN.as_bytes()].concat().into(),
                    (false, _) => [&head, HIDDEN.as_bytes()].concat().into(),
                }
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
    fn no_argument_of_login_is_shown() {
        assert_eq!(shown(&["C: a1 login bob s3cret", "C: a2 NOOP"]), ["a1 login <hidden>", "a2 NOOP"]);
        let session = ["C: a LOGIN {3}", "S: + go", "C: bob {6}", "S: + go", "C: secret", "S: a OK in", "C: b NOOP"];
        assert_eq!(shown(&session), ["a LOGIN <hidden>", "+ go", "<hidden>", "+ go", "<hidden>", "a OK in", "b NOOP"]);
        let session = ["C: a LOGIN bob {8+}", "C: two", "C: one", "C: b NOOP"];
        assert_eq!(shown(&session)[..3], ["a LOGIN <hidden>", "<hidden>", "<hidden>"]);
        assert_eq!(shown(&["C: a LOGIN {3}", "S: a NO never", "C: b NOOP"]), ["a LOGIN <hidden>", "a NO never", "b NOOP"]);
    }

    #[test]
    fn no_message_of_authenticate_is_shown() {
        let session = ["C: a AUTHENTICATE PLAIN AGEAYg==", "S: * OK still here", "S: a OK in", "C: b NOOP"];
        assert_eq!(shown(&session), ["a AUTHENTICATE PLAIN <hidden>", "* OK still here", "a OK in", "b NOOP"]);
        let session = ["C: a authenticate login", "S: + VXNlcm5hbWU6", "C: Ym9i", "S: + ", "C: *", "S: a BAD gone"];
        assert_eq!(shown(&session), ["a authenticate login", "+ <hidden>", "<hidden>", "+ ", "*", "a BAD gone"]);
        assert_eq!(shown(&["C: a AUTHENTICATE s3cret! x", "C: x"]), ["a AUTHENTICATE <hidden>", "<hidden>"]);
        assert_eq!(shown(&["C: a AUTHENTICATE X", "S: junk in between", "C: secret"])[2], "<hidden>");
    }

    #[test]
    fn a_message_is_shown_and_is_no_command() {
        let session = ["C: a APPEND x {31}", "S: + go", "C: To: b", "C: a AUTHENTICATE PLAIN x", "C: b NOOP", "S: + text"];
        assert_eq!(shown(&session)[3..], ["a AUTHENTICATE PLAIN x", "b NOOP", "+ text"]);
        assert_eq!(
            shown(&["C: a APPEND x {4}", "S: + go", "C: body (\\Seen) {2}", "C: hi", "C: b LOGIN a b"])[4],
            "b LOGIN <hidden>"
        );
    }

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

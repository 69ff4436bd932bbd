//! What of a session may be shown: messages of AUTH are not, in either direction. Follows the lines of one session as they cross
//! the wire; shows nothing itself.

pub mod imap;
mod pop3;
pub mod words;

use self::words::{HIDDEN, MAX_NAME, Speech};
use std::borrow::Cow;

/// The lines of one session, without their line ends, in the order in which they crossed the wire.
#[derive(Debug)]
pub enum Veil {
    Smtp(Smtp),
    Pop3(pop3::Veil),
    Imap(imap::Veil),
}

impl Veil {
    pub fn of(speech: Speech) -> Veil {
        match speech {
            Speech::Smtp => Veil::Smtp(Smtp::default()),
            Speech::Pop3 => Veil::Pop3(pop3::Veil::default()),
            Speech::Imap => Veil::Imap(imap::Veil::default()),
        }
    }

    /// What may be shown of a line of the client's.
    pub fn client<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Veil::Smtp(veil) => veil.client(line),
            Veil::Pop3(veil) => veil.client(line),
            Veil::Imap(veil) => veil.client(line),
        }
    }

    /// What may be shown of a line of the server's.
    pub fn server<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Veil::Smtp(veil) => veil.server(line),
            Veil::Pop3(veil) => veil.server(line),
            Veil::Imap(veil) => veil.server(line),
        }
    }
}

/// Those of SMTP and LMTP.
#[derive(Debug, Default)]
pub struct Smtp {
    /// AUTH was sent, and its last reply did not come yet.
    exchange: bool,
    /// Challenges that were not answered yet: what answers them is hidden, whatever the server says in between.
    asked: usize,
    /// DATA was sent.
    data_asked: bool,
    /// The message goes over the wire, and none of its lines is a command.
    data: bool,
}

impl Smtp {
    /// What may be shown of a line of the client's.
    pub fn client<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if self.data {
            self.data = line != b".";
            return Cow::Borrowed(line);
        }
        if self.exchange || self.asked > 0 {
            self.asked = self.asked.saturating_sub(1);
            // A cancelled exchange tells nothing.
            return if line == b"*" { Cow::Borrowed(line) } else { HIDDEN.as_bytes().into() };
        }
        self.data_asked |= line.eq_ignore_ascii_case(b"DATA");
        let mut words = line.splitn(3, |byte| *byte == b' ');
        if !words.next().is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH")) {
            return Cow::Borrowed(line);
        }
        let Some(name) = words.next() else { return Cow::Borrowed(line) };
        (self.exchange, self.data_asked) = (true, false);
        let is_name = name.len() <= MAX_NAME && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
        match words.next() {
            None if is_name => Cow::Borrowed(line),
            Some(_) if is_name => [&line[..4], b" ", name, b" ", HIDDEN.as_bytes()].concat().into(),
            _ => [&line[..4], b" ", HIDDEN.as_bytes()].concat().into(),
        }
    }

    /// What may be shown of a line of the server's.
    pub fn server<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let (code, rest) = line.split_at(line.len().min(3));
        let is_last = rest.first().is_none_or(|mark| *mark == b' ');
        if code == b"334" {
            self.exchange = true;
            self.asked = self.asked.saturating_add(1);
            return match rest.get(1..) {
                None | Some([]) => Cow::Borrowed(line),
                Some(_) => [code, &rest[..1], HIDDEN.as_bytes()].concat().into(),
            };
        }
        if is_last && code.len() == 3 && code.iter().all(u8::is_ascii_digit) {
            self.exchange = false;
            self.data = code == b"354" && std::mem::take(&mut self.data_asked);
        }
        Cow::Borrowed(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `C: …` and `S: …` as they are shown.
    fn shown(session: &[&str]) -> Vec<String> {
        let mut veil = Veil::of(Speech::Smtp);
        let show = |line: &&str| {
            let (who, line) = line.split_once(' ').unwrap();
            let line = if who == "C:" { veil.client(line.as_bytes()) } else { veil.server(line.as_bytes()) };
            String::from_utf8(line.into_owned()).unwrap()
        };
        session.iter().map(show).collect()
    }

    #[test]
    fn no_message_of_an_exchange_is_shown() {
        let session = ["C: AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S: 235-2.7.0", "S: 235 in", "C: MAIL FROM:<a@b.test>"];
        assert_eq!(shown(&session), ["AUTH PLAIN <hidden>", "235-2.7.0", "235 in", "MAIL FROM:<a@b.test>"]);
        let session = ["C: auth login", "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 ", "C: *", "S: 501 gone", "C: QUIT"];
        assert_eq!(shown(&session), ["auth login", "334 <hidden>", "<hidden>", "334 ", "*", "501 gone", "QUIT"]);
        assert_eq!(shown(&["C: AUTH PLAIN a b c", "C: before the reply"]), ["AUTH PLAIN <hidden>", "<hidden>"]);
        assert_eq!(shown(&["C: AUTH s3cret! x", "S: 504 no"]), ["AUTH <hidden>", "504 no"]);
        assert_eq!(shown(&["S: 334 abc", "C: typed by hand", "S: 334", "C: again"])[1..], ["<hidden>", "334", "<hidden>"]);
        assert_eq!(shown(&["S: 334-abc", "S: 334 def"]), ["334-<hidden>", "334 <hidden>"]);
    }

    #[test]
    fn no_reply_brings_a_response_to_light() {
        let session = ["C: AUTH LOGIN", "S: 334 x", "S: 250 lies", "C: YWxpY2U=", "C: QUIT"];
        assert_eq!(shown(&session)[3..], ["<hidden>", "QUIT"]);
        assert_eq!(shown(&["S: 354 go", "C: AUTH PLAIN x", "S: 354 go", "C: x"])[1..], ["AUTH PLAIN <hidden>", "354 go", "x"]);
    }

    #[test]
    fn a_message_about_auth_is_shown() {
        let session = ["C: DATA", "S: 354 go", "C: AUTH PLAIN is a command", "C: MAIL", "C: .", "S: 250 ok", "C: AUTH PLAIN x"];
        assert_eq!(shown(&session)[2..], ["AUTH PLAIN is a command", "MAIL", ".", "250 ok", "AUTH PLAIN <hidden>"]);
        assert_eq!(shown(&["C: AUTHENTIC x", "C: AUTH", "C: x"]), ["AUTHENTIC x", "AUTH", "x"]);
    }
}

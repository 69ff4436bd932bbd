//! What of a session may be shown: messages of AUTH are not, in either direction. Follows the lines of one session as they cross
//! the wire; shows nothing itself.

pub mod imap;
mod pop3;
pub mod words;

use self::words::{HIDDEN, Speech, begun, split, within};
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
            return within(line);
        }
        self.data_asked |= line.eq_ignore_ascii_case(b"DATA");
        let (verb, arguments) = split(line);
        if !verb.eq_ignore_ascii_case(b"AUTH") || verb.len() == line.len() {
            return Cow::Borrowed(line);
        }
        (self.exchange, self.data_asked) = (true, false);
        begun(line, &line[..verb.len() + 1], arguments)
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
mod tests;

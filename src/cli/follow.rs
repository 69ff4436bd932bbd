//! Follows a client's session as it crosses the wire: which lines are commands, where the message goes over, which command a reply
//! answers. Secrets are hidden. Shows nothing itself.

pub mod event;
mod imap;
mod line;
mod pop3;

use self::event::Event;
use self::line::{Coming, MAX_WAITING};
use super::veil::Veil;
use super::veil::words::{HIDDEN, Speech};
use crate::mail::reply::Reply;
use crate::protocol::smtp::reply::ReplyReader;
use std::collections::VecDeque;

/// One session, seen from its client, in its protocol.
#[derive(Debug)]
pub enum Following {
    Smtp(Follow),
    Pop3(pop3::Follow),
    Imap(Box<imap::Follow>),
}

impl Following {
    pub fn new(speech: Speech, show_secrets: bool) -> Following {
        match speech {
            Speech::Smtp => Following::Smtp(Follow::new(show_secrets)),
            Speech::Pop3 => Following::Pop3(pop3::Follow::new(show_secrets)),
            Speech::Imap => Following::Imap(Box::new(imap::Follow::new(show_secrets))),
        }
    }

    /// TLS runs: what was held of a reply is forgotten.
    pub fn secured(&mut self) {
        match self {
            Following::Smtp(follow) => follow.secured(),
            Following::Pop3(follow) => follow.secured(),
            Following::Imap(follow) => follow.secured(),
        }
    }

    pub fn sent(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        match self {
            Following::Smtp(follow) => follow.sent(bytes, tell),
            Following::Pop3(follow) => follow.sent(bytes, tell),
            Following::Imap(follow) => follow.sent(bytes, tell),
        }
    }

    pub fn received(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        match self {
            Following::Smtp(follow) => follow.received(bytes, tell),
            Following::Pop3(follow) => follow.received(bytes, tell),
            Following::Imap(follow) => follow.received(bytes, tell),
        }
    }
}

/// One session, seen from its client.
#[derive(Debug)]
pub struct Follow {
    /// None: secrets are shown.
    veil: Option<Veil>,
    reader: ReplyReader,
    /// Verbs whose replies are due.
    waiting: VecDeque<String>,
    sent: Coming,
    received: Coming,
    /// Octets of the message so far; Some while it goes over.
    message: Option<u64>,
    /// Octets that are left of a BDAT chunk, and those of the whole.
    chunk: (u64, u64),
    lmtp: bool,
    /// Recipients taken by the transaction: as many replies follow the message in LMTP (RFC 2033 section 4.2).
    taken: usize,
}

impl Follow {
    pub fn new(show_secrets: bool) -> Follow {
        Follow {
            veil: (!show_secrets).then(|| Veil::of(Speech::Smtp)),
            reader: ReplyReader::default(),
            waiting: VecDeque::from([String::new()]),
            sent: Coming::default(),
            received: Coming::default(),
            message: None,
            chunk: (0, 0),
            lmtp: false,
            taken: 0,
        }
    }

    /// TLS runs: what was held of a reply is forgotten.
    pub fn secured(&mut self) {
        (self.reader, self.received) = (ReplyReader::default(), Coming::default());
    }

    pub fn sent(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        while !bytes.is_empty() {
            if self.chunk.0 > 0 {
                let n = usize::try_from(self.chunk.0).unwrap_or(usize::MAX).min(bytes.len());
                self.chunk.0 -= n as u64;
                bytes = &bytes[n..];
                if self.chunk.0 == 0 {
                    tell(Event::Message { octets: self.chunk.1 });
                }
                continue;
            }
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(end);
            bytes = rest;
            if let Some(octets) = &mut self.message {
                *octets += piece.len() as u64;
            }
            if let Some(line) = self.sent.take(piece) {
                self.line(&line, tell);
            }
        }
    }

    fn line(&mut self, line: &[u8], tell: &mut dyn FnMut(Event)) {
        let shown = self.veil.as_mut().map_or_else(|| line.to_vec(), |veil| veil.client(line).into_owned());
        if let Some(octets) = self.message {
            if line == b"." {
                self.message = None;
                let replies = if self.lmtp { self.taken } else { 1 };
                self.waiting.extend(std::iter::repeat_n(".".to_owned(), replies.min(MAX_WAITING)));
                tell(Event::Message { octets });
            }
            return;
        }
        if self.waiting.front().is_some_and(|verb| verb == "334") {
            // RFC 4954 section 4: the answer to a challenge is no command.
            self.waiting.pop_front();
            self.wait_for("AUTH");
            return tell(Event::Sent { verb: "AUTH".to_owned(), line: shown });
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let verb = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_uppercase();
        match verb.as_str() {
            "LHLO" => self.lmtp = true,
            "MAIL" | "RSET" => self.taken = 0,
            "BDAT" => self.bdat(words.next().unwrap_or_default(), words.next()),
            _ => {}
        }
        if verb != "BDAT" {
            self.wait_for(&verb);
        }
        tell(Event::Sent { verb, line: shown });
    }

    /// `bdat-cmd = "BDAT" SP chunk-size [SP end-marker] CR LF` (RFC 3030 section 2); the last is answered for the whole message.
    fn bdat(&mut self, size: &[u8], marker: Option<&[u8]>) {
        let size = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).unwrap_or(0);
        self.chunk = (size, size);
        let last = marker.is_some_and(|marker| marker.eq_ignore_ascii_case(b"LAST"));
        let replies = if last && self.lmtp { self.taken } else { 1 };
        for _ in 0..replies {
            self.wait_for(if last { "." } else { "BDAT" });
        }
    }

    fn wait_for(&mut self, verb: &str) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(verb.to_owned());
        }
    }

    pub fn received(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let (Some(line), Some(veil)) = (self.received.take(piece), &mut self.veil) {
                veil.server(&line);
            }
            match self.reader.take(piece).1 {
                Some(Ok(reply)) => self.reply(reply, tell),
                Some(Err(bad)) => {
                    self.reader = ReplyReader::default();
                    tell(Event::Garbage(bad.to_string()));
                }
                None => {}
            }
        }
    }

    fn reply(&mut self, mut reply: Reply, tell: &mut dyn FnMut(Event)) {
        let answers = self.waiting.pop_front();
        match (answers.as_deref(), reply.code.value()) {
            (Some("AUTH"), 334) => self.waiting.push_front("334".to_owned()),
            (Some("DATA"), 354) => self.message = Some(0),
            (Some("RCPT"), 200..300) => self.taken += 1,
            _ => {}
        }
        if reply.code.value() == 334 && self.veil.is_some() {
            reply.lines = vec![HIDDEN.to_owned()];
        }
        tell(Event::Reply { answers, reply });
    }
}

#[cfg(test)]
mod tests;

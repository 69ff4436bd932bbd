//! Follows a client's session as it crosses the wire: which lines are commands, where the message goes over, which command a reply
//! answers. Secrets are hidden. Shows nothing itself.

pub mod event;
mod imap;
mod pop3;

use self::event::Event;
use super::veil::Veil;
use super::veil::words::{HIDDEN, Speech};
use crate::mail::reply::Reply;
use crate::protocol::smtp::reply::ReplyReader;
use std::collections::VecDeque;

/// Longest command line that is looked at, in octets.
const MAX_LINE: usize = 4096;
/// Most commands that wait for their replies; a client that sends more is not followed any further.
const MAX_WAITING: usize = 100_000;

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
    sent: Vec<u8>,
    received: Vec<u8>,
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
            sent: Vec::new(),
            received: Vec::new(),
            message: None,
            chunk: (0, 0),
            lmtp: false,
            taken: 0,
        }
    }

    /// TLS runs: what was held of a reply is forgotten.
    pub fn secured(&mut self) {
        (self.reader, self.received) = (ReplyReader::default(), Vec::new());
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
            let room = MAX_LINE.saturating_sub(self.sent.len()).min(piece.len());
            self.sent.extend_from_slice(&piece[..room]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.sent);
                self.line(without_end(&line), tell);
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
            let room = MAX_LINE.saturating_sub(self.received.len()).min(piece.len());
            self.received.extend_from_slice(&piece[..room]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.received);
                if let Some(veil) = &mut self.veil {
                    veil.server(without_end(&line));
                }
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

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of `C: …`, `S: …` and `C> …` (no line end) as what is told of it, the bytes one by one.
    fn told(session: &[&str]) -> Vec<String> {
        let mut follow = Follow::new(false);
        let mut events = Vec::new();
        for line in session {
            let (mark, text) = line.split_at(3);
            let text = text.strip_prefix(' ').unwrap_or(text);
            let wire = if mark == "C> " { text.to_owned() } else { format!("{text}\r\n") };
            let mut note = |event| events.push(event);
            for byte in wire.as_bytes() {
                if mark.starts_with('S') {
                    follow.received(&[*byte], &mut note);
                } else {
                    follow.sent(&[*byte], &mut note);
                }
            }
        }
        let shown = |event: Event| match event {
            Event::Sent { verb, line } => format!("{verb}|{}", String::from_utf8_lossy(&line)),
            Event::Message { octets } => format!("message {octets}"),
            Event::Reply { answers, reply } => format!("{}<{}", answers.as_deref().unwrap_or("?"), reply.code),
            Event::Garbage(bad) => bad,
            other => format!("{other:?}"),
        };
        events.into_iter().map(shown).collect()
    }

    #[test]
    fn replies_find_their_commands() {
        let session =
            ["S: 220 mx", "C: ehlo x", "S: 250-mx", "S: 250 PIPELINING", "C: MAIL FROM:<>", "C: RCPT TO:<b@y>", "C: DATA"];
        let rest =
            ["S: 250 a", "S: 550 b", "S: 354 c", "C: MAIL", "C: ..", "C: .", "S: 250 d", "C: QUIT", "S: 221 e", "S: 421 f"];
        let wanted = [
            "<220",
            "EHLO|ehlo x",
            "EHLO<250",
            "MAIL|MAIL FROM:<>",
            "RCPT|RCPT TO:<b@y>",
            "DATA|DATA",
            "MAIL<250",
            "RCPT<550",
            "DATA<354",
            "message 13",
            ".<250",
            "QUIT|QUIT",
            "QUIT<221",
            "?<421",
        ];
        assert_eq!(told(&[&session[..], &rest[..]].concat()), wanted);
    }

    #[test]
    fn chunks_are_no_lines() {
        let session = ["S: 220 mx", "C: BDAT 9", "C>  MAIL\r\nx\r\n", "C: bdat 0 last", "S: 250 a", "S: 250 b", "C: NOOP"];
        let told = told(&session);
        assert_eq!(told, ["<220", "BDAT|BDAT 9", "message 9", "BDAT|bdat 0 last", "BDAT<250", ".<250", "NOOP|NOOP"]);
    }

    #[test]
    fn secrets_do_not_pass() {
        let session = [
            "S: 220 mx",
            "C: AUTH LOGIN",
            "S: 334 VXNlcg==",
            "C: Ym9i",
            "S: 334 UGFzcw==",
            "C: czNjcmV0",
            "S: 235 in",
            "C: NOOP",
        ];
        let wanted =
            ["<220", "AUTH|AUTH LOGIN", "AUTH<334", "AUTH|<hidden>", "AUTH<334", "AUTH|<hidden>", "AUTH<235", "NOOP|NOOP"];
        assert_eq!(told(&session), wanted);
    }

    #[test]
    fn lmtp_answers_for_each_recipient_taken() {
        let session = ["S: 220 mx", "C: LHLO x", "S: 250 mx", "C: MAIL FROM:<>", "S: 250 a", "C: RCPT TO:<b@y>", "S: 250 b"];
        let rest = ["C: RCPT TO:<c@y>", "S: 250 c", "C: DATA", "S: 354 d", "C: .", "S: 250 e", "S: 450 f"];
        assert_eq!(told(&[&session[..], &rest[..]].concat())[11..], ["message 3", ".<250", ".<450"]);
    }
}

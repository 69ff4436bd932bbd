//! Follows a client's IMAP session: which command a tagged response answers, where literals begin and end. Secrets are hidden.

use super::event::Event;
use super::line::{Coming, MAX_WAITING};
use crate::cli::veil::imap::{Veil, literal};
use crate::cli::veil::words::HIDDEN;
use std::collections::VecDeque;

/// One direction: the line that is coming, and what is left of a literal.
#[derive(Debug, Default)]
struct Way {
    line: Coming,
    /// Octets of the literal that are still to come, and those of the whole.
    literal: (u64, u64),
    /// The line before it ended in a literal's length, so this one goes on with it.
    within: bool,
}

/// What came of some octets.
enum Came {
    Line { line: Vec<u8>, within: bool },
    Literal(u64),
}

impl Way {
    fn take(&mut self, mut bytes: &[u8], came: &mut dyn FnMut(Came)) {
        while !bytes.is_empty() {
            if self.literal.0 > 0 {
                let n = usize::try_from(self.literal.0).unwrap_or(usize::MAX).min(bytes.len());
                (self.literal.0, bytes) = (self.literal.0 - n as u64, &bytes[n..]);
                if self.literal.0 == 0 {
                    came(Came::Literal(self.literal.1));
                }
                continue;
            }
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(end);
            bytes = rest;
            if let Some(line) = self.line.take(piece) {
                let octets = literal(&line);
                let within = std::mem::replace(&mut self.within, octets.is_some());
                came(Came::Line { line, within });
                self.literal = (octets.unwrap_or(0), octets.unwrap_or(0));
            }
        }
    }
}

/// One session, seen from its client.
#[derive(Debug)]
pub struct Follow {
    /// None: secrets are shown.
    veil: Option<Veil>,
    /// Tags and verbs.
    waiting: VecDeque<(Vec<u8>, String)>,
    sent: Way,
    received: Way,
    greeted: bool,
    /// AUTHENTICATE runs.
    exchange: bool,
    idling: bool,
}

impl Follow {
    pub fn new(show_secrets: bool) -> Follow {
        Follow {
            veil: (!show_secrets).then(Veil::default),
            waiting: VecDeque::new(),
            sent: Way::default(),
            received: Way::default(),
            greeted: false,
            exchange: false,
            idling: false,
        }
    }

    /// TLS runs: what was held of a response is forgotten.
    pub fn secured(&mut self) {
        self.received = Way::default();
    }

    pub fn sent(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        let mut came = Vec::new();
        self.sent.take(bytes, &mut |one| came.push(one));
        for one in came {
            match one {
                Came::Line { line, within } => self.command(&line, within, tell),
                Came::Literal(octets) => {
                    if let Some(veil) = &mut self.veil {
                        veil.literal_passed();
                    }
                    tell(Event::Message { octets });
                }
            }
        }
    }

    fn command(&mut self, line: &[u8], within: bool, tell: &mut dyn FnMut(Event)) {
        let shown = self.veil.as_mut().map_or_else(|| line.to_vec(), |veil| veil.client(line).into_owned());
        if within {
            let verb = self.waiting.back().map(|(_, verb)| verb.clone()).unwrap_or_default();
            return tell(Event::Sent { verb, line: shown });
        }
        if self.exchange {
            return tell(Event::Sent { verb: "AUTHENTICATE".to_owned(), line: shown });
        }
        if self.idling && line.eq_ignore_ascii_case(b"DONE") {
            self.idling = false;
            return tell(Event::Sent { verb: "DONE".to_owned(), line: shown });
        }
        let mut words = line.split(|byte| *byte == b' ');
        let tag = words.next().unwrap_or_default().to_vec();
        let mut verb = word(words.next());
        if verb == "UID" {
            verb = format!("UID {}", word(words.next()));
        }
        self.exchange = verb == "AUTHENTICATE";
        self.idling = verb == "IDLE";
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((tag, verb.clone()));
        }
        tell(Event::Sent { verb, line: shown });
    }

    pub fn received(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        let mut came = Vec::new();
        self.received.take(bytes, &mut |one| came.push(one));
        for one in came {
            match one {
                Came::Line { line, within: false } => self.response(&line, tell),
                Came::Line { .. } => {}
                Came::Literal(octets) => {
                    let verb = self.waiting.front().map(|(_, verb)| verb.clone()).unwrap_or_default();
                    tell(Event::Listing { verb, octets });
                }
            }
        }
    }

    fn response(&mut self, line: &[u8], tell: &mut dyn FnMut(Event)) {
        let shown = self.veil.as_mut().map_or_else(|| line.to_vec(), |veil| veil.server(line).into_owned());
        let text = String::from_utf8_lossy(&shown).into_owned();
        let (tag, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match tag {
            "+" => {
                let rest = if self.exchange && self.veil.is_some() { HIDDEN } else { rest };
                let answers = self.waiting.back().map(|(_, verb)| verb.clone());
                tell(Event::Response { answers, good: true, text: format!("+ {rest}") });
            }
            "*" if !self.greeted => {
                self.greeted = true;
                let good = !is(rest, &["BYE", "BAD", "NO"]);
                tell(Event::Response { answers: Some(String::new()), good, text: rest.to_owned() });
            }
            "*" => tell(Event::Untagged(rest.to_owned())),
            _ if is(rest, &["OK", "NO", "BAD"]) => {
                let at = self.waiting.iter().position(|(waiting, _)| waiting == tag.as_bytes());
                let answers = at.and_then(|at| self.waiting.remove(at)).map(|(_, verb)| verb);
                self.exchange &= answers.as_deref() != Some("AUTHENTICATE");
                self.idling &= answers.as_deref() != Some("IDLE");
                tell(Event::Response { answers, good: is(rest, &["OK"]), text: rest.to_owned() });
            }
            _ => tell(Event::Garbage(format!("neither tagged nor untagged: {}", text.chars().take(80).collect::<String>()))),
        }
    }
}

fn is(text: &str, words: &[&str]) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    words.iter().any(|word| word.eq_ignore_ascii_case(first))
}

fn word(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).to_ascii_uppercase()
}

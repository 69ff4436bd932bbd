//! Follows a client's IMAP session: which command a tagged response answers, where literals begin and end. Secrets are hidden.

use super::event::Event;
use crate::cli::veil::imap::{Veil, literal};
use crate::cli::veil::words::HIDDEN;
use std::collections::VecDeque;

/// Longest line that is looked at, in octets.
const MAX_LINE: usize = 4096;
/// Most commands that wait for their responses; a client that sends more is not followed any further.
const MAX_WAITING: usize = 100_000;

/// One direction: the line that is coming, and what is left of a literal.
#[derive(Debug, Default)]
struct Way {
    line: Vec<u8>,
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
            let room = MAX_LINE.saturating_sub(self.line.len()).min(piece.len());
            self.line.extend_from_slice(&piece[..room]);
            if room < piece.len() {
                // A literal's length at the end of a long line counts all the same.
                let kept = self.line.len() - piece.len().min(32).min(self.line.len());
                self.line.truncate(kept);
                self.line.extend_from_slice(&piece[piece.len() - piece.len().min(32)..]);
            }
            if piece.ends_with(b"\n") {
                let whole = std::mem::take(&mut self.line);
                let line = without_end(&whole).to_vec();
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

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(session: &[&str]) -> Vec<String> {
        let mut follow = Follow::new(false);
        let mut events = Vec::new();
        for line in session {
            let (mark, text) = line.split_at(3);
            for byte in format!("{text}\r\n").as_bytes() {
                let mut note = |event| events.push(event);
                if mark.starts_with('S') {
                    follow.received(&[*byte], &mut note);
                } else {
                    follow.sent(&[*byte], &mut note);
                }
            }
        }
        let shown = |event: Event| match event {
            Event::Sent { verb, line } => format!("{verb}|{}", String::from_utf8_lossy(&line)),
            Event::Response { answers, good, text } => {
                format!("{}<{}{text}", answers.as_deref().unwrap_or("?"), if good { '+' } else { '-' })
            }
            Event::Listing { verb, octets } => format!("{verb}#{octets}"),
            Event::Message { octets } => format!("#{octets}"),
            Event::Untagged(text) => format!("*{text}"),
            other => format!("{other:?}"),
        };
        events.into_iter().map(shown).collect()
    }

    #[test]
    fn responses_find_their_commands_in_any_order() {
        let session =
            ["S: * OK hi", "C: a uid fetch 1 x", "C: b NOOP", "S: b OK x", "S: * 1 EXISTS", "S: a NO [ALERT] y", "S: c OK late"];
        let wanted = [
            "<+OK hi",
            "UID FETCH|a uid fetch 1 x",
            "NOOP|b NOOP",
            "NOOP<+OK x",
            "*1 EXISTS",
            "UID FETCH<-NO [ALERT] y",
            "?<+OK late",
        ];
        assert_eq!(told(&session), wanted);
    }

    #[test]
    fn what_stands_in_a_literal_is_no_response() {
        let session = ["S: * OK", "C: a FETCH 1 BODY[]", "S: * 1 FETCH (BODY[] {11}", "S: a OK lies", "S: )", "S: a OK done"];
        let wanted = ["<+OK", "FETCH|a FETCH 1 BODY[]", "*1 FETCH (BODY[] {11}", "FETCH#11", "FETCH<+OK done"];
        assert_eq!(told(&session), wanted);
        let session = ["S: * OK", "C: a APPEND x {9}", "S: + go", "C: b LOGIN x", "C: c NOOP"];
        assert_eq!(told(&session), ["<+OK", "APPEND|a APPEND x {9}", "APPEND<++ go", "#9", "APPEND|", "NOOP|c NOOP"]);
    }

    #[test]
    fn secrets_do_not_pass() {
        let session =
            ["S: * OK", "C: a AUTHENTICATE CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: a OK in", "C: b LOGIN x {3}", "S: + go"];
        let session = [&session[..], &["C: abc", "S: b NO x", "C: c NOOP"]].concat();
        let wanted = [
            "<+OK",
            "AUTHENTICATE|a AUTHENTICATE CRAM-MD5",
            "AUTHENTICATE<++ <hidden>",
            "AUTHENTICATE|<hidden>",
            "AUTHENTICATE<+OK in",
            "LOGIN|b LOGIN <hidden>",
            "LOGIN<++ go",
            "#3",
            "LOGIN|<hidden>",
            "LOGIN<-NO x",
            "NOOP|c NOOP",
        ];
        assert_eq!(told(&session), wanted);
    }

    #[test]
    fn idle_ends_with_done() {
        assert_eq!(told(&["S: * OK", "C: a IDLE", "S: + idling", "C: DONE", "S: a OK"])[3..], ["DONE|DONE", "IDLE<+OK"]);
    }
}

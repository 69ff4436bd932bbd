//! Follows a client's POP3 session: which command a response answers, where listings and messages end. Secrets are hidden.

use super::event::Event;
use crate::cli::veil::Veil;
use crate::cli::veil::words::{HIDDEN, Speech};
use crate::protocol::pop3::dialect::Asked;
use std::collections::VecDeque;

/// Longest line that is looked at, in octets.
const MAX_LINE: usize = 4096;
/// Most commands that wait for their responses; a client that sends more is not followed any further.
const MAX_WAITING: usize = 100_000;

/// One session, seen from its client.
#[derive(Debug)]
pub struct Follow {
    /// None: secrets are shown.
    veil: Option<Veil>,
    waiting: VecDeque<Asked>,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Octets of the listing so far, and whose it is.
    listing: Option<(String, u64)>,
}

impl Follow {
    pub fn new(show_secrets: bool) -> Follow {
        Follow {
            veil: (!show_secrets).then(|| Veil::of(Speech::Pop3)),
            waiting: VecDeque::from([Asked::new("")]),
            sent: Vec::new(),
            received: Vec::new(),
            listing: None,
        }
    }

    /// TLS runs: what was held of a response is forgotten.
    pub fn secured(&mut self) {
        (self.received, self.listing) = (Vec::new(), None);
    }

    pub fn sent(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            hold(&mut self.sent, piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.sent);
                self.command(without_end(&line), tell);
            }
        }
    }

    fn command(&mut self, line: &[u8], tell: &mut dyn FnMut(Event)) {
        let shown = self.veil.as_mut().map_or_else(|| line.to_vec(), |veil| veil.client(line).into_owned());
        if self.waiting.front().is_some_and(|waiting| waiting.verb == "+") {
            // RFC 5034 section 4: the answer to a challenge is no command.
            self.waiting.pop_front();
            self.waiting.push_front(Asked::new("AUTH"));
            return tell(Event::Sent { verb: "AUTH".to_owned(), line: shown });
        }
        let asked = Asked::of(line);
        let verb = asked.verb.clone();
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(asked);
        }
        tell(Event::Sent { verb, line: shown });
    }

    pub fn received(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some((_, octets)) = &mut self.listing {
                *octets += piece.len() as u64;
            }
            hold(&mut self.received, piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.received);
                self.line(without_end(&line), tell);
            }
        }
    }

    fn line(&mut self, line: &[u8], tell: &mut dyn FnMut(Event)) {
        let shown = self.veil.as_mut().map_or_else(|| line.to_vec(), |veil| veil.server(line).into_owned());
        if let Some((verb, octets)) = self.listing.take() {
            if line == b"." {
                return tell(Event::Listing { verb, octets });
            }
            self.listing = Some((verb, octets));
            return;
        }
        let text = String::from_utf8_lossy(&shown).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let in_auth = self.waiting.front().is_some_and(|waiting| waiting.verb == "AUTH");
        if word == "+" && in_auth {
            self.waiting.pop_front();
            self.waiting.push_front(Asked::new("+"));
            let rest = if self.veil.is_some() { HIDDEN } else { rest };
            return tell(Event::Response { answers: Some("AUTH".to_owned()), good: true, text: format!("+ {rest}") });
        }
        let good = word.eq_ignore_ascii_case("+OK");
        if !good && !word.eq_ignore_ascii_case("-ERR") {
            return tell(Event::Garbage(format!("neither +OK nor -ERR: {}", text.chars().take(80).collect::<String>())));
        }
        let answered = self.waiting.pop_front();
        let many = good && answered.as_ref().is_some_and(|waiting| waiting.many);
        let answers = answered.map(|waiting| waiting.verb);
        self.listing = answers.clone().filter(|_| many).map(|verb| (verb, 0));
        tell(Event::Response { answers, good, text: rest.to_owned() });
    }
}

fn hold(line: &mut Vec<u8>, piece: &[u8]) {
    let room = MAX_LINE.saturating_sub(line.len()).min(piece.len());
    line.extend_from_slice(&piece[..room]);
    // The end of a line counts however long it is.
    if piece.ends_with(b"\n") && room < piece.len() {
        line.push(b'\n');
    }
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
            other => format!("{other:?}"),
        };
        events.into_iter().map(shown).collect()
    }

    #[test]
    fn responses_find_their_commands() {
        let session = ["S: +OK hi", "C: list", "C: LIST 1", "C: RETR 1", "C: QUIT", "S: +OK", "S: 1 3", "S: .", "S: +OK 1 3"];
        let rest = ["S: +OK", "S: ..", "S: -ERR is text", "S: .", "S: +OK bye", "S: -ERR late"];
        let wanted = [
            "<+hi",
            "LIST|list",
            "LIST|LIST 1",
            "RETR|RETR 1",
            "QUIT|QUIT",
            "LIST<+",
            "LIST#8",
            "LIST<+1 3",
            "RETR<+",
            "RETR#21",
        ];
        let told = told(&[&session[..], &rest[..]].concat());
        assert_eq!(told[..10], wanted);
        assert_eq!(told[10..], ["QUIT<+bye", "?<-late"]);
    }

    #[test]
    fn secrets_do_not_pass() {
        let session = ["S: +OK", "C: AUTH CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: +OK in", "C: STAT", "S: +OK 0 0"];
        let wanted = ["<+", "AUTH|AUTH CRAM-MD5", "AUTH<++ <hidden>", "AUTH|<hidden>", "AUTH<+in", "STAT|STAT", "STAT<+0 0"];
        assert_eq!(told(&session), wanted);
    }
}

//! Follows a client's POP3 session: which command a response answers, where listings and messages end. Secrets are hidden.

use super::event::Event;
use super::line::{Coming, MAX_WAITING};
use crate::cli::veil::Veil;
use crate::cli::veil::words::{HIDDEN, Speech};
use crate::protocol::pop3::dialect::Asked;
use std::collections::VecDeque;

/// One session, seen from its client.
#[derive(Debug)]
pub struct Follow {
    /// None: secrets are shown.
    veil: Option<Veil>,
    waiting: VecDeque<Asked>,
    sent: Coming,
    received: Coming,
    /// Octets of the listing so far, and whose it is.
    listing: Option<(String, u64)>,
}

impl Follow {
    pub fn new(show_secrets: bool) -> Follow {
        Follow {
            veil: (!show_secrets).then(|| Veil::of(Speech::Pop3)),
            waiting: VecDeque::from([Asked::new("")]),
            sent: Coming::default(),
            received: Coming::default(),
            listing: None,
        }
    }

    /// TLS runs: what was held of a response is forgotten.
    pub fn secured(&mut self) {
        (self.received, self.listing) = (Coming::default(), None);
    }

    pub fn sent(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = self.sent.take(piece) {
                self.command(&line, tell);
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
            if let Some(line) = self.received.take(piece) {
                self.line(&line, tell);
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

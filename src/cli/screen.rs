//! A client's sessions on stderr: all of them with `-v`, else the last exchange of one that came to nothing.

use super::certificate;
use super::stdio::say;
use super::transcript::{Level, Side, Transcript};
use crate::net::drive::work::Direction;
use crate::net::tls::layer::{Certificate, Facts};
use crate::relay::session::{Tape, Via, Watch};
use std::sync::{Arc, Mutex, PoisonError};

/// Where transcripts go.
#[derive(Debug)]
pub struct Screen {
    level: Level,
    last: Arc<Mutex<Vec<String>>>,
}

impl Screen {
    pub fn new(level: Level) -> Screen {
        Screen { level, last: Arc::default() }
    }

    /// What was sent came to nothing: shows the exchange that says why, where nothing was shown yet.
    pub fn show_last(&self) {
        for line in self.last.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            say(&line);
        }
    }
}

impl Watch for Screen {
    fn open(&self, via: &Via) -> Box<dyn Tape> {
        let mut transcript = Transcript::new(self.level, Side::Client);
        let address = via.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        transcript.info(&format!("connected to {}{address}", via.host));
        Box::new(Roll { transcript, to: place(via), last: Arc::clone(&self.last) })
    }

    fn info(&self, text: &str) {
        Transcript::new(self.level, Side::Client).info(text);
    }
}

struct Roll {
    transcript: Transcript,
    /// `mx.test[192.0.2.1]:25`
    to: String,
    last: Arc<Mutex<Vec<String>>>,
}

/// As Postfix writes it, `host[address]:port`; a socket by its path.
fn place(via: &Via) -> String {
    match via.address.as_deref().and_then(|address| address.rsplit_once(':')) {
        Some((address, port)) => format!("{}[{}]:{port}", via.host, address.trim_matches(['[', ']'])),
        None => via.host.clone(),
    }
}

impl Roll {
    fn certificate(&mut self, shown: &Certificate) {
        for (name, fact) in certificate::facts(shown) {
            self.transcript.info(&format!("certificate {name}: {fact}"));
        }
    }
}

impl Tape for Roll {
    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        match direction {
            Direction::Sent => self.transcript.sent(secure, bytes),
            Direction::Received => self.transcript.received(secure, bytes),
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.transcript.info(&certificate::established(&self.to, facts));
        if let Some(certificate) = &facts.certificate {
            self.certificate(certificate);
        }
        if let Some(why) = certificate::why_not(&facts.verdict) {
            self.transcript.info(&format!("not verified: {why}"));
        }
    }

    fn shown(&mut self, certificate: &Certificate) {
        self.certificate(certificate);
    }

    fn failed(&mut self, why: &str) {
        self.transcript.error(why);
    }
}

impl Drop for Roll {
    fn drop(&mut self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = self.transcript.telling();
    }
}

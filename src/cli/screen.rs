//! A client's sessions on stderr: all of them with `-v`, else the last exchange of one that came to nothing; in words, as bytes or for
//! machines where that was asked for.

use super::certificate;
use super::explain::{imap, pop3, smtp};
use super::follow::Following;
use super::follow::event::Event;
use super::record::Record;
use super::stdio::say;
use super::trace::{Session, TraceFile};
use super::transcript::{Level, Side, Sink, Transcript};
use super::veil::words::Speech;
use crate::bytes::escape::visible;
use crate::net::drive::work::Direction;
use crate::net::tls::layer::{Certificate, Facts};
use crate::protocol::proxy::{Introduction, Version};
use crate::relay::session::{Tape, Via, Watch};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Files that sessions are written to, beside what is on stderr.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// Of `--trace`: the lines of `-v`.
    pub lines: Option<Arc<Record>>,
    /// Of `--trace-json`.
    pub json: Option<Arc<TraceFile>>,
}

/// Where transcripts go.
#[derive(Debug)]
pub struct Screen {
    level: Level,
    speech: Speech,
    secrets: bool,
    hex: bool,
    explain: Arc<AtomicBool>,
    traces: Traces,
    last: Arc<Mutex<Last>>,
}

/// The exchange that tells most of a failure, and whether it has a refusal in it.
#[derive(Debug, Default)]
struct Last {
    lines: Vec<String>,
    refusal: bool,
}

impl Screen {
    pub fn new(level: Level) -> Screen {
        Screen {
            level,
            speech: Speech::Smtp,
            secrets: false,
            hex: false,
            explain: Arc::default(),
            traces: Traces::default(),
            last: Arc::default(),
        }
    }

    /// In place of SMTP.
    pub fn speaking(self, speech: Speech) -> Screen {
        Screen { speech, ..self }
    }

    /// As asked for by `--show-secrets`.
    pub fn showing_secrets(self, secrets: bool) -> Screen {
        Screen { secrets, ..self }
    }

    /// As asked for by `--hex` and `--explain`, which show the session, too.
    pub fn in_detail(self, hex: bool, explain: bool) -> Screen {
        let shown = (hex || explain) && self.level != Level::Quiet;
        let level = if shown { self.level.max(Level::Lines) } else { self.level };
        Screen { level, hex, explain: Arc::new(AtomicBool::new(explain)), ..self }
    }

    /// As asked for by `--trace` and `--trace-json`.
    pub fn tracing(self, traces: Traces) -> Screen {
        Screen { traces, ..self }
    }

    /// Whether exchanges are explained: may be changed while a session runs.
    pub fn explains(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.explain)
    }

    /// What was sent came to nothing: shows the exchange that says why, where nothing was shown yet.
    pub fn show_last(&self) {
        for line in self.last.lock().unwrap_or_else(PoisonError::into_inner).lines.drain(..) {
            say(&line);
        }
    }

    /// The same, if the server refused something in it: of what else went wrong the last exchange need not be the one.
    pub fn show_refusal(&self) {
        if self.last.lock().unwrap_or_else(PoisonError::into_inner).refusal {
            self.show_last();
        }
    }

    /// The transcript of a session that begins.
    pub fn roll(&self, via: &Via) -> Roll {
        let followed = self.traces.json.is_some() || self.explain.load(Ordering::Relaxed);
        let transcript = Transcript::new(self.level, Side::Client).speaking(self.speech);
        let transcript = transcript.showing_secrets(self.secrets).with_hex(self.hex);
        let roll = Roll {
            transcript,
            copies: Vec::new(),
            to: place(via),
            speech: self.speech,
            secrets: self.secrets,
            follow: followed.then(|| Following::new(self.speech, self.secrets)),
            explain: Arc::clone(&self.explain),
            trace: self.traces.json.as_ref().map(|file| (Arc::clone(file), file.session(via))),
            typed: Arc::default(),
            ends: true,
            last: Arc::clone(&self.last),
        };
        match self.traces.lines.clone() {
            Some(lines) => roll.copied(Sink::new(move |line| lines.line(line))),
            None => roll,
        }
    }
}

impl Watch for Screen {
    fn open(&self, via: &Via) -> Box<dyn Tape> {
        Box::new(self.roll(via).connected(via))
    }

    fn info(&self, text: &str) {
        Transcript::new(self.level, Side::Client).info(text);
        if let Some(lines) = &self.traces.lines {
            lines.line(&format!("=== {}", visible(text.as_bytes())));
        }
        if let Some(file) = &self.traces.json {
            file.session(&Via::default()).info(file, false, "info", text);
        }
    }
}

/// The transcript of one session.
pub struct Roll {
    transcript: Transcript,
    /// The same once more, somewhere else.
    copies: Vec<Transcript>,
    /// `mx.test[192.0.2.1]:25`
    to: String,
    speech: Speech,
    secrets: bool,
    /// Only where somebody wants to know: it looks at every line of every message.
    follow: Option<Following>,
    explain: Arc<AtomicBool>,
    trace: Option<(Arc<TraceFile>, Session)>,
    /// Octets that are on the screen already, since somebody typed them there.
    typed: Arc<AtomicUsize>,
    /// The end is shown.
    ends: bool,
    last: Arc<Mutex<Last>>,
}

/// As Postfix writes it, `host[address]:port`; a socket by its path.
fn place(via: &Via) -> String {
    match via.address.as_deref().and_then(|address| address.rsplit_once(':')) {
        Some((address, port)) => format!("{}[{}]:{port}", via.host, address.trim_matches(['[', ']'])),
        None => via.host.clone(),
    }
}

impl Roll {
    /// Tells where the connection goes.
    pub fn connected(mut self, via: &Via) -> Roll {
        let address = via.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        self.info("connected", &format!("connected to {}{address}", via.host));
        self
    }

    /// Shows every line there, whatever the level was, and can explain it from now on.
    pub fn showing(mut self, sink: Sink) -> Roll {
        self.follow.get_or_insert_with(|| Following::new(self.speech, self.secrets));
        self.transcript.show_at(sink);
        self
    }

    /// How the session ends is shown by somebody else.
    pub fn without_end(mut self) -> Roll {
        self.ends = false;
        self
    }

    /// Writes the same there.
    pub fn copied(mut self, sink: Sink) -> Roll {
        let mut copy = self.transcript.twin();
        copy.show_at(sink);
        self.copies.push(copy);
        self
    }

    /// To be told how many octets that will cross were typed on the screen.
    pub fn typed(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.typed)
    }

    fn transcripts(&mut self) -> impl Iterator<Item = &mut Transcript> {
        std::iter::once(&mut self.transcript).chain(&mut self.copies)
    }

    fn info(&mut self, event: &str, text: &str) {
        self.transcripts().for_each(|transcript| transcript.info(text));
        if let Some((file, session)) = &self.trace {
            session.info(file, false, event, text);
        }
    }

    fn certificate(&mut self, shown: &Certificate) {
        for (name, fact) in certificate::facts(shown) {
            let line = format!("certificate {name}: {fact}");
            self.transcripts().for_each(|transcript| transcript.info(&line));
        }
    }

    fn show(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        let typed = if direction == Direction::Sent { self.typed.load(Ordering::Relaxed).min(bytes.len()) } else { 0 };
        self.typed.fetch_sub(typed, Ordering::Relaxed);
        let known = std::iter::once(typed).chain(std::iter::repeat(0));
        for (transcript, known) in self.transcripts().zip(known) {
            match direction {
                Direction::Sent => transcript.sent(secure, &bytes[known..]),
                Direction::Received => transcript.received(secure, bytes),
            }
        }
    }

    fn events(&mut self, secure: bool, events: Vec<Event>) {
        for event in events {
            if let Some((file, session)) = &mut self.trace {
                session.event(file, secure, &event);
            }
            let told = match event {
                Event::Reply { answers, reply } => smtp::exchange(answers.as_deref(), &reply),
                Event::Response { answers, text, .. } if self.speech == Speech::Imap => imap::exchange(answers.as_deref(), &text),
                Event::Untagged(text) => imap::untagged(&text),
                Event::Response { answers, good, text } => pop3::exchange(answers.as_deref(), good, &text),
                Event::Sent { .. } | Event::Message { .. } | Event::Listing { .. } | Event::Garbage(_) => continue,
            };
            if self.explain.load(Ordering::Relaxed) {
                self.transcripts().for_each(|transcript| transcript.explain(&told));
            }
        }
    }
}

impl Tape for Roll {
    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        let Some(mut follow) = self.follow.take() else { return self.show(direction, secure, bytes) };
        // Line by line, so that what is said of one stands below it.
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut events = Vec::new();
            let mut note = |event| events.push(event);
            match direction {
                Direction::Sent => follow.sent(piece, &mut note),
                Direction::Received => follow.received(piece, &mut note),
            }
            self.show(direction, secure, piece);
            self.events(secure, events);
        }
        self.follow = Some(follow);
    }

    fn introduced(&mut self, said: &Introduction) {
        for transcript in self.transcripts() {
            match said.version() {
                Version::V1 => transcript.sent(false, said.bytes()),
                Version::V2 => transcript.introduced(said),
            }
        }
        if let Some((file, session)) = &self.trace {
            session.info(file, false, "proxy", said.words());
        }
    }

    fn secured(&mut self, facts: &Facts) {
        if let Some(follow) = &mut self.follow {
            follow.secured();
        }
        let line = certificate::established(&self.to, facts);
        self.transcripts().for_each(|transcript| transcript.info(&line));
        if let Some(certificate) = &facts.certificate {
            self.certificate(certificate);
        }
        if let Some(why) = certificate::why_not(&facts.verdict) {
            let line = format!("not verified: {why}");
            self.transcripts().for_each(|transcript| transcript.info(&line));
        }
        if let Some((file, session)) = &mut self.trace {
            session.secured(file, facts);
        }
    }

    fn shown(&mut self, certificate: &Certificate) {
        self.certificate(certificate);
    }

    fn failed(&mut self, why: &str) {
        let ends = self.ends;
        for transcript in Some(&mut self.transcript).filter(|_| ends).into_iter().chain(&mut self.copies) {
            transcript.error(why);
        }
        if let Some((file, session)) = &self.trace {
            session.info(file, false, "failed", why);
        }
    }
}

impl Drop for Roll {
    fn drop(&mut self) {
        self.transcripts().for_each(Transcript::finish);
        let refusal = self.transcript.has_refusal();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last { lines: self.transcript.telling(), refusal };
    }
}

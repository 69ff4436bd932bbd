//! The dialogue for machines: one JSON object a line, for each command, reply and message, with secrets hidden. What they are is
//! [`Follow`](super::follow)'s.

use super::follow::event::Event;
use super::record::Record;
use super::report::json_line;
use crate::bytes::escape::visible;
use crate::net::tls::layer::Facts;
use crate::relay::session::Via;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Where the dialogues of all sessions of a run go.
#[derive(Debug)]
pub struct TraceFile {
    record: Record,
    sessions: AtomicUsize,
    started: Instant,
}

impl TraceFile {
    /// A file that is there is written over.
    pub fn create(path: &Path) -> io::Result<TraceFile> {
        Ok(TraceFile { record: Record::create(path)?, sessions: AtomicUsize::new(0), started: Instant::now() })
    }

    /// A session begins.
    pub fn session(&self, via: &Via) -> Session {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        Session { number, via: via.clone(), stage: "connect".to_owned() }
    }

    fn write(&self, session: &Session, line: Line<'_>) {
        let whole = Whole {
            time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            elapsed: (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6,
            session: session.number,
            host: &session.via.host,
            address: session.via.address.as_deref(),
            line,
        };
        self.record.line(&json_line(&whole));
    }
}

/// One session of them.
#[derive(Debug)]
pub struct Session {
    number: usize,
    via: Via,
    stage: String,
}

#[derive(Serialize)]
struct Whole<'a> {
    time: String,
    /// Seconds since the run began.
    elapsed: f64,
    session: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(flatten)]
    line: Line<'a>,
}

#[derive(Serialize, Default)]
struct Line<'a> {
    /// `sent`, `received` or `info`.
    direction: &'a str,
    secure: bool,
    stage: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<u64>,
    /// Of POP3 and IMAP: +OK, or -ERR; OK, or NO and BAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enhanced: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'a>>,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

impl Session {
    /// What is none of the dialogue: `event` says what.
    pub fn info(&self, file: &TraceFile, secure: bool, event: &str, text: &str) {
        let line =
            Line { direction: "info", secure, stage: &self.stage, event: Some(event), text: Some(text), ..Line::default() };
        file.write(self, line);
    }

    pub fn secured(&mut self, file: &TraceFile, facts: &Facts) {
        let shown = facts.certificate.as_ref();
        let tls = Tls {
            version: &facts.version,
            cipher: &facts.cipher,
            verified: facts.verdict.is_verified(),
            subject: shown.map(|shown| shown.subject.as_str()),
            fingerprint: shown.map(|shown| shown.fingerprint_hex()),
        };
        let line = Line { direction: "info", secure: true, stage: "tls", event: Some("tls"), tls: Some(tls), ..Line::default() };
        file.write(self, line);
    }

    pub fn event(&mut self, file: &TraceFile, secure: bool, event: &Event) {
        match event {
            Event::Sent { verb, line } => {
                self.stage = stage(verb);
                let shown = visible(line);
                let (verb, line) = (Some(visible(verb.as_bytes())), Some(shown.as_str()));
                let line = Line { direction: "sent", secure, stage: &self.stage, verb: verb.as_deref(), line, ..Line::default() };
                file.write(self, line);
            }
            Event::Message { octets } => {
                let stage = stage(".");
                file.write(self, Line { direction: "sent", secure, stage: &stage, octets: Some(*octets), ..Line::default() });
            }
            Event::Reply { answers, reply } => {
                let stage = answers.as_deref().map_or_else(|| "unasked".to_owned(), stage);
                let text = reply.lines.join("\n");
                let verb = answers.as_deref().filter(|verb| !matches!(*verb, "" | "."));
                let verb = verb.map(|verb| visible(verb.as_bytes()));
                file.write(
                    self,
                    Line {
                        direction: "received",
                        secure,
                        stage: &stage,
                        verb: verb.as_deref(),
                        code: Some(reply.code.value()),
                        enhanced: reply.enhanced.map(|status| status.to_string()),
                        text: Some(&text),
                        ..Line::default()
                    },
                );
            }
            Event::Response { answers, good, text } => {
                let stage = answers.as_deref().map_or_else(|| "unasked".to_owned(), stage);
                let verb = answers.as_deref().filter(|verb| !verb.is_empty()).map(|verb| visible(verb.as_bytes()));
                let line = Line { direction: "received", secure, stage: &stage, verb: verb.as_deref(), ..Line::default() };
                file.write(self, Line { ok: Some(*good), text: Some(text), ..line });
            }
            Event::Listing { verb, octets } => {
                let (stage, verb) = (stage(verb), visible(verb.as_bytes()));
                let line = Line { direction: "received", secure, stage: &stage, verb: Some(&verb), ..Line::default() };
                file.write(self, Line { octets: Some(*octets), ..line });
            }
            Event::Untagged(text) => {
                let line = Line { direction: "received", secure, event: Some("untagged"), text: Some(text), ..Line::default() };
                file.write(self, Line { stage: &self.stage, ..line });
            }
            Event::Garbage(bad) => {
                let line = Line { direction: "received", secure, event: Some("garbage"), text: Some(bad), ..Line::default() };
                file.write(self, Line { stage: &self.stage, ..line });
            }
        }
    }
}

/// The stages of `--quit-after`, then what else there is.
fn stage(verb: &str) -> String {
    match verb {
        "" => "connect",
        "." | "BDAT" => "dot",
        "HELO" | "LHLO" => "ehlo",
        "STARTTLS" | "STLS" => "tls",
        other => return visible(other.to_ascii_lowercase().as_bytes()),
    }
    .to_owned()
}

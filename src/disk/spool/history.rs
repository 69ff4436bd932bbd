//! The history of a message: records appended behind its trailer, each with a checksum of its own. What is torn off costs a
//! retry, never a message.

use crate::disk::fs::File;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::ReplyCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Longest record that is read, in bytes.
const MAX_RECORD: usize = 16 * 1024 * 1024;
/// How much of a server's words is kept, in bytes.
const MAX_TEXT: usize = 1024;
/// How the note of an edit begins.
pub const EDITED: &str = "readdressed ";
/// How many different notes are remembered.
const MAX_NOTES: usize = 64;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Attempt(Attempt),
    /// A word about the message as a whole, as `delayed` once its sender was told of the delay.
    Note {
        at: Timestamp,
        note: String,
    },
}

/// One try of one or more recipients that came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    /// Places in the envelope.
    pub recipients: Vec<usize>,
    pub outcome: Outcome,
    /// The host or the place that gave it.
    pub host: Option<String>,
    /// When the next try is due.
    pub next: Option<Timestamp>,
}

/// What the records of a message come to.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// By place in the envelope.
    pub recipients: Vec<Tries>,
    notes: BTreeSet<String>,
    /// The last record is that of an edit.
    pub just_edited: bool,
    /// Where the last good record ends in the file.
    pub end: u64,
}

/// What was tried for one recipient.
#[derive(Debug, Clone, Default)]
pub struct Tries {
    pub attempts: u32,
    pub last: Option<Arc<Attempt>>,
}

impl History {
    pub fn has_note(&self, note: &str) -> bool {
        self.notes.contains(note)
    }

    /// Takes in what `record` says.
    pub fn add(&mut self, record: &Record) {
        self.just_edited = matches!(record, Record::Note { note, .. } if note.starts_with(EDITED));
        match record {
            Record::Attempt(attempt) => {
                let shared = Arc::new(attempt.clone());
                for &place in &attempt.recipients {
                    if let Some(tries) = self.recipients.get_mut(place) {
                        tries.attempts = tries.attempts.saturating_add(1);
                        tries.last = Some(shared.clone());
                    }
                }
            }
            Record::Note { note, .. } => {
                if self.notes.len() < MAX_NOTES {
                    self.notes.insert(note.clone());
                }
            }
        }
    }

    /// Reads the records of a file of `size` bytes from `at` on, up to the first that is not whole.
    pub fn read(file: &dyn File, at: u64, size: u64, recipients: usize) -> io::Result<History> {
        let mut history = History { recipients: vec![Tries::default(); recipients], end: at, ..History::default() };
        let (mut held, mut next) = (Vec::new(), at);
        let mut chunk = vec![0; 16 * 1024];
        while next < size && held.len() <= MAX_RECORD {
            let n = file.read_at(&mut chunk, next)?;
            if n == 0 {
                break;
            }
            next += n as u64;
            let (mut start, mut from) = (0, held.len());
            held.extend_from_slice(&chunk[..n]);
            while let Some(length) = memchr::memchr(b'\n', &held[from..]) {
                let end = from + length + 1;
                let Some(json) = whole(&held[start..end]) else { return Ok(history) };
                // A record that is whole but of a kind unknown here was written by a later version.
                if let Some(record) = Record::parse(json) {
                    history.add(&record);
                }
                history.end += (end - start) as u64;
                (start, from) = (end, end);
            }
            held.drain(..start);
        }
        Ok(history)
    }
}

impl Record {
    /// The record on one line: its CRC32C, a space, JSON, LF.
    pub fn line(&self) -> Vec<u8> {
        // Strings and numbers alone: there is nothing in it that JSON cannot say.
        let json = serde_json::to_string(&Line::from(self)).unwrap_or_default();
        format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
    }

    fn parse(json: &[u8]) -> Option<Record> {
        serde_json::from_slice::<Line>(json).ok()?.try_into().ok()
    }
}

/// The JSON of a line whose checksum holds.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.strip_suffix(b"\n")?.split_at_checked(9)?;
    (format!("{:08x} ", crc32c::crc32c(json)).as_bytes() == sum).then_some(json)
}

/// The start of `text`, at most `limit` bytes long.
fn clipped(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// A record as it stands on disk. Fields that are not known are passed over.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Attempt {
        at: String,
        #[serde(rename = "to")]
        recipients: Vec<usize>,
        outcome: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enhanced: Option<String>,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    Note {
        at: String,
        note: String,
    },
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Line {
        match record {
            Record::Note { at, note } => Line::Note { at: at.to_string(), note: note.clone() },
            Record::Attempt(attempt) => {
                let diagnostic = attempt.outcome.diagnostic();
                Line::Attempt {
                    at: attempt.at.to_string(),
                    recipients: attempt.recipients.clone(),
                    outcome: attempt.outcome.word().to_owned(),
                    code: diagnostic.code.map(ReplyCode::value),
                    enhanced: diagnostic.enhanced.map(|e| e.to_string()),
                    text: clipped(&diagnostic.text, MAX_TEXT).to_owned(),
                    host: attempt.host.clone(),
                    next: attempt.next.map(|t| t.to_string()),
                }
            }
        }
    }
}

/// The line is whole but says nothing that can be used.
struct Senseless;

impl TryFrom<Line> for Record {
    type Error = Senseless;

    fn try_from(line: Line) -> Result<Record, Senseless> {
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| Senseless);
        match line {
            Line::Note { at, note } => Ok(Record::Note { at: time(&at)?, note }),
            Line::Attempt { at, recipients, outcome, code, enhanced, text, host, next } => {
                let diagnostic =
                    Diagnostic { code: code.and_then(ReplyCode::new), enhanced: enhanced.and_then(|e| e.parse().ok()), text };
                let outcome = match outcome.as_str() {
                    "accepted" => Outcome::Accepted(diagnostic),
                    "deferred" => Outcome::Deferred(diagnostic),
                    "refused" => Outcome::Refused(diagnostic),
                    "indoubt" => Outcome::InDoubt(diagnostic),
                    _ => return Err(Senseless),
                };
                let next = next.and_then(|t| t.parse().ok());
                Ok(Record::Attempt(Attempt { at: time(&at)?, recipients, outcome, host, next }))
            }
        }
    }
}

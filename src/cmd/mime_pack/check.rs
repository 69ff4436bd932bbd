//! What a message breaks of the RFCs, as lines or JSON; and what a report on mail says.

use super::message::{Damage, Reader, each_chunk, empty, full_section, scan_stdin};
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::{Row, Rows};
use crate::mail::header::from_line;
use crate::mail::mime::head::{Flag, decoding_flags};
use crate::mail::mime::lint::Lint;
use crate::mail::mime::lint::finding::Finding;
use crate::mail::mime::report::{self, Kind, Told};
use crate::mail::mime::scan::{self, Part, Run, Visitor};
use serde::Serialize;

/// The longest line of an mbox that is looked for, in octets.
const MOST: usize = 1024 * 1024;

#[derive(Debug, Serialize)]
struct FindingRow {
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'static str>,
    text: String,
}

impl Row for FindingRow {
    fn columns(&self) -> Vec<Option<String>> {
        vec![Some(self.offset.to_string()), self.part.clone(), self.clause.map(str::to_owned), Some(self.text.clone())]
    }
}

/// Prints a row for each finding; status 65 if there is any.
pub fn check(json: bool) -> Result<Status, Failure> {
    let (mut lint, mut rows) = (Lint::default(), Rows::new(json));
    let (mut is_empty, mut is_clean) = (true, true);
    // The line of an mbox before the message is no part of it, and counts for the offsets.
    let mut start = Some(Vec::new());
    let mut skipped = 0;
    let mut tell = |findings: Vec<Finding>, skipped: u64| {
        findings.into_iter().try_for_each(|Finding { offset, section, clause, what }| {
            is_clean = false;
            let (part, clause) = (Some(section).filter(|part| part != "-"), Some(clause).filter(|clause| *clause != "-"));
            rows.add(&FindingRow { offset: offset + skipped, part, clause, text: what })
        })
    };
    each_chunk(|chunk| {
        is_empty = false;
        let Some(held) = &mut start else { return Ok(tell(lint.push(chunk), skipped)?) };
        held.extend_from_slice(chunk);
        let may_be_mbox = b"From ".starts_with(&held[..held.len().min(5)]);
        if may_be_mbox && held.len() < MOST && memchr::memchr(b'\n', held).is_none() {
            return Ok(());
        }
        let held = start.take().unwrap_or_default();
        skipped = from_line(&held) as u64;
        Ok(tell(lint.push(&held[from_line(&held)..]), skipped)?)
    })?;
    if is_empty {
        return Err(empty());
    }
    tell(lint.push(&start.unwrap_or_default()), skipped)?;
    tell(lint.finish(), skipped)?;
    rows.flush()?;
    Ok(if is_clean { Status::Done } else { Status::Data })
}

/// Prints a row for each recipient that a report tells of; status 66 if the message is none, 65 if it names no recipient.
pub fn reports(json: bool, mbox: bool, strict: bool) -> Result<Status, Failure> {
    let (open, rows, damage) = (Vec::new(), Rows::new(json), Damage::default());
    let mut collector = Collector { message: None, rows, found: false, silent: None, open, decoded: Vec::new(), damage };
    scan_stdin(mbox, &mut collector)?;
    collector.rows.flush()?;
    if !collector.found {
        return Err(Failure::text(Status::NoInput, "the message is no report"));
    }
    match collector.silent {
        Some(section) => Err(Failure::text(Status::Data, format!("part {section}: the report names no recipient"))),
        None => collector.damage.verdict(strict),
    }
}

#[derive(Debug, Serialize)]
struct ToldRow {
    part: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_mta: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reporting_mta: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

impl Row for ToldRow {
    fn columns(&self) -> Vec<Option<String>> {
        let kind = Some(self.kind.to_owned());
        vec![kind, self.action.clone(), self.recipient.clone(), self.status.clone(), self.diagnostic.clone()]
    }
}

impl ToldRow {
    fn new(part: String, kind: Kind, told: Told) -> ToldRow {
        let Told {
            action,
            recipient,
            original_recipient,
            status,
            diagnostic,
            remote_mta,
            reporting_mta,
            envelope_id,
            message_id,
        } = told;
        let kind = match kind {
            Kind::Delivery => "delivery",
            Kind::Disposition => "disposition",
        };
        ToldRow {
            part,
            kind,
            action,
            recipient,
            status,
            diagnostic,
            original_recipient,
            remote_mta,
            reporting_mta,
            envelope_id,
            message_id,
        }
    }
}

struct OpenPart {
    section: String,
    is_message: bool,
    is_report: bool,
    children: u64,
    /// Of what a report says: what decodes it, and what reads that.
    told: Option<Reading>,
}

struct Reading {
    decoder: Decoder,
    reader: report::Reader,
    rows: u64,
}

struct Collector {
    message: Option<u64>,
    rows: Rows,
    found: bool,
    /// The first report without a row.
    silent: Option<String>,
    open: Vec<OpenPart>,
    decoded: Vec<u8>,
    damage: Damage,
}

impl Collector {
    /// What is for programs is the second part of a multipart/report (RFC 6522 section 3), or stands in none. A message that is returned
    /// may hold anything: what it says of recipients is not the report's.
    fn may_tell(&self) -> bool {
        let parent = self.open.last();
        let reports = self.open.iter().filter(|open| open.is_report).count();
        let is_second = parent.is_some_and(|parent| parent.is_report && parent.children == 2);
        !self.open.iter().any(|open| open.is_message) && (reports == 0 || reports == 1 && is_second)
    }

    /// Reads what was decoded; a row for each recipient. At the end, what the last group says.
    fn read(&mut self, section: &str, reading: &mut Reading, at_end: bool) -> Result<(), Failure> {
        let (rows, message, kind) = (&mut self.rows, self.message, reading.reader.kind());
        let mut add = |told| {
            reading.rows += 1;
            Ok::<(), Failure>(rows.add(&ToldRow::new(full_section(message, section), kind, told))?)
        };
        reading.reader.push(&self.decoded, &mut add)?;
        if at_end { reading.reader.finish(&mut add) } else { Ok(()) }
    }
}

impl Reader for Collector {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
    }
}

impl Visitor for Collector {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
        let told = Kind::of(&part.head.media).filter(|_| self.may_tell()).map(|kind| Reading {
            decoder: part.head.decoder(),
            reader: report::Reader::new(kind),
            rows: 0,
        });
        let is_report = part.head.media == "multipart/report";
        let is_message = part.kind == scan::Kind::Message;
        self.open.push(OpenPart { section: part.section.to_owned(), is_message, is_report, children: 0, told });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        let Some(mut open) = self.open.pop_if(|open| run == Run::Content && open.told.is_some()) else { return Ok(()) };
        if let Some(reading) = &mut open.told {
            self.decoded.clear();
            reading.decoder.push(bytes, &mut self.decoded);
            self.read(&open.section, reading, false)?;
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let Some(OpenPart { section, told, .. }) = self.open.pop() else { return Ok(()) };
        let Some(mut reading) = told else { return Ok(()) };
        self.found = true;
        self.decoded.clear();
        let damage = reading.decoder.finish(&mut self.decoded);
        self.read(&section, &mut reading, true)?;
        if reading.rows == 0 {
            self.silent.get_or_insert_with(|| full_section(self.message, &section));
        }
        self.damage.note(self.message, &section, flags);
        self.damage.note(self.message, &section, &decoding_flags(damage));
        if reading.reader.is_cut() {
            self.damage.note(self.message, &section, &[Flag::HeaderTooLong]);
        }
        Ok(())
    }
}

//! What a message breaks of the RFCs, as lines or JSON; and what a report on mail says.

use super::message::{Damage, Reader, each_chunk, empty, full_section, scan_stdin};
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::{Row, Rows};
use crate::mail::header::from_line;
use crate::mail::mime::head::{Flag, decoding_flags};
use crate::mail::mime::lint::{Finding, Lint};
use crate::mail::mime::report::{self, Kind, Told};
use crate::mail::mime::scan::{Part, Run, Visitor};
use serde::Serialize;

/// The longest line of an mbox that is looked for, in octets.
const MOST: usize = 1024 * 1024;

#[derive(Debug, Serialize)]
struct FindingRow {
    offset: u64,
    part: String,
    clause: &'static str,
    text: String,
}

impl Row for FindingRow {
    fn columns(&self) -> Vec<Option<String>> {
        vec![Some(self.offset.to_string()), Some(self.part.clone()), Some(self.clause.to_owned()), Some(self.text.clone())]
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
            rows.add(&FindingRow { offset: offset + skipped, part: section, clause, text: what })
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

/// Prints a row for each recipient that a report tells of; status 66 if the message holds none.
pub fn reports(json: bool, mbox: bool, strict: bool) -> Result<Status, Failure> {
    let (open, rows, damage) = (Vec::new(), Rows::new(json), Damage::default());
    let mut collector = Collector { message: None, rows, found: false, open, decoded: Vec::new(), damage };
    scan_stdin(mbox, &mut collector)?;
    collector.rows.flush()?;
    if !collector.found {
        return Err(Failure::text(Status::NoInput, "the message is no report"));
    }
    collector.damage.verdict(strict)
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
    /// Of a report: what decodes its content, and what reads that.
    report: Option<(Decoder, report::Reader)>,
}

struct Collector {
    message: Option<u64>,
    rows: Rows,
    found: bool,
    open: Vec<OpenPart>,
    decoded: Vec<u8>,
    damage: Damage,
}

impl Reader for Collector {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
    }
}

impl Visitor for Collector {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        let report = Kind::of(&part.head.media).map(|kind| (part.head.decoder(), report::Reader::new(kind)));
        self.open.push(OpenPart { section: part.section.to_owned(), report });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        let Some(OpenPart { section, report: Some((decoder, reader)) }) = self.open.last_mut() else { return Ok(()) };
        if run != Run::Content {
            return Ok(());
        }
        self.decoded.clear();
        decoder.push(bytes, &mut self.decoded);
        let (rows, message, kind) = (&mut self.rows, self.message, reader.kind());
        let mut add = |told| Ok::<(), Failure>(rows.add(&ToldRow::new(full_section(message, section), kind, told))?);
        reader.push(&self.decoded, &mut add)
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let Some(OpenPart { section, report }) = self.open.pop() else { return Ok(()) };
        let Some((mut decoder, mut reader)) = report else { return Ok(()) };
        self.found = true;
        self.decoded.clear();
        let damage = decoder.finish(&mut self.decoded);
        let (rows, message, kind) = (&mut self.rows, self.message, reader.kind());
        let mut add = |told| Ok::<(), Failure>(rows.add(&ToldRow::new(full_section(message, &section), kind, told))?);
        reader.push(&self.decoded, &mut add)?;
        reader.finish(&mut add)?;
        self.damage.note(self.message, &section, flags);
        self.damage.note(self.message, &section, &decoding_flags(damage));
        if reader.is_cut() {
            self.damage.note(self.message, &section, &[Flag::HeaderTooLong]);
        }
        Ok(())
    }
}

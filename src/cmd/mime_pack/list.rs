//! The part tree as lines or JSON. Rows wait only for facts that come at the end of their part, and never more than a fixed number.

use super::message::{Damage, Reader, full_section, scan_files};
use super::unique::hex;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::{self, Rows};
use crate::mail::mime::head::{Flag, decoding_flags};
use crate::mail::mime::scan::{Kind, Part, Run, Visitor};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Rows that wait. Past it they are printed, what is not yet known of them left out.
const WAITING: usize = 10_000;
/// Nested messages whose whole content is hashed: every byte goes through each of them.
const HASHED_MESSAGES: usize = 8;

/// Prints a row for each part. With `strict`, damage is status 65.
pub fn list(json: bool, mbox: bool, strict: bool) -> Result<Status, Failure> {
    let lister = Lister {
        json,
        rows: Rows::new(json),
        waiting: VecDeque::new(),
        printed: 0,
        open: Vec::new(),
        decoded: Vec::new(),
        message: None,
        damage: Damage::default(),
    };
    let mut lister = scan_files(mbox, lister)?;
    lister.print_waiting()?;
    lister.rows.flush()?;
    lister.damage.verdict(strict)
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    part: String,
    #[serde(rename = "type")]
    media: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
}

/// A part that has begun and not ended.
struct OpenPart {
    /// Counted from the first row of all.
    row: u64,
    section: String,
    kind: Kind,
    decoder: Decoder,
    size: u64,
    digest: Option<Sha256>,
}

struct Lister {
    json: bool,
    rows: Rows,
    waiting: VecDeque<Row>,
    printed: u64,
    open: Vec<OpenPart>,
    decoded: Vec<u8>,
    message: Option<u64>,
    damage: Damage,
}

impl Lister {
    fn print_waiting(&mut self) -> Result<(), Failure> {
        while let Some(row) = self.waiting.pop_front() {
            self.printed += 1;
            self.rows.add(&row)?;
        }
        Ok(())
    }
}

impl Reader for Lister {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
    }
}

impl Visitor for Lister {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        if self.waiting.len() >= WAITING {
            self.print_waiting()?;
        }
        let messages = self.open.iter().filter(|open| open.kind == Kind::Message).count();
        let hashed = match part.kind {
            Kind::Leaf | Kind::Embedded => self.json,
            Kind::Message => self.json && messages < HASHED_MESSAGES,
            Kind::Multipart => false,
        };
        self.open.push(OpenPart {
            row: self.printed + self.waiting.len() as u64,
            section: part.section.to_owned(),
            kind: part.kind,
            decoder: part.head.decoder(),
            size: 0,
            digest: hashed.then(Sha256::new),
        });
        self.waiting.push_back(Row {
            message: self.message,
            part: part.section.to_owned(),
            media: part.head.media.clone(),
            charset: part.head.charset.clone(),
            encoding: part.head.stated_encoding.clone(),
            disposition: part.head.disposition.clone(),
            name: part.head.name.clone(),
            size: None,
            sha256: None,
            flags: part.head.flags.iter().map(Flag::to_string).collect(),
        });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        for open in &mut self.open {
            match (open.kind, run) {
                (Kind::Embedded, Run::Embedded) => open.take(bytes),
                (Kind::Embedded, _) | (_, Run::Embedded) => {}
                (Kind::Message, _) => open.take(bytes),
                (Kind::Leaf, Run::Content) if matches!(open.decoder, Decoder::Identity) => open.take(bytes),
                (Kind::Leaf, Run::Content) => {
                    self.decoded.clear();
                    open.decoder.push(bytes, &mut self.decoded);
                    open.take(&self.decoded);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        self.decoded.clear();
        let damage = if open.kind == Kind::Leaf { open.decoder.finish(&mut self.decoded) } else { None };
        open.take(&self.decoded);
        let flags: Vec<Flag> = flags.iter().copied().chain(decoding_flags(damage)).collect();
        self.damage.note(self.message, &open.section, &flags);
        let at = open.row.checked_sub(self.printed).and_then(|at| usize::try_from(at).ok());
        if let Some(row) = at.and_then(|at| self.waiting.get_mut(at)) {
            row.flags = flags.iter().map(Flag::to_string).collect();
            row.size = (open.kind != Kind::Multipart).then_some(open.size);
            row.sha256 = open.digest.map(|digest| hex(&digest.finalize()));
        }
        Ok(())
    }
}

impl OpenPart {
    fn take(&mut self, content: &[u8]) {
        self.size += content.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(content);
        }
    }
}

impl report::Row for Row {
    fn columns(&self) -> Vec<Option<String>> {
        vec![
            Some(full_section(self.message, &self.part)),
            Some(self.media.clone()),
            self.size.map(|size| size.to_string()),
            self.name.clone(),
            self.charset.clone(),
            self.encoding.clone(),
            self.disposition.clone(),
            Some(self.flags.join(",")),
        ]
    }
}

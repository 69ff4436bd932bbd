//! What a report says of recipients held to its RFC: delivery status (RFC 3464), disposition (RFC 8098).

use super::finding::Found;
use crate::mail::header::{self, field};
use crate::mail::mime::param::without_comments;
use crate::mail::mime::report::Kind;

/// Octets of a group of fields; a longer one is not judged.
const LONGEST: usize = 64 * 1024;
/// Findings that are told of one report.
const MOST: usize = 10;
const ACTIONS: &[&str] = &["failed", "delayed", "delivered", "relayed", "expanded"];

/// Takes the content of a report as it comes.
#[derive(Debug)]
pub struct Status {
    kind: Kind,
    group: Vec<u8>,
    line: usize,
    line_is_blank: bool,
    at: u64,
    groups: u64,
    told: usize,
}

impl Status {
    pub fn new(kind: Kind) -> Status {
        Status { kind, group: Vec::new(), line: 0, line_is_blank: true, at: 0, groups: 0, told: 0 }
    }

    /// The next octets, the first of them at `offset`.
    pub fn push(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        let mut here = offset;
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            if self.group.is_empty() {
                self.at = here;
            }
            self.line_is_blank &= piece.trim_ascii().is_empty();
            let room = (LONGEST + 1).saturating_sub(self.group.len());
            self.group.extend_from_slice(&piece[..piece.len().min(room)]);
            here += piece.len() as u64;
            if !piece.ends_with(b"\n") {
                continue;
            }
            if std::mem::replace(&mut self.line_is_blank, true) {
                self.group.truncate(self.line);
                self.end_group(found);
            }
            self.line = self.group.len();
        }
    }

    pub fn finish(&mut self, offset: u64, found: &mut Vec<Found>) {
        self.end_group(found);
        if self.kind == Kind::Delivery && self.groups < 2 {
            self.tell(offset, "RFC 3464 2.1", "the report names no recipient", found);
        }
        if self.kind == Kind::Disposition && self.groups == 0 {
            self.tell(offset, "RFC 8098 3.1", "the report has no fields", found);
        }
    }

    fn tell(&mut self, at: u64, clause: &'static str, what: &str, found: &mut Vec<Found>) {
        self.told += 1;
        if self.told <= MOST {
            found.push((at, clause, what.to_owned()));
        }
    }

    fn end_group(&mut self, found: &mut Vec<Found>) {
        let group = std::mem::take(&mut self.group);
        self.line = 0;
        if group.len() > LONGEST {
            self.groups += 1;
            return;
        }
        if header::fields(&group).next().is_none() {
            return;
        }
        self.groups += 1;
        let required: &[(&str, &'static str)] = match (self.kind, self.groups) {
            (Kind::Delivery, 1) => &[("Reporting-MTA", "RFC 3464 2.2.2")],
            (Kind::Delivery, _) => {
                &[("Final-Recipient", "RFC 3464 2.3.2"), ("Action", "RFC 3464 2.3.3"), ("Status", "RFC 3464 2.3.4")]
            }
            (Kind::Disposition, 1) => &[("Final-Recipient", "RFC 8098 3.2.4"), ("Disposition", "RFC 8098 3.2.6")],
            (Kind::Disposition, _) => &[],
        };
        for (name, clause) in required {
            if field(&group, name).is_none() {
                self.tell(self.at, clause, &format!("{name} is missing"), found);
            }
        }
        if self.kind == Kind::Delivery && self.groups > 1 {
            self.values(&group, found);
        }
    }

    fn values(&mut self, group: &[u8], found: &mut Vec<Found>) {
        let mut within = 0;
        for item in header::items(group) {
            if let header::Item::Field(field) = item {
                let value = String::from_utf8_lossy(&without_comments(&field.value())).trim().to_ascii_lowercase();
                if field.is("Action") && !ACTIONS.contains(&value.as_str()) {
                    self.tell(self.at + within, "RFC 3464 2.3.3", "action is none that there is", found);
                }
                if field.is("Status") && !is_status(&value) {
                    self.tell(self.at + within, "RFC 3464 2.3.4", "status is no status code", found);
                }
            }
            within += item.raw().len() as u64;
        }
    }
}

/// `status-code = DIGIT "." 1*3DIGIT "." 1*3DIGIT`
fn is_status(value: &str) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [class, ..] if parts.len() == 3 && class.len() == 1) && parts.iter().all(is_number)
}

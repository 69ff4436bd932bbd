//! A message changed as a [`Plan`] says, as a stream: leaf parts in another transfer encoding, containers with another label, header lines
//! folded. Every other byte stays, and so does what the parts decode to.

use super::head::Flag;
use super::scan::{Kind, Part, Run, Scanner, Visitor};
use super::survey::{Change, Goal, Plan};
use crate::bytes::transfer::{Decoder, Encoder};
use crate::mail::header::{self, Item, fold};
use memchr::memchr_iter;
use std::convert::Infallible;
use std::sync::Arc;

/// Takes the message that was surveyed, in wire form, and gives the changed one, its last line ended.
#[derive(Debug)]
pub struct Rewriter {
    scanner: Scanner,
    edit: Edit,
    /// The last two octets that were given.
    last: [u8; 2],
}

impl Rewriter {
    pub fn new(plan: Arc<Plan>) -> Rewriter {
        let edit =
            Edit { plan, begun: 0, header: Vec::new(), in_header: false, codec: None, decoded: Vec::new(), out: Vec::new() };
        Rewriter { scanner: Plan::scanner(), edit, last: *b"\r\n" }
    }

    /// Appends what `bytes` become to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Ok(()) = self.scanner.push(bytes, &mut self.edit);
        self.give(out);
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Ok(()) = self.scanner.finish(&mut self.edit);
        self.give(out);
        if self.last != *b"\r\n" {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn give(&mut self, out: &mut Vec<u8>) {
        let given = &self.edit.out;
        match given[..] {
            [] => {}
            [one] => self.last = [self.last[1], one],
            [.., one, two] => self.last = [one, two],
        }
        out.append(&mut self.edit.out);
    }
}

#[derive(Debug)]
struct Edit {
    plan: Arc<Plan>,
    begun: u64,
    /// Of the part that has not begun, where it is to change.
    header: Vec<u8>,
    in_header: bool,
    codec: Option<(Decoder, Encoder)>,
    decoded: Vec<u8>,
    out: Vec<u8>,
}

impl Edit {
    fn next_change(&self) -> Option<Change> {
        self.plan.changes.get(&self.begun).copied()
    }

    fn recode(&mut self, bytes: &[u8]) {
        let Some((decoder, encoder)) = &mut self.codec else { return self.out.extend_from_slice(bytes) };
        self.decoded.clear();
        decoder.push(bytes, &mut self.decoded);
        let mut encoded = Vec::new();
        encoder.push(&self.decoded, &mut encoded);
        with_crlf(&encoded, &mut self.out);
    }
}

impl Visitor for Edit {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        let change = self.next_change();
        self.begun += 1;
        self.in_header = false;
        let Some(change) = change else { return Ok(()) };
        let header = std::mem::take(&mut self.header);
        edit_header(&header, &change, &mut self.out);
        if part.kind == Kind::Leaf {
            self.codec = change.recode.map(|(from, to)| (Decoder::new(from), Encoder::new(to)));
        }
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        self.in_header |= run == Run::Header;
        match run {
            Run::Header | Run::HeaderEnd if self.in_header && self.next_change().is_some() => {
                self.header.extend_from_slice(bytes)
            }
            Run::Content => self.recode(bytes),
            // Nobody reads these (RFC 2046 section 5.1.1), and no encoding covers them.
            Run::Frame if self.plan.goal == Goal::SevenBit && !bytes.is_ascii() => {
                self.out.extend(bytes.iter().map(|b| if b.is_ascii() { *b } else { b'?' }));
            }
            _ => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Infallible> {
        if let Some((mut decoder, mut encoder)) = self.codec.take() {
            self.decoded.clear();
            decoder.finish(&mut self.decoded);
            let mut encoded = Vec::new();
            encoder.push(&self.decoded, &mut encoded);
            encoder.finish(&mut encoded);
            with_crlf(&encoded, &mut self.out);
        }
        Ok(())
    }
}

/// Encoders end lines with LF.
fn with_crlf(encoded: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    for end in memchr_iter(b'\n', encoded) {
        out.extend_from_slice(&encoded[start..end]);
        out.extend_from_slice(b"\r\n");
        start = end + 1;
    }
    out.extend_from_slice(&encoded[start..]);
}

/// Appends `header`, which may have its blank line, with the fields that change.
fn edit_header(header: &[u8], change: &Change, out: &mut Vec<u8>) {
    let label = match change.recode {
        Some((_, to)) => Some(to.to_string()),
        None => change.relabel.then(|| "7bit".to_owned()),
    };
    let label = label.map(|label| format!("Content-Transfer-Encoding: {label}\r\n"));
    let mut labelled = false;
    let mut length = 0;
    for item in header::items(header) {
        let raw = item.raw();
        length += raw.len();
        match (&item, &label) {
            (Item::Field(field), Some(label)) if field.is("Content-Transfer-Encoding") => {
                // Readers take the first; one that contradicts it goes.
                let whole = raw.ends_with(b"\n");
                let label = if whole { label.as_str() } else { label.trim_end() };
                out.extend_from_slice(if labelled { b"" } else { label.as_bytes() });
                labelled = true;
            }
            _ if change.refold => out.extend_from_slice(&fold::refold(raw).unwrap_or_else(|| raw.to_vec())),
            _ => out.extend_from_slice(raw),
        }
    }
    if change.add_mime_version {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if let Some(charset) = change.charset {
        out.extend_from_slice(format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes());
    }
    if let (Some(label), false) = (label, labelled) {
        out.extend_from_slice(label.as_bytes());
    }
    out.extend_from_slice(&header[length..]);
}

#[cfg(test)]
mod tests;

//! The text of a message, to be read: the first that is no attachment, plain rather than HTML where it comes in several forms, that of
//! the message itself rather than that of one within it.

use super::content::Content;
use super::message::{Damage, Reader, scan_stdin};
use super::render::Render;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::{Shown, StdoutError};
use crate::disk::scratch::Scratch;
use crate::mail::header;
use crate::mail::mime::head::Flag;
use crate::mail::mime::param;
use crate::mail::mime::scan::{Kind, Part, Run, Scanner, Visitor};
use anyhow::Context;
use std::io::{self, Write};

/// Prints the text of each message on stdin as UTF-8. Status 66 where there is none.
pub fn text(mbox: bool, strict: bool) -> Result<Status, Failure> {
    let mut texter = Texter::new(Shown::new());
    texter.ends_line = true;
    scan_stdin(mbox, &mut texter)?;
    texter.end_message()?;
    texter.out.flush().map_err(StdoutError::from)?;
    if !texter.found {
        return Err(Failure::text(Status::NoInput, "the message has no text"));
    }
    texter.damage.verdict(strict)
}

/// The text of a message, or the first `most` octets of it.
pub fn text_of(message: &Content, most: usize) -> Result<String, Failure> {
    let (mut texter, mut scanner) = (Texter::new(Vec::new()), Scanner::default());
    message.each(|bytes| if texter.out.len() <= most { scanner.push(bytes, &mut texter) } else { Ok(()) })?;
    scanner.finish(&mut texter)?;
    texter.end_message()?;
    let mut text = String::from_utf8_lossy(&texter.out).into_owned();
    let end = (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    Ok(text)
}

/// The text that is the best so far.
struct Best {
    is_plain: bool,
    /// Nothing but blanks so far.
    is_blank: bool,
    /// Its last octet; a line feed where there is none.
    last: u8,
    in_message: bool,
    /// The alternatives that it stands in.
    alternatives: Vec<u64>,
    /// In a multipart/related, and not its root.
    is_beside: bool,
    place: Place,
}

enum Place {
    /// Nothing can be better: it was printed.
    Printed,
    Kept(Box<Scratch>),
}

struct OpenPart {
    section: String,
    kind: Kind,
    /// Its number, if it is a multipart/alternative.
    alternative: Option<u64>,
    /// The Content-ID of the root of a multipart/related that names it (RFC 2387 section 3.2).
    root: Option<String>,
    /// It belongs to such a one, and is not its root.
    is_beside: bool,
    render: Option<Render>,
}

struct Texter<W> {
    out: W,
    message: Option<u64>,
    open: Vec<OpenPart>,
    alternatives: u64,
    best: Option<Best>,
    found: bool,
    text: Vec<u8>,
    /// The last line of each text is ended, so that the next one begins its own.
    ends_line: bool,
    damage: Damage,
}

impl<W: Write> Texter<W> {
    fn new(out: W) -> Texter<W> {
        let (open, text, damage) = (Vec::new(), Vec::new(), Damage::default());
        Texter { out, message: None, open, alternatives: 0, best: None, found: false, text, ends_line: false, damage }
    }

    /// Makes way for a text that is better than what is there; false if it is not.
    fn take(&mut self, part: &Part<'_>) -> Result<bool, Failure> {
        let is_root = self.open.iter().all(|open| open.kind == Kind::Message);
        let is_attached = part.head.disposition.as_deref() == Some("attachment") && !is_root;
        if part.kind != Kind::Leaf || !part.head.media.starts_with("text/") || is_attached {
            return Ok(false);
        }
        let is_plain = part.head.media == "text/plain";
        let in_message = self.open.iter().any(|open| open.kind == Kind::Message);
        let is_beside = self.open.iter().any(|open| open.is_beside) || self.is_beside(part);
        let alternatives: Vec<u64> = self.open.iter().filter_map(|open| open.alternative).collect();
        let is_better = self.best.as_ref().is_none_or(|best| {
            let same = best.alternatives.iter().any(|alternative| alternatives.contains(alternative));
            let is_fuller = best.is_blank || (is_plain && !best.is_plain);
            let is_root = best.is_beside && !is_beside;
            let is_better_form = is_fuller && same && best.is_beside == is_beside;
            (best.in_message && !in_message) || (best.in_message == in_message && (is_root || is_better_form))
        });
        if is_better {
            let place = if is_plain && !in_message && !is_beside {
                Place::Printed
            } else {
                Place::Kept(Box::new(Scratch::new().context("cannot create a temporary file").or_status(Status::CannotCreate)?))
            };
            self.best = Some(Best { is_plain, is_blank: true, last: b'\n', in_message, alternatives, is_beside, place });
        }
        Ok(is_better)
    }

    /// Whether the multipart/related around it names another part as its root.
    fn is_beside(&self, part: &Part<'_>) -> bool {
        let root = self.open.last().and_then(|open| open.root.as_deref());
        root.is_some_and(|root| part.head.content_id.as_deref() != Some(root))
    }

    fn put(&mut self) -> Result<(), Failure> {
        if let Some(best) = &mut self.best {
            best.is_blank &= self.text.trim_ascii().is_empty();
            best.last = self.text.last().copied().unwrap_or(best.last);
        }
        match self.best.as_mut().map(|best| &mut best.place) {
            Some(Place::Kept(scratch)) => {
                scratch.write_all(&self.text).context("cannot write to a temporary file").or_status(Status::Io)
            }
            _ => Ok(self.out.write_all(&self.text).map_err(StdoutError::from)?),
        }
    }

    fn end_message(&mut self) -> Result<(), Failure> {
        let Some(best) = self.best.take() else { return Ok(()) };
        self.found = true;
        if let Place::Kept(mut scratch) = best.place {
            let mut text = scratch.reader().context("cannot read a temporary file").or_status(Status::Io)?;
            io::copy(&mut text, &mut self.out).map_err(StdoutError::from)?;
        }
        if self.ends_line && best.last != b'\n' {
            self.out.write_all(b"\n").map_err(StdoutError::from)?;
        }
        Ok(())
    }
}

fn stated_root(part: &Part<'_>) -> Option<String> {
    if part.kind != Kind::Multipart || part.head.media != "multipart/related" {
        return None;
    }
    let (_, params) = param::content_type(&header::field(part.header, "Content-Type")?.value())?;
    Some(params.value("start")?.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

impl<W: Write> Reader for Texter<W> {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
        self.open.clear();
    }
}

impl<W: Write> Visitor for Texter<W> {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        if self.open.is_empty() {
            self.end_message()?;
        }
        let render = if self.take(part)? { Render::new(part.head) } else { None };
        let is_alternative = part.kind == Kind::Multipart && part.head.media == "multipart/alternative";
        self.alternatives += u64::from(is_alternative);
        let alternative = is_alternative.then_some(self.alternatives);
        let is_beside = self.is_beside(part);
        let (section, kind, root) = (part.section.to_owned(), part.kind, stated_root(part));
        self.open.push(OpenPart { section, kind, alternative, root, is_beside, render });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        let Some(render) = self.open.last_mut().and_then(|open| open.render.as_mut()) else { return Ok(()) };
        if run != Run::Content {
            return Ok(());
        }
        self.text.clear();
        render.push(bytes, &mut self.text);
        self.put()
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        self.damage.note(self.message, &open.section, flags);
        if let Some(render) = &mut open.render {
            self.text.clear();
            let found = render.finish(&mut self.text);
            self.damage.note(self.message, &open.section, &found);
            self.put()?;
        }
        Ok(())
    }
}

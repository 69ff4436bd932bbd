//! One thing out of a message: the value of a header field, or the content of a part.

use super::message::{Damage, Reader, full_section, scan_files, scan_stdin};
use crate::bytes::escape::visible;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::{Shown, Stdout, StdoutError};
use crate::mail::header::fold;
use crate::mail::header::search::{Found, Search};
use crate::mail::mime::head::{Flag, decoding_flags};
use crate::mail::mime::scan::{Kind, Part, Run, Visitor};
use crate::mail::mime::select::Selector;
use std::io::{self, IsTerminal, Write};

/// Prints each field of that name in the message's own header, one line a field. Status 1 if there is none, 65 where a field is too long to be
/// printed whole.
pub fn field(name: &str, mbox: bool, strict: bool) -> Result<Status, Failure> {
    fold::field_name(name).map_err(|why| Failure::text(Status::Usage, format!("{name:?} {why}")))?;
    let (out, damage) = (Stdout::new(), Damage::default());
    let printer = Printer { out, found: false, is_cut: false };
    let mut finder = Finder { search: Search::new(name), printer, message: None, seen_root: false, open: Vec::new(), damage };
    scan_stdin(mbox, &mut finder)?;
    let mut printer = finder.printer;
    printer.out.flush().map_err(StdoutError::from)?;
    if printer.is_cut {
        return Err(Failure::text(Status::Data, format!("{name} is over 1 MiB long; only its beginning was printed")));
    }
    finder.damage.verdict(strict)?;
    Ok(if printer.found { Status::Done } else { Status::Partly })
}

/// Writes the decoded content of a part, of a multipart or message what is in it, as it came; or all of it with its header, `raw`.
/// Status 66 if there is no such part.
pub fn part(selector: &str, raw: bool, mbox: bool, strict: bool) -> Result<Status, Failure> {
    let mut picker = Picker {
        selector: Selector::new(selector),
        raw,
        state: State::Looking,
        message: None,
        depth: 0,
        out: Shown::new(),
        decoded: Vec::new(),
        blank_line: Vec::new(),
        damage: Damage::default(),
    };
    // What stands in the lines of a text has no header that could be written.
    let mut picker = if raw {
        scan_stdin(mbox, &mut picker)?;
        picker
    } else {
        scan_files(mbox, picker)?
    };
    picker.out.flush().map_err(StdoutError::from)?;
    match picker.state {
        State::Looking => Err(Failure::text(Status::NoInput, format!("{selector}: no such part"))),
        State::Open { .. } | State::Done => picker.damage.verdict(strict),
    }
}

/// Reads the message's own header as it comes, which may be longer than what is kept of one.
struct Finder {
    search: Search,
    printer: Printer,
    message: Option<u64>,
    seen_root: bool,
    /// Sections of the parts that are open.
    open: Vec<String>,
    damage: Damage,
}

struct Printer {
    out: Stdout,
    found: bool,
    /// A field was longer than what is kept of one.
    is_cut: bool,
}

impl Printer {
    fn field(&mut self, found: Found<'_>) -> Result<(), Failure> {
        self.found = true;
        self.is_cut |= found.is_cut;
        let value = found.field.text();
        // An encoded word may hold line ends and more: one line stays one, and a terminal is not driven.
        let line = if io::stdout().is_terminal() { visible(value.as_bytes()) } else { value.replace(['\r', '\n', '\0'], " ") };
        Ok(writeln!(self.out, "{line}").map_err(StdoutError::from)?)
    }
}

impl Reader for Finder {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
        self.seen_root = false;
    }
}

impl Visitor for Finder {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        self.open.push(part.section.to_owned());
        if std::mem::replace(&mut self.seen_root, true) {
            return Ok(());
        }
        self.search.finish(&mut |found| self.printer.field(found))
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        if self.seen_root || run != Run::Header {
            return Ok(());
        }
        self.search.push(bytes, &mut |found| self.printer.field(found))
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let section = self.open.pop().unwrap_or_default();
        self.damage.note(self.message, &section, flags);
        Ok(())
    }
}

enum State {
    Looking,
    /// The part is open, this deep.
    Open {
        section: String,
        depth: usize,
        kind: Kind,
        decoder: Decoder,
        /// Nothing of it was told yet.
        fresh: bool,
    },
    Done,
}

struct Picker {
    selector: Selector,
    raw: bool,
    state: State,
    message: Option<u64>,
    depth: usize,
    out: Shown,
    decoded: Vec<u8>,
    /// The end of the header of a message, which is told before the message begins.
    blank_line: Vec<u8>,
    damage: Damage,
}

impl Picker {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes).map_err(StdoutError::from)?)
    }
}

impl Reader for Picker {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
    }
}

impl Visitor for Picker {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        self.depth += 1;
        let section = full_section(self.message, part.section);
        let full = Part { section: &section, kind: part.kind, head: part.head, header: part.header };
        if !matches!(self.state, State::Looking) || !(self.selector.matches(part) || self.selector.matches(&full)) {
            return Ok(());
        }
        let decoder = if self.raw || part.kind != Kind::Leaf { Decoder::Identity } else { part.head.decoder() };
        self.state = State::Open { section, depth: self.depth, kind: part.kind, decoder, fresh: true };
        if self.raw {
            if part.head.flags.contains(&Flag::HeaderTooLong) {
                return Err(Failure::text(Status::Data, format!("part {}: {}", part.section, Flag::HeaderTooLong)));
            }
            self.put(part.header)?;
            if part.kind == Kind::Message {
                let blank_line = std::mem::take(&mut self.blank_line);
                self.put(&blank_line)?;
            }
        }
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        if run == Run::HeaderEnd {
            self.blank_line = bytes.to_vec();
        }
        let State::Open { kind, decoder, fresh, .. } = &mut self.state else { return Ok(()) };
        if (run == Run::Embedded) != (*kind == Kind::Embedded) {
            return Ok(());
        }
        // The end of a message's own header was told before it began, and what comes later is of the headers in it.
        let ends_own_header = std::mem::take(fresh) && run == Run::HeaderEnd && *kind != Kind::Message;
        let content = match (*kind, run) {
            _ if self.raw => bytes,
            _ if ends_own_header => return Ok(()),
            (Kind::Leaf, Run::Header | Run::HeaderEnd | Run::Frame) => return Ok(()),
            (Kind::Leaf, Run::Content) if !matches!(decoder, Decoder::Identity) => {
                self.decoded.clear();
                decoder.push(bytes, &mut self.decoded);
                &self.decoded
            }
            _ => bytes,
        };
        Ok(self.out.write_all(content).map_err(StdoutError::from)?)
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        if let State::Open { section, depth, decoder, .. } = &mut self.state
            && *depth <= self.depth
        {
            self.damage.note(None, section, flags);
            if *depth == self.depth {
                self.decoded.clear();
                let damage = decoder.finish(&mut self.decoded);
                self.damage.note(None, section, &decoding_flags(damage));
                self.out.write_all(&self.decoded).map_err(StdoutError::from)?;
                self.state = State::Done;
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

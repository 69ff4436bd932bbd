//! One thing out of a message: the value of a header field, or the content of a part.

use super::message::scan_stdin;
use crate::bytes::escape::visible;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::header::{self, fold};
use crate::mail::mime::head::Flag;
use crate::mail::mime::scan::{Kind, Part, Run, Visitor};
use std::io::{self, IsTerminal, Write};

/// Prints each field of that name in the message's own header, one line a field. Status 1 if there is none.
pub fn field(name: &str) -> Result<Status, Failure> {
    fold::field_name(name).map_err(|why| Failure::text(Status::Usage, format!("{name:?} {why}")))?;
    let mut finder = Finder { name, found: false, seen_root: false, out: Stdout::new() };
    scan_stdin(&mut finder)?;
    finder.out.flush().map_err(StdoutError::from)?;
    Ok(if finder.found { Status::Done } else { Status::Partly })
}

/// Writes the decoded content of a part; of a multipart or message what is in it, as it came. Status 66 if there is no such part.
pub fn part(selector: &str) -> Result<Status, Failure> {
    let mut picker = Picker { selector, state: State::Looking, depth: 0, out: Stdout::new(), decoded: Vec::new() };
    scan_stdin(&mut picker)?;
    picker.out.flush().map_err(StdoutError::from)?;
    match picker.state {
        State::Looking => Err(Failure::text(Status::NoInput, format!("{selector}: no such part"))),
        State::Open { .. } | State::Done => Ok(Status::Done),
    }
}

struct Finder<'a> {
    name: &'a str,
    found: bool,
    seen_root: bool,
    out: Stdout,
}

impl Visitor for Finder<'_> {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        if std::mem::replace(&mut self.seen_root, true) {
            return Ok(());
        }
        for field in header::fields(part.header).filter(|field| field.is(self.name)) {
            self.found = true;
            let value = field.text();
            // An encoded word may hold line ends and more: one line stays one, and a terminal is not driven.
            let line =
                if io::stdout().is_terminal() { visible(value.as_bytes()) } else { value.replace(['\r', '\n', '\0'], " ") };
            writeln!(self.out, "{line}").map_err(StdoutError::from)?;
        }
        Ok(())
    }

    fn bytes(&mut self, _: Run, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Failure> {
        Ok(())
    }
}

enum State {
    Looking,
    /// The part is open, this deep.
    Open {
        depth: usize,
        kind: Kind,
        decoder: Decoder,
    },
    Done,
}

struct Picker<'a> {
    selector: &'a str,
    state: State,
    depth: usize,
    out: Stdout,
    decoded: Vec<u8>,
}

impl Visitor for Picker<'_> {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        self.depth += 1;
        let is_it = part.section.eq_ignore_ascii_case(self.selector) || part.head.name.as_deref() == Some(self.selector);
        if is_it && matches!(self.state, State::Looking) {
            self.state = State::Open { depth: self.depth, kind: part.kind, decoder: Decoder::new(part.head.encoding) };
        }
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        let State::Open { depth, kind, decoder } = &mut self.state else { return Ok(()) };
        let content = match (*kind, run) {
            (_, Run::HeaderEnd) if *depth == self.depth => return Ok(()),
            (Kind::Leaf, Run::Header | Run::Frame) => return Ok(()),
            (Kind::Leaf, Run::Content) if !matches!(decoder, Decoder::Identity) => {
                self.decoded.clear();
                decoder.push(bytes, &mut self.decoded);
                &self.decoded
            }
            _ => bytes,
        };
        self.out.write_all(content).map_err(StdoutError::from)?;
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Failure> {
        if let State::Open { depth, decoder, .. } = &mut self.state
            && *depth == self.depth
        {
            self.decoded.clear();
            decoder.finish(&mut self.decoded);
            self.out.write_all(&self.decoded).map_err(StdoutError::from)?;
            self.state = State::Done;
        }
        self.depth -= 1;
        Ok(())
    }
}

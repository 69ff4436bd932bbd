//! Messages on stdin, read part by part: one, or an mbox of them.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::disk::mbox::{Mbox, MboxError};
use crate::mail::mime::embedded::Embedded;
use crate::mail::mime::head::Flag;
use crate::mail::mime::scan::{Scanner, Visitor};
use anyhow::Context;
use std::io::{self, Read};

/// Told of messages, part by part.
pub trait Reader: Visitor<Error = Failure> {
    /// The next message begins. Numbered from 1 in an mbox.
    fn message(&mut self, number: Option<u64>);
}

impl<R: Reader> Reader for Embedded<R> {
    fn message(&mut self, number: Option<u64>) {
        self.inner_mut().message(number);
    }
}

/// Reads stdin part by part, files within the lines of a text included.
pub fn scan_files<R: Reader>(mbox: bool, reader: R) -> Result<R, Failure> {
    let mut embedded = Embedded::new(reader);
    scan_stdin(mbox, &mut embedded)?;
    Ok(embedded.into_inner())
}

/// Reads stdin part by part. An empty stdin is no message: status 65.
pub fn scan_stdin<R: Reader>(mbox: bool, reader: &mut R) -> Result<(), Failure> {
    if mbox {
        return scan_mbox(reader);
    }
    reader.message(None);
    let mut scanner = Scanner::default();
    let mut is_empty = true;
    each_chunk(|chunk| {
        is_empty = false;
        scanner.push(chunk, reader)
    })?;
    if is_empty { Err(empty()) } else { scanner.finish(reader) }
}

/// Reads all of stdin.
pub fn each_chunk(mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut stdin = io::stdin().lock();
    let mut chunk = vec![0; 128 * 1024];
    loop {
        match stdin.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(used) => take(&chunk[..used])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read stdin").or_status(Status::NoInput),
        }
    }
}

pub fn empty() -> Failure {
    Failure::text(Status::Data, "stdin: empty, no message")
}

fn scan_mbox<R: Reader>(reader: &mut R) -> Result<(), Failure> {
    let mut mbox = Mbox::new(io::stdin().lock());
    for number in 1.. {
        let mut scanner = Scanner::default();
        let mut failed = None;
        let mut begun = false;
        let mut keep = |bytes: &[u8]| {
            if !std::mem::replace(&mut begun, true) {
                reader.message(Some(number));
            }
            scanner.push(bytes, reader).map_err(|failure| {
                failed = Some(failure);
                io::Error::other("stopped")
            })
        };
        let more = mbox.next(&mut keep);
        if let Some(failure) = failed {
            return Err(failure);
        }
        match more {
            Ok(false) if number == 1 => return Err(empty()),
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error @ MboxError::NoFrom { .. }) => return Err(error).context("stdin").or_status(Status::Data),
            Err(error) => return Err(error).context("stdin").or_status(Status::NoInput),
        }
        if !begun {
            reader.message(Some(number));
        }
        scanner.finish(reader)?;
    }
    Ok(())
}

/// The number of a part: in an mbox, that of its message stands before it.
pub fn full_section(message: Option<u64>, section: &str) -> String {
    message.map_or_else(|| section.to_owned(), |number| format!("{number}/{section}"))
}

/// The first damage that was seen, for `--strict`.
#[derive(Debug, Default)]
pub struct Damage(Option<String>);

impl Damage {
    pub fn note(&mut self, message: Option<u64>, section: &str, flags: &[Flag]) {
        if let (None, Some(flag)) = (&self.0, flags.first()) {
            self.0 = Some(format!("part {}: {flag}", full_section(message, section)));
        }
    }

    /// Status 65 where damage counts and there was some.
    pub fn verdict(self, strict: bool) -> Result<Status, Failure> {
        match self.0.filter(|_| strict) {
            Some(what) => Err(Failure::text(Status::Data, what)),
            None => Ok(Status::Done),
        }
    }
}

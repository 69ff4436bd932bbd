//! Messages written behind each other to a stream, as stdout is. Each is held back until it is whole.

use crate::bytes::from_quote::FromQuote;
use crate::bytes::newline::ToLf;
use crate::disk::scratch::Scratch;
use crate::fetch::target::{Facts, Fault, Taken, Target};
use crate::fetch::words::{Stop, Why};
use crate::mail::date;
use std::io::{self, Read, Write};

const CHUNK: usize = 64 * 1024;

/// A stream that can be made durable where it leads to a file.
pub trait Out: Write {
    /// Writes out what is buffered, and waits for the disk where there is one.
    fn settle(&mut self) -> io::Result<()>;
}

/// One message as it is; several as an mbox (mboxrd).
pub struct Stream<O> {
    out: O,
    /// Line ends as on the wire.
    crlf: bool,
    /// Other streams of messages follow or came before: one message alone is part of an mbox, too.
    several: bool,
    scratch: Option<Scratch>,
    newline: ToLf,
    /// The `From ` line, where one is wanted.
    separator: Option<String>,
}

impl<O: Out> Stream<O> {
    pub fn new(out: O, crlf: bool) -> Stream<O> {
        Stream { out, crlf, several: false, scratch: None, newline: ToLf::default(), separator: None }
    }

    /// `several`: other mailboxes' messages go there as well, so that all of it is an mbox.
    pub fn beside(self, several: bool) -> Stream<O> {
        Stream { several, ..self }
    }

    fn copy(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let Some(separator) = &self.separator else {
            io::copy(&mut scratch.reader()?, &mut self.out)?;
            return self.out.settle();
        };
        let end: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
        self.out.write_all(separator.as_bytes())?;
        self.out.write_all(end)?;
        let (mut quote, mut quoted, mut last) = (FromQuote::default(), Vec::with_capacity(CHUNK + 64), b'\n');
        let (mut reader, mut chunk) = (scratch.reader()?, vec![0; CHUNK]);
        loop {
            let n = reader.read(&mut chunk)?;
            if n == 0 {
                break;
            }
            last = chunk[n - 1];
            quoted.clear();
            quote.push(&chunk[..n], &mut quoted);
            self.out.write_all(&quoted)?;
        }
        quoted.clear();
        quote.finish(&mut quoted);
        self.out.write_all(&quoted)?;
        if last != b'\n' {
            self.out.write_all(end)?;
        }
        self.out.write_all(end)?;
        self.out.settle()
    }
}

impl<O: Out> Target for Stream<O> {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        self.separator = (self.several || !facts.alone).then(|| format!("From MAILER-DAEMON {}", date::asctime(facts.at)));
        self.newline = ToLf::default();
        self.scratch = Some(Scratch::new().map_err(|error| held(&error))?);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(scratch) = &mut self.scratch else { return Ok(()) };
        if self.crlf {
            return scratch.write_all(bytes).map_err(|error| held(&error));
        }
        let mut text = Vec::with_capacity(bytes.len() + 1);
        self.newline.push(bytes, &mut text);
        scratch.write_all(&text).map_err(|error| held(&error))
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        let Some(mut scratch) = self.scratch.take() else { return Err(held(&io::Error::other("nothing was begun"))) };
        let mut rest = Vec::new();
        self.newline.finish(&mut rest);
        scratch.write_all(&rest).map_err(|error| held(&error))?;
        self.copy(&mut scratch).map_err(unwritten)?;
        Ok(Taken::Delivered("written".to_owned()))
    }

    fn abort(&mut self) {
        self.scratch = None;
    }
}

/// A message cannot be held until it is whole.
pub fn held(error: &io::Error) -> Fault {
    Fault::Stop(Stop::new(Why::Io, format!("cannot hold the message in a temporary file: {error}")))
}

/// Nothing can be written where messages go.
pub fn unwritten(error: io::Error) -> Fault {
    Fault::Stop(Stop { why: Why::Io, text: format!("cannot write the message: {error}"), error: Some(error) })
}

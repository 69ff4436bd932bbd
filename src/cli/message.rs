//! The message on stdin, read twice in constant memory: once to learn its size and whether it is fit to be sent, then for each
//! transaction. A stdin that cannot be read again is kept: in memory while it is small, else in an unlinked temporary file.

pub mod edit;

use super::exit::{Failure, OrStatus, Status};
use crate::bytes::lone_dot::LoneDot;
use crate::bytes::newline::{LoneCr, ToCrlf};
use crate::bytes::overlong::Overlong;
use crate::disk::scratch::Scratch;
use crate::mail::mime::survey::Plan;
use crate::mail::{complete, header, submitted};
use crate::protocol::smtp::client::words::HeaderText;
use anyhow::{Context, Error};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Longest header taken, in octets.
const MAX_HEADER: usize = 8 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;
/// Longer messages go to a temporary file where they have to be kept.
pub const SMALL: usize = 256 * 1024;

/// Where the text lies, to be read as often as wanted.
#[derive(Debug)]
pub enum Store {
    File(File),
    /// For what is small.
    Memory(Vec<u8>),
}

impl Store {
    /// Some octets from `at` on, none at the end. Those of a file pass through `buf`.
    fn piece<'a>(&'a self, at: u64, buf: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        match self {
            Store::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(&bytes[from..bytes.len().min(from + BUFFER)])
            }
            Store::File(file) => {
                buf.resize(BUFFER, 0);
                let n = file.read_at(buf, at)?;
                Ok(&buf[..n])
            }
        }
    }
}

/// A message on its way here: in memory while it is small, then in a temporary file.
#[derive(Debug, Default)]
pub struct Spill {
    memory: Vec<u8>,
    file: Option<Scratch>,
}

impl Spill {
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write_all(piece);
        }
        self.memory.extend_from_slice(piece);
        if self.memory.len() > SMALL {
            let file = self.file.insert(Scratch::new()?);
            file.write_all(&std::mem::take(&mut self.memory))?;
        }
        Ok(())
    }

    /// All that was written, and how much it is in octets.
    pub fn into_store(self) -> io::Result<(Store, u64)> {
        match self.file {
            Some(scratch) => {
                let size = scratch.size();
                Ok((Store::File(scratch.into_file()?), size))
            }
            None => {
                let size = self.memory.len() as u64;
                Ok((Store::Memory(self.memory), size))
            }
        }
    }
}

/// A message that is fit to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    store: Arc<Store>,
    /// In wire form, with the blank line behind it if there was one.
    header: Arc<[u8]>,
    /// The recipients that the header names are read from here: `Bcc` included.
    whole_header: Arc<[u8]>,
    /// Where in the file the rest begins.
    rest_at: u64,
    /// Octets in wire form.
    pub size: u64,
    /// Holds octets over 127.
    pub eight_bit: bool,
    /// Whether the header that is sent goes beyond ASCII.
    pub text: HeaderText,
    rest_is_eight_bit: bool,
    /// The header is not as it was read.
    edited: bool,
    /// Lines that were read before the header: an mbox line.
    lines_before: u64,
    /// The first line behind the header that is too long, as it was read.
    overlong: Option<u64>,
    /// How lines that are too long are changed.
    plan: Option<Arc<Plan>>,
}

impl Message {
    /// Reads stdin. An mbox `From ` line is dropped, and with it `Bcc` unless `keep_bcc`. Nothing to read is status 66, a lone CR or
    /// an endless header 65.
    pub fn from_stdin(keep_bcc: bool) -> Result<Message, Failure> {
        let (store, start) = readable_again()?;
        Message::read(store, start, keep_bcc)?.ok_or_else(|| Failure::text(Status::NoInput, "no message on stdin"))
    }

    /// As people and programs give it to a mail program on stdin: a line with a dot alone ends it unless `ignore_dots`. None: nothing was
    /// given.
    pub fn submitted(ignore_dots: bool) -> Result<Option<Message>, Failure> {
        if ignore_dots {
            let (store, start) = readable_again()?;
            return Message::read(store, start, false);
        }
        let (store, _) =
            until_dot(&mut io::stdin().lock()).context("cannot read the message from stdin").or_status(Status::Io)?;
        Message::read(store, 0, false)
    }

    /// A message without a word.
    pub fn empty() -> Message {
        let header: Arc<[u8]> = Arc::from(&b"\r\n"[..]);
        let store = Arc::new(Store::Memory(Vec::new()));
        Message {
            size: header.len() as u64,
            eight_bit: false,
            text: HeaderText::Ascii,
            whole_header: header.clone(),
            header,
            rest_at: 0,
            store,
            rest_is_eight_bit: false,
            edited: false,
            lines_before: 0,
            overlong: None,
            plan: None,
        }
    }

    /// With these fields in front, in wire form. Where text that is no header follows without an empty line, there is one then.
    pub fn with_fields(mut self, fields: &str) -> Message {
        let end = |header: &[u8]| complete::text_in_header(header);
        let mut header = Vec::with_capacity(fields.len() + self.header.len() + 2);
        header.extend_from_slice(fields.as_bytes());
        match end(&self.header) {
            Some(at) => {
                header.extend_from_slice(&self.header[..at]);
                header.extend_from_slice(b"\r\n");
                header.extend_from_slice(&self.header[at..]);
            }
            None => header.extend_from_slice(&self.header),
        }
        self.size += (header.len() - self.header.len()) as u64;
        self.header = header.into();
        self
    }

    /// As [`Message::from_stdin`], of what lies in `store` from `start` on; none: nothing does.
    pub fn read(store: Store, start: u64, keep_bcc: bool) -> Result<Option<Message>, Failure> {
        let mut scan = Scan::default();
        scan.run(&store, start)?;
        if scan.raw_size == 0 {
            return Ok(None);
        }
        let whole_header = scan.header;
        let header = if keep_bcc { whole_header.clone() } else { submitted::without_bcc(&whole_header) };
        Ok(Some(Message {
            size: scan.size - (whole_header.len() - header.len()) as u64,
            eight_bit: scan.eight_bit || !header.is_ascii(),
            text: header_text(&header),
            header: header.into(),
            whole_header: whole_header.into(),
            rest_at: start + scan.rest_at,
            store: Arc::new(store),
            rest_is_eight_bit: scan.eight_bit,
            edited: false,
            lines_before: scan.lines_before,
            overlong: scan.overlong.line(),
            plan: None,
        }))
    }

    /// The header in wire form, as it came: with `Bcc`.
    pub fn whole_header(&self) -> &[u8] {
        &self.whole_header
    }

    fn unchanged_body(&self) -> Body {
        Body {
            message: self.clone(),
            header_at: 0,
            at: self.rest_at,
            newline: ToCrlf::default(),
            buf: Vec::new(),
            ready: Vec::new(),
            taken: 0,
        }
    }
}

/// Whether the fields of a header go beyond ASCII. What is no field is text that somebody left without a header.
fn header_text(header: &[u8]) -> HeaderText {
    if header.is_ascii() || header::fields(header).all(|field| field.raw.is_ascii()) {
        HeaderText::Ascii
    } else {
        HeaderText::Utf8
    }
}

/// What stands before the line that ends it.
fn until_dot(from: &mut dyn Read) -> io::Result<(Store, u64)> {
    let (mut dot, mut spill) = (LoneDot::default(), Spill::default());
    let (mut buf, mut kept) = (vec![0; BUFFER], Vec::new());
    loop {
        let n = match from.read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let over = if n == 0 {
            dot.finish(&mut kept);
            true
        } else {
            dot.push(&buf[..n], &mut kept)
        };
        spill.write(&kept)?;
        kept.clear();
        if over {
            return spill.into_store();
        }
    }
}

/// Stdin, and the place where the message begins; where it cannot be read again, what it was copied to.
fn readable_again() -> Result<(Store, u64), Failure> {
    let unreadable = |error: io::Error| Failure::new(Status::Io, Error::new(error).context("cannot read the message from stdin"));
    let unkept = |error: io::Error| {
        let place = std::env::temp_dir();
        let told = format!("cannot keep the message in a temporary file in {}", place.display());
        Failure::new(Status::Io, Error::new(error).context(told))
    };
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?);
    if stdin.metadata().map_err(unreadable)?.is_file() {
        let start = stdin.stream_position().map_err(unreadable)?;
        return Ok((Store::File(stdin), start));
    }
    let (mut spill, mut buf) = (Spill::default(), vec![0; BUFFER]);
    loop {
        match stdin.read(&mut buf) {
            Ok(0) => return Ok((spill.into_store().map_err(unkept)?.0, 0)),
            Ok(n) => spill.write(&buf[..n]).map_err(unkept)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// The first reading.
#[derive(Default)]
struct Scan {
    header: Vec<u8>,
    raw_header: Vec<u8>,
    header_done: bool,
    raw_size: u64,
    /// In the raw message.
    rest_at: u64,
    size: u64,
    eight_bit: bool,
    newline: ToCrlf,
    at_line_start: bool,
    lines_before: u64,
    overlong: Overlong,
}

impl Scan {
    fn run(&mut self, store: &Store, start: u64) -> Result<(), Failure> {
        let (mut buf, mut wire) = (Vec::new(), Vec::new());
        loop {
            let piece = store.piece(start + self.raw_size, &mut buf).context("cannot read the message").or_status(Status::Io)?;
            if piece.is_empty() {
                break;
            }
            self.raw_size += piece.len() as u64;
            let rest = if self.header_done { piece } else { self.take_header(piece)? };
            self.take_rest(rest, &mut wire).or_status(Status::Data)?;
        }
        if !self.header_done {
            self.end_header(self.raw_header.len())?;
        }
        self.newline.finish().or_status(Status::Data)?;
        if !self.at_line_start {
            self.size += 2;
        }
        Ok(())
    }

    /// Collects the header; gives what of `bytes` lies behind it.
    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        let before = self.raw_header.len();
        self.raw_header.extend_from_slice(bytes);
        // A blank line may begin in the bytes before.
        let from = self.raw_header[..before]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| self.raw_header[..at].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1));
        match header::body_offset(&self.raw_header[from..]) {
            Some(offset) => {
                let end = from + offset;
                self.end_header(end)?;
                Ok(&bytes[end - before..])
            }
            None if self.raw_header.len() > MAX_HEADER => {
                Err(Failure::text(Status::Data, format_args!("the header is longer than {MAX_HEADER} octets")))
            }
            None => Ok(&[]),
        }
    }

    fn end_header(&mut self, end: usize) -> Result<(), Failure> {
        let skip = header::from_line(&self.raw_header);
        let header = std::mem::take(&mut self.raw_header);
        self.newline.push(&header[skip..end], &mut self.header).or_status(Status::Data)?;
        (self.header_done, self.rest_at) = (true, end as u64);
        self.lines_before = u64::from(skip > 0);
        self.overlong = Overlong::after(memchr::memchr_iter(b'\n', &header[..end]).count() as u64);
        self.size = self.header.len() as u64;
        self.at_line_start = self.header.is_empty() || self.header.ends_with(b"\r\n");
        Ok(())
    }

    fn take_rest(&mut self, bytes: &[u8], wire: &mut Vec<u8>) -> Result<(), LoneCr> {
        wire.clear();
        self.newline.push(bytes, wire)?;
        self.size += wire.len() as u64;
        self.eight_bit |= !bytes.is_ascii();
        self.overlong.push(bytes);
        if !wire.is_empty() {
            self.at_line_start = wire.ends_with(b"\r\n");
        }
        Ok(())
    }
}

/// The message in wire form.
#[derive(Debug)]
pub struct Body {
    message: Message,
    header_at: usize,
    at: u64,
    newline: ToCrlf,
    buf: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let header = &self.message.header[self.header_at..];
        if !header.is_empty() {
            let n = header.len().min(buf.len());
            buf[..n].copy_from_slice(&header[..n]);
            self.header_at += n;
            return Ok(n);
        }
        while self.taken == self.ready.len() {
            let raw = self.message.store.piece(self.at, &mut self.buf)?;
            if raw.is_empty() {
                return Ok(0);
            }
            self.at += raw.len() as u64;
            (self.taken, _) = (0, self.ready.clear());
            self.newline.push(raw, &mut self.ready).map_err(|lone| io::Error::new(io::ErrorKind::InvalidData, lone))?;
        }
        let n = (self.ready.len() - self.taken).min(buf.len());
        buf[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &[u8]) -> Result<Message, Failure> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"skip").unwrap();
        file.write_all(text).unwrap();
        let in_memory = Message::read(Store::Memory([b"skip", text].concat()), 4, false).map(|message| message.is_some());
        let message = Message::read(Store::File(file), 4, false);
        assert_eq!(in_memory.is_ok(), message.is_ok(), "{text:?}");
        message?.ok_or_else(|| Failure::text(Status::NoInput, "nothing"))
    }

    fn wire(text: &[u8]) -> String {
        let message = message(text).unwrap();
        let mut wire = String::new();
        message.body().read_to_string(&mut wire).unwrap();
        let ended = if wire.is_empty() || wire.ends_with("\r\n") { wire.clone() } else { format!("{wire}\r\n") };
        assert_eq!(message.size, ended.len() as u64, "{text:?}");
        wire
    }

    #[test]
    fn line_ends_become_crlf_and_bcc_and_the_mbox_line_go() {
        assert_eq!(wire(b"From a@b Sun\nTo: x@y\nBcc: z@y,\n q@y\n\nFrom me\n.\n"), "To: x@y\r\n\r\nFrom me\r\n.\r\n");
        assert_eq!(wire(b"To: x@y\r\n\r\nbody without an end"), "To: x@y\r\n\r\nbody without an end");
        assert_eq!(wire(b"just text\n"), "just text\r\n");
        assert_eq!(wire(b"\nbody\n"), "\r\nbody\r\n");
    }

    #[test]
    fn fields_go_in_front_and_text_without_a_header_gets_an_empty_line() {
        let with = |text: &[u8]| {
            let message = message(text).unwrap().with_fields("Date: x\r\n");
            let mut wire = String::new();
            message.body().read_to_string(&mut wire).unwrap();
            assert_eq!(message.size, wire.len() as u64);
            wire
        };
        assert_eq!(with(b"To: x@y\n\nhi\n"), "Date: x\r\nTo: x@y\r\n\r\nhi\r\n");
        assert_eq!(with(b"disk full\n\nsee below\n"), "Date: x\r\n\r\ndisk full\r\n\r\nsee below\r\n");
        assert_eq!(with(b"To: x@y\ndisk full\n"), "Date: x\r\nTo: x@y\r\n\r\ndisk full\r\n");
        assert_eq!(with(b"\nhi\n"), "Date: x\r\n\r\nhi\r\n");
        let mut empty = String::new();
        Message::empty().with_fields("Date: x\r\n").body().read_to_string(&mut empty).unwrap();
        assert_eq!(empty, "Date: x\r\n\r\n");
    }

    #[test]
    fn a_header_over_many_pieces_is_found() {
        let text = format!("X: {}\r\n\r\nbody\r\n", "y".repeat(3 * BUFFER));
        assert_eq!(wire(text.as_bytes()), text);
        for length in BUFFER - 6..BUFFER + 2 {
            let text = format!("X: {}\r\n\r\n\r\nbody\r\n", "y".repeat(length - 3));
            assert_eq!(wire(text.as_bytes()), text, "{length}");
        }
    }

    #[test]
    fn a_lone_cr_is_told_with_its_line() {
        for (text, line) in [(&b"To: x@y\n\na\rb\n"[..], 3), (b"To: \rx@y\n\n", 1), (b"To: x@y\n\na\r", 3)] {
            let failure = message(text).unwrap_err();
            assert_eq!(failure.status, Status::Data);
            assert!(failure.error.to_string().starts_with(&format!("line {line}:")), "{}", failure.error);
        }
        assert_eq!(message(b"").unwrap_err().status, Status::NoInput);
    }
}

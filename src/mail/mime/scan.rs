//! The parts of a message as a stream: bytes in, parts and their content out, in constant memory. What is damaged or beyond a limit is
//! flagged and not split further; no byte is lost and nothing fails.

use super::head::{Flag, Head};
use crate::mail::header;
use memchr::{memchr, memmem};

/// Longest line that can be a delimiter. RFC 2046 section 5.1.1 allows 70 characters and blanks after them.
const MAX_DELIMITER: usize = 4096;

/// How far a message is split.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Containers around a part.
    pub depth: usize,
    /// Parts in all.
    pub parts: u64,
    /// Octets of one part's header that are read.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 64, parts: 10_000_000, header: 1024 * 1024 }
    }
}

/// What a part is to the scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Leaf,
    Multipart,
    /// A whole message; its own part follows.
    Message,
    /// A file within the lines of the leaf around it ([`super::embedded`]).
    Embedded,
}

/// A part whose header was read.
#[derive(Debug)]
pub struct Part<'a> {
    /// The IMAP section (RFC 3501 section 6.4.5): `1`, `2.1`, and `TEXT` or `2.TEXT` for the multipart that is the body of a message, which
    /// has no number there.
    pub section: &'a str,
    pub kind: Kind,
    pub head: &'a Head,
    /// The header as it came; of one beyond the limit, the fields that stand whole before it.
    pub header: &'a [u8],
}

/// What a run of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Content of the leaf that is open, still encoded.
    Content,
    /// Of the header of the part that begins next: content only of the messages it stands in.
    Header,
    /// Delimiters, preambles, epilogues, likewise.
    Frame,
    /// The line end of the blank line between the header of the part that began last and its content. It is told late, for it may belong
    /// to a delimiter; to the messages around it, it is content.
    HeaderEnd,
    /// Content of the embedded file that is open, decoded: all parts around it were told of its lines.
    Embedded,
}

/// Is told of each part, depth first, and of every byte of the message but the mbox line.
pub trait Visitor {
    /// What it gives back of failures of its own (a full disk).
    type Error;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Self::Error>;

    /// A run belongs to every part that has begun and not ended. The line end before a delimiter belongs to the delimiter.
    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The part that began last and has not ended; `flags` are those of its header and those found since.
    fn end(&mut self, flags: &[Flag]) -> Result<(), Self::Error>;
}

/// Takes a message apart.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    stack: Vec<Open>,
    state: State,
    /// Bytes that cannot be judged before more come; less than [`MAX_DELIMITER`].
    held: Vec<u8>,
    mid_line: bool,
    /// A line end that may belong to a delimiter.
    pending: Option<(&'static [u8], Run)>,
    header: Vec<u8>,
    header_cut: bool,
    parts: u64,
    /// What every delimiter but the first one begins with.
    dashes: memmem::Finder<'static>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the header of a part that has not begun.
    Header {
        first_line: bool,
    },
    Body,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Of a multipart.
    boundary: Vec<u8>,
    closed: bool,
    is_digest: bool,
    /// What stands before the numbers of its children.
    prefix: String,
    children: u64,
    flags: Vec<Flag>,
}

/// A delimiter line: of which open multipart, and whether it closes it.
#[derive(Debug, Clone, Copy)]
struct Delimiter {
    of: usize,
    closing: bool,
}

/// What can be said of the bytes at the start of a line.
enum Judged {
    /// More bytes are needed.
    Open,
    Ordinary,
    /// With the length of the line, its end included.
    Delimiter(Delimiter, usize),
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner::new(Limits::default())
    }
}

impl Scanner {
    pub fn new(limits: Limits) -> Scanner {
        Scanner {
            limits,
            stack: Vec::new(),
            state: State::Header { first_line: true },
            held: Vec::new(),
            mid_line: false,
            pending: None,
            header: Vec::new(),
            header_cut: false,
            parts: 0,
            dashes: memmem::Finder::new(b"\n--"),
        }
    }

    /// Takes the next bytes of the message, however it is split.
    pub fn push<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Result<(), V::Error> {
        self.scan(bytes, false, visitor)
    }

    /// The message is at its end: every part ends.
    pub fn finish<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), V::Error> {
        self.scan(b"", true, visitor)?;
        self.flush_pending(visitor)?;
        // The header of a whole message may be the last thing of all, and its body another header.
        while let State::Header { .. } = self.state {
            self.end_header(visitor)?;
        }
        self.close_above(None, visitor)
    }

    fn scan<V: Visitor>(&mut self, bytes: &[u8], last: bool, visitor: &mut V) -> Result<(), V::Error> {
        if self.held.is_empty() {
            let used = self.process(bytes, last, visitor)?;
            self.held.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(bytes);
        let used = self.process(&joined, last, visitor)?;
        joined.drain(..used);
        self.held = joined;
        Ok(())
    }

    /// Gives how many bytes were dealt with; all of them if they are the last.
    fn process<V: Visitor>(&mut self, bytes: &[u8], last: bool, visitor: &mut V) -> Result<usize, V::Error> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if !self.mid_line {
                match self.judge(rest, last) {
                    Judged::Open => return Ok(at),
                    Judged::Delimiter(delimiter, length) => {
                        self.delimiter(delimiter, &rest[..length], visitor)?;
                        at += length;
                        continue;
                    }
                    Judged::Ordinary => {}
                }
            }
            let used = match self.state {
                State::Header { .. } => self.header_line(rest, last, visitor)?,
                State::Body => self.body(rest, last, visitor)?,
            };
            if used == 0 {
                return Ok(at);
            }
            at += used;
        }
        Ok(at)
    }

    /// Looks at the start of a line. A delimiter is a whole line, blanks after it allowed; all open boundaries count, the innermost first.
    fn judge(&mut self, rest: &[u8], last: bool) -> Judged {
        if !self.stack.iter().any(|open| open.kind == Kind::Multipart && !open.closed) {
            return Judged::Ordinary;
        }
        if !rest.starts_with(b"--") {
            return if !last && rest == b"-" { Judged::Open } else { Judged::Ordinary };
        }
        let line = match memchr(b'\n', &rest[..rest.len().min(MAX_DELIMITER)]) {
            Some(end) => &rest[..=end],
            None if last => rest,
            None if rest.len() < MAX_DELIMITER => return Judged::Open,
            None => return Judged::Ordinary,
        };
        let text = line[2..].trim_ascii_end();
        let of = |(of, open): (usize, &Open)| {
            let rest = text.strip_prefix(open.boundary.as_slice()).filter(|_| open.kind == Kind::Multipart && !open.closed)?;
            matches!(rest, b"" | b"--").then_some(Delimiter { of, closing: !rest.is_empty() })
        };
        match self.stack.iter().enumerate().rev().find_map(of) {
            None => Judged::Ordinary,
            Some(delimiter) if delimiter.closing || self.parts < self.limits.parts => Judged::Delimiter(delimiter, line.len()),
            Some(_) => {
                let last = self.stack.last_mut().filter(|open| !open.flags.contains(&Flag::TooManyParts));
                last.into_iter().for_each(|open| open.flags.push(Flag::TooManyParts));
                Judged::Ordinary
            }
        }
    }

    fn delimiter<V: Visitor>(&mut self, delimiter: Delimiter, line: &[u8], visitor: &mut V) -> Result<(), V::Error> {
        // The line end before the delimiter is the delimiter's, so it is told after the parts have ended.
        let pending = self.pending.take();
        while let State::Header { .. } = self.state {
            self.end_header(visitor)?;
        }
        let ends_none = self.stack.len() == delimiter.of + 1;
        self.close_above(Some(delimiter.of), visitor)?;
        if let Some((line_end, run)) = pending {
            let run = if run == Run::HeaderEnd && ends_none { run } else { Run::Frame };
            visitor.bytes(run, line_end)?;
        }
        // Its own line end may belong to an outer delimiter that follows at once.
        let text = line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
        visitor.bytes(Run::Frame, text)?;
        self.pending = match line.len() - text.len() {
            0 => None,
            1 => Some((b"\n", Run::Frame)),
            _ => Some((b"\r\n", Run::Frame)),
        };
        self.state = State::Body;
        if let Some(open) = self.stack.get_mut(delimiter.of) {
            if delimiter.closing {
                open.closed = true;
            } else {
                open.children += 1;
                self.state = State::Header { first_line: true };
            }
        }
        Ok(())
    }

    /// Ends the parts that stand above `keep` on the stack. A multipart that was not closed, and what stands last in it, may be cut off.
    fn close_above<V: Visitor>(&mut self, keep: Option<usize>, visitor: &mut V) -> Result<(), V::Error> {
        let keep = keep.map_or(0, |of| of + 1);
        let is_cut = self.stack[keep..].iter().any(|open| open.kind == Kind::Multipart && !open.closed);
        while self.stack.len() > keep {
            let Some(mut open) = self.stack.pop() else { break };
            let unclosed = open.kind == Kind::Multipart && !open.closed;
            if unclosed || (is_cut && open.kind == Kind::Leaf) {
                open.flags.push(Flag::Unterminated);
            }
            if open.kind == Kind::Multipart && open.children == 0 {
                open.flags.push(Flag::NoParts);
            }
            visitor.end(&open.flags)?;
        }
        Ok(())
    }

    /// Takes one line of a header, or as much of it as there is.
    fn header_line<V: Visitor>(&mut self, rest: &[u8], last: bool, visitor: &mut V) -> Result<usize, V::Error> {
        let (line, line_end) = match memchr(b'\n', rest) {
            Some(end) if end > 0 && rest[end - 1] == b'\r' => (&rest[..end - 1], Some(b"\r\n".as_slice())),
            Some(end) => (&rest[..end], Some(b"\n".as_slice())),
            None if !last && (rest.len() < MAX_DELIMITER || rest.ends_with(b"\r")) => {
                // A CR may belong to a line end that is still to come.
                let whole = if rest.len() < MAX_DELIMITER { 0 } else { rest.len() - 1 };
                if whole == 0 {
                    return Ok(0);
                }
                (&rest[..whole], None)
            }
            None => (rest, None),
        };
        let used = line.len() + line_end.map_or(0, <[u8]>::len);
        let starts = !std::mem::replace(&mut self.mid_line, line_end.is_none());
        let first_line = matches!(self.state, State::Header { first_line: true }) && starts;
        if starts {
            self.state = State::Header { first_line: false };
        }
        if first_line && self.stack.is_empty() && line.starts_with(b"From ") {
            // What follows of a very long line is junk, not more of the mbox line: nobody writes those.
            return Ok(used);
        }
        self.flush_pending(visitor)?;
        visitor.bytes(Run::Header, line)?;
        self.pending = line_end.map(|line_end| (line_end, Run::Header));
        if starts && line.is_empty() && line_end.is_some() {
            self.pending = line_end.map(|line_end| (line_end, Run::HeaderEnd));
            self.end_header(visitor)?;
            return Ok(used);
        }
        let room = self.limits.header.saturating_sub(self.header.len());
        self.header_cut |= used > room;
        self.header.extend_from_slice(&rest[..used.min(room)]);
        Ok(used)
    }

    /// The part begins: what it is decides how the bytes to come are read.
    fn end_header<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), V::Error> {
        let mut header = std::mem::take(&mut self.header);
        let default_media = if self.stack.last().is_some_and(|open| open.is_digest) { "message/rfc822" } else { "text/plain" };
        let is_cut = std::mem::take(&mut self.header_cut);
        if is_cut {
            header.truncate(header::whole_fields(&header).len());
        }
        let mut head = Head::read(&header, default_media);
        if is_cut {
            head.flag(Flag::HeaderTooLong);
        }
        let kind = self.kind(&mut head);
        let (section, prefix) = numbers(self.stack.last(), kind);
        self.parts += 1;
        if kind == Kind::Message {
            // The blank line stands before the message, not in it.
            self.flush_pending(visitor)?;
        }
        visitor.begin(&Part { section: &section, kind, head: &head, header: &header })?;
        // Its room is for the next one.
        header.clear();
        self.header = header;
        self.state = if kind == Kind::Message { State::Header { first_line: true } } else { State::Body };
        let is_digest = head.media == "multipart/digest";
        let boundary = if kind == Kind::Multipart { head.boundary.unwrap_or_default() } else { Vec::new() };
        self.stack.push(Open { kind, boundary, closed: false, is_digest, prefix, children: 0, flags: head.flags });
        Ok(())
    }

    fn kind(&self, head: &mut Head) -> Kind {
        if !head.is_multipart() && !head.is_message() {
            return Kind::Leaf;
        }
        let encoded = !head.encoding.is_identity();
        // RFC 6532 section 3.7 permits it for these.
        if encoded && head.media != "message/global" {
            head.flag(Flag::EncodedContainer);
        }
        if self.stack.len() >= self.limits.depth {
            head.flag(Flag::TooDeep);
            return Kind::Leaf;
        }
        if self.parts >= self.limits.parts {
            head.flag(Flag::TooManyParts);
            return Kind::Leaf;
        }
        match () {
            // Its delimiters stand in clear where the encoding is only claimed; an encoded message has to be decoded first.
            () if head.is_message() => {
                if encoded {
                    Kind::Leaf
                } else {
                    Kind::Message
                }
            }
            () if head.boundary.as_ref().is_some_and(|boundary| boundary.len() + 4 < MAX_DELIMITER) => Kind::Multipart,
            () => {
                head.flag(Flag::NoBoundary);
                Kind::Leaf
            }
        }
    }

    /// Takes content, preamble or epilogue up to the next line that may be a delimiter.
    fn body<V: Visitor>(&mut self, rest: &[u8], last: bool, visitor: &mut V) -> Result<usize, V::Error> {
        self.mid_line = true;
        self.flush_pending(visitor)?;
        let run = self.run();
        if !self.stack.iter().any(|open| open.kind == Kind::Multipart && !open.closed) {
            visitor.bytes(run, rest)?;
            return Ok(rest.len());
        }
        if let Some(at) = self.dashes.find(rest) {
            let has_cr = at > 0 && rest[at - 1] == b'\r';
            let content = &rest[..at - usize::from(has_cr)];
            if !content.is_empty() {
                visitor.bytes(run, content)?;
            }
            self.pending = Some((if has_cr { b"\r\n" } else { b"\n" }, run));
            self.mid_line = false;
            return Ok(at + 1);
        }
        let open_end = [b"\r\n-".as_slice(), b"\n-", b"\r\n", b"\n", b"\r"].into_iter().find(|end| !last && rest.ends_with(end));
        let content = &rest[..rest.len() - open_end.map_or(0, <[u8]>::len)];
        if !content.is_empty() {
            visitor.bytes(run, content)?;
        }
        Ok(content.len())
    }

    fn run(&self) -> Run {
        if self.stack.last().is_some_and(|open| open.kind == Kind::Leaf) { Run::Content } else { Run::Frame }
    }

    /// The line end that was held back belongs to no delimiter.
    fn flush_pending<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), V::Error> {
        self.pending.take().map_or(Ok(()), |(line_end, run)| visitor.bytes(run, line_end))
    }
}

/// The section of a new part, and what stands before the numbers of its children (RFC 3501 section 6.4.5).
fn numbers(parent: Option<&Open>, kind: Kind) -> (String, String) {
    let prefix = parent.map_or("", |open| open.prefix.as_str());
    let in_multipart = parent.filter(|open| open.kind == Kind::Multipart);
    match (in_multipart, kind) {
        (Some(open), _) => (format!("{prefix}{}", open.children), format!("{prefix}{}.", open.children)),
        (None, Kind::Multipart) => (format!("{prefix}TEXT"), prefix.to_owned()),
        (None, _) => (format!("{prefix}1"), format!("{prefix}1.")),
    }
}

#[cfg(test)]
mod tests;

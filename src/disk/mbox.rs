//! An mbox read as a stream, message by message (RFC 4155; the quoting is mboxrd's). Writes none: delivery is into Maildirs.

use memchr::memchr;
use std::io::{self, Read};

const BUFFER: usize = 64 * 1024;
/// How much of a line is seen before it is judged; what stands behind so many `>` is no quoted `From `.
const PEEK: usize = 1024;

/// Where messages come from, one behind the other.
///
/// A message begins behind a line that starts with `From ` and is the first or follows an empty one; that empty line is the separator's.
/// A line of `>`s and `From ` loses one `>`.
#[derive(Debug)]
pub struct Mbox<R> {
    from: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// Whether the piece to come begins a line.
    at_line_start: bool,
    /// The line of the piece to come, counted from 1.
    line: u64,
    place: Place,
    /// The `From ` line of the message that was given last, and of the one to come.
    given: Vec<u8>,
    coming: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    /// Behind the `From ` line of a message that is still to be read.
    Message,
    End,
}

#[derive(Debug, thiserror::Error)]
pub enum MboxError {
    #[error("not an mbox: line {line} does not begin with \"From \"")]
    NoFrom { line: u64 },
    #[error("cannot read the mbox: {0}")]
    Io(#[from] io::Error),
    /// What was to take the message did not.
    #[error("cannot keep the message: {0}")]
    Kept(io::Error),
}

/// A part of a line.
struct Piece {
    from: usize,
    to: usize,
    begins: bool,
    ends: bool,
}

impl<R: Read> Mbox<R> {
    pub fn new(from: R) -> Mbox<R> {
        let buf = vec![0; BUFFER];
        Mbox {
            from,
            buf,
            start: 0,
            end: 0,
            at_end: false,
            at_line_start: true,
            line: 1,
            place: Place::Start,
            given: Vec::new(),
            coming: Vec::new(),
        }
    }

    /// Gives the next message to `keep`, in pieces and without quotes; false: there is none.
    pub fn next(&mut self, keep: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<bool, MboxError> {
        if self.place == Place::Start {
            self.find_first()?;
        }
        if self.place == Place::End {
            return Ok(false);
        }
        self.place = Place::End;
        self.given = std::mem::take(&mut self.coming);
        // An empty line that is the message's only if no `From ` line follows.
        let mut held: Option<&[u8]> = None;
        while let Some(piece) = self.piece()? {
            let bytes = &self.buf[piece.from..piece.to];
            let blank: Option<&[u8]> = match bytes {
                b"\n" if piece.begins => Some(b"\n"),
                b"\r\n" if piece.begins => Some(b"\r\n"),
                _ => None,
            };
            if piece.begins && held.is_some() && bytes.starts_with(b"From ") {
                self.skip_line(piece)?;
                self.place = Place::Message;
                return Ok(true);
            }
            if let Some(held) = std::mem::replace(&mut held, blank) {
                keep(held).map_err(MboxError::Kept)?;
            }
            if blank.is_none() {
                keep(&bytes[usize::from(piece.begins && is_quoted(bytes))..]).map_err(MboxError::Kept)?;
            }
        }
        Ok(true)
    }

    /// The `From ` line of the message that was given last, of a long one the start.
    pub fn from_line(&self) -> &[u8] {
        &self.given
    }

    /// The first `From ` line; empty lines may stand before it.
    fn find_first(&mut self) -> Result<(), MboxError> {
        self.place = Place::End;
        loop {
            let line = self.line;
            let Some(piece) = self.piece()? else { return Ok(()) };
            let bytes = &self.buf[piece.from..piece.to];
            if bytes.starts_with(b"From ") {
                self.place = Place::Message;
                return self.skip_line(piece);
            }
            if !matches!(bytes, b"\n" | b"\r\n") {
                return Err(MboxError::NoFrom { line });
            }
        }
    }

    fn skip_line(&mut self, first: Piece) -> Result<(), MboxError> {
        self.coming = self.buf[first.from..first.to.min(first.from + PEEK)].to_vec();
        let mut piece = Some(first);
        while piece.is_some_and(|piece| !piece.ends) {
            piece = self.piece()?;
        }
        Ok(())
    }

    /// The next line, or a part of a long one; none at the end.
    fn piece(&mut self) -> io::Result<Option<Piece>> {
        let (length, ends) = loop {
            let there = &self.buf[self.start..self.end];
            if let Some(end) = memchr(b'\n', there) {
                break (end + 1, true);
            }
            if there.len() >= PEEK || (self.at_end && !there.is_empty()) {
                break (there.len(), false);
            }
            if self.at_end {
                return Ok(None);
            }
            self.fill()?;
        };
        let begins = std::mem::replace(&mut self.at_line_start, ends);
        self.line += u64::from(ends);
        let from = self.start;
        self.start += length;
        Ok(Some(Piece { from, to: from + length, begins, ends }))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let n = loop {
            match self.from.read(&mut self.buf[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += n;
        self.at_end = n == 0;
        Ok(())
    }
}

fn is_quoted(line: &[u8]) -> bool {
    let line = &line[..line.len().min(PEEK)];
    let angles = line.iter().take_while(|b| **b == b'>').count();
    angles > 0 && line[angles..].starts_with(b"From ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buf.len());
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn messages(text: &str, drip: usize) -> Result<Vec<String>, MboxError> {
        let mut mbox = Mbox::new(Drip(text.as_bytes(), drip));
        let mut all = Vec::new();
        loop {
            let mut message = Vec::new();
            let more = mbox.next(&mut |piece| {
                message.extend_from_slice(piece);
                Ok(())
            })?;
            if !more {
                return Ok(all);
            }
            all.push(String::from_utf8(message).unwrap());
        }
    }

    fn of(text: &str) -> Vec<String> {
        let whole = messages(text, usize::MAX).unwrap();
        for drip in 1..10 {
            assert_eq!(messages(text, drip).unwrap(), whole, "{drip}");
        }
        whole
    }

    #[test]
    fn messages_are_told_apart_by_from_lines_behind_empty_ones() {
        assert_eq!(
            of("From a Sun\nSubject: x\n\none\n\nFrom b Mon\nSubject: y\n\ntwo\n"),
            ["Subject: x\n\none\n", "Subject: y\n\ntwo\n"]
        );
        assert_eq!(
            of("\n\nFrom a\r\nA: b\r\n\r\none\r\n\r\n\r\nFrom b\r\nC: d\r\n\r\n"),
            ["A: b\r\n\r\none\r\n\r\n", "C: d\r\n"]
        );
        assert_eq!(of("From a\nx\nFrom here on, text\n\n\nend"), ["x\nFrom here on, text\n\n\nend"]);
        assert_eq!(of(""), [""; 0]);
        assert_eq!(of("\n"), [""; 0]);
        assert_eq!(of("From a\n"), [""]);
        assert_eq!(of("From a\n\nFrom b\n\n\n"), ["", "\n"]);
    }

    #[test]
    fn each_message_has_its_from_line() {
        let long = "x".repeat(3 * BUFFER);
        let text = format!("From a Sun\nA: b\n\nFrom {long}\n\nFrom c Mon\n");
        let mut mbox = Mbox::new(Drip(text.as_bytes(), 1000));
        let mut lines = Vec::new();
        while mbox.next(&mut |_| Ok(())).unwrap() {
            lines.push(String::from_utf8(mbox.from_line().to_vec()).unwrap());
        }
        assert_eq!((lines[0].as_str(), lines[2].as_str(), lines[1].len()), ("From a Sun\n", "From c Mon\n", PEEK));
    }

    #[test]
    fn quotes_are_taken_off_one_deep() {
        let text = "From a\n\n>From x\n>>From y\n>Fromage\n> From z\nx>From\n";
        assert_eq!(of(text), ["\nFrom x\n>From y\n>Fromage\n> From z\nx>From\n"]);
    }

    #[test]
    fn long_lines_pass_in_pieces() {
        let long = "x".repeat(3 * BUFFER);
        let text = format!("From {long}\nSubject: {long}\n\n>From {long}\n\nFrom b\n\n{}From b\n", ">".repeat(2 * PEEK));
        let all = messages(&text, usize::MAX).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], format!("Subject: {long}\n\nFrom {long}\n"));
        assert_eq!(all[1], format!("\n{}From b\n", ">".repeat(2 * PEEK)), "so many quotes are text");
        assert_eq!(messages(&text, 1000).unwrap(), all);
    }

    #[test]
    fn what_is_no_mbox_is_told_with_its_line() {
        assert_eq!(messages("\n\nSubject: x\n", 3).unwrap_err().to_string(), "not an mbox: line 3 does not begin with \"From \"");
    }
}

//! Command and reply lines: ended by CRLF alone, with a length cap. Bare CR and bare LF are told, not repaired. Knows no verb.

/// What ended a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The line without its CRLF.
    Whole(Vec<u8>),
    /// Longer than the cap; it was swallowed to its end.
    TooLong,
    /// Ended by a LF without CR.
    BareLf,
    /// Holds a CR that no LF follows; swallowed to its end.
    BareCr,
}

/// Collects one line at a time, however the bytes are split. Holds at most the cap.
#[derive(Debug)]
pub struct LineBuffer {
    held: Vec<u8>,
    /// The most octets of a line, CRLF not counted.
    cap: usize,
    too_long: bool,
    bare_cr: bool,
    after_cr: bool,
}

impl LineBuffer {
    pub fn new(cap: usize) -> LineBuffer {
        LineBuffer { held: Vec::new(), cap, too_long: false, bare_cr: false, after_cr: false }
    }

    /// Takes bytes up to and with the first line end; gives how many, and the line if it is complete.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Line>) {
        let Some(at) = memchr::memchr(b'\n', bytes) else {
            self.hold(bytes);
            return (bytes.len(), None);
        };
        self.hold(&bytes[..at]);
        (at + 1, Some(self.finish()))
    }

    /// No byte of a line is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.too_long && !self.bare_cr && !self.after_cr
    }

    fn hold(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            if self.after_cr {
                self.bare_cr = true;
                self.after_cr = false;
            }
            if first == b'\r' {
                self.after_cr = true;
                bytes = &bytes[1..];
                continue;
            }
            let run = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
            let room = self.cap.saturating_sub(self.held.len()).min(run);
            self.held.extend_from_slice(&bytes[..room]);
            self.too_long |= room < run;
            bytes = &bytes[run..];
        }
    }

    fn finish(&mut self) -> Line {
        let line = std::mem::take(&mut self.held);
        let (too_long, bare_cr, after_cr) = (self.too_long, self.bare_cr, self.after_cr);
        (self.too_long, self.bare_cr, self.after_cr) = (false, false, false);
        match () {
            () if !after_cr => Line::BareLf,
            () if bare_cr => Line::BareCr,
            () if too_long => Line::TooLong,
            () => Line::Whole(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(cap: usize, pieces: &[&[u8]]) -> Vec<Line> {
        let mut buffer = LineBuffer::new(cap);
        let mut found = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (used, line) = buffer.take(rest);
                rest = &rest[used..];
                found.extend(line);
            }
        }
        found
    }

    #[test]
    fn only_crlf_ends_a_line_well() {
        let whole = |s: &str| Line::Whole(s.into());
        assert_eq!(lines(9, &[b"NOOP\r\n\r\nQUIT\r\nrest"]), [whole("NOOP"), whole(""), whole("QUIT")]);
        assert_eq!(lines(9, &[b"NOOP\nQUIT\r\n"]), [Line::BareLf, whole("QUIT")]);
        assert_eq!(lines(9, &[b"NO\rOP\r\nQUIT\r\r\nNOOP\r\n"]), [Line::BareCr, Line::BareCr, whole("NOOP")]);
        assert_eq!(lines(4, &[b"NOOP\r\nNOOPS\r\nQUIT\r\n"]), [whole("NOOP"), Line::TooLong, whole("QUIT")]);
    }

    proptest! {
        #[test]
        fn the_split_makes_no_difference(text in "[a\r\n]{0,24}", at in 0usize..24) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            prop_assert_eq!(lines(3, &[&bytes[..at], &bytes[at..]]), lines(3, &[bytes]));
        }
    }
}

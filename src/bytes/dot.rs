//! Dot-stuffing (RFC 5321 section 4.5.2) as a stream, both ways. The end of data is CRLF.CRLF and nothing else. Knows no reply.

use memchr::memchr2;

/// A CR without LF or a LF without CR, at this offset of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bare CR or LF at byte {0} of the body")]
pub struct BareLineEnd(pub u64);

/// Adds dots on the way out. Takes lines ended by CRLF and refuses any other line end, so that nothing it passes on can end the data
/// early at a lax receiver.
#[derive(Debug, Default)]
pub struct Stuffer {
    state: Out,
    offset: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Out {
    #[default]
    LineStart,
    InLine,
    AfterCr,
}

impl Stuffer {
    /// Appends `bytes`, stuffed, to `out`: at most twice their length.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let used = match (self.state, first) {
                (Out::AfterCr, b'\n') => self.one(first, Out::LineStart, out),
                (Out::AfterCr, _) | (_, b'\n') => return Err(BareLineEnd(self.offset)),
                (_, b'\r') => self.one(first, Out::AfterCr, out),
                (Out::LineStart, b'.') => {
                    out.push(b'.');
                    self.one(first, Out::InLine, out)
                }
                _ => {
                    let run = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..run]);
                    self.state = Out::InLine;
                    run
                }
            };
            self.offset += used as u64;
            rest = &rest[used..];
        }
        Ok(())
    }

    /// Ends the data: the closing line, with a CRLF before it only if the body lacks one (RFC 5321 section 4.1.1.4).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        match self.state {
            Out::AfterCr => return Err(BareLineEnd(self.offset)),
            Out::InLine => out.extend_from_slice(b"\r\n"),
            Out::LineStart => {}
        }
        out.extend_from_slice(b".\r\n");
        Ok(())
    }

    fn one(&mut self, byte: u8, next: Out, out: &mut Vec<u8>) -> usize {
        out.push(byte);
        self.state = next;
        1
    }
}

/// Takes dots off on the way in and finds the end of data.
#[derive(Debug, Default)]
pub struct Unstuffer {
    state: In,
    /// Line ends seen so far that are no CRLF.
    bare: bool,
    false_end: FalseEnd,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum In {
    #[default]
    LineStart,
    Text,
    AfterCr,
    Dot,
    DotCr,
}

/// How far the bytes have come toward a line that holds one dot, where at least one of its line ends is bare.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum FalseEnd {
    #[default]
    LineStart,
    Dot,
    DotCr,
    Other,
}

/// What [`Unstuffer::push`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All bytes belong to the body.
    More,
    /// CRLF.CRLF: the bytes after the ones taken are no body.
    End,
    /// A line of one dot with a bare CR or LF before or after it, as only a smuggled message or a sender without CRLF has. It ends nothing.
    FalseEnd,
}

impl Unstuffer {
    /// Appends the body bytes in `bytes` to `out`; gives how many bytes were taken and what was found.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> (usize, Found) {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == In::Text && self.false_end == FalseEnd::Other {
                let run = memchr2(b'\r', b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                if run > 0 {
                    out.extend_from_slice(&bytes[at..at + run]);
                    at += run;
                    continue;
                }
            }
            let byte = bytes[at];
            at += 1;
            let false_end = self.watch(byte);
            if self.advance(byte, out) {
                return (at, Found::End);
            }
            if false_end && self.bare {
                return (at, Found::FalseEnd);
            }
        }
        (at, Found::More)
    }

    /// A bare CR or a bare LF was seen in this body.
    pub fn bare_line_end(&self) -> bool {
        self.bare
    }

    /// One byte of the strict machine; true at the end of data.
    fn advance(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let state = self.state;
        // What was held back of `.` and `.CR` turns out to be text: the stuffed dot itself is dropped (RFC 5321 section 4.5.2).
        if state == In::DotCr && byte != b'\n' {
            out.push(b'\r');
        }
        self.state = match (state, byte) {
            (In::DotCr, b'\n') => return true,
            (In::Dot, b'\r') => {
                self.state = In::DotCr;
                return false;
            }
            (In::LineStart, b'.') => {
                self.state = In::Dot;
                return false;
            }
            (In::AfterCr, b'\n') => In::LineStart,
            (In::AfterCr | In::DotCr, _) => {
                self.bare = true;
                if byte == b'\r' { In::AfterCr } else { In::Text }
            }
            (_, b'\r') => In::AfterCr,
            (_, b'\n') => {
                self.bare = true;
                In::Text
            }
            _ => In::Text,
        };
        out.push(byte);
        false
    }

    /// Follows lines as the laxest receiver would; true where such a receiver would see the end of data.
    fn watch(&mut self, byte: u8) -> bool {
        let (next, ends) = match (self.false_end, byte) {
            (FalseEnd::LineStart, b'.') => (FalseEnd::Dot, false),
            (FalseEnd::Dot, b'\r') => (FalseEnd::DotCr, false),
            (FalseEnd::Dot | FalseEnd::DotCr, b'\n') => (FalseEnd::LineStart, true),
            (FalseEnd::DotCr, _) => (FalseEnd::Other, true),
            (_, b'\r' | b'\n') => (FalseEnd::LineStart, false),
            _ => (FalseEnd::Other, false),
        };
        self.false_end = next;
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(body: &[u8], at: usize) -> Result<Vec<u8>, BareLineEnd> {
        let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
        stuffer.push(&body[..at], &mut out)?;
        stuffer.push(&body[at..], &mut out)?;
        stuffer.finish(&mut out)?;
        Ok(out)
    }

    /// The body, what ended it, and how many bytes were taken.
    fn unstuffed(wire: &[u8], at: usize) -> (Vec<u8>, Found, usize, bool) {
        let (mut unstuffer, mut out) = (Unstuffer::default(), Vec::new());
        let (used, found) = unstuffer.push(&wire[..at], &mut out);
        if found != Found::More {
            return (out, found, used, unstuffer.bare_line_end());
        }
        let (more, found) = unstuffer.push(&wire[at..], &mut out);
        (out, found, used + more, unstuffer.bare_line_end())
    }

    #[test]
    fn dots_are_added_at_every_line_start_and_crlf_only_if_missing() {
        for (body, wire) in
            [("", ".\r\n"), ("a\r\n", "a\r\n.\r\n"), ("a", "a\r\n.\r\n"), (".\r\n..b\r\nc.", "..\r\n...b\r\nc.\r\n.\r\n")]
        {
            for at in 0..=body.len() {
                assert_eq!(stuffed(body.as_bytes(), at).unwrap(), wire.as_bytes(), "{body:?} split at {at}");
            }
        }
        for (body, offset) in [("a\n.\n", 1), ("a\r.", 2), ("\n", 0), ("a\r", 2), ("a\r\r\n", 2)] {
            assert_eq!(stuffed(body.as_bytes(), 0), Err(BareLineEnd(offset)), "{body:?}");
        }
    }

    /// Every string of up to six bytes over the alphabet of smuggling: only CRLF.CRLF (or .CRLF at the very start) ends the data.
    #[test]
    fn nothing_but_crlf_dot_crlf_ends_the_data() {
        let alphabet = *b"\r\n.a\0";
        for length in 0..=7u32 {
            for n in 0..alphabet.len().pow(length) {
                let wire: Vec<u8> = (0..length).map(|place| alphabet[n / alphabet.len().pow(place) % alphabet.len()]).collect();
                let framed = [b"\r\n", wire.as_slice()].concat();
                let end = framed.windows(5).position(|w| w == b"\r\n.\r\n").map(|p| p + 3);
                let (_, found, used, bare) = unstuffed(&wire, 0);
                match found {
                    Found::End => assert_eq!(Some(used), end, "{wire:?}"),
                    Found::More => assert_eq!(end, None, "{wire:?}"),
                    Found::FalseEnd => assert!(bare && end.is_none_or(|end| used < end), "{wire:?}"),
                }
                for at in 0..=wire.len() {
                    assert_eq!(unstuffed(&wire, at), unstuffed(&wire, 0), "{wire:?} split at {at}");
                }
            }
        }
    }

    #[test]
    fn a_false_end_is_told_at_once() {
        for smuggled in ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r\n", "\n.\rM", "\r\n.\rM", "\r.\n"] {
            let wire = format!("a{smuggled}MAIL FROM:<evil@x>\r\n");
            let (_, found, used, bare) = unstuffed(wire.as_bytes(), 0);
            assert_eq!((found, bare), (Found::FalseEnd, true), "{smuggled:?}");
            assert!(used <= 1 + smuggled.len(), "{smuggled:?}");
        }
    }

    proptest! {
        #[test]
        fn stuffing_and_unstuffing_is_the_identity(lines in proptest::collection::vec("[.a]{0,4}", 0..8), at in 0usize..64) {
            let body = lines.iter().map(|l| format!("{l}\r\n")).collect::<String>().into_bytes();
            let wire = stuffed(&body, at.min(body.len())).unwrap();
            prop_assert_eq!(unstuffed(&wire, at.min(wire.len())), (body, Found::End, wire.len(), false));
        }
    }
}

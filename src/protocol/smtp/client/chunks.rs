//! A body in chunks (RFC 3030 section 2): `BDAT size [LAST]` before each, its octets as they are, no dot added. Knows no reply.

use crate::bytes::dot::BareLineEnd;
use memchr::memchr2;

/// Largest chunk, in octets. With half of the outgoing limit before it, it stays within that limit.
pub const CHUNK: usize = 31 * 1024;

/// Holds what is not yet known to be, or not to be, the last chunk: at most two of them.
#[derive(Debug, Default)]
pub struct Chunker {
    held: Vec<u8>,
    ended: bool,
    line: Line,
    offset: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Inside,
    AfterCr,
}

/// What [`Chunker::next`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    More,
    Last,
}

impl Chunker {
    /// There is room for another [`CHUNK`] octets.
    pub fn wants_more(&self) -> bool {
        !self.ended && self.held.len() <= CHUNK
    }

    /// Takes lines ended by CRLF and refuses any other line end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), BareLineEnd> {
        let mut at = 0;
        if let (Line::AfterCr, Some(first)) = (self.line, bytes.first()) {
            if *first != b'\n' {
                return Err(BareLineEnd(self.offset));
            }
            (at, self.line) = (1, Line::Start);
        }
        while at < bytes.len() {
            let Some(run) = memchr2(b'\r', b'\n', &bytes[at..]) else {
                self.line = Line::Inside;
                break;
            };
            at += run;
            match (bytes[at], bytes.get(at + 1)) {
                (b'\r', Some(b'\n')) => (at, self.line) = (at + 2, Line::Start),
                (b'\r', None) => (at, self.line) = (at + 1, Line::AfterCr),
                _ => return Err(BareLineEnd(self.offset + at as u64)),
            }
        }
        self.offset += bytes.len() as u64;
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Nothing follows. A last line without its end gets one, as with DATA.
    pub fn finish(&mut self) -> Result<(), BareLineEnd> {
        match self.line {
            Line::AfterCr => return Err(BareLineEnd(self.offset)),
            Line::Inside => self.held.extend_from_slice(b"\r\n"),
            Line::Start => {}
        }
        self.ended = true;
        Ok(())
    }

    /// The chunk that can be sent next; none before more is known.
    pub fn ready(&self) -> Option<Chunk> {
        match () {
            () if self.held.len() > CHUNK => Some(Chunk::More),
            () if self.ended => Some(Chunk::Last),
            () => None,
        }
    }

    /// Appends the chunk that is ready, with its command.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<Chunk> {
        let chunk = self.ready()?;
        let length = self.held.len().min(CHUNK);
        let last = if chunk == Chunk::Last { " LAST" } else { "" };
        out.extend_from_slice(format!("BDAT {length}{last}\r\n").as_bytes());
        out.extend_from_slice(&self.held[..length]);
        self.held.drain(..length);
        Some(chunk)
    }

    /// The server refused a chunk: nothing more is sent.
    pub fn give_up(&mut self) {
        *self = Chunker::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All chunks of `body`, given in pieces of `piece` octets; then what the commands say, and the octets between them.
    fn sent(body: &[u8], piece: usize) -> Result<(Vec<String>, Vec<u8>), BareLineEnd> {
        let (mut chunker, mut out) = (Chunker::default(), Vec::new());
        for piece in body.chunks(piece) {
            assert!(chunker.wants_more());
            chunker.push(piece)?;
            while chunker.next(&mut out).is_some() {}
        }
        chunker.finish()?;
        while chunker.next(&mut out) == Some(Chunk::More) {}
        let (mut commands, mut octets) = (Vec::new(), Vec::new());
        while !out.is_empty() {
            let end = memchr::memchr(b'\n', &out).unwrap();
            let command = String::from_utf8(out.drain(..=end).collect()).unwrap().trim_end().to_owned();
            let length: usize = command.split(' ').nth(1).unwrap().parse().unwrap();
            octets.extend(out.drain(..length));
            commands.push(command);
        }
        Ok((commands, octets))
    }

    #[test]
    fn octets_go_as_they_are_and_a_missing_crlf_is_added() {
        let of = |body: &str| sent(body.as_bytes(), 7).map(|(commands, octets)| (commands, String::from_utf8(octets).unwrap()));
        assert_eq!(of(".\r\n..\r\n").unwrap(), (vec!["BDAT 7 LAST".to_owned()], ".\r\n..\r\n".to_owned()));
        assert_eq!(of("a").unwrap(), (vec!["BDAT 3 LAST".to_owned()], "a\r\n".to_owned()));
        assert_eq!(of("").unwrap(), (vec!["BDAT 0 LAST".to_owned()], String::new()));
        for (bad, at) in [("a\nb", 1), ("a\rb", 1), ("a\r", 2), ("\n", 0), ("1234567\n", 7), ("123456\r8", 7), ("a\r\r\n", 1)] {
            assert_eq!(of(bad), Err(BareLineEnd(at)), "{bad:?}");
        }
    }

    #[test]
    fn a_chunk_is_bounded_and_the_last_one_says_so() {
        let body = b"0123456789012345678901234567890\r\n".repeat(3000);
        let (commands, octets) = sent(&body, CHUNK).unwrap();
        let (first, rest) = (format!("BDAT {CHUNK}"), body.len() % CHUNK);
        assert_eq!(commands, [first.as_str(), &first, &first, &format!("BDAT {rest} LAST")]);
        assert!(octets == body);
    }

    proptest! {
        #[test]
        fn the_split_makes_no_difference(lines in proptest::collection::vec("[.a]{0,3000}", 0..40), piece in 1usize..CHUNK) {
            let body = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes();
            let (commands, octets) = sent(&body, piece).unwrap();
            prop_assert_eq!(commands.iter().filter(|command| command.ends_with(" LAST")).count(), 1);
            prop_assert!(octets == body);
        }
    }
}

//! Finds the first line that is longer than a message may have (RFC 5321 section 4.5.3.1.6), as a stream. Looks at few of the bytes.

use super::transfer::MAX_LINE;
use memchr::{memchr_iter, memrchr};

/// With LF and CRLF line ends alike.
#[derive(Debug, Default)]
pub struct Overlong {
    /// Octets of the line that is open, a CR at its end included.
    column: usize,
    after_cr: bool,
    lines: u64,
    found: Option<u64>,
}

impl Overlong {
    /// `lines` lines come before.
    pub fn after(lines: u64) -> Overlong {
        Overlong { lines, ..Overlong::default() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.found.is_none()
            && let Some(at) = self.search(bytes)
        {
            self.found = Some(self.lines + memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1);
        }
        self.lines += memchr_iter(b'\n', bytes).count() as u64;
    }

    /// The first overlong line, counted from 1. All was pushed.
    pub fn line(&self) -> Option<u64> {
        let length = self.column - usize::from(self.after_cr);
        self.found.or_else(|| (length > MAX_LINE as usize).then_some(self.lines + 1))
    }

    /// Where a line is found to be too long. A window as long as the longest line has a line end in it, or is too long; the last one in it
    /// passes over all lines before.
    fn search(&mut self, bytes: &[u8]) -> Option<usize> {
        let longest = MAX_LINE as usize + 1;
        let mut at = 0;
        while at < bytes.len() {
            let window = &bytes[at..bytes.len().min(at + (longest + 1).saturating_sub(self.column).max(1))];
            let Some(end) = memrchr(b'\n', window) else {
                self.column += window.len();
                self.after_cr = window.last() == Some(&b'\r');
                at += window.len();
                if self.column > longest {
                    return Some(at);
                }
                continue;
            };
            let has_cr = if end > 0 { window[end - 1] == b'\r' } else { self.after_cr };
            // One octet over is a CR, or the line is too long. Only a line that fills the window can be so.
            if self.column + end == longest && !has_cr && memrchr(b'\n', &window[..end]).is_none() {
                return Some(at + end);
            }
            (self.column, self.after_cr) = (0, false);
            at += end + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &[u8], piece: usize) -> Option<u64> {
        let mut overlong = Overlong::default();
        text.chunks(piece).for_each(|piece| overlong.push(piece));
        overlong.line()
    }

    fn plainly(text: &[u8]) -> Option<u64> {
        let long = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() > 998;
        text.split(|b| *b == b'\n').position(long).map(|at| at as u64 + 1)
    }

    #[test]
    fn the_line_end_does_not_count() {
        let line = |length: usize| "x".repeat(length);
        for (text, wanted) in [
            (line(998), None),
            (line(999), Some(1)),
            (line(998) + "\r\n", None),
            (line(998) + "\r", None),
            (line(999) + "\n", Some(1)),
            (format!("a\n\n{}\r\nb\n", line(999)), Some(3)),
            (format!("a\n{}\n{}\n", line(998), line(2000)), Some(3)),
        ] {
            for piece in [1, 7, 999, 1000, 5000] {
                assert_eq!(found(text.as_bytes(), piece), wanted, "{} octets in pieces of {piece}", text.len());
            }
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(lengths in proptest::collection::vec((prop_oneof![0usize..80, 990usize..1005], any::<bool>()), 0..9), piece in 1usize..3000) {
            let text: String = lengths.iter().map(|(length, cr)| "y".repeat(*length) + if *cr { "\r\n" } else { "\n" }).collect();
            prop_assert_eq!(found(text.as_bytes(), piece), plainly(text.as_bytes()));
        }
    }
}

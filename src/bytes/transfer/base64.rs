//! Base64 as a transfer encoding (RFC 2045 section 6.8), as a stream both ways: 76-column lines out, anything in. Big blocks go
//! through the `base64` crate; only their edges and damaged input are handled byte by byte.

use base64::Engine;
use base64::engine::general_purpose::NO_PAD;
use memchr::memchr;

/// Octets that make one line of 76 characters.
const LINE_IN: usize = 57;
const LINE_OUT: usize = 76;
/// Lines that are encoded at once: about 32 KiB, which stays in the first-level cache.
const LINES_AT_ONCE: usize = 420;

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
type Bulk = base64::engine::Simd;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
type Bulk = base64::engine::GeneralPurpose;

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn bulk() -> Bulk {
    base64::engine::Simd::standard(NO_PAD)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn bulk() -> Bulk {
    base64::engine::general_purpose::STANDARD_NO_PAD
}

/// Writes lines of 76 characters with LF between them and none after the last.
#[derive(Debug)]
pub struct Encoder {
    engine: Bulk,
    /// Less than one line's worth.
    held: Vec<u8>,
    scratch: Vec<u8>,
    begun: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder { engine: bulk(), held: Vec::with_capacity(LINE_IN), scratch: vec![0; LINE_OUT * LINES_AT_ONCE], begun: false }
    }
}

impl Encoder {
    /// Appends the whole lines that `bytes` complete.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let missing = (LINE_IN - self.held.len()).min(bytes.len());
            self.held.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.held.len() < LINE_IN {
                return;
            }
            let line = std::mem::take(&mut self.held);
            self.lines(&line, out);
        }
        let whole = bytes.len() - bytes.len() % LINE_IN;
        for block in bytes[..whole].chunks(LINE_IN * LINES_AT_ONCE) {
            self.lines(block, out);
        }
        self.held.extend_from_slice(&bytes[whole..]);
    }

    /// The input is at its end: the last, shorter line with its padding.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.held);
        let padding = (3 - rest.len() % 3) % 3;
        self.lines(&rest, out);
        out.extend(std::iter::repeat_n(b'=', padding));
    }

    /// `block` holds whole lines, or the last one.
    fn lines(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let written = self.engine.encode_slice(block, &mut self.scratch).unwrap_or_default();
        out.reserve(written + written / LINE_OUT + 3);
        for line in self.scratch[..written].chunks(LINE_OUT) {
            if std::mem::replace(&mut self.begun, true) {
                out.push(b'\n');
            }
            out.extend_from_slice(line);
        }
    }
}

/// Reads what senders make of base64: line breaks and blanks anywhere, no padding, junk, and text after the end.
#[derive(Debug)]
pub struct Decoder {
    engine: Bulk,
    /// Characters without line ends, waiting for the bulk decoder.
    scratch: Vec<u8>,
    /// Up to three characters of a quantum, six bits each.
    bits: u32,
    count: u8,
    ended: bool,
    damage: Damage,
}

/// What was wrong with the input, in the order of rising harm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Characters outside the alphabet that are no blanks. They are skipped (RFC 2045 section 6.8).
    pub junk: bool,
    /// Characters of the alphabet after the padding: not decoded, since padding is the end of the data (same section).
    pub after_end: bool,
    /// The last quantum holds six bits, too few for an octet.
    pub cut: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder { engine: bulk(), scratch: Vec::new(), bits: 0, count: 0, ended: false, damage: Damage::default() }
    }
}

impl Decoder {
    /// Appends what `bytes` decode to: at most three quarters of their length and three octets more.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let (1..=3, Some((&first, tail))) = (self.count, rest.split_first()) {
            self.character(first, out);
            rest = tail;
        }
        if self.ended || rest.len() < 64 {
            rest.iter().for_each(|&byte| self.character(byte, out));
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        without_line_ends(rest, &mut scratch);
        let plain = memchr(b'=', &scratch).unwrap_or(scratch.len());
        let quanta = plain - plain % 4;
        let start = out.len();
        out.resize(start + quanta / 4 * 3, 0);
        // A character outside the alphabet fails the whole block: what it holds is then read one by one.
        let (used, kept) = match self.engine.decode_slice(&scratch[..quanta], &mut out[start..]) {
            Ok(written) => (quanta, written),
            Err(_) => (0, 0),
        };
        out.truncate(start + kept);
        scratch[used..].iter().for_each(|&byte| self.character(byte, out));
        self.scratch = scratch;
    }

    /// The input is at its end: what an unpadded last quantum holds.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Damage {
        self.last_quantum(out);
        self.damage
    }

    fn character(&mut self, byte: u8, out: &mut Vec<u8>) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                self.last_quantum(out);
                self.ended = true;
                return;
            }
            b'\r' | b'\n' | b' ' | b'\t' => return,
            _ => {
                self.damage.junk = true;
                return;
            }
        };
        if self.ended {
            self.damage.after_end = true;
            return;
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 1;
        if self.count == 4 {
            let [_, octets @ ..] = self.bits.to_be_bytes();
            out.extend_from_slice(&octets);
            (self.bits, self.count) = (0, 0);
        }
    }

    fn last_quantum(&mut self, out: &mut Vec<u8>) {
        match self.count {
            3 => out.extend_from_slice(&[(self.bits >> 10) as u8, (self.bits >> 2) as u8]),
            2 => out.push((self.bits >> 4) as u8),
            1 => self.damage.cut = true,
            _ => {}
        }
        (self.bits, self.count) = (0, 0);
    }
}

fn without_line_ends(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bytes: &[u8], at: usize) -> String {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        let (one, two) = bytes.split_at(at.min(bytes.len()));
        encoder.push(one, &mut out);
        encoder.push(two, &mut out);
        encoder.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn decode(text: &[u8], at: usize) -> (Vec<u8>, Damage) {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        let (one, two) = text.split_at(at.min(text.len()));
        decoder.push(one, &mut out);
        decoder.push(two, &mut out);
        let damage = decoder.finish(&mut out);
        (out, damage)
    }

    #[test]
    fn lines_have_76_columns_and_the_last_no_line_end() {
        assert_eq!(encode(b"", 0), "");
        assert_eq!(encode(b"a", 0), "YQ==");
        assert_eq!(encode(&[b'a'; 57], 0), "YWFh".repeat(19));
        assert_eq!(encode(&[b'a'; 58], 0), "YWFh".repeat(19) + "\nYQ==");
    }

    #[test]
    fn what_senders_make_of_it_is_read() {
        let damaged = |junk, after_end, cut| Damage { junk, after_end, cut };
        for (text, bytes, damage) in [
            ("YWJjZA==\r\n", "abcd", damaged(false, false, false)),
            ("YW\r\nJj ZA", "abcd", damaged(false, false, false)),
            ("Y*W.J\u{0}jZA==", "abcd", damaged(true, false, false)),
            ("YWJjZA==\n--\nlist footer", "abcd", damaged(true, true, false)),
            ("YWJjZ", "abc", damaged(false, false, true)),
            ("YWJjZ===", "abc", damaged(false, false, true)),
            ("====", "", damaged(false, false, false)),
        ] {
            for at in 0..text.len() {
                assert_eq!(decode(text.as_bytes(), at), (bytes.as_bytes().to_vec(), damage), "{text:?} split at {at}");
            }
        }
    }

    #[test]
    fn one_bad_character_in_a_big_block_costs_nothing_else() {
        let mut text = encode(&[7; 300], 0).into_bytes();
        text.insert(201, b'!');
        assert_eq!(decode(&text, 0), (vec![7; 300], Damage { junk: true, ..Damage::default() }));
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in proptest::collection::vec(any::<u8>(), 0..700), at in 0usize..900, crlf: bool) {
            let text = encode(&bytes, at);
            prop_assert!(text.lines().all(|line| line.len() <= 76));
            prop_assert_eq!(&text, &encode(&bytes, 0));
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            prop_assert_eq!(decode(text.as_bytes(), at), (bytes, Damage::default()));
        }

        #[test]
        fn the_split_makes_no_difference(text in proptest::collection::vec(0u8..128, 0..400), at in 0usize..400) {
            prop_assert_eq!(decode(&text, at), decode(&text, 0));
        }
    }
}

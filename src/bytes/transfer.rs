//! Content-transfer-encodings (RFC 2045 section 6) chosen, written and read as streams. Knows bytes and lines, no header and no part.

use memchr::{memchr, memrchr};
use std::fmt;

pub mod base64;
pub mod quoted_printable;
pub mod uuencode;

/// Longest line that may go out as it is, its line end not counted (RFC 5322 section 2.1.1).
pub const MAX_LINE: u64 = 998;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    SevenBit,
    EightBit,
    Binary,
    QuotedPrintable,
    Base64,
}

impl Encoding {
    /// By its name in a header, in any case; none for one that is not known.
    pub fn named(name: &str) -> Option<Encoding> {
        let known = [
            ("7bit", Encoding::SevenBit),
            ("8bit", Encoding::EightBit),
            ("binary", Encoding::Binary),
            ("quoted-printable", Encoding::QuotedPrintable),
            ("base64", Encoding::Base64),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }

    /// The content is not changed by this encoding.
    pub fn is_identity(self) -> bool {
        matches!(self, Encoding::SevenBit | Encoding::EightBit | Encoding::Binary)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::SevenBit => "7bit",
            Encoding::EightBit => "8bit",
            Encoding::Binary => "binary",
            Encoding::QuotedPrintable => "quoted-printable",
            Encoding::Base64 => "base64",
        })
    }
}

/// What some content needs of its encoding; filled as a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Octets in all.
    pub size: u64,
    /// Octets with the high bit, which quoted-printable has to write as three.
    pub to_escape: u64,
    pub has_8bit: bool,
    pub has_nul: bool,
    pub has_cr: bool,
    /// A CR that no LF follows, in this line (from 1); the first one.
    pub lone_cr: Option<u64>,
    /// Longest line without its line end.
    pub longest_line: u64,
    /// A line that starts with `From ` or is a lone dot: mail software on the way may harm it.
    pub has_fragile_line: bool,
    /// A line that ends in a blank, which mail software on the way may take off.
    pub has_trailing_blank: bool,
    line: u64,
    column: u64,
    after_cr: bool,
    line_start: Vec<u8>,
    /// The octet before the line end.
    last: u8,
}

impl Profile {
    pub fn push(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if !bytes.is_ascii() {
            self.has_8bit = true;
            self.to_escape += bytes.iter().filter(|b| !b.is_ascii()).count() as u64;
        }
        if memchr(0, bytes).is_some() {
            self.has_nul = true;
        }
        self.carriage_returns(bytes);
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            self.in_line(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.in_line(rest);
    }

    /// The input is at its end.
    pub fn finish(&mut self) {
        if self.after_cr {
            self.lone_cr.get_or_insert(self.line + 1);
        }
        self.end_line();
    }

    /// How text goes out: as it is where that is safe, else quoted-printable, or base64 where most of it would be escapes.
    pub fn text_encoding(&self) -> Encoding {
        let safe =
            !self.has_8bit && !self.has_nul && self.lone_cr.is_none() && !self.has_fragile_line && self.longest_line <= MAX_LINE;
        match () {
            () if safe => Encoding::SevenBit,
            // Line breaks are CRLF within base64 (RFC 2045 section 6.8), where a lone CR could not be told from them.
            () if self.to_escape * 2 > self.size && self.lone_cr.is_none() => Encoding::Base64,
            () => Encoding::QuotedPrintable,
        }
    }

    /// How a whole message goes out as a part: never re-encoded (RFC 2046 section 5.2.1). None where it cannot go at all.
    pub fn message_encoding(&self) -> Option<Encoding> {
        match () {
            () if self.has_nul || self.lone_cr.is_some() || self.longest_line > MAX_LINE => None,
            () if self.has_8bit => Some(Encoding::EightBit),
            () => Some(Encoding::SevenBit),
        }
    }

    fn carriage_returns(&mut self, bytes: &[u8]) {
        let Some(last) = memrchr(b'\r', bytes) else {
            self.lone_cr_if(self.after_cr && bytes.first().is_some_and(|&b| b != b'\n'), 0);
            self.after_cr &= bytes.is_empty();
            return;
        };
        self.has_cr = true;
        self.lone_cr_if(self.after_cr && bytes.first() != Some(&b'\n'), 0);
        if self.lone_cr.is_none() {
            let lone = memchr::memchr_iter(b'\r', bytes).find(|&at| bytes.get(at + 1).is_some_and(|&b| b != b'\n'));
            if let Some(at) = lone {
                self.lone_cr_if(true, memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64);
            }
        }
        self.after_cr = last + 1 == bytes.len();
    }

    fn lone_cr_if(&mut self, lone: bool, lines_on: u64) {
        if lone {
            self.lone_cr.get_or_insert(self.line + lines_on + 1);
        }
    }

    fn in_line(&mut self, bytes: &[u8]) {
        let missing = 6usize.saturating_sub(self.line_start.len()).min(bytes.len());
        self.line_start.extend_from_slice(&bytes[..missing]);
        self.last = bytes.iter().rev().find(|&&b| b != b'\r').copied().unwrap_or(self.last);
        self.column += bytes.len() as u64;
    }

    fn end_line(&mut self) {
        let start = self.line_start.as_slice();
        self.has_trailing_blank |= matches!(std::mem::take(&mut self.last), b' ' | b'\t');
        self.has_fragile_line |= start.starts_with(b"From ") || matches!(start, b"." | b".\r");
        self.longest_line = self.longest_line.max(self.column);
        self.line_start.clear();
        (self.line, self.column) = (self.line + 1, 0);
    }
}

/// Writes content in one encoding.
#[derive(Debug)]
pub enum Encoder {
    Identity,
    QuotedPrintable(quoted_printable::Encoder),
    Base64(Box<base64::Encoder>),
}

impl Encoder {
    pub fn new(encoding: Encoding) -> Encoder {
        match encoding {
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Encoder::Identity,
            Encoding::QuotedPrintable => Encoder::QuotedPrintable(quoted_printable::Encoder::default()),
            Encoding::Base64 => Encoder::Base64(Box::default()),
        }
    }

    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Encoder::Identity => out.extend_from_slice(bytes),
            Encoder::QuotedPrintable(encoder) => encoder.push(bytes, out),
            Encoder::Base64(encoder) => encoder.push(bytes, out),
        }
    }

    /// The content is at its end. No line end is added.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Encoder::Identity => {}
            Encoder::QuotedPrintable(encoder) => encoder.finish(out),
            Encoder::Base64(encoder) => encoder.finish(out),
        }
    }
}

/// What was wrong with encoded content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Base64(base64::Damage),
    /// An `=` that starts no escape.
    QuotedPrintable,
    /// No whole uuencoded file.
    Uuencode,
}

/// Reads content in one encoding.
#[derive(Debug)]
pub enum Decoder {
    Identity,
    QuotedPrintable(quoted_printable::Decoder),
    Base64(Box<base64::Decoder>),
    Uuencode(uuencode::Decoder),
}

impl Decoder {
    pub fn new(encoding: Encoding) -> Decoder {
        match encoding {
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Decoder::Identity,
            Encoding::QuotedPrintable => Decoder::QuotedPrintable(quoted_printable::Decoder::default()),
            Encoding::Base64 => Decoder::Base64(Box::default()),
        }
    }

    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => out.extend_from_slice(bytes),
            Decoder::QuotedPrintable(decoder) => decoder.push(bytes, out),
            Decoder::Base64(decoder) => decoder.push(bytes, out),
            Decoder::Uuencode(decoder) => decoder.push(bytes, out),
        }
    }

    /// The content is at its end: what was held, and what was wrong.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Option<Damage> {
        match self {
            Decoder::Identity => None,
            Decoder::QuotedPrintable(decoder) => decoder.finish(out).then_some(Damage::QuotedPrintable),
            Decoder::Uuencode(decoder) => decoder.finish(out).then_some(Damage::Uuencode),
            Decoder::Base64(decoder) => {
                let damage = decoder.finish(out);
                (damage != base64::Damage::default()).then_some(Damage::Base64(damage))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn profile(bytes: &[u8], at: usize) -> Profile {
        let mut profile = Profile::default();
        let (one, two) = bytes.split_at(at.min(bytes.len()));
        profile.push(one);
        profile.push(two);
        profile.finish();
        profile
    }

    #[test]
    fn text_goes_out_as_it_is_only_where_that_is_safe() {
        let long = "x".repeat(999);
        for (text, encoding) in [
            ("", Encoding::SevenBit),
            ("plain\r\ntext", Encoding::SevenBit),
            (&long[1..], Encoding::SevenBit),
            (&long, Encoding::QuotedPrintable),
            ("Käse", Encoding::QuotedPrintable),
            ("日本語", Encoding::Base64),
            ("a\rb", Encoding::QuotedPrintable),
            ("a\r", Encoding::QuotedPrintable),
            ("a\0b", Encoding::QuotedPrintable),
            ("日本\r語", Encoding::QuotedPrintable),
            ("a\nFrom me", Encoding::QuotedPrintable),
            ("a\n.\nb", Encoding::QuotedPrintable),
            ("a\n.\r\nb", Encoding::QuotedPrintable),
            ("a\n.", Encoding::QuotedPrintable),
            ("Fromage\n.. .", Encoding::SevenBit),
        ] {
            for at in 0..=text.len().min(20) {
                assert_eq!(profile(text.as_bytes(), at).text_encoding(), encoding, "{text:?} split at {at}");
            }
        }
    }

    #[test]
    fn a_message_is_never_re_encoded() {
        let of = |text: &str| profile(text.as_bytes(), 0).message_encoding();
        assert_eq!(of("Subject: a\n\nFrom me\n.\n"), Some(Encoding::SevenBit));
        assert_eq!(of("Subject: a\n\nä"), Some(Encoding::EightBit));
        assert_eq!(of("a\0"), None);
        assert_eq!(of(&"x".repeat(999)), None);
        assert_eq!(profile(b"a\nb\rc", 0).lone_cr, Some(2));
    }

    proptest! {
        #[test]
        fn the_split_makes_no_difference(text in "[a.\u{e4}\0\r\n]{0,20}", at in 0usize..24) {
            prop_assert_eq!(profile(text.as_bytes(), at), profile(text.as_bytes(), 0));
        }

        #[test]
        fn every_encoding_gives_the_bytes_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut encoder = Encoder::new(Encoding::Base64);
            let mut decoder = Decoder::new(Encoding::Base64);
            let (mut text, mut out) = (Vec::new(), Vec::new());
            encoder.push(&bytes, &mut text);
            encoder.finish(&mut text);
            decoder.push(&text, &mut out);
            prop_assert_eq!(decoder.finish(&mut out), None);
            prop_assert_eq!(out, bytes);
        }
    }
}

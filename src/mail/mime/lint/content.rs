//! The content of a leaf held to what its header says of it.

use super::finding::Found;
use super::status::Status;
use crate::bytes::transfer::{Decoder, Encoding, uuencode};
use crate::mail::mime::head::Head;
use crate::mail::mime::report;

/// One leaf, as it comes.
#[derive(Debug)]
pub struct Leaf {
    pub encoding: Encoding,
    watch: Watch,
    text: Text,
    /// Text that was encoded is not what it says: told at its end, for what damage makes of it is no breach of its own.
    is_bad: bool,
    is_damaged: bool,
    /// Where its `Content-Type` stands: what is wrong with encoded text has no other place.
    media_at: u64,
    decoder: Decoder,
    decoded: Vec<u8>,
    status: Option<Status>,
    column: u64,
    after_cr: bool,
    told_8bit: bool,
    told_line: bool,
}

impl Leaf {
    pub fn new(head: &Head, media_at: u64) -> Leaf {
        let watch = match head.encoding {
            _ if head.is_uuencoded => Watch::Uuencode { decoder: uuencode::Decoder::default(), line_at: None, told: false },
            Encoding::Base64 => Watch::Base64 { count: 0, ended: false, told: [false; 3] },
            Encoding::QuotedPrintable => Watch::QuotedPrintable(QuotedPrintable::default()),
            _ => Watch::Nothing,
        };
        let kind = report::Kind::of(&head.media).filter(|_| head.encoding.is_identity());
        Leaf {
            encoding: head.encoding,
            watch,
            text: Text::new(head),
            is_bad: false,
            is_damaged: false,
            media_at,
            decoder: head.decoder(),
            decoded: Vec::new(),
            status: kind.map(Status::new),
            column: 0,
            after_cr: false,
            told_8bit: false,
            told_line: false,
        }
    }

    /// The next octets, the first of them at `offset`.
    pub fn push(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        if !self.told_8bit
            && !matches!(self.encoding, Encoding::EightBit | Encoding::Binary)
            && let Some(at) = bytes.iter().position(|b| !b.is_ascii())
        {
            self.told_8bit = true;
            found.push((offset + at as u64, "RFC 2045 2.7, 6.2", format!("8-bit octets in a part that says {}", self.encoding)));
        }
        self.lines(bytes, offset, found);
        let before = found.len();
        self.watch.push(bytes, offset, found);
        if found.len() > before && !matches!(self.watch, Watch::QuotedPrintable(_)) {
            self.is_damaged = true;
        }
        self.characters(bytes, offset, found);
        if let Some(status) = &mut self.status {
            status.push(bytes, offset, found);
        }
    }

    /// It ends before `offset`.
    pub fn finish(&mut self, offset: u64, found: &mut Vec<Found>) {
        let before = found.len();
        self.watch.finish(offset, found);
        self.is_damaged |= found.len() > before;
        if let Some(status) = &mut self.status {
            status.finish(offset, found);
        }
        if self.text.is_read() {
            self.decoded.clear();
            self.decoder.finish(&mut self.decoded);
            let at = if self.encoding.is_identity() { offset } else { self.media_at };
            let bad = self.text.push(&self.decoded) || self.text.is_cut() || self.is_bad;
            self.tell_text(bad && !self.is_damaged, at, found);
        }
    }

    fn characters(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        if !self.text.is_read() {
            return;
        }
        if self.is_bad {
            return;
        }
        if !self.encoding.is_identity() {
            self.decoded.clear();
            self.decoder.push(bytes, &mut self.decoded);
            self.is_bad |= self.text.push(&self.decoded);
            return;
        }
        // Line by line, for the place.
        let mut here = offset;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let first = line.iter().position(|b| !b.is_ascii()).unwrap_or(0) as u64;
            let bad = self.text.push(line);
            self.tell_text(bad, here + first, found);
            here += line.len() as u64;
        }
    }

    fn tell_text(&mut self, bad: bool, at: u64, found: &mut Vec<Found>) {
        if bad {
            found.push((at, "RFC 2046 4.1.2", format!("text that is not the {} that it says", self.text.name())));
            self.text = Text::Any;
        }
    }

    fn lines(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        let encoded = matches!(self.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
        let clause = if self.encoding == Encoding::Base64 { "RFC 2045 6.8" } else { "RFC 2045 6.7(5)" };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let has_cr = if end > start { bytes[end - 1] == b'\r' } else { self.after_cr && start == 0 };
            let length = self.column + (end - start) as u64 - u64::from(has_cr);
            if encoded && length > 76 && !std::mem::replace(&mut self.told_line, true) {
                found.push((
                    (offset + end as u64).saturating_sub(length + u64::from(has_cr)),
                    clause,
                    format!("a line of {length} characters in {}, where 76 are the most", self.encoding),
                ));
            }
            (self.column, start) = (0, end + 1);
        }
        self.column += (bytes.len() - start) as u64;
        self.after_cr = bytes.last().map_or(self.after_cr, |last| *last == b'\r');
    }
}

/// What its characters are said to be, as far as that is looked at.
#[derive(Debug)]
enum Text {
    /// Anything, or told already.
    Any,
    Ascii,
    /// With the start of a character.
    Utf8(Vec<u8>),
}

impl Text {
    fn new(head: &Head) -> Text {
        if !head.media.starts_with("text/") || head.encoding == Encoding::SevenBit || head.is_uuencoded {
            return Text::Any;
        }
        match head.charset.as_deref() {
            Some("utf-8" | "utf8") => Text::Utf8(Vec::new()),
            Some("us-ascii") => Text::Ascii,
            None if head.media == "text/plain" => Text::Ascii,
            _ => Text::Any,
        }
    }

    fn is_read(&self) -> bool {
        !matches!(self, Text::Any)
    }

    fn name(&self) -> &'static str {
        if matches!(self, Text::Ascii) { "us-ascii" } else { "utf-8" }
    }

    /// True where these octets are not what it should be.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let held = match self {
            Text::Any => return false,
            Text::Ascii => return !bytes.is_ascii(),
            Text::Utf8(held) => held,
        };
        if held.is_empty() && bytes.is_ascii() {
            return false;
        }
        held.extend_from_slice(bytes);
        let (whole, broken) = match std::str::from_utf8(held) {
            Ok(_) => (held.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        held.drain(..whole);
        broken
    }

    /// It ends within a character.
    fn is_cut(&self) -> bool {
        matches!(self, Text::Utf8(held) if !held.is_empty())
    }
}

/// Looks for what does not belong into encoded content, and for its place. Each kind is told once of a leaf.
#[derive(Debug)]
enum Watch {
    Nothing,
    Base64 {
        /// Characters of the quantum that is open.
        count: u8,
        ended: bool,
        told: [bool; 3],
    },
    QuotedPrintable(QuotedPrintable),
    Uuencode {
        decoder: uuencode::Decoder,
        line_at: Option<u64>,
        told: bool,
    },
}

const BASE64: [&str; 3] =
    ["characters in base64 that do not belong there", "base64 behind its padding", "base64 that ends within an octet"];
const UUENCODE: (&str, &str) = ("POSIX uuencode", "uuencode that is no whole file");

impl Watch {
    fn push(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        match self {
            Watch::Nothing => {}
            Watch::Base64 { count, ended, told } => {
                for (at, byte) in (offset..).zip(bytes) {
                    let which = match byte {
                        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if *ended => 1,
                        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                            *count = (*count + 1) & 3;
                            continue;
                        }
                        b'\r' | b'\n' | b' ' | b'\t' => continue,
                        b'=' => {
                            *ended = true;
                            if std::mem::take(count) != 1 {
                                continue;
                            }
                            2
                        }
                        _ => 0,
                    };
                    if !std::mem::replace(&mut told[which], true) {
                        found.push((at, "RFC 2045 6.8", BASE64[which].to_owned()));
                    }
                }
            }
            Watch::QuotedPrintable(watch) => watch.push(bytes, offset, found),
            Watch::Uuencode { decoder, line_at, told } => {
                let (mut here, mut out) = (offset, Vec::new());
                for line in bytes.split_inclusive(|b| *b == b'\n') {
                    out.clear();
                    decoder.push(line, &mut out);
                    let at = *line_at.get_or_insert(here);
                    line_at.take_if(|_| line.ends_with(b"\n"));
                    if decoder.is_damaged() && !std::mem::replace(told, true) {
                        found.push((at, UUENCODE.0, UUENCODE.1.to_owned()));
                    }
                    here += line.len() as u64;
                }
            }
        }
    }

    fn finish(&mut self, offset: u64, found: &mut Vec<Found>) {
        match self {
            Watch::Nothing => {}
            Watch::Base64 { count: 1, told: [_, _, false], .. } => found.push((offset, "RFC 2045 6.8", BASE64[2].to_owned())),
            Watch::Base64 { .. } => {}
            Watch::QuotedPrintable(watch) => watch.finish(found),
            Watch::Uuencode { decoder, told, .. } => {
                if decoder.finish(&mut Vec::new()) && !*told {
                    found.push((offset, UUENCODE.0, UUENCODE.1.to_owned()));
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct QuotedPrintable {
    escape: Escape,
    /// Where the escape, or the run of blanks, began.
    at: u64,
    blank: bool,
    told: [bool; 3],
}

#[derive(Debug, Default, Clone, Copy)]
enum Escape {
    #[default]
    None,
    Equals,
    /// After `=` and blanks, or a CR.
    Break,
    Digit {
        small: bool,
    },
}

const QUOTED_PRINTABLE: [(&str, &str); 3] = [
    ("RFC 2045 6.7(1)", "an = in quoted-printable that starts no escape"),
    ("RFC 2045 6.7(1)", "small letters in an escape of quoted-printable"),
    ("RFC 2045 6.7(3)", "a blank at the end of a line in quoted-printable"),
];

impl QuotedPrintable {
    fn push(&mut self, bytes: &[u8], offset: u64, found: &mut Vec<Found>) {
        for (here, byte) in (offset..).zip(bytes) {
            self.escape = match (self.escape, byte) {
                (Escape::Equals, b'0'..=b'9' | b'A'..=b'F') => Escape::Digit { small: false },
                (Escape::Equals, b'a'..=b'f') => Escape::Digit { small: true },
                (Escape::Equals | Escape::Break, b'\n') => {
                    self.end_line(found);
                    Escape::None
                }
                (Escape::Equals | Escape::Break, b' ' | b'\t' | b'\r') => {
                    self.blank |= *byte != b'\r';
                    Escape::Break
                }
                (Escape::Digit { small }, digit) if digit.is_ascii_hexdigit() => {
                    if small || digit.is_ascii_lowercase() {
                        self.tell(1, found);
                    }
                    Escape::None
                }
                (Escape::None, _) => self.text(*byte, here, found),
                _ => {
                    self.tell(0, found);
                    self.blank = false;
                    self.text(*byte, here, found)
                }
            };
        }
    }

    /// A soft line break may be the end of all.
    fn finish(&mut self, found: &mut Vec<Found>) {
        if matches!(self.escape, Escape::Digit { .. }) {
            self.tell(0, found);
        }
        self.end_line(found);
    }

    fn text(&mut self, byte: u8, here: u64, found: &mut Vec<Found>) -> Escape {
        match byte {
            b'=' => {
                (self.at, self.blank) = (here, false);
                return Escape::Equals;
            }
            b'\n' => self.end_line(found),
            b' ' | b'\t' if !self.blank => (self.at, self.blank) = (here, true),
            b' ' | b'\t' | b'\r' => {}
            _ => self.blank = false,
        }
        Escape::None
    }

    fn end_line(&mut self, found: &mut Vec<Found>) {
        if std::mem::take(&mut self.blank) {
            self.tell(2, found);
        }
    }

    fn tell(&mut self, which: usize, found: &mut Vec<Found>) {
        if !std::mem::replace(&mut self.told[which], true) {
            let (clause, what) = QUOTED_PRINTABLE[which];
            found.push((self.at, clause, what.to_owned()));
        }
    }
}

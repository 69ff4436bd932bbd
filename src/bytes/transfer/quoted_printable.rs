//! Quoted-printable (RFC 2045 section 6.7) as a stream, both ways.

use memchr::memchr3;

/// Longest encoded line, its soft break included (RFC 2045 section 6.7, rule 5).
const LINE: usize = 76;
/// Blanks at a line's end that are held until it is known what follows; more than any sane line has.
const HELD_BLANKS: usize = 1024;

/// Encodes text. LF and CRLF are line breaks; a lone CR is data. `From ` at a line's start and a line of one dot are encoded too
/// (RFC 2049 section 3), so that neither an mbox nor a mailer that reads to a lone dot can harm the text.
#[derive(Debug, Default)]
pub struct Encoder {
    column: usize,
    /// The start of a line that may become `From ` or a lone dot, or a blank that may stand at a line's end; then a CR that may belong to
    /// it. At most six octets.
    held: Vec<u8>,
    line_begun: bool,
}

impl Encoder {
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len() + bytes.len() / 8);
        for &byte in bytes {
            self.byte(byte, out);
        }
    }

    /// The input is at its end; no line break is added.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(true, out);
        (self.column, self.line_begun) = (0, false);
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b'\n' {
            if self.held.last() == Some(&b'\r') {
                self.held.pop();
            }
            self.release(true, out);
            out.push(b'\n');
            (self.column, self.line_begun) = (0, false);
            return;
        }
        if !self.line_begun && b"From ".starts_with(&self.held) && b"From ".get(self.held.len()) == Some(&byte) {
            self.held.push(byte);
            if self.held == b"From " {
                out.extend_from_slice(b"=46rom");
                (self.column, self.line_begun) = (6, true);
                self.held = vec![b' '];
            }
            return;
        }
        if byte == b'\r' && self.held.last() != Some(&b'\r') {
            self.held.push(byte);
            return;
        }
        self.release(false, out);
        match byte {
            b'.' if !self.line_begun => self.held.push(byte),
            b' ' | b'\t' | b'\r' => self.held.push(byte),
            _ => self.put(byte, !matches!(byte, b'!'..=b'<' | b'>'..=b'~'), out),
        }
    }

    /// Writes what was held. Where a line ends after it, blanks are encoded (rule 3), and so is a dot that is alone.
    fn release(&mut self, line_ends: bool, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let alone = !self.line_begun && held == b".";
        let last = held.len().wrapping_sub(1);
        for (at, &byte) in held.iter().enumerate() {
            let blank_at_end = line_ends && at == last && matches!(byte, b' ' | b'\t');
            self.put(byte, byte == b'\r' || blank_at_end || (line_ends && alone), out);
        }
        held.clear();
        self.held = held;
    }

    fn put(&mut self, byte: u8, encoded: bool, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let width = if encoded { 3 } else { 1 };
        if self.column + width > LINE - 1 {
            out.extend_from_slice(b"=\n");
            self.column = 0;
            // What stands first on the new line must not look like an mbox separator or an end of data either.
            if !encoded && matches!(byte, b'F' | b'.') {
                return self.put(byte, true, out);
            }
        }
        if encoded {
            out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
        self.column += width;
        self.line_begun = true;
    }
}

/// Reads quoted-printable as senders write it. Blanks at a line's end are dropped (rule 3), `=` with blanks and a line end is a soft
/// break, and an `=` that starts no escape stays as it is.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// Blanks that may stand at a line's end, with a CR that may belong to it.
    blanks: Vec<u8>,
    damage: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Equals,
    /// After `=` and blanks: only a line end makes them a soft break.
    SoftBlanks,
    Digit(u8),
}

impl Decoder {
    /// Appends what `bytes` decode to: no more than their length and what was held.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if self.state == State::Text && self.blanks.is_empty() {
                let run = plain_run(rest);
                if run > 0 {
                    out.extend_from_slice(&rest[..run]);
                    rest = &rest[run..];
                    continue;
                }
            }
            self.byte(first, out);
            rest = &rest[1..];
        }
    }

    /// The input is at its end. True if an `=` started no escape.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        match std::mem::take(&mut self.state) {
            State::Digit(digit) => {
                out.extend_from_slice(&[b'=', digit]);
                self.damage = true;
            }
            State::Text if self.blanks == b"\r" => out.push(b'\r'),
            // A soft break at the very end, and blanks at the end of the last line: neither is text.
            State::Text | State::Equals | State::SoftBlanks => {}
        }
        self.blanks.clear();
        self.damage
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text => self.text(byte, out),
            State::Equals if byte.is_ascii_hexdigit() => self.state = State::Digit(byte),
            State::Equals | State::SoftBlanks => match byte {
                b'\n' => {
                    self.blanks.clear();
                    self.state = State::Text;
                }
                b' ' | b'\t' | b'\r' if self.blanks.len() < HELD_BLANKS => {
                    self.blanks.push(byte);
                    self.state = State::SoftBlanks;
                }
                _ => {
                    out.push(b'=');
                    out.append(&mut self.blanks);
                    self.literal(byte, out);
                }
            },
            State::Digit(first) => match (hex(first), hex(byte)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    self.state = State::Text;
                }
                _ => {
                    out.extend_from_slice(&[b'=', first]);
                    self.literal(byte, out);
                }
            },
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => {
                if self.blanks.last() == Some(&b'\r') {
                    out.push(b'\r');
                }
                out.push(b'\n');
                self.blanks.clear();
            }
            b' ' | b'\t' | b'\r' => {
                // A CR that no LF follows is data, and so are the blanks before it.
                if self.blanks.last() == Some(&b'\r') || self.blanks.len() >= HELD_BLANKS {
                    out.append(&mut self.blanks);
                }
                self.blanks.push(byte);
            }
            b'=' => {
                out.append(&mut self.blanks);
                self.state = State::Equals;
            }
            _ => {
                out.append(&mut self.blanks);
                out.push(byte);
            }
        }
    }

    /// An `=` was no escape: it was written, and `byte` is read as text.
    fn literal(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.damage = true;
        self.state = State::Text;
        self.text(byte, out);
    }
}

/// How many octets at the start stand for themselves wherever they are: no escape, no line end, no blank that may stand before one.
fn plain_run(bytes: &[u8]) -> usize {
    let line = memchr3(b'=', b'\r', b'\n', bytes).unwrap_or(bytes.len());
    bytes[..line].iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
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

    fn decode(bytes: &[u8], at: usize) -> (Vec<u8>, bool) {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        let (one, two) = bytes.split_at(at.min(bytes.len()));
        decoder.push(one, &mut out);
        decoder.push(two, &mut out);
        let damage = decoder.finish(&mut out);
        (out, damage)
    }

    #[test]
    fn what_a_mailer_could_harm_is_encoded() {
        for (text, encoded) in [
            ("a b\n", "a b\n"),
            ("Käse = gut", "K=C3=A4se =3D gut"),
            ("end \nend\t\nend ", "end=20\nend=09\nend=20"),
            ("From me\nFromage\n From x\nFro", "=46rom me\nFromage\n From x\nFro"),
            ("From \nFrom", "=46rom=20\nFrom"),
            (".\n..\n.a\n.\r\n.", "=2E\n..\n.a\n=2E\n=2E"),
            ("a\r\nb\rc", "a\nb=0Dc"),
            (" \r\n \rx", "=20\n =0Dx"),
        ] {
            for at in 0..=text.len() {
                assert_eq!(encode(text.as_bytes(), at), encoded, "{text:?} split at {at}");
            }
        }
    }

    #[test]
    fn a_soft_break_never_puts_a_separator_at_a_line_start() {
        for blanks in 60..90 {
            let text = "x".repeat(blanks) + "From me. .\n";
            let encoded = encode(text.as_bytes(), 0);
            assert!(encoded.lines().all(|l| l.len() <= 76 && !l.starts_with("From ") && l != "."), "{encoded}");
            assert_eq!(decode(encoded.as_bytes(), 0), (text.into_bytes(), false));
        }
    }

    #[test]
    fn what_senders_make_of_it_is_read() {
        for (text, bytes, damage) in [
            ("a=3Db=3d", "a=b=", false),
            ("one =\ntwo=\r\nthree", "one twothree", false),
            ("one=  \ntwo= \t\r\nthree", "onetwothree", false),
            ("blanks  \t\nat \r\nends ", "blanks\nat\r\nends", false),
            ("1+1=2\n", "1+1=2\n", true),
            ("a=\u{e9}=", "a=\u{e9}", true),
            ("=4", "=4", true),
            ("= x", "= x", true),
            ("a \rb\rc\r", "a \rb\rc\r", false),
        ] {
            for at in 0..=text.len() {
                assert_eq!(decode(text.as_bytes(), at), (bytes.as_bytes().to_vec(), damage), "{text:?} split at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn there_and_back(text in "[a-z =.F\u{e4}\t\r\n]{0,200}", at in 0usize..300, crlf: bool) {
            let encoded = encode(text.as_bytes(), at);
            prop_assert!(encoded.lines().all(|l| l.len() <= 76 && !l.ends_with([' ', '\t']) && l != "."));
            let encoded = if crlf { encoded.replace('\n', "\r\n") } else { encoded };
            let text = text.replace("\r\n", "\n");
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            prop_assert_eq!(decode(encoded.as_bytes(), at), (text.into_bytes(), false));
        }

        #[test]
        fn the_split_makes_no_difference(text in "[a =F0\t\r\n]{0,60}", at in 0usize..60) {
            prop_assert_eq!(decode(text.as_bytes(), at), decode(text.as_bytes(), 0));
        }
    }
}

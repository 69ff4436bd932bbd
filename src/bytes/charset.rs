//! Character sets: text in any that the web knows (WHATWG Encoding) becomes UTF-8, whole or as a stream. Knows labels, no field and no part.

use encoding_rs::{DecoderResult, Encoding, REPLACEMENT, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// Labels of mail that the WHATWG's list lacks, and what they mean there.
const MORE_LABELS: [(&str, &str); 6] = [
    ("latin9", "iso-8859-15"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("iso-8859-8-e", "iso-8859-8"),
];

/// The label of text whose character set nobody knows (RFC 1428 section 3).
pub const UNKNOWN_8BIT: &str = "unknown-8bit";

/// Text in the character set `label` as UTF-8, what is no character in it replaced by U+FFFD; none where the set is not known here.
/// `iso-8859-1` means windows-1252, as it does in practice (WHATWG Encoding, section 4.2); `us-ascii` is what its octets look like.
pub fn decode<'a>(label: &str, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    if is_ascii_label(label) {
        return Some(guess(bytes));
    }
    Some(encoding(label)?.decode_without_bom_handling(bytes).0)
}

/// As [`decode`]; what is no text in that set, or in none that is known here, is read as if none were stated, so that no octet is lost.
pub fn decode_or_guess<'a>(label: &str, bytes: &'a [u8]) -> Cow<'a, str> {
    decode_whole(label, bytes).unwrap_or_else(|| guess(bytes))
}

/// Text in the character set `label` as UTF-8; none where it is none in that set, or the set says nothing of octets beyond ASCII.
pub fn decode_whole<'a>(label: &str, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let (text, malformed) = encoding(label).filter(|_| !is_ascii_label(label))?.decode_without_bom_handling(bytes);
    (!malformed).then_some(text)
}

/// Whether text in the character set `label` can be read.
pub fn is_known(label: &str) -> bool {
    is_ascii_label(label) || encoding(label).is_some()
}

/// Whether a line feed of text in that set is more than the octet of that value, so that its octets are no lines (RFC 2781 section 4).
pub fn has_wide_characters(label: &str) -> bool {
    let is_wide = |set: &&Encoding| *set == UTF_16LE || *set == UTF_16BE;
    let label = label.trim().to_ascii_lowercase();
    encoding(&label).as_ref().is_some_and(is_wide)
        || ["utf-16", "utf-32", "ucs-", "iso-10646-ucs"].iter().any(|start| label.starts_with(start))
}

/// What its octets look like, they are; `unknown-8bit` says so itself (RFC 1428 section 3).
fn is_ascii_label(label: &str) -> bool {
    let label = label.trim().to_ascii_lowercase();
    matches!(label.as_str(), "" | "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" | "646" | UNKNOWN_8BIT)
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    let label = label.trim();
    let meant = MORE_LABELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(label)).map_or(label, |(_, meant)| meant);
    // The sets behind `replacement` are not read at all there, since browsers could be attacked with them.
    Encoding::for_label(meant.as_bytes()).filter(|encoding| *encoding != REPLACEMENT)
}

/// Text in one character set becomes UTF-8 as a stream. What is no character is replaced by U+FFFD and told at the end.
pub struct ToUtf8 {
    from: From,
    lines: u64,
    malformed: Option<u64>,
}

enum From {
    Set(encoding_rs::Decoder),
    /// No set is stated: what is UTF-8 is, other octets are windows-1252. Holds the beginning of a character.
    Guess(Vec<u8>),
    Ascii,
}

/// As if no set were stated.
impl Default for ToUtf8 {
    fn default() -> ToUtf8 {
        ToUtf8 { from: From::Guess(Vec::new()), lines: 0, malformed: None }
    }
}

impl ToUtf8 {
    /// None where the set is not known here; without a label, and for ASCII, octets beyond ASCII are guessed at as by [`guess`].
    pub fn new(label: Option<&str>) -> Option<ToUtf8> {
        let from = match label {
            Some(label) if !is_ascii_label(label) => From::Set(match encoding(label)? {
                // A byte order mark decides (RFC 2781 section 4.3).
                set if set == UTF_16LE || set == UTF_16BE => set.new_decoder(),
                set => set.new_decoder_with_bom_removal(),
            }),
            _ => From::Guess(Vec::new()),
        };
        Some(ToUtf8 { from, lines: 0, malformed: None })
    }

    /// As [`ToUtf8::new`] for text that goes out under this label: beyond ASCII there is nothing in `us-ascii`.
    pub fn strict(label: &str) -> Option<ToUtf8> {
        let says_nothing = ["", UNKNOWN_8BIT].iter().any(|known| known.eq_ignore_ascii_case(label.trim()));
        let is_ascii = is_ascii_label(label) && !says_nothing;
        if is_ascii { Some(ToUtf8 { from: From::Ascii, lines: 0, malformed: None }) } else { ToUtf8::new(Some(label)) }
    }

    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for chunk in bytes.chunks(16 * 1024) {
            let start = out.len();
            self.take(chunk, false, out);
            self.lines += memchr::memchr_iter(b'\n', &out[start..]).count() as u64;
        }
    }

    /// The text is at its end. Gives the first line, from 1, with octets that are no text in this set.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        self.take(b"", true, out);
        self.malformed
    }

    fn take(&mut self, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let decoder = match &mut self.from {
            From::Guess(held) => return guess_on(held, bytes, last, out),
            From::Ascii => {
                if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii()) {
                    let line = self.lines + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
                    self.malformed.get_or_insert(line);
                }
                return out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
            }
            From::Set(decoder) => decoder,
        };
        loop {
            let at = out.len();
            out.resize(at + decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len() * 3 + 16), 0);
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut out[at..], last);
            out.truncate(at + written);
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let line = self.lines + memchr::memchr_iter(b'\n', &out[start..]).count() as u64 + 1;
                    self.malformed.get_or_insert(line);
                    out.extend_from_slice("\u{fffd}".as_bytes());
                }
            }
        }
    }
}

/// UTF-8 goes through, every other octet is read as windows-1252; the beginning of a character is held.
fn guess_on(held: &mut Vec<u8>, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let joined;
    let mut rest = bytes;
    if !held.is_empty() {
        held.extend_from_slice(bytes);
        joined = std::mem::take(held);
        rest = &joined;
    }
    while !rest.is_empty() {
        let Err(error) = std::str::from_utf8(rest) else { return out.extend_from_slice(rest) };
        let (valid, after) = rest.split_at(error.valid_up_to());
        out.extend_from_slice(valid);
        let bad = match error.error_len() {
            None if !last => return held.extend_from_slice(after),
            None => after.len(),
            Some(length) => length,
        };
        out.extend_from_slice(windows_1252(&after[..bad]).as_bytes());
        rest = &after[bad..];
    }
}

/// Bytes of no stated character set: UTF-8 where they are (RFC 6532), else windows-1252.
pub fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => windows_1252(bytes),
    }
}

/// Where text stops being UTF-8; both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {octet}: not UTF-8")]
pub struct NotUtf8 {
    pub line: u64,
    /// Within the line.
    pub octet: u64,
}

/// Checks text that comes as a stream.
#[derive(Debug, Default)]
pub struct Utf8Check {
    /// The beginning of a character whose end is still to come; at most three octets.
    held: Vec<u8>,
    lines: u64,
    octets: u64,
}

impl Utf8Check {
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), NotUtf8> {
        if self.held.is_empty() {
            return self.whole(bytes);
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(bytes);
        self.whole(&joined)
    }

    /// The text is at its end.
    pub fn finish(&self) -> Result<(), NotUtf8> {
        if self.held.is_empty() { Ok(()) } else { Err(self.here()) }
    }

    fn whole(&mut self, bytes: &[u8]) -> Result<(), NotUtf8> {
        let error = std::str::from_utf8(bytes).err();
        let valid = error.map_or(bytes.len(), |error| error.valid_up_to());
        self.count(&bytes[..valid]);
        match error {
            None => Ok(()),
            Some(error) if error.error_len().is_none() => {
                self.held.extend_from_slice(&bytes[valid..]);
                Ok(())
            }
            Some(_) => Err(self.here()),
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        match memchr::memrchr(b'\n', bytes) {
            None => self.octets += bytes.len() as u64,
            Some(last) => {
                self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
                self.octets = (bytes.len() - last - 1) as u64;
            }
        }
    }

    fn here(&self) -> NotUtf8 {
        NotUtf8 { line: self.lines + 1, octet: self.octets + 1 }
    }
}

fn windows_1252(bytes: &[u8]) -> Cow<'_, str> {
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sets_become_utf_8_and_the_rest_is_told() {
        assert_eq!(decode("UTF-8", "ä".as_bytes()).unwrap(), "ä");
        assert_eq!(decode("utf-8", b"a\xff").unwrap(), "a\u{fffd}");
        assert_eq!(decode("ISO-8859-1", b"\xe4 \x80").unwrap(), "ä €");
        assert_eq!(decode("iso-8859-15", b"\xe4 \xa4").unwrap(), "ä €");
        assert_eq!(decode("koi8-r", b"\xc4").unwrap(), "д");
        assert_eq!(decode("CP932", b"\x93\xfa").unwrap(), "日");
        assert_eq!(decode("us-ascii", b"K\xe4se").unwrap(), "Käse");
        assert_eq!((decode("x-unheard-of", b"\xe4"), decode("iso-2022-kr", b"a")), (None, None));
    }

    #[test]
    fn a_stream_reads_as_the_whole_however_it_is_split() {
        for (label, bytes, text, bad) in [
            (Some("utf-8"), "\u{feff}ä\n日本".as_bytes(), "ä\n日本", None),
            (Some("utf-8"), b"a\nb\xffc", "a\nb\u{fffd}c", Some(2)),
            (Some("iso-2022-jp"), b"\x1b$B%F%9%H\x1b(B.", "テスト.", None),
            (Some("utf-16"), b"\xfe\xff\0a\x65\xe5", "a日", None),
            (Some("shift_jis"), b"\x93\xfa\x93", "日\u{fffd}", Some(1)),
            (None, b"K\xe4se \xc3\xa4 \xe6\x97", "Käse ä æ—", None),
        ] {
            for at in 0..=bytes.len() {
                let (mut to, mut out) = (ToUtf8::new(label).unwrap(), Vec::new());
                to.push(&bytes[..at], &mut out);
                to.push(&bytes[at..], &mut out);
                assert_eq!(
                    (to.finish(&mut out), String::from_utf8(out).unwrap().as_str()),
                    (bad, text),
                    "{label:?} split at {at}"
                );
            }
        }
        assert!(ToUtf8::new(Some("x-unheard-of")).is_none());
    }

    #[test]
    fn raw_bytes_are_utf_8_or_windows_1252() {
        assert_eq!(guess("ä".as_bytes()), "ä");
        assert_eq!(guess(b"\xe4\x93"), "ä“");
    }

    #[test]
    fn the_place_of_what_is_no_utf_8_is_told_however_it_is_split() {
        for (text, place) in [
            ("ä\n日本".as_bytes(), None),
            (b"a\nb\n\xc3\xa4\xff", Some((3, 3))),
            (b"a\xc3", Some((1, 2))),
            (b"\xe6\x97x", Some((1, 1))),
        ] {
            for at in 0..=text.len() {
                let mut check = Utf8Check::default();
                let (one, two) = text.split_at(at);
                let result = check.push(one).and_then(|()| check.push(two)).and_then(|()| check.finish());
                assert_eq!(result.err().map(|e| (e.line, e.octet)), place, "{text:?} split at {at}");
            }
        }
    }
}

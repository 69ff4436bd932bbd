//! The few character sets that need no table: text in them becomes UTF-8. Others are told apart by name only.

use std::borrow::Cow;

/// Text in the character set `label` as UTF-8, what is no character in it replaced by U+FFFD; none where the set is not known here.
/// `iso-8859-1` means windows-1252, as it does in practice (WHATWG Encoding, section 4.2).
pub fn decode<'a>(label: &str, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let label = label.trim().to_ascii_lowercase();
    match label.as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" | "unicode-1-1-utf-8" => Some(String::from_utf8_lossy(bytes)),
        "iso-8859-1" | "latin1" | "iso_8859-1" | "windows-1252" | "cp1252" | "x-cp1252" => Some(windows_1252(bytes)),
        "iso-8859-15" | "iso_8859-15" | "latin9" | "l9" => Some(bytes.iter().map(|&byte| iso_8859_15(byte)).collect()),
        _ => None,
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
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“',
        '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    if let (true, Ok(text)) = (bytes.is_ascii(), std::str::from_utf8(bytes)) {
        return Cow::Borrowed(text);
    }
    let character = |&byte: &u8| match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    bytes.iter().map(character).collect()
}

fn iso_8859_15(byte: u8) -> char {
    match byte {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        _ => char::from(byte),
    }
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
        assert_eq!(decode("koi8-r", b"\xe4"), None);
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

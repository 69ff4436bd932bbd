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
}

//! Encoded words (RFC 2047), both ways: text in header fields that ASCII cannot hold. Knows no field.

use super::charset;
use super::transfer::base64;
use std::borrow::Cow;

/// Longest encoded word (RFC 2047 section 2).
pub const MAX_WORD: usize = 75;
const START: &str = "=?utf-8?q?";
const END: &str = "?=";

/// Encodes `text` as UTF-8 words of at most [`MAX_WORD`] characters, the first of at most `first`, none of which splits a character.
/// Q is taken where most of the text stays readable in it, else B. A reader joins them again without the blanks that stand between them.
pub fn encode(text: &str, first: usize) -> Vec<String> {
    let q = text.bytes().filter(|&byte| q_width(byte) > 1).count() * 2 <= text.len();
    let width = |so_far: (usize, usize), c: char| {
        let (octets, q_width_so_far) = so_far;
        let mut utf8 = [0; 4];
        (octets + c.len_utf8(), q_width_so_far + c.encode_utf8(&mut utf8).bytes().map(q_width).sum::<usize>())
    };
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let limit = if words.is_empty() { first.clamp(START.len() + END.len() + 12, MAX_WORD) } else { MAX_WORD };
        let room = limit - START.len() - END.len();
        let mut size = (0, 0);
        let fits = |(octets, escaped): (usize, usize)| if q { escaped <= room } else { octets.div_ceil(3) * 4 <= room };
        let end = rest.char_indices().find(|&(_, c)| {
            size = width(size, c);
            !fits(size)
        });
        let (word, tail) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        words.push(if q { q_word(word) } else { b_word(word) });
        rest = tail;
    }
    words
}

/// Decodes every encoded word in `value`; what stands between two of them and is blank goes (RFC 2047 section 6.2). Words of a character
/// set that is not known here stay as they are, and so does all other text: UTF-8 where it is, else windows-1252.
pub fn decode(value: &[u8]) -> String {
    let mut out = String::new();
    // Octets of adjacent words in one character set are joined before they are read: many senders split characters.
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut rest = value;
    while !rest.is_empty() {
        let at = find(rest, b"=?").unwrap_or(rest.len());
        let (before, from) = rest.split_at(at);
        let word = encoded_word(from);
        if word.is_none() || !before.iter().all(u8::is_ascii_whitespace) {
            flush(&mut pending, &mut out);
        }
        if pending.is_none() {
            out.push_str(&charset::guess(before));
        }
        match word {
            Some(word) => {
                // Each word of a set with shifts begins and ends in ASCII (RFC 1468), and is read alone.
                let alone = word.charset.get(..9).is_some_and(|set| set.eq_ignore_ascii_case("iso-2022-"));
                if pending.as_ref().is_some_and(|(charset, _)| alone || !charset.eq_ignore_ascii_case(word.charset)) {
                    flush(&mut pending, &mut out);
                }
                pending.get_or_insert_with(|| (word.charset.to_owned(), Vec::new())).1.extend_from_slice(&word.octets);
                rest = word.rest;
            }
            None => {
                let (marker, tail) = from.split_at(from.len().min(2));
                out.push_str(&charset::guess(marker));
                rest = tail;
            }
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// The length of the encoded word at the start of `text`, whatever its character set; none if there is none.
pub fn length(text: &[u8]) -> Option<usize> {
    let (_, _, encoded, rest) = parts(text)?;
    (!encoded.is_empty()).then(|| text.len() - rest.len())
}

/// Whether the encoded word `text` holds whole characters (RFC 2047 section 5), as far as its character set is known.
pub fn is_whole(text: &[u8]) -> bool {
    encoded_word(text).is_none_or(|word| word.octets.is_ascii() || charset::decode_whole(word.charset, &word.octets).is_some())
}

struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    rest: &'a [u8],
}

/// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="`, the set with a language tag perhaps (RFC 2231 section 5).
fn encoded_word(text: &[u8]) -> Option<Word<'_>> {
    let (charset, encoding, encoded, rest) = parts(text)?;
    let charset = charset.split('*').next().unwrap_or_default();
    charset::decode(charset, b"")?;
    let octets = if encoding.eq_ignore_ascii_case(&b'q') { q_octets(encoded) } else { b_octets(encoded) };
    Some(Word { charset, octets, rest })
}

fn parts(text: &[u8]) -> Option<(&str, u8, &[u8], &[u8])> {
    let after = text.strip_prefix(b"=?")?;
    // Far longer words than the RFC allows are common; without any bound a field of markers would cost quadratic time.
    let after = &after[..after.len().min(2048)];
    let mark = after.iter().take(64).position(|&b| b == b'?')?;
    let charset =
        std::str::from_utf8(&after[..mark]).ok().filter(|set| !set.is_empty() && set.bytes().all(|b| b.is_ascii_graphic()))?;
    let [encoding @ (b'q' | b'Q' | b'b' | b'B'), b'?', encoded @ ..] = &after[mark + 1..] else { return None };
    let end = encoded.iter().position(|&b| b == b'?' || b == b'\n' || b == b'\r')?;
    let used = text.len().min(2 + mark + 1 + 2 + end + 2);
    (encoded.get(end..end + 2)? == b"?=").then(|| (charset, *encoding, &encoded[..end], &text[used..]))
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    if let Some((charset, octets)) = pending.take() {
        out.push_str(&charset::decode(&charset, &octets).unwrap_or(Cow::Borrowed("")));
    }
}

fn q_octets(encoded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, tail)) = rest.split_first() {
        let escape = match (first, tail) {
            (b'=', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (escape, first) {
            (Some((high, low)), _) => {
                octets.push(high << 4 | low);
                rest = &tail[2..];
                continue;
            }
            (None, b'_') => octets.push(b' '),
            (None, _) => octets.push(first),
        }
        rest = tail;
    }
    octets
}

fn b_octets(encoded: &[u8]) -> Vec<u8> {
    let (mut decoder, mut octets) = (base64::Decoder::default(), Vec::new());
    decoder.push(encoded, &mut octets);
    decoder.finish(&mut octets);
    octets
}

fn q_word(text: &str) -> String {
    let mut word = START.to_owned();
    for byte in text.bytes() {
        match byte {
            b' ' => word.push('_'),
            _ if q_width(byte) == 1 => word.push(char::from(byte)),
            _ => word.push_str(&format!("={byte:02X}")),
        }
    }
    word + END
}

fn b_word(text: &str) -> String {
    use ::base64::Engine;
    format!("=?utf-8?b?{}{END}", ::base64::engine::general_purpose::STANDARD.encode(text))
}

/// Only what RFC 2047 section 5(3) allows in a phrase stays as it is: such a word may stand anywhere.
fn q_width(byte: u8) -> usize {
    if byte.is_ascii_alphanumeric() || b"!*+-/ ".contains(&byte) { 1 } else { 3 }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_more_readable_form_is_taken() {
        assert_eq!(encode("Käse, 1 kg", 75), ["=?utf-8?q?K=C3=A4se=2C_1_kg?="]);
        assert_eq!(encode("日本", 75), ["=?utf-8?b?5pel5pys?="]);
        assert!(encode("", 75).is_empty());
    }

    #[test]
    fn words_are_read_as_the_rfc_s_examples_and_senders_write_them() {
        for (value, text) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=\r\n   =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            ("=?x-unheard?Q?a?= =?ISO-8859-2?Q?=B1?=", "=?x-unheard?Q?a?= ą"),
            ("=?iso-2022-jp?b?GyRCJUYbKEI=?= =?iso-2022-jp?b?GyRCJTkbKEI=?=", "テス"),
            ("=?utf-8?q?K=C3?= =?UTF-8?b?pHNl?=!", "Käse!"),
            ("=?utf-8*de?q?=C3=A4?=", "ä"),
            ("=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=A4?=", "ää"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?x?a?= =?utf-8?q?a", "=?utf-8?x?a?= =?utf-8?q?a"),
            ("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
            ("plain Käse", "plain Käse"),
        ] {
            assert_eq!(decode(value.as_bytes()), text, "{value:?}");
        }
        assert_eq!(decode(b"K\xe4se"), "Käse");
        assert_eq!(length(b"=?utf-8?q?a,b?= c"), Some(15));
        assert_eq!(length(b"=?utf-8 c"), None);
        for (word, whole) in [("utf-8?q?=C3=A9", true), ("utf-8?q?=C3", false), ("utf-8?b?w6k=", true), ("x-own?q?=C3", true)] {
            assert_eq!(is_whole(format!("=?{word}?=").as_bytes()), whole, "{word}");
        }
    }

    proptest! {
        #[test]
        fn words_are_short_whole_and_read_back(text in "\\PC{1,120}", first in 0usize..80) {
            let words = encode(&text, first);
            for word in &words {
                prop_assert!(word.len() <= 75);
                let broken = decode(word.as_bytes()).contains('\u{fffd}') && !text.contains('\u{fffd}');
                prop_assert!(!broken, "{} splits a character", word);
                prop_assert!(word.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(length(word.as_bytes()), Some(word.len()));
            }
            prop_assert_eq!(decode(words.join("\n ").as_bytes()), text);
        }

        #[test]
        fn no_value_panics(value in proptest::collection::vec(prop_oneof![Just(b'='), Just(b'?'), Just(b'q'), any::<u8>()], 0..60)) {
            let _ = (decode(&value), length(&value));
        }
    }
}

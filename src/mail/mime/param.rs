//! Values with parameters (`Content-Type`, `Content-Disposition`): RFC 2045 section 5.1 with the continuations and character sets of RFC 2231,
//! read with patience and written with care.

use crate::bytes::{charset, encoded_word};
use crate::mail::address_list::quoted_string;
use std::collections::BTreeMap;

/// Parameters, and sections of parameters, that are looked at. The rest of a value is ignored.
const MAX_SECTIONS: usize = 1000;
/// Longest value that is written unfolded; longer ones are continued (RFC 2231 section 3).
const SECTION: usize = 60;

/// Resolved parameters: names in lower case, values as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// `name` in lower case.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A `Content-Type` value: `type/subtype` in lower case. None where the syntax is broken (RFC 2045 section 5.2 says what then).
pub fn content_type(value: &[u8]) -> Option<(String, Params)> {
    let (media, rest) = before_parameters(value);
    let (kind, subtype) = media.split_once('/')?;
    let (kind, subtype) = (kind.trim(), subtype.trim());
    (is_token(kind) && is_token(subtype)).then(|| (format!("{kind}/{subtype}"), params(rest)))
}

/// A `Content-Disposition` value: its type in lower case, empty if it has none.
pub fn disposition(value: &[u8]) -> (String, Params) {
    let (kind, rest) = before_parameters(value);
    (kind.trim().to_owned(), params(rest))
}

/// `token = 1*<any (US-ASCII) CHAR except SPACE, CTLs, or tspecials>`
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
}

/// A parameter as words for a header line, each but the last with its semicolon: a token or quoted string, or the extended and
/// continued form where the value is not plain or is long (RFC 2231 sections 3 and 4).
pub fn write(name: &str, value: &str) -> Vec<String> {
    let printable = value.bytes().all(|b| matches!(b, b' '..=b'~'));
    // Readers take an encoded word for one even where none may stand, and the marks of RFC 2231 for its.
    if printable && value.len() <= SECTION && !value.contains("=?") {
        let plain = if is_token(value) && !value.contains(['%', '\'', '*']) { value.to_owned() } else { quoted_string(value) };
        return vec![format!("{name}={plain}")];
    }
    extended(name, "utf-8", value.char_indices().map(|(at, c)| &value.as_bytes()[at..at + c.len_utf8()]))
}

/// The same for octets, where it is not known what characters they are if they are no UTF-8: exactly those octets, and for readers who
/// cannot make anything of them, what of them is ASCII.
pub fn write_octets(name: &str, value: &[u8]) -> Vec<String> {
    if let Ok(text) = std::str::from_utf8(value) {
        return write(name, text);
    }
    let ascii: String = value.iter().map(|&b| if matches!(b, b' '..=b'~') { char::from(b) } else { '_' }).collect();
    let mut words = if ascii.len() <= SECTION && !ascii.contains("=?") { write(name, &ascii) } else { Vec::new() };
    words.extend(extended(name, charset::UNKNOWN_8BIT, value.chunks(1)));
    words
}

/// `pieces` in the extended form, none of them split.
fn extended<'a>(name: &str, charset: &str, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut sections = vec![format!("{charset}''")];
    for piece in pieces {
        let encoded: String =
            piece.iter().map(|&b| if is_attribute_char(b) { char::from(b).into() } else { format!("%{b:02X}") }).collect();
        match sections.last_mut() {
            Some(section) if section.len() + encoded.len() <= SECTION => section.push_str(&encoded),
            _ => sections.push(encoded),
        }
    }
    match sections.as_slice() {
        [one] => vec![format!("{name}*={one}")],
        many => many.iter().enumerate().map(|(at, section)| format!("{name}*{at}*={section}")).collect(),
    }
}

/// `attribute-char` of RFC 2231 section 7
fn is_attribute_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte)
}

/// What stands before the first semicolon, in lower case and without comments, and what follows it.
fn before_parameters(value: &[u8]) -> (String, &[u8]) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (first, rest) = value.split_at(end);
    (String::from_utf8_lossy(without_comments(first).trim_ascii()).to_ascii_lowercase(), rest)
}

/// A value with each comment in it become a blank (RFC 5322 section 3.2.2); there is none in a quoted string.
pub fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'(', b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest[0] == b'(' {
            out.push(b' ');
            rest = skip_cfws(rest);
        } else {
            let (string, after) = rest.split_at(quoted(rest).1);
            out.extend_from_slice(string);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// One section of a parameter as it stands in the value.
struct Section {
    number: u32,
    extended: bool,
    octets: Vec<u8>,
}

fn params(value: &[u8]) -> Params {
    let mut plain: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut sectioned: BTreeMap<String, Vec<Section>> = BTreeMap::new();
    let mut rest = value;
    for _ in 0..MAX_SECTIONS {
        let Some((name, octets, after)) = parameter(rest) else { break };
        rest = after;
        let mut parts = name.split('*');
        let base = parts.next().unwrap_or_default().to_owned();
        let (second, third) = (parts.next(), parts.next());
        match (second, third) {
            (None, _) => {
                plain.entry(base).or_insert(octets);
            }
            (Some(""), _) => sectioned.entry(base).or_default().push(Section { number: 0, extended: true, octets }),
            (Some(number), third) => {
                let Ok(number) = number.parse() else { continue };
                sectioned.entry(base).or_default().push(Section { number, extended: third.is_some(), octets });
            }
        }
    }
    let mut resolved: BTreeMap<String, String> =
        plain.into_iter().map(|(name, octets)| (name, encoded_word::decode(&octets))).collect();
    // Both forms stand together for the sake of old readers: the extended one says more.
    resolved.extend(sectioned.into_iter().map(|(name, sections)| (name, joined(sections))));
    Params(resolved)
}

/// The sections in their order (RFC 2231 section 3: "in any order"), octets joined before they are read as characters.
fn joined(mut sections: Vec<Section>) -> String {
    sections.sort_by_key(|section| section.number);
    sections.dedup_by_key(|section| section.number);
    let mut label = String::new();
    let mut octets = Vec::new();
    for (at, section) in sections.iter().enumerate() {
        let mut text = section.octets.as_slice();
        if !section.extended {
            octets.extend_from_slice(text);
            continue;
        }
        if at == 0 {
            let mut thirds = text.splitn(3, |&b| b == b'\'');
            if let (Some(set), Some(_language), Some(value)) = (thirds.next(), thirds.next(), thirds.next()) {
                label = String::from_utf8_lossy(set).into_owned();
                text = value;
            }
        }
        percent_decode(text, &mut octets);
    }
    charset::decode_or_guess(&label, &octets).into_owned()
}

/// Appends `text` with each `%` and its two hexadecimal digits as their octet; what is none stays.
pub fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&b| char::from(b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
}

/// `parameter := attribute "=" value` after its semicolon: the name in lower case, the value's octets, and what follows.
fn parameter(value: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let mut rest = value;
    loop {
        rest = skip_cfws(rest);
        match rest.first()? {
            b';' => rest = &rest[1..],
            _ => break,
        }
    }
    let end = rest.iter().position(|&b| b == b'=' || b == b';').unwrap_or(rest.len());
    let name = String::from_utf8_lossy(without_comments(&rest[..end]).trim_ascii()).to_ascii_lowercase();
    if rest.get(end) != Some(&b'=') {
        return Some((name, Vec::new(), &rest[end..]));
    }
    let after = skip_cfws(&rest[end + 1..]);
    if after.first() == Some(&b'"') {
        let (octets, used) = quoted(after);
        return Some((name, octets, after_value(&after[used..])));
    }
    let end = memchr::memchr(b';', after).unwrap_or(after.len());
    let plain = &after[..end];
    let comment = plain.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'(']));
    Some((name, plain[..comment.unwrap_or(plain.len())].trim_ascii().to_vec(), &after[end..]))
}

/// Text between a quoted value and the next semicolon is dropped.
fn after_value(rest: &[u8]) -> &[u8] {
    let rest = skip_cfws(rest);
    &rest[memchr::memchr(b';', rest).unwrap_or(rest.len())..]
}

/// The octets of a quoted string and its length; an unclosed one ends with the value.
fn quoted(text: &[u8]) -> (Vec<u8>, usize) {
    let mut octets = Vec::new();
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                octets.extend(text.get(at));
                at += 1;
            }
            _ => octets.push(byte),
        }
    }
    (octets, at.min(text.len()))
}

/// Blanks and comments; an unclosed comment ends with the value.
fn skip_cfws(text: &[u8]) -> &[u8] {
    let mut depth = 0u32;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => at += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if depth > 0 => {}
            _ => break,
        }
        at += 1;
    }
    &text[at.min(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name_of(value: &str) -> Option<String> {
        disposition(value.as_bytes()).1.value("filename").map(str::to_owned)
    }

    #[test]
    fn types_are_read_in_any_case_with_comments_and_blanks() {
        let (media, params) = content_type(b"Text/Plain ; CharSet = UTF-8 (comment); format=flowed").unwrap();
        assert_eq!(
            (media.as_str(), params.value("charset"), params.value("format")),
            ("text/plain", Some("UTF-8"), Some("flowed"))
        );
        let (media, params) = content_type(b"multipart / mixed (a); boundary=\"a\\\"b;c\" x ; boundary=second").unwrap();
        assert_eq!((media.as_str(), params.value("boundary")), ("multipart/mixed", Some("a\"b;c")));
        for bad in ["", "text", "text/", "/plain", "te xt/plain", "text/plain/x"] {
            assert_eq!(content_type(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn names_as_the_rfc_and_senders_write_them() {
        for (value, name) in [
            ("attachment; filename=a.txt", "a.txt"),
            ("attachment; filename=\"a \\\"b\\\".txt\"", "a \"b\".txt"),
            ("attachment; filename=my file.txt", "my file.txt"),
            ("attachment; filename=\"unclosed", "unclosed"),
            ("attachment; filename*=utf-8'de'K%C3%A4se.txt", "Käse.txt"),
            ("attachment; filename*=iso-8859-1''K%E4se.txt", "Käse.txt"),
            ("attachment; filename*=''K%C3%A4se.txt", "Käse.txt"),
            ("attachment; filename*=koi8-r''%C4.txt", "д.txt"),
            ("attachment; filename*=x-unheard''%C4.txt", "Ä.txt"),
            ("attachment; filename*=unknown-8bit''%C4.txt", "Ä.txt"),
            ("attachment; filename*=utf-8''%C4.txt", "Ä.txt"),
            ("attachment; filename*=euc-jp''%8e.txt; filename=x", "\u{17d}.txt"),
            ("attachment; filename*=K%C3%A4se.txt", "Käse.txt"),
            ("attachment; filename*1=b; filename*0=a", "ab"),
            ("attachment; filename*0*=utf-8''K%C3; filename*1*=%A4; filename*2=se%20", "Käse%20"),
            ("attachment; filename*10=k; filename*9=j; filename*0=a; filename*2=c", "acjk"),
            ("attachment; filename=K_se.txt; filename*=utf-8''K%C3%A4se.txt", "Käse.txt"),
            ("attachment; filename*=utf-8''K%C3%A4se.txt; filename=K_se.txt", "Käse.txt"),
            ("attachment; filename=\"=?utf-8?q?K=C3=A4se?=.txt\"", "Käse.txt"),
            ("attachment; filename=\"Käse.txt\"", "Käse.txt"),
            ("attachment; filename*=utf-8''a%zz%4", "a%zz%4"),
        ] {
            assert_eq!(name_of(value).as_deref(), Some(name), "{value:?}");
        }
        assert_eq!(disposition(b"attachment; filename=\"K\xe4se\"").1.value("filename"), Some("Käse"));
    }

    #[test]
    fn a_hundred_thousand_sections_cost_no_time() {
        let value: String = (0..100_000).map(|n| format!("; filename*{n}=x")).collect();
        assert_eq!(name_of(&format!("attachment{value}")).unwrap().len(), MAX_SECTIONS);
    }

    #[test]
    fn plain_names_are_written_plainly() {
        assert_eq!(write("filename", "a.txt"), ["filename=a.txt"]);
        assert_eq!(write("filename", "a \"b\".txt"), ["filename=\"a \\\"b\\\".txt\""]);
        assert_eq!(write("filename", "it's%20.c"), ["filename=\"it's%20.c\""]);
        assert_eq!(write("filename", "=?utf-8?q?a?=.txt"), ["filename*=utf-8''%3D%3Futf-8%3Fq%3Fa%3F%3D.txt"]);
        assert_eq!(write("filename", "Käse.txt"), ["filename*=utf-8''K%C3%A4se.txt"]);
        assert_eq!(write("filename", &"x".repeat(70)).len(), 2);
        let octets = write_octets("filename", b"K\xe4se.txt");
        assert_eq!(octets, ["filename=K_se.txt", "filename*=unknown-8bit''K%E4se.txt"]);
        let long = write_octets("filename", &[0xe4; 70]);
        assert!(long.len() > 2 && long.iter().all(|word| word.starts_with("filename*") && word.len() <= 76), "{long:?}");
    }

    proptest! {
        #[test]
        fn a_name_that_is_written_reads_back(name in "\\PC{1,120}") {
            let words = write("filename", &name);
            prop_assert!(words.iter().all(|word| word.len() <= 76 && word.is_ascii()));
            let value = format!("attachment; {}", words.join(";\n "));
            prop_assert_eq!(name_of(&value), Some(name));
        }

        #[test]
        fn no_value_panics(value in "([a;=*'\"\\\\()%0 ]|\u{e4}){0,40}") {
            let _ = (content_type(value.as_bytes()), disposition(value.as_bytes()), content_type(format!("a/b;{value}").as_bytes()));
        }
    }
}

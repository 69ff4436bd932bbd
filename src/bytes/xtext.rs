//! `xtext` (RFC 3461 section 4) and its kin for addresses with UTF-8 (RFC 6533 section 3): values of SMTP parameters, which hold neither
//! blanks nor `=`.

use std::fmt::Write;

/// `xtext = *( xchar / hexchar )`, `xchar` being any printable ASCII but `+`, `=` and the blank, `hexchar = "+" 2(%x30-39 / %x41-46)`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => drop(write!(out, "+{byte:02X}")),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "+{byte:02X}")),
        }
    }
    out
}

/// `utf-8-addr-unitext = 1*(QUCHAR / EmbeddedUnicodeChar)`: text beyond ASCII stands for itself, and what a parameter cannot hold is
/// `\x{HEX}`.
pub fn encode_utf8(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '+' | '=' | '\0'..=' ' | '\x7f' => drop(write!(out, "\\x{{{:02X}}}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// The text behind `xtext`; none where it is not, or where it is no UTF-8. Hex digits are capitals (RFC 3461 section 4).
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'+' => {
                let (hex, after) = after.split_at_checked(2)?;
                out.push(u8::try_from(hexadecimal(hex)?).ok()?);
                after
            }
            b'=' => return None,
            b'!'..=b'~' => {
                out.push(byte);
                after
            }
            _ => return None,
        };
    }
    String::from_utf8(out).ok()
}

/// The text behind `utf-8-addr-xtext` or `utf-8-addr-unitext` (RFC 6533 section 3); none where it is neither.
pub fn decode_utf8(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\x{") {
            let (hex, after) = after.split_once('}')?;
            let hex = Some(hex).filter(|hex| (1..=6).contains(&hex.len()))?;
            out.push(char::from_u32(hexadecimal(hex.as_bytes())?)?);
            rest = after;
        } else if matches!(c, '\\' | '+' | '=' | '\0'..=' ' | '\x7f') {
            return None;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(out)
}

/// What is beyond ASCII as `\x{HEX}`: `utf-8-addr-xtext` of `utf-8-addr-unitext`.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => drop(write!(out, "\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digit = |b: &u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(digit))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parameter_cannot_hold_is_encoded() {
        assert_eq!(encode("a+b=c d@x.test"), "a+2Bb+3Dc+20d@x.test");
        assert_eq!(encode("\r\n\u{e4}"), "+0D+0A+C3+A4");
        assert_eq!(encode_utf8("j\u{f6}rg+tag=\\ \r@x.test"), "j\u{f6}rg\\x{2B}tag\\x{3D}\\x{5C}\\x{20}\\x{0D}@x.test");
    }

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_else() {
        for text in ["", "bob", "a+b=c d@x.test", "\r\n\0", "j\u{f6}rg"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
            assert_eq!(decode_utf8(&encode_utf8(text)).as_deref(), Some(text));
            assert_eq!(decode_utf8(&ascii(&encode_utf8(text))).as_deref(), Some(text));
        }
        for bad in ["+", "+4", "+4g", "+2b", "a=b", "a b", "j\u{f6}rg", "+FF"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        for bad in ["\\", "\\x{", "\\x{}", "\\x{D800}", "\\x{1234567}", "a+b", "a b", "a=b"] {
            assert_eq!(decode_utf8(bad), None, "{bad}");
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parameter_cannot_hold_is_encoded() {
        assert_eq!(encode("a+b=c d@x.test"), "a+2Bb+3Dc+20d@x.test");
        assert_eq!(encode("\r\n\u{e4}"), "+0D+0A+C3+A4");
        assert_eq!(encode_utf8("j\u{f6}rg+tag=\\ \r@x.test"), "j\u{f6}rg\\x{2B}tag\\x{3D}\\x{5C}\\x{20}\\x{0D}@x.test");
    }
}

//! Bytes made harmless for a terminal, a log line or a table: what is not printable becomes a visible escape.
//! Knows nothing of protocols.

/// Shows `bytes` on one line: control bytes as `\x1b` (CR, LF and TAB as `\r`, `\n`, `\t`), bytes that are no UTF-8 as `\xff`,
/// and the characters that reorder text (C1 controls, bidi marks, line separators) as `\u{202e}`. A backslash stays itself.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push(&mut out, bytes);
    out
}

/// Appends `bytes` to `out` in that form.
pub fn push(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            out.push_str(text);
        } else {
            text.chars().for_each(|c| push_visible(out, c));
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

/// `text` with a backslash written as `\x5c` where it would look like the start of an escape: what is shown of it by [`visible`] looks like
/// nothing else's.
pub fn distinct(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c == '\\' && text[at + 1..].starts_with(['r', 'n', 't', 'x', 'u']) {
            out.push_str("\\x5c");
        } else {
            out.push(c);
        }
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\r' => out.push_str("\\r"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if c.is_control() || reorders(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}

/// Bidirectional formatting, line and paragraph separators, zero-width and tag characters: they change how the rest of a line is
/// read without being seen.
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{distinct, visible};

    #[test]
    fn what_holds_an_escape_and_what_spells_it_differ() {
        let shown = |text: &str| visible(distinct(text).as_bytes());
        for (text, want) in [
            ("a\x1bb", "a\\x1bb"),
            ("a\\x1bb", "a\\x5cx1bb"),
            ("\\\\u{9b}\\", "\\\\x5cu{9b}\\"),
            ("\u{9b}", "\\u{9b}"),
            ("\\Seen c:\\", "\\Seen c:\\"),
        ] {
            assert_eq!(shown(text), want);
        }
    }

    #[test]
    fn a_hostile_banner_cannot_drive_a_terminal() {
        assert_eq!(visible(b"220 \x1b]0;owned\x07 \xff"), "220 \\x1b]0;owned\\x07 \\xff");
        assert_eq!(visible("a\u{202e}b\u{9b}".as_bytes()), "a\\u{202e}b\\u{9b}");
        assert_eq!(visible("tab\tcr\rlf\nü \\".as_bytes()), "tab\\tcr\\rlf\\nü \\");
    }
}

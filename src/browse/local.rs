//! Names of files made of what others wrote: a sender's file name, a server's mailbox. Always one name in one directory.

/// Longest name, in bytes; file systems take 255.
const LONGEST: usize = 200;

/// A name without a directory: no `/`, no NUL or other control character, nothing that reorders text, no `.` before it. What it was
/// cannot be read from it again.
pub fn name(text: &str) -> String {
    let mut name = String::new();
    for c in text.trim().chars() {
        let c = if c == '/'
            || c == '\\'
            || c.is_control()
            || crate::bytes::escape::visible(c.encode_utf8(&mut [0; 4]).as_bytes()).len() != c.len_utf8()
        {
            '_'
        } else {
            c
        };
        if name.len() + c.len_utf8() > LONGEST {
            break;
        }
        name.push(if name.is_empty() && (c == '.' || c == '-') { '_' } else { c });
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_leaves_the_directory() {
        for (text, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../x", "_._.._x"),
            ("/etc/passwd", "_etc_passwd"),
            ("..", "_."),
            (".", "_"),
            ("", "_"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("a\0b\x1b[2J", "a_b_[2J"),
            ("NIL", "NIL"),
            ("a\u{202e}fdp.exe", "a_fdp.exe"),
            ("C:\\x", "C:_x"),
            ("Entwürfe", "Entwürfe"),
        ] {
            assert_eq!(name(text), safe);
        }
        assert_eq!(name(&"ä".repeat(300)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_name(text in any::<String>()) {
            let name = name(&text);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST && !name.starts_with('.'));
            prop_assert!(!name.contains(['/', '\0', '\n']));
        }
    }
}

//! Bytes as people write them: `\r \n \t \0 \\` and `\xff`.

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEscape {
    #[error("\\{0} is no escape; \\r \\n \\t \\0 \\\\ and \\xff are")]
    Unknown(char),
    #[error("\\x takes two hexadecimal digits")]
    Hex,
    #[error("a backslash at the end escapes nothing")]
    End,
}

/// The bytes of a text; what is no escape stands for itself, in UTF-8.
pub fn unescape(text: &str) -> Result<Vec<u8>, BadEscape> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match chars.next().ok_or(BadEscape::End)? {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let mut digit = || chars.next().and_then(|c| c.to_digit(16)).ok_or(BadEscape::Hex);
                let value = digit()? * 16 + digit()?;
                u8::try_from(value).map_err(|_| BadEscape::Hex)?
            }
            other => return Err(BadEscape::Unknown(other)),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(
            unescape("a\\r\\n\\t\\0\\\\\\xfFü").unwrap(),
            "a\r\n\t\0\\".bytes().chain([0xff]).chain("ü".bytes()).collect::<Vec<u8>>()
        );
        assert_eq!(unescape("\\q"), Err(BadEscape::Unknown('q')));
        assert_eq!(
            (unescape("\\x1"), unescape("\\xg0"), unescape("\\")),
            (Err(BadEscape::Hex), Err(BadEscape::Hex), Err(BadEscape::End))
        );
    }
}

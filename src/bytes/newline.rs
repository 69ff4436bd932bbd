//! Line ends of whole messages: files have LF or CRLF, the wire has CRLF. Knows nothing of headers.

use memchr::{memchr, memchr2};

/// A CR that no LF follows, in this line (counted from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a carriage return without a line feed")]
pub struct LoneCr {
    pub line: u64,
}

/// LF becomes CRLF, CRLF stays, a lone CR is refused. A stream, however it is split.
#[derive(Debug)]
pub struct ToCrlf {
    line: u64,
    after_cr: bool,
}

impl Default for ToCrlf {
    fn default() -> Self {
        ToCrlf { line: 1, after_cr: false }
    }
}

impl ToCrlf {
    /// Appends `bytes` with wire line ends to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), LoneCr> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if self.after_cr && first != b'\n' {
                return Err(LoneCr { line: self.line });
            }
            match first {
                b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    self.line += 1;
                    self.after_cr = false;
                    rest = &rest[1..];
                }
                b'\r' => {
                    self.after_cr = true;
                    rest = &rest[1..];
                }
                _ => {
                    let run = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..run]);
                    rest = &rest[run..];
                }
            }
        }
        Ok(())
    }

    /// The input is at its end.
    pub fn finish(&self) -> Result<(), LoneCr> {
        if self.after_cr { Err(LoneCr { line: self.line }) } else { Ok(()) }
    }
}

/// CRLF becomes LF; every other byte stays, a lone CR too. A stream, however it is split.
#[derive(Debug, Default)]
pub struct ToLf {
    after_cr: bool,
}

impl ToLf {
    /// Appends `bytes` with local line ends to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first != b'\n' {
                out.push(b'\r');
            }
            let run = memchr(b'\r', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..run]);
            self.after_cr = run < rest.len();
            rest = &rest[(run + 1).min(rest.len())..];
        }
    }

    /// The input is at its end: a CR that was held back is due.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.after_cr) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_crlf(pieces: &[&str]) -> Result<String, LoneCr> {
        let (mut newline, mut out) = (ToCrlf::default(), Vec::new());
        for piece in pieces {
            newline.push(piece.as_bytes(), &mut out)?;
        }
        newline.finish()?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn to_lf(pieces: &[&str]) -> String {
        let (mut newline, mut out) = (ToLf::default(), Vec::new());
        for piece in pieces {
            newline.push(piece.as_bytes(), &mut out);
        }
        newline.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wire_form_has_crlf_and_a_lone_cr_is_told_with_its_line() {
        assert_eq!(to_crlf(&["a\nb\r\nc"]).unwrap(), "a\r\nb\r\nc");
        assert_eq!(to_crlf(&["a\r", "\nb"]).unwrap(), "a\r\nb");
        assert_eq!(to_crlf(&["a\nb\rc\n"]), Err(LoneCr { line: 2 }));
        assert_eq!(to_crlf(&["a\nb\r"]), Err(LoneCr { line: 2 }));
        assert_eq!(to_crlf(&["a\r\r\n"]), Err(LoneCr { line: 1 }));
    }

    proptest! {
        #[test]
        fn there_and_back(text in "[a\r\n]{0,20}", at in 0usize..20) {
            let at = at.min(text.len());
            prop_assert_eq!(to_lf(&[&text[..at], &text[at..]]), text.replace("\r\n", "\n"));
            let lf = text.replace('\r', "");
            let at = at.min(lf.len());
            let wire = to_crlf(&[&lf[..at], &lf[at..]]).unwrap();
            prop_assert_eq!(to_lf(&[&wire]), lf);
        }
    }
}

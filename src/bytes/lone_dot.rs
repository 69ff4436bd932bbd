//! A message that ends at a line with nothing but a dot, as people type it to mail programs. Knows nothing of SMTP: there dots are stuffed.

/// Finds the line that ends the message, however the bytes are split.
#[derive(Debug, Default)]
pub struct LoneDot {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    InLine,
    /// Behind a dot that may be alone.
    Dot,
    /// Behind it and a carriage return.
    DotCr,
    Ended,
}

impl LoneDot {
    /// Appends to `out` what of `bytes` stands before that line. True: the message has ended; the line itself is dropped.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in bytes {
            let held: &[u8] = match (self.state, byte) {
                (State::Ended, _) => return true,
                (State::LineStart, b'.') => {
                    self.state = State::Dot;
                    continue;
                }
                (State::Dot, b'\r') => {
                    self.state = State::DotCr;
                    continue;
                }
                (State::Dot | State::DotCr, b'\n') => {
                    self.state = State::Ended;
                    return true;
                }
                (State::Dot, _) => b".",
                (State::DotCr, _) => b".\r",
                (State::LineStart | State::InLine, _) => b"",
            };
            out.extend_from_slice(held);
            out.push(byte);
            self.state = if byte == b'\n' { State::LineStart } else { State::InLine };
        }
        false
    }

    /// The input is at its end: a dot there with nothing behind it ends the message, too.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.state, State::Ended) == State::DotCr {
            out.extend_from_slice(b".\r");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str) -> String {
        let whole = split(text, text.len());
        for at in 0..text.len() {
            assert_eq!(split(text, at), whole, "{text:?} at {at}");
        }
        whole
    }

    fn split(text: &str, at: usize) -> String {
        let (mut dot, mut out) = (LoneDot::default(), Vec::new());
        if !dot.push(&text.as_bytes()[..at], &mut out) && !dot.push(&text.as_bytes()[at..], &mut out) {
            dot.finish(&mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_a_line_of_one_dot_ends_the_message() {
        for (text, kept) in [
            ("a\n.\nb\n", "a\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n"),
            (".\nb", ""),
            ("a\n..\n.b\n. \nc.\n", "a\n..\n.b\n. \nc.\n"),
            ("a\n.", "a\n"),
            ("a\n.\r", "a\n.\r"),
            ("a\n.\rb", "a\n.\rb"),
            ("", ""),
        ] {
            assert_eq!(before(text), kept, "{text:?}");
        }
    }
}

//! mboxrd's quoting: a `>` before every line that is `From ` behind any number of `>`. A stream, however it is cut.

use memchr::memchr;

const FROM: &[u8] = b"From ";
/// A run of `>` so long is no quote of ours: it is let through.
const MOST_ANGLES: usize = 1000;

/// What a line was found to be so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its start: so many `>`, then so many bytes of `From `.
    Start { angles: usize, from: usize },
    /// Further on, where nothing is quoted.
    Inside,
}

#[derive(Debug)]
pub struct FromQuote {
    place: Place,
}

impl Default for FromQuote {
    fn default() -> Self {
        FromQuote { place: Place::Start { angles: 0, from: 0 } }
    }
}

impl FromQuote {
    /// Appends `bytes` to `out`, quoted. The start of a line that may yet turn out to be a `From ` is held back.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            match self.place {
                Place::Inside => {
                    let run = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                    out.extend_from_slice(&rest[..run]);
                    if rest[run - 1] == b'\n' {
                        *self = FromQuote::default();
                    }
                    rest = &rest[run..];
                }
                Place::Start { angles, from } if byte == FROM[from] => {
                    rest = &rest[1..];
                    self.place = Place::Start { angles, from: from + 1 };
                    if from + 1 == FROM.len() {
                        out.push(b'>');
                        self.finish(out);
                        self.place = Place::Inside;
                    }
                }
                Place::Start { angles, from: 0 } if byte == b'>' && angles < MOST_ANGLES => {
                    rest = &rest[1..];
                    self.place = Place::Start { angles: angles + 1, from: 0 };
                }
                Place::Start { .. } => {
                    self.finish(out);
                    self.place = Place::Inside;
                }
            }
        }
    }

    /// The text is at its end: what was held back is due.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Place::Start { angles, from } = std::mem::take(self).place {
            out.resize(out.len() + angles, b'>');
            out.extend_from_slice(&FROM[..from]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(pieces: &[&[u8]]) -> String {
        let (mut quote, mut out) = (FromQuote::default(), Vec::new());
        pieces.iter().for_each(|piece| quote.push(piece, &mut out));
        quote.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn from_lines_are_quoted_however_they_are_cut() {
        let text = b"From a\n>From b\nFro\n>>From\nxFrom c\n\nFrom ";
        for at in 0..=text.len() {
            let out = quoted(&[&text[..at], &text[at..]]);
            assert_eq!(out, ">From a\n>>From b\nFro\n>>From\nxFrom c\n\n>From ", "{at}");
        }
        let many = format!("{}From x\n", ">".repeat(MOST_ANGLES + 1));
        assert_eq!(quoted(&[many.as_bytes()]), many);
    }

    proptest! {
        /// One `>` less on each line that has some before `From ` is the text again.
        #[test]
        fn a_reader_gets_the_text_back(text in "([>\nFx]|From |\n>?From )*", at in 0usize..30) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            let out = quoted(&[&bytes[..at], &bytes[at..]]);
            prop_assert!(out.lines().all(|line| !line.starts_with("From ")));
            let back: Vec<&str> = out
                .split('\n')
                .map(|line| if line.trim_start_matches('>').starts_with("From ") { &line[1..] } else { line })
                .collect();
            prop_assert_eq!(back.join("\n"), text);
        }
    }
}

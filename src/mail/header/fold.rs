//! Header fields written: folded at 76 columns with LF, encoded words where ASCII does not do. A value that could start another field is
//! refused, never repaired.

use crate::bytes::encoded_word;
use crate::mail::address_list::{NamedMailbox, quoted_string};

/// Longest line written, its line end not counted (RFC 2047 section 2 where encoded words are in it).
pub const WIDTH: usize = 76;
/// A word without blanks longer than this is encoded, so that no line passes 998 octets (RFC 5322 section 2.1.1).
const LONGEST_PLAIN: usize = 900;

/// Longest line that may stand in a header, its line end not counted (RFC 5322 section 2.1.1).
const LONGEST_LINE: usize = 998;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("holds a line end or a NUL")]
    LineEnd,
    #[error("is no header field name")]
    Name,
}

/// Refuses CR, LF and NUL: with them, a value could add fields of its own.
pub fn reject_line_ends(value: &str) -> Result<(), FieldError> {
    if value.contains(['\r', '\n', '\0']) { Err(FieldError::LineEnd) } else { Ok(()) }
}

/// `field-name = 1*ftext` (RFC 5322 section 3.6.8).
pub fn field_name(name: &str) -> Result<(), FieldError> {
    let good = !name.is_empty() && name.len() <= WIDTH && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if good { Ok(()) } else { Err(FieldError::Name) }
}

/// Appends `name: value` and a line end, the value being free text (`unstructured`).
pub fn unstructured(name: &str, value: &str, out: &mut String) -> Result<(), FieldError> {
    field_name(name)?;
    reject_line_ends(value)?;
    let mut line = Line::new(name, out);
    let blank_edge = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    match value {
        "" => {}
        _ if blank_edge => line.encoded(value),
        _ => text(value, &mut line),
    }
    line.end();
    Ok(())
}

/// Appends an address field: mailboxes with commas between them, folded at the commas where that is possible.
pub fn mailboxes(name: &str, list: &[NamedMailbox], out: &mut String) -> Result<(), FieldError> {
    field_name(name)?;
    let mut line = Line::new(name, out);
    for (at, entry) in list.iter().enumerate() {
        let comma = if at + 1 < list.len() { "," } else { "" };
        match entry.name.as_deref().filter(|name| !name.is_empty()) {
            None => line.word(&format!("{}{comma}", entry.mailbox)),
            Some(name) => {
                reject_line_ends(name)?;
                phrase(name, &mut line);
                line.word(&format!("<{}>{comma}", entry.mailbox));
            }
        }
    }
    line.end();
    Ok(())
}

/// Appends a field of phrases with commas between them, and `end` behind the last one.
pub fn phrases<'a>(name: &str, list: impl Iterator<Item = &'a str>, end: &str, out: &mut String) -> Result<(), FieldError> {
    field_name(name)?;
    let mut line = Line::new(name, out);
    for (at, one) in list.filter(|one| !one.is_empty()).enumerate() {
        reject_line_ends(one)?;
        // An encoded word has blanks around it (RFC 2047 section 5(3)).
        if at > 0 {
            line.word(",");
        }
        phrase(one, &mut line);
    }
    end.split_ascii_whitespace().for_each(|word| line.word(word));
    line.end();
    Ok(())
}

/// Appends a field whose value is made of words that may stand on lines of their own (a type and its parameters, an identifier).
pub fn words<'a>(name: &str, words: impl IntoIterator<Item = &'a str>, out: &mut String) {
    let mut line = Line::new(name, out);
    words.into_iter().for_each(|word| line.word(word));
    line.end();
}

/// Folds the lines of a field that are longer than 998 octets (RFC 5322 section 2.1.1) at blanks that stand there, so that the field means
/// the same. None where there is none to fold at.
pub fn refold(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len() + 8);
    for line in raw.split_inclusive(|b| *b == b'\n') {
        let mut rest = line;
        while rest.trim_ascii_end().len() > LONGEST_LINE {
            // Neither what stays nor what goes on the next line may be blank.
            let last_word = rest.trim_ascii_end().iter().rposition(|b| matches!(b, b' ' | b'\t'))?;
            let at = rest[..LONGEST_LINE.min(last_word) + 1].iter().rposition(|b| matches!(b, b' ' | b'\t'))?;
            if rest[..at].trim_ascii().is_empty() {
                return None;
            }
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(b"\r\n");
            rest = &rest[at..];
        }
        out.extend_from_slice(rest);
    }
    Some(out)
}

/// Words go as they are, runs of words that ASCII cannot hold as encoded words. Only single blanks are places to fold, so that what is
/// unfolded again is the same text.
fn text(value: &str, line: &mut Line<'_>) {
    let words = split_at_single_blanks(value);
    let mut rest = words.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|word| needs_encoding(word)).count();
        if run == 0 {
            line.word(first);
        } else {
            line.encoded(&rest[..run].join(" "));
        }
        rest = &rest[run.max(1)..];
    }
}

fn split_at_single_blanks(value: &str) -> Vec<&str> {
    let bytes = value.as_bytes();
    let is_blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    let mut words = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b' ', bytes) {
        if at > start && !is_blank(at - 1) && !is_blank(at + 1) {
            words.push(&value[start..at]);
            start = at + 1;
        }
    }
    words.push(&value[start..]);
    words
}

fn needs_encoding(word: &str) -> bool {
    word.contains("=?") || word.len() > LONGEST_PLAIN || !word.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t'))
}

/// `phrase = 1*word`: atoms, else one quoted string, else encoded words.
fn phrase(name: &str, line: &mut Line<'_>) {
    let is_atom =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b));
    if needs_encoding(name) {
        line.encoded(name);
    } else if name.split(' ').all(is_atom) {
        name.split(' ').for_each(|word| line.word(word));
    } else {
        line.word(&quoted_string(name));
    }
}

/// The line that is being written.
struct Line<'a> {
    out: &'a mut String,
    column: usize,
    begun: bool,
}

impl Line<'_> {
    fn new<'a>(name: &str, out: &'a mut String) -> Line<'a> {
        out.push_str(name);
        out.push(':');
        Line { column: name.len() + 1, begun: false, out }
    }

    /// A word after a blank, on a new line if it does not fit. The first stays with the name: a line of blanks alone is obsolete syntax.
    fn word(&mut self, word: &str) {
        if self.begun && self.column + 1 + word.len() > WIDTH {
            self.out.push('\n');
            self.column = 0;
        }
        self.out.push(' ');
        self.out.push_str(word);
        self.column += 1 + word.len();
        self.begun = true;
    }

    fn encoded(&mut self, text: &str) {
        let room = WIDTH.saturating_sub(self.column + 1);
        let first = if self.begun && room < 30 { encoded_word::MAX_WORD } else { room };
        encoded_word::encode(text, first).iter().for_each(|word| self.word(word));
    }

    fn end(self) {
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address_list::named_mailboxes;
    use crate::mail::header::field;
    use proptest::prelude::*;

    fn subject(value: &str) -> String {
        let mut out = String::new();
        unstructured("Subject", value, &mut out).unwrap();
        out
    }

    #[test]
    fn text_is_folded_and_encoded_only_where_it_must_be() {
        assert_eq!(subject("Hi"), "Subject: Hi\n");
        assert_eq!(subject(""), "Subject:\n");
        assert_eq!(subject("eat Käse now"), "Subject: eat =?utf-8?q?K=C3=A4se?= now\n");
        assert_eq!(subject("=?utf-8?q?x?="), "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\n");
        assert_eq!(subject("word ".repeat(20).trim_end()), format!("Subject:{}\n{}\n", " word".repeat(13), " word".repeat(7)));
    }

    #[test]
    fn no_value_starts_another_field() {
        let mut out = String::new();
        for bad in ["x\r\nBcc: y", "x\nBcc: y", "x\r", "x\0"] {
            assert_eq!(unstructured("Subject", bad, &mut out), Err(FieldError::LineEnd));
        }
        for bad in ["", "a b", "a:", "Käse", "a\n"] {
            assert_eq!(unstructured(bad, "x", &mut out), Err(FieldError::Name));
        }
        assert_eq!(out, "");
    }

    #[test]
    fn names_are_atoms_quoted_or_encoded() {
        let list: Vec<NamedMailbox> = [
            (None, "a@b.test"),
            (Some("Bob Smith"), "bob@b.test"),
            (Some("Smith, \"Bob\""), "bob@b.test"),
            (Some("Käse, Bob"), "k@b.test"),
        ]
        .map(|(name, mailbox)| NamedMailbox { name: name.map(str::to_owned), mailbox: mailbox.parse().unwrap() })
        .into();
        let mut out = String::new();
        mailboxes("To", &list, &mut out).unwrap();
        assert_eq!(
            out,
            "To: a@b.test, Bob Smith <bob@b.test>, \"Smith, \\\"Bob\\\"\" <bob@b.test>,\n =?utf-8?q?K=C3=A4se=2C_Bob?= <k@b.test>\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_in_short_lines(value in "([a-z\u{e4}\u{65e5} =?]|[a-z]{1,12}| ){0,80}") {
            let out = subject(&value);
            prop_assert!(out.lines().all(|line| line.len() <= 76 || !line.contains("=?utf-8")), "{}", out);
            prop_assert!(out.lines().all(|line| !line.trim().is_empty()));
            prop_assert_eq!(field(out.as_bytes(), "Subject").unwrap().text(), value);
        }

        #[test]
        fn mailboxes_that_are_written_read_back(names in proptest::collection::vec("\\PC{0,30}", 1..5)) {
            let list: Vec<NamedMailbox> =
                names.iter().map(|name| NamedMailbox { name: Some(name.trim().to_owned()).filter(|n| !n.is_empty()), mailbox: "\"a b\"@x.test".parse().unwrap() }).collect();
            let mut out = String::new();
            mailboxes("To", &list, &mut out).unwrap();
            let value = field(out.as_bytes(), "To").unwrap().value().into_owned();
            let read = named_mailboxes(&value).unwrap();
            prop_assert_eq!(read.len(), list.len());
            for (read, written) in read.iter().zip(&list) {
                prop_assert_eq!(&read.mailbox, &written.mailbox);
                let decoded = read.name.as_ref().map(|name| encoded_word::decode(name.as_bytes()));
                prop_assert_eq!(&decoded, &written.name);
            }
        }
    }
}

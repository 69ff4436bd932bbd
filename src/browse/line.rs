//! One command's line as parts that cannot inject: what a user gave is an atom, a quoted string or a literal, never a line end.

use super::flags::is_atom;
use crate::bytes::escape::visible;
use crate::bytes::mutf7;
use std::path::PathBuf;

/// Longest quoted string that is sent; what is longer goes as a literal.
const MAX_QUOTED: usize = 512;

/// A piece of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is sent: no CR, LF or NUL in it.
    Text(String),
    /// Sent as `literal` (RFC 9051 section 4.3), whatever it holds.
    Literal(Vec<u8>),
    /// A literal whose content stands in a file.
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// RFC 9051 section 9: `CHAR8` has no NUL, and neither has `QUOTED-CHAR`.
    #[error("an argument cannot hold a NUL")]
    Nul,
}

/// What the session's encoding of text allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoding {
    /// UTF-8 may stand in quoted strings, mailbox names among them: IMAP4rev2 or UTF8=ACCEPT was enabled (RFC 9051 section 5.1, RFC 6855
    /// section 3).
    pub utf8: bool,
}

/// A command without its tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    parts: Vec<Part>,
    encoding: Encoding,
}

impl Line {
    pub fn new(command: &str, encoding: Encoding) -> Line {
        Line { parts: vec![Part::Text(command.to_owned())], encoding }
    }

    /// Nothing yet, to be taken up by another line.
    pub fn empty(encoding: Encoding) -> Line {
        Line { parts: Vec::new(), encoding }
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Text of ours, without a space before it: never what a user or a server wrote.
    pub fn push(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// A space where something stands already that is parted from what follows.
    fn space(&mut self) {
        match self.parts.last() {
            None => {}
            Some(Part::Text(text)) if text.is_empty() || text.ends_with([' ', '(']) => {}
            Some(_) => self.push(" "),
        }
    }

    /// A word of ours, parted from what stands before.
    pub fn word(mut self, word: &str) -> Line {
        self.space();
        self.push(word);
        self
    }

    /// All of another line.
    pub fn line(mut self, other: Line) -> Line {
        if !other.is_empty() {
            self.space();
        }
        for part in other.parts {
            match part {
                Part::Text(text) => self.push(&text),
                other => self.parts.push(other),
            }
        }
        self
    }

    /// `astring` (RFC 9051 section 9) for whatever text that is.
    pub fn astring(mut self, text: &str) -> Result<Line, LineError> {
        self.space();
        // An atom NIL would be the nothing that it is not (section 4.5).
        if is_atom(text) && !text.eq_ignore_ascii_case("NIL") {
            self.push(text);
            return Ok(self);
        }
        self.string(text.as_bytes())
    }

    /// `string`: quoted where that is allowed, else a literal.
    fn string(mut self, text: &[u8]) -> Result<Line, LineError> {
        if text.contains(&0) {
            return Err(LineError::Nul);
        }
        let quoted = text.iter().all(|byte| (b' '..=b'~').contains(byte) || (self.encoding.utf8 && !byte.is_ascii()));
        match std::str::from_utf8(text) {
            Ok(text) if quoted && text.len() <= MAX_QUOTED => {
                self.push(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
            }
            _ => self.parts.push(Part::Literal(text.to_vec())),
        }
        Ok(self)
    }

    /// A mailbox by its name: as modified UTF-7 where the session has no UTF-8.
    pub fn mailbox(self, name: &str) -> Result<Line, LineError> {
        if self.encoding.utf8 { self.astring(name) } else { self.astring(&mutf7::encode(name)) }
    }

    /// `list-mailbox`: a mailbox name with `%` and `*`, which mean something there.
    pub fn pattern(mut self, pattern: &str) -> Result<Line, LineError> {
        self.space();
        let text = if self.encoding.utf8 { pattern.to_owned() } else { mutf7::encode(pattern) };
        self.string(text.as_bytes())
    }

    /// `string` for whatever text that is.
    pub fn value(mut self, text: &str) -> Result<Line, LineError> {
        self.space();
        self.string(text.as_bytes())
    }

    /// A literal whose content stands in a file.
    pub fn file(mut self, path: PathBuf) -> Line {
        self.space();
        self.parts.push(Part::File(path));
        self
    }

    /// The same as a `literal8` (RFC 3516 section 7), which may hold NUL.
    pub fn binary_file(mut self, path: PathBuf) -> Line {
        self.space();
        self.push("~");
        self.parts.push(Part::File(path));
        self
    }

    /// With the parenthesis that was opened.
    pub fn closed(mut self) -> Line {
        self.push(")");
        self
    }

    /// The line on one line, literals by their length, as the protocol has it; harmless on a terminal.
    pub fn shown(&self) -> String {
        let shown = self.parts.iter().map(|part| match part {
            Part::Text(text) => visible(text.as_bytes()),
            Part::Literal(bytes) => format!("{{{}}} {}", bytes.len(), visible(bytes)),
            Part::File(path) => format!("{{<{}}}", visible(path.as_os_str().as_encoded_bytes())),
        });
        shown.collect()
    }
}

/// A line as it was typed, without its tag: `{<FILE}` outside of quotes is a literal with that file's content.
pub fn typed(line: &str) -> Line {
    let mut parts = Line::default();
    let (mut quoted, mut rest) = (false, line);
    while let Some(at) = rest.find(['"', '{', '\\']) {
        let (before, from) = rest.split_at(at);
        parts.push(before);
        let file = from.strip_prefix("{<").filter(|_| !quoted).and_then(|from| from.split_once('}'));
        if let Some((path, behind)) = file {
            parts.parts.push(Part::File(PathBuf::from(path)));
            rest = behind;
            continue;
        }
        let escaped = if quoted && from.starts_with('\\') { from.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
        quoted ^= from.starts_with('"');
        parts.push(&from[..1 + escaped]);
        rest = &from[1 + escaped..];
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Encoding = Encoding { utf8: false };
    const UTF8: Encoding = Encoding { utf8: true };

    fn astring(text: &str, encoding: Encoding) -> String {
        Line::new("X", encoding).astring(text).unwrap().shown()
    }

    #[test]
    fn arguments_are_atoms_strings_or_literals() {
        assert_eq!(astring("bob", PLAIN), "X bob");
        assert_eq!(astring("", PLAIN), "X \"\"");
        assert_eq!(astring("two words", PLAIN), "X \"two words\"");
        assert_eq!(astring("a\"b\\c", PLAIN), "X \"a\\\"b\\\\c\"");
        assert_eq!(astring("nil", PLAIN), "X \"nil\"");
        assert_eq!(astring("Jörg", PLAIN), "X {5} Jörg");
        assert_eq!(astring("Jörg", UTF8), "X \"Jörg\"");
        assert_eq!(astring(&"x y".repeat(200), PLAIN)[..8], *"X {600} ");
    }

    #[test]
    fn a_line_end_in_an_argument_is_a_literal_and_nul_is_refused() {
        let line = Line::new("SELECT", PLAIN).astring("x\r\na LOGOUT").unwrap();
        assert_eq!(line.parts()[1], Part::Literal(b"x\r\na LOGOUT".to_vec()));
        assert_eq!(line.shown(), "SELECT {11} x\\r\\na LOGOUT");
        assert_eq!(Line::new("SELECT", PLAIN).astring("a\0b"), Err(LineError::Nul));
    }

    #[test]
    fn mailboxes_have_the_session_s_encoding() {
        let mailbox = |name, encoding| Line::new("SELECT", encoding).mailbox(name).unwrap().shown();
        assert_eq!(mailbox("Entwürfe", PLAIN), "SELECT Entw&APw-rfe");
        assert_eq!(mailbox("Entwürfe", UTF8), "SELECT \"Entwürfe\"");
        assert_eq!(mailbox("R&D", PLAIN), "SELECT R&-D");
        assert_eq!(mailbox("x\r\ny", PLAIN), "SELECT x&AA0ACg-y");
        assert_eq!(Line::new("LIST \"\"", PLAIN).pattern("a/%").unwrap().shown(), "LIST \"\" \"a/%\"");
    }

    #[test]
    fn a_typed_line_takes_literals_from_files() {
        let line = typed("APPEND x {<a b.eml} \"{<no}\\\"\" {3}");
        assert_eq!(
            line.parts(),
            [Part::Text("APPEND x ".to_owned()), Part::File("a b.eml".into()), Part::Text(" \"{<no}\\\"\" {3}".to_owned())]
        );
        assert_eq!(typed("NOOP").shown(), "NOOP");
        assert_eq!(typed("x {<open").shown(), "x {<open");
        assert_eq!(typed("x \"open \\").shown(), "x \"open \\");
    }

    proptest! {
        #[test]
        fn nothing_injects(text in any::<String>(), utf8 in any::<bool>()) {
            let encoding = Encoding { utf8 };
            let line = Line::new("X", encoding).astring(&text).and_then(|line| line.mailbox(&text)).and_then(|line| line.pattern(&text));
            let Ok(line) = line else { prop_assert!(text.contains('\0')); return Ok(()) };
            for part in line.parts() {
                if let Part::Text(text) = part {
                    prop_assert!(!text.contains(['\r', '\n', '\0']), "{:?}", text);
                    prop_assert!(utf8 || text.is_ascii());
                }
            }
        }

        #[test]
        fn a_typed_line_loses_nothing(line in "[a-z\"\\\\{<} ]{0,30}") {
            let shown: String = typed(&line).parts().iter().map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::File(path) => format!("{{<{}}}", path.display()),
                Part::Literal(_) => unreachable!(),
            }).collect();
            prop_assert_eq!(shown, line);
        }
    }
}

//! The tokenizer under every response: a cursor over one response's bytes, with functions named after the ABNF rules of RFC 9051 section 9.
//! Tolerant where servers differ and nothing is lost by it: any case, more than one blank, 8-bit bytes, LF for CRLF behind a literal's
//! length, leading zeros.

use std::fmt;

/// Why bytes are not what a rule wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Where in the response's raw bytes.
    pub at: usize,
    pub wanted: &'static str,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} expected at octet {}", self.wanted, self.at + 1)
    }
}

pub type Parsed<T> = Result<T, Syntax>;

/// A literal whose octets went to the work above and are not among the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// The place in the raw bytes: right behind the CRLF of its length.
    pub at: usize,
    /// Octets.
    pub len: u64,
}

/// Octets of a message, or of something that may be as long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    Nil,
    Held(Vec<u8>),
    /// It went ahead, as the literal of this number within the response, from 0.
    Streamed {
        literal: usize,
        len: u64,
    },
}

/// A cursor over one response.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    streamed: &'a [Streamed],
}

/// `ATOM-CHAR = <any CHAR except atom-specials>` (RFC 9051 section 9), and 8-bit octets.
pub fn is_atom_char(byte: u8) -> bool {
    !matches!(byte, b'(' | b')' | b'{' | b' ' | b'%' | b'*' | b'"' | b'\\' | b']') && !byte.is_ascii_control()
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials` (RFC 9051 section 9).
pub fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

impl<'a> Scanner<'a> {
    /// Over `bytes` without the CRLF at their end.
    pub fn new(bytes: &'a [u8], streamed: &'a [Streamed]) -> Scanner<'a> {
        Scanner { bytes, at: 0, streamed }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Back to a place where the cursor was.
    pub fn back_to(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    pub fn fail<T>(&self, wanted: &'static str) -> Parsed<T> {
        Err(Syntax { at: self.at, wanted })
    }

    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What was passed since the cursor was at `from`.
    pub fn since(&self, from: usize) -> &'a [u8] {
        self.bytes.get(from..self.at).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub fn char(&mut self, byte: u8, wanted: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { self.fail(wanted) }
    }

    /// `SP`, and what servers put more of.
    pub fn sp(&mut self) -> Parsed<()> {
        self.char(b' ', "a blank")?;
        self.blanks();
        Ok(())
    }

    /// Blanks, or none.
    pub fn blanks(&mut self) {
        while self.eat(b' ') {}
    }

    /// Nothing but blanks to the end.
    pub fn end(&mut self) -> Parsed<()> {
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { self.fail("the end of the response") }
    }

    /// Passes `word` in any case, where it is a whole word.
    pub fn keyword(&mut self, word: &str) -> bool {
        let Some((head, rest)) = self.rest().split_at_checked(word.len()) else { return false };
        let whole = rest.first().is_none_or(|byte| !is_atom_char(*byte));
        let found = whole && head.eq_ignore_ascii_case(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    /// Passes these bytes in any case, whatever follows.
    pub fn prefix(&mut self, text: &str) -> bool {
        let found = self.rest().get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()));
        if found {
            self.at += text.len();
        }
        found
    }

    pub fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let len = rest.iter().position(|byte| !fits(*byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// `atom = 1*ATOM-CHAR`
    pub fn atom(&mut self) -> Parsed<&'a [u8]> {
        let atom = self.take_while(is_atom_char);
        if atom.is_empty() { self.fail("an atom") } else { Ok(atom) }
    }

    /// An atom that names something, in capitals.
    pub fn name(&mut self) -> Parsed<String> {
        self.atom().map(|atom| String::from_utf8_lossy(atom).to_ascii_uppercase())
    }

    /// `number64 = 1*DIGIT` (an unsigned 63-bit integer; 64 bits are taken)
    pub fn number64(&mut self) -> Parsed<u64> {
        let at = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        number.ok_or(Syntax { at, wanted: "a number" })
    }

    /// `number = 1*DIGIT` (an unsigned 32-bit integer)
    pub fn number(&mut self) -> Parsed<u32> {
        let at = self.at;
        let number = self.number64()?;
        u32::try_from(number).map_err(|_| Syntax { at, wanted: "a number of 32 bits" })
    }

    /// `nz-number = digit-nz *DIGIT`
    pub fn nz_number(&mut self) -> Parsed<u32> {
        let at = self.at;
        match self.number()? {
            0 => Err(Syntax { at, wanted: "a number above 0" }),
            number => Ok(number),
        }
    }

    /// A count that some servers do not know: `-1` and `NIL` are none.
    pub fn count(&mut self) -> Parsed<Option<u64>> {
        if self.eat(b'-') {
            self.number64()?;
            return Ok(None);
        }
        if self.nil() { Ok(None) } else { self.number64().map(Some) }
    }

    /// `nil = "NIL"`
    pub fn nil(&mut self) -> bool {
        self.keyword("NIL")
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`; behind a backslash any character stands for itself.
    pub fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.char(b'"', "a quoted string")?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n')));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte) if !matches!(byte, b'\r' | b'\n') => text.push(byte),
                        _ => return self.fail("a character behind the backslash"),
                    }
                    self.at += 1;
                }
                _ => return self.fail("the end of the quoted string"),
            }
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8` and `literal8 = "~{" number64 ["+"] "}" CRLF *OCTET` (RFC 9051 section 9).
    pub fn literal(&mut self) -> Parsed<Data> {
        self.eat(b'~');
        self.char(b'{', "a literal")?;
        let len = self.number64()?;
        let _ = self.eat(b'+') || self.eat(b'-');
        self.char(b'}', "the end of the literal's length")?;
        self.eat(b'\r');
        self.char(b'\n', "a line end behind the literal's length")?;
        let literal = self.streamed.partition_point(|streamed| streamed.at < self.at);
        if let Some(Streamed { at, len }) = self.streamed.get(literal)
            && *at == self.at
        {
            return Ok(Data::Streamed { literal, len: *len });
        }
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let Some(octets) = end.and_then(|end| self.bytes.get(self.at..end)) else { return self.fail("the literal's octets") };
        self.at += octets.len();
        Ok(Data::Held(octets.to_vec()))
    }

    fn is_literal(&self) -> bool {
        matches!(self.rest(), [b'{', ..] | [b'~', b'{', ..])
    }

    /// `string = quoted / literal`; a literal that is so long that it was not held is none here.
    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        if !self.is_literal() {
            return self.quoted();
        }
        let at = self.at;
        match self.literal()? {
            Data::Held(octets) => Ok(octets),
            Data::Nil | Data::Streamed { .. } => Err(Syntax { at, wanted: "a shorter literal" }),
        }
    }

    /// `nstring = string / nil`
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.nil() { Ok(None) } else { self.string().map(Some) }
    }

    /// An nstring that may be of any length.
    pub fn data(&mut self) -> Parsed<Data> {
        if self.nil() {
            Ok(Data::Nil)
        } else if self.is_literal() {
            self.literal()
        } else {
            self.quoted().map(Data::Held)
        }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(byte) if is_astring_char(byte) && !self.is_literal() => Ok(self.take_while(is_astring_char).to_vec()),
            _ => self.string(),
        }
    }

    /// An astring where servers send a number or NIL, too.
    pub fn nastring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.nil() { Ok(None) } else { self.astring().map(Some) }
    }

    /// `"(" [item *(SP item)] ")"`, with blanks where they should not be, or none where they should.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.char(b'(', "a list")?;
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.eat(b')') {
                return Ok(items);
            }
            items.push(item(self)?);
        }
    }

    /// `*(SP item)` to the end of the response.
    pub fn items_to_end<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.rest().is_empty() {
                return Ok(items);
            }
            items.push(item(self)?);
        }
    }

    /// `tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"` (RFC 9051 section 9), or whatever else has balanced parentheses, passed
    /// and given raw.
    pub fn value(&mut self) -> Parsed<&'a [u8]> {
        let from = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'(') => {
                    self.at += 1;
                    depth += 1;
                }
                Some(b')') if depth > 0 => {
                    self.at += 1;
                    depth -= 1;
                }
                Some(b'"') => {
                    self.quoted()?;
                }
                Some(b' ') if depth > 0 => self.blanks(),
                Some(_) if self.is_literal() => {
                    self.literal()?;
                }
                Some(byte) if !matches!(byte, b' ' | b')' | b'\r' | b'\n') => {
                    self.at += 1;
                    self.take_while(|byte| !matches!(byte, b' ' | b'(' | b')' | b'"' | b'{' | b'~' | b'\r' | b'\n'));
                    if depth == 0 && self.peek().is_some_and(|byte| matches!(byte, b'(' | b'"' | b'{' | b'~')) {
                        continue;
                    }
                }
                _ => return self.fail("a value"),
            }
            if depth == 0 {
                return Ok(self.since(from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &[u8]) -> Scanner<'_> {
        Scanner::new(text, &[])
    }

    #[test]
    fn strings_in_every_form() {
        for (text, want) in [
            (&b"INBOX"[..], Some(&b"INBOX"[..])),
            (b"a]b", Some(b"a]b")),
            (b"\"a b\"", Some(b"a b")),
            (b"\"a\\\"b\\\\\"", Some(b"a\"b\\")),
            (b"\"\"", Some(b"")),
            (b"{3}\r\na\rb", Some(b"a\rb")),
            (b"{003}\r\nabc", Some(b"abc")),
            (b"{3+}\nabc", Some(b"abc")),
            (b"~{2}\r\n\0\0", Some(b"\0\0")),
            (b"{0}\r\n", Some(b"")),
            (b"NIL", Some(b"NIL")),
            (b"{4}\r\nabc", None),
            (b"{99999999999999999999}\r\nabc", None),
            (b"\"abc", None),
            (b"\"abc\r\n\"", None),
            (b"", None),
            (b"(a)", None),
        ] {
            assert_eq!(scan(text).astring().ok().as_deref(), want, "{}", text.escape_ascii());
        }
    }

    /// RFC 9051 section 4.5: NIL, the empty string and a thing named NIL are three.
    #[test]
    fn nil_is_not_empty_and_not_a_name() {
        assert_eq!(scan(b"nil").nstring(), Ok(None));
        assert_eq!(scan(b"\"\"").nstring(), Ok(Some(Vec::new())));
        assert_eq!(scan(b"\"NIL\"").nstring(), Ok(Some(b"NIL".to_vec())));
        assert_eq!(scan(b"NIL").astring(), Ok(b"NIL".to_vec()));
        assert!(!scan(b"NILS").nil());
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(scan(b"012").number(), Ok(12));
        assert_eq!(scan(b"4294967297").number().ok(), None);
        assert_eq!(scan(b"4294967297").number64(), Ok(4_294_967_297));
        assert_eq!(scan(b"18446744073709551616").number64().ok(), None);
        assert_eq!((scan(b"-1").count(), scan(b"NIL").count(), scan(b"7").count()), (Ok(None), Ok(None), Ok(Some(7))));
        assert_eq!(scan(b"0").nz_number(), Err(Syntax { at: 0, wanted: "a number above 0" }));
    }

    #[test]
    fn a_value_of_any_form_is_passed() {
        for (text, want) in [
            (&b"12 x"[..], Some(&b"12"[..])),
            (b"(a (b \"c )\") {2}\r\n)) d) x", Some(b"(a (b \"c )\") {2}\r\n)) d)")),
            (b"X-NAME[a]<0> y", Some(b"X-NAME[a]<0>")),
            (b"(a", None),
            (b")", None),
            (b"", None),
        ] {
            assert_eq!(scan(text).value().ok(), want, "{}", text.escape_ascii());
        }
        let deep = [b"(".repeat(100_000), b")".repeat(100_000)].concat();
        assert_eq!(scan(&deep).value().map(<[u8]>::len), Ok(200_000));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in proptest::collection::vec(any::<u8>().prop_filter("no line end", |b| !b"\r\n".contains(b)), 0..40)) {
            let mut quoted = vec![b'"'];
            for byte in &text {
                if matches!(byte, b'"' | b'\\') {
                    quoted.push(b'\\');
                }
                quoted.push(*byte);
            }
            quoted.push(b'"');
            prop_assert_eq!(scan(&quoted).string(), Ok(text));
        }
    }
}

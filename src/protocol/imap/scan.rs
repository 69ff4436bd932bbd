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

/// Most octets of memory that what is read of one response may come to, as [`Scanner::spend`] counts them. What is beyond that cannot be read,
/// and is kept raw.
pub const MEMORY: usize = 4 << 20;
/// What an allocation takes beside its octets.
pub const ALLOCATION: usize = 32;
/// A text is held several times until it is shown: as it came, as characters, as a part of a row, and as the row's line.
const COPIES: usize = 4;

/// A cursor over one response.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    streamed: &'a [Streamed],
    /// Octets that are left of [`MEMORY`].
    room: usize,
}

/// A place where a cursor was, and what was left of its memory there.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: usize,
    room: usize,
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
        Scanner { bytes, at: 0, streamed, room: MEMORY }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Back to a place where the cursor was.
    pub fn back_to(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    pub fn mark(&self) -> Mark {
        Mark { at: self.at, room: self.room }
    }

    /// Back to where that was made: what was read since is dropped, and costs nothing.
    pub fn back_to_mark(&mut self, mark: Mark) {
        (self.at, self.room) = (mark.at, mark.room);
    }

    /// Takes this from [`MEMORY`]: a response of a few octets a thing must not come to a hundred times its length.
    pub fn spend(&mut self, octets: usize) -> Parsed<()> {
        match self.room.checked_sub(octets) {
            Some(room) => self.room = room,
            None => return self.fail("a response that takes less memory"),
        }
        Ok(())
    }

    /// Takes a text's share of the memory.
    pub fn spend_text(&mut self, len: usize) -> Parsed<()> {
        self.spend(len.saturating_mul(COPIES).saturating_add(ALLOCATION))
    }

    pub fn copy(&mut self, octets: &[u8]) -> Parsed<Vec<u8>> {
        self.spend_text(octets.len())?;
        Ok(octets.to_vec())
    }

    /// Puts `item` to `items`, which grow by doubling.
    pub fn keep<T>(&mut self, items: &mut Vec<T>, item: T) -> Parsed<()> {
        self.spend(2 * size_of::<T>())?;
        items.push(item);
        Ok(())
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

    /// Over what was looked at in [`Scanner::rest`].
    pub fn skip(&mut self, octets: usize) {
        self.at = (self.at + octets).min(self.at + self.rest().len());
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
        let atom = self.atom()?;
        self.spend_text(atom.len())?;
        Ok(String::from_utf8_lossy(atom).to_ascii_uppercase())
    }

    /// An atom as text.
    pub fn word(&mut self) -> Parsed<String> {
        let atom = self.atom()?;
        self.spend_text(atom.len())?;
        Ok(String::from_utf8_lossy(atom).into_owned())
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
        self.spend(ALLOCATION)?;
        loop {
            let piece = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n'));
            self.spend((piece.len() + 1) * COPIES)?;
            text.extend_from_slice(piece);
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
        self.copy(octets).map(Data::Held)
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
            Some(byte) if is_astring_char(byte) && !self.is_literal() => {
                let text = self.take_while(is_astring_char);
                self.copy(text)
            }
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
            let item = item(self)?;
            self.keep(&mut items, item)?;
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
            let item = item(self)?;
            self.keep(&mut items, item)?;
        }
    }

    /// `tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"` (RFC 9051 section 9), or whatever else has balanced parentheses, passed
    /// and given raw.
    pub fn value(&mut self) -> Parsed<&'a [u8]> {
        let (from, room) = (self.at, self.room);
        let mut depth = 0_usize;
        loop {
            // Nothing of it is kept.
            self.room = room;
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
                self.room = room;
                return Ok(self.since(from));
            }
        }
    }
}

#[cfg(test)]
mod tests;

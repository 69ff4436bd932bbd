//! The server's bytes cut into responses. A response is lines with literals between them; short literals are held with the text, long ones
//! and those of message bodies pass through in pieces, so that a message of any length costs constant memory. Work is linear in the bytes,
//! however they are split, and a length that a server names allocates nothing.

use super::fetch::{Item, item};
use super::parts::Parts;
use super::response::Raw;
use super::scan::{Scanner, Streamed};

/// Longest text of one response, its short literals counted in, in octets.
pub const MAX_RESPONSE: usize = 4 << 20;
/// The same before anybody is logged in: a greeting, capabilities, a challenge.
pub const MAX_GREETING: usize = 64 * 1024;
/// Longest literal that is held, in octets.
pub const MAX_HELD: u64 = 64 * 1024;
/// Octets looked at in one go, and most of a piece of a literal.
const STRIDE: usize = 32 * 1024;

/// Why the bytes can't be cut into responses any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFraming {
    #[error("a response goes on beyond {0} octets")]
    Endless(usize),
    #[error("a literal of more octets than there are")]
    Length,
}

/// A literal that passes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which of the response's, from 0: [`super::scan::Data::Streamed`] names it so.
    pub literal: usize,
    /// Octets.
    pub len: u64,
    /// The message sequence number, of a FETCH.
    pub sequence: Option<u32>,
    /// The message's UID, where it stands before the literal; it may come behind it.
    pub uid: Option<u32>,
    /// What it is of the message; none outside FETCH.
    pub item: Option<Item>,
    /// The response's raw text since its beginning or the streamed literal before.
    pub before: Vec<u8>,
}

/// What the bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Begin(Box<Opened>),
    /// Octets of the literal that was begun.
    Data(Vec<u8>),
    End,
    /// A response is complete; its streamed literals went before.
    Response(Raw),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Line,
    /// Octets of a held literal are due.
    Held(usize),
    /// Octets of a streamed one.
    Streamed(u64),
}

/// Cuts bytes into frames.
#[derive(Debug)]
pub struct Framing {
    /// Most octets of a response's text, short literals counted in.
    pub longest: usize,
    raw: Raw,
    state: State,
    /// Where the text since the last literal begins.
    line: usize,
    /// Where the raw text that no [`Opened`] has told yet begins.
    told: usize,
    outline: Outline,
    parts: Parts,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing {
            longest: MAX_RESPONSE,
            raw: Raw::default(),
            state: State::Line,
            line: 0,
            told: 0,
            outline: Outline::default(),
            parts: Parts::default(),
        }
    }
}

impl Framing {
    /// Takes bytes up to the first frame; gives how many.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Result<Frame, BadFraming>>) {
        match self.state {
            State::Line => self.text(bytes),
            State::Held(due) => {
                let used = bytes.len().min(due);
                self.raw.bytes.extend_from_slice(&bytes[..used]);
                self.state = if used == due { self.next_line() } else { State::Held(due - used) };
                (used, None)
            }
            State::Streamed(0) => {
                self.state = self.next_line();
                (0, Some(Ok(Frame::End)))
            }
            State::Streamed(due) => {
                let used = bytes.len().min(STRIDE).min(usize::try_from(due).unwrap_or(usize::MAX));
                self.state = State::Streamed(due - used as u64);
                (used, (used > 0).then(|| Ok(Frame::Data(bytes[..used].to_vec()))))
            }
        }
    }

    /// A frame is due without another byte: the end of a literal.
    pub fn is_due(&self) -> bool {
        matches!(self.state, State::Streamed(0))
    }

    /// Nothing of a response was taken.
    pub fn is_between(&self) -> bool {
        self.raw.bytes.is_empty() && matches!(self.state, State::Line)
    }

    /// Octets of a literal pass through.
    pub fn is_in_literal(&self) -> bool {
        matches!(self.state, State::Streamed(_))
    }

    fn next_line(&mut self) -> State {
        self.line = self.raw.bytes.len();
        State::Line
    }

    fn text(&mut self, bytes: &[u8]) -> (usize, Option<Result<Frame, BadFraming>>) {
        let bytes = &bytes[..bytes.len().min(STRIDE)];
        let end = memchr::memchr(b'\n', bytes);
        let used = end.map_or(bytes.len(), |at| at + 1);
        if self.raw.bytes.len() + used > self.longest {
            return (used, Some(Err(BadFraming::Endless(self.longest))));
        }
        self.raw.bytes.extend_from_slice(&bytes[..used]);
        let frame = if end.is_some() { self.line_end() } else { self.part().map(Ok) };
        (used, frame)
    }

    fn part(&mut self) -> Option<Frame> {
        let bytes = if self.line == 0 { self.parts.take(&mut self.raw.bytes)? } else { return None };
        Some(Frame::Response(Raw { bytes, streamed: Vec::new(), continues: true }))
    }

    fn line_end(&mut self) -> Option<Result<Frame, BadFraming>> {
        let text_end = self.line + without_line_end(&self.raw.bytes[self.line..]);
        let text = &self.raw.bytes[self.line..text_end];
        let literal = length_at_end(text);
        let length_at = literal.map_or(text_end, |(at, _)| self.line + at);
        self.outline.pass(&self.raw.bytes[..length_at], self.line);
        let Some((_, len)) = literal.filter(|_| self.outline.may_have_literals()) else {
            let mut raw = std::mem::take(&mut self.raw);
            raw.bytes.truncate(text_end);
            *self = Framing { longest: self.longest, ..Framing::default() };
            return Some(Ok(Frame::Response(raw)));
        };
        let Some(len) = len else { return Some(Err(BadFraming::Length)) };
        let item = self.outline.item(&self.raw.bytes);
        let long = item.as_ref().is_some_and(Item::is_long);
        match usize::try_from(len) {
            Ok(due) if len <= MAX_HELD && !long && self.raw.bytes.len() + due <= self.longest => {
                self.state = if due == 0 { self.next_line() } else { State::Held(due) };
                None
            }
            _ => {
                let at = self.raw.bytes.len();
                let opened = Opened {
                    literal: self.raw.streamed.len(),
                    len,
                    sequence: self.outline.sequence,
                    uid: self.outline.uid,
                    item,
                    before: self.raw.bytes[self.told..].to_vec(),
                };
                self.raw.streamed.push(Streamed { at, len });
                self.told = at;
                self.state = State::Streamed(len);
                Some(Ok(Frame::Begin(Box::new(opened))))
            }
        }
    }
}

fn without_line_end(bytes: &[u8]) -> usize {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    text.strip_suffix(b"\r").unwrap_or(text).len()
}

/// `"{" number64 ["+"] "}"` at the end of a line: where it begins, a `~` before it included, and the length, none where it is beyond 64 bits.
fn length_at_end(text: &[u8]) -> Option<(usize, Option<u64>)> {
    let inside = text.strip_suffix(b"}")?;
    let digits_end = inside.len() - usize::from(matches!(inside.last(), Some(b'+' | b'-')));
    // More digits than any length has, zeros in front included.
    let from = digits_end.saturating_sub(64);
    let open = from + inside[from..digits_end].iter().rposition(|byte| !byte.is_ascii_digit())?;
    let digits = &inside[open + 1..digits_end];
    if inside[open] != b'{' || digits.is_empty() {
        return None;
    }
    let len = std::str::from_utf8(digits).ok()?.parse().ok();
    let at = open - usize::from(open > 0 && inside[open - 1] == b'~');
    Some((at, len))
}

/// What of a response has to be known before it is complete: whether a length at a line's end is one, and what of which message the literal
/// is.
#[derive(Debug, Default)]
struct Outline {
    kind: Kind,
    sequence: Option<u32>,
    uid: Option<u32>,
    /// Open parentheses, and brackets of a section.
    depth: usize,
    in_section: bool,
    /// The last word between the outer parentheses, and whether it goes on.
    word: (usize, usize),
    in_word: bool,
    /// That word was UID.
    after_uid: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    /// Text for people, where braces mean nothing; with a code in brackets that is open, not yet.
    Text {
        in_code: bool,
    },
    Fetch,
    Other,
}

impl Outline {
    fn may_have_literals(&self) -> bool {
        self.kind != Kind::Text { in_code: false }
    }

    /// `raw` goes as far as the text before a line end or a literal's length; what is new begins at `from`.
    fn pass(&mut self, raw: &[u8], from: usize) {
        let mut from = from;
        if self.kind == Kind::Unknown {
            from = self.begin(raw);
        }
        match self.kind {
            Kind::Fetch => self.attributes(raw, from),
            Kind::Text { in_code: true } => self.kind = Kind::Text { in_code: !closes_bracket(&raw[from..]) },
            _ => {}
        }
    }

    /// The response's first words; gives where they end.
    fn begin(&mut self, raw: &[u8]) -> usize {
        let mut s = Scanner::new(raw, &[]);
        if s.eat(b'+') {
            self.kind = Kind::Text { in_code: false };
            return s.at();
        }
        s.take_while(|byte| byte != b' ');
        s.blanks();
        if let Ok(number) = s.number() {
            s.blanks();
            self.kind = if s.keyword("FETCH") { Kind::Fetch } else { Kind::Other };
            self.sequence = (self.kind == Kind::Fetch).then_some(number);
            return s.at();
        }
        let is_status = ["OK", "NO", "BAD", "BYE", "PREAUTH"].iter().any(|name| s.keyword(name));
        s.blanks();
        self.kind = if is_status { Kind::Text { in_code: s.peek() == Some(b'[') } } else { Kind::Other };
        s.at()
    }

    /// Words between the outer parentheses of a FETCH.
    fn attributes(&mut self, raw: &[u8], from: usize) {
        let mut quoted = false;
        let mut at = from;
        while let Some(&byte) = raw.get(at) {
            match byte {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b']' if self.in_section => self.in_section = false,
                _ if self.in_section => {}
                b'[' if self.depth == 1 => self.in_section = true,
                b'(' => {
                    self.word_end(raw, at);
                    self.depth += 1;
                }
                b')' => {
                    self.word_end(raw, at);
                    self.depth = self.depth.saturating_sub(1);
                }
                b' ' => self.word_end(raw, at),
                _ => {}
            }
            if self.depth == 1 && !self.in_word && !matches!(byte, b' ' | b'(' | b')') {
                self.in_word = true;
                self.word.0 = at;
            }
            at += 1;
        }
        // A literal that is a value ends the word before it; one in a section does not.
        if !self.in_section {
            self.word_end(raw, raw.len());
        }
    }

    fn word_end(&mut self, raw: &[u8], at: usize) {
        if !std::mem::take(&mut self.in_word) {
            return;
        }
        self.word.1 = at;
        let word = raw.get(self.word.0..at).unwrap_or_default();
        if self.after_uid {
            self.uid = Scanner::new(word, &[]).nz_number().ok();
        }
        self.after_uid = word.eq_ignore_ascii_case(b"UID");
    }

    /// What the literal is whose length ends here.
    fn item(&self, raw: &[u8]) -> Option<Item> {
        if self.kind != Kind::Fetch || self.in_section || self.depth != 1 {
            return None;
        }
        item(&mut Scanner::new(raw.get(self.word.0..self.word.1)?, &[])).ok()
    }
}

fn closes_bracket(text: &[u8]) -> bool {
    let mut quoted = false;
    text.iter().any(|byte| {
        quoted ^= *byte == b'"';
        *byte == b']' && !quoted
    })
}

#[cfg(test)]
mod tests;

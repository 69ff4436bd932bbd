//! What to search for, in people's words, as SEARCH keys (RFC 9051 section 6.4.4): `from alice and since 2026-01-01 and not seen`.

use super::day::{self, DayError};
use super::flags::{Flag, FlagError, is_atom};
use super::line::{Encoding, Line, LineError};
use super::set::{Set, SetError};
use super::words::{self, Parens, Word, WordError};
use crate::protocol::imap::capabilities::Capabilities;
use jiff::civil::Date;

/// How deep parentheses and `not` may nest: servers have limits of their own, and recursion has one here.
const MAX_DEPTH: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriteriaError {
    #[error("{0}: no search key{1}; `help search` lists them")]
    Key(String, String),
    #[error("{0} wants a value behind it")]
    Value(String),
    #[error("nothing stands {0}")]
    Nothing(&'static str),
    #[error("a ) without its (")]
    Unopened,
    #[error("a ( without its )")]
    Unclosed,
    #[error("more than {MAX_DEPTH} levels")]
    Deep,
    #[error("{0:?}: no name of a header field")]
    Field(String),
    #[error("{0}: no number")]
    Number(String),
    #[error("{0:?}: no id of the server's")]
    Id(String),
    #[error("the server does not offer {0}, which {1} needs{2}")]
    NotOffered(&'static str, String, &'static str),
    #[error(transparent)]
    Day(#[from] DayError),
    #[error(transparent)]
    Flag(#[from] FlagError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Word(#[from] WordError),
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Text,
    Day,
    Size,
    Length,
    Keyword,
    Field,
    Uids,
    Numbers,
    Modseq,
    Id,
}

/// The word, the key on the wire, what it takes, and what it means. Sorted.
const KEYS: &[(&str, &str, Takes, &str)] = &[
    ("all", "ALL", Takes::Nothing, "every message"),
    ("answered", "ANSWERED", Takes::Nothing, "answered"),
    ("bcc", "BCC", Takes::Text, "this in Bcc"),
    ("before", "BEFORE", Takes::Day, "came before this day"),
    ("body", "BODY", Takes::Text, "this in the body"),
    ("cc", "CC", Takes::Text, "this in Cc"),
    ("deleted", "DELETED", Takes::Nothing, "marked for deletion"),
    ("draft", "DRAFT", Takes::Nothing, "a draft"),
    ("emailid", "EMAILID", Takes::Id, "this OBJECTID (RFC 8474)"),
    ("flagged", "FLAGGED", Takes::Nothing, "flagged"),
    ("from", "FROM", Takes::Text, "this in From"),
    ("header", "HEADER", Takes::Field, "this in the named field: header List-Id dev"),
    ("keyword", "KEYWORD", Takes::Keyword, "has this keyword"),
    ("larger", "LARGER", Takes::Size, "larger than 100K, 1M"),
    ("modseq", "MODSEQ", Takes::Modseq, "changed since this MODSEQ (RFC 7162)"),
    ("new", "NEW", Takes::Nothing, "recent and not seen (IMAP4rev1)"),
    ("older", "OLDER", Takes::Length, "came longer ago than 3d, 36h (RFC 5032)"),
    ("on", "ON", Takes::Day, "came on this day"),
    ("recent", "RECENT", Takes::Nothing, "new in this session (IMAP4rev1)"),
    ("savedbefore", "SAVEDBEFORE", Takes::Day, "put here before this day (RFC 8514)"),
    ("savedon", "SAVEDON", Takes::Day, "put here on this day (RFC 8514)"),
    ("savedsince", "SAVEDSINCE", Takes::Day, "put here on this day or later (RFC 8514)"),
    ("seen", "SEEN", Takes::Nothing, "seen"),
    ("sentbefore", "SENTBEFORE", Takes::Day, "its Date is before this day"),
    ("senton", "SENTON", Takes::Day, "its Date is this day"),
    ("sentsince", "SENTSINCE", Takes::Day, "its Date is this day or later"),
    ("seq", "", Takes::Numbers, "these sequence numbers"),
    ("since", "SINCE", Takes::Day, "came on this day or later"),
    ("smaller", "SMALLER", Takes::Size, "smaller than 100K, 1M"),
    ("subject", "SUBJECT", Takes::Text, "this in the subject"),
    ("text", "TEXT", Takes::Text, "this anywhere"),
    ("threadid", "THREADID", Takes::Id, "in this thread (RFC 8474)"),
    ("to", "TO", Takes::Text, "this in To"),
    ("uid", "UID", Takes::Uids, "these UIDs; a set alone means the same"),
    ("unanswered", "UNANSWERED", Takes::Nothing, "not answered"),
    ("undeleted", "UNDELETED", Takes::Nothing, "not marked for deletion"),
    ("undraft", "UNDRAFT", Takes::Nothing, "no draft"),
    ("unflagged", "UNFLAGGED", Takes::Nothing, "not flagged"),
    ("unkeyword", "UNKEYWORD", Takes::Keyword, "lacks this keyword"),
    ("unseen", "UNSEEN", Takes::Nothing, "not seen"),
    ("younger", "YOUNGER", Takes::Length, "came within 3d, 36h (RFC 5032)"),
];

/// The keys and what they mean, for help and completion.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().map(|(word, _, _, meaning)| (*word, *meaning))
}

/// What a query is read with.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub encoding: Encoding,
    /// What `today` and `3d` count from.
    pub today: Date,
    /// What `$` stands for. None: the server knows (SEARCHRES, RFC 5182).
    pub found: Option<&'a Set>,
    /// What the server offers. None: every key.
    pub capabilities: Option<&'a Capabilities>,
}

/// A query as keys of SEARCH; one that says nothing means every message.
pub fn compile(query: &str, terms: &Terms<'_>) -> Result<Line, CriteriaError> {
    let words = words::words(query, Parens::Apart)?;
    if words.is_empty() {
        return Ok(Line::empty(terms.encoding).word("ALL"));
    }
    let mut reader = Reader { words: &words, terms, depth: 0 };
    let found = reader.either()?;
    if !reader.words.is_empty() {
        return Err(CriteriaError::Unopened);
    }
    Ok(found.flat())
}

/// Search text beyond ASCII, which wants a CHARSET (RFC 9051 section 6.4.4) unless UTF-8 was enabled (RFC 6855 section 3 forbids it then).
pub fn wants_charset(line: &Line) -> bool {
    use super::line::Part;
    !line.encoding().utf8 && line.parts().iter().any(|part| matches!(part, Part::Literal(bytes) if !bytes.is_ascii()))
}

/// Keys that all have to fit; more than one want parentheses where one is wanted.
struct Keys {
    line: Line,
    count: usize,
}

impl Keys {
    fn flat(self) -> Line {
        self.line
    }

    fn one(self) -> Line {
        if self.count == 1 {
            return self.line;
        }
        let mut line = Line::empty(self.line.encoding()).word("(").line(self.line);
        line.push(")");
        line
    }
}

struct Reader<'a> {
    words: &'a [Word],
    terms: &'a Terms<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn is_next(&self, name: &str) -> bool {
        self.words.first().is_some_and(|word| word.is(name))
    }

    fn eat(&mut self, name: &str) -> bool {
        let is = self.is_next(name);
        if is {
            self.next();
        }
        is
    }

    /// `a or b or c` is `OR a OR b c`.
    fn either(&mut self) -> Result<Keys, CriteriaError> {
        let mut all = vec![self.both()?];
        while self.eat("or") {
            all.push(self.both()?);
        }
        let Some(last) = all.pop() else { return Err(CriteriaError::Nothing("to search for")) };
        if all.is_empty() {
            return Ok(last);
        }
        let mut line = Line::empty(self.terms.encoding);
        for keys in all {
            line = line.word("OR").line(keys.one());
        }
        Ok(Keys { line: line.line(last.one()), count: 1 })
    }

    fn both(&mut self) -> Result<Keys, CriteriaError> {
        let mut keys = self.term()?;
        while !self.words.is_empty() && !self.is_next("or") && !self.is_next(")") {
            self.eat("and");
            let next = self.term()?;
            keys = Keys { line: keys.line.line(next.line), count: keys.count + next.count };
        }
        Ok(keys)
    }

    fn term(&mut self) -> Result<Keys, CriteriaError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CriteriaError::Deep);
        }
        let keys = if self.eat("not") {
            let inner = self.term()?.one();
            Keys { line: Line::empty(self.terms.encoding).word("NOT").line(inner), count: 1 }
        } else if self.eat("(") {
            let inner = self.either()?;
            if !self.eat(")") {
                return Err(CriteriaError::Unclosed);
            }
            inner
        } else {
            Keys { line: self.key()?, count: 1 }
        };
        self.depth -= 1;
        Ok(keys)
    }

    fn key(&mut self) -> Result<Line, CriteriaError> {
        let Some(word) = self.next() else { return Err(CriteriaError::Nothing("behind the last word")) };
        let line = Line::empty(self.terms.encoding);
        if !word.plain {
            return Ok(line.word("TEXT").astring(&word.text)?);
        }
        if word.is(")") {
            return Err(CriteriaError::Nothing("before a )"));
        }
        if Set::looks_like(&word.text) {
            let set: Set = match (word.text.parse()?, self.terms.found) {
                (Set::Saved, Some(found)) => found.clone(),
                (set, _) => set,
            };
            // `$` is a key of its own (RFC 9051 section 6.4.4.1), and UID $ is none everywhere.
            return Ok(if set == Set::Saved { line.word("$") } else { line.word("UID").word(&set.to_string()) });
        }
        let found = KEYS.iter().find(|(name, ..)| word.is(name));
        let (_, key, takes, _) = *found.ok_or_else(|| unknown(&word.text))?;
        if let Some((extension, instead)) = extension(key)
            && self.terms.capabilities.is_some_and(|offered| !offered.offers(extension))
        {
            return Err(CriteriaError::NotOffered(extension, word.text.clone(), instead));
        }
        if takes == Takes::Nothing {
            return Ok(line.word(key));
        }
        let missing = || CriteriaError::Value(word.text.clone());
        let value =
            self.next().filter(|value| !(value.plain && ["(", ")"].contains(&value.text.as_str()))).ok_or_else(missing)?;
        let text = value.text.as_str();
        Ok(match takes {
            Takes::Nothing | Takes::Text => line.word(key).astring(text)?,
            Takes::Day => line.word(key).word(&day::on_the_wire(day::day(text, self.terms.today)?)),
            Takes::Size => line.word(key).word(&day::size(text)?.to_string()),
            Takes::Length => line.word(key).word(&day::length(text)?.to_string()),
            Takes::Keyword => keyword(line, key, &Flag::named(text)?),
            Takes::Field => {
                if !is_field_name(text) {
                    return Err(CriteriaError::Field(text.to_owned()));
                }
                let value = self.next().ok_or_else(missing)?;
                line.word(key).astring(text)?.astring(&value.text)?
            }
            Takes::Uids => line.word(key).word(&text.parse::<Set>()?.to_string()),
            Takes::Numbers => line.word(&text.parse::<Set>()?.to_string()),
            Takes::Modseq => line.word(key).word(&modseq(text)?.to_string()),
            Takes::Id if is_object_id(text) => line.word(key).word(text),
            Takes::Id => return Err(CriteriaError::Id(text.to_owned())),
        })
    }
}

/// What a key belongs to that is none of IMAP4rev1, and what may be said instead.
fn extension(key: &str) -> Option<(&'static str, &'static str)> {
    match key {
        "OLDER" | "YOUNGER" => Some(("WITHIN", ": say before 14d or since 14d, which count days")),
        "MODSEQ" => Some(("CONDSTORE", "")),
        "EMAILID" | "THREADID" => Some(("OBJECTID", "")),
        "SAVEDBEFORE" | "SAVEDON" | "SAVEDSINCE" => Some(("SAVEDATE", "")),
        _ => None,
    }
}

/// System flags have keys of their own: KEYWORD takes a `flag-keyword`, which never starts with a backslash.
fn keyword(line: Line, key: &str, flag: &Flag) -> Line {
    match flag.as_str().strip_prefix('\\') {
        Some(system) => line.word(&format!("{}{}", if key == "UNKEYWORD" { "UN" } else { "" }, system.to_ascii_uppercase())),
        None => line.word(key).word(flag.as_str()),
    }
}

/// `field-name` of RFC 5322 section 3.6.8.
fn is_field_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// `mod-sequence-valzer` of RFC 7162 section 7.
fn modseq(text: &str) -> Result<i64, CriteriaError> {
    let wrong = || CriteriaError::Number(text.to_owned());
    if text.starts_with('+') { Err(wrong()) } else { text.parse().ok().filter(|n| *n >= 0).ok_or_else(wrong) }
}

/// `objectid` of RFC 8474 section 7.
fn is_object_id(text: &str) -> bool {
    text.len() <= 255 && is_atom(text) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn unknown(word: &str) -> CriteriaError {
    let near = KEYS.iter().map(|(name, ..)| *name).find(|name| {
        let short = word.len().min(name.len()).min(4);
        short >= 3 && name.as_bytes()[..short].eq_ignore_ascii_case(&word.as_bytes()[..short])
    });
    CriteriaError::Key(word.to_owned(), near.map(|name| format!(" (is it {name}?)")).unwrap_or_default())
}

#[cfg(test)]
mod tests;

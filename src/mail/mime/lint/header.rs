//! One header held to the RFCs.

use super::finding::Finding;
use super::params;
use crate::bytes::encoded_word;
use crate::mail::address_list::count_mailboxes;
use crate::mail::header::readable::Allowed;
use crate::mail::header::{Field, Item, field, items};
use crate::mail::mime::head::{Flag, Head};
use crate::mail::mime::param::{self, is_token, without_comments};
use jiff::fmt::rfc2822::DateTimeParser;
use std::collections::BTreeSet;

/// Findings of one kind that are told of each field.
const TOLD: u32 = 3;
/// Findings that are told of the fields of one header.
const MOST: usize = 100;

/// One header.
pub struct Header<'a> {
    pub section: &'a str,
    /// Where it begins, in octets from the start of the message.
    pub at: u64,
    pub findings: &'a mut Vec<Finding>,
}

/// Fields of which a message has one at most (RFC 5322 section 3.6).
const ONCE: &[&str] =
    &["date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"];
/// Fields of a part of which there is one at most.
const ONCE_IN_PART: &[&str] = &["content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"];
const ADDRESSES: &[&str] = &["from", "sender", "reply-to", "to", "cc", "bcc"];

/// Where the fields stand that others are judged by.
#[derive(Default)]
struct Places {
    junk: Option<usize>,
    media: Option<usize>,
    encoding: Option<usize>,
    resent: Option<usize>,
    /// Of a From with more addresses than one.
    several_from: Option<usize>,
}

impl Header<'_> {
    /// All that its fields break. A root is the header of a message.
    pub fn check(&mut self, head: &Head, header: &[u8], is_root: bool) {
        let places = self.fields(header, is_root);
        // What is missing may come later.
        if is_root && !head.flags.contains(&Flag::HeaderTooLong) {
            self.required(header, &places);
        }
        self.boundary(head, header, places.media.unwrap_or(0));
        self.needs(head, header, places.media.unwrap_or(0));
        for flag in &head.flags {
            let place = match flag {
                Flag::BadHeaderLine => places.junk,
                Flag::BadContentType | Flag::NoBoundary | Flag::UnknownCharset => places.media,
                Flag::UnknownEncoding | Flag::EncodedContainer => places.encoding,
                _ => None,
            };
            match flag {
                // For messages within, RFC 6532 section 3.5 lifts what RFC 2045 section 6.4 says of them.
                Flag::EncodedContainer if !head.is_multipart() => {
                    self.tell(place.unwrap_or(0), "RFC 2046 5.2.1", "a message in base64 or quoted-printable");
                }
                _ => self.flag(place.unwrap_or(0), *flag),
            }
        }
    }

    /// Where its `Content-Type` stands, else where it begins.
    pub fn media_at(&self, header: &[u8]) -> u64 {
        let mut within = 0;
        for item in items(header) {
            if matches!(item, Item::Field(field) if field.is("Content-Type")) {
                return self.at + within;
            }
            within += item.raw().len() as u64;
        }
        self.at
    }

    pub fn flag(&mut self, within: usize, flag: Flag) {
        let (clause, what) = explained(flag);
        self.tell(within, clause, what);
    }

    fn tell(&mut self, within: usize, clause: &'static str, what: impl Into<String>) {
        self.findings.push(Finding {
            offset: self.at + within as u64,
            section: self.section.to_owned(),
            clause,
            what: what.into(),
        });
    }

    fn fields(&mut self, header: &[u8], is_root: bool) -> Places {
        let (mut seen, mut places) = (BTreeSet::new(), Places::default());
        let (mut within, mut told) = (0, 0);
        for item in items(header) {
            match item {
                Item::Junk(_) => drop(places.junk.get_or_insert(within)),
                Item::Field(field) if told < MOST => {
                    let before = self.findings.len();
                    let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
                    let once = ONCE_IN_PART.contains(&name.as_str()) || (is_root && ONCE.contains(&name.as_str()));
                    if once && !seen.insert(name.clone()) {
                        let clause = match name.as_str() {
                            "content-disposition" => "RFC 2183 2",
                            name if ONCE_IN_PART.contains(&name) => "RFC 2045 3",
                            _ => "RFC 5322 3.6",
                        };
                        self.tell(within, clause, format!("a second {name}"));
                    }
                    match name.as_str() {
                        "content-type" => drop(places.media.get_or_insert(within)),
                        "content-transfer-encoding" => drop(places.encoding.get_or_insert(within)),
                        _ if name.starts_with("resent-") => drop(places.resent.get_or_insert(within)),
                        _ => {}
                    }
                    self.form(within, &name, &field);
                    self.encoded_words(within, &name, &field);
                    self.structure(within, &name, &field.value());
                    if is_root {
                        self.of_message(within, &name, &field.value(), &mut places);
                    }
                    told += self.findings.len() - before;
                }
                Item::Field(_) => {}
            }
            within += item.raw().len();
        }
        places
    }

    fn required(&mut self, header: &[u8], places: &Places) {
        for name in ["Date", "From"] {
            if field(header, name).is_none() {
                self.tell(0, "RFC 5322 3.6", format!("{name} is missing"));
            }
        }
        if field(header, "Message-ID").is_none() {
            self.tell(0, "RFC 5322 3.6.4", "Message-ID is missing");
        }
        let is_mime = ["Content-Type", "Content-Transfer-Encoding"].iter().any(|name| field(header, name).is_some());
        if is_mime && field(header, "MIME-Version").is_none() {
            self.tell(0, "RFC 2045 4", "MIME-Version is missing");
        }
        if let (Some(from), None) = (places.several_from, field(header, "Sender")) {
            self.tell(from, "RFC 5322 3.6.2", "Sender is missing, where From has several addresses");
        }
        for name in ["Resent-Date", "Resent-From"] {
            if let (Some(resent), None) = (places.resent, field(header, name)) {
                self.tell(resent, "RFC 5322 3.6.6", format!("{name} is missing"));
            }
        }
    }

    /// What any field may break.
    fn form(&mut self, within: usize, name: &str, field: &Field<'_>) {
        if field.raw.get(field.name.len()) != Some(&b':') {
            self.tell(within, "RFC 5322 2.2, 4.5", format!("blanks before the colon of {name}"));
        }
        if let Some(at) = field.raw.iter().position(|b| !b.is_ascii()) {
            let clause = if std::str::from_utf8(field.raw).is_ok() { "RFC 6532 3" } else { "RFC 5322 2.2" };
            self.tell(within + at, clause, format!("8-bit octets in {name}"));
        }
        let mut at = 0;
        for (n, line) in field.raw.split_inclusive(|b| *b == b'\n').enumerate() {
            if n > 0 && line.trim_ascii().is_empty() {
                self.tell(within + at, "RFC 5322 4.2", format!("a line of blanks in {name}"));
            }
            at += line.len();
        }
    }

    /// Fields of every part.
    fn structure(&mut self, within: usize, name: &str, value: &[u8]) {
        match name {
            "content-id" if !is_msg_id(value) => {
                self.tell(within, "RFC 2045 7", format!("{name} is no <left@right>"));
            }
            "mime-version" if without_comments(value).iter().filter(|b| **b != b' ' && **b != b'\t').ne(b"1.0".iter()) => {
                self.tell(within, "RFC 2045 4", "mime-version is not 1.0");
            }
            "content-type" => self.parameters(within, name, value),
            "content-disposition" => {
                let kind = without_comments(value);
                let kind = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
                match std::str::from_utf8(kind) {
                    Ok("") => self.tell(within, "RFC 2183 2", "Content-Disposition is empty"),
                    Ok(kind) if is_token(kind) => self.parameters(within, name, value),
                    _ => self.tell(within, "RFC 2183 2", "Content-Disposition is no type"),
                }
            }
            _ => {}
        }
    }

    fn parameters(&mut self, within: usize, name: &str, value: &[u8]) {
        for (clause, what) in params::breaches(value) {
            self.tell(within, clause, format!("{what} in {name}"));
        }
    }

    /// Fields of a message.
    fn of_message(&mut self, within: usize, name: &str, value: &[u8], places: &mut Places) {
        match name {
            "date" | "resent-date" => self.date(within, name, value),
            "message-id" | "resent-message-id" if !is_msg_id(value) => {
                let clause = if name == "message-id" { "RFC 5322 3.6.4" } else { "RFC 5322 3.6.6" };
                self.tell(within, clause, format!("{name} is no <left@right>"));
            }
            "in-reply-to" | "references" if !is_msg_ids(value) => {
                self.tell(within, "RFC 5322 3.6.4", format!("{name} has something else than <left@right>"));
            }
            "received" => {
                let value = without_comments(value);
                let date = memchr::memrchr(b';', &value).map(|at| &value[at + 1..]);
                if date.is_none_or(|date| DateTimeParser::new().relaxed_weekday(true).parse_zoned(date.trim_ascii()).is_err()) {
                    self.tell(within, "RFC 5322 3.6.7", "received has no date behind a semicolon");
                }
            }
            "return-path" => {
                let path = without_comments(value);
                let path = path.trim_ascii();
                let is_empty = path.strip_prefix(b"<").is_some_and(|rest| rest.trim_ascii() == b">");
                let is_path = is_empty || (path.starts_with(b"<") && count_mailboxes(path) == Ok(1));
                if !is_path {
                    self.tell(within, "RFC 5322 3.6.7", "return-path is no <address>");
                }
            }
            _ if ADDRESSES.contains(&name) => match count_mailboxes(value) {
                Err(error) => self.tell(within, "RFC 5322 3.4", format!("{name}: {error}")),
                Ok(count) if count != 1 && name == "sender" => self.tell(within, "RFC 5322 3.6.2", "sender is not one address"),
                Ok(0) if name == "from" => self.tell(within, "RFC 5322 3.6.2", "from has no address"),
                // A group may be empty, and so may Bcc.
                Ok(0) if name != "bcc" && memchr::memchr(b':', value).is_none() => {
                    let clause = if name == "reply-to" { "RFC 5322 3.6.2" } else { "RFC 5322 3.6.3" };
                    self.tell(within, clause, format!("{name} has no address"));
                }
                Ok(count) if count > 1 && name == "from" => places.several_from = places.several_from.or(Some(within)),
                Ok(_) => {}
            },
            _ => {}
        }
    }

    fn date(&mut self, within: usize, name: &str, value: &[u8]) {
        let value = without_comments(value);
        let value = value.trim_ascii();
        if DateTimeParser::new().relaxed_weekday(true).parse_zoned(value).is_err() {
            return self.tell(within, "RFC 5322 3.3", format!("{name} is no date"));
        }
        if DateTimeParser::new().parse_zoned(value).is_err() {
            self.tell(within, "RFC 5322 3.3", format!("{name} has another day of the week than its own"));
        }
        let words: Vec<&[u8]> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        if words.last().is_some_and(|zone| zone.iter().all(u8::is_ascii_alphabetic)) {
            self.tell(within, "RFC 5322 4.3", format!("{name} has its zone in letters"));
        }
        // The day and the month stand before the year, the day of the week with its comma perhaps before them.
        let month = words.iter().position(|word| word.len() == 3 && word.iter().all(u8::is_ascii_alphabetic));
        if month.and_then(|month| words.get(month + 1)).is_some_and(|year| year.len() < 4) {
            self.tell(within, "RFC 5322 4.3", format!("{name} has a year of fewer than four digits"));
        }
    }

    /// At most 75 characters each, on lines of at most 76, whole characters, and only where they may stand (RFC 2047 sections 2 and 5).
    fn encoded_words(&mut self, within: usize, name: &str, field: &Field<'_>) {
        let raw = field.raw;
        let allowed = Allowed::of(name.as_bytes());
        let is_parameter = name.starts_with("content-") && name != "content-description";
        let mut told = 0;
        for at in memchr::memmem::find_iter(raw, b"=?") {
            let Some(length) = encoded_word::length(&raw[at..]) else { continue };
            if told >= TOLD {
                return;
            }
            told += 1;
            let start = memchr::memrchr(b'\n', &raw[..at]).map_or(0, |end| end + 1);
            let end = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |end| at + end);
            let word = &raw[at..at + length];
            if length > 75 {
                let what = format!("an encoded word of {length} characters in {name}, where 75 are the most");
                self.tell(within + at, "RFC 2047 2", what);
            } else if raw[start..end].trim_ascii_end().len() > 76 {
                let what = format!("a line of more than 76 characters with an encoded word in {name}");
                self.tell(within + start, "RFC 2047 2", what);
            }
            if word.contains(&b' ') || word.contains(&b'\t') {
                self.tell(within + at, "RFC 2047 2", format!("a blank in an encoded word in {name}"));
            }
            if !encoded_word::is_whole(word) {
                self.tell(within + at, "RFC 2047 5", format!("an encoded word in {name} that has parts of characters"));
            }
            let place = place(raw, field.name.len(), at);
            let is_adjacent = |byte: Option<&u8>| matches!(byte, Some(b'@' | b'.'));
            let in_address = is_adjacent(raw.get(at + length)) || is_adjacent(at.checked_sub(1).and_then(|at| raw.get(at)));
            let wrong = match (place, allowed) {
                _ if is_parameter && place != Place::Quoted => Some(("RFC 2047 5, RFC 2231 4", "")),
                (Place::Quoted, Allowed::Phrases) => Some(("RFC 2047 5", " within a quoted string")),
                (Place::Quoted, _) if is_parameter => Some(("RFC 2047 5", " within a quoted string")),
                (Place::Angle, Allowed::Phrases | Allowed::Comments) => Some(("RFC 2047 5", " within <>")),
                (Place::Plain, Allowed::Phrases) if in_address => Some(("RFC 2047 5", " that is part of an address")),
                (Place::Plain, Allowed::Comments) => Some(("RFC 2047 5", ", which may have none,")),
                _ => None,
            };
            if let Some((clause, whereabouts)) = wrong {
                self.tell(within + at, clause, format!("an encoded word{whereabouts} in {name}"));
            }
        }
    }

    fn boundary(&mut self, head: &Head, header: &[u8], at: usize) {
        let Some(boundary) = head.boundary.as_ref().filter(|_| head.is_multipart()) else { return };
        let good = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
        if boundary.len() > 70 {
            self.tell(at, "RFC 2046 5.1.1", format!("a boundary of {} characters, where 70 are the most", boundary.len()));
        }
        if !boundary.iter().all(good) {
            self.tell(at, "RFC 2046 5.1.1", "a boundary with characters that none may have");
        }
        let stated = field(header, "Content-Type").and_then(|field| params::stated(&field.value(), "boundary"));
        if stated.is_some_and(|stated| stated.ends_with(b" ")) {
            self.tell(at, "RFC 2046 5.1.1", "a boundary that ends in a blank");
        }
    }

    /// Parameters that multiparts of some kinds must have.
    fn needs(&mut self, head: &Head, header: &[u8], at: usize) {
        let (clause, names): (&'static str, &[&str]) = match head.media.as_str() {
            "multipart/signed" => ("RFC 1847 2.1", &["protocol", "micalg"]),
            "multipart/encrypted" => ("RFC 1847 2.2", &["protocol"]),
            "multipart/report" => ("RFC 6522 3", &["report-type"]),
            _ => return,
        };
        let value = field(header, "Content-Type").map(|field| field.value());
        let params = value.and_then(|value| param::content_type(&value)).map(|(_, params)| params).unwrap_or_default();
        for name in names.iter().filter(|name| params.value(name).is_none()) {
            self.tell(at, clause, format!("a {} without {name}", head.media));
        }
    }
}

/// What stands around an octet of a structured field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Quoted,
    Comment,
    Angle,
}

fn place(raw: &[u8], from: usize, at: usize) -> Place {
    let (mut quoted, mut depth, mut angle) = (false, 0u32, false);
    let mut here = from;
    while here < at {
        match raw[here] {
            b'\\' if quoted || depth > 0 => here += 1,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'<' if !quoted && depth == 0 => angle = true,
            b'>' if !quoted && depth == 0 => angle = false,
            // What an encoded word holds is no syntax.
            b'=' if let Some(length) = encoded_word::length(&raw[here..at]) => here += length - 1,
            _ => {}
        }
        here += 1;
    }
    match () {
        () if quoted => Place::Quoted,
        () if depth > 0 => Place::Comment,
        () if angle => Place::Angle,
        () => Place::Plain,
    }
}

fn explained(flag: Flag) -> (&'static str, &'static str) {
    match flag {
        Flag::Unterminated => ("RFC 2046 5.1.1", "the closing delimiter is missing"),
        Flag::BadHeaderLine => ("RFC 5322 2.2", "the header has a line that is no field"),
        Flag::HeaderTooLong => ("-", "the header is longer than 1 MiB; the rest was not looked at"),
        Flag::BadContentType => ("RFC 2045 5.1", "Content-Type is no type"),
        Flag::NoBoundary => ("RFC 2046 5.1.1", "a multipart without a boundary"),
        Flag::NoParts => ("RFC 2046 5.1.1", "a multipart without a part"),
        Flag::UnknownEncoding => ("RFC 2045 6.1", "an unknown transfer encoding"),
        Flag::EncodedContainer => ("RFC 2045 6.4", "a multipart in base64 or quoted-printable"),
        Flag::TooDeep => ("-", "nested deeper than 64 levels; not looked into"),
        Flag::TooManyParts => ("-", "more than 10 million parts; not looked into"),
        Flag::Base64Junk => ("RFC 2045 6.8", "characters in base64 that do not belong there"),
        Flag::Base64AfterEnd => ("RFC 2045 6.8", "base64 behind its padding"),
        Flag::Base64Cut => ("RFC 2045 6.8", "base64 that ends within an octet"),
        Flag::BadQuotedPrintable => ("RFC 2045 6.7(1)", "an = in quoted-printable that starts no escape"),
        Flag::BadUuencode => ("POSIX uuencode", "uuencode that is no whole file"),
        Flag::UnknownCharset => ("RFC 2046 4.1.2", "an unknown character set"),
    }
}

fn is_msg_id(value: &[u8]) -> bool {
    let value = without_comments(value);
    let inner = value.trim_ascii().strip_prefix(b"<").and_then(|value| value.strip_suffix(b">"));
    inner.is_some_and(|id| {
        memchr::memchr(b'@', id).is_some_and(|at| at > 0 && at + 1 < id.len())
            && id.iter().all(|b| !matches!(b, b'<' | b'>' | b' ' | b'\t') && !b.is_ascii_control())
    })
}

/// `1*msg-id`, blanks and comments around each.
fn is_msg_ids(value: &[u8]) -> bool {
    let value = without_comments(value);
    let mut rest = value.trim_ascii();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let Some(end) = memchr::memchr(b'>', rest).filter(|end| is_msg_id(&rest[..=*end])) else { return false };
        rest = rest[end + 1..].trim_ascii_start();
    }
    true
}

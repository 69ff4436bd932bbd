//! A message held to the RFCs: what it breaks, where, and the clause. A stream in constant memory; nothing is changed.

use super::head::{Flag, Head, decoding_flags};
use super::param::without_comments;
use super::scan::{Kind, Part, Run, Scanner, Visitor};
use crate::bytes::transfer::{Decoder, Encoding};
use crate::mail::address_list::count_mailboxes;
use crate::mail::header::{Field, Item, field, items};
use jiff::fmt::rfc2822::DateTimeParser;

/// Findings of one kind that are told of each part.
const TOLD: u32 = 3;

/// Something that a message should not have, or should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Octets from the start of the message: of a part as a whole, where its header begins; of what is missing at its end, that.
    pub offset: u64,
    pub section: String,
    pub clause: &'static str,
    pub what: String,
}

/// Takes a message and gives its findings in the order of their offsets.
#[derive(Default)]
pub struct Lint {
    scanner: Scanner,
    look: Look,
}

impl Lint {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Finding> {
        let Ok(()) = self.scanner.push(bytes, &mut self.look);
        let end = self.look.unsettled_from();
        self.look.settled(end)
    }

    pub fn finish(&mut self) -> Vec<Finding> {
        let Ok(()) = self.scanner.finish(&mut self.look);
        self.look.settled(u64::MAX)
    }
}

#[derive(Default)]
struct Look {
    /// Those that others may yet come before. Each header, and each leaf, has a bounded number.
    findings: Vec<Finding>,
    offset: u64,
    /// Where the header that is being read, or was read last, begins.
    header_at: Option<u64>,
    lines: Lines,
    open: Vec<Open>,
}

/// Lines of the whole message, whatever they belong to.
#[derive(Default)]
struct Lines {
    column: u64,
    after_cr: bool,
    /// How often each of the findings below was told.
    told: [u32; 3],
}

struct Open {
    section: String,
    kind: Kind,
    header_at: u64,
    /// What was wrong with its header, and told when it began.
    flags: Vec<Flag>,
    leaf: Option<Leaf>,
}

struct Leaf {
    encoding: Encoding,
    decoder: Decoder,
    decoded: Vec<u8>,
    column: u64,
    after_cr: bool,
    told_8bit: bool,
    told_line: bool,
}

impl Visitor for Look {
    type Error = std::convert::Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Self::Error> {
        let header_at = self.header_at.take().unwrap_or(self.offset);
        // The root is what no part, or only a message, stands around.
        let is_root = self.open.last().is_none_or(|open| open.kind == Kind::Message);
        let leaf = (part.kind == Kind::Leaf).then(|| Leaf {
            encoding: part.head.encoding,
            decoder: part.head.decoder(),
            decoded: Vec::new(),
            column: 0,
            after_cr: false,
            told_8bit: false,
            told_line: false,
        });
        let section = part.section.to_owned();
        let mut header = Header { section: &section, at: header_at, findings: &mut self.findings };
        header.fields(part.header, is_root);
        // What is missing may come later.
        if is_root && !part.head.flags.contains(&Flag::HeaderTooLong) {
            header.required(part.header);
        }
        header.content(part.head, part.header);
        header.header_flags(&part.head.flags, part.header);
        self.open.push(Open { section, kind: part.kind, header_at, flags: part.head.flags.clone(), leaf });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Self::Error> {
        if run == Run::Header {
            self.header_at.get_or_insert(self.offset);
        }
        self.lines(bytes);
        if run == Run::Content {
            self.content(bytes);
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Self::Error> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        let late = flags.iter().filter(|flag| !open.flags.contains(flag));
        Header { section: &open.section, at: self.offset, findings: &mut self.findings }.flags(late);
        if let Some(leaf) = &mut open.leaf {
            let damage = decoding_flags(leaf.decoder.finish(&mut leaf.decoded));
            Header { section: &open.section, at: open.header_at, findings: &mut self.findings }.flags(&damage);
        }
        Ok(())
    }
}

impl Look {
    /// Nothing that is found from now on stands before this.
    fn unsettled_from(&self) -> u64 {
        let leaf = self.open.last().filter(|open| open.leaf.is_some()).map(|open| open.header_at);
        let line = self.offset - self.lines.column;
        [leaf, self.header_at].into_iter().flatten().fold(line, u64::min)
    }

    /// Takes out what stands before `end`, in its order.
    fn settled(&mut self, end: u64) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| finding.offset);
        let settled = self.findings.partition_point(|finding| finding.offset < end);
        self.findings.drain(..settled).collect()
    }

    fn tell(&mut self, at: u64, clause: &'static str, what: String) {
        let section = self.open.last().map_or_else(|| "-".to_owned(), |open| open.section.clone());
        self.findings.push(Finding { offset: at, section, clause, what });
    }

    fn lines(&mut self, bytes: &[u8]) {
        let mut found = Vec::new();
        let lines = &mut self.lines;
        let mut tell = |which: usize, told: &mut [u32; 3], at: u64| {
            told[which] += 1;
            if told[which] <= TOLD {
                found.push((which, at));
            }
        };
        if lines.after_cr && bytes.first().is_some_and(|b| *b != b'\n') {
            tell(0, &mut lines.told, self.offset - 1);
        }
        for at in memchr::memchr2_iter(b'\r', 0, bytes) {
            match (bytes[at], bytes.get(at + 1)) {
                (0, _) => tell(1, &mut lines.told, self.offset + at as u64),
                (_, Some(next)) if *next != b'\n' => tell(0, &mut lines.told, self.offset + at as u64),
                _ => {}
            }
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let has_cr = if end > start { bytes[end - 1] == b'\r' } else { lines.after_cr && end == 0 };
            let length = lines.column + (end - start) as u64 - u64::from(has_cr);
            if length > 998 {
                tell(2, &mut lines.told, (self.offset + end as u64).saturating_sub(length + u64::from(has_cr)));
            }
            (lines.column, start) = (0, end + 1);
        }
        lines.column += (bytes.len() - start) as u64;
        if let Some(last) = bytes.last() {
            lines.after_cr = *last == b'\r';
        }
        for (which, at) in found {
            let (clause, what) = [
                ("RFC 5322 2.3", "a carriage return without a line feed"),
                ("RFC 5322 2.3", "a NUL"),
                ("RFC 5322 2.1.1", "a line of more than 998 octets"),
            ][which];
            self.tell(at, clause, what.to_owned());
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        let offset = self.offset;
        let Some(leaf) = self.open.last_mut().and_then(|open| open.leaf.as_mut()) else { return };
        leaf.decoded.clear();
        if !leaf.encoding.is_identity() {
            leaf.decoder.push(bytes, &mut leaf.decoded);
        }
        let mut found: Vec<(u64, &'static str, String)> = Vec::new();
        if !leaf.told_8bit
            && !matches!(leaf.encoding, Encoding::EightBit | Encoding::Binary)
            && let Some(at) = bytes.iter().position(|b| !b.is_ascii())
        {
            leaf.told_8bit = true;
            found.push((offset + at as u64, "RFC 2045 2.7, 6.2", format!("8-bit octets in a part that says {}", leaf.encoding)));
        }
        let encoded = matches!(leaf.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
        let clause = if leaf.encoding == Encoding::Base64 { "RFC 2045 6.8" } else { "RFC 2045 6.7(5)" };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let has_cr = if end > start { bytes[end - 1] == b'\r' } else { leaf.after_cr && start == 0 };
            let length = leaf.column + (end - start) as u64 - u64::from(has_cr);
            if encoded && length > 76 && !std::mem::replace(&mut leaf.told_line, true) {
                found.push((
                    (offset + end as u64).saturating_sub(length + u64::from(has_cr)),
                    clause,
                    format!("a line of {length} characters in {}, where 76 are the most", leaf.encoding),
                ));
            }
            (leaf.column, start) = (0, end + 1);
        }
        leaf.column += (bytes.len() - start) as u64;
        leaf.after_cr = bytes.last().map_or(leaf.after_cr, |last| *last == b'\r');
        found.into_iter().for_each(|(at, clause, what)| self.tell(at, clause, what));
    }
}

fn explained(flag: Flag) -> (&'static str, &'static str) {
    match flag {
        Flag::Unterminated => ("RFC 2046 5.1.1", "the closing delimiter is missing"),
        Flag::BadHeaderLine => ("RFC 5322 2.2", "the header has a line that is no field"),
        Flag::HeaderTooLong => ("RFC 5322 2.1.1", "the header is longer than 1 MiB; the rest was not looked at"),
        Flag::BadContentType => ("RFC 2045 5.1", "Content-Type is no type"),
        Flag::NoBoundary => ("RFC 2046 5.1.1", "a multipart without a boundary"),
        Flag::NoParts => ("RFC 2046 5.1.1", "a multipart without a part"),
        Flag::UnknownEncoding => ("RFC 2045 6.1", "an unknown transfer encoding"),
        Flag::EncodedContainer => ("RFC 2045 6.4", "a multipart or message in base64 or quoted-printable"),
        Flag::TooDeep => ("RFC 2046 5.1", "nested deeper than 64 levels; not looked into"),
        Flag::TooManyParts => ("RFC 2046 5.1", "more than 10 million parts; not looked into"),
        Flag::Base64Junk => ("RFC 2045 6.8", "characters in base64 that do not belong there"),
        Flag::Base64AfterEnd => ("RFC 2045 6.8", "base64 behind its padding"),
        Flag::Base64Cut => ("RFC 2045 6.8", "base64 that ends within an octet"),
        Flag::BadQuotedPrintable => ("RFC 2045 6.7(1)", "an = in quoted-printable that starts no escape"),
        Flag::BadUuencode => ("RFC 2045 6.3", "uuencode that is no whole file"),
        Flag::UnknownCharset => ("RFC 2045 5.1", "an unknown character set"),
    }
}

/// One header.
struct Header<'a> {
    section: &'a str,
    at: u64,
    findings: &'a mut Vec<Finding>,
}

/// Fields of which a message has one at most (RFC 5322 section 3.6).
const ONCE: &[&str] =
    &["date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"];
/// Fields of a part of which there is one at most.
const ONCE_IN_PART: &[&str] = &["content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"];
const ADDRESSES: &[&str] = &["from", "sender", "reply-to", "to", "cc", "bcc"];

impl Header<'_> {
    fn tell(&mut self, within: usize, clause: &'static str, what: impl Into<String>) {
        self.findings.push(Finding {
            offset: self.at + within as u64,
            section: self.section.to_owned(),
            clause,
            what: what.into(),
        });
    }

    fn fields(&mut self, header: &[u8], is_root: bool) {
        let mut seen = std::collections::BTreeSet::new();
        let mut within = 0;
        let mut told = 0;
        for item in items(header) {
            if let Item::Field(field) = item {
                let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
                let once = ONCE_IN_PART.contains(&name.as_str()) || (is_root && ONCE.contains(&name.as_str()));
                if told < 100 {
                    let before = self.findings.len();
                    if once && !seen.insert(name.clone()) {
                        self.tell(within, if is_root { "RFC 5322 3.6" } else { "RFC 2045 3" }, format!("a second {name}"));
                    }
                    self.field(within, &name, &field, is_root);
                    told += self.findings.len() - before;
                }
            }
            within += item.raw().len();
        }
    }

    /// Each where the field stands that it is about.
    fn header_flags(&mut self, flags: &[Flag], header: &[u8]) {
        for flag in flags {
            let (clause, what) = explained(*flag);
            let within = match flag {
                Flag::BadHeaderLine => place(header, |item| matches!(item, Item::Junk(_))),
                Flag::UnknownEncoding | Flag::EncodedContainer => place_of(header, "Content-Transfer-Encoding"),
                Flag::BadContentType | Flag::NoBoundary | Flag::UnknownCharset => place_of(header, "Content-Type"),
                _ => 0,
            };
            self.tell(within, clause, what);
        }
    }

    fn flags<'f>(&mut self, flags: impl IntoIterator<Item = &'f Flag>) {
        for flag in flags {
            let (clause, what) = explained(*flag);
            self.tell(0, clause, what);
        }
    }

    fn required(&mut self, header: &[u8]) {
        for name in ["Date", "From"] {
            if field(header, name).is_none() {
                self.tell(0, "RFC 5322 3.6", format!("{name} is missing"));
            }
        }
        let senders = field(header, "From").and_then(|from| count_mailboxes(&from.value()).ok());
        if senders.is_some_and(|count| count > 1) && field(header, "Sender").is_none() {
            self.tell(0, "RFC 5322 3.6.2", "Sender is missing, where From has several addresses");
        }
        if field(header, "Message-ID").is_none() {
            self.tell(0, "RFC 5322 3.6.4", "Message-ID is missing");
        }
        let is_mime = ["Content-Type", "Content-Transfer-Encoding"].iter().any(|name| field(header, name).is_some());
        if is_mime && field(header, "MIME-Version").is_none() {
            self.tell(0, "RFC 2045 4", "MIME-Version is missing");
        }
    }

    fn field(&mut self, within: usize, name: &str, field: &Field<'_>, is_root: bool) {
        if field.raw.get(field.name.len()) != Some(&b':') {
            self.tell(within, "RFC 5322 2.2, 4.5", format!("blanks before the colon of {name}"));
        }
        if let Some(at) = field.raw.iter().position(|b| !b.is_ascii()) {
            let clause = if std::str::from_utf8(field.raw).is_ok() { "RFC 6532 3" } else { "RFC 5322 2.2" };
            self.tell(within + at, clause, format!("8-bit octets in {name}"));
        }
        self.encoded_words(within, name, field);
        let value = field.value();
        if is_root && ADDRESSES.contains(&name) {
            match count_mailboxes(&value) {
                Err(error) => self.tell(within, "RFC 5322 3.4", format!("{name}: {error}")),
                Ok(count) if count != 1 && name == "sender" => self.tell(within, "RFC 5322 3.6.2", "sender is not one address"),
                Ok(0) if name == "from" => self.tell(within, "RFC 5322 3.6.2", "from has no address"),
                Ok(_) => {}
            }
        }
        match name {
            "date" if is_root => self.date(within, &value),
            "message-id" | "content-id" if !is_msg_id(&value) => {
                self.tell(within, "RFC 5322 3.6.4", format!("{name} is no <left@right>"));
            }
            "in-reply-to" | "references" if is_root && !are_msg_ids(&value) => {
                self.tell(within, "RFC 5322 3.6.4", format!("{name} has something else than <left@right>"));
            }
            "mime-version" if without_comments(&value).trim_ascii() != b"1.0" => {
                self.tell(within, "RFC 2045 4", "mime-version is not 1.0");
            }
            _ => {}
        }
        let mut at = 0;
        for (n, line) in field.raw.split_inclusive(|b| *b == b'\n').enumerate() {
            if n > 0 && line.trim_ascii().is_empty() {
                self.tell(within + at, "RFC 5322 4.2", format!("a line of blanks in {name}"));
            }
            at += line.len();
        }
    }

    fn date(&mut self, within: usize, value: &[u8]) {
        let is_date = |any_weekday| DateTimeParser::new().relaxed_weekday(any_weekday).parse_zoned(value.trim_ascii()).is_ok();
        if !is_date(true) {
            self.tell(within, "RFC 5322 3.3", "date is no date");
        } else if !is_date(false) {
            self.tell(within, "RFC 5322 3.3", "date has another day of the week than its own");
        }
    }

    /// At most 75 characters each, on lines of at most 76, none within a quoted string (RFC 2047 sections 2 and 5).
    fn encoded_words(&mut self, within: usize, name: &str, field: &Field<'_>) {
        let raw = field.raw;
        let mut told = 0;
        for at in memchr::memmem::find_iter(raw, b"=?") {
            let Some(length) = crate::bytes::encoded_word::length(&raw[at..]) else { continue };
            if told >= TOLD {
                return;
            }
            told += 1;
            let start = memchr::memrchr(b'\n', &raw[..at]).map_or(0, |end| end + 1);
            let end = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |end| at + end);
            if length > 75 {
                self.tell(
                    within + at,
                    "RFC 2047 2",
                    format!("an encoded word of {length} characters in {name}, where 75 are the most"),
                );
            } else if raw[start..end].trim_ascii_end().len() > 76 {
                self.tell(
                    within + start,
                    "RFC 2047 2",
                    format!("a line of more than 76 characters with an encoded word in {name}"),
                );
            }
            let quotes = raw[..at].iter().filter(|b| **b == b'"').count();
            let is_structured = name.starts_with("content-") && name != "content-description" || ADDRESSES.contains(&name);
            if is_structured && quotes % 2 == 1 {
                self.tell(within + at, "RFC 2047 5", format!("an encoded word within a quoted string in {name}"));
            } else if name.starts_with("content-") && name != "content-description" {
                self.tell(within + at, "RFC 2047 5, RFC 2231 4", format!("an encoded word in {name}"));
            }
        }
    }

    fn content(&mut self, head: &Head, header: &[u8]) {
        if let Some(boundary) = head.boundary.as_ref().filter(|_| head.is_multipart()) {
            let within = place_of(header, "Content-Type");
            let good = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
            if boundary.len() > 70 {
                self.tell(
                    within,
                    "RFC 2046 5.1.1",
                    format!("a boundary of {} characters, where 70 are the most", boundary.len()),
                );
            }
            if !boundary.iter().all(good) {
                self.tell(within, "RFC 2046 5.1.1", "a boundary with characters that none may have");
            }
        }
        if head.disposition.is_none() && field(header, "Content-Disposition").is_some() {
            self.tell(place_of(header, "Content-Disposition"), "RFC 2183 2", "Content-Disposition is empty");
        }
    }
}

/// Where the first such item begins; the start of the header where there is none.
fn place(header: &[u8], is: impl Fn(&Item<'_>) -> bool) -> usize {
    let mut at = 0;
    for item in items(header) {
        if is(&item) {
            return at;
        }
        at += item.raw().len();
    }
    0
}

fn place_of(header: &[u8], name: &str) -> usize {
    place(header, |item| matches!(item, Item::Field(field) if field.is(name)))
}

/// One at least, comments and blanks between them or nothing.
fn are_msg_ids(value: &[u8]) -> bool {
    let value = without_comments(value);
    let mut ids = value.split_inclusive(|b| *b == b'>').map(<[u8]>::trim_ascii).filter(|id| !id.is_empty()).peekable();
    ids.peek().is_some() && ids.all(is_msg_id)
}

fn is_msg_id(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"<").and_then(|value| value.strip_suffix(b">"));
    inner.is_some_and(|id| {
        memchr::memchr(b'@', id).is_some_and(|at| at > 0 && at + 1 < id.len())
            && id.iter().all(|b| !matches!(b, b'<' | b'>' | b' ' | b'\t') && !b.is_ascii_control())
    })
}

#[cfg(test)]
mod tests;

//! Header fields (RFC 5322 section 2.2) over borrowed bytes: where the header ends, its fields, their values unfolded. Obsolete and damaged
//! forms are told or tolerated, never lost. Writing is in `fold`.

use memchr::{memchr, memrchr};
use std::borrow::Cow;

pub mod fold;
pub mod readable;
pub mod search;

/// One field as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Without the blanks that obsolete syntax allows before the colon (RFC 5322 section 4.5).
    pub name: &'a [u8],
    /// What follows the colon, folded as it came, without its last line end.
    pub raw_value: &'a [u8],
    /// All bytes of the field, its line ends included.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// Field names compare in any case (RFC 5322 section 1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value with its line ends taken out and the blanks around it dropped; the blanks that began folded lines stay (RFC 5322 section
    /// 2.2.3).
    pub fn value(&self) -> Cow<'a, [u8]> {
        let trimmed = self.raw_value.trim_ascii();
        if memchr(b'\n', trimmed).is_none() {
            return Cow::Borrowed(trimmed);
        }
        let mut value = Vec::with_capacity(trimmed.len());
        for line in trimmed.split(|&b| b == b'\n') {
            value.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        }
        Cow::Owned(value)
    }

    /// The value as text: unfolded, encoded words decoded where the field may have any, bytes that are no UTF-8 read as windows-1252.
    pub fn text(&self) -> String {
        readable::text(self.name, &self.value())
    }
}

/// What stands in a header, line group by line group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Field(Field<'a>),
    /// A line that is no field: without a colon, or with a name that cannot be one.
    Junk(&'a [u8]),
}

impl<'a> Item<'a> {
    /// All bytes of it, its line ends included.
    pub fn raw(&self) -> &'a [u8] {
        match self {
            Item::Field(field) => field.raw,
            Item::Junk(raw) => raw,
        }
    }
}

/// The parts of `header`, which may or may not have the blank line at its end.
pub fn items(header: &[u8]) -> Items<'_> {
    Items { rest: header }
}

/// The fields of `header`; junk is passed over.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    items(header).filter_map(|item| match item {
        Item::Field(field) => Some(field),
        Item::Junk(_) => None,
    })
}

/// The first field of that name.
pub fn field<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(header).find(|field| field.is(name))
}

/// What of a header that was cut off is sure to be as it came: all but the last field.
pub fn whole_fields(header: &[u8]) -> &[u8] {
    let mut end = header.len();
    while let Some(at) = memrchr(b'\n', &header[..end]) {
        if header.get(at + 1).is_some_and(|first| !matches!(first, b' ' | b'\t')) {
            return &header[..=at];
        }
        end = at;
    }
    &[]
}

/// Where the body begins: after the first blank line. None if `message` has none.
pub fn body_offset(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &message[at..]) {
        let next = at + end + 1;
        if matches!(&message[at..next], b"\n" | b"\r\n") {
            return Some(next);
        }
        at = next;
    }
    None
}

/// The length of the mbox separator (`From ` and the rest of that line, RFC 4155) that `message` starts with; 0 if it has none.
pub fn from_line(message: &[u8]) -> usize {
    if message.starts_with(b"From ") { memchr(b'\n', message).map_or(message.len(), |end| end + 1) } else { 0 }
}

/// Iterates over a header.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if matches!(self.rest, b"" | b"\n" | b"\r\n") || self.rest.starts_with(b"\n") || self.rest.starts_with(b"\r\n") {
            self.rest = b"";
            return None;
        }
        let mut end = line_length(self.rest);
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end += line_length(&self.rest[end..]);
        }
        let (raw, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(parse(raw))
    }
}

/// `field = field-name ":" unstructured CRLF`, with the blanks before the colon of `obs-optional`.
fn parse(raw: &[u8]) -> Item<'_> {
    let Some(colon) = memchr(b':', raw) else { return Item::Junk(raw) };
    let name = raw[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Item::Junk(raw);
    }
    let value = &raw[colon + 1..];
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    Item::Field(Field { name, raw_value: value.strip_suffix(b"\r").unwrap_or(value), raw })
}

fn line_length(bytes: &[u8]) -> usize {
    memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "Received: from a\n\tby b\nSubject : =?utf-8?q?K=C3=A4se?=\n =?utf-8?q?_gut?=\nno colon here\n  and more\nTo:\n bob@hamburger.test\nX-Empty:\n\nbody: none\n";

    #[test]
    fn fields_are_found_whatever_their_form() {
        for header in [HEADER.to_owned(), HEADER.replace('\n', "\r\n")] {
            let header = header.as_bytes();
            let names: Vec<_> = fields(header).map(|f| String::from_utf8_lossy(f.name).into_owned()).collect();
            assert_eq!(names, ["Received", "Subject", "To", "X-Empty"]);
            assert_eq!(field(header, "subject").unwrap().text(), "Käse gut");
            assert_eq!(field(header, "RECEIVED").unwrap().value().as_ref(), b"from a\tby b");
            assert_eq!(field(header, "to").unwrap().value().as_ref(), b"bob@hamburger.test");
            assert_eq!(field(header, "x-empty").unwrap().value().as_ref(), b"");
            let junk: Vec<_> = items(header).filter(|item| matches!(item, Item::Junk(_))).collect();
            assert!(matches!(junk.as_slice(), [Item::Junk(line)] if line.starts_with(b"no colon here")));
        }
    }

    #[test]
    fn the_body_begins_after_the_blank_line() {
        assert_eq!(body_offset(b"A: b\n\nbody"), Some(6));
        assert_eq!(body_offset(b"A: b\r\n\r\nbody"), Some(8));
        assert_eq!(body_offset(b"\nbody"), Some(1));
        assert_eq!(body_offset(b"A: b\n \n"), None);
        assert_eq!(from_line(b"From a@b Sun\nA: b\n"), 13);
        assert_eq!(from_line(b"From: a@b\n"), 0);
    }

    #[test]
    fn a_field_that_may_go_on_is_not_whole() {
        for (header, whole) in [
            ("A: b\nC: d\n e\n", "A: b\n"),
            ("A: b\r\nC: d\r\n\te", "A: b\r\n"),
            ("A: b\nC", "A: b\n"),
            ("A: b\n", ""),
            ("A: b", ""),
            ("", ""),
        ] {
            assert_eq!(whole_fields(header.as_bytes()), whole.as_bytes(), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_header_is_lost(header in "([A:\u{e4} \t\r\n]|\n ){0,40}") {
            let bytes = header.as_bytes();
            let raw: Vec<u8> = items(bytes).flat_map(|item| match item { Item::Field(field) => field.raw, Item::Junk(raw) => raw }).copied().collect();
            prop_assert!(bytes.starts_with(&raw));
            let rest = &bytes[raw.len()..];
            prop_assert!(rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n"));
        }
    }
}

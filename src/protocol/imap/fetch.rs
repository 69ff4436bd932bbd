//! FETCH responses: what a server says of one message.

use super::envelope::{Envelope, envelope};
use super::flag::{Flag, flag_list};
use super::mailbox::object_id;
use super::scan::{Data, Mark, Parsed, Scanner, Syntax, is_atom_char};
use super::structure::{Body, body};
use jiff::Timestamp;

/// One FETCH response: facts of one message, in the order of the server's, as many of them as it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The message sequence number.
    pub sequence: u32,
    pub attributes: Vec<Attribute>,
    /// From the first octet that is no attribute, raw: what stands before it was read.
    pub unparsed: Option<(Vec<u8>, Syntax)>,
}

/// `msg-att-dynamic` and `msg-att-static` (RFC 9051 section 9), and those of extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    Flags(Vec<Flag>),
    Uid(u32),
    InternalDate(DateTime),
    /// RFC822.SIZE. Some servers do not know: `-1`.
    Size(Option<u64>),
    Envelope(Box<Envelope>),
    /// BODY without a section: no extension data.
    Body(Box<Body>),
    BodyStructure(Box<Body>),
    /// BODY[…], RFC822, RFC822.HEADER and RFC822.TEXT.
    Section(Item, Data),
    /// BINARY[…] (RFC 3516): decoded by the server.
    Binary(Item, Data),
    /// BINARY.SIZE[…]
    BinarySize(Item, u64),
    /// RFC 7162.
    ModSeq(u64),
    /// RFC 8474.
    EmailId(Vec<u8>),
    /// RFC 8474; none where the server has no threads.
    ThreadId(Option<Vec<u8>>),
    /// RFC 8970; none where there is none, or not yet.
    Preview(Option<Vec<u8>>),
    /// RFC 8514.
    SaveDate(Option<DateTime>),
    /// Name in capitals, with its section, and value raw: `X-GM-MSGID` and others.
    Other(String, Vec<u8>),
    /// A known name with a value that is none, raw.
    Unparsed(String, Vec<u8>, Syntax),
}

/// What was fetched, as it is named: `BODY[1.2.HEADER]<0>` in its pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// In capitals: BODY, BINARY, RFC822.TEXT…
    pub name: String,
    /// Between the brackets, as it came.
    pub section: Option<Vec<u8>>,
    /// Where the octets begin, where they are a part of the whole.
    pub origin: Option<u64>,
}

/// `date-time` (RFC 9051 section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTime {
    pub text: String,
    /// None: it is no date that ever was.
    pub instant: Option<Timestamp>,
}

impl Fetch {
    pub fn uid(&self) -> Option<u32> {
        self.attributes.iter().find_map(|attribute| if let Attribute::Uid(uid) = attribute { Some(*uid) } else { None })
    }

    pub fn flags(&self) -> Option<&[Flag]> {
        self.attributes
            .iter()
            .find_map(|attribute| if let Attribute::Flags(flags) = attribute { Some(flags.as_slice()) } else { None })
    }

    /// Something in it could not be read.
    pub fn is_damaged(&self) -> bool {
        self.unparsed.is_some() || self.attributes.iter().any(|attribute| matches!(attribute, Attribute::Unparsed(..)))
    }
}

impl Item {
    /// Octets of a message, whichever.
    pub fn is_content(&self) -> bool {
        let whole = ["RFC822", "RFC822.HEADER", "RFC822.TEXT"].contains(&self.name.as_str());
        whole || (self.section.is_some() && ["BODY", "BODY.PEEK", "BINARY"].contains(&self.name.as_str()))
    }

    /// It may be as long as a message, rather than a header's length.
    pub fn is_long(&self) -> bool {
        let header = self.section.as_deref().is_some_and(|section| {
            let section = section.to_ascii_uppercase();
            let text = String::from_utf8_lossy(&section).into_owned();
            let word = text.split([' ', '(']).next().unwrap_or_default();
            word.ends_with("MIME") || word.contains("HEADER")
        });
        match self.name.as_str() {
            "BODY" | "BODY.PEEK" => self.section.is_some() && !header,
            "BINARY" | "RFC822" | "RFC822.TEXT" => true,
            _ => false,
        }
    }
}

/// `("BODY" section ["<" number ">"])`, `"BINARY" section-binary ["<" number ">"]`, or a name alone; nothing behind it is passed.
pub fn item(s: &mut Scanner<'_>) -> Parsed<Item> {
    let name = s.take_while(|byte| is_atom_char(byte) && byte != b'[');
    if name.is_empty() {
        return s.fail("the name of an attribute");
    }
    let mut item = Item { name: String::from_utf8_lossy(name).to_ascii_uppercase(), ..Item::default() };
    if s.eat(b'[') {
        item.section = Some(section(s)?);
    }
    if s.eat(b'<') {
        item.origin = Some(s.number64()?);
        s.char(b'>', "the end of the origin")?;
    }
    Ok(item)
}

/// `section = "[" [section-spec] "]"`, behind its bracket; strings in it may hold brackets.
fn section(s: &mut Scanner<'_>) -> Parsed<Vec<u8>> {
    let from = s.at();
    loop {
        match s.peek() {
            Some(b']') => {
                let section = s.since(from);
                let section = s.copy(section)?;
                s.eat(b']');
                return Ok(section);
            }
            Some(b'"') => {
                s.quoted()?;
            }
            Some(b'{') => {
                s.literal()?;
            }
            Some(byte) if !matches!(byte, b'\r' | b'\n') => {
                s.eat(byte);
            }
            _ => return s.fail("the end of the section"),
        }
    }
}

/// `msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"`, for message `sequence`. What is wrong in
/// one attribute costs no other.
pub fn msg_att(s: &mut Scanner<'_>, sequence: u32) -> Parsed<Fetch> {
    s.char(b'(', "the attributes of a message")?;
    let mut fetch = Fetch { sequence, attributes: Vec::new(), unparsed: None };
    loop {
        s.blanks();
        if s.eat(b')') {
            return Ok(fetch);
        }
        let from = s.mark();
        match attribute(s) {
            Ok(attribute) => s.keep(&mut fetch.attributes, attribute)?,
            Err(why) => {
                s.back_to_mark(from);
                fetch.unparsed = Some((s.copy(s.rest())?, why));
                s.back_to(usize::MAX);
                return Ok(fetch);
            }
        }
    }
}

fn attribute(s: &mut Scanner<'_>) -> Parsed<Attribute> {
    let item = item(s)?;
    let name = full_name(&item);
    s.sp()?;
    let from = s.mark();
    let read = known(s, item);
    let ends = matches!(s.peek(), Some(b' ' | b')'));
    match read {
        Ok(Some(attribute)) if ends => Ok(attribute),
        Ok(None) => {
            let value = s.value()?;
            Ok(Attribute::Other(name, s.copy(value)?))
        }
        Ok(Some(_)) => unreadable(s, from, name, Syntax { at: s.at(), wanted: "the end of the attribute" }),
        Err(why) => unreadable(s, from, name, why),
    }
}

/// Passes a value by its parentheses alone.
fn unreadable(s: &mut Scanner<'_>, from: Mark, name: String, why: Syntax) -> Parsed<Attribute> {
    s.back_to_mark(from);
    match s.value() {
        Ok(value) if matches!(s.peek(), Some(b' ' | b')')) => Ok(Attribute::Unparsed(name, s.copy(value)?, why)),
        _ => Err(why),
    }
}

fn full_name(item: &Item) -> String {
    match &item.section {
        Some(section) => format!("{}[{}]", item.name, String::from_utf8_lossy(section)),
        None => item.name.clone(),
    }
}

/// The value behind a name that is known; none where it is not.
fn known(s: &mut Scanner<'_>, item: Item) -> Parsed<Option<Attribute>> {
    Ok(Some(match (item.name.as_str(), item.section.is_some()) {
        ("FLAGS", false) => Attribute::Flags(flag_list(s)?),
        ("UID", false) => Attribute::Uid(s.nz_number()?),
        ("INTERNALDATE", false) => Attribute::InternalDate(date_time(s)?),
        ("RFC822.SIZE", false) => Attribute::Size(s.count()?),
        ("ENVELOPE", false) => Attribute::Envelope(Box::new(envelope(s)?)),
        ("BODY", false) => Attribute::Body(Box::new(body(s)?)),
        ("BODYSTRUCTURE", false) => Attribute::BodyStructure(Box::new(body(s)?)),
        ("BODY" | "BODY.PEEK", true) | ("RFC822" | "RFC822.HEADER" | "RFC822.TEXT", false) => Attribute::Section(item, s.data()?),
        ("BINARY", true) => Attribute::Binary(item, s.data()?),
        ("BINARY.SIZE", true) => Attribute::BinarySize(item, s.number64()?),
        ("MODSEQ", false) => Attribute::ModSeq(mod_sequence(s)?),
        ("EMAILID", false) => Attribute::EmailId(object_id(s)?),
        // Cyrus 3.6 puts the NIL into parentheses; no id is called so (RFC 8474 section 7).
        ("THREADID", false) => {
            let id = if s.nil() { None } else { Some(object_id(s)?) };
            Attribute::ThreadId(id.filter(|id| !id.eq_ignore_ascii_case(b"NIL")))
        }
        ("PREVIEW", false) => Attribute::Preview(s.nstring()?),
        ("SAVEDATE", false) => Attribute::SaveDate(if s.nil() { None } else { Some(date_time(s)?) }),
        _ => return Ok(None),
    }))
}

/// `"(" permsg-modsequence ")"` (RFC 7162 section 7)
fn mod_sequence(s: &mut Scanner<'_>) -> Parsed<u64> {
    s.char(b'(', "a mod-sequence in parentheses")?;
    s.blanks();
    let number = s.number64()?;
    s.blanks();
    s.char(b')', "the end of the mod-sequence")?;
    Ok(number)
}

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`
fn date_time(s: &mut Scanner<'_>) -> Parsed<DateTime> {
    let text = String::from_utf8_lossy(&s.string()?).into_owned();
    let instant = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok();
    let instant = instant.and_then(|parsed| parsed.to_timestamp().ok());
    Ok(DateTime { text, instant })
}

#[cfg(test)]
mod tests {
    use super::super::scan::Streamed;
    use super::*;

    fn fetch(text: &[u8], streamed: &[Streamed]) -> Parsed<Fetch> {
        let mut s = Scanner::new(text, streamed);
        let fetch = msg_att(&mut s, 12)?;
        s.end()?;
        Ok(fetch)
    }

    fn attributes(text: &str) -> Vec<Attribute> {
        let found = fetch(text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found.unparsed, None, "{text}");
        found.attributes
    }

    fn item(name: &str, section: Option<&str>, origin: Option<u64>) -> Item {
        Item { name: name.into(), section: section.map(|section| section.as_bytes().to_vec()), origin }
    }

    #[test]
    fn attributes_of_every_kind() {
        let held = |text: &str| Data::Held(text.as_bytes().to_vec());
        for (text, want) in [
            ("(uid 17)", Attribute::Uid(17)),
            ("(RFC822.SIZE -1)", Attribute::Size(None)),
            ("(RFC822.SIZE 44827)", Attribute::Size(Some(44827))),
            ("(MODSEQ (624140003))", Attribute::ModSeq(624_140_003)),
            ("(EMAILID (M6d99))", Attribute::EmailId(b"M6d99".to_vec())),
            ("(THREADID NIL)", Attribute::ThreadId(None)),
            ("(THREADID (NIL))", Attribute::ThreadId(None)),
            ("(PREVIEW \"\")", Attribute::Preview(Some(Vec::new()))),
            ("(SAVEDATE NIL)", Attribute::SaveDate(None)),
            ("(BODY[] NIL)", Attribute::Section(item("BODY", Some(""), None), Data::Nil)),
            ("(BODY[1.2]<10> \"x\")", Attribute::Section(item("BODY", Some("1.2"), Some(10)), held("x"))),
            ("(body[TEXT] {4}\r\na\r\nb)", Attribute::Section(item("BODY", Some("TEXT"), None), held("a\r\nb"))),
            (
                "(BODY[HEADER.FIELDS (\"a]b\" {1}\r\n])] {2}\r\n\r\n)",
                Attribute::Section(item("BODY", Some("HEADER.FIELDS (\"a]b\" {1}\r\n])"), None), held("\r\n")),
            ),
            ("(RFC822 \"a\")", Attribute::Section(item("RFC822", None, None), held("a"))),
            ("(BINARY[1] ~{3}\r\na\0b)", Attribute::Binary(item("BINARY", Some("1"), None), held("a\0b"))),
            ("(BINARY.SIZE[1] 9)", Attribute::BinarySize(item("BINARY.SIZE", Some("1"), None), 9)),
            ("(X-GM-LABELS (\"\\\\Sent\" a))", Attribute::Other("X-GM-LABELS".into(), b"(\"\\\\Sent\" a)".to_vec())),
        ] {
            assert_eq!(attributes(text), [want], "{text}");
        }
        assert_eq!(attributes("( FLAGS () UID 3 )").len(), 2, "blanks that should not be");
    }

    #[test]
    fn dates_are_instants() {
        for (text, want) in [
            ("17-Jul-1996 02:44:25 -0700", Some("1996-07-17T09:44:25Z")),
            (" 1-Jan-2026 00:00:00 +0000", Some("2026-01-01T00:00:00Z")),
            ("31-Feb-2026 00:00:00 +0000", None),
        ] {
            let Attribute::InternalDate(date) = &attributes(&format!("(INTERNALDATE \"{text}\")"))[0] else { panic!() };
            assert_eq!((date.text.as_str(), date.instant.map(|instant| instant.to_string()).as_deref()), (text, want));
        }
    }

    /// A row is never lost because of one attribute in it.
    #[test]
    fn what_cannot_be_read_is_kept_beside_what_can() {
        let found = fetch(b"(UID 7 ENVELOPE (NIL what) FLAGS (\\Seen))", &[]).unwrap();
        assert_eq!((found.uid(), found.flags().map(<[_]>::len), found.is_damaged()), (Some(7), Some(1), true));
        assert!(matches!(&found.attributes[1], Attribute::Unparsed(name, raw, _) if name == "ENVELOPE" && raw == b"(NIL what)"));
        let found = fetch(b"(UID 7 ENVELOPE (NIL \"x FLAGS (\\Seen))", &[]).unwrap();
        assert_eq!((found.uid(), found.unparsed.unwrap().0), (Some(7), b"ENVELOPE (NIL \"x FLAGS (\\Seen))".to_vec()));
        assert!(fetch(b"UID 7", &[]).is_err());
    }

    #[test]
    fn a_streamed_literal_is_named() {
        let text = b"(BODY[] {5000000000}\r\n UID 9)";
        let found = fetch(text, &[Streamed { at: 22, len: 5_000_000_000 }]).unwrap();
        assert_eq!(found.uid(), Some(9));
        let data = Data::Streamed { literal: 0, len: 5_000_000_000 };
        assert_eq!(found.attributes[0], Attribute::Section(item("BODY", Some(""), None), data));
    }

    #[test]
    fn headers_are_short_and_bodies_are_long() {
        for (name, section, long) in [
            ("BODY", Some(""), true),
            ("BODY", Some("1.2"), true),
            ("BODY", Some("TEXT"), true),
            ("BODY", Some("header"), false),
            ("BODY", Some("HEADER.FIELDS (SUBJECT)"), false),
            ("BODY", Some("1.2.MIME"), false),
            ("BINARY", Some("1"), true),
            ("RFC822.HEADER", None, false),
            ("RFC822", None, true),
            ("ENVELOPE", None, false),
        ] {
            assert_eq!(item(name, section, None).is_long(), long, "{name} {section:?}");
        }
    }
}

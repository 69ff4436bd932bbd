//! BODY and BODYSTRUCTURE: the tree of a message's parts, as the server sees it.

use super::envelope::{Envelope, envelope};
use super::scan::{Parsed, Scanner};

/// Most levels of parts.
const MAX_DEPTH: usize = 100;

/// Names and values of parameters, as they came.
pub type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// `body` (RFC 9051 section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Single(Box<Single>),
    Multi(Box<Multi>),
}

/// `body-type-1part`. Type, subtype and encoding are as they came: they count in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Single {
    pub media_type: Vec<u8>,
    pub subtype: Vec<u8>,
    pub parameters: Parameters,
    pub id: Option<Vec<u8>>,
    pub description: Option<Vec<u8>>,
    pub encoding: Option<Vec<u8>>,
    /// As transferred. Some servers do not know: `-1`.
    pub octets: Option<u64>,
    /// Of text, and of a message.
    pub lines: Option<u64>,
    /// Of message/rfc822 and message/global.
    pub message: Option<Box<Message>>,
    pub md5: Option<Vec<u8>>,
    pub extension: Extension,
}

/// What is inside a part that is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub envelope: Envelope,
    pub body: Body,
}

/// `body-type-mpart`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multi {
    pub parts: Vec<Body>,
    pub subtype: Vec<u8>,
    pub parameters: Parameters,
    pub extension: Extension,
}

/// What only BODYSTRUCTURE has, of parts of both kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// Content-Disposition.
    pub disposition: Option<(Vec<u8>, Parameters)>,
    /// Content-Language.
    pub language: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// What is none of the fields that are known, raw.
    pub more: Vec<Vec<u8>>,
}

/// `body = "(" (body-type-1part / body-type-mpart) ")"`
pub fn body(s: &mut Scanner<'_>) -> Parsed<Body> {
    body_at(s, MAX_DEPTH)
}

fn body_at(s: &mut Scanner<'_>, depth: usize) -> Parsed<Body> {
    let Some(depth) = depth.checked_sub(1) else { return s.fail("fewer levels of parts") };
    s.char(b'(', "a body structure")?;
    s.blanks();
    let body = if s.peek() == Some(b'(') {
        s.spend(size_of::<Multi>())?;
        Body::Multi(Box::new(body_type_mpart(s, depth)?))
    } else {
        s.spend(size_of::<Single>())?;
        Body::Single(Box::new(body_type_1part(s, depth)?))
    };
    s.blanks();
    s.char(b')', "the end of the body structure")?;
    Ok(body)
}

/// A field follows: a blank, and no end.
fn more(s: &mut Scanner<'_>) -> bool {
    s.blanks();
    !matches!(s.peek(), None | Some(b')'))
}

/// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`,
/// `body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]`
fn body_type_mpart(s: &mut Scanner<'_>, depth: usize) -> Parsed<Multi> {
    let mut multi = Multi::default();
    while s.peek() == Some(b'(') {
        let part = body_at(s, depth)?;
        s.keep(&mut multi.parts, part)?;
        s.blanks();
    }
    if more(s) {
        multi.subtype = s.nstring()?.unwrap_or_default();
    }
    if more(s) {
        multi.parameters = body_fld_param(s)?;
        multi.extension = body_ext(s)?;
    }
    Ok(multi)
}

/// `body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`,
/// `body-ext-1part = body-fld-md5 [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]`
fn body_type_1part(s: &mut Scanner<'_>, depth: usize) -> Parsed<Single> {
    let mut single = Single { media_type: s.nstring()?.unwrap_or_default(), ..Single::default() };
    s.sp()?;
    single.subtype = s.nstring()?.unwrap_or_default();
    if more(s) {
        body_fields(s, &mut single)?;
    }
    let is = |media_type: &[u8]| single.media_type.eq_ignore_ascii_case(media_type);
    if is(b"text") {
        // Servers leave the lines out, or do not know them.
        if more(s) && matches!(s.peek(), Some(b'0'..=b'9' | b'-')) {
            single.lines = s.count()?;
        }
    } else if is(b"message") && more(s) && s.peek() == Some(b'(') {
        // `body-type-msg = media-message SP body-fields SP envelope SP body SP body-fld-lines`
        let envelope = envelope(s)?;
        s.sp()?;
        let body = body_at(s, depth)?;
        s.spend(size_of::<Message>())?;
        single.message = Some(Box::new(Message { envelope, body }));
        if more(s) && matches!(s.peek(), Some(b'0'..=b'9' | b'-')) {
            single.lines = s.count()?;
        }
    }
    if more(s) {
        single.md5 = s.nstring()?;
        single.extension = body_ext(s)?;
    }
    Ok(single)
}

/// `body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets`
fn body_fields(s: &mut Scanner<'_>, single: &mut Single) -> Parsed<()> {
    single.parameters = body_fld_param(s)?;
    s.sp()?;
    single.id = s.nstring()?;
    s.sp()?;
    single.description = s.nstring()?;
    s.sp()?;
    single.encoding = s.nstring()?;
    s.sp()?;
    single.octets = s.count()?;
    Ok(())
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
fn body_fld_param(s: &mut Scanner<'_>) -> Parsed<Parameters> {
    if s.nil() {
        return Ok(Vec::new());
    }
    if s.peek() == Some(b'"') {
        // `""` for no parameters.
        s.quoted()?;
        return Ok(Vec::new());
    }
    s.list(|s| {
        let name = s.string()?;
        s.sp()?;
        Ok((name, s.nstring()?.unwrap_or_default()))
    })
}

/// `[SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]`
fn body_ext(s: &mut Scanner<'_>) -> Parsed<Extension> {
    let mut extension = Extension::default();
    if more(s) {
        extension.disposition = body_fld_dsp(s)?;
    }
    if more(s) {
        extension.language = body_fld_lang(s)?;
    }
    if more(s) {
        extension.location = s.nstring()?;
    }
    while more(s) {
        let value = s.value()?;
        let value = s.copy(value)?;
        s.keep(&mut extension.more, value)?;
    }
    Ok(extension)
}

/// `body-fld-dsp = "(" string SP body-fld-param ")" / nil`
fn body_fld_dsp(s: &mut Scanner<'_>) -> Parsed<Option<(Vec<u8>, Parameters)>> {
    if s.nil() {
        return Ok(None);
    }
    if s.peek() == Some(b'"') {
        return Ok(Some((s.quoted()?, Vec::new())));
    }
    s.char(b'(', "a disposition")?;
    s.blanks();
    let disposition = s.nstring()?.unwrap_or_default();
    let parameters = if more(s) { body_fld_param(s)? } else { Vec::new() };
    s.blanks();
    s.char(b')', "the end of the disposition")?;
    Ok(Some((disposition, parameters)))
}

/// `body-fld-lang = nstring / "(" string *(SP string) ")"`
fn body_fld_lang(s: &mut Scanner<'_>) -> Parsed<Vec<Vec<u8>>> {
    if s.peek() == Some(b'(') { s.list(Scanner::string) } else { Ok(s.nstring()?.into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Body> {
        let mut s = Scanner::new(text.as_bytes(), &[]);
        let found = body(&mut s)?;
        s.end()?;
        Ok(found)
    }

    fn multi(text: &str) -> Multi {
        match parse(text) {
            Ok(Body::Multi(multi)) => *multi,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn single(text: &str) -> Single {
        match parse(text) {
            Ok(Body::Single(single)) => *single,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// RFC 9051 section 7.5.2.
    #[test]
    fn structures_of_the_rfc() {
        let found = multi(
            "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \
             \"NAME\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\")",
        );
        assert_eq!((found.parts.len(), found.subtype.as_slice()), (2, &b"MIXED"[..]));
        let Body::Single(second) = &found.parts[1] else { panic!() };
        assert_eq!((second.octets, second.lines, second.parameters.len()), (Some(4554), Some(73), 2));
    }

    #[test]
    fn extension_data_and_a_message_inside() {
        let found = multi(
            "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 2 1 \"md5\" (\"inline\" NIL) (\"en\" \"de\") \"loc\" (a 1) x)\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) \
             (\"image\" \"png\" NIL NIL NIL \"base64\" 7) 3 NIL (\"attachment\" (\"filename\" \"a\\\"b\")) NIL) \
             \"mixed\" (\"boundary\" \"x\") NIL \"en\")",
        );
        let Body::Single(text) = &found.parts[0] else { panic!() };
        assert_eq!((text.extension.language.len(), text.extension.more.len()), (2, 2));
        let Body::Single(message) = &found.parts[1] else { panic!() };
        assert_eq!(message.extension.disposition.as_ref().unwrap().1[0].1, b"a\"b");
        assert!(message.message.as_ref().is_some_and(|message| matches!(message.body, Body::Single(_))));
        assert_eq!((message.lines, found.extension.language.len(), found.parameters.len()), (Some(3), 1, 1));
    }

    #[test]
    fn dialects_of_structures() {
        assert_eq!(single("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" -1 -1)").octets, None);
        assert_eq!(single("(\"TEXT\" \"PLAIN\" \"\" NIL NIL \"7BIT\" 12)").octets, Some(12), "lines are missing");
        assert_eq!(single("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 12 NIL NIL NIL)").lines, None);
        assert!(single("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99)").message.is_none(), "no envelope");
        assert_eq!(single("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 NIL (\"inline\" NIL) )").octets, Some(99));
        assert_eq!(
            single("(\"application\" \"pdf\" (\"name\" {3}\r\n(\"a) NIL NIL \"base64\" 5 NIL \"attachment\")").parameters[0].1,
            b"(\"a"
        );
        assert_eq!(multi("((\"a\" \"b\" NIL NIL NIL NIL 1) (\"a\" \"b\" NIL NIL NIL NIL 1) NIL)").parts.len(), 2);
        for text in ["()", "NIL", "(\"a\")", "((\"a\" \"b\" NIL NIL NIL NIL 1)", "(\"a\" \"b\" (\"x\") NIL NIL NIL 1)"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested =
            |depth: usize| format!("{}(\"a\" \"b\" NIL NIL NIL NIL 1){}", "(".repeat(depth), " \"mixed\")".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
        assert!(parse(&nested(MAX_DEPTH)).is_err());
        assert!(parse(&"(".repeat(1_000_000)).is_err());
    }
}

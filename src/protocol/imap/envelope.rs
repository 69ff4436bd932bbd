//! ENVELOPE: the header fields that a server has parsed.

use super::scan::{Parsed, Scanner};

/// `envelope` (RFC 9051 section 9). The texts are as they stand in the message: encoded words are not decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub from: Vec<Address>,
    pub sender: Vec<Address>,
    pub reply_to: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub bcc: Vec<Address>,
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}

/// `address` (RFC 9051 section 9). Without a host it begins a group of that name, and without both it ends one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    pub name: Option<Vec<u8>>,
    /// A source route.
    pub adl: Option<Vec<u8>>,
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}

/// `envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP env-in-reply-to SP
/// env-message-id ")"`
pub fn envelope(s: &mut Scanner<'_>) -> Parsed<Envelope> {
    s.char(b'(', "an envelope")?;
    s.blanks();
    let mut envelope = Envelope { date: s.nstring()?, ..Envelope::default() };
    s.sp()?;
    envelope.subject = s.nstring()?;
    for field in
        [&mut envelope.from, &mut envelope.sender, &mut envelope.reply_to, &mut envelope.to, &mut envelope.cc, &mut envelope.bcc]
    {
        s.sp()?;
        *field = addresses(s)?;
    }
    s.sp()?;
    envelope.in_reply_to = s.nstring()?;
    s.sp()?;
    envelope.message_id = s.nstring()?;
    s.blanks();
    s.char(b')', "the end of the envelope")?;
    Ok(envelope)
}

/// `env-from = "(" 1*address ")" / nil`, and an empty string where servers know no better.
fn addresses(s: &mut Scanner<'_>) -> Parsed<Vec<Address>> {
    if s.nil() {
        Ok(Vec::new())
    } else if s.peek() == Some(b'"') {
        let at = s.at();
        let empty = s.quoted()?.is_empty();
        if empty {
            return Ok(Vec::new());
        }
        s.back_to(at);
        s.fail("addresses")
    } else {
        s.list(address)
    }
}

/// `address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"`
fn address(s: &mut Scanner<'_>) -> Parsed<Address> {
    s.char(b'(', "an address")?;
    s.blanks();
    let name = s.nstring()?;
    s.sp()?;
    let adl = s.nstring()?;
    s.sp()?;
    let mailbox = s.nstring()?;
    s.sp()?;
    let host = s.nstring()?;
    s.blanks();
    s.char(b')', "the end of the address")?;
    Ok(Address { name, adl, mailbox, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Envelope> {
        envelope(&mut Scanner::new(text.as_bytes(), &[]))
    }

    /// RFC 9051 section 8.
    #[test]
    fn the_envelope_of_the_rfc() {
        let text = "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
            ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
            ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) \
            ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\") (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
            \"<B27397-0100000@cac.washington.ed>\")";
        let found = parse(text).unwrap();
        assert_eq!(found.subject.as_deref(), Some(&b"IMAP4rev2 WG mtg summary and minutes"[..]));
        assert_eq!(found.cc[1].name.as_deref(), Some(&b"John Klensin"[..]));
        assert_eq!((found.cc.len(), found.bcc.len(), found.in_reply_to), (2, 0, None));
    }

    #[test]
    fn dialects_of_envelopes() {
        let found = parse("( NIL \"\" \"\" NIL () ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) NIL NIL {3}\r\na\"b nil )").unwrap();
        assert_eq!((found.subject.as_deref(), found.in_reply_to.as_deref()), (Some(&b""[..]), Some(&b"a\"b"[..])));
        assert_eq!(found.to.len(), 2);
        for text in
            ["(NIL NIL)", "NIL", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL", "(NIL NIL \"x\" NIL NIL NIL NIL NIL NIL NIL)"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

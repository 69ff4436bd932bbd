//! Mailboxes: names, LIST and LSUB, STATUS, NAMESPACE.

use super::scan::{Parsed, Scanner};
use std::fmt;

/// A mailbox name as it stands on the wire: modified UTF-7, or UTF-8 after UTF8=ACCEPT or IMAP4rev2 was enabled. INBOX counts in any
/// case (RFC 9051 section 5.1) and is kept in capitals; all else is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox(Vec<u8>);

impl Mailbox {
    /// Of a name that is encoded already.
    pub fn encoded(name: &[u8]) -> Mailbox {
        if name.eq_ignore_ascii_case(b"INBOX") { Mailbox::inbox() } else { Mailbox(name.to_vec()) }
    }

    pub fn inbox() -> Mailbox {
        Mailbox(b"INBOX".to_vec())
    }

    /// As it stands on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// One row of LIST, LSUB or XLIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `\HasChildren`, `\Noselect`, `\Drafts`…: with their backslash, as they came.
    pub attributes: Vec<String>,
    /// What parts the levels of the hierarchy; none: it is flat.
    pub delimiter: Option<u8>,
    pub mailbox: Mailbox,
    /// CHILDINFO (RFC 5258 section 4): which selection options children match.
    pub child_info: Vec<String>,
    /// OLDNAME (RFC 9051 section 6.3.9.7): what it was called before, or was asked for as.
    pub old_name: Option<Mailbox>,
    /// Other extended data: name, and its value raw.
    pub other: Vec<(String, Vec<u8>)>,
}

impl Listed {
    /// In any case; with its backslash.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|has| has.eq_ignore_ascii_case(attribute))
    }

    /// It is a mailbox, and not only a level above others.
    pub fn is_selectable(&self) -> bool {
        !self.has("\\Noselect") && !self.has("\\NonExistent")
    }
}

/// What STATUS says of a mailbox (RFC 9051 section 6.3.11 and extensions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusItem {
    Messages(u32),
    UidNext(u32),
    UidValidity(u32),
    Unseen(u32),
    Deleted(u32),
    Recent(u32),
    Size(u64),
    /// RFC 7162.
    HighestModSeq(u64),
    /// RFC 9208.
    DeletedStorage(u64),
    AppendLimit(Option<u64>),
    /// RFC 8474.
    MailboxId(Vec<u8>),
    /// Name, and value raw.
    Other(String, Vec<u8>),
}

/// One namespace (RFC 2342, RFC 9051 section 6.3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// As it stands on the wire.
    pub prefix: Vec<u8>,
    pub delimiter: Option<u8>,
    /// `Namespace-Response-Extensions`: names and values.
    pub extensions: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    pub personal: Vec<Namespace>,
    pub other_users: Vec<Namespace>,
    pub shared: Vec<Namespace>,
}

/// `mailbox = "INBOX" / astring`
pub fn mailbox(s: &mut Scanner<'_>) -> Parsed<Mailbox> {
    // Some servers do not quote what a list would hold: % and *.
    let from = s.at();
    let name = s.astring()?;
    if matches!(s.peek(), Some(b'%' | b'*' | b'\\')) && s.since(from) == name {
        s.take_while(|byte| !matches!(byte, b' ' | b'(' | b')' | b'"' | b'{' | b'\r' | b'\n'));
        let name = s.since(from);
        s.spend_text(name.len())?;
        return Ok(Mailbox::encoded(name));
    }
    Ok(Mailbox::encoded(&name))
}

/// `DQUOTE QUOTED-CHAR DQUOTE / nil`, of `mailbox-list`; what servers send instead of NIL, too.
fn delimiter(s: &mut Scanner<'_>) -> Parsed<Option<u8>> {
    let at = s.at();
    match s.nstring()?.as_deref() {
        None | Some([]) => Ok(None),
        Some([byte]) => Ok(Some(*byte)),
        Some(_) => {
            s.back_to(at);
            s.fail("a hierarchy delimiter of one character")
        }
    }
}

/// `mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]`
pub fn mailbox_list(s: &mut Scanner<'_>) -> Parsed<Listed> {
    let attributes = s.list(|s| {
        let flag = super::flag::flag_perm(s)?;
        Ok(flag.as_str().to_owned())
    })?;
    s.sp()?;
    let delimiter = delimiter(s)?;
    s.sp()?;
    let mailbox = mailbox(s)?;
    let mut listed = Listed { attributes, delimiter, mailbox, child_info: Vec::new(), old_name: None, other: Vec::new() };
    s.blanks();
    if s.peek() == Some(b'(') {
        mbox_list_extended(s, &mut listed)?;
    }
    Ok(listed)
}

/// `mbox-list-extended = "(" [mbox-list-extended-item *(SP mbox-list-extended-item)] ")"`, an item being
/// `mbox-list-extended-item-tag SP tagged-ext-val`
fn mbox_list_extended(s: &mut Scanner<'_>, listed: &mut Listed) -> Parsed<()> {
    s.list(|s| {
        let tag = String::from_utf8_lossy(&s.astring()?).to_ascii_uppercase();
        s.sp()?;
        match tag.as_str() {
            // `childinfo-extended-item = "CHILDINFO" SP "(" list-select-base-opt-quoted *(SP …) ")"`
            "CHILDINFO" => {
                let words = s.list(Scanner::astring)?;
                listed.child_info = words.iter().map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).collect();
            }
            // `oldname-extended-item = "OLDNAME" SP "(" mailbox ")"`
            "OLDNAME" => listed.old_name = s.list(self::mailbox)?.pop(),
            _ => {
                let value = s.value()?;
                let value = s.copy(value)?;
                s.keep(&mut listed.other, (tag, value))?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// `"STATUS" SP mailbox SP "(" [status-att-list] ")"`, behind its first blank.
pub fn status(s: &mut Scanner<'_>) -> Parsed<(Mailbox, Vec<StatusItem>)> {
    let mailbox = mailbox(s)?;
    s.sp()?;
    Ok((mailbox, s.list(status_att_val)?))
}

/// `status-att-val = ("MESSAGES" SP number) / ("UIDNEXT" SP nz-number) / …`; 0 where the rule has nz-number is taken, too.
fn status_att_val(s: &mut Scanner<'_>) -> Parsed<StatusItem> {
    let name = s.name()?;
    s.sp()?;
    Ok(match name.as_str() {
        "MESSAGES" => StatusItem::Messages(s.number()?),
        "UIDNEXT" => StatusItem::UidNext(s.number()?),
        "UIDVALIDITY" => StatusItem::UidValidity(s.number()?),
        "UNSEEN" => StatusItem::Unseen(s.number()?),
        "DELETED" => StatusItem::Deleted(s.number()?),
        "RECENT" => StatusItem::Recent(s.number()?),
        "SIZE" => StatusItem::Size(s.number64()?),
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq(s.number64()?),
        "DELETED-STORAGE" => StatusItem::DeletedStorage(s.number64()?),
        "APPENDLIMIT" => StatusItem::AppendLimit(s.count()?),
        "MAILBOXID" => StatusItem::MailboxId(object_id(s)?),
        _ => {
            let value = s.value()?;
            StatusItem::Other(name, s.copy(value)?)
        }
    })
}

/// `"(" objectid ")"` (RFC 8474 section 7). Cyrus 3.6 puts octets of any kind there for a mailbox that was just made, parentheses among them: the one
/// that ends it has nothing behind it, or what may follow.
pub fn object_id(s: &mut Scanner<'_>) -> Parsed<Vec<u8>> {
    s.char(b'(', "an object id in parentheses")?;
    s.blanks();
    let id = match s.peek() {
        Some(b'"' | b'{' | b'~') => s.astring()?,
        _ => {
            let rest = s.rest();
            let ends = |at: &usize| rest[*at] == b')' && rest.get(at + 1).is_none_or(|next| b" )]\r\n".contains(next));
            let end = (0..rest.len()).find(ends).unwrap_or(rest.len());
            s.skip(end);
            s.copy(rest[..end].trim_ascii_end())?
        }
    };
    s.blanks();
    s.char(b')', "the end of an object id")?;
    Ok(id)
}

/// `namespace-response = "NAMESPACE" SP namespace SP namespace SP namespace`, behind its first blank.
pub fn namespaces(s: &mut Scanner<'_>) -> Parsed<Namespaces> {
    let personal = namespace(s)?;
    s.sp()?;
    let other_users = namespace(s)?;
    s.sp()?;
    Ok(Namespaces { personal, other_users, shared: namespace(s)? })
}

/// `namespace = nil / "(" 1*namespace-descr ")"`
fn namespace(s: &mut Scanner<'_>) -> Parsed<Vec<Namespace>> {
    if s.nil() { Ok(Vec::new()) } else { s.list(namespace_descr) }
}

/// `namespace-descr = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) [namespace-response-extensions] ")"`
fn namespace_descr(s: &mut Scanner<'_>) -> Parsed<Namespace> {
    s.char(b'(', "a namespace")?;
    let prefix = s.nastring()?.unwrap_or_default();
    s.sp()?;
    let delimiter = delimiter(s)?;
    let mut extensions = Vec::new();
    loop {
        s.blanks();
        if s.eat(b')') {
            return Ok(Namespace { prefix, delimiter, extensions });
        }
        let name = s.string()?;
        s.sp()?;
        let values = s.list(Scanner::string)?;
        s.keep(&mut extensions, (name, values))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Parsed<Listed> {
        let mut s = Scanner::new(text.as_bytes(), &[]);
        let listed = mailbox_list(&mut s)?;
        s.end()?;
        Ok(listed)
    }

    #[test]
    fn rows_of_list_as_servers_send_them() {
        for (text, delimiter, name) in [
            ("(\\HasNoChildren) \"/\" INBOX", Some(b'/'), "INBOX"),
            ("(\\HasNoChildren) \"/\" inbox", Some(b'/'), "INBOX"),
            ("() NIL \"\"", None, ""),
            ("() \"\" foo", None, "foo"),
            ("() \"\\\\\" \"a\\\\b\"", Some(b'\\'), "a\\b"),
            ("( ) \".\" {5}\r\na b\"c", Some(b'.'), "a b\"c"),
            ("() \"/\" NIL", Some(b'/'), "NIL"),
            ("() \"/\" &AOk-&-  ", Some(b'/'), "&AOk-&-"),
            ("() \"/\" 50%*", Some(b'/'), "50%*"),
            ("() \"/\" foo]", Some(b'/'), "foo]"),
        ] {
            let row = listed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((row.delimiter, row.mailbox.to_string().as_str()), (delimiter, name), "{text}");
        }
        assert!(listed("(\\SUBSCRIBED \\nonExistent) \"/\" a").unwrap().has("\\NonExistent"));
        for text in ["\"/\" a", "() \"//\" a", "() \"/\"", "() \"/\" a b", "(\\HasChildren \"/\" a"] {
            assert!(listed(text).is_err(), "{text}");
        }
    }

    /// RFC 5258 section 5 and RFC 9051 section 6.3.9.8.
    #[test]
    fn extended_data_of_list() {
        let row = listed("() \"/\" \"foo\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"Fou\") X-FOO (a (b)))").unwrap();
        assert_eq!(row.child_info, ["SUBSCRIBED"]);
        assert_eq!(row.old_name, Some(Mailbox::encoded(b"Fou")));
        assert_eq!(row.other, [("X-FOO".to_owned(), b"(a (b))".to_vec())]);
    }

    #[test]
    fn status_with_known_and_other_items() {
        let text = b"\"a b\" (messages 231 UIDNEXT 44292 SIZE 99999999999 APPENDLIMIT NIL MAILBOXID (F22) X-FOO (1 2) )";
        let (name, items) = status(&mut Scanner::new(text, &[])).unwrap();
        assert_eq!(name.bytes(), b"a b");
        let want = [
            StatusItem::Messages(231),
            StatusItem::UidNext(44292),
            StatusItem::Size(99_999_999_999),
            StatusItem::AppendLimit(None),
            StatusItem::MailboxId(b"F22".to_vec()),
            StatusItem::Other("X-FOO".into(), b"(1 2)".to_vec()),
        ];
        assert_eq!(items, want);
        let (_, items) = status(&mut Scanner::new(b"x (MAILBOXID (l\x80\xff U) UNSEEN 1)", &[])).unwrap();
        assert_eq!(items, [StatusItem::MailboxId(b"l\x80\xff U".to_vec()), StatusItem::Unseen(1)]);
        let (_, items) = status(&mut Scanner::new(b"x (MAILBOXID (a)b(c) UNSEEN 1)", &[])).unwrap();
        assert_eq!(items, [StatusItem::MailboxId(b"a)b(c".to_vec()), StatusItem::Unseen(1)]);
    }

    /// RFC 2342 section 5.
    #[test]
    fn namespaces_as_in_the_rfc() {
        let text = b"((\"\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\"))) NIL ((\"Public Folders/\" \"/\") (\"#shared.\" NIL))";
        let found = namespaces(&mut Scanner::new(text, &[])).unwrap();
        assert_eq!(found.personal[0].extensions[0].1.len(), 2);
        assert!(found.other_users.is_empty());
        assert_eq!((found.shared[1].prefix.as_slice(), found.shared[1].delimiter), (&b"#shared."[..], None));
    }
}

//! Addresses of the SMTP envelope (RFC 5321 section 4.1.2 and 4.1.3): local part, domain, mailbox, reverse- and forward-path. Local parts
//! may go beyond ASCII (RFC 6531 section 3.3); domains that do are turned into A-labels (RFC 5890) as they are read, and never go back.
//! Grammar functions carry the ABNF rule's name. Header addresses (comments, groups) are not here.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest domain (RFC 5321 section 4.5.3.1.2) and label (RFC 1035 section 2.3.4), in octets.
const MAX_DOMAIN: usize = 255;
const MAX_LABEL: usize = 63;
/// Longest local part taken. RFC 5321 section 4.5.3.1.1 asks for 64 at least; VERP and SRS need more.
const MAX_LOCAL: usize = 255;

/// The part before the `@`, without its quoting. Compares exactly (RFC 5321 section 2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPart(String);

/// The part after the `@`: a name or an address literal. Names compare in any case.
#[derive(Debug, Clone)]
pub enum Domain {
    /// ASCII without a trailing dot, in the case it was given in.
    Name(String),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    pub local: LocalPart,
    pub domain: Domain,
}

/// `MAIL FROM`'s argument: null is a case of its own, never an empty string.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    Null,
    Mailbox(Mailbox),
}

/// `RCPT TO`'s argument: a mailbox, or `<Postmaster>` without a domain (RFC 5321 section 4.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    Postmaster,
    Mailbox(Mailbox),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("empty address")]
    Empty,
    #[error("no @ in the address")]
    NoAt,
    #[error("bad local part")]
    LocalPart,
    #[error("bad domain")]
    Domain,
    #[error("control character in the address")]
    Control,
    /// Where only ASCII is taken.
    #[error("address is not ASCII")]
    NotAscii,
    #[error("address too long")]
    TooLong,
    #[error("text after the address")]
    Trailing,
    #[error("unclosed <")]
    Unclosed,
}

impl LocalPart {
    /// The one that every host has (RFC 5321 section 4.5.1).
    pub fn postmaster() -> LocalPart {
        LocalPart("postmaster".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Domain {
    /// The name in lower case; none for a literal.
    pub fn name(&self) -> Option<String> {
        match self {
            Domain::Name(name) => Some(name.to_ascii_lowercase()),
            Domain::Literal(_) => None,
        }
    }
}

impl Mailbox {
    /// It can be sent without SMTPUTF8: domains always can.
    pub fn is_ascii(&self) -> bool {
        self.local.0.is_ascii()
    }

    /// `Mailbox = Local-part "@" ( Domain / address-literal )` at the start of `text`; gives what follows it.
    pub fn take(text: &str) -> Result<(Mailbox, &str), AddressError> {
        let (local, rest) = local_part(text)?;
        let rest = rest.strip_prefix('@').ok_or(AddressError::NoAt)?;
        let (domain, rest) = Domain::take(rest)?;
        Ok((Mailbox { local, domain }, rest))
    }
}

impl Domain {
    /// `Domain / address-literal` at the start of `text`; gives what follows it.
    pub fn take(text: &str) -> Result<(Domain, &str), AddressError> {
        if text.starts_with('[') { address_literal(text) } else { domain(text) }
    }
}

impl ReversePath {
    /// `Reverse-path = Path / "<>"` at the start of `text`, angle brackets optional as people type them.
    pub fn take(text: &str) -> Result<(ReversePath, &str), AddressError> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Ok((ReversePath::Null, rest));
        }
        let (mailbox, rest) = path(text)?;
        Ok((ReversePath::Mailbox(mailbox), rest))
    }

    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl ForwardPath {
    /// `Forward-path = Path`, or `"<Postmaster>"` (RFC 5321 section 4.1.1.3), at the start of `text`.
    pub fn take(text: &str) -> Result<(ForwardPath, &str), AddressError> {
        const POSTMASTER: &str = "<postmaster>";
        if text.get(..POSTMASTER.len()).is_some_and(|start| start.eq_ignore_ascii_case(POSTMASTER)) {
            return Ok((ForwardPath::Postmaster, &text[POSTMASTER.len()..]));
        }
        let (mailbox, rest) = path(text)?;
        Ok((ForwardPath::Mailbox(mailbox), rest))
    }

    /// It can be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        match self {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }

    /// The domain; none for `Postmaster`, which is always ours.
    pub fn domain(&self) -> Option<&Domain> {
        match self {
            ForwardPath::Postmaster => None,
            ForwardPath::Mailbox(mailbox) => Some(&mailbox.domain),
        }
    }
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`. The source route is parsed and dropped (RFC 5321 section 4.1.1.3, appendix C).
fn path(text: &str) -> Result<(Mailbox, &str), AddressError> {
    reject_unprintable(text)?;
    let Some(inner) = text.strip_prefix('<') else { return Mailbox::take(text) };
    let inner = if inner.starts_with('@') { a_d_l(inner)? } else { inner };
    let (mailbox, rest) = Mailbox::take(inner)?;
    let rest = rest.strip_prefix('>').ok_or(AddressError::Unclosed)?;
    Ok((mailbox, rest))
}

/// `A-d-l = At-domain *( "," At-domain )`, `At-domain = "@" Domain`; gives what follows the colon.
fn a_d_l(text: &str) -> Result<&str, AddressError> {
    let mut rest = text;
    loop {
        rest = domain(rest.strip_prefix('@').ok_or(AddressError::Domain)?)?.1;
        if let Some(mailbox) = rest.strip_prefix(':') {
            return Ok(mailbox);
        }
        rest = rest.strip_prefix(',').ok_or(AddressError::Domain)?;
    }
}

/// `Local-part = Dot-string / Quoted-string`
fn local_part(text: &str) -> Result<(LocalPart, &str), AddressError> {
    let (local, rest) = if text.starts_with('"') { quoted_string(text)? } else { dot_string(text)? };
    if local.len() > MAX_LOCAL { Err(AddressError::TooLong) } else { Ok((LocalPart(local), rest)) }
}

/// `Dot-string = Atom *("." Atom)`
fn dot_string(text: &str) -> Result<(String, &str), AddressError> {
    let end = text.bytes().position(|b| !(is_atext(b) || b == b'.')).unwrap_or(text.len());
    let (local, rest) = text.split_at(end);
    if local.split('.').any(str::is_empty) {
        return Err(if text.is_empty() { AddressError::Empty } else { AddressError::LocalPart });
    }
    Ok((local.to_owned(), rest))
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, `QcontentSMTP = qtextSMTP / quoted-pairSMTP`, `qtextSMTP =/ UTF8-non-ascii`
fn quoted_string(text: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((local, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, pair @ ' '..='~')) => local.push(pair),
                _ => return Err(AddressError::LocalPart),
            },
            c if c.is_control() => return Err(AddressError::LocalPart),
            c => local.push(c),
        }
    }
    Err(AddressError::LocalPart)
}

/// `Domain = sub-domain *("." sub-domain)`, `sub-domain = Let-dig [Ldh-str]`, `sub-domain =/ U-label`, which becomes an A-label
fn domain(text: &str) -> Result<(Domain, &str), AddressError> {
    let end = text.bytes().position(|b| b.is_ascii() && !(b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let name = if name.is_ascii() { name.to_owned() } else { idna::domain_to_ascii(name).map_err(|_| AddressError::Domain)? };
    if name.len() > MAX_DOMAIN {
        return Err(AddressError::TooLong);
    }
    let good = |label: &str| {
        let in_alphabet = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        in_alphabet && !label.is_empty() && label.len() <= MAX_LABEL && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.split('.').all(good) { Ok((Domain::Name(name), rest)) } else { Err(AddressError::Domain) }
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"`. No general literal is
/// registered, so none is taken.
fn address_literal(text: &str) -> Result<(Domain, &str), AddressError> {
    let (inner, rest) = text.strip_prefix('[').and_then(|t| t.split_once(']')).ok_or(AddressError::Domain)?;
    let address = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().map(IpAddr::V6),
        _ => inner.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    Ok((Domain::Literal(address.map_err(|_| AddressError::Domain)?), rest))
}

/// `atext` of RFC 5322 section 3.2.3, `atext =/ UTF8-non-ascii` (RFC 6531 section 3.3)
fn is_atext(byte: u8) -> bool {
    !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn reject_unprintable(text: &str) -> Result<(), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.chars().any(char::is_control) { Err(AddressError::Control) } else { Ok(()) }
}

fn whole<T>((value, rest): (T, &str)) -> Result<T, AddressError> {
    if rest.is_empty() { Ok(value) } else { Err(AddressError::Trailing) }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        reject_unprintable(text)?;
        whole(Mailbox::take(text)?)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        reject_unprintable(text)?;
        whole(Domain::take(text)?)
    }
}

/// As on a command line: `` (empty) and `<>` are null.
impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(ReversePath::Null) } else { whole(ReversePath::take(text)?) }
    }
}

impl FromStr for ForwardPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("postmaster") { Ok(ForwardPath::Postmaster) } else { whole(ForwardPath::take(text)?) }
    }
}

/// With the least quoting (RFC 5321 section 4.1.2).
impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext)) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Name(name) => f.write_str(name),
            Domain::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Domain::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Without angle brackets; null is empty.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox().map_or(Ok(()), |mailbox| mailbox.fmt(f))
    }
}

/// Without angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardPath::Postmaster => f.write_str("postmaster"),
            ForwardPath::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Domain::Name(a), Domain::Name(b)) => a.eq_ignore_ascii_case(b),
            (Domain::Literal(a), Domain::Literal(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Domain {}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Domain::Name(name) => name.to_ascii_lowercase().hash(state),
            Domain::Literal(address) => address.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forward(text: &str) -> Result<String, AddressError> {
        text.parse::<ForwardPath>().map(|path| path.to_string())
    }

    #[test]
    fn paths_as_the_rfc_and_people_write_them() {
        assert_eq!(forward("<bob@hamburger.edu>").unwrap(), "bob@hamburger.edu");
        assert_eq!(forward("bob@hamburger.edu").unwrap(), "bob@hamburger.edu");
        assert_eq!(forward("<@a.test,@b.test:bob@c.test>").unwrap(), "bob@c.test");
        assert_eq!(forward("<\"bob smith\"@c.test>").unwrap(), "\"bob smith\"@c.test");
        assert_eq!(forward("<\"bob\\.x\"@c.test>").unwrap(), "bob.x@c.test", "least quoting");
        assert_eq!(forward("<\"a\\\"b\"@c.test>").unwrap(), "\"a\\\"b\"@c.test");
        assert_eq!(forward("<\"\"@c.test>").unwrap(), "\"\"@c.test");
        assert_eq!(forward("<bob@[192.0.2.1]>").unwrap(), "bob@[192.0.2.1]");
        assert_eq!(forward("<bob@[ipv6:2001:DB8::1]>").unwrap(), "bob@[IPv6:2001:db8::1]");
        assert_eq!(forward("<PostMaster>").unwrap(), "postmaster");
        assert_eq!("<>".parse(), Ok(ReversePath::Null));
        assert_eq!("".parse(), Ok(ReversePath::Null));
    }

    #[test]
    fn the_rest_is_refused() {
        for (bad, why) in [
            ("", AddressError::Empty),
            ("<>", AddressError::LocalPart),
            ("bob", AddressError::NoAt),
            ("<bob@c.test", AddressError::Unclosed),
            ("<bob@c.test> x", AddressError::Trailing),
            ("bob@c.test.", AddressError::Domain),
            ("bob@-c.test", AddressError::Domain),
            ("bob@[300.0.2.1]", AddressError::Domain),
            ("bob@[2001:db8::1]", AddressError::Domain),
            (".bob@c.test", AddressError::LocalPart),
            ("b..b@c.test", AddressError::LocalPart),
            ("\"bob@c.test", AddressError::LocalPart),
            ("bob@c.test\r\nRCPT TO:<x@y>", AddressError::Control),
            ("b\u{fc}b\u{85}@c.test", AddressError::Control),
            ("bob@b\u{fc}cher\u{fc}\u{338}.\u{200d}test", AddressError::Domain),
            ("bob@\u{e4}_b.test", AddressError::Trailing),
            ("<@a.test bob@c.test>", AddressError::Domain),
        ] {
            assert_eq!(forward(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn domains_beyond_ascii_become_a_labels_and_local_parts_stay() {
        assert_eq!(forward("<j\u{f6}rg@B\u{fc}cher.test>").unwrap(), "j\u{f6}rg@xn--bcher-kva.test");
        assert_eq!(forward("\"j\u{f6}rg x\"@b\u{fc}cher\u{3002}test").unwrap(), "\"j\u{f6}rg x\"@xn--bcher-kva.test");
        let is_ascii = |text: &str| text.parse::<ForwardPath>().unwrap().is_ascii();
        assert!(is_ascii("bob@b\u{fc}cher.test") && !is_ascii("j\u{f6}rg@x.test"));
        let long = format!("{}.test", "\u{fc}".repeat(60));
        assert_eq!(forward(&format!("bob@{long}")), Err(AddressError::Domain), "the A-label is what is limited");
    }

    #[test]
    fn domains_compare_in_any_case_and_local_parts_do_not() {
        let mailbox = |s: &str| s.parse::<Mailbox>().unwrap();
        assert_eq!(mailbox("bob@C.TEST"), mailbox("bob@c.test"));
        assert_ne!(mailbox("Bob@c.test"), mailbox("bob@c.test"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(local in "[ -~\u{e4}\u{65e5}]{0,40}", domain in "[a-z0-9]{1,9}(\\.[a-z0-9]{1,9}){0,3}") {
            let mailbox = Mailbox { local: LocalPart(local), domain: Domain::Name(domain) };
            prop_assert_eq!(mailbox.to_string().parse::<Mailbox>(), Ok(mailbox));
        }

        #[test]
        fn no_text_panics_the_parsers(text in ".{0,60}") {
            let _ = (ReversePath::take(&text), ForwardPath::take(&text), Mailbox::take(&text));
        }
    }
}

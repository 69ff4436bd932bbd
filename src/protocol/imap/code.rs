//! Status responses: OK, NO, BAD, PREAUTH and BYE with their response codes (RFC 9051 section 7.1, RFC 5530 and the extensions').

use super::flag::{Flag, flag_perm};
use super::mailbox::object_id;
use super::scan::{Parsed, Scanner};
use super::set::{SequenceSet, sequence_set};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    Ok,
    No,
    Bad,
    PreAuth,
    Bye,
}

/// Most octets of a text, or of a code that is not known, that are kept.
const MAX_TEXT: usize = 64 * 1024;

/// A status response, tagged or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub kind: StatusKind,
    pub code: Option<Code>,
    /// For people; may be missing.
    pub text: String,
}

/// `resp-text-code` (RFC 9051 section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A code without arguments, in capitals: ALERT, READ-ONLY, TRYCREATE, IN-USE…
    Word(Word),
    /// The character sets that SEARCH takes, if it says which.
    BadCharset(Vec<String>),
    Capability(Vec<String>),
    PermanentFlags(Vec<Flag>),
    UidNext(u32),
    UidValidity(u32),
    Unseen(u32),
    /// RFC 4315: where it was appended, and as what.
    AppendUid {
        validity: u32,
        uids: SequenceSet,
    },
    /// RFC 4315: where it was copied, from, to.
    CopyUid {
        validity: u32,
        from: SequenceSet,
        to: SequenceSet,
    },
    /// RFC 7162.
    HighestModSeq(u64),
    /// RFC 7162: STORE with UNCHANGEDSINCE left these alone.
    Modified(SequenceSet),
    /// RFC 8474.
    MailboxId(Vec<u8>),
    /// RFC 2221: an IMAP URL.
    Referral(String),
    /// RFC 4469 and others: a URL that is none.
    BadUrl(String),
    /// RFC 5464: entries longer than asked for, the longest so many octets.
    MetadataLong(u64),
    /// RFC 5464: values may have so many octets.
    MetadataMax(u64),
    /// RFC 5464.
    MetadataTooMany,
    /// RFC 5464.
    MetadataNoPrivate,
    /// Name in capitals, and what follows it, raw.
    Other(String, Vec<u8>),
    /// Name in capitals; what follows it is too long to be kept.
    TooLong(String),
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Codes without arguments.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Word { $($(#[$doc])* $name,)* }

        const WORDS: &[(Word, &str)] = &[$((Word::$name, $text),)*];
    };
}

words! {
    Alert = "ALERT",
    Parse = "PARSE",
    ReadOnly = "READ-ONLY",
    ReadWrite = "READ-WRITE",
    TryCreate = "TRYCREATE",
    UidNotSticky = "UIDNOTSTICKY",
    Closed = "CLOSED",
    Unavailable = "UNAVAILABLE",
    AuthenticationFailed = "AUTHENTICATIONFAILED",
    AuthorizationFailed = "AUTHORIZATIONFAILED",
    Expired = "EXPIRED",
    PrivacyRequired = "PRIVACYREQUIRED",
    ContactAdmin = "CONTACTADMIN",
    NoPerm = "NOPERM",
    InUse = "INUSE",
    ExpungeIssued = "EXPUNGEISSUED",
    Corruption = "CORRUPTION",
    ServerBug = "SERVERBUG",
    ClientBug = "CLIENTBUG",
    Cannot = "CANNOT",
    Limit = "LIMIT",
    OverQuota = "OVERQUOTA",
    AlreadyExists = "ALREADYEXISTS",
    NonExistent = "NONEXISTENT",
    NotSaved = "NOTSAVED",
    HasChildren = "HASCHILDREN",
    UnknownCte = "UNKNOWN-CTE",
    TooBig = "TOOBIG",
    /// RFC 7162.
    NoModSeq = "NOMODSEQ",
    /// RFC 4978.
    CompressionActive = "COMPRESSIONACTIVE",
    /// RFC 6154.
    UseAttr = "USEATTR",
    /// RFC 5465.
    NotificationOverflow = "NOTIFICATIONOVERFLOW",
    /// RFC 5255.
    BadComparator = "BADCOMPARATOR",
    /// RFC 6785 and Cyrus.
    UnknownUser = "UNKNOWNUSER",
    /// Exchange, Dovecot: a retry may help.
    TempFail = "TEMPFAIL",
}

impl Word {
    pub fn name(self) -> &'static str {
        WORDS.iter().find(|(word, _)| *word == self).map_or("", |(_, name)| name)
    }

    /// A retry may help; for a quota, once room was made, as with SMTP's 452.
    pub fn is_temporary(self) -> bool {
        matches!(self, Word::Unavailable | Word::InUse | Word::TempFail | Word::Limit | Word::OverQuota)
    }
}

impl Status {
    pub fn is(&self, word: Word) -> bool {
        self.code == Some(Code::Word(word))
    }

    /// What its code says could not be read.
    pub fn is_damaged(&self) -> bool {
        matches!(self.code, Some(Code::TooLong(_)))
    }

    /// A retry may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, Some(Code::Word(word)) if word.is_temporary())
    }
}

impl fmt::Display for StatusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatusKind::Ok => "OK",
            StatusKind::No => "NO",
            StatusKind::Bad => "BAD",
            StatusKind::PreAuth => "PREAUTH",
            StatusKind::Bye => "BYE",
        })
    }
}

/// Name and text, as a person wants to see it.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.code {
            Some(Code::Word(word)) => write!(f, " [{}]", word.name())?,
            Some(Code::Other(name, rest)) => write!(f, " [{name}{}]", String::from_utf8_lossy(rest))?,
            Some(Code::TooLong(name)) => write!(f, " [{name} …]")?,
            _ => {}
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// `resp-cond-state = ("OK" / "NO" / "BAD") SP resp-text`, with those of greetings and farewells; the blank may be missing where no text
/// follows. None where it is no status.
pub fn resp_cond_state(s: &mut Scanner<'_>) -> Option<Status> {
    use StatusKind::{Bad, Bye, No, Ok, PreAuth};
    let names = [(Ok, "OK"), (No, "NO"), (Bad, "BAD"), (PreAuth, "PREAUTH"), (Bye, "BYE")];
    let from = s.at();
    let (kind, _) = names.into_iter().find(|(_, name)| s.keyword(name))?;
    if !matches!(s.peek(), None | Some(b' ')) {
        s.back_to(from);
        return None;
    }
    s.blanks();
    let (code, text) = resp_text(s);
    Some(Status { kind, code, text })
}

/// `resp-text = ["[" resp-text-code "]" SP] [text]`
fn resp_text(s: &mut Scanner<'_>) -> (Option<Code>, String) {
    let from = s.mark();
    let mut code = None;
    if s.eat(b'[') {
        let inside = s.mark();
        code = resp_text_code(s).ok().filter(|_| {
            s.blanks();
            s.eat(b']')
        });
        if code.is_none() {
            s.back_to_mark(inside);
            code = other_code(s);
        }
        if code.is_none() {
            s.back_to_mark(from);
        }
    }
    s.blanks();
    let rest = s.rest();
    let text = &rest[..rest.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1)];
    let mut shown = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]).into_owned();
    if text.len() > MAX_TEXT {
        shown.push_str(" …");
    }
    (code, shown)
}

/// `atom [SP 1*<any TEXT-CHAR except "]">]`, up to the bracket that closes it.
fn other_code(s: &mut Scanner<'_>) -> Option<Code> {
    let name = s.name().ok()?;
    let from = s.at();
    let mut quoted = false;
    while let Some(byte) = s.peek() {
        match byte {
            b']' if !quoted => break,
            b'"' => quoted = !quoted,
            _ => {}
        }
        s.eat(byte);
    }
    let rest = s.since(from);
    if !s.eat(b']') {
        return None;
    }
    Some(if rest.len() > MAX_TEXT { Code::TooLong(name) } else { Code::Other(name, rest.to_vec()) })
}

/// `resp-text-code = "ALERT" / "BADCHARSET" [SP "(" charset *(SP charset) ")"] / capability-data / …`
fn resp_text_code(s: &mut Scanner<'_>) -> Parsed<Code> {
    let name = s.name()?;
    if let Some((word, _)) = WORDS.iter().find(|(_, text)| *text == name)
        && matches!(s.peek(), Some(b']' | b' '))
    {
        return Ok(Code::Word(*word));
    }
    if name == "BADCHARSET" {
        s.blanks();
        let sets = if s.peek() == Some(b'(') { s.list(Scanner::astring)? } else { Vec::new() };
        return Ok(Code::BadCharset(sets.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()));
    }
    s.sp()?;
    Ok(match name.as_str() {
        "CAPABILITY" => Code::Capability(capabilities_in_brackets(s)?),
        "PERMANENTFLAGS" => Code::PermanentFlags(s.list(flag_perm)?),
        "UIDNEXT" => Code::UidNext(s.number()?),
        "UIDVALIDITY" => Code::UidValidity(s.number()?),
        "UNSEEN" => Code::Unseen(s.number()?),
        // `resp-code-apnd = "APPENDUID" SP nz-number SP append-uid`
        "APPENDUID" => {
            let validity = s.number()?;
            s.sp()?;
            Code::AppendUid { validity, uids: sequence_set(s)? }
        }
        // `resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set`
        "COPYUID" => {
            let validity = s.number()?;
            s.sp()?;
            let from = sequence_set(s)?;
            s.sp()?;
            Code::CopyUid { validity, from, to: sequence_set(s)? }
        }
        "HIGHESTMODSEQ" => Code::HighestModSeq(s.number64()?),
        "MODIFIED" => Code::Modified(sequence_set(s)?),
        "MAILBOXID" => Code::MailboxId(object_id(s)?),
        "REFERRAL" => Code::Referral(to_bracket(s)?),
        "BADURL" => Code::BadUrl(to_bracket(s)?),
        "METADATA" => metadata_code(s)?,
        _ => return s.fail("a code that is known"),
    })
}

fn to_bracket(s: &mut Scanner<'_>) -> Parsed<String> {
    let text = s.take_while(|byte| !matches!(byte, b']' | b' '));
    s.spend_text(text.len())?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// `capability = ("AUTH=" auth-type) / atom`, up to the bracket.
fn capabilities_in_brackets(s: &mut Scanner<'_>) -> Parsed<Vec<String>> {
    let mut names = Vec::new();
    loop {
        s.blanks();
        if matches!(s.peek(), None | Some(b']')) {
            return Ok(names);
        }
        let name = s.word()?;
        s.keep(&mut names, name)?;
    }
}

/// `"METADATA" SP ("LONGENTRIES" SP number / "MAXSIZE" SP number / "TOOMANY" / "NOPRIVATE")` (RFC 5464 section 5)
fn metadata_code(s: &mut Scanner<'_>) -> Parsed<Code> {
    if s.keyword("TOOMANY") {
        return Ok(Code::MetadataTooMany);
    }
    if s.keyword("NOPRIVATE") {
        return Ok(Code::MetadataNoPrivate);
    }
    let long = s.keyword("LONGENTRIES");
    if !long && !s.keyword("MAXSIZE") {
        return s.fail("a code of METADATA");
    }
    s.sp()?;
    let octets = s.number64()?;
    Ok(if long { Code::MetadataLong(octets) } else { Code::MetadataMax(octets) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        resp_cond_state(&mut Scanner::new(text.as_bytes(), &[])).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn codes_as_servers_send_them() {
        let set = |text: &str| SequenceSet::parse(text.as_bytes()).unwrap();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, want) in [
            ("[alert] x", Some(Code::Word(Word::Alert))),
            ("[READ-WRITE] x", Some(Code::Word(Word::ReadWrite))),
            ("[NOMODSEQ]", Some(Code::Word(Word::NoModSeq))),
            ("[BADCHARSET] x", Some(Code::BadCharset(Vec::new()))),
            ("[BADCHARSET (UTF-8 \"US-ASCII\")] x", Some(Code::BadCharset(words("UTF-8 US-ASCII")))),
            ("[CAPABILITY IMAP4REV1 AUTH=PLAIN ] x", Some(Code::Capability(words("IMAP4REV1 AUTH=PLAIN")))),
            ("[UIDVALIDITY 1] x", Some(Code::UidValidity(1))),
            ("[UIDNEXT 4392] x", Some(Code::UidNext(4392))),
            ("[APPENDUID 38505 3955] x", Some(Code::AppendUid { validity: 38505, uids: set("3955") })),
            (
                "[COPYUID 38505 304,319:320 3956:3958] Done",
                Some(Code::CopyUid { validity: 38505, from: set("304,319:320"), to: set("3956:3958") }),
            ),
            (
                "[COPYUID 1 1:4294967295 1:4294967295] Done",
                Some(Code::CopyUid { validity: 1, from: set("1:4294967295"), to: set("1:4294967295") }),
            ),
            ("[HIGHESTMODSEQ 715194045007] x", Some(Code::HighestModSeq(715_194_045_007))),
            ("[MODIFIED 7,9] x", Some(Code::Modified(set("7,9")))),
            ("[MAILBOXID (F2212ea87)] x", Some(Code::MailboxId(b"F2212ea87".to_vec()))),
            ("[REFERRAL imap://u;AUTH=*@h/] x", Some(Code::Referral("imap://u;AUTH=*@h/".into()))),
            ("[METADATA LONGENTRIES 2199] x", Some(Code::MetadataLong(2199))),
            ("[METADATA TOOMANY] x", Some(Code::MetadataTooMany)),
            ("[XFOO (a \"]\" b)] x", Some(Code::Other("XFOO".into(), b" (a \"]\" b)".to_vec()))),
            ("[UIDNEXT x] x", Some(Code::Other("UIDNEXT".into(), b" x".to_vec()))),
            ("[ALERT", None),
            ("no [ALERT] here", None),
            ("", None),
        ] {
            assert_eq!(status(&format!("OK {text}")).code, want, "{text}");
        }
        assert_eq!(status("OK [PERMANENTFLAGS (\\Deleted \\*)] x").text, "x");
    }

    /// Dialects: no text, blanks behind it, small letters.
    #[test]
    fn statuses_as_servers_send_them() {
        for (text, kind, told) in [
            ("OK", StatusKind::Ok, ""),
            ("ok  done  ", StatusKind::Ok, "done"),
            ("NO [INUSE]", StatusKind::No, ""),
            ("BYE {5}", StatusKind::Bye, "{5}"),
            ("PREAUTH hi", StatusKind::PreAuth, "hi"),
            ("BAD [ what", StatusKind::Bad, "[ what"),
        ] {
            assert_eq!((status(text).kind, status(text).text.as_str()), (kind, told), "{text}");
        }
        for text in ["OKAY x", "", "FETCH", "OK(x)"] {
            assert_eq!(resp_cond_state(&mut Scanner::new(text.as_bytes(), &[])), None, "{text}");
        }
        assert!(status("NO [UNAVAILABLE] later").is_temporary() && !status("NO later").is_temporary());
        assert_eq!(status("NO [inuse] locked").to_string(), "NO [INUSE] locked");
    }
}

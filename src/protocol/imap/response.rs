//! One response, read: what cannot be read is kept as it came, and never dropped.

use super::access::{self, Acl, Identity, ListRights, Metadata, MyRights, Quota, QuotaRoots};
use super::code::{Status, StatusKind, resp_cond_state};
use super::fetch::{Fetch, msg_att};
use super::flag::{Flag, flag_list};
use super::mailbox::{self, Listed, Mailbox, Namespaces, StatusItem};
use super::scan::{Parsed, Scanner, Streamed, Syntax, is_astring_char};
use super::search::{self, Esearch, Found, Thread};
use super::set::{SequenceSet, sequence_set};

/// A response as the framing gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    /// As it came, without the CRLF at its end; octets of streamed literals are not among them.
    pub bytes: Vec<u8>,
    pub streamed: Vec<Streamed>,
    /// It is a part of long results, and the next one goes on where it ends.
    pub continues: bool,
}

/// Longest tag that is taken for one, in octets.
const MAX_TAG: usize = 1024;

/// What a line of the server's is.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// `+`, with its text.
    Continue(Vec<u8>),
    /// A command is done: its tag, and how.
    Tagged(Vec<u8>, Status),
    Untagged(Response),
}

/// `response-data` (RFC 9051 section 9) and those of extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// OK, NO, BAD, PREAUTH or BYE.
    Status(Status),
    Capability(Vec<String>),
    Enabled(Vec<String>),
    List(Listed),
    Lsub(Listed),
    Namespace(Namespaces),
    /// What STATUS asked for.
    MailboxStatus(Mailbox, Vec<StatusItem>),
    Search(Found),
    Sort(Found),
    Esearch(Esearch),
    Thread(Vec<Thread>),
    Flags(Vec<Flag>),
    Exists(u32),
    Recent(u32),
    Expunge(u32),
    /// RFC 7162.
    Vanished {
        earlier: bool,
        uids: SequenceSet,
    },
    Fetch(Fetch),
    Quota(Quota),
    QuotaRoot(QuotaRoots),
    Acl(Acl),
    ListRights(ListRights),
    MyRights(MyRights),
    Metadata(Metadata),
    /// RFC 2971.
    Id(Identity),
    /// What cannot be read, and why not; the bytes are those of [`Raw`].
    Unparsed(Syntax),
}

impl Response {
    /// Something in it could not be read.
    pub fn is_damaged(&self) -> bool {
        match self {
            Response::Unparsed(_) => true,
            Response::Fetch(fetch) => fetch.is_damaged(),
            Response::Status(status) => status.is_damaged(),
            _ => false,
        }
    }
}

/// `response = *(continue-req / response-data) response-done`, one of them.
pub fn read(raw: &Raw) -> Read {
    let mut s = Scanner::new(&raw.bytes, &raw.streamed);
    if s.eat(b'+') {
        s.eat(b' ');
        return match s.copy(s.rest()) {
            Ok(text) => Read::Continue(text),
            Err(why) => Read::Untagged(Response::Unparsed(why)),
        };
    }
    if s.eat(b'*') {
        return Read::Untagged(untagged(&mut s).unwrap_or_else(Response::Unparsed));
    }
    tagged(&mut s).unwrap_or_else(|why| Read::Untagged(Response::Unparsed(why)))
}

/// `response-tagged = tag SP resp-cond-state CRLF`, `tag = 1*<any ASTRING-CHAR except "+">`
fn tagged(s: &mut Scanner<'_>) -> Parsed<Read> {
    let tag = s.take_while(|byte| is_astring_char(byte) && byte != b'+');
    if tag.is_empty() || tag.len() > MAX_TAG {
        return s.fail("a tag, * or +");
    }
    s.sp()?;
    match resp_cond_state(s) {
        Some(status) if !matches!(status.kind, StatusKind::PreAuth | StatusKind::Bye) => Ok(Read::Tagged(tag.to_vec(), status)),
        _ => s.fail("OK, NO or BAD"),
    }
}

/// `response-data = "*" SP (resp-cond-state / resp-cond-bye / mailbox-data / message-data / capability-data / enable-data)`, behind the
/// asterisk.
fn untagged(s: &mut Scanner<'_>) -> Parsed<Response> {
    s.sp()?;
    if let Some(status) = resp_cond_state(s) {
        return Ok(Response::Status(status));
    }
    let response = if s.peek().is_some_and(|byte| byte.is_ascii_digit()) { numbered(s)? } else { named(s)? };
    s.end()?;
    Ok(response)
}

/// `message-data = nz-number SP ("EXPUNGE" / ("FETCH" SP msg-att))`, `number SP "EXISTS"`, `number SP "RECENT"`
fn numbered(s: &mut Scanner<'_>) -> Parsed<Response> {
    let number = s.number()?;
    s.sp()?;
    let at = s.at();
    Ok(match s.name()?.as_str() {
        "EXISTS" => Response::Exists(number),
        "RECENT" => Response::Recent(number),
        "EXPUNGE" => Response::Expunge(number),
        "FETCH" => {
            s.sp()?;
            Response::Fetch(msg_att(s, number)?)
        }
        _ => return Err(Syntax { at, wanted: "EXISTS, RECENT, EXPUNGE or FETCH" }),
    })
}

/// `mailbox-data`, `capability-data`, `enable-data` and those of extensions.
fn named(s: &mut Scanner<'_>) -> Parsed<Response> {
    let at = s.at();
    let name = s.name()?;
    // These may end behind their name.
    match name.as_str() {
        "CAPABILITY" => return words(s).map(Response::Capability),
        "ENABLED" => return words(s).map(Response::Enabled),
        "SEARCH" => return search::search(s).map(Response::Search),
        "SORT" => return search::search(s).map(Response::Sort),
        "ESEARCH" => return search::esearch(s).map(Response::Esearch),
        "THREAD" => return search::threads(s).map(Response::Thread),
        _ => {}
    }
    s.sp()?;
    Ok(match name.as_str() {
        "LIST" | "XLIST" => Response::List(mailbox::mailbox_list(s)?),
        "LSUB" => Response::Lsub(mailbox::mailbox_list(s)?),
        "STATUS" => {
            let (mailbox, items) = mailbox::status(s)?;
            Response::MailboxStatus(mailbox, items)
        }
        "NAMESPACE" => Response::Namespace(mailbox::namespaces(s)?),
        "FLAGS" => Response::Flags(flag_list(s)?),
        "VANISHED" => vanished(s)?,
        "QUOTA" => Response::Quota(access::quota_response(s)?),
        "QUOTAROOT" => Response::QuotaRoot(access::quotaroot_response(s)?),
        "ACL" => Response::Acl(access::acl_data(s)?),
        "LISTRIGHTS" => Response::ListRights(access::listrights_data(s)?),
        "MYRIGHTS" => Response::MyRights(access::myrights_data(s)?),
        "METADATA" => Response::Metadata(access::metadata_resp(s)?),
        "ID" => Response::Id(access::id_response(s)?),
        _ => return Err(Syntax { at, wanted: "a response that is known" }),
    })
}

/// `capability-data = "CAPABILITY" *(SP capability) SP "IMAP4rev2" *(SP capability)`, behind its name.
fn words(s: &mut Scanner<'_>) -> Parsed<Vec<String>> {
    s.items_to_end(Scanner::word)
}

/// `expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162 section 7), behind its first blank.
fn vanished(s: &mut Scanner<'_>) -> Parsed<Response> {
    let earlier = s.prefix("(EARLIER)");
    s.blanks();
    Ok(Response::Vanished { earlier, uids: sequence_set(s)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(text: &str) -> Response {
        match read(&Raw { bytes: text.as_bytes().to_vec(), ..Raw::default() }) {
            Read::Untagged(response) => response,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_of_untagged_response() {
        type Fits = fn(&Response) -> bool;
        let table: [(&str, Fits); 26] = [
            ("* OK [UIDNEXT 1] x", |r| matches!(r, Response::Status(_))),
            ("* bye", |r| matches!(r, Response::Status(status) if status.kind == StatusKind::Bye)),
            ("* CAPABILITY IMAP4rev1 AUTH=PLAIN ", |r| matches!(r, Response::Capability(names) if names.len() == 2)),
            ("* ENABLED", |r| matches!(r, Response::Enabled(names) if names.is_empty())),
            ("* LIST () \"/\" a", |r| matches!(r, Response::List(_))),
            ("* XLIST (\\Inbox) \"/\" a", |r| matches!(r, Response::List(_))),
            ("* LSUB () \"/\" a", |r| matches!(r, Response::Lsub(_))),
            ("* NAMESPACE NIL NIL NIL", |r| matches!(r, Response::Namespace(_))),
            ("* STATUS a (MESSAGES 1)", |r| matches!(r, Response::MailboxStatus(..))),
            ("* SEARCH", |r| matches!(r, Response::Search(_))),
            ("* SORT 3 1", |r| matches!(r, Response::Sort(_))),
            ("* ESEARCH", |r| matches!(r, Response::Esearch(_))),
            ("* THREAD (1 2)", |r| matches!(r, Response::Thread(_))),
            ("* FLAGS (\\Seen a)", |r| matches!(r, Response::Flags(_))),
            ("* 23 exists", |r| matches!(r, Response::Exists(23))),
            ("* 0 RECENT ", |r| matches!(r, Response::Recent(0))),
            ("* 44 EXPUNGE", |r| matches!(r, Response::Expunge(44))),
            ("* 12 FETCH (UID 1)", |r| matches!(r, Response::Fetch(_))),
            ("* VANISHED (EARLIER) 41,43:116", |r| matches!(r, Response::Vanished { earlier: true, .. })),
            ("* VANISHED 405", |r| matches!(r, Response::Vanished { earlier: false, .. })),
            ("* QUOTA \"\" (STORAGE 1 2)", |r| matches!(r, Response::Quota(_))),
            ("* QUOTAROOT a", |r| matches!(r, Response::QuotaRoot(_))),
            ("* ACL a b c", |r| matches!(r, Response::Acl(_))),
            ("* MYRIGHTS a lr", |r| matches!(r, Response::MyRights(_))),
            ("* METADATA a /x", |r| matches!(r, Response::Metadata(_))),
            ("* ID NIL", |r| matches!(r, Response::Id(_))),
        ];
        for (text, fits) in table {
            assert!(fits(&response(text)), "{text}: {:?}", response(text));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, at) in [
            ("* 1 FETCH x", 10),
            ("* XFOO 1", 2),
            ("* LIST", 6),
            ("*", 1),
            ("", 0),
            ("A1", 2),
            ("A1 BYE", 6),
            ("* 4294967297 EXISTS", 2),
            ("* SEARCH 1 x", 11),
            ("\0", 0),
        ] {
            assert!(
                matches!(response(text), Response::Unparsed(Syntax { at: found, .. }) if found == at),
                "{text}: {:?}",
                response(text)
            );
        }
        assert!(response("* 1 FETCH (UID x)").is_damaged());
    }

    #[test]
    fn tagged_responses_and_continuations() {
        let read = |text: &str| read(&Raw { bytes: text.as_bytes().to_vec(), ..Raw::default() });
        assert!(matches!(read("A1 ok"), Read::Tagged(tag, _) if tag == b"A1"));
        assert!(matches!(read("+"), Read::Continue(text) if text.is_empty()));
        assert!(matches!(read("+ YQ=="), Read::Continue(text) if text == b"YQ=="));
    }
}

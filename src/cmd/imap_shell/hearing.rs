//! What is made of the answers to one command: rows as they come, and all that could not be read as it came.

use super::events::event;
use super::output::{Facts, Out};
use super::rows;
use super::signals::Enough;
use crate::browse::asked::Numbers;
use crate::browse::line::Encoding;
use crate::browse::plan::kinds::View;
use crate::browse::session::{Heard, Lead};
use crate::bytes::escape::visible;
use crate::cli::stdio::{StdoutError, say};
use crate::protocol::imap::code::{Code, StatusKind, Word};
use crate::protocol::imap::fetch::{Attribute, Fetch, Item};
use crate::protocol::imap::framing::Opened;
use crate::protocol::imap::mailbox::Listed;
use crate::protocol::imap::response::{Raw, Response};
use crate::protocol::imap::set::SequenceSet;
use crate::protocol::imap::words::{Piece, Received};
use serde_json::Value;

/// Most UIDs that are remembered for `$`.
const MOST: usize = 1_000_000;
/// Most octets of mailboxes that are held for a tree, or for completion.
const MOST_HELD: usize = 8 << 20;
/// Octets that are shown of a literal that is no content, and of what stands before it.
const MOST_CUT: usize = 1024;

/// What a mailbox says of itself when it is selected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facets {
    pub exists: Option<u32>,
    pub uid_validity: Option<u32>,
    pub uid_next: Option<u32>,
    pub mod_seq: Option<u64>,
}

/// A long literal where there should be none: of what a server puts into an envelope only so much is kept.
struct Cut {
    /// The response up to it.
    before: Vec<u8>,
    kept: Vec<u8>,
    len: u64,
}

/// Hears one command.
pub struct Hearing<'a> {
    pub out: &'a mut Out,
    pub view: &'a View,
    pub mailbox: &'a str,
    pub quiet: bool,
    /// UIDs that were found, as they came, and how many.
    pub found: SequenceSet,
    pub found_count: usize,
    pub mailboxes: Vec<Listed>,
    /// Octets that they take.
    held: usize,
    /// Threads that had their rows.
    threads: usize,
    pub facets: Facets,
    /// UIDs that the answer has rows for, or that it names as copied.
    pub came: Numbers,
    /// Messages were removed.
    pub removed: bool,
    /// Something could not be read, and was shown as it came.
    pub damaged: bool,
    pub failed: Option<StdoutError>,
    /// A literal that is no content of a message.
    cut: Option<Cut>,
    /// Nothing more is to be shown.
    pub enough: Enough,
    /// What was not asked for is shown, too.
    pub at_prompt: bool,
    /// Rows that were printed.
    pub rows: usize,
}

impl<'a> Hearing<'a> {
    pub fn new(out: &'a mut Out, view: &'a View, mailbox: &'a str, quiet: bool) -> Hearing<'a> {
        Hearing {
            out,
            view,
            mailbox,
            quiet,
            found: SequenceSet::default(),
            found_count: 0,
            mailboxes: Vec::new(),
            held: 0,
            threads: 0,
            facets: Facets::default(),
            came: Numbers::default(),
            removed: false,
            damaged: false,
            failed: None,
            cut: None,
            enough: Enough::default(),
            at_prompt: false,
            rows: 0,
        }
    }

    pub fn hear(&mut self, lead: &Lead, heard: Heard) {
        if self.failed.is_some() || self.enough.is_enough() {
            return;
        }
        let done = match heard {
            Heard::Received(received) => {
                let heard = self.received(&received, lead.encoding);
                // Who reads along with IDLE does so now.
                if self.at_prompt && *self.view == View::Raw { heard.and_then(|()| self.out.flush()) } else { heard }
            }
            Heard::Literal(piece) => self.literal(piece),
            Heard::Idling => Ok(()),
        };
        if let Err(error) = done {
            self.failed = Some(error);
            lead.abandon();
        }
    }

    fn row(&mut self, row: &Facts) -> Result<(), StdoutError> {
        self.rows += 1;
        self.out.row(row)
    }

    fn all(&mut self, rows: impl IntoIterator<Item = Facts>) -> Result<(), StdoutError> {
        rows.into_iter().try_for_each(|row| self.row(&row))
    }

    fn received(&mut self, received: &Received, encoding: Encoding) -> Result<(), StdoutError> {
        self.damaged |= warn(&received.response, self.quiet) | received.response.is_damaged();
        if let Response::Unparsed(why) = &received.response {
            say(&format!("imap-shell: a response that cannot be read: {why}"));
            return self.out.raw(&received.raw.bytes);
        }
        if received.response.is_damaged() {
            say("imap-shell: a response that cannot be read in whole");
        }
        self.note(&received.response);
        if *self.view == View::Raw {
            return self.raw(&received.raw);
        }
        self.doubt_name(&received.response, encoding);
        match (&received.response, self.view) {
            (Response::List(listed) | Response::Lsub(listed), View::Mailboxes) => self.row(&rows::listed(listed, encoding)),
            (Response::List(listed) | Response::Lsub(listed), View::Tree | View::Held) => {
                self.hold(listed);
                Ok(())
            }
            (Response::MailboxStatus(mailbox, items), View::Counts) => self.row(&rows::counts(mailbox, items, encoding)),
            (Response::Search(found) | Response::Sort(found), View::Found | View::Present) => {
                self.numbers(found.numbers.iter().copied())
            }
            (Response::Search(found), View::Count) => {
                self.found_count += found.numbers.len();
                Ok(())
            }
            (Response::Esearch(found), View::Found | View::Present) => match &found.all {
                // A range may name four thousand million: the server has not shown that it has as many.
                Some(all) => {
                    let most = MOST.saturating_sub(self.found_count);
                    if all.count().is_none_or(|count| count > most as u64) && !std::mem::replace(&mut self.damaged, true) {
                        say(&format!("imap-shell: more than {MOST} messages: only so many are shown"));
                    }
                    self.numbers(all.numbers().take(most))
                }
                None => Ok(()),
            },
            (Response::Thread(threads), View::Threads) => {
                let before = self.threads;
                self.threads += threads.len();
                let mailbox = self.mailbox;
                let rows = threads.iter().enumerate().flat_map(|(n, one)| rows::thread(before + n + 1, one, mailbox));
                self.all(rows)
            }
            (Response::Fetch(fetch), View::Messages) => self.message(fetch),
            // What changed since the MODSEQ that was given (RFC 7162 section 3.2.5).
            (Response::Fetch(fetch), View::Selected) => self.row(&rows::message(fetch, self.mailbox)),
            (Response::Vanished { .. }, View::Selected | View::Messages) => {
                let row = event(&received.response, Some(self.mailbox), encoding);
                row.map_or(Ok(()), |row| self.row(&row))
            }
            // Parts say the count again.
            (Response::Esearch(found), View::Count | View::SavedCount) if !received.raw.continues => {
                self.row(&Facts::default().fact("count", found.count))
            }
            (Response::Enabled(names), View::Enabled(_)) => {
                self.all(names.iter().map(|name| Facts::default().fact("capability", name.clone())))
            }
            (Response::Namespace(all), View::Namespaces) => self.all(rows::namespaces(all, encoding)),
            (Response::Quota(quota), View::Quotas) => self.all(rows::quotas(quota)),
            (Response::Acl(acl), View::Rights) => self.all(rows::rights(acl, encoding)),
            (Response::ListRights(may), View::Rights) => self.row(&rows::list_rights(may, encoding)),
            (Response::MyRights(mine), View::Rights) => self.row(&rows::my_rights(mine, encoding)),
            (Response::Metadata(notes), View::Notes) => self.all(rows::notes(notes, encoding)),
            (Response::Id(fields), View::Server) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let row = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
                    Facts::default().fact("field", text(name)).fact("value", value.as_deref().map(text))
                };
                self.all(fields.iter().map(row))
            }
            // MOVE tells of its copies before it is done (RFC 6851 section 4.3).
            (Response::Status(status), View::Nothing) => match &status.code {
                Some(code) => self.code(code),
                None => Ok(()),
            },
            (response, View::News) => match event(response, Some(self.mailbox).filter(|name| !name.is_empty()), encoding) {
                Some(row) => self.row(&row),
                None => Ok(()),
            },
            (response, view) if self.at_prompt && is_news(response, view) => {
                say(&format!(" <- {}", visible(&received.raw.bytes)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9051 section 7.5.2: in answer to a command with UID each has its own. Others' changes of flags come without.
    fn message(&mut self, fetch: &Fetch) -> Result<(), StdoutError> {
        match fetch.uid() {
            Some(uid) => {
                self.came.insert(uid);
            }
            None if is_update(&fetch.attributes) => {}
            None => {
                self.damaged = true;
                say(&format!("imap-shell: the server gives no UID for message number {}", fetch.sequence));
            }
        }
        self.row(&rows::message(fetch, self.mailbox))
    }

    /// A name that is no modified UTF-7 is shown as it came, and cannot be used.
    fn doubt_name(&mut self, response: &Response, encoding: Encoding) {
        let (Response::List(Listed { mailbox, .. })
        | Response::Lsub(Listed { mailbox, .. })
        | Response::MailboxStatus(mailbox, _)) = response
        else {
            return;
        };
        if rows::readable(mailbox, encoding).is_none() {
            self.damaged = true;
            say(&format!("imap-shell: a mailbox's name that cannot be read: {}", visible(mailbox.bytes())));
        }
    }

    fn hold(&mut self, listed: &Listed) {
        let texts = listed.attributes.iter().map(String::len).chain([listed.mailbox.bytes().len()]);
        // Vectors grow by doubling, an allocation has a head, and the tree has the name once more.
        let row: usize = 2 * size_of::<Listed>() + texts.map(|len| 2 * len + 64).sum::<usize>();
        self.held = self.held.saturating_add(row);
        if self.held <= MOST_HELD {
            self.mailboxes.push(Listed { child_info: Vec::new(), other: Vec::new(), old_name: None, ..listed.clone() });
        } else if !std::mem::replace(&mut self.damaged, true) {
            say("imap-shell: more mailboxes than can be held: the rest is left out");
        }
    }

    /// Where copies went, and as what.
    pub fn code(&mut self, code: &Code) -> Result<(), StdoutError> {
        let row = Facts::default();
        match code {
            Code::CopyUid { validity, from, to } => {
                let bounds = from.0.iter().filter_map(|range| range.bounds());
                bounds.for_each(|(low, high)| self.came.insert_all(low, high));
                let row = row
                    .only_json("mailbox", self.mailbox)
                    .only_json("uidvalidity", *validity)
                    .fact("uids", from.to_string())
                    .fact("new_uids", to.to_string());
                self.row(&row)
            }
            Code::AppendUid { validity, uids } => {
                let uid = uids.to_string();
                let shown = uid.parse::<u32>().map_or(Value::from(uid), Value::from);
                self.row(&row.fact("mailbox", self.mailbox).only_json("uidvalidity", *validity).fact("uid", shown))
            }
            Code::TooLong(name) => {
                say(&format!("imap-shell: {name}: more than can be read"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn numbers(&mut self, numbers: impl Iterator<Item = u32>) -> Result<(), StdoutError> {
        for number in numbers {
            if self.found_count < MOST {
                self.found.push(number);
                self.found_count += 1;
            } else if !std::mem::replace(&mut self.damaged, true) {
                say(&format!("imap-shell: more than {MOST} messages: $ stands for the first of them"));
            }
            if *self.view == View::Found {
                self.row(&Facts::default().only_json("mailbox", self.mailbox).fact("uid", number))?;
            }
        }
        Ok(())
    }

    fn note(&mut self, response: &Response) {
        match response {
            Response::Exists(count) => self.facets.exists = Some(*count),
            Response::Expunge(_) | Response::Vanished { earlier: false, .. } => self.removed = true,
            Response::Status(status) => match status.code {
                Some(Code::UidValidity(number)) => self.facets.uid_validity = Some(number),
                Some(Code::UidNext(number)) => self.facets.uid_next = Some(number),
                Some(Code::HighestModSeq(number)) => self.facets.mod_seq = Some(number),
                _ => {}
            },
            _ => {}
        }
    }

    /// As it came, with what of it went ahead already in its place.
    fn raw(&mut self, raw: &Raw) -> Result<(), StdoutError> {
        match raw.streamed.last() {
            None => self.out.raw(&raw.bytes),
            Some(last) => self.out.raw(raw.bytes.get(last.at..).unwrap_or_default()),
        }
    }

    fn literal(&mut self, piece: Piece) -> Result<(), StdoutError> {
        match (piece, &mut self.cut) {
            (Piece::Begin(opened), _) => self.begin(*opened),
            (Piece::Data(bytes), Some(cut)) => {
                let room = MOST_CUT.saturating_sub(cut.kept.len()).min(bytes.len());
                cut.kept.extend_from_slice(&bytes[..room]);
                Ok(())
            }
            (Piece::Data(bytes), None) => self.out.content(&bytes),
            (Piece::End, _) => match self.cut.take() {
                Some(cut) => self.show_cut(&cut),
                None => self.out.end(*self.view != View::Raw),
            },
        }
    }

    fn begin(&mut self, opened: Opened) -> Result<(), StdoutError> {
        let is_content = match self.view {
            View::Raw | View::Notes => true,
            View::Messages => opened.item.as_ref().is_some_and(Item::is_content),
            _ => false,
        };
        if !is_content {
            let before = opened.before[..opened.before.len().min(MOST_CUT)].to_vec();
            self.cut = Some(Cut { before, kept: Vec::new(), len: opened.len });
            return Ok(());
        }
        if *self.view == View::Raw {
            let before = opened.before.strip_suffix(b"\r\n").unwrap_or(&opened.before);
            self.out.raw(before)?;
        }
        let facts = Facts::default().only_json("mailbox", self.mailbox).only_json("seq", opened.sequence);
        let facts = facts.only_json("uid", opened.uid).only_json("item", opened.item.as_ref().map(rows::called));
        self.out.begin(&facts.only_json("size", opened.len))
    }

    fn show_cut(&mut self, cut: &Cut) -> Result<(), StdoutError> {
        self.damaged = true;
        say(&format!("imap-shell: a literal of {} octets where none belongs: its first {} are shown", cut.len, cut.kept.len()));
        self.out.raw(format!("{}{}", cut.before.escape_ascii(), cut.kept.escape_ascii()).as_bytes())
    }
}

/// RFC 9051 section 7.1: an ALERT has to reach the user. True: something may not have been done.
pub fn warn(response: &Response, quiet: bool) -> bool {
    match response {
        Response::Status(status) if status.is(Word::Alert) => say(&format!("imap-shell: the server says: {}", status.text)),
        Response::Status(status) if status.kind == StatusKind::No && !quiet => {
            say(&format!("imap-shell: the server warns: {}", status.text));
        }
        // RFC 9051 section 7.1.3: an error whose command the server cannot tell.
        Response::Status(status) if status.kind == StatusKind::Bad => {
            say(&format!("imap-shell: the server could not read something: BAD {}", status.text));
            return true;
        }
        _ => {}
    }
    false
}

/// What a server tells at any time (RFC 9051 section 7), and not in answer to what is shown so.
fn is_news(response: &Response, view: &View) -> bool {
    match response {
        Response::Exists(_) | Response::Expunge(_) | Response::Vanished { .. } | Response::Fetch(_) => *view != View::Selected,
        Response::MailboxStatus(..) => *view != View::Counts,
        Response::List(_) => !matches!(view, View::Mailboxes | View::Tree | View::Held),
        _ => false,
    }
}

/// A change of flags that somebody else made: the server tells it at any time, without the UID.
fn is_update(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| matches!(attribute, Attribute::Flags(_) | Attribute::ModSeq(_)))
}

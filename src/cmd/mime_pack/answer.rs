//! A message that is answered or passed on: what of it goes into the new one.

use super::content::Content;
use super::options::Compose;
use super::source::{Source, message_media, without_from_line};
use super::text::text_of;
use crate::bytes::encoded_word;
use crate::bytes::transfer::Encoding;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::address::Mailbox;
use crate::mail::address_list::{NamedMailbox, named_mailboxes};
use crate::mail::header::{body_offset, field, from_line};
use crate::mail::mime::build::{Entity, Leaf};
use anyhow::Context;
use std::collections::HashSet;

/// Header of a message that is read for an answer, and text that is quoted, in octets.
const MOST: usize = 1024 * 1024;
/// Message-IDs in References: the first and the last ones, of a thread that goes on for ever.
const REFERENCES: usize = 40;

/// The message at hand.
#[derive(Debug)]
pub struct Answer {
    original: Content,
    header: Vec<u8>,
    kind: Kind,
    quotes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reply,
    ReplyAll,
    Forward,
}

impl Answer {
    pub fn read(compose: &Compose) -> Result<Option<Answer>, Failure> {
        let (path, kind) = match (&compose.reply, &compose.forward) {
            (Some(path), _) => (path, if compose.all { Kind::ReplyAll } else { Kind::Reply }),
            (None, Some(path)) => (path, Kind::Forward),
            (None, None) => return Ok(None),
        };
        let original = Content::open(path)?;
        let mut header = Vec::new();
        let mut done = false;
        original.each(|bytes| {
            if !done {
                header.extend_from_slice(bytes);
                let end = body_offset(&header);
                done = end.is_some();
                header.truncate(end.unwrap_or(header.len()));
                if header.len() > MOST {
                    return Err(Failure::text(Status::Data, format!("{}: the header is over 1 MiB long", original.label)));
                }
            }
            Ok(())
        })?;
        if header.is_empty() {
            return Err(Failure::text(Status::Data, format!("{}: empty, no message", original.label)));
        }
        let header = header.split_off(from_line(&header));
        Ok(Some(Answer { original, header, kind, quotes: compose.quote }))
    }

    /// Who gets the reply, and who a copy; `own` addresses are not written to.
    pub fn recipients(&self, own: Option<&NamedMailbox>) -> Result<(Vec<NamedMailbox>, Vec<NamedMailbox>), Failure> {
        if self.kind == Kind::Forward {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut to = match self.mailboxes("Reply-To")? {
            list if list.is_empty() => self.mailboxes("From")?,
            list => list,
        };
        let is_own = |named: &NamedMailbox| own.is_some_and(|own| own.mailbox == named.mailbox);
        // An answer to one's own message goes to those whom that went to.
        if to.iter().all(is_own) {
            to = self.mailboxes("To")?;
        }
        if to.is_empty() {
            let why = "it names nobody to answer; --to does";
            return Err(Failure::text(Status::Data, format!("--reply {}: {why}", self.original.label)));
        }
        let mut cc = Vec::new();
        if self.kind == Kind::ReplyAll {
            let mut known: HashSet<Mailbox> = to.iter().map(|named| named.mailbox.clone()).collect();
            cc = self.mailboxes("To")?;
            cc.append(&mut self.mailboxes("Cc")?);
            cc.retain(|named| !is_own(named) && known.insert(named.mailbox.clone()));
        }
        Ok((to, cc))
    }

    /// `Re:` or `Fwd:` and the subject, once.
    pub fn subject(&self) -> String {
        let subject = self.text("Subject").unwrap_or_default();
        let mark = if self.kind == Kind::Forward { "Fwd: " } else { "Re: " };
        let has_mark = subject.get(..mark.len() - 1).is_some_and(|start| start.eq_ignore_ascii_case(mark.trim_end()));
        if has_mark { subject } else { format!("{mark}{subject}").trim_end().to_owned() }
    }

    /// In-Reply-To and References (RFC 5322 section 3.6.4), as words: the thread goes on where the parent has no Message-ID, too.
    pub fn references(&self) -> (Option<String>, Vec<String>) {
        if self.kind == Kind::Forward {
            return (None, Vec::new());
        }
        let ids = |name: &str| self.text(name).map(|value| msg_ids(&value)).unwrap_or_default();
        let id = ids("Message-ID").pop();
        let mut references = ids("References");
        if references.is_empty() {
            // Only where it names one message can it stand for the thread.
            references = Some(ids("In-Reply-To")).filter(|ids| ids.len() == 1).unwrap_or_default();
        }
        references.retain(|known| Some(known) != id.as_ref());
        references.extend(id.clone());
        if references.len() > REFERENCES {
            references.drain(1..references.len() + 1 - REFERENCES);
        }
        (id, references)
    }

    /// The text of the original, quoted below what is new.
    pub fn quoted(&self) -> Result<Option<String>, Failure> {
        if !self.quotes || self.kind == Kind::Forward {
            return Ok(None);
        }
        let text = text_of(&self.original, MOST)?;
        let from = self.mailboxes("From")?.into_iter().next();
        let name = from.map(|from| from.name.unwrap_or_else(|| from.mailbox.to_string())).unwrap_or_default();
        let date = self.text("Date").map(|date| format!("On {date}, ")).unwrap_or_default();
        if text.trim().is_empty() {
            return Ok(None);
        }
        let line = if name.is_empty() { String::new() } else { format!("{date}{name} wrote:\n") };
        let lines = text.lines().map(|line| match line {
            "" => ">\n".to_owned(),
            line if line.starts_with('>') => format!(">{line}\n"),
            line => format!("> {line}\n"),
        });
        Ok(Some(format!("\n{line}{}", lines.collect::<String>())))
    }

    /// The original, if it is to be passed on.
    pub fn forwarded(&self) -> Option<&Content> {
        (self.kind == Kind::Forward).then_some(&self.original)
    }

    /// A header field's value on one line: what it holds of control characters cannot start a field.
    fn text(&self, name: &str) -> Option<String> {
        let value = field(&self.header, name)?.text();
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn mailboxes(&self, name: &str) -> Result<Vec<NamedMailbox>, Failure> {
        let Some(field) = field(&self.header, name) else { return Ok(Vec::new()) };
        let mut list = named_mailboxes(&field.value())
            .with_context(|| format!("{}: {name}", self.original.label))
            .or_status(Status::Data)?;
        for named in &mut list {
            let name = named.name.take().map(|name| encoded_word::decode(name.as_bytes()));
            named.name = name.map(|name| name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        }
        Ok(list)
    }
}

/// `msg-id = "<" id-left "@" id-right ">"`, in whatever stands around them.
fn msg_ids(value: &str) -> Vec<String> {
    let ids = value.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(id, _)| id.trim());
    let plain = |id: &&str| !id.is_empty() && id.len() <= 900 && id.bytes().all(|b| b.is_ascii_graphic());
    ids.filter(plain).map(|id| format!("<{id}>")).collect()
}

/// The original as a part, without the mbox line that may stand before it.
pub fn message(original: &Content) -> Result<Entity<Source>, Failure> {
    let content = without_from_line(original)?;
    let profile = content.measure()?.profile;
    let why = "cannot go as a message: it has a NUL, a carriage return without a line feed, or a line of more than 998 octets";
    let encoding = profile.message_encoding().ok_or_else(|| Failure::text(Status::Data, format!("{}: {why}", content.label)))?;
    debug_assert!(matches!(encoding, Encoding::SevenBit | Encoding::EightBit));
    Ok(Entity::Leaf(Leaf {
        media: message_media(&content)?.to_owned(),
        charset: None,
        encoding,
        disposition: Some("inline"),
        name: None,
        content_id: None,
        parameters: Vec::new(),
        source: Source { content, profile: Some(profile), is_body: false },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(header: &str, kind: Kind) -> Answer {
        Answer { original: Content::memory("test", Vec::new()), header: header.as_bytes().to_vec(), kind, quotes: false }
    }

    #[test]
    fn subjects_are_marked_once() {
        for (subject, kind, marked) in [
            ("lunch", Kind::Reply, "Re: lunch"),
            ("RE: lunch", Kind::Reply, "RE: lunch"),
            ("lunch", Kind::Forward, "Fwd: lunch"),
            ("Re: lunch", Kind::Forward, "Fwd: Re: lunch"),
            ("=?utf-8?q?a=0ABcc:_x?=", Kind::Reply, "Re: a Bcc: x"),
        ] {
            assert_eq!(answer(&format!("Subject: {subject}\n"), kind).subject(), marked);
        }
        assert_eq!(answer("", Kind::Reply).subject(), "Re:");
    }

    #[test]
    fn the_thread_is_carried_on() {
        for (header, id, all) in [
            ("Message-ID: <c@x>\nReferences: <a@x>\n <b@x>\n", Some("<c@x>"), "<a@x> <b@x> <c@x>"),
            ("Message-ID: <b@x>\nIn-Reply-To: <a@x>\n", Some("<b@x>"), "<a@x> <b@x>"),
            ("Message-ID: <b@x>\nIn-Reply-To: <a@x> <z@x>\n", Some("<b@x>"), "<b@x>"),
            ("Message-ID: b\nReferences: <a@x> <b@x>\n", None, "<a@x> <b@x>"),
            ("In-Reply-To: <a@x>\n", None, "<a@x>"),
            ("In-Reply-To: <a@x> <b@x>\n", None, ""),
            ("Message-ID: <=?utf-8?q?x?=@y>\n", Some("<=?utf-8?q?x?=@y>"), "<=?utf-8?q?x?=@y>"),
        ] {
            let (found, references) = answer(header, Kind::Reply).references();
            assert_eq!((found.as_deref(), references.join(" ").as_str()), (id, all), "{header}");
        }
        let long: String = (0..100).map(|n| format!("<{n}@x> ")).collect();
        let (_, all) = answer(&format!("Message-ID: <z@x>\nReferences: {long}\n"), Kind::Reply).references();
        assert_eq!((all.len(), all[0].as_str(), all[REFERENCES - 1].as_str()), (REFERENCES, "<0@x>", "<z@x>"));
    }

    #[test]
    fn a_reply_goes_where_it_is_asked_to_and_not_to_oneself() {
        let header = "From: A <a@x.test>\nTo: me@x.test, b@x.test\nCc: C <c@x.test>, a@x.test\n";
        let me = NamedMailbox { name: None, mailbox: "me@x.test".parse().unwrap() };
        let names = |header: &str, kind| {
            let (to, cc) = answer(header, kind).recipients(Some(&me)).unwrap();
            let text = |list: Vec<NamedMailbox>| list.iter().map(|n| n.mailbox.to_string()).collect::<Vec<_>>().join(" ");
            (text(to), text(cc))
        };
        assert_eq!(names(header, Kind::Reply), ("a@x.test".into(), String::new()));
        assert_eq!(names(header, Kind::ReplyAll), ("a@x.test".into(), "b@x.test c@x.test".into()));
        assert_eq!(names(&format!("Reply-To: l@x.test\n{header}"), Kind::Reply).0, "l@x.test");
        assert_eq!(names("From: me@x.test\nTo: b@x.test\n", Kind::Reply).0, "b@x.test");
    }
}

//! Mailboxes that are watched: the line that asks a server for several at once, and how long to wait before a lost connection is made anew.

use super::day::{self, DayError};
use super::line::{Encoding, Line, LineError};
use super::words::Word;
use crate::protocol::imap::capabilities::Capabilities;
use std::time::Duration;

/// How `watch` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// None: the one that is selected.
    pub mailboxes: Vec<String>,
    /// So long, or until somebody has seen enough.
    pub within: Option<Duration>,
    /// How often a server without IDLE is asked.
    pub every: Duration,
    /// A connection that is lost ends it.
    pub once: bool,
    /// What is run for each event: a program and its arguments.
    pub exec: Vec<String>,
}

/// How often a server without IDLE is asked, if nothing else is said.
const EVERY: Duration = Duration::from_secs(60);

impl Watch {
    /// `[MAILBOX..] [-t TIME] [--every TIME] [--once] [--exec PROGRAM ARGUMENT..]`; none: it is not of that form.
    /// What is sent for it, for `explain`; `open` is the mailbox that is selected.
    pub fn lines(&self, encoding: Encoding, open: Option<&str>, capabilities: &Capabilities) -> Vec<String> {
        let others: Vec<&String> = self.mailboxes.iter().filter(|name| open.is_none_or(|open| !is_same(open, name))).collect();
        let waits =
            if capabilities.offers("IDLE") { vec!["IDLE".to_owned(), "DONE".to_owned()] } else { vec!["NOOP".to_owned()] };
        let shown = |command: &str, name: &str| Line::new(command, encoding).mailbox(name).map(|line| line.shown());
        if !capabilities.offers("NOTIFY") || (open.is_none() && others.len() == 1) {
            let opened = others.iter().filter_map(|name| shown("EXAMINE", name).ok());
            return opened.chain(waits).collect();
        }
        if others.is_empty() {
            return waits;
        }
        let asks =
            others.iter().filter_map(|name| Some(Line::new("STATUS", encoding).mailbox(name).ok()?.word("(UIDNEXT)").shown()));
        let here = (others.len() < self.mailboxes.len()).then_some(Group::Filter("selected"));
        let groups: Vec<Group> = here.into_iter().chain(others.iter().map(|name| Group::Mailbox((*name).clone()))).collect();
        let tell = notify(false, &groups, encoding).map(|line| line.shown());
        asks.chain(tell).chain(waits).chain([notify_as_before(encoding).shown()]).collect()
    }

    pub fn asked(words: &[Word]) -> Result<Option<Watch>, DayError> {
        let mut watch = Watch { mailboxes: Vec::new(), within: None, every: EVERY, once: false, exec: Vec::new() };
        let length = |word: &Word| Ok(Duration::from_secs(day::length(&word.text)?.unsigned_abs()));
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match word {
                word if word.is("--exec") => {
                    watch.exec = rest.by_ref().map(|word| word.text.clone()).collect();
                    if watch.exec.is_empty() {
                        return Ok(None);
                    }
                }
                word if word.is("--once") => watch.once = true,
                word if word.is("-t") || word.is("--every") => {
                    let Some(time) = rest.next() else { return Ok(None) };
                    if word.is("-t") { watch.within = Some(length(time)?) } else { watch.every = length(time)? }
                }
                word if word.plain && word.text.starts_with('-') => return Ok(None),
                word if !watch.mailboxes.iter().any(|name| is_same(name, &word.text)) => watch.mailboxes.push(word.text.clone()),
                _ => {}
            }
        }
        Ok(Some(watch))
    }
}

/// RFC 5465 section 5: new messages come with those that go, and FlagChange with both.
const EVENTS: &str = "(MessageNew MessageExpunge FlagChange)";

/// `filter-mailboxes` (RFC 5465 section 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    Filter(&'static str),
    Mailbox(String),
}

const FILTERS: [&str; 5] = ["selected", "selected-delayed", "inboxes", "personal", "subscribed"];

impl Group {
    /// It stands for mailboxes beside the one that is selected, whose names are not known.
    pub fn has_others(&self) -> bool {
        matches!(self, Group::Filter(name) if !name.starts_with("selected"))
    }

    /// A filter by its name, else a mailbox.
    pub fn named(word: &Word) -> Group {
        let filter = FILTERS.into_iter().find(|name| word.is(name));
        filter.map_or_else(|| Group::Mailbox(word.text.clone()), Group::Filter)
    }
}

/// `notify = "NOTIFY" SP "SET" …` (RFC 5465 section 8): what changes in these. `status`: how they are now, too.
pub fn notify(status: bool, groups: &[Group], encoding: Encoding) -> Result<Line, LineError> {
    let mut line = Line::new(if status { "NOTIFY SET STATUS" } else { "NOTIFY SET" }, encoding);
    let mut names = Vec::new();
    for group in groups {
        match group {
            Group::Filter(filter) => line = line.word(&format!("({filter} {EVENTS})")),
            Group::Mailbox(name) => names.push(name),
        }
    }
    if names.is_empty() {
        return Ok(line);
    }
    line = line.word("(mailboxes (");
    for name in names {
        line = line.mailbox(name)?;
    }
    line.push(&format!(") {EVENTS})"));
    Ok(line)
}

pub fn notify_none(encoding: Encoding) -> Line {
    Line::new("NOTIFY NONE", encoding)
}

/// What a server tells to whom never said NOTIFY.
pub fn notify_as_before(encoding: Encoding) -> Line {
    Line::new(&format!("NOTIFY SET (selected-delayed {EVENTS})"), encoding)
}

/// `a` and `b` name one mailbox: INBOX has no case (RFC 9051 section 5.1).
pub fn is_same(a: &str, b: &str) -> bool {
    a == b || (a.eq_ignore_ascii_case("INBOX") && b.eq_ignore_ascii_case("INBOX"))
}

/// Waits between attempts: 1 s, then ever twice as long.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    const LONGEST: Duration = Duration::from_secs(300);
    /// A session that lived so long was a good one.
    const GOOD: Duration = Duration::from_secs(60);

    /// The wait after a session, or an attempt at one, that lasted so long.
    pub fn after(&mut self, lasted: Duration) -> Duration {
        let next = match self.last {
            Some(last) if lasted < Backoff::GOOD => (last * 2).min(Backoff::LONGEST),
            _ => Duration::from_secs(1),
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_several_mailboxes_at_once() {
        let group = |name| Group::named(&Word::plain(name));
        let groups = ["My Mail", "Selected", "Entwürfe"].map(group);
        let line = notify(false, &groups, Encoding::default()).unwrap();
        let events = "(MessageNew MessageExpunge FlagChange)";
        let wanted = format!("NOTIFY SET (selected {events}) (mailboxes (\"My Mail\" Entw&APw-rfe) {events})");
        assert_eq!(line.shown(), wanted);
        let line = notify(true, &[group("x\r\ny")], Encoding { utf8: true }).unwrap();
        assert_eq!(line.shown(), format!("NOTIFY SET STATUS (mailboxes ({{4}} x\\r\\ny) {events})"));
    }

    #[test]
    fn waits_grow_until_a_session_was_a_good_one() {
        let (mut backoff, short, long) = (Backoff::default(), Duration::ZERO, Duration::from_secs(61));
        let waits: Vec<u64> = (0..11).map(|_| backoff.after(short).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!((backoff.after(long).as_secs(), backoff.after(short).as_secs()), (1, 2));
    }
}

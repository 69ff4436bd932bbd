//! What a message's file says, as read: envelope, arrival, marks, history. Nothing here changes a file.

use super::format::{self, Arrival, Defect, Header, Parent, Parsed, Sort, Unreadable};
use super::history::{Attempt, History};
use super::layout::{Entry, Place, Spool, SpoolError};
use super::mark::Mark;
use crate::disk::fs::{Access, At, Kind};
use crate::disk::lock::present;
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::mail::notify::Wish;
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;

/// What is known of a message.
#[derive(Debug, Clone)]
pub struct Facts {
    pub(super) place: Place,
    pub(super) parsed: Parsed,
    pub(super) history: History,
}

/// One recipient and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// Its place in the envelope, by which it is marked.
    pub place: usize,
    pub path: &'a ForwardPath,
    /// What is asked for it.
    pub wish: &'a Wish,
    pub mark: Mark,
    pub attempts: u32,
    pub last: Option<&'a Attempt>,
}

/// A message's state in the words of `mailq-run list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Due,
    Deferred,
    Held,
    Failed,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Due => "due",
            State::Deferred => "deferred",
            State::Held => "held",
            State::Failed => "failed",
        }
    }
}

impl Spool {
    /// Reads a message without locking it, for showing it; none if it is gone or not whole. What others append or mark meanwhile
    /// may be seen or not.
    pub fn look(&self, entry: &Entry) -> Result<Option<Facts>, SpoolError> {
        let path = self.path(entry);
        let damaged = |why| Err(SpoolError::Damaged { path: path.clone(), why });
        let Some(named) = present(self.fs.stat(&path)).at("look at", &path)? else { return Ok(None) };
        if named.kind != Kind::Regular {
            return damaged(Defect::NotRegular);
        }
        let Some(file) = present(self.fs.open(&path, Access::Read)).at("open", &path)? else { return Ok(None) };
        let stat = file.stat().at("look at", &path)?;
        let parsed = match format::read(file.as_ref(), stat.size) {
            Ok(parsed) if parsed.header.id == entry.id => parsed,
            Ok(_) => return damaged(Defect::Name),
            Err(Unreadable::Defect(Defect::Unfinished)) => return Ok(None),
            Err(Unreadable::Defect(why)) => return damaged(why),
            Err(Unreadable::Io(e)) => return Err(e).at("read", &path).map_err(SpoolError::from),
        };
        let at = parsed.preamble.history_at();
        let history = History::read(file.as_ref(), at, stat.size, parsed.marks.len()).at("read", &path)?;
        Ok(Some(Facts { place: entry.place, parsed, history }))
    }
}

impl Facts {
    pub fn id(&self) -> &QueueId {
        &self.parsed.header.id
    }

    pub fn header(&self) -> &Header {
        &self.parsed.header
    }

    pub fn envelope(&self) -> &Envelope {
        &self.parsed.header.envelope
    }

    pub fn reverse_path(&self) -> &ReversePath {
        &self.envelope().reverse_path
    }

    pub fn arrival(&self) -> &Arrival {
        &self.parsed.header.arrival
    }

    /// Which message this is a child of, if it is one.
    pub fn parent(&self) -> Option<&Parent> {
        self.parsed.header.parent.as_ref()
    }

    pub fn sort(&self) -> Sort {
        self.parsed.header.sort
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// Body length in bytes.
    pub fn size(&self) -> u64 {
        self.parsed.preamble.body
    }

    /// The body holds bytes above 127: a next hop has to know 8BITMIME.
    pub fn is_eight_bit(&self) -> bool {
        self.parsed.preamble.eight_bit
    }

    pub fn recipients(&self) -> impl Iterator<Item = Recipient<'_>> {
        self.envelope().recipients().iter().enumerate().map(|(place, path)| self.describe(place, path))
    }

    pub fn mark(&self, recipient: usize) -> Option<Mark> {
        self.parsed.marks.get(recipient).copied()
    }

    /// Nothing is left to do for any recipient.
    pub fn is_settled(&self) -> bool {
        self.parsed.marks.iter().all(|mark| mark.is_settled())
    }

    /// Nothing is left to do but to tell the sender of success.
    pub fn lacks_only_word(&self) -> bool {
        !self.is_settled() && self.parsed.marks.iter().all(|mark| mark.is_settled() || mark.awaits_word())
    }

    /// Whether [`Record::Note`] with that word stands in the history.
    pub fn has_note(&self, note: &str) -> bool {
        self.history.has_note(note)
    }

    /// When the next try is due; none for a message that was never tried or is put aside.
    pub fn next(&self) -> Option<Timestamp> {
        match self.place {
            Place::Due(due) => Timestamp::from_second(due).ok(),
            _ => None,
        }
    }

    pub fn state(&self, now: Timestamp) -> State {
        match self.place {
            Place::New => State::Due,
            Place::Due(due) if due <= now.as_second() => State::Due,
            Place::Due(_) => State::Deferred,
            Place::Hold => State::Held,
            Place::Failed => State::Failed,
        }
    }

    fn describe<'a>(&'a self, place: usize, path: &'a ForwardPath) -> Recipient<'a> {
        let mark = self.mark(place).unwrap_or(Mark::Pending);
        let tries = self.history.recipients.get(place);
        let attempts = tries.map_or(0, |tries| tries.attempts);
        let wish = self.envelope().wish(place);
        Recipient { place, path, wish, mark, attempts, last: tries.and_then(|tries| tries.last.as_deref()) }
    }
}

//! Where fetched messages go. A target takes one message after the other, whole or not at all; the journal around it is `keeper`'s.

use super::labels::Labels;
use super::words::{Stop, Uid, Why};
use jiff::Timestamp;

pub mod exec;
pub mod judged;
pub mod lmtp;
pub mod maildir;
pub mod mbox;
pub mod spool;
pub mod stream;

/// What is known of a message that comes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub number: u32,
    pub uid: Option<&'a Uid>,
    /// As the server counts it, in octets.
    pub size: Option<u64>,
    /// Of the fetching.
    pub at: Timestamp,
    /// The session fetches this message alone.
    pub alone: bool,
    /// What [`Fault::Partly`] said of it in an earlier session.
    pub done: Option<&'a str>,
    /// Its header could not be had alone: a filter has not seen it.
    pub unjudged: bool,
    /// What its mailbox says of it, to be kept with it where there is a place for that.
    pub labels: Option<&'a Labels>,
}

/// The same, kept while the message comes.
#[derive(Debug)]
pub struct KeptFacts {
    number: u32,
    uid: Option<Uid>,
    size: Option<u64>,
    at: Timestamp,
    alone: bool,
    done: Option<Box<str>>,
}

impl KeptFacts {
    pub fn new(facts: &Facts<'_>) -> KeptFacts {
        let Facts { number, size, at, alone, .. } = *facts;
        KeptFacts { number, uid: facts.uid.cloned(), size, at, alone, done: facts.done.map(Into::into) }
    }

    /// As of a message that was judged, or that nobody judges.
    pub fn facts(&self) -> Facts<'_> {
        let KeptFacts { number, size, at, alone, .. } = *self;
        Facts { number, uid: self.uid.as_ref(), size, at, alone, done: self.done.as_deref(), unjudged: false, labels: None }
    }
}

/// Why a message was not taken. But for [`Fault::Partly`], nothing of it stays.
#[derive(Debug)]
pub enum Fault {
    /// This message cannot be taken now; the next may.
    Message(String),
    /// This message cannot be taken, now or later; the next may.
    Never(String),
    /// It is not wanted now, and stays where it is.
    Skip(String),
    /// Some of its recipients have it; `done` says who, on one line without a space, to whoever tries the others.
    Partly { text: String, done: String },
    /// Nor can any other now.
    Stop(Stop),
}

impl From<Fault> for Stop {
    /// For a target that a fault is the end of.
    fn from(fault: Fault) -> Stop {
        match fault {
            Fault::Message(text) | Fault::Never(text) | Fault::Skip(text) | Fault::Partly { text, .. } => {
                Stop::new(Why::Io, text)
            }
            Fault::Stop(stop) => stop,
        }
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stop(stop)
    }
}

/// What the end of a message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is where it should be; a word on where that is.
    Delivered(String),
    /// It waits for [`Target::publish`].
    Pending,
    /// It is to be deleted on the server though it was not taken.
    Killed(String),
}

/// Where messages are that wait, so that a later run can say what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// On one line; `settle` reads it.
    pub target: String,
    /// One for each that waits, in order: no space in it.
    pub places: Vec<String>,
}

/// Where messages go. Bytes come in wire form, as the server sent them, without the dots of POP3.
pub trait Target {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault>;
    /// After an error nothing more of this message comes.
    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault>;
    fn end(&mut self) -> Result<Taken, Fault>;
    /// The message that was begun will not come to its end.
    fn abort(&mut self);

    /// So much waits that it is to be published.
    fn is_full(&self) -> bool {
        false
    }

    /// Makes all that waits durable, where no reader sees it. On an error nothing of it stays.
    fn prepare(&mut self) -> Result<Announcement, Stop> {
        Ok(Announcement { target: String::new(), places: Vec::new() })
    }

    /// All that was announced is noted down durably: makes it visible, durably. On an error a later run says what became of it. Gives a
    /// word on where it is.
    fn publish(&mut self) -> Result<String, Stop> {
        Ok(String::new())
    }

    /// It could not be noted down, or nobody knows whether it was: leaves all as it is and forgets it.
    fn leave(&mut self) {}
}

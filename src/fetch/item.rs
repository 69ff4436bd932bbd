//! What a keeper knows of each message of its session.

use crate::disk::journal::record::{Digest, Id};
use crate::fetch::target::{Facts, Fault};
use crate::fetch::words::{Listed, Outcome, Row, Uid};
use crate::relay::clock::Clock;
use sha2::Sha256;
use std::collections::HashSet;

/// A message of this session.
#[derive(Debug)]
pub struct Item {
    pub size: Option<u64>,
    pub uid: Option<Uid>,
    /// What the server calls it, where that is no name of its own.
    pub said: Option<Box<str>>,
    /// It was delivered in an earlier session, as far as its name tells.
    pub seen: bool,
    /// No filter has seen its header.
    pub unjudged: bool,
    pub state: Progress,
    /// What the journal calls it.
    pub id: Option<Id>,
}

impl Item {
    pub fn row(&self, number: u32, outcome: Outcome, text: String) -> Row {
        let uid = self.uid.as_ref().map(|uid| uid.as_str().into()).or_else(|| self.said.clone());
        Row { number, size: self.size, uid, outcome, lasting: false, in_part: false, deleted: false, intended: false, text }
    }
}

/// Names that stand for several messages, and so for none.
pub fn twice(listed: &[Listed]) -> HashSet<&Uid> {
    let mut once = HashSet::with_capacity(listed.len());
    listed.iter().filter_map(|listed| listed.uid.as_ref()).filter(|uid| !once.insert(*uid)).collect()
}

/// How far a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Wanted,
    Pending,
    /// Its DELE may be out.
    Deleting(Outcome, String),
    /// Its DELE was taken, which counts once the session ends well.
    Deleted,
    Settled,
}

/// The message that comes just now.
pub struct Current {
    pub number: u32,
    pub hash: Sha256,
    pub size: u64,
    pub fault: Option<Fault>,
}

/// A message that waits for a commit.
pub struct Pending {
    pub number: u32,
    pub digest: Digest,
    pub size: u64,
}

/// What a target or a filter is told of a message.
pub fn facts<'i>(number: u32, item: &'i Item, clock: &dyn Clock) -> Facts<'i> {
    let Item { size, unjudged, .. } = *item;
    Facts { number, uid: item.uid.as_ref(), size, at: clock.now(), alone: false, done: None, unjudged, labels: None }
}

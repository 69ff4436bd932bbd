//! What a keeper knows of each message of its session.

use crate::disk::journal::record::{Digest, Id};
use crate::fetch::target::Facts;
use crate::fetch::words::{Outcome, Uid};
use crate::relay::clock::Clock;
use sha2::Sha256;

/// A message of this session.
#[derive(Debug)]
pub struct Item {
    pub size: Option<u64>,
    pub uid: Option<Uid>,
    pub state: Progress,
    /// What the journal calls it.
    pub id: Option<Id>,
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
    pub fault: Option<String>,
}

/// A message that waits for a commit.
pub struct Pending {
    pub number: u32,
    pub digest: Digest,
    pub size: u64,
}

/// What a target or a filter is told of a message.
pub fn facts<'i>(number: u32, item: &'i Item, clock: &dyn Clock) -> Facts<'i> {
    Facts { number, uid: item.uid.as_ref(), size: item.size, at: clock.now(), alone: false, done: None }
}

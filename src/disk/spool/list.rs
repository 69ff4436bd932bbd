//! All messages for showing them, in whatever state, without locking any.

use super::facts::Facts;
use super::layout::{Spool, SpoolError};
use super::queue::Which;
use jiff::Timestamp;

impl Spool {
    /// Every message, the queued first. One that moves meanwhile may come twice; one that goes may be left out.
    pub fn list(&self, now: Timestamp) -> impl Iterator<Item = Result<Facts, SpoolError>> {
        let spool = self.clone();
        [Which::Queued, Which::Held, Which::Failed]
            .into_iter()
            .flat_map({
                let spool = self.clone();
                move |which| spool.scan(which, now)
            })
            .filter_map(move |entry| entry.and_then(|entry| spool.look(&entry)).transpose())
    }
}

//! Messages for showing them, in whatever state, without locking or changing any.

use super::facts::Facts;
use super::format::{self, Unreadable};
use super::layout::{Spool, SpoolError};
use super::message::Body;
use super::queue::Which;
use crate::disk::fs::{Access, At};
use crate::disk::lock::present;
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::sync::Arc;

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

    /// The body of a message; none if it is gone.
    pub fn body(&self, id: &QueueId) -> Result<Option<Body>, SpoolError> {
        let Some(entry) = self.find(id)? else { return Ok(None) };
        let path = self.path(&entry);
        let Some(file) = present(self.fs.open(&path, Access::Read)).at("open", &path)? else { return Ok(None) };
        let size = file.stat().at("look at", &path)?.size;
        match format::read(file.as_ref(), size) {
            Ok(parsed) => Ok(Some(Body::new(Arc::from(file), &parsed))),
            Err(Unreadable::Defect(why)) => Err(SpoolError::Damaged { path, why }),
            Err(Unreadable::Io(e)) => Err(e).at("read", &path).map_err(SpoolError::from),
        }
    }
}

//! Runner slots: how many processes may make a pass at once, however they were started.

use super::layout::{STATE, Spool, SpoolError};
use crate::disk::fs::{Access, At, File};
use std::io;

/// One place among the runners, given back when it is dropped or its process dies.
#[derive(Debug)]
#[must_use]
pub struct Slot {
    pub number: u32,
    _lock: Box<dyn File>,
}

impl Spool {
    /// Takes a free slot of `max`; none if as many runners are at work.
    pub fn take_slot(&self, max: u32) -> Result<Option<Slot>, SpoolError> {
        for number in 0..max {
            let path = self.dir(STATE).join(format!("slot.{number}"));
            let file = match self.fs.create_new(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.fs.open(&path, Access::ReadWrite),
                created => created,
            };
            if let Some(lock) = file.and_then(File::try_lock).at("lock", &path)? {
                return Ok(Some(Slot { number, _lock: lock }));
            }
        }
        Ok(None)
    }
}

//! A claimed message: its facts, its body, and the steps that settle its recipients. Whoever holds one holds its lock; no other
//! process delivers, moves or removes it. What is done in which order is spool(5)'s.

use super::facts::Facts;
use super::format::{Parsed, Preamble};
use super::history::Record;
use super::layout::{Entry, Place, Spool, SpoolError, due_second};
use super::mark::Mark;
use crate::disk::fs::{At, File, parent};
use jiff::Timestamp;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A message that is ours until this is dropped.
#[derive(Debug)]
pub struct Message {
    pub(super) spool: Spool,
    pub(super) file: Arc<dyn File>,
    path: PathBuf,
    facts: Facts,
}

/// The body as it was received, read once from its start. The end comes as an error where the checksum does not match, so what
/// ends well is what was accepted.
#[derive(Debug, Clone)]
pub struct Body {
    file: Arc<dyn File>,
    start: u64,
    length: u64,
    at: u64,
    crc: u32,
    expected: u32,
}

impl Message {
    /// The body from its start. It keeps the message's lock as long as it lives.
    pub fn body(&self) -> Body {
        Body::new(self.file.clone(), &self.facts.parsed)
    }

    /// Appends to the history. Not synced of itself: a record that a power cut takes costs a retry. One that fails, on a full disk
    /// for instance, leaves the history as it was.
    pub fn record(&mut self, record: &Record) -> Result<(), SpoolError> {
        let line = record.line();
        if let Err(e) = self.file.write_at(&line, self.facts.history.end) {
            let _ = self.file.truncate(self.facts.history.end);
            return Err(e).at("write", &self.path).map_err(SpoolError::from);
        }
        self.facts.history.end += line.len() as u64;
        self.facts.history.add(record);
        Ok(())
    }

    /// Writes marks over those that stand there and makes them durable, with the records so far. A full disk is no hindrance.
    pub fn set_marks(&mut self, marks: &[(usize, Mark)]) -> Result<(), SpoolError> {
        self.check_places(marks)?;
        for &(recipient, mark) in marks {
            let at = Preamble::MARKS + recipient as u64;
            self.file.write_at(&[mark.byte()], at).at("mark", &self.path)?;
        }
        self.file.sync_data().at("sync", &self.path)?;
        self.note_marks(marks);
        Ok(())
    }

    /// Removes the message, `last` being the marks of its last transaction; they are not written, since there is nothing left to
    /// repeat. The removal is durable with the next [`Spool::sync_removals`].
    pub fn finish(mut self, last: &[(usize, Mark)]) -> Result<(), SpoolError> {
        self.check_places(last)?;
        let before = self.facts.parsed.marks.clone();
        self.note_marks(last);
        if !self.is_settled() {
            return Err(self.misuse("a recipient is not settled"));
        }
        if let Err(e) = self.spool.fs.unlink(&self.path) {
            self.facts.parsed.marks = before;
            self.set_marks(last)?;
            return Err(e).at("remove", &self.path).map_err(SpoolError::from);
        }
        self.spool.removed_from(parent(&self.path))?;
        if self.spool.standing_order(self.id())?.is_some() { self.gone_by_order() } else { Ok(()) }
    }

    /// Removes the message whatever its marks, durably: an order by hand.
    pub fn delete(self) -> Result<(), SpoolError> {
        self.spool.fs.unlink(&self.path).at("remove", &self.path)?;
        self.gone_by_order()
    }

    /// To be tried again from `due` on. Not synced: a rename that a power cut takes costs an early retry.
    pub fn defer(self, due: Timestamp) -> Result<(), SpoolError> {
        let to = Place::Due(due_second(due));
        if to == self.facts.place {
            return Ok(());
        }
        self.spool.move_file(&self.path, &Entry { place: to, id: self.id().clone() })?;
        Ok(())
    }

    /// Puts the message aside, durably, until [`Message::release`].
    pub fn hold(self) -> Result<(), SpoolError> {
        self.put(Place::Hold)
    }

    /// Puts the message among those that failed with nobody to tell, durably. They are never removed by us.
    pub fn fail(self) -> Result<(), SpoolError> {
        self.put(Place::Failed)
    }

    /// Puts the message back among those never tried, durably.
    pub fn release(self) -> Result<(), SpoolError> {
        self.put(Place::New)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn new(spool: Spool, file: Arc<dyn File>, path: PathBuf, facts: Facts) -> Message {
        Message { spool, file, path, facts }
    }

    pub(super) fn misuse(&self, why: &'static str) -> SpoolError {
        SpoolError::Misuse { id: self.id().clone(), why }
    }

    /// Where the history begins and ends in the file.
    pub(super) fn history_span(&self) -> (u64, u64) {
        (self.facts.parsed.preamble.history_at(), self.facts.history.end)
    }

    /// The order goes only when the message cannot come back in a power cut: it would be free of it.
    fn gone_by_order(&self) -> Result<(), SpoolError> {
        let dir = parent(&self.path);
        self.spool.fs.sync_dir(dir).at("sync", dir)?;
        self.spool.cancel_order(self.id())
    }

    fn put(self, place: Place) -> Result<(), SpoolError> {
        if place != self.facts.place {
            self.spool.move_file(&self.path, &Entry { place, id: self.id().clone() })?;
            // Where a rename is one step on disk either directory's sync speaks for both; elsewhere the new name is durable already.
            self.spool.fs.sync_dir(parent(&self.path)).at("sync", parent(&self.path))?;
        } else if self.spool.standing_order(self.id())?.is_some() {
            // Whoever put it here may have been killed before that was durable.
            self.spool.sync_places()?;
        }
        self.spool.cancel_order(self.id())
    }

    fn check_places(&self, marks: &[(usize, Mark)]) -> Result<(), SpoolError> {
        let count = self.facts.parsed.marks.len();
        if marks.iter().all(|&(recipient, _)| recipient < count) { Ok(()) } else { Err(self.misuse("no such recipient")) }
    }

    fn note_marks(&mut self, marks: &[(usize, Mark)]) {
        for &(recipient, mark) in marks {
            if let Some(slot) = self.facts.parsed.marks.get_mut(recipient) {
                *slot = mark;
            }
        }
    }
}

/// A guard of what it guards: the facts are read through it.
impl Deref for Message {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl Body {
    /// Of a file that was read as `parsed`.
    pub(super) fn new(file: Arc<dyn File>, parsed: &Parsed) -> Body {
        let (start, length) = (parsed.preamble.body_at(), parsed.preamble.body);
        Body { file, start, length, at: 0, crc: 0, expected: parsed.body_crc }
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Starts over.
    pub fn rewind(&mut self) {
        self.at = 0;
        self.crc = 0;
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length - self.at;
        if left == 0 {
            let sound = self.crc == self.expected;
            return if sound { Ok(0) } else { Err(damaged("the body's checksum does not match")) };
        }
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut buffer[..want], self.start + self.at)?;
        if n == 0 && want > 0 {
            return Err(damaged("the file was cut short"));
        }
        self.crc = crc32c::crc32c_append(self.crc, &buffer[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

fn damaged(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

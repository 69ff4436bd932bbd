//! The schedule: which messages are due, and claiming them one by one. Reads names in batches, never the whole queue.

use super::facts::Facts;
use super::format::{self, Defect, Unreadable};
use super::history::History;
use super::layout::{
    CORRUPT, DUE, Entry, FAILED, HOLD, NEW, Place, SLICE, Spool, SpoolError, is_draft, parse_due_name, parse_seconds, slice_of,
};
use super::message::Message;
use crate::disk::fs::{At, FsError, Names, Stat, parent};
use crate::disk::lock::{Attempt, present, try_lock};
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many names are held at once.
const BATCH: usize = 1024;
/// After this, what was never finished is taken for garbage, in seconds.
const GARBAGE_AGE: i64 = 36 * 3600;

/// What came of claiming a message.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Message(Box<Message>),
    /// Another process is at it.
    Busy,
    /// It was delivered or moved meanwhile.
    Gone,
    /// The rest of an accept that was cut short: never acknowledged, never delivered, left for 36 hours.
    Unfinished,
    /// It is no message that we could deliver, and was moved to `path` in `corrupt/`.
    Corrupt { path: PathBuf, why: Defect },
}

/// Which messages a scan gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `new/`, and what is due; a due time more than `horizon` seconds off counts as due, since then a clock was wrong.
    Due { horizon: i64 },
    /// `new/` and all that is deferred.
    Queued,
    /// Those put aside by hand.
    Held,
    /// Those that failed with nobody to tell.
    Failed,
}

/// Names of messages, oldest due time first and in batches, `new/` before all. An error is one directory's; the scan goes on.
#[derive(Debug)]
pub struct Scan {
    spool: Spool,
    now: i64,
    which: Which,
    todo: VecDeque<Source>,
    reading: Option<Reading>,
    batch: VecDeque<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Flat(&'static str, Place),
    /// The names of the slices, read when their turn comes.
    Slices,
    Slice(i64),
}

struct Reading {
    names: Names,
    source: Source,
    dir: PathBuf,
    empty: bool,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Spool {
    /// Reads which messages there are, as of `now`. Nothing is locked or changed, but that a scan for
    /// what is due removes empty slices of the past and old drafts.
    pub fn scan(&self, which: Which, now: Timestamp) -> Scan {
        let todo = match which {
            Which::Due { .. } | Which::Queued => vec![Source::Flat(NEW, Place::New), Source::Slices],
            Which::Held => vec![Source::Flat(HOLD, Place::Hold)],
            Which::Failed => vec![Source::Flat(FAILED, Place::Failed)],
        };
        Scan { spool: self.clone(), now: now.as_second(), which, todo: todo.into(), reading: None, batch: VecDeque::new() }
    }

    /// Where a message stands now, in whatever state.
    pub fn find(&self, id: &QueueId) -> Result<Option<Entry>, SpoolError> {
        for place in [Place::New, Place::Hold, Place::Failed] {
            let entry = Entry { place, id: id.clone() };
            let path = self.path(&entry);
            if present(self.fs.stat(&path)).at("look at", &path)?.is_some() {
                return Ok(Some(entry));
            }
        }
        for slice in self.slices()? {
            let dir = self.slice_dir(slice);
            let Some(names) = present(self.fs.names(&dir)).at("read", &dir)? else { continue };
            for name in names {
                let name = name.at("read", &dir)?;
                match name.to_str().and_then(parse_due_name) {
                    Some((due, found)) if found == *id => return Ok(Some(Entry { place: Place::Due(due), id: found })),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// Takes a message, if it is there, whole, ours, and nobody else's. `now` tells how old garbage is.
    pub fn claim(&self, entry: &Entry, now: Timestamp) -> Result<Claim, SpoolError> {
        let path = self.path(entry);
        let (file, stat) = match try_lock(self.fs.as_ref(), &path).at("lock", &path)? {
            Attempt::Held(file, stat) => (file, stat),
            Attempt::Busy => return Ok(Claim::Busy),
            Attempt::Gone => return Ok(Claim::Gone),
            Attempt::NotRegular => return self.put_aside(&path, Defect::NotRegular),
        };
        if let Err(why) = self.is_ours(&stat) {
            return self.put_aside(&path, why);
        }
        let parsed = match format::read(file.as_ref(), stat.size) {
            Ok(parsed) if parsed.header.id == entry.id => parsed,
            Ok(_) => return self.put_aside(&path, Defect::Name),
            Err(Unreadable::Io(e)) => return Err(e).at("read", &path).map_err(SpoolError::from),
            Err(Unreadable::Defect(Defect::Unfinished)) if stat.modified > now.as_second() - GARBAGE_AGE => {
                return Ok(Claim::Unfinished);
            }
            Err(Unreadable::Defect(why)) => return self.put_aside(&path, why),
        };
        let at = parsed.preamble.history_at();
        let history = History::read(file.as_ref(), at, stat.size, parsed.marks.len()).at("read", &path)?;
        if history.end < stat.size {
            file.truncate(history.end).at("cut the torn history of", &path)?;
        }
        let facts = Facts { place: entry.place, parsed, history };
        Ok(Claim::Message(Box::new(Message::new(self.clone(), Arc::from(file), path, facts))))
    }

    pub(super) fn is_ours(&self, stat: &Stat) -> Result<(), Defect> {
        if stat.uid != self.owner() {
            return Err(Defect::Owner);
        }
        if stat.links == 1 { Ok(()) } else { Err(Defect::Linked) }
    }

    /// Removes what an accept that died left under a draft's name, once it is old. `now` in Unix seconds.
    pub(super) fn sweep(&self, draft: &Path, now: i64) -> Result<(), SpoolError> {
        match try_lock(self.fs.as_ref(), draft).at("lock", draft)? {
            Attempt::Held(_lock, stat) if stat.modified <= now - GARBAGE_AGE => Ok(self.fs.unlink(draft).at("remove", draft)?),
            _ => Ok(()),
        }
    }

    /// The slices that stand in `due/`, in order.
    pub(super) fn slices(&self) -> Result<Vec<i64>, FsError> {
        let dir = self.dir(DUE);
        let mut slices = Vec::new();
        for name in self.fs.names(&dir).at("read", &dir)? {
            slices.extend(name.at("read", &dir)?.to_str().and_then(parse_seconds));
        }
        slices.sort_unstable();
        Ok(slices)
    }

    /// Moves what we cannot deliver to `corrupt/`, durably, under a name that is free there.
    pub(super) fn put_aside(&self, path: &Path, why: Defect) -> Result<Claim, SpoolError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let corrupt = self.dir(CORRUPT);
        let mut to = corrupt.join(name.as_ref());
        let mut copies = 1;
        while present(self.fs.stat(&to)).at("look at", &to)?.is_some() {
            copies += 1;
            to = corrupt.join(format!("{name}.{copies}"));
        }
        if present(self.fs.rename(path, &to)).at("move aside", path)?.is_none() {
            return Ok(Claim::Gone);
        }
        for dir in [corrupt.as_path(), parent(path)] {
            self.fs.sync_dir(dir).at("sync", dir)?;
        }
        Ok(Claim::Corrupt { path: to, why })
    }
}

impl Message {
    /// Moves a message whose body turned out to be damaged to `corrupt/`.
    pub fn put_aside(self) -> Result<PathBuf, SpoolError> {
        match self.spool.put_aside(self.path(), Defect::Body)? {
            Claim::Corrupt { path, .. } => Ok(path),
            _ => Err(self.misuse("it is gone")),
        }
    }
}

impl Scan {
    /// Reads until the batch holds something or all is read.
    fn refill(&mut self) -> Result<bool, SpoolError> {
        while self.batch.is_empty() {
            if self.reading.is_none() && !self.open_next()? {
                return Ok(false);
            }
            if let Err(error) = self.read_batch() {
                self.reading = None;
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Opens the next directory; false if none is left.
    fn open_next(&mut self) -> Result<bool, SpoolError> {
        while let Some(source) = self.todo.pop_front() {
            let dir = match source {
                Source::Slices => {
                    let mut slices = self.spool.slices()?;
                    slices.retain(|&slice| self.wants_slice(slice));
                    self.todo.extend(slices.into_iter().map(Source::Slice));
                    continue;
                }
                Source::Flat(name, _) => self.spool.dir(name),
                Source::Slice(slice) => self.spool.slice_dir(slice),
            };
            if let Some(names) = present(self.spool.fs.names(&dir)).at("read", &dir)? {
                self.reading = Some(Reading { names, source, dir, empty: true });
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_batch(&mut self) -> Result<(), SpoolError> {
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        let mut found = Vec::new();
        let mut more = false;
        for name in reading.names.by_ref() {
            let name = name.at("read", &reading.dir)?;
            reading.empty = false;
            if is_draft(&name) {
                if self.is_tidy() {
                    self.spool.sweep(&reading.dir.join(&name), self.now)?;
                }
                continue;
            }
            let entry = name.to_str().and_then(|name| entry_of(&reading.source, name));
            found.extend(entry.filter(|entry| self.wants(entry)));
            if found.len() >= BATCH {
                more = true;
                break;
            }
        }
        found.sort_unstable();
        self.batch.extend(found);
        if more {
            self.reading = Some(reading);
        } else if let Source::Slice(slice) = reading.source {
            self.retire(slice, &reading)?;
        }
        Ok(())
    }

    /// Removes a slice of the past that is empty. What was moved out of it is made durable first: removing it must not be able to
    /// take a name with it.
    fn retire(&self, slice: i64, reading: &Reading) -> Result<(), SpoolError> {
        if !self.is_tidy() || !reading.empty || slice + 2 * SLICE > self.now {
            return Ok(());
        }
        present(self.spool.fs.sync_dir(&reading.dir)).at("sync", &reading.dir)?;
        self.spool.forget_slice(slice);
        // Not empty any more, or removed by another: both are well.
        let _ = self.spool.fs.remove_dir(&reading.dir);
        Ok(())
    }

    fn is_tidy(&self) -> bool {
        matches!(self.which, Which::Due { .. })
    }

    fn wants_slice(&self, slice: i64) -> bool {
        match self.which {
            Which::Due { horizon } => slice <= self.now || slice.saturating_add(SLICE) > self.now.saturating_add(horizon),
            _ => true,
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        match (self.which, entry.place) {
            (Which::Due { horizon }, Place::Due(due)) => due <= self.now || due > self.now.saturating_add(horizon),
            _ => true,
        }
    }
}

impl Iterator for Scan {
    type Item = Result<Entry, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.refill() {
            Ok(true) => self.batch.pop_front().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// A name of ours in that directory, if it is one.
fn entry_of(source: &Source, name: &str) -> Option<Entry> {
    match source {
        Source::Flat(_, place) => Some(Entry { place: *place, id: name.parse().ok()? }),
        Source::Slice(slice) => {
            let (due, id) = parse_due_name(name)?;
            (slice_of(due) == *slice).then_some(Entry { place: Place::Due(due), id })
        }
        Source::Slices => None,
    }
}

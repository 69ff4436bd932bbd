//! The schedule: which messages are due, and claiming them one by one. Reads names in batches, never the whole queue.

use super::facts::Facts;
use super::format::{self, Defect, Parent, Unreadable};
use super::history::History;
use super::layout::{CORRUPT, Entry, FAILED, HOLD, NEW, Place, SLICE, Spool, SpoolError, is_draft, parse_due_name, slice_of};
use super::message::Message;
use crate::disk::fs::{At, Names, Stat, parent};
use crate::disk::lock::{Attempt, present, try_lock};
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many names are held at once.
const BATCH: usize = 1024;
/// After this, what was never finished is taken for garbage, in seconds.
pub(super) const GARBAGE_AGE: i64 = 36 * 3600;

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
    /// Names, and what failed for single files, which keeps nothing back.
    batch: VecDeque<Result<Entry, SpoolError>>,
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

    /// Takes a message, if it is there, whole, ours, and nobody else's. `now` tells how old garbage is. A second name that a crash
    /// left it in the midst of a move goes: the message is delivered once.
    pub fn claim(&self, entry: &Entry, now: Timestamp) -> Result<Claim, SpoolError> {
        let path = self.path(entry);
        let (file, stat) = match self.lock(&path)? {
            Ok(Attempt::Held(file, stat)) => (file, stat),
            Ok(Attempt::Busy) => return Ok(Claim::Busy),
            Ok(Attempt::Gone) => return Ok(Claim::Gone),
            Ok(Attempt::NotRegular) => return self.put_aside(&path, Defect::NotRegular),
            Err(why) => return self.put_aside(&path, why),
        };
        if stat.links > 1 && self.stays_aside(entry, &path)? {
            return Ok(Claim::Gone);
        }
        let read = format::read(file.as_ref(), stat.size);
        let child_of = read.as_ref().ok().and_then(|parsed| parsed.header.parent.as_ref());
        if let Err(why) = self.make_ours(&path, &stat, &entry.id, child_of)? {
            return self.put_aside(&path, why);
        }
        let parsed = match read {
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
        if history.just_edited {
            // Who wrote it anew may have been killed before its name was durable: marks in it would be lost with it.
            self.sync_names(parent(&path))?;
        }
        let facts = Facts { place: entry.place, parsed, history };
        Ok(Claim::Message(Box::new(Message::new(self.clone(), Arc::from(file), path, facts))))
    }

    /// Locks a file; that of another user perhaps cannot even be opened.
    pub(super) fn lock(&self, path: &Path) -> Result<Result<Attempt, Defect>, SpoolError> {
        match try_lock(self.fs.as_ref(), path) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => match present(self.fs.stat(path)).at("look at", path)? {
                Some(stat) if stat.uid != self.owner() => Ok(Err(Defect::Owner)),
                _ => Err(e).at("lock", path).map_err(SpoolError::from),
            },
            tried => Ok(Ok(tried.at("lock", path)?)),
        }
    }

    /// Whether the message has a second name in hold/ or failed/. That it stands there may have been confirmed, so that name is kept.
    fn stays_aside(&self, entry: &Entry, path: &Path) -> Result<bool, SpoolError> {
        if matches!(entry.place, Place::Hold | Place::Failed) {
            return Ok(false);
        }
        for place in [Place::Hold, Place::Failed] {
            let aside = self.path(&Entry { place, id: entry.id.clone() });
            if self.is_same(path, &aside)? {
                self.drop_names(&aside, &[path.to_owned()])?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a file that we locked is ours alone, once the other names that it has in the spool are gone.
    pub(super) fn make_ours(
        &self,
        path: &Path,
        stat: &Stat,
        id: &QueueId,
        child_of: Option<&Parent>,
    ) -> Result<Result<(), Defect>, SpoolError> {
        if stat.uid != self.owner() {
            return Ok(Err(Defect::Owner));
        }
        if stat.links == 1 {
            return Ok(Ok(()));
        }
        let Some(others) = self.other_names(path, stat, id, child_of)? else { return Ok(Err(Defect::Linked)) };
        self.drop_names(path, &others).map(Ok)
    }

    /// Whether two names stand for one file.
    pub(super) fn is_same(&self, one: &Path, other: &Path) -> Result<bool, SpoolError> {
        let one = present(self.fs.stat(one)).at("look at", one)?;
        let other = present(self.fs.stat(other)).at("look at", other)?;
        Ok(one.zip(other).is_some_and(|(one, other)| one.is_same_file(&other)))
    }

    /// Removes what an accept that died left under a draft's name, once it is old. `now` in Unix seconds.
    pub(super) fn sweep(&self, draft: &Path, now: i64) -> Result<(), SpoolError> {
        match try_lock(self.fs.as_ref(), draft).at("lock", draft)? {
            Attempt::Held(_lock, stat) if stat.modified <= now - GARBAGE_AGE => Ok(self.fs.unlink(draft).at("remove", draft)?),
            _ => Ok(()),
        }
    }

    /// Moves what we cannot deliver to `corrupt/`, durably, under a name that is free there.
    pub(super) fn put_aside(&self, path: &Path, why: Defect) -> Result<Claim, SpoolError> {
        Ok(self.move_aside(path)?.map_or(Claim::Gone, |path| Claim::Corrupt { path, why }))
    }

    /// As [`Spool::put_aside`], for whatever it is; gives where it stands then, unless it was gone.
    pub(super) fn move_aside(&self, path: &Path) -> Result<Option<PathBuf>, SpoolError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What was hidden for being no message yet is not to be hidden from people.
        let name = name.trim_start_matches('.');
        let corrupt = self.dir(CORRUPT);
        let mut to = corrupt.join(name);
        let mut copies = 1;
        loop {
            match self.rename_free(path, &to) {
                Ok(()) => break,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(e).at("move aside", path).map_err(SpoolError::from);
                }
                Err(_) if self.is_same(path, &to)? => {
                    self.drop_names(&to, &[path.to_owned()])?;
                    return Ok(Some(to));
                }
                Err(_) => {
                    copies += 1;
                    to = corrupt.join(format!("{name}.{copies}"));
                }
            }
        }
        for dir in [corrupt.as_path(), parent(path)] {
            self.fs.sync_dir(dir).at("sync", dir)?;
        }
        Ok(Some(to))
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
                    self.batch.extend(self.spool.sweep(&reading.dir.join(&name), self.now).err().map(Err));
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
        self.batch.extend(found.into_iter().map(Ok));
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
            Ok(true) => self.batch.pop_front(),
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

//! Children of a message: a DSN, or its copy for what a recipient stands for. A child is durable before its parent's marks say
//! so, and is let go only after, so a crash can neither lose nor repeat it.

use super::accept::{Committed, Incoming};
use super::format::{self, Arrival, Defect, Parent, Sort, Unreadable};
use super::layout::{Entry, Place, STAGED, Spool, SpoolError, is_draft, parse_staged_name};
use super::mark::Mark;
use super::message::Message;
use super::queue::Claim;
use crate::disk::fs::{At, File};
use crate::disk::lock::{Attempt, present};
use crate::mail::envelope::Envelope;
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// A child being written.
#[derive(Debug)]
#[must_use]
pub struct Draft {
    incoming: Incoming,
    parent: Parent,
    sort: Sort,
}

/// A child that is durable in `staged/`, and locked. Dropped without [`Message::let_go`], it is removed by the next pass.
#[derive(Debug)]
#[must_use]
pub struct Child {
    committed: Committed,
    parent: Parent,
    sort: Sort,
}

/// What became of a child that a dead process left in `staged/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub parent: QueueId,
    /// Its place in the parent's envelope.
    pub number: usize,
    /// The child's id where it was let go; none where it was removed, since its parent will make it again.
    pub released: Option<QueueId>,
}

impl Message {
    /// Begins a child that settles the recipients at the places `covers`, for which no other child may be on its way.
    pub fn stage_child(
        &self,
        covers: &[usize],
        id: QueueId,
        envelope: &Envelope,
        arrival: &Arrival,
        sort: Sort,
    ) -> Result<Draft, SpoolError> {
        let mut covers = covers.to_vec();
        covers.sort_unstable();
        covers.dedup();
        let Some(&first) = covers.first() else { return Err(self.misuse("a child for no recipient")) };
        self.refuse_with_child_on_its_way()?;
        if covers.iter().any(|&place| self.mark(place) == Some(Mark::Spread)) {
            // The copies had the name that the word of them is going to have. Whoever let them go may have been killed before that was
            // durable, and a power cut that took it would leave the word alone.
            self.spool.sync_names(&self.spool.dir(STAGED))?;
        }
        for &recipient in &covers {
            match self.mark(recipient) {
                Some(mark) if !mark.is_settled() => {}
                _ => return Err(self.misuse("a child for a recipient that is settled")),
            }
            // What a crash left would be taken for the child that the marks are going to speak of.
            let stale = self.spool.staged_path(self.id(), recipient);
            present(self.spool.fs.unlink(&stale)).at("remove", &stale)?;
        }
        let parent = Parent { id: self.id().clone(), covers };
        let target = self.spool.staged_path(self.id(), first);
        let incoming = self.spool.begin_child(target, id, envelope, arrival, sort, parent.clone())?;
        Ok(Draft { incoming, parent, sort })
    }

    /// Where marking was broken off after the first of several places, the child that speaks of all of them still stands in `staged/`:
    /// another one for those left would tell of them twice. A pass lets it go first. What stands there for one that was spread may be its
    /// copy or the word of it: a pass settles that, too.
    fn refuse_with_child_on_its_way(&self) -> Result<(), SpoolError> {
        let may_have_one = |mark| [Sort::Dsn, Sort::Expansion].into_iter().any(|sort| speaks_of_child(mark, sort));
        for recipient in self.recipients().filter(|recipient| may_have_one(recipient.mark)) {
            let path = self.spool.staged_path(self.id(), recipient.place);
            if present(self.spool.fs.stat(&path)).at("look at", &path)?.is_some() {
                return Err(self.misuse("a child of it is still to be let go, which the next pass does"));
            }
        }
        Ok(())
    }

    /// Marks what the child covers and puts it into `new/`, all durably. `mark` is [`Mark::Bounced`] for a DSN, and
    /// [`Mark::Expanded`] or [`Mark::Spread`] for a copy.
    pub fn let_go(&mut self, child: Child, mark: Mark) -> Result<QueueId, SpoolError> {
        if child.parent.id != *self.id() || !speaks_of_child(mark, child.sort) {
            return Err(self.misuse("no child of it, or no mark for one"));
        }
        self.mark_covered(&child.parent.covers, mark)?;
        self.spool.release_child(child.committed.path(), child.committed.id())?;
        Ok(child.committed.id().clone())
    }

    /// Removes the message, of which only this word is left to be said, durably, and then puts the word into `new/`. It is never both: a
    /// message that comes back would be told of again.
    pub fn give_way(self, child: Child) -> Result<QueueId, SpoolError> {
        if child.parent.id != *self.id() || child.sort != Sort::Dsn || !self.lacks_only_word() {
            return Err(self.misuse("more is left of it than that word"));
        }
        let spool = self.spool.clone();
        self.delete()?;
        spool.release_child(child.committed.path(), child.committed.id())?;
        Ok(child.committed.id().clone())
    }

    /// The first place's mark decides about the child, so it is durable before any other: marks on different pages may reach the
    /// disk in any order.
    fn mark_covered(&mut self, covers: &[usize], mark: Mark) -> Result<(), SpoolError> {
        let Some((&first, others)) = covers.split_first() else { return Ok(()) };
        if self.mark(first) != Some(mark) {
            self.set_marks(&[(first, mark)])?;
        }
        let others: Vec<_> = others.iter().filter(|&&place| self.mark(place) != Some(mark)).map(|&place| (place, mark)).collect();
        if others.is_empty() { Ok(()) } else { self.set_marks(&others) }
    }
}

impl Draft {
    pub fn id(&self) -> &QueueId {
        self.incoming.id()
    }

    /// As [`Incoming::write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.incoming.write(bytes)
    }

    /// As [`Incoming::commit`], in `staged/`.
    pub fn commit(self) -> Result<Child, SpoolError> {
        Ok(Child { committed: self.incoming.commit()?, parent: self.parent, sort: self.sort })
    }
}

impl Spool {
    /// Settles what dead processes left in `staged/`: a child is let go if its parent is gone or its marks speak of it, else
    /// removed. Those that somebody is at are left alone. An error is one file's.
    pub fn settle_staged(&self, now: Timestamp) -> Result<Vec<Result<Settled, SpoolError>>, SpoolError> {
        let dir = self.dir(STAGED);
        let mut settled = Vec::new();
        for name in self.fs.names(&dir).at("read", &dir)? {
            let name = name.at("read", &dir)?;
            if is_draft(&name) {
                settled.extend(self.sweep(&dir.join(&name), now.as_second()).err().map(Err));
                continue;
            }
            let Some((parent, number)) = name.to_str().and_then(parse_staged_name) else { continue };
            settled.extend(self.settle(&dir.join(&name), parent, number, now).transpose());
        }
        Ok(settled)
    }

    fn settle(&self, path: &Path, parent: QueueId, number: usize, now: Timestamp) -> Result<Option<Settled>, SpoolError> {
        let (file, stat) = match self.lock(path)? {
            Ok(Attempt::Held(file, stat)) => (file, stat),
            Ok(Attempt::Busy | Attempt::Gone) => return Ok(None),
            Ok(Attempt::NotRegular) => return self.set_aside(path, Defect::NotRegular),
            Err(why) => return self.set_aside(path, why),
        };
        let child = match read_child(file.as_ref(), stat.size, &parent, number) {
            Ok((child, ..)) if stat.links > 1 && self.is_same(path, &self.new_path(&child))? => {
                return self.end_release(path, parent, number, child);
            }
            Ok((child, covers, sort)) => self.make_ours(path, &stat, &child, None)?.map(|()| (child, covers, sort)),
            Err(Unreadable::Defect(why)) => self.make_ours(path, &stat, &parent, None)?.and(Err(why)),
            Err(Unreadable::Io(e)) => return Err(e).at("read", path).map_err(SpoolError::from),
        };
        let claimed = match self.claim_parent(&parent, now)? {
            Claim::Gone => None,
            Claim::Message(message) => Some(message),
            Claim::Busy | Claim::Unfinished | Claim::Corrupt { .. } => return Ok(None),
        };
        match (child, claimed) {
            (Ok((child, covers, sort)), Some(mut message)) => {
                let Some(mark) = message.mark(number).filter(|&mark| speaks_of_child(mark, sort)) else {
                    return self.remove_child(path, parent, number);
                };
                // Read from memory, perhaps: whoever wrote it may have been killed before it was durable, and a power cut that took it
                // would have the parent make the child again.
                message.set_marks(&[(number, mark)])?;
                message.mark_covered(&covers, mark)?;
                self.release_child(path, &child)?;
                Ok(Some(Settled { parent, number, released: Some(child) }))
            }
            (Ok((child, ..)), None) => {
                // Whoever removed the parent may have been killed before that was durable.
                self.sync_places()?;
                self.release_child(path, &child)?;
                Ok(Some(Settled { parent, number, released: Some(child) }))
            }
            (Err(why), Some(message)) if may_be_torn(why) && !message.mark(number).is_some_and(was_durable) => {
                self.remove_child(path, parent, number)
            }
            (Err(why), _) => self.set_aside(path, why),
        }
    }

    /// Takes the parent's lock. A message on its way from one directory to another may be missed, so a miss counts the second time.
    fn claim_parent(&self, parent: &QueueId, now: Timestamp) -> Result<Claim, SpoolError> {
        for _ in 0..2 {
            if let Some(entry) = self.find(parent)? {
                match self.claim(&entry, now)? {
                    // It was there a moment ago: whoever moved or finished it is at work.
                    Claim::Gone => return Ok(Claim::Busy),
                    claim => return Ok(claim),
                }
            }
        }
        Ok(Claim::Gone)
    }

    /// Durable before the child's lock goes: once it can be delivered, its staged name cannot come back.
    fn release_child(&self, path: &Path, id: &QueueId) -> Result<(), SpoolError> {
        let to = Entry { place: Place::New, id: id.clone() };
        self.move_file(path, &to)?;
        // Where a rename is one step on disk this speaks for both directories; elsewhere the new name is durable already.
        self.sync_names(&self.dir(STAGED))
    }

    /// A release that was cut short after the child had got its name in `new/`.
    fn end_release(&self, path: &Path, parent: QueueId, number: usize, id: QueueId) -> Result<Option<Settled>, SpoolError> {
        self.drop_names(&self.new_path(&id), &[path.to_owned()])?;
        Ok(Some(Settled { parent, number, released: Some(id) }))
    }

    fn new_path(&self, id: &QueueId) -> PathBuf {
        self.path(&Entry { place: Place::New, id: id.clone() })
    }

    fn remove_child(&self, path: &Path, parent: QueueId, number: usize) -> Result<Option<Settled>, SpoolError> {
        self.fs.unlink(path).at("remove", path)?;
        self.removed_from(&self.dir(STAGED))?;
        Ok(Some(Settled { parent, number, released: None }))
    }

    fn set_aside(&self, path: &Path, why: Defect) -> Result<Option<Settled>, SpoolError> {
        match self.put_aside(path, why)? {
            Claim::Corrupt { path, why } => Err(SpoolError::Damaged { path, why }),
            _ => Ok(None),
        }
    }
}

/// A power cut may leave any bytes in a child that was not synced yet: nothing was promised of it.
fn may_be_torn(why: Defect) -> bool {
    matches!(why, Defect::Unfinished | Defect::Preamble | Defect::Trailer | Defect::Checksum)
}

/// The child of the place was durable before it was marked so. Of one that was spread that was the copy, which has gone its way or is
/// whole: what is torn is the word of it.
fn was_durable(mark: Mark) -> bool {
    matches!(mark, Mark::Bounced | Mark::Expanded)
}

/// With this mark a child of that sort stands on disk. No mark speaks of the word of success, which waits for the message to go.
pub(super) fn speaks_of_child(mark: Mark, sort: Sort) -> bool {
    match sort {
        Sort::Dsn => mark == Mark::Bounced,
        Sort::Expansion | Sort::Message | Sort::Other => matches!(mark, Mark::Expanded | Mark::Spread),
    }
}

/// The id of a whole child, the places that it covers, and what it is.
fn read_child(file: &dyn File, size: u64, parent: &QueueId, number: usize) -> Result<(QueueId, Vec<usize>, Sort), Unreadable> {
    let header = format::read(file, size)?.header;
    match header.parent {
        Some(named) if named.id == *parent && named.covers.first() == Some(&number) => Ok((header.id, named.covers, header.sort)),
        _ => Err(Defect::Name.into()),
    }
}

//! One file of a message, from first byte to last: whether it is what its name says, and what sets it right if not.

use super::format::{self, Defect, Parent, Parsed, Unreadable};
use super::history::History;
use super::layout::{Entry, Spool, SpoolError};
use super::message::Body;
use super::queue::GARBAGE_AGE;
use crate::disk::fs::{Access, At, File, Stat, parent};
use crate::disk::lock::present;
use crate::mail::queue_id::QueueId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong, or worth a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Damaged(Defect),
    #[error("the end of its history is torn")]
    Torn,
    #[error("has a second name in the spool: {}", .0.display())]
    SecondName(PathBuf),
    #[error("the same message stands at {}", .0.display())]
    Twice(PathBuf),
    #[error("in the wrong place, or under the wrong name there")]
    Misplaced,
    #[error("mode {0:04o}")]
    Mode(u32),
    #[error("no name of a message")]
    OddName,
    #[error("a draft that nobody writes, older than 36 hours")]
    OldDraft,
    #[error("missing")]
    Missing,
    #[error("not a directory")]
    NotADirectory,
    #[error("belongs to uid {0}")]
    DirectoryOwner(u32),
    #[error("an order for a message that is not there")]
    OrderForNothing,
    #[error("an order that says nothing known")]
    SenselessOrder,
    #[error("cut short less than 36 hours ago, perhaps by a crash: left for so long")]
    Young,
    #[error("in use, and {0}: look again later")]
    InUse(Box<Problem>),
    #[error("left by a crash: the next pass sends it")]
    ToBeReleased,
    #[error("left by a crash: the next pass removes it, since its parent makes it again")]
    ToBeMadeAgain,
    #[error("no part of a spool")]
    Unknown,
    #[error("{0} put aside: read by nobody, removed by nobody")]
    Aside(u64),
}

/// What sets it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Remedy {
    #[error("-")]
    Nothing,
    #[error("move to corrupt/")]
    MoveAside,
    #[error("move to {}", .0.display())]
    MoveTo(PathBuf),
    #[error("make it")]
    Make,
    #[error("set mode {0:04o}")]
    SetMode(u32),
    #[error("cut it off")]
    Cut,
    #[error("remove that name")]
    DropName,
    #[error("remove it")]
    Remove,
    #[error("none but by hand")]
    ByHand,
}

/// What a file is by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Message(Entry),
    /// A message that belongs there, and stands elsewhere.
    Misplaced(Entry),
    /// Of that parent, for its recipient at that place first.
    Child(QueueId, usize),
}

pub(super) struct Verdict {
    pub problem: Problem,
    pub remedy: Remedy,
}

impl Spool {
    /// Whether something is wrong with the file itself.
    pub(super) fn judge(&self, path: &Path, file: &Arc<dyn File>, role: &Role, now: i64) -> Result<Option<Verdict>, SpoolError> {
        let verdict = |problem, remedy| Ok(Some(Verdict { problem, remedy }));
        let stat = file.stat().at("look at", path)?;
        let read = match format::read(file.as_ref(), stat.size) {
            Err(Unreadable::Io(e)) => return Err(e).at("read", path).map_err(SpoolError::from),
            Err(Unreadable::Defect(why)) => Err(why),
            Ok(parsed) => Ok(parsed),
        };
        if stat.links > 1 {
            let child_of = read.as_ref().ok().and_then(|parsed| parsed.header.parent.as_ref());
            return Ok(Some(self.judge_names(path, &stat, role, read.as_ref().ok(), child_of)?));
        }
        let parsed = match read {
            Ok(parsed) if role.fits(&parsed) => parsed,
            Ok(_) => return verdict(Problem::Damaged(Defect::Name), Remedy::MoveAside),
            Err(Defect::Unfinished) if stat.modified > now - GARBAGE_AGE => return verdict(Problem::Young, Remedy::Nothing),
            Err(why) => return verdict(Problem::Damaged(why), Remedy::MoveAside),
        };
        match io::copy(&mut Body::new(file.clone(), &parsed), &mut io::sink()) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return verdict(Problem::Damaged(Defect::Body), Remedy::MoveAside);
            }
            Err(e) => return Err(e).at("read", path).map_err(SpoolError::from),
        }
        let at = parsed.preamble.history_at();
        let size = file.stat().at("look at", path)?.size;
        if History::read(file.as_ref(), at, size, parsed.marks.len()).at("read", path)?.end < size {
            return verdict(Problem::Torn, Remedy::Cut);
        }
        match role {
            Role::Misplaced(entry) => verdict(Problem::Misplaced, Remedy::MoveTo(self.path(entry))),
            _ => Ok(None),
        }
    }

    fn judge_names(
        &self,
        path: &Path,
        stat: &Stat,
        role: &Role,
        parsed: Option<&Parsed>,
        child_of: Option<&Parent>,
    ) -> Result<Verdict, SpoolError> {
        let id = parsed.map_or(role.id(), |parsed| &parsed.header.id);
        let others = self.other_names(path, stat, id, child_of)?.unwrap_or_default();
        Ok(match others.into_iter().next() {
            Some(other) => Verdict { problem: Problem::SecondName(other), remedy: Remedy::DropName },
            None => Verdict { problem: Problem::Damaged(Defect::Linked), remedy: Remedy::MoveAside },
        })
    }

    /// Moves a message to where it belongs, durably.
    pub(super) fn put_in_place(&self, path: &Path, entry: &Entry) -> Result<Option<PathBuf>, SpoolError> {
        let to = self.move_file(path, entry)?;
        for dir in [parent(&to), parent(path)] {
            self.fs.sync_dir(dir).at("sync", dir)?;
        }
        Ok(Some(to))
    }

    /// How many recipients are settled, and how long the history is; none if it is no message, or gone.
    pub(super) fn progress(&self, path: &Path) -> Result<Option<(usize, u64)>, SpoolError> {
        let Some(file) = present(self.fs.open(path, Access::Read)).at("open", path)? else { return Ok(None) };
        let size = file.stat().at("look at", path)?.size;
        match format::read(file.as_ref(), size) {
            Ok(parsed) => {
                let settled = parsed.marks.iter().filter(|mark| mark.is_settled()).count();
                Ok(Some((settled, size - parsed.preamble.history_at())))
            }
            Err(Unreadable::Defect(_)) => Ok(None),
            Err(Unreadable::Io(e)) => Err(e).at("read", path).map_err(SpoolError::from),
        }
    }
}

/// Cuts off what follows the last whole record of a history.
pub(super) fn cut(path: &Path, file: &Arc<dyn File>) -> Result<(), SpoolError> {
    let size = file.stat().at("look at", path)?.size;
    let parsed = match format::read(file.as_ref(), size) {
        Ok(parsed) => parsed,
        Err(Unreadable::Io(e)) => return Err(e).at("read", path).map_err(SpoolError::from),
        Err(Unreadable::Defect(why)) => return Err(SpoolError::Damaged { path: path.to_owned(), why }),
    };
    let at = parsed.preamble.history_at();
    let history = History::read(file.as_ref(), at, size, parsed.marks.len()).at("read", path)?;
    Ok(file.truncate(history.end).at("cut the torn history of", path)?)
}

impl Role {
    fn fits(&self, parsed: &Parsed) -> bool {
        let header = &parsed.header;
        match self {
            Role::Message(entry) | Role::Misplaced(entry) => header.id == entry.id,
            Role::Child(parent, number) => {
                header.parent.as_ref().is_some_and(|of| of.id == *parent && of.covers.first() == Some(number))
            }
        }
    }

    /// The id in the name: of a child, its parent's.
    pub(super) fn id(&self) -> &QueueId {
        match self {
            Role::Message(entry) | Role::Misplaced(entry) => &entry.id,
            Role::Child(parent, _) => parent,
        }
    }
}

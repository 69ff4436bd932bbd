//! Every file of a spool looked at, for what the guarantee excludes: damage by a disk, a person or another program. What is found
//! are values; a repair moves aside, and removes no byte of any message.

use super::format::{self, Defect, Parsed};
use super::judge::{Problem, Remedy, Role, Verdict, cut};
use super::layout::{CORRUPT, CTL, DIRS, DUE, Entry, FAILED, HOLD, NEW, Place, STAGED, STATE, Spool, SpoolError};
use super::layout::{is_draft, parse_due_name, parse_seconds, parse_staged_name, slice_of};
use super::queue::GARBAGE_AGE;
use super::staged::speaks_of_child;
use crate::disk::fs::{Access, At, DIR_MODE, FILE_MODE, File, Kind, Stat, parent};
use crate::disk::lock::{Attempt, present};
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub path: PathBuf,
    pub problem: Problem,
    pub remedy: Remedy,
    /// Set right, and where it stands now if it was moved.
    pub done: Option<Option<PathBuf>>,
}

impl Finding {
    /// It needs to be set right, and was not.
    pub fn is_open(&self) -> bool {
        self.done.is_none() && self.remedy != Remedy::Nothing
    }
}

/// Told each finding, and what could not be looked at.
pub type Tell<'a> = dyn FnMut(Result<Finding, SpoolError>) + 'a;

/// Someone who goes through the whole spool.
struct Checker<'a> {
    spool: &'a Spool,
    now: i64,
    repair: bool,
    tell: &'a mut Tell<'a>,
    /// Hashes of the ids so far, about twenty bytes a message. Two that are alike by chance cost a look.
    seen: HashSet<u64>,
}

impl Spool {
    /// Looks at everything, and with `repair` sets right what can be. May run while others are at work: what somebody has locked is
    /// left alone, and nothing is locked that seems well.
    pub fn check<'a>(&'a self, now: Timestamp, repair: bool, tell: &'a mut Tell<'a>) {
        let mut checker = Checker { spool: self, now: now.as_second(), repair, tell, seen: HashSet::new() };
        checker.directories();
        for (dir, place) in [(NEW, Place::New), (HOLD, Place::Hold), (FAILED, Place::Failed)] {
            checker.each(&self.dir(dir), |checker, path, name| checker.flat(path, name, place));
        }
        checker.each(&self.dir(DUE), Checker::due);
        checker.each(&self.dir(STAGED), Checker::staged);
        checker.each(&self.dir(STATE), Checker::state);
        checker.each(&self.dir(CTL), Checker::order);
        checker.each(self.root(), Checker::elsewhere);
        checker.count_aside();
    }
}

impl Checker<'_> {
    fn directories(&mut self) {
        for name in DIRS {
            let dir = self.spool.dir(name);
            let looked = self.directory(&dir);
            self.trouble(looked);
        }
        let root = self.spool.root().to_owned();
        let looked = present(self.spool.fs.stat(&root.join("."))).at("look at", &root).map_err(SpoolError::from);
        match looked {
            // Who may come in is the site's to say; who else may write is not.
            Ok(Some(stat)) if stat.mode & 0o022 != 0 => {
                let looked = self.mode(&root.join("."), &stat, DIR_MODE);
                self.trouble(looked);
            }
            other => self.trouble(other.map(drop)),
        }
    }

    fn directory(&mut self, dir: &Path) -> Result<(), SpoolError> {
        let make = |checker: &Checker<'_>| -> Result<(), SpoolError> {
            checker.spool.fs.make_dir(dir).at("make directory", dir)?;
            Ok(checker.spool.fs.sync_dir(parent(dir)).at("sync", parent(dir))?)
        };
        let Some(stat) = present(self.spool.fs.stat(dir)).at("look at", dir)? else {
            return self.found(dir, Problem::Missing, Remedy::Make, |checker| make(checker).map(|()| None));
        };
        match stat.kind {
            Kind::Directory => self.whose(dir, &stat),
            Kind::Regular if !dir.ends_with(CORRUPT) => self.found(dir, Problem::NotADirectory, Remedy::MoveAside, |checker| {
                let to = checker.spool.move_aside(dir)?;
                make(checker).map(|()| to)
            }),
            _ => self.found(dir, Problem::NotADirectory, Remedy::ByHand, |_| Ok(None)),
        }
    }

    /// Owner and mode of a directory.
    fn whose(&mut self, dir: &Path, stat: &Stat) -> Result<(), SpoolError> {
        if stat.uid != self.spool.owner() {
            return self.found(dir, Problem::DirectoryOwner(stat.uid), Remedy::ByHand, |_| Ok(None));
        }
        self.mode(dir, stat, DIR_MODE)
    }

    fn mode(&mut self, path: &Path, stat: &Stat, right: u32) -> Result<(), SpoolError> {
        if stat.mode == right {
            return Ok(());
        }
        self.found(path, Problem::Mode(stat.mode), Remedy::SetMode(right), |checker| {
            checker.spool.fs.make_private(path).at("set the mode of", path)?;
            Ok(None)
        })
    }

    /// In a directory where each message has its id for a name.
    fn flat(&mut self, path: &Path, name: &OsStr, place: Place) -> Result<(), SpoolError> {
        let text = name.to_str().unwrap_or_default();
        if is_draft(name) {
            return self.draft(path);
        }
        if let Ok(id) = text.parse() {
            return self.file(path, &Role::Message(Entry { place, id }));
        }
        match parse_due_name(text) {
            Some((_, id)) => self.file(path, &Role::Misplaced(Entry { place, id })),
            None => self.aside(path, Problem::OddName),
        }
    }

    fn due(&mut self, path: &Path, name: &OsStr) -> Result<(), SpoolError> {
        let Some(stat) = present(self.spool.fs.stat(path)).at("look at", path)? else { return Ok(()) };
        let text = name.to_str().unwrap_or_default();
        match (parse_seconds(text), stat.kind) {
            (Some(slice), Kind::Directory) => {
                self.whose(path, &stat)?;
                self.each(path, |checker, path, name| checker.slice(path, name, slice));
                Ok(())
            }
            _ => self.slice(path, name, -1),
        }
    }

    fn slice(&mut self, path: &Path, name: &OsStr, slice: i64) -> Result<(), SpoolError> {
        let text = name.to_str().unwrap_or_default();
        if is_draft(name) {
            return self.draft(path);
        }
        if let Some((due, id)) = parse_due_name(text) {
            let entry = Entry { place: Place::Due(due), id };
            // A name with zeros too many is read by nobody either.
            let right = slice_of(due) == slice && self.spool.path(&entry) == path;
            return self.file(path, &if right { Role::Message(entry) } else { Role::Misplaced(entry) });
        }
        match text.parse::<QueueId>() {
            Ok(id) => self.file(path, &Role::Misplaced(Entry { place: Place::New, id })),
            Err(_) => self.aside(path, Problem::OddName),
        }
    }

    fn staged(&mut self, path: &Path, name: &OsStr) -> Result<(), SpoolError> {
        if is_draft(name) {
            return self.draft(path);
        }
        match name.to_str().and_then(parse_staged_name) {
            Some((parent, number)) => self.file(path, &Role::Child(parent, number)),
            None => self.aside(path, Problem::OddName),
        }
    }

    fn state(&mut self, path: &Path, name: &OsStr) -> Result<(), SpoolError> {
        let text = name.to_str().unwrap_or_default();
        if self.spool.dir(CTL) == path {
            return Ok(());
        }
        match text.strip_prefix("slot.").and_then(|number| number.parse::<u32>().ok()) {
            Some(_) => self.plain(path).map(drop),
            None => self.found(path, Problem::Unknown, Remedy::Nothing, |_| Ok(None)),
        }
    }

    fn order(&mut self, path: &Path, name: &OsStr) -> Result<(), SpoolError> {
        if is_draft(name) {
            return self.draft(path);
        }
        let Ok(id) = name.to_str().unwrap_or_default().parse::<QueueId>() else { return self.aside(path, Problem::OddName) };
        if self.plain(path)?.is_none() {
            return Ok(());
        }
        if self.spool.standing_order(&id)?.is_none() && present(self.spool.fs.stat(path)).at("look at", path)?.is_some() {
            return self.aside(path, Problem::SenselessOrder);
        }
        if self.spool.find(&id)?.is_some() {
            return Ok(());
        }
        self.found(path, Problem::OrderForNothing, Remedy::Remove, |checker| checker.spool.cancel_order(&id).map(|()| None))
    }

    /// Beside the directories of the spool.
    fn elsewhere(&mut self, path: &Path, name: &OsStr) -> Result<(), SpoolError> {
        let text = name.to_str().unwrap_or_default();
        let fs = &self.spool.fs;
        // A directory with a spool in it is another host's tree.
        if DIRS.contains(&text) || is_draft(name) || present(fs.stat(&path.join(NEW))).is_ok_and(|new| new.is_some()) {
            return Ok(());
        }
        if text.parse::<QueueId>().is_ok() || parse_due_name(text).is_some() {
            return self.aside(path, Problem::Misplaced);
        }
        self.found(path, Problem::Unknown, Remedy::Nothing, |_| Ok(None))
    }

    fn count_aside(&mut self) {
        let corrupt = self.spool.dir(CORRUPT);
        let mut count = 0;
        self.each(&corrupt, |_, _, _| {
            count += 1;
            Ok(())
        });
        if count > 0 {
            let told = self.found(&corrupt, Problem::Aside(count), Remedy::Nothing, |_| Ok(None));
            self.trouble(told);
        }
    }

    /// Reads a file that should be a message. It is locked only if something seems wrong, and then read again.
    fn file(&mut self, path: &Path, role: &Role) -> Result<(), SpoolError> {
        let fs = self.spool.fs.clone();
        let Some(stat) = self.plain(path)? else { return Ok(()) };
        let file = match present(fs.open(path, Access::Read)) {
            Ok(Some(file)) => Arc::from(file),
            Ok(None) => return Ok(()),
            // Told by its mode.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && stat.mode != FILE_MODE => return Ok(()),
            Err(e) => return Err(e).at("open", path).map_err(SpoolError::from),
        };
        let Some(seen) = self.spool.judge(path, &file, role, self.now)? else { return self.sound(path, role) };
        match self.spool.lock(path)? {
            Err(why) => self.aside(path, Problem::Damaged(why)),
            Ok(Attempt::NotRegular) => self.aside(path, Problem::Damaged(Defect::NotRegular)),
            Ok(Attempt::Gone) => Ok(()),
            // Whoever has it may be writing the end of its history, or moving it.
            Ok(Attempt::Busy) if matches!(seen.problem, Problem::Torn | Problem::SecondName(_)) => Ok(()),
            Ok(Attempt::Busy) => {
                let problem = Problem::InUse(Box::new(seen.problem));
                self.found(path, problem, Remedy::Nothing, |_| Ok(None))
            }
            Ok(Attempt::Held(file, _)) => {
                let file: Arc<dyn File> = Arc::from(file);
                while let Some(verdict) = self.spool.judge(path, &file, role, self.now)? {
                    if !self.mend(path, &file, role, verdict)? {
                        return Ok(());
                    }
                }
                self.sound(path, role)
            }
        }
    }

    /// Sets right what is wrong with a file whose lock we hold; gives whether it stands where it stood and may have more wrong with it.
    fn mend(&mut self, path: &Path, file: &Arc<dyn File>, role: &Role, verdict: Verdict) -> Result<bool, SpoolError> {
        let Verdict { problem, remedy } = verdict;
        match (&problem, &remedy, role) {
            (_, Remedy::MoveAside, _) => self.aside(path, problem)?,
            // Told of one of the two names.
            (Problem::SecondName(_), ..) if !self.repair && !self.is_first(role.id()) => {}
            (Problem::SecondName(other), ..) => {
                let other = other.clone();
                self.found(path, problem, remedy, |checker| checker.spool.drop_names(path, &[other]).map(|()| None))?;
                return Ok(self.repair);
            }
            (Problem::Torn, ..) => {
                self.found(path, problem, remedy, |_| cut(path, file).map(|()| None))?;
                return Ok(self.repair);
            }
            (Problem::Misplaced, Remedy::MoveTo(to), Role::Misplaced(entry)) => {
                if present(self.spool.fs.stat(to)).at("look at", to)?.is_some() {
                    let to = to.clone();
                    self.aside(path, Problem::Twice(to))?;
                } else {
                    self.found(path, problem.clone(), remedy.clone(), |checker| checker.spool.put_in_place(path, entry))?;
                }
            }
            _ => self.found(path, problem, remedy, |_| Ok(None))?,
        }
        Ok(false)
    }

    /// Nothing is wrong with the file itself; perhaps there is another of the same message, or a pass has to settle it.
    fn sound(&mut self, path: &Path, role: &Role) -> Result<(), SpoolError> {
        match role {
            Role::Message(entry) | Role::Misplaced(entry) if self.is_first(&entry.id) => Ok(()),
            Role::Message(entry) | Role::Misplaced(entry) => self.twice(path, &entry.id),
            Role::Child(parent, number) => self.child(path, parent, *number),
        }
    }

    /// Where a message stands twice, the file that tells of more deliveries stays: the other would repeat them.
    fn twice(&mut self, path: &Path, id: &QueueId) -> Result<(), SpoolError> {
        let places: Vec<Entry> = self.spool.places_of(id).collect::<Result<_, _>>()?;
        for entry in places {
            let other = self.spool.path(&entry);
            if other == path || self.spool.is_same(path, &other)? {
                continue;
            }
            let (Some(ours), Some(theirs)) = (self.spool.progress(path)?, self.spool.progress(&other)?) else { continue };
            let (loser, winner) = if ours > theirs { (other.as_path(), path) } else { (path, other.as_path()) };
            let problem = Problem::Twice(winner.to_owned());
            match self.spool.lock(loser)? {
                Ok(Attempt::Held(_lock, _)) => self.aside(loser, problem)?,
                Ok(Attempt::Busy) => self.found(loser, Problem::InUse(Box::new(problem)), Remedy::Nothing, |_| Ok(None))?,
                _ => {}
            }
            if loser == path {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A whole child that nobody is at: the next pass settles it.
    fn child(&mut self, path: &Path, parent: &QueueId, number: usize) -> Result<(), SpoolError> {
        let Ok(Attempt::Held(file, stat)) = self.spool.lock(path)? else { return Ok(()) };
        let Ok(Parsed { header, .. }) = format::read(file.as_ref(), stat.size) else { return Ok(()) };
        let released = match self.spool.find(parent)? {
            Some(entry) => match self.spool.look(&entry) {
                Ok(Some(facts)) => facts.mark(number).is_none_or(|mark| speaks_of_child(mark, header.sort)),
                // The parent has a line of its own.
                Ok(None) | Err(SpoolError::Damaged { .. }) => return Ok(()),
                Err(error) => return Err(error),
            },
            None => true,
        };
        let problem = if released { Problem::ToBeReleased } else { Problem::ToBeMadeAgain };
        self.found(path, problem, Remedy::Nothing, |_| Ok(None))
    }
    /// What is left of something that was never finished.
    fn draft(&mut self, path: &Path) -> Result<(), SpoolError> {
        let Some(stat) = self.plain(path)? else { return Ok(()) };
        if stat.modified > self.now - GARBAGE_AGE {
            return Ok(());
        }
        match self.spool.lock(path)? {
            Ok(Attempt::Held(_lock, _)) => self.aside(path, Problem::OldDraft),
            _ => Ok(()),
        }
    }

    /// The facts of a regular file of ours; none if it is none, which is told.
    fn plain(&mut self, path: &Path) -> Result<Option<Stat>, SpoolError> {
        let Some(stat) = present(self.spool.fs.stat(path)).at("look at", path)? else { return Ok(None) };
        if stat.kind != Kind::Regular {
            return self.aside(path, Problem::Damaged(Defect::NotRegular)).map(|()| None);
        }
        if stat.uid != self.spool.owner() {
            return self.aside(path, Problem::Damaged(Defect::Owner)).map(|()| None);
        }
        self.mode(path, &stat, FILE_MODE)?;
        Ok(Some(stat))
    }

    fn aside(&mut self, path: &Path, problem: Problem) -> Result<(), SpoolError> {
        self.found(path, problem, Remedy::MoveAside, |checker| checker.spool.move_aside(path))
    }

    /// Tells a finding, once it is set right where that is wanted and possible. `mend` gives where the file stands then.
    fn found(
        &mut self,
        path: &Path,
        problem: Problem,
        remedy: Remedy,
        mend: impl FnOnce(&Checker<'_>) -> Result<Option<PathBuf>, SpoolError>,
    ) -> Result<(), SpoolError> {
        let mendable = !matches!(remedy, Remedy::Nothing | Remedy::ByHand);
        let mended = (self.repair && mendable).then(|| mend(self)).transpose();
        let done = mended.as_ref().ok().cloned().flatten();
        (self.tell)(Ok(Finding { path: path.to_owned(), problem, remedy, done }));
        mended.map(drop)
    }

    /// Whether the id was met for the first time.
    fn is_first(&mut self, id: &QueueId) -> bool {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    /// Shows every name of a directory; what fails for one is told, and the others are looked at.
    fn each(&mut self, dir: &Path, mut look: impl FnMut(&mut Self, &Path, &OsStr) -> Result<(), SpoolError>) {
        let names = match self.spool.fs.names(dir) {
            Ok(names) => names,
            // Told with the directories.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return,
            Err(e) => return self.trouble(Err(e).at("read", dir).map_err(SpoolError::from)),
        };
        for name in names {
            match name.at("read", dir) {
                Ok(name) => {
                    let looked = look(self, &dir.join(&name), &name);
                    self.trouble(looked);
                }
                Err(error) => return self.trouble(Err(error.into())),
            }
        }
    }

    fn trouble(&mut self, looked: Result<(), SpoolError>) {
        if let Err(error) = looked {
            (self.tell)(Err(error));
        }
    }
}

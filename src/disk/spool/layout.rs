//! The directories of a spool and the names in them; making and opening a spool. What is in a file is `format`'s.

use super::format::Defect;
use crate::disk::fs::{At, Fs, FsError, HeldDir, Kind, parent};
use crate::disk::group::{GroupSync, Turn};
use crate::disk::lock::present;
use crate::disk::real::Real;
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many seconds of due times share a directory.
pub const SLICE: i64 = 256;
/// How many removals, and for how long, may stay unsynced.
const REMOVALS: u32 = 256;
pub const REMOVALS_WAIT: Duration = Duration::from_secs(1);
/// How many slices a process remembers.
const MAX_SLICES: usize = 4096;
/// Left free for outcomes and bounces when new mail is let in: bytes and files.
const RESERVE: u64 = 1024 * 1024;
const RESERVE_FILES: u64 = 16;

/// An opened spool. Clones share it.
#[derive(Debug, Clone)]
pub struct Spool {
    pub(super) fs: Arc<dyn Fs>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    owner: u32,
    /// See [`Fs::renames_atomically`].
    renames: bool,
    new: SharedDir,
    staged: SharedDir,
    /// Slices whose name in `due/` is known to be durable.
    slices: Mutex<HashSet<i64>>,
    removals: Mutex<Removals>,
}

/// A directory that many sync.
#[derive(Debug)]
struct SharedDir {
    held: HeldDir,
    sync: GroupSync,
}

/// Directories with unsynced removals.
#[derive(Debug, Default)]
struct Removals {
    dirs: BTreeSet<PathBuf>,
    count: u32,
    since: Option<Instant>,
}

/// A name was put in a directory, which is to be synced.
pub(super) struct Named<'a> {
    dir: &'a Path,
    turn: Option<(&'a SharedDir, Turn)>,
}

/// A state that a message is in, which is the directory its file stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Accepted, never tried.
    New,
    /// To be tried again from this time on, in Unix seconds.
    Due(i64),
    /// Put aside by hand.
    Hold,
    /// Failed, with nobody to tell.
    Failed,
}

/// A message by its name, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub place: Place,
    pub id: QueueId,
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("{}: not a spool (no new/ in it)", .0.display())]
    NotASpool(PathBuf),
    #[error("{}: the spool belongs to uid {owner}, not to uid {us}", path.display())]
    Owner { path: PathBuf, owner: u32, us: u32 },
    #[error("{}: {why}", path.display())]
    Damaged { path: PathBuf, why: Defect },
    #[error("{id}: {why}")]
    Misuse { id: QueueId, why: &'static str },
}

impl SpoolError {
    /// The disk or a quota is full: 452, not 451.
    pub fn is_full(&self) -> bool {
        matches!(self, SpoolError::Fs(error) if error.is_full())
    }
}

impl SharedDir {
    /// One that cannot be opened now is opened for each sync, which tells why not.
    fn hold(fs: &dyn Fs, path: PathBuf) -> SharedDir {
        let held = fs.hold_dir(&path).unwrap_or(HeldDir { path, file: None });
        SharedDir { held, sync: GroupSync::default() }
    }
}

impl Spool {
    /// Makes what is missing of a spool at `root` and opens it. The directory that `root` stands in has to be there.
    pub fn create(root: &Path) -> Result<Spool, SpoolError> {
        Spool::create_on(Real::shared(), root)
    }

    /// Opens the spool at `root`.
    pub fn open(root: &Path) -> Result<Spool, SpoolError> {
        Spool::open_on(Real::shared(), root)
    }

    /// As [`Spool::create`], on any file system.
    pub fn create_on(fs: Arc<dyn Fs>, root: &Path) -> Result<Spool, SpoolError> {
        let ensure = |dir: &Path| match fs.make_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.at("make directory", dir),
        };
        ensure(root)?;
        for dir in DIRS {
            ensure(&root.join(dir))?;
        }
        for dir in [&root.join(STATE), root, parent(root)] {
            fs.sync_dir(dir).at("sync", dir)?;
        }
        Spool::open_on(fs, root)
    }

    /// As [`Spool::open`], on any file system.
    pub fn open_on(fs: Arc<dyn Fs>, root: &Path) -> Result<Spool, SpoolError> {
        let found = fs.stat(&root.join(".")).at("open", root)?;
        let new = root.join(NEW);
        match present(fs.stat(&new)).at("open", &new)? {
            Some(stat) if stat.kind == Kind::Directory => {}
            _ => return Err(SpoolError::NotASpool(root.to_owned())),
        }
        let shared = Shared {
            root: root.to_owned(),
            owner: found.uid,
            renames: fs.renames_atomically(&new).at("ask for the kind of file system of", &new)?,
            new: SharedDir::hold(fs.as_ref(), new),
            staged: SharedDir::hold(fs.as_ref(), root.join(STAGED)),
            slices: Mutex::default(),
            removals: Mutex::default(),
        };
        Ok(Spool { fs, shared: Arc::new(shared) })
    }

    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The user whose files count as ours.
    pub fn owner(&self) -> u32 {
        self.shared.owner
    }

    /// Whether a message of `bytes` fits, with a little left for what follows from it. A guess: only the accept itself tells.
    pub fn room_for(&self, bytes: u64) -> Result<bool, SpoolError> {
        let new = self.dir(NEW);
        let room = self.fs.room(&new).at("ask for the room in", &new)?;
        Ok(room.bytes >= bytes.saturating_add(RESERVE) && room.files.is_none_or(|files| files >= RESERVE_FILES))
    }

    /// Makes the removals so far durable. Without it a power cut repeats deliveries; nothing is ever lost. Called of itself after
    /// 256 removals, or by a removal a second after the first; a pass calls it every second and at its end.
    pub fn sync_removals(&self) -> Result<(), SpoolError> {
        let dirs = std::mem::take(&mut *self.removals()).dirs;
        // A slice may have been removed, and with it what was to be synced.
        let synced: Vec<_> = dirs.iter().map(|dir| present(self.fs.sync_dir(dir)).at("sync", dir)).collect();
        Ok(synced.into_iter().find_map(Result::err).map_or(Ok(()), Err)?)
    }

    /// Where a message of that name stands in that place.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        match entry.place {
            Place::New => self.flat_path(NEW, &entry.id),
            Place::Hold => self.flat_path(HOLD, &entry.id),
            Place::Failed => self.flat_path(FAILED, &entry.id),
            Place::Due(due) => self.slice_dir(slice_of(due)).join(due_name(due, &entry.id)),
        }
    }

    pub(super) fn dir(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Of a message in a directory where each has its id for a name.
    pub(super) fn flat_path(&self, dir: &str, id: &QueueId) -> PathBuf {
        let length = self.root().as_os_str().len() + dir.len() + id.as_str().len() + "//".len();
        let mut path = PathBuf::with_capacity(length);
        path.extend([self.root(), dir.as_ref(), id.as_str().as_ref()]);
        path
    }

    /// Of the child of `parent` that covers its recipient `number` first.
    pub(super) fn staged_path(&self, parent: &QueueId, number: usize) -> PathBuf {
        self.dir(STAGED).join(format!("{parent}.{number}"))
    }

    pub(super) fn slice_dir(&self, slice: i64) -> PathBuf {
        self.dir(DUE).join(format!("{slice:010}"))
    }

    /// Notes that a name was removed from `dir`, and syncs when enough has come together.
    pub(super) fn removed_from(&self, dir: &Path) -> Result<(), SpoolError> {
        let mut removals = self.removals();
        removals.dirs.insert(dir.to_owned());
        removals.count += 1;
        let since = *removals.since.get_or_insert_with(Instant::now);
        let enough = removals.count >= REMOVALS || since.elapsed() >= REMOVALS_WAIT;
        drop(removals);
        if enough { self.sync_removals() } else { Ok(()) }
    }

    /// Syncs `new/` or `staged/`, together with whoever else is waiting for it.
    pub(super) fn sync_names(&self, dir: &Path) -> Result<(), SpoolError> {
        self.sync_named(&self.named(dir))
    }

    /// To be called once a name is put in `dir`: from here on a sync of whoever else counts for it, see [`Spool::sync_named`].
    pub(super) fn named<'a>(&'a self, dir: &'a Path) -> Named<'a> {
        Named { dir, turn: self.shared_dir(dir).map(|shared| (shared, shared.sync.turn())) }
    }

    /// As [`Spool::sync_names`], unless that was done by others since [`Spool::named`].
    pub(super) fn sync_named(&self, named: &Named<'_>) -> Result<(), SpoolError> {
        Ok(self.sync_shared(named).at("sync", named.dir)?)
    }

    fn sync_shared(&self, named: &Named<'_>) -> io::Result<()> {
        match named.turn {
            Some((shared, turn)) => shared.sync.sync(turn, || self.fs.sync_held(&shared.held)),
            None => self.fs.sync_dir(named.dir),
        }
    }

    fn shared_dir(&self, dir: &Path) -> Option<&SharedDir> {
        [&self.shared.new, &self.shared.staged].into_iter().find(|shared| shared.held.path == dir)
    }

    /// Moves a message's file to where `to` says, making the slice if need be. That it is gone from where it was is not synced.
    pub(super) fn move_file(&self, from: &Path, to: &Entry) -> Result<PathBuf, SpoolError> {
        let path = self.path(to);
        let Place::Due(due) = to.place else {
            self.rename_free(from, &path).at("move a message to", &path)?;
            return Ok(path);
        };
        let slice = slice_of(due);
        // Another process may remove the slice between our making and our using it, while it is empty.
        for _ in 0..8 {
            self.ensure_slice(slice)?;
            match self.rename_free(from, &path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => self.forget_slice(slice),
                moved => {
                    moved.at("move a message to", &path)?;
                    if !self.shared.renames {
                        self.removed_from(parent(from))?;
                    }
                    return Ok(path);
                }
            }
        }
        Err(io::Error::from(io::ErrorKind::NotFound)).at("move a message to", &path).map_err(SpoolError::from)
    }

    /// A rename that replaces nothing: whoever moves a message holds its lock, so a name that stands there is another file. Where
    /// a crash could take a renamed file's names both, it has two for a while, and perhaps after a crash: see [`Spool::claim`].
    pub(super) fn rename_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        if present(self.fs.stat(to))?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.shared.renames || parent(from) == parent(to) {
            return self.fs.rename(from, to);
        }
        match self.fs.link(from, to) {
            // A directory that was put here, or a file system without links, of which nothing is promised.
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
                return self.fs.rename(from, to);
            }
            linked => linked?,
        }
        if let Err(e) = self.sync_shared(&self.named(parent(to))) {
            let _ = self.fs.unlink(to);
            // Or the name may be on disk all the same, and come back when the message is long delivered.
            let _ = self.fs.sync_dir(parent(to));
            return Err(e);
        }
        // Should this fail, both names stay: only one that is surely not the last may go.
        present(self.fs.unlink(from)).map(drop)
    }

    pub(super) fn forget_slice(&self, slice: i64) {
        self.known_slices().remove(&slice);
    }

    /// A rename into a slice whose own name is not durable could lose the message in a power cut, so the first use in each
    /// process syncs `due/`, whoever made the slice.
    fn ensure_slice(&self, slice: i64) -> Result<(), SpoolError> {
        if self.known_slices().contains(&slice) {
            return Ok(());
        }
        let (dir, due) = (self.slice_dir(slice), self.dir(DUE));
        match self.fs.make_dir(&dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.at("make directory", &dir)?,
        }
        self.fs.sync_dir(&due).at("sync", &due)?;
        let mut known = self.known_slices();
        if known.len() >= MAX_SLICES {
            known.clear();
        }
        known.insert(slice);
        Ok(())
    }

    fn known_slices(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.shared.slices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn removals(&self) -> std::sync::MutexGuard<'_, Removals> {
        self.shared.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) const NEW: &str = "new";
pub(super) const DUE: &str = "due";
pub(super) const STAGED: &str = "staged";
pub(super) const HOLD: &str = "hold";
pub(super) const FAILED: &str = "failed";
pub(super) const CORRUPT: &str = "corrupt";
pub(super) const STATE: &str = "state";
pub(super) const CTL: &str = "state/ctl";
/// All of them, each after the one it stands in.
pub(super) const DIRS: [&str; 8] = [NEW, DUE, STAGED, HOLD, FAILED, CORRUPT, STATE, CTL];

/// The slice that a due time falls into, named by its first second.
pub(super) fn slice_of(due: i64) -> i64 {
    due.max(0) / SLICE * SLICE
}

fn due_name(due: i64, id: &QueueId) -> String {
    format!("{:010}.{id}", due.max(0))
}

/// The name of a file that no reader takes, until it gets the name `target`.
pub(super) fn draft_name(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    Ok(target.with_file_name(format!(".{name}.{:016x}", getrandom::u64()?)))
}

pub(super) fn is_draft(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

pub(super) fn is_draft_of(name: &OsStr, id: &QueueId) -> bool {
    name.to_str().and_then(|name| name.strip_prefix('.')?.split('.').find(|part| *part == id.as_str())).is_some()
}

/// `<due>.<id>`
pub(super) fn parse_due_name(name: &str) -> Option<(i64, QueueId)> {
    let (due, id) = name.split_once('.')?;
    Some((parse_seconds(due)?, id.parse().ok()?))
}

/// `<parent>.<n>`
pub(super) fn parse_staged_name(name: &str) -> Option<(QueueId, usize)> {
    let (parent, number) = name.split_once('.')?;
    Some((parent.parse().ok()?, number.parse().ok()?))
}

/// Ten digits or more, as names of slices and due times have.
pub(super) fn parse_seconds(text: &str) -> Option<i64> {
    (text.len() >= 10 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The first whole second at which `due` has come.
pub(super) fn due_second(due: Timestamp) -> i64 {
    let seconds = due.as_second();
    if due > Timestamp::from_second(seconds).unwrap_or(due) { seconds + 1 } else { seconds }
}

/// `new`, `due`, `hold`, `failed`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::New => NEW,
            Place::Due(_) => DUE,
            Place::Hold => HOLD,
            Place::Failed => FAILED,
        })
    }
}

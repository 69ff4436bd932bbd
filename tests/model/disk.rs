//! The model file system: what programs see of it, and a log of what they did to it, in order, with what the outside world saw.
//! What of that log survives a crash is `crash`'s.

use crate::seen::Note;
use crate::tree::{Ino, Node, Tree};
use jiff::Timestamp;
use postroad::disk::fs::{Access, File, Fs, Kind, Names, Room, Stat};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Whose files and directories these are.
const OWNER: u32 = 1000;

/// One thing that happened, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A file or directory came to be, without a name; the tree's next number is its.
    Made {
        is_dir: bool,
    },
    Write {
        ino: Ino,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        ino: Ino,
        length: usize,
    },
    /// Names that change in one step.
    Names(Vec<Change>),
    /// A sync that ended here. It speaks for what was logged before `begun`. Data whose sync failed is forgotten by the kernel: no
    /// later sync speaks for it.
    SyncFile {
        ino: Ino,
        begun: usize,
        good: bool,
    },
    SyncDir {
        dir: Ino,
        begun: usize,
        good: bool,
    },
    /// Something that the world outside saw.
    Note(Note),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub dir: Ino,
    pub name: String,
    pub to: Option<Ino>,
}

/// A disk and all that happened to it since the last crash.
pub struct Disk {
    state: Mutex<State>,
    turn: Condvar,
    /// How the file systems that this disk stands for rename.
    pub atomic_renames: bool,
    pub has_unnamed: bool,
    handles: AtomicUsize,
}

pub struct State {
    pub tree: Tree,
    /// As the tree was at the start of the log.
    pub base: Tree,
    pub log: Vec<Effect>,
    locks: Vec<(Ino, usize, usize)>,
    modified: Vec<i64>,
    pub now: i64,
    schedule: Option<Schedule>,
    /// Directory syncs that are held up until others wait for the next.
    gathering: Option<Gathering>,
}

/// Whose turn it is when several processes are at work: so many operations each, in this order; then the first for as long as it
/// lives, then the next.
#[derive(Debug, Clone)]
struct Schedule {
    turns: Vec<(usize, u64)>,
    alive: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Gathering {
    file_syncs: usize,
    wanted: usize,
}

/// What goes wrong in a process, and at which of its operations, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// That one operation fails with this error; a write is half done.
    Error(u64, i32),
    /// It is killed there.
    Death(u64),
}

/// A process: the file system as it sees it.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    disk: Arc<Disk>,
    number: usize,
    fault: Fault,
    operations: AtomicU64,
    dead: AtomicBool,
    failed: AtomicBool,
    unkept: AtomicBool,
}

struct Handle {
    process: Process,
    number: usize,
    ino: Ino,
}

impl Disk {
    pub fn new(tree: Tree, now: i64) -> Disk {
        let count = tree.nodes.len();
        let state = State {
            base: tree.clone(),
            tree,
            log: Vec::new(),
            locks: Vec::new(),
            modified: vec![now; count],
            now,
            schedule: None,
            gathering: None,
        };
        Disk {
            state: Mutex::new(state),
            turn: Condvar::new(),
            atomic_renames: true,
            has_unnamed: true,
            handles: AtomicUsize::new(0),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn note(&self, note: Note) {
        self.lock().log.push(Effect::Note(note));
    }

    pub fn now(&self) -> Timestamp {
        let seconds = self.lock().now;
        Timestamp::from_second(seconds).unwrap()
    }

    pub fn turn_to(&self, now: i64) {
        self.lock().now = now;
    }

    pub fn process(self: &Arc<Self>, number: usize, fault: Fault) -> Process {
        Process(Arc::new(Inner {
            disk: self.clone(),
            number,
            fault,
            operations: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            unkept: AtomicBool::new(false),
        }))
    }

    /// From now on the processes of the list have turns of so many operations.
    pub fn schedule(&self, turns: &[(usize, u64)], alive: &[usize]) {
        self.lock().schedule = Some(Schedule { turns: turns.to_vec(), alive: alive.to_vec() });
    }

    /// The process needs no turns any more.
    pub fn leave(&self, number: usize) {
        if let Some(schedule) = &mut self.lock().schedule {
            schedule.alive.retain(|&process| process != number);
        }
        self.turn.notify_all();
    }

    /// The next directory sync waits until `wanted` files are synced, so that what asks meanwhile shares the one after it.
    pub fn gather(&self, wanted: usize) {
        self.lock().gathering = Some(Gathering { file_syncs: 0, wanted });
    }

    /// One of those who were to be waited for is gone, perhaps before it synced anything.
    pub fn one_less(&self) {
        if let Some(gathering) = &mut self.lock().gathering {
            gathering.file_syncs += 1;
        }
        self.turn.notify_all();
    }
}

impl Schedule {
    fn whose(&mut self) -> Option<usize> {
        self.turns.retain(|(process, left)| *left > 0 && self.alive.contains(process));
        self.turns.first().map(|(process, _)| *process).or(self.alive.first().copied())
    }

    fn take(&mut self) {
        if let Some((_, left)) = self.turns.first_mut() {
            *left -= 1;
        }
    }
}

impl State {
    fn make(&mut self, node: Node) -> Ino {
        self.log.push(Effect::Made { is_dir: matches!(node, Node::Dir(_)) });
        self.tree.nodes.push(node);
        self.modified.push(self.now);
        self.tree.nodes.len() - 1
    }

    fn change(&mut self, changes: Vec<Change>) {
        apply_names(&mut self.tree, &changes);
        self.log.push(Effect::Names(changes));
    }

    pub fn has_killed(&self) -> bool {
        self.log.iter().any(|effect| matches!(effect, Effect::Note(Note::Killed { .. })))
    }

    /// The directory that a path stands in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(Ino, String)> {
        let above = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.tree.find(above).ok_or(io::ErrorKind::NotFound)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
        self.tree.dir(dir).ok_or(io::ErrorKind::NotADirectory)?;
        Ok((dir, name.to_owned()))
    }

    fn free(&self, path: &Path) -> io::Result<(Ino, String)> {
        match self.tree.find(path) {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.place(path),
        }
    }

    fn found(&self, path: &Path) -> io::Result<Ino> {
        self.tree.find(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stat(&self, ino: Ino) -> Stat {
        let (kind, size) = match &self.tree.nodes[ino] {
            Node::File(content) => (Kind::Regular, content.len()),
            Node::Dir(_) => (Kind::Directory, 0),
        };
        let mode = if kind == Kind::Directory { 0o700 } else { 0o600 };
        let links = self.tree.links(ino);
        Stat { kind, uid: OWNER, mode, links, device: 1, inode: ino as u64, size: size as u64, modified: self.modified[ino] }
    }

    fn write(&mut self, ino: Ino, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Node::File(content) = &mut self.tree.nodes[ino] {
            write_into(content, at, bytes);
        }
        self.modified[ino] = self.now;
        self.log.push(Effect::Write { ino, at, bytes: bytes.to_vec() });
    }
}

pub fn apply_names(tree: &mut Tree, changes: &[Change]) {
    for change in changes {
        let Some(entries) = tree.dir_mut(change.dir) else { continue };
        match change.to {
            Some(ino) => entries.insert(change.name.clone(), ino),
            None => entries.remove(&change.name),
        };
    }
}

pub fn write_into(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

impl Process {
    pub fn fs(&self) -> Arc<dyn Fs> {
        Arc::new(self.clone())
    }

    pub fn number(&self) -> usize {
        self.0.number
    }

    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::SeqCst)
    }

    pub fn is_dead(&self) -> bool {
        self.0.dead.load(Ordering::SeqCst)
    }

    /// Its one error has come.
    pub fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::SeqCst)
    }

    /// Its one error has come, and hit a write or a sync: what came of a transaction cannot be kept then.
    pub fn has_failed_to_keep(&self) -> bool {
        self.0.unkept.load(Ordering::SeqCst)
    }

    pub fn leave(&self) {
        self.0.disk.leave(self.0.number);
    }

    /// Waits for our turn, counts, and gives the state unless the fault is due.
    fn begin(&self) -> Result<MutexGuard<'_, State>, (MutexGuard<'_, State>, io::Error)> {
        let mut state = self.0.disk.lock();
        while let Some(schedule) = &mut state.schedule {
            match schedule.whose() {
                Some(whose) if whose != self.0.number => {
                    state = self.0.disk.turn.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                _ => {
                    schedule.take();
                    self.0.disk.turn.notify_all();
                    break;
                }
            }
        }
        let n = self.0.operations.fetch_add(1, Ordering::SeqCst);
        match self.0.fault {
            Fault::Death(at) if n >= at => {
                if !self.0.dead.swap(true, Ordering::SeqCst) {
                    // The kernel lets the locks of the dead go.
                    state.locks.retain(|(_, process, _)| *process != self.0.number);
                    state.log.push(Effect::Note(Note::Killed { process: self.0.number }));
                }
                Err((state, io::Error::other("dead")))
            }
            Fault::Error(at, code) if n == at => {
                self.0.failed.store(true, Ordering::SeqCst);
                Err((state, io::Error::from_raw_os_error(code)))
            }
            _ => Ok(state),
        }
    }

    fn operate<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        match self.begin() {
            Ok(mut state) => work(&mut state),
            Err((_, error)) => Err(error),
        }
    }

    fn handle(&self, ino: Ino) -> Box<dyn File> {
        let number = self.0.disk.handles.fetch_add(1, Ordering::SeqCst);
        Box::new(Handle { process: self.clone(), number, ino })
    }

    /// A sync that fails leaves what it was to make durable forgotten.
    fn sync(
        &self,
        ended: impl Fn(usize, bool) -> Effect,
        gathers: bool,
        work: impl FnOnce(&State) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut state, result) = match self.begin() {
            Ok(state) => {
                let result = work(&state);
                (state, result)
            }
            Err((state, error)) => (state, Err(error)),
        };
        let begun = state.log.len();
        if self.is_dead() {
            return result;
        }
        self.0.unkept.fetch_or(result.is_err(), Ordering::SeqCst);
        if gathers && result.is_ok() {
            drop(state);
            self.gather();
            state = self.0.disk.lock();
        }
        state.log.push(ended(begun, result.is_ok()));
        result
    }

    /// Holds the first directory sync until the other files are synced and their writers had time to ask for the next.
    fn gather(&self) {
        let disk = &self.0.disk;
        let mut state = disk.lock();
        let wanted = match state.gathering {
            Some(gathering) => gathering.wanted,
            None => return,
        };
        while state.gathering.is_some_and(|gathering| gathering.file_syncs < wanted) {
            state = disk.turn.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if state.gathering.take().is_some() {
            drop(state);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.0.number)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {}", self.ino)
    }
}

impl Fs for Process {
    fn create_unnamed(&self, dir: &Path) -> io::Result<Box<dyn File>> {
        if !self.0.disk.has_unnamed {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let ino = self.operate(|state| {
            state.found(dir)?;
            Ok(state.make(Node::File(Vec::new())))
        })?;
        Ok(self.handle(ino))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let ino = self.operate(|state| {
            let (dir, name) = state.free(path)?;
            let ino = state.make(Node::File(Vec::new()));
            state.change(vec![Change { dir, name, to: Some(ino) }]);
            Ok(ino)
        })?;
        Ok(self.handle(ino))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Box<dyn File>> {
        let ino = self.operate(|state| state.found(path))?;
        Ok(self.handle(ino))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.operate(|state| Ok(state.stat(state.found(path)?)))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state| {
            let ino = state.found(from)?;
            let (dir, name) = state.free(to)?;
            state.change(vec![Change { dir, name, to: Some(ino) }]);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state| {
            let ino = state.found(from)?;
            let (from_dir, from_name) = state.place(from)?;
            let (dir, name) = state.place(to)?;
            state.change(vec![Change { dir: from_dir, name: from_name, to: None }, Change { dir, name, to: Some(ino) }]);
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| {
            state.found(path)?;
            let (dir, name) = state.place(path)?;
            state.change(vec![Change { dir, name, to: None }]);
            Ok(())
        })
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| {
            let (dir, name) = state.free(path)?;
            let ino = state.make(Node::Dir(Default::default()));
            state.change(vec![Change { dir, name, to: Some(ino) }]);
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| {
            let ino = state.found(path)?;
            match state.tree.dir(ino) {
                Some(entries) if entries.is_empty() => {}
                Some(_) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
                None => return Err(io::ErrorKind::NotADirectory.into()),
            }
            let (dir, name) = state.place(path)?;
            state.change(vec![Change { dir, name, to: None }]);
            Ok(())
        })
    }

    fn names(&self, path: &Path) -> io::Result<Names> {
        self.operate(|state| {
            let ino = state.found(path)?;
            let entries = state.tree.dir(ino).ok_or(io::ErrorKind::NotADirectory)?;
            let names: Vec<io::Result<OsString>> = entries.keys().map(|name| Ok(name.into())).collect();
            Ok(Box::new(names.into_iter()) as Names)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let dir = self.0.disk.lock().found(path);
        let ended = |begun, good| Effect::SyncDir { dir: *dir.as_ref().unwrap_or(&crate::tree::ROOT), begun, good };
        self.sync(ended, true, |state| state.found(path).map(drop))
    }

    fn room(&self, _path: &Path) -> io::Result<Room> {
        self.operate(|_| Ok(Room { bytes: u64::MAX, files: None }))
    }

    fn make_private(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn renames_atomically(&self, _dir: &Path) -> io::Result<bool> {
        self.operate(|_| Ok(self.0.disk.atomic_renames))
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.process.operate(|state| {
            let content = state.tree.file(self.ino).ok_or(io::ErrorKind::IsADirectory)?;
            let rest = content.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buffer.len());
            buffer[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.process.begin() {
            Ok(mut state) => {
                state.write(self.ino, offset as usize, bytes);
                Ok(())
            }
            Err((mut state, error)) => {
                if !self.process.is_dead() {
                    self.process.0.unkept.store(true, Ordering::SeqCst);
                    state.write(self.ino, offset as usize, &bytes[..bytes.len() / 2]);
                }
                Err(error)
            }
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.process.operate(|state| {
            if let Node::File(content) = &mut state.tree.nodes[self.ino] {
                content.resize(length as usize, 0);
            }
            state.log.push(Effect::Truncate { ino: self.ino, length: length as usize });
            Ok(())
        })
    }

    /// Dates are no promise: no crash looks at them.
    fn set_modified(&self, _: std::time::SystemTime) -> io::Result<()> {
        self.process.operate(|_| Ok(()))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        let result = self.process.sync(|begun, good| Effect::SyncFile { ino: self.ino, begun, good }, false, |_| Ok(()));
        let disk = &self.process.0.disk;
        if let Some(gathering) = &mut disk.lock().gathering {
            gathering.file_syncs += 1;
        }
        disk.turn.notify_all();
        result
    }

    fn stat(&self) -> io::Result<Stat> {
        self.process.operate(|state| Ok(state.stat(self.ino)))
    }

    fn try_lock(self: Box<Self>) -> io::Result<Option<Box<dyn File>>> {
        let held = self.process.operate(|state| {
            let other = state.locks.iter().any(|&(ino, _, handle)| ino == self.ino && handle != self.number);
            if !other {
                state.locks.push((self.ino, self.process.0.number, self.number));
            }
            Ok(!other)
        })?;
        Ok(if held { Some(self) } else { None })
    }

    fn name(&self, path: &Path) -> io::Result<()> {
        self.process.operate(|state| {
            let (dir, name) = state.free(path)?;
            state.change(vec![Change { dir, name, to: Some(self.ino) }]);
            Ok(())
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.process.0.disk.lock().locks.retain(|&(_, _, handle)| handle != self.number);
    }
}

/// The path that names a place in the model.
pub fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}

//! The real file system with one fault at one operation, for tests of what a death or an error leaves behind.

use postroad::disk::fs::{Access, File, Fs, Kind, Names, Room, Stat};
use postroad::disk::real::Real;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What goes wrong, and at which operation, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// That one operation fails with this error; a write is half done.
    Error(u64, i32),
    /// The process dies there: a write is half done, and nothing is done any more.
    Death(u64),
}

/// The real file system with one fault, and a log of what was done. Syncs are only logged: a kill needs none.
#[derive(Debug, Clone)]
pub struct Faulty {
    pub fault: Fault,
    pub unnamed: bool,
    /// What is answered to whether renames survive a crash.
    pub renames: bool,
    /// Files seem to belong to another user.
    pub foreign: bool,
    /// Done by somebody else between the next open and its lock.
    pub before_lock: Hook,
    pub log: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Default)]
pub struct Hook(pub Arc<Mutex<Option<Action>>>);

pub type Action = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

#[derive(Debug)]
pub struct FaultyFile {
    fs: Faulty,
    file: Box<dyn File>,
}

impl Faulty {
    pub fn new(fault: Fault, unnamed: bool) -> Faulty {
        Faulty { fault, unnamed, renames: true, foreign: false, before_lock: Hook::default(), log: Arc::default() }
    }

    fn step(&self, doing: &str, path: &Path) -> io::Result<()> {
        let mut log = self.log.lock().unwrap();
        let n = log.len() as u64;
        let dir = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        log.push(format!("{doing} {dir}/{}", path.file_name().unwrap_or_default().to_string_lossy()));
        match self.fault {
            Fault::Error(at, code) if n == at => Err(io::Error::from_raw_os_error(code)),
            Fault::Death(at) if n >= at => Err(io::Error::other("dead")),
            _ => Ok(()),
        }
    }

    pub fn steps(&self) -> u64 {
        self.log.lock().unwrap().len() as u64
    }

    fn wrap(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultyFile { fs: self.clone(), file })
    }
}

impl Fs for Faulty {
    fn create_unnamed(&self, dir: &Path) -> io::Result<Box<dyn File>> {
        self.step("create-unnamed", &dir.join("?"))?;
        if self.unnamed { Real.create_unnamed(dir).map(|f| self.wrap(f)) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.step("create", path).and_then(|()| Real.create_new(path)).map(|f| self.wrap(f))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.step("open", path).and_then(|()| Real.open(path, access)).map(|f| self.wrap(f))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let stat = self.step("stat", path).and_then(|()| Real.stat(path))?;
        let foreign = self.foreign && stat.kind == Kind::Regular;
        Ok(Stat { uid: stat.uid + u32::from(foreign), ..stat })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("link", to).and_then(|()| Real.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to).and_then(|()| Real.rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.step("unlink", path).and_then(|()| Real.unlink(path))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.step("make-dir", path).and_then(|()| Real.make_dir(path))
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        self.step("make-private", path).and_then(|()| Real.make_private(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step("remove-dir", path).and_then(|()| Real.remove_dir(path))
    }

    fn names(&self, path: &Path) -> io::Result<Names> {
        self.step("names", path).and_then(|()| Real.names(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step("sync-dir", path)
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        self.step("room", path).and_then(|()| Real.room(path))
    }

    fn renames_atomically(&self, dir: &Path) -> io::Result<bool> {
        self.step("ask", dir).map(|()| self.renames)
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fs.step("read", Path::new("")).and_then(|()| self.file.read_at(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let before = matches!(self.fs.fault, Fault::Death(at) if self.fs.steps() > at);
        let result = self.fs.step("write", Path::new(""));
        let written = match (&result, before) {
            (Ok(()), _) => bytes,
            (Err(_), false) => &bytes[..bytes.len() / 2],
            (Err(_), true) => &[],
        };
        self.file.write_at(written, offset).and(result)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.fs.step("truncate", Path::new("")).and_then(|()| self.file.truncate(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.step("sync-data", Path::new(""))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.fs.step("sync-all", Path::new(""))
    }

    fn set_modified(&self, at: std::time::SystemTime) -> io::Result<()> {
        self.fs.step("date", Path::new("")).and_then(|()| self.file.set_modified(at))
    }

    fn stat(&self) -> io::Result<Stat> {
        self.fs
            .step("file-stat", Path::new(""))
            .and_then(|()| self.file.stat())
            .map(|stat| Stat { uid: stat.uid + u32::from(self.fs.foreign), ..stat })
    }

    fn try_lock(self: Box<Self>) -> io::Result<Option<Box<dyn File>>> {
        self.fs.step("lock", Path::new(""))?;
        let hook = self.fs.before_lock.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        let fs = self.fs;
        Ok(self.file.try_lock()?.map(|file| fs.wrap(file)))
    }

    fn name(&self, path: &Path) -> io::Result<()> {
        self.fs.step("name", path).and_then(|()| self.file.name(path))
    }
}

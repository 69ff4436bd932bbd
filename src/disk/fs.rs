//! The small trait that all mail I/O goes through, so that a model file system can stand in for the real one. Whole paths and
//! open files only; nothing is synced but by an explicit call here. Knows no format and no directory layout.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Modes of what is made: for its owner alone.
pub const FILE_MODE: u32 = 0o600;
pub const DIR_MODE: u32 = 0o700;

/// Names of one directory, in no order, without `.` and `..`.
pub type Names = Box<dyn Iterator<Item = io::Result<OsString>> + Send>;

/// A file system. Files it makes are mode 0600 and directories 0700, whatever the umask; no descriptor passes to a program that
/// is started; no final symbolic link is followed and no open waits (a FIFO, a device).
pub trait Fs: fmt::Debug + Send + Sync {
    /// A new file without a name in the file system of `dir`; [`io::ErrorKind::Unsupported`] where that cannot be had.
    fn create_unnamed(&self, dir: &Path) -> io::Result<Box<dyn File>>;
    /// A new file; [`io::ErrorKind::AlreadyExists`] rather than an old one.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>>;
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;
    /// Facts of what the name stands for; a symbolic link stands for itself.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// A second name for a file, never over an existing one.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Replaces what was there. Atomic for whoever looks; from one directory to another also across a crash where
    /// [`Fs::renames_atomically`], within one directory everywhere.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn unlink(&self, path: &Path) -> io::Result<()>;
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a regular file or a directory of ours the mode that it would have been made with.
    fn make_private(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Reads a directory as it goes: names that come or go meanwhile may or may not be given, all others are.
    fn names(&self, path: &Path) -> io::Result<Names>;
    /// Makes the names in a directory durable, and the absence of those removed.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Holds a directory open, where that is of use to [`Fs::sync_held`].
    fn hold_dir(&self, path: &Path) -> io::Result<HeldDir> {
        Ok(HeldDir { path: path.to_owned(), file: None })
    }
    /// As [`Fs::sync_dir`] of its path, and also tells of what could not be written before since it is held, and another heard of.
    fn sync_held(&self, dir: &HeldDir) -> io::Result<()> {
        self.sync_dir(&dir.path)
    }
    fn room(&self, path: &Path) -> io::Result<Room>;
    /// Whether a crash leaves a file that was renamed from one directory to another with its old name or its new one, never
    /// with neither or both. Asked of a directory in the file system.
    fn renames_atomically(&self, dir: &Path) -> io::Result<bool>;
}

/// A directory that is synced over and over.
#[derive(Debug)]
pub struct HeldDir {
    pub path: PathBuf,
    /// Nothing where it is opened anew for each sync.
    pub file: Option<(std::fs::File, Stat)>,
}

/// An open file. Dropping it lets its lock go.
pub trait File: fmt::Debug + Send + Sync {
    /// Reads at most `buffer`; 0 only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Has what was written go to the disk soon, without waiting: where many files are written and then synced, they share the disk's work. A
    /// hint, which promises nothing.
    fn write_out(&self) {}
    /// Makes the content durable. A failed sync must not be tried again: the kernel forgets what it could not write.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes content and facts durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Sets the time of the last change, which a further write changes again.
    fn set_modified(&self, at: SystemTime) -> io::Result<()>;
    fn stat(&self) -> io::Result<Stat>;
    /// The user that it belongs to, as [`Stat::uid`]. Of a file that was just made that is known without another look.
    fn owner(&self) -> io::Result<u32> {
        Ok(self.stat()?.uid)
    }
    /// Takes the lock of the file for this descriptor, or gives none when another has it. Never waits.
    fn try_lock(self: Box<Self>) -> io::Result<Option<Box<dyn File>>>;
    /// Takes the lock that other mail programs take on an mbox (fcntl, the whole file, for writing); false when another has it. Never
    /// waits; goes when the file is closed.
    fn lock_records(&self) -> io::Result<bool> {
        Ok(true)
    }
    /// Names a file of [`Fs::create_unnamed`]; never over an existing name.
    fn name(&self, path: &Path) -> io::Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Regular,
    Directory,
    /// A symbolic link, FIFO, socket or device.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub kind: Kind,
    /// Who may do what: the lowest nine bits of the mode.
    pub mode: u32,
    pub uid: u32,
    pub links: u64,
    pub device: u64,
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// Last change of the content, in Unix seconds.
    pub modified: i64,
}

impl Stat {
    pub fn is_same_file(&self, other: &Stat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What is free to us on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub bytes: u64,
    /// Unknown where files are not counted beforehand (btrfs).
    pub files: Option<u64>,
}

/// A file operation that failed: `cannot open /x/y: No such file or directory`.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {}", path.display(), reason(error))]
pub struct FsError {
    pub doing: &'static str,
    pub path: PathBuf,
    /// Part of the line above, so no cause of its own (`source`) that would be told twice.
    pub error: io::Error,
}

impl FsError {
    /// The disk or a quota is full: the sender gets 452, not 451.
    pub fn is_full(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Says what was being done to which path.
pub trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, FsError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, FsError> {
        self.map_err(|error| FsError { doing, path: path.to_owned(), error })
    }
}

/// Reads until `buffer` is full; false if the file ends before.
pub fn read_full_at(file: &dyn File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<bool> {
    while !buffer.is_empty() {
        let n = file.read_at(buffer, offset)?;
        if n == 0 {
            return Ok(false);
        }
        buffer = &mut buffer[n..];
        offset += n as u64;
    }
    Ok(true)
}

/// Whether files can be made in a directory, found out without leaving any. Where files cannot be without a name, one that readers of mail
/// pass over stands there for a moment; what a crash left of it goes with the next look.
pub fn can_make(fs: &dyn Fs, dir: &Path) -> Result<(), FsError> {
    let made = match fs.create_unnamed(dir) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {
            let path = dir.join(".postroad-probe");
            match fs.create_new(&path) {
                // One that is there is of somebody who was killed here, or who looks now.
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
                _ => fs.unlink(&path).or_else(unless_gone),
            }
        }
        made => made.map(drop),
    };
    made.at("create a file in", dir)
}

fn unless_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The directory that a path stands in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// The system's words without Rust's `(os error 2)`.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}

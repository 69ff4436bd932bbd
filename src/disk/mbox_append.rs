//! Messages appended to an mbox that others read and write, too: locked as they lock it (fcntl, then a dotlock), cut back on an error,
//! and looked at again after a crash.

use super::batch::Fate;
use super::fs::{Access, At, File, Fs, FsError, Kind, can_make, parent, read_full_at};
use super::lock::present;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHUNK: usize = 64 * 1024;
/// How often a lock of another is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// A dotlock that does not say whose it is counts for so long, in seconds.
const STALE: i64 = 300;
/// Longest dotlock that is read.
const LONGEST_PID: usize = 32;

/// An mbox.
#[derive(Debug, Clone)]
pub struct Mbox {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

/// The lock of an mbox, with the file open. Both locks go when it is dropped.
#[derive(Debug)]
pub struct Locked {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Box<dyn File>,
    dotlock: Option<PathBuf>,
    size: u64,
    place: Place,
}

/// Which file an mbox was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub device: u64,
    pub inode: u64,
}

/// How long the locks of others are waited for.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    pub within: Duration,
    /// The wait is to end at once; asked time and again.
    pub over: &'a dyn Fn() -> bool,
}

impl From<Duration> for Patience<'_> {
    fn from(within: Duration) -> Self {
        Patience { within, over: &|| false }
    }
}

/// Where in the mbox a message is to stand, its `From ` line and the empty line behind it included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub offset: u64,
    pub length: u64,
    pub crc: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum MboxError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("{} is locked by another for longer than {within:?}", path.display())]
    Busy { path: PathBuf, within: Duration },
    #[error("{} is locked by another, and the wait was broken off", .0.display())]
    BrokenOff(PathBuf),
    #[error("{} is no regular file", .0.display())]
    NotRegular(PathBuf),
}

impl Mbox {
    pub fn new(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> Mbox {
        Mbox { fs, path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds out what would keep a message from being appended: an mbox that is there has to be a file that can be written, and where there is
    /// none it has to be possible to make one. Makes nothing.
    pub fn check(&self) -> Result<(), MboxError> {
        match present(self.fs.open(&self.path, Access::ReadWrite)).at("open", &self.path)? {
            Some(file) if file.stat().at("look at", &self.path)?.kind != Kind::Regular => {
                Err(MboxError::NotRegular(self.path.clone()))
            }
            Some(_) => Ok(()),
            None => Ok(can_make(self.fs.as_ref(), parent(&self.path))?),
        }
    }

    /// Opens the mbox, which is made where it is missing (mode 0600), durably, and waits for its locks. Where no dotlock may
    /// be made beside it, the other lock alone has to do. `now`, in Unix seconds, tells which dotlocks are old.
    pub fn lock<'p>(&self, patience: impl Into<Patience<'p>>, now: i64) -> Result<Locked, MboxError> {
        let (start, Patience { within, over }) = (Instant::now(), patience.into());
        loop {
            let (file, made) = self.open()?;
            let stat = file.stat().at("look at", &self.path)?;
            if stat.kind != Kind::Regular {
                return Err(MboxError::NotRegular(self.path.clone()));
            }
            let above = parent(&self.path);
            match self.fs.sync_dir(above) {
                // Of a directory that we may not read it is somebody else who made the mbox in it.
                Err(e) if !made && e.kind() == io::ErrorKind::PermissionDenied => {}
                // Whoever made it may have been killed before this.
                synced => synced.at("sync", above)?,
            }
            if file.lock_records().at("lock", &self.path)?
                && let Some(dotlock) = self.dotlock(now)?
            {
                let (fs, path) = (self.fs.clone(), self.path.clone());
                let place = Place { device: stat.device, inode: stat.inode };
                let mut locked = Locked { fs, path, file, dotlock, size: 0, place };
                // It may have been replaced or written while we waited.
                if present(self.fs.stat(&self.path)).at("look at", &self.path)?.is_some_and(|named| named.is_same_file(&stat)) {
                    locked.size = locked.file.stat().at("look at", &self.path)?.size;
                    return Ok(locked);
                }
            }
            if start.elapsed() >= within {
                return Err(MboxError::Busy { path: self.path.clone(), within });
            }
            if over() {
                return Err(MboxError::BrokenOff(self.path.clone()));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn open(&self) -> Result<(Box<dyn File>, bool), MboxError> {
        match present(self.fs.open(&self.path, Access::ReadWrite)).at("open", &self.path)? {
            Some(file) => Ok((file, false)),
            None => match self.fs.create_new(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    Ok((self.fs.open(&self.path, Access::ReadWrite).at("open", &self.path)?, false))
                }
                made => Ok((made.at("create", &self.path)?, true)),
            },
        }
    }

    /// None: another has it. `Some(None)`: it cannot be had here.
    fn dotlock(&self, now: i64) -> Result<Option<Option<PathBuf>>, FsError> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        match self.make_dotlock(&path) {
            Ok(()) => Ok(Some(Some(path))),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if self.is_stale(&path, now) {
                    let _ = self.fs.unlink(&path);
                }
                Ok(None)
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Ok(Some(None)),
            Err(e) => Err(e).at("create", &path),
        }
    }

    /// Where files can be without a name, it never stands there without its number, whenever we are killed.
    fn make_dotlock(&self, path: &Path) -> io::Result<()> {
        let pid = format!("{}\n", std::process::id());
        // Whoever cannot read the number waits for longer than he would have to.
        match self.fs.create_unnamed(parent(path)) {
            Ok(file) => {
                let _ = file.write_at(pid.as_bytes(), 0);
                file.name(path)
            }
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let file = self.fs.create_new(path)?;
                let _ = file.write_at(pid.as_bytes(), 0);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Its holder is dead, or unknown and it is old. Asked with the other lock held.
    fn is_stale(&self, path: &Path, now: i64) -> bool {
        let Ok(file) = self.fs.open(path, Access::Read) else { return false };
        let Ok(stat) = file.stat() else { return false };
        let mut text = vec![0; LONGEST_PID];
        let n = file.read_at(&mut text, 0).unwrap_or(0);
        // Without a line end it may be the start of a longer number, which a power cut tore.
        let line = std::str::from_utf8(&text[..n]).ok().filter(|text| text.ends_with('\n'));
        let pid = line.and_then(|text| text.trim().parse::<i32>().ok()).filter(|pid| *pid > 0);
        match pid {
            // Ours would have gone before the lock that we hold: another had our number before us, as in a container.
            Some(pid) if u32::try_from(pid) == Ok(std::process::id()) => cfg!(target_os = "linux"),
            Some(pid) => nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH),
            None => now.saturating_sub(stat.modified) > STALE,
        }
    }
}

impl Locked {
    pub fn place(&self) -> Place {
        self.place
    }

    /// Octets, before anything is appended.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is missing before the next message, for which an empty line has to stand at the end.
    pub fn padding(&self) -> Result<&'static [u8], FsError> {
        let mut last = [b'\n'; 2];
        let from = self.size.saturating_sub(2);
        let n = (self.size - from) as usize;
        read_full_at(self.file.as_ref(), &mut last[2 - n..], from).at("read", &self.path)?;
        Ok(match last {
            [b'\n', b'\n'] => b"",
            [_, b'\n'] => b"\n",
            _ => b"\n\n",
        })
    }

    /// Appends all of `text`, durably. On an error the mbox is cut back to what it was.
    pub fn append(&self, text: &mut dyn Read) -> Result<(), FsError> {
        let result = self.copy(text).and_then(|()| self.file.sync_data());
        if result.is_err() {
            let _ = self.file.truncate(self.size);
        }
        result.at("write", &self.path)
    }

    fn copy(&self, text: &mut dyn Read) -> io::Result<()> {
        let (mut chunk, mut at) = (vec![0; CHUNK], self.size);
        loop {
            match text.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.file.write_at(&chunk[..n], at)?;
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether a message stands where it is to be.
    fn is_whole(&self, region: &Region) -> Result<bool, FsError> {
        let Some(end) = region.offset.checked_add(region.length).filter(|end| *end <= self.size) else { return Ok(false) };
        let (mut crc, mut at, mut chunk) = (0, region.offset, vec![0; CHUNK]);
        while at < end {
            let n = chunk.len().min((end - at) as usize);
            if !read_full_at(self.file.as_ref(), &mut chunk[..n], at).at("read", &self.path)? {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, &chunk[..n]);
            at += n as u64;
        }
        Ok(crc == region.crc)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(dotlock) = &self.dotlock {
            let _ = self.fs.unlink(dotlock);
        }
    }
}

/// What became of messages whose [`Locked::append`] to the mbox, which ended at `start` then, was not seen to end. What is torn of them is
/// cut off, unless somebody has appended to it since, or put another file there: a copy for one, in which they may stand all the same. An error
/// leaves all as it was.
pub fn settle<'p>(
    mbox: &Mbox,
    place: Place,
    start: u64,
    regions: &[Region],
    patience: impl Into<Patience<'p>>,
    now: i64,
) -> Result<Vec<Fate>, MboxError> {
    if present(mbox.fs.stat(&mbox.path)).at("look at", &mbox.path)?.is_none() {
        return Ok(vec![Fate::Lost; regions.len()]);
    }
    let locked = mbox.lock(patience, now)?;
    if locked.size < start {
        return Ok(vec![Fate::Lost; regions.len()]);
    }
    let mut whole = Vec::with_capacity(regions.len());
    for region in regions {
        whole.push(locked.is_whole(region)?);
    }
    let end = regions.last().map_or(start, |region| region.offset.saturating_add(region.length));
    let mut torn = 0..0;
    let good = whole.iter().take_while(|whole| **whole).count();
    if good < regions.len() && locked.size <= end && locked.place == place {
        let keep = good.checked_sub(1).map_or(start, |last| regions[last].offset + regions[last].length);
        locked.file.truncate(keep).at("cut the end of", &mbox.path)?;
        torn = good..regions.len();
    }
    locked.file.sync_data().at("sync", &mbox.path)?;
    let fate = |(n, whole)| match whole {
        _ if torn.contains(&n) => Fate::Torn,
        true => Fate::Delivered,
        false => Fate::Lost,
    };
    Ok(whole.into_iter().enumerate().map(fate).collect())
}

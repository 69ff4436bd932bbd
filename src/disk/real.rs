//! The operating system's files behind the trait of `fs`. No policy: one method, one or two system calls.

use super::fs::{Access, DIR_MODE, FILE_MODE, File, Fs, HeldDir, Kind, Names, Room, Stat};
#[cfg(target_os = "linux")]
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::statvfs::statvfs;
use nix::unistd::linkat;
use std::fs::{DirBuilder, OpenOptions, Permissions, TryLockError};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};
use std::time::SystemTime;

/// Of std's own accord descriptors are closed on exec.
const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Naming a file that has no name may have to go through `/proc`, which a chroot may lack. Asked once: it does not come or go under a
/// process.
#[cfg(target_os = "linux")]
static HAS_PROC: OnceLock<bool> = OnceLock::new();

/// Whether `/proc` was needed once. The kernel names a file by its descriptor for whoever opened it from version 6.10 on, before that
/// only for root; every process pays for its own names in `/proc`.
#[cfg(target_os = "linux")]
static NEEDS_PROC: AtomicBool = AtomicBool::new(false);

/// The operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Real {
    pub fn shared() -> Arc<dyn Fs> {
        Arc::new(Real)
    }
}

#[derive(Debug)]
struct Handle {
    file: std::fs::File,
    /// Known of a file that we made.
    owner: Option<u32>,
    locked: bool,
}

/// Closing would do, but for a child process between its fork and its exec, which has the descriptor for a moment.
impl Drop for Handle {
    fn drop(&mut self) {
        if self.locked {
            let _ = self.file.unlock();
        }
    }
}

impl Fs for Real {
    #[cfg(target_os = "linux")]
    fn create_unnamed(&self, dir: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE).custom_flags(libc::O_TMPFILE);
        let file = match options.open(dir) {
            Ok(file) => file,
            // A file system without O_TMPFILE, or a kernel that takes it for the opening of a directory.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            Err(e) => return Err(e),
        };
        if !*HAS_PROC.get_or_init(|| std::fs::symlink_metadata(proc_path(&file)).is_ok()) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        private(file)
    }

    #[cfg(not(target_os = "linux"))]
    fn create_unnamed(&self, _: &Path) -> io::Result<Box<dyn File>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE).custom_flags(OPEN_FLAGS);
        private(options.open(path)?)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::ReadWrite).custom_flags(OPEN_FLAGS);
        Ok(Box::new(Handle { file: options.open(path)?, owner: None, locked: false }))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat(&std::fs::symlink_metadata(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::empty())?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(DIR_MODE).create(path)?;
        let narrowed = std::fs::symlink_metadata(path).and_then(|found| match found.mode() & 0o777 {
            DIR_MODE => Ok(()),
            _ => std::fs::set_permissions(path, Permissions::from_mode(DIR_MODE)),
        });
        match narrowed {
            // It was made, and removed by another at once, being empty.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            narrowed => narrowed,
        }
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        let mode = match self.stat(path)?.kind {
            Kind::Regular => FILE_MODE,
            Kind::Directory => DIR_MODE,
            // What a symbolic link leads to is not ours to change.
            Kind::Other => return Err(io::ErrorKind::InvalidInput.into()),
        };
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn names(&self, path: &Path) -> io::Result<Names> {
        Ok(Box::new(std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.file_name()))))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        open_dir(path)?.sync_all()
    }

    // The kernel tells each failure to whoever had the directory open when it happened, and to one more who opens it later: one opened only
    // for its sync may miss that a name of ours was lost in the sync of another.
    fn hold_dir(&self, path: &Path) -> io::Result<HeldDir> {
        let dir = open_dir(path)?;
        let found = stat(&dir.metadata()?);
        Ok(HeldDir { path: path.to_owned(), file: Some((dir, found)) })
    }

    fn sync_held(&self, dir: &HeldDir) -> io::Result<()> {
        match &dir.file {
            // Somebody may have put another directory in its place, where the names are by now.
            Some((file, held)) if self.stat(&dir.path)?.is_same_file(held) => file.sync_all(),
            _ => self.sync_dir(&dir.path),
        }
    }

    // The fields are narrower on other systems.
    #[allow(clippy::useless_conversion)]
    fn room(&self, path: &Path) -> io::Result<Room> {
        let found = statvfs(path)?;
        let bytes = u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size()));
        let files = (found.files() > 0).then(|| u64::from(found.files_available()));
        Ok(Room { bytes, files })
    }

    #[cfg(target_os = "linux")]
    fn renames_atomically(&self, dir: &Path) -> io::Result<bool> {
        use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, statfs};
        // The first three put both halves of a rename into one transaction of their journal or tree; ext2, which has none, shares
        // the number of ext4. Nothing of a tmpfs outlives the crash.
        let known = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC];
        Ok(known.contains(&statfs(dir)?.filesystem_type()))
    }

    #[cfg(not(target_os = "linux"))]
    fn renames_atomically(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    #[cfg(target_os = "linux")]
    fn write_out(&self) {
        // Starts the writing of what is dirty; only what is on the disk already leaves memory.
        let _ = nix::fcntl::posix_fadvise(&self.file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn set_modified(&self, at: SystemTime) -> io::Result<()> {
        self.file.set_modified(at)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat(&self.file.metadata()?))
    }

    fn owner(&self) -> io::Result<u32> {
        self.owner.map_or_else(|| Ok(self.file.metadata()?.uid()), Ok)
    }

    fn try_lock(mut self: Box<Self>) -> io::Result<Option<Box<dyn File>>> {
        match self.file.try_lock() {
            Ok(()) => self.locked = true,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(self))
    }

    fn lock_records(&self) -> io::Result<bool> {
        // Unlike a lock of the process, it does not go when some other descriptor of the file is closed.
        #[cfg(target_os = "linux")]
        use nix::fcntl::FcntlArg::F_OFD_SETLK as SET;
        #[cfg(not(target_os = "linux"))]
        use nix::fcntl::FcntlArg::F_SETLK as SET;
        let lock = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match nix::fcntl::fcntl(&self.file, SET(&lock)) {
            Ok(_) => Ok(true),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(target_os = "linux")]
    fn name(&self, path: &Path) -> io::Result<()> {
        if !NEEDS_PROC.load(Ordering::Relaxed) {
            match linkat(&self.file, "", AT_FDCWD, path, AtFlags::AT_EMPTY_PATH) {
                // Also for a directory that is not there, which the other way tells again.
                Err(Errno::ENOENT | Errno::EINVAL) => {}
                named => return Ok(named?),
            }
        }
        name_by_proc(&self.file, path)?;
        NEEDS_PROC.store(true, Ordering::Relaxed);
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn name(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn open_dir(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)
}

#[cfg(target_os = "linux")]
fn proc_path(file: &std::fs::File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(target_os = "linux")]
fn name_by_proc(file: &std::fs::File, path: &Path) -> io::Result<()> {
    Ok(linkat(AT_FDCWD, proc_path(file).as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

/// Undoes what a umask or a default ACL made of the mode.
fn private(file: std::fs::File) -> io::Result<Box<dyn File>> {
    let found = file.metadata()?;
    if found.mode() & 0o777 != FILE_MODE {
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    Ok(Box::new(Handle { file, owner: Some(found.uid()), locked: false }))
}

fn stat(found: &std::fs::Metadata) -> Stat {
    let kind = match found.file_type() {
        t if t.is_file() => Kind::Regular,
        t if t.is_dir() => Kind::Directory,
        _ => Kind::Other,
    };
    Stat {
        kind,
        mode: found.mode() & 0o777,
        uid: found.uid(),
        links: found.nlink(),
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: found.mtime(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_held_is_synced_only_while_its_name_stands_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let [new, old] = ["new", "old"].map(|name| dir.path().join(name));
        Real.make_dir(&new).unwrap();
        let held = Real.hold_dir(&new).unwrap();
        Real.sync_held(&held).unwrap();
        Real.rename(&new, &old).unwrap();
        assert_eq!(Real.sync_held(&held).unwrap_err().kind(), io::ErrorKind::NotFound);
        Real.make_dir(&new).unwrap();
        Real.sync_held(&held).unwrap();
    }

    #[test]
    fn a_file_without_a_name_gets_one_by_its_descriptor_and_by_proc() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        // Where the file system has no such files, the spool goes another way.
        let file = match Real.create_unnamed(dir.path()) {
            Ok(file) => file,
            Err(e) => return assert_eq!(e.kind(), io::ErrorKind::Unsupported),
        };
        file.name(&path("one")).unwrap();
        let taken = file.name(&path("one")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        let nowhere = file.name(&path("no/where")).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
        let unnamed = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).open(dir.path()).unwrap();
        name_by_proc(&unnamed, &path("two")).unwrap();
        assert_eq!([path("one").exists(), path("two").exists()], [true, true]);
    }
}

//! The messages that stand in a Maildir, in order of name, to be read and perhaps taken away. Delivers nothing: that is
//! `disk::maildir`'s.

use super::fs::{At, FsError};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most removals between two syncs of the directories.
const UNSYNCED: usize = 256;

/// A Maildir that is emptied, or read.
#[derive(Debug)]
pub struct Pickup {
    dir: PathBuf,
    unsynced: usize,
}

impl Pickup {
    pub fn new(dir: impl Into<PathBuf>) -> Pickup {
        Pickup { dir: dir.into(), unsynced: 0 }
    }

    /// The messages in `new` and `cur` as `new/NAME` and `cur/NAME`, both together in order of NAME, which begins with the time of
    /// delivery. Names with a dot in front are no messages.
    pub fn names(&self) -> Result<Vec<PathBuf>, FsError> {
        let mut found: Vec<(OsString, &str)> = Vec::new();
        for part in ["new", "cur"] {
            let path = self.dir.join(part);
            for entry in fs::read_dir(&path).at("read", &path)? {
                let entry = entry.at("read", &path)?;
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if !is_dir && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    found.push((entry.file_name(), part));
                }
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|(name, part)| Path::new(part).join(name)).collect())
    }

    /// Opens a message and gives its size. A symbolic link is not followed, and what is no file is not waited for.
    pub fn open(&self, name: &Path) -> io::Result<(File, u64)> {
        let path = self.dir.join(name);
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::Error::other("not a file"));
        }
        Ok((file, facts.len()))
    }

    /// Octets of all these messages, as far as they can be known.
    pub fn size(&self, names: &[PathBuf]) -> u64 {
        names.iter().filter_map(|name| fs::symlink_metadata(self.dir.join(name)).ok()).map(|facts| facts.len()).sum()
    }

    /// Takes a message away. It cannot come back after a crash once [`Pickup::sync`] is done.
    pub fn remove(&mut self, name: &Path) -> Result<(), FsError> {
        let path = self.dir.join(name);
        fs::remove_file(&path).at("remove", &path)?;
        self.unsynced += 1;
        if self.unsynced >= UNSYNCED { self.sync() } else { Ok(()) }
    }

    /// Makes all removals durable.
    pub fn sync(&mut self) -> Result<(), FsError> {
        if std::mem::take(&mut self.unsynced) > 0 {
            for part in ["new", "cur"] {
                let path = self.dir.join(part);
                File::open(&path).and_then(|dir| dir.sync_all()).at("sync", &path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_order_of_name_and_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        for part in ["new", "cur", "tmp", "cur/5.dir"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        for name in ["new/3.c", "cur/1.a:2,S", "new/2.b", "tmp/0.t", "cur/.hidden"] {
            fs::write(dir.path().join(name), "text").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("new/4.link")).unwrap();
        let mut pickup = Pickup::new(dir.path());
        let names = pickup.names().unwrap();
        assert_eq!(names, ["cur/1.a:2,S", "new/2.b", "new/3.c", "new/4.link"].map(PathBuf::from));
        assert_eq!(pickup.open(&names[0]).unwrap().1, 4);
        assert!(pickup.open(&names[3]).is_err(), "a link leads to what was never delivered");
        pickup.remove(&names[1]).unwrap();
        pickup.sync().unwrap();
        assert_eq!(pickup.names().unwrap().len(), 3);
        assert!(pickup.remove(&names[1]).is_err());
        let nothing = Pickup::new(dir.path().join("none")).names().unwrap_err().to_string();
        assert!(nothing.ends_with("none/new: No such file or directory"), "{nothing}");
    }
}

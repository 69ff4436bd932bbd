//! Locks by `flock` on a file's inode: the kernel lets them go when their holder dies. A lock counts only while the name still
//! stands for the inode. Knows no format.

use super::fs::{Access, File, Fs, Kind, Stat};
use std::io;
use std::path::Path;

/// What came of trying to lock the file behind a name.
#[derive(Debug)]
pub enum Attempt {
    /// Held until the file is dropped.
    Held(Box<dyn File>, Stat),
    /// Another holds it.
    Busy,
    /// The name is gone, or stands for another file by now.
    Gone,
    /// A symbolic link, a FIFO, a directory or the like: it was not opened.
    NotRegular,
}

/// Opens the regular file that `path` names and locks it, without ever waiting.
pub fn try_lock(fs: &dyn Fs, path: &Path) -> io::Result<Attempt> {
    let Some(named) = present(fs.stat(path))? else { return Ok(Attempt::Gone) };
    if named.kind != Kind::Regular {
        return Ok(Attempt::NotRegular);
    }
    let Some(file) = present(fs.open(path, Access::ReadWrite))? else { return Ok(Attempt::Gone) };
    let Some(file) = file.try_lock()? else { return Ok(Attempt::Busy) };
    let held = file.stat()?;
    if held.kind != Kind::Regular {
        return Ok(Attempt::NotRegular);
    }
    // The holder before us may have removed, replaced or moved the file between our open and our lock.
    match present(fs.stat(path))? {
        Some(named) if named.is_same_file(&held) => Ok(Attempt::Held(file, held)),
        _ => Ok(Attempt::Gone),
    }
}

/// A name that is not there is a finding, not an error.
pub fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

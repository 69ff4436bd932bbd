//! The file that a journal stands in: made where it is missing, with the directories above it, and locked.

use crate::disk::fs::{At, File, Fs, FsError, parent};
use crate::disk::lock::{Attempt, present, try_lock};
use std::io;
use std::path::{Path, PathBuf};

/// How often a name that changes hands is tried again.
const TRIES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("{} is in use by another run", .0.display())]
    Busy(PathBuf),
    #[error("{} is no journal of this version; nothing was changed in it", .0.display())]
    Foreign(PathBuf),
    #[error("{} is no regular file", .0.display())]
    NotRegular(PathBuf),
    #[error("{} remembers the messages of {owner}, not those of {asked}: name another file", .path.display())]
    Owned { path: PathBuf, owner: Box<str>, asked: Box<str> },
    /// An earlier write or sync failed: what stands on disk is not known.
    #[error("{} cannot be trusted after an error; run again", .0.display())]
    Broken(PathBuf),
}

/// Opens or makes the file and takes its lock; gives its size.
pub fn lock(fs: &dyn Fs, path: &Path) -> Result<(Box<dyn File>, u64), JournalError> {
    for _ in 0..TRIES {
        match try_lock(fs, path).at("lock", path)? {
            Attempt::Held(file, stat) => return Ok((file, stat.size)),
            Attempt::Busy => return Err(JournalError::Busy(path.to_owned())),
            Attempt::NotRegular => return Err(JournalError::NotRegular(path.to_owned())),
            Attempt::Gone => match fs.create_new(path) {
                Ok(_) => {}
                // Made by another just now.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).at("create", path).map_err(JournalError::from),
            },
        }
    }
    Err(JournalError::Busy(path.to_owned()))
}

/// Gives the journal at `from` the name `to`, unless something has that. It has one of the names at any moment; opening the journal makes the new
/// one durable.
pub fn take_over(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), JournalError> {
    if from == to || present(fs.stat(to)).at("look at", to)?.is_some() {
        return Ok(());
    }
    match try_lock(fs, from).at("lock", from)? {
        // Whoever writes in it now may replace it under its old name.
        Attempt::Busy => Err(JournalError::Busy(from.to_owned())),
        Attempt::Gone | Attempt::NotRegular => Ok(()),
        Attempt::Held(_held, _) => match fs.link(from, to) {
            Ok(()) => Ok(fs.unlink(from).at("remove", from)?),
            // Made by another just now.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // No second names here.
            Err(_) => Ok(fs.rename(from, to).at("rename", from)?),
        },
    }
}

/// Makes the directories that are missing above a journal.
pub fn make_dirs(fs: &dyn Fs, dir: &Path) -> Result<(), JournalError> {
    if present(fs.stat(dir)).at("look at", dir)?.is_some() || parent(dir) == dir {
        return Ok(());
    }
    make_dirs(fs, parent(dir))?;
    match fs.make_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => Ok(made.at("make directory", dir)?),
    }
}

/// Makes the names of the directories above a journal durable: whoever made them may have been killed before they were.
pub fn sync_above(fs: &dyn Fs, dir: &Path) -> Result<(), JournalError> {
    let mut dir = dir;
    while parent(dir) != dir {
        dir = parent(dir);
        match fs.sync_dir(dir) {
            // What we may not read, we have not made.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.at("sync", dir)?,
        }
    }
    Ok(())
}

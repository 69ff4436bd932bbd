//! Small files that are replaced as a whole or not at all: state, caches, control marks. Not for messages.

use super::fs::{Access, At, Fs, FsError, parent, read_full_at};
use super::lock::present;
use std::io;
use std::path::{Path, PathBuf};

/// Puts `bytes` at `path`, durably: a reader, also one after a crash, finds the old content or the new.
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let draft = draft_name(path).at("name a draft of", path)?;
    let result = write_draft(fs, &draft, bytes).and_then(|()| fs.rename(&draft, path).at("name", path));
    if result.is_err() {
        let _ = fs.unlink(&draft);
    }
    result?;
    fs.sync_dir(parent(path)).at("sync", parent(path))
}

/// The content of a file that is at most `limit` bytes long; none if there is no such file.
pub fn read(fs: &dyn Fs, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FsError> {
    let Some(file) = present(fs.open(path, Access::Read)).at("open", path)? else { return Ok(None) };
    let size = file.stat().at("read", path)?.size;
    if size > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge)).at("read", path);
    }
    let mut content = vec![0; size as usize];
    match read_full_at(file.as_ref(), &mut content, 0).at("read", path)? {
        true => Ok(Some(content)),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)).at("read", path),
    }
}

fn write_draft(fs: &dyn Fs, draft: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let file = fs.create_new(draft).at("create", draft)?;
    file.write_at(bytes, 0).at("write", draft)?;
    file.sync_all().at("sync", draft)
}

/// Beside `path`, with a dot first, so that no reader of the directory takes it.
fn draft_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{:016x}", getrandom::u64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::real::Real;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(read(&Real, &path, 99).unwrap(), None);
        replace(&Real, &path, b"one").unwrap();
        replace(&Real, &path, b"two").unwrap();
        assert_eq!(read(&Real, &path, 99).unwrap().unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(read(&Real, &path, 2).is_err(), "longer than the limit");
        let missing = dir.path().join("no/state");
        let error = replace(&Real, &missing, b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot create ") && error.ends_with(": No such file or directory"), "{error}");
    }
}

//! Files that options name, through symbolic links: what writes them follows none.

use crate::cli::exit::{Failure, OrStatus, Status};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As many as the system follows.
const MOST: usize = 40;

/// The file that `path` leads to, absolute. A symbolic link is followed where nobody else can have put it there: it and what it leads to have to
/// be ours or root's (73 if not). What it leads to may be missing.
pub fn file(path: &Path) -> Result<PathBuf, Failure> {
    let mut at = std::path::absolute(path).or_status(Status::Usage)?;
    let ours = [0, nix::unistd::geteuid().as_raw()];
    for followed in 0..MOST {
        let found = match std::fs::symlink_metadata(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(at),
            found => found.map_err(|error| cannot(format_args!("cannot look at {}: {error}", at.display())))?,
        };
        let is_link = found.is_symlink();
        if (is_link || followed > 0) && !ours.contains(&found.uid()) {
            let text = format_args!("{} is not followed: {} belongs to user {}", path.display(), at.display(), found.uid());
            return Err(cannot(text));
        }
        if !is_link {
            return Ok(at);
        }
        let to = std::fs::read_link(&at).map_err(|error| cannot(format_args!("cannot read {}: {error}", at.display())))?;
        at = at.parent().unwrap_or(Path::new("/")).join(to);
    }
    Err(cannot(format_args!("{} leads through more than {MOST} symbolic links", path.display())))
}

fn cannot(text: impl std::fmt::Display) -> Failure {
    Failure::text(Status::CannotCreate, text)
}

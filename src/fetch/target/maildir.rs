//! Into a Maildir, many messages at a time.

use crate::disk::batch::{Batch, Place, sweep};
use crate::disk::fs::{Fs, FsError, can_make, parent};
use crate::disk::journal::Journal;
use crate::disk::lock::present;
use crate::fetch::target::{Announcement, Facts, Fault, Taken, Target};
use crate::fetch::words::{Stop, Why};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most messages, and octets, that wait: what a kill makes the next run fetch again.
const MOST: usize = 1024;
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

/// A Maildir.
pub struct IntoMaildir {
    dir: PathBuf,
    batch: Batch,
}

impl IntoMaildir {
    /// `dir` has to be there, with `cur`, `new` and `tmp` in it. What an earlier run of this journal left in `tmp` goes: all that was
    /// announced there is settled since the journal was opened. That files can be made in `tmp` and `new` is found out now.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, host: &str, journal: &Journal) -> Result<IntoMaildir, Stop> {
        let target = IntoMaildir::without_journal(Arc::clone(&fs), dir, host, journal.tag())?;
        for part in ["tmp", "new"] {
            can_make(fs.as_ref(), &dir.join(part)).map_err(failed)?;
        }
        sweep(fs.as_ref(), dir, journal.tag()).map_err(failed)?;
        Ok(target)
    }

    /// The same where nobody notes down what came: a crash may leave files with `tag` in their names in `tmp`.
    pub fn without_journal(fs: Arc<dyn Fs>, dir: &Path, host: &str, tag: &str) -> Result<IntoMaildir, Stop> {
        for part in ["cur", "new", "tmp"] {
            let path = dir.join(part);
            match present(fs.stat(&path)) {
                Ok(Some(stat)) if stat.kind == crate::disk::fs::Kind::Directory => {}
                Ok(Some(_)) => return Err(cannot(&format!("{} is no directory", path.display()))),
                Ok(None) if present(fs.stat(parent(&path))).is_ok_and(|found| found.is_some()) => {
                    return Err(cannot(&format!("{} is no Maildir: it has no {part}/", dir.display())));
                }
                Ok(None) => return Err(cannot(&format!("there is no Maildir {}", dir.display()))),
                Err(error) => return Err(cannot(&format!("cannot look at {}: {error}", path.display()))),
            }
        }
        Ok(IntoMaildir { dir: dir.to_owned(), batch: Batch::new(fs, dir, host, tag) })
    }
}

impl Target for IntoMaildir {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        self.batch.begin(facts.at).map_err(failed)?;
        if let Some(labels) = facts.labels {
            self.batch.label(labels.info(), labels.received);
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.batch.push(bytes).map_err(|error| {
            self.batch.abort();
            failed(error).into()
        })
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        match self.batch.end() {
            Ok(()) => Ok(Taken::Pending),
            Err(error) => {
                self.batch.abort();
                Err(failed(error).into())
            }
        }
    }

    fn abort(&mut self) {
        self.batch.abort();
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= MOST || self.batch.size() >= MOST_OCTETS
    }

    fn prepare(&mut self) -> Result<Announcement, Stop> {
        match self.batch.sync() {
            Ok(place) => {
                let places = self.batch.names().map(str::to_owned).collect();
                Ok(Announcement { target: text(&self.dir, place), places })
            }
            Err(error) => {
                self.batch.discard();
                Err(failed(error))
            }
        }
    }

    fn publish(&mut self) -> Result<String, Stop> {
        self.batch.publish().map_err(failed)?;
        Ok(format!("stored in {}", self.dir.display()))
    }

    fn leave(&mut self) {
        self.batch.leave();
    }
}

/// The line of an announcement: `maildir DEVICE INODE DIR`.
fn text(dir: &Path, place: Place) -> String {
    let dir = crate::fetch::name::encode(dir.as_os_str().as_encoded_bytes());
    format!("maildir {} {} {dir}", place.device, place.inode)
}

fn cannot(text: &str) -> Stop {
    Stop::new(Why::CannotCreate, text)
}

fn failed(error: FsError) -> Stop {
    let why = if ["create", "create a file in"].contains(&error.doing) && !error.is_full() { Why::CannotCreate } else { Why::Io };
    Stop::new(why, error)
}

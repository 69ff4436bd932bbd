//! Where a message stands, by its id; and the other names of a file that has more than one. Nothing here reads a message.

use super::format::Parent;
use super::layout::{
    CORRUPT, DUE, Entry, FAILED, HOLD, NEW, Place, Spool, SpoolError, is_draft_of, parse_due_name, parse_seconds,
};
use crate::disk::fs::{At, FsError, Stat, parent};
use crate::disk::lock::present;
use crate::mail::queue_id::QueueId;
use std::path::{Path, PathBuf};

impl Spool {
    /// Where a message stands now, in whatever state.
    pub fn find(&self, id: &QueueId) -> Result<Option<Entry>, SpoolError> {
        self.places_of(id).next().transpose()
    }

    /// Every place where a message of that id stands: one, but for what a crash or a person made.
    pub(super) fn places_of(&self, id: &QueueId) -> impl Iterator<Item = Result<Entry, SpoolError>> {
        let flat = [Place::New, Place::Hold, Place::Failed].into_iter().filter_map(|place| {
            let entry = Entry { place, id: id.clone() };
            let path = self.path(&entry);
            let found = present(self.fs.stat(&path)).at("look at", &path);
            found.map(|found| found.map(|_| entry)).transpose().map(|found| found.map_err(SpoolError::from))
        });
        flat.chain(std::iter::once_with(|| self.due_places_of(id)).flatten())
    }

    fn due_places_of(&self, id: &QueueId) -> Vec<Result<Entry, SpoolError>> {
        let read = || -> Result<Vec<Entry>, SpoolError> {
            let mut found = Vec::new();
            for slice in self.slices()? {
                let dir = self.slice_dir(slice);
                let Some(names) = present(self.fs.names(&dir)).at("read", &dir)? else { continue };
                for name in names {
                    let name = name.at("read", &dir)?;
                    let known = name.to_str().and_then(parse_due_name).filter(|(_, found)| found == id);
                    found.extend(known.map(|(due, id)| Entry { place: Place::Due(due), id }));
                }
            }
            Ok(found)
        };
        match read() {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    /// The slices that stand in `due/`, in order.
    pub(super) fn slices(&self) -> Result<Vec<i64>, FsError> {
        let dir = self.dir(DUE);
        let mut slices = Vec::new();
        for name in self.fs.names(&dir).at("read", &dir)? {
            slices.extend(name.at("read", &dir)?.to_str().and_then(parse_seconds));
        }
        slices.sort_unstable();
        Ok(slices)
    }

    /// The names under which an edit wrote the message anew.
    fn drafts_of(&self, id: &QueueId) -> Result<Vec<PathBuf>, SpoolError> {
        let mut found = Vec::new();
        for dir in self.places()? {
            let Some(names) = present(self.fs.names(&dir)).at("read", &dir)? else { continue };
            for name in names {
                let name = name.at("read", &dir)?;
                found.extend(is_draft_of(&name, id).then(|| dir.join(&name)));
            }
        }
        Ok(found)
    }

    /// Every directory in which a message may stand.
    pub(super) fn places(&self) -> Result<Vec<PathBuf>, SpoolError> {
        let slices = self.slices()?.into_iter().map(|slice| self.slice_dir(slice));
        Ok([NEW, HOLD, FAILED].map(|name| self.dir(name)).into_iter().chain(slices).collect())
    }

    /// The other names of the file at `path`, if all of them are ours: what a crash in the midst of a move left. None if somebody
    /// else has a name for it. `id` and `child_of` are those of the message, whose lock the caller holds.
    pub(super) fn other_names(
        &self,
        path: &Path,
        file: &Stat,
        id: &QueueId,
        child_of: Option<&Parent>,
    ) -> Result<Option<Vec<PathBuf>>, SpoolError> {
        let staged = child_of.and_then(|of| Some(self.staged_path(&of.id, *of.covers.first()?)));
        let mut candidates: Vec<PathBuf> = staged.into_iter().collect();
        for entry in self.places_of(id) {
            candidates.push(self.path(&entry?));
        }
        candidates.extend(self.drafts_of(id)?);
        let corrupt = self.dir(CORRUPT);
        let own = path.file_name().unwrap_or_default().to_string_lossy();
        for name in self.fs.names(&corrupt).at("read", &corrupt)? {
            let name = name.at("read", &corrupt)?;
            let text = name.to_string_lossy();
            if text.contains(id.as_str()) || text.starts_with(own.as_ref()) {
                candidates.push(corrupt.join(&name));
            }
        }
        let mut others = Vec::new();
        for other in candidates.into_iter().filter(|other| other != path) {
            if present(self.fs.stat(&other)).at("look at", &other)?.is_some_and(|found| found.is_same_file(file)) {
                others.push(other);
            }
        }
        Ok((others.len() as u64 + 1 == file.links).then_some(others))
    }

    /// Ends a move that was cut short: removes the names of a file but for the one at `kept`, durably, so that none can come back
    /// once the message is delivered. A process that was killed may have left the kept name unsynced.
    pub(super) fn drop_names(&self, kept: &Path, names: &[PathBuf]) -> Result<(), SpoolError> {
        self.sync_names(parent(kept))?;
        for name in names {
            present(self.fs.unlink(name)).at("remove", name)?;
            self.fs.sync_dir(parent(name)).at("sync", parent(name))?;
        }
        Ok(())
    }
}

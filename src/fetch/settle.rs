//! What an earlier run left unfinished, settled before anything is fetched.

use crate::disk::batch::{self, Fate, Place};
use crate::disk::fs::Fs;
use crate::disk::journal::place::JournalError;
use crate::disk::journal::record::{Entry, State};
use crate::disk::journal::{Batch, Journal};
use crate::disk::mbox_append::{self, Mbox, MboxError, Patience};
use crate::fetch::name;
use crate::fetch::target::mbox;
use crate::fetch::words::{Stop, Why};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files in a Maildir's `tmp` that are older may have been removed by anybody, in seconds.
const TIDIED_AFTER: i64 = 36 * 3600;

/// Opens the journal at `path`, locks it, and settles what was announced in it and never seen to end. `owner`: as [`name::owner`] has it;
/// the journal of another is refused. `over`: asked while locks of others are waited for, whether to break that off. Gives lines for stderr.
pub fn open(
    fs: Arc<dyn Fs>,
    path: &Path,
    owner: &str,
    now: i64,
    over: &dyn Fn() -> bool,
) -> Result<(Journal, Vec<String>), Stop> {
    let (mut journal, mut told) = Journal::open(fs.clone(), path).map_err(stop)?;
    journal.claim(owner).map_err(stop)?;
    let unsettled = journal.unsettled();
    if !unsettled.is_empty() {
        // The run before may have ended with a sync that failed: what it announced can be read, and no later sync brings it to the disk. A
        // message that gets its name on its word would come again after a power cut.
        journal.rewrite().map_err(stop)?;
    }
    for batch in &unsettled {
        let waiting: Vec<Entry> = batch
            .ids
            .iter()
            .filter_map(|id| journal.entry(*id))
            .filter(|entry| entry.state == State::Waiting(batch.id))
            .cloned()
            .collect();
        let fates = fates(&fs, batch, &waiting, (now, over))?;
        // Those that never stood there are nothing to worry about.
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        if lost > 0 {
            told.push(format!(
                "{lost} of {} messages that an earlier run was at are not to be found, and fetched again",
                waiting.len()
            ));
        }
        for (entry, _) in waiting.iter().zip(&fates).filter(|(_, fate)| **fate != Fate::Delivered) {
            journal.drop_entry(entry.id);
        }
        journal.done(batch.id);
    }
    journal.sync().map_err(stop)?;
    Ok((journal, told))
}

/// The status that an error of the journal asks for.
pub fn stop(error: JournalError) -> Stop {
    let why = match &error {
        JournalError::Busy(_) => Why::Retry,
        JournalError::Foreign(_) | JournalError::NotRegular(_) => Why::CannotCreate,
        JournalError::Owned { .. } => Why::Usage,
        JournalError::Fs(error) if !error.is_full() && ["create", "make directory", "lock"].contains(&error.doing) => {
            Why::CannotCreate
        }
        JournalError::Fs(_) | JournalError::Broken(_) => Why::Io,
    };
    Stop::new(why, error)
}

fn fates(fs: &Arc<dyn Fs>, batch: &Batch, waiting: &[Entry], (now, over): (i64, &dyn Fn() -> bool)) -> Result<Vec<Fate>, Stop> {
    let names: Vec<&str> = waiting.iter().map(|entry| &*entry.place).collect();
    let unsettled = |stop: Stop| Stop { text: format!("cannot settle what an earlier run left: {}", stop.text), ..stop };
    match Where::parse(&batch.target) {
        Some(Where::Maildir(place, dir)) => {
            // A clock that was set back says nothing about the age.
            let old = now.saturating_sub(batch.at) > TIDIED_AFTER || now < batch.at;
            let fates = batch::settle(fs.as_ref(), &dir, place, &names, old);
            fates.map_err(|error| unsettled(mbox::stop(MboxError::Fs(error))))
        }
        Some(Where::Mbox(place, path, start)) => {
            let regions: Option<Vec<_>> = names.iter().map(|name| mbox::region(name)).collect();
            let Some(regions) = regions else { return Ok(vec![Fate::Lost; names.len()]) };
            let patience = Patience { within: mbox::PATIENCE, over };
            let fates = mbox_append::settle(&Mbox::new(fs.clone(), path), place, start, &regions, patience, now);
            fates.map_err(|error| unsettled(mbox::stop(error)))
        }
        None => Ok(vec![Fate::Lost; names.len()]),
    }
}

/// Where a batch was announced to go.
enum Where {
    Maildir(Place, PathBuf),
    /// And where it ended.
    Mbox(mbox_append::Place, PathBuf, u64),
}

impl Where {
    fn parse(text: &str) -> Option<Where> {
        let mut fields = text.split(' ');
        let (kind, device, inode) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let path = name::decode(fields.next()?)?;
        match kind {
            "maildir" => Some(Where::Maildir(Place { device, inode }, path)),
            "mbox" => Some(Where::Mbox(mbox_append::Place { device, inode }, path, fields.next()?.parse().ok()?)),
            _ => None,
        }
    }
}

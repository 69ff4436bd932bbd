//! Which message of the journal one on the server is: by its name, and where that says too little by what it holds.

use crate::disk::journal::Journal;
use crate::disk::journal::record::{Digest, Entry, Id, State};
use crate::fetch::item::Item;
use crate::fetch::missing;
use crate::fetch::policy::Known;
use crate::fetch::words::Uid;
use std::collections::{HashMap, HashSet};

/// What one session has met.
#[derive(Default)]
pub struct Recall {
    met: HashSet<Id>,
    /// Delivered messages that this session has not met yet, by digest.
    unmet: Option<HashMap<Digest, Vec<Id>>>,
}

impl Recall {
    /// What is known by name. A name that stands for another size now, or was not listed in between, says nothing of what it stands for:
    /// servers are restored, and after a deletion the name is free (RFC 1939 section 7).
    pub fn by_name(&mut self, journal: Option<&Journal>, uid: Option<&Uid>, size: Option<u64>) -> (Option<Id>, Known) {
        let Some(entry) = journal.zip(uid).and_then(|(journal, uid)| journal.find(uid.as_str())) else {
            return (None, Known::New);
        };
        let doubtful = entry.missing.is_some() || size.is_some_and(|size| size != entry.size);
        let (id, known) = match entry.state {
            // Settled when the journal was opened.
            State::Waiting(_) => (None, Known::New),
            // Who has it would be left out of another.
            State::Partly if doubtful => (None, Known::New),
            // Tried again, for those who do not have it.
            State::Partly => (Some(entry.id), Known::New),
            State::Delivered | State::Killed if doubtful => (Some(entry.id), Known::New),
            State::Delivered => (Some(entry.id), Known::Delivered(entry.first)),
            State::Killed => (Some(entry.id), Known::Killed),
        };
        self.met.extend(id);
        (id, known)
    }

    /// A message that was delivered in an earlier session, by its content. A name that is new for it is noted down. Of those that are alike
    /// as many as were delivered are known.
    pub fn by_digest(&mut self, journal: &mut Journal, item: &Item, digest: &Digest) -> Option<Id> {
        let same = |id: &Id| journal.entry(*id).is_some_and(|entry| entry.state == State::Delivered && entry.digest == *digest);
        let id = match item.id.filter(same) {
            Some(id) => id,
            None => self.take_unmet(journal, item.uid.as_ref(), digest)?,
        };
        let id = named(journal, id, item);
        journal.set_missing(id, None);
        self.met.insert(id);
        Some(id)
    }

    /// With a name only one that had none, or the same: what has another is another message.
    fn take_unmet(&mut self, journal: &Journal, uid: Option<&Uid>, digest: &Digest) -> Option<Id> {
        let unmet = self.unmet.get_or_insert_with(|| {
            let mut by_digest: HashMap<Digest, Vec<Id>> = HashMap::new();
            let unmet = |entry: &&Entry| entry.state == State::Delivered && !self.met.contains(&entry.id);
            for entry in journal.entries().filter(unmet) {
                by_digest.entry(entry.digest).or_default().push(entry.id);
            }
            by_digest
        });
        let ids = unmet.get_mut(digest)?;
        let may_be = |id: &Id| {
            let name = journal.entry(*id).map(|entry| entry.uid.as_deref());
            // Not one of this session's own.
            !self.met.contains(id) && name.is_some_and(|name| uid.is_none() || name.is_none() || name == uid.map(Uid::as_str))
        };
        let at = ids.iter().position(may_be)?;
        Some(ids.swap_remove(at))
    }

    /// This session has put it there.
    pub fn meet(&mut self, id: Id) {
        self.met.insert(id);
    }

    /// See [`missing::note`].
    pub fn note(&self, journal: &mut Journal, nameless: bool, now: i64) {
        missing::note(journal, &self.met, nameless, now);
    }
}

/// When a message that is handed over was first seen: it keeps its days where it is handed over again.
pub fn first(journal: &Journal, before: Option<Id>, digest: &Digest, now: i64) -> i64 {
    let entry = before.and_then(|id| journal.entry(id)).filter(|entry| entry.digest == *digest);
    entry.map_or(now, |entry| entry.first)
}

/// The entry under the message's name of now.
fn named(journal: &mut Journal, id: Id, item: &Item) -> Id {
    let Some((uid, entry)) = item.uid.as_ref().zip(journal.entry(id).cloned()) else { return id };
    if journal.find(uid.as_str()).is_some_and(|found| found.id == id) {
        return id;
    }
    let size = item.size.unwrap_or(entry.size);
    let named = journal.add(Some(uid.as_str()), size, entry.digest, entry.first, State::Delivered, "");
    journal.drop_entry(id);
    named
}

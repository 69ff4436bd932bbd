//! What a journal makes of messages that the server does not list any more.

use crate::disk::journal::Journal;
use crate::disk::journal::record::{Id, State};
use std::collections::HashSet;

/// What the server has not listed for so long is forgotten, in seconds. Not at once: a server may list nothing for a day.
const FORGOTTEN_AFTER: i64 = 30 * 24 * 3600;

/// Notes which messages the journal knows and the server does not list, and forgets those that are long gone. `met`: those that it lists;
/// `nameless`: it lists some without a name, and then one without a name counts as listed. A name that is listed again stays marked: it may
/// stand for another message now, until that was looked at.
pub fn note(journal: &mut Journal, met: &HashSet<Id>, nameless: bool, now: i64) {
    let changed = journal.entries().filter_map(|entry| {
        let listed = met.contains(&entry.id) || (nameless && entry.uid.is_none());
        (!listed || entry.missing.is_some()).then_some((entry.id, listed, listed && entry.uid.is_some(), entry.missing))
    });
    let changed: Vec<(Id, bool, bool, Option<i64>)> = changed.collect();
    for (id, listed, named, missing) in changed {
        match missing {
            Some(_) if named => {}
            _ if listed => journal.set_missing(id, None),
            // A clock that was ahead then would keep it for ever.
            Some(since) if since <= now && now - since > FORGOTTEN_AFTER => journal.drop_entry(id),
            Some(since) if since <= now => {}
            _ => journal.set_missing(id, Some(now)),
        }
    }
}

/// The server may be about to delete these, and then their names are free (RFC 1939 section 7).
pub fn doubt(journal: &mut Journal, ids: impl Iterator<Item = Id>, now: i64) {
    for id in ids {
        if journal.entry(id).is_some_and(|entry| entry.uid.is_some()) {
            journal.set_missing(id, Some(now));
        }
    }
}

/// The server says that it deleted these. Some list them again all the same: a name that was delivered under is kept for as long as one that
/// is not listed.
pub fn deleted(journal: &mut Journal, ids: impl Iterator<Item = Id>, now: i64) {
    for id in ids {
        match journal.entry(id) {
            Some(entry) if entry.state == State::Delivered && entry.uid.is_some() => journal.set_missing(id, Some(now)),
            _ => journal.drop_entry(id),
        }
    }
}

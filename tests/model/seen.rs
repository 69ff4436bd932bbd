//! What the world outside saw, and what it may therefore expect: the four invariants of spool(5) in terms of senders and recipients.

use crate::tree::{Ino, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// Something that the world outside saw, or that somebody was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The sender heard 250.
    Acknowledged {
        marker: String,
    },
    /// A runner looks for its next transaction; what is confirmed by now counts.
    Looking {
        process: usize,
    },
    /// A transaction began: the next host sees it.
    Begun {
        process: usize,
        id: String,
        marker: String,
        recipients: Vec<String>,
    },
    /// The next host took it for a recipient.
    Taken {
        id: String,
        recipient: String,
        what: What,
    },
    /// The runner says that it has put down what came of the transaction.
    Settled {
        id: String,
    },
    /// It failed to: the disk gave an error meanwhile.
    Unsettled {
        id: String,
    },
    /// A runner was killed.
    Killed {
        process: usize,
    },
    /// A pass ended without trouble.
    PassEnded {
        process: usize,
    },
    /// The clock was turned.
    Clock(i64),
    /// An order by hand was confirmed, or taken back.
    Held {
        marker: String,
    },
    Releasing {
        marker: String,
    },
    Deleting {
        marker: String,
    },
    Deleted {
        marker: String,
    },
    Returning {
        marker: String,
    },
    /// It was put back among those to be tried.
    Released {
        marker: String,
    },
    /// The sender heard that it was not accepted.
    Refused {
        marker: String,
    },
    /// A recipient was replaced.
    Edited {
        marker: String,
    },
}

/// What a message is to whoever gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Copy {
        marker: String,
    },
    /// A report about these recipients of the message.
    Report {
        marker: String,
        about: Vec<String>,
    },
    /// A word that it is late.
    Notice {
        marker: String,
    },
    /// Not what was accepted.
    Garbled,
}

/// A message that was sent, and to whom.
#[derive(Debug, Clone)]
pub struct Sent {
    pub marker: String,
    pub sender: String,
    pub recipients: Vec<String>,
    /// A recipient who may be replaced by another.
    pub edit: Option<(String, String)>,
    /// What is asked of reports on each recipient.
    pub notify: Option<&'static str>,
}

/// All that was seen so far, over any number of crashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    pub now: i64,
    acknowledged: BTreeSet<String>,
    /// Transactions that are under way, by queue id, and the processes that make them.
    open: BTreeMap<String, (usize, Vec<String>)>,
    /// The last transactions of messages whose removal may not be durable.
    last: BTreeMap<String, (usize, Vec<String>)>,
    /// How often a next host took it, by queue id and recipient.
    taken: BTreeMap<(String, String), u32>,
    /// How often crashes allowed it to be repeated.
    allowed: BTreeMap<(String, String), u32>,
    /// Queue ids under which a recipient got a copy, by marker and recipient.
    copies: BTreeMap<(String, String), BTreeSet<String>>,
    /// Queue ids of the reports about a recipient.
    reports: BTreeMap<(String, String), BTreeSet<String>>,
    notices: BTreeMap<(String, String), BTreeSet<String>>,
    /// What a runner has to know of when it looks for its next transaction.
    looked: BTreeMap<usize, BTreeSet<String>>,
    held: BTreeSet<String>,
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
    returned: BTreeSet<String>,
    released: BTreeSet<String>,
    refused: BTreeSet<String>,
    edited: BTreeSet<String>,
    pub wrong: Vec<String>,
}

impl Seen {
    pub fn at(now: i64) -> Seen {
        Seen { now, ..Seen::default() }
    }

    pub fn see(&mut self, note: &Note) {
        match note.clone() {
            Note::Acknowledged { marker } => drop(self.acknowledged.insert(marker)),
            Note::Begun { process, id, marker, recipients } => {
                if self.looked.get(&process).is_some_and(|forbidden| forbidden.contains(&marker)) {
                    self.wrong.push(format!("a transaction for {marker} began after it was held, deleted or refused"));
                }
                self.last.insert(id.clone(), (process, recipients.clone()));
                self.open.insert(id, (process, recipients));
            }
            Note::Taken { id, recipient, what } => {
                *self.taken.entry((id.clone(), recipient.clone())).or_default() += 1;
                match what {
                    What::Copy { marker } => drop(self.copies.entry((marker, recipient)).or_default().insert(id)),
                    What::Garbled => self.wrong.push(format!("{recipient} got something that nobody sent")),
                    What::Notice { marker } => drop(self.notices.entry((marker, recipient)).or_default().insert(id)),
                    What::Report { marker, about } => {
                        for recipient in about {
                            self.reports.entry((marker.clone(), recipient)).or_default().insert(id.clone());
                        }
                    }
                }
            }
            Note::Settled { id } => drop(self.open.remove(&id)),
            Note::Unsettled { id } => {
                if let Some((_, recipients)) = self.open.remove(&id) {
                    self.allow(&id, recipients);
                }
            }
            Note::Looking { process } => {
                let forbidden = [&self.held, &self.deleted, &self.refused].into_iter().flatten().cloned().collect();
                self.looked.insert(process, forbidden);
            }
            Note::Killed { process } => {
                for (id, (_, recipients)) in self.open.extract_if(.., |_, (by, _)| *by == process).collect::<Vec<_>>() {
                    self.allow(&id, recipients);
                }
            }
            Note::PassEnded { process } => {
                self.last.retain(|id, (by, _)| *by != process || self.open.contains_key(id));
            }
            Note::Clock(now) => self.now = now,
            Note::Held { marker } => {
                self.released.remove(&marker);
                self.held.insert(marker);
            }
            Note::Released { marker } => drop(self.released.insert(marker)),
            Note::Refused { marker } => {
                if self.copies.keys().any(|(copied, _)| *copied == marker) {
                    self.wrong.push(format!("{marker} was delivered, and its sender told that it was not accepted"));
                }
                self.refused.insert(marker);
            }
            Note::Releasing { marker } => drop(self.held.remove(&marker)),
            Note::Deleting { marker } => drop(self.deleting.insert(marker)),
            Note::Deleted { marker } => drop(self.deleted.insert(marker)),
            Note::Returning { marker } => drop(self.returned.insert(marker)),
            Note::Edited { marker } => drop(self.edited.insert(marker)),
        }
    }

    /// A crash that left `tree` of what was `live`. What was in flight may be repeated, and what was removed when that was lost.
    pub fn crash(&mut self, tree: &Tree, live: &Tree) {
        let (there, before) = (waiting(tree), waiting(live));
        self.looked.clear();
        let open = std::mem::take(&mut self.open);
        let last = std::mem::take(&mut self.last);
        let came_back = |id: &String| !open.contains_key(id) && there.contains(id) && !before.contains(id);
        let removed: Vec<_> = last.into_iter().filter(|(id, _)| came_back(id)).collect();
        for (id, (_, recipients)) in open.into_iter().chain(removed) {
            self.allow(&id, recipients);
        }
    }

    /// Somebody was told of a delay.
    pub fn has_notice(&self) -> bool {
        !self.notices.is_empty()
    }

    /// It was confirmed that the message is held no more.
    pub fn was_released(&self, marker: &str) -> bool {
        self.released.contains(marker)
    }

    /// One more repeat for each.
    fn allow(&mut self, id: &str, recipients: Vec<String>) {
        for recipient in recipients {
            *self.allowed.entry((id.to_owned(), recipient)).or_default() += 1;
        }
    }

    /// What is wrong with how things came out in the end, `tree` being what the spool and the Maildirs hold then.
    pub fn verdict(&self, sent: &[Sent], tree: &Tree) -> Vec<String> {
        let mut wrong = self.wrong.clone();
        for ((id, recipient), &times) in &self.taken {
            let allowed = 1 + self.allowed.get(&(id.clone(), recipient.clone())).copied().unwrap_or(0);
            if times > allowed {
                wrong.push(format!("{recipient} got {id} {times} times, {allowed} at most were in flight"));
            }
        }
        for (what, map) in [("copies", &self.copies), ("reports", &self.reports), ("notices", &self.notices)] {
            for ((marker, recipient), ids) in map {
                if ids.len() > 1 {
                    wrong.push(format!("{} different {what} of {marker} for {recipient}: {ids:?}", ids.len()));
                }
            }
        }
        for message in sent {
            self.fate(message, tree, &mut wrong);
        }
        wrong
    }

    /// Every recipient of a message that was acknowledged has its copy, or its sender a report; none has half a copy.
    fn fate(&self, message: &Sent, tree: &Tree, wrong: &mut Vec<String>) {
        let marker = &message.marker;
        for recipient in message.recipients.iter().filter(|recipient| is_local(recipient)) {
            let copies = local_copies(tree, recipient, marker);
            if copies.len() > 1 {
                wrong.push(format!("{} copies of {marker} in the Maildir of {recipient}", copies.len()));
            }
            wrong.extend(copies.iter().filter(|copy| !is_whole(copy)).map(|_| format!("half of {marker} for {recipient}")));
        }
        let excused = self.deleting.contains(marker) || self.deleted.contains(marker);
        if !self.acknowledged.contains(marker) || excused {
            return;
        }
        for recipient in &message.recipients {
            let key = |to: &str| (marker.clone(), to.to_owned());
            let arrived = match recipient.as_str() {
                dropped if dropped.ends_with("@nowhere.test") => true,
                local if is_local(local) => !local_copies(tree, local, marker).is_empty(),
                refused if refused.starts_with("refused") && message.sender.is_empty() => {
                    tree.files().iter().any(|(path, _)| path.starts_with("/spool/failed/"))
                }
                refused if refused.starts_with("refused") && message.notify == Some("never") => {
                    !self.reports.contains_key(&key(refused)) && nothing_left(tree)
                }
                refused if refused.starts_with("refused") => self.reports.contains_key(&key(refused)),
                "list@crepes.test" => LIST.iter().all(|to| self.copies.contains_key(&key(to))),
                other => match message.edit.as_ref().filter(|(old, _)| old == other) {
                    Some((_, new)) if self.edited.contains(marker) => self.copies.contains_key(&key(new)),
                    Some((old, new)) => self.copies.contains_key(&key(old)) || self.copies.contains_key(&key(new)),
                    None => self.copies.contains_key(&key(other)),
                },
            };
            let heard = message.notify != Some("success,failure") || self.reports.contains_key(&key(recipient));
            if arrived && !heard {
                wrong.push(format!("{marker} arrived for {recipient}, and its sender was not told"));
            }
            let told = self.returned.contains(marker) && self.reports.contains_key(&key(recipient));
            if !arrived && !told {
                wrong.push(format!("{marker} was acknowledged, and is lost for {recipient}"));
            }
        }
    }
}

/// Whom the alias `list` stands for.
pub const LIST: [&str; 2] = ["erin@hamburger.test", "frank@hamburger.test"];

/// Ends every body, so that a copy that is cut short shows.
pub const END: &str = "-- the end --";

/// What every message with that marker says.
pub fn body(marker: &str) -> String {
    format!("Subject: {marker}\r\n\r\nDo you like ketchup?\r\n{END}\r\n")
}

pub fn is_local(recipient: &str) -> bool {
    recipient.starts_with("dora")
}

/// No message is in the spool.
fn nothing_left(tree: &Tree) -> bool {
    let dirs = ["new", "due", "staged", "hold", "failed"].map(|dir| format!("/spool/{dir}/"));
    !tree.files().iter().any(|(path, _)| dirs.iter().any(|dir| path.starts_with(dir)))
}

fn is_whole(copy: &[u8]) -> bool {
    String::from_utf8_lossy(copy).ends_with(&format!("{END}\n"))
}

fn local_copies<'a>(tree: &'a Tree, recipient: &str, marker: &str) -> Vec<&'a Vec<u8>> {
    let user = recipient.split('@').next().unwrap_or_default();
    let dir = format!("/mail/crepes.test/{user}/new/");
    let mut found = Vec::new();
    for (path, ino) in tree.files() {
        let Some(content) = tree.file(ino).filter(|_| path.starts_with(&dir)) else { continue };
        // What is too damaged to show its marker counts, too: nothing else is delivered there.
        let text = String::from_utf8_lossy(content);
        if text.contains(&format!("Subject: {marker}\n")) || !text.contains("Subject: ") {
            found.push(content);
        }
    }
    found
}

/// The queue ids of the messages that wait in the spool.
fn waiting(tree: &Tree) -> BTreeSet<String> {
    let id = |(path, ino): (String, Ino)| {
        let name = path.rsplit('/').next().filter(|name| !name.starts_with('.'))?;
        if path.starts_with("/spool/staged/") {
            return header_id(tree.file(ino)?);
        }
        let id = name.split_once('.').map_or(name, |(_, id)| id);
        ["/spool/new/", "/spool/due/", "/spool/hold/"].iter().any(|dir| path.starts_with(dir)).then(|| id.to_owned())
    };
    tree.files().into_iter().filter_map(id).collect()
}

fn header_id(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let (_, rest) = text.split_once("\"id\":\"")?;
    rest.split('"').next().map(str::to_owned)
}

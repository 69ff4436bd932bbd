//! What a trace is played on: a disk with a spool, processes that work on it, and the notes of what the world was promised.

use crate::disk::{Disk, Fault, Process, path};
use crate::seen::{Note, Seen, Sent, body};
use crate::tree::Tree;
use crate::world::{BEGIN, During, World};
use postroad::disk::spool::accept::Committed;
use postroad::disk::spool::control::Order;
use postroad::disk::spool::format::Arrival;
use postroad::disk::spool::layout::{Spool, SpoolError};
use postroad::disk::spool::message::Message;
use postroad::disk::spool::queue::Claim;
use postroad::mail::envelope::Envelope;
use postroad::mail::queue_id::QueueId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What files a file system of a kind can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Files without a name, and renames from one directory to another that are one step.
    pub modern: bool,
}

pub struct Stage {
    pub disk: Arc<Disk>,
    /// Who works here; the fault is its own.
    pub process: Process,
    pub seen: Seen,
    pub sent: Vec<Sent>,
    pub chance: AtomicU64,
    fault: Fault,
    ids: Vec<(String, QueueId)>,
    /// What failed. Without a fault nothing may.
    troubles: Mutex<Vec<String>>,
}

impl Stage {
    /// A disk with nothing but `/mail`, all of it synced.
    pub fn bare(kind: Kind, fault: Fault) -> Stage {
        let disk = disk(Tree::new(), BEGIN, kind);
        let maker = disk.process(0, Fault::None);
        maker.fs().make_dir(&path("/mail")).unwrap();
        let process = disk.process(1, fault);
        let mut stage = Stage {
            disk,
            process,
            seen: Seen::at(BEGIN),
            sent: Vec::new(),
            chance: AtomicU64::new(1),
            fault,
            ids: Vec::new(),
            troubles: Mutex::default(),
        };
        stage.premise();
        stage
    }

    /// With an empty spool.
    pub fn new(kind: Kind, fault: Fault) -> Stage {
        let mut stage = Stage::bare(kind, fault);
        Spool::create_on(stage.disk.process(0, Fault::None).fs(), &path("/spool")).unwrap();
        stage.premise();
        stage
    }

    /// All that happened so far is long ago: it is synced, and no crash comes before here. Faults count from here.
    pub fn premise(&mut self) {
        let mut state = self.disk.lock();
        for effect in std::mem::take(&mut state.log) {
            if let crate::disk::Effect::Note(note) = effect {
                self.seen.see(&note);
            }
        }
        state.base = state.tree.clone();
        drop(state);
        self.process = self.disk.process(1, self.fault);
    }

    /// Somebody without faults.
    pub fn another(&self, number: usize) -> Process {
        self.disk.process(number, Fault::None)
    }

    pub fn world<'a>(&'a self, process: &Process, during: Option<During<'a>>) -> World<'a> {
        World { disk: self.disk.clone(), process: process.clone(), chance: &self.chance, defers: true, during }
    }

    /// The spool as our process sees it.
    pub fn spool(&self) -> Option<Spool> {
        self.tell(Spool::open_on(self.process.fs(), &path("/spool")))
    }

    /// Keeps an error for the end.
    pub fn tell<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.troubles.lock().unwrap().push(error.to_string());
                None
            }
        }
    }

    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap().clone()
    }

    /// Names a message that is to be sent.
    pub fn send(&mut self, marker: &str, sender: &str, recipients: &[&str]) -> Sent {
        let recipients = recipients.iter().map(ToString::to_string).collect();
        let sent = Sent { marker: marker.to_owned(), sender: sender.to_owned(), recipients, edit: None, notify: None };
        let id = QueueId::new(BEGIN as u64 * 1000, self.chance.fetch_add(1, Ordering::Relaxed));
        self.ids.push((marker.to_owned(), id));
        self.sent.push(sent.clone());
        sent
    }

    pub fn id(&self, marker: &str) -> QueueId {
        self.ids.iter().find(|(named, _)| named == marker).unwrap().1.clone()
    }

    /// Sends and accepts a message, and says 250 when it is safe.
    pub fn accept(&mut self, marker: &str, sender: &str, recipients: &[&str]) {
        let sent = self.send(marker, sender, recipients);
        let Some(spool) = self.spool() else { return };
        self.receive(&spool, &sent);
    }

    /// As [`Stage::accept`], of a sender who asks for reports.
    pub fn accept_asking(&mut self, marker: &str, sender: &str, recipients: &[&str], notify: &'static str) {
        let mut sent = self.send(marker, sender, recipients);
        sent.notify = Some(notify);
        *self.sent.last_mut().unwrap() = sent.clone();
        let Some(spool) = self.spool() else { return };
        self.receive(&spool, &sent);
    }

    /// The receiving side of a session.
    pub fn receive(&self, spool: &Spool, sent: &Sent) {
        let committed = self.tell(self.commit(spool, sent));
        if committed.is_some() && !self.process.is_dead() {
            self.disk.note(Note::Acknowledged { marker: sent.marker.clone() });
        }
    }

    pub fn commit(&self, spool: &Spool, sent: &Sent) -> Result<Committed, SpoolError> {
        let recipients = sent.recipients.iter().map(|recipient| recipient.parse().unwrap());
        let mut envelope = Envelope::new(sent.sender.parse().unwrap(), recipients).unwrap();
        if let Some(notify) = sent.notify {
            envelope.ask_of_all(notify.parse().unwrap());
        }
        let arrival = Arrival { at: self.disk.now(), ..Arrival::default() };
        let mut incoming = spool.begin(self.id(&sent.marker), &envelope, &arrival)?;
        let body = body(&sent.marker);
        let (first, rest) = body.split_at(9);
        incoming.write(first.as_bytes())?;
        incoming.write(rest.as_bytes())?;
        incoming.commit()
    }

    pub fn pass(&self) {
        let world = self.world(&self.process, None);
        if let Some(spool) = self.spool() {
            self.tell(world.pass(&spool));
        }
    }

    pub fn turn(&self, seconds: i64) {
        let now = self.disk.now().as_second() + seconds;
        self.disk.turn_to(now);
        self.disk.note(Note::Clock(now));
    }

    /// As `mailq-run hold`, `delete`, `bounce` do: at once, or by an order for whoever has the message.
    pub fn order(&self, process: &Process, marker: &str, order: Order) {
        let id = self.id(marker);
        let marker = marker.to_owned();
        match order {
            Order::Delete => self.disk.note(Note::Deleting { marker: marker.clone() }),
            Order::Bounce => self.disk.note(Note::Returning { marker: marker.clone() }),
            Order::Hold => {}
        }
        let done = (|| {
            let spool = Spool::open_on(process.fs(), &path("/spool"))?;
            let Some(entry) = spool.find(&id)? else { return Ok(false) };
            match spool.claim(&entry, self.disk.now())? {
                Claim::Message(message) => obey(*message, order).map(|()| true),
                Claim::Busy => spool.order(&id, order).map(|()| true),
                _ => Ok(false),
            }
        })();
        if self.tell::<_, SpoolError>(done) == Some(true) && !process.is_dead() {
            match order {
                Order::Hold => self.disk.note(Note::Held { marker }),
                Order::Delete => self.disk.note(Note::Deleted { marker }),
                Order::Bounce => {}
            }
        }
    }

    /// As `mailq-run edit` does, of the first recipient.
    pub fn edit(&self, process: &Process, marker: &str, new: &str) {
        let Some(spool) = self.tell(Spool::open_on(process.fs(), &path("/spool"))) else { return };
        let Some(message) = self.claim(&spool, marker) else { return };
        let edited = message.readdress(0, new.parse().unwrap(), self.disk.now());
        if self.tell(edited).is_some() && !process.is_dead() {
            self.disk.note(Note::Edited { marker: marker.to_owned() });
        }
    }

    /// Claims a message that is there.
    pub fn claim(&self, spool: &Spool, marker: &str) -> Option<Message> {
        let entry = self.tell(spool.find(&self.id(marker)))??;
        match self.tell(spool.claim(&entry, self.disk.now()))? {
            Claim::Message(message) => Some(*message),
            _ => None,
        }
    }
}

fn obey(message: Message, order: Order) -> Result<(), SpoolError> {
    match order {
        Order::Hold => message.hold(),
        Order::Delete => message.delete(),
        Order::Bounce => unreachable!("no trace returns a message that nobody is at"),
    }
}

pub fn disk(tree: Tree, now: i64, kind: Kind) -> Arc<Disk> {
    let mut disk = Disk::new(tree, now);
    disk.atomic_renames = kind.modern;
    disk.has_unnamed = kind.modern;
    Arc::new(disk)
}

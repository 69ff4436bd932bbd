//! The world around a modelled spool: a router, hosts that take, defer or refuse, a clock and chances that stand still unless they
//! are turned. Runs passes of the real relay floor over the model file system.

use crate::disk::{Disk, Process};
use crate::seen::{LIST, Note, What, body};
use jiff::Timestamp;
use postroad::disk::spool::layout::Spool;
use postroad::mail::outcome::{Diagnostic, Outcome};
use postroad::mail::reply::Reply;
use postroad::relay::board::Way;
use postroad::relay::clock::{Chance, Clock};
use postroad::relay::consign::Job;
use postroad::relay::deliver::Unserved;
use postroad::relay::desk::Desk;
use postroad::relay::event::{Event, Log};
use postroad::relay::halt::Halt;
use postroad::relay::local::{Known, Local};
use postroad::relay::pass::{Carrier, Done, Limits, Pass};
use postroad::relay::retry::Schedule;
use postroad::relay::route::{Route, Router, Users};
use postroad::relay::session::{Outbox, Sent, Via, Word};
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// When every trace begins: Sun, 22 Nov 2026 10:00:00 +0000.
pub const BEGIN: i64 = 1_795_341_600;

/// A report that only says that a message is late, and has its header alone.
const DELAYED: &str = "\nAction: delayed\r\n";

/// Called in mid-transaction, with the recipient.
pub type During<'a> = &'a (dyn Fn(&str) + Sync);

pub struct World<'a> {
    pub disk: Arc<Disk>,
    pub process: Process,
    pub chance: &'a AtomicU64,
    /// Whether `later@` is still deferred.
    pub defers: bool,
    pub during: Option<During<'a>>,
}

impl World<'_> {
    /// One pass; gives the first thing that failed in it.
    pub fn pass(&self, spool: &Spool) -> Result<(), String> {
        let desk = Desk::new(spool, self, self, &Silent, Schedule::default(), "mx.crepes.test");
        let local = Local {
            fs: self.process.fs(),
            hostname: "mx.crepes.test".into(),
            helper: None,
            within: Duration::from_secs(2),
            over: Default::default(),
            known: Known::default(),
        };
        // One message and one worker at a time: what happens then has one order.
        let limits = Limits { runners: 4, workers: 1, messages: 1 };
        let pass = Pass { desk: &desk, router: router(), carrier: self, local: &local, limits, halt: &Halt::default() };
        let done = pass.run().map_err(|error| error.to_string())?;
        match desk.first_trouble() {
            Some(trouble) => Err(trouble),
            None if self.process.is_dead() => Err("dead".to_owned()),
            None => {
                // Where a move is two steps, the second may be a killed process's, which nobody syncs: that is one of the removals that
                // a power cut may undo.
                let undone = !self.disk.atomic_renames && self.disk.lock().has_killed();
                if matches!(done, Done::Messages(_)) && !self.process.has_failed() && !undone {
                    self.disk.note(Note::PassEnded { process: self.process.number() });
                }
                Ok(())
            }
        }
    }

    /// What the next host sees of a transaction, and says.
    fn transact(&self, id: &str, recipients: &[String], text: &str) -> Vec<Outcome> {
        let marker = field(text, "Subject: m").map(|rest| format!("m{rest}")).unwrap_or_default();
        self.disk.note(Note::Begun {
            process: self.process.number(),
            id: id.to_owned(),
            marker: marker.clone(),
            recipients: recipients.to_vec(),
        });
        let answer = |recipient: &String| {
            if let Some(during) = self.during {
                during(recipient);
            }
            let outcome = self.outcome(recipient);
            if matches!(outcome, Outcome::Accepted(_)) {
                let (id, recipient) = (id.to_owned(), recipient.clone());
                self.disk.note(Note::Taken { id, recipient, what: what(text, &marker) });
            }
            outcome
        };
        recipients.iter().map(answer).collect()
    }

    fn outcome(&self, recipient: &str) -> Outcome {
        let reply = match recipient.split('@').next() {
            Some("later") if self.defers => Reply::enhanced(451, 4, 2, "not now"),
            Some(local) if local.starts_with("refused") => Reply::enhanced(550, 5, 1, "no such user"),
            _ => return Outcome::Accepted(Diagnostic::from(&Reply::enhanced(250, 2, 0, "taken"))),
        };
        Outcome::from_reply(&reply)
    }
}

impl Carrier for World<'_> {
    fn serve<'a>(&self, _: &Way, _: bool, outbox: &dyn Outbox<Job<'a>>) -> Option<Unserved> {
        loop {
            self.disk.note(Note::Looking { process: self.process.number() });
            let parcel = outbox.next()?;
            let id = parcel.tag.consignment.id.to_string();
            let recipients: Vec<String> = parcel.transaction.envelope.recipients().iter().map(ToString::to_string).collect();
            let mut read = Vec::new();
            let unreadable = parcel.body.send().read_to_end(&mut read).err();
            let not_now = || Outcome::from_reply(&Reply::enhanced(451, 4, 3, "broken off"));
            let mut outcomes: Vec<Outcome> = recipients.iter().map(|_| not_now()).collect();
            if unreadable.is_none() && !self.process.is_dead() {
                outcomes = self.transact(&id, &recipients, &String::from_utf8_lossy(&read));
            }
            let (tag, fault, failed) = (parcel.tag, None, self.process.has_failed_to_keep());
            outbox.settle(
                Sent { tag, outcomes, fault, word: Word::Relayed, unreadable },
                &Via { host: "mx.test".into(), ..Via::default() },
            );
            if !self.process.is_dead() {
                let well = self.process.has_failed_to_keep() == failed;
                self.disk.note(if well { Note::Settled { id } } else { Note::Unsettled { id } });
            }
        }
    }
}

/// A message's copy, or a report: those name their recipients in fields of their own.
fn what(text: &str, marker: &str) -> What {
    let about: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Final-Recipient: rfc822; "))
        .map(|recipient| recipient.trim().to_owned())
        .collect();
    let marker = marker.to_owned();
    if about.is_empty() && text != body(&marker) {
        return What::Garbled;
    }
    if text.contains(DELAYED) {
        return What::Notice { marker };
    }
    if about.is_empty() { What::Copy { marker } } else { What::Report { marker, about } }
}

fn field(text: &str, start: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(|rest| rest.trim().to_owned())
}

fn router() -> &'static Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router {
            hostname: "mx.crepes.test".parse().unwrap(),
            domains: vec!["crepes.test".parse().unwrap()],
            aliases: format!("list: {}\n", LIST.join(", ")).parse().unwrap(),
            routes: vec![Route { pattern: "nowhere.test".parse().unwrap(), target: "discard".parse().unwrap() }],
            local: Default::default(),
        };
        router.local.maildir = Some("/mail/{domain}/{user}".parse().unwrap());
        router.local.users = Users::All;
        router
    })
}

impl Clock for World<'_> {
    fn now(&self) -> Timestamp {
        self.disk.now()
    }
}

impl Chance for World<'_> {
    fn draw(&self) -> u64 {
        self.chance.fetch_add(1, Ordering::Relaxed)
    }
}

struct Silent;

impl Log for Silent {
    fn event(&self, _event: &Event) {}
}

//! The commands that change messages by hand. One that another process is at gets an order, which is carried out before its next
//! transaction.

use super::args::Retry;
use crate::cli::clock::System;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::say;
use crate::disk::spool::control::Order;
use crate::disk::spool::history::Record;
use crate::disk::spool::layout::{Entry, Place, Spool, SpoolError};
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::Message;
use crate::disk::spool::queue::{Claim, Which};
use crate::mail::address::{Domain, ForwardPath};
use crate::mail::queue_id::QueueId;
use crate::relay::clock::Clock;
use crate::relay::desk::Desk;
use crate::relay::pass::RELEASED;
use crate::relay::settle::{self, Turn};

/// What came of a command for one message.
type Result1 = Result<(), Why>;

/// Why a command was not carried out.
enum Why {
    /// Told as it is.
    Not(&'static str),
    Spool(SpoolError),
    /// Told at the desk, with the message's id.
    Trouble(String),
}

/// Who finds, claims and counts.
pub struct Hands<'a> {
    pub spool: &'a Spool,
    pub desk: &'a Desk<'a>,
    done: usize,
    not: usize,
}

impl<'a> Hands<'a> {
    pub fn new(spool: &'a Spool, desk: &'a Desk<'a>) -> Hands<'a> {
        Hands { spool, desk, done: 0, not: 0 }
    }

    /// 0: all done; 1: some; 66: none.
    pub fn status(&self) -> Status {
        match (self.done, self.not) {
            (_, 0) => Status::Done,
            (0, _) => Status::NoInput,
            _ => Status::Partly,
        }
    }

    pub fn hold(&mut self, ids: &[QueueId]) -> Result<(), Failure> {
        self.each(
            ids,
            |hands, message| match message.place() {
                Place::Hold => Err(Why::Not("held already")),
                Place::Failed => Err(Why::Not("failed: it is not tried anyway")),
                _ => {
                    hands.desk.tell("hold", &message, "by order");
                    Ok(message.hold()?)
                }
            },
            Some(Order::Hold),
        )
    }

    /// Failed recipients are tried again; a route that holds lets the message pass from now on.
    pub fn release(&mut self, ids: &[QueueId]) -> Result<(), Failure> {
        self.each(
            ids,
            |hands, mut message| {
                if !matches!(message.place(), Place::Hold | Place::Failed) {
                    return Err(Why::Not("neither held nor failed"));
                }
                let failed: Vec<_> =
                    message.recipients().filter(|r| r.mark == Mark::Failed).map(|r| (r.place, Mark::Pending)).collect();
                message.record(&Record::Note { at: System.now(), note: RELEASED.to_owned() })?;
                if !failed.is_empty() {
                    message.set_marks(&failed)?;
                }
                hands.desk.tell("release", &message, "by order");
                Ok(message.release()?)
            },
            None,
        )
    }

    pub fn delete(&mut self, ids: &[QueueId]) -> Result<(), Failure> {
        self.each(
            ids,
            |hands, message| {
                hands.desk.tell("delete", &message, "by order");
                Ok(message.delete()?)
            },
            Some(Order::Delete),
        )
    }

    pub fn bounce(&mut self, ids: &[QueueId]) -> Result<(), Failure> {
        // A report that was cut short may tell of these messages already.
        for settled in self.spool.settle_staged(System.now()).or_status(Status::Io)? {
            settled.or_status(Status::Io)?;
        }
        self.each(
            ids,
            |hands, message| {
                if message.reverse_path().mailbox().is_none() {
                    return Err(Why::Not("has no sender to return it to"));
                }
                let turn = Turn { order: Some(Order::Bounce), ..Turn::default() };
                settle::close(hands.desk, message, turn)?;
                hands.desk.first_trouble().map_or(Ok(()), |trouble| Err(Why::Trouble(trouble)))
            },
            Some(Order::Bounce),
        )
    }

    pub fn retry(&mut self, what: &Retry) -> Result<(), Failure> {
        if what.domain.is_none() && !what.all {
            return self.each(&what.ids, make_due, None);
        }
        for entry in self.spool.scan(Which::Queued, System.now()) {
            let entry = entry.or_status(Status::Io)?;
            let facts = match self.spool.look(&entry) {
                // A pass sets it aside; it keeps no other message back.
                Err(SpoolError::Damaged { .. }) => continue,
                looked => looked.or_status(Status::Io)?,
            };
            let wanted = |domain: &Domain| {
                let waits =
                    |r: crate::disk::spool::facts::Recipient<'_>| r.mark == Mark::Pending && r.path.domain() == Some(domain);
                facts.as_ref().is_some_and(|facts| facts.recipients().any(waits))
            };
            if entry.place != Place::New && what.domain.as_ref().is_none_or(wanted) {
                self.one(&entry, &make_due, None)?;
            }
        }
        Ok(())
    }

    pub fn edit(&mut self, id: &QueueId, changes: &[(ForwardPath, ForwardPath)]) -> Result<(), Failure> {
        for (old, new) in changes {
            let change = |_: &Hands<'_>, message: Message| {
                let found = message.recipients().find(|r| r.path == old).map(|r| (r.place, r.mark));
                match found {
                    None => Err(Why::Not("has no such recipient")),
                    Some((_, mark)) if mark.is_settled() || mark.awaits_word() => Err(Why::Not("is settled for that recipient")),
                    Some(_) if message.recipients().any(|r| r.path == new) => Err(Why::Not("has the new recipient already")),
                    Some((place, _)) => Ok(message.readdress(place, new.clone(), System.now())?),
                }
            };
            self.each(std::slice::from_ref(id), change, None)?;
        }
        Ok(())
    }

    fn each(
        &mut self,
        ids: &[QueueId],
        act: impl Fn(&Hands<'_>, Message) -> Result1,
        order: Option<Order>,
    ) -> Result<(), Failure> {
        for id in ids {
            match self.spool.find(id).or_status(Status::Io)? {
                Some(entry) => self.one(&entry, &act, order)?,
                None => self.tell_not(id, "no such message"),
            }
        }
        Ok(())
    }

    fn one(&mut self, entry: &Entry, act: &dyn Fn(&Hands<'_>, Message) -> Result1, order: Option<Order>) -> Result<(), Failure> {
        let claim = self.spool.claim(entry, System.now()).or_status(Status::Io)?;
        let why = match (claim, order) {
            (Claim::Message(message), _) => match act(self, *message) {
                Ok(()) => {
                    self.done += 1;
                    return Ok(());
                }
                Err(Why::Not(why)) => why,
                Err(Why::Spool(error)) => return Err(Failure::new(Status::Io, error)),
                Err(Why::Trouble(trouble)) => return Err(Failure::text(Status::Io, trouble)),
            },
            (Claim::Busy, Some(order)) => {
                self.spool.order(&entry.id, order).or_status(Status::Io)?;
                self.done += 1;
                return Ok(());
            }
            (Claim::Busy, None) => "is being delivered just now",
            (Claim::Gone | Claim::Unfinished, _) => "no such message",
            (Claim::Corrupt { .. }, _) => "is damaged, and was put aside in corrupt/",
        };
        self.tell_not(&entry.id, why);
        Ok(())
    }

    fn tell_not(&mut self, id: &QueueId, why: &str) {
        say(&format!("mailq-run: {id}: {why}"));
        self.not += 1;
    }
}

fn make_due(_: &Hands<'_>, message: Message) -> Result1 {
    match message.place() {
        Place::Hold => Err(Why::Not("held: release it first")),
        Place::Failed => Err(Why::Not("failed: release it first")),
        _ => Ok(message.release()?),
    }
}

impl From<SpoolError> for Why {
    fn from(error: SpoolError) -> Why {
        Why::Spool(error)
    }
}

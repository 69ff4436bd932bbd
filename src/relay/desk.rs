//! What settling a message needs around it: spool, time, chance, schedule, and the log in the words of a queue.

use super::clock::{Chance, Clock};
use super::event::{Event, Log};
use super::retry::Schedule;
use super::session::Via;
use crate::disk::spool::facts::Facts;
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::mail::address::ForwardPath;
use crate::mail::outcome::Outcome;
use crate::mail::queue_id::QueueId;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

pub struct Desk<'a> {
    pub spool: &'a Spool,
    pub clock: &'a dyn Clock,
    pub chance: &'a dyn Chance,
    pub log: &'a dyn Log,
    pub schedule: Schedule,
    /// Of this host, for reports.
    pub hostname: &'a str,
    trouble: Mutex<Option<String>>,
}

/// Why a message could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The body is not what was accepted, or cannot be read.
    #[error("cannot read the message: {0}")]
    Body(#[from] io::Error),
}

impl Trouble {
    /// What was accepted is lost: no retry helps.
    pub fn is_damage(&self) -> bool {
        matches!(self, Trouble::Body(error) if error.kind() == io::ErrorKind::InvalidData)
    }
}

impl<'a> Desk<'a> {
    pub fn new(
        spool: &'a Spool,
        clock: &'a dyn Clock,
        chance: &'a dyn Chance,
        log: &'a dyn Log,
        schedule: Schedule,
        hostname: &'a str,
    ) -> Desk<'a> {
        Desk { spool, clock, chance, log, schedule, hostname, trouble: Mutex::new(None) }
    }

    pub fn fresh_id(&self) -> QueueId {
        QueueId::new(u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default(), self.chance.draw())
    }

    /// Notes that the spool or the system failed, which a pass tells at its end.
    pub fn trouble(&self, id: Option<&QueueId>, what: impl fmt::Display) {
        let text = what.to_string();
        self.log.event(&Event { queue_id: id.map(ToString::to_string), text: Some(text.clone()), ..Event::new("error") });
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let line = id.map_or_else(|| text.clone(), |id| format!("{id}: {text}"));
        first.get_or_insert(line);
    }

    /// The first thing that was noted as failed.
    pub fn first_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A word on the message as a whole.
    pub fn tell(&self, event: &'static str, message: &Facts, text: impl Into<String>) {
        self.log.event(&Event {
            queue_id: Some(message.id().to_string()),
            reverse_path: Some(message.reverse_path().to_string()),
            text: Some(text.into()),
            ..Event::new(event)
        });
    }

    /// What became of one recipient.
    pub fn tell_outcome(&self, message: &Facts, recipient: &ForwardPath, outcome: &Outcome, via: &Via) {
        let event = Event {
            queue_id: Some(message.id().to_string()),
            reverse_path: Some(message.reverse_path().to_string()),
            recipient: Some(recipient.to_string()),
            host: Some(via.host.clone()).filter(|host| !host.is_empty()),
            address: via.address.clone(),
            tls: via.tls.clone(),
            outcome: Some(outcome.word()),
            size: Some(message.size()),
            ..Event::new("recipient")
        };
        self.log.event(&event.because(outcome.diagnostic()));
    }
}

//! What a log is told of a mailbox: an event for each message that a run fetched, deleted or failed at, and one for the session.

use super::way::Way;
use crate::cli::exit::{Failure, Status};
use crate::cli::log::Sink;
use crate::cli::opts::auth::Auth;
use crate::fetch::words::{Outcome, Row};
use crate::relay::ended::Ended;
use crate::relay::event::{Event, Log};
use crate::relay::session::Via;

/// The log of one mailbox's session.
pub struct MailboxLog<'a> {
    log: &'a Sink,
    way: &'a Way,
    address: Option<String>,
    tls: Option<String>,
    delivered: u64,
    failed: u64,
}

impl<'a> MailboxLog<'a> {
    pub fn new(log: &'a Sink, way: &'a Way) -> MailboxLog<'a> {
        MailboxLog { log, way, address: None, tls: None, delivered: 0, failed: 0 }
    }

    fn event(&self, name: &'static str) -> Event {
        Event {
            account: self.way.name.clone(),
            user: self.way.login.as_ref().map(|login| Auth::user(login).to_owned()),
            host: Some(self.way.place.clone()),
            ..Event::new(name)
        }
    }

    /// What came of messages. What an earlier run fetched, or the policy left where it was, is no news at every run.
    pub fn messages(&mut self, rows: &[Row]) {
        for row in rows.iter().filter(|row| !matches!(row.outcome, Outcome::Kept | Outcome::Skipped) || row.deleted) {
            self.delivered += u64::from(row.outcome == Outcome::Delivered);
            self.failed += u64::from(row.outcome == Outcome::Failed);
            self.log.event(&Event {
                number: Some(row.number),
                uid: row.uid.as_ref().map(ToString::to_string),
                outcome: Some(row.outcome.word()),
                deleted: Some(row.deleted),
                size: row.size,
                text: Some(row.text.clone()).filter(|text| !text.is_empty()),
                ..self.event("message")
            });
        }
    }

    /// The session is over.
    pub fn ended(&mut self, ended: &Ended, via: &Via) {
        self.address.clone_from(&via.address);
        self.tls = ended.tls.as_ref().map(|facts| format!("{} {}", facts.version, facts.cipher));
    }

    /// What came of the mailbox.
    pub fn done(&self, done: &Result<Status, Failure>) {
        let (outcome, text) = match done {
            Ok(Status::Done | Status::NoInput) => ("done", None),
            Ok(_) => ("partly", None),
            Err(failure) => ("failed", Some(format!("{:#}", failure.error))),
        };
        self.log.event(&Event {
            address: self.address.clone(),
            tls: self.tls.clone(),
            outcome: Some(outcome),
            delivered: Some(self.delivered),
            failed: Some(self.failed),
            text,
            ..self.event("session")
        });
    }
}

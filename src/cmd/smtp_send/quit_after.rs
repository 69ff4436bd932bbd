//! A session that ends early, to try a server: what the stage was answered, for each recipient where there are any.

use super::results::{self, Result as RecipientResult};
use super::sending::{groups, no_domain};
use crate::cli::exit::{Failure, Status};
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::{Fault, Transaction};
use crate::relay::deliver::{Courier, Destination, Unserved};
use crate::relay::session::{Outbox, Parcel, Sent, Via};
use std::cell::{Cell, RefCell};
use std::io;

/// Most recipients of one transaction: every server takes so many (RFC 5321 section 4.5.3.1.8).
const BATCH: usize = 100;

/// What the session before the message is to come to.
pub struct Trial<'a> {
    pub stage: Stage,
    pub reverse_path: &'a ReversePath,
    pub recipients: &'a [ForwardPath],
}

impl Trial<'_> {
    /// Tries a destination, or each recipient's own: the results of the recipients at RCPT, and at MAIL, whose reply counts for all of
    /// them. A stage that was not reached and has no recipient to tell it by is an error.
    pub fn run(&self, courier: &Courier<'_>, to: Option<&Destination>) -> Result<Vec<RecipientResult>, Failure> {
        let mut results = vec![None; self.recipients.len()];
        for (destination, places) in groups(self.recipients, to) {
            let recipients: Vec<ForwardPath> = places.iter().filter_map(|place| self.recipients.get(*place).cloned()).collect();
            let found = match &destination {
                Some(to) => self.at(courier, to, &recipients)?,
                None => recipients.iter().map(|recipient| RecipientResult::without_session(recipient, no_domain())).collect(),
            };
            for (place, result) in places.into_iter().zip(found) {
                if let Some(slot) = results.get_mut(place) {
                    *slot = Some(result);
                }
            }
        }
        match to {
            Some(to) if self.recipients.is_empty() => self.at(courier, to, &[]),
            _ => Ok(results.into_iter().flatten().collect()),
        }
    }

    /// What a server without an address means.
    pub fn no_such_host(&self, why: &str) -> Result<Vec<RecipientResult>, Failure> {
        if self.has_rows() {
            return Ok(results::refused_all(self.recipients, why));
        }
        Err(Failure::text(Status::NoHost, why))
    }

    fn at(&self, courier: &Courier<'_>, to: &Destination, recipients: &[ForwardPath]) -> Result<Vec<RecipientResult>, Failure> {
        let outbox = TrialOutbox { trial: self, recipients, next: Cell::new(0), results: RefCell::default() };
        let unserved = courier.serve(to, &outbox);
        let results = outbox.results.into_inner();
        if self.has_rows() {
            return Ok(results);
        }
        let failed = unserved.or_else(|| {
            let result = results.first().filter(|result| !matches!(result.outcome, Outcome::Accepted(_)))?;
            Some(Unserved {
                outcome: result.outcome.clone(),
                via: result.via.clone(),
                fault: result.fault.unwrap_or(Fault::Reply),
            })
        });
        failed.map_or(Ok(Vec::new()), |unserved| Err(self.failure(&unserved)))
    }

    fn has_rows(&self) -> bool {
        self.stage >= Stage::Mail && !self.recipients.is_empty()
    }

    fn failure(&self, unserved: &Unserved) -> Failure {
        let status = match (unserved.fault, &unserved.outcome) {
            (Fault::Auth, _) => Status::Permission,
            (Fault::Protocol, _) => Status::Protocol,
            (_, Outcome::Refused(_)) => results::found_here(&unserved.outcome).unwrap_or(Status::Refused),
            _ => Status::TryAgain,
        };
        let host = if unserved.via.host.is_empty() { String::new() } else { format!("{}: ", unserved.via.host) };
        Failure::text(status, format_args!("{host}{} was not reached: {}", self.stage, unserved.outcome.diagnostic()))
    }
}

/// Hands out transactions that are never carried to their end; for a stage before MAIL none at all.
struct TrialOutbox<'a> {
    trial: &'a Trial<'a>,
    recipients: &'a [ForwardPath],
    /// How many recipients were handed out; more than there are: all, and somebody asked.
    next: Cell<usize>,
    results: RefCell<Vec<RecipientResult>>,
}

impl Outbox<Vec<ForwardPath>> for TrialOutbox<'_> {
    fn is_waiting(&self) -> bool {
        match self.recipients.len() {
            0 => self.next.get() == 0,
            _ if self.trial.stage < Stage::Mail => self.next.get() == 0,
            all => self.next.get() < all,
        }
    }

    fn next(&self) -> Option<Parcel<Vec<ForwardPath>>> {
        let trial = self.trial;
        let at = self.next.replace(self.next.get() + BATCH);
        if trial.stage < Stage::Mail {
            return None;
        }
        let mut recipients: Vec<ForwardPath> = self.recipients.iter().skip(at).take(BATCH).cloned().collect();
        if self.recipients.is_empty() && at == 0 {
            // An envelope names somebody; after MAIL nobody hears of it.
            recipients.push(ForwardPath::Postmaster);
        }
        let envelope = Envelope::new(trial.reverse_path.clone(), recipients.clone()).ok()?;
        let transaction = Transaction::new(envelope);
        Some(Parcel { transaction, body: Box::new(io::empty()), tag: recipients })
    }

    fn settle(&self, sent: Sent<Vec<ForwardPath>>, via: &Via) {
        for (recipient, outcome) in sent.tag.into_iter().zip(sent.outcomes) {
            let result = RecipientResult { recipient, outcome, via: via.clone(), fault: sent.fault, queue_id: None };
            self.results.borrow_mut().push(result);
        }
    }

    fn quit_after(&self) -> Option<Stage> {
        Some(self.trial.stage)
    }
}

//! The jobs of one next hop, brought there one after the other: as what a session sends, or to a Maildir or program of this host.

use super::board::{Board, Hop, Way};
use super::body::Source;
use super::consign::{Cut, Job};
use super::demand::{demanding_tls, is_on_this_host};
use super::halt::{Halt, Seat};
use super::local::Delivery;
use super::session::{Outbox, Parcel, Sent, Stopper, Via, Word};
use crate::disk::spool::message::Body;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::client::words::{Fault, HeaderText, Transaction};
use std::io::{self, Read};

/// The jobs of one hop.
pub(super) struct Lane<'p, 'a> {
    halt: &'p Halt,
    seat: Seat<'p>,
    board: &'p Board<'a>,
    hop: &'p Hop,
}

impl<'p, 'a> Lane<'p, 'a> {
    pub(super) fn new(halt: &'p Halt, board: &'p Board<'a>, hop: &'p Hop) -> Lane<'p, 'a> {
        Lane { halt, seat: halt.seat(), board, hop }
    }

    /// The next job whose message no order stands for.
    fn take(&self) -> Option<Job<'a>> {
        while !self.halt.is_over() {
            let job = self.board.next(self.hop)?;
            if !job.consignment.is_ordered() {
                return Some(job);
            }
        }
        None
    }

    /// Delivers each recipient of each job on its own.
    pub(super) fn deliver(&self, host: &str, deliver: impl Fn(Delivery<'_>) -> io::Result<Outcome>) {
        let via = Via { host: host.to_owned(), ..Via::default() };
        while let Some(job) = self.take() {
            let (mut results, mut cut) = (Vec::new(), None);
            for &place in &job.places {
                if self.halt.is_over() {
                    break;
                }
                let consignment = &job.consignment;
                let recipient = consignment.envelope.recipients().get(place);
                let (Some(mut body), Some(recipient)) = (consignment.body(), recipient) else { break };
                let delivery = Delivery {
                    id: &consignment.id,
                    place,
                    reverse_path: &consignment.envelope.reverse_path,
                    recipient,
                    arrival: consignment.arrival,
                    length: body.length(),
                    body: &mut body,
                };
                let outcome = deliver(delivery).unwrap_or_else(|error| {
                    let why = Diagnostic::local(EnhancedStatus::new(4, 3, 0), format!("cannot read the message: {error}"));
                    cut = Some(Cut::Unreadable(error));
                    Outcome::Deferred(why)
                });
                results.push((place, outcome));
            }
            if self.halt.is_over() {
                cut.get_or_insert(Cut::Stopped);
            }
            job.settle(results, &via, Word::Delivered, cut);
        }
    }
}

impl<'a> Outbox<Job<'a>> for Lane<'_, 'a> {
    fn is_waiting(&self) -> bool {
        !self.halt.is_over() && self.board.has_jobs(self.hop)
    }

    fn next(&self) -> Option<Parcel<Job<'a>>> {
        loop {
            let job = self.take()?;
            let consignment = &job.consignment;
            let envelope = consignment.envelope.part(job.places.iter().copied());
            let (Some(body), Some(mut envelope)) = (consignment.body(), envelope) else { continue };
            // What does not leave this host needs no TLS.
            envelope.request.require_tls &= !matches!(self.hop, Hop::Send { to: Way::Open(to), .. } if is_on_this_host(to));
            let transaction = Transaction {
                size: Some(consignment.size),
                eight_bit: consignment.eight_bit,
                header: if envelope.request.utf8 { HeaderText::Utf8 } else { HeaderText::Ascii },
                ..Transaction::new(envelope)
            };
            return Some(Parcel { transaction, body: Box::new(Spooled(body)), tag: job });
        }
    }

    fn settle(&self, sent: Sent<Job<'a>>, via: &Via) {
        let judge = |outcome| match self.hop {
            Hop::Send { securely: true, .. } => demanding_tls(outcome, sent.fault),
            _ => outcome,
        };
        let stopped = self.halt.is_over() && sent.fault == Some(Fault::Cancelled) && sent.unreadable.is_none();
        let cut = sent.unreadable.map(Cut::Unreadable).or(stopped.then_some(Cut::Stopped));
        let outcomes = sent.tag.places.clone().into_iter().zip(sent.outcomes.into_iter().map(judge));
        let results = outcomes.filter(|(_, outcome)| !(stopped && is_broken_off(outcome))).collect();
        sent.tag.settle(results, via, sent.word, cut);
    }

    fn is_stoppable(&self) -> bool {
        true
    }

    fn begun(&self, session: Stopper) {
        self.seat.begun(session);
    }
}

/// A body in the spool, whose checksum is looked at each time.
struct Spooled(Body);

impl Source for Spooled {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(self.0.clone())
    }
}

/// Nobody said no, and nothing was handed over: it is as if it had not been tried.
fn is_broken_off(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(Diagnostic { code: None, .. }))
}

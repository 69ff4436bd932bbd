//! The way out: recipients grouped by where they go, sessions run, results collected.

use super::results::Result as RecipientResult;
use crate::cli::message::Message;
use crate::cli::opts::tls::ClientTls;
use crate::cli::progress::Progress;
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::net::tls::client::Client;
use crate::net::tls::layer::{Handshake, TlsError};
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::{StartTls, Transaction};
use crate::relay::deliver::{Courier, Destination, Secure};
use crate::relay::session::{Outbox, Parcel, Sent, Via};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most recipients of one transaction: every server takes so many (RFC 5321 section 4.5.3.1.8).
const BATCH: usize = 100;

/// How this tool uses TLS, whatever the destination.
pub struct ToolTls {
    pub settings: ClientTls,
    pub client: Arc<Client>,
}

impl Secure for ToolTls {
    fn client(&self, host: &str, _: bool) -> Result<Box<dyn Handshake>, TlsError> {
        let name = self.settings.name.as_deref().unwrap_or(host);
        Ok(Box::new(self.client.to(name)))
    }

    fn start(&self, _: StartTls) -> StartTls {
        use crate::cli::config::settings::TlsMode;
        match (self.settings.implicit, self.settings.mode) {
            (true, _) => StartTls::Implicit,
            (_, TlsMode::Require) => StartTls::Required,
            (_, TlsMode::Opportunistic) => StartTls::IfOffered,
            (_, TlsMode::Never) => StartTls::Never,
        }
    }
}

/// One message on its way to its recipients.
pub struct Sending<'a> {
    pub message: &'a Message,
    pub reverse_path: &'a ReversePath,
    pub recipients: &'a [ForwardPath],
    pub courier: &'a Courier<'a>,
    pub progress: Progress,
    /// Where sessions end, to try a server.
    pub quit_after: Option<Stage>,
}

impl Sending<'_> {
    /// Sends by one destination, or with none by each recipient's own; one result for each recipient, in their order.
    pub fn run(&self, to: Option<&Destination>) -> Vec<RecipientResult> {
        let slots = RefCell::new(vec![None; self.recipients.len()]);
        for (destination, places) in groups(self.recipients, to) {
            let batches = places.chunks(BATCH).map(<[usize]>::to_vec).collect();
            let batch = Batch { sending: self, waiting: RefCell::new(batches), slots: &slots };
            match destination {
                Some(destination) => drop(self.courier.serve(&destination, &batch)),
                None => batch.nowhere(),
            }
        }
        self.progress.finish();
        let slots = slots.into_inner();
        self.recipients.iter().zip(slots).map(|(recipient, slot)| slot.unwrap_or_else(|| untried(recipient))).collect()
    }
}

/// Which recipients go where, by their places; nowhere: a name without a domain.
pub fn groups(recipients: &[ForwardPath], to: Option<&Destination>) -> Vec<(Option<Destination>, Vec<usize>)> {
    let mut groups: Vec<(Option<Destination>, Vec<usize>)> = Vec::new();
    for (place, recipient) in recipients.iter().enumerate() {
        let destination = to.cloned().or_else(|| recipient.domain().cloned().map(Destination::Mx));
        match groups.iter_mut().find(|(known, _)| *known == destination) {
            Some((_, places)) => places.push(place),
            None => groups.push((destination, vec![place])),
        }
    }
    groups
}

fn untried(recipient: &ForwardPath) -> RecipientResult {
    let why = Diagnostic::local(EnhancedStatus::new(4, 3, 0), "not tried");
    RecipientResult::without_session(recipient, Outcome::Deferred(why))
}

/// What a recipient without a domain gets where no server was named.
pub fn no_domain() -> Outcome {
    Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 1, 3), "no domain to look up"))
}

/// What goes to one destination: the places of its recipients, so many a transaction.
struct Batch<'a> {
    sending: &'a Sending<'a>,
    waiting: RefCell<VecDeque<Vec<usize>>>,
    slots: &'a RefCell<Vec<Option<RecipientResult>>>,
}

impl Batch<'_> {
    fn nowhere(&self) {
        for places in self.waiting.borrow_mut().drain(..) {
            let outcomes = vec![no_domain(); places.len()];
            let sent = Sent { tag: places, outcomes, fault: None, unreadable: None };
            self.settle(sent, &Via::default());
        }
    }
}

impl Outbox<Vec<usize>> for Batch<'_> {
    fn is_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    fn next(&self) -> Option<Parcel<Vec<usize>>> {
        let places = self.waiting.borrow_mut().pop_front()?;
        let sending = self.sending;
        let recipients = places.iter().filter_map(|place| sending.recipients.get(*place).cloned());
        let envelope = Envelope::new(sending.reverse_path.clone(), recipients).ok()?;
        let transaction = Transaction { envelope, size: Some(sending.message.size), eight_bit: sending.message.eight_bit };
        Some(Parcel { transaction, body: Box::new(sending.progress.reading(sending.message.body())), tag: places })
    }

    fn quit_after(&self) -> Option<Stage> {
        self.sending.quit_after
    }

    fn settle(&self, sent: Sent<Vec<usize>>, via: &Via) {
        let mut slots = self.slots.borrow_mut();
        for (place, outcome) in sent.tag.into_iter().zip(sent.outcomes) {
            let Some(recipient) = self.sending.recipients.get(place) else { continue };
            let result =
                RecipientResult { recipient: recipient.clone(), outcome, via: via.clone(), fault: sent.fault, queue_id: None };
            if let Some(slot) = slots.get_mut(place) {
                *slot = Some(result);
            }
        }
    }
}

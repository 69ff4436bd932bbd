//! One message with its envelope, and what became of each recipient so far.

use super::results::Result as RecipientResult;
use super::source::Label;
use crate::cli::message::Message;
use crate::mail::address::ForwardPath;
use crate::mail::envelope::Envelope;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::client::words::Transaction;

/// A message on its way.
pub struct Letter {
    /// None: it is the only one.
    pub label: Option<Label>,
    pub message: Message,
    pub envelope: Envelope,
    /// Octets in the source.
    pub octets: u64,
    /// One a recipient.
    slots: Vec<Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    result: Option<RecipientResult>,
    tried_again: bool,
}

impl Letter {
    pub fn new(label: Option<Label>, message: Message, envelope: Envelope, octets: u64) -> Letter {
        let slots = vec![Slot::default(); envelope.recipients().len()];
        Letter { label, message, envelope, octets, slots }
    }

    /// The message for the recipients at these places.
    pub fn transaction(&self, places: &[usize]) -> Option<Transaction> {
        let envelope = self.envelope.part(places.iter().copied())?;
        Some(Transaction {
            size: Some(self.message.size),
            eight_bit: self.message.eight_bit,
            header: self.message.text,
            ..Transaction::new(envelope)
        })
    }

    /// Notes that the recipient at this place is tried once more; false if it was before.
    pub fn try_again(&mut self, place: usize) -> bool {
        self.slots.get_mut(place).is_some_and(|slot| !std::mem::replace(&mut slot.tried_again, true))
    }

    pub fn settle(&mut self, place: usize, result: RecipientResult) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.result = Some(result);
        }
    }

    /// These are the results, in the order of the recipients.
    pub fn settle_all(&mut self, results: Vec<RecipientResult>) {
        for (place, result) in results.into_iter().enumerate() {
            self.settle(place, result);
        }
    }

    /// One result a recipient, in their order.
    pub fn results(&mut self) -> Vec<RecipientResult> {
        let recipients = self.envelope.recipients().iter();
        recipients.zip(&mut self.slots).map(|(to, slot)| slot.result.take().unwrap_or_else(|| untried(to))).collect()
    }
}

fn untried(recipient: &ForwardPath) -> RecipientResult {
    let why = Diagnostic::local(EnhancedStatus::new(4, 3, 0), "not tried");
    RecipientResult::without_session(recipient, Outcome::Deferred(why))
}

//! A login that fails says nothing of the mail behind it: the password is set right some day, and what was queued goes out then.

use super::session::{Outbox, Parcel, Sent, Stopper, Via};
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::Fault;
use crate::protocol::smtp::extensions::Extensions;

/// An outbox in which recipients are deferred where it was a login that was refused.
pub struct Patient<'a, T>(pub &'a dyn Outbox<T>);

impl<T> Outbox<T> for Patient<'_, T> {
    fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    fn opened(&self, offered: &Extensions) {
        self.0.opened(offered);
    }

    fn next(&self) -> Option<Parcel<T>> {
        self.0.next()
    }

    fn settle(&self, sent: Sent<T>, via: &Via) {
        let of_login = sent.fault == Some(Fault::Auth);
        let outcomes = sent.outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Refused(why) if of_login => Outcome::Deferred(why),
            other => other,
        });
        self.0.settle(Sent { outcomes: outcomes.collect(), ..sent }, via);
    }

    fn is_stoppable(&self) -> bool {
        self.0.is_stoppable()
    }

    fn begun(&self, session: Stopper) {
        self.0.begun(session);
    }

    fn quit_after(&self) -> Option<Stage> {
        self.0.quit_after()
    }
}

//! The SMTP envelope: who it is from, for whom, and what the sender asks for besides. Never empty; knows nothing of the message's text.

use super::address::{ForwardPath, ReversePath};
use super::notify::{Notify, Request, Wish};

/// A reverse-path and at least one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub reverse_path: ReversePath,
    recipients: Vec<ForwardPath>,
    /// By recipient; shorter where nothing is asked for those at the end.
    wishes: Vec<Wish>,
    /// What is asked for the message as a whole.
    pub request: Request,
}

/// An envelope was asked for with no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no recipient")]
pub struct NoRecipient;

impl Envelope {
    /// Repeated recipients are dropped, the first kept, in order.
    pub fn new(reverse_path: ReversePath, recipients: impl IntoIterator<Item = ForwardPath>) -> Result<Envelope, NoRecipient> {
        let mut seen = std::collections::HashSet::new();
        let recipients: Vec<_> = recipients.into_iter().filter(|r| seen.insert(r.clone())).collect();
        if recipients.is_empty() {
            return Err(NoRecipient);
        }
        Ok(Envelope { reverse_path, recipients, wishes: Vec::new(), request: Request::default() })
    }

    /// As [`Envelope::new`], each recipient with what is asked for it.
    pub fn asking(
        reverse_path: ReversePath,
        recipients: impl IntoIterator<Item = (ForwardPath, Wish)>,
        request: Request,
    ) -> Result<Envelope, NoRecipient> {
        let mut seen = std::collections::HashSet::new();
        let (recipients, mut wishes): (Vec<_>, Vec<_>) = recipients.into_iter().filter(|(r, _)| seen.insert(r.clone())).unzip();
        let asked = wishes.iter().rposition(|wish| !wish.is_empty()).map_or(0, |last| last + 1);
        wishes.truncate(asked);
        if recipients.is_empty() { Err(NoRecipient) } else { Ok(Envelope { reverse_path, recipients, wishes, request }) }
    }

    /// The same for some of the recipients, in the order of these places. None if none of them is a recipient's.
    pub fn part(&self, places: impl IntoIterator<Item = usize>) -> Option<Envelope> {
        let recipient = |place: usize| Some((self.recipients.get(place)?.clone(), self.wish(place).clone()));
        let chosen = places.into_iter().filter_map(recipient);
        Envelope::asking(self.reverse_path.clone(), chosen, self.request.clone()).ok()
    }

    /// Asks for reports on each recipient under the address it has now.
    pub fn ask_of_all(&mut self, notify: Notify) {
        let wish = |recipient| Wish { notify: Some(notify), original: None }.of(recipient);
        self.wishes = self.recipients.iter().map(wish).collect();
    }

    /// What is asked for the recipient at this place.
    pub fn wish(&self, place: usize) -> &Wish {
        self.wishes.get(place).unwrap_or(Wish::NOTHING)
    }

    /// Each recipient with what is asked for it.
    pub fn wishes(&self) -> impl Iterator<Item = (&ForwardPath, &Wish)> {
        self.recipients.iter().enumerate().map(|(place, recipient)| (recipient, self.wish(place)))
    }

    /// Something is asked of reports.
    pub fn asks_for_reports(&self) -> bool {
        !self.wishes.is_empty() || self.request.ret.is_some() || self.request.envid.is_some()
    }

    pub fn recipients(&self) -> &[ForwardPath] {
        &self.recipients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_envelope_cannot_be_made_and_repeats_fold() {
        assert_eq!(Envelope::new(ReversePath::Null, []), Err(NoRecipient));
        let path = |s: &str| s.parse::<ForwardPath>().unwrap();
        let envelope = Envelope::new(ReversePath::Null, [path("a@b.test"), path("a@B.TEST"), path("c@b.test")]).unwrap();
        assert_eq!(envelope.recipients(), [path("a@b.test"), path("c@b.test")]);
    }

    #[test]
    fn a_part_keeps_what_is_asked() {
        let path = |s: &str| s.parse::<ForwardPath>().unwrap();
        let wish = |notify: &str| Wish { notify: Some(notify.parse().unwrap()), original: None };
        let request = Request { require_tls: true, ..Request::default() };
        let all = [(path("a@b.test"), wish("never")), (path("b@b.test"), Wish::default()), (path("A@b.test"), wish("delay"))];
        let envelope = Envelope::asking(ReversePath::Null, all, request.clone()).unwrap();
        let part = envelope.part([2, 0, 9]).unwrap();
        assert_eq!(part.recipients(), [path("A@b.test"), path("a@b.test")]);
        assert_eq!((part.wish(0), part.wish(1), part.wish(7)), (&wish("delay"), &wish("never"), Wish::NOTHING));
        assert_eq!(part.request, request);
        assert!(part.asks_for_reports() && !envelope.part([1]).unwrap().asks_for_reports());
        assert_eq!(envelope.part([3]), None);
    }
}

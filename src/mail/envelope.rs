//! The SMTP envelope: who it is from and for whom. Never empty; knows nothing of the message's text.

use super::address::{ForwardPath, ReversePath};

/// A reverse-path and at least one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub reverse_path: ReversePath,
    recipients: Vec<ForwardPath>,
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
        Ok(Envelope { reverse_path, recipients })
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
}

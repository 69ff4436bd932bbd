//! What became of one recipient. No rule for retrying: that is `relay::retry`'s.

use super::reply::{Class, EnhancedStatus, Reply, ReplyCode};
use std::fmt;

/// Why an outcome is what it is: a server's reply, or (with no code) our own finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Option<ReplyCode>,
    pub enhanced: Option<EnhancedStatus>,
    /// One line; may hold whatever a server sent, so it is escaped where it is shown.
    pub text: String,
}

impl Diagnostic {
    /// A finding of our own, with no reply behind it.
    pub fn local(enhanced: EnhancedStatus, text: impl Into<String>) -> Diagnostic {
        Diagnostic { code: None, enhanced: Some(enhanced), text: text.into() }
    }
}

impl From<&Reply> for Diagnostic {
    fn from(reply: &Reply) -> Diagnostic {
        Diagnostic { code: Some(reply.code), enhanced: reply.enhanced, text: reply.text() }
    }
}

/// `550 5.1.1 no such user`, without the parts that are absent.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        if let Some(enhanced) = self.enhanced {
            write!(f, "{enhanced} ")?;
        }
        f.write_str(&self.text)
    }
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken over by the next host, or stored.
    Accepted(Diagnostic),
    /// Not now; a retry may help.
    Deferred(Diagnostic),
    /// Not ever.
    Refused(Diagnostic),
    /// The connection was lost after the final dot: it may have been delivered.
    InDoubt(Diagnostic),
}

impl Outcome {
    /// Reads a final reply. An intermediate (3yz) reply where a final one was due counts as deferred: it breaks the protocol
    /// and promises nothing.
    pub fn from_reply(reply: &Reply) -> Outcome {
        let diagnostic = Diagnostic::from(reply);
        match reply.class() {
            Class::Completion => Outcome::Accepted(diagnostic),
            Class::Permanent => Outcome::Refused(diagnostic),
            Class::Intermediate | Class::Transient => Outcome::Deferred(diagnostic),
        }
    }

    pub fn diagnostic(&self) -> &Diagnostic {
        match self {
            Outcome::Accepted(d) | Outcome::Deferred(d) | Outcome::Refused(d) | Outcome::InDoubt(d) => d,
        }
    }

    /// The word of the command lines' contract.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Accepted(_) => "accepted",
            Outcome::Deferred(_) => "deferred",
            Outcome::Refused(_) => "refused",
            Outcome::InDoubt(_) => "indoubt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_becomes_an_outcome_by_its_first_digit() {
        let of = |code| Outcome::from_reply(&Reply::new(code, None, "x")).word();
        assert_eq!(
            [of(250), of(251), of(299), of(354), of(450), of(552), of(599)],
            ["accepted", "accepted", "accepted", "deferred", "deferred", "refused", "refused"]
        );
    }
}

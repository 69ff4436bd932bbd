//! AUTH (RFC 4954) as a client: which mechanism, and what the server's replies to one exchange of it mean. Whose secrets, the work above knows.

use super::words::{Failure, Fault};
use crate::bytes::secret::Secret;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::protocol::sasl::carried::{Carried, Initial};
use crate::protocol::sasl::words::{Authentication, Bare, Login, Mechanism, Offered, SaslError};
use crate::protocol::smtp::extensions::Extensions;
use std::collections::VecDeque;

/// Octets of a command line with its CRLF (RFC 5321 section 4.5.3.1.4), which holds for AUTH with an initial response, too (RFC 4954
/// section 4).
const MAX_COMMAND: usize = 512;

/// Why no mechanism can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMechanism {
    #[error("the server does not offer AUTH")]
    NotOffered,
    #[error("the server offers AUTH {0}, and none of these can be used")]
    NoneFits(String),
    #[error(transparent)]
    Bare(#[from] Bare),
}

impl From<NoMechanism> for Failure {
    fn from(why: NoMechanism) -> Failure {
        // RFC 3463 section 3.8 and RFC 4954 section 6.
        let status = match &why {
            NoMechanism::NotOffered | NoMechanism::NoneFits(_) => EnhancedStatus::new(5, 7, 4),
            NoMechanism::Bare(_) => EnhancedStatus::new(5, 7, 11),
        };
        Failure { fault: Fault::Auth, outcome: Outcome::Refused(Diagnostic::local(status, why.to_string())) }
    }
}

impl From<SaslError> for Failure {
    fn from(why: SaslError) -> Failure {
        let text = why.to_string();
        if why.is_broken_protocol() {
            let outcome = Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 5, 0), text));
            return Failure { fault: Fault::Protocol, outcome };
        }
        Failure { fault: Fault::Auth, outcome: Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 7, 0), text)) }
    }
}

/// There is no password to log in with. The message may go when there is one.
pub fn no_login(why: String) -> Failure {
    Failure { fault: Fault::Auth, outcome: Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 7, 0), why)) }
}

/// The mechanisms to try, in their order.
pub fn candidates(wanted: &Authentication, offered: &Extensions, secure: bool) -> Result<VecDeque<Mechanism>, NoMechanism> {
    if offered.auth.is_empty() {
        return Err(NoMechanism::NotOffered);
    }
    let known: Vec<Mechanism> = offered.auth.iter().filter_map(|name| name.parse().ok()).collect();
    let fit: Vec<Mechanism> = wanted.mechanisms.iter().copied().filter(|mechanism| known.contains(mechanism)).collect();
    if fit.is_empty() {
        return Err(NoMechanism::NoneFits(offered.auth.join(" ")));
    }
    let safe: VecDeque<Mechanism> = fit.into_iter().filter(|mechanism| wanted.allows(*mechanism, secure)).collect();
    if safe.is_empty() { Err(Bare::InClear.into()) } else { Ok(safe) }
}

/// One exchange under way.
#[derive(Debug)]
pub struct Authenticating(Carried);

/// What the server's reply means.
#[derive(Debug)]
pub enum Verdict {
    /// More to say; without CRLF.
    Say(Secret<String>),
    /// We are who we say, and the server is who it should be.
    Accepted,
    /// The server would not have this mechanism; another one may do.
    OtherMechanism,
    /// No, or not now.
    Refused,
    /// The exchange failed on our side.
    Failed(SaslError),
}

impl Authenticating {
    /// The exchange, and the command that begins it.
    pub fn begin(
        mechanism: Mechanism,
        login: &Login,
        offered: &Extensions,
    ) -> Result<(Authenticating, Secret<String>), SaslError> {
        let offered = Offered::among(&offered.auth);
        let (carried, line) = Carried::begin(mechanism, login, offered, "AUTH", Initial::Within(MAX_COMMAND))?;
        Ok((Authenticating(carried), line))
    }

    pub fn reply(&mut self, reply: &Reply) -> Verdict {
        let carried = &mut self.0;
        if let Some(why) = carried.cancelled() {
            return Verdict::Failed(why);
        }
        match reply.code.value() {
            // `continue-req = "334" SP [base64] CRLF` (RFC 4954 section 8)
            334 => Verdict::Say(match reply.lines.as_slice() {
                [line] => carried.challenge(line.trim_end_matches(' ')),
                _ => carried.cancel(SaslError::NotBase64),
            }),
            200..=299 => carried.succeeded().map_or_else(Verdict::Failed, |()| Verdict::Accepted),
            // RFC 4954 section 6: no such mechanism; one too weak for this user.
            504 | 534 => Verdict::OtherMechanism,
            _ => Verdict::Refused,
        }
    }
}

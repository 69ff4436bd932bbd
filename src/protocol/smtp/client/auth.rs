//! AUTH (RFC 4954) as a client: which mechanism, and one exchange of it in lines of base64. Whose secrets, the work above knows.

use super::words::{Failure, Fault};
use crate::bytes::secret::Secret;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::protocol::sasl::Exchange;
use crate::protocol::sasl::words::{Authentication, InClear, Login, Mechanism, Offered, SaslError};
use crate::protocol::smtp::extensions::Extensions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    /// RFC 4954 section 4, RFC 8314 section 3.3.
    #[error("no password is sent without TLS; with --allow-plaintext-auth it is")]
    InClear,
    /// What would have been [`NoMechanism::InClear`].
    #[error(
        "the server does not offer STARTTLS, and no password is sent without TLS; with --tls never --allow-plaintext-auth it is"
    )]
    NoTls,
}

impl From<NoMechanism> for Failure {
    fn from(why: NoMechanism) -> Failure {
        // RFC 3463 section 3.8 and RFC 4954 section 6.
        let status = match &why {
            NoMechanism::NotOffered | NoMechanism::NoneFits(_) => EnhancedStatus::new(5, 7, 4),
            NoMechanism::InClear | NoMechanism::NoTls => EnhancedStatus::new(5, 7, 11),
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
    let safe = |mechanism: &Mechanism| secure || wanted.in_clear != InClear::Never || !mechanism.needs_secret();
    let safe: VecDeque<Mechanism> = fit.into_iter().filter(safe).collect();
    if safe.is_empty() { Err(NoMechanism::InClear) } else { Ok(safe) }
}

/// Whether `next` may be tried after the server would not have the mechanism before it: over a connection that can be overheard,
/// whoever sends such a refusal must not get at the password by it.
pub fn may_follow(next: Mechanism, wanted: &Authentication, secure: bool) -> bool {
    secure || wanted.in_clear == InClear::Local || !next.reveals_secret()
}

/// What a SCRAM exchange has to know of the offer.
pub fn bound_or_not(offered: &Extensions) -> Offered {
    let bound = offered.auth.iter().any(|name| name.parse().is_ok_and(Mechanism::is_bound));
    if bound { Offered::Bound } else { Offered::Unbound }
}

/// One exchange under way.
#[derive(Debug)]
pub struct Authenticating {
    mechanism: Mechanism,
    exchange: Exchange,
    /// The initial response, where it did not fit the command line: for the first challenge, which has to be empty.
    withheld: Option<Secret<Vec<u8>>>,
    /// We cancelled, for this reason.
    cancelled: Option<SaslError>,
}

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
    pub fn begin(mechanism: Mechanism, login: &Login, offered: Offered) -> Result<(Authenticating, Secret<String>), SaslError> {
        let exchange = Exchange::new(mechanism, login, offered)?;
        let mut withheld = None;
        let mut line = format!("AUTH {mechanism}");
        if let Some(initial) = exchange.initial() {
            let text = encode(&initial);
            // RFC 4954 section 4: an empty initial response is a single `=`.
            let text = if text.reveal().is_empty() { Secret::new("=".to_owned()) } else { text };
            if line.len() + 1 + text.reveal().len() + 2 <= MAX_COMMAND {
                line.reserve_exact(MAX_COMMAND);
                line.push(' ');
                line += text.reveal();
            } else {
                withheld = Some(initial);
            }
        }
        Ok((Authenticating { mechanism, exchange, withheld, cancelled: None }, Secret::new(line)))
    }

    pub fn reply(&mut self, reply: &Reply) -> Verdict {
        if let Some(why) = self.cancelled.take() {
            return Verdict::Failed(why);
        }
        match reply.code.value() {
            334 => match self.challenge(reply) {
                Ok(response) => Verdict::Say(encode(&response)),
                Err(why) => {
                    self.cancelled = Some(why);
                    // RFC 4954 section 4: the client cancels with a single `*`.
                    Verdict::Say(Secret::new("*".to_owned()))
                }
            },
            200..=299 => match self.exchange.succeeded() {
                Ok(()) if self.withheld.is_none() => Verdict::Accepted,
                Ok(()) => Verdict::Failed(SaslError::Early(self.mechanism)),
                Err(why) => Verdict::Failed(why),
            },
            // RFC 4954 section 6: no such mechanism; one too weak for this user.
            504 | 534 => Verdict::OtherMechanism,
            _ => Verdict::Refused,
        }
    }

    /// `continue-req = "334" SP [base64] CRLF` (RFC 4954 section 8)
    fn challenge(&mut self, reply: &Reply) -> Result<Secret<Vec<u8>>, SaslError> {
        let [line] = reply.lines.as_slice() else { return Err(SaslError::NotBase64) };
        let challenge = STANDARD.decode(line.trim_end_matches(' ')).map_err(|_| SaslError::NotBase64)?;
        match self.withheld.take() {
            Some(initial) if challenge.is_empty() => Ok(initial),
            Some(_) => Err(SaslError::Unexpected(self.mechanism)),
            None => self.exchange.respond(&challenge),
        }
    }
}

fn encode(bytes: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(STANDARD.encode(bytes.reveal()))
}

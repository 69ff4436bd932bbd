//! SASL (RFC 4422) as a client: one exchange of one mechanism, challenges in, responses out. How they are carried (base64, lines,
//! cancelling) is each protocol's profile; no I/O, no randomness.

pub mod carried;
mod prepare;
mod scram;
mod simple;
pub mod words;

use crate::bytes::secret::Secret;
use scram::Scram;
use simple::Simple;
use words::{Login, Mechanism, Offered, SaslError};

/// One exchange. Every mechanism takes a fixed number of challenges, so none goes on for ever.
#[derive(Debug)]
pub struct Exchange(Kind);

#[derive(Debug)]
enum Kind {
    Simple(Simple),
    Scram(Scram),
}

impl Exchange {
    /// Fails where the mechanism has no form for what is in `login`.
    pub fn new(mechanism: Mechanism, login: &Login, offered: Offered) -> Result<Exchange, SaslError> {
        use Mechanism::{ScramSha1, ScramSha1Plus, ScramSha256, ScramSha256Plus};
        Ok(Exchange(match mechanism {
            ScramSha256Plus | ScramSha1Plus | ScramSha256 | ScramSha1 => Kind::Scram(Scram::new(mechanism, login, offered)?),
            _ => Kind::Simple(Simple::new(mechanism, login)?),
        }))
    }

    /// What the client says first; none where the server begins.
    pub fn initial(&self) -> Option<Secret<Vec<u8>>> {
        match &self.0 {
            Kind::Simple(simple) => simple.initial(),
            Kind::Scram(scram) => Some(Secret::new(scram.initial())),
        }
    }

    /// The response to a challenge. After an error the exchange is to be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        match &mut self.0 {
            Kind::Simple(simple) => simple.respond(challenge),
            Kind::Scram(scram) => scram.respond(challenge).map(Secret::new),
        }
    }

    /// The server claims success. An error: it has no right to, and nothing may be entrusted to it.
    pub fn succeeded(&self) -> Result<(), SaslError> {
        match &self.0 {
            Kind::Simple(simple) => simple.succeeded(),
            Kind::Scram(scram) => scram.succeeded(),
        }
    }
}

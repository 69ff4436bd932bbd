//! What is to have verified TLS all the way, or is not to go (RFC 8689).

use super::deliver::{Courier, Destination, Secure, Unserved, settle_all};
use super::session::{Outbox, Via};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::mail::server::{Place, Scheme, Server};
use crate::net::tls::layer::{Handshake, TlsError};
use crate::protocol::session::StartTls;
use crate::protocol::smtp::client::words::Fault;

impl Courier<'_> {
    /// As [`Courier::serve`] for what is to have verified TLS all the way (RFC 8689 section 4.2.1): without it, nothing is sent. MX hosts are
    /// not known to be the right ones without DANE or MTA-STS.
    pub fn serve_securely<T>(&self, to: &Destination, outbox: &dyn Outbox<T>) -> Option<Unserved> {
        let domain = match to {
            Destination::Mx(domain) => Some(domain.to_string()),
            Destination::Server(Server { place: Place::Mx(domain), .. }) => Some(domain.clone()),
            Destination::Server(_) => None,
        };
        if let Some(domain) = domain {
            let text =
                format!("REQUIRETLS was asked for, and the MX hosts of {domain} cannot be verified without DANE or MTA-STS");
            let unserved = Unserved { outcome: refused(text), via: Via::default(), fault: Fault::Tls };
            settle_all(outbox, &unserved);
            return Some(unserved);
        }
        Courier { tls: &Verified(self.tls), ..self.clone() }.serve(to, outbox)
    }
}

/// TLS that is started and verified, or no session is.
struct Verified<'a>(&'a dyn Secure);

impl Secure for Verified<'_> {
    fn client(&self, host: &str, verified: bool) -> Result<Box<dyn Handshake>, TlsError> {
        self.0.client(host, verified)
    }

    fn start(&self, usual: StartTls) -> StartTls {
        match self.0.start(usual) {
            StartTls::Implicit => StartTls::Implicit,
            StartTls::Never | StartTls::IfOffered | StartTls::Required => StartTls::Required,
        }
    }

    fn is_verified(&self, verified: bool) -> bool {
        self.0.is_verified(verified)
    }
}

/// It delivers for good, and nobody can listen on the way there.
pub fn is_on_this_host(to: &Destination) -> bool {
    let Destination::Server(Server { scheme, place, .. }) = to else { return false };
    *scheme == Scheme::Lmtp && matches!(place, Place::Socket(_) | Place::Command(_))
}

/// What was to have verified TLS and could not have it does not go, and a retry is not for us to suggest (RFC 8689 section 4.2.1).
pub fn demanding_tls(outcome: Outcome, fault: Option<Fault>) -> Outcome {
    match outcome {
        Outcome::Deferred(why) if fault == Some(Fault::Tls) && why.code.is_none() => {
            refused(format!("REQUIRETLS was asked for: {}", why.text))
        }
        outcome => outcome,
    }
}

fn refused(text: String) -> Outcome {
    Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 7, 30), text))
}

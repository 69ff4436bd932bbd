//! How a session with a mailbox's server ended: what the driver knows of it, and what the engine does.

use crate::net::drive::fault::Fault as Cut;
use crate::net::tls::layer::{Facts, TlsError};
use crate::protocol::session::{Failure, Fault};

/// How a session ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Why it did not come to its end.
    pub failure: Option<Failure>,
    pub tls: Option<Facts>,
    /// Why TLS did not start though it was tried.
    pub tls_error: Option<TlsError>,
    /// What the server would not do though it was asked, none of it needed; one line each.
    pub denied: Vec<String>,
}

/// How a session ended that the driver cut, or not, and the engine gave up, or not.
pub fn ended(cut: Option<Cut>, failure: Option<Failure>, tls: Option<Facts>) -> Ended {
    let mut ended = Ended { failure, tls, ..Ended::default() };
    match (cut, &mut ended.failure) {
        // The driver knows better than the engine why a connection broke.
        (Some(cut), Some(failure)) if matches!(failure.fault, Fault::Lost | Fault::Tls | Fault::Protocol | Fault::Cancelled) => {
            if told_by_driver(failure.fault, &cut) {
                failure.text = cut.to_string();
            }
            if let Cut::Tls(error) = cut {
                if matches!(error, TlsError::Certificate { .. }) {
                    failure.fault = Fault::Stranger;
                }
                ended.tls_error = Some(error);
            }
        }
        (Some(Cut::Engine(why)), None) => {
            ended.failure = Some(Failure { fault: Fault::Cancelled, text: format!("the protocol engine is broken: {why}") });
        }
        _ => {}
    }
    ended
}

/// What the engine found out itself, as that a message has no end, stands.
fn told_by_driver(fault: Fault, cut: &Cut) -> bool {
    fault != Fault::Protocol || matches!(cut, Cut::Injected)
}

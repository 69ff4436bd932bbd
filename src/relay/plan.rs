//! Where mail to a destination would go, without sending it; and a connection there, for who speaks with the server on their own.

use super::deliver::{Courier, Destination, NoWay, Target, Ways, via};
use super::session::Via;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::net::connection::Connection;
use crate::net::tls::layer::Handshake;
use crate::protocol::session::StartTls;
use std::net::SocketAddr;

/// A connection to the first host that answered.
pub struct Reached {
    pub connection: Connection,
    pub via: Via,
    pub tls: StartTls,
    pub lmtp: bool,
    /// Starts TLS with that host; none where it is never to be started.
    pub handshake: Option<Box<dyn Handshake>>,
}

/// One host in the order of trial.
#[derive(Debug)]
pub struct Planned {
    /// A name, an address, or a socket's path.
    pub host: String,
    /// In the order of trial; none for a socket. An outcome where they are not to be had.
    pub addresses: Result<Vec<SocketAddr>, Outcome>,
    pub tls: StartTls,
    pub lmtp: bool,
}

impl Courier<'_> {
    /// The hosts that a message would be tried at; the outcome of its recipients where there are none.
    pub fn plan(&self, to: &Destination) -> Result<Vec<Planned>, Outcome> {
        let targets = self.targets(to)?;
        let planned = targets.into_iter().map(|target| Planned {
            host: target.place.to_string(),
            addresses: self.ways(&target).map(|ways| ways.each().into_iter().flatten().collect()),
            tls: target.tls,
            lmtp: target.lmtp,
        });
        Ok(planned.collect())
    }

    /// Connects; the last failure where nothing answers.
    pub fn reach(&self, to: &Destination) -> Result<Reached, Outcome> {
        let mut failure = None;
        for target in self.targets(to)? {
            let connected = match self.ways(&target) {
                Ok(Ways::Direct) => self.connect(&target, None).map(|connection| (None, connection)),
                Ok(Ways::Addresses(addresses)) => self
                    .dial
                    .connect(&target.place.to_string(), &addresses)
                    .map(|reached| (Some(reached.address), reached.connection))
                    .map_err(NoWay::from),
                Err(outcome) => {
                    failure = Some(outcome);
                    continue;
                }
            };
            match connected {
                Ok((address, connection)) => return self.reached(&target, address, connection),
                Err(why) => failure = Some(why.outcome()),
            }
        }
        Err(failure.unwrap_or_else(|| unreachable("no host to connect to".to_owned())))
    }

    fn reached(&self, target: &Target, address: Option<SocketAddr>, connection: Connection) -> Result<Reached, Outcome> {
        let via = via(target, address);
        let verified = matches!(target.tls, StartTls::Required | StartTls::Implicit);
        let handshake = match target.tls {
            StartTls::Never => None,
            _ => Some(self.tls.client(&via.host, verified).map_err(|error| unreachable(error.to_string()))?),
        };
        Ok(Reached { connection, via, tls: target.tls, lmtp: target.lmtp, handshake })
    }
}

fn unreachable(text: String) -> Outcome {
    Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 4, 1), text))
}

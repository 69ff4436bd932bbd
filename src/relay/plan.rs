//! Where mail to a destination would go, without going there.

use super::deliver::{Courier, Destination};
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::words::StartTls;
use std::net::SocketAddr;

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
}

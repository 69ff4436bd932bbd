//! What we call ourselves to servers.

use crate::mail::address::Domain;
use crate::net::connection::Connection;

/// What we call ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnName {
    Known(String),
    /// We have none: EHLO gives the address that the connection comes from (RFC 5321 section 4.1.4).
    Unknown,
}

impl OwnName {
    /// Where there is no connection to ask.
    pub fn as_str(&self) -> &str {
        match self {
            OwnName::Known(name) => name,
            OwnName::Unknown => "[127.0.0.1]",
        }
    }

    /// Over this connection.
    pub fn on(&self, connection: &Connection) -> String {
        let address = connection.own_address().filter(|_| *self == OwnName::Unknown);
        address.map_or_else(|| self.as_str().to_owned(), |address| Domain::Literal(address).to_string())
    }
}

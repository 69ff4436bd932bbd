//! What cuts a conversation short.

use crate::net::tls::layer::TlsError;
use crate::net::wire::reason;
use crate::protocol::engine::End;
use std::io;
use std::time::Duration;

/// What cut a conversation short; the engine was told the matching [`End`] and came to its end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the peer closed the connection")]
    Closed,
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the session lasted longer than {0:?}")]
    SessionLimit(Duration),
    #[error("connection lost: {}", reason(.0))]
    Broken(#[source] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("plain text behind the command that starts TLS: somebody put it there")]
    Injected,
    #[error("stopped")]
    Stopped,
    #[error("nobody is left who could answer")]
    Deserted,
    #[error("cannot read the message: {}", reason(.0))]
    Body(#[source] io::Error),
    /// A bug of ours: the engine was left as it stood.
    #[error("the protocol engine is broken: {0}")]
    Engine(&'static str),
}

impl Fault {
    /// Of a failed read or write. A TLS record that could not be read is told by its own fault.
    pub(super) fn broken(error: io::Error) -> Fault {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(tls) => Fault::Tls(tls.clone()),
            None => Fault::Broken(error),
        }
    }

    /// What the engine is told.
    pub(super) fn end(&self) -> End {
        match self {
            Fault::Closed => End::Eof,
            Fault::Silent(_) | Fault::SessionLimit(_) => End::TimedOut,
            Fault::Broken(_) => End::Io,
            Fault::Tls(_) => End::Tls,
            Fault::Injected => End::Injected,
            Fault::Stopped | Fault::Deserted | Fault::Body(_) | Fault::Engine(_) => End::Cancelled,
        }
    }
}

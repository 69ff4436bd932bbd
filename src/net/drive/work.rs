//! What stands above an engine while it is driven, and how it is driven.

use crate::net::mailbox::Mailbox;
use crate::net::tls::layer::{Facts, Handshake};
use crate::protocol::engine::Engine;
use std::io;
use std::time::Duration;

/// Which way bytes crossed the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Sent,
    Received,
}

/// What stands above an engine while it is driven.
pub trait Work<E: Engine> {
    /// Carries out what the engine asks. `None`: the answer comes later, through the mailbox.
    fn ask(&mut self, ask: E::Ask) -> Option<E::Tell>;

    /// Fills `buf` with the next bytes of the body that is being sent; 0 is its end, after which the next call is for the next
    /// body. An error cancels the conversation.
    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sees the bytes that cross the wire, in order, as they were before or after encryption.
    fn crossed(&mut self, _direction: Direction, _secure: bool, _bytes: &[u8]) {}

    /// TLS was started.
    fn secured(&mut self, _facts: &Facts) {}
}

/// How a conversation is driven.
pub struct Options<'a, T> {
    /// Starts TLS when the engine wants it.
    pub tls: Option<&'a dyn Handshake>,
    /// The most time for flushing and shaking hands.
    pub secure_within: Duration,
    /// The most time for the whole conversation.
    pub session_within: Option<Duration>,
    /// The most time for writing what is left at the end.
    pub close_within: Duration,
    /// A server reads on for this long after its last reply, so that the reply is not lost to a reset.
    pub linger: Option<Duration>,
    /// Words from outside.
    pub mailbox: Option<Mailbox<T>>,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Options {
            tls: None,
            secure_within: Duration::from_secs(60),
            session_within: None,
            close_within: Duration::from_secs(10),
            linger: None,
            mailbox: None,
        }
    }
}

/// How many bytes of the conversation went each way, encryption not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub sent: u64,
    pub received: u64,
}

//! The shape of every protocol engine: a value that takes bytes and says what it needs next. Nothing here knows a protocol.
//!
//! A driver (`net::drive`, or a test) calls [`Engine::step`], carries the step out, and calls it again. Calling `step` again means
//! that the step before was carried out as far as it could be; what went wrong is told by [`Engine::ended`]. An engine never
//! blocks, never allocates without a bound, and behaves the same however the bytes are split.

use std::time::Duration;

/// How many bytes an engine may hold ready for the peer before it asks to have them written.
pub const OUTGOING_LIMIT: usize = 64 * 1024;

/// One side of one conversation.
pub trait Engine {
    /// What the engine wants of the work above it: a verdict, the next command, a place for a chunk.
    type Ask;
    /// What the work above answers, or starts of its own accord.
    type Tell;

    /// Takes bytes from the peer; gives how many it took. The rest stays with the driver, which offers it again after the next
    /// step. An engine that takes none while [`Step::Io`] reads is broken; one that waits for an answer may.
    fn receive(&mut self, bytes: &[u8]) -> usize;

    /// What is ready to be written to the peer, at most about [`OUTGOING_LIMIT`]. More may be added behind it, but what was shown
    /// once stays until [`Engine::wrote`]: a part of it may sit in a TLS record already.
    fn outgoing(&self) -> &[u8];

    /// The first `n` bytes of [`Engine::outgoing`] were written.
    fn wrote(&mut self, n: usize);

    /// Takes bytes of the body that [`Step::NeedBody`] asked for, raw: the engine frames them (dots, a literal's length). Gives
    /// how many it took: all of them, up to the `room` it asked for, so that nobody has to guess what becomes of the rest of a
    /// body that is given up. `last` says that nothing follows `bytes`; it counts only when all of them were taken.
    fn body(&mut self, bytes: &[u8], last: bool) -> usize;

    /// An answer to an ask, or word from outside while the engine reads or waits.
    fn tell(&mut self, tell: Self::Tell);

    /// The time of [`Step::Io`] is over. True: the engine goes on by itself, with another `unit`, as one does that has to speak now and then;
    /// false, as of most: [`Engine::ended`] follows.
    fn lapsed(&mut self) -> bool {
        false
    }

    /// The conversation is to stop: how long it may go on yet, counted from when that was said, to come to an end in order. It is asked again after
    /// each step; once the time is over, [`Engine::ended`] follows.
    fn parting(&self) -> Duration {
        Duration::ZERO
    }

    /// The conversation can't go on. The engine settles what it can (`Ask`s may still follow) and comes to [`Step::Done`].
    fn ended(&mut self, why: End);

    fn step(&mut self) -> Step<Self::Ask>;
}

/// What the driver has to do next. Bytes in [`Engine::outgoing`] are written with every step that can wait, and before
/// [`Step::Secure`], [`Step::Inflate`] and [`Step::Done`] to the last.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// Write what is outgoing and, if `read`, take what the peer sends, both at once (full duplex). Nothing within `within` since
    /// `unit` last changed is [`End::TimedOut`]: a peer that drips bytes gains no time.
    Io { read: bool, within: Duration, unit: u64 },
    /// Something for the work above. What it answers comes by [`Engine::tell`], at once or later.
    Ask(A),
    /// Body bytes are wanted, at most `room`. What the peer says meanwhile is read, too: it may refuse in mid-body.
    NeedBody { room: usize },
    /// Nothing to do before [`Engine::tell`]: a verdict is being made. The peer is not read (backpressure), only written to.
    Wait,
    /// Write what is outgoing, then start TLS. Bytes that the driver still holds are [`End::Injected`]; a failed handshake is
    /// [`End::Tls`]. The next `step` runs inside TLS, with everything the peer said in clear forgotten.
    Secure,
    /// Write what is outgoing, then compress both directions (RFC 4978).
    Inflate,
    /// The conversation is over: write what is outgoing and close.
    Done,
}

/// Why a conversation can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer closed.
    Eof,
    /// The peer was silent for too long.
    TimedOut,
    /// The TLS handshake, or a record of it, failed.
    Tls,
    /// The connection broke.
    Io,
    /// Plaintext arrived behind the line that starts TLS (RFC 3207 section 6): somebody put it there.
    Injected,
    /// We want to stop: a signal, or the body's source failed. What was begun is abandoned, never completed.
    Cancelled,
}

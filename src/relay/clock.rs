//! Time and chance as the relay floor sees them: passed in, so that a test can turn them.

use jiff::Timestamp;

/// The wall clock. It may jump either way between two calls.
pub trait Clock: Sync {
    fn now(&self) -> Timestamp;
}

/// A source of 64 random bits, for queue ids, jitter and the order of equal hosts.
pub trait Chance: Sync {
    fn draw(&self) -> u64;
}

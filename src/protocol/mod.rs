//! Floor 2: protocol engines. Bytes in, steps out; no socket, file, clock, thread or log.

pub mod dns;
pub mod engine;
pub mod hand;
pub mod imap;
pub mod pop3;
pub mod proxy;
pub mod sasl;
pub mod session;
pub mod smtp;
pub mod typed;

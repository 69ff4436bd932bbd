//! SMTP (RFC 5321) and LMTP (RFC 2033): grammar and the two engines.

pub mod client;
pub mod dialect;
pub mod extensions;
pub mod grammar;
pub mod reply;
pub mod server;

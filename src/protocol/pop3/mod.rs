//! POP3 (RFC 1939, RFC 2449): responses and the client engine.

pub mod auth;
mod authorization;
pub mod capabilities;
pub mod client;
pub mod dialect;
pub mod listing;
pub mod response;
mod window;
pub mod words;

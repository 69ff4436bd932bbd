//! TLS for both sides: who does it and why is told in docs/decisions/tls.md.

pub mod certificate;
pub mod client;
pub mod files;
mod hello;
pub mod layer;
mod native;
mod openssl;
pub mod server;

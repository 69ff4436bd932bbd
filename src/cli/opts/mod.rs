//! Option groups: one file per group with its flags, help, errors and `resolve()`; and the forms that their values have.

pub mod auth;
pub mod client;
pub mod duration;
pub mod fingerprint;
pub mod log;
pub mod server;
pub mod session;
pub mod size;
pub mod spool;
pub mod tls;
pub mod trace;
pub mod way;

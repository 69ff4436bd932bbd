//! Floor 4: one task in mail words; clock, chance, dialer, spool and log are passed in.

pub mod alias;
pub mod clock;
pub mod event;
pub mod policy;
pub mod receive;
pub mod retry;
pub mod route;
pub mod sink;
pub mod template;

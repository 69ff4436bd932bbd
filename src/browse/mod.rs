//! Floor 4: an IMAP account looked at and changed; the connection is passed in.

pub mod asked;
pub mod commands;
pub mod complete;
pub mod criteria;
pub mod day;
pub mod flags;
pub mod items;
pub mod line;
pub mod local;
pub mod order;
pub mod plan;
pub mod session;
pub mod set;
pub mod watch;
pub mod words;

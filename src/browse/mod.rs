//! Floor 4: an IMAP account looked at and changed; the connection is passed in.

pub mod criteria;
pub mod day;
pub mod flags;
pub mod line;
pub mod local;
pub mod order;
pub mod set;
pub mod words;

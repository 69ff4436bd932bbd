//! Floor 4: a POP3 mailbox brought home; clock, target and journal are passed in.

pub mod keeper;
pub mod target;
pub mod words;

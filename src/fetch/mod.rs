//! Floor 4: a POP3 mailbox brought home; clock, target and journal are passed in.

pub mod fetching;
pub mod filter;
pub mod item;
pub mod keeper;
pub mod labels;
pub mod listing;
pub mod missing;
pub mod name;
pub mod policy;
pub mod reading;
pub mod recall;
pub mod session;
pub mod settle;
pub mod sizes;
pub mod spare;
pub mod target;
pub mod told;
pub mod words;

//! The spool: one self-validating file per message, moved between directories that say what state it is in. The format and the
//! states are those of spool(5). Nothing here decides what becomes of a message.

pub mod accept;
pub mod check;
pub mod control;
pub mod edit;
pub mod facts;
pub mod find;
pub mod format;
pub mod history;
pub mod judge;
pub mod layout;
pub mod list;
pub mod mark;
pub mod message;
pub mod queue;
pub mod slots;
pub mod staged;

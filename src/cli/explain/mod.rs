//! The protocols in plain words: one file a table. Nothing here is printed or decided.

pub mod extensions;
pub mod imap;
pub mod pop3;
pub mod smtp;

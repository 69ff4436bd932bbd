//! Floor 5: one file per tool.

pub mod imap_shell;
pub mod mailq_run;
pub mod mime_pack;
pub mod mx_lookup;
pub mod pop3_fetch;
pub mod smtp_listen;
pub mod smtp_send;

//! What stands behind the sessions of pop3-fetch: journal, policy and targets, against a mailbox that is simulated.

#[path = "keeper/batch.rs"]
mod batch;
#[path = "support/faulty.rs"]
#[allow(dead_code)]
mod faulty;
#[path = "keeper/journal.rs"]
mod journal;
#[path = "keeper/lmtp.rs"]
mod lmtp;
#[path = "keeper/mailbox.rs"]
mod mailbox;
#[path = "keeper/maildir.rs"]
mod maildir;
#[path = "keeper/mbox.rs"]
mod mbox;
#[path = "keeper/names.rs"]
mod names;
#[path = "keeper/policy.rs"]
mod policy;
#[path = "keeper/programs.rs"]
mod programs;
#[path = "keeper/spool.rs"]
mod spool;

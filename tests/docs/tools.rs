//! Every tool that is shipped, and its command line.

use clap::Command;
use postroad::cmd;

/// A tool's name and the definition of its command line.
pub type Tool = (&'static str, fn() -> Command);

pub const TOOLS: &[Tool] = &[
    ("imap-shell", cmd::imap_shell::command),
    ("mailq-run", cmd::mailq_run::command),
    ("mime-pack", cmd::mime_pack::command),
    ("mx-lookup", cmd::mx_lookup::command),
    ("pop3-fetch", cmd::pop3_fetch::command),
    ("smtp-listen", cmd::smtp_listen::command),
    ("smtp-send", cmd::smtp_send::command),
];

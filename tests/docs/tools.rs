//! Every tool that is shipped, and its command line.

use clap::Command;
use postroad::cmd;

pub const TOOLS: &[(&str, fn() -> Command)] =
    &[("mime-pack", cmd::mime_pack::command), ("mx-lookup", cmd::mx_lookup::command), ("smtp-listen", cmd::smtp_listen::command)];

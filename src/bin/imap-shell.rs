//! The main of imap-shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("imap-shell", postroad::cmd::imap_shell::run)
}

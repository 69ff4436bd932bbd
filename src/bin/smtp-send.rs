//! The main of smtp-send.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("smtp-send", postroad::cmd::smtp_send::run)
}

//! The main of pop3-fetch.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("pop3-fetch", postroad::cmd::pop3_fetch::run)
}

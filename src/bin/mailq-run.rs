//! The main of mailq-run.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("mailq-run", postroad::cmd::mailq_run::run)
}

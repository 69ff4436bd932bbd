//! The main of mx-lookup.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("mx-lookup", postroad::cmd::mx_lookup::run)
}

//! The main of mime-pack.

use std::process::ExitCode;

fn main() -> ExitCode {
    postroad::cli::exit::main("mime-pack", postroad::cmd::mime_pack::run)
}

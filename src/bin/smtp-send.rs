//! The main of smtp-send, which is also that of sendmail.

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = postroad::cmd::smtp_send::name(std::env::args_os().next());
    postroad::cli::exit::main(name, postroad::cmd::smtp_send::run)
}

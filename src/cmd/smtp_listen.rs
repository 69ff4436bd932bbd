//! smtp-listen: speaks SMTP or LMTP to clients and stores what it accepts.

mod args;
mod session;
mod settings;
mod sinks;
mod start;

use crate::cli::args::{self as words, Parsed};
use crate::cli::config::{self, Reader};
use crate::cli::exit::{Failure, Status};
use args::Args;
use clap::CommandFactory;
use std::ffi::OsString;

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let Parsed::Run(args) = words::parse::<Args>(args)? else { return Ok(Status::Done) };
    let config = config::load(Reader::Server, args.config.as_deref())?;
    start::run(&args, &config)
}

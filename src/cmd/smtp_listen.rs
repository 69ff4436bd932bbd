//! smtp-listen: speaks SMTP or LMTP to clients and stores what it accepts.

mod args;
pub mod session;
pub mod settings;
mod sinks;
mod start;

use crate::cli::args::{self as words, Parsed};
use crate::cli::config::{self, Reader};
use crate::cli::exit::{Failure, Status};
use crate::cli::log::{Format, Sink, Target};
use crate::cli::stdio::stderr_is_the_client;
use crate::relay::event::{Event, Log};
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
    let result = config::load(Reader::Server, args.config.as_deref()).and_then(|config| start::run(&args, &config));
    result.inspect_err(tell_syslog)
}

/// Under inetd nobody but the client is behind stderr, so that a failure is told to the system's log.
fn tell_syslog(failure: &Failure) {
    if !stderr_is_the_client() {
        return;
    }
    if let Ok(log) = Sink::open(&Target::Syslog, Format::Text, "smtp-listen") {
        log.event(&Event { text: Some(format!("{:#}", failure.error)), ..Event::new("failure") });
    }
}

//! mailq-run: one pass over the spool, a watch on it, and the commands to manage it.

mod args;
mod check;
mod identity;
mod manage;
mod rows;
mod runner;
mod show;
mod store;

use crate::cli::args::{Parsed, parse};
use crate::cli::clock::System;
use crate::cli::config::settings::Config;
use crate::cli::config::{self, Reader, router, system_hostname};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::log::Target;
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::mail::address::Domain;
use crate::relay::desk::Desk;
use crate::relay::local::STORE;
use crate::relay::retry::Schedule;
use args::{Args, Command, StoreAs};
use clap::CommandFactory;
use manage::Hands;
use std::ffi::OsString;
use std::path::Path;

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let words: Vec<OsString> = as_mailq(args).collect();
    if words.get(1).is_some_and(|word| word == STORE) {
        return match parse::<StoreAs>(words.into_iter().skip(1))? {
            Parsed::Run(args) => store::run(&args),
            Parsed::Answered => Ok(Status::Done),
        };
    }
    let args = match parse::<Args>(words)? {
        Parsed::Run(args) => args,
        Parsed::Answered => return Ok(Status::Done),
    };
    let quiet = args.pass.quiet;
    match dispatch(args) {
        Err(failure) if quiet => Ok(failure.status),
        other => other,
    }
}

/// Called as `mailq`, the tool lists.
fn as_mailq(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut args = args.peekable();
    let named = |name: &OsString| Path::new(name).file_name().is_some_and(|name| name == "mailq");
    let list = args.peek().is_some_and(named).then(|| OsString::from("list"));
    let first = args.next();
    first.into_iter().chain(list).chain(args)
}

fn dispatch(args: Args) -> Result<Status, Failure> {
    if args.command.is_some() && (args.pass.watch || args.pass.verbose > 0) {
        return Err(Failure::text(Status::Usage, "--watch and --verbose are for passes, not for commands"));
    }
    let config = config::load(Reader::Server, args.config.as_deref())?;
    let hostname = hostname(&config)?;
    if let Some(Command::Route { addresses }) = &args.command {
        return show::route(&router::router(&config, hostname)?, addresses);
    }
    let spool = open(&args.spool.resolve(&config))?;
    let Some(command) = &args.command else {
        let (router, accounts) = (router::router(&config, hostname)?, runner::accounts(&config)?);
        identity::become_owner(&spool)?;
        return runner::run(&args.pass, &spool, &router, &accounts);
    };
    identity::become_owner(&spool)?;
    match command {
        Command::List { json } => show::list(&spool, *json),
        Command::Show { id, json, message } => show::show(&spool, id, *json, *message),
        Command::Stats => show::stats(&spool),
        Command::Check(options) => check::run(&spool, options),
        // It needs no spool, and was answered above.
        Command::Route { .. } => Ok(Status::Done),
        Command::Hold { .. } | Command::Release { .. } | Command::Retry(_) => manage(&args, &spool, &hostname, command),
        Command::Delete { .. } | Command::Bounce { .. } | Command::Edit { .. } => manage(&args, &spool, &hostname, command),
    }
}

fn manage(args: &Args, spool: &Spool, hostname: &Domain, command: &Command) -> Result<Status, Failure> {
    let log = args.pass.log.open("mailq-run", Target::Syslog)?;
    let hostname = hostname.to_string();
    let desk = Desk::new(spool, &System, &System, &log, Schedule::default(), &hostname);
    let mut hands = Hands::new(spool, &desk);
    match command {
        Command::Hold { ids } => hands.hold(ids)?,
        Command::Release { ids } => hands.release(ids)?,
        Command::Delete { ids } => hands.delete(ids)?,
        Command::Bounce { ids } => hands.bounce(ids)?,
        Command::Retry(what) => hands.retry(what)?,
        Command::Edit { id, rcpt } => hands.edit(id, rcpt)?,
        _ => {}
    }
    Ok(hands.status())
}

fn hostname(config: &Config) -> Result<Domain, Failure> {
    match &config.hostname {
        Some(name) => Ok(name.clone()),
        None => system_hostname().parse::<Domain>().or_status(Status::Os),
    }
}

fn open(dir: &Path) -> Result<Spool, Failure> {
    Spool::open(dir).map_err(|error| {
        let status = if matches!(error, SpoolError::NotASpool(_)) { Status::Config } else { Status::Io };
        Failure::new(status, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        as_mailq(line.split(' ').map(OsString::from)).map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn called_as_mailq_it_lists() {
        assert_eq!(words("/usr/bin/mailq --json"), ["/usr/bin/mailq", "list", "--json"]);
        assert_eq!(words("mailq-run --watch"), ["mailq-run", "--watch"]);
        assert_eq!(words("/opt/mailq/mailq-run"), ["/opt/mailq/mailq-run"]);
    }
}

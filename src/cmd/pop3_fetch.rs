//! pop3-fetch: a POP3 mailbox listed, read, or brought home.

mod args;
mod hop;
mod mailbox;
mod rows;
mod serverinfo;
mod signals;
mod target;
mod way;

use crate::cli::args::{self as words, Parsed};
use crate::cli::config::{self, Reader, system_hostname};
use crate::cli::exit::{Failure, Status};
use crate::cli::opts::auth::refuse_passwords;
use crate::cli::screen::Screen;
use crate::cli::stdio::say;
use crate::cli::trace::TraceFile;
use crate::cli::transcript::Level;
use crate::cli::veil::words::Speech;
use crate::protocol::smtp::client::words::Timeouts;
use args::Args;
use clap::CommandFactory;
use hop::Hop;
use mailbox::Mailbox;
use signals::Signals;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;
use way::Way;

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let words: Vec<OsString> = args.collect();
    refuse_passwords(&words)?;
    let Parsed::Run(args) = words::parse::<Args>(words)? else { return Ok(Status::Done) };
    check(&args)?;
    let config = config::load(Reader::Client, args.config.as_deref())?;
    let chosen = way::chosen(&args, &config)?;
    let several = chosen.len() > 1;
    let only_to_look = args.looking.serverinfo;
    let ways: Vec<Way> = chosen.into_iter().map(|chosen| Way::new(&args, chosen, only_to_look)).collect::<Result<_, _>>()?;
    let hostname = config.hostname.as_ref().map_or_else(system_hostname, ToString::to_string);
    let trace = args.trace.file()?;
    let screen = |speech| screen(&args, speech, trace.clone());
    let timeouts = args.network.timeout().map_or_else(Timeouts::default, Timeouts::capped);
    let wanted = args.target.lmtp.as_deref().filter(|_| !args.looking.is_any());
    let hop = wanted.map(|text| Hop::new(text, &config, &hostname, timeouts, screen(Speech::Smtp))).transpose()?;
    let screen = screen(Speech::Pop3);
    let signals = Signals::watch()?;
    let mailbox =
        |way| Mailbox { args: &args, way, hop: hop.as_ref(), screen: &screen, signals: &signals, hostname: &hostname, several };
    loop {
        let status = round(ways.iter().map(mailbox), &screen, &signals, several, args.exit_empty)?;
        match args.watch {
            None => return Ok(status),
            Some(_) if signals.came() => return Ok(Status::Done),
            // What will not pass is no better next time, and servers lock out who tries again and again.
            Some(_) if matches!(status, Status::Permission | Status::Protocol | Status::CannotCreate) => return Ok(status),
            Some(time) if signals.wait(time) => return Ok(Status::Done),
            Some(_) => {}
        }
    }
}

/// Each mailbox once.
fn round<'a>(
    mailboxes: impl Iterator<Item = Mailbox<'a>>,
    screen: &Screen,
    signals: &Signals,
    several: bool,
    exit_empty: bool,
) -> Result<Status, Failure> {
    let mut statuses = Vec::new();
    for mailbox in mailboxes {
        let watched = mailbox.args.watch.is_some();
        let done = mailbox.run();
        if !matches!(done, Ok(Status::Done | Status::NoInput)) {
            screen.show_last();
        }
        let status = match done {
            Ok(status) => status,
            // A closed stdout ends everything.
            Err(failure) if !(several || watched) || failure.status == Status::Io => return Err(failure),
            Err(failure) => {
                say(&format!("pop3-fetch: {:#}", failure.error));
                failure.status
            }
        };
        statuses.push(status);
        if signals.came() {
            break;
        }
    }
    Ok(together(&statuses, exit_empty))
}

/// What the parser cannot see: options that go together only in some cases.
fn check(args: &Args) -> Result<(), Failure> {
    if args.json && args.target.is_stdout() && !args.looking.is_any() {
        return Err(Failure::text(Status::Usage, "--json: the messages themselves go to stdout; name another target"));
    }
    Ok(())
}

/// Where sessions in that protocol are shown.
fn screen(args: &Args, speech: Speech, trace: Option<Arc<TraceFile>>) -> Screen {
    let level = Level::new(args.verbose, args.quiet, !std::io::stderr().is_terminal());
    let screen = Screen::new(level).speaking(speech).showing_secrets(args.auth.show_secrets);
    screen.in_detail(args.trace.hex, args.trace.explain).tracing(trace)
}

/// One status for all mailboxes. An empty one ([`Status::NoInput`]) counts as done beside others.
fn together(statuses: &[Status], exit_empty: bool) -> Status {
    let all = |wanted: Status| statuses.iter().all(|status| *status == wanted);
    if all(Status::NoInput) {
        return if exit_empty { Status::NoInput } else { Status::Done };
    }
    let bad: Vec<Status> = statuses.iter().copied().filter(|status| !matches!(status, Status::Done | Status::NoInput)).collect();
    match bad.as_slice() {
        [] => Status::Done,
        // Cut off in mid-message: a retry is due whatever else was delivered.
        bad if bad.contains(&Status::TryAgain) => Status::TryAgain,
        [one] if statuses.len() == 1 => *one,
        bad if bad.len() == statuses.len() && bad.windows(2).all(|pair| pair[0] == pair[1]) => bad[0],
        _ => Status::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_mailboxes_have_one_status() {
        use Status::{Done, NoInput, Partly, Permission, TryAgain};
        for (statuses, empty, want) in [
            (&[Done][..], false, Done),
            (&[NoInput, NoInput], false, Done),
            (&[NoInput, NoInput], true, NoInput),
            (&[NoInput, Done], true, Done),
            (&[Permission], false, Permission),
            (&[Permission, Permission], false, Permission),
            (&[Permission, Done], false, Partly),
            (&[TryAgain, Done], false, TryAgain),
            (&[NoInput, Permission], true, Partly),
        ] {
            assert_eq!(together(statuses, empty), want, "{statuses:?}");
        }
    }
}

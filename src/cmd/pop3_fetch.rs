//! pop3-fetch: a POP3 mailbox listed, read, or brought home.

mod args;
mod hop;
mod logging;
mod mailbox;
mod objects;
mod rows;
mod serverinfo;
mod signals;
mod target;
mod typist;
mod way;

use crate::cli::args::{self as words, Parsed};
use crate::cli::config::system_hostname;
use crate::cli::conversation::Lead;
use crate::cli::exit::{Failure, Status};
use crate::cli::interactive::{self, Setting};
use crate::cli::log::Target;
use crate::cli::opts::auth::refuse_passwords;
use crate::cli::screen::Screen;
use crate::cli::stdio::say;
use crate::cli::typing::Who;
use crate::cli::veil::words::Speech;
use crate::protocol::pop3::dialect::Pop3;
use crate::protocol::session::StartTls;
use crate::protocol::smtp::client::words::Timeouts;
use crate::relay::session::Login;
use args::Args;
use clap::CommandFactory;
use hop::Hop;
use mailbox::{Mailbox, Stranger};
use signals::Signals;
use std::ffi::OsString;
use typist::Typist;
use way::{Purpose, Way};

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let words: Vec<OsString> = args.collect();
    refuse_passwords(&words)?;
    let Parsed::Run(args) = words::parse::<Args>(words)? else { return Ok(Status::Done) };
    args.check()?;
    let config = args.client.config()?;
    let chosen = way::chosen(&args, &config)?;
    let several = chosen.len() > 1;
    if several && args.target.policy.state.is_some() {
        // The same unique-id names another message in another mailbox.
        let text = "--state FILE is for one mailbox: where there are several, each remembers in a file of its own";
        return Err(Failure::text(Status::Usage, text));
    }
    let purpose = match &args.looking {
        looking if looking.serverinfo => Purpose::Look,
        looking if looking.interactive => Purpose::Hand,
        _ => Purpose::Mail,
    };
    let ways: Vec<Way> = chosen.into_iter().map(|chosen| Way::new(&args, chosen, purpose)).collect::<Result<_, _>>()?;
    let traces = args.trace.files()?;
    let screen = |speech| args.client.screen(speech, &args.trace, traces.clone(), args.auth.show_secrets);
    if purpose == Purpose::Hand {
        return match ways.as_slice() {
            [way] => by_hand(&args, way, &screen(Speech::Pop3)),
            _ => Err(Failure::text(Status::Usage, "--interactive: one mailbox at a time")),
        };
    }
    let hostname = config.hostname.as_ref().map_or_else(system_hostname, ToString::to_string);
    let timeouts = args.network.timeout().map_or_else(Timeouts::default, Timeouts::capped);
    let signals = Signals::watch()?;
    let wanted = args.target.lmtp.as_deref().filter(|_| !args.looking.is_any());
    let hop = wanted.map(|text| Hop::new(text, &config, &hostname, timeouts, screen(Speech::Smtp), &signals)).transpose()?;
    let screen = screen(Speech::Pop3);
    let log = args.log.open("pop3-fetch", Target::None)?;
    let mailbox = |way| Mailbox {
        args: &args,
        way,
        hop: hop.as_ref(),
        screen: &screen,
        log: &log,
        signals: &signals,
        hostname: &hostname,
        several,
    };
    loop {
        let (status, passes) = round(ways.iter().map(mailbox), &screen, &signals, several, args.exit_empty)?;
        match args.watch {
            None => return Ok(status),
            Some(_) if signals.came() => return Ok(Status::Done),
            // What will not pass is no better next time, and servers lock out who tries again and again.
            Some(_) if !passes && is_final(status) => return Ok(status),
            Some(time) if signals.wait(time) => return Ok(Status::Done),
            Some(_) => {}
        }
    }
}

/// `--interactive`: who types leads the session.
fn by_hand(args: &Args, way: &Way, screen: &Screen) -> Result<Status, Failure> {
    let titled = |failure: Failure| Failure { error: failure.error.context(way.title()), ..failure };
    let (connection, via) = way.connect(&args.network.dialer()).map_err(titled)?;
    let start = way.tls.start();
    let lead = Lead {
        tls: (start != StartTls::Never).then(|| way.handshake()),
        implicit: start == StartTls::Implicit,
        within: way.timeouts.command,
        by_the_book: true,
    };
    let login = way.login.as_ref().map(|login| login as &dyn Login);
    let typist = Typist::new(Who::new(login, way.is_local()), way.by);
    let transcript = args.transcript.as_deref();
    interactive::run(Setting { connection, via, lead, screen, transcript }, typist, Pop3::default())
}

/// A later session would come to the same.
fn is_final(status: Status) -> bool {
    use Status::{CannotCreate, Config, Permission, Protocol, Usage};
    matches!(status, Permission | Protocol | CannotCreate | Usage | Config)
}

/// Each mailbox once. And whether what went wrong may pass though its status does not say so.
fn round<'a>(
    mailboxes: impl Iterator<Item = Mailbox<'a>>,
    screen: &Screen,
    signals: &Signals,
    several: bool,
    exit_empty: bool,
) -> Result<(Status, bool), Failure> {
    let (mut statuses, mut passes) = (Vec::new(), false);
    for mailbox in mailboxes {
        let watched = mailbox.args.watch.is_some();
        let done = mailbox.run();
        let status = done.as_ref().map_or_else(|failure| failure.status, |status| *status);
        // The server has no part in what fails here.
        let ours = matches!(status, Status::Usage | Status::Config | Status::Os | Status::CannotCreate | Status::Io);
        if !(ours || matches!(status, Status::Done | Status::NoInput)) {
            if done.is_ok() { screen.show_refusal() } else { screen.show_last() }
        }
        let status = match done {
            Ok(status) => status,
            // A closed stdout ends everything.
            Err(failure) if !(several || watched) || failure.status == Status::Io => return Err(failure),
            Err(failure) => {
                say(&format!("pop3-fetch: {:#}", failure.error));
                // Somebody in between may be gone tomorrow, or the certificate mended; and no password went there.
                passes |= failure.error.is::<Stranger>();
                failure.status
            }
        };
        statuses.push(status);
        if signals.came() {
            break;
        }
    }
    Ok((together(&statuses, exit_empty), passes))
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

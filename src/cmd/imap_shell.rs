//! imap-shell: an IMAP account, command by command.

mod append;
mod args;
mod commands;
mod door;
mod events;
mod export;
mod hearing;
mod help;
mod interactive;
mod letter;
mod output;
mod reading;
mod rows;
mod section;
mod shell;
mod signals;
mod text;
mod tree;
mod watch;
mod way;

use crate::browse::session::{Heard, Lead, Over};
use crate::browse::words::{MAX_LINE, lines};
use crate::cli::args::{self as words, Parsed};
use crate::cli::config::system_hostname;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::auth::refuse_passwords;
use crate::cli::stdio::say;
use crate::cli::veil::words::Speech;
use crate::protocol::imap::command::Command;
use crate::relay::ended::Ended;
use anyhow::Context;
use args::Args;
use clap::CommandFactory;
use door::Door;
use interactive::Prompt;
use shell::{Shell, Stop};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::os::fd::AsFd;
use std::time::Instant;

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let words: Vec<OsString> = args.collect();
    refuse_passwords(&words)?;
    let Parsed::Run(args) = words::parse::<Args>(words)? else { return Ok(Status::Done) };
    let config = args.client.config()?;
    let chosen = way::chosen(&args, &config)?;
    let mailbox = chosen.server.path.clone();
    let (way, settings) = way::way(&args, chosen)?;
    let hostname = config.hostname.as_ref().map_or_else(system_hostname, ToString::to_string);
    let screen = args.client.screen(Speech::Imap, &args.trace, args.trace.files()?, args.auth.show_secrets);
    let door = Door { args: &args, way: &way, settings, screen: &screen };
    let today = jiff::Zoned::now().date();
    let mut shell = Shell::new(&args, &hostname, today, &door);
    let prompt = match args.commands.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal() {
        true => Some(Prompt::open()?),
        false => None,
    };
    let mut script = Script::new(&args, prompt, mailbox);
    let result = sessions(&mut shell, &mut script, &door);
    // Of what failed here alone the session tells nothing.
    let here = !shell.failed && result.is_ok();
    if !here
        && !matches!(
            result,
            Ok(Status::Done | Status::Usage | Status::Data | Status::NoInput | Status::CannotCreate | Status::Io)
                | Err(Failure { status: Status::Io, .. })
        )
    {
        if result.is_ok() { screen.show_refusal() } else { screen.show_last() }
    }
    result
}

/// One session, and while something is watched as many as it takes.
fn sessions(shell: &mut Shell<'_>, script: &mut Script, door: &Door<'_>) -> Result<Status, Failure> {
    loop {
        let began = Instant::now();
        let failure = match door.open(|lead| lead_session(shell, script, lead)) {
            Ok((led, ended)) if shell.again.is_none() => {
                return judge(led, shell.args, &script.statuses, &ended).map_err(|f| door.titled(f));
            }
            Ok((_, ended)) => door.titled(door::failure(&ended)),
            Err(failure) => failure,
        };
        let Some(again) = shell.again.as_mut().filter(|_| watch::may_pass(&failure)) else { return Err(failure) };
        let wait = again.backoff.after(began.elapsed());
        if shell.signals.wait(watch::told(&failure, wait, shell.args.client.quiet)) {
            return Ok(together(&script.statuses, shell.args.keep_going));
        }
    }
}

/// Why a session ended, if not with the last command.
type Led = Result<Option<Stop>, Failure>;

/// What was being watched when the connection was lost; the mailbox of the command line; the script.
fn lead_session(shell: &mut Shell<'_>, script: &mut Script, lead: &mut Lead) -> Led {
    if lead.ready().is_err() {
        return Ok(Some(Stop::Over));
    }
    shell.signals.session(lead.stopper());
    if enable(shell, lead).is_err() {
        return Ok(Some(Stop::Over));
    }
    shell.signals.start(script.prompt.is_some())?;
    Ok(run_script(shell, script, lead).err())
}

/// What makes text plain: IMAP4rev2, or UTF-8 within IMAP4rev1 (RFC 9051 section 6.3.1, RFC 6855 section 3). CONDSTORE would put its numbers into every row, and
/// QRESYNC changes what is told; those who want them say so.
fn enable(shell: &Shell<'_>, lead: &mut Lead) -> Result<(), Over> {
    let offered = &lead.capabilities;
    let utf8 = || offered.values("UTF8").any(|value| ["ACCEPT", "ONLY"].iter().any(|known| known.eq_ignore_ascii_case(value)));
    let name = match () {
        () if !offered.offers("ENABLE") => return Ok(()),
        () if offered.is_rev2() && offered.has("IMAP4rev1") => "IMAP4rev2",
        () if utf8() => "UTF8=ACCEPT",
        () => return Ok(()),
    };
    // A server that refuses goes on as it is.
    lead.run(Command::enable(name), Vec::new(), &mut |_, heard| {
        if let Heard::Received(received) = heard {
            hearing::warn(&received.response, shell.args.client.quiet);
        }
    })?;
    Ok(())
}

fn run_script(shell: &mut Shell<'_>, script: &mut Script, lead: &mut Lead) -> Result<(), Stop> {
    if let Some(again) = shell.again.take() {
        let status = shell.take_up(lead, again)?;
        if script.ends_with(status, shell.args.keep_going) {
            return Ok(());
        }
    } else if let Some(name) = script.opening.clone() {
        shell.opening = script.prompt.is_none();
        shell.next = script.given.as_ref().and_then(|given| given.front().cloned());
        let status = run_one(shell, lead, &format!("select \"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")))?;
        shell.opening = false;
        // Nobody's command: opened, it is none that was done.
        if status != Status::Done && script.ends_with(status, false) {
            return Ok(());
        }
    }
    if let Some(prompt) = &script.prompt {
        let led = prompt.lead(shell, lead, &shell.door.who());
        return ended_by_signal(shell, led);
    }
    let signals = shell.signals.clone();
    while let Some(typed) = signals.while_reading(|| script.next()).map_err(Stop::Failed)? {
        shell.last = script.is_at_end();
        let status = run_one(shell, lead, &typed)?;
        if script.ends_with(status, shell.args.keep_going) {
            break;
        }
    }
    Ok(())
}

/// One command, unless a signal ends the script with it.
fn run_one(shell: &mut Shell<'_>, lead: &mut Lead, typed: &str) -> Result<Status, Stop> {
    let done = shell.run(lead, typed);
    ended_by_signal(shell, done)
}

fn ended_by_signal<T>(shell: &Shell<'_>, done: Result<T, Stop>) -> Result<T, Stop> {
    match done {
        Err(stop @ (Stop::Stdout(_) | Stop::Doubt(_))) => Err(stop),
        _ if shell.signals.is_over() => Err(Stop::Signal),
        done => done,
    }
}

/// Commands in order: those of the command line, else the lines of stdin.
struct Script {
    given: Option<VecDeque<String>>,
    /// Stdin is a file.
    is_file: bool,
    /// Somebody types them.
    prompt: Option<Prompt>,
    /// The mailbox of the command line.
    opening: Option<String>,
    /// Of the commands so far.
    statuses: Vec<Status>,
}

impl Script {
    fn new(args: &Args, prompt: Option<Prompt>, opening: Option<String>) -> Script {
        let given =
            (!args.commands.is_empty()).then(|| args.commands.iter().flat_map(|text| lines(text)).map(str::to_owned).collect());
        let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let is_file = stdin.and_then(|stdin| stdin.metadata()).is_ok_and(|facts| facts.is_file());
        Script { given, is_file, prompt, opening, statuses: Vec::new() }
    }

    /// A command is done. What goes wrong with one that is typed was told to who typed it.
    fn ends_with(&mut self, status: Status, keep_going: bool) -> bool {
        if self.prompt.is_some() {
            return false;
        }
        self.statuses.push(status);
        status != Status::Done && !keep_going
    }

    /// No other command follows, as far as is known without waiting for it.
    fn is_at_end(&self) -> bool {
        match &self.given {
            Some(given) => given.is_empty(),
            // A file's end is seen at once; what comes from a pipe, or somebody types, may always go on.
            None => self.is_file && io::stdin().lock().fill_buf().is_ok_and(<[u8]>::is_empty),
        }
    }

    fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(given) = &mut self.given {
            return Ok(given.pop_front());
        }
        let mut line = Vec::new();
        let most = MAX_LINE as u64 + 2;
        let read = io::stdin().lock().take(most).read_until(b'\n', &mut line);
        read.context("cannot read commands from stdin").or_status(Status::NoInput)?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.ends_with(b"\n") && line.len() as u64 == most {
            return Err(Failure::text(Status::Data, format_args!("a command of more than {MAX_LINE} octets")));
        }
        let line = String::from_utf8(line).context("a command that is no UTF-8").or_status(Status::Data)?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

/// One status for all commands, unless the session broke.
fn judge(led: Led, args: &Args, statuses: &[Status], ended: &Ended) -> Result<Status, Failure> {
    match led? {
        Some(Stop::Stdout(error)) => return Err(error.into()),
        Some(Stop::Failed(failure)) => return Err(failure),
        Some(Stop::Over) => {
            return Err(door::failure(ended));
        }
        Some(Stop::Doubt(command)) => {
            let Failure { status, error } = door::failure(ended);
            // What the server said last is another matter where it broke the protocol.
            let status = if status == Status::TryAgain { Status::InDoubt } else { status };
            return Err(Failure::text(status, format_args!("{error:#}: {command} may have been done")));
        }
        Some(Stop::Signal) => return Err(Failure::text(Status::TryAgain, "ended by a signal")),
        Some(Stop::Quit) | None => {}
    }
    if let Some(failure) = &ended.failure {
        // All was done; the farewell alone failed.
        say(&format!("imap-shell: {}", failure.text));
    }
    Ok(together(statuses, args.keep_going))
}

/// The status of the only kind of failure; [`Status::Partly`] where some commands were done behind it or failed otherwise.
fn together(statuses: &[Status], keep_going: bool) -> Status {
    let bad: Vec<Status> = statuses.iter().copied().filter(|status| *status != Status::Done).collect();
    match bad.as_slice() {
        [] => Status::Done,
        // It ended the script.
        [one] if statuses.last() == Some(one) && !keep_going => *one,
        [first, ..] if bad.len() == statuses.len() && bad.iter().all(|status| status == first) => *first,
        _ => Status::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_commands_have_one_status() {
        use Status::{Done, Partly, Protocol, Refused};
        for (statuses, want) in [
            (&[][..], Done),
            (&[Done, Done], Done),
            (&[Done, Refused], Refused),
            (&[Refused, Done], Partly),
            (&[Refused, Refused], Refused),
            (&[Refused, Protocol], Partly),
            (&[Done, Refused, Refused], Partly),
        ] {
            assert_eq!(together(statuses, false), want, "{statuses:?}");
        }
        assert_eq!(together(&[Done, Refused], true), Partly, "it did not end the script");
        assert_eq!((together(&[Refused], true), together(&[Refused, Refused], true)), (Refused, Refused));
    }
}

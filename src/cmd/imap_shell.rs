//! imap-shell: an IMAP account, command by command.

mod append;
mod args;
mod commands;
mod export;
mod hearing;
mod help;
mod interactive;
mod output;
mod reading;
mod rows;
mod section;
mod shell;
mod text;
mod tree;
mod way;

use crate::browse::session::{self, Lead};
use crate::browse::words::MAX_LINE;
use crate::cli::args::{self as words, Parsed};
use crate::cli::config::system_hostname;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::auth::{Auth, refuse_passwords};
use crate::cli::stdio::say;
use crate::cli::veil::words::Speech;
use crate::relay::ended::Ended;
use crate::relay::session::{Around, Login};
use anyhow::Context;
use args::Args;
use clap::CommandFactory;
use interactive::Prompt;
use shell::{Shell, Stop};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Read};

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
    let titled = |failure: Failure| Failure { error: failure.error.context(way.title()), ..failure };
    let (connection, via) = way.connect(&args.network.dialer()).map_err(titled)?;
    let handshake = way.handshake();
    let around = Around {
        tls: Some(handshake.as_ref()),
        login: way.login.as_ref().map(|login| login as &dyn Login),
        watch: Some(&screen),
    };
    let today = jiff::Zoned::now().date();
    let mut shell = Shell::new(&args, &hostname, today);
    let prompt = match args.commands.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal() {
        true => Some(Prompt::open()?),
        false => None,
    };
    let who = format!("{}@{}", way.login.as_ref().map_or("", Auth::user), way.title());
    let mut script = Script::new(&args, prompt, who);
    let lead = |lead: &mut Lead| lead_session(&mut shell, &mut script, lead, mailbox.as_deref());
    let (led, ended) = session::run(connection, settings, around, &via, lead).or_status(Status::Os)?;
    let result = judge(led, &ended).map_err(titled);
    // Of what failed here alone the session tells nothing.
    let here = !shell.failed && result.is_ok();
    if !here
        && !matches!(
            result,
            Ok(Status::Done | Status::Usage | Status::Data | Status::NoInput | Status::CannotCreate | Status::Io)
        )
    {
        screen.show_last();
    }
    result
}

/// Statuses of the commands, in order, and why they ended, if not with the last.
type Led = Result<(Vec<Status>, Option<Stop>), Failure>;

/// The mailbox of the command line, then the script.
fn lead_session(shell: &mut Shell<'_>, script: &mut Script, lead: &mut Lead, mailbox: Option<&str>) -> Led {
    let mut statuses = Vec::new();
    if lead.ready().is_err() {
        return Ok((statuses, Some(Stop::Over)));
    }
    let typing = script.prompt.take();
    if let Some(prompt) = &typing {
        prompt.watch_signals(lead.stopper())?;
    }
    let opening = mailbox.map(|name| format!("select \"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
    shell.opening = opening.is_some() && typing.is_none();
    let mut next = match opening {
        Some(select) => Some(select),
        None if typing.is_some() => None,
        None => script.next()?,
    };
    while let Some(typed) = next {
        match shell.run(lead, &typed) {
            Ok(status) => statuses.push(status),
            Err(stop) => return Ok((statuses, Some(stop))),
        }
        shell.opening = false;
        let last = statuses.last().copied().unwrap_or(Status::Done);
        if last != Status::Done && typing.is_none() && (!shell.args.keep_going || statuses.len() == 1 && mailbox.is_some()) {
            break;
        }
        next = if typing.is_some() { None } else { script.next()? };
    }
    if let Some(prompt) = typing {
        // What went wrong with a command was told to who typed it.
        return Ok((Vec::new(), prompt.lead(shell, lead, &script.who).err()));
    }
    Ok((statuses, None))
}

/// Commands in order: those of the command line, else the lines of stdin.
struct Script {
    given: Option<VecDeque<String>>,
    /// Somebody types them.
    prompt: Option<Prompt>,
    /// Whose account it is, for the prompt.
    who: String,
}

impl Script {
    fn new(args: &Args, prompt: Option<Prompt>, who: String) -> Script {
        let given = (!args.commands.is_empty()).then(|| args.commands.iter().cloned().collect());
        Script { given, prompt, who }
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
fn judge(led: Led, ended: &Ended) -> Result<Status, Failure> {
    let (statuses, stop) = led?;
    match stop {
        Some(Stop::Stdout(error)) => return Err(error.into()),
        Some(Stop::Failed(failure)) => return Err(failure),
        Some(Stop::Over) => {
            return Err(match &ended.failure {
                Some(failure) => Failure::text(failure.fault.into(), &failure.text),
                None => Failure::text(Status::TryAgain, "the server ended the session"),
            });
        }
        Some(Stop::Quit) | None => {}
    }
    if let Some(failure) = &ended.failure {
        // All was done; the farewell alone failed.
        say(&format!("imap-shell: {}", failure.text));
    }
    Ok(together(&statuses))
}

/// The status of the only kind of failure; [`Status::Partly`] where some commands were done behind it or failed otherwise.
fn together(statuses: &[Status]) -> Status {
    let bad: Vec<Status> = statuses.iter().copied().filter(|status| *status != Status::Done).collect();
    match bad.as_slice() {
        [] => Status::Done,
        // It ended the script.
        [one] if statuses.last() == Some(one) => *one,
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
            assert_eq!(together(statuses), want, "{statuses:?}");
        }
    }
}

//! Options: where messages go, and what becomes of them on the server.

use super::hop::Hop;
use super::signals::Signals;
use crate::cli::clock::System;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::input::state_file;
use crate::cli::linked;
use crate::cli::opts::duration::{self, DurationError};
use crate::cli::opts::size;
use crate::cli::program::program as named;
use crate::cli::stdio::{Shown, StdoutError, refuse_closed};
use crate::disk::journal::Journal;
use crate::disk::journal::place::take_over;
use crate::disk::maildir::Maildir;
use crate::disk::real::Real;
use crate::disk::spool::layout::Spool;
use crate::fetch::filter::{ByProgram, Filter};
use crate::fetch::keeper::{Keeper, Options};
use crate::fetch::name;
use crate::fetch::policy::{Disposal, Policy};
use crate::fetch::settle;
use crate::fetch::target::Target;
use crate::fetch::target::exec::{IntoProgram, Program};
use crate::fetch::target::lmtp;
use crate::fetch::target::maildir::IntoMaildir;
use crate::fetch::target::mbox::IntoMbox;
use crate::fetch::target::spool::IntoSpool;
use crate::fetch::target::stream::{Out, Stream};
use crate::fetch::words::Stop;
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::relay::clock::Clock;
use crate::relay::route::argv;
use nix::sys::stat::{SFlag, fstat};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetOptions {
    /// Write messages to stdout; the default
    #[arg(long, group = "target", help_heading = "Target options")]
    pub stdout: bool,
    /// CRLF for line ends on stdout, as on the wire
    #[arg(long, conflicts_with_all = ["maildir", "mbox", "exec", "spool", "lmtp"], hide_short_help = true, help_heading = "Target options")]
    pub crlf: bool,
    /// Deliver into this Maildir
    #[arg(long, value_name = "DIR", group = "target", help_heading = "Target options")]
    pub maildir: Option<PathBuf>,
    /// Make the Maildir, or the spool, if it is not there
    #[arg(long, help_heading = "Target options")]
    pub create: bool,
    /// Append to this mbox (mboxrd)
    #[arg(long, value_name = "FILE", group = "target", help_heading = "Target options")]
    pub mbox: Option<PathBuf>,
    /// Run this program for each message, which it reads on its stdin
    ///
    /// Words are parted at blanks, quotes keep them together; there is no shell. Status 0: it has the message; 99: the message is to be
    /// deleted on the server though nobody has it; 75: nothing more is fetched now; any other leaves the message on the server.
    #[arg(long, value_name = "COMMAND", group = "target", help_heading = "Target options")]
    pub exec: Option<String>,
    /// Put messages in this spool, for --recipient; mailq-run delivers them
    #[arg(
        long,
        value_name = "DIR",
        groups = ["target", "addressed"],
        requires = "recipient",
        help_heading = "Target options"
    )]
    pub spool: Option<PathBuf>,
    /// Hand messages to this LMTP server, for --recipient
    ///
    /// It is lmtp:/PATH, lmtp://host:port, or account:NAME of the config.
    ///
    /// A message counts as delivered once the server has taken it for every recipient. To another host the connection is encrypted and the
    /// certificate verified; an account of the config may say more: a login, an authority, a fingerprint.
    #[arg(
        long,
        value_name = "SERVER",
        groups = ["target", "addressed"],
        requires = "recipient",
        help_heading = "Target options"
    )]
    pub lmtp: Option<String>,
    /// Whom messages that go to --spool or --lmtp are for; may be given more than once
    #[arg(long, value_name = "ADDRESS", requires = "addressed", hide_short_help = true, help_heading = "Target options")]
    pub recipient: Vec<ForwardPath>,
    #[command(flatten)]
    pub policy: PolicyOptions,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct PolicyOptions {
    /// Leave messages on the server; the default
    #[arg(long, conflicts_with_all = ["delete", "keep_days"], help_heading = "Policy options")]
    pub keep: bool,
    /// Delete messages on the server once they are safe here
    #[arg(long, conflicts_with = "keep_days", help_heading = "Policy options")]
    pub delete: bool,
    /// Delete messages so long after they were first seen here, as 30 or 1d12h
    #[arg(long, value_name = "DAYS", value_parser = days, help_heading = "Policy options")]
    pub keep_days: Option<Duration>,
    /// Delete what earlier runs fetched, whatever becomes of new messages
    #[arg(long, hide_short_help = true, help_heading = "Policy options")]
    pub flush_seen: bool,
    /// Only messages that no earlier run fetched; the default
    #[arg(long, conflicts_with = "all", hide_short_help = true, help_heading = "Policy options")]
    pub only_new: bool,
    /// Also messages that an earlier run fetched
    #[arg(long, help_heading = "Policy options")]
    pub all: bool,
    /// Messages over this size fail: octets, or 500K, 50M, 1G
    #[arg(long, value_name = "SIZE", value_parser = size::parse, hide_short_help = true, help_heading = "Policy options")]
    pub max_size: Option<u64>,
    /// Messages over this size are left alone
    #[arg(long, value_name = "SIZE", value_parser = size::parse, hide_short_help = true, help_heading = "Policy options")]
    pub skip_size: Option<u64>,
    /// Fetch at most so many new messages
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "Policy options")]
    pub max_messages: Option<usize>,
    /// Run this program for each new message's header, before the rest is fetched
    ///
    /// Status 0 fetches the message, 1 deletes it, 2 leaves it alone, 75 ends the session.
    #[arg(long, value_name = "COMMAND", hide_short_help = true, help_heading = "Policy options")]
    pub filter: Option<String>,
    /// Fetch nothing and delete nothing; say what would be
    #[arg(long, help_heading = "Policy options")]
    pub dry_run: bool,
    /// Remember in this file what was fetched [default: a file for each mailbox in ~/.local/state/postroad/pop3]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Policy options")]
    pub state: Option<PathBuf>,
}

/// A number is days; else as lengths of time are written.
fn days(text: &str) -> Result<Duration, String> {
    match (text.parse::<u32>(), duration::parse(text)) {
        (Ok(days), _) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        (Err(_), Ok(time)) => Ok(time),
        (Err(_), Err(DurationError::Form(_))) => Err("no number of days, and no length of time as 12h or 1d12h".to_owned()),
        (Err(_), Err(error)) => Err(error.to_string()),
    }
}

/// Stdout as a target: a file is synced, a terminal is not driven.
struct Synced(Shown);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Out for Synced {
    fn settle(&mut self) -> io::Result<()> {
        self.0.flush()?;
        let stdout = io::stdout();
        let is_file = fstat(&stdout).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
        if is_file { nix::unistd::fsync(&stdout).map_err(io::Error::from) } else { Ok(()) }
    }
}

/// Whose mailbox it is, for what is remembered of it.
pub struct Whose<'a> {
    pub user: &'a str,
    pub host: &'a str,
    pub port: u16,
    /// Ours, in names and trace fields.
    pub hostname: &'a str,
    /// There are others in this run.
    pub several: bool,
}

impl TargetOptions {
    /// The options that were given, by their names.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        let policy = &self.policy;
        let options = [
            ("--stdout", self.stdout),
            ("--crlf", self.crlf),
            ("--maildir", self.maildir.is_some()),
            ("--create", self.create),
            ("--mbox", self.mbox.is_some()),
            ("--exec", self.exec.is_some()),
            ("--spool", self.spool.is_some()),
            ("--lmtp", self.lmtp.is_some()),
            ("--keep", policy.keep),
            ("--delete", policy.delete),
            ("--keep-days", policy.keep_days.is_some()),
            ("--flush-seen", policy.flush_seen),
            ("--only-new", policy.only_new),
            ("--all", policy.all),
            ("--max-size", policy.max_size.is_some()),
            ("--skip-size", policy.skip_size.is_some()),
            ("--max-messages", policy.max_messages.is_some()),
            ("--filter", policy.filter.is_some()),
            ("--dry-run", policy.dry_run),
            ("--state", policy.state.is_some()),
        ];
        options.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Messages themselves go to stdout: nothing else may.
    pub fn is_stdout(&self) -> bool {
        let local = self.maildir.is_some() || self.mbox.is_some() || self.exec.is_some();
        !(local || self.spool.is_some() || self.lmtp.is_some() || self.policy.dry_run)
    }

    /// Does something with what a mailbox's messages are handed to. `tell` hears what an earlier run left.
    pub fn with_keeper<R>(
        &self,
        (whose, hop, signals): (&Whose<'_>, Option<&Hop>, &Signals),
        tell: &mut dyn FnMut(&str),
        work: impl FnOnce(&mut Keeper<'_>) -> R,
    ) -> Result<R, Failure> {
        let policy = &self.policy;
        let filter = policy.filter.as_deref().map(|command| program(command, "--filter", signals).map(ByProgram)).transpose()?;
        let path = match &policy.state {
            Some(path) => linked::file(path)?,
            None => remembered(whose)?,
        };
        let over = || signals.came();
        let owner = name::owner(whose.user, whose.host);
        let opened = settle::open(Real::shared(), &path, &owner, System.now().as_second(), &over);
        let (journal, told) = opened.map_err(|stop| stopped(&stop))?;
        told.iter().for_each(|line| tell(line));
        let options =
            Options { policy: policy.policy(), filter: filter.as_ref().map(|filter| filter as &dyn Filter), clock: &System };
        if let Some(hop) = hop {
            let envelope = self.envelope()?;
            return Ok(lmtp::run(
                envelope,
                &over,
                |outbox| hop.serve(outbox),
                |target| work(&mut Keeper::new(options, Box::new(target), Some(journal))),
            ));
        }
        let target = self.target(whose, &journal, (signals, &over))?;
        Ok(work(&mut Keeper::new(options, target, Some(journal))))
    }

    fn target<'a>(
        &self,
        whose: &Whose<'_>,
        journal: &Journal,
        (signals, over): (&Signals, &'a dyn Fn() -> bool),
    ) -> Result<Box<dyn Target + 'a>, Failure> {
        // The journal names it to a run that may stand elsewhere.
        let absolute = |dir: &PathBuf| std::path::absolute(dir).or_status(Status::Usage);
        if let Some(dir) = self.maildir.as_ref().map(absolute).transpose()? {
            let dir = dir.as_path();
            if self.policy.dry_run {
                if self.create {
                    return self.stream(whose.several);
                }
                // As far as that can be said without making anything.
                let into = IntoMaildir::without_journal(Real::shared(), dir, whose.hostname, journal.tag());
                return Ok(Box::new(into.map_err(|stop| stopped(&stop))?));
            }
            if self.create {
                Maildir::new(Real::shared(), dir).create().or_status(Status::CannotCreate)?;
            }
            let into = IntoMaildir::open(Real::shared(), dir, whose.hostname, journal);
            return Ok(Box::new(into.map_err(|stop| stopped(&stop))?));
        }
        if let Some(path) = self.mbox.as_deref().map(linked::file).transpose()? {
            return Ok(Box::new(IntoMbox::open(Real::shared(), &path, over).map_err(|stop| stopped(&stop))?));
        }
        if let Some(command) = &self.exec {
            return Ok(Box::new(IntoProgram::new(program(command, "--exec", signals)?)));
        }
        if let Some(dir) = self.spool.as_deref().filter(|_| !self.policy.dry_run) {
            return Ok(Box::new(IntoSpool::new(self.open_spool(dir)?, self.envelope()?, whose.hostname, &System)));
        }
        self.stream(whose.several)
    }

    /// Messages on stdout; `several`: those of other mailboxes, too.
    pub fn stream(&self, several: bool) -> Result<Box<dyn Target>, Failure> {
        refuse_closed()?;
        Ok(Box::new(Stream::new(Synced(Shown::new()), self.crlf).beside(several)))
    }

    fn open_spool(&self, dir: &Path) -> Result<Spool, Failure> {
        let spool = if self.create { Spool::create(dir) } else { Spool::open(dir) };
        spool.or_status(Status::CannotCreate)
    }

    /// Fetched messages have no reverse-path: what cannot be delivered is nobody's to be told.
    fn envelope(&self) -> Result<Envelope, Failure> {
        let envelope = Envelope::new(ReversePath::Null, self.recipient.clone());
        envelope.map_err(|error| Failure::text(Status::Usage, format_args!("--recipient: {error}")))
    }
}

impl PolicyOptions {
    fn policy(&self) -> Policy {
        let disposal = match (self.delete, self.keep_days) {
            (true, _) => Disposal::Delete,
            (_, Some(age)) => Disposal::After(age),
            _ => Disposal::Keep,
        };
        Policy {
            disposal,
            flush_seen: self.flush_seen,
            max_size: self.max_size,
            skip_size: self.skip_size,
            max_messages: self.max_messages,
            filter: self.filter.is_some(),
            only_new: !self.all,
            dry_run: self.dry_run,
        }
    }
}

/// Where it is remembered what was fetched of a mailbox, under whatever name an earlier version did that.
fn remembered(whose: &Whose<'_>) -> Result<PathBuf, Failure> {
    let Whose { user, host, port, .. } = *whose;
    let file = |name: String| {
        state_file(&format!("pop3/{name}"))
            .ok_or_else(|| Failure::text(Status::Config, "no $HOME to remember in what was fetched: say --state FILE"))
    };
    let path = file(name::journal(user, host, port))?;
    for earlier in name::earlier_journals(user, host, port) {
        take_over(Real::shared().as_ref(), &file(earlier)?, &path).map_err(|error| stopped(&settle::stop(error)))?;
    }
    Ok(path)
}

fn program(command: &str, option: &str, signals: &Signals) -> Result<Program, Failure> {
    let words = argv(command).map_err(|error| Failure::text(Status::Usage, format_args!("{option}: {error}")))?;
    Ok(named(words, signals.flag()))
}

/// Why nothing more can be fetched, as it ends the tool. A closed stdout stays one, which is quiet.
pub fn stopped(stop: &Stop) -> Failure {
    let closed = stop.error.as_ref().and_then(StdoutError::within).filter(|error| error.is_closed_pipe());
    if closed.is_some() {
        return StdoutError::from(io::Error::from(io::ErrorKind::BrokenPipe)).into();
    }
    Failure::text(stop.why.into(), stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_days() {
        assert_eq!(days("2"), Ok(Duration::from_secs(2 * 86_400)));
        assert_eq!(days("1d12h"), Ok(Duration::from_secs(36 * 3600)));
        assert!(days("soon").is_err() && days("-1").is_err());
    }
}

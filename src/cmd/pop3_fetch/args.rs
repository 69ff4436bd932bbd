//! pop3-fetch's command line.

use super::target::TargetOptions;
use crate::cli::exit::{Failure, Status};
use crate::cli::opts::auth::AuthOptions;
use crate::cli::opts::client::ClientOptions;
use crate::cli::opts::duration;
use crate::cli::opts::log::LogOptions;
use crate::cli::opts::server::NetworkOptions;
use crate::cli::opts::tls::ClientTlsOptions;
use crate::cli::opts::trace::TraceOptions;
use crate::protocol::pop3::words::LanguageTag;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Fetch the messages of a POP3 mailbox
///
/// Messages go to stdout unless another target is named: one as it is, several as an mbox (mboxrd), with LF for line ends. A message
/// that was cut off is never delivered. Without --delete all stays on the server.
#[derive(Debug, Parser)]
#[command(name = "pop3-fetch", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub mailbox: MailboxOptions,
    #[command(flatten)]
    pub looking: LookingOptions,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Look again every so many seconds (or 5m), until a signal comes
    #[arg(long, value_name = "SECONDS", value_parser = duration::timeout, conflicts_with = "look")]
    pub watch: Option<Duration>,
    /// Write the session that is typed to this file, too
    #[arg(long, value_name = "FILE", requires = "interactive", hide_short_help = true, help_heading = "Debugging options")]
    pub transcript: Option<PathBuf>,
    /// How many lines of the body --top gives [default: 10]
    #[arg(long, value_name = "N", requires = "top", hide_short_help = true)]
    pub lines: Option<u32>,
    /// Status 66 where there was nothing to fetch, in place of 0
    #[arg(long, hide_short_help = true)]
    pub exit_empty: bool,
    /// Log in by this alone: auth (SASL), apop or user (USER and PASS) [default: the strongest that is offered]
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        help_heading = "Login options"
    )]
    pub login: Option<By>,
    /// Ask for the texts of responses in this language, as de or pt-BR; --serverinfo lists what there is
    #[arg(long, value_name = "TAG", hide_short_help = true, help_heading = "Server options")]
    pub lang: Option<LanguageTag>,
    /// Act as if the server did not offer these capabilities
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true, help_heading = "Debugging options")]
    pub discard_capa: Vec<String>,
    #[command(flatten)]
    pub client: ClientOptions,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub auth: AuthOptions,
    #[command(flatten)]
    pub tls: ClientTlsOptions,
    #[command(flatten)]
    pub trace: TraceOptions,
    #[command(flatten)]
    pub log: LogOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// AUTH, by a SASL mechanism
    Auth,
    /// A digest of password and greeting
    Apop,
    /// USER and PASS
    User,
}

/// Which mailboxes.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "which")]
pub struct MailboxOptions {
    /// The server: [pop3://|pop3s://][user@]host[:port], or a socket as unix:/PATH
    ///
    /// pop3:// and a bare host start TLS by STLS or not at all, unless --tls says otherwise; pop3s:// starts with TLS.
    #[arg(value_name = "SERVER")]
    pub place: Option<String>,
    /// The same as an option
    #[arg(short, long, value_name = "SERVER", conflicts_with = "place", hide_short_help = true, help_heading = "Server options")]
    pub server: Option<String>,
    /// Take server, user and password from [account.NAME] of the config
    ///
    /// May be given more than once.
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["place", "server"], help_heading = "Server options")]
    pub account: Vec<String>,
    /// Every account of the config that is a POP3 mailbox
    #[arg(long, conflicts_with_all = ["place", "server", "account"], help_heading = "Server options")]
    pub all_accounts: bool,
    /// Start this program and speak to its stdin and stdout, as to a server that inetd starts
    ///
    /// Words are parted at blanks, quotes keep them together; there is no shell.
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with_all = ["place", "server", "account", "all_accounts"],
        hide_short_help = true,
        help_heading = "Server options"
    )]
    pub pipe: Option<String>,
}

/// What is only looked at.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "look", multiple = false)]
pub struct LookingOptions {
    /// List the messages: number, size, unique-id
    #[arg(long)]
    pub list: bool,
    /// Say how many messages there are, and how many octets they have
    #[arg(long)]
    pub stat: bool,
    /// Write message N's header and the first lines of its body to stdout
    ///
    /// N as 3 or 1,4,7; --lines says how many lines.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Vec<u32>,
    /// Write message N to stdout, whatever was fetched before; N as 3 or 1,4,7
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub retr: Vec<u32>,
    /// Say what the server offers, and what its certificate says; nobody logs in
    #[arg(long)]
    pub serverinfo: bool,
    /// Type the protocol by hand, with editing, history and STLS
    ///
    /// Where stdin is no terminal, its lines are sent one by one, each after the response to the one before. `:help` lists what begins
    /// with a colon. Ctrl-D, or the end of stdin, is QUIT, unless messages were marked by DELE: these are only deleted by QUIT itself. Ctrl-C
    /// closes the connection.
    #[arg(long)]
    pub interactive: bool,
}

impl Args {
    /// What the parser cannot see: options that would do nothing with the others.
    pub fn check(&self) -> Result<(), Failure> {
        let usage = |text: String| Err(Failure::text(Status::Usage, text));
        let (json, target) = (self.client.json, &self.target);
        let Some(mode) = self.looking.mode() else {
            if json && target.is_stdout() {
                return usage("--json: the messages themselves go to stdout; name another target".to_owned());
            }
            if target.create && target.maildir.is_none() && target.spool.is_none() {
                return usage("--create makes a Maildir or a spool: name it by --maildir or --spool".to_owned());
            }
            return Ok(());
        };
        let reads = matches!(mode, "--top" | "--retr");
        let fits = |option: &&str| reads && ["--stdout", "--crlf", "--max-size"].contains(option);
        let idle = target.given().find(|option| !fits(option));
        let idle = idle.or((self.exit_empty && !matches!(mode, "--stat" | "--list")).then_some("--exit-empty"));
        // The parser asks for what these require, but not where that conflicts with what is there.
        let idle = idle.or((self.lines.is_some() && mode != "--top").then_some("--lines"));
        let idle = idle.or((self.transcript.is_some() && mode != "--interactive").then_some("--transcript"));
        let idle = idle.or((json && mode == "--interactive").then_some("--json"));
        let idle = idle.or((target.crlf && json).then_some("--crlf"));
        match idle {
            Some("--crlf") if reads => usage("--crlf is for messages as they are, not for those of --json".to_owned()),
            Some(option) => usage(format!("{option} does nothing with {mode}")),
            None => Ok(()),
        }
    }
}

impl LookingOptions {
    /// The option that says what is looked at.
    pub fn mode(&self) -> Option<&'static str> {
        let modes = [
            ("--list", self.list),
            ("--stat", self.stat),
            ("--top", !self.top.is_empty()),
            ("--retr", !self.retr.is_empty()),
            ("--serverinfo", self.serverinfo),
            ("--interactive", self.interactive),
        ];
        modes.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Nothing is fetched into a target.
    pub fn is_any(&self) -> bool {
        self.mode().is_some()
    }
}

//! smtp-listen: speaks SMTP or LMTP to clients and stores what it accepts.

mod session;
mod settings;
mod sinks;

use crate::cli::args::{self, Parsed};
use crate::cli::config::{self, Reader};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::opts::log::LogOptions;
use crate::cli::opts::spool::SpoolOptions;
use crate::cli::opts::tls::ServerTlsOptions;
use crate::cli::opts::{duration, size};
use crate::mail::address::Domain;
use crate::mail::network::Network;
use clap::{CommandFactory, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Receive mail: speak SMTP or LMTP to one client on fd 0 and 1, to a systemd socket, or to many on a port of its own; store what it
/// accepts
///
/// Mail is stored in the spool, for mailq-run to deliver, or goes to a Maildir, a command, stdout or nowhere. A message that was answered
/// by 250 is safe on disk. Nothing is relayed that was not listed: by `domains`, `relay-domains` and `relay-from` in the config, or by
/// --domain and --relay-from. Without --domain, a Maildir, command, stdout or --discard takes every recipient, since nothing leaves it.
#[derive(Debug, Parser)]
#[command(name = "smtp-listen", version, max_term_width = 100)]
struct Args {
    /// Speak to one client on fd 0 and 1, as inetd starts it
    #[arg(long, conflicts_with = "listen", help_heading = "How it starts")]
    inetd: bool,
    /// Listen on ADDRESS:PORT; port 0 is any. `[::]:25` is IPv6 only. Prints `listening ADDRESS:PORT`
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "How it starts")]
    listen: Vec<std::net::SocketAddr>,
    #[command(flatten)]
    store: StoreArgs,
    /// Accept mail for any user of this domain
    #[arg(long, value_name = "DOMAIN", help_heading = "Who may send")]
    domain: Vec<Domain>,
    /// Let clients of this network send anywhere [default: the config's relay-from]
    #[arg(long, value_name = "NETWORK", help_heading = "Who may send")]
    relay_from: Vec<Network>,
    /// Speak SMTP as an MX does, or LMTP
    #[arg(long, value_enum, default_value_t = Role::Mx)]
    role: Role,
    /// Our name in greetings and trace fields [default: the config's, else the system's]
    #[arg(long, value_name = "NAME")]
    hostname: Option<Domain>,
    /// Largest message, as 50M [default: the config's, else 50M]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Limits")]
    max_size: Option<u64>,
    /// Most recipients of one message [default: the config's, else 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    max_rcpt: Option<u32>,
    /// Most clients at once [default: the config's, else 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    max_conn: Option<u32>,
    /// How long a client may be silent, as 5m [default: the config's, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration::timeout, help_heading = "Limits")]
    timeout: Option<Duration>,
    #[command(flatten)]
    tls: ServerTlsOptions,
    #[command(flatten)]
    log: LogOptions,
    /// Config file [default: $POSTROAD_CONFIG, else /etc/postroad/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show the session on stderr; twice: with times
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing on stderr
    #[arg(short, long)]
    quiet: bool,
    /// Keep CRLF line ends with --stdout
    #[arg(long, requires = "stdout")]
    crlf: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where it goes")]
struct StoreArgs {
    #[command(flatten)]
    spool: SpoolOptions,
    /// Into this Maildir, made if it is not there
    #[arg(long, value_name = "DIR", group = "sink")]
    maildir: Option<PathBuf>,
    /// To the stdin of this command, once a message; no shell. Status 0 takes it, 75 defers it, others refuse it
    #[arg(long, value_name = "COMMAND", group = "sink")]
    exec: Option<String>,
    /// To stdout, each message behind an mbox `From ` line
    #[arg(long, group = "sink")]
    stdout: bool,
    /// Nowhere
    #[arg(long, group = "sink")]
    discard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// SMTP
    Mx,
    /// LMTP (RFC 2033): one reply for each recipient
    Lmtp,
}

/// The command line's definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the tool; `args` with its own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<Status, Failure> {
    let Parsed::Run(args) = args::parse::<Args>(args)? else { return Ok(Status::Done) };
    let config = config::load(Reader::Server, args.config.as_deref())?;
    start::run(&args, &config)
}

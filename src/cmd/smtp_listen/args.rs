//! smtp-listen's command line.

use crate::cli::opts::log::LogOptions;
use crate::cli::opts::spool::SpoolOptions;
use crate::cli::opts::tls::ServerTlsOptions;
use crate::cli::opts::{duration, size};
use crate::mail::address::Domain;
use crate::mail::network::Network;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
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
pub struct Args {
    /// Speak SMTP as an MX does, or LMTP
    #[arg(long, value_enum, default_value_t = Role::Mx)]
    pub role: Role,
    /// Our name in greetings and trace fields [default: the config's, else the system's]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<Domain>,
    /// Config file [default: $POSTROAD_CONFIG, else /etc/postroad/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show the session on stderr; twice: with times
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on stderr
    #[arg(short, long)]
    pub quiet: bool,
    /// Speak to one client on fd 0 and 1, as inetd starts it
    #[arg(long, conflicts_with = "listen", help_heading = "How it starts")]
    pub inetd: bool,
    /// Listen on ADDRESS:PORT, or on a socket for users of this host as unix:/PATH. Prints `listening ADDRESS:PORT`
    ///
    /// Port 0 is any. `[::]:25` is IPv6 only. The socket can be used by everybody; the kernel says who it is (see `trusted-users`).
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = place, help_heading = "How it starts")]
    pub listen: Vec<Place>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Accept mail for any user of this domain
    #[arg(long, value_name = "DOMAIN", help_heading = "Who may send")]
    pub domain: Vec<Domain>,
    /// Let clients of this network send anywhere [default: the config's relay-from]
    #[arg(long, value_name = "NETWORK", help_heading = "Who may send")]
    pub relay_from: Vec<Network>,
    /// Largest message, as 50M [default: the config's, else 50M]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Limits")]
    pub max_size: Option<u64>,
    /// Most recipients of one message [default: the config's, else 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub max_rcpt: Option<u32>,
    /// Most clients at once [default: the config's, else 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub max_conn: Option<u32>,
    /// How long a client may be silent, as 5m [default: the config's, else 5m]
    #[arg(long, value_name = "TIME", value_parser = duration::timeout, help_heading = "Limits")]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub tls: ServerTlsOptions,
    #[command(flatten)]
    pub log: LogOptions,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Address(SocketAddr),
    Socket(PathBuf),
}

fn place(text: &str) -> Result<Place, String> {
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(Place::Socket(path.into())),
        Some(_) => Err("a socket's path starts with /".to_owned()),
        None => text.parse().map(Place::Address).map_err(|error: std::net::AddrParseError| error.to_string()),
    }
}

#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    #[command(flatten)]
    pub spool: SpoolOptions,
    /// Into this Maildir, made if it is not there
    #[arg(long, value_name = "DIR", group = "sink", help_heading = "Where it goes")]
    pub maildir: Option<PathBuf>,
    /// To the stdin of this command, once a message; no shell. Status 0 takes it, 75 defers it, others refuse it
    #[arg(long, value_name = "COMMAND", group = "sink", help_heading = "Where it goes")]
    pub exec: Option<String>,
    /// To stdout, each message behind an mbox `From ` line
    #[arg(long, group = "sink", help_heading = "Where it goes")]
    pub stdout: bool,
    /// Nowhere
    #[arg(long, group = "sink", help_heading = "Where it goes")]
    pub discard: bool,
    /// Keep CRLF line ends with --stdout
    #[arg(long, requires = "stdout")]
    pub crlf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// SMTP
    Mx,
    /// LMTP (RFC 2033): one reply for each recipient
    Lmtp,
}

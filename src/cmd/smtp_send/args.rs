//! smtp-send's command line.

use super::compose::ComposeOptions;
use super::debugging::DebuggingOptions;
use super::extensions::ExtensionOptions;
use super::source::ManyOptions;
use crate::cli::opts::auth::AuthOptions;
use crate::cli::opts::client::ClientOptions;
use crate::cli::opts::log::LogOptions;
use crate::cli::opts::server::{NetworkOptions, ServerOptions};
use crate::cli::opts::tls::ClientTlsOptions;
use crate::cli::opts::trace::TraceOptions;
use crate::mail::address::{Domain, ForwardPath, ReversePath};
use clap::Parser;
use std::path::PathBuf;

/// Send the message on stdin to a server, or straight to the recipients' MX hosts
///
/// The message is RFC 5322 with LF or CRLF line ends; an mbox `From ` line is dropped, and so are Bcc fields. Recipients that the server
/// refuses do not keep the others from getting the message: each has its own result on stdout, as
/// `accepted|deferred|refused|indoubt ADDRESS CODE ENHANCED TEXT` with tabs between and `-` for what is absent.
#[derive(Debug, Parser)]
#[command(name = "smtp-send", version, max_term_width = 100)]
pub struct Args {
    /// Whom the message is for
    #[arg(value_name = "FORWARD-PATH")]
    pub recipients: Vec<ForwardPath>,
    /// Whom the message is from, for bounces; '' is the null reverse-path [default: the account's from, else the message's From]
    #[arg(short = 'f', long = "from", value_name = "REVERSE-PATH", allow_hyphen_values = true)]
    pub from: Option<ReversePath>,
    /// Take recipients from To, Cc and Bcc (or the newest Resent- ones), too
    #[arg(short = 't', long)]
    pub take_recipients: bool,
    /// No server: each recipient's own MX hosts
    #[arg(long, conflicts_with_all = ["server", "account"])]
    pub mx: bool,
    /// Leave Bcc fields in the message
    #[arg(long, hide_short_help = true)]
    pub keep_bcc: bool,
    /// Our name in EHLO [default: the config's hostname, else the system's, else the connection's address]
    #[arg(long, value_name = "NAME")]
    pub ehlo: Option<Domain>,
    /// Put what was deferred in this spool, for mailq-run to try again; it then counts as done
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Only put the message in the spool [default: the config's spool]
    #[arg(long, conflicts_with_all = ["server", "account", "mx"])]
    pub enqueue: bool,
    #[command(flatten)]
    pub client: ClientOptions,
    #[command(flatten)]
    pub compose: ComposeOptions,
    #[command(flatten)]
    pub many: ManyOptions,
    #[command(flatten)]
    pub server: ServerOptions,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub auth: AuthOptions,
    #[command(flatten)]
    pub tls: ClientTlsOptions,
    #[command(flatten)]
    pub debugging: DebuggingOptions,
    #[command(flatten)]
    pub extensions: ExtensionOptions,
    #[command(flatten)]
    pub trace: TraceOptions,
    #[command(flatten)]
    pub log: LogOptions,
}

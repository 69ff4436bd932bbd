//! imap-shell's command line.

use crate::cli::opts::auth::AuthOptions;
use crate::cli::opts::client::ClientOptions;
use crate::cli::opts::server::NetworkOptions;
use crate::cli::opts::tls::ClientTlsOptions;
use crate::cli::opts::trace::TraceOptions;
use clap::{Parser, ValueEnum};

/// Look into an IMAP account and change it, command by command
///
/// Commands come from -c, else from stdin line by line, at a prompt where that is a terminal; `help` lists them. Messages are named by their UIDs, and reading them leaves
/// \Seen alone. A command that fails ends the script. What cannot be read of an answer is shown as it came, and costs the status.
#[derive(Debug, Parser)]
#[command(name = "imap-shell", version, max_term_width = 100)]
#[command(mut_arg("quiet", |quiet| quiet.help("Nothing on stderr but what failed")))]
pub struct Args {
    #[command(flatten)]
    pub account: AccountOptions,
    /// Run this command; may be given more than once
    #[arg(short, long = "command", value_name = "COMMAND")]
    pub commands: Vec<String>,
    /// Go on behind a command that failed
    #[arg(short, long)]
    pub keep_going: bool,
    /// Open mailboxes to be read only, whatever the command says, and refuse commands that change something
    #[arg(short, long)]
    pub read_only: bool,
    /// Reading a message sets \Seen
    #[arg(long, conflicts_with = "read_only")]
    pub seen: bool,
    /// Messages with CRLF for line ends, as they came
    #[arg(long)]
    pub crlf: bool,
    /// Log in by this alone: auth (AUTHENTICATE) or login (LOGIN) [default: the strongest that is offered]
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        help_heading = "Login options"
    )]
    pub login: Option<By>,
    /// Send the first message of AUTHENTICATE in a line of its own, though the server offers SASL-IR
    #[arg(long, hide_short_help = true, help_heading = "Login options")]
    pub no_initial_response: bool,
    /// Act as if the server did not offer these extensions
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true, help_heading = "Debugging options")]
    pub disable_extension: Vec<String>,
    /// Tag commands with PREFIX and a number, for who reads along [default: by chance]
    #[arg(long, value_name = "PREFIX", value_parser = prefix, hide_short_help = true, help_heading = "Debugging options")]
    pub tags: Option<String>,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// AUTHENTICATE, by a SASL mechanism
    Auth,
    /// LOGIN
    Login,
}

/// Which account.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "which")]
pub struct AccountOptions {
    /// The server, and the mailbox to open: [imap://|imaps://][user@]host[:port][/MAILBOX], or a socket as unix:/PATH
    ///
    /// imap:// and a bare host start TLS by STARTTLS or not at all, unless --tls says otherwise; imaps:// starts with TLS.
    #[arg(value_name = "SERVER")]
    pub place: Option<String>,
    /// The same as an option
    #[arg(short, long, value_name = "SERVER", conflicts_with = "place", help_heading = "Server options")]
    pub server: Option<String>,
    /// Take server, user and password from [account.NAME] of the config
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["place", "server"], help_heading = "Server options")]
    pub account: Option<String>,
    /// Start this program and speak to its stdin and stdout, as to a server that inetd starts
    ///
    /// Words are parted at blanks, quotes keep them together; there is no shell. One that says PREAUTH wants no login.
    #[arg(
        long,
        value_name = "PROGRAM",
        conflicts_with_all = ["place", "server", "account"],
        hide_short_help = true,
        help_heading = "Server options"
    )]
    pub pipe: Option<String>,
}

/// RFC 9051 section 9: letters and digits are safe in a `tag`.
fn prefix(text: &str) -> Result<String, String> {
    let fits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err("1 to 20 letters and digits".to_owned()) }
}

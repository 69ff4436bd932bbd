//! The command line of mailq-run.

use crate::cli::opts::log::LogOptions;
use crate::cli::opts::server::NetworkOptions;
use crate::cli::opts::spool::SpoolOptions;
use crate::mail::address::{Domain, ForwardPath};
use crate::mail::queue_id::QueueId;
use clap::{Args as Group, Parser, Subcommand};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
OUTPUT
  A pass prints nothing: what became of each recipient goes to the log. If the spool, the
  configuration or the system failed, one line on stderr says how, so that cron mails only that.
  The commands print lines with fields separated by tabs, `-` for what is absent:
    list     a recipient: ID STATE ARRIVAL NEXT SIZE REVERSE-PATH ADDRESS OUTCOME ATTEMPTS
             LAST-REPLY, where STATE is due, deferred, held or failed, and OUTCOME is pending
             before the first attempt
    show     a fact, then a recipient: recipient ADDRESS OUTCOME ATTEMPTS HOST LAST-REPLY; then
             what its sender asked for it (RFC 3461): dsn ADDRESS NOTIFY ORCPT
    route    ADDRESS HOW WHERE, and below an alias the same for each address that it comes to
    stats    STATE MESSAGES BYTES OLDEST
    check    FILE PROBLEM REPAIR, where REPAIR is what --repair would do or, with it, did; `-`
             where nothing needs to be done

  list --json, show --json: one object a message, absent facts left out.
    id, state, arrival, next, size, reverse_path    as above; the null reverse-path is empty
    recipients                           address, outcome, attempts, last_reply, notify, orcpt
    ret, envid, require_tls, smtputf8    what the sender asked for (RFC 3461, RFC 8689, RFC 6531)
  check --json: one object a finding.
    path, problem; repair or done                   as FILE, PROBLEM, REPAIR

EXIT STATUS
  0    the pass was made, or there were as many passes under way as there may be; a signal ended it;
       the command did all it was asked to
  1    hold, release, retry, delete, bounce, edit: done for some of the messages, not for others
  64   usage
  65   check found something that needs a repair
  66   none of the messages is there, or none is in a state for the command
  71   the system refused what always works
  74   the spool failed; list, stats, check: a part of it could not be read
  78   the configuration is wrong or cannot be read, or the directory is no spool

EXAMPLES
  * * * * *  mailq-run                                  in a crontab
  mailq-run list --json | jq -r 'select(.state == \"deferred\").id'
  mailq-run retry --domain hamburger.test && mailq-run -v";

/// Deliver what is in the spool, or manage it
///
/// Without a command, makes one pass over the spool: delivers what is due, puts off what fails, tells senders of what is refused, and
/// exits. Any number may run at once. Called as mailq, it lists.
#[derive(Parser, Debug)]
#[command(name = "mailq-run", version, after_long_help = AFTER_HELP, max_term_width = 100, args_conflicts_with_subcommands = false)]
pub struct Args {
    #[command(flatten)]
    pub spool: SpoolOptions,
    /// Read this configuration, in place of /etc/postroad/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub pass: PassOptions,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What holds for passes alone.
#[derive(Group, Debug)]
pub struct PassOptions {
    /// Keep at it, until a signal comes: new mail within a second, the rest when it is due
    #[arg(long)]
    pub watch: bool,
    /// Show the sessions on stderr; twice with times
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on stderr, not even what failed: the exit status tells
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub log: LogOptions,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show what is in the spool
    List {
        /// Print one JSON object a message
        #[arg(long)]
        json: bool,
    },
    /// Show one message: its envelope, its history, or itself
    Show {
        /// Its queue id, as list prints it
        #[arg(value_name = "ID")]
        id: QueueId,
        /// Print a JSON object
        #[arg(long, conflicts_with = "message")]
        json: bool,
        /// Print the message itself
        #[arg(long)]
        message: bool,
    },
    /// Put messages aside until they are released
    Hold {
        /// Queue ids, as list prints them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<QueueId>,
    },
    /// Let held or failed messages go on
    Release {
        /// Queue ids, as list prints them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<QueueId>,
    },
    /// Make messages due now, for the next pass
    Retry(Retry),
    /// Remove messages; nobody is told
    Delete {
        /// Queue ids, as list prints them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<QueueId>,
    },
    /// Return messages to their senders
    Bounce {
        /// Queue ids, as list prints them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<QueueId>,
    },
    /// Change the recipients of a message that waits
    Edit {
        /// Its queue id, as list prints it
        #[arg(value_name = "ID")]
        id: QueueId,
        /// Send it to NEW in place of OLD
        #[arg(long, value_name = "OLD=NEW", required = true, value_parser = replacement)]
        rcpt: Vec<(ForwardPath, ForwardPath)>,
    },
    /// Show where mail for addresses goes
    Route {
        /// E-mail addresses, or postmaster
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<ForwardPath>,
    },
    /// Look at every file of the spool, and say what is wrong
    Check(Check),
    /// Count the messages by state
    Stats,
}

#[derive(Group, Debug)]
pub struct Check {
    /// Set right what can be: move what is no good message to corrupt/, where nobody delivers or removes it
    #[arg(long)]
    pub repair: bool,
    /// Print one JSON object a finding
    #[arg(long)]
    pub json: bool,
}

#[derive(Group, Debug)]
#[group(required = true, multiple = false)]
pub struct Retry {
    /// Queue ids, as list prints them
    #[arg(value_name = "ID")]
    pub ids: Vec<QueueId>,
    /// All that wait and have a recipient in this domain
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<Domain>,
    /// All that wait
    #[arg(long)]
    pub all: bool,
}

/// What mailq-run tells itself where it stores a message as another user. No command for people, so it stands on no page.
#[derive(Parser, Debug)]
#[command(name = crate::relay::local::STORE)]
pub struct StoreAs {
    #[arg(long)]
    pub dir: PathBuf,
    #[arg(long)]
    pub uid: u32,
    #[arg(long)]
    pub gid: u32,
    #[arg(long)]
    pub host: String,
    #[arg(long)]
    pub token: String,
    /// Unix seconds.
    #[arg(long)]
    pub at: i64,
    /// Bytes on stdin; fewer are no message.
    #[arg(long)]
    pub length: u64,
}

/// `OLD=NEW`. A `=` may stand in a local part, so the first that parts two addresses counts.
fn replacement(text: &str) -> Result<(ForwardPath, ForwardPath), String> {
    let parted = text.match_indices('=').find_map(|(at, _)| Some((text[..at].parse().ok()?, text[at + 1..].parse().ok()?)));
    parted.ok_or_else(|| "not two addresses with = between them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, clap::error::ErrorKind> {
        Args::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_spool_can_be_named_on_either_side_of_the_command() {
        for line in ["mailq-run --spool /s list --json", "mailq-run list --json --spool /s"] {
            assert!(matches!(parsed(line).unwrap().command, Some(Command::List { json: true })), "{line}");
        }
        assert!(parsed("mailq-run").unwrap().command.is_none());
    }

    #[test]
    fn retry_wants_to_know_what() {
        assert!(parsed("mailq-run retry").is_err());
        assert!(parsed("mailq-run retry --all --domain a.test").is_err());
        assert!(parsed("mailq-run retry 0000000010000000000002").is_ok());
        assert!(parsed("mailq-run retry nonsense").is_err());
    }

    #[test]
    fn an_equals_sign_may_stand_in_an_address() {
        let paths = |old: &str, new: &str| (old.parse().unwrap(), new.parse().unwrap());
        assert_eq!(replacement("a@b.test=c@d.test"), Ok(paths("a@b.test", "c@d.test")));
        assert_eq!(replacement("a=b@c.test=d=e@f.test"), Ok(paths("a=b@c.test", "d=e@f.test")));
        assert!(replacement("a@b.test").is_err());
    }
}

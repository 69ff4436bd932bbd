//! The options that look at a server instead of sending through it.

use crate::protocol::smtp::client::stage::Stage;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args)]
pub struct DebuggingOptions {
    /// End after connect, ehlo, tls, auth, mail, rcpt, data or dot
    ///
    /// Nothing is delivered unless STAGE is dot. Before data no message is read, before rcpt no recipient is needed. After rcpt the
    /// result of each recipient is the reply to its RCPT; RSET and QUIT follow. After data, whose reply is the result then, the
    /// connection is dropped, since only that ends the data without a delivery.
    #[arg(
        long,
        value_name = "STAGE",
        value_parser = PossibleValuesParser::new(Stage::words()).try_map(|word| word.parse::<Stage>()),
        hide_possible_values = true,
        conflicts_with_all = ["enqueue", "spool"],
        help_heading = "Debugging options"
    )]
    pub quit_after: Option<Stage>,
    /// Tell what the server says of itself, in plain words
    ///
    /// That is its greeting, its extensions and its certificate. Every address of every host is looked at, before TLS and inside it. Nothing is sent, and no message is read. The status is 0 where
    /// the server answered and TLS is as asked for; a certificate that --tls require refuses is told all the same, with status 77.
    #[arg(long, conflicts_with_all = ["quit_after", "enqueue", "spool", "take_recipients"], help_heading = "Debugging options")]
    pub serverinfo: bool,
    /// Tell what would be sent to whom by which hosts, and send nothing
    ///
    /// MX hosts and addresses are looked up as for sending. The status is 0 where every recipient has somewhere to go.
    #[arg(long, conflicts_with_all = ["quit_after", "serverinfo", "enqueue", "spool"], hide_short_help = true, help_heading = "Debugging options")]
    pub dry_run: bool,
    /// Type the protocol by hand, with editing, history and STARTTLS
    ///
    /// Where stdin is no terminal, its lines are sent one by one, each after the reply to the one before. `:help` lists what begins with a
    /// colon. Ctrl-D, or the end of stdin, is QUIT; Ctrl-C closes the connection. The status is 0 where the session was ended by this side or
    /// with QUIT, 65 where that was within a message.
    #[arg(long, conflicts_with_all = ["quit_after", "serverinfo", "dry_run", "enqueue", "spool", "take_recipients"], help_heading = "Debugging options")]
    pub interactive: bool,
    /// Write the session that is typed to this file, too
    #[arg(long, value_name = "FILE", requires = "interactive", hide_short_help = true, help_heading = "Debugging options")]
    pub transcript: Option<PathBuf>,
    /// Carry out the dialogue in this file, to try a server with what no honest client sends; see SCRIPTS
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["interactive", "quit_after", "serverinfo", "dry_run", "enqueue", "spool", "take_recipients"],
        hide_short_help = true,
        help_heading = "Debugging options"
    )]
    pub script: Option<PathBuf>,
}

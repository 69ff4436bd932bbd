//! The options that look at a server instead of sending through it.

use crate::protocol::smtp::client::stage::Stage;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

#[derive(Debug, Clone, Default, Args)]
pub struct DebuggingOptions {
    /// End the session after this stage: connect, ehlo, tls, auth, mail, rcpt, data or dot
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
}

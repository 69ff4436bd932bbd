//! What the command line says of SMTP extensions: delivery reports, TLS all the way, and those that do not count.

use crate::cli::config::settings::TlsMode;
use crate::cli::exit::{Failure, Status};
use crate::cli::opts::tls::ClientTls;
use crate::mail::notify::{EnvelopeId, Notify, Request, Return};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::mail::server::{Place, Server};
use crate::protocol::smtp::client::words::{Fault, Transaction};
use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub struct ExtensionOptions {
    /// When the recipients' systems are to report: never, or a list of success, failure, delay
    ///
    /// Asks for delivery status notifications (RFC 3461) to the reverse-path. Without it they report failures, and delays if they like.
    /// A server that does not offer DSN gets the message without it; -v tells.
    #[arg(long, value_name = "WHEN", hide_short_help = true, help_heading = "Extension options", conflicts_with_all = ["enqueue", "spool"])]
    notify: Option<Notify>,
    /// How much of the message a report of its failure brings back: full or hdrs
    #[arg(long, value_name = "WHAT", hide_short_help = true, help_heading = "Extension options", conflicts_with_all = ["enqueue", "spool"])]
    ret: Option<Return>,
    /// What reports call this message
    #[arg(long, value_name = "ID", hide_short_help = true, help_heading = "Extension options", conflicts_with_all = ["enqueue", "spool"])]
    envid: Option<EnvelopeId>,
    /// Verified TLS all the way, or the message does not go (REQUIRETLS, RFC 8689)
    ///
    /// The server must offer it, and passes the demand on. It implies --tls require.
    #[arg(long, hide_short_help = true, help_heading = "Extension options", conflicts_with_all = ["enqueue", "spool", "mx", "tls_insecure"])]
    pub require_tls: bool,
    /// Act as if the server's EHLO reply did not have these keywords (CHUNKING,PIPELINING)
    #[arg(
        long = "discard-ehlo",
        value_name = "KEYWORD,..",
        value_delimiter = ',',
        hide_short_help = true,
        help_heading = "Extension options"
    )]
    pub discard: Vec<String>,
}

impl ExtensionOptions {
    /// What is asked for every transaction.
    pub fn ask(&self, transaction: &mut Transaction) {
        transaction.dsn = Request { notify: self.notify, ret: self.ret, envid: self.envid.clone() };
        transaction.require_tls = self.require_tls;
    }

    /// Without verified TLS nothing that is to have it goes (RFC 8689 section 4.2.1), and a retry is not for us to suggest.
    pub fn judge(&self, outcome: Outcome, fault: Option<Fault>) -> Outcome {
        match outcome {
            Outcome::Deferred(why) if self.require_tls && fault == Some(Fault::Tls) && why.code.is_none() => {
                let text = format!("REQUIRETLS was asked for: {}", why.text);
                Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 7, 30), text))
            }
            outcome => outcome,
        }
    }

    /// REQUIRETLS needs a server that is verified. Which MX hosts are the right ones cannot be known without DANE or MTA-STS (RFC 8689
    /// section 4.2.1).
    pub fn check(&self, server: Option<&Server>, tls: &ClientTls) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::text(Status::Usage, text));
        if !self.require_tls {
            return Ok(());
        }
        match (server.map(|server| &server.place), tls.mode) {
            (Some(Place::Mx(_)), _) => usage("--require-tls needs a server with -s, not MX hosts"),
            (_, TlsMode::Require) => Ok(()),
            (_, TlsMode::Opportunistic | TlsMode::Never) => usage("--require-tls cannot be had without --tls require"),
        }
    }
}

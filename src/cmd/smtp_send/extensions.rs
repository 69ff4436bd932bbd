//! What the command line says of SMTP extensions: delivery reports, TLS all the way, and those that do not count.

use crate::cli::config::settings::TlsMode;
use crate::cli::exit::{Failure, Status};
use crate::cli::message::Message;
use crate::cli::opts::tls::ClientTls;
use crate::mail::envelope::Envelope;
use crate::mail::notify::{EnvelopeId, Notify, Request, Return};
use crate::mail::outcome::Outcome;
use crate::mail::server::{Place, Server};
use crate::protocol::smtp::client::words::{Fault, HeaderText};
use crate::relay::demand::demanding_tls;
use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub struct ExtensionOptions {
    /// When the recipients' systems are to report: never, or a list of success, failure, delay
    ///
    /// Asks for delivery status notifications (RFC 3461) to the reverse-path. Without it they report failures, and delays if they like.
    /// A server that does not offer DSN gets the message without it; -v tells. The spool keeps what was asked.
    #[arg(long, value_name = "WHEN", hide_short_help = true, help_heading = "Extension options")]
    notify: Option<Notify>,
    /// How much of the message a report of its failure brings back: full or hdrs
    #[arg(long, value_name = "WHAT", hide_short_help = true, help_heading = "Extension options")]
    ret: Option<Return>,
    /// What reports call this message
    #[arg(long, value_name = "ID", hide_short_help = true, help_heading = "Extension options")]
    envid: Option<EnvelopeId>,
    /// Verified TLS all the way, or the message does not go (REQUIRETLS, RFC 8689)
    ///
    /// The server must offer it, and passes the demand on. It implies --tls require. The spool keeps the demand.
    #[arg(long, hide_short_help = true, help_heading = "Extension options", conflicts_with_all = ["mx", "tls_insecure"])]
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
    /// What is asked for a message. The original recipient stands with what is asked for it, so that whoever gets the report knows the
    /// address that was given.
    pub fn ask(&self, envelope: &mut Envelope, message: &Message) {
        let utf8 = message.text == HeaderText::Utf8;
        envelope.request = Request { ret: self.ret, envid: self.envid.clone(), require_tls: self.require_tls, utf8 };
        if let Some(notify) = self.notify {
            envelope.ask_of_all(notify);
        }
    }

    /// Without verified TLS nothing that is to have it goes (RFC 8689 section 4.2.1), and a retry is not for us to suggest.
    pub fn judge(&self, outcome: Outcome, fault: Option<Fault>) -> Outcome {
        if self.require_tls { demanding_tls(outcome, fault) } else { outcome }
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

//! `:auth`: logs in with the configured user and password within a session that is led by hand.

use crate::cli::typing::Who;
use crate::mail::reply::Reply;
use crate::net::tls::layer::Facts;
use crate::protocol::sasl::words::Mechanism;
use crate::protocol::smtp::client::auth::{Authenticating, Verdict, candidates};
use crate::protocol::smtp::extensions::Extensions;

/// Who we are, what the server offers, and an exchange under way.
pub struct HandLogin<'a> {
    who: Who<'a>,
    offered: Extensions,
    running: Option<Authenticating>,
}

/// What a reply within the exchange means.
pub enum Next {
    /// None of ours is under way.
    NotOurs,
    /// This line goes out.
    Say(String),
    /// The exchange is over; the text is for who types.
    Over(String),
}

impl<'a> HandLogin<'a> {
    pub fn new(who: Who<'a>) -> HandLogin<'a> {
        HandLogin { who, offered: Extensions::default(), running: None }
    }

    /// EHLO was answered.
    pub fn offered(&mut self, reply: &Reply) {
        self.offered = Extensions::from_ehlo(reply);
    }

    /// TLS runs: what was offered in clear is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self, facts: &Facts) {
        self.offered = Extensions::default();
        self.who.secured(facts);
    }

    /// The line that begins the exchange, by this mechanism or the best that is offered; an error is one line.
    pub fn begin(&mut self, mechanism: Option<&str>) -> Result<String, String> {
        let mut wanted = self.who.wanted()?;
        if let Some(name) = mechanism {
            wanted.mechanisms = vec![name.parse::<Mechanism>().map_err(|error| error.to_string())?];
        }
        let candidates = candidates(&wanted, &self.offered, self.who.secure).map_err(|error| error.to_string())?;
        let (chosen, words) = self.who.first(candidates, |mechanism| *mechanism)?;
        let (running, line) = Authenticating::begin(chosen, &words, &self.offered).map_err(|error| error.to_string())?;
        self.running = Some(running);
        Ok(line.reveal().clone())
    }

    /// A reply to AUTH.
    pub fn heard(&mut self, reply: &Reply) -> Next {
        let Some(running) = &mut self.running else { return Next::NotOurs };
        let over = match running.reply(reply) {
            Verdict::Say(line) => return Next::Say(line.reveal().clone()),
            Verdict::Accepted => "=== logged in".to_owned(),
            Verdict::OtherMechanism | Verdict::Refused => "*** not logged in".to_owned(),
            Verdict::Failed(why) => format!("*** {why}"),
        };
        self.running = None;
        Next::Over(over)
    }
}

//! `:auth`: logs in with the configured user and password within a session that is led by hand.

use crate::mail::reply::Reply;
use crate::net::tls::layer::Facts;
use crate::protocol::sasl::words::{Login as Words, Mechanism};
use crate::protocol::smtp::client::auth::{Authenticating, Verdict, candidates};
use crate::protocol::smtp::extensions::Extensions;
use crate::relay::session::Login;

/// Who we are, what the server offers, and an exchange under way.
pub struct HandLogin<'a> {
    login: Option<&'a dyn Login>,
    /// To a socket of this host.
    local: bool,
    offered: Extensions,
    secure: bool,
    /// What binds an exchange to this TLS session.
    binding: Option<Vec<u8>>,
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
    pub fn new(login: Option<&'a dyn Login>, local: bool) -> HandLogin<'a> {
        HandLogin { login, local, offered: Extensions::default(), secure: false, binding: None, running: None }
    }

    /// EHLO was answered.
    pub fn offered(&mut self, reply: &Reply) {
        self.offered = Extensions::from_ehlo(reply);
    }

    /// TLS runs: what was offered in clear is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self, facts: &Facts) {
        self.secure = true;
        self.offered = Extensions::default();
        self.binding = facts.end_point();
    }

    /// The line that begins the exchange, by this mechanism or the best that is offered; an error is one line.
    pub fn begin(&mut self, mechanism: Option<&str>) -> Result<String, String> {
        let Some(login) = self.login else {
            return Err("nobody to log in as: start with --user USER, or user@ in the server's URL".to_owned());
        };
        let mut wanted = login.authentication(self.local);
        if let Some(name) = mechanism {
            wanted.mechanisms = vec![name.parse::<Mechanism>().map_err(|error| error.to_string())?];
        }
        let candidates = candidates(&wanted, &self.offered, self.secure).map_err(|error| error.to_string())?;
        let usable = |mechanism: &Mechanism| !mechanism.is_bound() || self.binding.is_some();
        let chosen = candidates.into_iter().find(usable).ok_or("no mechanism can be used without a certificate of the server")?;
        let words = Words { binding: self.binding.clone(), ..login.login(chosen)? };
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

//! What a POP3 server says of itself: in words, or as JSON. Nobody logs in.

use super::way::Way;
use crate::bytes::escape::visible;
use crate::cli::certificate::{self, TlsJson};
use crate::cli::config::settings::TlsMode;
use crate::cli::exit::{Failure, Status};
use crate::cli::explain::pop3::capability;
use crate::cli::report::json_line;
use crate::cli::stdio::{Stdout, StdoutError};
use crate::fetch::session::Job;
use crate::net::tls::layer::Facts;
use crate::protocol::pop3::capabilities::{Capabilities, Language};
use crate::protocol::pop3::words::{Answer, ClientTell, Command, Offer};
use crate::protocol::session::Fault;
use crate::relay::ended::Ended;
use crate::relay::session::Via;
use serde::Serialize;
use std::io::Write;

/// Keeps what is offered.
#[derive(Default)]
pub struct Looking {
    offer: Option<Offer>,
}

impl Job for Looking {
    fn next(&mut self) -> ClientTell {
        ClientTell::Quit
    }

    fn answer(&mut self, _: Command, _: Answer) {}

    fn offered(&mut self, offer: Offer) {
        self.offer = Some(offer);
    }
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a [String]>,
    /// Where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities_before_tls: Option<&'a [String]>,
    /// What LANG lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<LanguageJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct LanguageJson<'a> {
    tag: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

/// One look at a server.
pub struct Seen<'a> {
    /// Whose it is, where there are others.
    account: Option<&'a str>,
    way: &'a Way,
    via: &'a Via,
    offer: Option<&'a Offer>,
    ended: &'a Ended,
    /// None: there is no TLS. Else whether the server is who it should be, and why not.
    verdict: Option<Result<(), String>>,
}

impl<'a> Seen<'a> {
    pub fn new(way: &'a Way, via: &'a Via, looking: &'a Looking, ended: &'a Ended) -> Seen<'a> {
        let verdict = ended.tls.as_ref().map(|facts| certificate::verdict(facts, way.tls.fingerprint));
        Seen { account: None, way, via, offer: looking.offer.as_ref(), ended, verdict }
    }

    /// With the account's name.
    pub fn of(self, account: Option<&'a str>) -> Seen<'a> {
        Seen { account, ..self }
    }

    /// Writes it; the status says whether the server answered and TLS is as it was asked for.
    pub fn tell(&self, json: bool) -> Result<Status, Failure> {
        let text = if json { json_line(&self.json()) + "\n" } else { self.words() };
        let mut out = Stdout::new();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(StdoutError::from)?;
        Ok(self.status())
    }

    fn status(&self) -> Status {
        let fault = self.ended.failure.as_ref().map(|failure| failure.fault);
        match (fault, &self.verdict) {
            (Some(Fault::Protocol), _) => Status::Protocol,
            (Some(Fault::Refused), _) => Status::Refused,
            (Some(Fault::Stranger), _) => Status::Permission,
            (Some(_), _) => Status::TryAgain,
            (None, Some(Err(_))) if self.way.tls.verify => Status::Permission,
            (None, None) if self.way.tls.implicit || self.way.tls.mode == TlsMode::Require => Status::TryAgain,
            _ => Status::Done,
        }
    }

    fn error(&self) -> Option<String> {
        self.ended.failure.as_ref().map(|failure| failure.text.clone())
    }

    fn languages(&self) -> impl Iterator<Item = &'a Language> {
        self.offer.into_iter().flat_map(|offer| &offer.languages)
    }

    fn tls(&self) -> Option<(&Facts, &Result<(), String>)> {
        self.ended.tls.as_ref().zip(self.verdict.as_ref())
    }

    /// What was offered in clear, where that is not what counts now.
    fn before(&self) -> Option<&'a Capabilities> {
        let offer = self.offer?;
        offer.in_clear.as_ref().filter(|clear| clear.lines != offer.capabilities.lines)
    }

    fn json(&self) -> Json<'_> {
        let offer = self.offer;
        Json {
            account: self.account,
            host: &self.via.host,
            address: self.via.address.as_deref(),
            banner: offer.map(|offer| offer.greeting.as_str()),
            capabilities: offer.filter(|offer| offer.capabilities.known).map(|offer| &offer.capabilities.lines[..]),
            capabilities_before_tls: self.before().map(|clear| &clear.lines[..]),
            languages: self.languages().map(|spoken| LanguageJson { tag: &spoken.tag, name: &spoken.name }).collect(),
            apop: offer.map(|offer| offer.apop),
            tls: self.tls().map(|(facts, verdict)| TlsJson::new(facts, verdict)),
            error: self.error(),
        }
    }

    fn words(&self) -> String {
        let mut text = String::new();
        let mut line = |depth: usize, words: &str| {
            text.push_str(&format!("{:indent$}{}\n", "", visible(words.as_bytes()), indent = 2 * depth));
        };
        let address = self.via.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        let account = self.account.map(|name| format!("{name} ")).unwrap_or_default();
        line(0, &format!("{account}{}{address}", self.via.host));
        let mut fact = |name: &str, fact: &str| line(1, &format!("{name:<12} {fact}"));
        if let Some(offer) = self.offer {
            fact("banner", &offer.greeting);
        }
        if let Some((facts, verdict)) = self.tls() {
            certificate::told(facts, verdict).iter().for_each(|(name, told)| fact(name, told));
        } else {
            fact("tls", "none");
        }
        if let Some(error) = self.error() {
            fact("error", &error);
        }
        if let Some(offer) = self.offer {
            fact("apop", if offer.apop { "the greeting has a timestamp" } else { "none: no timestamp" });
            line(1, if offer.capabilities.known { "offers" } else { "does not say what it offers (no CAPA)" });
            for offered in &offer.capabilities.lines {
                line(2, offered);
                line(4, capability(offered));
            }
        }
        if self.languages().next().is_some() {
            line(1, "speaks");
            self.languages().for_each(|spoken| line(2, format!("{:<10} {}", spoken.tag, spoken.name).trim_end()));
        }
        if let (Some(clear), Some(offer)) = (self.before(), self.offer) {
            line(1, "offers before TLS only");
            for offered in clear.lines.iter().filter(|line| !offer.capabilities.lines.contains(line)) {
                line(2, offered);
                line(4, capability(offered));
            }
        }
        text
    }
}

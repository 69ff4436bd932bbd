//! What a server says of itself: in words, a section for each address, or as JSON.

use super::results::found_here;
use crate::bytes::escape::visible;
use crate::cli::certificate::{self, TlsJson};
use crate::cli::config::settings::TlsMode;
use crate::cli::exit::{Failure, Status};
use crate::cli::explain::extensions::explain;
use crate::cli::opts::tls::ClientTls;
use crate::cli::report::json_line;
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::words::{Failure as SessionFailure, Fault};
use crate::protocol::smtp::extensions::Extensions;
use crate::relay::deliver::{Courier, Destination};
use crate::relay::survey::Survey;
use serde::Serialize;
use std::io::Write;

/// Looks at every address of these destinations and tells of each.
pub fn run(courier: &Courier<'_>, to: &[Destination], tls: &ClientTls, json: bool) -> Result<Status, Failure> {
    let mut out = Stdout::new();
    let mut statuses = Vec::new();
    for destination in to {
        let found = courier.survey(destination);
        let found = found.map_err(|failure| Failure::text(of_failure(&failure), failure.outcome.diagnostic()))?;
        for survey in &found {
            let seen = Seen::of(survey, tls);
            let text = if json { json_line(&seen.json()) + "\n" } else { seen.words(statuses.is_empty()) };
            write(&mut out, &text)?;
            statuses.push(seen.status());
        }
    }
    Ok(together(&statuses))
}

fn write(out: &mut Stdout, text: &str) -> Result<(), StdoutError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(StdoutError::from)
}

/// Good where all are, [`Status::Partly`] where some are, else what may pass before what won't.
fn together(statuses: &[Status]) -> Status {
    let good = statuses.iter().filter(|status| **status == Status::Done).count();
    let order = [Status::Protocol, Status::Permission, Status::TryAgain, Status::Config, Status::NoHost, Status::Refused];
    match good {
        0 => order.into_iter().find(|status| statuses.contains(status)).unwrap_or(Status::TryAgain),
        n if n == statuses.len() => Status::Done,
        _ => Status::Partly,
    }
}

fn of_failure(failure: &SessionFailure) -> Status {
    match (failure.fault, &failure.outcome) {
        (Fault::Protocol, _) => Status::Protocol,
        (Fault::Lost, outcome @ Outcome::Refused(_)) => found_here(outcome).unwrap_or(Status::Refused),
        (_, Outcome::Refused(_)) => Status::Refused,
        _ => Status::TryAgain,
    }
}

/// A survey, and what was asked of it.
struct Seen<'a> {
    survey: &'a Survey,
    /// None: there is no TLS. Else whether the server is who it should be, and why not.
    verdict: Option<Result<(), String>>,
    tls: &'a ClientTls,
}

#[derive(Serialize)]
struct Json<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a [String]>,
    /// Where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions_before_tls: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> Seen<'a> {
    fn of(survey: &'a Survey, tls: &'a ClientTls) -> Seen<'a> {
        let verdict = survey.tls.as_ref().map(|facts| certificate::verdict(facts, tls.fingerprint));
        Seen { survey, verdict, tls }
    }

    /// The server answered, and TLS is as it was asked for.
    fn status(&self) -> Status {
        if let Some(failure) = &self.survey.failure {
            return of_failure(failure);
        }
        let required = self.tls.mode == TlsMode::Require;
        match &self.verdict {
            Some(Err(_)) if self.tls.verify => Status::Permission,
            None if required || self.tls.implicit => Status::TryAgain,
            _ => Status::Done,
        }
    }

    /// What is wrong, if something is.
    fn error(&self) -> Option<String> {
        let survey = self.survey;
        let failure = survey.failure.as_ref().map(|failure| failure.outcome.diagnostic().to_string());
        failure.or_else(|| survey.tls_error.as_ref().map(ToString::to_string)).or_else(|| {
            let missing = self.verdict.is_none() && self.tls.mode == TlsMode::Require;
            missing.then(|| "the server does not offer STARTTLS and TLS is required".to_owned())
        })
    }

    /// What was offered in clear, where that is not what counts now.
    fn before(&self) -> Option<&'a Extensions> {
        let inside = self.survey.offered_inside.as_ref()?;
        self.survey.offered.as_ref().filter(|offered| offered.lines != inside.lines)
    }

    fn only_before(&self) -> impl Iterator<Item = &'a String> {
        let inside = self.survey.offered_inside.as_ref().map_or(&[][..], |inside| &inside.lines);
        self.before().into_iter().flat_map(|offered| &offered.lines).filter(move |line| !inside.contains(line))
    }

    fn json(&self) -> Json<'_> {
        let survey = self.survey;
        Json {
            host: &survey.via.host,
            address: survey.via.address.as_deref(),
            banner: survey.banner.as_ref().map(ToString::to_string),
            extensions: survey.extensions().map(|offered| &offered.lines[..]),
            extensions_before_tls: self.before().map(|offered| &offered.lines[..]),
            tls: survey.tls.as_ref().zip(self.verdict.as_ref()).map(|(facts, verdict)| TlsJson::new(facts, verdict)),
            error: self.error(),
        }
    }

    fn words(&self, first: bool) -> String {
        let survey = self.survey;
        let mut text = Words(String::new());
        let address = survey.via.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        text.line(0, &format!("{}{}{address}", if first { "" } else { "\n" }, survey.via.host));
        if let Some(banner) = &survey.banner {
            text.fact("banner", &banner.to_string());
        }
        if let Some((facts, verdict)) = survey.tls.as_ref().zip(self.verdict.as_ref()) {
            certificate::told(facts, verdict).iter().for_each(|(name, fact)| text.fact(name, fact));
        } else if survey.failure.is_none() {
            text.fact("tls", "none");
        }
        if let Some(error) = self.error() {
            text.fact("error", &error);
        }
        if let Some(offered) = survey.extensions() {
            text.line(1, if survey.tls.is_some() { "offers inside TLS" } else { "offers" });
            text.extensions(offered.lines.iter());
        }
        let only_before: Vec<&String> = self.only_before().collect();
        if !only_before.is_empty() {
            text.line(1, "offers before TLS only");
            text.extensions(only_before.into_iter());
        }
        text.0
    }
}

/// Lines for people, made harmless.
struct Words(String);

impl Words {
    fn line(&mut self, depth: usize, text: &str) {
        let (gap, text) = text.strip_prefix('\n').map_or(("", text), |rest| ("\n", rest));
        self.0.push_str(&format!("{gap}{:indent$}{}\n", "", visible(text.as_bytes()), indent = 2 * depth));
    }

    fn fact(&mut self, name: &str, fact: &str) {
        self.line(1, &format!("{name:<12} {fact}"));
    }

    fn extensions<'a>(&mut self, offered: impl ExactSizeIterator<Item = &'a String>) {
        if offered.len() == 0 {
            self.line(2, "nothing");
        }
        for line in offered {
            self.line(2, line);
            self.line(4, &explain(line));
        }
    }
}

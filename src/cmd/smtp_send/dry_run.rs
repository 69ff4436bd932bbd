//! What would be sent to whom by which hosts, without sending it.

use super::sending::{groups, no_domain};
use crate::bytes::escape::visible;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::json_line;
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::Outcome;
use crate::protocol::session::StartTls;
use crate::relay::deliver::{Courier, Destination};
use crate::relay::plan::Planned;
use serde::Serialize;
use std::io::Write;

/// What would be sent.
pub struct DryRun<'a> {
    pub envelope: &'a Envelope,
    /// Octets in wire form.
    pub size: u64,
    pub eight_bit: bool,
    /// The server is to be verified.
    pub verify: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    hosts: Vec<Host>,
    reverse_path: String,
    recipients: Vec<String>,
    size: u64,
    eight_bit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Host {
    host: String,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl DryRun<'_> {
    /// Tells it on stdout, for each destination. The status is that of a destination that cannot be found, if there is one.
    pub fn run(&self, courier: &Courier<'_>, to: Option<&Destination>, json: bool) -> Result<Status, Failure> {
        let mut out = Stdout::new();
        let mut status = Status::Done;
        for (number, (destination, places)) in groups(self.envelope.recipients(), to).into_iter().enumerate() {
            let planned = destination.as_ref().map_or_else(|| Err(no_domain()), |to| courier.plan(to));
            if let Err(outcome) = &planned {
                status = of(outcome, status);
            }
            let recipients = places.iter().filter_map(|place| self.envelope.recipients().get(*place)).map(ToString::to_string);
            let told = self.told(destination.as_ref(), planned, recipients.collect());
            let text = if json { json_line(&told) } else { self.words(&told, number == 0) };
            writeln!(out, "{text}").and_then(|()| out.flush()).map_err(StdoutError::from)?;
        }
        Ok(status)
    }

    fn told(&self, to: Option<&Destination>, planned: Result<Vec<Planned>, Outcome>, recipients: Vec<String>) -> Json<'static> {
        let (planned, error) = match planned {
            Ok(planned) => (planned, None),
            Err(outcome) => (Vec::new(), Some(outcome.diagnostic().to_string())),
        };
        let tls = planned.first().map(|first| self.tls(first.tls));
        let host = |planned: Planned| {
            let (addresses, error) = match planned.addresses {
                Ok(addresses) => (addresses, None),
                Err(outcome) => (Vec::new(), Some(outcome.diagnostic().to_string())),
            };
            Host { host: planned.host, addresses: addresses.iter().map(ToString::to_string).collect(), error }
        };
        Json {
            destination: to.map(name),
            hosts: planned.into_iter().map(host).collect(),
            reverse_path: self.envelope.reverse_path.to_string(),
            recipients,
            size: self.size,
            eight_bit: self.eight_bit,
            tls,
            error,
        }
    }

    fn tls(&self, tls: StartTls) -> &'static str {
        match (tls, self.verify) {
            (StartTls::Never, _) => "none",
            (StartTls::IfOffered, true) => "by STARTTLS if offered, verified",
            (StartTls::IfOffered, false) => "by STARTTLS if offered, not verified",
            (StartTls::Required, true) => "by STARTTLS, verified",
            (StartTls::Required, false) => "by STARTTLS, not verified",
            (StartTls::Implicit, true) => "from the start, verified",
            (StartTls::Implicit, false) => "from the start, not verified",
        }
    }

    fn words(&self, told: &Json<'_>, first: bool) -> String {
        let mut lines = Vec::new();
        let content = if told.eight_bit { "8-bit content" } else { "7-bit content" };
        lines.push(format!("would send {} octets, {content}", told.size));
        lines.push(format!("  from <{}>", told.reverse_path));
        lines.extend(told.recipients.iter().map(|recipient| format!("  to <{recipient}>")));
        lines.extend(told.destination.iter().map(|to| format!("  by {to}")));
        for host in &told.hosts {
            let addresses = if host.addresses.is_empty() { "-".to_owned() } else { host.addresses.join(" ") };
            lines.push(format!("    {} {}", host.host, host.error.as_ref().unwrap_or(&addresses)));
        }
        lines.extend(told.tls.iter().map(|tls| format!("  TLS {tls}")));
        lines.extend(told.error.iter().map(|error| format!("  cannot: {error}")));
        let gap = if first { "" } else { "\n" };
        gap.to_owned() + &lines.iter().map(|line| visible(line.as_bytes())).collect::<Vec<_>>().join("\n")
    }
}

fn name(to: &Destination) -> String {
    match to {
        Destination::Mx(domain) => format!("mx:{domain}"),
        Destination::Server(server) => server.to_string(),
    }
}

/// What may pass goes before what won't.
fn of(outcome: &Outcome, before: Status) -> Status {
    match (outcome, before) {
        (Outcome::Deferred(_), _) | (_, Status::TryAgain) => Status::TryAgain,
        (Outcome::Refused(why), Status::Done | Status::NoHost)
            if why.enhanced.is_some_and(|status| status.subject == 1 && status.detail == 2) =>
        {
            Status::NoHost
        }
        _ => Status::Refused,
    }
}

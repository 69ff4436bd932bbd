//! What would be sent to whom by which hosts, without sending it.

use super::results;
use super::sending::{groups, no_domain};
use crate::bytes::escape::visible;
use crate::cli::exit::{Failure, Status};
use crate::cli::report::json_line;
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::session::StartTls;
use crate::relay::deliver::{Courier, Destination};
use crate::relay::plan::Planned;
use serde::Serialize;
use std::io::Write;

/// There is a way (RFC 3463 section 3.2: destination address valid).
pub const ROUTED: EnhancedStatus = EnhancedStatus::new(2, 1, 5);

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
    /// Tells it on stdout, for each destination. The status is that of sending, were all taken where a host is found.
    pub fn run(&self, courier: &Courier<'_>, to: Option<&Destination>, json: bool) -> Result<Status, Failure> {
        let mut out = Stdout::new();
        let mut results = Vec::new();
        for (number, (destination, places)) in groups(self.envelope.recipients(), to).into_iter().enumerate() {
            let planned = destination.as_ref().map_or_else(|| Err(no_domain()), |to| courier.plan(to));
            let recipients: Vec<_> = places.iter().filter_map(|place| self.envelope.recipients().get(*place)).collect();
            let outcome = reached(&planned);
            results.extend(recipients.iter().map(|recipient| results::Result::without_session(recipient, outcome.clone())));
            let recipients = recipients.into_iter().map(ToString::to_string).collect();
            let told = self.told(destination.as_ref(), planned, recipients);
            let text = if json { json_line(&told) } else { self.words(&told, number == 0) };
            writeln!(out, "{text}").and_then(|()| out.flush()).map_err(StdoutError::from)?;
        }
        Ok(results::status(&results))
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

/// Whether there is a host to try: else what is the matter with all of them, where one may be there later that.
fn reached(planned: &Result<Vec<Planned>, Outcome>) -> Outcome {
    let hosts = match planned {
        Err(outcome) => return outcome.clone(),
        Ok(hosts) => hosts.iter().map(|host| host.addresses.as_ref().err()),
    };
    let failures: Option<Vec<&Outcome>> = hosts.collect();
    let worst = failures.and_then(|all| {
        let later = all.iter().find(|outcome| matches!(outcome, Outcome::Deferred(_)));
        later.or(all.first()).map(|outcome| (*outcome).clone())
    });
    worst.unwrap_or(Outcome::Accepted(Diagnostic::local(ROUTED, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_reached_by_one_host_that_is_there() {
        let host = |addresses: Result<(), Outcome>| Planned {
            host: "mx.test".to_owned(),
            addresses: addresses.map(|()| Vec::new()),
            tls: StartTls::IfOffered,
            lmtp: false,
        };
        let why = |class| Diagnostic::local(EnhancedStatus::new(class, 4, 4), "");
        let (never, later) = (|| Err(Outcome::Refused(why(5))), || Err(Outcome::Deferred(why(4))));
        let word = |hosts: Vec<Result<(), Outcome>>| reached(&Ok(hosts.into_iter().map(host).collect())).word();
        assert_eq!(word(vec![never(), Ok(())]), "accepted");
        assert_eq!(word(vec![never(), later()]), "deferred");
        assert_eq!(word(vec![never()]), "refused");
        assert_eq!(reached(&Err(Outcome::Refused(why(5)))).word(), "refused");
    }
}

//! What became of each recipient: the rows on stdout and the exit status that they come to.

use crate::cli::exit::Status;
use crate::cli::report::Row;
use crate::mail::address::ForwardPath;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::client::words::Fault;
use crate::relay::session::Via;
use serde::Serialize;

/// RFC 3463 section 3.2: bad destination system address.
const NO_SUCH_DOMAIN: EnhancedStatus = EnhancedStatus::new(5, 1, 2);

/// RFC 3463 section 3.4: system incorrectly configured.
const NO_SUCH_PROGRAM: EnhancedStatus = EnhancedStatus::new(5, 3, 5);

/// One recipient's result.
#[derive(Debug, Clone)]
pub struct Result {
    pub recipient: ForwardPath,
    pub outcome: Outcome,
    pub via: Via,
    /// Why the session ended, if it broke.
    pub fault: Option<Fault>,
    /// The name it has in our spool, if it was put there.
    pub queue_id: Option<String>,
}

#[derive(Serialize)]
struct Json<'a> {
    recipient: String,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enhanced: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<&'a str>,
}

impl Serialize for Result {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let why = self.outcome.diagnostic();
        let json = Json {
            recipient: self.recipient.to_string(),
            outcome: self.outcome.word(),
            code: why.code.map(|code| code.value()),
            enhanced: why.enhanced.map(|status| status.to_string()),
            text: &why.text,
            host: &self.via.host,
            address: self.via.address.as_deref(),
            tls: self.via.tls.as_deref(),
            queue_id: self.queue_id.as_deref(),
        };
        json.serialize(to)
    }
}

impl Result {
    /// Found out by us, before any session.
    pub fn without_session(recipient: &ForwardPath, outcome: Outcome) -> Result {
        Result { recipient: recipient.clone(), outcome, via: Via::default(), fault: None, queue_id: None }
    }
}

impl Row for Result {
    fn columns(&self) -> Vec<Option<String>> {
        let why = self.outcome.diagnostic();
        let queued = match (&self.outcome, &self.queue_id) {
            (Outcome::Deferred(_), Some(id)) => format!("; queued as {id}"),
            _ => String::new(),
        };
        vec![
            Some(self.outcome.word().to_owned()),
            Some(self.recipient.to_string()),
            why.code.map(|code| code.to_string()),
            why.enhanced.map(|status| status.to_string()),
            Some(format!("{}{queued}", why.text)),
        ]
    }
}

/// The same refusal of our own for every recipient: there is no such server.
pub fn refused_all(recipients: &[ForwardPath], why: &str) -> Vec<Result> {
    let outcome = Outcome::Refused(Diagnostic::local(NO_SUCH_DOMAIN, why));
    recipients.iter().map(|recipient| Result::without_session(recipient, outcome.clone())).collect()
}

/// The exit status of all results together. What is deferred and in our spool counts as done.
pub fn status(results: &[Result]) -> Status {
    let done = |result: &&Result| {
        matches!(result.outcome, Outcome::Accepted(_))
            || (matches!(result.outcome, Outcome::Deferred(_)) && result.queue_id.is_some())
    };
    let any = |test: fn(&Result) -> bool| results.iter().any(test);
    match results.iter().filter(done).count() {
        n if n == results.len() => Status::Done,
        1.. => Status::Partly,
        _ if any(|r| matches!(r.outcome, Outcome::InDoubt(_))) => Status::InDoubt,
        _ if any(|r| r.fault == Some(Fault::Auth)) => Status::Permission,
        _ if any(|r| r.fault == Some(Fault::Protocol)) => Status::Protocol,
        _ if any(|r| matches!(r.outcome, Outcome::Deferred(_))) => Status::TryAgain,
        _ if results.iter().all(|r| found_here(&r.outcome) == Some(Status::NoHost)) => Status::NoHost,
        _ if results.iter().all(|r| found_here(&r.outcome) == Some(Status::Config)) => Status::Config,
        _ => Status::Refused,
    }
}

/// Why nobody could log in, where that was found on this side: no reply on the screen says so.
pub fn no_login(results: &[Result]) -> Option<&str> {
    let ours = |result: &&Result| result.fault == Some(Fault::Auth) && result.outcome.diagnostic().code.is_none();
    results.iter().find(ours).map(|result| result.outcome.diagnostic().text.as_str())
}

/// What the DNS or the system said before there was a server to ask: there is no such domain (68), no such program (78).
pub fn found_here(outcome: &Outcome) -> Option<Status> {
    match outcome.diagnostic() {
        Diagnostic { code: None, enhanced: Some(NO_SUCH_DOMAIN), .. } => Some(Status::NoHost),
        Diagnostic { code: None, enhanced: Some(NO_SUCH_PROGRAM), .. } => Some(Status::Config),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reply::Reply;

    fn result(code: u16) -> Result {
        let reply = Reply::new(code, None, "x");
        Result {
            recipient: "a@b.test".parse().unwrap(),
            outcome: Outcome::from_reply(&reply),
            via: Via::default(),
            fault: None,
            queue_id: None,
        }
    }

    #[test]
    fn one_status_for_all_results() {
        let of = |codes: &[u16]| status(&codes.iter().map(|code| result(*code)).collect::<Vec<_>>());
        assert_eq!([of(&[250, 251]), of(&[250, 550]), of(&[450, 250])], [Status::Done, Status::Partly, Status::Partly]);
        assert_eq!([of(&[550, 450]), of(&[550, 554])], [Status::TryAgain, Status::Refused]);
        let mut doubt = result(450);
        doubt.outcome = Outcome::InDoubt(Diagnostic::local(EnhancedStatus::new(4, 4, 2), "lost"));
        assert_eq!(status(&[result(550), result(450), doubt.clone()]), Status::InDoubt);
        assert_eq!(status(&[result(250), doubt]), Status::Partly);
        let mut nobody = result(535);
        nobody.fault = Some(Fault::Auth);
        assert_eq!([status(&[nobody.clone()]), status(&[nobody, result(250)])], [Status::Permission, Status::Partly]);
        let mut spooled = result(450);
        spooled.queue_id = Some("id".into());
        assert_eq!(status(&[spooled.clone(), result(250)]), Status::Done);
        assert_eq!(status(&[spooled, result(550)]), Status::Partly);
    }
}

//! The line of the log that a message gets, in msmtp's keys, so that what reads msmtp's log reads ours.

use super::letter::Letter;
use super::results::{self, Result as RecipientResult};
use crate::bytes::escape::visible;
use crate::cli::exit::Status;
use crate::cli::opts::auth::Auth;
use crate::cli::opts::server::Chosen;
use crate::mail::server::{Host, Place};
use std::fmt::Display;

/// What is known of every message.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The server, if one was named.
    pub host: Option<String>,
    /// Who logs in there.
    pub user: Option<String>,
}

impl Known {
    pub fn of(chosen: Option<&Chosen>, login: Option<&Auth>) -> Known {
        let host = chosen.map(|chosen| match &chosen.server.place {
            Place::Host { host: Host::Name(name), .. } => name.clone(),
            Place::Host { host: Host::Address(address), .. } => address.to_string(),
            Place::Mx(domain) => format!("mx:{domain}"),
            Place::Socket(path) => path.display().to_string(),
            Place::Command(_) => "pipe".to_owned(),
        });
        Known { host, user: login.map(|login| login.user().to_owned()) }
    }
}

/// The line of a letter that is done.
pub fn done(known: &Known, letter: &Letter, results: &[RecipientResult]) -> String {
    let status = results::status(results);
    let failed: Vec<&RecipientResult> =
        results.iter().filter(|result| results::status(std::slice::from_ref(result)) != Status::Done).collect();
    let told = failed.first().copied().or(results.first());
    let mut line = Line::default();
    let via = told.map(|result| result.via.host.clone()).filter(|host| !host.is_empty());
    line.add("host", via.or_else(|| known.host.clone()));
    line.add("tls", Some(on(told.is_some_and(|result| result.via.tls.is_some()))));
    line.add("auth", Some(on(known.user.is_some())));
    line.add("user", known.user.as_ref());
    line.add("from", Some(&letter.envelope.reverse_path));
    line.add("recipients", Some(joined(letter.envelope.recipients())));
    line.add("mailsize", Some(letter.message.size));
    if let Some((told, code)) = told.and_then(|told| Some((told, told.outcome.diagnostic().code?))) {
        line.add("smtpstatus", Some(code));
        line.quoted("smtpmsg", &told.outcome.diagnostic().to_string());
    }
    if let Some((first, others)) = failed.split_first() {
        let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        line.quoted("errormsg", &format!("{}: {}{more}", first.recipient, first.outcome.diagnostic()));
    }
    line.add("exitcode", Some(sysexits(status)));
    line.text
}

/// The line of a message that could not be sent.
pub fn bad(known: &Known, recipients: &[impl Display], why: &str, status: Status) -> String {
    let mut line = Line::default();
    line.add("host", known.host.as_ref());
    line.add("tls", Some(on(false)));
    line.add("auth", Some(on(false)));
    line.add("recipients", Some(joined(recipients)).filter(|all| !all.is_empty()));
    line.quoted("errormsg", why);
    line.add("exitcode", Some(sysexits(status)));
    line.text
}

fn on(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn joined(recipients: &[impl Display]) -> String {
    recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The names of sysexits.h; our own statuses as numbers.
fn sysexits(status: Status) -> String {
    let name = match status {
        Status::Done => "EX_OK",
        Status::Usage => "EX_USAGE",
        Status::Data => "EX_DATAERR",
        Status::NoInput => "EX_NOINPUT",
        Status::NoHost => "EX_NOHOST",
        Status::Refused => "EX_UNAVAILABLE",
        Status::Software => "EX_SOFTWARE",
        Status::Os => "EX_OSERR",
        Status::CannotCreate => "EX_CANTCREAT",
        Status::Io => "EX_IOERR",
        Status::TryAgain => "EX_TEMPFAIL",
        Status::Protocol => "EX_PROTOCOL",
        Status::Permission => "EX_NOPERM",
        Status::Config => "EX_CONFIG",
        Status::Partly | Status::InDoubt => return (status as u8).to_string(),
    };
    name.to_owned()
}

#[derive(Default)]
struct Line {
    text: String,
}

impl Line {
    /// In quotes only where it could be taken for more than it is.
    fn add(&mut self, key: &str, value: Option<impl Display>) {
        let Some(value) = value.map(|value| value.to_string()) else { return };
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '\'' | '\\' | '=');
        if value.chars().all(plain) { self.raw(key, &visible(value.as_bytes())) } else { self.quoted(key, &value) }
    }

    fn quoted(&mut self, key: &str, value: &str) {
        let value = visible(value.replace('\\', "\\\\").replace('\'', "\\'").as_bytes());
        self.raw(key, &format!("'{value}'"));
    }

    fn raw(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&format!("{key}={value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_remote_can_forge_a_key_or_a_line() {
        let mut line = Line::default();
        line.add("from", Some("\"a exitcode=EX_OK\"@x.test"));
        line.add("mailsize", Some(3));
        line.quoted("smtpmsg", "550 it's\n'x' \\' \x1b[0m");
        assert_eq!(line.text, r#"from='"a exitcode=EX_OK"@x.test' mailsize=3 smtpmsg='550 it\'s\n\'x\' \\\' \x1b[0m'"#);
    }

    #[test]
    fn statuses_have_their_names() {
        assert_eq!([Status::Done, Status::TryAgain, Status::Partly].map(sysexits), ["EX_OK", "EX_TEMPFAIL", "1"]);
    }
}

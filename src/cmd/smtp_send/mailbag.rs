//! Gives out letters: messages from wherever they were read, each with its envelope.

use super::args::Args;
use super::compose::Author;
use super::ledger::Ledger;
use super::letter::Letter;
use super::source::{Found, Label, Source};
use crate::cli::config::system_hostname;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::message::Message;
use crate::cli::opts::server::Chosen;
use crate::cli::stdio::say;
use crate::mail::address::{ForwardPath, Mailbox, ReversePath};
use crate::mail::address_list;
use crate::mail::envelope::Envelope;
use crate::mail::{header, submitted};
use std::cell::RefCell;

/// Gives out letters.
pub struct Mailbag<'a> {
    pub args: &'a Args,
    pub chosen: Option<&'a Chosen>,
    pub source: &'a RefCell<Source>,
    pub ledger: &'a Ledger<'a>,
}

impl Mailbag<'_> {
    /// The next letter. A message that cannot be sent fails alone, unless it is the only one.
    pub fn next(&self) -> Result<Option<Letter>, Failure> {
        loop {
            let Some(Found { label, message, envelope: given, octets }) = self.source.borrow_mut().next()? else {
                return Ok(None);
            };
            let letter = message.and_then(|message| {
                let ready = match &given {
                    Some(_) => message.as_submitted(),
                    None => prepared(self.args, self.chosen, message),
                };
                let message = ready.map_err(|failure| named(failure, label.as_ref()))?;
                let said = || envelope(self.args, self.chosen, Some(&message), label.is_some());
                let mut envelope = given.map_or_else(said, Ok).map_err(|failure| named(failure, label.as_ref()))?;
                self.args.extensions.ask(&mut envelope, &message);
                Ok((message, envelope))
            });
            match (letter, label) {
                (Ok((message, envelope)), label) => {
                    if label.is_none() {
                        self.ledger.progress.expect(octets);
                    }
                    return Ok(Some(Letter::new(label, message, envelope, octets)));
                }
                (Err(failure), Some(label)) => self.ledger.bad(&label, &failure, &self.args.recipients, octets),
                (Err(failure), None) => return Err(failure),
            }
        }
    }
}

/// With what the command line asks of every message.
pub fn prepared(args: &Args, chosen: Option<&Chosen>, message: Message) -> Result<Message, Failure> {
    let compose = &args.compose;
    let mut message = message;
    if compose.edits() {
        let said = args.from.as_ref().and_then(ReversePath::mailbox).cloned();
        let of_account = || chosen.and_then(|chosen| chosen.account.as_ref()).and_then(|account| account.from.clone());
        let Some(mailbox) = said.or_else(of_account).or_else(ourselves) else {
            return Err(Failure::text(Status::Os, "who are you? name the author with -f"));
        };
        let host = args.ehlo.as_ref().map_or_else(system_hostname, ToString::to_string);
        let author = Author { mailbox, host: &host, recipients: &args.recipients };
        message = message.with_header(args.keep_bcc, |header| compose.edit(header, &author))?;
    }
    let message = message.with_known_text()?.with_short_lines(compose.long_lines())?.with_part_headers()?;
    if args.client.verbose > 0 && !message.changes().is_empty() {
        say(&format!("=== lines over 998 octets, fixed: {}", message.changes().join(", ")));
    }
    Ok(message)
}

/// Recipients of the command line and, with `-t`, of the header; no recipient is status 64.
pub fn envelope(args: &Args, chosen: Option<&Chosen>, message: Option<&Message>, one_of_many: bool) -> Result<Envelope, Failure> {
    let mut recipients = args.recipients.clone();
    if let Some(message) = message.filter(|_| args.take_recipients) {
        let found = submitted::recipients(message.whole_header()).or_status(Status::Data)?;
        recipients.extend(found.into_iter().map(ForwardPath::Mailbox));
    }
    let reverse_path = reverse_path(args, chosen, message, one_of_many);
    Envelope::new(reverse_path, recipients).map_err(|none| Failure::new(Status::Usage, none))
}

/// What was said, else what a message of many was sent from when it was kept, else its author.
pub fn reverse_path(args: &Args, chosen: Option<&Chosen>, message: Option<&Message>, one_of_many: bool) -> ReversePath {
    if let Some(path) = &args.from {
        return path.clone();
    }
    if let Some(from) = chosen.and_then(|chosen| chosen.account.as_ref()).and_then(|account| account.from.clone()) {
        return ReversePath::Mailbox(from);
    }
    let field = |name: &str| header::field(message?.whole_header(), name);
    let kept = || String::from_utf8(field("Return-Path")?.value().into_owned()).ok()?.parse().ok();
    if let Some(path) = one_of_many.then(kept).flatten() {
        return path;
    }
    let first = |name: &&str| address_list::recipients(&field(name)?.value()).ok()?.into_iter().next();
    let author = ["Sender", "From"].iter().find_map(first);
    author.or_else(ourselves).map_or(ReversePath::Null, ReversePath::Mailbox)
}

fn named(failure: Failure, label: Option<&Label>) -> Failure {
    match label {
        Some(label) => Failure { error: failure.error.context(format!("message {label}")), ..failure },
        None => failure,
    }
}

/// The user on this host.
fn ourselves() -> Option<Mailbox> {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??.name;
    format!("{user}@{}", system_hostname()).parse().ok()
}

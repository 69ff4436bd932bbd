//! What is told of each letter when it is done: its rows, its lines in the log, its part of the exit status; what of it is kept in our
//! spool, and that it is taken out of the Maildir.

use super::args::Args;
use super::letter::Letter;
use super::logline::{self, Known};
use super::queue;
use super::results::{self, Result as RecipientResult};
use super::source::{Label, Source};
use crate::cli::exit::{Failure, Status};
use crate::cli::log::Sink;
use crate::cli::progress::Progress;
use crate::cli::report::{Row, Rows};
use crate::cli::stdio::say;
use crate::mail::address::ForwardPath;
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::Fault;
use crate::relay::event::{Event, Log};
use serde::Serialize;
use std::cell::RefCell;

/// Kinds of results that a status is made of; no session has more.
const MOST_KINDS: usize = 256;

/// The results of all letters.
pub struct Ledger<'a> {
    pub args: &'a Args,
    pub log: &'a Sink,
    known: Known,
    /// For the trace field of what goes into the spool.
    pub hostname: &'a str,
    pub source: &'a RefCell<Source>,
    pub progress: &'a Progress,
    /// None: only what failed is told, in one line at the end.
    rows: Option<RefCell<Rows>>,
    failed: RefCell<Vec<String>>,
    tally: RefCell<Tally>,
}

impl<'a> Ledger<'a> {
    pub fn new(
        args: &'a Args,
        log: &'a Sink,
        known: Known,
        hostname: &'a str,
        source: &'a RefCell<Source>,
        progress: &'a Progress,
    ) -> Ledger<'a> {
        let rows = Some(RefCell::new(Rows::new(args.client.json)));
        Ledger { args, log, known, hostname, source, progress, rows, failed: RefCell::default(), tally: RefCell::default() }
    }

    /// Writes no rows.
    pub fn without_rows(self) -> Ledger<'a> {
        Ledger { rows: None, ..self }
    }

    /// What failed, where there are no rows.
    pub fn failures(&self) -> Option<String> {
        let failed = self.failed.borrow();
        let (first, others) = failed.split_first()?;
        Some(match others.len() {
            0 => first.clone(),
            more => format!("{first} (and {more} more)"),
        })
    }

    /// The letter is done: each recipient has its result, or gets one now.
    pub fn done(&self, letter: &mut Letter) -> Result<(), Failure> {
        let mut results = letter.results();
        let kept = match &self.args.spool {
            Some(spool) if !self.args.enqueue => {
                queue::keep_deferred(spool, self.hostname, &letter.message, &letter.envelope, &mut results)
            }
            _ => Ok(()),
        };
        for result in &results {
            self.put(&Labelled { result, message: letter.label.as_ref() });
            if self.rows.is_none() && results::status(std::slice::from_ref(result)) != Status::Done {
                self.failed.borrow_mut().push(format!("{}: {}", result.recipient, result.outcome.diagnostic()));
            }
        }
        if self.args.debugging.quit_after.is_none_or(|stage| stage == Stage::Dot) {
            if self.log.is_text() {
                self.log.line(&logline::done(&self.known, letter, &results));
            } else {
                results.iter().for_each(|result| self.log.event(&event(letter, result)));
            }
        }
        self.tally.borrow_mut().add(&results);
        if let (true, Some(label)) = (self.args.many.remove && results::status(&results) == Status::Done, &letter.label) {
            self.source.borrow_mut().remove(label)?;
        }
        self.progress.passed(letter.octets);
        kept
    }

    /// One message of many that cannot be sent, with the recipients that are known without it.
    pub fn bad(&self, label: &Label, why: &Failure, recipients: &[ForwardPath], octets: u64) {
        let text = format!("{:#}", why.error);
        say(&format!("smtp-send: {text}"));
        for recipient in recipients.iter().map(Some).chain(recipients.is_empty().then_some(None)) {
            self.put(&Bad { outcome: "refused", recipient: recipient.map(ToString::to_string), text: &text, message: label });
        }
        if self.log.is_text() {
            self.log.line(&logline::bad(&self.known, recipients, &text, why.status));
        }
        self.tally.borrow_mut().bad(why.status);
        self.progress.passed(octets);
    }

    /// Mail that is on its way goes on without its rows: whoever heard of a failure would send again what was accepted.
    fn put(&self, row: &impl Row) {
        let Some(mut rows) = self.rows.as_ref().map(RefCell::borrow_mut) else { return };
        if let Err(error) = rows.put(row) {
            rows.close();
            say(&format!("smtp-send: {error}; the status tells what became of the mail"));
        }
    }

    /// The server, or the way to it, did not take everything.
    pub fn was_refused_any(&self) -> bool {
        results::status(&self.tally.borrow().kinds) != Status::Done
    }

    /// Why nobody could log in, where that was found on this side.
    pub fn no_login(&self) -> Option<String> {
        results::no_login(&self.tally.borrow().kinds).map(str::to_owned)
    }

    /// The status of all so far.
    pub fn status(&self) -> Status {
        self.tally.borrow().status()
    }
}

fn event(letter: &Letter, result: &RecipientResult) -> Event {
    let mut event = Event::new("recipient").because(result.outcome.diagnostic());
    event.queue_id.clone_from(&result.queue_id);
    event.reverse_path = Some(letter.envelope.reverse_path.to_string());
    event.recipient = Some(result.recipient.to_string());
    event.host = Some(result.via.host.clone()).filter(|host| !host.is_empty());
    event.address.clone_from(&result.via.address);
    event.tls.clone_from(&result.via.tls);
    event.outcome = Some(result.outcome.word());
    event.size = Some(letter.message.size);
    event
}

/// A result, and of many messages which.
#[derive(Serialize)]
struct Labelled<'a> {
    #[serde(flatten)]
    result: &'a RecipientResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a Label>,
}

impl Row for Labelled<'_> {
    fn columns(&self) -> Vec<Option<String>> {
        let mut columns = self.result.columns();
        columns.extend(self.message.map(|label| Some(label.to_string())));
        columns
    }
}

/// A message that was never tried.
#[derive(Serialize)]
struct Bad<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    outcome: &'a str,
    text: &'a str,
    message: &'a Label,
}

impl Row for Bad<'_> {
    fn columns(&self) -> Vec<Option<String>> {
        let text = Some(self.text.to_owned());
        vec![Some(self.outcome.to_owned()), self.recipient.clone(), None, None, text, Some(self.message.to_string())]
    }
}

/// One result of each kind, whatever the number of letters: the status says whether there are any of a kind, not how many.
#[derive(Default)]
struct Tally {
    kinds: Vec<RecipientResult>,
    /// The first message that could not be sent.
    bad: Option<Status>,
}

impl Tally {
    fn add(&mut self, results: &[RecipientResult]) {
        for result in results {
            let known = self.kinds.iter().any(|known| kind(known) == kind(result));
            let first_of_word = || !self.kinds.iter().any(|known| known.outcome.word() == result.outcome.word());
            if !known && (self.kinds.len() < MOST_KINDS || first_of_word()) {
                self.kinds.push(result.clone());
            }
        }
    }

    fn bad(&mut self, status: Status) {
        self.bad.get_or_insert(status);
    }

    fn status(&self) -> Status {
        match (self.bad, self.kinds.is_empty()) {
            (None, _) => results::status(&self.kinds),
            (Some(bad), true) => bad,
            (Some(_), false) => match results::status(&self.kinds) {
                Status::Done => Status::Partly,
                other => other,
            },
        }
    }
}

type Kind = (&'static str, Option<Fault>, bool, Option<u16>, Option<crate::mail::reply::EnhancedStatus>);

fn kind(result: &RecipientResult) -> Kind {
    let why = match &result.outcome {
        // What an acceptance says is nothing to the status.
        Outcome::Accepted(_) => return (result.outcome.word(), None, false, None, None),
        other => other.diagnostic(),
    };
    (result.outcome.word(), result.fault, result.queue_id.is_some(), why.code.map(|code| code.value()), why.enhanced)
}

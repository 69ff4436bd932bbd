//! What `list`, `show` and `stats` print.

use crate::cli::report::Row;
use crate::disk::spool::facts::{Facts, Recipient};
use crate::disk::spool::mark::Mark;
use crate::mail::date::rfc3339;
use jiff::Timestamp;
use serde::Serialize;

/// One message.
#[derive(Debug, Serialize)]
pub struct MessageRow {
    id: String,
    state: &'static str,
    arrival: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    size: u64,
    reverse_path: String,
    recipients: Vec<RecipientRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envid: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_tls: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    smtputf8: bool,
}

#[derive(Debug, Serialize)]
struct RecipientRow {
    address: String,
    outcome: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orcpt: Option<String>,
}

/// One recipient of a message, with the message's facts before it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Line(Vec<Option<String>>);

impl MessageRow {
    pub fn new(facts: &Facts, now: Timestamp) -> MessageRow {
        let request = &facts.envelope().request;
        MessageRow {
            id: facts.id().to_string(),
            state: facts.state(now).word(),
            arrival: rfc3339(facts.arrival().at),
            next: facts.next().map(rfc3339),
            size: facts.size(),
            reverse_path: facts.reverse_path().to_string(),
            recipients: facts.recipients().map(RecipientRow::new).collect(),
            ret: request.ret.map(|ret| ret.to_string()),
            envid: request.envid.as_ref().map(|envid| envid.as_str().to_owned()),
            require_tls: request.require_tls,
            smtputf8: request.utf8,
        }
    }

    /// A line for each recipient.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        self.recipients.iter().map(|recipient| {
            let reverse_path = if self.reverse_path.is_empty() { "<>" } else { &self.reverse_path };
            Line(vec![
                Some(self.id.clone()),
                Some(self.state.to_owned()),
                Some(self.arrival.clone()),
                self.next.clone(),
                Some(self.size.to_string()),
                Some(reverse_path.to_owned()),
                Some(recipient.address.clone()),
                Some(recipient.outcome.to_owned()),
                Some(recipient.attempts.to_string()),
                recipient.last_reply.clone(),
            ])
        })
    }
}

impl RecipientRow {
    fn new(recipient: Recipient<'_>) -> RecipientRow {
        RecipientRow {
            address: recipient.path.to_string(),
            outcome: match (recipient.mark, recipient.last) {
                (Mark::Pending, Some(last)) => last.outcome.word(),
                (mark, _) => mark.word(),
            },
            attempts: recipient.attempts,
            last_reply: recipient.last.map(|last| last.outcome.diagnostic().to_string()),
            notify: recipient.wish.notify.map(|notify| notify.to_string()),
            orcpt: recipient.wish.original.as_ref().map(ToString::to_string),
        }
    }
}

impl Line {
    pub fn new<const N: usize>(columns: [Option<String>; N]) -> Line {
        Line(columns.into())
    }
}

impl Row for MessageRow {
    /// For people, a message is several lines: see [`MessageRow::lines`].
    fn columns(&self) -> Vec<Option<String>> {
        vec![Some(self.id.clone())]
    }
}

impl Row for Line {
    fn columns(&self) -> Vec<Option<String>> {
        self.0.clone()
    }
}

//! What is told of a mailbox and its messages: rows with tabs between, or JSON.

use crate::bytes::escape::distinct;
use crate::cli::report;
use crate::fetch::words::{Listed, Row};
use serde::Serialize;

/// A message that is listed.
#[derive(Serialize)]
pub struct ListedRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
}

impl<'a> ListedRow<'a> {
    pub fn new(listed: &'a Listed, account: Option<&'a str>) -> ListedRow<'a> {
        ListedRow { account, number: listed.number, size: listed.size, uid: listed.name() }
    }
}

impl report::Row for ListedRow<'_> {
    fn columns(&self) -> Vec<Option<String>> {
        let facts = vec![Some(self.number.to_string()), self.size.map(|size| size.to_string()), self.uid.map(distinct)];
        self.account.map(|name| Some(name.to_owned())).into_iter().chain(facts).collect()
    }
}

/// How much there is.
#[derive(Serialize)]
pub struct Counts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
    pub messages: u32,
    pub size: u64,
}

impl report::Row for Counts<'_> {
    fn columns(&self) -> Vec<Option<String>> {
        let facts = [Some(self.messages.to_string()), Some(self.size.to_string())];
        self.account.map(|name| Some(name.to_owned())).into_iter().chain(facts).collect()
    }
}

/// What came of a message.
#[derive(Serialize)]
pub struct OutcomeRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    outcome: &'static str,
    /// The server took a DELE of it.
    deleted: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

impl<'a> OutcomeRow<'a> {
    pub fn new(row: &'a Row, account: Option<&'a str>) -> OutcomeRow<'a> {
        OutcomeRow {
            account,
            number: row.number,
            size: row.size,
            uid: row.uid.as_deref(),
            outcome: row.outcome.word(),
            deleted: row.deleted,
            text: &row.text,
        }
    }
}

impl report::Row for OutcomeRow<'_> {
    fn columns(&self) -> Vec<Option<String>> {
        let facts = vec![
            Some(self.outcome.to_owned()),
            Some(self.number.to_string()),
            self.size.map(|size| size.to_string()),
            self.uid.map(distinct),
            Some(self.text.to_owned()),
        ];
        self.account.map(|name| Some(name.to_owned())).into_iter().chain(facts).collect()
    }
}

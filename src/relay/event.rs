//! What the relay floor tells a log: one event a session and a recipient. Where it is written is `cli::log`'s.

use crate::mail::outcome::Diagnostic;
use serde::Serialize;

/// One line of the log. Absent facts are left out; the names of the fields are the keys that scripts rely on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Event {
    /// `session`, `recipient`, `bounce`, …
    pub event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// Version and cipher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Empty for the null reverse-path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The host that took or refused it, where it went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// accepted, deferred, refused, indoubt; of a message that was fetched delivered, deleted, failed; of its session done, partly, failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name in our config by which a mailbox was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Of a message in a mailbox that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// It was deleted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// How many messages of a mailbox were delivered here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
    /// And how many were not, though they should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Octets of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Event {
    pub fn new(event: &'static str) -> Event {
        Event { event, ..Event::default() }
    }

    /// With the facts of a reply or of a finding of our own.
    pub fn because(mut self, diagnostic: &Diagnostic) -> Event {
        self.code = diagnostic.code.map(|code| code.value());
        self.enhanced = diagnostic.enhanced.map(|enhanced| enhanced.to_string());
        self.text = Some(diagnostic.text.clone()).filter(|text| !text.is_empty());
        self
    }
}

/// Takes events from any thread. A log that fails is no reason to fail mail, so nothing is given back.
pub trait Log: Sync {
    fn event(&self, event: &Event);
}

//! What is told of a session that is followed.

use crate::mail::reply::Reply;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A command was sent, or an answer within AUTH.
    Sent { verb: String, line: Vec<u8> },
    /// The whole message, or one chunk of it, went over: so many octets, dots and the final one counted.
    Message { octets: u64 },
    /// A whole reply, and what it answers: the verb, `.` for the message, nothing for the greeting; None: nobody asked.
    Reply { answers: Option<String>, reply: Reply },
    /// A status line of POP3, and the verb that it answers: nothing for the greeting; None: nobody asked.
    Response { answers: Option<String>, good: bool, text: String },
    /// What followed a status line came to its end: so many octets, dots and the final one counted.
    Listing { verb: String, octets: u64 },
    /// Data of IMAP that answers no single command, as it stands behind the `*`.
    Untagged(String),
    /// What is no reply.
    Garbage(String),
}

//! What a mailbox lists, what is done with each of its messages, and what came of that.

use std::fmt;
use std::io;

/// Longest unique-id, in octets (RFC 1939 section 7).
const LONGEST_UID: usize = 70;

/// A unique-id as RFC 1939 section 7 has it: 1 to 70 octets from 0x21 to 0x7E. It names nothing on our disk.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Box<str>);

impl Uid {
    /// None: it is empty, too long, or has octets that no unique-id has.
    pub fn new(bytes: &[u8]) -> Option<Uid> {
        let sound = !bytes.is_empty() && bytes.len() <= LONGEST_UID && bytes.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(bytes).ok().filter(|_| sound)?;
        Some(Uid(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message as LIST and UIDL name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub number: u32,
    /// In octets, as the server counts them.
    pub size: Option<u64>,
    /// None: the server has no UIDL, or this one is missing or invalid. One that is there twice counts as none.
    pub uid: Option<Uid>,
    /// What UIDL named it, where that is no unique-id; for people.
    pub said: Option<Box<str>>,
}

impl Listed {
    /// What the server calls it, be it a unique-id or not.
    pub fn name(&self) -> Option<&str> {
        self.uid.as_ref().map(Uid::as_str).or(self.said.as_deref())
    }
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Fetch,
    /// Its header is wanted first.
    Header,
    /// To be deleted without being fetched. Its number comes with the next commit.
    Delete,
    Leave,
}

/// What the end of a message means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It waits for a commit.
    Pending,
    /// Its row is decided.
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Fetched and handed over, durably where the target can.
    Delivered,
    /// Handed over earlier; left on the server.
    Kept,
    /// Left on the server as the policy has it.
    Skipped,
    /// Removed from the server without being handed over now.
    Deleted,
    /// Not handed over; it is still on the server.
    Failed,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Kept => "kept",
            Outcome::Skipped => "skipped",
            Outcome::Deleted => "deleted",
            Outcome::Failed => "failed",
        }
    }
}

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub number: u32,
    pub size: Option<u64>,
    /// What the server calls it, be it a unique-id or not.
    pub uid: Option<Box<str>>,
    pub outcome: Outcome,
    /// It failed, and will again.
    pub lasting: bool,
    /// It failed, and some of its recipients have it.
    pub in_part: bool,
    /// The server deleted it.
    pub deleted: bool,
    /// It would have been fetched or deleted, but for a dry run.
    pub intended: bool,
    /// Where it went, or why not; may hold what a server or a program said.
    pub text: String,
}

impl Row {
    /// Its failure, for people.
    pub fn told(&self) -> String {
        format!("message {}: {}", self.number, self.text)
    }

    /// QUIT was not answered well, and so no DELE counts (RFC 1939 section 6).
    pub fn not_deleted(&mut self) {
        self.deleted = false;
        if self.outcome == Outcome::Deleted {
            (self.outcome, self.text) = (Outcome::Failed, "not deleted: the session did not end well".to_owned());
        }
    }
}

/// Why nothing more can be fetched in this session.
#[derive(Debug)]
pub struct Stop {
    pub why: Why,
    pub text: String,
    /// The error behind it where that matters to whoever ends the tool: a closed stdout is none of ours.
    pub error: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The target cannot be made or opened.
    CannotCreate,
    /// Reading or writing failed; the disk is full.
    Io,
    /// Another has the lock, or a program or server asked us to come back later.
    Retry,
    /// A server that messages are handed to takes none.
    Refused,
    /// It does not let us in.
    Login,
    /// What was asked for does not go together.
    Usage,
}

impl Stop {
    pub fn new(why: Why, text: impl fmt::Display) -> Stop {
        Stop { why, text: text.to_string(), error: None }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_id_is_what_the_rfc_says() {
        for good in ["1", "../../etc/passwd", "!~", &"x".repeat(70)] {
            assert_eq!(Uid::new(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "\x1b[2J", "a\0", "caf\u{e9}", "\x7f", &"x".repeat(71), &"x".repeat(300)] {
            assert_eq!(Uid::new(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(Uid::new(b"\xff\xfe"), None);
    }
}

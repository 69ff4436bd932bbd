//! The words between the client engine and the work above it: its settings, what it asks, what it is told, how it reports.

use super::capabilities::{Capabilities, Language};
use super::response::Refusal;
use crate::protocol::sasl::words::{Authentication, Login, Mechanism};
use crate::protocol::session::{Failure, StartTls};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long the server may be silent. RFC 1939 section 3 has no waits for clients; these are SMTP's.
#[derive(Debug, Clone)]
pub struct Timeouts {
    pub greeting: Duration,
    pub command: Duration,
    /// 16 KiB of a message or a listing.
    pub block: Duration,
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Timeouts { greeting: minutes(5), command: minutes(5), block: minutes(3), quit: minutes(1) }
    }
}

impl Timeouts {
    /// No wait longer than `limit`.
    pub fn capped(limit: Duration) -> Timeouts {
        let all = Timeouts::default();
        Timeouts {
            greeting: all.greeting.min(limit),
            command: all.command.min(limit),
            block: all.block.min(limit),
            quit: all.quit.min(limit),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub tls: StartTls,
    /// None: only to look, nobody logs in.
    pub auth: Option<Authentication>,
    pub by: LoginBy,
    pub timeouts: Timeouts,
    /// Names of the server's capabilities that do not count, in upper case.
    pub discard: Vec<String>,
    pub language: Wish,
}

/// What is asked of LANG (RFC 6856 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wish {
    #[default]
    Nothing,
    /// Texts in this language, where the server has it.
    Speak(LanguageTag),
    /// Which languages there are.
    List,
}

/// `Language-Tag` of RFC 5646 as far as its characters go, or `*`, the server's own choice (RFC 6856 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageTag(String);

/// No tag of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a language is a tag as de or pt-BR, or *")]
pub struct BadLanguage;

/// RFC 5646 section 4.4.1: no tag in use is longer.
const LONGEST_TAG: usize = 35;

impl FromStr for LanguageTag {
    type Err = BadLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let sound = text == "*" || (text.len() <= LONGEST_TAG && text.split('-').all(is_word));
        if sound { Ok(LanguageTag(text.to_owned())) } else { Err(BadLanguage) }
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// By which commands a client may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginBy {
    /// The strongest first.
    #[default]
    Any,
    /// AUTH (RFC 5034).
    Auth,
    Apop,
    /// USER and PASS.
    User,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Auth(Mechanism),
    Apop,
    User,
}

impl Method {
    /// Whose kind of secret it takes.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Method::Auth(mechanism) => mechanism,
            Method::Apop => Mechanism::CramMd5,
            Method::User => Mechanism::Plain,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Auth(mechanism) => mechanism.fmt(f),
            Method::Apop => f.write_str("APOP"),
            Method::User => f.write_str("USER"),
        }
    }
}

/// A command of the transaction state. `octets` is what LIST said of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Stat,
    List,
    /// LIST of one message: answered in one line.
    Size(u32),
    Uidl,
    Retr {
        number: u32,
        octets: Option<u64>,
    },
    Top {
        number: u32,
        lines: u32,
        octets: Option<u64>,
    },
    Dele(u32),
    Rset,
    Noop,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Stat => f.write_str("STAT"),
            Command::List => f.write_str("LIST"),
            Command::Size(number) => write!(f, "LIST {number}"),
            Command::Uidl => f.write_str("UIDL"),
            Command::Retr { number, .. } => write!(f, "RETR {number}"),
            Command::Top { number, lines, .. } => write!(f, "TOP {number} {lines}"),
            Command::Dele(number) => write!(f, "DELE {number}"),
            Command::Rset => f.write_str("RSET"),
            Command::Noop => f.write_str("NOOP"),
        }
    }
}

/// What the engine wants of the work above it.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientAsk {
    /// What the server said before anybody logged in. No answer.
    Offered(Box<Offer>),
    /// The server would not do what was no more than a wish; one line. No answer.
    Denied(String),
    /// The way in that is tried next: who are we? Answered by [`ClientTell::Login`] or [`ClientTell::NoLogin`].
    Login(Method),
    /// There is room for a command: which? Answered by [`ClientTell::Do`], [`ClientTell::Pause`] or [`ClientTell::Quit`].
    Next,
    /// Something of an answer to this command. No answer.
    Answer(Command, Answer),
    /// QUIT was answered: what was marked by DELE is gone, or not. No answer.
    Updated(Result<(), Refusal>),
    /// The session is over and did not come to its end. No answer.
    Failed(Failure),
}

/// What a server says before anybody logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    pub greeting: String,
    /// The greeting, or what is left of it inside TLS, has a timestamp for APOP.
    pub apop: bool,
    /// Where it was asked for in clear and TLS started then.
    pub in_clear: Option<Capabilities>,
    /// What counts.
    pub capabilities: Capabilities,
    /// What LANG listed, where it was asked.
    pub languages: Vec<Language>,
}

/// A piece of an answer. A listing ends with [`Answer::End`], a message, too.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK` and its text: all of it, or the start of a listing or message.
    Ok(String),
    Err(Refusal),
    /// A row of LIST.
    Size {
        number: u32,
        octets: u64,
    },
    /// A row of UIDL; the id is at most 512 octets, and otherwise as it came.
    Uid {
        number: u32,
        uid: Vec<u8>,
    },
    /// A row that is none, as it came, at most 512 octets.
    BadRow(Vec<u8>),
    /// Of the message, its dots removed.
    Piece(Vec<u8>),
    End,
}

#[derive(Debug)]
pub enum ClientTell {
    Login(Box<Login>),
    /// There is no password to be had, for this reason.
    NoLogin(String),
    Do(Command),
    /// Nothing now: ask again after the next answer is complete. Where none is due, it ends the session as [`ClientTell::Quit`] does.
    Pause,
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_and_ends_no_line() {
        for text in ["de", "pt-BR", "*", "i-default", "x-a1"] {
            assert_eq!(text.parse::<LanguageTag>().unwrap().to_string(), text);
        }
        for text in ["", "de DE", "de\r\nQUIT", "**", "-", "de-", "abcdefghi", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s"] {
            assert_eq!(text.parse::<LanguageTag>(), Err(BadLanguage), "{text:?}");
        }
    }
}

//! The words between the client engine and the work above it: its settings, what it asks, what it is told, how it reports.

use super::capabilities::Capabilities;
use super::code::{Status, StatusKind, Word};
use super::command::{Command, Effect};
use super::framing::Opened;
use super::mailbox::Mailbox;
use super::response::{Raw, Response};
use crate::bytes::secret::Secret;
use crate::protocol::engine::End;
use crate::protocol::sasl::words::{Authentication, Login, Mechanism};
use crate::protocol::session::{Failure, Fault, StartTls};
use std::fmt;
use std::time::Duration;

/// How long the server may be silent.
#[derive(Debug, Clone)]
pub struct Timeouts {
    pub greeting: Duration,
    /// For an answer, or a part of one. RFC 9051 section 5.4 lets servers be slow, and a SEARCH is.
    pub command: Duration,
    /// 16 KiB of a literal.
    pub block: Duration,
    /// After which IDLE is ended and begun again: below the 30 minutes of RFC 9051 section 5.4, as section 6.3.13 wants.
    pub idle: Duration,
    pub logout: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Timeouts { greeting: minutes(5), command: minutes(10), block: minutes(3), idle: minutes(28), logout: minutes(1) }
    }
}

impl Timeouts {
    /// No wait for an answer longer than `limit`.
    pub fn capped(limit: Duration) -> Timeouts {
        let all = Timeouts::default();
        Timeouts {
            greeting: all.greeting.min(limit),
            command: all.command.min(limit),
            block: all.block.min(limit),
            idle: all.idle,
            logout: all.logout.min(limit),
        }
    }
}

/// How commands are tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// By chance, from this seed: nobody who can put bytes into a connection in clear can answer a command before it was sent.
    Random(u64),
    /// This and a number, for who reads along.
    Counted(String),
}

#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub tls: StartTls,
    /// None: nobody logs in of the engine's accord.
    pub auth: Option<Authentication>,
    pub by: LoginBy,
    /// The first response of SASL goes with AUTHENTICATE where the server offers that (RFC 4959).
    pub initial_response: bool,
    pub timeouts: Timeouts,
    /// Names of the server's capabilities that do not count, in any case.
    pub discard: Vec<String>,
    pub tags: Tags,
}

/// By which commands a client may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginBy {
    /// The strongest first.
    #[default]
    Any,
    /// AUTHENTICATE.
    Auth,
    /// LOGIN.
    Login,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Auth(Mechanism),
    Login,
}

impl Method {
    /// Whose kind of secret it takes.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Method::Auth(mechanism) => mechanism,
            Method::Login => Mechanism::Plain,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Auth(mechanism) => mechanism.fmt(f),
            Method::Login => f.write_str("LOGIN"),
        }
    }
}

/// The state of RFC 9051 section 3 that commands meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    NotAuthenticated,
    Authenticated,
    Selected { mailbox: Mailbox, read_only: bool },
}

impl Place {
    /// Where a command with this effect leads that ended so.
    pub fn after(&self, effect: &Effect, status: &Status) -> Place {
        let ok = status.kind == StatusKind::Ok;
        match effect {
            Effect::Select { mailbox, read_only } if ok => {
                Place::Selected { mailbox: mailbox.clone(), read_only: *read_only || status.is(Word::ReadOnly) }
            }
            // RFC 9051 section 6.3.2: a SELECT that fails leaves no mailbox selected.
            Effect::Select { .. } if status.kind == StatusKind::No && *self != Place::NotAuthenticated => Place::Authenticated,
            Effect::Deselect if ok => Place::Authenticated,
            Effect::LogIn if ok && *self == Place::NotAuthenticated => Place::Authenticated,
            _ => self.clone(),
        }
    }
}

/// Names a command; chosen by the work above.
pub type CommandId = u64;

/// What the engine wants of the work above it.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientAsk {
    /// What the server said before anybody logged in. No answer.
    Offered(Box<Offer>),
    /// The way in that is tried next: who are we? Answered by [`ClientTell::Login`] or [`ClientTell::NoLogin`].
    Login(Method),
    /// Commands may follow; the server has these capabilities now. No answer.
    Ready(Box<Ready>),
    /// There is room for a command. Answered by [`ClientTell::Do`] or [`ClientTell::Quit`], now or at any time; without an answer it is not
    /// asked again before a command is done.
    Next,
    /// A response that is no command's own, at any time. No answer.
    Received(Box<Received>),
    /// Of a literal that passes through, before the response that holds it. No answer.
    Literal(Piece),
    /// The server wants a line within this command, which has none of its own: as AUTHENTICATE by hand. Answered by [`ClientTell::Line`].
    Continue { id: CommandId, text: Vec<u8> },
    /// IDLE has begun, and goes on until [`ClientTell::EndIdle`]. No answer.
    Idling(CommandId),
    /// A command is done. No answer.
    Done(Box<Done>),
    /// The session is over and did not come to its end. No answer.
    Failed(Failure),
}

/// What a server says before anybody logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    pub greeting: String,
    /// Where they were known in clear and TLS started then.
    pub in_clear: Option<Capabilities>,
    /// What counts.
    pub capabilities: Capabilities,
    /// The server knows who we are: PREAUTH.
    pub pre_authenticated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub place: Place,
    pub capabilities: Capabilities,
}

/// A response, as it came and as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub raw: Raw,
    pub response: Response,
}

/// A piece of a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Begin(Box<Opened>),
    Data(Vec<u8>),
    /// All of its octets have come.
    End,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub id: CommandId,
    /// In capitals.
    pub name: String,
    /// As it went over the wire.
    pub tag: Vec<u8>,
    pub status: Status,
    /// Where that leaves us.
    pub place: Place,
    /// What the server offers now, as far as it said.
    pub capabilities: Capabilities,
}

#[derive(Debug)]
pub enum ClientTell {
    Login(Box<Login>),
    /// There is no password to be had, for this reason.
    NoLogin(String),
    /// Sends a command, once those before it allow that. Its number comes back with what it is asked and how it ended.
    Do(CommandId, Box<Command>),
    /// The line that [`ClientAsk::Continue`] wants, without CRLF. One with a line end in it cancels: `*`.
    Line(Secret<Vec<u8>>),
    /// Ends IDLE. Nothing, where there is none.
    EndIdle,
    /// LOGOUT, once all that was told is done.
    Quit,
    /// LOGOUT right behind the commands that are under way, without waiting for their ends: a round trip less.
    Part,
}

/// Why a session is lost that did not come to its end; `bye` is what the server said before.
pub fn loss(why: End, bye: Option<&str>) -> Failure {
    let farewell = || match bye {
        Some("") => "the server ends the session".to_owned(),
        Some(text) => format!("the server ends the session: {text}"),
        None => "the server closed the connection".to_owned(),
    };
    let (fault, text) = match why {
        End::Eof => (Fault::Lost, farewell()),
        End::TimedOut => (Fault::Lost, "the server fell silent".to_owned()),
        End::Io if bye.is_some() => (Fault::Lost, farewell()),
        End::Io => (Fault::Lost, "the connection broke".to_owned()),
        End::Tls => (Fault::Tls, "TLS failed".to_owned()),
        End::Injected => (Fault::Protocol, "plaintext after the answer to STARTTLS".to_owned()),
        End::Cancelled => (Fault::Cancelled, "given up".to_owned()),
    };
    Failure { fault, text }
}

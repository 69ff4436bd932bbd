//! The words between the client engine and the work above it: its settings, what it asks, what it is told, how it reports.

use super::stage::Stage;
use crate::mail::envelope::Envelope;
use crate::mail::outcome::Outcome;
use crate::protocol::sasl::words::{Authentication, Login, Mechanism};
use crate::protocol::session::StartTls;
use crate::protocol::smtp::extensions::Extensions;
use std::time::Duration;

/// The waits of RFC 5321 section 4.5.3.2.
#[derive(Debug, Clone)]
pub struct Timeouts {
    pub greeting: Duration,
    /// EHLO, MAIL, RCPT, RSET and STARTTLS.
    pub command: Duration,
    /// DATA until its 354.
    pub data: Duration,
    /// One block of the message.
    pub block: Duration,
    /// The final dot until its reply.
    pub end: Duration,
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Timeouts {
            greeting: minutes(5),
            command: minutes(5),
            data: minutes(2),
            block: minutes(3),
            end: minutes(10),
            quit: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// No wait longer than `limit`.
    pub fn capped(limit: Duration) -> Timeouts {
        let all = Timeouts::default();
        Timeouts {
            greeting: all.greeting.min(limit),
            command: all.command.min(limit),
            data: all.data.min(limit),
            block: all.block.min(limit),
            end: all.end.min(limit),
            quit: all.quit.min(limit),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Our name, a domain or an address literal.
    pub ehlo: String,
    /// LMTP (RFC 2033): LHLO, and one reply per recipient after the data.
    pub lmtp: bool,
    pub tls: StartTls,
    /// AUTH before the first transaction; none: nobody logs in.
    pub auth: Option<Authentication>,
    pub timeouts: Timeouts,
    /// TLS, once started, is with a server that is known to be the right one.
    pub verified: bool,
    /// Keywords of the server's EHLO reply that do not count.
    pub discard: Vec<String>,
    /// Where the session ends, to try a server: nothing is delivered before [`Stage::Dot`]. None: it goes all the way.
    pub quit_after: Option<Stage>,
}

/// UTF-8 in a message's header (RFC 6532), which needs SMTPUTF8 (RFC 6531).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderText {
    #[default]
    Ascii,
    /// It is a message in transit: where SMTPUTF8 is not offered, it goes on as it came.
    Utf8InTransit,
    /// The message does not go without SMTPUTF8.
    Utf8,
}

/// One message to send. Its body comes by [`Engine::body`], in wire form (CRLF), without dots added. What the envelope asks of reports goes
/// on where the server can do them (RFC 3461); where it asks for TLS all the way, the message goes over verified TLS only (RFC 8689).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub envelope: Envelope,
    /// Octets of the body with CRLF, for SIZE (RFC 1870), where it is known.
    pub size: Option<u64>,
    /// The body holds octets over 127 (RFC 6152).
    pub eight_bit: bool,
    pub header: HeaderText,
}

impl Transaction {
    /// ASCII of unknown size, with nothing asked for.
    pub fn new(envelope: Envelope) -> Transaction {
        Transaction { envelope, size: None, eight_bit: false, header: HeaderText::Ascii }
    }
}

/// What the client wants of the work above it.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientAsk {
    /// The server offers this mechanism, and it is to be used: who are we? Answered by [`ClientTell::Login`] or
    /// [`ClientTell::NoLogin`].
    Login(Mechanism),
    /// The session stands: what next? Answered by [`ClientTell`]. Asked again after each transaction that leaves it usable.
    Ready(Extensions),
    /// A transaction is over. No answer.
    Finished(Finished),
    /// The session is over and no transaction was under way. No answer.
    Failed(Failure),
}

#[derive(Debug)]
pub enum ClientTell {
    Login(Box<Login>),
    /// There is no password to be had, for this reason.
    NoLogin(String),
    Send(Transaction),
    Quit,
}

/// One outcome for each recipient of the envelope, in its order.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    pub outcomes: Vec<Outcome>,
    /// Why the session can't be used any more, if it can't.
    pub fault: Option<Fault>,
}

/// Why no message could be sent, and what that means for each recipient.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub fault: Fault,
    pub outcome: Outcome,
}

/// What went wrong with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server said no: to the session as a whole, or by 421.
    Reply,
    /// The connection was lost, or the server fell silent.
    Lost,
    /// TLS could not be started.
    Tls,
    /// We could not log in, or must not under these circumstances.
    Auth,
    /// The server broke the protocol.
    Protocol,
    /// We gave up: the body's source failed or we were told to stop.
    Cancelled,
}

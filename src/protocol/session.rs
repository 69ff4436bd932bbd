//! What the client engines have in common: when TLS starts, and how a session with a mailbox's server fails.

/// When TLS starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Not at all.
    Never,
    /// By STARTTLS, if it is offered.
    IfOffered,
    /// By STARTTLS, or no message goes.
    Required,
    /// Before the greeting (RFC 8314).
    Implicit,
}

/// Why a session did not come to its end. One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub fault: Fault,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server refused, but may serve later.
    Busy,
    /// The server refused to serve at all.
    Refused,
    /// We could not log in, or must not under these circumstances.
    Login,
    /// The connection was lost, or the server fell silent.
    Lost,
    /// TLS could not be started.
    Tls,
    /// The server does not prove to be who it should be.
    Stranger,
    /// The server broke the protocol.
    Protocol,
    /// We gave up.
    Cancelled,
}

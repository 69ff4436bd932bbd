//! What does not change during a server's session.

use std::time::Duration;

/// RFC 5321 section 4.5.3.2.7: the server waits at least five minutes for the next command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// What does not change during a session.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Our name, in the greeting and the replies.
    pub hostname: String,
    /// LMTP (RFC 2033): LHLO, and one reply per recipient after the data.
    pub lmtp: bool,
    /// Largest message in octets; offered by SIZE (RFC 1870).
    pub max_size: u64,
    /// Most recipients of one message; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
    pub max_recipients: usize,
    /// Offer STARTTLS.
    pub starttls: bool,
    /// The session begins inside TLS.
    pub implicit_tls: bool,
    /// Offer DSN (RFC 3461): whoever stores the messages keeps what is asked.
    pub dsn: bool,
    /// Offer REQUIRETLS inside TLS (RFC 8689): whoever stores the messages keeps the demand.
    pub require_tls: bool,
    /// How long to wait for a command or for data.
    pub timeout: Duration,
    /// After so many bad commands the session ends with 421.
    pub max_errors: u32,
}

impl ServerConfig {
    pub fn new(hostname: impl Into<String>) -> ServerConfig {
        ServerConfig {
            hostname: hostname.into(),
            lmtp: false,
            max_size: 50 * 1024 * 1024,
            max_recipients: 1000,
            starttls: false,
            implicit_tls: false,
            dsn: false,
            require_tls: false,
            timeout: COMMAND_TIMEOUT,
            max_errors: 20,
        }
    }

    /// It is not offered in clear (RFC 8689 section 2).
    pub fn offers_require_tls(&self, secure: bool) -> bool {
        self.require_tls && secure
    }
}

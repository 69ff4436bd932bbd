//! What the server remembers between commands.

use crate::bytes::line::LineBuffer;
use crate::protocol::smtp::grammar::Hello;

/// Longest command line in octets without CRLF: 512 of RFC 5321 section 4.5.3.1.4 and room for long paths and parameters.
const MAX_COMMAND: usize = 2048;

#[derive(Debug)]
pub struct Session {
    pub line: LineBuffer,
    pub secure: bool,
    pub hello: Option<Hello>,
    /// MAIL was taken.
    pub mail: bool,
    /// So many recipients were taken.
    pub recipients: usize,
    /// The work above knows of a transaction.
    known: bool,
    pub errors: u32,
}

impl Session {
    pub fn new(secure: bool) -> Session {
        Session { line: LineBuffer::new(MAX_COMMAND), secure, hello: None, mail: false, recipients: 0, known: false, errors: 0 }
    }

    /// TLS begins: everything said in clear is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self) {
        *self = Session { errors: self.errors, ..Session::new(true) };
    }

    /// True if the work above knows of a transaction.
    pub fn forget_transaction(&mut self) -> bool {
        (self.mail, self.recipients) = (false, 0);
        std::mem::take(&mut self.known)
    }

    pub fn mail_answered(&mut self, taken: bool) {
        self.mail = taken;
        self.known = taken;
    }

    pub fn rcpt_answered(&mut self, taken: bool) {
        self.recipients += usize::from(taken);
    }
}

//! How far a session is.

use super::authorization::Phase;

#[derive(Debug)]
pub enum State {
    NotAuthenticated(Phase),
    /// Commands of the work above.
    Commands,
    /// TLS, or compression, is to begin, and then commands go on.
    Turn(Turn),
    /// We leave without having been in: LOGOUT was sent.
    Leaving,
    Over,
}

#[derive(Debug, Clone, Copy)]
pub enum Turn {
    Secure,
    Secured,
    Inflate,
    Inflated,
}

impl State {
    /// Commands of the work above have to wait for its end.
    pub fn comes_first(&self) -> bool {
        matches!(self, State::NotAuthenticated(_) | State::Turn(_))
    }

    /// What the server says is taken: not what stands behind the answer to STARTTLS or COMPRESS. While a login is awaited it is: an answer
    /// to a command that was not sent ends the session before a password goes out.
    pub fn hears(&self) -> bool {
        !matches!(self, State::Over | State::Turn(_) | State::NotAuthenticated(Phase::Secure(_) | Phase::Secured(_)))
    }
}

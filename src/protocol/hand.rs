//! A conversation led by hand: what is sent, and when TLS starts, is decided step by step above; what the peer says is told reply by
//! reply. Knows no verb. How replies are read is the [`Dialect`]'s.

use super::engine::{End, Engine, OUTGOING_LIMIT, Step};
use crate::bytes::dot::{BareLineEnd, Stuffer};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

/// How the replies of a protocol are read, and what they answer. Holds a bounded part of one.
pub trait Dialect: Debug {
    /// A command, as far as the reply to it is read by it.
    type Command: Debug + Send;
    /// What was heard: a whole reply, or as much of it as is told at once; or what stands where one was due.
    type Heard: Debug + Send;

    /// A reply to this command is due, after those that are due already.
    fn asked(&mut self, command: Self::Command);

    /// Takes bytes up to the end of the first thing that is told; gives how many, and that thing.
    fn take(&mut self, bytes: &[u8]) -> (usize, Option<Self::Heard>);

    /// Forgets what it holds of a reply: TLS starts.
    fn forget(&mut self);

    /// What follows from this in a session that goes by the book.
    fn follows(heard: &Self::Heard) -> Follows;
}

/// What follows from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    Nothing,
    /// TLS starts, before another byte is read.
    Secure,
    /// The connection is closed.
    Close,
}

/// What came of the conversation so far.
#[derive(Debug, PartialEq, Eq)]
pub enum HandAsk<H> {
    Heard(H),
    /// TLS runs.
    Secured,
    /// The message that [`HandTell::Message`] announced went out, its final dot included.
    Sent,
    /// What [`HandTell::HalfClose`] waited for went out.
    HalfClosed,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandTell<C> {
    /// These bytes go out as they are, and a reply is due for each of the commands.
    Send(Vec<u8>, Vec<C>),
    /// A message follows by [`Engine::body`]: it gets its dots and the final one (RFC 5321 section 4.5.2), and these replies.
    Message(Vec<C>),
    /// TLS starts now.
    Secure,
    /// Nothing more is sent once all this went out; reading goes on.
    HalfClose,
    /// The connection is closed.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Message,
    HalfClosing,
    Secure,
    Secured,
    Over,
}

/// One conversation.
#[derive(Debug)]
pub struct Hand<D: Dialect> {
    dialect: D,
    state: State,
    asks: VecDeque<HandAsk<D::Heard>>,
    out: Vec<u8>,
    /// The replies that the message gets once it is out.
    replies: Vec<D::Command>,
    stuffer: Stuffer,
    within: Duration,
    unit: u64,
}

impl<D: Dialect> Hand<D> {
    /// `within` is the longest wait for the next reply; `implicit`: TLS comes before the first byte.
    pub fn new(dialect: D, within: Duration, implicit: bool) -> Hand<D> {
        let state = if implicit { State::Secure } else { State::Open };
        Hand {
            dialect,
            state,
            asks: VecDeque::new(),
            out: Vec::new(),
            replies: Vec::new(),
            stuffer: Stuffer::default(),
            within,
            unit: 0,
        }
    }

    fn message(&mut self, bytes: &[u8], last: bool) -> Result<(), BareLineEnd> {
        self.stuffer.push(bytes, &mut self.out)?;
        if last {
            self.stuffer.finish(&mut self.out)?;
            self.stuffer = Stuffer::default();
            self.state = State::Open;
            self.replies.drain(..).for_each(|reply| self.dialect.asked(reply));
            self.asks.push_back(HandAsk::Sent);
        }
        Ok(())
    }
}

impl<D: Dialect> Engine for Hand<D> {
    type Ask = HandAsk<D::Heard>;
    type Tell = HandTell<D::Command>;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len()
            && self.asks.is_empty()
            && matches!(self.state, State::Open | State::Message | State::HalfClosing)
        {
            let (taken, heard) = self.dialect.take(&bytes[used..]);
            used += taken;
            if let Some(heard) = heard {
                self.unit += 1;
                self.asks.push_back(HandAsk::Heard(heard));
            }
        }
        used
    }

    fn outgoing(&self) -> &[u8] {
        &self.out
    }

    fn wrote(&mut self, n: usize) {
        self.out.drain(..n.min(self.out.len()));
    }

    fn body(&mut self, bytes: &[u8], last: bool) -> usize {
        let used = bytes.len().min(room(&self.out));
        self.unit += 1;
        if self.message(&bytes[..used], last && used == bytes.len()).is_err() {
            // Half a message must not be ended: only the end of the connection delivers nothing.
            self.out.clear();
            self.state = State::Over;
        }
        used
    }

    fn tell(&mut self, tell: HandTell<D::Command>) {
        self.unit += 1;
        if self.state == State::Over {
            return;
        }
        match tell {
            HandTell::Send(bytes, commands) => {
                commands.into_iter().for_each(|command| self.dialect.asked(command));
                self.out.extend_from_slice(&bytes);
            }
            HandTell::Message(replies) => (self.state, self.replies) = (State::Message, replies),
            HandTell::Secure => self.state = State::Secure,
            HandTell::HalfClose => self.state = State::HalfClosing,
            HandTell::Close => self.state = State::Over,
        }
    }

    fn ended(&mut self, _: End) {
        self.state = State::Over;
        self.out.clear();
    }

    fn step(&mut self) -> Step<Self::Ask> {
        if let Some(ask) = self.asks.pop_front() {
            return Step::Ask(ask);
        }
        match self.state {
            State::Over => return Step::Done,
            State::Secure => {
                self.state = State::Secured;
                return Step::Secure;
            }
            State::Secured => {
                // RFC 3207 section 4.2: what came in clear is forgotten.
                self.dialect.forget();
                self.state = State::Open;
                self.unit += 1;
                return Step::Ask(HandAsk::Secured);
            }
            State::Message if self.out.len() < OUTGOING_LIMIT / 2 => return Step::NeedBody { room: room(&self.out) },
            State::HalfClosing if self.out.is_empty() => {
                self.state = State::Open;
                return Step::Ask(HandAsk::HalfClosed);
            }
            State::Open | State::Message | State::HalfClosing => {}
        }
        Step::Io { read: true, within: self.within, unit: self.unit }
    }
}

/// How many octets of a message fit, doubled by dots at the worst.
fn room(out: &[u8]) -> usize {
    OUTGOING_LIMIT.saturating_sub(out.len() + 8) / 2
}

//! The POP3 client engine. Its states are those of RFC 1939: authorization, transaction, update. What goes on in the first stands in
//! `authorization.rs`, in the others in `window.rs`.

use super::authorization::{AfterTls, Authorization, Move, Phase, leave};
use super::response::Lines;
use super::window::{Progress, Window};
use super::words::{ClientAsk, ClientConfig, ClientTell};
use crate::protocol::engine::{End, Engine, Step};
use crate::protocol::session::{Failure, Fault, StartTls};
use std::collections::VecDeque;
use std::time::Duration;

/// Most asks that wait: a peer that says much in little space is not read on.
const MOST_ASKS: usize = 64;
/// So many octets of a message or a listing are an achievement of the server's, for the deadline.
const BLOCK: u64 = 16 * 1024;

#[derive(Debug)]
enum State {
    Authorization(Phase),
    Transaction(Window),
    /// QUIT was sent behind what is under way.
    Update(Window),
    /// We leave without having been in: QUIT was sent.
    Leaving,
    Over,
}

/// One session with one server.
#[derive(Debug)]
pub struct Client {
    authorization: Authorization,
    state: State,
    lines: Lines,
    /// [`ClientAsk::Next`] waits for its answer.
    asked: bool,
    /// There is nothing to do before the next answer.
    paused: bool,
    asks: VecDeque<ClientAsk>,
    out: Vec<u8>,
    /// Octets that were made ready, and that went out, since the session began.
    queued: u64,
    written: u64,
    /// Counts what the peer achieved, for the deadline.
    unit: u64,
    block: u64,
}

impl Client {
    pub fn new(config: ClientConfig) -> Client {
        let implicit = config.tls == StartTls::Implicit;
        let first = if implicit { Phase::Secure(AfterTls::Greeting) } else { Phase::Greeting };
        Client {
            authorization: Authorization::new(config),
            state: State::Authorization(first),
            lines: Lines::default(),
            asked: false,
            paused: false,
            asks: VecDeque::new(),
            out: Vec::new(),
            queued: 0,
            written: 0,
            unit: 0,
            block: 0,
        }
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.queued += line.len() as u64 + 2;
    }

    fn fail(&mut self, failure: Failure) -> State {
        self.asks.push_back(ClientAsk::Failed(failure));
        State::Over
    }

    fn broken(&mut self, text: String) -> State {
        self.fail(Failure { fault: Fault::Protocol, text })
    }

    fn follow(&mut self, next: Move) -> State {
        self.asks.extend(self.authorization.asks.drain(..));
        match next {
            Move::To(phase) => State::Authorization(phase),
            Move::Say(line, phase) => {
                self.say(line.reveal());
                State::Authorization(phase)
            }
            Move::In => self.in_transaction(),
            Move::Leave(failure) => {
                self.fail(failure);
                self.follow(Move::Quit)
            }
            Move::Quit => {
                self.say("QUIT");
                State::Leaving
            }
            Move::Broken(failure) => self.fail(failure),
        }
    }

    fn in_transaction(&mut self) -> State {
        let mut window = Window::new(self.authorization.offer.capabilities.clone());
        if window.capabilities.known && self.authorization.config.discard.is_empty() {
            window.ask_again(&mut self.out, &mut self.queued);
        }
        State::Transaction(window)
    }

    /// A line of the authorization state.
    fn line(&mut self, phase: Phase, bytes: &[u8]) -> (usize, State) {
        let (taken, line) = self.lines.take(bytes);
        self.unit += u64::from(line.is_some());
        let state = match line {
            None => State::Authorization(phase),
            Some(_) if self.queued > self.written => self.broken("the server answers a command before it was sent".to_owned()),
            Some(line) => {
                let next = self.authorization.line(phase, line);
                self.follow(next)
            }
        };
        (taken, state)
    }

    /// Bytes in the transaction and the update state.
    fn answers(&mut self, mut window: Window, bytes: &[u8], stay: fn(Window) -> State) -> (usize, State) {
        let (used, progress) = window.receive(bytes, self.written, &mut self.asks);
        self.block += used as u64;
        if self.block >= BLOCK || matches!(progress, Ok(Progress::Answered)) {
            (self.block, self.unit) = (0, self.unit + 1);
        }
        let state = match progress {
            Ok(Progress::More) => stay(window),
            Ok(Progress::Answered) => {
                self.paused = false;
                stay(window)
            }
            Ok(Progress::Over) => State::Over,
            Err(broken) => self.broken(broken.to_string()),
        };
        (used, state)
    }

    fn secured(&mut self, after: AfterTls) {
        self.lines = Lines::default();
        let next = self.authorization.secured(after);
        self.state = self.follow(next);
    }

    fn within(&self) -> Duration {
        let waits = &self.authorization.config.timeouts;
        match &self.state {
            State::Authorization(Phase::Greeting) => waits.greeting,
            State::Transaction(window) | State::Update(window) if window.is_in_list() => waits.block,
            State::Leaving => waits.quit,
            _ => waits.command,
        }
    }
}

impl Engine for Client {
    type Ask = ClientAsk;
    type Tell = ClientTell;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.asks.len() < MOST_ASKS {
            let rest = &bytes[used..];
            let (taken, state) = match std::mem::replace(&mut self.state, State::Over) {
                State::Authorization(phase @ (Phase::Secure(_) | Phase::Secured(_) | Phase::Login(_))) => {
                    self.state = State::Authorization(phase);
                    break;
                }
                State::Authorization(phase) => self.line(phase, rest),
                State::Transaction(window) => self.answers(window, rest, State::Transaction),
                State::Update(window) => self.answers(window, rest, State::Update),
                // Whatever is answered to QUIT now.
                State::Leaving => {
                    let (taken, line) = self.lines.take(rest);
                    (taken, if line.is_some() { State::Over } else { State::Leaving })
                }
                State::Over => break,
            };
            self.state = state;
            used += taken;
        }
        used
    }

    fn outgoing(&self) -> &[u8] {
        &self.out
    }

    fn wrote(&mut self, n: usize) {
        let n = n.min(self.out.len());
        self.out.drain(..n);
        self.written += n as u64;
    }

    fn body(&mut self, _: &[u8], _: bool) -> usize {
        0
    }

    fn tell(&mut self, tell: ClientTell) {
        self.unit += 1;
        let asked = std::mem::take(&mut self.asked);
        self.state = match (std::mem::replace(&mut self.state, State::Over), tell) {
            (State::Authorization(Phase::Login(method)), ClientTell::Login(login)) => {
                let next = self.authorization.begin_login(method, &login);
                self.follow(next)
            }
            (State::Authorization(Phase::Login(_)), ClientTell::NoLogin(why)) => self.follow(leave(Fault::Login, why)),
            (State::Transaction(mut window), ClientTell::Do(command)) if asked => {
                window.send(command, &mut self.out, &mut self.queued);
                State::Transaction(window)
            }
            (State::Transaction(window), ClientTell::Pause) if asked && !window.is_empty() => {
                self.paused = true;
                State::Transaction(window)
            }
            (State::Transaction(mut window), ClientTell::Pause | ClientTell::Quit) if asked => {
                window.quit(&mut self.out, &mut self.queued);
                State::Update(window)
            }
            // A tell that nothing asked for changes nothing.
            (state, _) => state,
        };
    }

    fn ended(&mut self, why: End) {
        let (fault, text) = match why {
            End::Eof => (Fault::Lost, "the server closed the connection"),
            End::TimedOut => (Fault::Lost, "the server fell silent"),
            End::Io => (Fault::Lost, "the connection broke"),
            End::Tls => (Fault::Tls, "TLS failed"),
            End::Injected => (Fault::Protocol, "plaintext after the answer to STLS"),
            End::Cancelled => (Fault::Cancelled, "given up"),
        };
        let state = std::mem::replace(&mut self.state, State::Over);
        // Who leaves has told why.
        if !matches!(state, State::Over | State::Leaving) {
            self.fail(Failure { fault, text: text.to_owned() });
        }
        self.out.clear();
    }

    fn step(&mut self) -> Step<ClientAsk> {
        if let Some(ask) = self.asks.pop_front() {
            return Step::Ask(ask);
        }
        match &mut self.state {
            State::Over => return Step::Done,
            State::Authorization(Phase::Login(_)) => return Step::Wait,
            State::Authorization(Phase::Secure(after)) => {
                self.state = State::Authorization(Phase::Secured(*after));
                return Step::Secure;
            }
            State::Authorization(Phase::Secured(after)) => {
                let after = *after;
                self.secured(after);
                return self.step();
            }
            State::Transaction(_) if self.asked => return Step::Wait,
            State::Transaction(window) if !self.paused => {
                self.asked = window.has_room();
                if self.asked {
                    return Step::Ask(ClientAsk::Next);
                }
            }
            _ => {}
        }
        Step::Io { read: true, within: self.within(), unit: self.unit }
    }
}

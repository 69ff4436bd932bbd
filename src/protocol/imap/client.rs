//! The IMAP client engine. Its states are those of RFC 9051 section 3: what goes on before anybody is logged in stands in
//! `authorization.rs`; behind that, commands of the work above go through `pipeline.rs`, and [`Place`] says which state they meet.
//!
//! The work above is asked for a command whenever one more may be under way, and may tell one at any time. It is told every response of the
//! server's, in order, and how each command ended.

use super::authorization::{AfterTls, Authorization, Move, Phase, leave};
use super::capabilities::Capabilities;
use super::code::{Code, Status, StatusKind};
use super::command::{Command, Effect};
use super::framing::{Frame, Framing, MAX_GREETING, MAX_RESPONSE};
use super::idle::Idle;
use super::pipeline::{Flight, Origin, Pipeline};
use super::response::{Raw, Read, Response, read};
use super::scan::Syntax;
use super::state::{State, Turn};
use super::words::{ClientAsk, ClientConfig, ClientTell, CommandId, Done, Piece, Place, Ready, Received, loss};
use crate::protocol::engine::{End, Engine, Step};
use crate::protocol::session::{Failure, Fault, StartTls};
use std::collections::VecDeque;
use std::time::Duration;

/// Most asks that wait: a peer that says much in little space is not read on.
const MOST_ASKS: usize = 64;
/// So many octets of a response are an achievement of the server's, for the deadline.
const BLOCK: u64 = 16 * 1024;

/// One session with one server.
#[derive(Debug)]
pub struct Client {
    authorization: Authorization,
    state: State,
    place: Place,
    capabilities: Capabilities,
    framing: Framing,
    wire: Pipeline,
    idle: Option<Idle>,
    /// [`ClientAsk::Continue`] waits for its answer.
    continued: bool,
    /// [`ClientAsk::Next`] was asked, and nothing was done since.
    asked: bool,
    /// LOGOUT is on its way, or waits.
    quitting: bool,
    /// The server said BYE, with this text.
    bye: Option<String>,
    /// Commands that were told before there could be any.
    early: VecDeque<(CommandId, Command)>,
    /// And that we want to leave.
    quit_early: bool,
    asks: VecDeque<ClientAsk>,
    /// Counts what the peer achieved, for the deadline.
    unit: u64,
    block: u64,
}

impl Client {
    pub fn new(config: ClientConfig) -> Client {
        let first = if config.tls == StartTls::Implicit { Phase::Secure(AfterTls::Greeting) } else { Phase::Greeting };
        Client {
            wire: Pipeline::new(config.tags.clone()),
            authorization: Authorization::new(config),
            state: State::NotAuthenticated(first),
            place: Place::NotAuthenticated,
            capabilities: Capabilities::default(),
            framing: Framing::default(),
            idle: None,
            continued: false,
            asked: false,
            quitting: false,
            bye: None,
            early: VecDeque::new(),
            quit_early: false,
            asks: VecDeque::new(),
            unit: 0,
            block: 0,
        }
    }

    fn fail(&mut self, fault: Fault, text: impl Into<String>) -> State {
        // Nobody is to be asked for a password that goes nowhere.
        self.asks.retain(|ask| !matches!(ask, ClientAsk::Login(_)));
        self.asks.push_back(ClientAsk::Failed(Failure { fault, text: text.into() }));
        self.wire.out.clear();
        State::Over
    }

    fn broken(&mut self, text: impl Into<String>) -> State {
        self.fail(Fault::Protocol, text)
    }

    fn follow(&mut self, next: Move) -> State {
        self.asks.extend(self.authorization.asks.drain(..));
        match next {
            Move::To(phase) => State::NotAuthenticated(phase),
            Move::Send(command, phase) => {
                self.wire.longest_unasked = self.authorization.offer.capabilities.longest_unasked();
                self.wire.submit(Origin::Own, command);
                State::NotAuthenticated(phase)
            }
            Move::Say(line, phase) => {
                self.wire.say(line.reveal().as_bytes());
                State::NotAuthenticated(phase)
            }
            Move::In(place) => self.in_commands(place),
            Move::Leave(failure) => {
                self.asks.push_back(ClientAsk::Failed(failure));
                self.wire.submit(Origin::Own, Command::bare("LOGOUT"));
                State::Leaving
            }
            Move::Broken(failure) => self.fail(failure.fault, failure.text),
        }
    }

    fn in_commands(&mut self, place: Place) -> State {
        let capabilities = self.authorization.offer.capabilities.clone();
        self.settle(capabilities.clone());
        self.place = place.clone();
        self.asks.push_back(ClientAsk::Ready(Box::new(Ready { place, capabilities })));
        self.submit_early();
        State::Commands
    }

    fn submit_early(&mut self) {
        for (id, command) in std::mem::take(&mut self.early) {
            self.submit(id, command);
        }
        if std::mem::take(&mut self.quit_early) {
            self.wire.submit(Origin::Own, Command::bare("LOGOUT"));
        }
    }

    fn settle(&mut self, capabilities: Capabilities) {
        self.wire.longest_unasked = capabilities.longest_unasked();
        self.capabilities = capabilities;
    }

    fn submit(&mut self, id: CommandId, command: Command) {
        match command.effect {
            Effect::Idle if self.idle.is_none() => self.idle = Some(Idle::new(id)),
            Effect::Logout => self.quitting = true,
            _ => {}
        }
        self.wire.submit(Origin::Work(id), command);
    }

    fn frame(&mut self, state: State, frame: Frame) -> State {
        let piece = match frame {
            Frame::Response(raw) => return self.response(state, raw),
            Frame::Begin(opened) => Piece::Begin(opened),
            Frame::Data(octets) => Piece::Data(octets),
            Frame::End => Piece::End,
        };
        match state {
            State::Commands => {
                self.asks.push_back(ClientAsk::Literal(piece));
                State::Commands
            }
            State::Leaving => State::Leaving,
            _ => self.broken("a long literal before anybody is logged in"),
        }
    }

    fn response(&mut self, state: State, raw: Raw) -> State {
        if self.idle.is_none() {
            self.unit += 1;
        }
        let said = read(&raw);
        if let State::NotAuthenticated(Phase::Greeting) = state {
            let status = if let Read::Untagged(Response::Status(status)) = said { Some(status) } else { None };
            let next = self.authorization.greeting(status);
            return self.follow(next);
        }
        match said {
            Read::Tagged(tag, status) => match self.wire.tagged(&tag, &status) {
                Ok(Some(flight)) => self.done(state, flight, status),
                Ok(None) => state,
                Err(broken) => self.broken(broken.to_string()),
            },
            Read::Continue(text) => match self.wire.go_ahead() {
                Ok(true) => state,
                Ok(false) => self.go_on(state, raw, text),
                Err(broken) => self.broken(broken.to_string()),
            },
            Read::Untagged(response) => self.untagged(state, raw, response),
        }
    }

    fn untagged(&mut self, state: State, raw: Raw, response: Response) -> State {
        if matches!(state, State::NotAuthenticated(_)) && !self.authorization.may_hear(&response) {
            return self.broken("data of mailboxes before anybody is logged in");
        }
        // It will not answer again, and to wait for that would take minutes.
        if let Response::Unparsed(_) = response
            && let Some(name) = self.wire.answered(&raw.bytes)
        {
            return self.broken(format!("the server answers {name} with no OK, NO or BAD"));
        }
        match &response {
            Response::Capability(names) => self.heard(&state, names),
            Response::Status(status) => {
                if let Some(Code::Capability(names)) = &status.code {
                    self.heard(&state, names);
                }
                if status.kind == StatusKind::Bye {
                    self.bye = Some(status.text.clone());
                }
            }
            _ => {}
        }
        let over = match &state {
            State::NotAuthenticated(_) => Some(Fault::Busy),
            // Nothing follows it (RFC 9051 section 7.1.5), and a server that does not close the connection would keep us waiting.
            State::Commands if !self.wire.is_leaving() => Some(Fault::Lost),
            _ => None,
        };
        self.asks.push_back(ClientAsk::Received(Box::new(Received { raw, response })));
        match over.filter(|_| self.bye.is_some()) {
            Some(fault) => self.fail(fault, loss(End::Eof, self.bye.as_deref()).text),
            None => state,
        }
    }

    fn heard(&mut self, state: &State, names: &[String]) {
        if matches!(state, State::Commands) {
            let capabilities = self.authorization.capabilities(names);
            self.settle(capabilities);
        }
        self.authorization.heard(names);
    }

    /// `+` that no literal waits for.
    fn go_on(&mut self, state: State, raw: Raw, text: Vec<u8>) -> State {
        let asking = self.wire.asking().map(|flight| (flight.origin, flight.effect == Effect::Idle));
        match (state, asking) {
            (State::NotAuthenticated(Phase::Auth(running)), Some(_)) => {
                let next = self.authorization.challenge(running, &text);
                self.follow(next)
            }
            (State::Commands, Some((Origin::Work(id), true))) if self.idle.as_ref().is_none_or(|idle| !idle.is_running()) => {
                self.unit += 1;
                // One that waited for another is known only now.
                let idle = self.idle.get_or_insert_with(|| Idle::new(id));
                if idle.begun(&mut self.wire) {
                    self.asks.push_back(ClientAsk::Idling(id));
                }
                State::Commands
            }
            (State::Commands, Some((Origin::Work(id), false))) if !self.continued => {
                self.continued = true;
                self.asks.push_back(ClientAsk::Continue { id, text });
                State::Commands
            }
            (state, _) => {
                let response = Response::Unparsed(Syntax { at: 0, wanted: "no word to go on" });
                self.asks.push_back(ClientAsk::Received(Box::new(Received { raw, response })));
                state
            }
        }
    }

    fn quit(&mut self) -> State {
        self.quitting = true;
        self.wire.submit(Origin::Own, Command::bare("LOGOUT"));
        self.end_idle()
    }

    fn end_idle(&mut self) -> State {
        if let Some(idle) = &mut self.idle {
            idle.end(&mut self.wire);
        }
        State::Commands
    }

    /// A command is done.
    fn done(&mut self, state: State, flight: Flight, status: Status) -> State {
        if let Some(Code::Capability(names)) = &status.code {
            self.heard(&state, names);
        }
        match (state, flight.origin) {
            (State::NotAuthenticated(phase), Origin::Own) => {
                let next = self.authorization.done(phase, status);
                self.follow(next)
            }
            (_, Origin::Own) if self.wire.is_empty() => State::Over,
            (_, Origin::Own) => self.broken("the server answers LOGOUT, and not the command ahead of it"),
            (state, Origin::Work(id)) => self.done_for_work(state, id, flight, status),
        }
    }

    fn done_for_work(&mut self, state: State, id: CommandId, flight: Flight, status: Status) -> State {
        (self.asked, self.continued) = (false, false);
        if flight.effect == Effect::Idle {
            self.unit += 1;
            self.idle = self.idle.take().and_then(|idle| idle.done(&status, &mut self.wire));
            if self.idle.is_some() {
                return state;
            }
        }
        self.place = self.place.after(&flight.effect, &status);
        let next = match flight.effect {
            Effect::StartTls if status.kind == StatusKind::Ok => State::Turn(Turn::Secure),
            Effect::Compress if status.kind == StatusKind::Ok => State::Turn(Turn::Inflate),
            Effect::Logout if status.kind == StatusKind::Ok => State::Over,
            _ => state,
        };
        let done = Done {
            id,
            name: flight.name,
            tag: flight.tag,
            status,
            place: self.place.clone(),
            capabilities: self.capabilities.clone(),
        };
        self.asks.push_back(ClientAsk::Done(Box::new(done)));
        next
    }

    /// Commands go on, over another wire, with those that were told meanwhile. TLS by hand: nothing that was said before counts.
    fn resume(&mut self, secured: bool) {
        if secured {
            (self.authorization.secure, self.framing) = (true, Framing::default());
            self.settle(Capabilities::default());
        }
        self.state = State::Commands;
        self.wire.pump();
        self.submit_early();
    }

    fn within(&self) -> Duration {
        let waits = &self.authorization.config.timeouts;
        match &self.state {
            State::NotAuthenticated(Phase::Greeting) => waits.greeting,
            State::Leaving => waits.logout,
            _ if self.idle.as_ref().is_some_and(Idle::is_open) => waits.idle,
            _ if self.framing.is_in_literal() => waits.block,
            State::Commands if self.wire.is_leaving() => waits.logout,
            // At rest.
            State::Commands if self.wire.is_empty() => waits.idle,
            _ => waits.command,
        }
    }

    /// Commands whose refusal came while their literals were being sent.
    fn settle_refused(&mut self) {
        while let Some((flight, status)) = self.wire.refused.pop_front() {
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = self.done(state, flight, status);
        }
    }
}

impl Engine for Client {
    type Ask = ClientAsk;
    type Tell = ClientTell;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while (used < bytes.len() || self.framing.is_due()) && self.asks.len() < MOST_ASKS {
            if !self.state.hears() {
                break;
            }
            self.framing.longest = if matches!(self.state, State::NotAuthenticated(_)) { MAX_GREETING } else { MAX_RESPONSE };
            let (taken, frame) = self.framing.take(&bytes[used..]);
            used += taken;
            self.block += taken as u64;
            if self.block >= BLOCK && self.idle.is_none() {
                (self.block, self.unit) = (0, self.unit + 1);
            }
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = match frame {
                None => state,
                Some(Ok(frame)) => self.frame(state, frame),
                Some(Err(bad)) => self.broken(bad.to_string()),
            };
        }
        used
    }

    fn outgoing(&self) -> &[u8] {
        &self.wire.out
    }

    fn wrote(&mut self, n: usize) {
        self.wire.wrote(n);
        if self.wire.needs_body().is_some() {
            self.unit += 1;
        }
    }

    fn body(&mut self, bytes: &[u8], last: bool) -> usize {
        self.unit += 1;
        match self.wire.body(bytes, last) {
            Ok(()) => self.settle_refused(),
            Err(broken) => self.state = self.fail(Fault::Cancelled, broken.to_string()),
        }
        bytes.len()
    }

    fn tell(&mut self, tell: ClientTell) {
        self.unit += 1;
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (state, tell) {
            (State::NotAuthenticated(Phase::Login(method)), ClientTell::Login(login)) => {
                let next = self.authorization.begin_login(method, &login);
                self.follow(next)
            }
            (State::NotAuthenticated(Phase::Login(_)), ClientTell::NoLogin(why)) => self.follow(leave(Fault::Login, why)),
            (State::Commands, ClientTell::Do(id, command)) if !self.quitting => {
                self.asked = false;
                self.submit(id, *command);
                State::Commands
            }
            (State::Commands, ClientTell::Line(line)) if std::mem::take(&mut self.continued) => {
                let line = line.reveal();
                let whole = !line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
                self.wire.say(if whole { line } else { b"*" });
                State::Commands
            }
            (State::Commands, ClientTell::EndIdle) => self.end_idle(),
            (State::Commands, ClientTell::Quit) if !self.quitting => self.quit(),
            (State::Commands, ClientTell::Part) if !self.quitting => {
                self.wire.hurried = true;
                self.quit()
            }
            (state, ClientTell::Do(id, command)) if state.comes_first() => {
                self.early.push_back((id, *command));
                state
            }
            (state, ClientTell::Quit | ClientTell::Part) if state.comes_first() => {
                (self.quitting, self.quit_early) = (true, true);
                state
            }
            // A tell that nothing asked for changes nothing.
            (state, _) => state,
        };
    }

    fn lapsed(&mut self) -> bool {
        self.unit += 1;
        match &mut self.idle {
            Some(idle) => idle.renew(&mut self.wire),
            None => matches!(self.state, State::Commands) && self.wire.is_empty() && self.framing.is_between(),
        }
    }

    fn ended(&mut self, why: End) {
        let loss = loss(why, self.bye.as_deref());
        let state = std::mem::replace(&mut self.state, State::Over);
        // Who leaves has told why; and a server that said BYE to LOGOUT may close at once.
        let left = matches!(state, State::Over | State::Leaving)
            || (matches!(why, End::Eof | End::Io) && self.bye.is_some() && self.wire.is_leaving());
        if !left {
            self.fail(loss.fault, loss.text);
        }
        self.wire.out.clear();
    }

    fn step(&mut self) -> Step<ClientAsk> {
        if let Some(ask) = self.asks.pop_front() {
            return Step::Ask(ask);
        }
        match &self.state {
            State::Over => return Step::Done,
            State::NotAuthenticated(Phase::Login(_)) => return Step::Wait,
            State::NotAuthenticated(Phase::Secure(after)) => {
                self.state = State::NotAuthenticated(Phase::Secured(*after));
                return Step::Secure;
            }
            State::NotAuthenticated(Phase::Secured(after)) => {
                let next = self.authorization.secured(*after);
                self.framing = Framing::default();
                self.state = self.follow(next);
                return self.step();
            }
            State::Turn(Turn::Secure) => {
                self.state = State::Turn(Turn::Secured);
                return Step::Secure;
            }
            State::Turn(Turn::Inflate) => {
                self.state = State::Turn(Turn::Inflated);
                return Step::Inflate;
            }
            State::Turn(turn) => {
                self.resume(matches!(turn, Turn::Secured));
                return self.step();
            }
            State::Commands | State::Leaving | State::NotAuthenticated(_) => {}
        }
        if let Some(room) = self.wire.needs_body() {
            return Step::NeedBody { room };
        }
        let may_ask = matches!(self.state, State::Commands) && !self.asked && !self.quitting && self.bye.is_none();
        if may_ask && self.wire.has_room() {
            self.asked = true;
            return Step::Ask(ClientAsk::Next);
        }
        Step::Io { read: true, within: self.within(), unit: self.unit }
    }
}

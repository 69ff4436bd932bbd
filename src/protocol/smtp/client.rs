//! The SMTP and LMTP client engine: greeting, EHLO, STARTTLS, AUTH, then one transaction after another. What one transaction is made of
//! stands in `client/transaction.rs`, what AUTH is made of in `client/auth.rs`.

pub mod auth;
mod chunks;
mod parameters;
pub mod stage;
mod transaction;
pub mod words;

use super::extensions::Extensions;
use super::reply::{BadReply, ReplyReader};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::{Class, EnhancedStatus, Reply};
use crate::protocol::engine::{End, Engine, Step};
use crate::protocol::sasl::words::{Bare, Login, Mechanism, SaslError};
use crate::protocol::session::StartTls;
use auth::{Authenticating, NoMechanism, Verdict};
use stage::Stage;
use std::collections::VecDeque;
use std::time::Duration;
use transaction::{Progress, Running};
use words::{ClientAsk, ClientConfig, ClientTell, Failure, Fault, Transaction};

/// How long the answer to the final dot is waited for once the session is to stop: without it, the message may go out twice.
const PARTING: Duration = Duration::from_secs(5);

/// The state of the session. Every reply gives the next one.
#[derive(Debug)]
enum State {
    Secure(AfterTls),
    /// TLS has started.
    Secured(AfterTls),
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// [`ClientAsk::Login`] waits for its answer.
    Login(Mechanism),
    Auth(Box<Authenticating>),
    /// [`ClientAsk::Ready`] waits for its answer.
    Ready,
    Transaction(Box<Running>),
    /// RSET before QUIT: a transaction stands that nobody wants.
    Reset,
    Quit,
    Over,
}

#[derive(Debug, Clone, Copy)]
enum AfterTls {
    Greeting,
    Ehlo,
}

/// One session with one server.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    state: State,
    reader: ReplyReader,
    extensions: Extensions,
    secure: bool,
    /// Mechanisms not tried yet.
    mechanisms: VecDeque<Mechanism>,
    /// The server still holds a transaction that came to nothing.
    unclean: bool,
    asks: VecDeque<ClientAsk>,
    out: Vec<u8>,
    /// Counts what the peer achieved, for the deadline.
    unit: u64,
}

impl Client {
    pub fn new(config: ClientConfig) -> Client {
        let state = if config.tls == StartTls::Implicit { State::Secure(AfterTls::Greeting) } else { State::Greeting };
        Client {
            config,
            state,
            reader: ReplyReader::default(),
            extensions: Extensions::default(),
            secure: false,
            mechanisms: VecDeque::new(),
            unclean: false,
            asks: VecDeque::new(),
            out: Vec::new(),
            unit: 0,
        }
    }

    fn command(&mut self, line: &str) {
        debug_assert!(!line.contains(['\r', '\n']));
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn say_ehlo(&mut self) -> State {
        let verb = if self.config.lmtp { "LHLO" } else { "EHLO" };
        self.command(&format!("{verb} {}", self.config.ehlo));
        State::Ehlo
    }

    fn fail(&mut self, fault: Fault, outcome: Outcome) -> State {
        self.asks.push_back(ClientAsk::Failed(Failure { fault, outcome }));
        State::Over
    }

    fn refused(&mut self, reply: &Reply) -> State {
        let state = self.fail(Fault::Reply, Outcome::from_reply(reply));
        // RFC 5321 section 4.1.1.10: QUIT even where nothing was begun; a 421 has closed already.
        if reply.code.value() == 421 { state } else { self.quit() }
    }

    fn quit(&mut self) -> State {
        self.command("QUIT");
        State::Quit
    }

    fn ready(&mut self) -> State {
        self.asks.push_back(ClientAsk::Ready(self.extensions.clone()));
        State::Ready
    }

    fn reply(&mut self, state: State, reply: Reply) -> State {
        match state {
            State::Greeting if reply.code.value() == 220 => match self.config.quit_after {
                Some(Stage::Connect) => self.ready(),
                // RFC 8314: TLS came first.
                Some(Stage::Tls) if self.secure => self.ready(),
                _ => self.say_ehlo(),
            },
            State::Greeting if reply.class() == Class::Transient || reply.class() == Class::Permanent => self.refused(&reply),
            State::Ehlo => self.ehlo_reply(&reply),
            State::Helo if reply.is_success() => self.greeted(),
            State::Helo if reply.class() != Class::Intermediate => self.refused(&reply),
            State::StartTls => self.starttls_reply(&reply),
            State::Transaction(running) => self.transaction_reply(running, reply),
            State::Auth(running) => self.auth_reply(running, &reply),
            State::Reset => self.quit(),
            State::Quit => State::Over,
            // RFC 5321 section 3.8: 421 may come at any time.
            State::Ready | State::Login(_) if reply.code.value() == 421 => self.refused(&reply),
            _ => self.unexpected(&reply),
        }
    }

    fn ehlo_reply(&mut self, reply: &Reply) -> State {
        match reply.class() {
            Class::Completion => {
                self.extensions = Extensions::from_ehlo_without(reply, &self.config.discard);
                self.greeted()
            }
            // RFC 5321 section 4.1.4: a server without EHLO gets HELO.
            Class::Permanent if !self.config.lmtp => {
                self.extensions = Extensions::default();
                self.command(&format!("HELO {}", self.config.ehlo));
                State::Helo
            }
            Class::Intermediate => self.unexpected(reply),
            _ => self.refused(reply),
        }
    }

    fn greeted(&mut self) -> State {
        if self.config.quit_after == Some(Stage::Ehlo) {
            return self.ready();
        }
        match self.config.tls {
            _ if self.secure => self.log_in(),
            StartTls::IfOffered | StartTls::Required if self.extensions.starttls => {
                self.command("STARTTLS");
                State::StartTls
            }
            _ if self.needs_tls() => match &self.config.auth {
                Some(wanted) if wanted.needs_tls() => self.not_in(NoMechanism::Bare(Bare::NoTls("STARTTLS"))),
                _ => {
                    let text = "the server does not offer STARTTLS and TLS is required";
                    let why = Diagnostic::local(EnhancedStatus::new(4, 7, 4), text);
                    self.fail(Fault::Tls, Outcome::Deferred(why));
                    self.quit()
                }
            },
            _ => self.log_in(),
        }
    }

    fn needs_tls(&self) -> bool {
        self.config.tls == StartTls::Required || self.config.quit_after == Some(Stage::Tls)
    }

    fn starttls_reply(&mut self, reply: &Reply) -> State {
        match reply.class() {
            Class::Completion => State::Secure(AfterTls::Ehlo),
            Class::Intermediate => self.unexpected(reply),
            _ if !self.needs_tls() && reply.code.value() != 421 => self.log_in(),
            _ => {
                let state = self.refused(reply);
                if let Some(ClientAsk::Failed(failure)) = self.asks.back_mut() {
                    failure.fault = Fault::Tls;
                }
                state
            }
        }
    }

    /// AUTH, where it is wanted, before anything else.
    fn log_in(&mut self) -> State {
        let Some(wanted) = &self.config.auth else { return self.ready() };
        match auth::candidates(wanted, &self.extensions, self.secure) {
            Ok(mechanisms) => {
                self.mechanisms = mechanisms;
                self.next_mechanism().unwrap_or(State::Over)
            }
            Err(NoMechanism::NotOffered | NoMechanism::NoneFits(_)) if wanted.optional => self.ready(),
            Err(why) => self.not_in(why),
        }
    }

    fn next_mechanism(&mut self) -> Option<State> {
        let mechanism = self.mechanisms.pop_front()?;
        self.asks.push_back(ClientAsk::Login(mechanism));
        Some(State::Login(mechanism))
    }

    fn begin_auth(&mut self, mechanism: Mechanism, login: &Login) -> State {
        match Authenticating::begin(mechanism, login, &self.extensions) {
            Ok((running, line)) => {
                self.command(line.reveal());
                State::Auth(Box::new(running))
            }
            Err(why) => {
                // Another one may have a form for it; only what is bound to the channel needs more than another password.
                let next = if why == SaslError::NoBinding { self.next_mechanism() } else { None };
                next.unwrap_or_else(|| self.not_in(why))
            }
        }
    }

    fn auth_reply(&mut self, mut running: Box<Authenticating>, reply: &Reply) -> State {
        match running.reply(reply) {
            Verdict::Say(line) => {
                self.command(line.reveal());
                State::Auth(running)
            }
            Verdict::Accepted => self.ready(),
            Verdict::OtherMechanism => {
                let (wanted, secure) = (&self.config.auth, self.secure);
                let may = |next: &Mechanism| wanted.as_ref().is_some_and(|wanted| wanted.may_follow(*next, secure));
                self.mechanisms.retain(may);
                self.next_mechanism().unwrap_or_else(|| self.login_refused(reply))
            }
            Verdict::Refused => self.login_refused(reply),
            Verdict::Failed(why) => self.not_in(why),
        }
    }

    /// RFC 4954 section 6: 4yz may pass, 5yz won't.
    fn login_refused(&mut self, reply: &Reply) -> State {
        let state = match reply.class() {
            Class::Intermediate => return self.unexpected(reply),
            _ => self.refused(reply),
        };
        if let (Class::Permanent, Some(ClientAsk::Failed(failure))) = (reply.class(), self.asks.back_mut()) {
            failure.fault = Fault::Auth;
        }
        state
    }

    /// We are not logged in and leave.
    fn not_in(&mut self, why: impl Into<Failure>) -> State {
        self.asks.push_back(ClientAsk::Failed(why.into()));
        self.quit()
    }

    fn transaction_reply(&mut self, mut running: Box<Running>, reply: Reply) -> State {
        let progress = running.reply(reply);
        self.progressed(running, progress)
    }

    fn progressed(&mut self, running: Box<Running>, progress: Progress) -> State {
        match progress {
            Progress::More => State::Transaction(running),
            Progress::Finished { clean } => {
                self.unclean = !clean;
                self.asks.push_back(ClientAsk::Finished(running.finish(None)));
                self.ready()
            }
            Progress::Abandoned => {
                self.asks.push_back(ClientAsk::Finished(running.finish(None)));
                State::Over
            }
            Progress::Broken(fault) => {
                self.asks.push_back(ClientAsk::Finished(running.finish(Some(fault))));
                State::Over
            }
        }
    }

    fn unexpected(&mut self, reply: &Reply) -> State {
        let why =
            Diagnostic { text: format!("unexpected reply: {reply}"), ..Diagnostic::local(EnhancedStatus::new(4, 5, 0), "") };
        self.fail(Fault::Protocol, Outcome::Deferred(why))
    }

    fn bad_reply(&mut self, state: State, bad: &BadReply) -> State {
        let why = Diagnostic::local(EnhancedStatus::new(4, 5, 0), bad.to_string());
        self.broken(state, Fault::Protocol, why)
    }

    /// The session can't go on: every recipient that has no outcome yet gets one.
    fn broken(&mut self, state: State, fault: Fault, why: Diagnostic) -> State {
        match state {
            State::Over | State::Quit | State::Reset => State::Over,
            State::Transaction(mut running) => {
                running.lose(why, self.out.is_empty());
                self.asks.push_back(ClientAsk::Finished(running.finish(Some(fault))));
                State::Over
            }
            _ => self.fail(fault, Outcome::Deferred(why)),
        }
    }

    fn begin(&mut self, transaction: Transaction) -> State {
        let mut running = Box::new(Running::new(transaction, self.config.lmtp, &self.extensions));
        running.stop_after(self.config.quit_after);
        if let Some(progress) = running.refuse_beforehand(self.secure && self.config.verified) {
            return self.progressed(running, progress);
        }
        if std::mem::take(&mut self.unclean) {
            running.reset_first();
        }
        running.pump(&mut self.out);
        State::Transaction(running)
    }

    fn within(&self) -> Duration {
        let waits = &self.config.timeouts;
        match &self.state {
            State::Greeting => waits.greeting,
            State::Transaction(running) => running.within(waits),
            State::Quit | State::Reset => waits.quit,
            _ => waits.command,
        }
    }
}

impl Engine for Client {
    type Ask = ClientAsk;
    type Tell = ClientTell;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.asks.is_empty() {
            if matches!(self.state, State::Secure(_) | State::Secured(_)) {
                break;
            }
            let (taken, reply) = self.reader.take(&bytes[used..]);
            used += taken;
            let Some(reply) = reply else { continue };
            self.unit += 1;
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = match reply {
                Ok(reply) => self.reply(state, reply),
                Err(bad) => self.bad_reply(state, &bad),
            };
            if let State::Transaction(running) = &mut self.state {
                running.pump(&mut self.out);
            }
        }
        used
    }

    fn outgoing(&self) -> &[u8] {
        &self.out
    }

    fn wrote(&mut self, n: usize) {
        self.out.drain(..n.min(self.out.len()));
        if let State::Transaction(running) = &mut self.state {
            running.pump(&mut self.out);
        }
    }

    fn body(&mut self, bytes: &[u8], last: bool) -> usize {
        let mut state = std::mem::replace(&mut self.state, State::Over);
        let mut used = 0;
        if let State::Transaction(running) = &mut state {
            used = bytes.len().min(running.wants_body(&self.out).unwrap_or(0));
            let sent = running.body(&bytes[..used], last && used == bytes.len(), &mut self.out);
            self.unit += 1;
            if let Err(bare) = sent {
                let why = Diagnostic::local(EnhancedStatus::new(5, 6, 0), bare.to_string());
                self.out.clear();
                running.settle(&Outcome::Refused(why));
                state = self.broken(state, Fault::Cancelled, Diagnostic::local(EnhancedStatus::new(4, 6, 0), "body broken off"));
            }
        }
        self.state = state;
        used
    }

    fn tell(&mut self, tell: ClientTell) {
        self.unit += 1;
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (state, tell) {
            (State::Ready, ClientTell::Send(transaction)) => self.begin(transaction),
            (State::Ready, ClientTell::Quit) if self.unclean && self.config.quit_after.is_some() => {
                self.command("RSET");
                State::Reset
            }
            (State::Ready, ClientTell::Quit) => self.quit(),
            (State::Login(mechanism), ClientTell::Login(login)) => self.begin_auth(mechanism, &login),
            (State::Login(_), ClientTell::NoLogin(why)) => self.not_in(auth::no_login(why)),
            // A tell that nothing asked for changes nothing.
            (state, _) => state,
        };
    }

    fn parting(&self) -> Duration {
        match &self.state {
            // What of the end was not written yet is taken back by the end of the connection.
            State::Transaction(running) if running.is_ended() && self.out.is_empty() => PARTING,
            _ => Duration::ZERO,
        }
    }

    fn ended(&mut self, why: End) {
        let (fault, enhanced, text) = match why {
            End::Eof => (Fault::Lost, (4, 4, 2), "the server closed the connection"),
            End::TimedOut => (Fault::Lost, (4, 4, 2), "the server fell silent"),
            End::Io => (Fault::Lost, (4, 4, 2), "the connection broke"),
            End::Tls => (Fault::Tls, (4, 7, 5), "TLS failed"),
            End::Injected => (Fault::Protocol, (4, 7, 5), "plaintext after the reply to STARTTLS"),
            End::Cancelled => (Fault::Cancelled, (4, 3, 0), "given up"),
        };
        let why_is_stop = why == End::Cancelled;
        let state = std::mem::replace(&mut self.state, State::Over);
        let why = Diagnostic::local(EnhancedStatus::new(enhanced.0, enhanced.1, enhanced.2), text);
        // The farewell of a session that is stopped goes out all the same; its answer is not waited for.
        let leaving = why_is_stop && matches!(state, State::Quit);
        self.state = self.broken(state, fault, why);
        if !leaving {
            self.out.clear();
        }
    }

    fn step(&mut self) -> Step<ClientAsk> {
        if let Some(ask) = self.asks.pop_front() {
            return Step::Ask(ask);
        }
        match &self.state {
            State::Over => return Step::Done,
            State::Ready | State::Login(_) => return Step::Wait,
            State::Secure(after) => {
                self.state = State::Secured(*after);
                return Step::Secure;
            }
            State::Secured(after) => {
                // RFC 3207 section 4.2: what was offered in clear is forgotten.
                (self.secure, self.extensions, self.reader) = (true, Extensions::default(), ReplyReader::default());
                self.state = match after {
                    AfterTls::Greeting => State::Greeting,
                    AfterTls::Ehlo if self.config.quit_after == Some(Stage::Tls) => self.ready(),
                    AfterTls::Ehlo => self.say_ehlo(),
                };
                return self.step();
            }
            State::Transaction(running) => {
                if let Some(room) = running.wants_body(&self.out) {
                    return Step::NeedBody { room };
                }
            }
            _ => {}
        }
        Step::Io { read: true, within: self.within(), unit: self.unit }
    }
}

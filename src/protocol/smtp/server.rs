//! The SMTP and LMTP server engine: the session's states and what it asks of the work above. The text of its fixed replies is in
//! `server/replies.rs`, the reading of a message's data in `server/data.rs`.

pub mod config;
mod data;
mod replies;
mod session;

use super::grammar::{self, Command, Hello, MailParameters};
use crate::bytes::line::Line;
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::notify::{Request, Wish};
use crate::mail::reply::{Class, Reply};
use crate::protocol::engine::{End, Engine, OUTGOING_LIMIT, Step};
use config::ServerConfig;
use data::Data;
use session::Session;
use std::collections::VecDeque;

/// What the server wants of the work above it. Where it says so, nothing goes on before a [`ServerTell`] answers.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerAsk {
    /// The client named itself. `extended`: by EHLO or LHLO. No answer.
    Hello { name: String, extended: bool },
    /// May this sender start a message? `size` is the size it declares. Answered by [`ServerTell::Verdict`].
    Mail { reverse_path: ReversePath, size: Option<u64>, request: Request },
    /// Is this recipient taken? Answered by [`ServerTell::Verdict`].
    Rcpt(ForwardPath, Wish),
    /// The data is to come; open a place for it. Answered by [`ServerTell::Proceed`], or a refusal by [`ServerTell::Verdict`].
    Data,
    /// A piece of the message, CRLF and without its dots. No answer; a store that fails says [`ServerTell::Refuse`].
    Chunk(Vec<u8>),
    /// The message is whole: make it safe, then answer by [`ServerTell::Verdicts`].
    Commit,
    /// What was begun is given up: forget sender, recipients and data. No answer.
    Abort,
}

/// What the work above answers, or starts of its own accord.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerTell {
    /// The reply to MAIL, RCPT or DATA; 2yz takes it.
    Verdict(Reply),
    /// Send 354 and read the data.
    Proceed,
    /// The store failed in mid-data: the rest is swallowed, then this is the reply.
    Refuse(Reply),
    /// The replies after the data: one, or for LMTP one for each recipient taken, in order.
    Verdicts(Vec<Reply>),
    /// We are going down: a message whose data is complete is answered yet, then 421.
    Goodbye,
}

/// The state of the session. Every transition gives the next one.
#[derive(Debug)]
enum State {
    /// Between commands.
    Command,
    /// An ask waits for its verdict.
    Verdict(Pending),
    /// Reading the message.
    Data(Box<Data>),
    /// The message is whole; its verdict is being made.
    Commit,
    /// TLS is to start: `STARTTLS` was answered by 220, or the session begins with it.
    Secure,
    /// TLS has started.
    Secured,
    /// The last reply is written, or the peer is gone.
    Over,
}

#[derive(Debug)]
enum Pending {
    Mail,
    Rcpt,
    Data,
}

/// One session with one client.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    state: State,
    session: Session,
    asks: VecDeque<ServerAsk>,
    out: Vec<u8>,
    /// Counts what the peer achieved, for the deadline.
    unit: u64,
    goodbye: bool,
}

impl Server {
    pub fn new(config: ServerConfig) -> Server {
        let session = Session::new(false);
        let mut server =
            Server { config, state: State::Secure, session, asks: VecDeque::new(), out: Vec::new(), unit: 0, goodbye: false };
        if !server.config.implicit_tls {
            server.state = server.greet();
        }
        server
    }

    fn say(&mut self, reply: &Reply) {
        super::reply::write(reply, &mut self.out);
    }

    fn greet(&mut self) -> State {
        self.say(&replies::greeting(&self.config));
        State::Command
    }

    fn over(&mut self, reply: Option<Reply>) -> State {
        self.abort();
        if let Some(reply) = reply {
            self.say(&reply);
        }
        State::Over
    }

    /// Forgets the message in the making; the work above is told if it knows of one.
    fn abort(&mut self) {
        if self.session.forget_transaction() {
            self.asks.push_back(ServerAsk::Abort);
        }
    }

    fn verdict(&mut self, pending: Pending, reply: Reply) -> State {
        let taken = reply.is_success();
        match pending {
            Pending::Mail => self.session.mail_answered(taken),
            Pending::Rcpt => self.session.rcpt_answered(taken),
            Pending::Data => {}
        }
        self.say(&reply);
        State::Command
    }

    fn proceed(&mut self) -> State {
        self.say(&replies::start_mail_input());
        State::Data(Box::new(Data::new(self.config.max_size)))
    }

    /// RFC 2033 section 4.2: LMTP answers for every recipient taken; a missing verdict reads as a failure, never as success.
    fn committed(&mut self, mut verdicts: Vec<Reply>) -> State {
        let wanted = if self.config.lmtp { self.session.recipients } else { 1 };
        verdicts.resize_with(wanted, replies::no_verdict);
        for verdict in &verdicts {
            self.say(verdict);
        }
        self.session.forget_transaction();
        State::Command
    }

    fn take_data(&mut self, mut data: Box<Data>, bytes: &[u8]) -> (usize, State) {
        let (used, progress) = data.take(bytes);
        self.asks.extend(data.chunk().map(ServerAsk::Chunk));
        let state = match progress {
            data::Progress::More => State::Data(data),
            data::Progress::Refused(reply) => {
                self.say_for_recipients(&reply);
                self.abort();
                State::Command
            }
            data::Progress::Hopeless(reply) => self.over(Some(reply)),
            data::Progress::Whole => {
                self.asks.push_back(ServerAsk::Commit);
                State::Commit
            }
        };
        (used, state)
    }

    /// A refusal of the data, once for each recipient that LMTP owes a reply.
    fn say_for_recipients(&mut self, reply: &Reply) {
        let times = if self.config.lmtp { self.session.recipients } else { 1 };
        for _ in 0..times {
            self.say(reply);
        }
    }
}

/// Commands, and which may follow which (RFC 5321 section 4.1.4).
impl Server {
    fn take_command(&mut self, bytes: &[u8]) -> (usize, State) {
        let (used, line) = self.session.line.take(bytes);
        let Some(line) = line else { return (used, State::Command) };
        self.unit += 1;
        let state = match line {
            Line::Whole(line) => match grammar::command(&line) {
                Ok(command) => self.command(command),
                Err(bad) => self.complain(replies::bad_command(&bad)),
            },
            Line::TooLong => self.complain(replies::line_too_long()),
            Line::BareLf | Line::BareCr => self.complain(replies::bare_in_command()),
        };
        (used, state)
    }

    fn command(&mut self, command: Command) -> State {
        match command {
            Command::Hello(hello, name) => self.hello(hello, name),
            Command::Mail(path, parameters) => self.mail(path, parameters),
            Command::Rcpt(path, wish) => self.rcpt(path, wish),
            Command::Data => self.data(),
            Command::Rset => {
                self.abort();
                self.answer(&replies::ok())
            }
            Command::Noop => self.answer(&replies::ok()),
            Command::Help => self.answer(&replies::help(&self.config)),
            Command::Vrfy => self.answer(&replies::cannot_verify()),
            Command::StartTls => self.starttls(),
            Command::Quit => self.over(Some(replies::bye(&self.config))),
            Command::NotImplemented => self.complain(replies::not_implemented()),
            Command::Http => self.over(Some(replies::not_http(&self.config))),
        }
    }

    /// EHLO and HELO start afresh, as RSET does (RFC 5321 section 4.1.4).
    fn hello(&mut self, hello: Hello, name: String) -> State {
        if self.config.lmtp != (hello == Hello::Lhlo) {
            return self.complain(replies::wrong_hello(&self.config));
        }
        self.abort();
        self.session.hello = Some(hello);
        let extended = hello != Hello::Helo;
        self.asks.push_back(ServerAsk::Hello { name, extended });
        let reply = if extended { replies::ehlo(&self.config, self.session.secure) } else { replies::helo(&self.config) };
        self.answer(&reply)
    }

    fn mail(&mut self, reverse_path: ReversePath, parameters: MailParameters) -> State {
        let Some(hello) = self.session.hello else {
            let verb = if self.config.lmtp { "Say LHLO first" } else { "Say HELO or EHLO first" };
            return self.complain(replies::bad_sequence(verb));
        };
        if self.session.mail {
            return self.complain(replies::bad_sequence("A message is begun already; RSET drops it"));
        }
        let not_offered = (hello == Hello::Helo && !parameters.is_empty())
            || (parameters.asks_for_reports() && !self.config.dsn)
            || (parameters.require_tls && !self.config.offers_require_tls(self.session.secure));
        if not_offered {
            return self.complain(replies::bad_command(&grammar::BadCommand::Parameter));
        }
        if parameters.size.is_some_and(|size| size > self.config.max_size) {
            return self.answer(&replies::too_big(self.config.max_size));
        }
        let MailParameters { size, ret, envid, require_tls, .. } = parameters;
        let request = Request { ret, envid, require_tls, utf8: false };
        self.asks.push_back(ServerAsk::Mail { reverse_path, size, request });
        State::Verdict(Pending::Mail)
    }

    fn rcpt(&mut self, path: ForwardPath, wish: Wish) -> State {
        if !self.session.mail {
            return self.complain(replies::bad_sequence("MAIL FROM first"));
        }
        if !wish.is_empty() && (!self.config.dsn || self.session.hello == Some(Hello::Helo)) {
            return self.complain(replies::bad_command(&grammar::BadCommand::Parameter));
        }
        if self.session.recipients >= self.config.max_recipients {
            return self.answer(&replies::too_many_recipients());
        }
        self.asks.push_back(ServerAsk::Rcpt(path, wish));
        State::Verdict(Pending::Rcpt)
    }

    fn data(&mut self) -> State {
        if !self.session.mail {
            return self.complain(replies::bad_sequence("MAIL FROM and RCPT TO first"));
        }
        if self.session.recipients == 0 {
            // RFC 2033 section 4.2 wants 503 of LMTP; RFC 5321 section 3.3 allows either.
            let reply = if self.config.lmtp { replies::bad_sequence("RCPT TO first") } else { replies::no_recipients() };
            return self.answer(&reply);
        }
        self.asks.push_back(ServerAsk::Data);
        State::Verdict(Pending::Data)
    }

    fn starttls(&mut self) -> State {
        if !self.config.starttls {
            return self.complain(replies::not_implemented());
        }
        if self.session.secure {
            return self.complain(replies::bad_sequence("TLS is active already"));
        }
        self.abort();
        self.say(&replies::ready_for_tls());
        State::Secure
    }

    fn answer(&mut self, reply: &Reply) -> State {
        self.say(reply);
        State::Command
    }

    /// A reply to a command that should not have come. Too many of them end the session.
    fn complain(&mut self, reply: Reply) -> State {
        debug_assert_eq!(reply.class(), Class::Permanent);
        self.session.errors += 1;
        if self.session.errors > self.config.max_errors {
            return self.over(Some(replies::too_many_errors(&self.config)));
        }
        self.answer(&reply)
    }
}

impl Engine for Server {
    type Ask = ServerAsk;
    type Tell = ServerTell;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.asks.is_empty() && self.out.len() < OUTGOING_LIMIT {
            let rest = &bytes[used..];
            let (taken, state) = match std::mem::replace(&mut self.state, State::Over) {
                State::Command => self.take_command(rest),
                State::Data(data) => self.take_data(data, rest),
                // What a client says after QUIT counts for nothing.
                State::Over => (rest.len(), State::Over),
                state => (0, state),
            };
            self.state = state;
            used += taken;
            if taken == 0 {
                break;
            }
        }
        used
    }

    fn outgoing(&self) -> &[u8] {
        &self.out
    }

    fn wrote(&mut self, n: usize) {
        self.out.drain(..n.min(self.out.len()));
        if self.out.is_empty() {
            self.unit += 1;
        }
    }

    fn body(&mut self, _: &[u8], _: bool) -> usize {
        0
    }

    fn tell(&mut self, tell: ServerTell) {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.unit += 1;
        self.state = match (state, tell) {
            (state, ServerTell::Goodbye) => {
                self.goodbye = true;
                state
            }
            (State::Verdict(Pending::Data), ServerTell::Proceed) => self.proceed(),
            (State::Verdict(pending), ServerTell::Verdict(reply)) => self.verdict(pending, reply),
            (State::Data(mut data), ServerTell::Refuse(reply)) => {
                data.refuse(reply);
                State::Data(data)
            }
            (State::Commit, ServerTell::Refuse(reply)) => self.committed(vec![reply]),
            (State::Commit, ServerTell::Verdicts(replies)) => self.committed(replies),
            // A tell that nothing asked for changes nothing.
            (state, _) => state,
        };
    }

    fn ended(&mut self, why: End) {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (state, why) {
            // The message is whole: it is stored, though nobody may hear of it.
            (State::Commit, _) => {
                self.goodbye = true;
                State::Commit
            }
            (State::Over, _) => State::Over,
            (_, End::TimedOut) => self.over(Some(replies::timed_out(&self.config))),
            (_, End::Cancelled) => self.over(Some(replies::going_down(&self.config))),
            _ => {
                self.out.clear();
                self.over(None)
            }
        };
    }

    fn step(&mut self) -> Step<ServerAsk> {
        if let Some(ask) = self.asks.pop_front() {
            return Step::Ask(ask);
        }
        if self.goodbye && matches!(self.state, State::Command | State::Data(_)) {
            let reply = replies::going_down(&self.config);
            self.state = self.over(Some(reply));
            return self.step();
        }
        let io = |read| Step::Io { read, within: self.config.timeout, unit: self.unit };
        match self.state {
            State::Over => Step::Done,
            State::Verdict(_) | State::Commit => Step::Wait,
            State::Secure => {
                self.state = State::Secured;
                Step::Secure
            }
            State::Secured => {
                self.session.secured();
                self.state = if self.config.implicit_tls { self.greet() } else { State::Command };
                self.step()
            }
            State::Command | State::Data(_) => io(self.out.len() < OUTGOING_LIMIT),
        }
    }
}

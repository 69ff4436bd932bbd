//! What the server remembers between commands, and which command may follow which (RFC 5321 section 4.1.4).

use super::{Pending, Server, ServerAsk, State, replies};
use crate::bytes::line::{Line, LineBuffer};
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::reply::{Class, Reply};
use crate::protocol::smtp::grammar::{self, Command, Hello, MailParameters};

/// Longest command line in octets without CRLF: 512 of RFC 5321 section 4.5.3.1.4 and room for long paths and parameters.
const MAX_COMMAND: usize = 2048;

#[derive(Debug)]
pub struct Session {
    line: LineBuffer,
    secure: bool,
    hello: Option<Hello>,
    /// MAIL was taken.
    mail: bool,
    recipients: usize,
    /// The work above knows of a transaction.
    known: bool,
    errors: u32,
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

    pub fn transaction_done(&mut self) {
        self.forget_transaction();
    }

    pub fn mail_answered(&mut self, taken: bool) {
        self.mail = taken;
        self.known = taken;
    }

    pub fn rcpt_answered(&mut self, taken: bool) {
        self.recipients += usize::from(taken);
    }

    pub fn recipients_taken(&self) -> usize {
        self.recipients
    }
}

impl Server {
    pub(super) fn take_command(&mut self, bytes: &[u8]) -> (usize, State) {
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
            Command::Mail(path, parameters) => self.mail(path, &parameters),
            Command::Rcpt(path) => self.rcpt(path),
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

    fn mail(&mut self, reverse_path: ReversePath, parameters: &MailParameters) -> State {
        let Some(hello) = self.session.hello else {
            let verb = if self.config.lmtp { "Say LHLO first" } else { "Say HELO or EHLO first" };
            return self.complain(replies::bad_sequence(verb));
        };
        if self.session.mail {
            return self.complain(replies::bad_sequence("A message is begun already; RSET drops it"));
        }
        if hello == Hello::Helo && !parameters.is_empty() {
            return self.complain(replies::bad_command(&grammar::BadCommand::Parameter));
        }
        if parameters.size.is_some_and(|size| size > self.config.max_size) {
            return self.answer(&replies::too_big(self.config.max_size));
        }
        self.asks.push_back(ServerAsk::Mail { reverse_path, size: parameters.size });
        State::Verdict(Pending::Mail)
    }

    fn rcpt(&mut self, path: ForwardPath) -> State {
        if !self.session.mail {
            return self.complain(replies::bad_sequence("MAIL FROM first"));
        }
        if self.session.recipients >= self.config.max_recipients {
            return self.answer(&replies::too_many_recipients());
        }
        self.asks.push_back(ServerAsk::Rcpt(path));
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

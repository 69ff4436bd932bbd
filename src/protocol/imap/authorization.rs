//! The not authenticated state (RFC 9051 section 3.1): greeting, CAPABILITY, STARTTLS, logging in. Each thing that the server says gives the
//! next move.

use super::auth::{self, Authenticating, Verdict};
use super::capabilities::Capabilities;
use super::code::{Code, Status, StatusKind};
use super::command::Command;
use super::response::Response;
use super::words::{ClientAsk, ClientConfig, Method, Offer, Place};
use crate::bytes::secret::Secret;
use crate::protocol::sasl::words::{Authentication, Bare, InClear, Login, Mechanism, NoMethod, SaslError};
use crate::protocol::session::{Failure, Fault, StartTls};
use std::collections::VecDeque;

/// What is due.
#[derive(Debug)]
pub enum Phase {
    Secure(AfterTls),
    /// TLS has started.
    Secured(AfterTls),
    Greeting,
    /// What is offered, asked for before logging in.
    Capability,
    StartTls,
    /// [`ClientAsk::Login`] waits for its answer.
    Login(Method),
    /// LOGIN was sent.
    LoggingIn,
    Auth(Box<Authenticating>),
    /// What is offered now, asked for once we are there.
    Inside(Place),
}

#[derive(Debug, Clone, Copy)]
pub enum AfterTls {
    Greeting,
    Capability,
}

/// What comes next.
#[derive(Debug)]
pub enum Move {
    To(Phase),
    /// This command goes out, and its end is due.
    Send(Command, Phase),
    /// This line goes out within a command.
    Say(Secret<String>, Phase),
    /// Commands of the work above may follow.
    In(Place),
    /// LOGOUT, having told why.
    Leave(Failure),
    /// The connection can't be used any more.
    Broken(Failure),
}

/// All that is known before somebody is logged in.
#[derive(Debug)]
pub struct Authorization {
    pub config: ClientConfig,
    pub secure: bool,
    pub offer: Offer,
    /// What the server said that it offers, since that was last asked or settled.
    heard: Option<Capabilities>,
    /// Ways to log in that were not tried yet.
    methods: VecDeque<Method>,
    /// For the work above.
    pub asks: Vec<ClientAsk>,
}

impl Authorization {
    pub fn new(config: ClientConfig) -> Authorization {
        Authorization { config, secure: false, offer: Offer::default(), heard: None, methods: VecDeque::new(), asks: Vec::new() }
    }

    pub fn capabilities(&self, names: &[String]) -> Capabilities {
        Capabilities::new(names, &self.config.discard)
    }

    /// A CAPABILITY response, or a code with one.
    pub fn heard(&mut self, names: &[String]) {
        self.heard = Some(self.capabilities(names));
    }

    /// Before TLS that is to come, a server has nothing to say of mailboxes: whoever says it may be another.
    pub fn may_hear(&self, response: &Response) -> bool {
        self.secure
            || !matches!(self.config.tls, StartTls::Required | StartTls::IfOffered)
            || matches!(response, Response::Status(_) | Response::Capability(_) | Response::Id(_) | Response::Unparsed(_))
    }

    fn code(&mut self, status: &Status) {
        if let Some(Code::Capability(names)) = &status.code {
            self.heard(names);
        }
    }

    /// TLS runs: what was said in clear is forgotten (RFC 9051 section 6.2.1).
    pub fn secured(&mut self, after: AfterTls) -> Move {
        let before = std::mem::take(&mut self.offer);
        (self.secure, self.heard) = (true, None);
        match after {
            AfterTls::Greeting => Move::To(Phase::Greeting),
            AfterTls::Capability => {
                self.offer.in_clear = Some(before.capabilities);
                self.offer.greeting = before.greeting;
                ask(Phase::Capability)
            }
        }
    }

    /// `greeting = "*" SP (resp-cond-auth / resp-cond-bye) CRLF`
    pub fn greeting(&mut self, status: Option<Status>) -> Move {
        let Some(status) = status else { return fail(Fault::Protocol, "no greeting of an IMAP server") };
        self.code(&status);
        let refused = format!("the server turns us away: {status}");
        match status.kind {
            StatusKind::Ok => {}
            StatusKind::PreAuth => self.offer.pre_authenticated = true,
            // Most servers that turn a client away will take it later.
            StatusKind::Bye => return fail(Fault::Busy, refused),
            StatusKind::No | StatusKind::Bad => return fail(Fault::Protocol, format!("no greeting of an IMAP server: {status}")),
        }
        self.offer.greeting = status.text;
        if self.offer.pre_authenticated {
            return self.pre_authenticated();
        }
        if self.heard.is_some() { self.offered() } else { ask(Phase::Capability) }
    }

    /// STARTTLS is no command of the authenticated state: whoever greets so keeps TLS away (RFC 9051 section 7.1.4, CVE-2021-39272).
    fn pre_authenticated(&mut self) -> Move {
        if self.config.tls == StartTls::Required && !self.secure {
            return fail(Fault::Protocol, "the server greets with PREAUTH, which leaves no room for TLS, and TLS is required");
        }
        if self.config.auth.as_ref().is_some_and(must_log_in) {
            return leave(Fault::Login, "the server greets with PREAUTH: it takes us for somebody, and asks nobody to log in");
        }
        self.inside(Place::Authenticated)
    }

    /// Once it is known what is offered here.
    fn inside(&mut self, place: Place) -> Move {
        if self.heard.is_none() {
            return ask(Phase::Inside(place));
        }
        self.settle();
        if self.offer.pre_authenticated {
            self.tell_offer();
        }
        Move::In(place)
    }

    fn settle(&mut self) {
        if let Some(heard) = self.heard.take() {
            self.offer.capabilities = heard;
        }
    }

    /// What is offered is known, before logging in.
    fn offered(&mut self) -> Move {
        self.settle();
        let starttls = self.offer.capabilities.has("STARTTLS");
        match self.config.tls {
            _ if self.secure => self.ready_to_log_in(),
            StartTls::Never | StartTls::Implicit => self.ready_to_log_in(),
            StartTls::Required | StartTls::IfOffered if starttls => Move::Send(Command::bare("STARTTLS"), Phase::StartTls),
            StartTls::Required => self.no_tls("the server does not offer STARTTLS and TLS is required"),
            StartTls::IfOffered => self.ready_to_log_in(),
        }
    }

    fn no_tls(&mut self, text: &str) -> Move {
        match &self.config.auth {
            Some(wanted) if wanted.needs_tls() => leave(Fault::Login, Bare::NoTls("STARTTLS").to_string()),
            _ => {
                self.tell_offer();
                leave(Fault::Tls, text)
            }
        }
    }

    fn tell_offer(&mut self) {
        self.asks.push(ClientAsk::Offered(Box::new(self.offer.clone())));
    }

    fn ready_to_log_in(&mut self) -> Move {
        self.tell_offer();
        let Some(wanted) = &self.config.auth else { return Move::In(Place::NotAuthenticated) };
        match auth::candidates(wanted, self.config.by, &self.offer.capabilities, self.secure) {
            Ok(methods) => {
                self.methods = methods;
                self.next_method().unwrap_or(Move::In(Place::NotAuthenticated))
            }
            Err(NoMethod::NoneFits(_)) if wanted.optional => Move::In(Place::NotAuthenticated),
            Err(why) => leave(Fault::Login, why.to_string()),
        }
    }

    fn next_method(&mut self) -> Option<Move> {
        let method = self.methods.pop_front()?;
        self.asks.push(ClientAsk::Login(method));
        Some(Move::To(Phase::Login(method)))
    }

    /// Who we are.
    pub fn begin_login(&mut self, method: Method, login: &Login) -> Move {
        self.heard = None;
        let begun = match method {
            Method::Login => match auth::login(login) {
                Ok(command) => Ok((command, Phase::LoggingIn)),
                Err(why) => return leave(Fault::Login, format!("name or password: {why}")),
            },
            Method::Auth(mechanism) => {
                let offered = &self.offer.capabilities;
                let at_once = self.config.initial_response && offered.offers("SASL-IR");
                let begun = Authenticating::begin(mechanism, login, offered, at_once);
                begun.map(|(running, command)| (command, Phase::Auth(Box::new(running))))
            }
        };
        match begun {
            Ok((command, next)) => Move::Send(command, next),
            Err(why) => {
                // Only what is bound to the channel needs more than another password.
                let next = if why == SaslError::NoBinding { self.next_method() } else { None };
                next.unwrap_or_else(|| leave(Fault::Login, why.to_string()))
            }
        }
    }

    /// `+` within AUTHENTICATE.
    pub fn challenge(&mut self, mut running: Box<Authenticating>, text: &[u8]) -> Move {
        let line = running.challenge(text);
        Move::Say(line, Phase::Auth(running))
    }

    /// The command that this phase sent is done.
    pub fn done(&mut self, now: Phase, status: Status) -> Move {
        self.code(&status);
        match now {
            Phase::Capability if self.heard.is_some() => self.offered(),
            Phase::Inside(place) if self.heard.is_some() => self.inside(place),
            Phase::Capability | Phase::Inside(_) => {
                fail(Fault::Protocol, format!("the server does not say what it offers: {status}"))
            }
            Phase::StartTls => self.starttls(&status),
            Phase::LoggingIn => match status.kind {
                StatusKind::Ok => self.inside(Place::Authenticated),
                _ => self.login_refused(&status),
            },
            Phase::Auth(mut running) => match running.done(status) {
                Verdict::Accepted => self.inside(Place::Authenticated),
                Verdict::OtherMechanism(status) => self.another_method(&status),
                Verdict::Refused(status) if !auth::is_not_ours(&status) => {
                    leave(Fault::Login, format!("the server refuses the login: {status}{}", running.advice()))
                }
                Verdict::Refused(status) => self.login_refused(&status),
                Verdict::Failed(why) => {
                    let fault = if why.is_broken_protocol() { Fault::Protocol } else { Fault::Login };
                    leave(fault, why.to_string())
                }
            },
            Phase::Secure(_) | Phase::Secured(_) | Phase::Greeting | Phase::Login(_) => {
                fail(Fault::Protocol, format!("unexpected response: {status}"))
            }
        }
    }

    fn starttls(&mut self, status: &Status) -> Move {
        let refused = format!("the server refuses STARTTLS: {status}");
        match (status.kind, &self.config.auth) {
            (StatusKind::Ok, _) => Move::To(Phase::Secure(AfterTls::Capability)),
            _ if self.config.tls == StartTls::IfOffered => self.ready_to_log_in(),
            _ if status.is_temporary() => leave(Fault::Tls, refused),
            (_, Some(wanted)) if wanted.needs_tls() => leave(Fault::Login, format!("{refused}; no password is sent without TLS")),
            _ => leave(Fault::Tls, refused),
        }
    }

    fn another_method(&mut self, status: &Status) -> Move {
        let (wanted, secure) = (&self.config.auth, self.secure);
        self.methods.retain(|next| wanted.as_ref().is_some_and(|wanted| wanted.may_follow(next.mechanism(), secure)));
        self.next_method().unwrap_or_else(|| self.login_refused(status))
    }

    fn login_refused(&mut self, status: &Status) -> Move {
        let fault = if auth::is_not_ours(status) { Fault::Busy } else { Fault::Login };
        leave(fault, format!("the server refuses the login: {status}"))
    }
}

/// Who was to log in over a network must not find himself to be somebody else; a certificate, or a socket, may say who we are.
fn must_log_in(wanted: &Authentication) -> bool {
    !wanted.optional && wanted.in_clear != InClear::Local && !wanted.mechanisms.contains(&Mechanism::External)
}

/// CAPABILITY, in this phase.
fn ask(phase: Phase) -> Move {
    Move::Send(Command::bare("CAPABILITY"), phase)
}

pub fn leave(fault: Fault, text: impl Into<String>) -> Move {
    Move::Leave(Failure { fault, text: text.into() })
}

pub fn fail(fault: Fault, text: impl Into<String>) -> Move {
    Move::Broken(Failure { fault, text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::imap::code::Word;
    use crate::protocol::imap::words::{LoginBy, Tags, Timeouts};

    /// Some servers bind to something else, and say only that the proof is wrong.
    #[test]
    fn who_is_refused_with_a_bound_mechanism_is_told_of_the_others() {
        let config = ClientConfig {
            tls: StartTls::Implicit,
            auth: None,
            by: LoginBy::Any,
            initial_response: true,
            timeouts: Timeouts::default(),
            discard: Vec::new(),
            tags: Tags::Counted("a".to_owned()),
        };
        let login = Login {
            user: "bob".to_owned(),
            authzid: None,
            secret: Secret::new("secret".to_owned()),
            nonce: "n".to_owned(),
            binding: Some(vec![1]),
            server: None,
        };
        let told = |mechanism: Mechanism, word: Word| {
            let (mut running, _) = Authenticating::begin(mechanism, &login, &Capabilities::default(), true).unwrap();
            // r=nx,s=AAAA,i=4096
            assert_ne!(running.challenge(b"cj1ueCxzPUFBQUEsaT00MDk2").reveal(), "*");
            let status = Status { kind: StatusKind::No, code: Some(Code::Word(word)), text: "no".to_owned() };
            match Authorization::new(config.clone()).done(Phase::Auth(Box::new(running)), status) {
                Move::Leave(failure) => failure.text,
                other => panic!("{other:?}"),
            }
        };
        assert!(told(Mechanism::ScramSha256Plus, Word::AuthenticationFailed).ends_with("try a mechanism without -PLUS"));
        for (mechanism, word) in
            [(Mechanism::ScramSha256, Word::AuthenticationFailed), (Mechanism::ScramSha256Plus, Word::Unavailable)]
        {
            assert!(told(mechanism, word).ends_with(" no"), "{mechanism}");
        }
    }
}

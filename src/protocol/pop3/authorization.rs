//! The authorization state: greeting, CAPA, STLS, logging in. Each line of the server's gives the next move.

use super::auth::{self, Authenticating, Verdict};
use super::capabilities::{Capabilities, Languages};
use super::response::{BadResponse, Refusal, Response, timestamp};
use super::words::{ClientAsk, ClientConfig, Method, Offer, Wish};
use crate::bytes::secret::Secret;
use crate::protocol::sasl::words::{Bare, Login, SaslError};
use crate::protocol::session::{Failure, Fault, StartTls};
use std::collections::VecDeque;

/// What is due.
#[derive(Debug)]
pub enum Phase {
    Secure(AfterTls),
    /// TLS has started.
    Secured(AfterTls),
    Greeting,
    /// The status line of CAPA.
    Capa,
    /// Its list.
    CapaList(Capabilities),
    Stls,
    Utf8,
    /// LANG with a language.
    Lang,
    /// LANG alone.
    Languages,
    /// Its list.
    LanguageList(Languages),
    /// [`ClientAsk::Login`] waits for its answer.
    Login(Method),
    /// PASS follows.
    User(Secret<String>),
    Pass,
    Apop,
    Auth(Box<Authenticating>),
}

#[derive(Debug, Clone, Copy)]
pub enum AfterTls {
    Greeting,
    Capa,
}

/// What comes next.
#[derive(Debug)]
pub enum Move {
    To(Phase),
    /// This line goes out, and its answer is due.
    Say(Secret<String>, Phase),
    /// We are in.
    In,
    /// QUIT, having told why if there is a reason.
    Leave(Failure),
    Quit,
    /// The connection can't be used any more.
    Broken(Failure),
}

/// All that is known before somebody is logged in.
#[derive(Debug)]
pub struct Authorization {
    pub config: ClientConfig,
    secure: bool,
    pub offer: Offer,
    /// Of the greeting, for APOP.
    timestamp: Option<String>,
    /// Ways to log in that were not tried yet.
    methods: VecDeque<Method>,
    /// For the work above.
    pub asks: Vec<ClientAsk>,
}

impl Authorization {
    pub fn new(config: ClientConfig) -> Authorization {
        Authorization {
            config,
            secure: false,
            offer: Offer::default(),
            timestamp: None,
            methods: VecDeque::new(),
            asks: Vec::new(),
        }
    }

    /// TLS runs: what was said in clear is forgotten (RFC 2595 section 4), the timestamp included.
    pub fn secured(&mut self, after: AfterTls) -> Move {
        let before = std::mem::take(&mut self.offer);
        (self.secure, self.timestamp) = (true, None);
        match after {
            AfterTls::Greeting => Move::To(Phase::Greeting),
            AfterTls::Capa => {
                self.offer.in_clear = Some(before.capabilities);
                self.offer.greeting = before.greeting;
                say("CAPA", Phase::Capa)
            }
        }
    }

    fn greeting(&mut self, response: Response) -> Move {
        match response {
            Response::Ok(text) => {
                self.timestamp = timestamp(&text).map(str::to_owned);
                self.offer.greeting = text;
                say("CAPA", Phase::Capa)
            }
            Response::Err(refusal) => {
                // Most servers that turn a client away will take it later.
                let fault = if refusal.code.is_none_or(|code| code.is_temporary()) { Fault::Busy } else { Fault::Refused };
                leave(fault, format!("the server turns us away: {refusal}"))
            }
            Response::Challenge(text) => unexpected(&format!("+ {text}")),
        }
    }

    /// CAPA was answered.
    fn offered(&mut self, capabilities: Capabilities) -> Move {
        self.offer.capabilities = self.without_discarded(capabilities);
        let offered = &self.offer.capabilities;
        match self.config.tls {
            _ if self.secure => self.ready_to_log_in(),
            StartTls::Never | StartTls::Implicit => self.ready_to_log_in(),
            // A server without CAPA may have STLS all the same; its refusal costs nothing.
            StartTls::Required if offered.stls || !offered.known => say("STLS", Phase::Stls),
            StartTls::IfOffered if offered.stls => say("STLS", Phase::Stls),
            StartTls::Required => self.no_tls("the server does not offer STLS and TLS is required"),
            StartTls::IfOffered => self.ready_to_log_in(),
        }
    }

    fn without_discarded(&self, capabilities: Capabilities) -> Capabilities {
        if self.config.discard.is_empty() {
            return capabilities;
        }
        let mut kept = Capabilities { known: capabilities.known, ..Capabilities::default() };
        for line in &capabilities.lines {
            let name = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            if !self.config.discard.contains(&name) {
                kept.line(line.as_bytes());
            }
        }
        kept
    }

    fn no_tls(&mut self, text: &str) -> Move {
        match &self.config.auth {
            Some(wanted) if wanted.needs_tls() => leave(Fault::Login, Bare::NoTls("STLS").to_string()),
            _ => {
                self.tell_offer();
                leave(Fault::Tls, text)
            }
        }
    }

    fn stls(&mut self, response: &Response) -> Move {
        match response {
            Response::Ok(_) => Move::To(Phase::Secure(AfterTls::Capa)),
            Response::Challenge(text) => unexpected(&format!("+ {text}")),
            Response::Err(_) if self.config.tls == StartTls::IfOffered => self.ready_to_log_in(),
            Response::Err(refusal) if refusal.is_temporary() => leave(Fault::Tls, format!("the server refuses STLS: {refusal}")),
            Response::Err(refusal) => match &self.config.auth {
                Some(wanted) if wanted.needs_tls() => leave(Fault::Login, Bare::NoTls("STLS").to_string()),
                _ => leave(Fault::Tls, format!("the server refuses STLS: {refusal}")),
            },
        }
    }

    fn tell_offer(&mut self) {
        self.offer.apop = self.timestamp.is_some();
        self.asks.push(ClientAsk::Offered(Box::new(self.offer.clone())));
    }

    fn ready_to_log_in(&mut self) -> Move {
        match self.config.language.clone() {
            Wish::List if self.offer.capabilities.lang => say("LANG", Phase::Languages),
            Wish::Speak(tag) if self.offer.capabilities.lang => {
                self.tell_offer();
                say(&format!("LANG {tag}"), Phase::Lang)
            }
            Wish::Speak(tag) => {
                self.tell_offer();
                self.asks.push(ClientAsk::Denied(format!("the server offers no languages, {tag} included")));
                self.utf8()
            }
            Wish::List | Wish::Nothing => {
                self.tell_offer();
                self.utf8()
            }
        }
    }

    fn lang(&mut self, response: &Response) -> Move {
        if let (Response::Err(refusal), Wish::Speak(tag)) = (response, &self.config.language) {
            self.asks.push(ClientAsk::Denied(format!("the server does not speak {tag}: {refusal}")));
        }
        self.utf8()
    }

    fn listed(&mut self, languages: Languages) -> Move {
        self.offer.languages = languages.all;
        self.tell_offer();
        self.utf8()
    }

    fn utf8(&mut self) -> Move {
        match self.config.auth {
            // RFC 6856 section 2: before logging in, and not before STLS.
            Some(_) if self.offer.capabilities.utf8 => say("UTF8", Phase::Utf8),
            Some(_) => self.log_in(),
            None => Move::Quit,
        }
    }

    fn log_in(&mut self) -> Move {
        let Some(wanted) = &self.config.auth else { return Move::Quit };
        match auth::candidates(wanted, self.config.by, &self.offer.capabilities, self.timestamp.is_some(), self.secure) {
            Ok(methods) => {
                self.methods = methods;
                self.next_method().unwrap_or(Move::Quit)
            }
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
        let begun = match method {
            Method::User => auth::user_and_pass(login).map(|(user, pass)| (user, Phase::User(pass))),
            Method::Apop => {
                let line = auth::apop(self.timestamp.as_deref().unwrap_or_default(), login);
                line.map(|line| (line.reveal().clone(), Phase::Apop))
            }
            Method::Auth(mechanism) => {
                let begun = Authenticating::begin(mechanism, login, &self.offer.capabilities);
                begun.map(|(running, line)| (line.reveal().clone(), Phase::Auth(Box::new(running))))
            }
        };
        match begun {
            Ok((line, next)) => say(&line, next),
            Err(why) => {
                // Only what is bound to the channel needs more than another password.
                let next = if why == SaslError::NoBinding { self.next_method() } else { None };
                next.unwrap_or_else(|| leave(Fault::Login, why.to_string()))
            }
        }
    }

    fn user(&mut self, pass: &Secret<String>, response: Response) -> Move {
        match response {
            Response::Ok(_) => say(pass.reveal(), Phase::Pass),
            Response::Err(refusal) => self.login_refused(&refusal),
            Response::Challenge(text) => unexpected(&format!("+ {text}")),
        }
    }

    fn in_or_not(&mut self, apop: bool, response: Response) -> Move {
        match response {
            Response::Ok(_) => Move::In,
            // The server may not know APOP for this user.
            Response::Err(refusal) if apop && refusal.code.is_none() => self.another_method(&refusal),
            Response::Err(refusal) => self.login_refused(&refusal),
            Response::Challenge(text) => unexpected(&format!("+ {text}")),
        }
    }

    fn auth_response(&mut self, mut running: Box<Authenticating>, response: Response) -> Move {
        match running.response(response) {
            Verdict::Say(line) => say(line.reveal(), Phase::Auth(running)),
            Verdict::Accepted => Move::In,
            Verdict::OtherMechanism(refusal) => self.another_method(&refusal),
            Verdict::Refused(refusal) if !auth::is_not_ours(&refusal) => {
                leave(Fault::Login, format!("the server refuses the login: {refusal}{}", running.advice()))
            }
            Verdict::Refused(refusal) => self.login_refused(&refusal),
            Verdict::Failed(why) => {
                let fault = if why.is_broken_protocol() { Fault::Protocol } else { Fault::Login };
                leave(fault, why.to_string())
            }
        }
    }

    fn another_method(&mut self, refusal: &Refusal) -> Move {
        let (wanted, secure) = (&self.config.auth, self.secure);
        self.methods.retain(|next| wanted.as_ref().is_some_and(|wanted| wanted.may_follow(next.mechanism(), secure)));
        self.next_method().unwrap_or_else(|| self.login_refused(refusal))
    }

    fn login_refused(&mut self, refusal: &Refusal) -> Move {
        let fault = if auth::is_not_ours(refusal) { Fault::Busy } else { Fault::Login };
        leave(fault, format!("the server refuses the login: {refusal}"))
    }

    /// A line of the server's.
    pub fn line(&mut self, now: Phase, line: Result<Vec<u8>, BadResponse>) -> Move {
        let line = match line {
            Ok(line) => line,
            Err(bad) => return fail(Fault::Protocol, told(&now, &bad)),
        };
        if let Phase::CapaList(mut capabilities) = now {
            if line == b"." {
                return self.offered(capabilities);
            }
            return if capabilities.line(line.strip_prefix(b".").unwrap_or(&line)) {
                Move::To(Phase::CapaList(capabilities))
            } else {
                fail(Fault::Protocol, "CAPA: an endless list")
            };
        }
        if let Phase::LanguageList(mut languages) = now {
            if line == b"." {
                return self.listed(languages);
            }
            return if languages.line(line.strip_prefix(b".").unwrap_or(&line)) {
                Move::To(Phase::LanguageList(languages))
            } else {
                fail(Fault::Protocol, "LANG: an endless list")
            };
        }
        match Response::parse(&line, matches!(now, Phase::Auth(_))) {
            Ok(response) => self.response(now, response),
            Err(bad) => fail(Fault::Protocol, told(&now, &bad)),
        }
    }

    fn response(&mut self, now: Phase, response: Response) -> Move {
        match now {
            Phase::Greeting => self.greeting(response),
            Phase::Capa if matches!(response, Response::Ok(_)) => Move::To(Phase::CapaList(Capabilities::known())),
            Phase::Capa => self.offered(Capabilities::default()),
            Phase::Stls => self.stls(&response),
            Phase::Utf8 => self.log_in(),
            Phase::Lang => self.lang(&response),
            Phase::Languages if matches!(response, Response::Ok(_)) => Move::To(Phase::LanguageList(Languages::default())),
            // Nobody needs to know.
            Phase::Languages => self.listed(Languages::default()),
            Phase::User(pass) => self.user(&pass, response),
            Phase::Pass => self.in_or_not(false, response),
            Phase::Apop => self.in_or_not(true, response),
            Phase::Auth(running) => self.auth_response(running, response),
            Phase::CapaList(_) | Phase::LanguageList(_) | Phase::Login(_) | Phase::Secure(_) | Phase::Secured(_) => {
                unexpected("nobody asked")
            }
        }
    }
}

fn say(line: &str, next: Phase) -> Move {
    debug_assert!(!line.contains(['\r', '\n']));
    Move::Say(Secret::new(line.to_owned()), next)
}

pub fn leave(fault: Fault, text: impl Into<String>) -> Move {
    Move::Leave(Failure { fault, text: text.into() })
}

fn fail(fault: Fault, text: impl Into<String>) -> Move {
    Move::Broken(Failure { fault, text: text.into() })
}

fn unexpected(what: &str) -> Move {
    fail(Fault::Protocol, format!("unexpected response: {what}"))
}

fn told(now: &Phase, bad: &BadResponse) -> String {
    match now {
        Phase::Greeting => format!("no greeting of a POP3 server: {bad}"),
        Phase::Stls => format!("the answer to STLS: {bad}"),
        _ => bad.to_string(),
    }
}

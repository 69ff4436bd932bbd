//! One POP3 session: logged in for whoever it is, watched, and spent on one job.

use crate::net::connection::Connection;
use crate::net::drive::drive;
use crate::net::drive::fault::Fault as Cut;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::{Facts, Handshake};
use crate::protocol::pop3::client::Client;
use crate::protocol::pop3::response::Refusal;
use crate::protocol::pop3::words::{Answer, ClientAsk, ClientConfig, ClientTell, Command, Method, Offer};
use crate::protocol::sasl::words as sasl;
use crate::protocol::session::{Failure, Fault};
use crate::relay::session::{Login, Tape, Via, Watch, note};
use std::io;

/// What a session is for.
pub trait Job {
    /// There is room for a command.
    fn next(&mut self) -> ClientTell;
    fn answer(&mut self, command: Command, answer: Answer);
    /// What the server said before anybody logged in.
    fn offered(&mut self, _: Offer) {}
    /// QUIT was answered.
    fn updated(&mut self, _: Result<(), Refusal>) {}
    /// Nobody wants what is still to come: the session ends at once, in mid-message if need be.
    fn is_deserted(&self) -> bool {
        false
    }
}

/// Ends a session from outside; used once, from another thread.
pub type Stopper = Sender<ClientTell>;

/// What a session needs of those above it, each where it has it.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    pub tls: Option<&'a dyn Handshake>,
    pub login: Option<&'a dyn Login>,
    pub watch: Option<&'a dyn Watch>,
    /// Is given what ends the session.
    pub stoppers: Option<&'a dyn Fn(Stopper)>,
}

/// How a session ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Why it did not come to its end.
    pub failure: Option<Failure>,
    pub tls: Option<Facts>,
    /// Why TLS did not start though it was tried.
    pub tls_error: Option<crate::net::tls::layer::TlsError>,
    /// What the server would not do though it was asked, none of it needed; one line each.
    pub denied: Vec<String>,
}

/// Runs a session to its end.
pub fn run(mut connection: Connection, config: ClientConfig, around: Around<'_>, job: &mut dyn Job, via: &Via) -> Ended {
    let (sender, mailbox) = match mailbox() {
        Ok(pair) => pair,
        Err(error) => {
            let failure = Failure { fault: Fault::Cancelled, text: format!("the system gives no pipe: {error}") };
            return Ended { failure: Some(failure), ..Ended::default() };
        }
    };
    if let Some(stoppers) = around.stoppers {
        stoppers(sender.clone());
    }
    let mut session = Session::new(job, around.login);
    session.tape = around.watch.map(|watch| watch.open(via));
    session.sender = Some(sender);
    let mut engine = Client::new(config);
    let options = Options { tls: around.tls, mailbox: Some(mailbox), ..Options::default() };
    let cut = drive(&mut engine, &mut connection, &mut session, options).err();
    if let (Some(tape), Some(cut)) = (&mut session.tape, &cut) {
        note(tape.as_mut(), cut);
    }
    let denied = std::mem::take(&mut session.denied);
    Ended { denied, ..ended(cut, session.failure.take(), session.facts.take()) }
}

/// How a session ended that the driver cut, or not, and the engine gave up, or not.
pub fn ended(cut: Option<Cut>, failure: Option<Failure>, tls: Option<Facts>) -> Ended {
    let mut ended = Ended { failure, tls, ..Ended::default() };
    match (cut, &mut ended.failure) {
        // The driver knows better than the engine why a connection broke.
        (Some(cut), Some(failure)) if matches!(failure.fault, Fault::Lost | Fault::Tls | Fault::Protocol | Fault::Cancelled) => {
            if told_by_driver(failure.fault, &cut) {
                failure.text = cut.to_string();
            }
            if let Cut::Tls(error) = cut {
                ended.tls_error = Some(error);
            }
        }
        (Some(Cut::Engine(why)), None) => {
            ended.failure = Some(Failure { fault: Fault::Cancelled, text: format!("the protocol engine is broken: {why}") });
        }
        _ => {}
    }
    ended
}

/// What the engine found out itself, as that a message has no end, stands.
fn told_by_driver(fault: Fault, cut: &Cut) -> bool {
    fault != Fault::Protocol || matches!(cut, Cut::Injected)
}

/// The work above one engine.
pub struct Session<'a> {
    job: &'a mut dyn Job,
    login: Option<&'a dyn Login>,
    tape: Option<Box<dyn Tape>>,
    sender: Option<Stopper>,
    facts: Option<Facts>,
    denied: Vec<String>,
    /// Why it did not come to its end, as far as it is known.
    pub failure: Option<Failure>,
}

impl<'a> Session<'a> {
    pub fn new(job: &'a mut dyn Job, login: Option<&'a dyn Login>) -> Session<'a> {
        Session { job, login, tape: None, sender: None, facts: None, denied: Vec::new(), failure: None }
    }

    fn log_in(&self, method: Method) -> ClientTell {
        let binding = self.facts.as_ref().and_then(|facts| facts.certificate.as_ref()?.end_point.clone());
        match self.login.map(|login| login.login(method.mechanism())) {
            Some(Ok(login)) => ClientTell::Login(Box::new(sasl::Login { binding, ..login })),
            Some(Err(why)) => ClientTell::NoLogin(why),
            None => ClientTell::NoLogin("nobody to log in as".to_owned()),
        }
    }
}

impl Work<Client> for Session<'_> {
    fn ask(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Offered(offer) => self.job.offered(*offer),
            ClientAsk::Denied(why) => self.denied.push(why),
            ClientAsk::Login(method) => return Some(self.log_in(method)),
            ClientAsk::Next => return Some(self.job.next()),
            ClientAsk::Answer(command, answer) => {
                self.job.answer(command, answer);
                if self.job.is_deserted()
                    && let Some(sender) = self.sender.take()
                {
                    sender.stop();
                }
            }
            ClientAsk::Updated(updated) => self.job.updated(updated),
            ClientAsk::Failed(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
        None
    }

    fn body(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.crossed(direction, secure, bytes);
        }
    }

    fn secured(&mut self, facts: &Facts) {
        if let Some(tape) = &mut self.tape {
            tape.secured(facts);
        }
        self.facts = Some(facts.clone());
    }
}

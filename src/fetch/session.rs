//! One POP3 session: logged in for whoever it is, watched, and spent on one job.

use crate::net::connection::Connection;
use crate::net::drive::drive;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::{Facts, Handshake};
use crate::protocol::pop3::client::Client;
use crate::protocol::pop3::response::Refusal;
use crate::protocol::pop3::words::{Answer, ClientAsk, ClientConfig, ClientTell, Command, Offer};
use crate::protocol::session::{Failure, Fault};
use crate::relay::ended::{Ended, ended};
use crate::relay::session::{Login, Present, Via, Watch};
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

/// This command, counted among those that are due. Without one, a pause until all that is due was answered, and the end then.
pub fn next(command: Option<Command>, due: &mut usize) -> ClientTell {
    match command {
        Some(command) => {
            *due += 1;
            ClientTell::Do(command)
        }
        None if *due > 0 => ClientTell::Pause,
        None => ClientTell::Quit,
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
    session.present.tape = around.watch.map(|watch| watch.open(via));
    session.sender = Some(sender);
    let mut engine = Client::new(config);
    let options = Options { tls: around.tls, mailbox: Some(mailbox), ..Options::default() };
    let cut = drive(&mut engine, &mut connection, &mut session, options).err();
    if let Some(cut) = &cut {
        session.present.cut(cut);
    }
    let denied = std::mem::take(&mut session.denied);
    Ended { denied, ..ended(cut, session.failure.take(), session.present.facts.take()) }
}

/// The work above one engine.
pub struct Session<'a> {
    job: &'a mut dyn Job,
    present: Present<'a>,
    sender: Option<Stopper>,
    denied: Vec<String>,
    /// Why it did not come to its end, as far as it is known.
    pub failure: Option<Failure>,
}

impl<'a> Session<'a> {
    pub fn new(job: &'a mut dyn Job, login: Option<&'a dyn Login>) -> Session<'a> {
        Session { job, present: Present::new(login, None), sender: None, denied: Vec::new(), failure: None }
    }
}

impl Work<Client> for Session<'_> {
    fn ask(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Offered(offer) => self.job.offered(*offer),
            ClientAsk::Denied(why) => self.denied.push(why),
            ClientAsk::Login(method) => {
                let login = self.present.log_in(method.mechanism());
                return Some(login.map_or_else(ClientTell::NoLogin, ClientTell::Login));
            }
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
        self.present.crossed(direction, secure, bytes);
    }

    fn secured(&mut self, facts: &Facts) {
        self.present.secured(facts);
    }
}

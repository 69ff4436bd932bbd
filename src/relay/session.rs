//! One session as a client: transactions from an outbox, one after another over one connection. Which host it leads to is
//! `deliver`'s.

use super::body::{Misfit, Rewriting, Source, fit};
use crate::mail::mime::survey::Plan;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::net::connection::Connection;
use crate::net::drive::drive;
use crate::net::drive::fault::Fault as Cut;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::{Certificate, Facts, Handshake, TlsError};
use crate::protocol::proxy::Introduction;
use crate::protocol::sasl::words::{self as sasl, Authentication, Mechanism};
use crate::protocol::smtp::client::Client;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::{ClientAsk, ClientConfig, ClientTell, Failure, Fault, Transaction};
use crate::protocol::smtp::extensions::Extensions;
use std::io::{self, Read};

/// One transaction to be made. `tag` is the outbox's own.
pub struct Parcel<T> {
    pub transaction: Transaction,
    pub body: Box<dyn Source>,
    pub tag: T,
}

/// What came of a parcel.
pub struct Sent<T> {
    pub tag: T,
    /// One for each recipient of the transaction, in its order.
    pub outcomes: Vec<Outcome>,
    /// Why the session ended with it, if it did.
    pub fault: Option<Fault>,
    pub word: Word,
    /// The body could not be read to its end; the transaction was broken off before the final dot.
    pub unreadable: Option<io::Error>,
}

/// What goes to one next hop. Used from one thread at a time.
pub trait Outbox<T> {
    /// Something is left to be sent.
    fn is_waiting(&self) -> bool;
    /// A session stands; the next parcels go over it.
    fn opened(&self, _offered: &Extensions) {}
    /// The next parcel, which is settled before the one after it is asked for. None ends the session.
    fn next(&self) -> Option<Parcel<T>>;
    fn settle(&self, sent: Sent<T>, via: &Via);

    /// Somebody may want to end its sessions: each tells by [`Outbox::begun`] how that is done.
    fn is_stoppable(&self) -> bool {
        false
    }

    fn begun(&self, _: Stopper) {}

    /// Where its sessions end, to try a server. None: they go all the way.
    fn quit_after(&self) -> Option<Stage> {
        None
    }
}

/// The way a parcel took, as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Via {
    /// The host's name, or a socket's path; empty before one was found.
    pub host: String,
    /// Address and port.
    pub address: Option<String>,
    /// Version and cipher.
    pub tls: Option<String>,
}

/// Who tells a sender of success who asks for that, and what there is to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Word {
    /// The server, which offered DSN.
    Theirs,
    /// We do: it makes no reports.
    #[default]
    Relayed,
    /// We do: it ends there, in a mailbox or with a program.
    Delivered,
}

/// Sees sessions as they cross the wire, for a transcript.
pub trait Watch: Sync {
    /// A connection stands.
    fn open(&self, via: &Via) -> Box<dyn Tape>;
    /// Something that is no session's: a host that can't be reached.
    fn info(&self, text: &str);
}

/// The transcript of one session.
pub trait Tape {
    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]);
    /// What was said before the protocol began.
    fn introduced(&mut self, _: &Introduction) {}
    fn secured(&mut self, facts: &Facts);
    /// What a server showed that was refused for it.
    fn shown(&mut self, _: &Certificate) {}
    /// How the session ended, if not well.
    fn failed(&mut self, why: &str);
}

/// Who we are to a server that wants to know.
pub trait Login: Sync {
    /// How we log in; `local`: to a socket of this host.
    fn authentication(&self, local: bool) -> Authentication;
    /// What an exchange of `mechanism` begins with, the binding to the channel apart. Called when the server has offered it; the
    /// error is one line.
    fn login(&self, mechanism: Mechanism) -> Result<sasl::Login, String>;
}

/// Who is there while a session goes on, whatever it speaks, and what TLS came to.
pub struct Present<'a> {
    login: Option<&'a dyn Login>,
    pub tape: Option<Box<dyn Tape>>,
    pub facts: Option<Facts>,
}

impl<'a> Present<'a> {
    pub fn new(login: Option<&'a dyn Login>, tape: Option<Box<dyn Tape>>) -> Present<'a> {
        Present { login, tape, facts: None }
    }

    /// What an exchange of `mechanism` begins with, bound to the channel; the error is one line.
    pub fn log_in(&self, mechanism: Mechanism) -> Result<Box<sasl::Login>, String> {
        let binding = self.facts.as_ref().and_then(Facts::end_point);
        let login = self.login.ok_or("nobody to log in as")?.login(mechanism)?;
        Ok(Box::new(sasl::Login { binding, ..login }))
    }

    pub fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.crossed(direction, secure, bytes);
        }
    }

    pub fn secured(&mut self, facts: &Facts) {
        if let Some(tape) = &mut self.tape {
            tape.secured(facts);
        }
        self.facts = Some(facts.clone());
    }

    /// This cut the session short.
    pub fn cut(&mut self, cut: &Cut) {
        if let Some(tape) = &mut self.tape {
            note(tape.as_mut(), cut);
        }
    }
}

/// Ends a session from outside, from another thread.
pub type Stopper = Sender<ClientTell>;

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// It stood, and at least one parcel was asked for.
    Served,
    /// It never came to stand: nothing was taken from the outbox.
    Failed(Failure),
}

/// What a session needs of those above it, each where it has it.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    pub tls: Option<&'a dyn Handshake>,
    pub login: Option<&'a dyn Login>,
    pub watch: Option<&'a dyn Watch>,
}

/// Runs a session until the outbox has nothing more or the session breaks. Every parcel that was taken is settled.
pub fn run<T>(mut connection: Connection, config: ClientConfig, around: Around<'_>, outbox: &dyn Outbox<T>, via: Via) -> Ended {
    let Around { tls, login, watch } = around;
    let mut tape = watch.map(|watch| watch.open(&via));
    introduce(tape.as_deref_mut(), &connection);
    let mut work = Sending {
        outbox,
        watch,
        present: Present::new(login, tape),
        via,
        current: None,
        body: None,
        served: false,
        lmtp: config.lmtp,
        word: Word::default(),
        failure: None,
        unreadable: None,
    };
    let mut engine = Client::new(config);
    let stoppable = outbox.is_stoppable().then(mailbox).and_then(Result::ok);
    let mailbox = stoppable.map(|(stopper, mailbox)| {
        outbox.begun(stopper);
        mailbox
    });
    let options = Options { tls, mailbox, ..Options::default() };
    let cut = drive(&mut engine, &mut connection, &mut work, options).err();
    if let Some(cut) = &cut {
        work.present.cut(cut);
    }
    let fault = cut.map(|cut| cut.to_string());
    let text = fault.clone().unwrap_or_else(|| "the session ended early".to_owned());
    if work.current.is_some() {
        // Only a bug of ours leaves a transaction open. What the server holds is unknown.
        let doubt = Outcome::InDoubt(Diagnostic::local(EnhancedStatus::new(4, 3, 0), text.as_str()));
        work.settle(|recipients| vec![doubt; recipients], Some(Fault::Protocol));
    }
    if work.served {
        return Ended::Served;
    }
    Ended::Failed(match work.failure {
        Some(failure) => explain(failure, fault),
        None => {
            let outcome = Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 3, 0), text));
            Failure { fault: Fault::Protocol, outcome }
        }
    })
}

/// Tells a transcript what its connection began with.
pub fn introduce(tape: Option<&mut (dyn Tape + '_)>, connection: &Connection) {
    if let (Some(tape), Some(said)) = (tape, connection.introduction()) {
        tape.introduced(said);
    }
}

/// Tells a transcript what cut its session short.
pub fn note(tape: &mut dyn Tape, cut: &Cut) {
    if let Cut::Tls(TlsError::Certificate { shown: Some(certificate), .. }) = cut {
        tape.shown(certificate);
    }
    tape.failed(&cut.to_string());
}

/// The driver knows better than the engine why a connection broke.
fn explain(failure: Failure, fault: Option<String>) -> Failure {
    match (failure, fault) {
        (Failure { fault, outcome: Outcome::Deferred(why) }, Some(text)) if why.code.is_none() && fault != Fault::Auth => {
            Failure { fault, outcome: Outcome::Deferred(Diagnostic { text, ..why }) }
        }
        (failure, _) => failure,
    }
}

struct Sending<'a, T> {
    outbox: &'a dyn Outbox<T>,
    present: Present<'a>,
    watch: Option<&'a dyn Watch>,
    via: Via,
    current: Option<Parcel<T>>,
    /// Of the current parcel, as far as it was read.
    body: Option<Box<dyn Read + Send>>,
    served: bool,
    lmtp: bool,
    word: Word,
    failure: Option<Failure>,
    unreadable: Option<io::Error>,
}

impl<T> Sending<'_, T> {
    fn info(&self, text: &str) {
        if let Some(watch) = self.watch {
            watch.info(text);
        }
    }

    /// The next transaction that this server may take; what it cannot is settled.
    fn next(&mut self, offered: &Extensions) -> Option<Transaction> {
        loop {
            let mut parcel = self.outbox.next()?;
            self.word = match (offered.dsn, self.lmtp) {
                (true, _) => Word::Theirs,
                // LMTP is spoken to what delivers (RFC 2033 section 1).
                (false, true) => Word::Delivered,
                (false, false) => Word::Relayed,
            };
            let fitted = fit(&mut parcel.transaction, parcel.body.as_ref(), offered);
            let (transaction, body) = (parcel.transaction.clone(), parcel.body.send());
            self.current = Some(parcel);
            match fitted {
                Ok(plan) => {
                    self.tell_changes(&transaction, plan.as_deref(), offered);
                    self.body = Some(match plan {
                        Some(plan) => Box::new(Rewriting::new(body, plan)),
                        None => body,
                    });
                    return Some(transaction);
                }
                Err(Misfit::Refused(outcome)) => self.settle(|recipients| vec![outcome; recipients], None),
                Err(Misfit::Unreadable(error)) => {
                    let why = Diagnostic::local(EnhancedStatus::new(4, 3, 0), format!("cannot read the message: {error}"));
                    self.unreadable = Some(error);
                    self.settle(|recipients| vec![Outcome::Deferred(why); recipients], None);
                }
            }
        }
    }

    fn tell_changes(&self, transaction: &Transaction, plan: Option<&Plan>, offered: &Extensions) {
        if !offered.dsn && transaction.envelope.asks_for_reports() {
            self.info("the server does not offer DSN: nothing is asked of it");
        }
        if let Some(plan) = plan {
            self.info(&format!("the server does not offer 8BITMIME, re-encoded: {}", plan.told.join(", ")));
        }
    }

    fn settle(&mut self, outcomes: impl FnOnce(usize) -> Vec<Outcome>, fault: Option<Fault>) {
        self.body = None;
        if let Some(parcel) = self.current.take() {
            let outcomes = outcomes(parcel.transaction.envelope.recipients().len());
            self.outbox.settle(
                Sent { tag: parcel.tag, outcomes, fault, word: self.word, unreadable: self.unreadable.take() },
                &self.via,
            );
        }
    }
}

impl<T> Work<Client> for Sending<'_, T> {
    fn ask(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Login(mechanism) => {
                Some(self.present.log_in(mechanism).map_or_else(ClientTell::NoLogin, ClientTell::Login))
            }
            ClientAsk::Ready(offered) => {
                if !std::mem::replace(&mut self.served, true) {
                    self.outbox.opened(&offered);
                }
                Some(self.next(&offered).map_or(ClientTell::Quit, ClientTell::Send))
            }
            ClientAsk::Finished(finished) => {
                self.settle(|_| finished.outcomes, finished.fault);
                None
            }
            ClientAsk::Failed(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(body) = &mut self.body else { return Err(io::ErrorKind::InvalidInput.into()) };
        body.read(buf).map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.unreadable = Some(error);
            told
        })
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        self.present.crossed(direction, secure, bytes);
    }

    fn secured(&mut self, facts: &Facts) {
        self.via.tls = Some(format!("{} {}", facts.version, facts.cipher));
        self.present.secured(facts);
    }
}

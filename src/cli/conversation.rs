//! A conversation led by hand, driven by a thread of its own: words go in, what happened comes out, the bytes that cross are seen by a
//! tape. What is spoken, the dialect knows.

use crate::net::connection::{Connection, Half};
use crate::net::drive::drive;
use crate::net::drive::fault::Fault;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::{Facts, Handshake};
use crate::protocol::hand::{Dialect, Follows, Hand, HandAsk, HandTell};
use crate::relay::session::{Tape, introduce, note};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What happened.
#[derive(Debug)]
pub enum Happened<H> {
    Heard(H),
    Secured(Box<Facts>),
    /// What was too much to be sent at once has gone out.
    Room,
    /// The conversation is over.
    Over(Result<(), Fault>),
}

/// How a conversation is led.
pub struct Lead {
    pub tls: Option<Box<dyn Handshake>>,
    /// TLS comes before the first byte.
    pub implicit: bool,
    /// The longest wait for a reply.
    pub within: Duration,
    /// What follows from a reply is done at once: where it starts TLS, what came with it in clear ends the session; where it ends the
    /// session, the connection is closed.
    pub by_the_book: bool,
}

/// More octets than these are not given at once.
const UNSENT: usize = 256 * 1024;

#[derive(Default)]
struct Shared {
    /// The message on its way.
    message: Mutex<Option<Box<dyn Read + Send>>>,
    /// Octets that were given to be sent and have not gone out.
    unsent: Mutex<usize>,
    /// Octets that came in.
    received: AtomicU64,
}

/// One conversation.
pub struct Conversation<D: Dialect> {
    words: Sender<HandTell<D::Command>>,
    shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
}

impl<D: Dialect + Send + 'static> Conversation<D> {
    /// Begins with the greeting due, as the dialect has it. `tell` hears what happened, in order, and last that it is over.
    pub fn start(
        connection: Connection,
        dialect: D,
        lead: Lead,
        tape: Box<dyn Tape + Send>,
        tell: impl Fn(Happened<D::Heard>) + Send + 'static,
    ) -> io::Result<Conversation<D>> {
        let (words, mailbox) = mailbox()?;
        let shared = Arc::new(Shared::default());
        let (mut connection, mut tape) = (connection, tape);
        introduce(Some(tape.as_mut()), &connection);
        let mut engine = Hand::new(dialect, lead.within, lead.implicit);
        // By the book nobody closes a half.
        let half = if lead.by_the_book { None } else { Some(connection.half()?) };
        let mut talking = Talking { shared: Arc::clone(&shared), tape, tell, by_the_book: lead.by_the_book, half };
        let driver = thread::Builder::new().spawn(move || {
            let options = Options { tls: lead.tls.as_deref(), mailbox: Some(mailbox), ..Options::default() };
            let result = drive(&mut engine, &mut connection, &mut talking, options);
            if let Err(fault) = &result {
                note(talking.tape.as_mut(), fault);
            }
            (talking.tell)(Happened::Over(result.map(|_| ())));
        })?;
        Ok(Conversation { words, shared, driver: Some(driver) })
    }

    /// Sends bytes as they are; a reply is due for each of these commands.
    pub fn send(&self, bytes: Vec<u8>, commands: Vec<D::Command>) {
        *lock(&self.shared.unsent) += bytes.len();
        self.words.tell(HandTell::Send(bytes, commands));
    }

    /// How many octets came in so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// So much has not gone out yet that more should wait for [`Happened::Room`].
    pub fn is_full(&self) -> bool {
        *lock(&self.shared.unsent) > UNSENT
    }

    /// Sends a message in wire form, with its dots and the final one; these replies are due then.
    pub fn message(&self, body: Box<dyn Read + Send>, replies: Vec<D::Command>) {
        *lock(&self.shared.message) = Some(body);
        self.words.tell(HandTell::Message(replies));
    }

    pub fn secure(&self) {
        self.words.tell(HandTell::Secure);
    }

    /// Ends what we say after what was sent, and goes on listening; only where the conversation is not led by the book. Inside TLS the
    /// end is the stream's, without a close_notify.
    pub fn half_close(&self) {
        self.words.tell(HandTell::HalfClose);
    }

    /// Closes the connection after what was sent.
    pub fn close(&self) {
        self.words.tell(HandTell::Close);
    }

    /// Ends it now.
    pub fn stop(&self) {
        self.words.stop();
    }
}

impl<D: Dialect> Drop for Conversation<D> {
    fn drop(&mut self) {
        self.words.stop();
        if let Some(driver) = self.driver.take() {
            // A panic in it was told already.
            let _ = driver.join();
        }
    }
}

struct Talking<T> {
    shared: Arc<Shared>,
    tape: Box<dyn Tape + Send>,
    tell: T,
    by_the_book: bool,
    half: Option<Half>,
}

impl<D: Dialect, T: Fn(Happened<D::Heard>)> Work<Hand<D>> for Talking<T> {
    fn ask(&mut self, ask: HandAsk<D::Heard>) -> Option<HandTell<D::Command>> {
        match ask {
            HandAsk::Heard(heard) => {
                let follows = D::follows(&heard);
                (self.tell)(Happened::Heard(heard));
                match follows {
                    Follows::Secure if self.by_the_book => Some(HandTell::Secure),
                    Follows::Close if self.by_the_book => Some(HandTell::Close),
                    _ => None,
                }
            }
            HandAsk::Secured => None,
            HandAsk::HalfClosed => {
                if let Some(half) = &self.half {
                    half.shut();
                }
                None
            }
            HandAsk::Sent => {
                lock(&self.shared.message).take();
                None
            }
        }
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        lock(&self.shared.message).as_mut().map_or(Ok(0), |body| body.read(buf))
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        self.tape.crossed(direction, secure, bytes);
        if direction == Direction::Received {
            self.shared.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        } else {
            let mut unsent = lock(&self.shared.unsent);
            let was_full = *unsent > UNSENT;
            *unsent = unsent.saturating_sub(bytes.len());
            if was_full && *unsent <= UNSENT {
                (self.tell)(Happened::Room);
            }
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.tape.secured(facts);
        (self.tell)(Happened::Secured(Box::new(facts.clone())));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

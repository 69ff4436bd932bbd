//! A conversation led by hand, driven by a thread of its own: words go in, what happened comes out, the bytes that cross are seen by a
//! tape. Knows the SMTP dialect, and no command but the one that starts TLS.

use crate::mail::reply::Reply;
use crate::net::connection::{Connection, Half};
use crate::net::drive::drive;
use crate::net::drive::fault::Fault;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::{Facts, Handshake};
use crate::protocol::hand::{Hand, HandAsk, HandTell};
use crate::protocol::smtp::dialect::Smtp;
use crate::protocol::smtp::reply::BadReply;
use crate::relay::session::{Tape, introduce, note};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What happened.
#[derive(Debug)]
pub enum Happened {
    /// A reply, and the verb that it answers: `.` for a message, nothing for the greeting; None: nobody asked.
    Heard {
        answers: Option<String>,
        reply: Reply,
    },
    /// What is no reply.
    Garbage(BadReply),
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
    /// A 220 to STARTTLS starts TLS at once: what came with it in clear ends the session (RFC 3207 section 6). A reply to QUIT closes.
    pub by_the_book: bool,
}

/// More octets than these are not given at once.
const UNSENT: usize = 256 * 1024;

/// A message on its way, and how many replies it gets.
type Message = (Box<dyn Read + Send>, usize);

#[derive(Default)]
struct Shared {
    /// Verbs whose replies are due.
    due: Mutex<VecDeque<String>>,
    message: Mutex<Option<Message>>,
    /// Octets that were given to be sent and have not gone out.
    unsent: Mutex<usize>,
}

/// One conversation.
pub struct Conversation {
    words: Sender<HandTell>,
    shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
}

impl Conversation {
    /// Begins with the greeting due. `tell` hears what happened, in order, and last that it is over.
    pub fn start(
        connection: Connection,
        lead: Lead,
        tape: Box<dyn Tape + Send>,
        tell: impl Fn(Happened) + Send + 'static,
    ) -> io::Result<Conversation> {
        let (words, mailbox) = mailbox()?;
        let shared = Arc::new(Shared::default());
        lock(&shared.due).push_back(String::new());
        let (mut connection, mut tape) = (connection, tape);
        introduce(Some(tape.as_mut()), &connection);
        let mut engine = Hand::new(Smtp::default(), lead.within, lead.implicit);
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

    /// Sends bytes as they are; a reply is due for each of these verbs.
    pub fn send<'a>(&self, bytes: Vec<u8>, verbs: impl IntoIterator<Item = &'a str>) {
        lock(&self.shared.due).extend(verbs.into_iter().map(str::to_owned));
        *lock(&self.shared.unsent) += bytes.len();
        self.words.tell(HandTell::Send(bytes));
    }

    /// So much has not gone out yet that more should wait for [`Happened::Room`].
    pub fn is_full(&self) -> bool {
        *lock(&self.shared.unsent) > UNSENT
    }

    /// Sends a message in wire form, with its dots and the final one; so many replies are due then.
    pub fn message(&self, body: Box<dyn Read + Send>, replies: usize) {
        *lock(&self.shared.message) = Some((body, replies));
        self.words.tell(HandTell::Message);
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

impl Drop for Conversation {
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

impl<T: Fn(Happened)> Work<Hand<Smtp>> for Talking<T> {
    fn ask(&mut self, ask: HandAsk<Result<Reply, BadReply>>) -> Option<HandTell> {
        match ask {
            HandAsk::Heard(Ok(reply)) => {
                let answers = lock(&self.shared.due).pop_front();
                let follows = match answers.as_deref() {
                    Some("STARTTLS") if reply.code.value() == 220 => Some(HandTell::Secure),
                    Some("QUIT") if reply.is_success() => Some(HandTell::Close),
                    _ => None,
                };
                (self.tell)(Happened::Heard { answers, reply });
                follows.filter(|_| self.by_the_book)
            }
            HandAsk::Heard(Err(bad)) => {
                (self.tell)(Happened::Garbage(bad));
                None
            }
            HandAsk::Secured => None,
            HandAsk::HalfClosed => {
                if let Some(half) = &self.half {
                    half.shut();
                }
                None
            }
            HandAsk::Sent => {
                let mut due = lock(&self.shared.due);
                let replies = lock(&self.shared.message).take().map_or(0, |(_, replies)| replies);
                due.extend(std::iter::repeat_n(".".to_owned(), replies));
                None
            }
        }
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        lock(&self.shared.message).as_mut().map_or(Ok(0), |(body, _)| body.read(buf))
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        self.tape.crossed(direction, secure, bytes);
        if direction == Direction::Sent {
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

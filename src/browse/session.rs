//! One IMAP session, led by commands: the engine is driven in a thread of its own, and what it says comes to the leader in order.

use super::line::{Encoding, Line, Part as LinePart};
use crate::bytes::secret::Secret;
use crate::net::connection::Connection;
use crate::net::drive::drive;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::mailbox::{Sender, mailbox};
use crate::net::tls::layer::Facts;
use crate::protocol::imap::capabilities::Capabilities;
use crate::protocol::imap::client::Client;
use crate::protocol::imap::command::{BadArgument, Command, Part};
use crate::protocol::imap::response::Response;
use crate::protocol::imap::words::{ClientAsk, ClientConfig, ClientTell, CommandId, Done, Piece, Place, Received};
use crate::protocol::session::{Failure, Fault};
use crate::relay::ended::{Ended, ended};
use crate::relay::session::{Around, Present, Via};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Most asks on their way to the leader; a literal's pieces among them have 32 KiB at most.
const MOST_ASKS: usize = 32;
/// Octets from which on a response goes by itself: nothing more is read until the leader is done with it.
const HEAVY: usize = 2048;

/// Most names of what is enabled.
const MOST_ENABLED: usize = 100;

/// Ends a session from outside.
pub type Stopper = Sender<ClientTell>;

/// A literal's content, and how many octets it has.
pub struct Content {
    pub octets: u64,
    pub read: Box<dyn Read + Send>,
}

/// What comes of a command before it is done.
#[derive(Debug)]
pub enum Heard {
    Received(Box<Received>),
    Literal(Piece),
    Idling,
}

/// Why there is no answer: the session is over. What ended it is [`Ended`]'s to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Over;

/// A command that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("cannot read {0}: {1}")]
    File(String, io::Error),
    #[error(transparent)]
    Argument(#[from] BadArgument),
}

type Contents = Arc<Mutex<VecDeque<(CommandId, Box<dyn Read + Send>)>>>;

/// What the engine's thread asks, on its way to the leader.
struct Asking {
    asks: SyncSender<ClientAsk>,
    light: SyncSender<()>,
}

/// The leader's end of that.
struct Asks {
    asks: Receiver<ClientAsk>,
    light: Receiver<()>,
    /// The last one was heavy, and the engine's thread waits.
    is_heavy: bool,
}

fn asks() -> (Asking, Asks) {
    let (asks, asked) = sync_channel(MOST_ASKS);
    let (light, lightened) = sync_channel(0);
    (Asking { asks, light }, Asks { asks: asked, light: lightened, is_heavy: false })
}

fn is_heavy(ask: &ClientAsk) -> bool {
    matches!(ask, ClientAsk::Received(received) if received.raw.bytes.len() > HEAVY)
}

impl Asking {
    /// False: the leader left.
    fn send(&self, ask: ClientAsk) -> bool {
        let heavy = is_heavy(&ask);
        self.asks.send(ask).is_ok() && (!heavy || self.light.send(()).is_ok())
    }
}

impl Asks {
    /// The leader is done with the last one.
    fn done(&mut self) -> Result<(), RecvTimeoutError> {
        if !std::mem::take(&mut self.is_heavy) {
            return Ok(());
        }
        self.light.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    fn recv(&mut self) -> Result<ClientAsk, Over> {
        self.done().map_err(|_| Over)?;
        let ask = self.asks.recv().map_err(|_| Over)?;
        self.is_heavy = is_heavy(&ask);
        Ok(ask)
    }

    fn recv_within(&mut self, within: Duration) -> Result<ClientAsk, RecvTimeoutError> {
        self.done()?;
        let ask = self.asks.recv_timeout(within)?;
        self.is_heavy = is_heavy(&ask);
        Ok(ask)
    }
}

/// Leads a session: one command after the other.
pub struct Lead {
    sender: Stopper,
    asks: Asks,
    contents: Contents,
    last: CommandId,
    pub place: Place,
    pub capabilities: Capabilities,
    pub encoding: Encoding,
    /// The next command is the last, and needs no other behind it: LOGOUT goes with it.
    pub parting: bool,
    /// What follows a SELECT that is about to be sent, and needs nothing of its answer: it goes right behind. Only reading may (RFC 9051 section 5.5).
    pub behind: Option<Command>,
    /// It was sent so.
    ahead: Option<(Command, CommandId)>,
    /// What the server said first.
    pub greeting: String,
    /// Messages in the selected mailbox, as it said last.
    pub exists: Option<u32>,
    pub uid_validity: Option<u32>,
    /// What ENABLE switched on, in the server's words.
    enabled: Vec<String>,
}

/// Runs a session from the greeting to the end, led by `lead`. An error: the system gives no pipe.
pub fn run<R>(
    connection: Connection,
    config: ClientConfig,
    around: Around<'_>,
    via: &Via,
    lead: impl FnOnce(&mut Lead) -> R,
) -> io::Result<(R, Ended)> {
    let (sender, mailbox) = mailbox()?;
    let (asks, asked) = asks();
    let contents = Contents::default();
    let stopper = sender.clone();
    let (theirs, ours) = (Arc::clone(&contents), contents);
    thread::scope(|scope| {
        let driven = scope.spawn(move || {
            let mut connection = connection;
            let mut session = Session {
                asks: Some(asks),
                contents: theirs,
                present: Present::new(around.login, around.watch.map(|watch| watch.open(via))),
                stopper,
                failure: None,
            };
            let mut engine = Client::new(config);
            let options = Options { tls: around.tls, mailbox: Some(mailbox), ..Options::default() };
            let cut = drive(&mut engine, &mut connection, &mut session, options).err();
            if let Some(cut) = &cut {
                session.present.cut(cut);
            }
            ended(cut, session.failure.take(), session.present.facts.take())
        });
        let mut leader = Lead::new(sender, asked, ours);
        let result = lead(&mut leader);
        leader.leave();
        let broken = || Failure { fault: Fault::Cancelled, text: "the session's thread died".to_owned() };
        let ended = driven.join().unwrap_or_else(|_| Ended { failure: Some(broken()), ..Ended::default() });
        Ok((result, ended))
    })
}

impl Lead {
    fn new(sender: Stopper, asks: Asks, contents: Contents) -> Lead {
        Lead {
            sender,
            asks,
            contents,
            last: 0,
            place: Place::NotAuthenticated,
            capabilities: Capabilities::default(),
            encoding: Encoding::default(),
            parting: false,
            behind: None,
            ahead: None,
            greeting: String::new(),
            exists: None,
            uid_validity: None,
            enabled: Vec::new(),
        }
    }

    /// ENABLE switched it on (RFC 5161).
    pub fn has_enabled(&self, name: &str) -> bool {
        self.enabled.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// To be stopped from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.sender.clone()
    }

    /// Waits until commands may follow.
    pub fn ready(&mut self) -> Result<(), Over> {
        loop {
            match self.asks.recv()? {
                ClientAsk::Offered(offer) => self.greeting = offer.greeting,
                ClientAsk::Ready(ready) => {
                    self.place = ready.place;
                    self.offered(ready.capabilities);
                    return Ok(());
                }
                ClientAsk::Received(received) => self.note(&received),
                _ => {}
            }
        }
    }

    /// Sends a command and hears all that comes before it is done. Literals that its line names come from `contents`, in order.
    pub fn run(
        &mut self,
        command: Command,
        contents: Vec<Content>,
        hear: &mut dyn FnMut(&mut Lead, Heard),
    ) -> Result<Done, Over> {
        let id = match self.ahead.take() {
            Some((sent, id)) if sent == command => {
                if std::mem::take(&mut self.parting) {
                    self.sender.tell(ClientTell::Part);
                }
                id
            }
            other => {
                if let Some((_, id)) = other {
                    // Something else is wanted after all.
                    self.until(id, &mut |_, _| {})?;
                }
                self.start(command, contents)
            }
        };
        if let Some(next) = self.behind.take() {
            let id = self.start(next.clone(), Vec::new());
            self.ahead = Some((next, id));
        }
        self.until(id, hear)
    }

    /// All that comes before a command is done.
    fn until(&mut self, id: CommandId, hear: &mut dyn FnMut(&mut Lead, Heard)) -> Result<Done, Over> {
        loop {
            match self.asks.recv()? {
                ClientAsk::Received(received) => {
                    self.note(&received);
                    hear(self, Heard::Received(received));
                }
                ClientAsk::Literal(piece) => hear(self, Heard::Literal(piece)),
                ClientAsk::Idling(_) => hear(self, Heard::Idling),
                // Nobody is there to answer: the exchange is cancelled (RFC 9051 section 6.2.2).
                ClientAsk::Continue { .. } => self.sender.tell(ClientTell::Line(Secret::new(b"\r\n".to_vec()))),
                ClientAsk::Done(done) if done.id == id => {
                    self.place = done.place.clone();
                    self.offered(done.capabilities.clone());
                    return Ok(*done);
                }
                _ => {}
            }
        }
    }

    /// What the server said of its own accord since, for at most so long.
    pub fn unsolicited(&mut self, within: Duration) -> Result<Option<Box<Received>>, Over> {
        loop {
            match self.asks.recv_within(within) {
                Ok(ClientAsk::Received(received)) => {
                    self.note(&received);
                    return Ok(Some(received));
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(Over),
            }
        }
    }

    /// Nobody wants what is still to come: the session ends at once, within a response if need be.
    pub fn abandon(&self) {
        self.sender.stop();
    }

    /// Ends an IDLE.
    pub fn end_idle(&self) {
        self.sender.tell(ClientTell::EndIdle);
    }

    fn start(&mut self, command: Command, contents: Vec<Content>) -> CommandId {
        self.last += 1;
        let last = std::mem::take(&mut self.parting) && contents.is_empty();
        let mut queue = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(contents.into_iter().map(|content| (self.last, content.read)));
        drop(queue);
        self.sender.tell(ClientTell::Do(self.last, Box::new(command)));
        if last {
            self.sender.tell(ClientTell::Part);
        }
        self.last
    }

    fn offered(&mut self, capabilities: Capabilities) {
        // RFC 9051 section 6.3.1: a server of the second revision alone speaks it without being asked to.
        self.encoding.utf8 |= capabilities.is_rev2() && !capabilities.has("IMAP4rev1");
        self.capabilities = capabilities;
    }

    fn note(&mut self, received: &Received) {
        match &received.response {
            Response::Enabled(names) => {
                // A server may name any number of them.
                self.enabled.extend(names.iter().take(MOST_ENABLED.saturating_sub(self.enabled.len())).cloned());
                self.encoding.utf8 |= self.has_enabled("UTF8=ACCEPT") || self.has_enabled("IMAP4rev2");
            }
            Response::Exists(count) => self.exists = Some(*count),
            Response::Expunge(_) => self.exists = self.exists.map(|count| count.saturating_sub(1)),
            Response::Vanished { earlier: false, uids } => {
                let gone = uids.count().and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX);
                self.exists = self.exists.map(|count| count.saturating_sub(gone));
            }
            _ => {}
        }
    }

    /// LOGOUT, and what comes before the end.
    fn leave(&mut self) {
        self.sender.tell(ClientTell::Quit);
        while self.asks.recv().is_ok() {}
    }
}

/// A line as a command. `open` opens the files that it names, before anything is sent.
pub fn command(line: Line, open: &mut dyn FnMut(&Path) -> io::Result<Content>) -> Result<(Command, Vec<Content>), MakeError> {
    let mut contents = Vec::new();
    let mut parts = Vec::new();
    for part in line.into_parts() {
        parts.push(match part {
            LinePart::Text(text) => Part::Text(text.into_bytes()),
            LinePart::Literal(octets) => Part::Literal { octets, binary: false },
            LinePart::File(path) => {
                let content = open(&path).map_err(|error| MakeError::File(path.display().to_string(), error))?;
                let len = content.octets;
                contents.push(content);
                Part::Body { len, binary: false }
            }
        });
    }
    Ok((Command::raw(parts)?, contents))
}

/// The work above the engine.
struct Session<'a> {
    /// None: the leader left.
    asks: Option<Asking>,
    contents: Contents,
    present: Present<'a>,
    stopper: Stopper,
    failure: Option<Failure>,
}

impl Session<'_> {
    fn contents(&self) -> std::sync::MutexGuard<'_, VecDeque<(CommandId, Box<dyn Read + Send>)>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work<Client> for Session<'_> {
    fn ask(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Login(method) => {
                let login = self.present.log_in(method.mechanism());
                return Some(login.map_or_else(ClientTell::NoLogin, ClientTell::Login));
            }
            ClientAsk::Next => return None,
            ClientAsk::Failed(failure) => {
                self.failure.get_or_insert(failure);
                return None;
            }
            // A literal that was refused is never read.
            ClientAsk::Done(ref done) => self.contents().retain(|(id, _)| *id > done.id),
            _ => {}
        }
        if self.asks.as_ref().is_some_and(|asks| !asks.send(ask)) {
            self.asks = None;
            self.stopper.stop();
        }
        None
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut contents = self.contents();
        let Some((_, content)) = contents.front_mut() else { return Ok(0) };
        let read = loop {
            match content.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            contents.pop_front();
        }
        Ok(read)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        self.present.crossed(direction, secure, bytes);
    }

    fn secured(&mut self, facts: &Facts) {
        self.present.secured(facts);
    }
}

//! The work behind one SMTP or LMTP session of ours: the envelope, the trace field, one sink for what is accepted, a log line for
//! every recipient. No socket and no protocol: the engine asks, this answers.

use super::clock::{Chance, Clock};
use super::event::{Event, Log};
use super::policy::Policy;
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::mail::notify::{Request, Wish};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::Reply;
use crate::mail::trace::{Greeting, Received, With};
use crate::protocol::smtp::server::{ServerAsk, ServerTell};
use jiff::Timestamp;
use std::net::IpAddr;

/// A message on its way into a sink.
#[derive(Debug, Clone)]
pub struct Arriving {
    pub id: QueueId,
    pub at: Timestamp,
    pub envelope: Envelope,
    pub client: Option<IpAddr>,
    pub helo: Option<String>,
    /// Version and cipher.
    pub tls: Option<String>,
    /// As in `ESMTPS` (RFC 3848).
    pub protocol: &'static str,
    /// The size that the client declared, in octets.
    pub declared: Option<u64>,
}

/// Where accepted messages go. One message at a time; every error is the reply that the client gets.
pub trait Sink {
    /// Is there room for a message of this size? Asked at MAIL, so that a full disk is told before the message is sent.
    fn room(&mut self, declared: Option<u64>) -> Result<(), Reply>;
    fn open(&mut self, arriving: &Arriving) -> Result<(), Reply>;
    /// Takes a piece of the message in wire form.
    fn write(&mut self, piece: &[u8]) -> Result<(), Reply>;
    /// The message is whole. When this gives a positive reply, it is safe.
    fn commit(&mut self) -> Result<Reply, Reply>;
    /// Forgets the message that was opened, if one was.
    fn abort(&mut self);
}

/// What a server has around it in every session.
pub struct Surroundings<'a> {
    /// Our name.
    pub hostname: &'a str,
    pub policy: &'a dyn Policy,
    pub clock: &'a dyn Clock,
    pub chance: &'a dyn Chance,
    pub log: &'a dyn Log,
    /// LMTP: one verdict a recipient.
    pub lmtp: bool,
}

/// One session: answers what the server engine asks.
pub struct Receiver<'a> {
    around: Surroundings<'a>,
    sink: Box<dyn Sink + 'a>,
    client: Option<IpAddr>,
    /// Of this host.
    user: Option<String>,
    helo: Option<String>,
    greeting: Greeting,
    tls: Option<String>,
    reverse_path: ReversePath,
    request: Request,
    recipients: Vec<(ForwardPath, Wish)>,
    declared: Option<u64>,
    id: Option<QueueId>,
    size: u64,
    /// The sink failed in mid-data; what comes is dropped.
    failed: bool,
    /// Messages accepted in this session.
    accepted: u64,
}

impl<'a> Receiver<'a> {
    /// `client`: its address, if it came over the network.
    pub fn new(around: Surroundings<'a>, sink: Box<dyn Sink + 'a>, client: Option<IpAddr>) -> Receiver<'a> {
        Receiver {
            around,
            sink,
            client,
            user: None,
            helo: None,
            greeting: Greeting::Helo,
            tls: None,
            reverse_path: ReversePath::Null,
            request: Request::default(),
            recipients: Vec::new(),
            declared: None,
            id: None,
            size: 0,
            failed: false,
            accepted: 0,
        }
    }

    /// The client is this user of our own host.
    pub fn of_user(self, user: String) -> Receiver<'a> {
        Receiver { user: Some(user), ..self }
    }

    /// TLS stands: `facts` are its version and cipher. What was said in clear is forgotten (RFC 3207 section 4.2).
    pub fn secured(&mut self, facts: String) {
        self.tls = Some(facts);
        self.helo = None;
    }

    pub fn answer(&mut self, ask: ServerAsk) -> Option<ServerTell> {
        match ask {
            ServerAsk::Hello { name, extended } => {
                self.helo = Some(name);
                self.greeting = match (self.around.lmtp, extended) {
                    (true, _) => Greeting::Lhlo,
                    (false, true) => Greeting::Ehlo,
                    (false, false) => Greeting::Helo,
                };
                None
            }
            ServerAsk::Mail { reverse_path, size, request } => Some(ServerTell::Verdict(self.mail(reverse_path, size, request))),
            ServerAsk::Rcpt(recipient, wish) => Some(ServerTell::Verdict(self.rcpt(recipient, wish))),
            ServerAsk::Data => Some(match self.open() {
                Ok(()) => ServerTell::Proceed,
                Err(reply) => ServerTell::Verdict(self.refused(reply)),
            }),
            ServerAsk::Chunk(piece) => self.write(&piece).err().map(|reply| ServerTell::Refuse(self.refused(reply))),
            ServerAsk::Commit => Some(ServerTell::Verdicts(self.commit())),
            ServerAsk::Abort => {
                self.forget();
                None
            }
        }
    }

    /// The session is over; `how` in a word or two.
    pub fn over(&mut self, how: &str) {
        self.forget();
        let mut event = self.event("session");
        event.text = Some(format!("{how}, {} accepted", self.accepted));
        self.around.log.event(&event);
    }

    fn mail(&mut self, reverse_path: ReversePath, size: Option<u64>, request: Request) -> Reply {
        if let Some(user) = &self.user
            && let Err(reply) = self.around.policy.sender_of_user(user, &reverse_path)
        {
            return reply;
        }
        if let Err(reply) = self.sink.room(size) {
            return reply;
        }
        (self.reverse_path, self.declared, self.request) = (reverse_path, size, request);
        Reply::enhanced(250, 1, 0, "Sender ok")
    }

    fn rcpt(&mut self, recipient: ForwardPath, wish: Wish) -> Reply {
        let policy = self.around.policy;
        let verdict = match &self.user {
            Some(_) => policy.recipient_of_user(&recipient),
            None => policy.recipient(self.client, &recipient),
        };
        match verdict {
            Ok(()) => {
                self.recipients.push((recipient, wish));
                Reply::enhanced(250, 1, 5, "Recipient ok")
            }
            Err(reply) => {
                self.log_recipient(&recipient, &reply);
                reply
            }
        }
    }

    fn open(&mut self) -> Result<(), Reply> {
        let at = self.around.clock.now();
        let id = QueueId::new(u64::try_from(at.as_millisecond()).unwrap_or(0), self.around.chance.draw());
        let no_recipient = |_| Reply::enhanced(554, 5, 1, "No valid recipients");
        let envelope = Envelope::asking(self.reverse_path.clone(), self.recipients.iter().cloned(), self.request.clone());
        let envelope = envelope.map_err(no_recipient)?;
        let with = With { greeting: self.greeting, tls: self.tls.is_some(), auth: false };
        let arriving = Arriving {
            id: id.clone(),
            at,
            envelope,
            client: self.client,
            helo: self.helo.clone(),
            tls: self.tls.clone(),
            protocol: with.word(),
            declared: self.declared,
        };
        (self.size, self.failed) = (0, false);
        self.sink.open(&arriving)?;
        self.id = Some(id);
        let received = self.received(&arriving, with).line();
        self.write(&received)
    }

    fn received<'b>(&'b self, arriving: &'b Arriving, with: With) -> Received<'b> {
        Received {
            helo: arriving.helo.as_deref(),
            peer_name: None,
            peer: self.client,
            by: self.around.hostname,
            with: Some(with),
            id: &arriving.id,
            tls: arriving.tls.as_deref(),
            recipient: match arriving.envelope.recipients() {
                [only] => Some(only),
                _ => None,
            },
            at: arriving.at,
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Reply> {
        if self.failed {
            return Ok(());
        }
        self.size += piece.len() as u64;
        self.sink.write(piece).inspect_err(|_| {
            self.failed = true;
            self.sink.abort();
        })
    }

    /// One reply, or one for each recipient in LMTP (RFC 2033 section 4.2).
    fn commit(&mut self) -> Vec<Reply> {
        let reply = match self.sink.commit() {
            Ok(reply) => {
                self.accepted += 1;
                reply
            }
            Err(reply) => reply,
        };
        for (recipient, _) in &self.recipients {
            self.log_recipient(recipient, &reply);
        }
        let times = if self.around.lmtp { self.recipients.len() } else { 1 };
        self.forget_envelope();
        vec![reply; times]
    }

    fn refused(&self, reply: Reply) -> Reply {
        for (recipient, _) in &self.recipients {
            self.log_recipient(recipient, &reply);
        }
        reply
    }

    fn forget(&mut self) {
        self.sink.abort();
        self.forget_envelope();
    }

    fn forget_envelope(&mut self) {
        (self.reverse_path, self.request) = (ReversePath::Null, Request::default());
        self.recipients.clear();
        (self.id, self.declared, self.size) = (None, None, 0);
    }

    fn event(&self, name: &'static str) -> Event {
        Event {
            client: self.client.map(|address| address.to_string()),
            helo: self.helo.clone(),
            tls: self.tls.clone(),
            user: self.user.clone(),
            ..Event::new(name)
        }
    }

    fn log_recipient(&self, recipient: &ForwardPath, reply: &Reply) {
        let outcome = Outcome::from_reply(reply);
        let mut event = self.event("recipient").because(&Diagnostic::from(reply));
        event.queue_id = self.id.as_ref().map(QueueId::to_string);
        event.reverse_path = Some(self.reverse_path.to_string());
        event.recipient = Some(recipient.to_string());
        event.outcome = Some(outcome.word());
        event.size = self.id.is_some().then_some(self.size);
        self.around.log.event(&event);
    }
}

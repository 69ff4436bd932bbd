//! One session of smtp-listen: the engine, the work behind it and the connection brought together.

use super::settings::{Settings, Store};
use super::sinks::{ByHand, IntoCommand, IntoStdout};
use crate::cli::stdio::say;
use crate::cli::transcript::{Level, Side, Transcript};
use crate::net::connection::Connection;
use crate::net::drive::fault::Fault;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::drive::{self};
use crate::net::listen;
use crate::net::mailbox::Mailbox;
use crate::net::peer::Peer;
use crate::net::tls::layer::{Facts, Handshake, Secured, TlsError, Until};
use crate::net::tls::server;
use crate::net::wire::Wire;
use crate::protocol::engine::Engine;
use crate::protocol::smtp::server::{Server, ServerAsk, ServerTell};
use crate::protocol::typed::Typed;
use crate::relay::clock::{Chance, Clock};
use crate::relay::event::Log;
use crate::relay::receive::{Receiver, Sink, Surroundings};
use crate::relay::sink::{Discard, Held, IntoMaildir, SpoolSink};
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the peer's rest is read after our last reply, so that it is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What all sessions of one process share.
pub struct Host<'a> {
    pub settings: &'a Settings,
    pub tls: Option<&'a server::Server>,
    pub log: &'a dyn Log,
    pub clock: &'a (dyn Clock + Sync),
    pub chance: &'a (dyn Chance + Sync),
    /// Set: we are to end, and so are waits that no word from outside reaches.
    pub leaving: &'a AtomicBool,
}

impl Host<'_> {
    /// Speaks with one client to the end. What went wrong is in the log; a session that fails is no failure of ours.
    pub fn serve(&self, mut connection: Connection, mailbox: Mailbox<ServerTell>) {
        let settings = self.settings;
        let peer = connection.peer();
        let client = match peer {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix { .. } | Peer::Pipe | Peer::Terminal => None,
        };
        let transcript = Transcript::new(Level::new(settings.verbose, settings.quiet, false), Side::Server);
        let receiver = match peer {
            Peer::Unix { uid, .. } => self.receiver(None).of_user(user(uid)),
            Peer::Ip(_) | Peer::Pipe | Peer::Terminal => self.receiver(client),
        };
        let mut session = Session { receiver, transcript };
        let tls = self.tls.map(|tls| Brief { tls, leaving: self.leaving });
        let tls = tls.as_ref().map(|tls| tls as &dyn Handshake);
        // A handshake is no way to be silent for longer.
        let secure_within = Options::<ServerTell>::default().secure_within.min(settings.server.timeout);
        let options = Options { tls, secure_within, linger: Some(LINGER), mailbox: Some(mailbox), ..Options::default() };
        let server = Server::new(settings.server.clone());
        let ended = match peer {
            Peer::Terminal => drive::drive(&mut Typed::new(server), &mut connection, &mut session, options).map(drop),
            _ => drive::drive(&mut { server }, &mut connection, &mut session, options).map(drop),
        };
        session.receiver.over(&ended.map_or_else(|fault: Fault| fault.to_string(), |()| "closed".to_owned()));
    }

    fn receiver(&self, client: Option<IpAddr>) -> Receiver<'_> {
        let settings = self.settings;
        let around = Surroundings {
            hostname: &settings.server.hostname,
            policy: settings.policy.as_ref(),
            clock: self.clock,
            chance: self.chance,
            log: self.log,
            lmtp: settings.server.lmtp,
        };
        Receiver::new(around, self.sink(), client)
    }

    fn sink(&self) -> Box<dyn Sink + '_> {
        let hostname = &self.settings.server.hostname;
        match &self.settings.store {
            Store::Spool(spool) => Box::new(SpoolSink::new(spool, &complain)),
            Store::Maildir(maildir) => Box::new(Held::new(IntoMaildir { maildir, hostname, complain: &complain })),
            Store::Command(argv) => Box::new(Held::new(IntoCommand { argv, over: self.leaving })),
            Store::Stdout => Box::new(Held::new(IntoStdout { crlf: self.settings.crlf })),
            Store::Discard => Box::new(Discard::default()),
            Store::HandedOn(hand_on) => Box::new(Held::new(ByHand(hand_on))),
        }
    }
}

/// A handshake that ends when we do: in it, no 421 can be said.
struct Brief<'a> {
    tls: &'a server::Server,
    leaving: &'a AtomicBool,
}

impl Handshake for Brief<'_> {
    fn shake(&self, wire: Wire, until: Until<'_>) -> Result<Box<dyn Secured>, TlsError> {
        let over = || (until.over)() || self.leaving.load(Ordering::SeqCst);
        self.tls.shake(wire, Until { over: &over, ..until })
    }
}

/// The user's name; the number where the system knows none.
fn user(uid: u32) -> String {
    let known = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

fn complain(what: &str) {
    say(&format!("smtp-listen: {what}"));
}

/// The sessions of a server that takes many.
pub struct Sessions<'a> {
    pub host: &'a Host<'a>,
}

impl listen::Host<ServerTell> for Sessions<'_> {
    fn serve(&self, connection: Connection, mailbox: Mailbox<ServerTell>) {
        self.host.serve(connection, mailbox);
    }

    fn busy(&self, mut connection: Connection) {
        // RFC 5321 section 3.8: 421 in place of a greeting. A client who does not take it at once goes without.
        let reply = format!("421 4.3.2 {} has too many clients, try again later\r\n", self.host.settings.server.hostname);
        let _ = connection.write(reply.as_bytes());
    }

    fn complain(&self, what: &str) {
        complain(what);
    }
}

struct Session<'a> {
    receiver: Receiver<'a>,
    transcript: Transcript,
}

impl<E: Engine<Ask = ServerAsk, Tell = ServerTell>> Work<E> for Session<'_> {
    fn ask(&mut self, ask: ServerAsk) -> Option<ServerTell> {
        self.receiver.answer(ask)
    }

    /// A server has no body to send.
    fn body(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        match direction {
            Direction::Sent => self.transcript.sent(secure, bytes),
            Direction::Received => self.transcript.received(secure, bytes),
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.transcript.info(&format!("TLS: {} {}", facts.version, facts.cipher));
        self.receiver.secured(format!("{} {}", facts.version, facts.cipher));
    }
}

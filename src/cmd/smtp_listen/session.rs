//! One session of smtp-listen: the engine, the work behind it and the connection brought together.

use super::settings::{Settings, Store};
use super::sinks::{IntoCommand, IntoStdout};
use crate::cli::config::system_hostname;
use crate::cli::stdio::say;
use crate::cli::transcript::{Level, Side, Transcript};
use crate::net::connection::Connection;
use crate::net::drive::{self, Direction, Options, Work};
use crate::net::mailbox::Mailbox;
use crate::net::peer::Peer;
use crate::net::tls::layer::Facts;
use crate::protocol::smtp::server::{Server, ServerAsk, ServerTell};
use crate::protocol::typed::Typed;
use crate::relay::clock::{Chance, Clock};
use crate::relay::event::Log;
use crate::relay::receive::{Receiver, Sink, Surroundings};
use crate::relay::sink::{Discard, Held, IntoMaildir, SpoolSink};
use std::net::IpAddr;
use std::time::Duration;

/// How long the peer's rest is read after our last reply, so that it is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What all sessions of one process share.
pub struct Host<'a> {
    pub settings: &'a Settings,
    pub log: &'a dyn Log,
    pub clock: &'a dyn Clock,
    pub chance: &'a dyn Chance,
}

impl Host<'_> {
    /// Speaks with one client to the end. What went wrong is in the log; a session that fails is no failure of ours.
    pub fn serve(&self, mut connection: Connection, mailbox: Option<Mailbox<ServerTell>>) {
        let settings = self.settings;
        let peer = connection.peer();
        let client = match peer {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix { .. } | Peer::Pipe | Peer::Terminal => None,
        };
        let transcript = Transcript::new(Level::new(settings.verbose, settings.quiet, false), Side::Server);
        let mut session = Session { receiver: self.receiver(client), transcript };
        let options = Options { tls: settings.tls.as_deref(), linger: Some(LINGER), mailbox, ..Options::default() };
        let server = Server::new(settings.server.clone());
        let ended = match peer {
            Peer::Terminal => drive::drive(&mut Typed::new(server), &mut connection, &mut session, options),
            _ => drive::drive(&mut { server }, &mut connection, &mut session, options),
        };
        let how = ended.map_or_else(|fault| fault.to_string(), |_| "closed".to_owned());
        session.receiver.over(&how);
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
        match &self.settings.store {
            Store::Spool(spool) => Box::new(SpoolSink::new(spool, &complain)),
            Store::Maildir(maildir) => Box::new(Held::new(IntoMaildir { maildir, hostname: &self.settings.server.hostname, complain: &complain })),
            Store::Command(argv) => Box::new(Held::new(IntoCommand { argv })),
            Store::Stdout => Box::new(Held::new(IntoStdout { crlf: self.settings.crlf })),
            Store::Discard => Box::new(Discard::default()),
        }
    }
}

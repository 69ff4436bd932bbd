//! `-bs` where there is no submission socket: SMTP spoken with the program on stdin and stdout, each message handed on as one that was
//! given on stdin would be.

use crate::cli::clock::System;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::log::{Format, Sink as LogSink, Target};
use crate::cli::message::{Message, Spill, Store};
use crate::cmd::smtp_listen::session::Host;
use crate::cmd::smtp_listen::settings::{Settings, Store as Where};
use crate::disk::scratch::Scratch;
use crate::mail::reply::Reply;
use crate::net::connection::Connection;
use crate::net::mailbox::mailbox;
use crate::net::peer::Peer;
use crate::protocol::smtp::server::config::ServerConfig;
use crate::relay::policy::TakeAll;
use crate::relay::receive::Arriving;
use anyhow::Context;
use nix::unistd::geteuid;
use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

/// Longest text of a failure in a reply: the line may have 512 octets (RFC 5321 section 4.5.3.1.5).
const MAX_TEXT: usize = 400;

/// Who speaks to us is a program of this host and this user. Whoever else is there would send under our name, and from the network anybody
/// is: the error says what is for them.
pub fn is_ours(peer: Peer) -> Result<(), Failure> {
    let whom = match peer {
        Peer::Pipe | Peer::Terminal => return Ok(()),
        Peer::Unix { uid, .. } if uid == geteuid().as_raw() => return Ok(()),
        Peer::Unix { .. } => "of another user",
        Peer::Ip(_) => "from the network",
    };
    Err(Failure::text(
        Status::Permission,
        format_args!("-bs takes no client {whom}: smtp-listen does, with rules for who may send"),
    ))
}

/// Serves one client to the end. `hand_on` says what a message came to.
pub fn serve(
    hostname: &str,
    connection: Connection,
    hand_on: impl Fn(&Arriving, Message) -> Result<Status, Failure> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let give =
        move |arriving: &Arriving, message: &mut Scratch| verdict(kept(message).and_then(|message| hand_on(arriving, message)));
    let settings = Settings {
        server: ServerConfig::new(hostname),
        policy: Box::new(TakeAll),
        store: Where::HandedOn(Box::new(give)),
        crlf: false,
        verbose: 0,
        quiet: true,
        max_conn: 1,
    };
    let log = LogSink::open(&Target::None, Format::Text, "sendmail")?;
    let (_sender, mailbox) = mailbox().or_status(Status::Os)?;
    let leaving = AtomicBool::new(false);
    let host = Host { settings: &settings, tls: None, log: &log, clock: &System, chance: &System, leaving: &leaving };
    host.serve(connection, mailbox);
    Ok(())
}

/// A message for itself: more may come while it is being sent.
fn kept(message: &mut Scratch) -> Result<Message, Failure> {
    let mut spill = Spill::default();
    let mut copy = || -> io::Result<(Store, u64)> {
        let mut reader = message.reader()?;
        let mut buf = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buf)? {
                0 => break,
                n => spill.write(&buf[..n])?,
            }
        }
        std::mem::take(&mut spill).into_store()
    };
    let (store, _) = copy().context("cannot keep the message").or_status(Status::Io)?;
    Ok(Message::read(store, 0, false)?.unwrap_or_else(Message::empty))
}

/// The reply after the final dot. There is one for all recipients: who of them got it, where only some did, is in its text.
fn verdict(status: Result<Status, Failure>) -> Result<(), Reply> {
    let (status, text) = match status {
        Ok(Status::Done) => return Ok(()),
        Ok(status) => (status, format!("Not sent, status {}", status as u8)),
        Err(failure) => (failure.status, format!("{:#}", failure.error)),
    };
    let text: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { ' ' }).take(MAX_TEXT).collect();
    Err(match status {
        Status::Partly => Reply::enhanced(554, 0, 0, format!("Sent to the others, but: {text}")),
        Status::Data | Status::Usage | Status::NoHost | Status::Refused => Reply::enhanced(554, 0, 0, text),
        _ => Reply::enhanced(451, 3, 0, text),
    })
}

//! Sinks for what is received: the spool, a Maildir, nowhere. Each makes a message safe before it says so.

use super::receive::{Arriving, Sink};
use crate::disk::maildir::{Maildir, MaildirError, Name};
use crate::disk::scratch::Scratch;
use crate::disk::spool::accept::Incoming;
use crate::disk::spool::format::Arrival;
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::mail::reply::Reply;
use crate::mail::trace;
use std::io::{self, Write};

/// Octets that stay free: a message is not begun where fewer would be left.
const SPARE: u64 = 1024 * 1024;

/// 452 where the disk is full, else 451: either way the client keeps the message and tries again.
pub fn storage_failed(full: bool) -> Reply {
    if full {
        Reply::enhanced(452, 3, 1, "Disk full, try again later")
    } else {
        Reply::enhanced(451, 3, 0, "Cannot store the message, try again later")
    }
}

/// Is this the error of a full disk or quota?
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Into the spool, durable before the 250.
pub struct SpoolSink<'a> {
    spool: &'a Spool,
    incoming: Option<Incoming>,
    /// Where a failure is told in full; the client hears less.
    complain: &'a (dyn Fn(&str) + Sync),
}

impl<'a> SpoolSink<'a> {
    pub fn new(spool: &'a Spool, complain: &'a (dyn Fn(&str) + Sync)) -> SpoolSink<'a> {
        SpoolSink { spool, incoming: None, complain }
    }

    fn failed(&self, error: &SpoolError) -> Reply {
        (self.complain)(&error.to_string());
        storage_failed(error.is_full())
    }
}

impl Sink for SpoolSink<'_> {
    fn room(&mut self, declared: Option<u64>) -> Result<(), Reply> {
        match self.spool.room_for(declared.unwrap_or(0).saturating_add(SPARE)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(storage_failed(true)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn open(&mut self, arriving: &Arriving) -> Result<(), Reply> {
        let arrival = Arrival {
            at: arriving.at,
            client: Some(arriving.client.map_or("local".to_owned(), |address| address.to_string())),
            helo: arriving.helo.clone(),
            tls: arriving.tls.clone(),
            user: None,
            protocol: Some(arriving.protocol.to_owned()),
        };
        let incoming =
            self.spool.begin(arriving.id.clone(), &arriving.envelope, &arrival).map_err(|error| self.failed(&error))?;
        self.incoming = Some(incoming);
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Reply> {
        let written = self.incoming.as_mut().map_or(Ok(()), |incoming| incoming.write(piece));
        written.map_err(|error| self.failed(&error))
    }

    fn commit(&mut self) -> Result<Reply, Reply> {
        let incoming = self.incoming.take().ok_or_else(|| storage_failed(false))?;
        let committed = incoming.commit().map_err(|error| self.failed(&error))?;
        Ok(queued(committed.id()))
    }

    fn abort(&mut self) {
        self.incoming = None;
    }
}

/// The reply to a message that is safe.
pub fn queued(id: &impl std::fmt::Display) -> Reply {
    Reply::enhanced(250, 0, 0, format!("Ok: queued as {id}"))
}

/// A message that is handed on only when it is whole, by `give`.
pub struct Held<G> {
    message: Option<(Arriving, Scratch)>,
    give: G,
}

/// Hands a whole message on. The error is the client's reply.
pub trait Give {
    fn give(&mut self, arriving: &Arriving, message: &mut Scratch) -> Result<(), Reply>;
}

impl<G: Give> Held<G> {
    pub fn new(give: G) -> Held<G> {
        Held { message: None, give }
    }
}

impl<G: Give> Sink for Held<G> {
    fn room(&mut self, _: Option<u64>) -> Result<(), Reply> {
        Ok(())
    }

    fn open(&mut self, arriving: &Arriving) -> Result<(), Reply> {
        let scratch = Scratch::new().map_err(|error| storage_failed(is_full(&error)))?;
        self.message = Some((arriving.clone(), scratch));
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Reply> {
        let written = self.message.as_mut().map_or(Ok(()), |(_, scratch)| scratch.write_all(piece));
        written.map_err(|error| storage_failed(is_full(&error)))
    }

    fn commit(&mut self) -> Result<Reply, Reply> {
        let (arriving, mut scratch) = self.message.take().ok_or_else(|| storage_failed(false))?;
        self.give.give(&arriving, &mut scratch)?;
        Ok(queued(&arriving.id))
    }

    fn abort(&mut self) {
        self.message = None;
    }
}

/// Into one Maildir, synced before the 250, with the `Return-Path:` of a final delivery.
pub struct IntoMaildir<'a> {
    pub maildir: &'a Maildir,
    /// This host, for the file's name.
    pub hostname: &'a str,
    pub complain: &'a (dyn Fn(&str) + Sync),
}

impl Give for IntoMaildir<'_> {
    fn give(&mut self, arriving: &Arriving, message: &mut Scratch) -> Result<(), Reply> {
        let name = Name { at: arriving.at, host: self.hostname.to_owned(), token: Some(arriving.id.to_string()) };
        let prefix = final_trace(arriving);
        let delivered = message.reader().map_err(MaildirError::Body);
        let delivered = delivered.and_then(|mut reader| self.maildir.deliver(&name, &prefix, &mut reader));
        delivered.map(drop).map_err(|error| {
            (self.complain)(&error.to_string());
            storage_failed(error.is_full())
        })
    }
}

/// The lines that a final delivery adds (RFC 5321 section 4.4), in wire form. `Delivered-To:` only where it tells nobody of the others.
pub fn final_trace(arriving: &Arriving) -> Vec<u8> {
    let mut lines = trace::return_path(&arriving.envelope.reverse_path);
    if let [only] = arriving.envelope.recipients() {
        lines.extend(trace::delivered_to(only));
    }
    lines
}

/// Takes messages and forgets them.
#[derive(Debug, Default)]
pub struct Discard {
    id: Option<String>,
}

impl Sink for Discard {
    fn room(&mut self, _: Option<u64>) -> Result<(), Reply> {
        Ok(())
    }

    fn open(&mut self, arriving: &Arriving) -> Result<(), Reply> {
        self.id = Some(arriving.id.to_string());
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> Result<(), Reply> {
        Ok(())
    }

    fn commit(&mut self) -> Result<Reply, Reply> {
        self.id.take().map(|id| queued(&id)).ok_or_else(|| storage_failed(false))
    }

    fn abort(&mut self) {
        self.id = None;
    }
}

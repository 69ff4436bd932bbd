//! Into the spool, for recipients that are given.

use crate::bytes::newline::ToCrlf;
use crate::disk::spool::accept::Incoming;
use crate::disk::spool::format::Arrival;
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::fetch::target::{Facts, Fault, Taken, Target};
use crate::fetch::words::{Stop, Why};
use crate::mail::envelope::Envelope;
use crate::mail::queue_id::QueueId;
use crate::mail::trace::Received;
use crate::relay::clock::Chance;

/// Each message becomes one in the spool, with the same envelope and a `Received:` line.
pub struct IntoSpool<'a> {
    spool: Spool,
    envelope: Envelope,
    hostname: String,
    chance: &'a dyn Chance,
    current: Option<(Incoming, ToCrlf)>,
    ended: bool,
}

impl<'a> IntoSpool<'a> {
    pub fn new(spool: Spool, envelope: Envelope, hostname: &str, chance: &'a dyn Chance) -> IntoSpool<'a> {
        IntoSpool { spool, envelope, hostname: hostname.to_owned(), chance, current: None, ended: true }
    }

    /// Writes in wire form. A lone CR, which SMTP forbids (RFC 5321 section 2.3.8), costs this message.
    fn write(&mut self, bytes: &[u8], last: bool) -> Result<(), Fault> {
        let Some((incoming, newline)) = &mut self.current else { return Ok(()) };
        let mut wire = Vec::with_capacity(bytes.len() + 64);
        let converted = newline.push(bytes, &mut wire).and_then(|()| if last { newline.finish() } else { Ok(()) });
        let result = match converted {
            Err(error) => Err(Fault::Never(format!("cannot be sent on: {error}"))),
            Ok(()) => {
                self.ended = wire.last().map_or(self.ended, |byte| *byte == b'\n');
                incoming.write(&wire).map_err(|error| failed(&error))
            }
        };
        if result.is_err() {
            self.current = None;
        }
        result
    }
}

impl Target for IntoSpool<'_> {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        let id = QueueId::new(u64::try_from(facts.at.as_millisecond()).unwrap_or(0), self.chance.draw());
        let arrival = Arrival { at: facts.at, client: Some("local".to_owned()), ..Arrival::default() };
        let mut incoming = self.spool.begin(id.clone(), &self.envelope, &arrival).map_err(|error| failed(&error))?;
        let recipient = match self.envelope.recipients() {
            [only] => Some(only),
            _ => None,
        };
        let received = Received {
            helo: None,
            peer_name: None,
            peer: None,
            by: &self.hostname,
            with: None,
            id: &id,
            tls: None,
            recipient,
            at: facts.at,
        };
        incoming.write(&received.line()).map_err(|error| failed(&error))?;
        (self.current, self.ended) = (Some((incoming, ToCrlf::default())), true);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write(bytes, false)
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        self.write(b"", true)?;
        if !self.ended {
            self.write(b"\r\n", true)?;
        }
        let Some((incoming, _)) = self.current.take() else { return Err(Fault::Message("nothing was begun".to_owned())) };
        let committed = incoming.commit().map_err(|error| failed(&error))?;
        Ok(Taken::Delivered(format!("queued as {}", committed.id())))
    }

    fn abort(&mut self) {
        self.current = None;
    }
}

fn failed(error: &SpoolError) -> Fault {
    Stop::new(Why::Io, error).into()
}

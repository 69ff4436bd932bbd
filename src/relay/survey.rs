//! A look at a server: its greeting, what it offers before and inside TLS, its certificate. Nothing is sent through it. Every address of
//! every host of a destination is looked at.

use super::deliver::{Courier, Destination, Target, via};
use super::session::{Tape, Via, introduce, note};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::{Class, EnhancedStatus, Reply};
use crate::net::connection::Connection;
use crate::net::drive::drive;
use crate::net::drive::fault::Fault as Cut;
use crate::net::drive::work::{Direction, Options, Work};
use crate::net::tls::layer::{Facts, TlsError};
use crate::protocol::hand::{Hand, HandAsk, HandTell};
use crate::protocol::session::StartTls;
use crate::protocol::smtp::client::words::{Failure, Fault};
use crate::protocol::smtp::dialect::{Heard, Smtp};
use crate::protocol::smtp::extensions::Extensions;
use std::net::SocketAddr;

type Tell = HandTell<String>;

/// What was found at one address.
#[derive(Debug, Default)]
pub struct Survey {
    pub via: Via,
    pub banner: Option<Reply>,
    /// In clear, or inside TLS where that came before the greeting.
    pub offered: Option<Extensions>,
    /// After STARTTLS.
    pub offered_inside: Option<Extensions>,
    pub tls: Option<Facts>,
    /// Why TLS did not start though it was tried.
    pub tls_error: Option<TlsError>,
    /// Why there is no more to tell.
    pub failure: Option<Failure>,
}

impl Survey {
    /// What counts: the last that was offered.
    pub fn extensions(&self) -> Option<&Extensions> {
        self.offered_inside.as_ref().or(self.offered.as_ref())
    }
}

impl Courier<'_> {
    /// Looks at a destination; a failure where it has no host to look at.
    pub fn survey(&self, to: &Destination) -> Result<Vec<Survey>, Failure> {
        let lost = |outcome| Failure { fault: Fault::Lost, outcome };
        let mut found = Vec::new();
        for target in self.targets(to).map_err(lost)? {
            match self.ways(&target) {
                Ok(ways) => found.extend(ways.each().into_iter().map(|address| self.look_at(&target, address))),
                Err(outcome) => {
                    let via = Via { host: target.place.to_string(), ..Via::default() };
                    found.push(Survey { via, failure: Some(lost(outcome)), ..Survey::default() });
                }
            }
        }
        Ok(found)
    }

    fn look_at(&self, target: &Target, address: Option<SocketAddr>) -> Survey {
        let via = via(target, address);
        match self.connect(target, address) {
            Ok(connection) => self.talk(target, via, connection),
            Err(why) => {
                self.info(&why.text);
                let failure = Failure { fault: Fault::Lost, outcome: why.outcome() };
                Survey { via, failure: Some(failure), ..Survey::default() }
            }
        }
    }

    fn talk(&self, target: &Target, via: Via, mut connection: Connection) -> Survey {
        let tls = match target.tls {
            StartTls::Never => None,
            _ => match self.tls.client(&via.host, false) {
                Ok(handshake) => Some(handshake),
                Err(error) => return Survey { via, tls_error: Some(error), ..Survey::default() },
            },
        };
        let mut tape = self.watch.map(|watch| watch.open(&via));
        introduce(tape.as_deref_mut(), &connection);
        let name = self.name.on(&connection);
        let mut looking = Looking {
            hello: format!("{} {name}", if target.lmtp { "LHLO" } else { "EHLO" }),
            helo: (!target.lmtp).then(|| format!("HELO {name}")),
            starttls: matches!(target.tls, StartTls::IfOffered | StartTls::Required),
            awaited: Awaited::Greeting,
            found: Survey { via, ..Survey::default() },
            tape: tape.as_deref_mut(),
        };
        let mut engine = Hand::new(Smtp::default(), self.timeouts.command, target.tls == StartTls::Implicit);
        let options = Options { tls: tls.as_deref(), ..Options::default() };
        let cut = drive(&mut engine, &mut connection, &mut looking, options).err();
        let Looking { mut found, awaited, .. } = looking;
        if let Some(cut) = cut {
            if let Some(tape) = &mut tape {
                note(tape.as_mut(), &cut);
            }
            found.cut(cut, awaited);
        }
        found
    }
}

impl Survey {
    fn cut(&mut self, cut: Cut, awaited: Awaited) {
        match cut {
            Cut::Tls(error) if self.tls.is_none() => self.tls_error = Some(error),
            // What was asked for is known.
            _ if awaited == Awaited::Quit || self.failure.is_some() => {}
            cut => {
                let fault = if matches!(cut, Cut::Injected) { Fault::Protocol } else { Fault::Lost };
                self.fail(fault, cut.to_string());
            }
        }
    }

    fn fail(&mut self, fault: Fault, text: String) {
        let outcome = Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 4, 2), text));
        self.failure = Some(Failure { fault, outcome });
    }
}

/// What the next reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Hello,
    Helo,
    StartTls,
    HelloInside,
    Quit,
}

struct Looking<'a> {
    hello: String,
    /// What is said to a server that does not know EHLO.
    helo: Option<String>,
    starttls: bool,
    awaited: Awaited,
    found: Survey,
    tape: Option<&'a mut (dyn Tape + 'static)>,
}

impl Looking<'_> {
    fn say(&mut self, line: &str, awaited: Awaited) -> Tell {
        self.awaited = awaited;
        HandTell::Send(format!("{line}\r\n").into_bytes(), Vec::new())
    }

    fn quit(&mut self) -> Tell {
        self.say("QUIT", Awaited::Quit)
    }

    fn refused(&mut self, reply: &Reply) -> Tell {
        self.found.failure = Some(Failure { fault: Fault::Reply, outcome: Outcome::from_reply(reply) });
        // RFC 5321 section 3.8: a 421 has closed already.
        if reply.code.value() == 421 { HandTell::Close } else { self.quit() }
    }

    fn heard(&mut self, reply: Reply) -> Tell {
        let good = reply.class() == Class::Completion;
        match self.awaited {
            Awaited::Greeting => {
                let next = if reply.code.value() == 220 {
                    let hello = self.hello.clone();
                    self.say(&hello, Awaited::Hello)
                } else {
                    self.refused(&reply)
                };
                self.found.banner = Some(reply);
                next
            }
            Awaited::Hello if good => {
                let offered = Extensions::from_ehlo(&reply);
                let start = self.starttls && offered.starttls;
                self.found.offered = Some(offered);
                if start { self.say("STARTTLS", Awaited::StartTls) } else { self.quit() }
            }
            Awaited::Hello if reply.class() == Class::Permanent && self.helo.is_some() => {
                let helo = self.helo.take().unwrap_or_default();
                self.say(&helo, Awaited::Helo)
            }
            Awaited::Helo if good => self.quit(),
            Awaited::StartTls if good => HandTell::Secure,
            Awaited::StartTls => {
                let peer = self.found.via.host.clone();
                self.found.tls_error = Some(TlsError::Handshake { peer, why: reply.to_string() });
                self.quit()
            }
            Awaited::HelloInside if good => {
                self.found.offered_inside = Some(Extensions::from_ehlo(&reply));
                self.quit()
            }
            Awaited::Quit => HandTell::Close,
            Awaited::Hello | Awaited::Helo | Awaited::HelloInside => self.refused(&reply),
        }
    }
}

impl Work<Hand<Smtp>> for Looking<'_> {
    fn ask(&mut self, ask: HandAsk<Heard>) -> Option<Tell> {
        match ask {
            HandAsk::Heard(Heard::Reply { reply, .. }) => Some(self.heard(reply)),
            HandAsk::Heard(Heard::Garbage(bad)) => {
                self.found.fail(Fault::Protocol, bad.to_string());
                Some(HandTell::Close)
            }
            // RFC 8314: the greeting comes inside TLS.
            HandAsk::Secured if self.awaited == Awaited::Greeting => None,
            HandAsk::Secured => {
                let hello = self.hello.clone();
                Some(self.say(&hello, Awaited::HelloInside))
            }
            HandAsk::Sent | HandAsk::HalfClosed => None,
        }
    }

    fn body(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.crossed(direction, secure, bytes);
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.found.via.tls = Some(format!("{} {}", facts.version, facts.cipher));
        if let Some(tape) = &mut self.tape {
            tape.secured(facts);
        }
        self.found.tls = Some(facts.clone());
    }
}

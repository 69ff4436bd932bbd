//! From a destination to its hosts: every address of every host in order, TLS as the destination asks for it, until one session
//! serves. Each recipient gets an outcome, whatever fails.

use super::own_name::OwnName;
use super::session::{Around, Ended, Login, Outbox, Sent, Via, Watch, Word, run};
use crate::mail::address::Domain;
use crate::mail::mx::{DnsError, HostList, Lookup, LoopsBack, MailHosts};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::mail::server::{Host, Place, Scheme, Server};
use crate::net::connection::Connection;
use crate::net::dial::{Dialer, Reached};
use crate::net::tls::layer::{Handshake, TlsError};
use crate::net::wire::reason;
use crate::protocol::sasl::words::Bare;
use crate::protocol::session::StartTls;
use crate::protocol::smtp::client::auth::NoMechanism;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::{ClientConfig, Failure, Fault, Timeouts};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where MX hosts listen.
const SMTP: u16 = 25;
/// Most addresses that are tried for one destination, all hosts together.
const MAX_TRIED: usize = 10;

/// Where mail goes over a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The MX hosts of a domain, or the host that is its literal.
    Mx(Domain),
    Server(Server),
}

/// Why there is no connection, in one line that names the host.
pub struct NoWay {
    pub text: String,
    /// The same will happen again: there is no such program.
    pub for_good: bool,
}

/// Opens connections. Each error is one line that names the host.
pub trait Dial: Sync {
    /// The addresses of a named server, by the system's resolver.
    fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String>;
    /// To whichever of a host's addresses answers first.
    fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<Reached, String>;
    fn unix(&self, path: &Path) -> Result<Connection, String>;
    /// To a program of ours, with its arguments.
    fn command(&self, argv: &[String]) -> Result<Connection, NoWay>;
}

/// Makes what starts TLS with a host.
pub trait Secure: Sync {
    fn client(&self, host: &str, verified: bool) -> Result<Box<dyn Handshake>, TlsError>;

    /// When TLS starts, where the destination alone would have it as `usual`. With [`StartTls::IfOffered`] it is not verified, and done
    /// without where it fails.
    fn start(&self, usual: StartTls) -> StartTls {
        usual
    }

    /// Whether a session that [`Secure::client`] made is with a server that is known to be the right one.
    fn is_verified(&self, verified: bool) -> bool {
        verified
    }
}

/// A destination that could not be served, and what that means for each recipient.
#[derive(Debug, Clone)]
pub struct Unserved {
    pub outcome: Outcome,
    pub via: Via,
    pub fault: Fault,
}

/// Takes outboxes to destinations.
#[derive(Clone)]
pub struct Courier<'a> {
    /// For EHLO, and by which we know ourselves among MX hosts.
    pub name: OwnName,
    /// An MX host with one of these is this host.
    pub own_addresses: Vec<IpAddr>,
    pub dial: &'a dyn Dial,
    pub dns: &'a dyn Lookup,
    pub tls: &'a dyn Secure,
    /// Who logs in at every server; none: nobody.
    pub login: Option<&'a dyn Login>,
    pub timeouts: Timeouts,
    /// Keywords of EHLO replies that do not count.
    pub discard_ehlo: Vec<String>,
    pub watch: Option<&'a dyn Watch>,
}

/// One host of a destination.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: Spot,
    pub(super) tls: StartTls,
    pub(super) lmtp: bool,
}

#[derive(Debug)]
pub(super) enum Spot {
    MxHost(String),
    Named { host: String, port: u16 },
    Address(SocketAddr),
    Socket(PathBuf),
    Command(Vec<String>),
}

/// The ways to one host.
pub(super) enum Ways {
    Addresses(Vec<SocketAddr>),
    /// A socket or a program: there is one, and it has no address.
    Direct,
}

impl Ways {
    /// One after the other; none is the direct one.
    pub(super) fn each(self) -> Vec<Option<SocketAddr>> {
        match self {
            Ways::Addresses(addresses) => addresses.into_iter().map(Some).collect(),
            Ways::Direct => vec![None],
        }
    }
}

/// What an attempt at a destination has come to so far.
#[derive(Default)]
struct Attempt {
    tried: usize,
    /// The last failure; one that may pass counts before one that won't.
    failure: Option<Unserved>,
}

impl Courier<'_> {
    /// Sends all that is in the outbox. Where the destination can't be reached, everything in it gets that as its outcome, and the
    /// outcome is given back: nothing more need be tried there for now.
    pub fn serve<T>(&self, to: &Destination, outbox: &dyn Outbox<T>) -> Option<Unserved> {
        while outbox.is_waiting() {
            if let Err(unserved) = self.attempt(to, outbox) {
                settle_all(outbox, &unserved);
                return Some(*unserved);
            }
        }
        None
    }

    /// One session with the first host that lets it stand.
    fn attempt<T>(&self, to: &Destination, outbox: &dyn Outbox<T>) -> Result<(), Box<Unserved>> {
        let mut attempt = Attempt::default();
        for target in
            self.targets(to).map_err(|outcome| Box::new(Unserved { outcome, via: Via::default(), fault: Fault::Lost }))?
        {
            if let Some(failure) = self.in_clear(&target, target.tls, outbox) {
                attempt.came_to(Ended::Failed(failure), via(&target, None))?;
                continue;
            }
            let served = match self.ways(&target) {
                Err(outcome) => {
                    attempt.note(outcome, via(&target, None), Fault::Lost);
                    false
                }
                Ok(Ways::Direct) => self.visit(&target, &mut attempt, outbox)?,
                Ok(Ways::Addresses(addresses)) if addresses.iter().any(|address| self.is_ours(&target, address.ip())) => {
                    attempt.loops(&target);
                    break;
                }
                Ok(Ways::Addresses(addresses)) => self.visit_any(&target, addresses, &mut attempt, outbox)?,
            };
            if served {
                return Ok(());
            }
        }
        let nothing =
            || Unserved { outcome: deferred(4, 4, 1, "no host to connect to"), via: Via::default(), fault: Fault::Lost };
        Err(Box::new(attempt.failure.unwrap_or_else(nothing)))
    }

    /// Whether a session stood with what has no address.
    fn visit<T>(&self, target: &Target, attempt: &mut Attempt, outbox: &dyn Outbox<T>) -> Result<bool, Box<Unserved>> {
        let ended = self.session(target, None, self.connect(target, None), outbox);
        attempt.came_to(ended, via(target, None))
    }

    /// Whether a session stood at one of a host's addresses. Where the host there would not have it, the others are next.
    fn visit_any<T>(
        &self,
        target: &Target,
        mut left: Vec<SocketAddr>,
        attempt: &mut Attempt,
        outbox: &dyn Outbox<T>,
    ) -> Result<bool, Box<Unserved>> {
        let host = target.place.to_string();
        loop {
            left.truncate(MAX_TRIED.saturating_sub(attempt.tried));
            if left.is_empty() {
                return Ok(false);
            }
            let (ended, address) = match self.dial.connect(&host, &left) {
                Ok(reached) => {
                    for (address, error) in &reached.failed {
                        self.info(&format!("cannot connect to {host}: {address}: {}", reason(error)));
                    }
                    let failed = |address: &SocketAddr| reached.failed.iter().any(|(other, _)| other == address);
                    attempt.tried += 1 + reached.failed.len();
                    left.retain(|address| *address != reached.address && !failed(address));
                    (self.session(target, Some(reached.address), Ok(reached.connection), outbox), Some(reached.address))
                }
                Err(text) => {
                    attempt.tried += left.len();
                    let only = left.first().copied().filter(|_| left.len() == 1);
                    left.clear();
                    (self.session(target, only, Err(text.into()), outbox), only)
                }
            };
            if attempt.came_to(ended, via(target, address))? {
                return Ok(true);
            }
        }
    }

    /// A session, and another without TLS where that failed and was neither required nor to prove who the server is.
    fn session<T>(
        &self,
        target: &Target,
        address: Option<SocketAddr>,
        connected: Result<Connection, NoWay>,
        outbox: &dyn Outbox<T>,
    ) -> Ended {
        let ended = self.run(target, target.tls, address, connected, outbox);
        match &ended {
            Ended::Failed(Failure { fault: Fault::Tls, outcome })
                if target.tls == StartTls::IfOffered && !self.tls.is_verified(false) =>
            {
                self.info(&format!("{}: {}; going on without TLS", target.place, outcome.diagnostic().text));
                match self.in_clear(target, StartTls::Never, outbox) {
                    Some(failure) => Ended::Failed(failure),
                    None => self.run(target, StartTls::Never, address, self.connect(target, address), outbox),
                }
            }
            _ => ended,
        }
    }

    /// Why nothing may be sent on that way, even before there is one: what logs us in would be read by anybody.
    fn in_clear<T>(&self, target: &Target, tls: StartTls, outbox: &dyn Outbox<T>) -> Option<Failure> {
        let auth = self.login.map(|login| login.authentication(target.place.is_local()))?;
        let in_time = outbox.quit_after().is_none_or(|stage| stage >= Stage::Auth);
        (in_time && tls == StartTls::Never && auth.needs_tls()).then(|| NoMechanism::Bare(Bare::InClear).into())
    }

    fn run<T>(
        &self,
        target: &Target,
        tls: StartTls,
        address: Option<SocketAddr>,
        connected: Result<Connection, NoWay>,
        outbox: &dyn Outbox<T>,
    ) -> Ended {
        let host = target.place.to_string();
        let connection = match connected {
            Ok(connection) => connection,
            Err(why) => {
                self.info(&why.text);
                return Ended::Failed(Failure { fault: Fault::Lost, outcome: why.outcome() });
            }
        };
        let verified = matches!(tls, StartTls::Required | StartTls::Implicit);
        let handshake = match tls {
            StartTls::Never => None,
            _ => match self.tls.client(&host, verified) {
                Ok(handshake) => Some(handshake),
                Err(error) => return Ended::Failed(Failure { fault: Fault::Tls, outcome: deferred(4, 7, 5, error.to_string()) }),
            },
        };
        let config = ClientConfig {
            ehlo: self.name.on(&connection),
            lmtp: target.lmtp,
            tls,
            auth: self.login.map(|login| login.authentication(target.place.is_local())),
            timeouts: self.timeouts.clone(),
            verified: self.tls.is_verified(verified),
            discard: self.discard_ehlo.clone(),
            quit_after: outbox.quit_after(),
        };
        let around = Around { tls: handshake.as_deref(), login: self.login, watch: self.watch };
        run(connection, config, around, outbox, via(target, address))
    }

    pub(super) fn connect(&self, target: &Target, address: Option<SocketAddr>) -> Result<Connection, NoWay> {
        match (address, &target.place) {
            (Some(address), place) => Ok(self.dial.connect(&place.to_string(), &[address])?.connection),
            (None, Spot::Socket(path)) => Ok(self.dial.unix(path)?),
            (None, Spot::Command(argv)) => self.dial.command(argv),
            (None, place) => Err(format!("{place}: no address").into()),
        }
    }

    /// The hosts of a destination in the order of trial; an outcome where there are none.
    pub(super) fn targets(&self, to: &Destination) -> Result<Vec<Target>, Outcome> {
        let server = match to {
            Destination::Mx(domain) => return self.mx_targets(domain),
            Destination::Server(server) => server,
        };
        let (tls, lmtp) = (self.tls.start(tls_of(server.scheme)), server.scheme == Scheme::Lmtp);
        let place = match &server.place {
            Place::Mx(domain) => {
                let domain = domain.parse().map_err(|_| refused(5, 1, 2, format!("{domain}: bad domain")))?;
                return self.mx_targets(&domain);
            }
            Place::Host { host: Host::Name(host), port } => Spot::Named { host: host.clone(), port: *port },
            Place::Host { host: Host::Address(address), port } => Spot::Address(SocketAddr::new(*address, *port)),
            Place::Socket(path) => {
                return Ok(vec![Target { place: Spot::Socket(path.clone()), tls: self.tls.start(StartTls::Never), lmtp }]);
            }
            Place::Command(argv) => {
                return Ok(vec![Target { place: Spot::Command(argv.clone()), tls: self.tls.start(StartTls::Never), lmtp }]);
            }
        };
        Ok(vec![Target { place, tls, lmtp }])
    }

    fn mx_targets(&self, domain: &Domain) -> Result<Vec<Target>, Outcome> {
        let hosts = match self.dns.mail_hosts(domain).map_err(|error| dns_outcome(&error))? {
            MailHosts::Null => return Err(refused(5, 1, 10, format!("{domain} takes no mail (null MX)"))),
            MailHosts::Hosts(hosts) => hosts,
        };
        let HostList { hosts, .. } =
            hosts.before_us(|host| host.name.eq_ignore_ascii_case(self.name.as_str())).map_err(loops_back)?;
        let tls = self.tls.start(StartTls::IfOffered);
        let target = |host: String| Target { place: Spot::MxHost(host), tls, lmtp: false };
        Ok(hosts.into_iter().map(|host| target(host.name)).collect())
    }

    pub(super) fn ways(&self, target: &Target) -> Result<Ways, Outcome> {
        match &target.place {
            Spot::Socket(_) | Spot::Command(_) => Ok(Ways::Direct),
            Spot::Address(address) => Ok(Ways::Addresses(vec![*address])),
            // A next hop that somebody configured and that has no address is a slip, and no reason to bounce.
            Spot::Named { host, port } => match self.dial.lookup(host, *port) {
                Ok(addresses) => Ok(Ways::Addresses(addresses)),
                Err(text) => Err(deferred(4, 4, 3, text)),
            },
            Spot::MxHost(host) => {
                let found = self.dns.addresses(host).map_err(|error| dns_outcome(&error))?;
                Ok(Ways::Addresses(found.list.into_iter().map(|address| SocketAddr::new(address, SMTP)).collect()))
            }
        }
    }

    /// An MX host that is this one. A named server may be: a filter on another port, for one.
    fn is_ours(&self, target: &Target, address: IpAddr) -> bool {
        matches!(target.place, Spot::MxHost(_)) && self.own_addresses.contains(&address)
    }

    pub(super) fn info(&self, text: &str) {
        if let Some(watch) = self.watch {
            watch.info(text);
        }
    }
}

impl Attempt {
    /// Whether the session stood; an error ends the attempt.
    fn came_to(&mut self, ended: Ended, via: Via) -> Result<bool, Box<Unserved>> {
        match ended {
            Ended::Served => Ok(true),
            // Another address has the same users: a wrong password is not tried again and again.
            Ended::Failed(Failure { fault: fault @ Fault::Auth, outcome }) => Err(Box::new(Unserved { outcome, via, fault })),
            Ended::Failed(failure) => {
                self.note(failure.outcome, via, failure.fault);
                Ok(false)
            }
        }
    }

    fn note(&mut self, outcome: Outcome, via: Via, fault: Fault) {
        let may_pass = |outcome: &Outcome| !matches!(outcome, Outcome::Refused(_));
        if may_pass(&outcome) || self.failure.as_ref().is_none_or(|earlier| !may_pass(&earlier.outcome)) {
            self.failure = Some(Unserved { outcome, via, fault });
        }
    }

    /// The hosts before us failed, or there were none.
    fn loops(&mut self, target: &Target) {
        if self.failure.is_none() {
            let outcome = loops_back(LoopsBack(target.place.to_string()));
            self.failure = Some(Unserved { outcome, via: Via::default(), fault: Fault::Lost });
        }
    }
}

impl Dial for Dialer {
    fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        Dialer::lookup(self, host, port).map_err(|error| error.to_string())
    }

    fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<Reached, String> {
        self.addresses(host, addresses).map_err(|error| error.to_string())
    }

    fn unix(&self, path: &Path) -> Result<Connection, String> {
        Dialer::unix(self, path).map_err(|error| error.to_string())
    }

    fn command(&self, argv: &[String]) -> Result<Connection, NoWay> {
        Dialer::command(self, argv).map_err(|error| NoWay { for_good: error.is_no_such_program(), text: error.to_string() })
    }
}

impl From<String> for NoWay {
    fn from(text: String) -> NoWay {
        NoWay { text, for_good: false }
    }
}

impl NoWay {
    pub(super) fn outcome(self) -> Outcome {
        if self.for_good { refused(5, 3, 5, self.text) } else { deferred(4, 4, 1, self.text) }
    }
}

/// Gives everything in the outbox the same outcome.
pub fn settle_all<T>(outbox: &dyn Outbox<T>, unserved: &Unserved) {
    while let Some(parcel) = outbox.next() {
        let outcomes = vec![unserved.outcome.clone(); parcel.transaction.envelope.recipients().len()];
        let sent = Sent { tag: parcel.tag, outcomes, fault: Some(unserved.fault), word: Word::default(), unreadable: None };
        outbox.settle(sent, &unserved.via);
    }
}

fn tls_of(scheme: Scheme) -> StartTls {
    match scheme {
        Scheme::Submission => StartTls::Required,
        _ if scheme.implicit_tls() => StartTls::Implicit,
        _ => StartTls::IfOffered,
    }
}

pub(super) fn via(target: &Target, address: Option<SocketAddr>) -> Via {
    Via { host: target.place.to_string(), address: address.map(|address| address.to_string()), tls: None }
}

/// What the DNS's answer means for mail to a domain or one of its hosts (RFC 5321 section 5.1, RFC 3463 section 3.2).
fn dns_outcome(error: &DnsError) -> Outcome {
    let status = match error {
        DnsError::NoDomain(_) => EnhancedStatus::new(5, 1, 2),
        other => other.enhanced(),
    };
    let diagnostic = Diagnostic::local(status, error.to_string());
    if error.is_temporary() { Outcome::Deferred(diagnostic) } else { Outcome::Refused(diagnostic) }
}

fn loops_back(why: LoopsBack) -> Outcome {
    refused(5, 4, 6, why.to_string())
}

fn deferred(class: u8, subject: u16, detail: u16, text: impl Into<String>) -> Outcome {
    Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(class, subject, detail), text))
}

fn refused(class: u8, subject: u16, detail: u16, text: impl Into<String>) -> Outcome {
    Outcome::Refused(Diagnostic::local(EnhancedStatus::new(class, subject, detail), text))
}

impl Spot {
    /// Nobody can listen on the way there.
    fn is_local(&self) -> bool {
        matches!(self, Spot::Socket(_) | Spot::Command(_))
    }
}

/// The name to verify and to show.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spot::MxHost(host) | Spot::Named { host, .. } => f.write_str(host),
            Spot::Address(address) => write!(f, "{}", address.ip()),
            Spot::Socket(path) => write!(f, "{}", path.display()),
            Spot::Command(argv) => f.write_str(argv.first().map_or("", String::as_str)),
        }
    }
}

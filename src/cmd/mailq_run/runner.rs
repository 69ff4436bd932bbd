//! Passes: one, or one after the other for as long as the watch goes on.

use super::args::PassOptions;
use super::identity::is_root;
use crate::cli::clock::System;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::log;
use crate::cli::opts::session::ToolTls;
use crate::cli::screen::Screen;
use crate::cli::signal::{heeded, take_over};
use crate::cli::transcript::Level;
use crate::disk::real::Real;
use crate::disk::spool::layout::Spool;
use crate::disk::spool::queue::Which;
use crate::net::dial::Dialer;
use crate::net::dns::{Options, Resolver};
use crate::net::tls::client::{Client, ClientConfig, Verify};
use crate::net::tls::layer::{Handshake, TlsError};
use crate::protocol::smtp::client::words::Timeouts;
use crate::relay::board::Way;
use crate::relay::clock::Clock;
use crate::relay::consign::Job;
use crate::relay::deliver::{Courier, Destination, Secure, Unserved};
use crate::relay::desk::Desk;
use crate::relay::event::Log;
use crate::relay::halt::Halt;
use crate::relay::local::{Known, Local};
use crate::relay::own_name::OwnName;
use crate::relay::pass::{Carrier, Done, Limits, Pass};
use crate::relay::retry::Schedule;
use crate::relay::route::{Router, Target};
use crate::relay::session::{Login, Outbox, Watch};
use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// How often a watch looks for new mail; while passes fail, up to the longest.
const LOOK: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The most time for a program or a Maildir.
const LOCAL_WITHIN: Duration = Duration::from_secs(300);

/// Servers that mail is passed on by with a login, by the names of their accounts.
pub type Accounts = HashMap<String, (Destination, ToolTls)>;

/// Those that routes name. Files with passwords are read here: the spool's owner may not be able to.
pub fn accounts(config: &Config) -> Result<Accounts, Failure> {
    let names = config.routes.iter().filter_map(|route| match &route.target {
        Target::Account(name) => Some(name.clone()),
        _ => None,
    });
    let ready = |name: String| {
        let (server, tls) = ToolTls::of_account(&name, config, "mailq-run")?;
        Ok((name, (Destination::Server(server), tls)))
    };
    names.map(ready).collect()
}

pub fn run(options: &PassOptions, spool: &Spool, router: &Router, accounts: &Accounts) -> Result<Status, Failure> {
    let default = if options.verbose > 0 { log::Target::Stderr } else { log::Target::Syslog };
    let log = options.log.open("mailq-run", default)?;
    let halt = Arc::default();
    halt_on_signals(&halt).or_status(Status::Os)?;
    let runner = Runner::new(options, (spool, router, accounts), &log, &halt)?;
    if options.watch { runner.watch() } else { runner.once().map(|_| Status::Done) }
}

fn halt_on_signals(halt: &Arc<Halt>) -> io::Result<()> {
    let heard = heeded(&[SIGTERM, SIGINT, SIGHUP]);
    for signal in &heard {
        // A second one ends us at once: what is in flight is tried again.
        flag::register_conditional_shutdown(*signal, 128 + signal, halt.flag())?;
    }
    let mut signals = Signals::new(&heard)?;
    take_over(&heard);
    let halt = Arc::clone(halt);
    std::thread::spawn(move || signals.forever().for_each(|_| halt.stop()));
    Ok(())
}

/// What stays the same from pass to pass: connectors, resolver and names.
struct Runner<'a> {
    spool: &'a Spool,
    router: &'a Router,
    accounts: &'a Accounts,
    log: &'a dyn Log,
    halt: &'a Halt,
    hostname: String,
    dialer: Dialer,
    resolver: Resolver,
    tls: Connectors,
    timeouts: Timeouts,
    screen: Option<Screen>,
    local: Local,
}

/// One TLS set-up for hosts that are verified, one for those that are not; neither is made before it is used.
struct Connectors {
    verified: Arc<Client>,
    opportunistic: Arc<Client>,
}

impl<'a> Runner<'a> {
    fn new(
        options: &PassOptions,
        (spool, router, accounts): (&'a Spool, &'a Router, &'a Accounts),
        log: &'a dyn Log,
        halt: &'a Halt,
    ) -> Result<Runner<'a>, Failure> {
        let hostname = router.hostname.to_string();
        let dialer = Dialer { over: halt.flag(), ..options.network.dialer() };
        let client = |verify| Client::new(ClientConfig { verify, ..ClientConfig::default() });
        let helper = match is_root() {
            true => Some(std::env::current_exe().context("cannot find this program").or_status(Status::Os)?),
            false => None,
        };
        Ok(Runner {
            spool,
            router,
            accounts,
            log,
            halt,
            resolver: Resolver::new(Options { family: dialer.family, ..Options::default() }).until(halt.flag()),
            dialer,
            tls: Connectors { verified: client(Verify::Pkix), opportunistic: client(Verify::Nothing) },
            timeouts: options.network.timeout().map_or_else(Timeouts::default, Timeouts::capped),
            screen: (options.verbose > 0).then(|| Screen::new(Level::new(options.verbose, false, false))),
            local: Local {
                fs: Real::shared(),
                hostname: hostname.clone(),
                helper,
                within: LOCAL_WITHIN,
                over: halt.flag(),
                known: Known::default(),
            },
            hostname,
        })
    }

    /// One pass. The first thing that failed of the spool or the system is the error.
    fn once(&self) -> Result<Done, Failure> {
        let desk = Desk::new(self.spool, &System, &System, self.log, Schedule::default(), &self.hostname);
        let carriers = Carriers { plain: self.courier(&self.tls, None), runner: self };
        let pass = Pass {
            desk: &desk,
            router: self.router,
            carrier: &carriers,
            local: &self.local,
            limits: Limits::default(),
            halt: self.halt,
        };
        let done = pass.run().or_status(Status::Io)?;
        match desk.first_trouble() {
            Some(trouble) => Err(Failure::text(Status::Io, trouble)),
            None => Ok(done),
        }
    }

    fn courier<'c>(&'c self, tls: &'c dyn Secure, login: Option<&'c dyn Login>) -> Courier<'c> {
        Courier {
            name: OwnName::Known(self.hostname.clone()),
            own_addresses: own_addresses(),
            dial: &self.dialer,
            dns: &self.resolver,
            tls,
            login,
            timeouts: self.timeouts.clone(),
            discard_ehlo: Vec::new(),
            watch: self.screen.as_ref().map(|screen| screen as &dyn Watch),
        }
    }

    /// Passes whenever something is due, until a signal comes. What fails is in the log, and is tried again ever more slowly.
    fn watch(&self) -> Result<Status, Failure> {
        let horizon = Schedule::default().horizon().as_secs();
        let mut pause = LOOK;
        while !self.halt.is_over() {
            let due = self.spool.scan(Which::Due { horizon }, System.now()).next();
            pause = match due {
                None => LOOK,
                Some(_) => match self.once() {
                    Ok(Done::Messages(n)) if n > 0 => LOOK,
                    _ => (pause * 2).min(LONGEST),
                },
            };
            self.rest(pause);
        }
        Ok(Status::Done)
    }

    fn rest(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() && !self.halt.is_over() {
            let step = left.min(Duration::from_millis(200));
            sleep(step);
            left -= step;
        }
    }
}

/// Who takes mail to its hosts: one courier for all, and one for each account while it is at work.
struct Carriers<'a> {
    plain: Courier<'a>,
    runner: &'a Runner<'a>,
}

impl Carrier for Carriers<'_> {
    fn serve<'j>(&self, to: &Way, securely: bool, outbox: &dyn Outbox<Job<'j>>) -> Option<Unserved> {
        let account = match to {
            Way::Account(name) => self.runner.accounts.get(name),
            Way::Open(_) => None,
        };
        let Some((destination, tls)) = account else { return Carrier::serve(&self.plain, to, securely, outbox) };
        let courier = self.runner.courier(tls, tls.login());
        Carrier::serve(&courier, &Way::Open(destination.clone()), securely, outbox)
    }
}

impl Secure for Connectors {
    fn client(&self, host: &str, verified: bool) -> Result<Box<dyn Handshake>, TlsError> {
        let client = if verified { &self.verified } else { &self.opportunistic };
        Ok(Box::new(client.to(host)))
    }
}

/// The addresses of this host, by which it knows itself among MX hosts. Unknown ones cost a loop that the hop count ends.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = interfaces.filter_map(|interface| interface.address);
    addresses
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect()
}

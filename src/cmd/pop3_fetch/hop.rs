//! The LMTP server that messages are handed to, and the way there.

use super::signals::Signals;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, Status};
use crate::cli::opts::server::named;
use crate::cli::opts::session::ToolTls;
use crate::cli::opts::tls::ClientTlsOptions;
use crate::cli::screen::Screen;
use crate::mail::server::{Host, Place, Scheme, Server};
use crate::net::dial::Dialer;
use crate::net::dns::{Options, Resolver};
use crate::net::tls::client::Client;
use crate::protocol::smtp::client::words::Timeouts;
use crate::relay::deliver::{Courier, Destination, Unserved};
use crate::relay::own_name::OwnName;
use crate::relay::session::{Outbox, Watch};

pub struct Hop {
    destination: Destination,
    tls: ToolTls,
    dialer: Dialer,
    /// Asked by nobody: the server is named.
    dns: Resolver,
    timeouts: Timeouts,
    screen: Screen,
    hostname: String,
}

impl Hop {
    /// As `--lmtp` says. What is no LMTP server is status 64, in the config 78.
    pub fn new(
        text: &str,
        config: &Config,
        hostname: &str,
        timeouts: Timeouts,
        screen: Screen,
        signals: &Signals,
    ) -> Result<Hop, Failure> {
        let (server, tls) = match text.strip_prefix("account:") {
            Some(name) => {
                let (server, tls) = ToolTls::of_account(name, config, "pop3-fetch")?;
                (checked(server, Status::Config)?, tls)
            }
            None => {
                let server = checked(named(text, Scheme::Lmtp)?.server, Status::Usage)?;
                let tls = tls_of(&server)?;
                (server, tls)
            }
        };
        let dialer = Dialer { over: signals.flag(), ..Dialer::default() };
        Ok(Hop {
            destination: Destination::Server(server),
            tls,
            dns: Resolver::new(Options { family: dialer.family, ..Options::default() }),
            dialer,
            timeouts,
            screen,
            hostname: hostname.to_owned(),
        })
    }

    /// Hands over what is in the outbox.
    pub fn serve(&self, outbox: &dyn Outbox<()>) -> Option<Unserved> {
        let courier = Courier {
            name: OwnName::Known(self.hostname.clone()),
            own_addresses: Vec::new(),
            dial: &self.dialer,
            dns: &self.dns,
            tls: &self.tls,
            login: self.tls.login(),
            timeouts: self.timeouts.clone(),
            discard_ehlo: Vec::new(),
            watch: Some(&self.screen as &dyn Watch),
        };
        courier.serve(&self.destination, outbox)
    }
}

fn checked(server: Server, status: Status) -> Result<Server, Failure> {
    let wrong = |text: String| Err(Failure::text(status, text));
    if server.scheme != Scheme::Lmtp {
        return wrong(format!("--lmtp: {} is no LMTP; say lmtp://host:port or lmtp:/PATH", server.scheme.word()));
    }
    if matches!(server.place, Place::Mx(_)) {
        return wrong("--lmtp: an LMTP server is at a host or a socket, not at a domain's MX hosts".to_owned());
    }
    if server.path.is_some() {
        return wrong("--lmtp: nothing follows the host".to_owned());
    }
    if server.user.is_some() && status == Status::Usage {
        return wrong("--lmtp: to log in, name an account of the config: account:NAME".to_owned());
    }
    Ok(server)
}

/// Within this host TLS is used where it is offered; to another the certificate is verified (RFC 2033 section 5).
fn tls_of(server: &Server) -> Result<ToolTls, Failure> {
    let options = ClientTlsOptions::default();
    let options = if is_local(&server.place) { options } else { options.required() };
    let settings = options.resolve(server, None, false)?;
    let client = Client::new(settings.connector());
    Ok(ToolTls { settings, client, login: None })
}

fn is_local(place: &Place) -> bool {
    match place {
        Place::Host { host: Host::Address(address), .. } => address.is_loopback(),
        Place::Host { host: Host::Name(name), .. } => name == "localhost",
        Place::Socket(_) | Place::Command(_) => true,
        Place::Mx(_) => false,
    }
}

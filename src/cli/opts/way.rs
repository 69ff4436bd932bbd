//! The way to a server that mailboxes are kept at: its place, TLS, and who logs in.

use super::auth::{Auth, AuthOptions};
use super::server::Chosen;
use super::tls::{ClientTls, ClientTlsOptions};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::server::{Host, Place, Scheme, Server};
use crate::net::connection::Connection;
use crate::net::dial::{DialError, Dialer};
use crate::net::tls::client::{Client, ClientConfig as TlsConfig, Verify};
use crate::net::tls::layer::Handshake;
use crate::protocol::sasl::words::Authentication;
use crate::relay::session::{Login, Via};
use std::net::SocketAddr;
use std::sync::Arc;

/// What the TLS of a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regard {
    /// Only that it is safe.
    Plain,
    /// It is reported, too.
    Reported,
    /// Nothing else: a certificate that would be refused is reported.
    Only,
}

pub struct Way {
    /// The account's name.
    pub name: Option<String>,
    pub server: Server,
    /// The host, path or program of it.
    pub place: String,
    pub tls: ClientTls,
    client: Arc<Client>,
    pub login: Option<Auth>,
}

impl Regard {
    /// Of who wants to see the session, or not.
    pub fn seen(shown: bool) -> Regard {
        if shown { Regard::Reported } else { Regard::Plain }
    }
}

impl Way {
    /// `login` is who logs in; none: nobody.
    pub fn new(chosen: Chosen, tls: &ClientTlsOptions, login: Option<Auth>, regard: Regard) -> Result<Way, Failure> {
        let secrets = login.as_ref().is_some_and(Auth::has_secrets);
        let tls = tls.clone().resolve(&chosen.server, chosen.account.as_ref(), secrets)?;
        let connector = tls.connector();
        let client = Client::new(match regard {
            Regard::Only => TlsConfig { verify: Verify::Report, report: true, ..connector },
            Regard::Reported => connector.reporting(),
            Regard::Plain => connector,
        });
        if tls.ca.is_some() || tls.cert.is_some() {
            client.prepare().or_status(Status::Config)?;
        }
        Ok(Way {
            name: chosen.name,
            place: match &chosen.server.place {
                Place::Host { host, .. } => host.to_string(),
                _ => chosen.server.to_string(),
            },
            server: chosen.server,
            tls,
            client,
            login,
        })
    }

    /// A socket of this host, or a program.
    pub fn is_local(&self) -> bool {
        matches!(self.server.place, Place::Socket(_) | Place::Command(_))
    }

    /// How to log in there; none: nobody does.
    pub fn authentication(&self) -> Option<Authentication> {
        self.login.as_ref().map(|login| login.authentication(self.is_local()))
    }

    /// What starts TLS with the server.
    pub fn handshake(&self) -> Box<dyn Handshake> {
        let host = match &self.server.place {
            Place::Host { host: Host::Name(name), .. } => name.clone(),
            Place::Host { host: Host::Address(address), .. } => address.to_string(),
            _ => "localhost".to_owned(),
        };
        Box::new(self.client.to(self.tls.name.as_deref().unwrap_or(&host)))
    }

    /// How it is called in messages.
    pub fn title(&self) -> String {
        match (&self.name, &self.server.place) {
            (Some(name), _) => name.clone(),
            (None, Place::Host { host, .. }) => host.to_string(),
            (None, _) => self.server.to_string(),
        }
    }

    /// Status 68 where there is no such host, 75 where nothing answers.
    pub fn connect(&self, dialer: &Dialer) -> Result<(Connection, Via), Failure> {
        let failed = |error: DialError| {
            let status = if error.is_no_such_host() { Status::NoHost } else { Status::TryAgain };
            Failure::new(status, error)
        };
        let local = |host: String, connection| (connection, Via { host, ..Via::default() });
        match &self.server.place {
            Place::Host { host, port } => {
                let (name, addresses) = match host {
                    Host::Name(name) => (name.clone(), dialer.lookup(name, *port).map_err(failed)?),
                    Host::Address(address) => (address.to_string(), vec![SocketAddr::new(*address, *port)]),
                };
                let reached = dialer.addresses(&name, &addresses).map_err(failed)?;
                Ok((reached.connection, Via { host: name, address: Some(reached.address.to_string()), ..Via::default() }))
            }
            Place::Socket(path) => Ok(local(path.display().to_string(), dialer.unix(path).map_err(failed)?)),
            Place::Command(argv) => Ok(local(argv.join(" "), dialer.command(argv).map_err(failed)?)),
            Place::Mx(domain) => Err(Failure::text(Status::Usage, format_args!("{domain}: no host"))),
        }
    }
}

/// The server, where mailboxes are kept at it that are spoken to in one of the two schemes, without TLS at once and with it.
pub fn checked(chosen: Chosen, protocol: &str, schemes: [Scheme; 2]) -> Result<Chosen, Failure> {
    let server = &chosen.server;
    if !schemes.contains(&server.scheme) {
        let [later, at_once] = schemes.map(Scheme::word);
        let text = format!("{}: no {protocol} server; those are {later}:// and {at_once}://", server.scheme.word());
        return Err(chosen.misfit(&text));
    }
    if matches!(server.place, Place::Mx(_)) {
        return Err(chosen.misfit("a mailbox is at a host, not at a domain's MX hosts"));
    }
    Ok(chosen)
}

/// Who names mechanisms wants no others.
pub fn names_mechanisms(options: &AuthOptions, chosen: &Chosen) -> bool {
    !options.mechanisms().is_empty() || chosen.account.as_ref().is_some_and(|account| !account.auth.is_empty())
}

//! What options and accounts come to for a client's sessions: TLS, and who logs in.

use super::auth::{Auth, AuthOptions};
use super::server::Chosen;
use super::tls::{ClientTls, ClientTlsOptions};
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::server::Server;
use crate::net::tls::client::Client;
use crate::net::tls::layer::{Handshake, TlsError};
use crate::protocol::session::StartTls;
use crate::relay::deliver::Secure;
use crate::relay::session::Login;
use std::sync::Arc;

/// How a tool uses TLS and logs in, whatever the destination.
pub struct ToolTls {
    pub settings: ClientTls,
    pub client: Arc<Client>,
    pub login: Option<Auth>,
}

impl Secure for ToolTls {
    fn client(&self, host: &str, _: bool) -> Result<Box<dyn Handshake>, TlsError> {
        let name = self.settings.name.as_deref().unwrap_or(host);
        Ok(Box::new(self.client.to(name)))
    }

    fn is_verified(&self, _: bool) -> bool {
        self.settings.verify || self.settings.fingerprint.is_some()
    }

    fn start(&self, _: StartTls) -> StartTls {
        self.settings.start()
    }
}

impl ToolTls {
    /// Of an account that mail is passed on by with nobody there to ask, and its server. What is wrong with it, a password that only a
    /// terminal could give included, is status 78.
    pub fn of_account(name: &str, config: &Config, tool: &str) -> Result<(Server, ToolTls), Failure> {
        let broken = |failure: Failure| Failure::new(Status::Config, failure.error.context(format!("account {name}")));
        let Some(account) = config.accounts.get(name) else {
            return Err(Failure::text(Status::Config, format!("account {name}: not in the config")));
        };
        let chosen = Chosen { server: account.server.clone(), account: Some(account.clone()), name: Some(name.to_owned()) };
        let login = AuthOptions::default().resolve(Some(&chosen), tool, false).map_err(broken)?;
        if login.as_ref().is_some_and(Auth::asks_somebody) {
            let line = format!("account {name}: no password in the config, and nobody to ask");
            return Err(Failure::text(Status::Config, line));
        }
        let secrets = login.as_ref().is_some_and(Auth::has_secrets);
        let settings = ClientTlsOptions::default().resolve(&chosen.server, chosen.account.as_ref(), secrets).map_err(broken)?;
        let client = Client::new(settings.connector());
        if settings.ca.is_some() {
            client.prepare().or_status(Status::Config)?;
        }
        Ok((chosen.server, ToolTls { settings, client, login }))
    }

    pub fn login(&self) -> Option<&dyn Login> {
        self.login.as_ref().map(|login| login as &dyn Login)
    }
}

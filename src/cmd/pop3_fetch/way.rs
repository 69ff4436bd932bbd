//! The way to one mailbox: server, TLS, who logs in.

use super::args::{Args, By};
use super::target::Whose;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, Status};
use crate::cli::opts::auth::Auth;
use crate::cli::opts::server::{Chosen, account, named, piped};
use crate::cli::opts::way::{self, Regard};
use crate::mail::server::{Place, Scheme};
use crate::protocol::pop3::words::{ClientConfig, LoginBy, Timeouts, Wish};
use crate::protocol::sasl::words::{Authentication, InClear};
use crate::protocol::session::StartTls;
use crate::relay::session::Login;
use std::ops::Deref;

pub struct Way {
    to: way::Way,
    pub by: LoginBy,
    pub timeouts: Timeouts,
    discard: Vec<String>,
    language: Wish,
}

impl Deref for Way {
    type Target = way::Way;

    fn deref(&self) -> &way::Way {
        &self.to
    }
}

const POP3: [Scheme; 2] = [Scheme::Pop3, Scheme::Pop3s];

/// The servers that were asked for; never none.
pub fn chosen(args: &Args, config: &Config) -> Result<Vec<Chosen>, Failure> {
    let options = &args.mailbox;
    if let Some(command) = &options.pipe {
        return Ok(vec![piped(command, Scheme::Pop3)?]);
    }
    if let Some(text) = options.place.as_ref().or(options.server.as_ref()) {
        return Ok(vec![checked(named(text, Scheme::Pop3)?)?]);
    }
    if options.all_accounts {
        let of_pop3 = config.accounts.iter().filter(|(_, account)| POP3.contains(&account.server.scheme));
        let all: Vec<Chosen> = of_pop3.map(|(name, _)| account(name, config)).collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(Failure::text(Status::Config, "the config has no account with a pop3:// or pop3s:// server"));
        }
        return Ok(all);
    }
    if options.account.is_empty() {
        return Err(Failure::text(Status::Usage, "no server: name one, or an account with -a, or --all-accounts"));
    }
    // Each once, however often it is named.
    let named = options.account.iter().enumerate().filter(|(n, name)| !options.account[..*n].contains(name));
    named.map(|(_, name)| checked(account(name, config)?)).collect()
}

fn checked(chosen: Chosen) -> Result<Chosen, Failure> {
    let chosen = way::checked(chosen, "POP3", POP3)?;
    if chosen.server.path.is_some() {
        return Err(chosen.misfit("POP3 has one mailbox for each user, so nothing follows the host"));
    }
    Ok(chosen)
}

/// What somebody goes there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To log in and do something.
    Mail,
    /// Nobody logs in, and a certificate that would be refused is reported.
    Look,
    /// Somebody types, and may log in by hand.
    Hand,
}

impl Way {
    pub fn new(args: &Args, chosen: Chosen, purpose: Purpose) -> Result<Way, Failure> {
        let login = match purpose {
            Purpose::Look => None,
            Purpose::Mail | Purpose::Hand => args.auth.resolve(Some(&chosen), "pop3-fetch", args.client.quiet)?,
        };
        if login.is_none() && purpose == Purpose::Mail {
            return Err(Failure::text(Status::Usage, "nobody to log in as: say --user USER, or user@ in the server's URL"));
        }
        if login.as_ref().is_some_and(|login| login.authentication(false).optional) {
            return Err(Failure::text(Status::Usage, "--auth-optional: a mailbox is only shown to who logs in"));
        }
        let regard = match purpose {
            Purpose::Look => Regard::Only,
            Purpose::Hand => Regard::Reported,
            Purpose::Mail => Regard::seen(args.client.verbose > 0 || args.trace.is_any()),
        };
        let named = way::names_mechanisms(&args.auth, &chosen);
        let by = match args.login {
            Some(By::Auth) => LoginBy::Auth,
            Some(By::Apop) => LoginBy::Apop,
            Some(By::User) => LoginBy::User,
            // Who names mechanisms wants no others.
            None if named => LoginBy::Auth,
            None => LoginBy::Any,
        };
        Ok(Way {
            to: way::Way::new(chosen, &args.tls, login, regard)?,
            by,
            timeouts: args.network.timeout().map_or_else(Timeouts::default, Timeouts::capped),
            language: match &args.lang {
                _ if purpose == Purpose::Look => Wish::List,
                Some(tag) => Wish::Speak(tag.clone()),
                None => Wish::Nothing,
            },
            discard: args.discard_capa.iter().map(|name| name.to_ascii_uppercase()).collect(),
        })
    }

    /// `tls`: when it starts, as [`ClientTls::start`] has it, or without it.
    pub fn config(&self, tls: StartTls) -> ClientConfig {
        ClientConfig {
            tls,
            auth: self.authentication(),
            by: self.by,
            timeouts: self.timeouts.clone(),
            discard: self.discard.clone(),
            language: self.language.clone(),
        }
    }

    /// Whether to go there again without TLS where its handshake failed: only where nobody asked for it, nor for a server that proves who
    /// it is, and where whoever logs in may do so in clear.
    pub fn may_go_in_clear(&self) -> bool {
        let allowed = |wanted: Authentication| wanted.in_clear != InClear::Never;
        self.tls.start() == StartTls::IfOffered
            && !self.tls.verify
            && self.tls.fingerprint.is_none()
            && self.authentication().is_some_and(allowed)
    }

    /// Whose mailbox it is, for what is remembered of it.
    pub fn whose<'a>(&'a self, hostname: &'a str, several: bool) -> Whose<'a> {
        let user = self.login.as_ref().map_or("", Auth::user);
        let port = if let Place::Host { port, .. } = &self.server.place { *port } else { 0 };
        Whose { user, host: &self.place, port, hostname, several }
    }
}

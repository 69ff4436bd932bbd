//! What the command line and the config come to: who may send, where it goes, how a session starts.

use super::args::Args;
use crate::cli::config::router::router;
use crate::cli::config::settings::Config;
use crate::cli::config::system_hostname;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::disk::maildir::Maildir;
use crate::disk::real::Real;
use crate::disk::scratch::Scratch;
use crate::disk::spool::layout::Spool;
use crate::mail::address::{Domain, ForwardPath, ReversePath};
use crate::mail::network::Network;
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::protocol::smtp::server::config::ServerConfig;
use crate::relay::policy::{HostPolicy, Policy, TakeAll};
use crate::relay::receive::Arriving;
use crate::relay::route::{Follow, NextHop, Router, argv};
use anyhow::Context;
use std::net::IpAddr;

/// Where accepted messages go.
pub enum Store {
    Spool(Spool),
    Maildir(Maildir),
    Command(Vec<String>),
    Stdout,
    Discard,
    /// To whoever runs the session within its own process.
    HandedOn(Box<HandOn>),
}

/// Takes a message for good, or says why not.
pub type HandOn = dyn Fn(&Arriving, &mut Scratch) -> Result<(), Reply> + Send + Sync;

/// Everything that sessions need to know.
pub struct Settings {
    pub server: ServerConfig,
    pub policy: Box<dyn Policy + Sync>,
    pub store: Store,
    /// Messages on stdout keep CRLF.
    pub crlf: bool,
    pub verbose: u8,
    pub quiet: bool,
    pub max_conn: usize,
}

impl Settings {
    /// Flags before the file before the defaults.
    pub fn resolve(args: &Args, config: &Config, starttls: bool, implicit_tls: bool) -> Result<Settings, Failure> {
        let hostname = hostname(args, config)?;
        let limits = &config.listen;
        let policy = policy(args, config, hostname.clone())?;
        let store = store(args, config)?;
        let is_spool = matches!(store, Store::Spool(_));
        let server = ServerConfig {
            hostname: hostname.to_string(),
            lmtp: args.role == super::args::Role::Lmtp,
            max_size: args.max_size.unwrap_or(limits.max_size),
            max_recipients: args.max_rcpt.map_or(limits.max_rcpt, |n| n as usize),
            starttls: starttls && !implicit_tls,
            implicit_tls,
            // Any other sink would forget what was asked.
            dsn: is_spool,
            require_tls: is_spool,
            timeout: args.timeout.unwrap_or(limits.timeout),
            max_errors: ServerConfig::new("").max_errors,
        };
        Ok(Settings {
            server,
            policy,
            store,
            crlf: args.store.crlf,
            verbose: args.verbose,
            quiet: args.quiet,
            max_conn: args.max_conn.map_or(limits.max_conn, |n| n as usize),
        })
    }
}

fn hostname(args: &Args, config: &Config) -> Result<Domain, Failure> {
    if let Some(name) = args.hostname.clone().or_else(|| config.hostname.clone()) {
        return Ok(name);
    }
    system_hostname().parse().or_status(Status::Os)
}

/// A sink from which nothing leaves takes everything, unless it is told whose mail to take. A spool never does.
fn policy(args: &Args, config: &Config, hostname: Domain) -> Result<Box<dyn Policy + Sync>, Failure> {
    let is_sink = args.store.maildir.is_some() || args.store.exec.is_some() || args.store.stdout || args.store.discard;
    if is_sink && args.domain.is_empty() {
        return Ok(Box::new(TakeAll));
    }
    Ok(Box::new(Own {
        router: router(config, hostname)?,
        trusted: config.trusted_users.clone(),
        open: args.domain.iter().chain(&config.relay_domains).cloned().collect(),
        relay_from: if args.relay_from.is_empty() { config.relay_from.clone() } else { args.relay_from.clone() },
    }))
}

/// This host's policy, with its users.
struct Own {
    router: Router,
    /// Users who may send under any address.
    trusted: Vec<String>,
    open: Vec<Domain>,
    relay_from: Vec<Network>,
}

impl Policy for Own {
    fn recipient(&self, client: Option<IpAddr>, recipient: &ForwardPath) -> Result<(), Reply> {
        let policy = HostPolicy {
            open_domains: &self.open,
            local_domains: &self.router.domains,
            local: &|recipient| self.local(recipient),
            relay_from: &self.relay_from,
        };
        policy.recipient(client, recipient)
    }

    fn recipient_of_user(&self, recipient: &ForwardPath) -> Result<(), Reply> {
        match recipient.domain() {
            Some(domain) if !self.router.domains.contains(domain) => Ok(()),
            _ => self.recipient(None, recipient),
        }
    }

    fn sender_of_user(&self, user: &str, reverse_path: &ReversePath) -> Result<(), Reply> {
        let ReversePath::Mailbox(sender) = reverse_path else { return Ok(()) };
        let name = sender.local.as_str().split('+').next().unwrap_or_default();
        let is_ours = sender.domain == self.router.hostname || self.router.domains.contains(&sender.domain);
        if user == "root" || self.trusted.iter().any(|trusted| trusted == user) || (name == user && is_ours) {
            return Ok(());
        }
        Err(Reply::enhanced(553, 7, 1, format!("{user} may not send as {sender}: only root and trusted-users send as others")))
    }
}

impl Own {
    /// What would be refused at delivery is refused here, so that no bounce has to go to a sender who may be forged.
    fn local(&self, recipient: &ForwardPath) -> Result<(), Reply> {
        match self.router.resolve(recipient, Follow::Aliases) {
            NextHop::Refuse(EnhancedStatus { subject, detail, .. }, text) => Err(Reply::enhanced(550, subject, detail, text)),
            _ => Ok(()),
        }
    }
}

fn store(args: &Args, config: &Config) -> Result<Store, Failure> {
    if let Some(dir) = &args.store.maildir {
        let maildir = Maildir::new(Real::shared(), dir);
        maildir.create().or_status(Status::CannotCreate)?;
        return Ok(Store::Maildir(maildir));
    }
    if let Some(command) = &args.store.exec {
        return argv(command).map(Store::Command).context("--exec").or_status(Status::Usage);
    }
    if args.store.stdout {
        return Ok(Store::Stdout);
    }
    if args.store.discard {
        return Ok(Store::Discard);
    }
    Spool::create(&args.store.spool.resolve(config)).map(Store::Spool).or_status(Status::CannotCreate)
}

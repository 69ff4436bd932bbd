//! What the config says, checked and with its defaults. The reference for people is `postroad.toml(5)`.

use crate::bytes::secret::Secret;
use crate::cli::opts::fingerprint::Fingerprint;
use crate::mail::address::{Domain, Mailbox};
use crate::mail::network::Network;
use crate::mail::server::Server;
use crate::protocol::sasl::words::Mechanism;
use crate::relay::route::Route;
use crate::relay::template::Template;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The whole config. [`Config::default`] is that of a host without a file: it accepts nothing and relays nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// `hostname`: our name in greetings, trace fields and reports. None: the system's (see `config::system_hostname`).
    pub hostname: Option<Domain>,
    /// `domains`: ours, accepted by smtp-listen and delivered by `local`. Default none. Never literals.
    pub domains: Vec<Domain>,
    /// `relay-domains`: accepted for relaying on, as an MX of theirs. Default none.
    pub relay_domains: Vec<Domain>,
    /// `relay-from`: clients that may send to anywhere. Default none, loopback included.
    pub relay_from: Vec<Network>,
    /// `trusted-users`: users of this host who may send under any address over a UNIX socket, as root may. Default none.
    pub trusted_users: Vec<String>,
    /// `spool`: the spool's directory.
    pub spool: SpoolDir,
    /// `node`: this host's name among those that share a spool, `[A-Za-z0-9-]+`. Default none.
    pub node: Option<String>,
    /// `[local]`
    pub local: Local,
    /// `[listen]`
    pub listen: Listen,
    /// `[sendmail]`
    pub sendmail: Sendmail,
    /// `[[route]]`, in order; the first match counts.
    pub routes: Vec<Route>,
    /// `[account.NAME]`, for the clients.
    pub accounts: BTreeMap<String, Account>,
}

impl Config {
    /// This host's own tree: the spool, or its node's part of it.
    pub fn spool_tree(&self) -> PathBuf {
        match &self.node {
            Some(node) => self.spool.0.join(node),
            None => self.spool.0.clone(),
        }
    }
}

/// `spool`, `/var/spool/postroad` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolDir(pub PathBuf);

impl Default for SpoolDir {
    fn default() -> Self {
        SpoolDir(PathBuf::from("/var/spool/postroad"))
    }
}

/// Delivery on this host, of mail for `domains` that no alias and no route takes elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Local {
    /// `maildir`: an absolute path with `{user}` and `{domain}` in it. Default none: local mail is deferred.
    pub maildir: Option<Template>,
    /// `users` or `users-file`. Default none listed.
    pub users: UserList,
    /// `aliases`: a file in the form of aliases(5). Default none.
    pub aliases: Option<PathBuf>,
}

/// Who has a mailbox here. A `+tag` is folded away before the name is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserList {
    /// `users = "*"`: any name.
    Any,
    /// `users = ["alice"]`, in their order: the first has `postmaster`'s mail where nobody else does.
    Listed(Vec<String>),
    /// `users-file`: one name a line, `#` lines apart.
    File(PathBuf),
}

impl Default for UserList {
    fn default() -> Self {
        UserList::Listed(Vec::new())
    }
}

/// What smtp-listen offers and bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `tls-cert` and `tls-key`, both PEM. Default none: STARTTLS is not offered.
    pub tls: Option<CertFiles>,
    /// `max-size`: largest message, octets. Default 50 MiB.
    pub max_size: u64,
    /// `max-rcpt`: most recipients of one message. Default 1000; at least 100 (RFC 5321 section 4.5.3.1.8).
    pub max_rcpt: usize,
    /// `max-conn`: most clients at once. Default 200.
    pub max_conn: usize,
    /// `timeout`: how long a client may be silent. Default five minutes (RFC 5321 section 4.5.3.2.7).
    pub timeout: Duration,
}

impl Default for Listen {
    fn default() -> Self {
        Listen { tls: None, max_size: 50 << 20, max_rcpt: 1000, max_conn: 200, timeout: Duration::from_secs(300) }
    }
}

/// smtp-send under the name of sendmail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sendmail {
    /// `account`: where messages go. Default none: to the submission socket.
    pub account: Option<String>,
    /// `socket`: the submission socket. Default none named.
    pub socket: Option<PathBuf>,
    /// `log`: as `--log` has it. Default none.
    pub log: Option<String>,
}

/// A certificate chain and its private key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// `[account.NAME]`, for the clients' `-a NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `server`: a URL, with the user in it.
    pub server: Server,
    /// `from`: the reverse-path where no `-f` is given.
    pub from: Option<Mailbox>,
    /// `user`: who logs in; goes before the user in `server`.
    pub user: Option<String>,
    /// `auth`: mechanisms in the order of preference. Default empty: those for passwords, the strongest first.
    pub auth: Vec<Mechanism>,
    /// `password`, `password-command` or `password-file`: one of them.
    pub password: Option<Password>,
    /// `tls`: default by the server's scheme.
    pub tls: Option<TlsMode>,
    /// `tls-ca`: a PEM file of the authorities to trust in place of the system's.
    pub tls_ca: Option<PathBuf>,
    /// `tls-fingerprint`: SHA-256 of the certificate, in hex.
    pub tls_fingerprint: Option<Fingerprint>,
}

impl Account {
    /// An account with nothing but its server.
    pub fn at(server: Server) -> Account {
        Account {
            server,
            from: None,
            user: None,
            auth: Vec::new(),
            password: None,
            tls: None,
            tls_ca: None,
            tls_fingerprint: None,
        }
    }
}

/// Where an account's password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// `password`, which stands in this config file.
    Here { password: Secret<String>, file: PathBuf },
    /// `password-command`: program and arguments; its first line of output is the password.
    Command(Vec<String>),
    /// `password-file`: its first line is the password.
    File(PathBuf),
}

/// Whether a session is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsMode {
    /// Encrypted and verified, or not at all
    Require,
    /// Encrypted where the server offers it, unverified
    Opportunistic,
    /// Plain text
    Never,
}

impl TlsMode {
    /// `require`, `opportunistic` or `never`.
    pub fn named(word: &str) -> Option<TlsMode> {
        <TlsMode as clap::ValueEnum>::from_str(word, false).ok()
    }
}

//! One config file, checked: every value parsed, every path made absolute from the file's own directory. Keys that are absent
//! stay absent, so that one file can lie over another.

use super::keys::{AccountKeys, Keys, ListenKeys, LocalKeys, OneOrMore, Quantity, RouteKeys, SendmailKeys, UsersKey};
use super::place::{ConfigError, Place, parse_error};
use super::settings::{Account, CertFiles, Config, Listen, Local, Password, Sendmail, SpoolDir, TlsMode, UserList};
use crate::bytes::secret::Secret;
use crate::cli::log;
use crate::cli::opts::{duration, fingerprint, size};
use crate::mail::address::{Domain, Mailbox};
use crate::mail::network::Network;
use crate::mail::server::{Scheme, Server};
use crate::protocol::sasl::words::Mechanism;
use crate::relay::route::{Route, Target, argv};
use crate::relay::template::Template;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::Spanned;

/// What one file says.
#[derive(Debug, Default)]
pub struct Layer {
    hostname: Option<Domain>,
    domains: Option<(Vec<Domain>, Place)>,
    spool: Option<PathBuf>,
    relay_domains: Option<Vec<Domain>>,
    relay_from: Option<Vec<Network>>,
    trusted_users: Option<Vec<String>>,
    node: Option<String>,
    maildir: Option<Template>,
    users: Option<UserList>,
    aliases: Option<PathBuf>,
    tls: Option<CertFiles>,
    max_size: Option<u64>,
    max_rcpt: Option<usize>,
    max_conn: Option<usize>,
    timeout: Option<std::time::Duration>,
    sendmail_account: Option<(String, Place)>,
    sendmail_socket: Option<PathBuf>,
    sendmail_log: Option<String>,
    /// Each with the place of its `to`.
    routes: Option<Vec<(Route, Place)>>,
    accounts: BTreeMap<String, Account>,
}

impl Layer {
    /// Parses `text`, the text of `path`. The files that it names are not opened.
    pub fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
        let keys: Keys = toml::from_str(text).map_err(|e| parse_error(path, text, &e))?;
        File { path, text }.layer(keys)
    }

    /// This file's values, and `lower`'s where it has none. Accounts of both count, routes of one.
    pub fn over(mut self, lower: Layer) -> Layer {
        let mut accounts = lower.accounts;
        accounts.append(&mut self.accounts);
        Layer {
            hostname: self.hostname.or(lower.hostname),
            domains: self.domains.or(lower.domains),
            spool: self.spool.or(lower.spool),
            relay_domains: self.relay_domains.or(lower.relay_domains),
            relay_from: self.relay_from.or(lower.relay_from),
            trusted_users: self.trusted_users.or(lower.trusted_users),
            node: self.node.or(lower.node),
            maildir: self.maildir.or(lower.maildir),
            users: self.users.or(lower.users),
            aliases: self.aliases.or(lower.aliases),
            tls: self.tls.or(lower.tls),
            max_size: self.max_size.or(lower.max_size),
            max_rcpt: self.max_rcpt.or(lower.max_rcpt),
            max_conn: self.max_conn.or(lower.max_conn),
            timeout: self.timeout.or(lower.timeout),
            // One says where messages go, whichever of the two it names.
            sendmail_socket: self.sendmail_socket.or(lower.sendmail_socket.filter(|_| self.sendmail_account.is_none())),
            sendmail_account: self.sendmail_account.or(lower.sendmail_account),
            sendmail_log: self.sendmail_log.or(lower.sendmail_log),
            routes: self.routes.or(lower.routes),
            accounts,
        }
    }

    /// With the defaults; what only the whole can be checked for is checked here.
    pub fn finish(self) -> Result<Config, ConfigError> {
        if let (Some((domains, place)), None) = (&self.domains, &self.users)
            && !domains.is_empty()
        {
            return Err(place.wrong("domains without users: list them under [local], or say users = \"*\" there"));
        }
        if let Some((name, place)) = self.sendmail_account.as_ref().filter(|(name, _)| !self.accounts.contains_key(name)) {
            return Err(place.wrong(format_args!("account: no [account.{name}]")));
        }
        for (route, place) in self.routes.iter().flatten() {
            check_account(route, &self.accounts).map_err(|why| place.wrong(why))?;
        }
        let listen = Listen::default();
        Ok(Config {
            hostname: self.hostname,
            domains: self.domains.map(|(domains, _)| domains).unwrap_or_default(),
            relay_domains: self.relay_domains.unwrap_or_default(),
            relay_from: self.relay_from.unwrap_or_default(),
            spool: self.spool.map(SpoolDir).unwrap_or_default(),
            trusted_users: self.trusted_users.unwrap_or_default(),
            node: self.node,
            local: Local { maildir: self.maildir, users: self.users.unwrap_or_default(), aliases: self.aliases },
            listen: Listen {
                tls: self.tls,
                max_size: self.max_size.unwrap_or(listen.max_size),
                max_rcpt: self.max_rcpt.unwrap_or(listen.max_rcpt),
                max_conn: self.max_conn.unwrap_or(listen.max_conn),
                timeout: self.timeout.unwrap_or(listen.timeout),
            },
            sendmail: Sendmail {
                account: self.sendmail_account.map(|(name, _)| name),
                socket: self.sendmail_socket,
                log: self.sendmail_log,
            },
            routes: self.routes.unwrap_or_default().into_iter().map(|(route, _)| route).collect(),
            accounts: self.accounts,
        })
    }
}

/// An account that a route names has to be there, and to take mail.
fn check_account(route: &Route, accounts: &BTreeMap<String, Account>) -> Result<(), String> {
    let Target::Account(name) = &route.target else { return Ok(()) };
    match accounts.get(name) {
        None => Err(format!("to: no [account.{name}]")),
        Some(account) if !account.server.scheme.is_transport() => Err(format!("to: mail cannot be sent to {}", account.server)),
        Some(_) => Ok(()),
    }
}

/// Where a password may stand.
#[derive(Clone, Copy)]
enum PasswordKey {
    Here,
    Command,
    File,
}

/// The file that is being read, for places and relative paths.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn layer(&self, keys: Keys) -> Result<Layer, ConfigError> {
        let mut layer = Layer {
            hostname: keys.hostname.map(|v| self.domain("hostname", &v)).transpose()?,
            spool: keys.spool.map(|v| self.file("spool", &v)).transpose()?,
            node: keys.node.map(|v| self.node(&v)).transpose()?,
            ..Layer::default()
        };
        if let Some(words) = keys.domains {
            layer.domains = Some((self.each(&words, |v| self.domain("domains", v))?, self.place(words.span())));
        }
        if let Some(words) = keys.relay_domains {
            layer.relay_domains = Some(self.each(&words, |v| self.domain("relay-domains", v))?);
        }
        if let Some(words) = keys.trusted_users {
            layer.trusted_users = Some(self.each(&words, |v| self.trusted_user(v))?);
        }
        if let Some(words) = keys.relay_from {
            layer.relay_from = Some(self.each(&words, |v| self.said("relay-from", v))?);
        }
        if let Some(keys) = keys.local {
            self.local(keys, &mut layer)?;
        }
        if let Some(keys) = keys.listen {
            self.listen(keys, &mut layer)?;
        }
        if let Some(keys) = keys.sendmail {
            self.sendmail(keys, &mut layer)?;
        }
        if let Some(routes) = keys.route {
            layer.routes = Some(routes.into_iter().map(|route| self.route(route)).collect::<Result<_, _>>()?);
        }
        for (name, keys) in keys.account.unwrap_or_default() {
            layer.accounts.insert(name, self.account(keys.into_inner())?);
        }
        Ok(layer)
    }

    fn local(&self, keys: LocalKeys, layer: &mut Layer) -> Result<(), ConfigError> {
        layer.maildir = keys.maildir.map(|v| self.said("maildir", &v)).transpose()?;
        layer.aliases = keys.aliases.map(|v| self.file("aliases", &v)).transpose()?;
        layer.users = match (keys.users, keys.users_file) {
            (Some(_), Some(file)) => return Err(self.wrong(file.span(), "users and users-file: give one of them")),
            (Some(users), None) => Some(self.users(&users)?),
            (None, Some(file)) => Some(UserList::File(self.file("users-file", &file)?)),
            (None, None) => None,
        };
        Ok(())
    }

    fn listen(&self, keys: ListenKeys, layer: &mut Layer) -> Result<(), ConfigError> {
        layer.tls = match (keys.tls_cert, keys.tls_key) {
            (Some(cert), Some(key)) => Some(CertFiles { cert: self.file("tls-cert", &cert)?, key: self.file("tls-key", &key)? }),
            (Some(cert), None) => return Err(self.wrong(cert.span(), "tls-cert without tls-key")),
            (None, Some(key)) => return Err(self.wrong(key.span(), "tls-key without tls-cert")),
            (None, None) => None,
        };
        layer.max_size = keys.max_size.map(|v| self.quantity("max-size", v, Ok, size::parse)).transpose()?;
        layer.max_rcpt = keys.max_rcpt.map(|v| self.count("max-rcpt", v, 100)).transpose()?;
        layer.max_conn = keys.max_conn.map(|v| self.count("max-conn", v, 1)).transpose()?;
        let seconds = |n: u64| duration::timeout(&n.to_string());
        layer.timeout = keys.timeout.map(|v| self.quantity("timeout", v, seconds, duration::timeout)).transpose()?;
        Ok(())
    }

    fn sendmail(&self, keys: SendmailKeys, layer: &mut Layer) -> Result<(), ConfigError> {
        if let (Some(_), Some(socket)) = (&keys.account, &keys.socket) {
            return Err(self.wrong(socket.span(), "account and socket: give one of them"));
        }
        layer.sendmail_account = keys.account.map(|name| {
            let place = self.place(name.span());
            (name.into_inner(), place)
        });
        layer.sendmail_socket = keys.socket.map(|v| self.file("socket", &v)).transpose()?;
        layer.sendmail_log = keys.log.map(|v| self.log(&v)).transpose()?;
        Ok(())
    }

    fn log(&self, value: &Spanned<String>) -> Result<String, ConfigError> {
        let text = value.as_ref();
        let target = log::target(text).map_err(|e| self.wrong(value.span(), format_args!("log: \"{text}\": {e}")))?;
        Ok(match target {
            log::Target::File(_) => self.file("log", value)?.display().to_string(),
            log::Target::Stderr | log::Target::Syslog | log::Target::None => text.clone(),
        })
    }

    fn route(&self, keys: Spanned<RouteKeys>) -> Result<(Route, Place), ConfigError> {
        let RouteKeys { pattern, to } = keys.into_inner();
        let place = self.place(to.span());
        Ok((Route { pattern: self.said("match", &pattern)?, target: self.said("to", &to)? }, place))
    }

    fn account(&self, keys: AccountKeys) -> Result<Account, ConfigError> {
        let server = Server::parse(keys.server.as_ref(), Scheme::Submission);
        let tls = |v: Spanned<String>| {
            let mode = TlsMode::named(v.as_ref());
            mode.ok_or_else(|| {
                self.wrong(v.span(), format_args!("tls is require, opportunistic or never, not \"{}\"", v.as_ref()))
            })
        };
        let print = |v: Spanned<String>| {
            fingerprint::parse(v.as_ref()).map_err(|e| self.wrong(v.span(), format_args!("tls-fingerprint: {e}")))
        };
        Ok(Account {
            server: server.map_err(|e| self.wrong(keys.server.span(), format_args!("server: {e}")))?,
            from: keys.from.map(|v| self.value::<Mailbox>("from", &v)).transpose()?,
            user: keys.user.map(|v| self.user(v)).transpose()?,
            auth: keys.auth.map(|v| self.mechanisms(v)).transpose()?.unwrap_or_default(),
            password: self.password([
                keys.password.map(|v| (PasswordKey::Here, v)),
                keys.password_command.map(|v| (PasswordKey::Command, v)),
                keys.password_file.map(|v| (PasswordKey::File, v)),
            ])?,
            tls: keys.tls.map(tls).transpose()?,
            tls_ca: keys.tls_ca.map(|v| self.file("tls-ca", &v)).transpose()?,
            tls_fingerprint: keys.tls_fingerprint.map(print).transpose()?,
        })
    }

    fn user(&self, value: Spanned<String>) -> Result<String, ConfigError> {
        let name = value.as_ref();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.wrong(value.span(), format_args!("user: \"{}\": no name", name.escape_debug())));
        }
        Ok(value.into_inner())
    }

    fn mechanisms(&self, value: Spanned<OneOrMore>) -> Result<Vec<Mechanism>, ConfigError> {
        let span = value.span();
        let names = match value.into_inner() {
            OneOrMore::One(names) => names.split(',').map(str::to_owned).collect(),
            OneOrMore::More(names) => names,
        };
        let parsed: Result<Vec<Mechanism>, _> = names.iter().map(|name| name.trim().parse()).collect();
        match parsed {
            Ok(empty) if empty.is_empty() => Err(self.wrong(span, "auth: no mechanism")),
            Ok(mechanisms) => Ok(mechanisms),
            Err(error) => Err(self.wrong(span, format_args!("auth: {error}"))),
        }
    }

    /// At most one of these keys; no error says what a password is.
    fn password(&self, keys: [Option<(PasswordKey, Spanned<String>)>; 3]) -> Result<Option<Password>, ConfigError> {
        let mut given = keys.into_iter().flatten();
        let Some((key, value)) = given.next() else { return Ok(None) };
        if let Some((_, other)) = given.next() {
            return Err(self.wrong(other.span(), "password, password-command and password-file: give one of them"));
        }
        Ok(Some(match key {
            PasswordKey::Here => {
                let wrong = value.as_ref().is_empty() || value.as_ref().contains(['\r', '\n', '\0']);
                if wrong {
                    return Err(self.wrong(value.span(), "password: one line that is not empty"));
                }
                Password::Here { password: Secret::new(value.into_inner()), file: self.path.to_owned() }
            }
            PasswordKey::Command => {
                let words = argv(value.as_ref());
                Password::Command(words.map_err(|e| self.wrong(value.span(), format_args!("password-command: {e}")))?)
            }
            PasswordKey::File => Password::File(self.file("password-file", &value)?),
        }))
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place::of(self.path, self.text, Some(span))
    }

    fn wrong(&self, span: Range<usize>, what: impl Display) -> ConfigError {
        self.place(span).wrong(what)
    }

    fn each<T>(
        &self,
        words: &Spanned<Vec<Spanned<String>>>,
        one: impl Fn(&Spanned<String>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        words.as_ref().iter().map(one).collect()
    }

    fn value<T: FromStr<Err: Display>>(&self, key: &str, value: &Spanned<String>) -> Result<T, ConfigError> {
        let text = value.as_ref();
        text.parse().map_err(|e| self.wrong(value.span(), format_args!("{key}: \"{text}\": {e}")))
    }

    /// As [`File::value`], for values whose errors quote them.
    fn said<T: FromStr<Err: Display>>(&self, key: &str, value: &Spanned<String>) -> Result<T, ConfigError> {
        value.as_ref().parse().map_err(|e| self.wrong(value.span(), format_args!("{key}: {e}")))
    }

    fn domain(&self, key: &str, value: &Spanned<String>) -> Result<Domain, ConfigError> {
        match self.value(key, value)? {
            Domain::Literal(_) => {
                Err(self.wrong(value.span(), format_args!("{key}: \"{}\": a name, not an address", value.as_ref())))
            }
            name => Ok(name),
        }
    }

    fn file(&self, key: &str, value: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        if value.as_ref().is_empty() {
            return Err(self.wrong(value.span(), format_args!("{key}: empty path")));
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok(std::path::absolute(folder.join(value.as_ref())).unwrap_or_else(|_| folder.join(value.as_ref())))
    }

    fn trusted_user(&self, value: &Spanned<String>) -> Result<String, ConfigError> {
        let name = value.as_ref();
        if is_user(name) {
            Ok(name.clone())
        } else {
            Err(self.wrong(value.span(), format_args!("trusted-users: \"{name}\": no user name")))
        }
    }

    fn node(&self, value: &Spanned<String>) -> Result<String, ConfigError> {
        let name = value.as_ref();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(self.wrong(value.span(), format_args!("node: \"{name}\": only letters, digits and -")));
        }
        Ok(name.clone())
    }

    fn users(&self, value: &Spanned<UsersKey>) -> Result<UserList, ConfigError> {
        let wrong = |what: String| self.wrong(value.span(), what);
        match value.as_ref() {
            UsersKey::Word(word) if word == "*" => Ok(UserList::Any),
            UsersKey::Word(word) => Err(wrong(format!("users: \"{word}\": a list of names, or \"*\""))),
            UsersKey::Listed(names) => match names.iter().find(|name| !is_user(name)) {
                Some(name) => Err(wrong(format!("users: \"{name}\": no user name"))),
                None => Ok(UserList::Listed(names.clone())),
            },
        }
    }

    fn quantity<T, E: Display>(
        &self,
        key: &str,
        value: Spanned<Quantity>,
        number: impl Fn(u64) -> Result<T, E>,
        text: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let span = value.span();
        let parsed = match value.into_inner() {
            Quantity::Number(n) => number(n),
            Quantity::Text(t) => text(&t),
        };
        parsed.map_err(|e| self.wrong(span, format_args!("{key}: {e}")))
    }

    fn count(&self, key: &str, value: Spanned<u64>, least: usize) -> Result<usize, ConfigError> {
        let count = usize::try_from(*value.as_ref()).unwrap_or(usize::MAX);
        if count < least {
            return Err(self.wrong(value.span(), format_args!("{key}: {least} at least")));
        }
        Ok(count)
    }
}

/// A local part that may stand for `{user}` in a path.
pub fn is_user(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\0']) && format!("{name}@localhost").parse::<Mailbox>().is_ok()
}

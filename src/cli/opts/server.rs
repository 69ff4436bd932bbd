//! Which server a client speaks to, and how it gets there.

use super::duration;
use crate::cli::config::settings::{Account, Config};
use crate::cli::exit::{Failure, Status};
use crate::cli::secret::SOURCES;
use crate::mail::server::{Scheme, Server, ServerError};
use crate::net::dial::{Dialer, Family, ProxyHeader};
use crate::protocol::proxy;
use crate::relay::route;
use clap::{Args, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Debug, Clone, Default, Args)]
pub struct ServerOptions {
    /// The server: host[:port], URL, mx:DOMAIN, or a socket as unix:/PATH or lmtp:/PATH
    ///
    /// URLs are smtp://, smtps://, submission://, submissions:// or lmtp://, then [user@]host[:port]. Brackets hold an IPv6
    /// address. The host is never MX-resolved; mx:DOMAIN always is.
    #[arg(short, long, value_name = "SERVER", conflicts_with = "account", help_heading = "Server options")]
    server: Option<String>,
    /// Take the server and what belongs to it from [account.NAME] of the config
    #[arg(short, long, value_name = "NAME", help_heading = "Server options")]
    account: Option<String>,
    /// Start this program and speak to its stdin and stdout, as to a server that inetd starts
    ///
    /// Words are parted at blanks, quotes keep them together; there is no shell. What the program says on stderr is shown.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["server", "account"], help_heading = "Server options")]
    pipe: Option<String>,
    /// Speak LMTP to --pipe
    #[arg(long, requires = "pipe", hide_short_help = true, help_heading = "Server options")]
    lmtp: bool,
}

/// The server that was asked for, with the account it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub server: Server,
    pub account: Option<Account>,
    /// The account's name.
    pub name: Option<String>,
}

impl Chosen {
    /// It will not do: the config is wrong, or the command line.
    pub fn misfit(&self, text: &str) -> Failure {
        match &self.name {
            Some(name) => Failure::text(Status::Config, format_args!("account {name}: {text}")),
            None => Failure::text(Status::Usage, text),
        }
    }
}

impl ServerOptions {
    /// None: neither a server nor an account was named. What names no scheme has `default`. A server that cannot be read is
    /// status 64, an account that is not there 78.
    pub fn resolve(&self, config: &Config, default: Scheme) -> Result<Option<Chosen>, Failure> {
        if let Some(command) = &self.pipe {
            return piped(command, if self.lmtp { Scheme::Lmtp } else { default }).map(Some);
        }
        if let Some(text) = &self.server {
            return named(text, default).map(Some);
        }
        self.account.as_ref().map(|name| account(name, config)).transpose()
    }
}

/// The program of `--pipe`, which speaks that.
pub fn piped(command: &str, scheme: Scheme) -> Result<Chosen, Failure> {
    let argv = route::argv(command).map_err(|e| Failure::text(Status::Usage, format_args!("--pipe: {e}")))?;
    Ok(Chosen { server: Server::command(scheme, argv), account: None, name: None })
}

/// The server that is named by URL or host. One that cannot be read is status 64.
pub fn named(text: &str, default: Scheme) -> Result<Chosen, Failure> {
    let server = Server::parse(text, default);
    let server = server.map_err(|error| Failure::text(Status::Usage, unreadable(text, &error)))?;
    Ok(Chosen { server, account: None, name: None })
}

/// The server of an account; status 78 where there is no such account.
pub fn account(name: &str, config: &Config) -> Result<Chosen, Failure> {
    match config.accounts.get(name) {
        Some(account) => {
            let (server, account) = (account.server.clone(), Some(account.clone()));
            Ok(Chosen { server, account, name: Some(name.to_owned()) })
        }
        None => Err(Failure::text(Status::Config, unknown_account(name, config))),
    }
}

/// The error alone where the text has a password in it.
fn unreadable(text: &str, error: &ServerError) -> String {
    match error {
        ServerError::Password => format!("{error}: {SOURCES}"),
        error => format!("server {text}: {error}"),
    }
}

fn unknown_account(name: &str, config: &Config) -> String {
    let there: Vec<&str> = config.accounts.keys().map(String::as_str).collect();
    if there.is_empty() {
        return format!("account {name}: the config has no accounts");
    }
    format!("account {name}: not in the config, which has {}", there.join(", "))
}

/// How a connection is made.
#[derive(Debug, Clone, Default, Args)]
pub struct NetworkOptions {
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6", help_heading = "Network options")]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', help_heading = "Network options")]
    ipv6: bool,
    /// Connect from this address
    #[arg(long, value_name = "ADDRESS", hide_short_help = true, help_heading = "Network options")]
    source: Option<IpAddr>,
    /// Longest wait for the peer, in seconds or as 30s, 5m
    ///
    /// Default: some minutes, by the step, as RFC 5321 sets them for SMTP.
    #[arg(long, value_name = "TIME", value_parser = duration::timeout, help_heading = "Network options")]
    timeout: Option<Duration>,
    /// Begin with a header of the PROXY protocol, as a load balancer would, to a server that expects one
    #[arg(long, value_name = "VERSION", value_enum, hide_short_help = true, help_heading = "Network options")]
    proxy_header: Option<ProxyVersion>,
    /// Where --proxy-header says that the connection comes from [default: where it does]
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        requires = "proxy_header",
        hide_short_help = true,
        help_heading = "Network options"
    )]
    proxy_source: Option<SocketAddr>,
    /// Where --proxy-header says that the connection went to [default: where it does]
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        requires = "proxy_header",
        hide_short_help = true,
        help_heading = "Network options"
    )]
    proxy_dest: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyVersion {
    /// A line of text
    #[value(alias = "1")]
    V1,
    /// Binary
    #[value(alias = "2")]
    V2,
}

impl NetworkOptions {
    /// Connects as asked for. `--timeout` is for each address of a host.
    pub fn dialer(&self) -> Dialer {
        let usual = Dialer::default();
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        let address_within = self.timeout.unwrap_or(usual.address_within);
        let proxy = self.proxy_header.map(|version| ProxyHeader {
            version: match version {
                ProxyVersion::V1 => proxy::Version::V1,
                ProxyVersion::V2 => proxy::Version::V2,
            },
            source: self.proxy_source,
            destination: self.proxy_dest,
        });
        Dialer { address_within, within: usual.within.max(address_within), source: self.source, family, proxy, ..usual }
    }

    /// What takes the place of every time-out of a session, if that was said.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Client {
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        network: NetworkOptions,
    }

    fn client(flags: &str) -> Result<Client, clap::Error> {
        Client::try_parse_from(std::iter::once("x").chain(flags.split_whitespace()))
    }

    fn config() -> Config {
        let server = Server::parse("submission://mail.test", Scheme::Smtp).unwrap();
        Config { accounts: [("work".to_owned(), Account::at(server))].into(), ..Config::default() }
    }

    #[test]
    fn a_server_or_an_account_never_both() {
        let of = |flags: &str| {
            let chosen = client(flags).unwrap().server.resolve(&config(), Scheme::Smtp);
            chosen.map(|c| c.map(|c| (c.server.to_string(), c.account.is_some()))).map_err(|f| (f.status, f.error.to_string()))
        };
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("-s mx.test:26"), Ok(Some(("smtp://mx.test:26".to_owned(), false))));
        assert_eq!(of("-a work"), Ok(Some(("submission://mail.test:587".to_owned(), true))));
        assert_eq!(of("-s mx.test:0"), Err((Status::Usage, "server mx.test:0: bad port 0".to_owned())));
        assert_eq!(of("-a play"), Err((Status::Config, "account play: not in the config, which has work".to_owned())));
        let (status, error) = of("-s smtp://alice:s3cret@mx.test").unwrap_err();
        assert_eq!(status, Status::Usage);
        assert!(error.contains("--password-command") && !error.contains("s3cret"), "{error}");
        assert!(client("-a work -s mx.test").is_err(), "an account's secrets are for its own server");
    }

    #[test]
    fn the_network_is_used_as_asked_for() {
        let dialer = client("-6 --source ::1 --timeout 10m").unwrap().network.dialer();
        assert_eq!((dialer.family, dialer.source), (Family::V6, Some("::1".parse().unwrap())));
        assert_eq!((dialer.address_within, dialer.within), (Duration::from_secs(600), Duration::from_secs(600)));
        let usual = client("").unwrap().network;
        assert_eq!((usual.dialer().family, usual.timeout()), (Family::Any, None));
        assert!(client("-4 -6").is_err() && client("--timeout 0").is_err());
    }
}

//! Servers as people write them: `smtp://alice@mail.crepes.test:2525`, `mail.crepes.test:25`, `mx:crepes.test`, `lmtp:/run/lmtp`. Parsed only:
//! nothing is resolved, and no secret ever stands in one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// What is spoken, and how its TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Smtp,
    Smtps,
    Submission,
    Submissions,
    Lmtp,
    Pop3,
    Pop3s,
    Imap,
    Imaps,
}

/// Where a server is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A name that is never MX-resolved, or an address.
    Host { host: Host, port: u16 },
    /// The MX hosts of a domain.
    Mx(String),
    /// A UNIX-domain socket.
    Socket(PathBuf),
    /// A program of ours that is spoken to on its stdin and stdout, with its arguments; never empty.
    Command(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// In lower case, without a trailing dot.
    Name(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    pub scheme: Scheme,
    pub user: Option<String>,
    pub place: Place,
    /// What follows the first slash behind the host: a mailbox, decoded.
    pub path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error("no server")]
    Empty,
    #[error("unknown scheme {0}:")]
    Scheme(String),
    #[error("bad host {0}")]
    Host(String),
    #[error("brackets hold an IPv6 address only: {0}")]
    Brackets(String),
    #[error("bad port {0}")]
    Port(String),
    #[error("bad %-escape in {0}")]
    Escape(String),
    #[error("a password has no place in a server's URL")]
    Password,
    #[error("a socket's path starts with /: {0}")]
    Socket(String),
}

const SCHEMES: [(Scheme, &str, u16); 9] = [
    (Scheme::Smtp, "smtp", 25),
    (Scheme::Smtps, "smtps", 465),
    (Scheme::Submission, "submission", 587),
    (Scheme::Submissions, "submissions", 465),
    (Scheme::Lmtp, "lmtp", 24),
    (Scheme::Pop3, "pop3", 110),
    (Scheme::Pop3s, "pop3s", 995),
    (Scheme::Imap, "imap", 143),
    (Scheme::Imaps, "imaps", 993),
];

/// What many call `pop3s`.
const POPS: &str = "pops";

impl Scheme {
    pub fn word(self) -> &'static str {
        self.entry().1
    }

    /// The registered port.
    pub fn port(self) -> u16 {
        self.entry().2
    }

    /// TLS starts before the first byte of the protocol.
    pub fn implicit_tls(self) -> bool {
        matches!(self, Scheme::Smtps | Scheme::Submissions | Scheme::Pop3s | Scheme::Imaps)
    }

    /// Mail is handed over by it.
    pub fn is_transport(self) -> bool {
        matches!(self, Scheme::Smtp | Scheme::Smtps | Scheme::Submission | Scheme::Submissions | Scheme::Lmtp)
    }

    /// The scheme of that name, in any case.
    pub fn named(word: &str) -> Option<Scheme> {
        if word.eq_ignore_ascii_case(POPS) {
            return Some(Scheme::Pop3s);
        }
        SCHEMES.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(word)).map(|(scheme, ..)| *scheme)
    }

    fn entry(self) -> (Scheme, &'static str, u16) {
        *SCHEMES.iter().find(|(scheme, ..)| *scheme == self).unwrap_or(&SCHEMES[0])
    }
}

impl Server {
    /// `scheme://[user@]host[:port][/path]`, `host[:port]`, `mx:DOMAIN`, `lmtp:/path` or `unix:/path`. What names no scheme has
    /// `default`.
    pub fn parse(text: &str, default: Scheme) -> Result<Server, ServerError> {
        if text.is_empty() {
            return Err(ServerError::Empty);
        }
        if let Some((word, rest)) = text.split_once("://") {
            let scheme = Scheme::named(word).ok_or_else(|| ServerError::Scheme(word.to_owned()))?;
            return authority(rest, scheme);
        }
        match text.split_once(':') {
            Some(("mx", domain)) => Ok(Server::at(default, Place::Mx(host_name(domain)?))),
            Some(("unix", path)) => socket(default, path),
            Some(("lmtp", path)) if path.starts_with('/') => socket(Scheme::Lmtp, path),
            _ => authority(text, default),
        }
    }

    /// A program in place of a host.
    pub fn command(scheme: Scheme, argv: Vec<String>) -> Server {
        Server::at(scheme, Place::Command(argv))
    }

    fn at(scheme: Scheme, place: Place) -> Server {
        Server { scheme, user: None, place, path: None }
    }
}

fn socket(scheme: Scheme, path: &str) -> Result<Server, ServerError> {
    if path.starts_with('/') {
        Ok(Server::at(scheme, Place::Socket(path.into())))
    } else {
        Err(ServerError::Socket(path.to_owned()))
    }
}

/// `[user@]host[:port][/path]`
fn authority(text: &str, scheme: Scheme) -> Result<Server, ServerError> {
    let (authority, path) = text.split_once('/').map_or((text, None), |(authority, path)| (authority, Some(path)));
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(':')) {
        return Err(ServerError::Password);
    }
    let (host, port) = host_port(place)?;
    Ok(Server {
        scheme,
        user: user.map(unescape).transpose()?,
        place: Place::Host { host, port: port.unwrap_or(scheme.port()) },
        path: path.filter(|path| !path.is_empty()).map(unescape).transpose()?,
    })
}

/// `host[:port]`, an IPv6 address in brackets.
fn host_port(text: &str) -> Result<(Host, Option<u16>), ServerError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']').ok_or_else(|| ServerError::Brackets(text.to_owned()))?;
        let address: Ipv6Addr = inside.parse().map_err(|_| ServerError::Brackets(text.to_owned()))?;
        let port = match rest {
            "" => None,
            rest => Some(port(rest.strip_prefix(':').ok_or_else(|| ServerError::Port(rest.to_owned()))?)?),
        };
        return Ok((Host::Address(address.into()), port));
    }
    match text.split_once(':') {
        Some((host, number)) => Ok((host.parse()?, Some(port(number)?))),
        None => Ok((text.parse()?, None)),
    }
}

fn port(text: &str) -> Result<u16, ServerError> {
    let bad = || ServerError::Port(text.to_owned());
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    text.parse().ok().filter(|&port| port != 0).ok_or_else(bad)
}

fn host_name(text: &str) -> Result<String, ServerError> {
    let bad = || ServerError::Host(text.to_owned());
    let name = text.strip_suffix('.').unwrap_or(text);
    let name = if name.is_ascii() { name.to_ascii_lowercase() } else { idna::domain_to_ascii(name).map_err(|_| bad())? };
    let label =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if name.len() <= 253 && name.split('.').all(label) { Ok(name) } else { Err(bad()) }
}

/// `pct-encoded = "%" HEXDIG HEXDIG` (RFC 3986 section 2.1); what it decodes to is UTF-8 without control characters.
fn unescape(text: &str) -> Result<String, ServerError> {
    let bad = || ServerError::Escape(text.to_owned());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&d| char::from(d).to_digit(16));
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                &tail[2..]
            }
            (b'%', ..) => return Err(bad()),
            _ => {
                out.push(first);
                tail
            }
        };
    }
    let text = String::from_utf8(out).map_err(|_| bad())?;
    if text.chars().any(char::is_control) { Err(bad()) } else { Ok(text) }
}

impl FromStr for Host {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Host::Address(address)),
            Err(_) => host_name(text).map(Host::Name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// As a log shows it: the user and the path are left out.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host { host, port } => write!(f, "{}://{host}:{port}", self.scheme.word()),
            Place::Mx(domain) => write!(f, "mx:{domain}"),
            Place::Socket(path) if self.scheme == Scheme::Lmtp => write!(f, "lmtp:{}", path.display()),
            Place::Socket(path) => write!(f, "unix:{}", path.display()),
            Place::Command(argv) => write!(f, "pipe:{}", argv.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, ServerError> {
        Server::parse(text, Scheme::Smtp).map(|server| server.to_string())
    }

    #[test]
    fn every_form_of_the_contract() {
        for (text, want) in [
            ("smtp://127.0.0.1:2526", "smtp://127.0.0.1:2526"),
            ("SMTPS://Mail.Crepes.TEST.", "smtps://mail.crepes.test:465"),
            ("submission://alice@mail.crepes.test", "submission://mail.crepes.test:587"),
            ("mail.crepes.test", "smtp://mail.crepes.test:25"),
            ("mail.crepes.test:2525", "smtp://mail.crepes.test:2525"),
            ("[::1]:25", "smtp://[::1]:25"),
            ("POPS://bob@mail.crepes.test", "pop3s://mail.crepes.test:995"),
            ("lmtp://localhost", "lmtp://localhost:24"),
            ("lmtp:/run/lmtp", "lmtp:/run/lmtp"),
            ("unix:/run/smtp", "unix:/run/smtp"),
            ("mx:Hamburger.test", "mx:hamburger.test"),
            ("b\u{fc}cher.test", "smtp://xn--bcher-kva.test:25"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(want), "{text}");
        }
        let imap = Server::parse("imaps://bob%40b.test@mail.test/INBOX%2FWork", Scheme::Imap).unwrap();
        assert_eq!((imap.user.as_deref(), imap.path.as_deref()), (Some("bob@b.test"), Some("INBOX/Work")));
        assert!(imap.scheme.implicit_tls());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = |s: &str| s.to_owned();
        for (bad, why) in [
            ("", ServerError::Empty),
            ("http://x", ServerError::Scheme(text("http"))),
            ("smtp://a:b@x", ServerError::Password),
            ("x:0", ServerError::Port(text("0"))),
            ("x:+25", ServerError::Port(text("+25"))),
            ("x:70000", ServerError::Port(text("70000"))),
            ("[192.0.2.1]", ServerError::Brackets(text("[192.0.2.1]"))),
            ("::1", ServerError::Host(String::new())),
            ("a b", ServerError::Host(text("a b"))),
            ("x\r\ny", ServerError::Host(text("x\r\ny"))),
            ("unix:run", ServerError::Socket(text("run"))),
            ("imap://x/%0d", ServerError::Escape(text("%0d"))),
            ("imap://x/%4", ServerError::Escape(text("%4"))),
        ] {
            assert_eq!(shown(bad), Err(why), "{bad:?}");
        }
    }
}

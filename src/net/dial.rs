//! Connecting: every address of a host in turn, or a UNIX socket. Looks up names with the system's resolver only; MX and DNSSEC
//! are elsewhere.

use super::connection::Connection;
use super::peer::Peer;
use super::wire::{Wire, reason};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a full backlog of a UNIX socket is left alone before the next try.
const BACKLOG_PAUSE: Duration = Duration::from_millis(20);

/// How to connect.
#[derive(Debug, Clone)]
pub struct Dialer {
    /// The most time for one address.
    pub address_within: Duration,
    /// The most time for all of them.
    pub within: Duration,
    /// Where to come from; addresses of the other family are left out.
    pub source: Option<IpAddr>,
    pub family: Family,
}

/// Which addresses are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

/// Nothing answered.
#[derive(Debug)]
pub enum DialError {
    /// The system's resolver knows no address.
    Unknown {
        host: String,
        error: io::Error,
    },
    /// There are addresses, but none that may be used.
    NoAddress {
        host: String,
    },
    /// Every address that was tried, and why it failed.
    Unreachable {
        host: String,
        tried: Vec<(SocketAddr, io::Error)>,
    },
    Unix {
        path: PathBuf,
        error: io::Error,
    },
}

impl Default for Dialer {
    fn default() -> Dialer {
        let (address_within, within) = (Duration::from_secs(30), Duration::from_secs(300));
        Dialer { address_within, within, source: None, family: Family::Any }
    }
}

impl Dialer {
    /// Connects to a named host or an address literal (without brackets), by the system's resolver.
    pub fn host(&self, host: &str, port: u16) -> Result<Connection, DialError> {
        self.addresses(host, &self.lookup(host, port)?)
    }

    /// The addresses of a named host, by the system's resolver, for who goes through them on their own.
    pub fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        match (host, port).to_socket_addrs() {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(DialError::Unknown { host: host.to_owned(), error }),
        }
    }

    /// Connects to the first of a host's addresses that answers, in the order given.
    pub fn addresses(&self, host: &str, addresses: &[SocketAddr]) -> Result<Connection, DialError> {
        let until = Instant::now() + self.within;
        let mut tried: Vec<(SocketAddr, io::Error)> = Vec::new();
        for &address in addresses.iter().filter(|address| self.may_use(address)) {
            if tried.iter().any(|(earlier, _)| *earlier == address) {
                continue;
            }
            match self.address(address, until) {
                Ok(connection) => return Ok(connection),
                Err(error) => tried.push((address, error)),
            }
        }
        let host = host.to_owned();
        Err(if tried.is_empty() { DialError::NoAddress { host } } else { DialError::Unreachable { host, tried } })
    }

    /// Connects to a UNIX stream socket.
    pub fn unix(&self, path: &Path) -> Result<Connection, DialError> {
        self.unix_socket(path).map_err(|error| DialError::Unix { path: path.to_owned(), error })
    }

    fn may_use(&self, address: &SocketAddr) -> bool {
        let family = match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        family && self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    }

    fn address(&self, address: SocketAddr, until: Instant) -> io::Result<Connection> {
        let within = self.address_within.min(until.saturating_duration_since(Instant::now()));
        if within.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "not tried: out of time"));
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Before the first byte: delayed acknowledgements cost 40 ms on every small segment of a TLS handshake.
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect_timeout(&address.into(), within).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:.0?}")),
            _ => error,
        })?;
        Ok(Connection::new(Wire::new(socket), Peer::Ip(address)))
    }

    fn unix_socket(&self, path: &Path) -> io::Result<Connection> {
        let address = SockAddr::unix(path)?;
        let until = Instant::now() + self.address_within.min(self.within);
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            match socket.connect(&address) {
                Ok(()) => {
                    socket.set_nonblocking(false)?;
                    return Connection::over(socket);
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock || Instant::now() >= until => return Err(error),
                Err(_) => std::thread::sleep(BACKLOG_PAUSE),
            }
        }
    }
}

/// One line, with all that was tried.
impl DialError {
    /// The resolver says that there is no such host, and not that it could not find out. The standard library passes on only the C
    /// library's text (EAI_AGAIN's is the temporary one).
    pub fn is_no_such_host(&self) -> bool {
        matches!(self, DialError::Unknown { error, .. } if !error.to_string().contains("Temporary failure"))
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Unknown { host, error } => {
                let text = reason(error);
                let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
                write!(f, "cannot find the address of {host}: {text}")
            }
            DialError::NoAddress { host } => write!(f, "cannot connect to {host}: it has no address that may be used"),
            DialError::Unreachable { host, tried } => {
                write!(f, "cannot connect to {host}: ")?;
                for (n, (address, error)) in tried.iter().enumerate() {
                    let comma = if n > 0 { ", " } else { "" };
                    write!(f, "{comma}{address}: {}", reason(error))?;
                }
                Ok(())
            }
            DialError::Unix { path, error } => write!(f, "cannot connect to {}: {}", path.display(), reason(error)),
        }
    }
}

impl std::error::Error for DialError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::AsFd;

    /// A port that nobody listens on: just given back.
    fn closed_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn every_address_is_tried_once_and_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (closed, open) = (closed_port(), listener.local_addr().unwrap());
        let connection = Dialer::default().addresses("mx.test", &[closed, open]).unwrap();
        assert_eq!(connection.peer(), Peer::Ip(open));
        let error = Dialer::default().addresses("mx.test", &[closed, closed]).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot connect to mx.test: {closed}: Connection refused"));
    }

    #[test]
    fn the_source_address_and_the_family_choose() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
        let dialer = Dialer { source: Some(source), ..Dialer::default() };
        let _connection = dialer.host("127.0.0.1", open.port()).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), source);
        let only6 = Dialer { family: Family::V6, ..Dialer::default() };
        let error = only6.addresses("mx.test", &[open]).err().unwrap().to_string();
        assert_eq!(error, "cannot connect to mx.test: it has no address that may be used");
    }

    #[test]
    fn a_host_that_does_not_answer_costs_its_time_and_no_more() {
        let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let within = Duration::from_millis(100);
        let dialer = Dialer { address_within: within, ..Dialer::default() };
        let mut kept = Vec::new();
        let began = Instant::now();
        // The backlog takes one or two; who comes later gets no answer.
        let error = loop {
            match dialer.addresses("mx.test", &[address]) {
                Ok(connection) => kept.push(connection),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), format!("cannot connect to mx.test: {address}: no answer within 100ms"));
        assert!(began.elapsed() + Duration::from_millis(5) >= within);
    }

    #[test]
    fn a_unix_socket_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        let dialer = Dialer { address_within: Duration::from_millis(50), ..Dialer::default() };
        let error = dialer.unix(&path).err().unwrap().to_string();
        assert_eq!(error, format!("cannot connect to {}: No such file or directory", path.display()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let connection = dialer.unix(&path).unwrap();
        assert!(matches!(connection.peer(), Peer::Unix { .. }));
        let flags = nix::fcntl::fcntl(listener.accept().unwrap().0.as_fd(), nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}

//! Connecting: to whichever address of a host answers first, to a UNIX socket or to a program. Looks up names with the system's
//! resolver only; MX and DNSSEC are elsewhere.

use super::command;
use super::connection::Connection;
use super::peer::Peer;
use super::race::{in_turns, race};
use super::wire::{Wire, reason};
use crate::protocol::proxy::{self, Introduction};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a full backlog of a UNIX socket is left alone before the next try.
const BACKLOG_PAUSE: Duration = Duration::from_millis(20);
/// What the standard library puts before the resolver's words.
const FROM_RESOLVER: &str = "failed to lookup address information: ";

/// How often it is asked whether anybody waits still.
const LOOK: Duration = Duration::from_millis(100);

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
    /// What is said before all else.
    pub proxy: Option<ProxyHeader>,
    /// Set: nobody waits for a connection any more.
    pub over: Arc<AtomicBool>,
}

/// A header of the PROXY protocol. Which ends it does not name are those of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    pub version: proxy::Version,
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
}

/// A host that answered.
pub struct Reached {
    pub connection: Connection,
    pub address: SocketAddr,
    /// Addresses that failed before it did.
    pub failed: Vec<(SocketAddr, io::Error)>,
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
    /// A program can't be started.
    Command {
        program: String,
        error: io::Error,
    },
}

impl Default for Dialer {
    fn default() -> Dialer {
        let (address_within, within) = (Duration::from_secs(30), Duration::from_secs(300));
        Dialer { address_within, within, source: None, family: Family::Any, proxy: None, over: Arc::default() }
    }
}

impl Dialer {
    /// Connects to a named host or an address literal (without brackets), by the system's resolver.
    pub fn host(&self, host: &str, port: u16) -> Result<Connection, DialError> {
        Ok(self.addresses(host, &self.lookup(host, port)?)?.connection)
    }

    /// The addresses of a named host, by the system's resolver, for who goes through them on their own.
    pub fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        self.ask_system(host, port).map_err(|error| DialError::Unknown { host: host.to_owned(), error })
    }

    /// In a thread of its own, since nothing else ends the resolver's wait for servers that are silent; one that nobody waits for any more ends with
    /// the process.
    fn ask_system(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let (tell, told) = channel();
        let name = host.to_owned();
        std::thread::Builder::new().spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs();
            let _ = tell.send(found.map(Iterator::collect));
        })?;
        while !self.over.load(Ordering::SeqCst) {
            match told.recv_timeout(LOOK) {
                Ok(found) => return found,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the resolver died")),
            }
        }
        Err(io::Error::other("broken off by a signal"))
    }

    /// Connects to the first of a host's addresses that answers: begun in the order given, the families in turns, each with a head
    /// start of a quarter of a second (RFC 8305).
    pub fn addresses(&self, host: &str, addresses: &[SocketAddr]) -> Result<Reached, DialError> {
        let until = Instant::now() + self.within;
        let usable: Vec<SocketAddr> = addresses.iter().copied().filter(|address| self.may_use(address)).collect();
        let host = host.to_owned();
        if usable.is_empty() {
            return Err(DialError::NoAddress { host });
        }
        let won = match race(
            &in_turns(&usable),
            |address| self.socket(address),
            self.address_within,
            until,
            || self.over.load(Ordering::SeqCst),
        ) {
            Ok(won) => won,
            Err(tried) => return Err(DialError::Unreachable { host, tried }),
        };
        match self.introduced(won.socket, won.address) {
            Ok(connection) => Ok(Reached { connection, address: won.address, failed: won.failed }),
            Err(error) => Err(DialError::Unreachable { host, tried: vec![(won.address, error)] }),
        }
    }

    /// Connects to a UNIX stream socket.
    pub fn unix(&self, path: &Path) -> Result<Connection, DialError> {
        self.unix_socket(path).map_err(|error| DialError::Unix { path: path.to_owned(), error })
    }

    /// Starts a program and connects to its stdin and stdout. It inherits our environment and stderr, and has five seconds to end once
    /// the connection is closed.
    pub fn command(&self, argv: &[String]) -> Result<Connection, DialError> {
        let program = || argv.first().cloned().unwrap_or_default();
        let failed = |error| DialError::Command { program: program(), error };
        let (socket, running) = command::start(argv).map_err(failed)?;
        let said = self.say_proxy(&socket, None).map_err(failed)?;
        Ok(Connection::over(socket).map_err(failed)?.introduced_by(said).kept_by(running))
    }

    fn may_use(&self, address: &SocketAddr) -> bool {
        let family = match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        family && self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    }

    /// A socket that is to be connected to that address.
    fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Before the first byte: delayed acknowledgements cost 40 ms on every small segment of a TLS handshake.
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(socket)
    }

    fn introduced(&self, socket: Socket, address: SocketAddr) -> io::Result<Connection> {
        socket.set_nonblocking(false)?;
        let ends = socket.local_addr()?.as_socket().map(|ours| (ours, address));
        let said = self.say_proxy(&socket, ends)?;
        Ok(Connection::new(Wire::new(socket), Peer::Ip(address)).introduced_by(said))
    }

    /// The PROXY header, if there is to be one. It fits what the kernel holds for a connection that just began.
    fn say_proxy(&self, mut to: impl Write, ends: Option<(SocketAddr, SocketAddr)>) -> io::Result<Option<Introduction>> {
        let Some(header) = self.proxy else { return Ok(None) };
        let source = header.source.or(ends.map(|(source, _)| source));
        let destination = header.destination.or(ends.map(|(_, destination)| destination));
        let said = Introduction::new(header.version, source.zip(destination));
        to.write_all(said.bytes())?;
        Ok(Some(said))
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
                    let said = self.say_proxy(&socket, None)?;
                    return Ok(Connection::over(socket)?.introduced_by(said));
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock || Instant::now() >= until => return Err(error),
                Err(_) if self.over.load(Ordering::SeqCst) => return Err(io::Error::other("broken off by a signal")),
                Err(_) => std::thread::sleep(BACKLOG_PAUSE),
            }
        }
    }
}

impl DialError {
    /// The resolver says that there is no such host, and not that it could not find out. The standard library passes on only the C
    /// library's text (EAI_AGAIN's is the temporary one).
    pub fn is_no_such_host(&self) -> bool {
        let DialError::Unknown { error, .. } = self else { return false };
        let text = error.to_string();
        text.starts_with(FROM_RESOLVER) && !text.contains("Temporary failure")
    }
}

impl DialError {
    /// There is no such program, or it is none that we may start.
    pub fn is_no_such_program(&self) -> bool {
        use io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let DialError::Command { error, .. } = self else { return false };
        let is_none = matches!(error.kind(), NotFound | PermissionDenied | NotADirectory | IsADirectory | InvalidInput);
        is_none || error.raw_os_error() == Some(libc::ENOEXEC)
    }
}

/// One line, with all that was tried.
impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Unknown { host, error } => {
                let text = reason(error);
                let text = text.strip_prefix(FROM_RESOLVER).unwrap_or(&text);
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
            DialError::Command { program, error } => write!(f, "cannot start {program}: {}", reason(error)),
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
        let reached = Dialer::default().addresses("mx.test", &[closed, open]).unwrap();
        assert_eq!((reached.connection.peer(), reached.address), (Peer::Ip(open), open));
        let failed: Vec<_> = reached.failed.iter().map(|(address, error)| (*address, error.kind())).collect();
        assert_eq!(failed, [(closed, io::ErrorKind::ConnectionRefused)]);
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

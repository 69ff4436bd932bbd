//! Who is at the other end of a descriptor, as far as the kernel knows.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use socket2::{Domain, SockRef};
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An IPv4 client of an IPv6 socket is told as IPv4.
    Ip(SocketAddr),
    /// As the kernel names the process that connected (SO_PEERCRED).
    Unix {
        uid: u32,
        gid: u32,
        pid: i32,
    },
    /// No socket: whoever holds the other end of a pipe or wrote the file.
    Pipe,
    Terminal,
}

impl Peer {
    /// Looks at a connected socket, pipe, file or terminal. Fails where a socket is not, or no longer, connected.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Peer> {
        if fd.is_terminal() {
            return Ok(Peer::Terminal);
        }
        let socket = SockRef::from(&fd);
        match socket.local_addr() {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => return Ok(Peer::Pipe),
            Err(error) => return Err(error),
            Ok(own) if own.domain() == Domain::UNIX => {
                let who = getsockopt(&fd, PeerCredentials)?;
                return Ok(Peer::Unix { uid: who.uid(), gid: who.gid(), pid: who.pid() });
            }
            Ok(_) => {}
        }
        let address = socket.peer_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Peer::Ip(SocketAddr::new(address.ip().to_canonical(), address.port())))
    }
}

/// `192.0.2.1:25`, `[2001:db8::1]:25`, `uid 1000`, `pipe`, `terminal`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => write!(f, "{address}"),
            Peer::Unix { uid, .. } => write!(f, "uid {uid}"),
            Peer::Pipe => f.write_str("pipe"),
            Peer::Terminal => f.write_str("terminal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_told_as_ipv4() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(Peer::of(server.as_fd()).unwrap(), Peer::Ip(client.local_addr().unwrap()));
    }

    #[test]
    fn a_unix_socket_names_the_user_and_a_pipe_nobody() {
        let (a, _b) = UnixStream::pair().unwrap();
        let Peer::Unix { uid, pid, .. } = Peer::of(a.as_fd()).unwrap() else { panic!("no UNIX peer") };
        assert_eq!((uid, pid), (nix::unistd::getuid().as_raw(), std::process::id() as i32));
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(Peer::of(reader.as_fd()).unwrap(), Peer::Pipe);
        let pty = nix::pty::openpty(None, None);
        assert_eq!(Peer::of(pty.unwrap().slave.as_fd()).unwrap(), Peer::Terminal);
    }
}

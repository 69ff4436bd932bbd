//! How a server starts and takes clients: sockets of its own, sockets handed over, one thread for each client up to a bound. Knows no
//! protocol: what is said to a client is the caller's.

use super::connection::Connection;
use super::mailbox::{Found, Mailbox, Sender, mailbox};
use super::wire::{poll_until, reason};
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BACKLOG: i32 = 1024;
/// Stack of a session's thread, in bytes.
const STACK: usize = 512 * 1024;
/// How long accepting rests when the process is out of descriptors or memory.
const REST: Duration = Duration::from_millis(100);

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

impl Listener {
    /// Listens on an address of this host; port 0 is any that is free. An IPv6 address takes IPv6 clients alone.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Listener { socket })
    }

    /// Listens on a UNIX socket that every user may connect to. One that a listener before left behind is taken away.
    pub fn bind_socket(path: &Path) -> io::Result<Listener> {
        let address = SockAddr::unix(path)?;
        let is_left = || {
            fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket())
                && matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
        };
        if is_left() {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&address)?;
        fs::set_permissions(path, Permissions::from_mode(0o666))?;
        socket.listen(BACKLOG)?;
        Ok(Listener { socket })
    }

    /// The path of a UNIX socket.
    pub fn path(&self) -> Option<PathBuf> {
        self.socket.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned))
    }

    /// The address it listens on, the real port in it; none for a UNIX socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok().and_then(|address| address.as_socket())
    }
}

/// What a service manager handed over.
#[derive(Debug)]
pub enum Handed {
    /// Sockets to accept clients on.
    Listening(Vec<Listener>),
    /// One client.
    Client(OwnedFd),
}

/// Tells listening sockets from a connected one. Descriptors of both kinds, or none, are an error.
pub fn handed_over(mut fds: Vec<OwnedFd>) -> io::Result<Handed> {
    if fds.iter().any(|fd| SockRef::from(fd).r#type().is_ok_and(|kind| kind != Type::STREAM)) {
        return Err(io::Error::other("wanted stream sockets"));
    }
    let listening: Vec<bool> =
        fds.iter().map(|fd| getsockopt(fd, AcceptConn).map_err(io::Error::from)).collect::<io::Result<_>>()?;
    if !fds.is_empty() && listening.iter().all(|listens| *listens) {
        return Ok(Handed::Listening(fds.into_iter().map(|fd| Listener { socket: Socket::from(fd) }).collect()));
    }
    match (fds.pop(), fds.is_empty()) {
        (Some(client), true) => Ok(Handed::Client(client)),
        _ => Err(io::Error::other("wanted listening sockets, or one connected socket")),
    }
}

/// What is done with clients.
pub trait Host<T>: Sync {
    /// Speaks with a client to the end. A panic ends this session alone.
    fn serve(&self, connection: Connection, mailbox: Mailbox<T>);
    /// There are too many already.
    fn busy(&self, connection: Connection);
    /// Something went wrong that is no client's fault.
    fn complain(&self, what: &str);
}

/// Takes clients until `stop` rings, then closes the listeners, tells each session `goodbye` and waits for them, at most `patience`.
pub fn serve<T: Send>(
    listeners: Vec<Listener>,
    max_clients: usize,
    host: &dyn Host<T>,
    stop: &mut Mailbox<()>,
    goodbye: impl Fn() -> T,
    patience: Duration,
) -> io::Result<()> {
    for listener in &listeners {
        listener.socket.set_nonblocking(true)?;
    }
    let clients: Clients<T> = Clients::default();
    std::thread::scope(|scope| {
        // Without anybody who could stop it, the bell rings for ever.
        while !stop.stopped() && stop.look() != Found::Deserted {
            for listener in wait(&listeners, stop)? {
                let Some(connection) = accept(listener, host) else { continue };
                if clients.count() >= max_clients {
                    host.busy(connection);
                    continue;
                }
                let (sender, mailbox) = match mailbox() {
                    Ok(ends) => ends,
                    // Out of descriptors: this client goes, the others stay.
                    Err(error) => {
                        rest(host, "cannot start a session", &error);
                        continue;
                    }
                };
                let place = clients.enter(sender);
                let session = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, {
                    let clients = &clients;
                    move || {
                        let _leave = Leave { clients, place };
                        let session = std::panic::AssertUnwindSafe(|| host.serve(connection, mailbox));
                        if std::panic::catch_unwind(session).is_err() {
                            host.complain("a session died; this is a bug");
                        }
                    }
                });
                if let Err(error) = session {
                    clients.leave(place);
                    rest(host, "cannot start a session", &error);
                }
            }
        }
        // Whoever comes now goes to another host, where there is one, and does not wait for a greeting.
        drop(listeners);
        clients.dismiss(goodbye, patience);
        Ok(())
    })
}

/// The listeners with a client waiting, once there is one or `stop` rang.
fn wait<'a>(listeners: &'a [Listener], stop: &Mailbox<()>) -> io::Result<Vec<&'a Listener>> {
    let mut fds: Vec<PollFd<'_>> = listeners.iter().map(|l| PollFd::new(l.socket.as_fd(), PollFlags::POLLIN)).collect();
    fds.push(PollFd::new(stop.as_fd(), PollFlags::POLLIN));
    poll_until(&mut fds, None)?;
    let ready = fds.iter().zip(listeners).filter(|(fd, _)| fd.any().unwrap_or(true));
    Ok(ready.map(|(_, listener)| listener).collect())
}

fn accept<T>(listener: &Listener, host: &dyn Host<T>) -> Option<Connection> {
    match listener.socket.accept() {
        Ok((socket, _)) => {
            let _ = socket.set_nonblocking(false);
            // Who is gone already can't be named, and needs no answer.
            Connection::over(OwnedFd::from(socket)).ok()
        }
        Err(error) if client_left(&error) => None,
        Err(error) => {
            rest(host, "cannot accept a client", &error);
            None
        }
    }
}

/// It was there when poll looked, and is no more; or another process was faster (accept(2)).
fn client_left(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | ConnectionAborted | ConnectionReset | Interrupted)
        || error.raw_os_error() == Some(libc::EPROTO)
}

/// The system is short of something: at once again would only spin.
fn rest<T>(host: &dyn Host<T>, what: &str, error: &io::Error) {
    host.complain(&format!("{what}: {}", reason(error)));
    std::thread::sleep(REST);
}

/// The sessions that run, by the order in which they came.
struct Clients<T> {
    inside: Mutex<(u64, HashMap<u64, Sender<T>>)>,
    left: std::sync::Condvar,
}

impl<T> Default for Clients<T> {
    fn default() -> Self {
        Clients { inside: Mutex::new((0, HashMap::new())), left: std::sync::Condvar::new() }
    }
}

/// Strikes a session off its list when it ends, however it ends.
struct Leave<'a, T> {
    clients: &'a Clients<T>,
    place: u64,
}

impl<T> Drop for Leave<'_, T> {
    fn drop(&mut self) {
        self.clients.leave(self.place);
    }
}

impl<T> Clients<T> {
    fn count(&self) -> usize {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    fn enter(&self, sender: Sender<T>) -> u64 {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.0 += 1;
        let place = inside.0;
        inside.1.insert(place, sender);
        place
    }

    fn leave(&self, place: u64) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&place);
        self.left.notify_all();
    }

    /// First politely, then not.
    fn dismiss(&self, goodbye: impl Fn() -> T, patience: Duration) {
        let until = Instant::now() + patience;
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in inside.1.values() {
            sender.tell(goodbye());
        }
        while !inside.1.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            inside = self.left.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        for sender in inside.1.values() {
            sender.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    struct Echo;

    impl Host<u8> for Echo {
        fn serve(&self, mut connection: Connection, mut mailbox: Mailbox<u8>) {
            let _ = connection.write(b"hello");
            let mut byte = [0];
            for _ in 0..2000 {
                if matches!(mailbox.look(), crate::net::mailbox::Found::Tell(_)) {
                    let _ = connection.write(b"bye");
                    return;
                }
                match connection.read(&mut byte) {
                    Ok(0) => return,
                    Ok(_) => assert_ne!(byte, *b"!", "a session that panics"),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        }
        fn busy(&self, mut connection: Connection) {
            let _ = connection.write(b"busy");
        }
        fn complain(&self, _: &str) {}
    }

    fn client(address: SocketAddr) -> TcpStream {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client
    }

    fn hears(client: &mut TcpStream, wanted: &[u8]) {
        let mut said = vec![0; wanted.len()];
        client.read_exact(&mut said).unwrap();
        assert_eq!(said, wanted);
    }

    #[test]
    fn clients_are_bounded_survive_a_panic_beside_them_and_are_dismissed() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().unwrap();
        let (stopper, mut stop) = mailbox().unwrap();
        std::thread::scope(|scope| {
            let serving = scope.spawn(move || serve(vec![listener], 2, &Echo, &mut stop, || 0, Duration::from_secs(10)));
            let (mut first, mut second) = (client(address), client(address));
            hears(&mut first, b"hello");
            hears(&mut second, b"hello");
            hears(&mut client(address), b"busy");
            first.write_all(b"!").unwrap();
            assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "the session that panicked is closed");
            let mut third = (0..200)
                .find_map(|_| {
                    let mut one = client(address);
                    let mut said = [0; 4];
                    one.read_exact(&mut said).unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                    (said == *b"hell").then_some(one)
                })
                .expect("the place of the session that panicked");
            hears(&mut third, b"o");
            stopper.stop();
            hears(&mut second, b"bye");
            hears(&mut third, b"bye");
            serving.join().unwrap().unwrap();
        });
    }

    #[test]
    fn what_is_handed_over_is_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(matches!(handed_over(vec![listener.into()]).unwrap(), Handed::Listening(all) if all.len() == 1));
        assert!(matches!(handed_over(vec![a.into()]).unwrap(), Handed::Client(_)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(handed_over(vec![listener.into(), b.into()]).is_err() && handed_over(Vec::new()).is_err());
        let (datagram, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(handed_over(vec![datagram.into()]).is_err());
    }
}

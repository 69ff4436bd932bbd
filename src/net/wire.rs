//! A wire: one or two descriptors that carry a conversation, read and written without ever blocking and without ever being set
//! to O_NONBLOCK (that flag belongs to the open file, so it would hit the shell and every other holder). Knows no TLS.
//!
//! SIGPIPE: sockets are written with MSG_NOSIGNAL; for pipes the Rust runtime ignores the signal before `main`.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, MsgFlags, Shutdown};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a pipe that polls as writable takes without blocking (POSIX PIPE_BUF).
const PIPE_CHUNK: usize = libc::PIPE_BUF;

/// Which directions something waits for, or may go on in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directions {
    pub read: bool,
    pub write: bool,
}

impl Directions {
    pub fn any(self) -> bool {
        self.read || self.write
    }

    pub fn or(self, other: Directions) -> Directions {
        Directions { read: self.read || other.read, write: self.write || other.write }
    }

    /// Some direction is in both.
    pub fn meets(self, other: Directions) -> bool {
        (self.read && other.read) || (self.write && other.write)
    }
}

/// What a wait ended with; nothing set means that the time is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    pub wire: Directions,
    /// The other descriptor that was waited for.
    pub other: bool,
}

/// A two-way byte stream over a socket or a pair of pipes. `Read` and `Write` give `WouldBlock` instead of waiting and remember
/// the direction that was not ready.
#[derive(Debug)]
pub struct Wire {
    input: End,
    /// None once it was shut.
    output: Option<End>,
    blocked: Directions,
}

#[derive(Debug, Clone)]
struct End {
    fd: Arc<OwnedFd>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    /// A pipe, terminal or file: polled before each read and write.
    Stream,
}

impl Wire {
    /// One connected stream socket (or terminal) for both directions.
    pub fn new(fd: impl Into<OwnedFd>) -> Wire {
        let end = End::new(fd.into());
        Wire { output: Some(end.clone()), input: end, blocked: Directions::default() }
    }

    /// One descriptor for each direction, as of a spawned command's stdout and stdin.
    pub fn pair(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Wire {
        Wire { input: End::new(input.into()), output: Some(End::new(output.into())), blocked: Directions::default() }
    }

    /// Copies of two descriptors that stay open, as the process's stdin and stdout.
    pub fn copies(input: impl AsFd, output: impl AsFd) -> io::Result<Wire> {
        Ok(Wire::pair(input.as_fd().try_clone_to_owned()?, output.as_fd().try_clone_to_owned()?))
    }

    /// The descriptor that is read.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.fd.as_fd()
    }

    /// None: it was shut.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(|end| end.fd.as_fd())
    }

    /// What stood in the way since this was last asked.
    pub fn take_blocked(&mut self) -> Directions {
        std::mem::take(&mut self.blocked)
    }

    /// Waits until one of `wanted` may go on (an error or a hang-up counts), `other` is readable, or it is `until`.
    pub fn wait(&self, wanted: Directions, other: Option<BorrowedFd<'_>>, until: Option<Instant>) -> io::Result<Ready> {
        let mut fds = Vec::with_capacity(3);
        let input = wanted.read.then_some((self.input(), PollFlags::POLLIN));
        let output = self.output.as_ref().filter(|_| wanted.write).map(|end| (end.fd.as_fd(), PollFlags::POLLOUT));
        let other = other.map(|fd| (fd, PollFlags::POLLIN));
        for (fd, flags) in [input, output, other].into_iter().flatten() {
            fds.push(PollFd::new(fd, flags));
        }
        poll_until(&mut fds, until)?;
        let mut fired = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let mut next = |asked: bool| asked && fired.next().unwrap_or(false);
        let wire = Directions { read: next(input.is_some()), write: next(output.is_some()) };
        Ok(Ready { wire, other: next(other.is_some()) })
    }

    /// Tells the peer that nothing more comes. Reading goes on.
    pub fn shut_output(&mut self) {
        let Some(end) = self.output.take() else { return };
        if end.kind == Kind::Socket {
            // The peer may have been faster: there is nobody left to tell.
            let _ = socket::shutdown(end.fd.as_raw_fd(), Shutdown::Write);
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.input.read(buf);
        self.blocked.read |= would_block(&result);
        result
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let end = self.output.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let result = end.write(buf);
        self.blocked.write |= would_block(&result);
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl End {
    fn new(fd: OwnedFd) -> End {
        let is_socket = nix::sys::stat::fstat(&fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFSOCK);
        End { fd: Arc::new(fd), kind: if is_socket { Kind::Socket } else { Kind::Stream } }
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self.kind {
                Kind::Socket => socket::recv(self.fd.as_raw_fd(), buf, MsgFlags::MSG_DONTWAIT),
                Kind::Stream => self.ready(PollFlags::POLLIN).and_then(|()| nix::unistd::read(&self.fd, buf)),
            };
            match result {
                Err(Errno::EINTR) => {}
                // A terminal that was hung up.
                Err(Errno::EIO) if self.kind == Kind::Stream => return Ok(0),
                other => return Ok(other?),
            }
        }
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        loop {
            let result = match self.kind {
                Kind::Socket => socket::send(self.fd.as_raw_fd(), buf, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
                Kind::Stream => {
                    let chunk = &buf[..buf.len().min(PIPE_CHUNK)];
                    self.ready(PollFlags::POLLOUT).and_then(|()| nix::unistd::write(&self.fd, chunk))
                }
            };
            match result {
                Err(Errno::EINTR) => {}
                other => return Ok(other?),
            }
        }
    }

    fn ready(&self, flags: PollFlags) -> nix::Result<()> {
        match poll(&mut [PollFd::new(self.fd.as_fd(), flags)], PollTimeout::ZERO)? {
            0 => Err(Errno::EAGAIN),
            _ => Ok(()),
        }
    }
}

/// Polls until something happens or it is `until` (then no descriptor has fired). Signals do not cut it short.
pub fn poll_until(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    loop {
        match poll(fds, timeout(until)) {
            Err(Errno::EINTR) => {}
            Ok(0) if until.is_none_or(|until| Instant::now() < until) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What an error says, without the number that `io::Error` prints behind it.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Rounded up: a wait that ends early would only be asked for again.
fn timeout(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let left = until.saturating_duration_since(Instant::now());
    let millis = (left + Duration::from_nanos(999_999)).as_millis();
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::os::unix::net::UnixStream;

    fn flags(fd: impl AsFd) -> OFlag {
        OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap())
    }

    fn kind(result: io::Result<usize>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    /// Fills the wire until it blocks; gives how much it took.
    fn fill(wire: &mut Wire) -> usize {
        let mut sum = 0;
        loop {
            match wire.write(&[b'x'; 10_000]) {
                Ok(n) => sum += n,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return sum;
                }
            }
        }
    }

    #[test]
    fn a_socket_and_a_pipe_never_block_and_keep_their_flags() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (pipe_in, _keep) = io::pipe().unwrap();
        let (_reader, pipe_out) = io::pipe().unwrap();
        let pty = nix::pty::openpty(None, None).unwrap();
        let copies = [
            OwnedFd::from(ours.try_clone().unwrap()),
            pipe_in.try_clone().unwrap().into(),
            pipe_out.try_clone().unwrap().into(),
            pty.slave.try_clone().unwrap(),
        ];
        let before = copies.each_ref().map(flags);
        let mut buf = [0; 16];
        for mut wire in [Wire::new(ours), Wire::pair(pipe_in, pipe_out), Wire::new(pty.slave)] {
            assert_eq!(kind(wire.read(&mut buf)), io::ErrorKind::WouldBlock);
            assert_eq!(wire.take_blocked(), Directions { read: true, write: false });
            if !matches!(crate::net::peer::Peer::of(wire.input()), Ok(crate::net::peer::Peer::Terminal)) {
                assert!(fill(&mut wire) > 4096);
                assert_eq!(wire.take_blocked(), Directions { read: false, write: true });
            }
            assert!(!wire.wait(Directions { read: true, write: false }, None, Some(Instant::now())).unwrap().wire.any());
        }
        assert_eq!(copies.each_ref().map(flags), before);
        assert!(before.iter().all(|flags| !flags.contains(OFlag::O_NONBLOCK)));
        drop(theirs);
    }

    #[test]
    fn a_peer_that_left_is_an_error_and_no_signal() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut wire = Wire::new(ours);
        assert_eq!(kind(wire.write(b"x")), io::ErrorKind::BrokenPipe);
        assert_eq!(wire.read(&mut [0; 4]).unwrap(), 0);
        let (reader, writer) = io::pipe().unwrap();
        let mut wire = Wire::pair(reader.try_clone().unwrap(), writer);
        drop(reader);
        wire.shut_output();
        assert_eq!(kind(wire.write(b"x")), io::ErrorKind::BrokenPipe);
        assert_eq!(wire.read(&mut [0; 4]).unwrap(), 0, "the pipe's only writer was closed");
    }

    #[test]
    fn half_a_socket_is_shut_and_the_other_half_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(ours);
        wire.shut_output();
        assert_eq!(theirs.read(&mut [0; 4]).unwrap(), 0);
        theirs.write_all(b"bye").unwrap();
        let mut buf = [0; 4];
        assert_eq!(wire.read(&mut buf).unwrap(), 3);
    }

    #[test]
    fn an_os_error_is_told_without_its_number() {
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), "Connection refused");
        assert_eq!(reason(&io::Error::other("odd")), "odd");
    }
}

//! Several addresses of one host raced, so that a dead one costs a quarter of a second and not its whole time-out (RFC 8305, "happy
//! eyeballs"). Knows sockets and addresses, no names.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// RFC 8305 section 5: how long an attempt goes on alone before the next one begins beside it.
const HEAD_START: Duration = Duration::from_millis(250);
/// How often it is asked whether anybody waits for an answer still.
const LOOK: Duration = Duration::from_millis(100);

/// Who answered first, and who had failed by then.
pub(super) struct Won {
    pub socket: Socket,
    pub address: SocketAddr,
    pub failed: Vec<(SocketAddr, io::Error)>,
}

/// RFC 8305 section 4: the families take turns, the first address's first; within a family the order stays. Each address once.
pub(super) fn in_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut families: [VecDeque<SocketAddr>; 2] = Default::default();
    let first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    for address in addresses {
        let family = &mut families[usize::from(address.is_ipv4() != first)];
        if !family.contains(address) {
            family.push_back(*address);
        }
    }
    let [mut ours, mut theirs] = families;
    let mut out = Vec::with_capacity(ours.len() + theirs.len());
    while !(ours.is_empty() && theirs.is_empty()) {
        out.extend(ours.pop_front());
        out.extend(theirs.pop_front());
    }
    out
}

/// Connects to the first of `addresses` that answers; they are begun in their order, each by `begin`, which gives a socket that is
/// not connected. Every one has the time `each`, all together until `until`, or until it is `over`. The error is that of each address.
pub(super) fn race(
    addresses: &[SocketAddr],
    begin: impl Fn(SocketAddr) -> io::Result<Socket>,
    each: Duration,
    until: Instant,
    over: impl Fn() -> bool,
) -> Result<Won, Vec<(SocketAddr, io::Error)>> {
    let mut field = Field { running: Vec::new(), failed: Vec::new(), each, until };
    let mut waiting = addresses.iter().copied();
    let mut next = waiting.next();
    let mut starts = Instant::now();
    loop {
        if over() {
            return Err(field.given_up(addresses));
        }
        let now = Instant::now();
        if let Some(address) = next.filter(|_| now >= starts || field.running.is_empty()) {
            next = waiting.next();
            match field.start(address, &begin, now) {
                Some(socket) => return Ok(field.won(socket, address)),
                None if field.running.last().is_some_and(|last| last.address == address) => starts = now + HEAD_START,
                None => starts = now,
            }
            continue;
        }
        if field.running.is_empty() {
            return Err(field.failed);
        }
        let failures = field.failed.len();
        if let Some((socket, address)) = field.wait(next.map(|_| starts)) {
            return Ok(field.won(socket, address));
        }
        if field.failed.len() > failures {
            starts = now;
        }
    }
}

struct Field {
    running: Vec<Running>,
    failed: Vec<(SocketAddr, io::Error)>,
    each: Duration,
    until: Instant,
}

struct Running {
    address: SocketAddr,
    socket: Socket,
    ends: Instant,
}

impl Field {
    /// A socket only where the answer was there at once.
    fn start(&mut self, address: SocketAddr, begin: impl Fn(SocketAddr) -> io::Result<Socket>, now: Instant) -> Option<Socket> {
        let ends = (now + self.each).min(self.until);
        if ends <= now {
            self.failed.push((address, io::Error::new(io::ErrorKind::TimedOut, "not tried: out of time")));
            return None;
        }
        let socket = begin(address).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let error = match socket {
            Ok(socket) => match socket.connect(&address.into()) {
                Ok(()) => return Some(socket),
                Err(error) if is_under_way(&error) => {
                    self.running.push(Running { address, socket, ends });
                    return None;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.failed.push((address, error));
        None
    }

    /// Waits for an answer, the end of somebody's time, or `starts`.
    fn wait(&mut self, starts: Option<Instant>) -> Option<(Socket, SocketAddr)> {
        let wake = self.running.iter().map(|one| one.ends).chain(starts).min()?;
        let mut fds: Vec<PollFd<'_>> =
            self.running.iter().map(|one| PollFd::new(one.socket.as_fd(), PollFlags::POLLOUT)).collect();
        // Rounded up: woken too early, it would go round and round.
        let left = wake.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let left = PollTimeout::try_from(left.min(LOOK)).unwrap_or(PollTimeout::MAX);
        // An interrupted wait is one that ended early.
        let _ = poll(&mut fds, left);
        let fired: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let now = Instant::now();
        let mut answered = None;
        for (one, fired) in std::mem::take(&mut self.running).into_iter().zip(fired) {
            if !fired && now < one.ends {
                self.running.push(one);
            } else if !fired {
                let text = format!("no answer within {:.0?}", self.each);
                self.failed.push((one.address, io::Error::new(io::ErrorKind::TimedOut, text)));
            } else if let Some(error) = one.socket.take_error().unwrap_or_else(Some) {
                self.failed.push((one.address, error));
            } else if answered.is_none() {
                answered = Some((one.socket, one.address));
            }
        }
        answered
    }

    /// Of those that did not fail by themselves nothing is known.
    fn given_up(self, addresses: &[SocketAddr]) -> Vec<(SocketAddr, io::Error)> {
        let mut failed = self.failed;
        for address in addresses {
            if failed.iter().all(|(other, _)| other != address) {
                failed.push((*address, io::Error::other("broken off by a signal")));
            }
        }
        failed
    }

    fn won(self, socket: Socket, address: SocketAddr) -> Won {
        Won { socket, address, failed: self.failed }
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};
    use std::net::TcpListener;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn begin(address: SocketAddr) -> io::Result<Socket> {
        Socket::new(Domain::for_address(address), Type::STREAM, None)
    }

    /// Takes a few connections and then answers no more.
    fn silent() -> (Socket, SocketAddr, Vec<Socket>) {
        let listener = begin("127.0.0.1:0".parse().unwrap()).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut kept = Vec::new();
        loop {
            let socket = begin(address).unwrap();
            match socket.connect_timeout(&address.into(), Duration::from_millis(50)) {
                Ok(()) => kept.push(socket),
                Err(_) => return (listener, address, kept),
            }
        }
    }

    #[test]
    fn the_families_take_turns() {
        let mixed = addresses(&["[::1]:25", "[::2]:25", "[::3]:25", "192.0.2.1:25", "[::1]:25", "192.0.2.2:25"]);
        let want = addresses(&["[::1]:25", "192.0.2.1:25", "[::2]:25", "192.0.2.2:25", "[::3]:25"]);
        assert_eq!(in_turns(&mixed), want);
        assert_eq!(in_turns(&want[1..2]), want[1..2]);
        assert_eq!(in_turns(&[]), []);
    }

    #[test]
    fn a_silent_address_costs_its_head_start_and_not_its_time() {
        let (_listener, dead, _kept) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let (each, began) = (Duration::from_secs(60), Instant::now());
        let won = race(&[dead, alive], begin, each, began + each, || false).ok().unwrap();
        assert_eq!((won.address, won.failed.len()), (alive, 0));
        assert!(began.elapsed() >= HEAD_START && began.elapsed() < each / 2, "{:?}", began.elapsed());
    }

    #[test]
    fn who_was_first_and_answers_late_may_still_win() {
        let (listener, slow, kept) = silent();
        let (_other, dead, _kept) = silent();
        let taker = std::thread::spawn(move || {
            std::thread::sleep(HEAD_START + Duration::from_millis(100));
            // Room for one more in the backlog.
            let taken: Vec<_> = (0..kept.len()).map(|_| listener.accept()).collect();
            std::thread::sleep(Duration::from_secs(3));
            (taken, listener, kept)
        });
        let each = Duration::from_secs(60);
        let won = race(&[slow, dead], begin, each, Instant::now() + each, || false).ok().unwrap();
        assert_eq!(won.address, slow);
        drop(taker);
    }

    #[test]
    fn a_refusal_is_not_waited_for_and_every_one_is_told() {
        let closed = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (one, two, began) = (closed(), closed(), Instant::now());
        let failed = race(&[one, two], begin, HEAD_START * 20, began + HEAD_START * 20, || false).err().unwrap();
        let kinds: Vec<_> = failed.iter().map(|(address, error)| (*address, error.kind())).collect();
        assert_eq!(kinds, [(one, io::ErrorKind::ConnectionRefused), (two, io::ErrorKind::ConnectionRefused)]);
        let none = race(&[one], begin, HEAD_START, began, || false).err().unwrap();
        assert_eq!(none[0].1.to_string(), "not tried: out of time");
    }
}

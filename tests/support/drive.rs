//! What is needed to run an engine under the real driver: works, and connections with a stream at the other end.

use super::engines::{PATIENCE, Verdicts};
use nix::sys::socket::{setsockopt, sockopt};
use postroad::net::connection::Connection;
use postroad::net::drive::drive;
use postroad::net::drive::fault::Fault;
use postroad::net::drive::work::{Direction, Options, Traffic, Work};
use postroad::net::mailbox::Sender;
use postroad::protocol::engine::Engine;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// Work that asks nothing of anybody; `body` bytes are sent. Records what crossed the wire.
#[derive(Default)]
pub struct Plain {
    pub body: usize,
    pub fails: bool,
    pub sent: Vec<u8>,
    pub received: Vec<u8>,
}

impl Plain {
    pub fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.body);
        if n == 0 && self.fails {
            return Err(io::Error::other("disk on fire"));
        }
        buf[..n].fill(b'x');
        self.body -= n;
        Ok(n)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        assert!(!secure);
        match direction {
            Direction::Sent => self.sent.extend_from_slice(bytes),
            Direction::Received => self.received.extend_from_slice(bytes),
        }
    }
}

impl<E: Engine<Tell = ()>> Work<E> for Plain {
    fn ask(&mut self, _ask: E::Ask) -> Option<()> {
        None
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.body(buf)
    }

    fn crossed(&mut self, direction: Direction, secure: bool, bytes: &[u8]) {
        self.crossed(direction, secure, bytes);
    }
}

/// Our side as a connection, theirs as a stream with a time limit, so that a test that hangs fails.
pub fn pair() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.set_write_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), theirs)
}

/// As [`pair`], with the smallest buffers that the kernel gives.
pub fn narrow_pair() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [&ours, &theirs] {
        setsockopt(end, sockopt::SndBuf, &1).unwrap();
        setsockopt(end, sockopt::RcvBuf, &1).unwrap();
    }
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.set_write_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), theirs)
}

pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

pub fn boxed_pair() -> (Connection, Box<dyn Stream>) {
    let (connection, theirs) = narrow_pair();
    (connection, Box::new(theirs))
}

pub fn tcp_pair() -> (Connection, Box<dyn Stream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), Box::new(theirs))
}

pub fn lines(stream: &UnixStream) -> impl Iterator<Item = String> + use<> {
    BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok)
}

pub fn run<E: Engine<Tell = ()>>(engine: &mut E, connection: &mut Connection, work: &mut Plain) -> Result<Traffic, Fault> {
    drive(engine, connection, work, Options::default())
}

pub struct Clerk {
    pub to: Sender<String>,
    pub now: bool,
}

impl Work<Verdicts> for Clerk {
    fn ask(&mut self, ask: String) -> Option<String> {
        let verdict = format!("250 {ask}");
        if self.now {
            return Some(verdict);
        }
        let to = self.to.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            to.tell(verdict);
        });
        None
    }

    fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

//! The real driver over sockets, pipes and a terminal: late verdicts, time, peers that leave, engines that break their contract.

mod support;

use postroad::net::connection::Connection;
use postroad::net::drive::drive;
use postroad::net::drive::fault::Fault;
use postroad::net::drive::work::{Options, Work};
use postroad::net::mailbox::mailbox;
use postroad::protocol::engine::{End, Engine, Step};
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};
use support::drive::*;
use support::engines::*;

// A verdict that comes later, as from a group commit.

#[test]
fn a_verdict_comes_at_once_or_later_and_the_peer_waits() {
    for now in [true, false] {
        let (mut connection, mut theirs) = pair();
        theirs.write_all(b"a\r\nb\r\nQUIT\r\n").unwrap();
        let (to, mailbox) = mailbox().unwrap();
        let mut engine = Verdicts::default();
        let options = Options { mailbox: Some(mailbox), linger: Some(Duration::from_millis(10)), ..Options::default() };
        drive(&mut engine, &mut connection, &mut Clerk { to, now }, options).unwrap();
        let mut replies = String::new();
        theirs.read_to_string(&mut replies).unwrap();
        assert_eq!(replies, "250 a\r\n250 b\r\n221 bye\r\n");
    }
}

#[test]
fn a_wait_for_nobody_ends() {
    struct Nobody;
    impl Work<Verdicts> for Nobody {
        fn ask(&mut self, _ask: String) -> Option<String> {
            None
        }
        fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }
    let (mut connection, mut theirs) = pair();
    theirs.write_all(b"a\r\n").unwrap();
    let result = drive(&mut Verdicts::default(), &mut connection, &mut Nobody, Options::default());
    assert!(matches!(result, Err(Fault::Engine(_))), "{result:?}");

    let (mut connection, mut theirs) = pair();
    theirs.write_all(b"a\r\n").unwrap();
    let (sender, mailbox) = mailbox().unwrap();
    drop(sender);
    let mut engine = Verdicts::default();
    let result = drive(&mut engine, &mut connection, &mut Nobody, Options { mailbox: Some(mailbox), ..Options::default() });
    assert!(matches!(result, Err(Fault::Deserted)), "{result:?}");
    assert_eq!(engine.talk.end, Some(End::Cancelled));
}

// Time, and peers that leave.

#[test]
fn a_dripping_peer_gains_no_time() {
    let (mut connection, mut theirs) = pair();
    let dripper = thread::spawn(move || {
        while theirs.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5))
        }
    });
    let mut engine = Asker::new(&["NOOP"]);
    engine.talk.within = Duration::from_millis(150);
    let began = Instant::now();
    let error = run(&mut engine, &mut connection, &mut Plain::default()).unwrap_err();
    let took = began.elapsed();
    assert_eq!(error.to_string(), "no answer within 150ms");
    assert_eq!(engine.talk.end, Some(End::TimedOut));
    assert!(took >= Duration::from_millis(150) && took < PATIENCE, "{took:?}");
    drop(connection);
    dripper.join().unwrap();
}

/// There is always something to read, so that no poll ever waits.
#[test]
fn a_flooding_peer_gains_no_time() {
    let (mut connection, mut theirs) = pair();
    let flooder = thread::spawn(move || while theirs.write_all(&[b'x'; 100_000]).is_ok() {});
    let mut engine = Asker::new(&["NOOP"]);
    engine.talk.within = Duration::from_millis(100);
    let mut work = Counted { left: 5000 };
    let error = drive(&mut engine, &mut connection, &mut work, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "no answer within 100ms");
    drop(connection);
    flooder.join().unwrap();
}

/// Fails a test in which too many reads are made, instead of letting it run for ever.
struct Counted {
    left: usize,
}

impl Work<Asker> for Counted {
    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn body(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn crossed(&mut self, _direction: postroad::net::drive::work::Direction, _secure: bool, _bytes: &[u8]) {
        // Slower than the flood, which is so never waited for.
        thread::sleep(Duration::from_millis(1));
        self.left = self.left.checked_sub(1).expect("it reads and reads");
    }
}

#[test]
fn a_slow_peer_that_keeps_answering_has_all_the_time() {
    let (mut connection, mut theirs) = pair();
    let server = thread::spawn(move || {
        for _ in lines(&theirs) {
            thread::sleep(Duration::from_millis(60));
            theirs.write_all(b"250 ok\r\n").unwrap();
        }
    });
    let mut engine = Asker::new(&["NOOP", "NOOP", "NOOP", "NOOP"]);
    engine.talk.within = Duration::from_millis(200);
    run(&mut engine, &mut connection, &mut Plain::default()).unwrap();
    assert_eq!(engine.replies.len(), 4);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_session_limit_ends_what_goes_on_and_on() {
    let (mut connection, mut theirs) = pair();
    let server = thread::spawn(move || {
        for _ in lines(&theirs) {
            thread::sleep(Duration::from_millis(10));
            let _ = theirs.write_all(b"250 ok\r\n");
        }
    });
    let mut engine = Asker::new(&["NOOP"; 10_000]);
    let options = Options { session_within: Some(Duration::from_millis(100)), ..Options::default() };
    let error = drive(&mut engine, &mut connection, &mut Plain::default(), options).unwrap_err();
    assert_eq!(error.to_string(), "the session lasted longer than 100ms");
    assert!(engine.replies.len() < 100);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_peer_that_closes_is_told_from_one_that_breaks() {
    let (mut connection, mut theirs) = pair();
    theirs.write_all(b"250 o").unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let mut engine = Asker::new(&["NOOP"]);
    assert!(matches!(run(&mut engine, &mut connection, &mut Plain::default()), Err(Fault::Closed)));
    assert_eq!(engine.talk.end, Some(End::Eof));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let mut connection = Connection::over(ours).unwrap();
    socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
    let resetter = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(theirs);
    });
    let mut engine = Asker::new(&["NOOP"]);
    let error = run(&mut engine, &mut connection, &mut Plain::default()).unwrap_err();
    assert_eq!(error.to_string(), "connection lost: Connection reset by peer");
    assert_eq!(engine.talk.end, Some(End::Io));
    resetter.join().unwrap();
}

/// The client shuts its sending side at once: what it said before is answered all the same.
#[test]
fn a_half_closed_client_gets_its_answers() {
    let (mut connection, mut theirs) = pair();
    theirs.write_all(b"a\r\nb\r\n").unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let (to, mailbox) = mailbox().unwrap();
    let mut engine = Verdicts::default();
    let options = Options { mailbox: Some(mailbox), ..Options::default() };
    let result = drive(&mut engine, &mut connection, &mut Clerk { to, now: false }, options);
    assert!(matches!(result, Err(Fault::Closed)), "{result:?}");
    let mut replies = String::new();
    theirs.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "250 a\r\n250 b\r\n");
}

/// A server that closes on a client that still sends: its last reply survives because the rest is read and forgotten.
#[test]
fn a_last_reply_outlives_unread_bytes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    let mut connection = Connection::over(socket.try_clone().unwrap()).unwrap();
    theirs.write_all(b"QUIT\r\n").unwrap();
    theirs.write_all(&[b'x'; 200_000]).unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let (to, _mailbox) = mailbox().unwrap();
    let options = Options { linger: Some(PATIENCE), ..Options::default() };
    drive(&mut Verdicts::default(), &mut connection, &mut Clerk { to, now: true }, options).unwrap();
    assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0, "bytes are left, which make the close a reset");
    drop((connection, socket));
    let mut replies = String::new();
    theirs.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "221 bye\r\n");
}

#[test]
fn pipes_and_a_terminal_carry_a_conversation_and_keep_their_flags() {
    use nix::fcntl::{FcntlArg, fcntl};
    use postroad::net::{peer::Peer, wire::Wire};
    let (server_in, mut client_out) = io::pipe().unwrap();
    let (mut client_in, server_out) = io::pipe().unwrap();
    let before = fcntl(&server_in, FcntlArg::F_GETFL).unwrap();
    let watched = server_in.try_clone().unwrap();
    let mut connection = Connection::new(Wire::pair(server_in, server_out), Peer::Pipe);
    client_out.write_all(b"a\r\nQUIT\r\n").unwrap();
    let (to, _mailbox) = mailbox().unwrap();
    drive(&mut Verdicts::default(), &mut connection, &mut Clerk { to: to.clone(), now: true }, Options::default()).unwrap();
    let mut replies = String::new();
    client_in.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "250 a\r\n221 bye\r\n");
    assert_eq!(fcntl(&watched, FcntlArg::F_GETFL).unwrap(), before);

    let pty = nix::pty::openpty(None, None).unwrap();
    let mut mode = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
    nix::sys::termios::cfmakeraw(&mut mode);
    nix::sys::termios::tcsetattr(&pty.slave, nix::sys::termios::SetArg::TCSANOW, &mode).unwrap();
    let watched = pty.slave.try_clone().unwrap();
    let before = fcntl(&watched, FcntlArg::F_GETFL).unwrap();
    let mut connection = Connection::over(pty.slave).unwrap();
    assert_eq!(connection.peer(), Peer::Terminal);
    let mut keyboard = std::fs::File::from(pty.master);
    keyboard.write_all(b"b\r\nQUIT\r\n").unwrap();
    drive(&mut Verdicts::default(), &mut connection, &mut Clerk { to, now: true }, Options::default()).unwrap();
    let mut screen = [0; 16];
    keyboard.read_exact(&mut screen).unwrap();
    assert_eq!(&screen, b"250 b\r\n221 bye\r\n");
    assert_eq!(fcntl(&watched, FcntlArg::F_GETFL).unwrap(), before);
}

// Engines that break the contract are stopped, not spun.

struct Broken(Step<()>);

impl Engine for Broken {
    type Ask = ();
    type Tell = ();

    fn receive(&mut self, _bytes: &[u8]) -> usize {
        0
    }

    fn outgoing(&self) -> &[u8] {
        b""
    }

    fn wrote(&mut self, _n: usize) {}

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, (): ()) {}

    fn ended(&mut self, _why: End) {}

    fn step(&mut self) -> Step<()> {
        match self.0 {
            Step::Io { read, within, unit } => Step::Io { read, within, unit },
            Step::NeedBody { room } => Step::NeedBody { room },
            Step::Ask(()) => Step::Ask(()),
            Step::Inflate => Step::Inflate,
            _ => Step::Wait,
        }
    }
}

#[test]
fn a_broken_engine_is_an_error_and_no_hot_loop() {
    let io = |read| Step::Io { read, within: PATIENCE, unit: 0 };
    for step in [io(true), io(false), Step::NeedBody { room: 0 }, Step::NeedBody { room: 9 }, Step::Ask(()), Step::Wait] {
        let (mut connection, mut theirs) = pair();
        theirs.write_all(b"x").unwrap();
        let mut work = Plain { body: 100, ..Plain::default() };
        let result = run(&mut Broken(step), &mut connection, &mut work);
        assert!(matches!(result, Err(Fault::Engine(_))), "{result:?}");
    }
}

/// Compresses behind a line `go`, hears `hello`, and says `world`.
#[derive(Default)]
struct Squeezing {
    heard: Vec<u8>,
    out: Vec<u8>,
    squeezed: bool,
    said: bool,
}

impl Engine for Squeezing {
    type Ask = ();
    type Tell = ();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let end = if self.squeezed { 5 } else { 3 };
        let n = bytes.len().min(end - self.heard.len());
        self.heard.extend_from_slice(&bytes[..n]);
        n
    }

    fn outgoing(&self) -> &[u8] {
        &self.out
    }

    fn wrote(&mut self, n: usize) {
        self.out.drain(..n);
    }

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, (): ()) {}

    fn ended(&mut self, _why: End) {
        self.said = true;
    }

    fn step(&mut self) -> Step<()> {
        match self.heard.as_slice() {
            _ if self.said => return Step::Done,
            b"go\n" => {
                self.heard.clear();
                self.squeezed = true;
                return Step::Inflate;
            }
            b"hello" => {
                self.out.extend_from_slice(b"world");
                self.said = true;
            }
            _ => {}
        }
        Step::Io { read: !self.said, within: PATIENCE, unit: 0 }
    }
}

/// What came in one piece with the word to compress is compressed already.
#[test]
fn both_directions_are_compressed_from_the_next_byte_on() {
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
    let (mut connection, mut theirs) = pair();
    let mut bytes = Vec::with_capacity(100);
    Compress::new(Compression::default(), false).compress_vec(b"hello", &mut bytes, FlushCompress::Sync).unwrap();
    theirs.write_all(&[b"go\n", &bytes[..]].concat()).unwrap();
    let mut engine = Squeezing::default();
    run(&mut engine, &mut connection, &mut Plain::default()).unwrap();
    drop(connection);
    let (mut said, mut text) = (Vec::new(), Vec::with_capacity(100));
    theirs.read_to_end(&mut said).unwrap();
    Decompress::new(false).decompress_vec(&said, &mut text, FlushDecompress::Sync).unwrap();
    assert_eq!((text.as_slice(), said == text), (&b"world"[..], false));
}

//! The engine trait carries what real protocols need: shown by small engines, bare with the bytes cut everywhere, and under the real
//! driver over sockets.

mod support;

use nix::sys::socket::{setsockopt, sockopt};
use postroad::net::connection::Connection;
use postroad::net::drive::{Direction, Fault, Options, Traffic, Work, drive};
use postroad::net::mailbox::{Sender, mailbox};
use postroad::protocol::engine::{End, Engine, Step};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};
use support::engines::{Asker, Idle, PATIENCE, Upload, Verdicts, Window};
use support::script::{Quiet, World, every_cut};

/// Work that asks nothing of anybody; `body` bytes are sent. Records what crossed the wire.
#[derive(Default)]
struct Plain {
    body: usize,
    fails: bool,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Plain {
    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
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
fn pair() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.set_write_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), theirs)
}

/// As [`pair`], with the smallest buffers that the kernel gives.
fn narrow_pair() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [&ours, &theirs] {
        setsockopt(end, sockopt::SndBuf, &1).unwrap();
        setsockopt(end, sockopt::RcvBuf, &1).unwrap();
    }
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.set_write_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), theirs)
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

fn boxed_pair() -> (Connection, Box<dyn Stream>) {
    let (connection, theirs) = narrow_pair();
    (connection, Box::new(theirs))
}

fn tcp_pair() -> (Connection, Box<dyn Stream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (Connection::over(ours).unwrap(), Box::new(theirs))
}

fn lines(stream: &UnixStream) -> impl Iterator<Item = String> + use<> {
    BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok)
}

fn run<E: Engine<Tell = ()>>(engine: &mut E, connection: &mut Connection, work: &mut Plain) -> Result<Traffic, Fault> {
    drive(engine, connection, work, Options::default())
}

// A POP3-like window: many commands under way, replies that arrive while commands are still being written.

struct Store {
    answered: usize,
}

impl World<Window> for Store {
    fn says(&mut self, sent: &[u8]) -> Vec<u8> {
        let asked = sent.iter().filter(|byte| **byte == b'\n').count();
        let replies = (self.answered..asked).map(|n| format!("{}\r\n{}", n % 5, "m".repeat(n % 5))).collect::<String>();
        self.answered = asked;
        replies.into_bytes()
    }

    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn quiet(&mut self) -> Quiet<()> {
        Quiet::End(End::TimedOut)
    }
}

#[test]
fn a_window_is_filled_and_emptied_however_the_bytes_are_cut() {
    every_cut(
        60,
        || (Window::new(12), Store { answered: 0 }),
        |engine, _, sent| {
            assert_eq!(engine.got, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
            assert_eq!(engine.talk.end, None);
            assert!(sent.starts_with("RETR 1\r\nRETR 2\r\n") && sent.ends_with("RETR 12\r\n"));
        },
    );
}

/// The server answers each command before it reads the next and blocks when its replies are not read. Half duplex would stand still.
#[test]
fn a_window_runs_full_duplex_through_narrow_buffers() {
    const COUNT: usize = 20_000;
    let (mut connection, mut theirs) = narrow_pair();
    let server = thread::spawn(move || {
        for (n, line) in lines(&theirs).enumerate() {
            assert_eq!(line, format!("RETR {}", n + 1));
            theirs.write_all(format!("{}\r\n{}", 40, "m".repeat(40)).as_bytes()).unwrap();
            if n + 1 == COUNT {
                return;
            }
        }
    });
    let mut engine = Window::new(COUNT);
    let traffic = run(&mut engine, &mut connection, &mut Plain::default()).unwrap();
    server.join().unwrap();
    assert_eq!(engine.got.len(), COUNT);
    assert_eq!(traffic.received, COUNT as u64 * 44);
}

// An IDLE-like wait, ended from outside.

struct Mail {
    said: usize,
}

impl World<Idle> for Mail {
    fn says(&mut self, sent: &[u8]) -> Vec<u8> {
        let count = sent.iter().filter(|byte| **byte == b'\n').count();
        let news = ["", "+ idling\r\n* 1 EXISTS\r\n* 2 EXISTS\r\n", "* 3 EXISTS\r\nOK\r\n"];
        let fresh = news[self.said + 1..=count].concat();
        self.said = count;
        fresh.into_bytes()
    }

    fn ask(&mut self, _news: String) -> Option<()> {
        None
    }

    fn quiet(&mut self) -> Quiet<()> {
        Quiet::Tell(())
    }
}

#[test]
fn a_wait_is_ended_from_outside_however_the_bytes_are_cut() {
    every_cut(
        40,
        || (Idle::default(), Mail { said: 0 }),
        |engine, _, sent| {
            assert_eq!((sent, engine.news.len(), engine.talk.end), ("IDLE\r\nDONE\r\n", 3, None));
        },
    );
}

#[test]
fn a_wait_in_poll_is_ended_by_another_thread() {
    let (mut connection, mut theirs) = pair();
    let (sender, mailbox) = mailbox().unwrap();
    let server = thread::spawn(move || {
        let mut lines = lines(&theirs);
        assert_eq!(lines.next().unwrap(), "IDLE");
        theirs.write_all(b"+ idling\r\n* 1 EXISTS\r\n").unwrap();
        thread::sleep(Duration::from_millis(30));
        sender.tell(());
        assert_eq!(lines.next().unwrap(), "DONE");
        theirs.write_all(b"OK\r\n").unwrap();
    });
    let mut engine = Idle::default();
    drive(&mut engine, &mut connection, &mut Plain::default(), Options { mailbox: Some(mailbox), ..Options::default() }).unwrap();
    server.join().unwrap();
    assert_eq!((engine.news.as_slice(), engine.talk.end), (["* 1 EXISTS".to_owned()].as_slice(), None));
}

#[test]
fn a_stop_from_outside_cancels_a_wait_and_a_body() {
    let (mut connection, theirs) = pair();
    let (sender, mailbox_) = mailbox().unwrap();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        sender.stop();
    });
    let mut engine = Idle::default();
    let options = Options { mailbox: Some(mailbox_), ..Options::default() };
    let result = drive(&mut engine, &mut connection, &mut Plain::default(), options);
    assert!(matches!(result, Err(Fault::Stopped)), "{result:?}");
    assert_eq!(engine.talk.end, Some(End::Cancelled));
    stopper.join().unwrap();
    drop(theirs);

    let (mut connection, mut theirs) = pair();
    let (sender, mailbox) = mailbox().unwrap();
    let server = thread::spawn(move || {
        theirs.write_all(b"354 go\r\n").unwrap();
        theirs.read_exact(&mut [0; 100_000]).unwrap();
        sender.stop();
        io::copy(&mut theirs, &mut io::sink()).unwrap();
    });
    let mut engine = Upload::data();
    let mut work = Plain { body: usize::MAX, ..Plain::default() };
    // What crossed is not kept: this body has no end.
    let result =
        drive(&mut engine, &mut connection, &mut Endless(&mut work), Options { mailbox: Some(mailbox), ..Options::default() });
    assert!(matches!(result, Err(Fault::Stopped)), "{result:?}");
    server.join().unwrap();
}

struct Endless<'a>(&'a mut Plain);

impl Work<Upload> for Endless<'_> {
    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.body(buf)
    }
}

// An IMAP-like literal, and data that is refused in the middle.

struct Peer {
    script: &'static [(&'static str, &'static str)],
    said: usize,
    body: usize,
}

impl World<Upload> for Peer {
    /// Says the next line of the script once all of what it waits for was sent.
    fn says(&mut self, sent: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let text = String::from_utf8_lossy(sent);
        while let Some((after, says)) = self.script.get(self.said).filter(|(after, _)| text.contains(after)) {
            let _ = after;
            out.extend_from_slice(says.as_bytes());
            self.said += 1;
        }
        out
    }

    fn ask(&mut self, (): ()) -> Option<()> {
        None
    }

    fn body(&mut self, room: usize) -> Vec<u8> {
        let n = room.min(self.body).min(3);
        self.body -= n;
        vec![b'x'; n]
    }

    fn quiet(&mut self) -> Quiet<()> {
        Quiet::End(End::TimedOut)
    }
}

#[test]
fn a_literal_waits_for_leave_however_the_bytes_are_cut() {
    let script = &[("APPEND {5}\r\n", "+ go\r\n"), ("xxxxx\r\n", "OK\r\n")];
    every_cut(
        12,
        || (Upload::literal(5), Peer { script, said: 0, body: 99 }),
        |engine, world, sent| {
            assert_eq!((sent, engine.reply.as_deref()), ("APPEND {5}\r\nxxxxx\r\n", Some("OK")));
            assert_eq!(world.body, 94);
        },
    );
    every_cut(
        6,
        || (Upload::literal(5), Peer { script: &[("APPEND {5}\r\n", "NO\r\n")], said: 0, body: 99 }),
        |engine, world, sent| {
            assert_eq!((sent, engine.reply.as_deref(), world.body), ("APPEND {5}\r\n", Some("NO"), 99));
        },
    );
}

#[test]
fn a_refusal_in_mid_body_stops_it_however_the_bytes_are_cut() {
    let script = &[("DATA\r\n", "354 go\r\n"), ("xxxxxxxxx", "552 too much\r\n")];
    every_cut(
        24,
        || (Upload::data(), Peer { script, said: 0, body: 10_000 }),
        |engine, world, sent| {
            assert_eq!(engine.reply.as_deref(), Some("552 too much"));
            assert!(sent.len() < 200 && world.body > 9_000, "it went on: {} bytes", sent.len());
        },
    );
}

#[test]
fn a_literal_crosses_a_socket() {
    let (mut connection, mut theirs) = narrow_pair();
    let server = thread::spawn(move || {
        let mut reader = BufReader::new(theirs.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "APPEND {300000}\r\n");
        theirs.write_all(b"+ go\r\n").unwrap();
        let mut body = vec![0; 300_002];
        reader.read_exact(&mut body).unwrap();
        assert!(body.ends_with(b"xx\r\n"));
        theirs.write_all(b"OK\r\n").unwrap();
    });
    let mut engine = Upload::literal(300_000);
    let mut work = Plain { body: 300_000, ..Plain::default() };
    run(&mut engine, &mut connection, &mut work).unwrap();
    server.join().unwrap();
    assert_eq!(engine.reply.as_deref(), Some("OK"));
    assert_eq!((work.sent.len(), work.received.as_slice()), (17 + 300_002, b"+ go\r\nOK\r\n".as_slice()));
}

/// The peer refuses and reads on, refuses and stops reading, refuses and hangs up: each time the refusal is seen.
#[test]
fn a_refusal_in_mid_body_is_seen_over_a_socket() {
    for (tcp, then) in [false, true].into_iter().flat_map(|tcp| ["read", "stop", "close"].map(|then| (tcp, then))) {
        let (mut connection, mut theirs) = if tcp { tcp_pair() } else { boxed_pair() };
        let server = thread::spawn(move || {
            theirs.write_all(b"354 go\r\n").unwrap();
            theirs.read_exact(&mut [0; 50_000]).unwrap();
            theirs.write_all(b"552 too much\r\n").unwrap();
            match then {
                "read" => drop(io::copy(&mut theirs, &mut io::sink()).unwrap()),
                "stop" => return Some(theirs),
                _ => {}
            }
            None
        });
        let mut engine = Upload::data();
        let mut work = Plain { body: 1 << 40, ..Plain::default() };
        let options = Options { close_within: Duration::from_millis(50), ..Options::default() };
        let _ = drive(&mut engine, &mut connection, &mut work, options);
        assert_eq!(engine.reply.as_deref(), Some("552 too much"), "{then}");
        assert!(engine.taken < 20_000_000, "{then}: {} bytes went on", engine.taken);
        drop(connection);
        server.join().unwrap();
    }
}

#[test]
fn a_body_that_cannot_be_read_cancels() {
    let (mut connection, mut theirs) = pair();
    theirs.write_all(b"354 go\r\n").unwrap();
    let mut engine = Upload::data();
    let mut work = Plain { body: 10, fails: true, ..Plain::default() };
    let error = run(&mut engine, &mut connection, &mut work).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the message: disk on fire");
    assert_eq!(engine.talk.end, Some(End::Cancelled));
    let mut sent = String::new();
    theirs.read_to_string(&mut sent).unwrap();
    assert_eq!(sent, "DATA\r\nxxxxxxxxxx", "no dot: what was begun is not completed");
}

// A verdict that comes later, as from a group commit.

struct Clerk {
    to: Sender<String>,
    now: bool,
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
    let mut connection = Connection::over(listener.accept().unwrap().0).unwrap();
    theirs.write_all(b"QUIT\r\n").unwrap();
    theirs.write_all(&[b'x'; 200_000]).unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let (to, _mailbox) = mailbox().unwrap();
    let options = Options { linger: Some(PATIENCE), ..Options::default() };
    drive(&mut Verdicts::default(), &mut connection, &mut Clerk { to, now: true }, options).unwrap();
    drop(connection);
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

#[test]
fn compression_without_a_compressor_is_told() {
    struct Inflating(bool);
    impl Engine for Inflating {
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
        fn ended(&mut self, why: End) {
            self.0 = why == End::Io;
        }
        fn step(&mut self) -> Step<()> {
            if self.0 { Step::Done } else { Step::Inflate }
        }
    }
    let (mut connection, _theirs) = pair();
    let result = run(&mut Inflating(false), &mut connection, &mut Plain::default());
    assert!(matches!(result, Err(Fault::NoCompressor)), "{result:?}");
}

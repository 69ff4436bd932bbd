//! The engine trait carries what real protocols need: shown by small engines, bare with the bytes cut everywhere, and under the real
//! driver over sockets.

mod support;

use postroad::net::drive::drive;
use postroad::net::drive::fault::Fault;
use postroad::net::drive::work::{Options, Work};
use postroad::net::mailbox::mailbox;
use postroad::protocol::engine::End;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::thread;
use std::time::Duration;
use support::drive::*;
use support::engines::*;
use support::script::{Quiet, World, every_cut};

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

/// A body from a slow source never fills a buffer, so nothing but a look between its pieces shows the refusal.
#[test]
fn a_refusal_is_seen_between_the_pieces_of_a_slow_body() {
    struct Slow {
        left: usize,
    }
    impl Work<Upload> for Slow {
        fn ask(&mut self, (): ()) -> Option<()> {
            None
        }
        fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(1));
            self.left = self.left.saturating_sub(1);
            buf[..10].fill(b'x');
            Ok(if self.left > 0 { 10 } else { 0 })
        }
    }
    let (mut connection, mut theirs) = pair();
    let server = thread::spawn(move || {
        theirs.write_all(b"354 go\r\n").unwrap();
        theirs.read_exact(&mut [0; 100]).unwrap();
        theirs.write_all(b"552 too much\r\n").unwrap();
        io::copy(&mut theirs, &mut io::sink()).unwrap();
    });
    let (mut engine, mut work) = (Upload::data(), Slow { left: 4000 });
    drive(&mut engine, &mut connection, &mut work, Options::default()).unwrap();
    drop(connection);
    server.join().unwrap();
    assert_eq!(engine.reply.as_deref(), Some("552 too much"));
    assert!(work.left > 0, "it was sent to its end");
}

/// The peer refuses and resets while the body's source is being read: the next write fails, and the refusal is read all the same.
#[test]
fn a_refusal_is_read_after_a_failed_write() {
    struct UntilGone(Option<thread::JoinHandle<()>>);
    impl Work<Upload> for UntilGone {
        fn ask(&mut self, (): ()) -> Option<()> {
            None
        }
        fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if let Some(peer) = self.0.take() {
                peer.join().unwrap();
            }
            Ok(buf.len())
        }
    }
    let (mut connection, mut theirs) = pair();
    let peer = thread::spawn(move || {
        theirs.write_all(b"354 go\r\n").unwrap();
        theirs.read_exact(&mut [0; 6]).unwrap();
        thread::sleep(Duration::from_millis(50));
        theirs.write_all(b"552 too much\r\n").unwrap();
    });
    let mut engine = Upload::data();
    let result = drive(&mut engine, &mut connection, &mut UntilGone(Some(peer)), Options::default());
    assert_eq!(engine.reply.as_deref(), Some("552 too much"), "{result:?}");
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

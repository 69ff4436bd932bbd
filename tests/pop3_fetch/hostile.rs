//! Servers that lie, flood, speak out of turn or fall silent; and bytes that must come through as they were sent.

use crate::bare::{Shared, config};
use crate::support::login;
use jiff::Timestamp;
use postroad::fetch::reading::{Extent, Reading, Refused};
use postroad::fetch::session::Job;
use postroad::fetch::target::stream::Stream;
use postroad::protocol::engine::{End, Engine, Step};
use postroad::protocol::pop3::client::Client;
use postroad::protocol::pop3::words::{Answer, ClientAsk, ClientTell, Command};
use postroad::protocol::sasl::words::InClear;
use postroad::protocol::session::{Failure, Fault};
use proptest::prelude::*;
use std::collections::VecDeque;

/// A client with commands to send, and what it heard.
struct Talk {
    client: Client,
    commands: VecDeque<Command>,
    answers: Vec<(Command, Answer)>,
    failure: Option<Failure>,
    said: Vec<u8>,
}

impl Talk {
    fn new(commands: impl IntoIterator<Item = Command>) -> Talk {
        let client = Client::new(config(InClear::Allowed));
        Talk { client, commands: commands.into_iter().collect(), answers: Vec::new(), failure: None, said: Vec::new() }
    }

    /// Logged in at a server with PIPELINING or without.
    fn logged_in(pipelining: bool, commands: impl IntoIterator<Item = Command>) -> Talk {
        let mut talk = Talk::new(commands);
        talk.hear(b"+OK ready\r\n");
        talk.hear(if pipelining { b"+OK\r\nUSER\r\nPIPELINING\r\n.\r\n" } else { b"-ERR\r\n" });
        talk.hear(b"+OK\r\n");
        talk.hear(b"+OK in\r\n");
        if pipelining {
            talk.hear(b"+OK\r\nPIPELINING\r\n.\r\n");
        }
        talk
    }

    fn settle(&mut self) {
        loop {
            let step = self.client.step();
            let ready = self.client.outgoing().len();
            self.said.extend_from_slice(self.client.outgoing());
            self.client.wrote(ready);
            match step {
                Step::Ask(ClientAsk::Login(_)) => self.client.tell(ClientTell::Login(Box::new(login::login("bob")))),
                Step::Ask(ClientAsk::Next) => {
                    let command = self.commands.pop_front();
                    self.client.tell(command.map_or(ClientTell::Pause, ClientTell::Do));
                }
                Step::Ask(ClientAsk::Answer(command, answer)) => self.answers.push((command, answer)),
                Step::Ask(ClientAsk::Failed(failure)) => self.failure = Some(failure),
                Step::Ask(_) => {}
                Step::Io { .. } if ready > 0 => {}
                _ => return,
            }
        }
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        self.settle();
        while !bytes.is_empty() && self.failure.is_none() {
            let used = self.client.receive(bytes);
            bytes = &bytes[used..];
            self.settle();
            if used == 0 && self.client.receive(&[]) == 0 && matches!(self.client.step(), Step::Done) {
                return;
            }
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.failure.as_ref().map(|failure| failure.fault)
    }

    fn message(&self) -> Vec<u8> {
        let piece = |answer: &(Command, Answer)| if let Answer::Piece(bytes) = &answer.1 { bytes.clone() } else { Vec::new() };
        self.answers.iter().flat_map(piece).collect()
    }

    fn last_said(&self) -> String {
        String::from_utf8_lossy(&self.said).lines().last().unwrap_or_default().to_owned()
    }
}

fn retr(number: u32, octets: u64) -> Command {
    Command::Retr { number, octets: Some(octets) }
}

#[test]
fn an_answer_that_comes_before_its_command_ends_the_session() {
    let mut talk = Talk::new([]);
    talk.hear(b"+OK ready\r\n+OK and more\r\n");
    assert_eq!(talk.fault(), Some(Fault::Protocol), "CAPA had not gone out");
    let mut talk = Talk::logged_in(false, [retr(1, 5)]);
    talk.hear(b"+OK\r\none\r\n.\r\n+OK and one more\r\n");
    assert_eq!(talk.fault(), Some(Fault::Protocol));
}

#[test]
fn nothing_is_sent_across_a_login() {
    let mut talk = Talk::new([Command::Stat, Command::List]);
    talk.hear(b"+OK ready\r\n");
    talk.hear(b"+OK\r\nUSER\r\nPIPELINING\r\n.\r\n");
    assert_eq!(talk.last_said(), "USER bob");
    talk.hear(b"+OK\r\n");
    assert_eq!(talk.last_said(), "PASS s3cret");
    talk.hear(b"+OK\r\n");
    assert!(String::from_utf8_lossy(&talk.said).ends_with("PASS s3cret\r\nCAPA\r\nSTAT\r\nLIST\r\n"));
}

#[test]
fn a_line_that_never_ends_is_given_up() {
    for before in ["", "+OK ready\r\n"] {
        let mut talk = Talk::new([]);
        talk.hear(before.as_bytes());
        for _ in 0..100 {
            talk.hear(&[b'x'; 1000]);
        }
        assert_eq!(talk.fault(), Some(Fault::Protocol), "{before:?}");
    }
}

#[test]
fn capabilities_that_never_end_are_given_up() {
    let mut talk = Talk::new([]);
    talk.hear(b"+OK ready\r\n");
    talk.hear(b"+OK\r\n");
    talk.hear(&b"X-ENDLESS\r\n".repeat(1000));
    assert_eq!(talk.fault(), Some(Fault::Protocol));
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let mut talk = Talk::logged_in(false, [Command::Stat, Command::List]);
    talk.hear(b"+OK 2 20\r\n");
    talk.hear(b"+OK\r\n");
    for row in 1..=1002 {
        talk.hear(format!("{row} 10\r\n").as_bytes());
    }
    assert_eq!(talk.fault(), None, "mail may have come in between");
    talk.hear(b"1003 10\r\n");
    assert_eq!(talk.fault(), Some(Fault::Protocol));
}

/// A server that was to send 10 octets, as one that sent mpop newlines for ever.
#[test]
fn a_message_that_never_ends_is_given_up() {
    let mut talk = Talk::logged_in(false, [retr(1, 10)]);
    talk.hear(b"+OK\r\n");
    let flood = b"\n".repeat(64 * 1024);
    let mut heard = 0_usize;
    while talk.fault().is_none() && heard < 64 << 20 {
        talk.hear(&flood);
        talk.answers.clear();
        heard += flood.len();
    }
    assert_eq!(talk.fault(), Some(Fault::Protocol));
    assert!(heard < 20 << 20, "{heard}");
}

#[test]
fn a_message_of_unknown_size_is_given_up_some_time() {
    let mut talk = Talk::logged_in(false, [Command::Retr { number: 1, octets: None }]);
    talk.hear(b"+OK\r\n");
    let flood = vec![b'x'; 16 << 20];
    let mut heard = 0_usize;
    while talk.fault().is_none() && heard < 4 << 30 {
        talk.hear(&flood);
        talk.answers.clear();
        heard += flood.len();
    }
    assert_eq!(talk.fault(), Some(Fault::Protocol));
}

/// As `--retr` reads: LIST says the size first.
#[test]
fn a_message_that_is_read_alone_is_given_up_too() {
    let out = Shared::default();
    let mut target = Stream::new(out.clone(), false);
    let mut reading = Reading::new(&[7], Extent::Whole, None, &mut target, Timestamp::UNIX_EPOCH);
    assert!(matches!(reading.next(), ClientTell::Do(Command::Size(7))));
    assert!(matches!(reading.next(), ClientTell::Pause), "its size first");
    reading.answer(Command::Size(7), Answer::Ok("7 10".to_owned()));
    let ClientTell::Do(command) = reading.next() else { panic!("nothing is read") };
    assert_eq!(command, retr(7, 10));
}

#[test]
fn a_message_that_is_read_alone_comes_to_no_more_than_it_may() {
    let out = Shared::default();
    let mut target = Stream::new(out.clone(), false);
    let mut reading = Reading::new(&[7], Extent::Whole, Some(8), &mut target, Timestamp::UNIX_EPOCH);
    for answer in [Answer::Ok(String::new()), Answer::Piece(b"12345\r\n".to_vec()), Answer::Piece(b"12345\r\n".to_vec())] {
        assert!(!reading.is_deserted());
        reading.answer(retr(7, 1), answer);
    }
    assert!(reading.is_deserted() && reading.is_overrun());
    assert_eq!(reading.refused, [Refused { number: 7, text: "larger than 8 octets".to_owned(), lasting: true }]);
    assert!(out.0.borrow().is_empty());
}

#[test]
fn a_flood_of_answers_is_not_held() {
    let mut talk = Talk::logged_in(true, [Command::List]);
    talk.hear(b"+OK\r\n");
    let rows = b"1 2\r\n".repeat(100_000);
    let mut client = talk.client;
    let used = client.receive(&rows);
    assert!(used < 1000, "{used} octets were taken with nobody to hear of them");
}

#[test]
fn a_window_is_bounded_by_what_list_said() {
    let said_of = |octets: u64| {
        let mut talk = Talk::logged_in(true, (1..=1000).map(|number| retr(number, octets)));
        talk.settle();
        String::from_utf8_lossy(&talk.said).matches("RETR").count()
    };
    assert_eq!([said_of(3 << 20), said_of(u64::MAX), said_of(512 << 10)], [1, 1, 4]);
    assert_eq!(said_of(100), 499, "small ones by their number, behind CAPA");
    let mut talk = Talk::logged_in(false, (1..=10).map(|number| retr(number, 1)));
    talk.settle();
    assert_eq!(String::from_utf8_lossy(&talk.said).matches("RETR").count(), 1, "without PIPELINING one at a time");
}

#[test]
fn commands_go_together_and_not_one_by_one() {
    let mut talk = Talk::logged_in(true, (1..=1000).map(|number| retr(number, 100)));
    talk.settle();
    talk.said.clear();
    // Until half of them are answered.
    for answered in 1..=248 {
        talk.hear(b"+OK\r\nx\r\n.\r\n");
        assert!(talk.said.is_empty(), "after {answered}");
    }
    talk.hear(b"+OK\r\nx\r\n.\r\n");
    assert_eq!(String::from_utf8_lossy(&talk.said).matches("RETR").count(), 250);
}

#[test]
fn silence_and_loss_are_told_apart_from_an_end() {
    for (why, fault) in [(End::TimedOut, Fault::Lost), (End::Eof, Fault::Lost), (End::Injected, Fault::Protocol)] {
        let mut talk = Talk::logged_in(false, [retr(1, 5)]);
        talk.hear(b"+OK\r\non");
        talk.client.ended(why);
        talk.settle();
        assert_eq!(talk.fault(), Some(fault));
        assert!(!talk.answers.iter().any(|(_, answer)| *answer == Answer::End), "{why:?}");
    }
}

/// A peer that drips bytes gains no time: the unit stands until 16 KiB came.
#[test]
fn dripping_gains_no_time() {
    let mut talk = Talk::logged_in(false, [retr(1, 5)]);
    talk.hear(b"+OK\r\n");
    let unit = |talk: &mut Talk| if let Step::Io { unit, .. } = talk.client.step() { unit } else { panic!("it reads") };
    let before = unit(&mut talk);
    for _ in 0..1000 {
        talk.hear(b"x");
    }
    assert_eq!(unit(&mut talk), before);
    talk.hear(&[b'x'; 16 * 1024]);
    assert!(unit(&mut talk) > before);
}

#[test]
fn bytes_come_through_as_they_were_sent() {
    let body: &[u8] = b"\r\na\0b\rc\nd\r\n.\n.\re\r\n\xff\xfe\r\n\r\r\n";
    let long = [&[b'l'; 5000][..], b"\r\n", body].concat();
    let wire: Vec<u8> = long.clone();
    // The one line that begins with a dot gets another.
    let at = wire.windows(3).position(|w| w == b"\r\n.").unwrap() + 2;
    let stuffed = [&wire[..at], b".", &wire[at..], b".\r\n"].concat();
    for cut in 0..stuffed.len() {
        let mut talk = Talk::logged_in(false, [retr(1, 5000)]);
        talk.hear(b"+OK\r\n");
        talk.hear(&stuffed[..cut]);
        talk.hear(&stuffed[cut..]);
        assert_eq!(talk.message(), long, "cut at {cut}");
        assert_eq!(talk.answers.last(), Some(&(retr(1, 5000), Answer::End)), "cut at {cut}");
    }
}

/// What the server says of one message: CRLF lines, dots doubled, a final dot.
fn on_the_wire(lines: &[String]) -> Vec<u8> {
    let stuffed = |line: &String| format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" });
    let mut wire: String = lines.iter().map(stuffed).collect();
    wire += ".\r\n";
    wire.into_bytes()
}

proptest! {
    #[test]
    fn dots_are_removed_at_every_cut(lines in proptest::collection::vec("[.a\n]{0,4}", 0..6), cuts in proptest::collection::vec(0usize..40, 0..4)) {
        let wire = on_the_wire(&lines);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).chain([0, wire.len()]).collect();
        cuts.sort_unstable();
        let mut talk = Talk::logged_in(false, [retr(1, 5), Command::Noop]);
        talk.hear(b"+OK\r\n");
        for pair in cuts.windows(2) {
            talk.hear(&wire[pair[0]..pair[1]]);
        }
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        prop_assert_eq!(talk.message(), text.into_bytes());
        prop_assert_eq!(talk.answers.last().map(|(_, answer)| answer == &Answer::End), Some(true));
    }
}

//! What no transcript can show: floods, deadlines, answers out of order, octets by the gigabyte.

use super::bare::{Worker, config};
use crate::support::bare::{Answers, Bare};
use postroad::protocol::engine::{End, Engine, Step};
use postroad::protocol::imap::client::Client;
use postroad::protocol::imap::command::{Command, Part};
use postroad::protocol::imap::words::{ClientAsk, ClientTell, Piece, Tags};
use postroad::protocol::session::StartTls;

const GREETING: &[u8] = b"* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n";

fn bare(script: &str) -> Bare<Client, Worker> {
    Bare::new(Client::new(config()), Worker::new(script), Vec::new())
}

fn raw(text: &str) -> ClientTell {
    ClientTell::Do(1, Box::new(Command::raw(vec![Part::Text(text.as_bytes().to_vec())]).unwrap()))
}

/// Counts what it hears and holds none of it.
#[derive(Default)]
struct Counter {
    responses: usize,
    octets: u64,
    ended: bool,
}

impl Answers<Client> for Counter {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Received(_) => self.responses += 1,
            ClientAsk::Literal(Piece::Data(octets)) => self.octets += octets.len() as u64,
            ClientAsk::Literal(Piece::End) => self.ended = true,
            _ => {}
        }
        None
    }
}

#[test]
fn a_gigabyte_passes_and_is_not_held() {
    let mut bare = Bare::new(Client::new(config()), Counter::default(), Vec::new());
    bare.feed(GREETING);
    bare.feed(b"* 1 FETCH (BODY[] {1073741824}\r\n");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..1024 {
        bare.feed(&piece);
    }
    bare.feed(b" UID 1)\r\n");
    assert_eq!((bare.work.octets, bare.work.ended, bare.work.responses), (1 << 30, true, 1));
}

#[test]
fn a_flood_is_handed_up_one_by_one() {
    let mut bare = Bare::new(Client::new(config()), Counter::default(), Vec::new());
    bare.feed(GREETING);
    let flood = b"* 1 EXISTS\r\n".repeat(10_000);
    let taken = bare.engine.receive(&flood);
    assert!(taken < 64 * 12 + 12, "{taken} octets taken before anything was handed up");
    bare.feed(&flood[taken..]);
    assert_eq!(bare.work.responses, 10_000);
}

#[test]
fn a_line_without_end_is_given_up() {
    let mut bare = bare("NOOP");
    bare.feed(GREETING);
    for _ in 0..1000 {
        bare.feed(&[b'x'; 10_000]);
    }
    assert!(bare.over && bare.work.heard.last().unwrap().starts_with("failed Protocol: a response goes on beyond"));
}

/// CVE-2026-42246: whoever answers before the command was sent did not see it.
#[test]
fn an_answer_that_comes_before_its_command_ends_the_session() {
    let mut engine = Client::new(config());
    engine.receive(GREETING);
    while let Step::Ask(_) = engine.step() {}
    engine.tell(raw("SELECT INBOX"));
    let half = engine.outgoing().len() / 2;
    engine.wrote(half);
    engine.receive(b"A1 OK [READ-WRITE] done\r\n");
    let step = engine.step();
    assert!(matches!(&step, Step::Ask(ClientAsk::Failed(failure)) if failure.text.contains("before it was sent")), "{step:?}");
}

#[test]
fn an_answer_to_nothing_ends_the_session() {
    let mut bare = bare("NOOP");
    bare.feed(GREETING);
    bare.feed(b"A7 OK what\r\n");
    assert!(bare.over && bare.work.heard.last().unwrap().contains("never sent: A7"), "{:?}", bare.work.heard);
}

/// What comes in clear before STARTTLS is answered does not depend on what was sent: nobody can know the tag.
#[test]
fn tags_cannot_be_foretold() {
    let tag = |seed| {
        let mut config = config();
        config.tags = Tags::Random(seed);
        let mut engine = Client::new(config);
        engine.receive(b"* OK hi\r\n");
        String::from_utf8(engine.outgoing().to_vec()).unwrap()
    };
    let seen: std::collections::BTreeSet<String> = (0..1000).map(tag).collect();
    assert_eq!(seen.len(), 1000);
    assert!(seen.iter().all(|line| line.ends_with("1 CAPABILITY\r\n")));
}

#[test]
fn silence_is_told_apart_from_an_end() {
    for (why, text) in [(End::TimedOut, "fell silent"), (End::Eof, "closed the connection"), (End::Io, "broke")] {
        let mut bare = bare("NOOP");
        bare.feed(GREETING);
        bare.feed(b"* 1 FETCH (BODY[] {10}\r\nabc");
        bare.end(why);
        assert!(bare.over && bare.work.heard.last().unwrap().contains(text), "{:?}", bare.work.heard);
        assert_eq!(bare.work.octets, b"abc", "and no end of the literal was told");
    }
}

fn unit(engine: &mut Client) -> (u64, u64) {
    loop {
        match engine.step() {
            Step::Io { within, unit, .. } => return (within.as_secs(), unit),
            Step::Ask(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// RFC 9051 section 6.3.13: a server may take a client for gone that idles for half an hour.
#[test]
fn idle_is_begun_again_before_half_an_hour() {
    let mut engine = Client::new(config());
    engine.receive(b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hi\r\n");
    unit(&mut engine);
    engine.tell(raw("IDLE"));
    engine.wrote(engine.outgoing().len());
    engine.receive(b"+ idling\r\n");
    let (within, before) = unit(&mut engine);
    assert!(within < 29 * 60);
    engine.receive(b"* 4 EXISTS\r\n");
    assert_eq!(unit(&mut engine).1, before, "what the server says does not put it off");
    assert!(engine.lapsed());
    assert_eq!(engine.outgoing(), b"DONE\r\n");
    assert_ne!(unit(&mut engine).1, before);
    engine.wrote(6);
    engine.receive(b"A1 OK done\r\n");
    assert_eq!(engine.outgoing(), b"A2 IDLE\r\n");
    engine.wrote(9);
    engine.receive(b"+ idling\r\n");
    engine.tell(ClientTell::EndIdle);
    assert_eq!(engine.outgoing(), b"DONE\r\n");
    engine.wrote(6);
    engine.receive(b"A2 OK done\r\n");
    let step = engine.step();
    assert!(matches!(&step, Step::Ask(ClientAsk::Done(done)) if done.id == 1), "{step:?}");
}

#[test]
fn dripping_gains_no_time() {
    let mut engine = Client::new(config());
    engine.receive(GREETING);
    unit(&mut engine);
    engine.tell(raw("NOOP"));
    engine.wrote(engine.outgoing().len());
    let before = unit(&mut engine);
    for byte in b"* OK " {
        engine.receive(&[*byte]);
        assert_eq!(unit(&mut engine), before);
    }
    assert!(!engine.lapsed(), "a server that owes an answer has none more to wait");
}

/// At a prompt there is nothing that a server would have to say.
#[test]
fn silence_between_commands_is_no_fault() {
    let mut engine = Client::new(config());
    engine.receive(GREETING);
    let before = unit(&mut engine);
    assert!(engine.lapsed());
    assert_ne!(unit(&mut engine).1, before.1);
}

/// RFC 9051 section 7.1.4, CVE-2021-39272; CVE-2020-28896.
#[test]
fn whatever_greets_is_not_believed() {
    for greeting in
        ["* PREAUTH hi\r\n", "HTTP/1.1 400 Bad\r\n", "* BAD no\r\n", "* 1 EXISTS\r\n", "A1 OK hi\r\n", "+ OK\r\n", "\r\n"]
    {
        let mut config = config();
        config.tls = StartTls::Required;
        let mut bare = Bare::new(Client::new(config), Worker::new(""), Vec::new());
        bare.feed(greeting.as_bytes());
        assert!(bare.over && bare.said.is_empty(), "{greeting:?}: {:?}", bare.work.heard);
    }
}

/// Two who told IDLE at once: the second begins once the first has ended, and can be ended itself.
#[test]
fn an_idle_that_waited_is_one_as_well() {
    let mut engine = Client::new(config());
    engine.receive(GREETING);
    unit(&mut engine);
    engine.tell(raw("IDLE"));
    engine.tell(raw("IDLE"));
    for tag in ["A1", "A2"] {
        assert_eq!(engine.outgoing(), format!("{tag} IDLE\r\n").as_bytes());
        engine.wrote(9);
        engine.receive(b"+ idling\r\n");
        engine.tell(ClientTell::EndIdle);
        assert_eq!(engine.outgoing(), b"DONE\r\n");
        engine.wrote(6);
        engine.receive(format!("{tag} OK done\r\n").as_bytes());
    }
}

/// A message that is not as long as was announced can be neither ended nor followed by anything.
#[test]
fn a_body_of_another_length_ends_the_session() {
    for (body, told) in [(&b"ab"[..], "shorter"), (b"abcd", "longer")] {
        let mut engine = Client::new(config());
        engine.receive(GREETING);
        unit(&mut engine);
        let parts = vec![Part::Text(b"APPEND INBOX ".to_vec()), Part::Body { len: 3, binary: false }];
        engine.tell(ClientTell::Do(1, Box::new(Command::raw(parts).unwrap())));
        let mut rest = body;
        let failure = loop {
            match engine.step() {
                Step::NeedBody { room } => {
                    let piece = &rest[..rest.len().min(room)];
                    rest = &rest[piece.len()..];
                    engine.body(piece, piece.is_empty());
                }
                Step::Ask(ClientAsk::Failed(failure)) => break failure,
                other => panic!("{other:?}"),
            }
        };
        assert!(failure.text.contains(told), "{}", failure.text);
        assert!(matches!(engine.step(), Step::Done) && engine.outgoing().is_empty(), "the command is not completed");
    }
}

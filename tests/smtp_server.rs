//! The transcripts of `tests/smtp_listen` against the bare server engine, each turn of the client cut at every byte.

mod support;

use postroad::mail::address::Domain;
use postroad::mail::reply::Reply;
use postroad::protocol::engine::End;
use postroad::protocol::smtp::server::config::ServerConfig;
use postroad::protocol::smtp::server::{Server, ServerAsk, ServerTell};
use postroad::relay::event::{Event, Log};
use postroad::relay::policy::HostPolicy;
use postroad::relay::receive::{Arriving, Receiver, Sink, Surroundings};
use std::cell::RefCell;
use std::rc::Rc;
use support::bare::{Answers, Bare, Virtual};
use support::stored::without;
use support::transcript::{self, Line, Transcript};

/// Keeps what was committed.
#[derive(Clone, Default)]
struct Memory {
    open: Option<Vec<u8>>,
    id: String,
    stored: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Sink for Memory {
    fn room(&mut self, _: Option<u64>) -> Result<(), Reply> {
        Ok(())
    }
    fn open(&mut self, arriving: &Arriving) -> Result<(), Reply> {
        assert!(self.open.replace(Vec::new()).is_none(), "a message was open already");
        self.id = arriving.id.to_string();
        Ok(())
    }
    fn write(&mut self, piece: &[u8]) -> Result<(), Reply> {
        self.open.as_mut().expect("an open message").extend_from_slice(piece);
        Ok(())
    }
    fn commit(&mut self) -> Result<Reply, Reply> {
        self.stored.borrow_mut().push(self.open.take().expect("an open message"));
        Ok(Reply::enhanced(250, 0, 0, format!("Ok: queued as {}", self.id)))
    }
    fn abort(&mut self) {
        self.open = None;
    }
}

struct NoLog;

impl Log for NoLog {
    fn event(&self, _: &Event) {}
}

impl Answers<Server> for Receiver<'_> {
    fn answer(&mut self, ask: ServerAsk) -> Option<ServerTell> {
        Receiver::answer(self, ask)
    }
}

fn config(transcript: &Transcript) -> ServerConfig {
    let mut config = ServerConfig::new(transcript.value("--hostname").expect("--hostname"));
    config.dsn = true;
    config.require_tls = true;
    config.lmtp = transcript.value("--role") == Some("lmtp");
    if let Some(size) = transcript.value("--max-size") {
        config.max_size = size.parse().unwrap();
    }
    if let Some(recipients) = transcript.value("--max-rcpt") {
        config.max_recipients = recipients.parse().unwrap();
    }
    config
}

/// Runs the dialogue with the turn number `cut_turn` of the client cut at byte `at`; gives the stored messages.
fn run(transcript: &Transcript, cut_turn: usize, at: usize) -> Vec<Vec<u8>> {
    let place = format!("{}, client turn {cut_turn} cut at {at}", transcript.path.display());
    let clock = Virtual::at(1_795_341_600);
    let domains: Vec<Domain> = transcript.value("--domain").into_iter().map(|d| d.parse().unwrap()).collect();
    let policy = HostPolicy { open_domains: &domains, local_domains: &[], local: &|_| Ok(()), relay_from: &[] };
    let config = config(transcript);
    let around = Surroundings {
        hostname: &config.hostname,
        policy: &policy,
        clock: &clock,
        chance: &clock,
        log: &NoLog,
        lmtp: config.lmtp,
    };
    let memory = Memory::default();
    let receiver = Receiver::new(around, Box::new(memory.clone()), None);
    let mut bare = Bare::new(Server::new(config.clone()), receiver, Vec::new());
    let mut client_turn = 0;
    for turn in transcript.turns() {
        match &turn[0] {
            Line::Client(_) => {
                let bytes = transcript::client_bytes(turn);
                let at = if client_turn == cut_turn { at } else { 0 };
                bare.feed(&bytes[..at]);
                bare.feed(&bytes[at..]);
                client_turn += 1;
            }
            Line::Server(_) => {
                let said = std::mem::take(&mut bare.said);
                assert!(
                    transcript::server_said(turn, &said),
                    "{place}: wanted {turn:#?}\nsaid {}",
                    String::from_utf8_lossy(&said)
                );
            }
            Line::Close | Line::Lost => bare.end(End::Eof),
            Line::Tls(_) | Line::Connect => panic!("{place}: not for a bare engine"),
        }
    }
    assert!(bare.said.is_empty(), "{place}: said {} too much", String::from_utf8_lossy(&bare.said));
    assert!(bare.over, "{place}: not over");
    drop(bare);
    memory.stored.take()
}

/// Without its trace field, with LF line ends.
fn body(message: &[u8]) -> String {
    String::from_utf8(without("Received", message).to_vec()).unwrap().replace("\r\n", "\n")
}

#[test]
fn every_transcript_passes_cut_at_every_byte() {
    for transcript in transcript::all("smtp_listen").iter().filter(|t| !t.has("--tls-cert")) {
        let turns: Vec<usize> = transcript
            .turns()
            .iter()
            .filter(|turn| matches!(turn[0], Line::Client(_)))
            .map(|turn| transcript::client_bytes(turn).len())
            .collect();
        for (turn, length) in turns.iter().enumerate() {
            for at in 0..=*length {
                let stored: String = run(transcript, turn, at).iter().map(|message| body(message)).collect();
                assert_eq!(stored, String::from_utf8_lossy(&transcript.stored), "{}", transcript.path.display());
            }
        }
    }
}

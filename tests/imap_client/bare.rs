//! The transcripts against the bare engine, their commands those of stdin.

use crate::support::bare::{Answers, Bare};
use crate::support::login;
use crate::support::transcript::{self, Line, Transcript};
use postroad::bytes::secret::Secret;
use postroad::protocol::engine::End;
use postroad::protocol::imap::client::Client;
use postroad::protocol::imap::command::{Command, Part};
use postroad::protocol::imap::words::{ClientAsk, ClientConfig, ClientTell, LoginBy, Piece, Place, Received, Tags, Timeouts};
use postroad::protocol::sasl::words::InClear;
use postroad::protocol::session::StartTls;
use std::collections::VecDeque;

/// The work above the engine: says what it is told to, and notes what it hears.
#[derive(Default)]
pub struct Worker {
    pub script: VecDeque<String>,
    pub user: String,
    pub heard: Vec<String>,
    pub octets: Vec<u8>,
    /// A line that is no command is left out.
    pub lenient: bool,
    next: u64,
    idling: bool,
}

impl Worker {
    pub fn new(lines: &str) -> Worker {
        Worker { script: lines.lines().map(str::to_owned).collect(), user: "bob".to_owned(), ..Worker::default() }
    }

    fn next(&mut self) -> Option<ClientTell> {
        if self.idling || self.script.front().is_some_and(|line| line == "DONE" || line.starts_with('>')) {
            return None;
        }
        let Some(line) = self.script.pop_front() else { return Some(ClientTell::Quit) };
        self.next += 1;
        match Command::raw(parts(&line)) {
            Ok(command) => Some(ClientTell::Do(self.next, Box::new(command))),
            Err(bad) => {
                assert!(self.lenient, "{line}: {bad}");
                None
            }
        }
    }

    fn received(&mut self, received: &Received) -> Option<ClientTell> {
        let kind = format!("{:?}", received.response);
        let kind = kind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
        self.heard.push(format!("{kind} {}", received.raw.bytes.escape_ascii()));
        if self.idling && self.script.front().is_some_and(|line| line == "DONE") {
            self.script.pop_front();
            self.idling = false;
            return Some(ClientTell::EndIdle);
        }
        None
    }
}

/// `{{…}}` are literals.
fn parts(line: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for (n, piece) in line.split("{{").enumerate() {
        let text = match piece.split_once("}}").filter(|_| n > 0) {
            Some((literal, rest)) => {
                parts.push(match literal.strip_prefix("body:") {
                    Some(body) => Part::Body { len: body.len() as u64, binary: false },
                    None => Part::Literal { octets: literal.as_bytes().to_vec(), binary: false },
                });
                rest
            }
            None => piece,
        };
        if !text.is_empty() {
            parts.push(Part::Text(text.as_bytes().to_vec()));
        }
    }
    parts
}

impl Answers<Client> for Worker {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Offered(_) => {}
            ClientAsk::Ready(ready) => {
                let place = if ready.place == Place::NotAuthenticated { "nobody" } else { "in" };
                self.heard.push(format!("ready {place} {}", ready.capabilities.names.join(" ")));
            }
            ClientAsk::Login(_) => return Some(ClientTell::Login(Box::new(login::login(&self.user)))),
            ClientAsk::Next => return self.next(),
            ClientAsk::Received(received) => return self.received(&received),
            ClientAsk::Literal(Piece::Begin(opened)) => {
                let name = opened.item.map(|item| item.name).unwrap_or_default();
                self.heard.push(format!("literal {:?} {:?} {name} {}", opened.sequence, opened.uid, opened.len));
            }
            ClientAsk::Literal(Piece::Data(octets)) => self.octets.extend_from_slice(&octets),
            ClientAsk::Literal(Piece::End) => {
                let octets = std::mem::take(&mut self.octets);
                self.heard.push(format!("octets {}", octets.escape_ascii()));
            }
            ClientAsk::Continue { text, .. } => {
                self.heard.push(format!("continue {}", text.escape_ascii()));
                let line = self.script.pop_front().unwrap_or_default();
                return Some(ClientTell::Line(Secret::new(line.trim_start_matches('>').as_bytes().to_vec())));
            }
            ClientAsk::Idling(_) => {
                self.heard.push("idling".to_owned());
                self.idling = true;
            }
            ClientAsk::Done(done) => {
                self.idling = false;
                let place = match &done.place {
                    Place::NotAuthenticated => "nobody".to_owned(),
                    Place::Authenticated => "in".to_owned(),
                    Place::Selected { mailbox, read_only } => format!("{mailbox} {}", if *read_only { "ro" } else { "rw" }),
                };
                self.heard.push(format!("done {} {} {place}", done.name, done.status));
            }
            ClientAsk::Failed(failure) => self.heard.push(format!("failed {:?}: {}", failure.fault, failure.text)),
        }
        None
    }
}

pub fn config() -> ClientConfig {
    ClientConfig {
        tls: StartTls::Never,
        auth: None,
        by: LoginBy::Any,
        initial_response: true,
        timeouts: Timeouts::default(),
        discard: Vec::new(),
        tags: Tags::Counted("A".to_owned()),
    }
}

fn session(transcript: &Transcript) -> Bare<Client, Worker> {
    let mut config = config();
    config.auth = login::authentication(transcript);
    if transcript.has("--nobody") {
        config.auth = None;
    }
    if let Some(auth) = &mut config.auth {
        auth.in_clear = if transcript.has("--allow-plaintext-auth") { InClear::Allowed } else { InClear::Never };
    }
    match transcript.value("--tls") {
        Some("required") => config.tls = StartTls::Required,
        Some("opportunistic") => config.tls = StartTls::IfOffered,
        _ => {}
    }
    if transcript.value("--login") == Some("login") {
        config.by = LoginBy::Login;
    }
    config.initial_response = !transcript.has("--no-initial-response");
    config.discard =
        transcript.value("--disable-extension").map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let stdin = String::from_utf8(transcript.stdin.clone()).unwrap();
    let body: String = stdin.split("{{body:").skip(1).map(|rest| rest.split_once("}}").unwrap().0).collect();
    let mut worker = Worker::new(&stdin);
    worker.user = transcript.value("--user").unwrap_or("bob").to_owned();
    let mut bare = Bare::new(Client::new(config), worker, body.into_bytes());
    bare.turns = Some(0);
    bare
}

/// Runs the dialogue with the turn number `cut_turn` of the server cut at byte `at`.
fn run(transcript: &Transcript, cut_turn: usize, at: usize) {
    let place = format!("{}, server turn {cut_turn} cut at {at}", transcript.path.display());
    let mut bare = session(transcript);
    let mut server_turn = 0;
    for turn in transcript.turns() {
        match &turn[0] {
            Line::Server(_) => {
                let bytes = transcript::server_bytes(turn);
                let at = if server_turn == cut_turn { at } else { 0 };
                bare.feed(&bytes[..at]);
                bare.feed(&bytes[at..]);
                server_turn += 1;
            }
            Line::Client(_) => {
                let (said, wanted) = (std::mem::take(&mut bare.said), transcript::client_bytes(turn));
                let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert!(said == wanted, "{place}: wanted\n{}said\n{}heard {:#?}", shown(&wanted), shown(&said), bare.work.heard);
            }
            Line::Close | Line::Lost => bare.end(End::Eof),
            Line::Tls(_) | Line::Connect => panic!("{place}: not for a bare engine"),
        }
    }
    assert!(bare.said.is_empty(), "{place}: said {} too much", String::from_utf8_lossy(&bare.said));
    assert!(bare.over, "{place}: not over");
    let heard = &bare.work.heard;
    assert!(
        transcript.same_outcomes(heard),
        "{place}: heard\n{}",
        heard.iter().map(|line| format!("outcome: {line}\n")).collect::<String>()
    );
}

#[test]
fn every_transcript_passes_cut_at_every_byte() {
    transcript::check_all("imap_client", |transcript| {
        let turns: Vec<usize> = transcript
            .turns()
            .iter()
            .filter(|turn| matches!(turn[0], Line::Server(_)))
            .map(|turn| transcript::server_bytes(turn).len())
            .collect();
        for (turn, length) in turns.iter().enumerate() {
            for at in 0..=*length {
                // What stands behind the answer to STARTTLS counts as injected where it comes in one piece with it, and only there.
                if at > 0 && transcript.has("--in-one-piece") {
                    continue;
                }
                run(transcript, turn, at);
            }
        }
    });
}

/// Whatever was said before, and whatever is awaited (RFC 9051 section 7.1.5).
#[test]
fn bye_ends_the_session_wherever_it_comes() {
    let mut places = 0;
    for transcript in transcript::all("imap_client") {
        // Behind an injection nothing is heard any more, and compressed it would be other bytes.
        if ["starttls", "compress", "tagged_early"].iter().any(|name| transcript.path.to_string_lossy().contains(name)) {
            continue;
        }
        let turns = transcript.turns();
        for at in (1..turns.len()).filter(|at| matches!(turns[*at][0], Line::Server(_))) {
            let mut bare = session(&transcript);
            for turn in &turns[..at] {
                if let Line::Server(_) = turn[0] {
                    bare.feed(&transcript::server_bytes(turn));
                }
            }
            if bare.over || transcript::client_bytes(turns[at - 1]).ends_with(b" LOGOUT\r\n") {
                continue;
            }
            bare.feed(b"* BYE gone\r\n");
            let told = |line: &String| line.starts_with("failed ") && line.ends_with("the server ends the session: gone");
            assert!(bare.over && bare.work.heard.iter().any(told), "{}, {at}: {:?}", transcript.path.display(), bare.work.heard);
            places += 1;
        }
    }
    assert!(places > 20, "{places}");
}

/// What a server may say at any time (RFC 9051 section 5.2), and what it comes to.
const UNSOLICITED: &str = "* 57 EXISTS\r\n* 23 EXPUNGE\r\n* OK [ALERT] unasked\r\n* 1 FETCH (FLAGS ($Unasked))\r\n";
const HEARD: [&str; 4] =
    ["Exists * 57 EXISTS", "Expunge * 23 EXPUNGE", "Status * OK [ALERT] unasked", "Fetch * 1 FETCH (FLAGS ($Unasked))"];

/// It changes nothing of what the client says, whatever is awaited: challenges, the word for a literal, the end of a command.
#[test]
fn what_nobody_asked_for_changes_nothing_wherever_it_comes() {
    let mut places = 0;
    for transcript in transcript::all("imap_client") {
        // Behind an injection nothing is heard any more, and compressed it would be other bytes; IDLE is ended by what is heard.
        if ["compress", "tagged_early", "injected", "idle"].iter().any(|name| transcript.path.to_string_lossy().contains(name)) {
            continue;
        }
        let turns = transcript.turns();
        for at in (1..turns.len()).filter(|at| matches!(turns[*at][0], Line::Server(_))) {
            let mut bare = session(&transcript);
            let mut added: &[&str] = &[];
            for (n, turn) in turns.iter().enumerate() {
                match &turn[0] {
                    Line::Server(_) => {
                        if n == at && !bare.over {
                            let inside = bare.work.heard.iter().any(|line| line.starts_with("ready in"));
                            added = if inside { &HEARD } else { &HEARD[2..3] };
                            bare.feed(if inside { UNSOLICITED } else { "* OK [ALERT] unasked\r\n" }.as_bytes());
                        }
                        bare.feed(&transcript::server_bytes(turn));
                    }
                    Line::Client(_) => {
                        let place = format!("{}, {at}: {:?}", transcript.path.display(), bare.work.heard);
                        assert_eq!(std::mem::take(&mut bare.said), transcript::client_bytes(turn), "{place}");
                    }
                    _ => bare.end(End::Eof),
                }
            }
            let mut heard = bare.work.heard.clone();
            for row in added {
                let place = heard.iter().position(|line| line == row);
                heard.remove(place.unwrap_or_else(|| panic!("{}, {at}: {row}: {heard:#?}", transcript.path.display())));
            }
            assert!(transcript.same_outcomes(&heard), "{}, {at}: {heard:#?}", transcript.path.display());
            places += usize::from(!added.is_empty());
        }
    }
    assert!(places > 40, "{places}");
}

//! The transcripts against the bare engine, with the jobs that the tool gives it.

use crate::support::bare::{Answers, Bare, Virtual};
use crate::support::login;
use crate::support::played::is_stored;
use crate::support::transcript::{self, Line, Transcript};
use postroad::fetch::fetching::{Fetching, Witness};
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::listing::Listing;
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::reading::{Extent, Reading};
use postroad::fetch::session::Job;
use postroad::fetch::target::stream::{Out, Stream};
use postroad::fetch::words::Row;
use postroad::protocol::engine::End;
use postroad::protocol::pop3::client::Client;
use postroad::protocol::pop3::words::{ClientAsk, ClientConfig, ClientTell, LoginBy, Timeouts, Wish};
use postroad::protocol::session::{Failure, StartTls};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// What was written, seen from two sides.
#[derive(Clone, Default)]
pub struct Shared(pub Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Shared {
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Nobody;

impl Witness for Nobody {
    fn expect(&mut self, _: u64) {}
    fn passed(&mut self, _: u64) {}
    fn rows(&mut self, _: Vec<Row>) {}
}

/// The work above the engine.
pub struct Worker {
    pub job: &'static mut dyn Job,
    pub user: String,
    pub failure: Option<Failure>,
}

impl Answers<Client> for Worker {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Offered(offer) => self.job.offered(*offer),
            ClientAsk::Login(_) => return Some(ClientTell::Login(Box::new(login::login(&self.user)))),
            ClientAsk::Next => return Some(self.job.next()),
            ClientAsk::Answer(command, answer) => self.job.answer(command, answer),
            ClientAsk::Updated(updated) => self.job.updated(updated),
            ClientAsk::Denied(_) => {}
            ClientAsk::Failed(failure) => self.failure = Some(failure),
        }
        None
    }
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// What the command line asks for, writing there.
fn job(transcript: &Transcript, out: &Shared) -> &'static mut dyn Job {
    let numbers = |text: &str| text.split(',').map(|number| number.parse().unwrap()).collect::<Vec<u32>>();
    let max_size = transcript.value("--max-size").map(|size| size.parse().unwrap());
    let reading = |text: &str, extent| {
        leak(Reading::new(&numbers(text), extent, max_size, leak(Stream::new(out.clone(), false)), jiff::Timestamp::UNIX_EPOCH))
    };
    if transcript.has("--list") {
        leak(Listing::new())
    } else if transcript.has("--stat") {
        leak(Listing::counting())
    } else if let Some(text) = transcript.value("--retr") {
        reading(text, Extent::Whole)
    } else if let Some(text) = transcript.value("--top") {
        let lines = transcript.value("--lines").unwrap().parse().unwrap();
        reading(text, Extent::Top(lines))
    } else {
        let disposal = if transcript.has("--delete") { Disposal::Delete } else { Disposal::Keep };
        let options = Options { policy: Policy { disposal, ..Policy::default() }, filter: None, clock: leak(Virtual::at(0)) };
        let keeper = Keeper::new(options, Box::new(Stream::new(out.clone(), false)), None);
        leak(Fetching::new(leak(keeper), leak(Nobody)))
    }
}

pub fn config(in_clear: postroad::protocol::sasl::words::InClear) -> ClientConfig {
    use postroad::protocol::sasl::words::{Authentication, Mechanism};
    let auth = Authentication { mechanisms: Mechanism::FOR_PASSWORDS.to_vec(), optional: false, in_clear };
    let timeouts = Timeouts::default();
    ClientConfig {
        tls: StartTls::Never,
        auth: Some(auth),
        by: LoginBy::Any,
        timeouts,
        discard: Vec::new(),
        language: Wish::Nothing,
    }
}

fn session(transcript: &Transcript, out: &Shared) -> Bare<Client, Worker> {
    use postroad::protocol::sasl::words::InClear;
    let server = transcript.args[1..].iter().find(|word| word.contains("$SERVER")).unwrap();
    let user = server.split_once('@').map_or("", |(user, _)| user.trim_start_matches("pop3://")).to_owned();
    let in_clear = if transcript.has("--allow-plaintext-auth") { InClear::Allowed } else { InClear::Never };
    let mut config = config(in_clear);
    if let Some(auth) = login::authentication(transcript) {
        (config.auth, config.by) = (Some(auth), LoginBy::Auth);
    }
    if let Some(tag) = transcript.value("--lang") {
        config.language = Wish::Speak(tag.parse().unwrap());
    }
    match transcript.value("--login") {
        Some("user") => config.by = LoginBy::User,
        Some("apop") => config.by = LoginBy::Apop,
        _ => {}
    }
    Bare::new(Client::new(config), Worker { job: job(transcript, out), user, failure: None }, Vec::new())
}

/// Runs the dialogue with the turn number `cut_turn` of the server cut at byte `at`.
fn run(transcript: &Transcript, cut_turn: usize, at: usize) {
    let place = format!("{}, server turn {cut_turn} cut at {at}", transcript.path.display());
    let out = Shared::default();
    let mut bare = session(transcript, &out);
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
                assert!(said == wanted, "{place}: wanted\n{}said\n{}", shown(&wanted), shown(&said));
            }
            Line::Close | Line::Lost => bare.end(End::Eof),
            Line::Tls(_) | Line::Connect => panic!("{place}: not for a bare engine"),
        }
    }
    assert!(bare.said.is_empty(), "{place}: said {} too much", String::from_utf8_lossy(&bare.said));
    assert!(bare.over, "{place}: not over");
    let written = String::from_utf8(out.0.borrow().clone()).unwrap();
    assert!(is_stored(&written, transcript), "{place}: wrote\n{written}");
}

#[test]
fn every_transcript_passes_cut_at_every_byte() {
    for transcript in transcript::all("pop3_fetch").iter().filter(|t| t.value("--tls") == Some("never")) {
        let turns: Vec<usize> = transcript
            .turns()
            .iter()
            .filter(|turn| matches!(turn[0], Line::Server(_)))
            .map(|turn| transcript::server_bytes(turn).len())
            .collect();
        for (turn, length) in turns.iter().enumerate() {
            for at in 0..=*length {
                run(transcript, turn, at);
            }
        }
    }
}

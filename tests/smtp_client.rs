//! The transcripts of `tests/smtp_send` against the bare client engine, each turn of the server cut at every byte.

mod support;

use postroad::mail::address::ForwardPath;
use postroad::mail::envelope::Envelope;
use postroad::mail::header;
use postroad::mail::mime::beyond_ascii::PartHeaders;
use postroad::mail::notify::Request;
use postroad::mail::outcome::Outcome;
use postroad::protocol::engine::{End, Engine, Step};
use postroad::protocol::sasl::words::Login;
use postroad::protocol::session::StartTls;
use postroad::protocol::smtp::client::Client;
use postroad::protocol::smtp::client::stage::Stage;
use postroad::protocol::smtp::client::words::{ClientAsk, ClientConfig, ClientTell, HeaderText, Timeouts, Transaction};
use support::bare::{Answers, Bare};
use support::login;
use support::transcript::{self, Line, Transcript};

const CHANGED: [&str; 3] = ["eight_bit_encoded", "eight_bit_lmtp", "eight_bit_refused"];

/// Sends one message and keeps what came of it.
struct Sender {
    transaction: Option<Transaction>,
    recipients: Vec<ForwardPath>,
    rows: Vec<String>,
    login: Option<Box<Login>>,
}

impl Sender {
    fn row(&mut self, recipient: &ForwardPath, outcome: &Outcome) {
        let why = outcome.diagnostic();
        let code = why.code.map_or("-".into(), |code| code.to_string());
        let enhanced = why.enhanced.map_or("-".into(), |status| status.to_string());
        let text = if why.text.is_empty() { "-" } else { &why.text };
        self.rows.push(format!("{} {recipient} {code} {enhanced} {text}", outcome.word()));
    }
}

impl Answers<Client> for Sender {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Ready(_) => Some(self.transaction.take().map_or(ClientTell::Quit, ClientTell::Send)),
            ClientAsk::Login(_) => Some(self.login.clone().map_or(ClientTell::NoLogin("nobody".into()), ClientTell::Login)),
            ClientAsk::Finished(finished) => {
                for (recipient, outcome) in self.recipients.clone().iter().zip(&finished.outcomes) {
                    self.row(recipient, outcome);
                }
                None
            }
            ClientAsk::Failed(failure) => {
                for recipient in &self.recipients.clone() {
                    self.row(recipient, &failure.outcome);
                }
                None
            }
        }
    }
}

fn config(lmtp: bool) -> ClientConfig {
    ClientConfig {
        ehlo: "client.test".into(),
        lmtp,
        tls: StartTls::Never,
        auth: None,
        timeouts: Timeouts::default(),
        verified: false,
        discard: Vec::new(),
        quit_after: None,
    }
}

fn body(transcript: &Transcript) -> Vec<u8> {
    String::from_utf8(transcript.stdin.clone()).unwrap().replace('\n', "\r\n").into_bytes()
}

/// The envelope, with what the command line asks of delivery reports.
fn envelope(transcript: &Transcript, recipients: impl Iterator<Item = ForwardPath>) -> Envelope {
    let mut envelope = Envelope::new(transcript.value("-f").unwrap().parse().unwrap(), recipients).unwrap();
    if let Some(notify) = transcript.value("--notify") {
        envelope.ask_of_all(notify.parse().unwrap());
    }
    envelope.request = Request {
        ret: transcript.value("--ret").map(|what| what.parse().unwrap()),
        envid: transcript.value("--envid").map(|id| id.parse().unwrap()),
        ..Request::default()
    };
    envelope
}

fn header_text(header: &[u8], body: &[u8]) -> HeaderText {
    let mut parts = PartHeaders::default();
    parts.push(body);
    match (header.is_ascii(), parts.finish()) {
        (false, _) => HeaderText::Utf8,
        (true, true) => HeaderText::Utf8InTransit,
        (true, false) => HeaderText::Ascii,
    }
}

fn session(transcript: &Transcript) -> Bare<Client, Sender> {
    let body = body(transcript);
    let after = transcript.args.iter().position(|arg| arg == "-f").unwrap() + 2;
    let recipients: Vec<ForwardPath> = transcript.args[after..].iter().map(|arg| arg.parse().unwrap()).collect();
    let quit_after = transcript.value("--quit-after").map(|word| word.parse::<Stage>().unwrap());
    let unread = quit_after.is_some_and(Stage::is_before_data);
    let of_nobody = recipients.is_empty().then_some(ForwardPath::Postmaster);
    let header = &body[..header::body_offset(&body).unwrap_or(body.len())];
    let transaction = Transaction {
        size: (!unread).then_some(body.len() as u64),
        eight_bit: !body.is_ascii(),
        header: header_text(header, &body),
        ..Transaction::new(envelope(transcript, recipients.clone().into_iter().chain(of_nobody)))
    };
    let transaction = quit_after.is_none_or(|stage| stage >= Stage::Mail).then_some(transaction);
    let authzid = transcript.value("--authzid").map(str::to_owned);
    let login = Login { authzid, ..login::login(transcript.value("--user").unwrap_or_default()) };
    let sender = Sender { transaction, recipients, rows: Vec::new(), login: Some(Box::new(login)) };
    let lmtp = transcript.value("-s").is_some_and(|server| server.starts_with("lmtp"));
    let discard = transcript.value("--discard-ehlo").map(|words| words.split(',').map(str::to_owned).collect());
    let auth = login::authentication(transcript);
    let config = ClientConfig { discard: discard.unwrap_or_default(), quit_after, auth, ..config(lmtp) };
    Bare::new(Client::new(config), sender, body)
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
                assert!(
                    said == wanted,
                    "{place}: wanted\n{}said\n{}",
                    String::from_utf8_lossy(&wanted),
                    String::from_utf8_lossy(&said)
                );
            }
            Line::Close | Line::Lost => bare.end(End::Eof),
            Line::Tls(_) | Line::Connect => panic!("{place}: not for a bare engine"),
        }
    }
    assert!(bare.said.is_empty(), "{place}: said {} too much", String::from_utf8_lossy(&bare.said));
    assert!(bare.over, "{place}: not over");
    let (rows, outcomes) = (&bare.work.rows, &transcript.outcomes);
    assert!(transcript.same_outcomes(rows), "{place}: wanted {outcomes:#?}, got {rows:#?}");
}

/// What goes out is not what came on stdin: work for those above the engine.
fn is_changed(transcript: &Transcript) -> bool {
    transcript.path.file_stem().is_some_and(|name| CHANGED.iter().any(|changed| name == *changed))
}

#[test]
fn every_transcript_passes_cut_at_every_byte() {
    for transcript in transcript::all("smtp_send").iter().filter(|t| t.value("--tls") == Some("never") && !is_changed(t)) {
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

/// The server says this, and all that the client answers is written.
fn hear(client: &mut Client, sender: &mut Sender, replies: &[&str]) {
    for reply in replies {
        client.receive(reply.as_bytes());
        while let Step::Ask(ask) = client.step() {
            if let Some(tell) = sender.answer(ask) {
                client.tell(tell);
            }
        }
        client.wrote(client.outgoing().len());
    }
}

/// A client that stands after the 354 of one recipient.
fn sending() -> (Client, Sender) {
    let mut client = Client::new(config(false));
    let recipient: ForwardPath = "b@y.test".parse().unwrap();
    let envelope = Envelope::new("a@x.test".parse().unwrap(), [recipient.clone()]).unwrap();
    let transaction = Some(Transaction::new(envelope));
    let mut sender = Sender { transaction, recipients: vec![recipient], rows: Vec::new(), login: None };
    hear(&mut client, &mut sender, &["220 mx.test\r\n", "250 mx.test\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"]);
    (client, sender)
}

fn rest(mut client: Client, mut sender: Sender) -> Vec<String> {
    while let Step::Ask(ask) = client.step() {
        assert!(sender.answer(ask).is_none());
    }
    assert_eq!(client.step(), Step::Done);
    sender.rows
}

#[test]
fn a_refusal_in_mid_body_ends_the_session_with_that_answer() {
    let (mut client, sender) = sending();
    assert!(matches!(client.step(), Step::NeedBody { .. }));
    client.body(b"half of it\r\n", false);
    client.receive(b"552 5.3.4 too much\r\n");
    assert_eq!(rest(client, sender), ["refused b@y.test 552 5.3.4 too much"]);
}

#[test]
fn a_positive_reply_before_the_final_dot_accepts_nothing() {
    let (mut client, sender) = sending();
    client.body(b"half of it\r\n", false);
    client.receive(b"250 2.0.0 queued\r\n");
    assert_eq!(rest(client, sender), ["deferred b@y.test - 4.5.0 unexpected reply: 250 2.0.0 queued"]);
}

#[test]
fn it_is_in_doubt_only_where_the_final_dot_went_out_whole() {
    for (left, word) in [(0, "indoubt"), (1, "deferred"), (5, "deferred")] {
        let (mut client, sender) = sending();
        client.body(b"all of it\r\n", true);
        client.wrote(client.outgoing().len() - left);
        client.ended(End::Io);
        assert_eq!(rest(client, sender), [format!("{word} b@y.test - 4.4.2 the connection broke")]);
    }
}

#[test]
fn a_body_with_a_bare_line_end_is_never_completed() {
    for bad in ["a\n.\nMAIL FROM:<evil@x.test>\r\n", "a\r.\r\n", "a\r\n.\n"] {
        let (mut client, sender) = sending();
        client.body(bad.as_bytes(), true);
        assert!(client.outgoing().is_empty(), "{bad:?}");
        let rows = rest(client, sender);
        assert!(rows[0].starts_with("refused b@y.test - 5.6.0 bare CR or LF"), "{rows:?}");
    }
}

#[test]
fn outgoing_stays_bounded_however_much_body_there_is() {
    let (mut client, _sender) = sending();
    let dots = b".\r\n".repeat(100_000);
    let mut given = 0;
    while let Step::NeedBody { room } = client.step() {
        given += client.body(&dots[given..][..room.min(dots.len() - given)], false);
        assert!(client.outgoing().len() <= postroad::protocol::engine::OUTGOING_LIMIT);
    }
    assert!(matches!(client.step(), Step::Io { read: true, .. }) && given < dots.len());
}

/// A client that stands after the answers to RCPT, with so much of a body given that two chunks are under way and more is held.
fn in_chunks(lmtp: bool, pipelining: bool) -> (Client, Sender) {
    let mut client = Client::new(config(lmtp));
    let recipient: ForwardPath = "b@y.test".parse().unwrap();
    let envelope = Envelope::new("a@x.test".parse().unwrap(), [recipient.clone()]).unwrap();
    // Without PIPELINING only what fits one chunk goes by BDAT.
    let transaction = Transaction { size: (!pipelining).then_some(9), ..Transaction::new(envelope) };
    let mut sender = Sender { transaction: Some(transaction), login: None, recipients: vec![recipient], rows: Vec::new() };
    let ehlo = if pipelining { "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n" } else { "250-mx.test\r\n250 CHUNKING\r\n" };
    hear(&mut client, &mut sender, &["220 mx.test\r\n", ehlo, "250 ok\r\n", "250 ok\r\n"]);
    (client, sender)
}

/// Gives `octets` of body, and gives what was said meanwhile.
fn give(client: &mut Client, octets: usize, last: bool) -> String {
    let body = b"0123456789abcdef0123456789abcd\r\n".repeat(octets / 32);
    let (mut given, mut said) = (0, Vec::new());
    for _ in 0..10_000 {
        let step = client.step();
        assert!(client.outgoing().len() <= postroad::protocol::engine::OUTGOING_LIMIT);
        said.extend_from_slice(client.outgoing());
        client.wrote(client.outgoing().len());
        match step {
            Step::NeedBody { room } if given < body.len() || last => {
                let piece = &body[given..][..room.min(body.len() - given)];
                given += client.body(piece, last && given + piece.len() == body.len());
            }
            _ if client.outgoing().is_empty() => break,
            _ => {}
        }
    }
    assert_eq!(given, body.len());
    said.extend_from_slice(client.outgoing());
    client.wrote(client.outgoing().len());
    String::from_utf8(said).unwrap()
}

fn commands(said: &str) -> Vec<&str> {
    said.lines().filter(|line| !line.starts_with("0123") && !line.ends_with("cd")).collect()
}

#[test]
fn chunks_are_pipelined_and_their_replies_counted() {
    let (mut client, sender) = in_chunks(false, true);
    let said = give(&mut client, 96 * 1024, true);
    assert_eq!(commands(&said), ["BDAT 31744", "BDAT 31744", "BDAT 31744", "BDAT 3072 LAST"]);
    client.receive(b"250 1\r\n250 2\r\n250 3\r\n");
    assert!(matches!(client.step(), Step::Io { .. }), "three of four replies came");
    client.receive(b"250 2.0.0 all\r\n");
    assert_eq!(finished(&mut client, sender), ["accepted b@y.test 250 2.0.0 all"]);
}

#[test]
fn after_a_refused_chunk_rset_comes_before_anything_else() {
    let (mut client, mut sender) = in_chunks(false, true);
    let said = give(&mut client, 96 * 1024, false);
    assert_eq!(commands(&said), ["BDAT 31744", "BDAT 31744", "BDAT 31744"]);
    client.receive(b"250 1\r\n552 5.3.4 too much\r\n");
    assert!(matches!(client.step(), Step::Io { .. }), "no more of the body is wanted");
    assert_eq!(client.outgoing(), b"RSET\r\n");
    client.wrote(6);
    client.receive(b"503 5.5.1 what chunk\r\n250 2.0.0 reset\r\n");
    let Step::Ask(finished) = client.step() else { panic!("it is over") };
    assert!(sender.answer(finished).is_none());
    assert_eq!(sender.rows, ["refused b@y.test 552 5.3.4 too much"]);
    assert!(matches!(client.step(), Step::Ask(ClientAsk::Ready(_))), "the session goes on");
    client.tell(ClientTell::Quit);
    assert_eq!(client.outgoing(), b"QUIT\r\n", "the server knows already");
}

#[test]
fn the_last_chunk_waits_where_its_replies_could_not_be_told_apart() {
    let (mut client, sender) = in_chunks(true, true);
    let said = give(&mut client, 64 * 1024, true);
    assert_eq!(commands(&said), ["BDAT 31744", "BDAT 31744"], "LMTP answers the last for each recipient");
    client.receive(b"250 1\r\n");
    assert!(client.outgoing().is_empty());
    client.receive(b"250 2\r\n");
    assert!(client.outgoing().starts_with(b"BDAT 2048 LAST\r\n"));
    client.wrote(client.outgoing().len());
    client.receive(b"250 2.1.5 b has it\r\n");
    assert_eq!(finished(&mut client, sender), ["accepted b@y.test 250 2.1.5 b has it"]);

    let (mut client, _sender) = in_chunks(false, false);
    let said = give(&mut client, 64 * 1024, false);
    assert_eq!(commands(&said), ["BDAT 31744"], "without PIPELINING each waits");
}

#[test]
fn a_chunk_with_a_bare_line_end_is_never_sent() {
    let (mut client, sender) = in_chunks(false, true);
    client.body(b"a\n.\r\n", true);
    assert!(client.outgoing().is_empty());
    assert!(rest(client, sender)[0].starts_with("refused b@y.test - 5.6.0 bare CR or LF at byte 1"));
}

/// The rows, once the session asks for the next transaction.
fn finished(client: &mut Client, mut sender: Sender) -> Vec<String> {
    while let Step::Ask(ask) = client.step() {
        if let Some(tell) = sender.answer(ask) {
            client.tell(tell);
        }
    }
    sender.rows
}

/// RFC 5321 section 4.5.3.2: a server may be slow, above all after the final dot.
#[test]
fn every_step_waits_as_long_as_the_rfc_says() {
    let minutes = |client: &mut Client| match client.step() {
        Step::Io { within, .. } => within.as_secs() / 60,
        other => panic!("{other:?}"),
    };
    let mut client = Client::new(config(false));
    assert_eq!(minutes(&mut client), 5, "the greeting");
    let recipient: ForwardPath = "b@y.test".parse().unwrap();
    let envelope = Envelope::new("a@x.test".parse().unwrap(), [recipient]).unwrap();
    let mut transaction = Some(Transaction::new(envelope));
    let mut waits = Vec::new();
    for reply in ["220 mx.test\r\n", "250 mx.test\r\n", "250 ok\r\n", "250 ok\r\n"] {
        client.receive(reply.as_bytes());
        if let Step::Ask(ClientAsk::Ready(_)) = client.step() {
            client.tell(ClientTell::Send(transaction.take().unwrap()));
        }
        client.wrote(client.outgoing().len());
        waits.push(minutes(&mut client));
    }
    assert_eq!(waits, [5, 5, 5, 2], "EHLO, MAIL, RCPT, DATA");
    client.receive(b"354 go\r\n");
    let lines = b"a line\r\n".repeat(10_000);
    while let Step::NeedBody { room } = client.step() {
        client.body(&lines[..room.min(lines.len())], false);
    }
    assert_eq!(minutes(&mut client), 3, "a block");
    client.wrote(client.outgoing().len());
    assert!(matches!(client.step(), Step::NeedBody { .. }));
    client.body(b"", true);
    assert_eq!(minutes(&mut client), 10, "the final dot");
}

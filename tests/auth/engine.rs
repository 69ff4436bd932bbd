//! The bare engine: the exchange of RFC 5802 cut at every byte, and challenges that mean nothing.

use crate::support::bare::{Answers, Bare};
use crate::support::login;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postroad::bytes::secret::Secret;
use postroad::protocol::sasl::words::{Authentication, InClear, Login, Mechanism};
use postroad::protocol::session::StartTls;
use postroad::protocol::smtp::client::Client;
use postroad::protocol::smtp::client::words::{ClientAsk, ClientConfig, ClientTell, Fault, Timeouts};
use proptest::prelude::*;

/// Logs in as this, and leaves.
struct Work {
    login: Login,
    ready: bool,
    failed: Option<Fault>,
}

impl Answers<Client> for Work {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Login(_) => Some(ClientTell::Login(Box::new(self.login.clone()))),
            ClientAsk::Ready(_) => {
                self.ready = true;
                Some(ClientTell::Quit)
            }
            ClientAsk::Failed(failure) => {
                self.failed = Some(failure.fault);
                None
            }
            ClientAsk::Finished(_) => None,
        }
    }
}

fn session(mechanism: Mechanism, login: Login) -> Bare<Client, Work> {
    let auth = Authentication { mechanisms: vec![mechanism], optional: false, in_clear: InClear::Local };
    let config = ClientConfig {
        ehlo: "client.test".into(),
        lmtp: false,
        tls: StartTls::Never,
        auth: Some(auth),
        timeouts: Timeouts::default(),
        verified: false,
        discard: Vec::new(),
        quit_after: None,
    };
    let mut bare = Bare::new(Client::new(config), Work { login, ready: false, failed: None }, Vec::new());
    bare.feed(format!("220 mx.test\r\n250-mx.test\r\n250 AUTH {mechanism}\r\n").as_bytes());
    bare.said.clear();
    bare
}

fn challenge(text: &str) -> String {
    format!("334 {}\r\n", STANDARD.encode(text))
}

#[test]
fn the_exchange_of_rfc_5802_cut_at_every_byte() {
    let login = Login { secret: Secret::new("pencil".into()), ..login::login("user") };
    let turns = [
        challenge("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
        challenge("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
        "235 2.7.0 in\r\n".to_owned(),
    ];
    let proof = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    let said = [format!("{}\r\n", STANDARD.encode(proof)), "\r\n".to_owned(), "QUIT\r\n".to_owned()];
    for cut in 0..turns.len() {
        for at in 0..=turns[cut].len() {
            let mut bare = session(Mechanism::ScramSha1, login.clone());
            for (number, turn) in turns.iter().enumerate() {
                let (first, rest) = turn.as_bytes().split_at(if number == cut { at } else { 0 });
                bare.feed(first);
                bare.feed(rest);
                let spoken = String::from_utf8(std::mem::take(&mut bare.said)).unwrap();
                assert_eq!(spoken, said[number], "turn {number}, turn {cut} cut at {at}");
            }
            assert!(bare.work.ready);
        }
    }
}

fn any_mechanism() -> impl Strategy<Value = Mechanism> {
    let names: Vec<&str> = Mechanism::names().filter(|name| !name.ends_with("-PLUS")).collect();
    proptest::sample::select(names).prop_map(|name| name.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a server says, however it is cut: no panic, never more than a few lines, and nothing is sent before the exchange was
    /// whole and right.
    #[test]
    fn no_challenge_confuses_the_engine(
        mechanism in any_mechanism(),
        replies in proptest::collection::vec(
            prop_oneof![
                "[ -~]{0,40}".prop_map(|text| challenge(&text)),
                "(334|235|535|250|454)[ -][ -~]{0,20}".prop_map(|line| line + "\r\n"),
                Just(challenge("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4096")),
                Just(challenge("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")),
            ],
            0..6,
        ),
        piece in 1usize..30,
    ) {
        let mut bare = session(mechanism, login::login("alice"));
        let bytes = replies.concat().into_bytes();
        bytes.chunks(piece).for_each(|chunk| bare.feed(chunk));
        let lines = bare.said.split(|byte| *byte == b'\n').count();
        prop_assert!(lines <= 6, "{}", String::from_utf8_lossy(&bare.said));
        let scram = matches!(mechanism, Mechanism::ScramSha1 | Mechanism::ScramSha256);
        prop_assert!(!(scram && bare.work.ready), "nobody knows the password here");
    }
}

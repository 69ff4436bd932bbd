//! The IMAP client engine: whatever a server says, it neither panics nor turns without end, and it comes to an end with the connection.

#![no_main]

#[path = "../tests/support/bare.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod bare;

use bare::{Answers, Bare};
use libfuzzer_sys::fuzz_target;
use postroad::bytes::secret::Secret;
use postroad::protocol::engine::End;
use postroad::protocol::imap::client::Client;
use postroad::protocol::imap::command::{Command, Part};
use postroad::protocol::imap::words::{ClientAsk, ClientConfig, ClientTell, LoginBy, Tags, Timeouts};
use postroad::protocol::session::StartTls;

/// What is sent, one after the other.
const LINES: [&str; 8] = [
    "SELECT INBOX",
    "UID FETCH 1:* (FLAGS BODY[])",
    "APPEND INBOX ",
    "IDLE",
    "UID SEARCH ALL",
    "ENABLE UTF8=ACCEPT",
    "COMPRESS DEFLATE",
    "AUTHENTICATE PLAIN",
];

struct Worker {
    next: usize,
}

impl Answers<Client> for Worker {
    fn answer(&mut self, ask: ClientAsk) -> Option<ClientTell> {
        match ask {
            ClientAsk::Login(_) => Some(ClientTell::NoLogin("nobody".to_owned())),
            ClientAsk::Idling(_) => Some(ClientTell::EndIdle),
            ClientAsk::Continue { .. } => Some(ClientTell::Line(Secret::new(b"AGEAYg==".to_vec()))),
            ClientAsk::Next => {
                let line = LINES.get(self.next).copied();
                self.next += 1;
                let Some(line) = line else { return Some(ClientTell::Quit) };
                let mut parts = vec![Part::Text(line.as_bytes().to_vec())];
                if line.ends_with(' ') {
                    parts.push(Part::Body { len: 9, binary: false });
                }
                Some(ClientTell::Do(self.next as u64, Box::new(Command::raw(parts).ok()?)))
            }
            _ => None,
        }
    }
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (start, size, bytes) = input;
    let config = ClientConfig {
        tls: if start & 1 == 0 { StartTls::Never } else { StartTls::Required },
        auth: None,
        by: LoginBy::Any,
        initial_response: true,
        timeouts: Timeouts::default(),
        discard: Vec::new(),
        tags: Tags::Counted("A".to_owned()),
    };
    let worker = Worker { next: usize::from(start >> 1) % LINES.len() };
    let mut bare = Bare::new(Client::new(config), worker, vec![b'x'; 9]);
    bare.turns = Some(0);
    for piece in bytes.chunks(1 + usize::from(size)) {
        bare.feed(piece);
    }
    bare.end(End::Eof);
    assert!(bare.over);
});

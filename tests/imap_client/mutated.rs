//! Sessions changed at random, the same ones in every run: no change brings the engine down, makes it turn without end, or makes the cut of
//! the bytes matter. `make fuzz` runs this for as long as `FUZZ_SECONDS` says.

use super::bare::{Worker, config};
use super::readings::readings;
use crate::support::bare::Bare;
use crate::support::transcript::{self, Line};
use postroad::protocol::engine::End;
use postroad::protocol::imap::client::Client;
use std::time::{Duration, Instant};

/// A generator of no quality beyond being the same everywhere (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// What responses are made of.
const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    "* ",
    "+ ",
    "A1 OK ",
    "A2 NO ",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\\",
    "{0}\r\n",
    "{3}\r\n",
    "{70000}\r\n",
    "~{2}\r\n",
    "{99999999999}\r\n",
    "{18446744073709551616}\r\n",
    "NIL",
    "4294967296",
    "0",
    "-1",
    "1:*",
    ",",
    "FETCH",
    "BODY[",
    "BODYSTRUCTURE ",
    "ENVELOPE ",
    "FLAGS ",
    "UID ",
    "SEARCH ",
    "ESEARCH ",
    "THREAD ",
    "LIST ",
    "STATUS ",
    "NAMESPACE ",
    "METADATA ",
    "QUOTA ",
    "CAPABILITY ",
    "[COPYUID 1 1:4 5:8] ",
    "BYE ",
    "PREAUTH ",
    "((((((((",
    "\u{1b}[2J",
    "\u{e9}",
];

/// Responses that the transcripts have none of.
const MORE: &[&str] = &[
    "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"a\" \"b\") NIL NIL \"7bit\" 2 1)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL NIL \
     NIL NIL NIL NIL NIL NIL NIL NIL) (\"a\" \"b\" NIL NIL NIL NIL 1) 3) \"mixed\" NIL (\"inline\" NIL) (\"en\") \"x\" 1))\r\n",
    "* 2 FETCH (ENVELOPE (\"d\" {2}\r\nab ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL \"<i>\") MODSEQ (12) BINARY[1] ~{3}\r\na\0b)\r\n",
    "* ESEARCH (TAG \"A1\") UID MIN 1 MAX 9 ALL 1:9 COUNT 9 MODSEQ 5\r\n* THREAD (1 2 (3)(4))\r\n* SEARCH 1 2 3 (MODSEQ 9)\r\n",
    "* NAMESPACE ((\"\" \"/\" \"X\" (\"a\"))) NIL NIL\r\n* STATUS x (MESSAGES 1 SIZE 2)\r\n* LIST () \"/\" x (\"CHILDINFO\" (\"A\"))\r\n",
    "* METADATA \"\" (/a {2}\r\nab)\r\n* QUOTA \"\" (STORAGE 1 2)\r\n* ACL x a lr\r\n* VANISHED (EARLIER) 1:9\r\n* ID (\"a\" NIL)\r\n",
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut corpus: Vec<(String, Vec<u8>)> = transcript::all("imap_client")
        .iter()
        .map(|transcript| {
            let server = |turn: &&[Line]| matches!(turn[0], Line::Server(_));
            let said = transcript.turns().into_iter().filter(server).flat_map(transcript::server_bytes).collect();
            (String::from_utf8(transcript.stdin.clone()).unwrap(), said)
        })
        .collect();
    for text in MORE {
        corpus.push(("NOOP\nNOOP".to_owned(), [b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", text.as_bytes()].concat()));
    }
    corpus
}

fn mutate(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=chance.below(6) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(30)).min(bytes.len());
        match chance.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, chance.of(WORDS).bytes())),
            2 => drop(bytes.splice(at..end, chance.of(WORDS).bytes())),
            3 => drop(bytes.splice(at..end, other.iter().copied().skip(chance.below(other.len())).take(60))),
            4 => {
                let again = bytes[at..end].repeat(1 + chance.below(20));
                bytes.splice(at..at, again);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
}

#[test]
fn mutated_sessions_do_no_harm() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let (began, corpus, mut chance, mut runs) = (Instant::now(), corpus(), Chance(0x2545_f491_4f6c_dd1d), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let ((script, bytes), (_, other)) = (chance.of(&corpus).clone(), chance.of(&corpus).clone());
        let mut bytes = bytes;
        mutate(&mut chance, &mut bytes, &other);
        let sizes = [1 + chance.below(40), bytes.len().max(1)];
        assert_eq!(readings(&bytes, sizes[0]), readings(&bytes, sizes[1]), "{}", bytes.escape_ascii());
        for size in sizes {
            let mut worker = Worker::new(&script);
            worker.lenient = true;
            let mut bare = Bare::new(Client::new(config()), worker, vec![b'x'; 1000]);
            bare.turns = Some(0);
            for piece in bytes.chunks(size) {
                bare.feed(piece);
            }
            bare.end(End::Eof);
            assert!(bare.over, "{}", bytes.escape_ascii());
        }
        runs += 1;
    }
    println!("{runs} mutated sessions");
    assert!(runs > 0);
}

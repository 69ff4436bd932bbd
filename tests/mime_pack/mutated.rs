//! Messages changed at random, always the same way: nothing panics, no byte is lost, and how the input is cut makes no difference.
//! MUTATIONS=N tries more of them (`make fuzz`).

use postroad::bytes::transfer::Decoder;
use postroad::mail::mime::head::Flag;
use postroad::mail::mime::lint::Lint;
use postroad::mail::mime::scan::{Limits, Part, Run, Scanner, Visitor};
use std::convert::Infallible;
use std::path::Path;

/// xorshift64: the same changes on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What is told, in a form that does not depend on how it is cut.
#[derive(Default, PartialEq, Eq, Debug)]
struct Told {
    bytes: Vec<u8>,
    parts: Vec<String>,
    open: usize,
    decoded: Vec<u8>,
    decoders: Vec<Decoders>,
}

#[derive(Debug)]
struct Decoders(Decoder);

impl PartialEq for Decoders {
    fn eq(&self, _: &Decoders) -> bool {
        true
    }
}

impl Eq for Decoders {}

impl Visitor for Told {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        self.parts.push(format!("{} {:?} {:?}", part.section, part.kind, part.head));
        self.open += 1;
        self.decoders.push(Decoders(part.head.decoder()));
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(bytes);
        if let (Run::Content, Some(Decoders(decoder))) = (run, self.decoders.last_mut()) {
            decoder.push(bytes, &mut self.decoded);
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Infallible> {
        self.parts.push(format!("end {flags:?}"));
        self.open -= 1;
        if let Some(Decoders(mut decoder)) = self.decoders.pop() {
            decoder.finish(&mut self.decoded);
        }
        Ok(())
    }
}

fn told(message: &[u8], cuts: &[usize]) -> (Told, Vec<String>) {
    let limits = Limits { depth: 5, parts: 20, header: 400 };
    let (mut scanner, mut told, mut lint) = (Scanner::new(limits), Told::default(), Lint::default());
    let mut findings = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&message.len()]) {
        let piece = &message[at..cut.max(at)];
        let Ok(()) = scanner.push(piece, &mut told);
        findings.extend(lint.push(piece));
        at = cut.max(at);
    }
    let Ok(()) = scanner.finish(&mut told);
    findings.extend(lint.finish());
    assert!(findings.is_sorted_by_key(|finding| finding.offset), "{findings:?}");
    let mut findings: Vec<String> = findings.iter().map(|finding| format!("{finding:?}")).collect();
    findings.sort();
    (told, findings)
}

fn mutate(message: &mut Vec<u8>, chance: &mut Chance) {
    const PIECES: &[&[u8]] = &[
        b"\n",
        b"\r\n",
        b"\r",
        b"--",
        b"--b",
        b"--outer--\n",
        b"\n\n",
        b"=",
        b"\"",
        b";",
        b"=?utf-8?q?",
        b"\0",
        b"\xff",
        b":",
        b"From ",
        b"Content-Type: multipart/mixed; boundary=b\n\n",
        b"Content-Transfer-Encoding: base64\n",
    ];
    for _ in 0..=chance.below(6) {
        let at = chance.below(message.len() + 1);
        match chance.below(4) {
            0 => {
                let end = (at + chance.below(20)).min(message.len());
                message.drain(at..end);
            }
            1 => {
                let piece = PIECES[chance.below(PIECES.len())];
                message.splice(at..at, piece.iter().copied());
            }
            2 if at < message.len() => message[at] = chance.below(256) as u8,
            _ => {
                let (from, length) = (chance.below(message.len() + 1), chance.below(80));
                let copied = message[from..(from + length).min(message.len())].to_vec();
                message.splice(at..at, copied);
            }
        }
    }
}

#[test]
fn nothing_panics_and_no_byte_is_lost() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mime_pack");
    let mut seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let rounds: usize = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let mut message = seeds[round % seeds.len()].clone();
        mutate(&mut message, &mut chance);
        let (whole, findings) = told(&message, &[]);
        assert_eq!(whole.open, 0);
        if !message.starts_with(b"From ") {
            assert_eq!(whole.bytes, message, "round {round}");
        }
        let mut cuts = [0; 3].map(|_| chance.below(message.len() + 1));
        cuts.sort_unstable();
        let (cut, cut_findings) = told(&message, &cuts);
        assert_eq!(cut, whole, "round {round} cut at {cuts:?}");
        assert_eq!(cut_findings, findings, "round {round} cut at {cuts:?}");
    }
}

//! Messages made and changed at random, always the same way: nothing panics, no byte is lost, no limit is passed, no two parts have one
//! number, and how the input is cut makes no difference. FUZZ_SECONDS=N tries for that long (`make fuzz`).

use super::told::check;
use std::path::Path;
use std::time::{Duration, Instant};

/// xorshift64: the same changes on every machine.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Lines of headers that make trouble, each with its end.
const FIELDS: &[&str] = &[
    "Content-Type: multipart/mixed; boundary=b\n",
    "Content-Type: multipart/digest; boundary=\"b \"\n",
    "Content-Type: multipart/alternative;\n boundary*0=b; boundary*1=b\n",
    "Content-Type: multipart/signed; boundary=b--\n",
    "Content-Type: multipart/mixed\n",
    "Content-Type: message/rfc822\n",
    "Content-Type: message/delivery-status\n",
    "Content-Type: text/html; charset=iso-2022-jp\n",
    "Content-Type: text/plain; format=flowed; delsp=yes; charset=utf-16\n",
    "Content-Type: text/plain; charset=utf-7; name*=utf-8''%2e%2e%2f%00%0a\n",
    "Content-Type: (((text/plain\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Transfer-Encoding: x-uuencode\n",
    "Content-Disposition: attachment; filename*1*=%e4; filename*0*=koi8-r'x'%; filename=../-rf\n",
    "Content-Disposition: inline; filename=\"=?utf-8?b?Li4vLi4=?=\\",
    "Subject: =?utf-8?q?=0D=0A?= =?big5?b?pA==?=\n",
    "From: a b <c@d>, e:;\n",
    "no field\n",
    " folded\n",
];

/// Content that makes trouble.
const CONTENTS: &[&str] = &[
    "YWJj\nZGVm====\nYWJj\n",
    "=\n=E4=e4=G= \n \n",
    "begin 644 ../x\n#0V%T\n`\nend\ntext\nbegin 644 y\n#0V%T\n",
    "begin 644 z\n`\nend\n",
    "<p>a&amp;&#x1b;<a href=\"http://x\">b</a><!-- -- ><script></scr</script><pre>\n x<blockquote><li>",
    "> quoted \n>> deeper \n -- \n-- \nsig\n",
    "Final-Recipient: rfc822;\nAction: failed\n\n\nFinal-Recipient: x; y\nStatus: 9.9\n",
    "--b--b\n--b--\n-- \n--\n",
    "\u{e4}\0\r\r\n\x1b$B",
];

/// A message, or a part of one: a header, and content, parts or another message.
fn structure(chance: &mut Chance, depth: usize, out: &mut String) {
    for _ in 0..chance.below(4) {
        out.push_str(FIELDS[chance.below(FIELDS.len())]);
    }
    if chance.below(8) > 0 {
        out.push('\n');
    }
    match chance.below(if depth < 8 { 4 } else { 2 }) {
        0 | 1 => out.push_str(CONTENTS[chance.below(CONTENTS.len())]),
        2 => structure(chance, depth + 1, out),
        _ => {
            let boundary = ["b", "bb", "b--", "b "][chance.below(4)];
            for _ in 0..chance.below(4) {
                out.push_str(&format!("--{boundary}\n"));
                structure(chance, depth + 1, out);
                out.push('\n');
            }
            if chance.below(3) > 0 {
                out.push_str(&format!("--{boundary}--\n"));
            }
        }
    }
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

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mime_pack");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn nothing_panics_and_no_byte_is_lost() {
    let seeds = seeds();
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let begun = Instant::now();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut round = 0;
    while seconds.map_or(round < 1500, |seconds| begun.elapsed() < seconds) {
        let mut message = seeds[round % seeds.len()].clone();
        if round % 2 == 0 {
            let mut made = String::new();
            structure(&mut chance, 0, &mut made);
            message = if chance.below(2) == 0 { made.into_bytes() } else { super::crlf(made.as_bytes()) };
        }
        if round % 4 > 0 {
            mutate(&mut message, &mut chance);
        }
        let mut cuts = [0; 3].map(|_| chance.below(message.len() + 1));
        cuts.sort_unstable();
        check(&message, &cuts);
        round += 1;
    }
    println!("{round} messages");
}

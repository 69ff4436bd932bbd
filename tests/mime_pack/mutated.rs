//! Messages made and changed at random, always the same way: nothing panics, no byte is lost, no limit is passed, no two parts have one
//! number, and how the input is cut makes no difference. FUZZ_SECONDS=N tries for that long (`make fuzz`).

use postroad::bytes::charset::ToUtf8;
use postroad::bytes::flowed::Unwrap;
use postroad::bytes::html::Renderer;
use postroad::bytes::transfer::Decoder;
use postroad::mail::mime::embedded::Embedded;
use postroad::mail::mime::head::Flag;
use postroad::mail::mime::lint::Lint;
use postroad::mail::mime::report::{self, Kind as Report};
use postroad::mail::mime::safe_name::safe_name;
use postroad::mail::mime::scan::{Kind, Limits, Part, Run, Scanner, Visitor};
use std::collections::HashSet;
use std::convert::Infallible;
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

const LIMITS: Limits = Limits { depth: 5, parts: 20, header: 400 };

/// What is told, in a form that does not depend on how it is cut.
#[derive(Default)]
struct Told {
    bytes: Vec<u8>,
    parts: Vec<String>,
    sections: HashSet<String>,
    decoded: Vec<u8>,
    page: Vec<u8>,
    text: Vec<u8>,
    open: Vec<(Kind, Option<Content>)>,
}

/// How the content of a leaf is read.
struct Content {
    report: Option<Report>,
    decoder: Decoder,
    octets: Vec<u8>,
    to_utf8: ToUtf8,
    html: Renderer,
    flowed: Unwrap,
}

impl Content {
    fn take(&mut self, bytes: &[u8], page: &mut Vec<u8>, lines: &mut Vec<u8>) {
        let (start, mut text) = (self.octets.len(), Vec::new());
        self.decoder.push(bytes, &mut self.octets);
        self.to_utf8.push(&self.octets[start..], &mut text);
        self.html.push(&text, page);
        self.flowed.push(&text, lines);
    }
}

impl Visitor for Told {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        assert!(self.open.len() <= LIMITS.depth + 1 && part.header.len() <= LIMITS.header);
        assert!(self.sections.insert(part.section.to_owned()), "two parts are {}", part.section);
        let name = safe_name(part.head.name.as_deref(), part.section, &part.head.media);
        assert!(!name.is_empty() && !name.contains(['/', '\0', '\n']) && !name.starts_with(['.', '-']), "{name:?}");
        self.parts.push(format!("{} {:?} {:?} {name}", part.section, part.kind, part.head));
        let content = (part.kind == Kind::Leaf).then(|| Content {
            report: Report::of(&part.head.media),
            decoder: part.head.decoder(),
            octets: Vec::new(),
            to_utf8: ToUtf8::new(part.head.charset.as_deref()).or_else(|| ToUtf8::new(None)).unwrap(),
            html: Renderer::default(),
            flowed: Unwrap::new(part.head.flowed.is_some_and(|delsp| delsp.0)),
        });
        self.open.push((part.kind, content));
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        if run == Run::Embedded {
            assert_eq!(self.open.last().map(|open| open.0), Some(Kind::Embedded));
            self.decoded.extend_from_slice(bytes);
            return Ok(());
        }
        self.bytes.extend_from_slice(bytes);
        let leaf = self.open.iter_mut().rev().find(|open| open.0 != Kind::Embedded);
        if let (Run::Content, Some((_, Some(content)))) = (run, leaf) {
            content.take(bytes, &mut self.page, &mut self.text);
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Infallible> {
        let mut told = format!("end {flags:?}");
        if let Some((_, Some(mut content))) = self.open.pop() {
            told += &format!(" {:?}", content.decoder.finish(&mut content.octets));
            content.html.finish(&mut self.page);
            content.flowed.finish(&mut self.text);
            told += &content.report.map_or(String::new(), |kind| format!(" {:?}", report::read(kind, &content.octets)));
            self.decoded.append(&mut content.octets);
        }
        self.parts.push(told);
        Ok(())
    }
}

impl Told {
    fn facts(&self) -> [String; 4] {
        [&self.bytes, &self.decoded, &self.page, &self.text].map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

fn told(message: &[u8], cuts: &[usize]) -> (Told, Vec<String>) {
    let (mut scanner, mut told, mut lint) = (Scanner::new(LIMITS), Embedded::new(Told::default()), Lint::default());
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
    (told.into_inner(), findings)
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
        let (whole, findings) = told(&message, &[]);
        assert!(whole.open.is_empty() && whole.sections.len() as u64 <= LIMITS.parts + 100, "round {round}");
        if !message.starts_with(b"From ") {
            assert_eq!(whole.bytes, message, "round {round}");
        }
        let mut cuts = [0; 3].map(|_| chance.below(message.len() + 1));
        cuts.sort_unstable();
        let (cut, cut_findings) = told(&message, &cuts);
        let shown = String::from_utf8_lossy(&message);
        assert_eq!(cut.parts, whole.parts, "round {round} cut at {cuts:?}: {shown:?}");
        assert_eq!(cut.facts(), whole.facts(), "round {round} cut at {cuts:?}: {shown:?}");
        assert_eq!(cut_findings, findings, "round {round} cut at {cuts:?}: {shown:?}");
        round += 1;
    }
    println!("{round} messages");
}

//! What the MIME parser, and what reads the parts, tell of a message, in a form that does not depend on how it is cut; and what is always true of it.

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

pub const LIMITS: Limits = Limits { depth: 5, parts: 20, header: 400 };

/// What is told, in a form that does not depend on how it is cut.
#[derive(Default)]
pub struct Told {
    pub bytes: Vec<u8>,
    pub parts: Vec<String>,
    pub sections: HashSet<String>,
    decoded: Vec<u8>,
    page: Vec<u8>,
    text: Vec<u8>,
    pub open: Vec<Open>,
}

/// A part that has begun and not ended.
pub struct Open {
    kind: Kind,
    content: Option<Content>,
    section: String,
    /// The row in `parts` behind its own, and its bytes: of a message.
    row: usize,
    message: Vec<u8>,
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
        self.parts.push(format!("{} {:?} {:?} {:?}", part.section, part.kind, part.head, part.head.name));
        let content = (part.kind == Kind::Leaf).then(|| Content {
            report: Report::of(&part.head.media),
            decoder: part.head.decoder(),
            octets: Vec::new(),
            to_utf8: ToUtf8::new(part.head.charset.as_deref()).or_else(|| ToUtf8::new(None)).unwrap(),
            html: Renderer::default(),
            flowed: Unwrap::new(part.head.flowed.is_some_and(|delsp| delsp.0)),
        });
        let (section, row) = (part.section.to_owned(), self.parts.len());
        self.open.push(Open { kind: part.kind, content, section, row, message: Vec::new() });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        if run == Run::Embedded {
            assert_eq!(self.open.last().map(|open| open.kind), Some(Kind::Embedded));
            self.decoded.extend_from_slice(bytes);
            return Ok(());
        }
        self.bytes.extend_from_slice(bytes);
        let messages = self.open.iter_mut().filter(|open| open.kind == Kind::Message);
        messages.for_each(|open| open.message.extend_from_slice(bytes));
        let leaf = self.open.iter_mut().rev().find(|open| open.kind != Kind::Embedded);
        if let (Run::Content, Some(Open { content: Some(content), .. })) = (run, leaf) {
            content.take(bytes, &mut self.page, &mut self.text);
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Infallible> {
        let mut told = format!("end {flags:?}");
        let open = self.open.pop().unwrap();
        self.agrees(&open);
        if let Some(mut content) = open.content {
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
    /// A message that stands in another has the parts that it has alone: what is extracted lists as what was listed.
    fn agrees(&self, open: &Open) {
        let within = &self.parts[open.row..];
        let is_limited = within.iter().any(|row| row.contains("TooDeep") || row.contains("TooManyParts"));
        // A line of an mbox stands before a message only, never in one.
        if open.kind != Kind::Message || is_limited || open.message.starts_with(b"From ") {
            return;
        }
        let (mut scanner, mut alone) = (Scanner::new(LIMITS), Embedded::new(Told::default()));
        let Ok(()) = scanner.push(&open.message, &mut alone);
        let Ok(()) = scanner.finish(&mut alone);
        let prefix = format!("{}.", open.section);
        // What is around it may end it early.
        let ended = |row: &str| row.replace(", Unterminated", "").replace("Unterminated", "");
        let within: Vec<_> = within.iter().map(|row| ended(row.strip_prefix(&prefix).unwrap_or(row))).collect();
        let alone: Vec<_> = alone.into_inner().parts.iter().map(|row| ended(row)).collect();
        assert_eq!(alone, within, "{:?}", String::from_utf8_lossy(&open.message));
    }

    pub fn facts(&self) -> [String; 4] {
        [&self.bytes, &self.decoded, &self.page, &self.text].map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// What the parser tells of `message`, cut there, and what the lint finds.
pub fn told(message: &[u8], cuts: &[usize]) -> (Told, Vec<String>) {
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

/// However it is cut, the same is told of it: every byte, in as many parts at most as there may be.
pub fn check(message: &[u8], cuts: &[usize]) {
    let (whole, findings) = told(message, &[]);
    assert!(whole.open.is_empty() && whole.sections.len() as u64 <= LIMITS.parts + 100);
    if !message.starts_with(b"From ") {
        assert_eq!(whole.bytes, message);
    }
    let (cut, cut_findings) = told(message, cuts);
    let shown = String::from_utf8_lossy(message);
    assert_eq!(cut.parts, whole.parts, "cut at {cuts:?}: {shown:?}");
    assert_eq!(cut.facts(), whole.facts(), "cut at {cuts:?}: {shown:?}");
    assert_eq!(cut_findings, findings, "cut at {cuts:?}: {shown:?}");
}

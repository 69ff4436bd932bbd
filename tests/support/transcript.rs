//! Transcript files, which read as the session:
//!
//! ```text
//! # what it shows
//! $ smtp-listen --hostname mx.test --domain hamburger.edu      the command line
//! | text of stdin, a line each
//! S: 220 mx.test ESMTP Postroad                                what the server says; a closing `…` stands for any text
//! C: HELO crepes.fr                                            what the client says; CRLF is added to both
//! C> a\n.\r\n                                                  raw bytes, with \r \n \0 \\ and \xff
//! tls                                                          TLS starts; `tls refused`: the client breaks the handshake off,
//!                                                              `tls broken`: the server does
//! close                                                        one side closes
//! lost                                                         the server closes in the middle of what it says
//! connect                                                      a client connects again
//! > text of the stored message or of stdout
//! outcome: refused c@z 550 5.1.1 no such user                  a row of stdout, blanks for its tabs; `…` as above
//! told: 5: no such message                                     what stands in a line of stderr
//! exit: 1
//! ```

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Client(Vec<u8>),
    /// What the server says, without CRLF; with a closing `…` only its beginning.
    Server(String),
    Tls(Handshake),
    /// The server closes here, or the client does.
    Close,
    /// The server closes in the middle of what it says.
    Lost,
    /// A client connects again.
    Connect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    Made,
    /// The client breaks it off.
    Refused,
    /// The server breaks it off.
    Broken,
}

#[derive(Debug, Clone)]
pub struct Transcript {
    pub path: PathBuf,
    pub args: Vec<String>,
    pub stdin: Vec<u8>,
    pub dialogue: Vec<Line>,
    /// The lines of the stored message or of stdout, each with LF; none where nothing may be stored.
    pub stored: Vec<u8>,
    pub outcomes: Vec<String>,
    /// For the tools whose tests look at it.
    pub told: Vec<String>,
    pub exit: Option<i32>,
}

/// The transcripts in `tests/<tool>`, sorted. An empty folder is a mistake.
pub fn all(tool: &str) -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(tool);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder of transcripts").map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no transcript in {}", folder.display());
    paths.iter().map(|path| read(path)).collect()
}

/// Checks every transcript of a tool, and tells which failed.
pub fn check_all(tool: &str, check: impl Fn(&Transcript)) {
    let fails = |transcript: &Transcript| panic::catch_unwind(AssertUnwindSafe(|| check(transcript))).is_err();
    let failed: Vec<PathBuf> = all(tool).into_iter().filter(fails).map(|transcript| transcript.path).collect();
    assert!(failed.is_empty(), "these transcripts fail: {failed:#?}");
}

pub fn read(path: &Path) -> Transcript {
    let text = std::fs::read_to_string(path).unwrap();
    let mut transcript = Transcript {
        path: path.to_owned(),
        args: Vec::new(),
        stdin: Vec::new(),
        dialogue: Vec::new(),
        stored: Vec::new(),
        outcomes: Vec::new(),
        told: Vec::new(),
        exit: None,
    };
    for (number, line) in text.lines().enumerate() {
        take(&mut transcript, line)
            .unwrap_or_else(|| panic!("{}:{}: no line of a transcript: {line}", path.display(), number + 1));
    }
    transcript
}

fn take(transcript: &mut Transcript, line: &str) -> Option<()> {
    if line.is_empty() || line.starts_with('#') {
        return Some(());
    }
    let event = match line {
        "close" => Some(Line::Close),
        "lost" => Some(Line::Lost),
        "connect" => Some(Line::Connect),
        "tls" => Some(Line::Tls(Handshake::Made)),
        "tls refused" => Some(Line::Tls(Handshake::Refused)),
        "tls broken" => Some(Line::Tls(Handshake::Broken)),
        _ => None,
    };
    if let Some(event) = event {
        transcript.dialogue.push(event);
        return Some(());
    }
    if line == "|" || line == ">" {
        let text = if line == "|" { &mut transcript.stdin } else { &mut transcript.stored };
        text.push(b'\n');
        return Some(());
    }
    let (mark, rest) = line.split_at_checked(2)?;
    // The marks of the dialogue are two characters and a blank, the others one and a blank.
    let rest = if mark.ends_with(' ') { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
    match mark {
        "$ " => transcript.args = words(rest),
        "| " => transcript.stdin.extend_from_slice(format!("{rest}\n").as_bytes()),
        "C:" => transcript.dialogue.push(Line::Client(format!("{rest}\r\n").into_bytes())),
        "C>" => transcript.dialogue.push(Line::Client(unescape(rest))),
        "S:" => transcript.dialogue.push(Line::Server(rest.to_owned())),
        "> " => transcript.stored.extend_from_slice(format!("{rest}\n").as_bytes()),
        "ou" => transcript.outcomes.push(line.strip_prefix("outcome: ")?.to_owned()),
        "to" => transcript.told.push(line.strip_prefix("told: ")?.to_owned()),
        "ex" => transcript.exit = Some(line.strip_prefix("exit: ")?.parse().ok()?),
        _ => return None,
    }
    Some(())
}

/// Splits at blanks, `'…'` and `''` kept together, as a shell would.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a closing quote"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.to_string().as_bytes());
            continue;
        }
        match chars.next().expect("something after a backslash") {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            '0' => out.push(0),
            'x' => {
                let hex: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
            }
            other => out.extend_from_slice(other.to_string().as_bytes()),
        }
    }
    out
}

impl Transcript {
    /// The value after `flag` on the command line.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.args.iter().position(|arg| arg == flag).and_then(|at| self.args.get(at + 1)).map(String::as_str)
    }

    pub fn has(&self, flag: &str) -> bool {
        self.args.iter().any(|arg| arg == flag)
    }

    pub fn same_outcomes(&self, rows: &[String]) -> bool {
        rows.len() == self.outcomes.len() && rows.iter().zip(&self.outcomes).all(|(row, wanted)| is_so(row, wanted))
    }

    /// Runs of lines of one side, in order.
    pub fn turns(&self) -> Vec<&[Line]> {
        self.dialogue.chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)).collect()
    }
}

/// What the client says in this turn.
pub fn client_bytes(turn: &[Line]) -> Vec<u8> {
    turn.iter().flat_map(|line| if let Line::Client(bytes) = line { bytes.clone() } else { Vec::new() }).collect()
}

/// What the server says in this turn, where it is to be said to a client of ours.
pub fn server_bytes(turn: &[Line]) -> Vec<u8> {
    turn.iter()
        .flat_map(|line| if let Line::Server(text) = line { format!("{text}\r\n").into_bytes() } else { Vec::new() })
        .collect()
}

/// Do these bytes say what the turn's server lines want?
pub fn server_said(turn: &[Line], said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said).into_owned();
    let mut lines = said.split_inclusive("\r\n");
    for wanted in turn.iter() {
        let Line::Server(wanted) = wanted else { continue };
        let Some(line) = lines.next().and_then(|line| line.strip_suffix("\r\n")) else { return false };
        if !is_so(line, wanted) {
            return false;
        }
    }
    lines.next().is_none()
}

/// A closing `…` stands for any text.
fn is_so(line: &str, wanted: &str) -> bool {
    wanted.strip_suffix('…').map_or(line == wanted, |start| line.starts_with(start))
}

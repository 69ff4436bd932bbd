//! The session on stderr, taken from the bytes that crossed the wire, with the marks that hands and eyes know from swaks. Control bytes
//! are made visible, so a hostile peer cannot drive the terminal.

use super::stdio::say;
use std::collections::VecDeque;
use std::time::Instant;

/// Longest line shown whole, in octets.
const MAX_LINE: usize = 4096;
/// Most lines of the last exchange kept for a failure.
const LAST: usize = 40;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Quiet,
    /// The last exchange, if it comes to nothing.
    OnFailure,
    /// Every line.
    Lines,
    /// Every line with the seconds since the start.
    Timed,
}

impl Level {
    /// From `-v`'s count and `-q`. `failures`: without `-v` the last exchange of a failure is wanted.
    pub fn new(verbose: u8, quiet: bool, failures: bool) -> Level {
        match (quiet, verbose) {
            (true, _) => Level::Quiet,
            (_, 0) if failures => Level::OnFailure,
            (_, 0) => Level::Quiet,
            (_, 1) => Level::Lines,
            _ => Level::Timed,
        }
    }
}

/// Who we are in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

#[derive(Debug)]
pub struct Transcript {
    level: Level,
    side: Side,
    started: Instant,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// The last exchange; what was said before the last command does not count.
    last: VecDeque<String>,
    /// The last exchange with a refusal in it.
    refusal: VecDeque<String>,
    refused: bool,
    /// The last line was the peer's.
    answered: bool,
}

impl Transcript {
    pub fn new(level: Level, side: Side) -> Transcript {
        Transcript {
            level,
            side,
            started: Instant::now(),
            sent: Vec::new(),
            received: Vec::new(),
            last: VecDeque::new(),
            refusal: VecDeque::new(),
            refused: false,
            answered: false,
        }
    }

    pub fn sent(&mut self, secure: bool, bytes: &[u8]) {
        if self.level > Level::Quiet {
            self.crossed(true, secure, bytes);
        }
    }

    pub fn received(&mut self, secure: bool, bytes: &[u8]) {
        if self.level > Level::Quiet {
            self.crossed(false, secure, bytes);
        }
    }

    /// Something worth knowing, as where the connection goes.
    pub fn info(&mut self, text: &str) {
        self.line(format!("=== {text}"));
    }

    /// Something that failed on our side.
    pub fn error(&mut self, text: &str) {
        self.line(format!("*** {text}"));
    }

    /// The exchange that tells most of a failure: the last with a refusal in it, else the last. Empty where lines were shown.
    pub fn telling(&mut self) -> Vec<String> {
        let last = std::mem::take(&mut self.last);
        let refusal = std::mem::take(&mut self.refusal);
        if self.refused || refusal.is_empty() { last.into() } else { refusal.into() }
    }

    fn crossed(&mut self, ours: bool, secure: bool, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let held = if ours { &mut self.sent } else { &mut self.received };
            let room = MAX_LINE.saturating_sub(held.len()).min(piece.len());
            held.extend_from_slice(&piece[..room]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(held);
                self.wire_line(ours, secure, &line);
            }
        }
    }

    fn wire_line(&mut self, ours: bool, secure: bool, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let refusal = self.side == Side::Client && matches!(line, [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', ..]);
        let mark = match (ours, secure) {
            (false, _) if refusal => "<**",
            (true, false) => " ->",
            (true, true) => " ~>",
            (false, false) => " <-",
            (false, true) => " <~",
        };
        if ours && std::mem::take(&mut self.answered) {
            let exchange = std::mem::take(&mut self.last);
            if std::mem::take(&mut self.refused) {
                self.refusal = exchange;
            }
        }
        self.answered |= !ours;
        self.refused |= refusal;
        self.line(format!("{mark} {}", crate::bytes::escape::visible(line)));
    }

    fn line(&mut self, line: String) {
        match self.level {
            Level::Quiet => {}
            Level::OnFailure => {
                if self.last.len() == LAST {
                    self.last.pop_front();
                }
                self.last.push_back(line);
            }
            Level::Lines => say(&line),
            Level::Timed => say(&format!("{:8.3} {line}", self.started.elapsed().as_secs_f64())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_with_the_refusal_is_kept_and_marked() {
        let mut transcript = Transcript::new(Level::OnFailure, Side::Client);
        transcript.received(false, b"220 mx.te");
        transcript.received(false, b"st\r\n");
        transcript.sent(false, b"EHLO x\r\n");
        transcript.received(true, b"250-a\r\n250 b\r\n");
        transcript.sent(true, b"MAIL FROM:<a@b>\r\nDATA\r\n");
        transcript.received(true, b"550 \x1b[2J no\r\n");
        transcript.sent(true, b"QUIT\r\n");
        transcript.received(true, b"221 bye\r\n");
        assert_eq!(transcript.telling(), [" ~> MAIL FROM:<a@b>", " ~> DATA", "<** 550 \\x1b[2J no"]);
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let mut transcript = Transcript::new(Level::OnFailure, Side::Client);
        for _ in 0..100 {
            transcript.received(false, &[b'x'; 8192]);
        }
        assert_eq!(transcript.received.len(), MAX_LINE);
    }
}

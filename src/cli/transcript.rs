//! The session on stderr, taken from the bytes that crossed the wire, with the marks that hands and eyes know from swaks. Control bytes
//! are made visible, so a hostile peer cannot drive the terminal.

use super::stdio::say;
use super::veil::Veil;
use super::veil::words::Speech;
use crate::bytes::escape::visible;
use crate::protocol::proxy::Introduction;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

/// Longest line shown whole, in octets.
const MAX_LINE: usize = 4096;
/// Most lines of the last exchange kept for a failure.
const LAST: usize = 40;

/// Octets of a line of `--hex`.
const HEX_ROW: usize = 16;

/// Takes lines, made harmless already.
pub struct Sink(Box<dyn FnMut(&str) + Send>);

impl Sink {
    pub fn new(take: impl FnMut(&str) + Send + 'static) -> Sink {
        Sink(Box::new(take))
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

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
    speech: Speech,
    /// None: secrets are shown.
    veil: Option<Veil>,
    /// The bytes of each line stand below it.
    hex: bool,
    /// In place of stderr.
    sink: Option<Sink>,
    started: Instant,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// The last exchange; what was said before the last command does not count.
    last: VecDeque<String>,
    /// The last exchange with a refusal in it.
    refusal: VecDeque<String>,
    refused: bool,
    /// The exchange before a farewell that began one.
    before: Option<VecDeque<String>>,
    /// The last line of ours asks what a server may well not have.
    probing: bool,
    /// The last line was the peer's.
    answered: bool,
    secure: bool,
}

impl Transcript {
    pub fn new(level: Level, side: Side) -> Transcript {
        Transcript {
            level,
            side,
            speech: Speech::Smtp,
            veil: Some(Veil::of(Speech::Smtp)),
            hex: false,
            sink: None,
            started: Instant::now(),
            sent: Vec::new(),
            received: Vec::new(),
            last: VecDeque::new(),
            refusal: VecDeque::new(),
            refused: false,
            before: None,
            probing: false,
            answered: false,
            secure: false,
        }
    }

    /// In place of SMTP.
    pub fn speaking(self, speech: Speech) -> Transcript {
        let veil = self.veil.map(|_| Veil::of(speech));
        Transcript { speech, veil, ..self }
    }

    /// As asked for by `--show-secrets`; by default what AUTH sends is hidden.
    pub fn showing_secrets(mut self, shown: bool) -> Transcript {
        self.veil = if shown { None } else { Some(Veil::of(self.speech)) };
        self
    }

    /// As asked for by `--hex`.
    pub fn with_hex(self, hex: bool) -> Transcript {
        Transcript { hex, ..self }
    }

    /// Shows every line there, in place of stderr.
    pub fn show_at(&mut self, sink: Sink) {
        self.level = self.level.max(Level::Lines);
        self.sink = Some(sink);
    }

    /// A new one that shows the same.
    pub fn twin(&self) -> Transcript {
        Transcript::new(self.level, self.side).speaking(self.speech).showing_secrets(self.veil.is_none()).with_hex(self.hex)
    }

    /// Shows what is held of a line that did not end.
    pub fn finish(&mut self) {
        for ours in [true, false] {
            let held = std::mem::take(if ours { &mut self.sent } else { &mut self.received });
            if !held.is_empty() {
                self.wire_line(ours, self.secure, &held);
            }
        }
    }

    /// What the exchange above means.
    pub fn explain(&mut self, text: &str) {
        self.line(format!("    # {}", visible(text.as_bytes())));
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

    /// A header that is no text, in words; with `--hex` its bytes, too.
    pub fn introduced(&mut self, said: &Introduction) {
        self.info(&format!("sent a PROXY header of version 2, {} octets: {}", said.bytes().len(), said.words()));
        if self.hex {
            dump(said.bytes()).for_each(|row| self.line(row));
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

    /// The exchange that tells most of a failure: the last with a refusal in it, else the last before the farewell. Empty where lines were shown.
    pub fn telling(&mut self) -> Vec<String> {
        let last = std::mem::take(&mut self.last);
        let refusal = std::mem::take(&mut self.refusal);
        match self.before.take() {
            _ if self.refused => last.into(),
            _ if !refusal.is_empty() => refusal.into(),
            before => before.unwrap_or(last).into(),
        }
    }

    /// What [`Transcript::telling`] shows is a refusal.
    pub fn has_refusal(&self) -> bool {
        self.refused || !self.refusal.is_empty()
    }

    fn crossed(&mut self, ours: bool, secure: bool, bytes: &[u8]) {
        self.secure = secure;
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

    fn wire_line(&mut self, ours: bool, secure: bool, whole: &[u8]) {
        let line = whole;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let of_client = ours == (self.side == Side::Client);
        let shown = match &mut self.veil {
            None => Cow::Borrowed(line),
            Some(veil) if of_client => veil.client(line),
            Some(veil) => veil.server(line),
        };
        if ours {
            self.probing = self.speech.is_probe(line);
        }
        let refusal = self.side == Side::Client && !self.probing && self.speech.is_refusal(line);
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
            } else if self.speech.is_farewell(line) {
                self.before = Some(exchange);
            }
        }
        self.answered |= !ours;
        self.refused |= refusal;
        let hidden = matches!(shown, Cow::Owned(_));
        let (shown, bytes) = (visible(&shown), if hidden { shown.into_owned() } else { whole.to_vec() });
        self.line(format!("{mark} {shown}"));
        if self.hex {
            dump(&bytes).for_each(|row| self.line(row));
        }
    }

    fn show(&mut self, line: &str) {
        match &mut self.sink {
            Some(Sink(take)) => take(&visible(line.as_bytes())),
            None => say(line),
        }
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
            Level::Lines => self.show(&line),
            Level::Timed => self.show(&format!("{:8.3} {line}", self.started.elapsed().as_secs_f64())),
        }
    }
}

/// `0000  32 35 30 20 6f 6b 0d 0a                          250 ok..`
fn dump(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.chunks(HEX_ROW).enumerate().map(|(row, chunk)| {
        let hex: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
        let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(shown).collect();
        format!("    {:04x}  {hex:<48} {text}", row * HEX_ROW)
    })
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
    fn secrets_are_shown_only_where_that_was_asked_for() {
        for (shown, first) in [(false, " ~> AUTH PLAIN <hidden>"), (true, " ~> AUTH PLAIN AGEAYg==")] {
            let mut transcript = Transcript::new(Level::OnFailure, Side::Client).showing_secrets(shown);
            transcript.sent(true, b"AUTH PLAIN AGEA");
            transcript.sent(true, b"Yg==\r\n");
            transcript.received(true, b"535 no\r\n");
            assert_eq!(transcript.telling(), [first, "<** 535 no"]);
        }
        let mut server = Transcript::new(Level::OnFailure, Side::Server);
        server.received(false, b"AUTH PLAIN AGEAYg==\r\n");
        assert_eq!(server.telling(), [" <- AUTH PLAIN <hidden>"]);
    }

    #[test]
    fn bytes_stand_below_their_line_unless_they_are_secret() {
        let mut transcript = Transcript::new(Level::OnFailure, Side::Client).with_hex(true);
        transcript.sent(false, b"NOOP \xff\x1b[2J 0123456789\r\n");
        let told = transcript.telling();
        assert_eq!(told[1], "    0000  4e 4f 4f 50 20 ff 1b 5b 32 4a 20 30 31 32 33 34  NOOP ..[2J 01234");
        assert_eq!(told[2], "    0010  35 36 37 38 39 0d 0a                             56789..");
        let mut transcript = Transcript::new(Level::OnFailure, Side::Client).with_hex(true);
        transcript.sent(true, b"AUTH PLAIN AGEAYg==\r\n");
        let told = transcript.telling().join("\n");
        assert!(told.contains("AUTH PLAIN <hidd") && !told.contains("41 47 45 41"), "{told}");
    }

    #[test]
    fn a_line_without_an_end_is_shown_at_last() {
        let mut transcript = Transcript::new(Level::OnFailure, Side::Client);
        transcript.received(true, b"220 wait");
        transcript.finish();
        assert_eq!(transcript.telling(), [" <~ 220 wait"]);
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

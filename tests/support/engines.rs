//! Small engines that stand for what real ones will need: a window of pipelined commands, a wait ended from outside, a literal, a
//! refusal in mid-body, a verdict that comes later, TLS begun in mid-session.

use postroad::bytes::line::{Line, LineBuffer};
use postroad::protocol::engine::{End, Engine, OUTGOING_LIMIT, Step};
use std::time::Duration;

/// Long enough to mean that a test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What every small engine has: lines in, bytes out, and why it ended.
pub struct Talk {
    lines: LineBuffer,
    out: Vec<u8>,
    unit: u64,
    pub within: Duration,
    pub end: Option<End>,
}

impl Default for Talk {
    fn default() -> Talk {
        Talk { lines: LineBuffer::new(1000), out: Vec::new(), unit: 0, within: PATIENCE, end: None }
    }
}

impl Talk {
    fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, bytes: &[u8]) -> (usize, Option<String>) {
        let (took, line) = self.lines.take(bytes);
        self.unit += u64::from(line.is_some());
        let text = line.map(|line| match line {
            Line::Whole(text) => String::from_utf8_lossy(&text).into_owned(),
            odd => format!("{odd:?}"),
        });
        (took, text)
    }

    fn io<A>(&self, read: bool) -> Step<A> {
        Step::Io { read, within: self.within, unit: self.unit }
    }

    fn wrote(&mut self, n: usize) {
        self.out.drain(..n);
        self.unit += 1;
    }
}

/// The parts of `Engine` that are the same for all.
macro_rules! talks {
    () => {
        fn outgoing(&self) -> &[u8] {
            &self.talk.out
        }

        fn wrote(&mut self, n: usize) {
            self.talk.wrote(n);
        }

        fn ended(&mut self, why: End) {
            self.talk.end = Some(why);
        }
    };
}

/// Like a POP3 client: asks for many messages at once, each answered by `LENGTH` and so many bytes.
pub struct Window {
    pub talk: Talk,
    pub count: usize,
    asked: usize,
    pub got: Vec<usize>,
    /// Left of the message that is coming in.
    left: Option<usize>,
}

impl Window {
    pub fn new(count: usize) -> Window {
        Window { talk: Talk::default(), count, asked: 0, got: Vec::new(), left: None }
    }

    fn fill(&mut self) {
        while self.asked < self.count && self.talk.out.len() < OUTGOING_LIMIT {
            self.asked += 1;
            let n = self.asked;
            self.talk.say(&format!("RETR {n}"));
        }
    }
}

impl Engine for Window {
    type Ask = ();
    type Tell = ();
    talks!();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        if let Some(left) = self.left {
            let took = left.min(bytes.len());
            self.left = (took < left).then_some(left - took);
            self.talk.unit += 1;
            return took;
        }
        let (took, line) = self.talk.line(bytes);
        if let Some(length) = line.and_then(|line| line.parse().ok()) {
            self.got.push(length);
            self.left = (length > 0).then_some(length);
        }
        took
    }

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, (): ()) {}

    fn step(&mut self) -> Step<()> {
        if self.talk.end.is_some() || (self.got.len() == self.count && self.left.is_none()) {
            return Step::Done;
        }
        self.fill();
        self.talk.io(true)
    }
}

/// Like IMAP IDLE: gathers what comes until it is told to stop.
#[derive(Default)]
pub struct Idle {
    pub talk: Talk,
    state: IdleState,
    pub news: Vec<String>,
}

#[derive(Default, PartialEq)]
enum IdleState {
    #[default]
    Start,
    Asked,
    Idling,
    Ending,
    Over,
}

impl Engine for Idle {
    /// Each piece of news.
    type Ask = String;
    /// Enough.
    type Tell = ();
    talks!();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let (took, line) = self.talk.line(bytes);
        match line.as_deref() {
            None => {}
            Some("+ idling") if self.state == IdleState::Asked => self.state = IdleState::Idling,
            Some("OK") if self.state == IdleState::Ending => self.state = IdleState::Over,
            Some(news) => self.news.push(news.to_owned()),
        }
        took
    }

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, (): ()) {
        if self.state == IdleState::Idling {
            self.state = IdleState::Ending;
            self.talk.say("DONE");
        }
    }

    fn step(&mut self) -> Step<String> {
        if self.state == IdleState::Start {
            self.talk.say("IDLE");
            self.state = IdleState::Asked;
        }
        match self.state {
            _ if self.talk.end.is_some() => Step::Done,
            IdleState::Over => Step::Done,
            _ => self.talk.io(true),
        }
    }
}

/// Sends one body: as an IMAP literal, whose length is announced, or as SMTP data, whose end is a dot.
pub struct Upload {
    pub talk: Talk,
    /// The length of a literal; None: data.
    literal: Option<usize>,
    state: UploadState,
    pub taken: usize,
    pub reply: Option<String>,
}

#[derive(PartialEq)]
enum UploadState {
    Start,
    Asked,
    Body,
    Sent,
}

impl Upload {
    pub fn literal(length: usize) -> Upload {
        Upload { literal: Some(length), ..Upload::data() }
    }

    pub fn data() -> Upload {
        Upload { talk: Talk::default(), literal: None, state: UploadState::Start, taken: 0, reply: None }
    }

    fn room(&self) -> usize {
        let room = OUTGOING_LIMIT.saturating_sub(self.talk.out.len());
        self.literal.map_or(room, |length| room.min(length - self.taken))
    }
}

impl Engine for Upload {
    type Ask = ();
    type Tell = ();
    talks!();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let (took, line) = self.talk.line(bytes);
        match line.as_deref() {
            None => {}
            Some("+ go" | "354 go") if self.state == UploadState::Asked => self.state = UploadState::Body,
            Some(reply) => self.reply = Some(reply.to_owned()),
        }
        took
    }

    fn body(&mut self, bytes: &[u8], last: bool) -> usize {
        self.talk.out.extend_from_slice(bytes);
        self.taken += bytes.len();
        if last || self.literal.is_some_and(|length| self.taken == length) {
            self.talk.say(if self.literal.is_some() { "" } else { "\r\n." });
            self.state = UploadState::Sent;
        }
        bytes.len()
    }

    fn tell(&mut self, (): ()) {}

    fn step(&mut self) -> Step<()> {
        if self.state == UploadState::Start {
            match self.literal {
                Some(length) => self.talk.say(&format!("APPEND {{{length}}}")),
                None => self.talk.say("DATA"),
            }
            self.state = UploadState::Asked;
        }
        match self.state {
            _ if self.reply.is_some() || self.talk.end.is_some() => Step::Done,
            UploadState::Body if self.room() > 0 => Step::NeedBody { room: self.room() },
            _ => self.talk.io(true),
        }
    }
}

/// A server that asks for a verdict on each line and waits for it; `STARTTLS` and `QUIT` it knows itself.
#[derive(Default)]
pub struct Verdicts {
    pub talk: Talk,
    state: VerdictState,
}

#[derive(Default, PartialEq)]
enum VerdictState {
    #[default]
    Reading,
    Heard(String),
    Waiting,
    Securing,
    Over,
}

impl Engine for Verdicts {
    type Ask = String;
    type Tell = String;
    talks!();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        let (took, line) = self.talk.line(bytes);
        match line.as_deref() {
            None => {}
            Some("STARTTLS") => {
                self.talk.say("220 go");
                self.state = VerdictState::Securing;
            }
            Some("QUIT") => {
                self.talk.say("221 bye");
                self.state = VerdictState::Over;
            }
            Some(text) => self.state = VerdictState::Heard(text.to_owned()),
        }
        took
    }

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, verdict: String) {
        self.talk.say(&verdict);
        self.state = VerdictState::Reading;
    }

    fn step(&mut self) -> Step<String> {
        if self.talk.end.is_some() {
            return Step::Done;
        }
        match std::mem::replace(&mut self.state, VerdictState::Waiting) {
            VerdictState::Heard(text) => Step::Ask(text),
            VerdictState::Waiting => Step::Wait,
            VerdictState::Reading => {
                self.state = VerdictState::Reading;
                self.talk.io(self.talk.out.len() < OUTGOING_LIMIT)
            }
            VerdictState::Securing => {
                self.state = VerdictState::Reading;
                Step::Secure
            }
            VerdictState::Over => Step::Done,
        }
    }
}

/// A client that says each line of `script` and waits for one line of reply; `STARTTLS` starts TLS when `220 go` comes.
pub struct Asker {
    pub talk: Talk,
    script: Vec<&'static str>,
    said: usize,
    pub replies: Vec<String>,
    secure: bool,
}

impl Asker {
    pub fn new(script: &[&'static str]) -> Asker {
        Asker { talk: Talk::default(), script: script.to_vec(), said: 0, replies: Vec::new(), secure: false }
    }
}

impl Engine for Asker {
    type Ask = ();
    type Tell = ();
    talks!();

    fn receive(&mut self, bytes: &[u8]) -> usize {
        if self.secure {
            return 0;
        }
        let (took, line) = self.talk.line(bytes);
        if let Some(reply) = line {
            self.secure = self.script[self.said - 1] == "STARTTLS" && reply == "220 go";
            self.replies.push(reply);
        }
        took
    }

    fn body(&mut self, _bytes: &[u8], _last: bool) -> usize {
        0
    }

    fn tell(&mut self, (): ()) {}

    fn step(&mut self) -> Step<()> {
        if self.talk.end.is_some() {
            return Step::Done;
        }
        if std::mem::take(&mut self.secure) {
            return Step::Secure;
        }
        if self.replies.len() == self.said {
            let Some(&next) = self.script.get(self.said) else { return Step::Done };
            self.talk.say(next);
            self.said += 1;
        }
        self.talk.io(true)
    }
}

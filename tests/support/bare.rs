//! Bare engines: no socket, no time. Each piece of what the peer says is fed as it is cut, and every step in between is carried out.

use postroad::protocol::engine::{End, Engine, Step};
use std::sync::atomic::{AtomicU64, Ordering};

/// An engine and the work above it.
pub struct Bare<E: Engine, W> {
    pub engine: E,
    pub work: W,
    /// What was written since it was last looked at.
    pub said: Vec<u8>,
    pub over: bool,
    /// How often TLS, or compression, was to start; such a step is a mistake unless this says that there may be some.
    pub turns: Option<usize>,
    body: Vec<u8>,
    given: usize,
}

/// Answers asks.
pub trait Answers<E: Engine> {
    fn answer(&mut self, ask: E::Ask) -> Option<E::Tell>;
}

impl<E: Engine, W: Answers<E>> Bare<E, W> {
    pub fn new(engine: E, work: W, body: Vec<u8>) -> Self {
        let mut bare = Bare { engine, work, said: Vec::new(), over: false, turns: None, body, given: 0 };
        bare.settle();
        bare
    }

    /// Carries out steps until the engine wants bytes of the peer or is done.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let step = self.engine.step();
            let written = self.engine.outgoing().len();
            self.said.extend_from_slice(self.engine.outgoing());
            self.engine.wrote(written);
            match step {
                Step::Io { .. } if written > 0 => {}
                Step::Io { read, .. } => return assert!(read, "an engine that neither reads nor writes"),
                Step::Ask(ask) => {
                    if let Some(tell) = self.work.answer(ask) {
                        self.engine.tell(tell);
                    }
                }
                Step::NeedBody { room } => {
                    assert!(room > 0);
                    let rest = &self.body[self.given..];
                    let piece = &rest[..rest.len().min(room)];
                    self.given += self.engine.body(piece, piece.len() == rest.len());
                }
                Step::Done => {
                    self.over = true;
                    return;
                }
                Step::Secure | Step::Inflate if self.turns.is_some() => {
                    self.turns = self.turns.map(|turns| turns + 1);
                    return;
                }
                Step::Wait | Step::Secure | Step::Inflate => panic!("a step that this transcript does not have: {}", kind(&step)),
            }
        }
        panic!("the engine turns without end");
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.over {
            let used = self.engine.receive(rest);
            rest = &rest[used..];
            let (before, turns) = (self.said.len(), self.turns);
            self.settle();
            if self.turns > turns {
                if !rest.is_empty() {
                    return self.end(End::Injected);
                }
                self.settle();
            }
            assert!(used > 0 || self.said.len() > before || self.over || self.engine.receive(&[]) == 0);
        }
    }

    pub fn end(&mut self, why: End) {
        if !self.over {
            self.engine.ended(why);
            self.settle();
        }
    }
}

fn kind<A>(step: &Step<A>) -> &'static str {
    match step {
        Step::Io { .. } => "Io",
        Step::Ask(_) => "Ask",
        Step::NeedBody { .. } => "NeedBody",
        Step::Wait => "Wait",
        Step::Secure => "Secure",
        Step::Inflate => "Inflate",
        Step::Done => "Done",
    }
}

/// A clock that stands until it is turned, and chances that count up.
#[derive(Debug, Default)]
pub struct Virtual {
    seconds: AtomicU64,
    draws: AtomicU64,
}

impl Virtual {
    pub fn at(seconds: u64) -> Virtual {
        Virtual { seconds: AtomicU64::new(seconds), draws: AtomicU64::new(0) }
    }
}

impl postroad::relay::clock::Clock for Virtual {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.seconds.load(Ordering::Relaxed) as i64).unwrap()
    }
}

impl postroad::relay::clock::Chance for Virtual {
    fn draw(&self) -> u64 {
        self.draws.fetch_add(1, Ordering::Relaxed)
    }
}

//! An in-memory driver: runs an engine against a peer that is a function, with the bytes cut in any way, and records what it said.

use postroad::protocol::engine::{End, Engine, Step};

/// How the bytes are cut on their way to the engine, and how many of its own are written at once.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    Whole,
    /// Pieces of so many bytes.
    Every(usize),
    /// Two pieces, the first of so many bytes.
    At(usize),
}

/// What surrounds the engine.
pub trait World<E: Engine> {
    /// What the peer says after all it was `sent` so far. Called after each write, and once before the first.
    fn says(&mut self, sent: &[u8]) -> Vec<u8>;

    fn ask(&mut self, ask: E::Ask) -> Option<E::Tell>;

    /// The next body bytes, at most `room`; none: its end.
    fn body(&mut self, _room: usize) -> Vec<u8> {
        Vec::new()
    }

    /// Nothing can move: what happens next?
    fn quiet(&mut self) -> Quiet<E::Tell>;
}

pub enum Quiet<T> {
    Tell(T),
    End(End),
}

/// All that the engine sent, with `[TLS]` and `[DEFLATE]` where it asked for them.
pub fn run<E: Engine>(engine: &mut E, world: &mut impl World<E>, cut: Cut) -> String {
    let mut script = Script { sent: Vec::new(), incoming: world.says(b""), offered: 0, cut };
    for _ in 0..1_000_000 {
        match engine.step() {
            Step::Io { read, .. } => {
                let wrote = script.write(engine, world);
                let took = read && script.offer(engine);
                assert!(!(read && !took && !script.incoming.is_empty() && !wrote), "the engine reads, but takes nothing");
                if !wrote && !took {
                    quiet(engine, world);
                }
            }
            Step::Ask(ask) => {
                if let Some(tell) = world.ask(ask) {
                    engine.tell(tell);
                }
            }
            Step::NeedBody { room } => {
                if script.write(engine, world) || script.offer(engine) {
                    continue;
                }
                let bytes = world.body(room);
                assert_eq!(engine.body(&bytes, bytes.is_empty()), bytes.len(), "the engine took less than it asked for");
            }
            Step::Wait => {
                if !script.write(engine, world) {
                    quiet(engine, world);
                }
            }
            Step::Secure => {
                while script.write(engine, world) {}
                if script.incoming.is_empty() {
                    script.sent.extend_from_slice(b"[TLS]");
                    script.incoming = world.says(&script.sent);
                } else {
                    engine.ended(End::Injected);
                }
            }
            Step::Inflate => script.sent.extend_from_slice(b"[DEFLATE]"),
            Step::Done => {
                while script.write(engine, world) {}
                return String::from_utf8_lossy(&script.sent).into_owned();
            }
        }
    }
    panic!("the engine goes round in circles after {:?}", String::from_utf8_lossy(&script.sent));
}

/// Runs a fresh engine once for each way to cut: whole, byte by byte, and in two at every byte of `until`; all must give the same.
pub fn every_cut<E: Engine, W: World<E>>(until: usize, mut fresh: impl FnMut() -> (E, W), mut check: impl FnMut(&E, &W, &str)) {
    let cuts = [Cut::Whole, Cut::Every(1), Cut::Every(2), Cut::Every(7)];
    for cut in cuts.into_iter().chain((1..until).map(Cut::At)) {
        let (mut engine, mut world) = fresh();
        let sent = run(&mut engine, &mut world, cut);
        check(&engine, &world, &sent);
    }
}

struct Script {
    sent: Vec<u8>,
    incoming: Vec<u8>,
    offered: usize,
    cut: Cut,
}

impl Script {
    fn write<E: Engine>(&mut self, engine: &mut E, world: &mut impl World<E>) -> bool {
        let ready = engine.outgoing();
        if ready.is_empty() {
            return false;
        }
        let n = match self.cut {
            Cut::Every(n) => n.min(ready.len()),
            Cut::Whole | Cut::At(_) => ready.len(),
        };
        self.sent.extend_from_slice(&ready[..n]);
        engine.wrote(n);
        self.incoming.extend(world.says(&self.sent));
        true
    }

    fn offer<E: Engine>(&mut self, engine: &mut E) -> bool {
        let most = match self.cut {
            Cut::Every(n) => n,
            Cut::At(at) if self.offered < at => at - self.offered,
            Cut::Whole | Cut::At(_) => usize::MAX,
        };
        let n = most.min(self.incoming.len());
        if n == 0 {
            return false;
        }
        let took = engine.receive(&self.incoming[..n]);
        assert!(took <= n);
        self.offered += took;
        self.incoming.drain(..took);
        took > 0
    }
}

fn quiet<E: Engine>(engine: &mut E, world: &mut impl World<E>) {
    match world.quiet() {
        Quiet::Tell(tell) => engine.tell(tell),
        Quiet::End(end) => engine.ended(end),
    }
}

//! The spool on a model file system: every crash point of every trace, every subset of what was not synced, every error at every
//! call, a second crash in the recovery, and two runners in every order. The promises are those of spool(5) and docs/durability.md.
//!
//! `make proof` runs all of it; `make test` a fixed part: one crash, and errors at every call without a crash after them.

#[path = "model/crash.rs"]
mod crash;
#[path = "model/disk.rs"]
mod disk;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/seen.rs"]
mod seen;
#[path = "model/stage.rs"]
mod stage;
#[path = "model/traces.rs"]
mod traces;
#[path = "model/tree.rs"]
mod tree;
#[path = "model/world.rs"]
mod world;

use disk::Fault;
use explore::{Counts, Judge};
use stage::{Kind, Stage};
use traces::Trace;

const THOROUGH: bool = cfg!(feature = "proof");
const MODERN: Kind = Kind { modern: true };
const ERRORS: [i32; 2] = [libc::EIO, libc::ENOSPC];

/// Plays a trace with a fault at one operation.
fn play(trace: &Trace, kind: Kind, fault: Fault) -> Stage {
    let mut stage = if trace.bare { Stage::bare(kind, fault) } else { Stage::new(kind, fault) };
    (trace.play)(&mut stage);
    stage
}

/// Crashes everywhere in a trace that was played.
fn crash_everywhere(stage: &Stage, kind: Kind, crashes: u32) -> Result<Counts, String> {
    let mut judge = Judge::new(kind, &stage.sent);
    judge.judge(&stage.disk, &stage.seen)?;
    let state = stage.disk.lock();
    let (base, log) = (state.base.clone(), state.log.clone());
    drop(state);
    judge.explore(&base, &log, &stage.seen, crashes)?;
    Ok(judge.counts)
}

fn crashes(kind: Kind) {
    for trace in traces::ALL {
        let began = std::time::Instant::now();
        let stage = play(trace, kind, Fault::None);
        assert_eq!(stage.troubles(), [""; 0], "{}", trace.name);
        match crash_everywhere(&stage, kind, if THOROUGH { 2 } else { 1 }) {
            Ok(counts) => eprintln!("{}: {counts:?} {} ops {:?}", trace.name, stage.process.operations(), began.elapsed()),
            Err(why) => panic!("{}:\n{why}", trace.name),
        }
    }
}

#[test]
fn a_crash_anywhere_loses_nothing() {
    crashes(MODERN);
}

fn errors(kind: Kind) {
    for trace in traces::ALL {
        let began = std::time::Instant::now();
        let (mut at, mut counts) = (0, Counts::default());
        let operations = play(trace, kind, Fault::None).process.operations();
        while at < operations {
            for code in ERRORS {
                let stage = play(trace, kind, Fault::Error(at, code));
                let more = crash_everywhere(&stage, kind, 1);
                let more = more.unwrap_or_else(|why| panic!("{}, error {code} at {at}:\n{why}\n{:?}", trace.name, stage.troubles()));
                counts.states += more.states;
                counts.different += more.different;
            }
            at += 1;
        }
        eprintln!("{}: {operations} operations, {counts:?} {:?}", trace.name, began.elapsed());
    }
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    errors(MODERN);
}

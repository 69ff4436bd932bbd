//! The spool on a model file system: every crash point of every trace, every subset of what was not synced, every error at every
//! call, a second crash in the recovery, and two runners that take turns. The promises are those of spool(5) and docs/durability.md.
//!
//! `make proof` runs all of it; `make test` a fixed part: one crash, errors at every call with a crash at the end alone, and fewer turns.

#[path = "model/crash.rs"]
mod crash;
#[path = "model/disk.rs"]
mod disk;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/fetching.rs"]
mod fetching;
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

use crash::Reach;
use disk::Fault;
use explore::{Counts, Judge};
use postroad::disk::spool::control::Order;
use postroad::disk::spool::layout::Spool;
use stage::{Kind, Stage};
use traces::Trace;

const MODERN: Kind = Kind { modern: true };
const PLAIN: Kind = Kind { modern: false };
const ERRORS: [i32; 2] = [libc::EIO, libc::ENOSPC];

/// All of it, which takes minutes.
fn is_thorough() -> bool {
    cfg!(feature = "proof")
}

/// How often the power goes: a second time in each recovery, where it has to be thorough or is asked for.
fn power_cuts() -> u32 {
    if is_thorough() || std::env::var_os("POSTROAD_TWO_CRASHES").is_some() { 2 } else { 1 }
}

/// Plays a trace with a fault at one operation.
fn play(trace: &Trace, kind: Kind, fault: Fault) -> Stage {
    let mut stage = if trace.bare { Stage::bare(kind, fault) } else { Stage::new(kind, fault) };
    (trace.play)(&mut stage);
    stage
}

/// Crashes everywhere in what was played.
fn crash_everywhere(judge: &mut Judge, stage: &Stage, crashes: u32) -> Result<(), String> {
    crash_from(judge, stage, 0, crashes)
}

/// Crashes at the end of what was played.
fn crash_at_the_end(judge: &mut Judge, stage: &Stage) -> Result<(), String> {
    let end = stage.disk.lock().log.len();
    crash_from(judge, stage, end, 1)
}

fn crash_from(judge: &mut Judge, stage: &Stage, from: usize, crashes: u32) -> Result<(), String> {
    judge.judge(&stage.disk, &stage.seen)?;
    let state = stage.disk.lock();
    let (base, log) = (state.base.clone(), state.log.clone());
    drop(state);
    judge.explore(&base, &log, from, &stage.seen, crashes)
}

/// One line for who counts: `make proof` shows it.
fn tell(what: &str, kind: Kind, cases: u64, counts: Counts) {
    let renames = if kind.modern { "one step" } else { "two steps" };
    let Counts { states, different } = counts;
    eprintln!(
        "model: {what}, renames in {renames}: {cases} cases, {states} crash states, {different} different ones recovered, 0 wrong"
    );
}

fn crashes(kind: Kind) {
    let mut counts = Counts::default();
    for trace in traces::ALL {
        let stage = play(trace, kind, Fault::None);
        assert_eq!(stage.troubles(), [""; 0], "{}", trace.name);
        let mut judge = Judge::new(kind, &stage.sent, Reach::Every);
        let done = crash_everywhere(&mut judge, &stage, power_cuts());
        done.unwrap_or_else(|why| panic!("{}:\n{why}", trace.name));
        counts += judge.counts;
    }
    let depth = if power_cuts() == 2 { "a crash, and a second in each recovery" } else { "a crash" };
    tell(depth, kind, traces::ALL.len() as u64, counts);
}

#[test]
fn a_crash_anywhere_loses_nothing() {
    crashes(MODERN);
}

#[test]
fn a_crash_anywhere_loses_nothing_where_renames_are_two_steps() {
    crashes(PLAIN);
}

/// EIO and ENOSPC at every operation; after it a crash at the end, or everywhere.
fn errors(kind: Kind) {
    let (mut counts, mut cases) = (Counts::default(), 0);
    for trace in traces::ALL {
        let clean = play(trace, kind, Fault::None);
        let mut judge = Judge::new(kind, &clean.sent, Reach::Every);
        let operations = clean.process.operations();
        for at in 0..operations {
            for code in ERRORS {
                let stage = play(trace, kind, Fault::Error(at, code));
                let done = match is_thorough() {
                    true => crash_everywhere(&mut judge, &stage, 1),
                    false => crash_at_the_end(&mut judge, &stage),
                };
                done.unwrap_or_else(|why| panic!("{}, error {code} at {at}:\n{why}\n{:?}", trace.name, stage.troubles()));
            }
        }
        cases += operations * ERRORS.len() as u64;
        counts += judge.counts;
    }
    tell("an error", kind, cases, counts);
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    errors(MODERN);
}

#[test]
fn an_error_at_any_call_loses_nothing_where_renames_are_two_steps() {
    errors(PLAIN);
}

/// Every process is killed once at every operation, the next one goes on from what it left, synced or not, and then the power goes.
fn kills(kind: Kind) {
    let (mut counts, mut cases) = (Counts::default(), 0);
    for trace in traces::ALL {
        let clean = play(trace, kind, Fault::None);
        let mut judge = Judge::new(kind, &clean.sent, if is_thorough() { Reach::Every } else { Reach::Extremes });
        for at in 0..clean.process.operations() {
            let stage = play(trace, kind, Fault::Death(at));
            let (next, from) = (stage.another(3), stage.disk.lock().log.len());
            if let Ok(spool) = Spool::create_on(next.fs(), &disk::path("/spool")) {
                stage
                    .world(&next, None)
                    .pass(&spool)
                    .or_else(explore::quiet)
                    .unwrap_or_else(|why| panic!("{}: {why}", trace.name));
            }
            let done = crash_from(&mut judge, &stage, from, 1);
            done.unwrap_or_else(|why| panic!("{}, killed at {at}:\n{why}", trace.name));
        }
        cases += clean.process.operations();
        counts += judge.counts;
    }
    tell("a kill and then a crash", kind, cases, counts);
}

#[test]
fn a_kill_and_then_a_power_cut_lose_nothing() {
    kills(MODERN);
}

#[test]
fn a_kill_and_then_a_power_cut_lose_nothing_where_renames_are_two_steps() {
    kills(PLAIN);
}

/// What somebody does by hand before the second runner's pass.
#[derive(Clone, Copy)]
enum Hand {
    Order(Order),
    Edit,
}

/// Two runners: so many operations of the first, so many of the second, then the rest. The first may die.
fn run_both(kind: Kind, turns: &[(usize, u64)], fault: Fault, hand: Option<Hand>) -> Stage {
    let mut stage = Stage::new(kind, fault);
    if hand.is_some() {
        traces::race_for_one(&mut stage)
    } else {
        traces::race(&mut stage)
    }
    let other = stage.another(2);
    stage.disk.schedule(turns, &[1, 2]);
    std::thread::scope(|scope| {
        for process in [&stage.process, &other] {
            let stage = &stage;
            scope.spawn(move || {
                match hand.filter(|_| process.number() == 2) {
                    Some(Hand::Order(order)) => stage.order(process, "m1", order),
                    Some(Hand::Edit) => stage.edit(process, "m1", "later@fries.test"),
                    None => {}
                }
                if let Some(spool) = stage.tell(Spool::open_on(process.fs(), &disk::path("/spool"))) {
                    stage.tell(stage.world(process, None).pass(&spool));
                }
                process.leave();
            });
        }
    });
    stage
}

/// Turns change at every third operation of the one and of the other, or in `make test` at fewer.
fn races(kind: Kind, killed: bool, hand: Option<Hand>) {
    let alone = run_both(kind, &[], Fault::None, hand);
    let most = alone.process.operations();
    let mut judge = Judge::new(kind, &alone.sent, Reach::Extremes);
    let step = if is_thorough() { 3.min(most as usize / 24 + 1) } else { 11.min(most as usize / 8 + 1) };
    let mut orders = 0;
    // Whoever begins is overtaken at each operation, also between two that belong together.
    for first in (0..most).step_by(if hand.is_some() { 1 } else { step }) {
        for second in (0..=most).rev().step_by(if first == 0 { 1 } else { step }) {
            let fault = if killed { Fault::Death(first) } else { Fault::None };
            let turns = if killed { [(2, second), (1, first + 1)] } else { [(1, first), (2, second)] };
            let stage = run_both(kind, &turns, fault, hand);
            let done = crash_everywhere(&mut judge, &stage, 1);
            done.unwrap_or_else(|why| panic!("turns {turns:?}, {fault:?}:\n{why}\n{:?}", stage.troubles()));
            orders += 1;
        }
    }
    let what = match (killed, hand) {
        (true, _) => "two runners, one of them killed",
        (_, Some(Hand::Order(_))) => "a runner and an order",
        (_, Some(Hand::Edit)) => "a runner and an edit",
        _ => "two runners",
    };
    tell(what, kind, orders, judge.counts);
}

#[test]
fn two_runners_that_take_turns_lose_and_repeat_nothing() {
    races(MODERN, false, None);
}

#[test]
fn a_runner_that_is_killed_leaves_the_other_its_work() {
    races(MODERN, true, None);
}

#[test]
fn two_runners_where_renames_are_two_steps() {
    races(PLAIN, false, None);
}

#[test]
fn an_order_or_an_edit_while_a_runner_is_at_the_message_is_never_lost() {
    for hand in [Hand::Order(Order::Hold), Hand::Order(Order::Delete), Hand::Edit] {
        races(MODERN, false, Some(hand));
    }
}

/// A mailbox that is fetched: crashes, errors and kills at every operation of a run, and the next run.
fn fetches(kind: Kind) {
    let (mut states, mut different, mut cases) = (0, 0, 0);
    let told = |trace: &fetching::Trace, what: String, why: String| -> ! { panic!("{}, {what}:\n{why}", trace.name) };
    for trace in fetching::ALL {
        let mut judge = fetching::Judge::new(trace, kind, Reach::Every);
        let (disk, process) = trace.play(kind, Fault::None);
        judge.crash(&disk, 0, power_cuts()).unwrap_or_else(|why| told(trace, "a crash".to_owned(), why));
        for at in 0..process.operations() {
            for fault in [Fault::Error(at, libc::EIO), Fault::Error(at, libc::ENOSPC), Fault::Death(at)] {
                let (disk, _) = trace.play(kind, fault);
                let from = if is_thorough() { 0 } else { disk.lock().log.len() };
                judge.crash(&disk, from, 1).unwrap_or_else(|why| told(trace, format!("{fault:?} and a crash"), why));
                let before = disk.lock().log.len();
                judge.go_on(&disk).unwrap_or_else(|why| told(trace, format!("{fault:?}"), why));
                // What a failed sync left can only be read until the next run has gone its whole way.
                let looks_closer =
                    is_thorough() || (trace.name == "fetched and deleted" && matches!(fault, Fault::Error(_, libc::EIO)));
                let from = if looks_closer { before } else { disk.lock().log.len() };
                judge
                    .crash(&disk, from, 1)
                    .unwrap_or_else(|why| told(trace, format!("{fault:?}, the next run and a crash"), why));
                cases += 1;
            }
        }
        (states, different) = (states + judge.states, different + judge.different);
    }
    tell("a mailbox that is fetched", kind, cases, Counts { states, different });
}

#[test]
fn a_mailbox_is_fetched_without_loss_and_without_a_second_copy() {
    fetches(MODERN);
}

#[test]
fn a_mailbox_is_fetched_without_loss_where_renames_are_two_steps() {
    fetches(PLAIN);
}

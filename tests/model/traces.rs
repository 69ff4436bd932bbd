//! The traces: what is done to a spool while crashes and errors come. Each is short, so that every crash state can be looked at.

use crate::disk::path;
use crate::seen::{Note, What};
use crate::stage::Stage;
use postroad::disk::spool::control::Order;
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::mark::Mark;
use std::sync::Mutex;

pub struct Trace {
    pub name: &'static str,
    /// Begins with a bare disk, not with a spool.
    pub bare: bool,
    pub play: fn(&mut Stage),
}

const ALICE: &str = "alice@sender.test";
const BOB: &str = "bob@hamburger.test";
const CAROL: &str = "carol@fries.test";
const DORA: &str = "dora@crepes.test";
const LATER: &str = "later@hamburger.test";
const NEW: &str = "later@fries.test";
const REFUSED: &str = "refused@hamburger.test";
const HOUR: i64 = 3600;

pub const ALL: &[Trace] = &[
    Trace { name: "a spool is made", bare: true, play: setup },
    trace("accept one", accept_one),
    trace("accept one and take it back", undo),
    trace("accept several at once", accept_several),
    trace("deliver to one destination", deliver_one),
    trace("deliver to several destinations", deliver_several),
    trace("deliver into Maildirs", deliver_local),
    trace("two messages in one pass", deliver_two),
    trace("defer", defer),
    trace("defer again and again", defer_again),
    trace("bounce", bounce),
    trace("bounce two recipients and deliver to a third", bounce_some),
    trace("bounce to nobody", bounce_to_nobody),
    trace("tell of success", tell_success),
    trace("tell of success beside a refusal", tell_both),
    trace("tell of an alias of several", tell_fan_out),
    trace("refused, and the sender asked not to be told", tell_nothing),
    trace("alias fan-out", fan_out),
    trace("an alias whose targets have it anyway", fan_in),
    trace("discard", discard),
    trace("hold and release", hold_release),
    trace("hold what is deferred", hold_deferred),
    trace("delete", delete),
    trace("delete in flight", delete_in_flight),
    trace("hold in flight", hold_in_flight),
    trace("return in flight", bounce_in_flight),
    trace("delete in the last transaction", delete_at_last),
    trace("hold in the last transaction", hold_at_last),
    trace("an order for a message that is gone", stale_order),
    trace("edit a recipient", edit),
    trace("the clock jumps ahead", clock_ahead),
    trace("the clock jumps back", clock_back),
];

const fn trace(name: &'static str, play: fn(&mut Stage)) -> Trace {
    Trace { name, bare: false, play }
}

fn setup(stage: &mut Stage) {
    if stage.tell(Spool::create_on(stage.process.fs(), &path("/spool"))).is_some() {
        stage.accept("m1", ALICE, &[BOB]);
    }
}

fn accept_one(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB, CAROL]);
}

fn undo(stage: &mut Stage) {
    let sent = stage.send("m1", ALICE, &[BOB]);
    let Some(spool) = stage.spool() else { return };
    if let Some(committed) = stage.tell(stage.commit(&spool, &sent)) {
        let other = stage.another(2);
        if let Ok(spool) = Spool::open_on(other.fs(), &path("/spool")) {
            stage.tell(stage.world(&other, None).pass(&spool));
        }
        if stage.tell(committed.undo()).is_some() && !stage.process.is_dead() {
            stage.disk.note(Note::Refused { marker: "m1".to_owned() });
        }
    }
}

fn accept_several(stage: &mut Stage) {
    let all = ["m1", "m2", "m3"].map(|marker| stage.send(marker, ALICE, &[BOB]));
    let Some(spool) = stage.spool() else { return };
    stage.disk.gather(all.len());
    std::thread::scope(|scope| {
        for sent in &all {
            let (stage, spool) = (&*stage, &spool);
            scope.spawn(move || {
                stage.receive(spool, sent);
                stage.disk.one_less();
            });
        }
    });
}

fn deliver_one(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB]);
    stage.premise();
    stage.pass();
}

fn deliver_several(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB, CAROL, DORA]);
    stage.premise();
    stage.pass();
}

fn deliver_local(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[DORA, "dora2@crepes.test"]);
    stage.premise();
    stage.pass();
}

fn deliver_two(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB]);
    stage.accept("m2", ALICE, &[BOB, CAROL]);
    stage.premise();
    stage.pass();
}

fn defer(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER, BOB]);
    stage.premise();
    stage.pass();
}

fn defer_again(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER]);
    stage.pass();
    stage.premise();
    for _ in 0..2 {
        stage.turn(HOUR);
        stage.pass();
    }
}

fn bounce(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[REFUSED]);
    stage.premise();
    stage.pass();
}

fn bounce_some(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[REFUSED, BOB, "refused2@hamburger.test"]);
    stage.premise();
    stage.pass();
}

fn bounce_to_nobody(stage: &mut Stage) {
    stage.accept("m1", "", &[REFUSED, BOB]);
    stage.premise();
    stage.pass();
}

/// One taken by a host that makes no reports, and one delivered here.
fn tell_success(stage: &mut Stage) {
    stage.accept_asking("m1", ALICE, &[BOB, DORA], "success,failure");
    stage.premise();
    stage.pass();
}

fn tell_both(stage: &mut Stage) {
    stage.accept_asking("m1", ALICE, &[REFUSED, BOB], "success,failure");
    stage.premise();
    stage.pass();
}

fn tell_fan_out(stage: &mut Stage) {
    stage.accept_asking("m1", ALICE, &["list@crepes.test"], "success,failure");
    stage.premise();
    stage.pass();
}

fn tell_nothing(stage: &mut Stage) {
    stage.accept_asking("m1", ALICE, &[REFUSED], "never");
    stage.premise();
    stage.pass();
}

fn fan_out(stage: &mut Stage) {
    stage.accept("m1", ALICE, &["list@crepes.test", BOB]);
    stage.premise();
    stage.pass();
}

fn fan_in(stage: &mut Stage) {
    stage.accept("m1", ALICE, &["list@crepes.test", "erin@hamburger.test", "frank@hamburger.test"]);
    stage.premise();
    stage.pass();
}

fn discard(stage: &mut Stage) {
    stage.accept("m1", ALICE, &["dropped@nowhere.test", BOB]);
    stage.premise();
    stage.pass();
}

fn hold_release(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB]);
    stage.premise();
    let process = stage.process.clone();
    stage.order(&process, "m1", Order::Hold);
    release(stage, "m1");
    stage.pass();
}

fn hold_deferred(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER, BOB]);
    stage.premise();
    stage.pass();
    let process = stage.process.clone();
    stage.order(&process, "m1", Order::Hold);
}

fn delete(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB]);
    stage.premise();
    let process = stage.process.clone();
    stage.order(&process, "m1", Order::Delete);
    stage.pass();
}

fn delete_in_flight(stage: &mut Stage) {
    in_flight(stage, &[BOB, CAROL], Order::Delete);
}

fn hold_in_flight(stage: &mut Stage) {
    in_flight(stage, &[BOB, CAROL], Order::Hold);
}

fn bounce_in_flight(stage: &mut Stage) {
    in_flight(stage, &[BOB, CAROL], Order::Bounce);
}

fn delete_at_last(stage: &mut Stage) {
    in_flight(stage, &[BOB], Order::Delete);
}

fn hold_at_last(stage: &mut Stage) {
    in_flight(stage, &[BOB], Order::Hold);
}

/// Given between a runner's last look and its removal of the message, and found by the next pass.
fn stale_order(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB]);
    stage.premise();
    let Some(spool) = stage.spool() else { return };
    let marker = || "m1".to_owned();
    // This runner dies before it syncs its removals.
    let runner = 2;
    if let Some(message) = stage.claim(&spool, "m1") {
        let (id, recipients) = (stage.id("m1").to_string(), vec![BOB.to_owned()]);
        stage.disk.note(Note::Begun { process: runner, id: id.clone(), marker: marker(), recipients });
        let what = What::Copy { marker: marker() };
        stage.disk.note(Note::Taken { id: id.clone(), recipient: BOB.to_owned(), what });
        if stage.tell(message.finish(&[(0, Mark::Accepted)])).is_none() {
            return stage.disk.note(Note::Killed { process: runner });
        }
        stage.disk.note(Note::Settled { id });
        stage.disk.note(Note::Deleting { marker: marker() });
        if stage.tell(spool.order(&stage.id("m1"), Order::Delete)).is_some() {
            stage.disk.note(Note::Deleted { marker: marker() });
        }
    }
    stage.pass();
}

/// While the first transaction is made, somebody else gives the order.
fn in_flight(stage: &mut Stage, recipients: &[&str], order: Order) {
    stage.accept("m1", ALICE, recipients);
    stage.premise();
    let Some(spool) = stage.spool() else { return };
    let (other, given) = (stage.another(2), Mutex::new(false));
    let stage = &*stage;
    let give = |_: &str| {
        if !std::mem::replace(&mut *given.lock().unwrap(), true) {
            stage.order(&other, "m1", order);
        }
    };
    stage.tell(stage.world(&stage.process, Some(&give)).pass(&spool));
}

fn edit(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER, BOB]);
    stage.pass();
    stage.premise();
    stage.sent[0].edit = Some((LATER.to_owned(), NEW.to_owned()));
    let process = stage.process.clone();
    stage.edit(&process, "m1", NEW);
}

fn clock_ahead(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER]);
    stage.premise();
    stage.pass();
    stage.turn(400 * 24 * HOUR);
    stage.pass();
    stage.turn(-400 * 24 * HOUR);
    stage.pass();
}

fn clock_back(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER, BOB]);
    stage.premise();
    stage.pass();
    stage.turn(-30 * 24 * HOUR);
    stage.pass();
    stage.accept("m2", ALICE, &[BOB]);
    stage.pass();
}

fn release(stage: &Stage, marker: &str) {
    let Some(spool) = stage.spool() else { return };
    let Some(message) = stage.claim(&spool, marker) else { return };
    stage.disk.note(Note::Releasing { marker: marker.to_owned() });
    if stage.tell(message.release()).is_some() && !stage.process.is_dead() {
        stage.disk.note(Note::Released { marker: marker.to_owned() });
    }
}

/// What two processes are at, one of them with an order in hand where there is one: a copy, a report, a Maildir and a retry.
pub fn race(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[BOB, REFUSED]);
    stage.accept("m2", ALICE, &[DORA, LATER]);
    stage.premise();
}

/// A message that moves while the order is given and looked for.
pub fn race_for_one(stage: &mut Stage) {
    stage.accept("m1", ALICE, &[LATER]);
    stage.sent[0].edit = Some((LATER.to_owned(), NEW.to_owned()));
    stage.premise();
}
